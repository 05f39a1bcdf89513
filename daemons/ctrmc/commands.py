"""RMC and ERRM commands: lsrsrc, lscondition, mkcondition, startcondresp and their kin.

Exit codes are those of the RSCT manual pages: 0 success, 1 an error of RMC, 2 of the command, 3 a bad flag, 4 a bad
parameter, 6 no resources found.
"""

from __future__ import annotations

import getopt
import sys
import time
from collections.abc import Callable, Sequence

from daemons.ctrmc.client import NoSession, ask
from daemons.ctrmc.messages import (
    Associate,
    AuditReply,
    Define,
    DefineResponse,
    ListAudit,
    ListRegistry,
    ListResources,
    Outcome,
    RegistryReply,
    Remove,
    ResourcesReply,
)
from daemons.ctrmc.model import Action, Condition, Response
from daemons.ctrmc.render import Cell, delimited, long_form, table

RMC_ERROR, BAD_FLAG, BAD_PARAMETER, NOTHING_FOUND = 1, 3, 4, 6


class _Usage(Exception):
    def __init__(self, text: str, code: int = BAD_FLAG) -> None:
        super().__init__(text)
        self.code = code


def _command(usage: str, flags: str) -> Callable[[Callable[..., int]], Callable[[list[str]], int]]:
    """A command's frame: options, usage, the daemon's absence."""

    def decorate(work: Callable[[str, dict[str, str], list[str]], int]) -> Callable[[list[str]], int]:
        def command(argv: list[str]) -> int:
            name = argv[0].rpartition("/")[2]
            try:
                pairs, operands = getopt.gnu_getopt(argv[1:], flags)
                options = dict(pairs)
                if "-h" in options:
                    print(f"Usage: {name} {usage}")
                    return 0
                return work(name, options, operands)
            except getopt.GetoptError as error:
                print(f"{name}: 2612-001 {error}.\nUsage: {name} {usage}", file=sys.stderr)
                return BAD_FLAG
            except _Usage as error:
                print(f"{name}: {error}\nUsage: {name} {usage}", file=sys.stderr)
                return error.code
            except NoSession as error:
                print(f"{name}: {error}", file=sys.stderr)
                return RMC_ERROR

        return command

    return decorate


def _print(lines: Sequence[str]) -> None:
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")


def _list(
    options: dict[str, str], title: str, header: Sequence[str], rows: Sequence[Sequence[Cell]], operands: Sequence[str]
) -> None:
    """Table or delimited form, with the comment line in front."""
    show = "-x" not in options
    body = (
        delimited(header, rows, options.get("-D", ":"), show)
        if "-d" in options or "-D" in options
        else table(header, rows, show)
    )
    _print(([title] if show else []) + body)


