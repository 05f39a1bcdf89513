"""The table of commands and flags: which have an output that was seen on AIX, which are inferred, which are refused.

Made from the option tables of the commands and from the golden files. A flag is *witnessed* where a golden file with a
witness has it in a command that succeeds or complains as the product does, else *inferred*; *refused* where every
command with it is turned down; *idle* where the command takes it as the product does, and it has nothing to change here
(``IDLE``).
"""

from __future__ import annotations

import ast
import inspect
import shlex
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from srcctl.commands.options import UsageError, parse
from srcctl.node import programs
from tests.commands.sessions import GOLDEN, read_sessions
from tests.storage.test_facts import FACTS
from tests.storage.test_layouts import LISTINGS

PROGRAMS = Path(__file__).parents[2] / "etc" / "programs"
COMPONENTS = ("src", "odm", "errlog", "audit", "node", "devices", "network", "storage", "snap")
"""The operating system's program maps."""
ORDER = ("witnessed", "inferred", "idle", "refused", "not covered")
_READERS = frozenset({"parse", "invoke", "run", "_run", "_invoke", "_command", "_options"})
"""Functions that take a command line and, behind it, its option table."""

FOREIGN = {"ps": "the host's, for the node's processes", "systemctl": "the host's, out of reach"}
"""Commands that are no AIX commands of ours."""
DAEMONS = ("srcmstr",)
"""Daemons with flags that an administrator writes into /etc/inittab."""
ELSEWHERE = {
    **dict.fromkeys(("startsrc", "stopsrc", "refresh", "traceson", "tracesoff", "lssrc", "nlssrc"), "h"),
    "srcmstr": "rB",
}  # fmt: skip
"""Flags that tests of several nodes cover (tests/src/test_remote.py), and of a srcmstr that is killed
(tests/src/test_survivors.py); a session has one node, whose srcmstr lives."""

IDLE = {
    "errpt": "vyz", "errclear": "y", "errdemon": "pR", "lslpp": "abuIJSU", "lsdev": "Cefhix", "lsattr": "fhZ",
    "chdev": "fhqpTw", "mkdev": "acdhpRsStw", "rmdev": "fghpRS", "cfgmgr": "fhips", "lspv": "Lnv", "chpv": "hk",
    "readvgda": "t", "lsvg": "Lrsjw", "varyonvg": "abfnrstuIMRS", "varyoffvg": "s", "mkvg": "diItX",
    "extendvg": "M", "replacepv": "fR", "importvg": "cfFrRSVxO", "lslv": "L",
    "lscfg": "s", "lsmcode": "cr", "lsps": "l", "entstat": "rt", "getconf": "v",
    "mirrorvg": "mS", "rmlvcopy": "p", "unmirrorvg": "p", "syncvg": "fHP",
    "mklv": "iGOPRUY", "chlv": "tGMPU", "rmlv": "Bp", "crfs": "lnt", "chfs": "dmntv", "rmfs": "i", "lsfs": "al",
    "df": "isv", "mount": "fnpsvV", "umount": "fnsv", "halt": "lnpy", "reboot": "ln",
    "shutdown": "dhipuv", "who": "AdilpqstTuwX",
}  # fmt: skip
"""What is taken and changes nothing: there is one machine, one kind of disk, one kind of logical volume, no login."""


def known_programs() -> Iterator[tuple[str, programs.Program]]:
    """Every command of the operating system's side, by name; other names of the same function are left out."""
    seen: dict[tuple[str, str], str] = {}
    for component in COMPONENTS:
        for program in programs.parse((PROGRAMS / component).read_text(), component):
            name = program.path.rpartition("/")[2]
            own = (not program.daemon or name in DAEMONS) and name not in FOREIGN
            if own and seen.setdefault((program.module, program.function), name) == name:
                yield name, program


def option_table(program: programs.Program) -> str:
    """The flags of a command as getopt takes them.

    They stand behind ``argv`` in the call that reads the command line, in the command's function or in one of the same
    module that it calls; a command that reads its words itself has them in a constant, ``NAME_FLAGS``.
    """
    module = import_module(program.module)
    constant = f"{program.function.upper()}_FLAGS"
    if hasattr(module, constant):
        return str(getattr(module, constant))
    functions, done = [program.function], set()
    while functions:
        name = functions.pop()
        if name in done or not inspect.isfunction(getattr(module, name, None)):
            continue
        done.add(name)
        tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(module, name))))
        local = {
            node.targets[0].id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            names = [argument.id if isinstance(argument, ast.Name) else "" for argument in call.args]
            if call.func.id in _READERS and "argv" in names and names.index("argv") + 1 < len(call.args):
                value = call.args[names.index("argv") + 1]
                value = local.get(value.id, value) if isinstance(value, ast.Name) else value
                return str(eval(compile(ast.Expression(value), program.module, "eval"), vars(module)))
            if "argv" in names:
                functions.append(call.func.id)
    raise AssertionError(f"{program.path}: no option table")


def lines() -> Iterator[tuple[str, bool, tuple[str, ...]]]:
    """Command lines with a golden output: the line, whether it has a witness, the output."""
    for directory in ("src", "machine"):
        for session in read_sessions(GOLDEN / directory):
            for step in session.steps:
                yield step.command, step.witnessed, step.output
    for name, line in LISTINGS.items():
        yield line, _has_witness(name), ()
    for name, words in FACTS.items():
        yield shlex.join(words), _has_witness(name), ()


def _has_witness(name: str) -> bool:
    return (GOLDEN / f"{name}.txt").read_text().startswith("# witness: ")


def table() -> dict[str, dict[str, str]]:
    """What is known of each flag of each command."""
    tables = {name: option_table(program) for name, program in known_programs()}
    found = {
        name: dict.fromkeys(sorted(set(flags) - {":"}, key=str.swapcase), "not covered")
        for name, flags in tables.items()
    }
    for line, witnessed, output in lines():
        command, *words = shlex.split(line)
        if command not in tables:
            continue
        for flag in _given(words, tables[command]):
            mark = _mark(witnessed, output)
            if flag in IDLE.get(command, "") and mark != "refused":
                mark = "idle"
            found[command][flag] = min(found[command][flag], mark, key=ORDER.index)
    for command, flags in ELSEWHERE.items():
        for flag in flags:
            found[command][flag] = min(found[command][flag], "inferred", key=ORDER.index)
    return found


def _given(words: list[str], flags: str) -> list[str]:
    try:
        return list(parse(["", *words], flags, intermixed=True).values)
    except UsageError:
        return []


def _mark(witnessed: bool, output: tuple[str, ...]) -> str:
    turned_down = any(line.lower().startswith("2> usage:") or "is not supported;" in line for line in output)
    if turned_down:
        return "refused"
    return "witnessed" if witnessed else "inferred"


def text() -> str:
    """The table as it is printed: a line for each command and kind."""
    rows = []
    for command, marks in table().items():
        for kind in ORDER:
            cells = [f"-{flag}" for flag, mark in marks.items() if mark == kind]
            if cells:
                rows.append(f"{command:<10} {kind:<12} {' '.join(cells)}")
        if not marks:
            rows.append(f"{command:<10} {'no flags':<12}")
    return "\n".join(rows)


if __name__ == "__main__":
    print(text())
