"""Listings of RMC and ERRM: lsrsrc, lscondition, lsresponse, lscondresp."""

from __future__ import annotations

import shlex
import sys

from daemons.ctrmc.client import ask
from daemons.ctrmc.frame import BAD_PARAMETER, NOTHING_FOUND, RMC_ERROR, Usage, put, put_list, rmc_command
from daemons.ctrmc.messages import ListRegistry, ListResources, RegistryReply, ResourcesReply
from daemons.ctrmc.model import Action, Condition, Response
from daemons.ctrmc.render import Cell, long_form


@rmc_command(
    '[-s "selection_string"] [-A p|d|b] [-l|-i|-t|-d|-D delimiter] [-x] [-h] [resource_class] [attribute...]',
    "s:A:litdD:xhaVT",
)
def lsrsrc(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lsrsrc: the resources of a class, or the names of all classes."""
    resource_class, wanted = (operands[0], operands[1:]) if operands else ("", [])
    kind = options.get("-A", "p" if not wanted else "b")
    if kind not in ("p", "d", "b"):
        raise Usage(f"2612-004 {kind} is not valid for the flag -A: p, d or b.", BAD_PARAMETER)
    reply = ask(ListResources(resource_class, options.get("-s", "")), ResourcesReply)
    if reply.error:
        print(f"{name}: {reply.error}", file=sys.stderr)
        return RMC_ERROR
    if not resource_class:
        put(["class_name", *(f'"{class_name}"' for class_name in reply.classes)])
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
    if "-i" in options:  # the input format of mkrsrc -f and chrsrc -f
        put(["PersistentResourceAttributes::"])
        for number, block in enumerate(blocks, 1):
            put([f"resource {number}:", *long_form("", [block], show_header=False)])
        return 0
    heading = {"p": "Persistent", "d": "Dynamic", "b": "Persistent and Dynamic"}[kind]
    title = f"Resource {heading} Attributes for {resource_class}"
    if "-t" in options or "-d" in options or "-D" in options:
        header = [key for key, _ in blocks[0]]
        put_list(options, title, header, [[cell for _, cell in block] for block in blocks])
    else:
        show = "-x" not in options
        lines = [title] if show else []
        for number, block in enumerate(blocks, 1):
            width = max(len(key) for key, _ in block)
            lines += [f"resource {number}:"] if show else []
            lines += long_form("", [block], show_header=False) if width else []
        put(lines)
    return 0


@rmc_command("[-a] [-m|-n|-e] [-C|-l|-t|-d|-D delimiter] [-A] [-q] [-U] [-x] [-h] [condition...]", "amneltdD:xhqVTUAC")
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
            if "-q" in options:
                continue
            print(f'{name}: 2618-001 The condition "{missing}" is not defined.', file=sys.stderr)
            return RMC_ERROR
        chosen = [c for c in chosen if c.name in names]
    if "-C" in options:
        put([_as_command(c) for c in chosen])
        return 0
    tabular = "-t" in options or "-d" in options or "-D" in options
    if "-l" in options or (operands and not tabular):
        lines = ["Displaying condition information:", ""] if "-x" not in options else []
        blocks = [_condition_block(c, reply.node, status(c)) for c in chosen]
        if "-U" in options:
            blocks = [
                [*block, ("Locked", "Yes" if c.locked else "No")] for c, block in zip(chosen, blocks, strict=True)
            ]
        put(lines + long_form("condition", blocks))
        return 0
    rows = [(c.name, reply.node, status(c)) for c in chosen]
    put_list(options, "Displaying condition information:", ("Name", "Node", "MonitorStatus"), rows)
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
        ("RecordAuditLog", condition.audit),
    ]


def _as_command(c: Condition) -> str:
    """The mkcondition command that defines a condition like this one."""
    flags = [
        ("-r", c.resource_class),
        ("-e", c.event_expression),
        ("-d", c.event_description),
        ("-E", c.rearm_expression),
        ("-D", c.rearm_description),
        ("-s", c.selection),
        ("-S", c.severity),
    ]
    words = [word for flag, text in flags if text for word in (flag, shlex.quote(text))]
    return " ".join(["mkcondition", *words, *(() if c.toggle else ("--qnotoggle",)), shlex.quote(c.name)])


@rmc_command("[-a] [-C|-l|-t|-d|-D delimiter] [-A] [-q] [-U] [-x] [-h] [response...]", "altdD:xhqVTUAC")
def lsresponse(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lsresponse: all responses as a table, or the named ones in long form."""
    reply = ask(ListRegistry(), RegistryReply)
    names = [operand.partition(":")[0] for operand in operands]
    for missing in (n for n in names if reply.registry.response(n) is None):
        print(f'{name}: 2618-002 The response "{missing}" is not defined.', file=sys.stderr)
        return RMC_ERROR
    chosen = [r for r in reply.registry.responses if not names or r.name in names]
    if "-C" in options:
        put([line for r in chosen for line in _as_commands(r)])
        return 0
    tabular = "-t" in options or "-d" in options or "-D" in options
    if "-l" in options or (names and not tabular):
        blocks = [_action_block(r, action, reply.node) for r in chosen for action in r.actions or (None,)]
        lines = ["Displaying response information:", ""] if "-x" not in options else []
        put(lines + long_form("response", blocks, show_header=False))
        return 0
    rows = [(r.name, reply.node) for r in chosen]
    put_list(options, "Displaying response information:", ("ResponseName", "Node"), rows)
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
        ("Locked", "Yes" if response.locked else "No"),
        ("EventBatching", "n"),
    ]


