"""startsrc, stopsrc, refresh, traceson, tracesoff: requests to running subsystems and for new ones."""

from __future__ import annotations

import sys
from collections.abc import Callable

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.src import packets
from srcctl.src.catalogue import message
from srcctl.src.client import NoAnswer, NotActive
from srcctl.src.commands.addressing import Unaskable, address, asker, complain, show
from srcctl.src.packets import Request

ARGUMENT_MAX = 1200
"""Characters of ``startsrc -a`` and ``-e``."""

STARTSRC_FLAGS = "a:e:h:s:g:t:o:p:"
STOPSRC_FLAGS = "h:fcag:p:s:t:P:o:"
REFRESH_FLAGS = "h:g:p:s:"
TRACESON_FLAGS = "h:lg:p:s:t:o:P:"
TRACESOFF_FLAGS = "h:g:p:s:t:o:P:"

STARTSRC_USAGE = (
    "usage: startsrc [-h host] [-a argument] [-e environment] {-s subsystem | -g group}\n"
    "       startsrc [-h host] -t type [-o object] [-p subsystem_pid]"
)
STOPSRC_USAGE = (
    "usage: stopsrc [-h host] [-f | -c] {-a | -g group | -p subsystem_pid | -s subsystem}\n"
    "       stopsrc [-h host] [-f] -t type [-p subsystem_pid] [-P subserver_pid | -o object]"
)
REFRESH_USAGE = "usage: refresh [-h host] {-g group | -p subsystem_pid | -s subsystem}"
TRACESON_USAGE = (
    "usage: traceson [-h host] [-l] {-g group | -p subsystem_pid | -s subsystem}\n"
    "       traceson [-h host] [-l] -t type [-o object] [-p subsystem_pid] [-P subserver_pid]"
)
TRACESOFF_USAGE = (
    "usage: tracesoff [-h host] {-g group | -p subsystem_pid | -s subsystem}\n"
    "       tracesoff [-h host] -t type [-o object] [-p subsystem_pid] [-P subserver_pid]"
)


def _run(
    usage_text: str, argv: list[str], flags: str, build: Callable[[Options], Request], success: int, subserver: int
) -> int:
    """One request and its answers; ``success`` and ``subserver`` are the messages for a subsystem and a subserver."""
    status = 0
    try:
        options = parse(argv, flags)
        request = build(options)
        number = subserver if "t" in options else success
        subject = options.value("t")
        with asker(options) as asking:
            answers = asking.ask(request)
    except UsageError:
        return usage(usage_text)
    except (Unaskable, NotActive) as reason:
        return complain(reason)
    except NoAnswer as error:
        for answer in error.replies:
            show(answer, number, subject)
        sys.stderr.write(message(56) + "\n")
        return 1
    for answer in answers:
        status |= show(answer, number, subject)
    return status


def startsrc(argv: list[str]) -> int:
    """``startsrc [-a Argument] [-e Environment] {-s Subsystem | -g Group}``, ``startsrc -t Type ...``."""

    def build(options: Options) -> Request:
        request = address(options, "sgt")
        if "p" in options and "t" not in options:
            raise UsageError("-p")
        if "t" in options and ("a" in options or "e" in options):
            raise UsageError("-a and -e are for subsystems")
        arguments, environment = options.value("a"), options.value("e")
        for flag in "ae":
            if len(options.value(flag)) > ARGUMENT_MAX:
                raise Unaskable(f"startsrc: the string of -{flag} has more than {ARGUMENT_MAX} characters.")
        body = packets.encode_start_body(arguments, environment)
        if len(body) > packets.BODY_MAX:
            raise Unaskable("startsrc: the strings of -a and -e are too long.")
        return request._replace(action=packets.START, body=body)

    return _run(STARTSRC_USAGE, argv, STARTSRC_FLAGS, build, 59, 124)


def stopsrc(argv: list[str]) -> int:
    """``stopsrc [-f | -c] {-a | -g Group | -p SubsystemPID | -s Subsystem}``, ``stopsrc [-f] -t Type ...``."""

    def build(options: Options) -> Request:
        if "c" in options and ("f" in options or "t" in options):
            raise UsageError("-c")
        kind = packets.FORCED if "f" in options else packets.CANCEL if "c" in options else packets.NORMAL
        return address(options, "asgpt")._replace(action=packets.STOP, parm1=kind)

    return _run(STOPSRC_USAGE, argv, STOPSRC_FLAGS, build, 44, 127)


def refresh(argv: list[str]) -> int:
    """``refresh {-g Group | -p SubsystemPID | -s Subsystem}``."""

    def build(options: Options) -> Request:
        return address(options, "sgp")._replace(action=packets.REFRESH)

    return _run(REFRESH_USAGE, argv, REFRESH_FLAGS, build, 95, 95)


def traceson(argv: list[str]) -> int:
    """``traceson [-l] {-g Group | -p SubsystemPID | -s Subsystem}``, ``traceson [-l] -t Type ...``."""

    def build(options: Options) -> Request:
        kind = packets.LONGTRACE if "l" in options else packets.SHORTTRACE
        return address(options, "sgpt")._replace(action=packets.TRACE, parm1=kind, parm2=packets.TRACEON)

    return _run(TRACESON_USAGE, argv, TRACESON_FLAGS, build, 91, 91)


def tracesoff(argv: list[str]) -> int:
    """``tracesoff {-g Group | -p SubsystemPID | -s Subsystem}``, ``tracesoff -t Type ...``."""

    def build(options: Options) -> Request:
        return address(options, "sgpt")._replace(action=packets.TRACE, parm1=packets.SHORTTRACE, parm2=packets.TRACEOFF)

    return _run(TRACESOFF_USAGE, argv, TRACESOFF_FLAGS, build, 92, 92)
