"""The error log's file: appended under a lock, one line an entry, bounded, whole after kill -9.

The size is errdemon's setting; when the log is full its older half goes.

An entry is a line of JSON that ends in a newline; a line without its end was being written when its writer died and is
not an entry.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from srcctl.commands.record import Record
from srcctl.errlog import settings
from srcctl.errlog.templates import TEMPLATES, Template
from srcctl.node.locks import locked
from srcctl.node.root import IdentityError, NodeRoot, replace_file

LOG_FILE = "/var/adm/ras/errlog"


class Entry(Record):
    """One entry. ``time`` in seconds since the epoch; ``details`` are titles and texts of the detail data."""

    sequence: int
    time: float
    label: str
    resource: str
    node: str
    details: tuple[tuple[str, str], ...] = ()

    @property
    def template(self) -> Template:
        """What the log knows about the label."""
        return TEMPLATES[self.label]


ONCE_MAX = 64
"""Entries that are looked at for one that must not be written twice."""


def log_entry(
    root: NodeRoot, label: str, resource: str, details: Sequence[tuple[str, str]] = (), *, once: str = ""
) -> bool:
    """Write an entry. A log that cannot be written (full or read-only disk) loses it; nobody fails for that.

    Args:
        root: the node's file tree.
        label: of a template.
        resource: the resource name, for example ``SRC``.
        details: titles and texts of the detail data.
        once: names what happened; of two entries with the same name the second is not written. For a writer that may
            be killed between the entry and its note that there is one.

    Returns:
        Whether it stands in the log.

    Raises:
        KeyError: no template has that label (a defect of the caller).
    """
    template = TEMPLATES[label]
    sequence = 0
    try:
        if settings.is_stopped(root):
            return False
        size_max = settings.load(root).log_size
        with _locked(root):
            entries, size = _read_lines(root)
            if once and any(json.loads(entry).get("once") == once for entry in entries[-ONCE_MAX:]):
                return True
            sequence = json.loads(entries[-1])["sequence"] + 1 if entries else 1
            line = json.dumps(
                {
                    "sequence": sequence,
                    "time": time.time(),
                    "label": label,
                    "resource": resource,
                    "node": _node(root),
                    "details": [list(detail) for detail in details],
                    **({"once": once} if once else {}),
                }
            )
            data = (line + "\n").encode()
            if size + len(data) > size_max:
                kept = entries[len(entries) // 2 :]
                while kept and sum(len(entry.encode()) for entry in kept) + len(data) > size_max:
                    kept = kept[len(kept) // 2 + 1 :]
                replace_file(root.path(LOG_FILE), "".join(kept).encode() + data)
            else:
                _append(root.path(LOG_FILE), data, sum(len(entry.encode()) for entry in entries))
    except (OSError, ValueError, KeyError):
        return False
    if os.path.exists(root.path("/etc/objrepos/errnotify")):
        from srcctl.errlog.notification import notify

        notify(root, sequence, label, template, resource)
    return True


def read(root: NodeRoot, path: str = "") -> list[Entry]:
    """All entries, oldest first; an absent log is empty.

    Args:
        root: the node.
        path: a copy of a log (a real path) instead of the node's own.
    """
    try:
        lines, _ = _read_lines(root, path)
    except OSError:
        return []
    return [entry for line in lines if (entry := _entry(line)) is not None]


def clear(root: NodeRoot, remove: Sequence[int], path: str = "") -> None:
    """Remove the entries with these sequence numbers, from a copy of a log (a real path) if ``path`` names one.

    Raises:
        OSError: the log cannot be written.
    """
    gone = set(remove)
    with _locked(root):
        lines, _ = _read_lines(root, path)
        kept = [line for line in lines if (entry := _entry(line)) is None or entry.sequence not in gone]
        replace_file(path or root.path(LOG_FILE), "".join(kept).encode())


def _node(root: NodeRoot) -> str:
    try:
        return root.identity.node
    except IdentityError:
        return os.uname().nodename


def _entry(line: str) -> Entry | None:
    try:
        value = json.loads(line)
        if value["label"] not in TEMPLATES:
            return None
        return Entry(
            int(value["sequence"]),
            float(value["time"]),
            value["label"],
            value["resource"],
            value["node"],
            tuple((str(title), str(text)) for title, text in value["details"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _read_lines(root: NodeRoot, path: str = "") -> tuple[list[str], int]:
    """Complete lines with their ends, and the file's size."""
    try:
        with open(path or root.path(LOG_FILE), encoding="utf-8", errors="replace", newline="\n") as file:
            text = file.read()
    except FileNotFoundError:
        return [], 0
    lines = text.splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n") and line.startswith("{")], len(text.encode())


def _append(path: str, data: bytes, end_of_whole_lines: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if os.fstat(descriptor).st_size != end_of_whole_lines:
            # The tail of a writer that was killed in the middle of its line.
            os.ftruncate(descriptor, end_of_whole_lines)
        os.pwrite(descriptor, data, end_of_whole_lines)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(root: NodeRoot) -> Iterator[None]:
    path = root.path(LOG_FILE) + ".lock"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with locked(path):
        yield
