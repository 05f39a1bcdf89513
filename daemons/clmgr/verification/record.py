"""What is kept of a run of verification: clverify.log, and the folders current, pass, pass.prev and fail."""

from __future__ import annotations

import os
import shutil
import sys
import time

import msgspec

from daemons.cluster.verification import NodeFacts
from daemons.runtime.log import DaemonLog
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot

DIRECTORY = "/var/hacmp/clverify"
LOG_COPIES = 7


class Record:
    """One run. Nothing that cannot be written (a full disk) stops verification.

    Args:
        root: this node.
        log_file: a product path that gets a copy of the output, "" for none.
        quiet: print nothing.
    """

    def __init__(self, root: NodeRoot, log_file: str = "", quiet: bool = False) -> None:
        self._root = root
        self._quiet = quiet
        self._directory = root.path(DIRECTORY)
        self._copy = root.path(log_file) if log_file else ""
        self._lines: list[str] = []
        self._data: dict[str, bytes] = {}
        self._told = ""
        self._log = DaemonLog(os.path.join(self._directory, "clverify.log"), copies=LOG_COPIES, stamp="")
        rule = "-" * 79
        self.note(f"{rule}\n{time.ctime()}: verification on node {root.identity.node}\n{rule}")
        shutil.rmtree(os.path.join(self._directory, "current"), ignore_errors=True)

    def say(self, text: str, end: str = "\n") -> None:
        """A text for the administrator and the log."""
        if not self._quiet:
            sys.stdout.write(text + end)
            sys.stdout.flush()
        self._told = text
        self.note(text)

    def apart(self, text: str) -> None:
        """A text with an empty line before it."""
        self.say(text if self._told.endswith("\n") else f"\n{text}")

    def block(self, text: str) -> None:
        """A paragraph: an empty line stands before and behind it."""
        self.apart(f"{text}\n")

    def note(self, text: str) -> None:
        """A text for the log alone."""
        self._lines.append(text)
        self._log.write(text)

    def data(self, node: str, facts: NodeFacts) -> None:
        """Keep what a node said (``current/NODE/facts``, and in the log)."""
        data = msgspec.json.encode(facts)
        self._log.write(f"cl_config facts on node {node}: {data.decode()}")
        self._data[node] = msgspec.json.format(data, indent=1) + b"\n"
        try:
            _write(os.path.join(self._directory, "current"), {node: self._data[node]})
        except OSError:
            pass

    def close(self, passed: bool | None) -> None:
        """The end of the run: its data become ``pass`` (the ones before ``pass.prev``) or ``fail``; those of one that
        was interrupted (None) are nobody's."""
        shutil.rmtree(os.path.join(self._directory, "current"), ignore_errors=True)
        if passed is None:
            self.note("Verification was interrupted.")
            return
        fresh = os.path.join(self._directory, f".{os.getpid()}")
        try:
            _write(fresh, self._data)
            with locked(os.path.join(self._directory, ".lock")):
                self._keep(fresh, "pass" if passed else "fail")
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
        if self._copy:
            try:
                with open(self._copy, "w", encoding="utf-8") as file:
                    file.write("\n".join(self._lines) + "\n")
            except OSError as error:
                sys.stderr.write(f"{self._copy}: {error.strerror}\n")

    def _keep(self, fresh: str, result: str) -> None:
        """Make a folder the one of the last run with this result; two runs may end at the same moment."""
        target = os.path.join(self._directory, result)
        if result == "pass" and os.path.isdir(target):
            before = os.path.join(self._directory, "pass.prev")
            shutil.rmtree(before, ignore_errors=True)
            os.rename(target, before)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(fresh, target)


def _write(folder: str, data: dict[str, bytes]) -> None:
    os.makedirs(folder, exist_ok=True)
    for node, text in data.items():
        os.makedirs(os.path.join(folder, node), exist_ok=True)
        with open(os.path.join(folder, node, "facts"), "wb") as file:
            file.write(text)
