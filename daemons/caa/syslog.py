"""/var/adm/ras/syslog.caa, as syslogd writes it for facility caa: 10 files of 10 MB.

    Apr  3 12:36:57 node1 caa:info cluster[8454150]: cl_chrepos.c  automatic_repository_update  2297  1  FINISH rc = 0

Time, host, facility and priority, process; then source file, function, line, thread and text, padded as far as the seen
lines tell (blanks are inferred). Files and functions are those of this program.
"""

from __future__ import annotations

import os
import sys
import threading

from daemons.runtime.log import MEGABYTE, DaemonLog

INFO, ERROR = "info", "err|error"


class CaaLog(DaemonLog):
    """The log of one node's CAA.

    Args:
        path: the real path.
        host: the node's name.
    """

    def __init__(self, path: str, host: str) -> None:
        super().__init__(path, 10 * MEGABYTE, 10, "%b %e %H:%M:%S ")
        self._host = host

    def write(self, text: str) -> None:
        """A line of priority info."""
        self._line(INFO, text)

    def error(self, text: str) -> None:
        """A line of priority error."""
        self._line(ERROR, text)

    def _line(self, priority: str, text: str) -> None:
        caller = sys._getframe(2)
        code = caller.f_code
        where = f"{os.path.basename(code.co_filename):<22} {code.co_name:<22} {caller.f_lineno:<7} "
        thread = threading.get_native_id() - os.getpid() + 1
        head = f"{self._host} caa:{priority} cluster[{os.getpid()}]: {where}{thread:<6} "
        super().write(head + " ".join(text.splitlines()))
