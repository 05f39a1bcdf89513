"""``rmcdomainstatus -s ctrmc``: the nodes of the peer domain as RMC sees them. ``cthagsctrl``: controls cthags.

The layout is that of published output: two blanks, two tokens, the node id, the node's number with four digits, its
name. A node is up (``I``) if its RMC daemon is in the group rmc_peers. What the tokens say of one that is not (``O A``)
is inferred: all samples show nodes that are up.
"""

from __future__ import annotations

import subprocess
import sys

from daemons.cthags.commands.domain import Domain, ask
from daemons.cthags.messages import RMC_PEERS
from daemons.cthags.node_identity import node_id
from daemons.cthags.query import Unreachable
from srcctl.commands.options import UsageError, parse
from srcctl.node.root import IdentityError, NodeRoot
from srcctl.src.catalogue import message

SUBSYSTEM = "ctrmc"
RMCDOMAINSTATUS = "/usr/sbin/rsct/bin/rmcdomainstatus"
RMCDOMAINSTATUS_USAGE = "Usage: rmcdomainstatus -s ctrmc [-a ip_address]\n"
CTHAGSCTRL_USAGE = "Usage: cthagsctrl { -a [-p port] | -s | -k | -d | -r | -z | -h | -t | -o }\n"

ACTIONS = {
    "s": ("/usr/bin/startsrc", "-s", "cthags"),
    "k": ("/usr/bin/stopsrc", "-s", "cthags"),
    "r": ("/usr/bin/refresh", "-s", "cthags"),
    "t": ("/usr/bin/traceson", "-s", "cthags"),
    "o": ("/usr/bin/tracesoff", "-s", "cthags"),
    "d": ("/usr/bin/rmssys", "-s", "cthags"),
    "a": (
        "/usr/bin/mkssys", "-s", "cthags", "-p", "/usr/sbin/rsct/bin/hagsd", "-u", "0", "-G", "cthags", "-R", "-K",
        "-Q", "-i", "/dev/null", "-o", "/dev/console", "-e", "/dev/console", "-w", "30",
    ),
}  # fmt: skip


def rmcdomainstatus(argv: list[str]) -> int:
    """``rmcdomainstatus``: no output where the node is in no domain."""
    try:
        options = parse(argv, "s:a:")
        if "s" not in options or options.operands:
            raise UsageError("the subsystem")
    except UsageError:
        sys.stderr.write(RMCDOMAINSTATUS_USAGE)
        return 1
    if options.value("s") != SUBSYSTEM:
        sys.stderr.write(message(85, options.value("s")) + "\n")
        return 1
    root = NodeRoot.current()
    try:
        domain = ask(root)
    except (OSError, Unreachable, IdentityError):
        sys.stderr.write(message(36, SUBSYSTEM) + "\n")
        return 1
    if "a" in options:
        return _asked_there(root, domain, options.value("a"))
    text = status(domain) if domain is not None else ""
    if text is None:
        sys.stderr.write(message(36, SUBSYSTEM) + "\n")
        return 1
    sys.stdout.write(text)
    return 0


def status(domain: Domain) -> str | None:
    """The text: the other nodes in the order of their numbers, then this one; None if ctrmc does not run here."""
    group_services, own = domain.group_services, domain.cluster.own
    if group_services is None or not group_services.established:
        return ""
    here = {p.node for group in group_services.groups if group.name == RMC_PEERS for p in group.providers}
    if own not in here:
        return None
    lines = []
    for node in sorted(domain.cluster.nodes, key=lambda node: (node.number == own, node.number)):
        tokens = "S S" if node.number == own else f"{'I' if node.number in here else 'O'} A"
        lines.append(f"  {tokens}  0x{node_id(node.uuid)}  {node.number:04}  {node.name}\n")
    return "\nPeer Domain Status\n" + "".join(lines)


def _asked_there(root: NodeRoot, domain: Domain | None, address: str) -> int:
    """The same on the node with an address, through its clcomd (the product asks the RMC daemon there: inferred)."""
    from daemons.clcomd import client as clcomd

    nodes = domain.cluster.nodes if domain is not None else ()
    node = next((node for node in nodes if address in (value for _, value in node.addresses)), None)
    if node is None:
        sys.stderr.write(f"rmcdomainstatus: {address} is no address of a node of the peer domain.\n")
        return 1
    try:
        result = clcomd.run(root, node.name, [RMCDOMAINSTATUS, "-s", SUBSYSTEM])
    except clcomd.ClcomdError as error:
        sys.stderr.write(f"rmcdomainstatus: {address}: {error}.\n")
        return 1
    sys.stdout.write(result.out.decode(errors="replace"))
    sys.stderr.write(result.err.decode(errors="replace"))
    return result.status


def cthagsctrl(argv: list[str]) -> int:
    """``cthagsctrl``: through SRC. -z stops cthags and takes its definition away. The port of cthags is that of
    /etc/services on every node, so -p takes no other one."""
    try:
        options = parse(argv, "ap:skdrzhto")
        chosen = [flag for flag in "askdrzhto" if flag in options]
        if len(chosen) != 1 or options.operands or ("p" in options and "a" not in options):
            raise UsageError("one action")
    except UsageError:
        sys.stderr.write(CTHAGSCTRL_USAGE)
        return 1
    root, action = NodeRoot.current(), chosen[0]
    if action == "h":
        sys.stdout.write(CTHAGSCTRL_USAGE)
        return 0
    if "p" in options and options.value("p") != _port(root):
        sys.stderr.write(f"cthagsctrl: the port of cthags is {_port(root)}, of /etc/services on all nodes.\n")
        return 1
    if action != "z":
        return _run(root, ACTIONS[action])
    _run(root, ACTIONS["k"])
    return _run(root, ACTIONS["d"])


def _run(root: NodeRoot, words: tuple[str, ...]) -> int:
    sys.stdout.flush()
    return subprocess.run([root.path(words[0]), *words[1:]], stdin=subprocess.DEVNULL, check=False).returncode


def _port(root: NodeRoot) -> str:
    from daemons.runtime.ports import UnknownService, port

    try:
        return str(port(root, "cthags", "udp"))
    except UnknownService:
        return ""
