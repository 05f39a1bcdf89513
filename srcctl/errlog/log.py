"""The error log's file: appended under a lock, one line an entry, bounded, whole after kill -9.

The size is errdemon's setting; when the log is full its older half goes.

An entry is a line of JSON that ends in a newline; a line without its end was being written when its writer died and is
not an entry. Behind an entry stands at most a line with the number of its duplicates: what is the same as the entry
before, and comes within errdemon's interval, is counted there and not written again (the manual page of errdemon; that
the interval begins again with each duplicate is inferred). Sequence numbers go on when entries are removed.
"""

from __future__ import annotations

import os
import time

from srcctl.commands import plain_json as json
from srcctl.commands.record import Record
from srcctl.errlog import settings
from srcctl.errlog.templates import TEMPLATES, Template
from srcctl.node.locks import locked
from srcctl.node.root import IdentityError, NodeRoot, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LOG_FILE = "/var/adm/ras/errlog"


class Entry(Record):
    """One entry. Times in seconds since the epoch; ``details`` are titles and texts of the detail data; ``duplicates``
    says how many the same followed, the first and the last of them when."""

    sequence: int
    time: float
    label: str
    resource: str
    node: str
    details: tuple[tuple[str, str], ...] = ()
    duplicates: int = 0
    first_duplicate: float = 0.0
    last_duplicate: float = 0.0

    @property
    def template(self) -> Template:
        """What the log knows about the label."""
        return TEMPLATES[self.label]


_LABEL, _DUPLICATES = '"label": ', '"duplicates": '
"""What a line of an entry and one of its duplicates hold; a line without either keeps the last sequence number."""
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
    try:
        if settings.is_stopped(root):
            return False
        current = settings.load(root)
        with _locked(root):
            written = _write(root, current, (label, resource, tuple((str(t), str(x)) for t, x in details)), once)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if written and os.path.exists(root.path("/etc/objrepos/errnotify")):
        from srcctl.errlog.notification import notify

        sequence, duplicate = written
        notify(root, sequence, label, template, resource, duplicate=duplicate)
    return True


def _write(
    root: NodeRoot, current: settings.Settings, what: tuple[str, str, tuple[tuple[str, str], ...]], once: str
) -> tuple[int, bool] | None:
    """Write an entry, or count it as a duplicate: its number, and whether it is one; None if ``once`` is there.

    The log is locked.
    """
    lines, size, end = _read_lines(root)
    if once and any(f'"once": {json.dumps(once)}' in line for line in lines[-ONCE_MAX:]):
        return None
    now = time.time()
    label, resource, details = what
    sequence = int(json.loads(lines[-1])["sequence"]) + 1 if lines else 1
    marked = {"once": once} if once else {}
    whole = sum(len(line.encode()) for line in lines)
    if whole != end:
        size = end + current.log_size  # somebody wrote into the log what is no entry: what is one is written anew
    begin = next((place for place in range(len(lines) - 1, -1, -1) if _LABEL in lines[place]), 0)
    last = next(iter(_entries(lines[begin:])), None)
    # What counts them begins anew with errdemon, whose start is no duplicate of the one before.
    if last is not None and last.sequence == sequence - 1 and label != "ERRLOG_ON" and current.remove_duplicates:
        latest = last.last_duplicate or last.time
        same = (last.label, last.resource, last.details, last.node) == (label, resource, details, _node(root))
        in_time = 0 <= now - latest <= current.duplicate_interval / 1000
        if same and in_time and last.duplicates < current.duplicate_maximum:
            text = _duplicate_line(last.sequence, last.duplicates + 1, last.first_duplicate or now, now, marked)
            if last.duplicates and len(lines[-1].encode()) == len(text):
                # Lines of one length: one is written over the other, without an instant of neither.
                whole -= len(text)
                size -= len(text)
                lines.pop()
            _store(root, lines, size, whole, text, current.log_size)
            return last.sequence, True
    entry = {
        "sequence": sequence, "time": now, "label": label, "resource": resource, "node": _node(root),
        "details": [list(detail) for detail in details], **marked,
    }  # fmt: skip
    _store(root, lines, size, whole, (json.dumps(entry) + "\n").encode(), current.log_size)
    return sequence, False


