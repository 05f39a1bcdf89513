"""A file that is being copied here: it has no name before it is whole, so that nothing is left of it whoever is killed.

open(2) with O_TMPFILE; where a file system cannot do that, the file has a name of its own meanwhile.
"""

from __future__ import annotations

import os
import stat

PIECE = 1 << 20
"""Bytes read or written at once."""
CREATION_MASK = 0o022
"""The one with which clcomd runs, as every daemon."""


def kept_mode(target: str, mode: int) -> int:
    """The mode of a copy whose mode is not to be preserved: that of the file it replaces, or what the file mode
    creation mask leaves of the original's (rcp(1))."""
    try:
        return stat.S_IMODE(os.stat(target).st_mode)
    except OSError:
        return mode & 0o777 & ~CREATION_MASK


class Incoming:
    """The contents to be of ``target`` (a real path); what is there stays as it is until ``keep``.

    Raises:
        OSError: its folder cannot be written.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._temporary = ""
        flags = os.O_WRONLY | os.O_CLOEXEC
        # Nobody else may read it before it has its mode.
        try:
            self.descriptor = os.open(os.path.dirname(target) or ".", flags | os.O_TMPFILE, 0o600)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            raise
        except OSError:
            self._temporary = self._free_name()
            self.descriptor = os.open(self._temporary, flags | os.O_CREAT | os.O_EXCL, 0o600)

    def _free_name(self) -> str:
        return f"{self._target}.{os.getpid()}.{id(self)}.new"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add to it.

        Raises:
            OSError: there is no room.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def keep(self, mode: int, modified_ns: int | None) -> None:
        """It is whole: make it the target, in one step, with this mode and, if given, this time of modification.

        Raises:
            OSError: it cannot be.
        """
        os.fchmod(self.descriptor, mode)
        if modified_ns is not None:
            os.utime(self.descriptor, ns=(modified_ns, modified_ns))
        if not self._temporary:
            # A link cannot replace a file, a rename can. The symbolic link is followed only where a folder is given.
            name = self._free_name()
            os.link(f"/proc/self/fd/{self.descriptor}", name, src_dir_fd=self.descriptor, follow_symlinks=True)
            self._temporary = name
        os.rename(self._temporary, self._target)
        self._temporary = ""

    def close(self) -> None:
        """The end: without ``keep`` nothing is left of it."""
        os.close(self.descriptor)
        if self._temporary:
            try:
                os.unlink(self._temporary)
            except FileNotFoundError:
                pass
