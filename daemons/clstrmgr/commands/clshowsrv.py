"""``clshowsrv``: the subsystems of RSCT, PowerHA SystemMirror and CAA, as lssrc shows them, and how the nodes are.

Two listings are known of the product: with and without a paragraph for each node before those of the subsystems. The
paragraphs belong to the newer levels of 7.2, so ``-v`` prints them; without a cluster there are none.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import NamedTuple

from daemons.clstrmgr import client
from daemons.clstrmgr.render import node_words
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot

USAGE = "Usage: clshowsrv { -a | -v | subsystem ... }\n"
HEADER = "Subsystem         Group            PID          Status"
RSCT = ("cthags", "ctrmc")
POWERHA = ("clstrmgrES", "clevmgrdES", "clinfoES")
CAA = ("clcomd", "clconfd")
LSSRC = "/usr/bin/lssrc"
CL_STATE = "/usr/es/sbin/cluster/utilities/cl_state"
REMOTE_LIMIT = 10.0
"""Seconds (patience) for the answer of another node."""


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
    lines = report(rows, details, everything="v" in options)
    if "v" in options and details:
        lines = [*paragraphs(_nodes(NodeRoot.current())), *lines]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


class NodeStatus(NamedTuple):
    """What a paragraph says about a node."""

    name: str
    local: bool
    services: tuple[str, str]
    """The state of cluster services in clmgr's words, and the raw one."""
    communications: str
    caa: str


def paragraphs(nodes: list[NodeStatus]) -> list[str]:
    """The paragraphs of ``clshowsrv -v`` about nodes. Inferred, but for the quoted name as the third word.

    In parentheses stand the node's host name and its communication path, both the node's name here.
    """
    lines: list[str] = []
    for node in nodes:
        word, raw = node.services
        lines += [
            f'{"Local" if node.local else "Remote"} node: "{node.name}" ("{node.name}", "{node.name}")',
            f'    Cluster services status:   "{word}" ("{raw}")',
            f'    Remote communications:     "{node.communications}"',
            f'    Cluster-Aware AIX status:  "{node.caa}"',
            "",
        ]
    return lines


def _nodes(root: NodeRoot) -> list[NodeStatus]:
    """This node, then the others in the order of their numbers; these are asked at the same time."""
    from daemons.caa import client as caa

    try:
        picture = client.query_state(root)
    except client.ManagerUnreachable:
        return []
    try:
        membership = caa.status(root).membership
    except caa.CaaError:
        membership = None
    alive = {node.name: node.number in membership.up for node in membership.nodes} if membership is not None else {}
    others = [node for node in picture.nodes if node.number != picture.local_node]
    answers: dict[str, tuple[str, bool] | None] = {}

    def ask(name: str) -> None:
        answers[name] = _state_on(root, name)

    threads = [threading.Thread(target=ask, args=(node.name,), daemon=True) for node in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(REMOTE_LIMIT + 1)
    found: list[NodeStatus] = []
    for node in picture.nodes:
        local = node.number == picture.local_node
        answer = (str(picture.state), picture.services) if local else answers.get(node.name)
        seen = ("UP" if alive.get(node.name) else "DOWN") if alive else "DOWN" if local else "UNKNOWN"
        words = ("UNKNOWN", "UNKNOWN") if answer is None else node_words(*answer)
        found.append(NodeStatus(node.name, local, words, "DOWN" if answer is None else "UP", seen))
    return sorted(found, key=lambda node: not node.local)


def _state_on(root: NodeRoot, node: str) -> tuple[str, bool] | None:
    """The state of another node's cluster manager, and whether its services are active; None if the node cannot be
    asked. It says so itself: one whose services are stopped does not know which others are unmanaged."""
    import msgspec

    from daemons.clcomd import client as clcomd
    from daemons.clstrmgr.messages import ClusterSnapshot

    try:
        answer = clcomd.run(root, node, [CL_STATE], limit=REMOTE_LIMIT)
        picture = msgspec.json.decode(answer.out, type=ClusterSnapshot) if answer.status == 0 else None
    except (clcomd.ClcomdError, TimeoutError):
        return None
    except msgspec.DecodeError:
        picture = None
    return ("UNKNOWN", False) if picture is None else (str(picture.state), picture.services)


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