def _duplicate_line(sequence: int, count: int, first: float, last: float, marked: dict[str, str]) -> bytes:
    rest = json.dumps(marked)[1:-1]
    text = f'{{"sequence": {sequence:10d}, "duplicates": {count:10d}, "first": {first:17.6f}, "last": {last:17.6f}'
    return f"{text}{', ' if rest else ''}{rest}}}\n".encode()


def _store(root: NodeRoot, lines: list[str], size: int, whole: int, data: bytes, size_max: int) -> None:
    """Write ``data`` at ``whole``, the end of the lines that stay; if the log is full its older half goes."""
    if size + len(data) <= size_max:
        _write_at(root.path(LOG_FILE), data, whole)
        return
    kept = lines[len(lines) // 2 :] if whole + len(data) > size_max else lines
    while kept and sum(len(line.encode()) for line in kept) + len(data) > size_max:
        kept = kept[len(kept) // 2 + 1 :]
    replace_file(root.path(LOG_FILE), "".join(kept).encode() + data)


def read(root: NodeRoot, path: str = "") -> list[Entry]:
    """All entries, oldest first; an absent log is empty.

    Args:
        root: the node.
        path: a copy of a log (a real path) instead of the node's own.
    """
    try:
        lines, _, _ = _read_lines(root, path)
    except OSError:
        return []
    return _entries(lines)


def clear(root: NodeRoot, remove: Sequence[int], path: str = "") -> None:
    """Remove the entries with these sequence numbers, from a copy of a log (a real path) if ``path`` names one.

    Raises:
        OSError: the log cannot be written.
    """
    gone = set(remove)
    with _locked(root):
        lines, _, _ = _read_lines(root, path)
        kept = [line for line in lines if _sequence(line) not in gone and (_LABEL in line or _DUPLICATES in line)]
        if lines and _sequence(lines[-1]) != (_sequence(kept[-1]) if kept else 0):
            # The numbers go on: who follows the log (errpt -c) knows new entries by them.
            kept.append(json.dumps({"sequence": _sequence(lines[-1])}) + "\n")
        replace_file(path or root.path(LOG_FILE), "".join(kept).encode())


def _node(root: NodeRoot) -> str:
    try:
        return root.identity.node
    except IdentityError:
        return os.uname().nodename


def _entries(lines: list[str]) -> list[Entry]:
    """The entries of a log's lines, each with its duplicates."""
    found: dict[int, Entry] = {}
    for line in lines:
        try:
            value = json.loads(line)
            sequence = int(value["sequence"])
            if "duplicates" in value:
                if sequence in found:
                    found[sequence] = found[sequence]._replace(
                        duplicates=int(value["duplicates"]),
                        first_duplicate=float(value["first"]),
                        last_duplicate=float(value["last"]),
                    )
            elif value.get("label") in TEMPLATES:
                details = tuple((str(title), str(text)) for title, text in value["details"])
                found[sequence] = Entry(
                    sequence, float(value["time"]), value["label"], value["resource"], value["node"], details
                )
        except (ValueError, KeyError, TypeError):
            continue
    return list(found.values())


def _sequence(line: str) -> int:
    """A line's sequence number; 0 if it has none."""
    try:
        return int(json.loads(line)["sequence"])
    except (ValueError, KeyError, TypeError):
        return 0


def _read_lines(root: NodeRoot, path: str = "") -> tuple[list[str], int, int]:
    """Complete lines with their ends, the file's size, and where its last line ends, in bytes."""
    try:
        with open(path or root.path(LOG_FILE), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return [], 0, 0
    lines = data.decode("utf-8", "replace").split("\n")[:-1]
    return [line + "\n" for line in lines if line.startswith("{")], len(data), data.rfind(b"\n") + 1


def _write_at(path: str, data: bytes, place: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, data, place)
        if os.fstat(descriptor).st_size > place + len(data):
            # The tail of a writer that was killed in the middle of its line.
            os.ftruncate(descriptor, place + len(data))
    finally:
        os.close(descriptor)


def _locked(root: NodeRoot) -> locked:
    path = root.path(LOG_FILE) + ".lock"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return locked(path)
