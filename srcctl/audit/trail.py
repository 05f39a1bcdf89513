"""The audit trail: a line of JSON for each record, appended under a lock, bounded (the format is our own)."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable
from typing import NamedTuple

from srcctl.audit import configuration
from srcctl.node.root import NodeRoot, replace_file


class Record(NamedTuple):
    """One record. ``time`` in seconds since the epoch; ``login`` and ``real`` are numbers of users; ``failed`` says
    that what was tried did not take place."""

    event: str
    time: float
    login: int
    real: int
    pid: int
    parent: int
    command: str
    host: str
    tail: str
    failed: bool = False


FIELD_TYPES = [str, float, int, int, int, int, str, str, str, bool]


def user_name(number: int) -> str:
    """The name of a user, the number where there is none."""
    import pwd

    if number == 0:
        return "root"
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def record(root: NodeRoot, event: str, tail: str, command: str, login: int, *, failed: bool = False) -> bool:
    """Record an event if auditing is on and selects it; returns whether it stands in the trail.

    A trail that cannot be written loses the record; nobody fails for that (the product's default, ``audit on`` without
    panic).

    Args:
        root: the node.
        event: for example ``SRC_Start``.
        tail: what ``auditpr -v`` shows.
        command: the program that did it.
        login: the number of the user whom it is charged to.
        failed: it was tried in vain.
    """
    try:
        if configuration.state(root) != "on":
            return False
        chosen = configuration.load(root)
        if not chosen.binary or not chosen.selects(user_name(login), event):
            return False
        host, path = root.identity.node, root.path(chosen.trail)
        made = Record(event, time.time(), login, os.getuid(), os.getpid(), os.getppid(), command, host, tail, failed)
        line = (json.dumps(made) + "\n").encode()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(path) and os.stat(path).st_size + len(line) > chosen.trail_bytes:
                _shorten(path, line)
            else:
                _append(path, line)
    except (OSError, configuration.ConfigError):
        return False
    return True


def _append(path: str, line: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        end = os.fstat(descriptor).st_size
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line  # the rest of a writer that was killed stays a line of its own, which is no record
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _shorten(path: str, line: bytes) -> None:
    """The older half of the trail goes."""
    with open(path, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    replace_file(path, b"".join(lines[len(lines) // 2 :]) + line, 0o640)


def records(lines: Iterable[str]) -> list[Record]:
    """The records of a trail, oldest first; a line that is none is passed over."""
    found = []
    for line in lines:
        try:
            made = Record(*json.loads(line))
            if [type(value) for value in made] == FIELD_TYPES:
                found.append(made)
        except (ValueError, TypeError):
            continue
    return found
