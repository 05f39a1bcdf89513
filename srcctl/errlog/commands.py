"""errpt, errclear, errlogger."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.errlog import log
from srcctl.errlog.log import Entry, log_entry
from srcctl.errlog.templates import TEMPLATES
from srcctl.node.root import NodeRoot

MESSAGE_MAX = 1024
"""Bytes of an errlogger message."""
RULE = "-" * 75
HEADER = "IDENTIFIER TIMESTAMP  T C RESOURCE_NAME  DESCRIPTION"

ERRPT_USAGE = """\
Usage:
errpt [-acAgt] [-d errorClass] [-e endDate] [-s startDate] [-j errorId] [-k errorId]
      [-J errorLabel] [-K errorLabel] [-N resourceName] [-T errorType] [-l sequence] [-i file]"""


def summary(entry: Entry) -> str:
    """One line of the short listing."""
    stamp = time.strftime("%m%d%H%M%y", time.localtime(entry.time))
    template = entry.template
    return (
        f"{template.identifier:<10} {stamp:<10} {template.type[0]} {template.error_class} "
        f"{entry.resource[:14]:<14} {template.description[:40]}"
    )


def detail(entry: Entry, machine_id: str, abbreviated: bool = False) -> str:
    """The detailed form (``-a``), or the abbreviated one (``-A``)."""
    template = entry.template
    stamp = time.strftime("%a %b %e %H:%M:%S %Z %Y", time.localtime(entry.time))
    lines = [f"LABEL:          {entry.label}"]
    if abbreviated:
        lines += [f"Date/Time:       {stamp}", f"Type:            {template.type}"]
        lines += [f"Resource Name:   {entry.resource:<16}", "", "Description", template.description, ""]
    else:
        lines += [
            f"IDENTIFIER:     {template.identifier}",
            "",
            f"Date/Time:       {stamp}",
            f"Sequence Number: {entry.sequence}",
            f"Machine Id:      {machine_id}",
            f"Node Id:         {entry.node}",
            f"Class:           {template.error_class}",
            f"Type:            {template.type}",
            "WPAR:            Global",
            f"Resource Name:   {entry.resource:<16}",
            "",
            "Description",
            template.description,
            "",
        ]
        for title, causes in (
            ("Probable Causes", template.probable),
            ("User Causes", template.user),
            ("Failure Causes", template.failure),
        ):
            if causes:
                lines += [title, *causes, ""]
        if template.actions:
            lines += ["\tRecommended Actions", *(f"\t{action}" for action in template.actions), ""]
    if entry.details:
        lines.append("Detail Data")
        for title, text in entry.details:
            lines += [title, text]
    return "\n".join(lines).rstrip("\n") + "\n"


def errpt(argv: list[str]) -> int:
    """``errpt``: the error log, newest entry first, chosen by class, type, time, identifier, label, name, sequence."""
    try:
        options = parse(argv, "acAgtd:e:s:j:k:J:K:N:T:l:i:S:R:")
        chosen = _filter(options)
        if options.operands:
            raise UsageError("operands")
    except UsageError as error:
        if str(error).startswith("0315"):
            print(error, file=sys.stderr)
            return 1
        return usage(ERRPT_USAGE)
    root = NodeRoot.current()
    if "t" in options:
        _templates(options)
        return 0
    entries = [entry for entry in reversed(log.read(root)) if chosen(entry)]
    if "a" in options or "A" in options:
        machine_id = _machine_id(root)
        for entry in entries:
            sys.stdout.write(RULE + "\n" + detail(entry, machine_id, abbreviated="A" in options) + "\n")
    elif entries:
        print("\n".join([HEADER, *map(summary, entries)]))
    return 0


def _templates(options: Options) -> None:
    print("Id       Label               Type CL Description")
    for label, template in sorted(TEMPLATES.items(), key=lambda item: item[1].identifier):
        if "J" not in options or label in options.value("J").split(","):
            name = f"{template.identifier} {label:<19} {template.type:<4} {template.error_class}"
            print(f"{name}  {template.description[:40]}")


def _machine_id(root: NodeRoot) -> str:
    """Twelve digits in the form of a machine identifier, the same at every boot of the node."""
    import zlib

    return f"00F{zlib.crc32(f'{root.identity.lab_id}/{root.identity.node}'.encode()) & 0xFFFFFFF:07X}"[:10] + "00"


def _filter(options: Options) -> Callable[[Entry], bool]:
    tests: list[Callable[[Entry], bool]] = []

    def add(flag: str, value: Callable[[Entry], str], negated: bool = False) -> None:
        if flag in options:
            wanted = {word.strip().upper() for word in options.value(flag).split(",")}
            tests.append(lambda entry: (value(entry).upper() in wanted) != negated)

    add("d", lambda entry: entry.template.error_class)
    add("T", lambda entry: entry.template.type)
    add("j", lambda entry: entry.template.identifier)
    add("k", lambda entry: entry.template.identifier, negated=True)
    add("J", lambda entry: entry.label)
    add("K", lambda entry: entry.label, negated=True)
    add("N", lambda entry: entry.resource)
    add("l", lambda entry: str(entry.sequence))
    if "s" in options:
        start = _date(options.value("s"))
        tests.append(lambda entry: entry.time >= start)
    if "e" in options:
        end = _date(options.value("e")) + 60
        tests.append(lambda entry: entry.time < end)
    return lambda entry: all(test(entry) for test in tests)


def _date(text: str) -> float:
    """``mmddhhmmyy`` as seconds since the epoch."""
    try:
        if len(text) != 10:
            raise ValueError
        return time.mktime(time.strptime(text, "%m%d%H%M%y"))
    except (ValueError, OverflowError):
        raise UsageError(f"0315-156 errpt: {text} is not a date of the form mmddhhmmyy.") from None


def errclear(argv: list[str]) -> int:
    """``errclear [-d class] [-J label] [-j id] [-N name] [-T type] days``: remove entries older than so many days."""
    try:
        options = parse(argv, "d:j:k:J:K:N:T:l:i:")
        chosen = _filter(options)
        (days,) = options.operands
        limit = time.time() - float(days) * 86400
    except (UsageError, ValueError):
        return usage(
            "Usage:\nerrclear [-d errorClass] [-J errorLabel] [-j errorId] [-N resourceName] [-T errorType] days"
        )
    root = NodeRoot.current()
    log.clear(root, [entry.sequence for entry in log.read(root) if entry.time <= limit and chosen(entry)])
    return 0


def errlogger(argv: list[str]) -> int:
    """``errlogger message``: an operator's message."""
    text = " ".join(argv[1:])
    if not text:
        return usage("Usage: errlogger message")
    cut = text.encode()[:MESSAGE_MAX].decode(errors="ignore")
    log_entry(NodeRoot.current(), "OPMSG", "OPERATOR", operator_details(cut))
    return 0


def operator_details(text: str) -> tuple[tuple[str, str], ...]:
    """The detail data of an operator message."""
    return (("MESSAGE FROM ERRLOGGER COMMAND", text),)
