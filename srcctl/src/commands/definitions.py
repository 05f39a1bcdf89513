"""mkssys, chssys, rmssys, mknotify, rmnotify, mkserver, chserver, rmserver: the definitions in the ODM."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from srcctl.commands.options import Options, UsageError, is_number, parse, usage
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, OdmObject, Repository
from srcctl.src.catalogue import message
from srcctl.src.classes import DIRECTORY

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
LOCK_FILE = "/etc/objrepos/SRCodmlock"
SIGNAL_MAX = 63
SIGNALS = 2
"""SRCsubsys.contact of what is stopped by signals."""


class _Refused(Exception):
    """The request cannot be carried out; ``str()`` is the message."""


class _BadValue(Exception):
    """A flag's argument is none; ``str()`` is a sentence without the command's name."""


@contextmanager
def _definitions() -> Iterator[Repository]:
    """The definitions, for one command at a time: what it has looked at is so until it has written."""
    root = NodeRoot.current()
    with locked(root.path(LOCK_FILE), 0o644):
        yield Repository(root, DIRECTORY)


def _change(repository: Repository, class_name: str, key: str, name: str, changes: OdmObject) -> None:
    """Set descriptors of the objects with that key. Not by criteria, in which not every name can be written."""
    repository.rewrite(class_name, lambda present: [{**o, **changes} if o[key] == name else o for o in present])


def _delete(repository: Repository, class_name: str, key: str, name: str) -> bool:
    """Remove the objects with that key; returns whether there were any."""
    found = any(o[key] == name for o in repository.get(class_name))
    if found:
        repository.rewrite(class_name, lambda present: [o for o in present if o[key] != name])
    return found


EVENTS = {
    "mkssys": "SRC_Addssys", "chssys": "SRC_Chssys", "rmssys": "SRC_Delssys", "mkserver": "SRC_Addserver",
    "chserver": "SRC_Chserver", "rmserver": "SRC_Delserver",
}  # fmt: skip
"""Audit events of the commands."""


def _audit(argv: list[str], flags: str, failed: bool) -> None:
    """Record what was changed, or tried in vain: the name that the command was given."""
    event = EVENTS.get(argv[0].rpartition("/")[2])
    if event is None:
        return
    from srcctl.audit import record

    root = NodeRoot.current()
    name = parse(argv, flags).all("t" if event.endswith("server") else "s")
    record(root, event, name[0] if name else "", argv[0], _audit_id(), failed=failed)


def _run(argv: list[str], flags: str, usage_text: str, work: Callable[[Options], str]) -> int:
    status = _work(argv, flags, usage_text, work)
    if status != USAGE:
        _audit(argv, flags, failed=status != 0)
    return 1 if status else 0


USAGE = 2
"""What ``_work`` returns for a wrong command line."""


def _work(argv: list[str], flags: str, usage_text: str, work: Callable[[Options], str]) -> int:
    try:
        options = parse(argv, flags)
        if options.operands:
            raise UsageError("operands")
        print(work(options))
    except UsageError:
        return usage(usage_text, USAGE)
    except _Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (OdmError, _BadValue) as error:
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
        raise _BadValue("message queue communication (-I) is not supported; use sockets (-K) or signals (-S).")
    changes: OdmObject = {}
    for flag, name in (("a", "cmdargs"), ("p", "path")):
        if flag in options:
            changes[name] = options.value(flag)
    for flag, name in (("t", "synonym"), ("G", "grpname")):
        if flag in options:
            changes[name] = _name(options.value(flag))
    for flag, name in (("i", "standin"), ("o", "standout"), ("e", "standerr")):
        if flag in options:
            changes[name] = options.value(flag)
    if "path" in changes and not str(changes["path"]).startswith("/"):
        raise _BadValue(f"the path {changes['path']} is not absolute.")
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


def _name(text: str) -> str:
    """A name as it is; every listing has a line for it (inferred)."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise _BadValue("a name cannot hold control characters.")
    return text


def _number(text: str, low: int, high: int) -> int:
    if not is_number(text) or not low <= int(text) <= high:
        raise _BadValue(f"{text} is not a number from {low} to {high}.")
    return int(text)


def _user(text: str) -> int:
    if is_number(text):
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise _BadValue(f"{text} is not a user.") from None


def _check_unique_name(repository: Repository, name: str, besides: str = "") -> None:
    """Nothing, if no subsystem but ``besides`` has the name or the synonym.

    Raises:
        _Refused: it is on file.
    """
    for o in repository.get("SRCsubsys"):
        if name and name in (o["subsysname"], o["synonym"]) and o["subsysname"] != besides:
            raise _Refused(message(75))


def _named(repository: Repository, name: str) -> str:
    """The name of the subsystem that has this name or synonym.

    Raises:
        _Refused: there is none.
    """
    for o in repository.get("SRCsubsys"):
        if name in (o["subsysname"], o["synonym"]):
            return str(o["subsysname"])
    raise _Refused(message(84))


def _audit_id() -> int:
    """Who asks: root on a node is the lab's owner on the host, whatever his number there."""
    user = os.getuid()
    return 0 if user == os.stat(NodeRoot.current().path("/etc")).st_uid else user


