"""errpt: the error log, newest entry first, in a line or a page an entry."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from srcctl.commands.options import Options, UsageError, is_number, parse, usage
from srcctl.errlog import log
from srcctl.errlog.log import Entry
from srcctl.errlog.templates import TEMPLATES, Template
from srcctl.node.hardware import machine_id
from srcctl.node.root import NodeRoot

RULE = "-" * 75
HEADER = "IDENTIFIER TIMESTAMP  T C RESOURCE_NAME  DESCRIPTION"
CLASSES, TYPES = ("H", "O", "S", "U"), ("INFO", "PEND", "PERF", "PERM", "TEMP", "UNKN")
MARKS = {"alert": 0, "log": 1, "report": 1}
"""How all templates here are marked: not alertable, logged, reported."""
POLL_SECONDS = 0.2
"""How often ``errpt -c`` looks for new entries."""

ERRPT_USAGE = """\
Usage:
errpt [-acADgPtv] [-d ErrorClassList] [-e EndDate] [-s StartDate] [-F FlagList] [-j ErrorID[,ErrorID]]
      [-k ErrorID[,ErrorID]] [-J ErrorLabel[,ErrorLabel]] [-K ErrorLabel[,ErrorLabel]] [-l SequenceNumber]
      [-m Machine] [-n Node] [-N ResourceNameList] [-R ResourceTypeList] [-S ResourceClassList]
      [-T ErrorTypeList] [-i File] [-y File] [-z File]"""
FILTER_FLAGS = "d:j:k:J:K:N:T:l:m:n:R:S:"
"""What errpt and errclear choose by; errpt also by dates (-s, -e) and by what templates are marked as (-F)."""


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
    stamp = _long_stamp(entry.time)
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
        lines += _texts(template)
    if entry.details:
        lines.append("Detail Data")
        for title, text in entry.details:
            lines += [title, text]
        lines.append("")
    if entry.duplicates:
        lines += [
            "Duplicates", "Number of duplicates", f"{entry.duplicates:12d}",
            "Time of first duplicate", _long_stamp(entry.first_duplicate),
            "Time of last duplicate", _long_stamp(entry.last_duplicate),
        ]  # fmt: skip
    return "\n".join(lines).rstrip("\n") + "\n"


def _long_stamp(seconds: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S %Z %Y", time.localtime(seconds))


def errpt(argv: list[str]) -> int:
    """``errpt``: the error log, newest entry first, chosen by class, type, time, identifier, label, name, sequence."""
    root = NodeRoot.current()
    try:
        options = parse(argv, "acADgPtv" + FILTER_FLAGS + "e:s:F:i:y:z:")
        if options.operands or sum(flag in options for flag in "aAg") > 1:
            raise UsageError("operands")
        if "D" in options and any(flag in options for flag in "cgltP"):
            raise UsageError("-D with what it cannot be used with")
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
    if "P" in options:
        entries = [entry for entry in entries if entry.duplicates]
    if "D" in options:
        entries = _without_duplicates(entries)
    _print_entries(root, options, reversed(entries), heading=True)
    return 0


def raw(entry: Entry, machine: str, device: tuple[str, str] = ("NONE", "NONE")) -> str:
    """The unformatted entry (``-g``): the names of its fields are the documented ones, how they are laid out is
    inferred."""
    template = entry.template
    data = " ".join(f"{title} {text}" for title, text in entry.details)
    return "".join(
        f"{name:<18}{value}".rstrip() + "\n"
        for name, value in (
            ("el_sequence", entry.sequence), ("el_label", entry.label), ("el_timestamp", int(entry.time)),
            ("el_crcid", int(template.identifier, 16)), ("el_machineid", machine), ("el_nodeid", entry.node),
            ("el_class", template.error_class), ("el_type", template.type), ("el_resource", entry.resource),
            ("el_rclass", device[1]), ("el_rtype", device[0]), ("el_vpd_ibm", ""), ("el_vpd_user", ""), ("el_in", ""),
            ("el_connwhere", ""), ("et_label", entry.label), ("et_class", template.error_class),
            ("et_type", template.type), ("et_desc", template.description),
            ("et_probcauses", ", ".join(template.probable)), ("et_usercauses", ", ".join(template.user)),
            ("et_failcauses", ", ".join(template.failure)), ("et_failaction", ", ".join(template.actions)),
            ("et_logflg", MARKS["log"]), ("et_alertflg", MARKS["alert"]), ("et_reportflg", MARKS["report"]),
            ("el_detail_length", len(data.encode())), ("el_detail_data", data),
        )
    )  # fmt: skip


def _print_entries(root: NodeRoot, options: Options, entries: Iterable[Entry], heading: bool) -> None:
    if any(flag in options for flag in "aAg"):
        machine = machine_id(root.identity)
        for entry in entries:
            device = _device(root, entry) if entry.template.error_class == "H" else ("NONE", "NONE")
            if "g" in options:
                sys.stdout.write(raw(entry, machine, device) + "\n")
                continue
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
    """``-D``: of neighbours that differ in time and number only the first one, with the number and the times of the
    others and of what errdemon counted."""
    kept: list[Entry] = []
    for entry in entries:
        last = kept[-1] if kept else None
        if last and (last.label, last.resource, last.node, last.details) == (
            entry.label, entry.resource, entry.node, entry.details,
        ):  # fmt: skip
            kept[-1] = last._replace(
                duplicates=last.duplicates + 1 + entry.duplicates,
                first_duplicate=last.first_duplicate or entry.time,
                last_duplicate=entry.last_duplicate or entry.time,
            )
        else:
            kept.append(entry)
    return kept


def _print_templates(options: Options) -> None:
    if "a" not in options:
        print("Id       Label               Type CL Description")
    for label, template in sorted(TEMPLATES.items(), key=lambda item: item[1].identifier):
        chosen = all(
            (value.upper() in words_of(options.value(flag))) != negated
            for flag, value, negated in (
                ("J", label, False), ("j", template.identifier, False), ("d", template.error_class, False),
                ("T", template.type, False), ("K", label, True), ("k", template.identifier, True),
            ) if flag in options
        )  # fmt: skip
        if not chosen or not _marked(options.value("F")):
            continue
        if "a" in options:
            sys.stdout.write(_template_detail(label, template))
            continue
        name = f"{template.identifier} {label:<19} {template.type:<4} {template.error_class}"
        print(f"{name}  {template.description[:40]}")


def _template_detail(label: str, template: Template) -> str:
    """``-at``: a template with its texts."""
    words = [f"{name}: {'YES' if MARKS[key] else 'NO'}" for name, key in _MARK_TITLES]
    lines = [
        RULE, f"IDENTIFIER {template.identifier}", "", f"Label: {label}", f"Class: {template.error_class}",
        f"Type:  {template.type}", "   ".join(words), "", "Description", template.description, "",
    ]  # fmt: skip
    return "\n".join(lines + _texts(template)) + "\n"


_MARK_TITLES = (("Loggable", "log"), ("Reportable", "report"), ("Alertable", "alert"))


def _texts(template: Template) -> list[str]:
    """The causes and actions of a template, an empty line behind each kind."""
    lines: list[str] = []
    for title, causes in (
        ("Probable Causes", template.probable),
        ("User Causes", template.user),
        ("Failure Causes", template.failure),
    ):
        if causes:
            lines += [title, *causes, ""]
    if template.actions:
        lines += ["\tRecommended Actions", *(f"\t{action}" for action in template.actions), ""]
    return lines


def _marked(text: str) -> bool:
    """Whether the templates are marked as ``-F`` says (``alert=0,log=1``).

    Raises:
        FilterError: a word of it is no mark.
    """
    chosen = True
    for word in words_of(text):
        name, _, value = word.lower().partition("=")
        if name not in MARKS or value not in ("0", "1"):
            raise FilterError(f"0315-160 errpt: {word} is none of alert, log and report with =0 or =1.")
        chosen = chosen and str(MARKS[name]) == value
    return chosen


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
    if not _marked(options.value("F")):
        tests.append(lambda entry: False)
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
