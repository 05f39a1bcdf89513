"""What happened: lsevent, lsaudrec, rmaudrec.

The order of an event's three lines is known from scripts that read them; their names, and the layout of lsaudrec -l,
are inferred.
"""

from __future__ import annotations

import sys
import time

from daemons.ctrmc import definitions, expression
from daemons.ctrmc.client import ask
from daemons.ctrmc.frame import BAD_PARAMETER, RMC_ERROR, Usage, check_scope, finish, put, rmc_command
from daemons.ctrmc.messages import AuditReply, ListAudit, ListRegistry, Outcome, RegistryReply, RemoveAudit
from daemons.ctrmc.model import AuditRecord
from daemons.ctrmc.render import Cell, long_form
from srcctl.commands.options import is_number

FIELDS = ("Time", "Subsystem", "Category", "SequenceNumber", "NodeName", "Description")
DEFAULT_FIELDS = ("Time", "Subsystem", "Category", "Description")
_WIDTHS = {"Time": 17, "Subsystem": 9, "Category": 8, "SequenceNumber": 14, "NodeName": 8}


def _when(record: AuditRecord) -> str:
    return time.strftime("%m/%d/%y %H:%M:%S", time.localtime(record.time // 1_000_000))


def _moment(text: str, flag: str) -> int:
    """``MMddhhmmyyyy`` as microseconds since the epoch."""
    try:
        return int(time.mktime(time.strptime(text, "%m%d%H%M%Y"))) * 1_000_000
    except (ValueError, OverflowError):
        raise Usage(f"2612-004 {text} is not valid for the flag {flag}: MMddhhmmyyyy.", BAD_PARAMETER) from None


def _records(options: dict[str, str]) -> tuple[list[AuditRecord], RegistryReply]:
    reply = ask(ListRegistry(), RegistryReply)
    check_scope({"-n": options["-n"]} if "-n" in options else {}, reply.node)
    return list(ask(ListAudit(), AuditReply).records), reply


@rmc_command(
    "[-O entries] [-B MMddhhmmyyyy] [-E MMddhhmmyyyy] [-e a|r|b] [-a|-n node] [-h] [condition] | -r [response...] | "
    "-R condition | -A [condition]",
    "O:B:E:e:n:w:airRAhVT",
)
def lsevent(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lsevent: events of conditions, responses to them (-r; -R those to one condition), or both (-A)."""
    records, reply = _records({**({"-n": options["-w"]} if "-w" in options else {}), **options})
    responses = "-r" in options
    if not responses and len(operands) > 1:
        raise Usage("2612-002 One condition at most.")
    for operand in operands:
        known = reply.registry.response(operand) if responses else reply.registry.condition(operand.partition(":")[0])
        if known is None:
            noun, number = ("response", "002") if responses else ("condition", "001")
            print(f'{name}: 2618-{number} The {noun} "{operand}" is not defined.', file=sys.stderr)
            return RMC_ERROR
    kinds = {"a": "a", "r": "r", "b": "ar", "e": "e", "A": "are"}.get(options.get("-e", "b"))
    if kinds is None:
        raise Usage(f"2612-004 {options['-e']} is not valid for the flag -e.", BAD_PARAMETER)
    kinds = "e" if responses or "-R" in options else kinds + "e" if "-A" in options else kinds
    wanted = [operand if responses else operand.partition(":")[0] for operand in operands]
    first = _moment(options["-B"], "-B") if "-B" in options else 0
    last = _moment(options["-E"], "-E") if "-E" in options else None
    chosen = [
        r
        for r in records
        if r.kind
        and r.kind in kinds
        and (not wanted or (r.response if responses else r.condition) in wanted)
        and r.time >= first
        and (last is None or r.time <= last)
    ]
    if "-O" in options:
        if not is_number(options["-O"]):
            raise Usage(f"2612-004 {options['-O']} is not a number of entries.", BAD_PARAMETER)
        chosen = chosen[len(chosen) - min(len(chosen), int(options["-O"])) :]
    lines: list[str] = []
    for record in chosen:
        lines += [""] if lines else []
        lines += [f"Time={_when(record)}", f"Category={record.category}", f"Description={record.description}"]
    put(lines)
    return 0


@rmc_command('[-l] [-a|-n node] [-S subsystem] [-s "selection_string"] [-x] [-h] [field...]', "lhxVTaS:s:n:")
def lsaudrec(name: str, options: dict[str, str], operands: list[str]) -> int:
    """lsaudrec: the audit log, oldest record first."""
    fields = tuple(operands) or DEFAULT_FIELDS
    for unknown in (field for field in fields if field not in FIELDS):
        raise Usage(f"2612-014 {unknown} is not a field of the audit log.", BAD_PARAMETER)
    records, reply = _records(options)
    try:
        chooses = expression.parse(options.get("-s", "1=1"))
    except expression.ExpressionError as error:
        raise Usage(f"2612-011 The selection string is not valid: {error}.", BAD_PARAMETER) from None
    chosen: list[dict[str, Cell]] = [
        {**definitions.audit_fields(r, reply.node), "Time": _when(r)}
        for r in records
        if options.get("-S", r.subsystem) == r.subsystem and chooses.holds(definitions.audit_fields(r, reply.node))
    ]
    if "-l" in options:
        blocks: list[list[tuple[str, Cell]]] = [[(field, record[field]) for field in fields] for record in chosen]
        put([] if not blocks else long_form("record", blocks, show_header="-x" not in options))
        return 0
    rows: list[dict[str, Cell]] = [] if "-x" in options else [{field: field for field in FIELDS}]
    put([_line(fields, row) for row in [*rows, *chosen]])
    return 0


def _line(fields: tuple[str, ...], row: dict[str, Cell]) -> str:
    return " ".join(f"{row[field]!s:<{_WIDTHS.get(field, 0)}}" for field in fields).rstrip()


@rmc_command('[-a|-n node] [-S subsystem] -s "selection_string" [-h] [-V]', "haVTS:s:n:")
def rmaudrec(name: str, options: dict[str, str], operands: list[str]) -> int:
    """rmaudrec: remove the records that a select string chooses."""
    if operands or "-s" not in options:
        raise Usage("2612-002 A selection string (-s) is needed.")
    reply = ask(ListRegistry(), RegistryReply)
    check_scope({"-n": options["-n"]} if "-n" in options else {}, reply.node)
    return finish(name, ask(RemoveAudit(options["-s"], options.get("-S", "")), Outcome))
