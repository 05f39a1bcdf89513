"""errpt: the error log, newest entry first, in a line or a page an entry."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from srcctl.commands.options import Options, UsageError, is_number, parse, usage
from srcctl.errlog import log
from srcctl.errlog.log import Entry
from srcctl.errlog.templates import TEMPLATES
from srcctl.node.hardware import machine_id
from srcctl.node.root import NodeRoot

RULE = "-" * 75
HEADER = "IDENTIFIER TIMESTAMP  T C RESOURCE_NAME  DESCRIPTION"
CLASSES, TYPES = ("H", "O", "S", "U"), ("INFO", "PEND", "PERF", "PERM", "TEMP", "UNKN")
POLL_SECONDS = 0.2
"""How often ``errpt -c`` looks for new entries."""

ERRPT_USAGE = """\
Usage:
errpt [-acADgtv] [-d ErrorClassList] [-e EndDate] [-s StartDate] [-F FlagList] [-j ErrorID[,ErrorID]]
      [-k ErrorID[,ErrorID]] [-J ErrorLabel[,ErrorLabel]] [-K ErrorLabel[,ErrorLabel]] [-l SequenceNumber]
      [-m Machine] [-n Node] [-N ResourceNameList] [-R ResourceTypeList] [-S ResourceClassList]
      [-T ErrorTypeList] [-i File] [-y File] [-z File]"""
FILTER_FLAGS = "d:e:s:j:k:J:K:N:T:l:m:n:R:S:F:"


class FilterError(Exception):
    """A value of a filter is no such thing; ``str()`` is the message with its id."""


def summary(entry: Entry) -> str:
    """One line of the short listing."""
    stamp = time.strftime("%m%d%H%M%y", time.localtime(entry.time))
    template = entry.template
    return (
        f"{template.identifier:<10} {stamp:<10} {template.type[0]} {template.error_class} "
        f"{entry.resource[:14]:<14} {template.description[:40]}"
    )


def detail(entry: Entry, machine: str, abbreviated: bool = False, device: tuple[str, str] = ("NONE", "NONE")) -> str:
    """The detailed form (``-a``), or the abbreviated one (``-A``); ``device`` is the resource's type and class."""
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
            f"Machine Id:      {machine}",
            f"Node Id:         {entry.node}",
            f"Class:           {template.error_class}",
            f"Type:            {template.type}",
            "WPAR:            Global",
            f"Resource Name:   {entry.resource:<16}",
        ]
        if template.error_class == "H":
            lines += [f"Resource Class:  {device[1]}", f"Resource Type:   {device[0]}", "Location:        "]
        lines += ["", "Description", template.description, ""]
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
    root = NodeRoot.current()
    try:
        options = parse(argv, "acADgtv" + FILTER_FLAGS + "i:y:z:")
        if options.operands or {"a", "A"} <= options.values.keys():
            raise UsageError("operands")
        chosen = entry_filter(options, root)
    except FilterError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except UsageError:
        return usage(ERRPT_USAGE)
    if "t" in options:
        _print_templates(options)
        return 0
    path = options.value("i")
    if path:
        try:
            open(path, encoding="utf-8").close()
        except OSError as error:
            print(f"0315-172 errpt: Unable to open the file {path}: {error.strerror}.", file=sys.stderr)
            return 1
    if "c" in options:
        return _follow(root, options, chosen)
    entries = [entry for entry in log.read(root, path) if chosen(entry)]
    if "D" in options:
        entries = _without_duplicates(entries)
    _print_entries(root, options, reversed(entries), heading=True)
    return 0


def _print_entries(root: NodeRoot, options: Options, entries: Iterable[Entry], heading: bool) -> None:
    if "a" in options or "A" in options:
        machine = machine_id(root.identity)
        for entry in entries:
            device = _device(root, entry) if entry.template.error_class == "H" else ("NONE", "NONE")
            text = detail(entry, machine, abbreviated="A" in options, device=device)
            sys.stdout.write(RULE + "\n" + text + "\n")
        return
    lines = [summary(entry) for entry in entries]
    if lines:
        print("\n".join([HEADER, *lines] if heading else lines))


