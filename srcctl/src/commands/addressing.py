"""What the SRC commands share: whom a command line means, how it is asked, how answers are shown.

Success messages go to stdout, errors to stderr (inferred from how callers read them); what lssrc says of unknown names
goes to stdout, as its callers rely on. Exit code 1 if any member of a group failed (inferred).
"""

from __future__ import annotations

import sys

from srcctl.commands.options import Options, UsageError, is_number
from srcctl.node.root import NodeRoot
from srcctl.src import packets
from srcctl.src.catalogue import MESSAGES, message
from srcctl.src.client import Answer, Asker, NoReplyAddress, NotActive
from srcctl.src.packets import Reply, Request, StatusReply

NAME_MAX = packets.NAME_BYTES - 1
SUBSERVER_FLAGS = ("o", "P")
KINDS = {"s": packets.BY_NAME, "g": packets.BY_GROUP, "t": packets.BY_TYPE}
_UNKNOWN = {"s": 85, "g": 86, "t": 87}


class Unaskable(Exception):
    """There is no use in asking: a name that no subsystem can have, or no way to ask; ``str()`` is the message."""


def address(options: Options, flags: str) -> Request:
    """The request (without an action) for what -s, -g, -p, -a or -t with -p, -o, -P mean.

    Args:
        options: the command line.
        flags: which of ``asgpt`` the command has.

    Raises:
        UsageError: none or more than one of them, a pid that is no number, -o or -P without -t.
        Unaskable: a name that is too long to be on file.
    """
    given = [flag for flag in flags if flag in options]
    if "t" in given and "p" in given:
        given.remove("p")
    if len(given) != 1 or options.operands:
        raise UsageError("one of them")
    flag, value = given[0], options.value(given[0])
    if flag != "t" and any(other in options for other in SUBSERVER_FLAGS):
        raise UsageError("-o and -P need -t")
    if flag == "a":
        return Request(packets.STATUS, kind=packets.ALL_SUBSYSTEMS)
    if flag == "p":
        return Request(packets.STATUS, "", _pid(value))
    if not value or len(value.encode()) > NAME_MAX or "\0" in value:
        # Nothing that long can be on file; srcmstr need not be asked.
        raise Unaskable(message(_UNKNOWN[flag], value))
    request = Request(packets.STATUS, value, kind=KINDS[flag])
    if flag != "t":
        return request
    if "o" in options and "P" in options:
        raise UsageError("-o or -P")
    subserver = str(_pid(options.value("P"))) if "P" in options else options.value("o")
    if len(subserver.encode()) > NAME_MAX or "\0" in subserver:
        raise UsageError("the object's name is too long")
    return request._replace(pid=_pid(options.value("p")) if "p" in options else 0, objname=subserver)


def _pid(text: str) -> int:
    if not is_number(text) or not 0 < int(text) < 1 << 31:
        raise UsageError(f"{text} is not a process id")
    return int(text)


def asker(options: Options) -> Asker:
    """Who asks: this node's srcmstr, with -h that of another host.

    Raises:
        Unaskable: another host that is not in /etc/hosts, or whose srcmstr only root may ask.
        NotActive: srcmstr does not run.
    """
    root = NodeRoot.current()
    if "h" not in options:
        return Asker(root)
    host = options.value("h")
    if not host:  # of a script's empty variable; what was meant for another node must not be done here (inferred)
        raise Unaskable(message(50, host))
    import os

    from srcctl.src.remote import RemoteAsker, UnknownHost

    if os.geteuid() != 0 and not os.access(root.identity.key, os.R_OK):
        raise Unaskable(message(53))
    try:
        return RemoteAsker(root, host)  # type: ignore[return-value]
    except UnknownHost:
        raise Unaskable(message(50, host)) from None


def show(answer: Answer, success: int, subject: str) -> int:
    """Print one answer; returns its exit code.

    Args:
        answer: a srcrep, or the complaint in a statrep.
        success: the message number for rtncode OK.
        subject: what a message about a subserver names: its type.
    """
    if isinstance(answer, StatusReply):
        code = answer.codes[0]
        answer = Reply(code.status, code.objname, "", code.objtext)
    number = success if answer.rtncode == packets.OK else answer.rtncode
    who = f"{subject} Subserver" if subject else f"{answer.objname} Subsystem"
    match answer.rtncode:
        case packets.OK | 44 | 59:
            sys.stdout.write(message(number, *_values(number, answer, subject)) + "\n")
            return 0
        case packets.MESSAGE:
            sys.stderr.write(answer.rtnmsg + "\n")
        case packets.NOT_SUPPORTED:
            sys.stderr.write(message(103, who) + "\n")
        case _ if number in MESSAGES:
            sys.stderr.write(message(number, answer.objname) + "\n")
        case _:  # a subsystem may answer with any number (inferred)
            words = answer.rtnmsg or f"The {who} answered with the code {number}."
            sys.stderr.write(words + "\n")
    return 1


def _values(number: int, reply: Reply, subject: str) -> tuple[object, ...]:
    if number == 59:
        return (reply.objname, reply.objtext)
    if number == 44:
        return (reply.objname,)
    return (subject,) if number in (124, 127) else ()


def complain(reason: Exception) -> int:
    """Say why nothing can be asked; returns the exit code."""
    not_active = isinstance(reason, NotActive) and not isinstance(reason, NoReplyAddress)
    sys.stderr.write((message(1) if not_active else str(reason)) + "\n")
    return 1