def _as_commands(r: Response) -> list[str]:
    """The commands that define a response like this one."""
    commands = []
    for number, action in enumerate(r.actions):
        words = ["chresponse", "-a"] if number else ["mkresponse"]
        flags = [("-n", action.name), ("-d", action.days), ("-t", action.times), ("-s", action.script),
                 ("-e", action.event_type), ("-E", ",".join(action.environment))]  # fmt: skip
        words += [word for flag, text in flags if text for word in (flag, shlex.quote(text))]
        words += ["-r", str(action.return_code)] if action.return_code is not None else []
        words += [flag for flag, on in (("-o", action.keep_output), ("-u", action.undefined_resource)) if on]
        commands.append(" ".join([*words, shlex.quote(r.name)]))
    return commands or [f"mkresponse {shlex.quote(r.name)}"]


@rmc_command(
    "[-a|-n] [-l|-t|-d|-D delimiter] [-q] [-U] [-x] [-h] [condition [response...]] | -r response...",
    "anltdD:xhqzVTUr",
)
def lscondresp(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lscondresp: conditions with their responses, and whether they are active."""
    reply = ask(ListRegistry(), RegistryReply)
    by_response = "-r" in options
    condition = operands[0].partition(":")[0] if operands and not by_response else ""
    wanted = operands if by_response else operands[1:]
    for missing in (response for response in wanted if reply.registry.response(response) is None):
        if "-q" not in options:
            print(f'{name}: 2618-002 The response "{missing}" is not defined.', file=sys.stderr)
            return RMC_ERROR
    if condition and reply.registry.condition(condition) is None and "-q" not in options:
        print(f'{name}: 2618-001 The condition "{condition}" is not defined.', file=sys.stderr)
        return RMC_ERROR
    rows = [
        (a.condition, a.response, reply.node, "Active" if a.active else "Not active")
        for a in reply.registry.associations
        if (not condition or a.condition == condition)
        and (not wanted or a.response in wanted)
        and ("-a" not in options or a.active)
        and ("-n" not in options or not a.active)
    ]
    header = ("Condition", "Response", "Node", "State")
    if "-l" in options:
        lines = ["Displaying condition with response information:", ""] if "-x" not in options else []
        blocks = [list(zip(header, row, strict=True)) for row in rows]
        put(lines + long_form("condition-response link", blocks))
        return 0
    put_list(options, "Displaying condition with response information:", header, rows)
    return 0
