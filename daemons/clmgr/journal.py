"""clutils.log: every operation of clmgr with its user, its command, its end, and what it complained about."""

from __future__ import annotations

import os
import time

from srcctl.node.root import NodeRoot

LOG = "/var/hacmp/log/clutils.log"
BYTES_MAX = 1 << 20
"""Bytes after which the log is put aside as ``clutils.log.1``."""


class Entry:
    """One operation. Its lines carry the transaction id, so that one call's can be picked out.

    The form is that of published excerpts as far as they go, and inferred beyond them.
    """

    def __init__(self, root: NodeRoot, words: list[str], transaction: str = "") -> None:
        self._root = root
        self._began = time.time()
        self.words = words
        self.level = ""
        """The log level: with ``error`` only what failed is written."""
        self.trace: list[str] = []
        self.transaction = transaction or f"{os.getppid()}:{os.getpid()}:{time.monotonic_ns() // 1000000}"

    def close(self, status: int, complaint: str = "") -> None:
        """Write the operation to the log; a log that cannot be written hinders nobody."""
        if self.level == "error" and not status:
            return
        now, mark = time.time(), f"({self.transaction})"
        lines = [
            f"CLMGR STARTED  {mark}: {_stamp(self._began)}",
            f"CLMGR USER     {mark}: ::{_user()}:system",
            f"CLMGR COMMAND  {mark}: clmgr {' '.join(map(_without_password, self.words))}",
        ]
        lines += [f"CLMGR TRACE    {mark}: {text}" for text in self.trace]
        if complaint:
            lines += [f"CLMGR STDERR -- BEGIN {mark}:", "", *complaint.splitlines(), f"CLMGR STDERR -- END {mark}"]
        lines += [
            f"CLMGR RETURN   {mark}: {status}",
            f"CLMGR ENDED    {mark}: {_stamp(now)}",
            f"CLMGR ELAPSED  {mark}: {int((now - self._began) * 1000)}ms",
        ]
        append(self._root, "\n".join(lines) + "\n")


def _without_password(word: str) -> str:
    """A word of the command line, its value hidden if it may be a password (names can be abbreviated).

    Operations that stand in one word (``-M``) are left out: each of them has its own entry.
    """
    name, mark, _ = word.partition("=")
    if mark and any(character.isspace() for character in name):
        return "..."
    return f"{name}=********" if password(word) else word


def password(word: str) -> str:
    """The value of a word of the command line that may be a password, "" if it is none."""
    name, mark, value = word.partition("=")
    return value.strip("\"'") if mark and name and "PASSWORD".startswith(name.upper()) else ""


def append(root: NodeRoot, text: str) -> None:
    """Text to clutils.log, whole, also when several write."""
    path = root.path(LOG)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, text.encode(errors="backslashreplace"))
            if os.fstat(descriptor).st_size > BYTES_MAX:
                os.replace(path, path + ".1")
        finally:
            os.close(descriptor)
    except OSError:
        pass


def _user() -> str:
    return os.environ.get("LOGNAME") or os.environ.get("USER") or "root"


def _stamp(moment: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S %Z %Y", time.localtime(moment))
