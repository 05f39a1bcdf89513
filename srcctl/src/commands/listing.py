"""lssrc: short status (from srcmstr), long status (from the subsystem), definitions (from the ODM)."""

from __future__ import annotations

import sys

from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.src import packets
from srcctl.src.catalogue import message
from srcctl.src.client import Asker, NoAnswer, NotActive
from srcctl.src.commands.requests import _TooLong, address, show
from srcctl.src.packets import Reply, Request

LSSRC_USAGE = """\
usage: lssrc [-h host] -a
       lssrc [-h host] -g group_name
       lssrc [-h host] [-l] -s subsystem
       lssrc [-h host] [-l] -p subsystem_pid
       lssrc [-h host] [-l] -t type [-p subsystem_pid] [-o object] [-P subserver_pid]
       lssrc -S [-s subsystem | -d]
       lssrc -T [-t type]
       lssrc -N [-n notify_name]"""

HEADER = "Subsystem         Group            PID          Status "
SUBSYSTEM_HEADER = (
    "#subsysname:synonym:cmdargs:path:uid:auditid:standin:standout:standerr:action:multi:contact:svrkey:svrmtype:"
    "priority:signorm:sigforce:display:waittime:grpname:"
)
DEFAULT_RECORD = "::::::/dev/console:/dev/console:/dev/console:-O:-Q:-K:::20:::-d:20::"
SUBSERVER_HEADER = "#sub_type:subsysname:sub_code:"
NOTIFY_HEADER = "#notifyname:notifymethod:"
_LETTERS = {
    "action": {1: "-O", 2: "-R"},
    "multi": {0: "-Q", 1: "-q"},
    "contact": {1: "-I", 2: "-S", 3: "-K"},
    "display": {0: "-D", 1: "-d"},
}


def lssrc(argv: list[str]) -> int:
    """``lssrc``, in all its forms."""
    try:
        options = parse(argv, "ah:g:ls:p:t:o:P:SdTNn:")
        if "S" in options or "T" in options or "N" in options:
            return _definitions(options)
        if "h" in options or "t" in options:
            what = "remote requests (-h)" if "h" in options else "subservers (-t)"
            sys.stderr.write(f"lssrc: {what} are not supported by this node's srcmstr.\n")
            return 1
        subsystem, pid = address(options, everything=True)
        if "l" in options and not ("s" in options or "p" in options):
            raise UsageError("-l")
    except UsageError:
        return usage(LSSRC_USAGE)
    except _TooLong as error:
        print(error)
        return 1
    try:
        with Asker(NodeRoot.current()) as asker:
            replies = asker.ask(Request(packets.STATUS, subsystem, pid, parm1=packets.SHORTSTAT))
            if replies[0].rtncode != packets.OK:
                return _complain(replies)
            table = "\n".join([HEADER, *(reply.text for reply in replies if reply.text)])
            if "l" not in options:
                print(table)
                return 0
            return _long(asker, subsystem, pid, table)
    except NotActive:
        sys.stderr.write(message(1) + "\n")
    except NoAnswer:
        sys.stderr.write(message(56) + "\n")
    return 1


def _complain(replies: list[Reply]) -> int:
    # 0513-085 and 0513-086 on stdout: callers read them there.
    for reply in replies:
        print(message(reply.rtncode, reply.objname))
    return 1


def _long(asker: Asker, subsystem: str, pid: int, table: str) -> int:
    replies = asker.ask(Request(packets.STATUS, subsystem, pid, parm1=packets.LONGSTAT))
    status, shown = 0, False
    for reply in replies:
        if reply.rtncode != packets.OK:
            status |= show(reply, 0)
            continue
        if not reply.flags & packets.OWN_HEADER and not shown:
            print(table)
            shown = True
        print(reply.text)
    return status


def _definitions(options: object) -> int:
    from srcctl.commands.options import Options
    from srcctl.odm import OdmError, Repository

    assert isinstance(options, Options)
    repository = Repository(NodeRoot.current(), "/etc/objrepos")
    try:
        if "S" in options:
            if "d" in options:
                print(f"{SUBSYSTEM_HEADER}\n{DEFAULT_RECORD}")
                return 0
            rows = [
                values
                for values in repository.get("SRCsubsys")
                if "s" not in options or options.value("s") in (values["subsysname"], values["synonym"])
            ]
            # An unknown name prints nothing; callers test for empty output.
            if rows or "s" not in options:
                print("\n".join([SUBSYSTEM_HEADER, *map(_record, rows)]))
            return 0
        flag, class_name, key, header = (
            ("t", "SRCsubsvr", "sub_type", SUBSERVER_HEADER)
            if "T" in options
            else ("n", "SRCnotify", "notifyname", NOTIFY_HEADER)
        )
        rows = [o for o in repository.get(class_name) if flag not in options or o[key] == options.value(flag)]
        if rows or flag not in options:
            print("\n".join([header, *(":".join(map(str, row.values())) + ":" for row in rows)]))
    except OdmError as error:
        sys.stderr.write(f"lssrc: {error}\n")
        return 1
    return 0


def _record(values: dict[str, int | str]) -> str:
    return "".join(f"{_LETTERS[name].get(int(v), v) if name in _LETTERS else v}:" for name, v in values.items())
