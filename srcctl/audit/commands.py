"""audit and auditpr.

Sources: their AIX manual pages; the layout of auditpr as administrators know it, the sentences of audit inferred.
"""

from __future__ import annotations

import os
import sys
import time

from srcctl.audit import configuration, trail
from srcctl.audit.trail import Record
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot

AUDIT_FLAGS = ""
AUDIT_USAGE = "Usage: audit {start | shutdown | on | off | query}"
AUDITPR_USAGE = "Usage: auditpr [-i InputFile] [-t {0 | 1 | 2}] [-m Message] [-r] [-v] [-h Fields]"
FIELDS = {
    "e": ("event", 15), "l": ("login", 8), "R": ("status", 11), "t": ("time", 24), "c": ("command", 31),
    "r": ("real", 8), "p": ("process", 8), "P": ("parent", 8), "T": ("thread", 8), "h": ("host", 12),
}  # fmt: skip
"""Titles and widths; the thread of a record is its process."""


def audit(argv: list[str]) -> int:
    """``audit start | shutdown | on | off | query``."""
    if len(argv) != 2 or argv[1] not in ("start", "shutdown", "on", "off", "query"):
        return usage(AUDIT_USAGE)
    root, word = NodeRoot.current(), argv[1]
    now = configuration.state(root)
    if word == "query":
        return _query(root, now)
    if word == "start":
        if now != "disabled":
            return _refused("auditing is enabled already.")
        try:
            configuration.load(root)
        except configuration.ConfigError as error:
            return _refused(f"{error}.")
        configuration.set_state(root, "on")
        return 0
    if now == "disabled":
        return _refused("auditing is disabled: audit start enables it.")
    configuration.set_state(root, {"shutdown": "disabled"}.get(word, word))
    return 0


def _refused(reason: str) -> int:
    sys.stderr.write(f"audit: {reason}\n")
    return 1


def _query(root: NodeRoot, state: str) -> int:
    print(f"auditing {'on' if state == 'on' else 'off'}")
    print(f"bin processing {'on' if state != 'disabled' else 'off'}")
    print("audit events:")
    try:
        classes = configuration.load(root).classes if state != "disabled" else {}
    except configuration.ConfigError:
        classes = {}
    for name, events in classes.items():
        print(f"        {name} - {','.join(events)}")
    if not classes:
        print("        none")
    print("audit objects:\n        none")
    return 0


def auditpr(argv: list[str]) -> int:
    """``auditpr -i /audit/trail`` or ``auditpr < /audit/trail``: records in columns."""
    try:
        options = parse(argv, "i:t:m:rvh:")
        fields = options.value("h", "elRtc").replace(",", "")
        if (
            options.operands
            or not fields
            or set(fields) - set(FIELDS)
            or options.value("t", "1") not in ("0", "1", "2")
        ):
            raise UsageError("fields")
    except UsageError:
        return usage(AUDITPR_USAGE)
    path = options.value("i")
    try:
        if path:
            with open(path, encoding="utf-8", errors="replace") as file:
                records = trail.records(file)
        else:
            records = trail.records(sys.stdin)
    except OSError as error:
        sys.stderr.write(f"auditpr: {path}: {error.strerror}\n")
        return 1
    heading = options.value("t", "1")
    if "m" in options:
        print(options.value("m"))
    for number, made in enumerate(records):
        if heading == "2" or (heading == "1" and number == 0):
            _print_heading(fields)
        print(" ".join(f"{_value(made, field, 'r' in options):<{FIELDS[field][1]}}" for field in fields).rstrip())
        if "v" in options:
            print(f"        {made.tail}")
    return 0


def _print_heading(fields: str) -> None:
    print(" ".join(f"{FIELDS[field][0]:<{FIELDS[field][1]}}" for field in fields).rstrip())
    print(" ".join("-" * FIELDS[field][1] for field in fields))


def _value(made: Record, field: str, numbers: bool) -> str:
    if field in "lr":
        user = made.login if field == "l" else made.real
        return str(user) if numbers else trail.user_name(user)
    return {
        "e": made.event,
        "R": "FAIL" if made.failed else "OK",
        "t": time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(made.time)),
        "c": os.path.basename(made.command),
        "p": str(made.pid),
        "P": str(made.parent),
        "T": str(made.pid),
        "h": made.host,
    }[field]
