"""mkssys, chssys, rmssys, mknotify, rmnotify, mkserver, chserver, rmserver: the definitions in the ODM."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, OdmObject, Repository
from srcctl.src.catalogue import message

MKSSYS_USAGE = (
    "usage: mkssys -p path -s subsystem -u userid [-a arguments] [-e standard_error] [-i standard_input]\n"
    "       [-o standard_output] [-t synonym] [-O | -R] [-d | -D] [-q | -Q]\n"
    "       [-K | [-I message_queue -m message_mtype | -f stop_force -n stop_normal -S]] [-E nice] [-G group] [-w wait]"
)
CHSSYS_USAGE = "usage: chssys -s old_subsystem [flags of mkssys] [-s new_subsystem]"
RMSSYS_USAGE = "usage: rmssys -s subsystem"
MKNOTIFY_USAGE = "usage: mknotify -n notify_name -m notify_method"
RMNOTIFY_USAGE = "usage: rmnotify -n notify_name"
MKSERVER_USAGE = "usage: mkserver -c code_point -s subsystem -t type"
CHSERVER_USAGE = "usage: chserver -t old_type [-c new_code_point] [-s new_subsystem] [-t new_type]"
RMSERVER_USAGE = "usage: rmserver -t type"

FLAGS = "p:s:u:a:e:i:o:t:ORdDqQKI:m:f:n:SE:G:w:"
SIGNAL_MAX = 63


class _Refused(Exception):
    """The request cannot be carried out; ``str()`` is the message."""


def _repository() -> Repository:
    return Repository(NodeRoot.current(), "/etc/objrepos")


def _run(argv: list[str], flags: str, usage_text: str, work: Callable[[Options], str]) -> int:
    try:
        options = parse(argv, flags)
        if options.operands:
            raise UsageError("operands")
        print(work(options))
    except UsageError:
        return usage(usage_text)
    except _Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OdmError as error:
        sys.stderr.write(f"{argv[0].rpartition('/')[2]}: {error}\n")
        return 1
    return 0


def _changes(options: Options) -> OdmObject:
    """The descriptors that the flags set.

    Raises:
        UsageError: flags that exclude each other, numbers out of range, an unknown user.
    """
    for first, second in (("O", "R"), ("d", "D"), ("q", "Q"), ("K", "S"), ("K", "I"), ("S", "I")):
        if first in options and second in options:
            raise UsageError(f"-{first} and -{second}")
    if ("f" in options or "n" in options) and "S" not in options:
        raise UsageError("-f and -n need -S")
    if ("I" in options) != ("m" in options):
        raise UsageError("-I and -m belong together")
    if "I" in options:
        # Message queues do not exist here: refused when they are defined, not when the daemon is started.
        raise _Refused("mkssys: message queue communication (-I) is not supported; use sockets (-K) or signals (-S).")
    changes: OdmObject = {}
    for flag, name in (("a", "cmdargs"), ("p", "path"), ("t", "synonym"), ("G", "grpname")):
        if flag in options:
            changes[name] = options.value(flag)
    for flag, name in (("i", "standin"), ("o", "standout"), ("e", "standerr")):
        if flag in options:
            changes[name] = options.value(flag)
    if "path" in changes and not str(changes["path"]).startswith("/"):
        raise UsageError("the path is not absolute")
    if "u" in options:
        changes["uid"] = _user(options.value("u"))
    for flag, name, value in (
        ("O", "action", 1),
        ("R", "action", 2),
        ("d", "display", 1),
        ("D", "display", 0),
        ("q", "multi", 1),
        ("Q", "multi", 0),
        ("K", "contact", 3),
        ("S", "contact", 2),
    ):
        if flag in options:
            changes[name] = value
    for flag, name, low, high in (
        ("f", "sigforce", 1, SIGNAL_MAX),
        ("n", "signorm", 1, SIGNAL_MAX),
        ("E", "priority", 0, 39),
        ("w", "waittime", 1, 32767),
    ):
        if flag in options:
            changes[name] = _number(options.value(flag), low, high)
    return changes


def _number(text: str, low: int, high: int) -> int:
    if not text.isdigit() or not low <= int(text) <= high:
        raise UsageError(f"{text} is not a number from {low} to {high}")
    return int(text)


def _user(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise UsageError(f"{text} is no user") from None


def _exists(repository: Repository, name: str) -> bool:
    return any(name in (o["subsysname"], o["synonym"]) and name for o in repository.get("SRCsubsys"))


def mkssys(argv: list[str]) -> int:
    """``mkssys -p Path -s Subsystem -u UserID ...``: add a definition."""

    def work(options: Options) -> str:
        names = options.all("s")
        if len(names) != 1 or not names[0] or "p" not in options or "u" not in options:
            raise UsageError("-s, -p and -u are needed")
        values: OdmObject = {
            "subsysname": names[0],
            "auditid": os.getuid(),
            "standin": "/dev/console",
            "standout": "/dev/console",
            "standerr": "/dev/console",
            "action": 1,
            "multi": 0,
            "contact": 3,
            "priority": 20,
            "display": 1,
            "waittime": 20,
            **_changes(options),
        }
        repository = _repository()
        synonym = str(values.get("synonym", ""))
        if _exists(repository, names[0]) or (synonym and _exists(repository, synonym)):
            raise _Refused(message(75))
        repository.add("SRCsubsys", values)
        return message(71, names[0])

    return _run(argv, FLAGS, MKSSYS_USAGE, work)


def chssys(argv: list[str]) -> int:
    """``chssys -s OldSubsystem ... [-s NewSubsystem]``: change the definition; a running instance keeps its own."""

    def work(options: Options) -> str:
        names = options.all("s")
        if not 1 <= len(names) <= 2 or not all(names):
            raise UsageError("-s is needed")
        changes = _changes(options)
        repository = _repository()
        found = [o for o in repository.get("SRCsubsys") if names[0] in (o["subsysname"], o["synonym"])]
        if not found:
            raise _Refused(message(84))
        old = str(found[0]["subsysname"])
        if len(names) == 2 and names[1] != old:
            if _exists(repository, names[1]):
                raise _Refused(message(75))
            changes["subsysname"] = names[1]
        repository.change("SRCsubsys", f"subsysname='{old}'", changes)
        if "subsysname" in changes:
            repository.change("SRCsubsvr", f"subsysname='{old}'", {"subsysname": names[1]})
            repository.change("SRCnotify", f"notifyname='{old}'", {"notifyname": names[1]})
        return message(77)

    return _run(argv, FLAGS, CHSSYS_USAGE, work)


def rmssys(argv: list[str]) -> int:
    """``rmssys -s Subsystem``: remove a definition with its subserver types and notify methods."""

    def work(options: Options) -> str:
        name = options.get("s")
        if not name or "'" in name:
            raise UsageError("-s is needed")
        repository = _repository()
        if not repository.delete("SRCsubsys", f"subsysname='{name}'"):
            raise _Refused(message(84))
        repository.delete("SRCsubsvr", f"subsysname='{name}'")
        repository.delete("SRCnotify", f"notifyname='{name}'")
        return message(83)

    return _run(argv, "s:", RMSSYS_USAGE, work)


def mknotify(argv: list[str]) -> int:
    """``mknotify -n NotifyName -m NotifyMethod``: a program for the abnormal end of a subsystem or group member."""

    def work(options: Options) -> str:
        name, method = options.value("n"), options.value("m")
        if not name or not method.startswith("/"):
            raise UsageError("-n and an absolute -m are needed")
        repository = _repository()
        subsystems = repository.get("SRCsubsys")
        if not any(name in (o["subsysname"], o["grpname"]) for o in subsystems):
            raise _Refused(message(85, name))
        if any(o["notifyname"] == name for o in repository.get("SRCnotify")):
            raise _Refused(f"0513-078 The notify name {name} is already on file.")
        repository.add("SRCnotify", {"notifyname": name, "notifymethod": method})
        return "0513-068 The Notify method was successfully added."

    return _run(argv, "n:m:", MKNOTIFY_USAGE, work)


def rmnotify(argv: list[str]) -> int:
    """``rmnotify -n NotifyName``."""

    def work(options: Options) -> str:
        name = options.value("n")
        if not name or "'" in name:
            raise UsageError("-n is needed")
        if not _repository().delete("SRCnotify", f"notifyname='{name}'"):
            raise _Refused(message(84))
        return "0513-069 The Notify method was successfully deleted."

    return _run(argv, "n:", RMNOTIFY_USAGE, work)


def mkserver(argv: list[str]) -> int:
    """``mkserver -c CodePoint -s Subsystem -t Type``: a subserver type."""

    def work(options: Options) -> str:
        kind, subsystem = options.value("t"), options.value("s")
        code = _number(options.value("c"), 1, 32767)
        if not kind or not subsystem:
            raise UsageError("-c, -s and -t are needed")
        repository = _repository()
        owners = [o for o in repository.get("SRCsubsys") if o["subsysname"] == subsystem]
        if not owners:
            raise _Refused(message(85, subsystem))
        if owners[0]["contact"] == 2:
            raise _Refused(message(5, subsystem))
        present = repository.get("SRCsubsvr")
        if any(o["sub_type"] == kind or (o["subsysname"], o["sub_code"]) == (subsystem, code) for o in present):
            raise _Refused("0513-072 The new subserver type or code point is already on file.")
        repository.add("SRCsubsvr", {"sub_type": kind, "subsysname": subsystem, "sub_code": code})
        return f"0513-070 The {kind} Subserver has been added."

    return _run(argv, "c:s:t:", MKSERVER_USAGE, work)


def chserver(argv: list[str]) -> int:
    """``chserver -t OldType [-c NewCodePoint] [-s NewSubsystem] [-t NewType]``."""

    def work(options: Options) -> str:
        kinds = options.all("t")
        if not 1 <= len(kinds) <= 2 or "'" in kinds[0]:
            raise UsageError("-t is needed")
        changes: OdmObject = {}
        if "c" in options:
            changes["sub_code"] = _number(options.value("c"), 1, 32767)
        if "s" in options:
            changes["subsysname"] = options.value("s")
        if len(kinds) == 2:
            changes["sub_type"] = kinds[1]
        if not _repository().change("SRCsubsvr", f"sub_type='{kinds[0]}'", changes):
            raise _Refused(message(84))
        return "0513-073 Subserver has been changed."

    return _run(argv, "t:c:s:", CHSERVER_USAGE, work)


def rmserver(argv: list[str]) -> int:
    """``rmserver -t Type``."""

    def work(options: Options) -> str:
        kind = options.value("t")
        if not kind or "'" in kind:
            raise UsageError("-t is needed")
        if not _repository().delete("SRCsubsvr", f"sub_type='{kind}'"):
            raise _Refused(message(84))
        return "0513-074 Subserver has been Deleted."

    return _run(argv, "t:", RMSERVER_USAGE, work)
