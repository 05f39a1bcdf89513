"""Log files of daemons: appended by lines, bounded by rotation (``name``, ``name.1``, ...)."""

from __future__ import annotations

import os
import time

MEGABYTE = 1 << 20


class DaemonLog:
    """One log file.

    A line that cannot be written (disk full, read-only) is lost and counted, never an error of the daemon.

    Args:
        path: the real path.
        limit: bytes after which the file is rotated.
        copies: old files kept.
        stamp: the time format in front of a line (strftime), empty for none.
    """

    def __init__(self, path: str, limit: int = MEGABYTE, copies: int = 7, stamp: str = "%Y-%m-%dT%H:%M:%S|") -> None:
        self.path = path
        self.limit = limit
        self.copies = copies
        self.stamp = stamp
        self.lost = 0

    def write(self, text: str) -> None:
        """Append a line (continuation lines of a text get no time stamp, as in clstrmgr.debug)."""
        data = (time.strftime(self.stamp) + text.rstrip("\n") + "\n").encode(errors="replace")
        try:
            descriptor = self._open()
            try:
                if os.fstat(descriptor).st_size + len(data) > self.limit:
                    os.close(descriptor)
                    descriptor = -1
                    self.rotate()
                    descriptor = self._open()
                os.write(descriptor, data)
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        except OSError:
            self.lost += 1

    def rotate(self) -> None:
        """Move the file to ``.1``, ``.1`` to ``.2`` and so on.

        Raises:
            OSError: the folder cannot be written.
        """
        for number in range(self.copies - 1, 0, -1):
            try:
                os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
            except FileNotFoundError:
                pass
        try:
            os.rename(self.path, f"{self.path}.1")
        except FileNotFoundError:
            pass

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self.path, flags, 0o644)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            return os.open(self.path, flags, 0o644)