@_command(
    '[-s "selection_string"] [-A p|d|b] [-l|-t|-d|-D delimiter] [-x] [-h] [resource_class] [attribute...]',
    "s:A:ltdD:xhaVT",
)
def lsrsrc(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lsrsrc: the resources of a class, or the names of all classes."""
    resource_class, wanted = (operands[0], operands[1:]) if operands else ("", [])
    kind = options.get("-A", "p" if not wanted else "b")
    if kind not in ("p", "d", "b"):
        raise _Usage(f"2612-004 {kind} is not valid for the flag -A: p, d or b.", BAD_PARAMETER)
    reply = ask(ListResources(resource_class, options.get("-s", "")), ResourcesReply)
    if reply.error:
        print(f"{name}: {reply.error}", file=sys.stderr)
        return RMC_ERROR
    if not resource_class:
        _print(["class_name", *(f'"{class_name}"' for class_name in reply.classes)])
        return 0
    blocks: list[list[tuple[str, Cell]]] = []
    for resource in reply.resources:
        common = {key: resource.persistent[key] for key in ("ActivePeerDomain", "NodeNameList")}
        persistent = {key: cell for key, cell in resource.persistent.items() if key not in common}
        shown = {**(persistent if kind in "pb" else {}), **(resource.dynamic if kind in "db" else {}), **common}
        if wanted:
            known = {**resource.persistent, **resource.dynamic}
            unknown = [attribute for attribute in wanted if attribute not in known]
            if unknown:
                print(f"{name}: 2612-014 {unknown[0]} is not an attribute of {resource_class}.", file=sys.stderr)
                return BAD_PARAMETER
            shown = {attribute: known[attribute] for attribute in wanted}
        blocks.append(list(shown.items()))
    if not blocks:
        if options.get("-s"):
            print(f"{name}: 2612-023 No resources were found for the class {resource_class}.", file=sys.stderr)
            return NOTHING_FOUND
        return 0
    heading = {"p": "Persistent", "d": "Dynamic", "b": "Persistent and Dynamic"}[kind]
    title = f"Resource {heading} Attributes for {resource_class}"
    if "-t" in options or "-d" in options or "-D" in options:
        header = [key for key, _ in blocks[0]]
        _list(options, title, header, [[cell for _, cell in block] for block in blocks], ())
    else:
        show = "-x" not in options
        lines = [title] if show else []
        for number, block in enumerate(blocks, 1):
            width = max(len(key) for key, _ in block)
            lines += [f"resource {number}:"] if show else []
            lines += long_form("", [block], show_header=False) if width else []
        _print(lines)
    return 0


@_command("[-a] [-m|-n|-e] [-l|-t|-d|-D delimiter] [-x] [-h] [condition...]", "amneltdD:xhqVTUAC")
def lscondition(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lscondition: all conditions as a table, or the named ones in long form."""
    reply = ask(ListRegistry(), RegistryReply)

    def status(condition: Condition) -> str:
        if not reply.registry.monitored(condition.name):
            return "Not monitored"
        return "Error" if condition.name in reply.failed else "Monitored"

    wanted = {"-m": "Monitored", "-n": "Not monitored", "-e": "Error"}
    chosen = [c for c in reply.registry.conditions if all(status(c) == wanted[f] for f in wanted if f in options)]
    if operands:
        names = [operand.partition(":")[0] for operand in operands]
        for missing in (n for n in names if reply.registry.condition(n) is None):
            print(f'{name}: 2618-001 The condition "{missing}" is not defined.', file=sys.stderr)
            return RMC_ERROR
        chosen = [c for c in chosen if c.name in names]
    tabular = "-t" in options or "-d" in options or "-D" in options
    if "-l" in options or (operands and not tabular):
        lines = ["Displaying condition information:", ""] if "-x" not in options else []
        _print(lines + long_form("condition", (_condition_block(c, reply.node, status(c)) for c in chosen)))
        return 0
    rows = [(c.name, reply.node, status(c)) for c in chosen]
    _list(options, "Displaying condition information:", ("Name", "Node", "MonitorStatus"), rows, operands)
    return 0


def _condition_block(condition: Condition, node: str, status: str) -> list[tuple[str, Cell]]:
    return [
        ("Name", condition.name),
        ("Node", node),
        ("MonitorStatus", status),
        ("ResourceClass", condition.resource_class),
        ("EventExpression", condition.event_expression),
        ("EventDescription", condition.event_description),
        ("RearmExpression", condition.rearm_expression),
        ("RearmDescription", condition.rearm_description),
        ("SelectionString", condition.selection),
        ("Severity", condition.severity),
        ("NodeNames", "{}"),
        ("MgtScope", "l"),
        ("Toggle", "Yes" if condition.toggle else "No"),
        ("EventBatchingInterval", 0),
        ("EventBatchingMaxEvents", 0),
        ("BatchedEventRetentionPeriod", 0),
        ("BattchedEventMaxTotalSize", 0),
        ("RecordAuditLog", "ALL"),
    ]


@_command("[-a] [-l|-t|-d|-D delimiter] [-x] [-h] [response...]", "altdD:xhqbVTUAC")
def lsresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lsresponse: all responses as a table, or the named ones in long form."""
    reply = ask(ListRegistry(), RegistryReply)
    names = [operand.partition(":")[0] for operand in operands]
    for missing in (n for n in names if reply.registry.response(n) is None):
        print(f'{name}: 2618-002 The response "{missing}" is not defined.', file=sys.stderr)
        return RMC_ERROR
    chosen = [r for r in reply.registry.responses if not names or r.name in names]
    if "-l" in options or names:
        blocks = [_action_block(r, action, reply.node) for r in chosen for action in r.actions or (None,)]
        _print(["Displaying response information:", "", *long_form("response", blocks, show_header=False)])
        return 0
    rows = [(r.name, reply.node) for r in chosen]
    _list(options, "Displaying response information:", ("ResponseName", "Node"), rows, operands)
    return 0


def _action_block(response: Response, action: Action | None, node: str) -> list[tuple[str, Cell]]:
    block: list[tuple[str, Cell]] = [("ResponseName", response.name), ("Node", node)]
    if action is None:
        return block
    return [
        *block,
        ("Action", action.name),
        ("DaysOfWeek", action.days),
        ("TimeOfDay", action.times),
        ("ActionScript", action.script),
        ("ReturnCode", action.return_code or 0),
        ("CheckReturnCode", "n" if action.return_code is None else "y"),
        ("EventType", action.event_type),
        ("StandardOut", "y" if action.keep_output else "n"),
        ("EnvironmentVars", " ".join(action.environment)),
        ("UndefRes", "y" if action.undefined_resource else "n"),
        ("EventBatching", "n"),
    ]


@_command("[-a|-n] [-t|-d|-D delimiter] [-x] [-h] [condition [response...]]", "anltdD:xhqzVTU")
def lscondresp(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lscondresp: conditions with their responses, and whether they are active."""
    reply = ask(ListRegistry(), RegistryReply)
    condition = operands[0].partition(":")[0] if operands else ""
    if condition and reply.registry.condition(condition) is None:
        print(f'{name}: 2618-001 The condition "{condition}" is not defined.', file=sys.stderr)
        return RMC_ERROR
    rows = [
        (a.condition, a.response, reply.node, "Active" if a.active else "Not active")
        for a in reply.registry.associations
        if (not condition or a.condition == condition)
        and (len(operands) < 2 or a.response in operands[1:])
        and ("-a" not in options or a.active)
        and ("-n" not in options or not a.active)
    ]
    header = ("Condition", "Response", "Node", "State")
    _list(options, "Displaying condition with response information:", header, rows, operands)
    return 0


def _finish(name: str, outcome: Outcome) -> int:
    if outcome.error:
        print(f"{name}: {outcome.error}", file=sys.stderr)
        return outcome.code or RMC_ERROR
    return 0


@_command(
    '-r resource_class -e "event_expression" [-E "rearm_expression"] [-d "event_description"] '
    '[-D "rearm_description"] [-s "selection_string"] [-S c|w|i] [-h] condition',
    "r:e:E:d:D:s:S:hVTm:n:p:",
)
def mkcondition(name: str, options: dict[str, str], operands: list[str]) -> int:
    """mkcondition: define a condition."""
    if len(operands) != 1 or "-r" not in options or "-e" not in options:
        raise _Usage("2612-002 One condition, its resource class (-r) and its event expression (-e) are needed.")
    return _finish(name, ask(Define(_condition(operands[0], options, None)), Outcome))


@_command(
    '[-r resource_class] [-e "event_expression"] [-E "rearm_expression"] [-d "event_description"] '
    '[-D "rearm_description"] [-s "selection_string"] [-S c|w|i] [-c new_condition] [-h] condition',
    "r:e:E:d:D:s:S:c:hVTm:n:p:",
)
def chcondition(name: str, options: dict[str, str], operands: list[str]) -> int:
    """chcondition: change or rename a condition."""
    if len(operands) != 1:
        raise _Usage("2612-002 One condition is needed.")
    existing = ask(ListRegistry(), RegistryReply).registry.condition(operands[0])
    if existing is None:
        return _finish(name, Outcome(f'2618-001 The condition "{operands[0]}" is not defined.', RMC_ERROR))
    changed = _condition(operands[0], options, existing)
    return _finish(name, ask(Define(changed, change=True, new_name=options.get("-c", "")), Outcome))


def _condition(name: str, options: dict[str, str], base: Condition | None) -> Condition:
    base = base or Condition(name=name, resource_class="", event_expression="")
    return Condition(
        name=name,
        resource_class=options.get("-r", base.resource_class),
        event_expression=options.get("-e", base.event_expression),
        event_description=options.get("-d", base.event_description),
        rearm_expression=options.get("-E", base.rearm_expression),
        rearm_description=options.get("-D", base.rearm_description),
        selection=options.get("-s", base.selection),
        severity=options.get("-S", base.severity),
        toggle=base.toggle,
    )


@_command("[-f] [-q] [-h] condition", "fqhVTU")
def rmcondition(name: str, options: dict[str, str], operands: list[str]) -> int:
    """rmcondition: remove a condition."""
    return _remove(name, "condition", options, operands)


@_command("[-f] [-q] [-h] response", "fqhVTU")
def rmresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """rmresponse: remove a response."""
    return _remove(name, "response", options, operands)


def _remove(name: str, kind: str, options: dict[str, str], operands: list[str]) -> int:
    if len(operands) != 1:
        raise _Usage(f"2612-002 One {kind} is needed.")
    outcome = ask(Remove(kind, operands[0], "-f" in options), Outcome)
    if "-q" in options and "not defined" in outcome.error:
        return 0
    return _finish(name, outcome)


_RESPONSE_FLAGS = "n:d:t:s:r:e:oE:uhVTp:"


def _action(options: dict[str, str]) -> Action | None:
    if "-n" not in options:
        return None
    if "-s" not in options:
        raise _Usage("2612-002 An action (-n) needs a script (-s).")
    code = options.get("-r")
    if code is not None and not code.lstrip("-").isdigit():
        raise _Usage(f"2612-004 {code} is not a return code.", BAD_PARAMETER)
    return Action(
        name=options["-n"],
        script=options["-s"],
        days=options.get("-d", "1-7"),
        times=options.get("-t", "0000-2400"),
        return_code=int(code) if code is not None else None,
        event_type=options.get("-e", "a"),
        keep_output="-o" in options,
        environment=tuple(options["-E"].split(",")) if "-E" in options else (),
        undefined_resource="-u" in options,
    )


@_command(
    "-n action [-d days] [-t times] -s script [-r return_code] [-e a|A|b|e|r] [-o] [-E variable=value,...] [-u] [-h] "
    "response",
    _RESPONSE_FLAGS,
)
def mkresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """mkresponse: define a response, with one action or none."""
    if len(operands) != 1:
        raise _Usage("2612-002 One response is needed.")
    return _finish(name, ask(DefineResponse(operands[0], _action(options)), Outcome))


@_command("-a -n action -s script [...] [-h] response", "a" + _RESPONSE_FLAGS)
def chresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """chresponse: add an action to a response."""
    if len(operands) != 1 or "-a" not in options or "-n" not in options:
        raise _Usage("2612-002 One response and a new action (-a -n) are needed.")
    return _finish(name, ask(DefineResponse(operands[0], _action(options), add=True), Outcome))


def _associate(state: str, least: int) -> Callable[[list[str]], int]:
    @_command("[-h] condition[:node] response..." if least > 1 else "[-h] condition[:node] [response...]", "hqVTUL")
    def command(name: str, options: dict[str, str], operands: list[str]) -> int:
        if len(operands) < least:
            raise _Usage(
                "2612-002 A condition and a response are needed." if least > 1 else "2612-002 A condition is needed."
            )
        request = Associate(operands[0].partition(":")[0], tuple(operands[1:]), state)
        return _finish(name, ask(request, Outcome))

    return command


mkcondresp = _associate("make", 2)
startcondresp = _associate("start", 1)
stopcondresp = _associate("stop", 1)
rmcondresp = _associate("remove", 1)


@_command("[-l] [-h] [field...]", "lhxVTaS:s:n:")
def lsaudrec(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lsaudrec: the audit log, oldest record first."""
    records = ask(ListAudit(), AuditReply).records
    lines = [] if "-x" in options else ["Time              Subsystem Category Description"]
    lines += [
        f"{time.strftime('%m/%d/%y %H:%M:%S', time.localtime(r.time // 1_000_000))} "
        f"{r.subsystem:<9} {r.category:<8} {r.description}"
        for r in records
        if options.get("-S", r.subsystem) == r.subsystem
    ]
    _print(lines)
    return 0