def mkssys(argv: list[str]) -> int:
    """``mkssys -p Path -s Subsystem -u UserID ...``: add a definition."""

    def work(options: Options) -> str:
        names = options.all("s")
        if len(names) != 1 or not names[0] or "p" not in options or "u" not in options:
            raise UsageError("-s, -p and -u are needed")
        values: OdmObject = {
            "subsysname": _name(names[0]),
            "auditid": _audit_id(),
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
        with _definitions() as repository:
            _check_unique_name(repository, names[0])
            _check_unique_name(repository, str(values.get("synonym", "")))
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
        with _definitions() as repository:
            old = _named(repository, names[0])
            if len(names) == 2 and names[1] != old:
                _check_unique_name(repository, names[1], besides=old)
                changes["subsysname"] = _name(names[1])
            _check_unique_name(repository, str(changes.get("synonym", "")), besides=old)
            _change(repository, "SRCsubsys", "subsysname", old, changes)
            if "subsysname" in changes:
                _change(repository, "SRCsubsvr", "subsysname", old, {"subsysname": names[1]})
                _change(repository, "SRCnotify", "notifyname", old, {"notifyname": names[1]})
        return message(77)

    return _run(argv, FLAGS, CHSSYS_USAGE, work)


def rmssys(argv: list[str]) -> int:
    """``rmssys -s Subsystem``: remove a definition with its subserver types and notify methods."""

    def work(options: Options) -> str:
        given = options.value("s")
        if not given:
            raise UsageError("-s is needed")
        with _definitions() as repository:
            name = _named(repository, given)
            _delete(repository, "SRCsubsys", "subsysname", name)
            _delete(repository, "SRCsubsvr", "subsysname", name)
            _delete(repository, "SRCnotify", "notifyname", name)
        return message(83)

    return _run(argv, "s:", RMSSYS_USAGE, work)


def mknotify(argv: list[str]) -> int:
    """``mknotify -n NotifyName -m NotifyMethod``: a program for the abnormal end of a subsystem or group member."""

    def work(options: Options) -> str:
        name, method = options.value("n"), options.value("m")
        if not name or not method.startswith("/"):
            raise UsageError("-n and an absolute -m are needed")
        with _definitions() as repository:
            subsystems = repository.get("SRCsubsys")
            if not any(name in (o["subsysname"], o["grpname"]) for o in subsystems):
                raise _Refused(message(85, name))
            if any(o["notifyname"] == name for o in repository.get("SRCnotify")):
                raise _Refused(message(78, name))
            repository.add("SRCnotify", {"notifyname": name, "notifymethod": method})
        return message(68)

    return _run(argv, "n:m:", MKNOTIFY_USAGE, work)


def rmnotify(argv: list[str]) -> int:
    """``rmnotify -n NotifyName``."""

    def work(options: Options) -> str:
        name = options.value("n")
        if not name:
            raise UsageError("-n is needed")
        with _definitions() as repository:
            if not _delete(repository, "SRCnotify", "notifyname", name):
                raise _Refused(message(84))
        return message(69)

    return _run(argv, "n:", RMNOTIFY_USAGE, work)


def _owner(repository: Repository, name: str) -> str:
    """The subsystem that a subserver type shall belong to.

    Raises:
        _Refused: it is not on file, or is stopped by signals and can have none.
    """
    owner = next((o for o in repository.get("SRCsubsys") if name in (o["subsysname"], o["synonym"]) and name), None)
    if owner is None:
        raise _Refused(message(85, name))
    if owner["contact"] == SIGNALS:
        raise _Refused(message(5, name))
    return str(owner["subsysname"])


def _check_unique(values: OdmObject, others: list[OdmObject]) -> None:
    for other in others:
        same_code = (other["subsysname"], other["sub_code"]) == (values["subsysname"], values["sub_code"])
        if other["sub_type"] == values["sub_type"] or same_code:
            raise _Refused(message(72))


def mkserver(argv: list[str]) -> int:
    """``mkserver -c CodePoint -s Subsystem -t Type``: a subserver type."""

    def work(options: Options) -> str:
        kind, subsystem = options.value("t"), options.value("s")
        if not kind or not subsystem or "c" not in options:
            raise UsageError("-c, -s and -t are needed")
        code = _number(options.value("c"), 1, 32767)
        with _definitions() as repository:
            values: OdmObject = {"sub_type": _name(kind), "subsysname": _owner(repository, subsystem), "sub_code": code}
            _check_unique(values, repository.get("SRCsubsvr"))
            repository.add("SRCsubsvr", values)
        return message(70, kind)

    return _run(argv, "c:s:t:", MKSERVER_USAGE, work)


def chserver(argv: list[str]) -> int:
    """``chserver -t OldType [-c NewCodePoint] [-s NewSubsystem] [-t NewType]``."""

    def work(options: Options) -> str:
        kinds = options.all("t")
        if not 1 <= len(kinds) <= 2 or not all(kinds):
            raise UsageError("-t is needed")
        with _definitions() as repository:
            present = repository.get("SRCsubsvr")
            own = next((o for o in present if o["sub_type"] == kinds[0]), None)
            if own is None:
                raise _Refused(message(84))
            wanted: OdmObject = dict(own)
            if "c" in options:
                wanted["sub_code"] = _number(options.value("c"), 1, 32767)
            if "s" in options:
                wanted["subsysname"] = _owner(repository, options.value("s"))
            if len(kinds) == 2:
                wanted["sub_type"] = _name(kinds[1])
            _check_unique(wanted, [o for o in present if o is not own])
            _change(repository, "SRCsubsvr", "sub_type", kinds[0], wanted)
        return message(73)

    return _run(argv, "t:c:s:", CHSERVER_USAGE, work)


def rmserver(argv: list[str]) -> int:
    """``rmserver -t Type``."""

    def work(options: Options) -> str:
        kind = options.value("t")
        if not kind:
            raise UsageError("-t is needed")
        with _definitions() as repository:
            if not _delete(repository, "SRCsubsvr", "sub_type", kind):
                raise _Refused(message(84))
        return message(74)

    return _run(argv, "t:", RMSERVER_USAGE, work)
