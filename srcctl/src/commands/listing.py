"""lssrc: short status (from srcmstr), long status (from the subsystem), definitions (from the ODM)."""

from __future__ import annotations

import sys

from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.src import packets
from srcctl.src.catalogue import message
from srcctl.src.client import Answer, Asker, NoAnswer, NotActive
from srcctl.src.commands.addressing import Unaskable, address, asker, complain, show
from srcctl.src.packets import Request, StatusCode, StatusReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LSSRC_USAGE = """\
usage: lssrc [-h host] -a
       lssrc [-h host] -g group_name
       lssrc [-h host] [-l] -s subsystem
       lssrc [-h host] [-l] -p subsystem_pid
       lssrc [-h host] [-l] -t type [-p subsystem_pid] [-o object] [-P subserver_pid]
       lssrc -S [-s subsystem | -d]
       lssrc -T [-t type]
       lssrc -N [-n notify_name]"""

NLSSRC_USAGE = """\
usage: nlssrc [-h host] -a
       nlssrc [-h host] -g group_name
       nlssrc [-h host] [-l] [-c] -s subsystem_name
       nlssrc [-h host] [-l] [-c] -p subsystem_pid"""

LSSRC_FLAGS = "ah:g:ls:p:t:o:P:SdTNn:"
NLSSRC_FLAGS = "ah:g:lcs:p:"
DEFINITION_FLAGS = {"S": "sd", "T": "t", "N": "n"}
"""The forms that list definitions, each with the flags of which it takes one."""
SUBSYSTEM_COLUMNS = (17, 29)
SUBSERVER_COLUMNS = (13, 49)
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

    def work() -> int:
        options = parse(argv, LSSRC_FLAGS)
        form = next((flag for flag in DEFINITION_FLAGS if flag in options), "")
        if form:
            if options.operands or len(options.values) > 2 or set(options.values) - set(form + DEFINITION_FLAGS[form]):
                raise UsageError("a form has its own flags")
            return _definitions(options)
        if "d" in options or "n" in options:
            raise UsageError("-d belongs to -S, -n to -N")
        request = address(options, "asgpt")
        if "l" in options and not any(flag in options for flag in "spt"):
            raise UsageError("-l")
        with asker(options) as asking:
            if "t" in options:
                how = packets.LONGSTAT if "l" in options else packets.SHORTSTAT
                return _print(asking.ask(request._replace(parm1=how)), options.value("t"))
            return _subsystems(asking, request, "l" in options)

    return _asked(work, LSSRC_USAGE)


def nlssrc(argv: list[str]) -> int:
    """``nlssrc``: as lssrc; with -c in English and, where a subsystem has such a form, as ``key=value`` lines."""

    def work() -> int:
        options = parse(argv, NLSSRC_FLAGS)
        request = address(options, "asgp")
        if ("l" in options or "c" in options) and not any(flag in options for flag in "sp"):
            raise UsageError("-l and -c")
        with asker(options) as asking:
            return _subsystems(asking, request, "l" in options, packets.CANONICAL if "c" in options else 0)

    return _asked(work, NLSSRC_USAGE)


def _asked(work: Callable[[], int], usage_text: str) -> int:
    """The exit code of a command that asks srcmstr; what went wrong is said."""
    try:
        return work()
    except UsageError:
        return usage(usage_text)
    except Unaskable as reason:
        # Callers read what lssrc says of unknown names on stdout.
        print(reason)
    except NotActive as reason:
        return complain(reason)
    except NoAnswer:
        sys.stderr.write(message(56) + "\n")
    return 1


def _subsystems(asking: Asker, request: Request, long: bool, form: int = 0) -> int:
    answers = asking.ask(request._replace(parm1=packets.SHORTSTAT))
    if _complaint(answers[0]) is not None:
        return _print(answers, "")
    table = [line for answer in answers for line in _lines(answer)]
    if not long:
        print("\n".join(table))
        return 0
    answers = asking.ask(request._replace(parm1=packets.LONGSTAT, parm2=form))
    if any(isinstance(a, StatusReply) and a.text and a.codes[0].status for a in answers):
        print("\n".join(table))
    return _print(answers, "")


def _complaint(answer: Answer) -> int | None:
    """The rtncode in an answer that is none."""
    if isinstance(answer, StatusReply):
        code = answer.codes[0] if answer.codes else None
        return code.status if code is not None and code.objtype == packets.ERROR else None
    return answer.rtncode


def _print(answers: list[Answer], subject: str) -> int:
    status = 0
    for answer in answers:
        number = _complaint(answer)
        if number is None:
            print("\n".join(_lines(answer)))
        elif number in (85, 86, 87) and isinstance(answer, StatusReply):
            print(message(number, answer.codes[0].objname))
            status = 1
        else:
            status |= show(answer, 0, subject)
    return status


def _lines(answer: Answer) -> list[str]:
    """The lines of a statrep: a title as it came, rows in columns, a long status as it came."""
    assert isinstance(answer, StatusReply)
    if answer.text or not answer.codes:
        return [answer.text]
    return [_line(code) for code in answer.codes]


def _line(code: StatusCode) -> str:
    widths = SUBSYSTEM_COLUMNS if code.objtype == packets.SUBSYSTEM else SUBSERVER_COLUMNS
    # The title line begins where rows have a blank, and ends in one.
    title = not code.status
    name = code.objname if title else f" {code.objname}"
    word = "Status " if title else packets.STATUS_TEXTS.get(code.status, str(code.status))
    return f"{name:<{widths[0]}} {code.objtext:<{widths[1]}} {word}"


def _definitions(options: object) -> int:
    from srcctl.commands.options import Options
    from srcctl.odm import OdmError, Repository
    from srcctl.src.classes import DIRECTORY

    assert isinstance(options, Options)
    repository = Repository(NodeRoot.current(), DIRECTORY)
    try:
        if "S" in options:
            if "d" in options:
                print(f"{SUBSYSTEM_HEADER}\n{DEFAULT_RECORD}")
                return 0
            rows = [
                values
                for values in repository.get("SRCsubsys")
                if "s" not in options
                or (options.value("s") and options.value("s") in (values["subsysname"], values["synonym"]))
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
