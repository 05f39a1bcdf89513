"""cl_testtool.log: what the Cluster Test Tool did, line by line, on the terminal too.

The lines that end a test and a run are the product's, as is the time in front of each; the other words are inferred.
"""

from __future__ import annotations

import os
import time

from daemons.cluster.configuration import Configuration
from daemons.runtime.log import DaemonLog
from srcctl.node.root import NodeRoot

NAME = "cl_testtool.log"
COPIES = 2
"""Old logs that are kept beside the present one."""
SIZE_MAX = 16 << 20


class Record:
    """The log of one run.

    Args:
        root: this node.
        c: the configuration, which says where the log is.
        cycle: begin a new file; else go on in the old one.
    """

    def __init__(self, root: NodeRoot, c: Configuration, cycle: bool) -> None:
        directory = next((log.directory for log in c.logs if log.name == NAME), "/var/hacmp/log")
        self._log = DaemonLog(root.path(f"{directory}/{NAME}"), SIZE_MAX, COPIES, "%d/%m/%Y_%H:%M:%S: ")
        if cycle:
            try:
                self._log.rotate()
            except OSError:
                pass

    def line(self, text: str = "") -> None:
        """A line of the log, and of the terminal."""
        for each in text.split("\n"):
            self._log.write(each)
            print(each, flush=True)

    def heading(self, text: str) -> None:
        """The beginning of a part."""
        self.line("-" * 55)
        self.line(f"| {text}")
        self.line("-" * 55)

    def banner(self, text: str) -> None:
        """The beginning or the end of the run."""
        self.line("#" * 55)
        self.line(f"## {text}")
        self.line("#" * 55)

    def test(self, *texts: str) -> None:
        """The beginning or the end of a test."""
        self.line("=" * 55)
        for text in texts:
            self.line(f"|| {text}")
        self.line("=" * 55)


def elapsed(since: float) -> str:
    """Real seconds since a moment of ``time.monotonic``."""
    return f"{time.monotonic() - since:.1f} seconds"


def read(root: NodeRoot, path: str) -> str:
    """The text of a plan or a variables file.

    Raises:
        OSError: it cannot be read.
    """
    with open(root.path(path) if os.path.isabs(path) else path, encoding="utf-8", errors="replace") as file:
        return file.read()