def _device(root: NodeRoot, entry: Entry) -> tuple[str, str]:
    from srcctl.errlog.notification import resource_type

    return resource_type(root, entry.resource)


def _follow(root: NodeRoot, options: Options, chosen: Callable[[Entry], bool]) -> int:
    """``-c``: what is in the log, oldest first, and every entry as it comes, until the caller has enough."""
    seen, heading = 0, True
    try:
        while True:
            entries = [entry for entry in log.read(root) if entry.sequence > seen]
            wanted = [entry for entry in entries if chosen(entry)]
            _print_entries(root, options, wanted, heading)
            sys.stdout.flush()
            if entries:
                seen = entries[-1].sequence
            heading = heading and not wanted
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return 0


def _without_duplicates(entries: list[Entry]) -> list[Entry]:
    """``-D``: of neighbours that differ in time and number only, the last one."""
    kept: list[Entry] = []
    for entry in entries:
        if kept and (kept[-1].label, kept[-1].resource, kept[-1].details) == (
            entry.label, entry.resource, entry.details,
        ):  # fmt: skip
            kept.pop()
        kept.append(entry)
    return kept


def _print_templates(options: Options) -> None:
    print("Id       Label               Type CL Description")
    for label, template in sorted(TEMPLATES.items(), key=lambda item: item[1].identifier):
        for flag, value in (
            ("J", label),
            ("j", template.identifier),
            ("d", template.error_class),
            ("T", template.type),
        ):
            if flag in options and value.upper() not in words_of(options.value(flag)):
                break
        else:
            name = f"{template.identifier} {label:<19} {template.type:<4} {template.error_class}"
            print(f"{name}  {template.description[:40]}")


def words_of(text: str) -> set[str]:
    """The words of a list, in capital letters."""
    return {word.strip().upper() for word in text.replace(" ", ",").split(",") if word.strip()}


def entry_filter(options: Options, root: NodeRoot) -> Callable[[Entry], bool]:
    """What errpt and errclear choose entries by.

    Raises:
        FilterError: a date, class, type, identifier or number that is none.
    """
    tests: list[Callable[[Entry], bool]] = []

    def add(flag: str, value: Callable[[Entry], str], negated: bool = False) -> None:
        if flag in options:
            wanted = words_of(options.value(flag))
            tests.append(lambda entry: (value(entry).upper() in wanted) != negated)

    for flag, known, what in (("d", CLASSES, "class"), ("T", TYPES, "type")):
        for word in words_of(options.value(flag)) - set(known):
            raise FilterError(f"0315-157 errpt: {word} is not an error {what}; there are {', '.join(known)}.")
    for flag in "jk":
        for word in words_of(options.value(flag)):
            if len(word) > 8 or not set(word) <= set("0123456789ABCDEF"):
                raise FilterError(f"0315-158 errpt: {word} is not an error identifier of 8 hexadecimal digits.")
    for word in options.value("l").replace(",", " ").split():
        if not is_number(word):
            raise FilterError(f"0315-159 errpt: {word} is not a sequence number.")
    add("d", lambda entry: entry.template.error_class)
    add("T", lambda entry: entry.template.type)
    add("j", lambda entry: entry.template.identifier)
    add("k", lambda entry: entry.template.identifier, negated=True)
    add("J", lambda entry: entry.label)
    add("K", lambda entry: entry.label, negated=True)
    add("N", lambda entry: entry.resource)
    add("l", lambda entry: str(entry.sequence))
    add("n", lambda entry: entry.node)
    if "m" in options:
        machine, wanted = machine_id(root.identity), words_of(options.value("m"))
        tests.append(lambda entry: machine in wanted)
    if "R" in options:
        add("R", lambda entry: _device(root, entry)[0])
    if "S" in options:
        add("S", lambda entry: _device(root, entry)[1])
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
        if len(text) != 10 or not is_number(text):
            raise ValueError
        return time.mktime(time.strptime(text, "%m%d%H%M%y"))
    except (ValueError, OverflowError):
        raise FilterError(f"0315-156 errpt: {text} is not a date of the form mmddhhmmyy.") from None
