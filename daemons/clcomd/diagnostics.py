"""clcomddiag.log: what clcomd does, step by step, in the form that the product's trace has.

A line is ``2017-05-16T10:15:24.022360(772): clcomd.c: recover: 5170: text``: time with microseconds, thread, file,
function and line of the program, as in captured logs. File, function and line are ours.
"""

from __future__ import annotations

import sys
import threading
import time

from daemons.runtime.log import DaemonLog


class DiagnosticLog:
    """The trace.

    Args:
        path: the real path; rotated like every daemon's log.
    """

    def __init__(self, path: str) -> None:
        self._log = DaemonLog(path, stamp="")

    def write(self, text: str) -> None:
        """Append a line about the place from which this is called."""
        frame = sys._getframe(1)
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(now))}.{int(now % 1 * 1_000_000):06}"
        where = f"{frame.f_code.co_filename.rpartition('/')[2]}: {frame.f_code.co_name}: {frame.f_lineno}"
        flat = text.replace("\n", "\\n")
        self._log.write(f"{stamp}({threading.get_native_id()}): {where}: {flat}")

    def rotate(self) -> None:
        """Move the file aside.

        Raises:
            OSError: the folder cannot be written.
        """
        self._log.rotate()
