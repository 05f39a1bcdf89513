"""startsrc, stopsrc, refresh, traceson, tracesoff: requests to running subsystems and for new ones.

Success messages go to stdout, errors to stderr (inferred from how callers read them); 0513-085 of lssrc goes to stdout,
as its callers rely on. Exit code 1 if any member of a group failed (inferred).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.src import packets
from srcctl.src.catalogue import message
from srcctl.src.client import NoAnswer, NotActive, ask
from srcctl.src.packets import Reply, Request

ARGUMENT_MAX = 1200
"""Characters of ``startsrc -a`` and ``-e``."""
NAME_MAX = packets.NAME_BYTES - 1

STARTSRC_USAGE = (
    "usage: startsrc [-h host] [-a argument] [-e environment] {-s subsystem | -g group}\n"
    "       startsrc [-h host] -t type [-o object] [-p subsystem_pid]"
)
STOPSRC_USAGE = (
    "usage: stopsrc [-h host] [-f | -c] {-a | -g group | -p subsystem_pid | -s subsystem}\n"
    "       stopsrc [-h host] [-f] -t type [-p subsystem_pid] [-P subserver_pid | -o object]"
)
REFRESH_USAGE = "usage: refresh [-h host] {-g group | -p subsystem_pid | -s subsystem}"
TRACESON_USAGE = "usage: traceson [-h host] [-l] {-g group | -p subsystem_pid | -s subsystem}"
TRACESOFF_USAGE = "usage: tracesoff [-h host] {-g group | -p subsystem_pid | -s subsystem}"


def address(options: Options, *, everything: bool = False) -> tuple[str, int]:
    """The subsystem field and pid that -s, -g, -p (and -a) mean.

    Raises:
        UsageError: none or more than one of them, or a pid that is no number.
    """
    given = [flag for flag in ("s", "g", "p", *(("a",) if everything else ())) if flag in options]
    if len(given) != 1 or options.operands:
        raise UsageError("one of -s, -g, -p")
    flag, value = given[0], options.value(given[0])
    if flag == "a":
        return packets.ALL_SUBSYSTEMS, 0
    if flag == "p":
        if not value.isdigit() or not 0 < int(value) < 1 << 31:
            raise UsageError(f"{value} is not a process id")
        return "", int(value)
    if not value or len(value.encode()) > NAME_MAX - (flag == "g"):
        # Nothing that long can be on file; srcmstr need not be asked.
        raise _TooLong(message(85 if flag == "s" else 86, value))
    return (value if flag == "s" else packets.GROUP_PREFIX + value), 0


class _TooLong(Exception):
    """A name that no subsystem or group can have; ``str()`` is the message."""


def _run(usage_text: str, argv: list[str], flags: str, build: Callable[[Options], Request], success: int) -> int:
    try:
        options = parse(argv, flags)
        if "h" in options or "t" in options:
            # Remote hosts and subservers are refused in words until srcmstr serves them.
            what = "remote requests (-h)" if "h" in options else "subservers (-t)"
            sys.stderr.write(f"{argv[0].rpartition('/')[2]}: {what} are not supported by this node's srcmstr.\n")
            return 1
        request = build(options)
    except UsageError:
        return usage(usage_text)
    except _TooLong as error:
        sys.stderr.write(f"{error}\n")
        return 1
    status = 0
    try:
        replies = ask(NodeRoot.current(), request)
    except NotActive:
        sys.stderr.write(message(1) + "\n")
        return 1
    except NoAnswer as error:
        for reply in error.replies:
            status |= show(reply, success)
        sys.stderr.write(message(56) + "\n")
        return 1
    for reply in replies:
        status |= show(reply, success)
    return status


def show(reply: Reply, success: int) -> int:
    """Print one answer; returns its exit code. ``success`` is the message number for rtncode OK."""
    match reply.rtncode:
        case packets.OK | 44 | 59:
            number = success if reply.rtncode == packets.OK else reply.rtncode
            text = message(number, *_values(number, reply))
            sys.stdout.write(text + "\n")
            return 0
        case packets.MESSAGE:
            sys.stderr.write(reply.text + "\n")
        case packets.NOT_SUPPORTED:
            sys.stderr.write(message(103, reply.objname) + "\n")
        case packets.DENIED:
            sys.stderr.write(message(53) + "\n")
        case number:
            sys.stderr.write(message(number, reply.objname) + "\n")
    return 1


def _values(number: int, reply: Reply) -> tuple[object, ...]:
    if number == 59:
        return (reply.objname, reply.pid)
    return (reply.objname,) if number == 44 else ()


def startsrc(argv: list[str]) -> int:
    """``startsrc [-a Argument] [-e Environment] {-s Subsystem | -g Group}``."""

    def build(options: Options) -> Request:
        if "p" in options:
            raise UsageError("-p")
        subsystem, _ = address(options)
        arguments, environment = options.value("a"), options.value("e")
        if len(arguments) > ARGUMENT_MAX or len(environment) > ARGUMENT_MAX:
            raise UsageError("argument or environment too long")
        body = packets.encode_start_body(arguments, environment)
        if len(body) > packets.BODY_MAX or "\0" in arguments + environment:
            raise UsageError("argument or environment too long")
        return Request(packets.START, subsystem, body=body)

    return _run(STARTSRC_USAGE, argv, "a:e:h:s:g:t:o:p:", build, 59)


def stopsrc(argv: list[str]) -> int:
    """``stopsrc [-f | -c] {-a | -g Group | -p SubsystemPID | -s Subsystem}``."""

    def build(options: Options) -> Request:
        if "f" in options and "c" in options:
            raise UsageError("-f and -c")
        subsystem, pid = address(options, everything=True)
        kind = packets.FORCED if "f" in options else packets.CANCEL if "c" in options else packets.NORMAL
        return Request(packets.STOP, subsystem, pid, parm1=kind)

    return _run(STOPSRC_USAGE, argv, "h:fcag:p:s:t:P:o:", build, 44)


def refresh(argv: list[str]) -> int:
    """``refresh {-g Group | -p SubsystemPID | -s Subsystem}``."""

    def build(options: Options) -> Request:
        return Request(packets.REFRESH, *address(options))

    return _run(REFRESH_USAGE, argv, "h:g:p:s:", build, 95)


def traceson(argv: list[str]) -> int:
    """``traceson [-l] {-g Group | -p SubsystemPID | -s Subsystem}``."""

    def build(options: Options) -> Request:
        kind = packets.LONGTRACE if "l" in options else packets.SHORTTRACE
        return Request(packets.TRACE, *address(options), parm1=kind, parm2=packets.TRACEON)

    return _run(TRACESON_USAGE, argv, "h:lg:p:s:t:o:P:", build, 91)


def tracesoff(argv: list[str]) -> int:
    """``tracesoff {-g Group | -p SubsystemPID | -s Subsystem}``."""

    def build(options: Options) -> Request:
        return Request(packets.TRACE, *address(options), parm1=packets.SHORTTRACE, parm2=packets.TRACEOFF)

    return _run(TRACESOFF_USAGE, argv, "h:g:p:s:t:o:P:", build, 92)
