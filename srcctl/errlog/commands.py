"""errclear, errlogger, errdemon, errstop."""

from __future__ import annotations

import os
import sys
import time

from srcctl.commands.options import UsageError, is_number, parse, usage
from srcctl.errlog import log, settings
from srcctl.errlog.log import LOG_FILE, log_entry
from srcctl.errlog.report import FILTER_FLAGS, FilterError, entry_filter
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError

ERRLOGGER_FLAGS = ERRSTOP_FLAGS = ""
MESSAGE_MAX = 1024
"""Bytes of an errlogger message."""
ERRDEMON_USAGE = "Usage: errdemon [-l] [-B BufferSize] [-d | -D] [-i File] [-m MaxDups] [-s LogSize] [-t DupTime]"
ERRCLEAR_USAGE = """\
Usage:
errclear [-d ErrorClassList] [-i File] [-J ErrorLabel[,ErrorLabel]] [-K ErrorLabel[,ErrorLabel]]
         [-l SequenceNumber] [-m Machine] [-n Node] [-N ResourceNameList] [-R ResourceTypeList]
         [-S ResourceClassList] [-T ErrorTypeList] [-j ErrorID[,ErrorID]] [-k ErrorID[,ErrorID]] Days"""


def errclear(argv: list[str]) -> int:
    """``errclear [filters] days``: remove the entries that are older than so many days; 0 removes all."""
    root = NodeRoot.current()
    try:
        options = parse(argv, FILTER_FLAGS + "i:y:")
        (days,) = options.operands
        if not is_number(days):
            raise UsageError("days")
        chosen = entry_filter(options, root)
    except FilterError as error:
        sys.stderr.write(f"{error}\n".replace("errpt:", "errclear:", 1))
        return 1
    except (UsageError, ValueError):
        return usage(ERRCLEAR_USAGE)
    path = options.value("i") if options.value("i") != LOG_FILE else ""
    if path and not os.path.exists(path):
        sys.stderr.write(f"0315-172 errclear: Unable to open the file {path}: No such file or directory.\n")
        return 1
    # 0 is all of them, also those of a clock that was ahead.
    limit = time.time() - int(days) * 86400 if int(days) else float("inf")
    log.clear(root, [entry.sequence for entry in log.read(root, path) if entry.time <= limit and chosen(entry)], path)
    return 0


def errlogger(argv: list[str]) -> int:
    """``errlogger message``: an operator's message."""
    text = " ".join(argv[1:])
    if not text:
        return usage("Usage: errlogger Message")
    cut = text.encode("utf-8", "replace")[:MESSAGE_MAX].decode(errors="ignore")
    root = NodeRoot.current()
    if log_entry(root, "OPMSG", "OPERATOR", operator_details(cut)):
        return 0
    reason = "error logging is off" if settings.is_stopped(root) else f"{LOG_FILE} cannot be written"
    sys.stderr.write(f"errlogger: the message is not logged, {reason}.\n")
    return 1


def operator_details(text: str) -> tuple[tuple[str, str], ...]:
    """The detail data of an operator message."""
    return (("MESSAGE FROM ERRLOGGER COMMAND", text),)


def errdemon(argv: list[str]) -> int:
    """``errdemon``: start error logging; ``-l`` shows its attributes, -s -B -d -D -t -m set them.

    The entries are written by whoever logs them; what runs on AIX as a process is here a state of the node.
    """
    root = NodeRoot.current()
    try:
        options = parse(argv, "lB:dDi:m:s:t:p:R:")
        if options.operands:
            raise UsageError("operands")
        changes = {}
        for flag, field, least in (
            ("s", "log_size", settings.LOG_SIZE_MIN), ("B", "buffer_size", settings.BUFFER_SIZE_MIN),
            ("t", "duplicate_interval", 1), ("m", "duplicate_maximum", 1),
        ):  # fmt: skip
            if flag in options:
                if not is_number(options.value(flag)) or int(options.value(flag)) < least:
                    sys.stderr.write(f"0315-175 errdemon: the value of -{flag} is a number of at least {least}.\n")
                    return 1
                changes[field] = options.value(flag)
        if {"d", "D"} <= options.values.keys():
            raise UsageError("-d or -D")
    except UsageError:
        return usage(ERRDEMON_USAGE)
    if "i" in options and options.value("i") != LOG_FILE:
        sys.stderr.write(f"0315-176 errdemon: the error log of a node is {LOG_FILE}.\n")
        return 1
    if "d" in options or "D" in options:
        changes["remove_duplicates"] = "true" if "d" in options else "false"
    try:
        if changes:
            settings.store(root, changes)
    except OdmError as error:
        sys.stderr.write(f"errdemon: {error}\n")
        return 1
    if "l" in options:
        _print_attributes(root)
    elif not changes or settings.is_stopped(root):
        return _start(root)
    return 0


def _print_attributes(root: NodeRoot) -> None:
    found = settings.load(root)
    print("Error Log Attributes")
    print("--------------------------------------------")
    for title, value in (
        ("Log File", LOG_FILE),
        ("Log Size", f"{found.log_size} bytes"),
        ("Memory Buffer Size", f"{found.buffer_size} bytes"),
        ("Duplicate Removal", str(found.remove_duplicates).lower()),
        ("Duplicate Interval", f"{found.duplicate_interval} milliseconds"),
        ("Duplicate Error Maximum", str(found.duplicate_maximum)),
    ):
        print(f"{title:<23} {value}")


def _start(root: NodeRoot) -> int:
    if not settings.is_stopped(root):
        sys.stderr.write("0315-100 errdemon: The error daemon is already running.\n")
        return 1
    os.unlink(root.path(settings.STOPPED_MARK))
    log_entry(root, "ERRLOG_ON", "errdemon")
    return 0


def errstop(argv: list[str]) -> int:
    """``errstop``: end error logging until errdemon or the next boot; what is logged meanwhile is lost."""
    if len(argv) > 1:
        return usage("Usage: errstop")
    root = NodeRoot.current()
    if settings.is_stopped(root):
        sys.stderr.write("0315-101 errstop: The error daemon is not running.\n")
        return 1
    log_entry(root, "ERRLOG_OFF", "errdemon")
    os.makedirs(os.path.dirname(root.path(settings.STOPPED_MARK)), exist_ok=True)
    replace_file(root.path(settings.STOPPED_MARK), b"")
    return 0
