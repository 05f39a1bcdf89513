"""What the logs of a node say about failures: the classes, and how hacmp.out and the error log tell of them.

Which classes there are, and which entries and events belong to each, is inferred: published is only that logs are
analyzed for error strings and times.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from srcctl.errlog.log import Entry

LABELS = {
    "Disk failure": (
        "CL_ARU_FAILED", "CL_REPOS_DISK_DOWN", "CL_REPOS_INACCESS", "DISK_ERR1", "LVM_FORCEOFF_VG", "LVM_IO_FAIL",
        "LVM_SA_PVMISS", "LVM_SA_QUORCLOSE", "LVM_SA_STALEPP", "LVM_SA_WRTERR",
    ),
    "Interface failure": ("GOENT_LINK_DOWN",),
    "Node failure": ("CL_AST_PANIC", "CL_DEADMAN_LIMIT", "CL_NODE_DOWN", "KERNEL_PANIC"),
    "Software failure": ("CORE_DUMP", "GS_ERROR_ER", "SRC_RSTRT", "SRC_SVKO", "SRC_TRYX"),
    "File system full": ("CL_VAR_FULL",),
}  # fmt: skip
"""Error labels of each class."""
EVENTS = {
    "fail_interface": "Interface failure",
    "fail_standby": "Interface failure",
    "network_down": "Network failure",
    "server_down": "Application failure",
    "site_down": "Site failure",
}
"""Events that are run because something failed. (node_down is also run for a node that is stopped.)"""
CLASSES = tuple(sorted({*LABELS, *EVENTS.values(), "Event failure"}))
_CLASS_OF_LABEL = {label: name for name, labels in LABELS.items() for label in labels}
_STAMP = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")
_EVENT = re.compile(r"EVENT (START|FAILED): (?:-?\d+: )?(\w+)")


class Failure(NamedTuple):
    """One failure: when (seconds since the epoch), its class, the log that tells of it, and what that says."""

    time: float
    kind: str
    source: str
    text: str

    def line(self) -> str:
        """A row of the report."""
        return f"{stamp(self.time)}  {self.kind:<20} {self.source:<12} {self.text}".rstrip()


def stamp(seconds: float) -> str:
    """A time as the command takes and shows it: YYYY-MM-DDTHH:MM:SS, local time."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))


def class_named(text: str) -> str:
    """The class that an administrator means, whatever the case, blanks and underscores; empty if none."""
    wanted = re.sub(r"[\s_-]", "", text).lower()
    return next((name for name in CLASSES if name.replace(" ", "").lower() == wanted), "")


def timed(lines: Iterable[str], now: float) -> Iterator[tuple[float, str]]:
    """Lines with their times. A line without one has that of the line before it.

    The stamps have no year: it is the last in which they are not later than a day from ``now``.
    """
    last, known = 0.0, ""
    for line in lines:
        if (found := _STAMP.match(line)) and found[0] != known:
            last, known = _seconds(found[0], now) or last, found[0]
        yield last, line.rstrip("\n")


def _seconds(text: str, now: float) -> float:
    year = time.localtime(now).tm_year
    for candidate in (year + 1, year, year - 1):
        try:
            seconds = time.mktime(time.strptime(f"{candidate} {text.strip()}", "%Y %b %d %H:%M:%S"))
        except ValueError:
            continue  # no month of that name, or no 29 February in that year
        if seconds <= now + 86400:
            return seconds
    return 0.0


def from_events(lines: Iterable[str], now: float, source: str = "hacmp.out") -> Iterator[Failure]:
    """Failures that the event lines of hacmp.out tell of."""
    for when, line in timed(lines, now):
        if " EVENT " not in line or not (found := _EVENT.search(line)) or not _STAMP.match(line):
            continue
        result, event = found.groups()
        text = line[found.start() :].rstrip()
        if result == "FAILED":
            kind = "Application failure" if event in ("start_server", "stop_server") else "Event failure"
            yield Failure(when, kind, source, text)
        elif event in EVENTS:
            yield Failure(when, EVENTS[event], source, text)


def from_error_log(entries: Iterable[Entry]) -> Iterator[Failure]:
    """Failures that the error log tells of."""
    for entry in entries:
        if kind := _CLASS_OF_LABEL.get(entry.label):
            text = f"{entry.label} {entry.resource} {entry.template.description}"
            yield Failure(entry.time, kind, "errpt", text)


def from_text(lines: Iterable[str], wanted: str, now: float, source: str) -> Iterator[Failure]:
    """Lines with an error string that names no class."""
    for when, line in timed(lines, now):
        if wanted in line:
            yield Failure(when, "Error string", source, line)


def by_time(failures: Iterable[Failure]) -> list[Failure]:
    """The failures, the oldest first; those of one second in the order in which their log has them."""
    return sorted(failures, key=lambda failure: failure.time)


def most_recent(failures: Iterable[Failure]) -> list[Failure]:
    """The last failure of each class."""
    last: dict[str, Failure] = {}
    for failure in by_time(failures):
        last[failure.kind] = failure
    return by_time(last.values())


def report(node: str, failures: Iterable[Failure]) -> list[str]:
    """A node's part of the report."""
    rows = [failure.line() for failure in by_time(failures)]
    heading = f"Node {node}: {len(rows)} failure{'s' * (len(rows) != 1)} found"
    if not rows:
        return [heading, ""]
    return [heading, f"{'Time':<19}  {'Failure':<20} {'Log':<12} Details", *rows, ""]
