"""``clshowsrv``: the subsystems of RSCT, PowerHA SystemMirror and CAA, as lssrc shows them."""

from __future__ import annotations

import subprocess
import sys

from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot

USAGE = "Usage: clshowsrv { -a | -v | subsystem ... }\n"
HEADER = "Subsystem         Group            PID          Status"
RSCT = ("cthags", "ctrmc")
POWERHA = ("clstrmgrES", "clevmgrdES", "clinfoES")
CAA = ("clcomd", "clconfd")
LSSRC = "/usr/bin/lssrc"


def main(argv: list[str]) -> int:
    """The command's entry."""
    try:
        options = parse(argv, "av")
    except UsageError as error:
        sys.stderr.write(f"clshowsrv: {error}\n")
        return usage(USAGE)
    if not (options.values or options.operands) or (options.values and options.operands):
        return usage(USAGE)
    if options.operands:
        return _named(options.operands)
    rows = _rows()
    if rows is None:
        sys.stderr.write("0513-036 The request could not be passed to the System Resource Controller.\n")
        return 1
    manager = rows.get("clstrmgrES", "")
    details = _lssrc(["-ls", "clstrmgrES"]).stdout.splitlines() if _active(manager) else []
    sys.stdout.write("".join(f"{line}\n" for line in report(rows, details, everything="v" in options)))
    return 0


def report(rows: dict[str, str], details: list[str], everything: bool) -> list[str]:
    """The text of ``clshowsrv -v`` (``everything``) and ``-a``.

    Args:
        rows: the lssrc row of each subsystem by its name.
        details: the long status of the cluster manager, empty if it does not run. The whole of it is shown (a 7.1.3
            capture with services up), of a node that takes no part in the cluster its first line only (a runbook's
            listing of 7.1.3 and 7.2.2). The 7.2 listing with all services up ends before this paragraph.
            clevmgrdES and clinfoES are shown only where they run.
        everything: RSCT and CAA too.
    """
    down = any(line.endswith((" ST_INIT", " NOT_CONFIGURED")) for line in details[:1])
    shown = [name for name in POWERHA if name == "clstrmgrES" or _active(rows.get(name, ""))]
    blocks = [("Status of the PowerHA SystemMirror subsystems:", shown)]
    if everything:
        blocks.insert(0, ("Status of the RSCT subsystems used by PowerHA SystemMirror:", list(RSCT)))
        blocks.append(("Status of the CAA subsystems:", list(CAA)))
    lines: list[str] = []
    for title, names in blocks:
        lines += [title, HEADER, *(rows[name] for name in names if name in rows), ""]
    if details:
        lines += ["Details of PowerHA SystemMirror cluster manager:", *(details[:1] if down else details), ""]
    return lines[:-1]


def _active(row: str) -> bool:
    return row.split()[-1:] == ["active"]


def _rows() -> dict[str, str] | None:
    answer = _lssrc(["-a"])
    if answer.returncode != 0:
        return None
    return {line.split()[0]: line for line in answer.stdout.splitlines()[1:] if line.strip()}


def _named(names: list[str]) -> int:
    status = 0
    header = True
    for name in names:
        answer = _lssrc(["-s", name])
        sys.stderr.write(answer.stderr)
        lines = answer.stdout.splitlines()
        if answer.returncode != 0:
            status = 1
            sys.stdout.write(answer.stdout)
            continue
        sys.stdout.write("".join(f"{line}\n" for line in (lines if header else lines[1:])))
        header = False
    return status


def _lssrc(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NodeRoot.current().path(LSSRC), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
