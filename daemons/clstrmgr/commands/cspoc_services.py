"""``cl_rc.cluster`` and ``cl_clstop``: cluster services of chosen nodes, one node after the other (C-SPOC).

Sources: the product's manual pages. Each node runs its own rc.cluster or clstop through clcomd; what it prints comes
back behind its name. A node that cannot be reached calls the whole off before anything was done, unless ``-cspoc``
has ``-f``.
"""

from __future__ import annotations

import getopt
import shlex
import sys
from dataclasses import dataclass

from daemons.clcomd import client as clcomd
from daemons.clstrmgr.commands.services import (
    RC_FLAGS,
    STOP_FLAGS,
    exclusive,
    start_flags_agree,
    stop_flags_agree,
    verified,
)
from daemons.clstrmgr.startup import RC_CLUSTER
from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault, load
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

CLSTOP = "/usr/es/sbin/cluster/utilities/clstop"
RC_USAGE = (
    'Usage: cl_rc.cluster [-cspoc "[-f] [-g ResourceGroup | -n NodeList ]"] [-boot]\n'
    "                     [-b] [-i | -I] [-N | -R | -B] [-M | -A] [-x] [-r] [-v] [-C interactive|yes]\n"
)
STOP_USAGE = (
    'Usage: cl_clstop [-cspoc "[-f] [-n NodeList | -g ResourceGroup]"] -f\n'
    '       cl_clstop [-cspoc "[-f] [-n NodeList | -g ResourceGroup]"] -g [-s] [-y] [-N | -R | -B]\n'
    '       cl_clstop [-cspoc "[-f] [-n NodeList | -g ResourceGroup]"] -gr [-s] [-y] [-N | -R | -B]\n'
)


class Unusable(Exception):
    """The command cannot be carried out; the text says why, "" for wrong usage."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The nodes that a C-SPOC command works on; ``named``: they were chosen; ``force``: those that answer."""

    nodes: tuple[str, ...]
    named: bool
    force: bool


def cl_rc_cluster(argv: list[str]) -> int:
    """``cl_rc.cluster``. Exit code 0: services started on all nodes; 1: not."""
    words = argv[1:]
    try:
        targets, words = _targets(words)
        flags = _parsed([word for word in words if word != "-boot"], RC_FLAGS)
        if not start_flags_agree(flags):
            raise Unusable("")
        nodes = _reachable(targets)
    except Unusable as error:
        return _complain("cl_rc.cluster", error, RC_USAGE)
    if "-R" not in flags and not verified("cl_rc.cluster", NodeRoot.current(), flags):
        return 1
    given = ["-boot", *(word for word in words if word != "-boot")]
    if not flags.keys() & {"-M", "-A"}:
        given.append("-A")
    given += ["-P", "cl_rc_cluster"]
    status = 0
    for node in nodes:
        print(f"\nStarting Cluster Services on node: {node}\nThis may take a few minutes.  Please wait...", flush=True)
        status |= _run(node, [RC_CLUSTER, *given])
    return status


def cl_clstop(argv: list[str]) -> int:
    """``cl_clstop``. Exit code 0: services stopped on all nodes; 1: not."""
    try:
        targets, words = _targets(argv[1:])
        flags = _parsed(words, STOP_FLAGS)
        if not stop_flags_agree(flags):
            raise Unusable("")
        if "-r" in flags and not targets.named:
            raise Unusable("a graceful stop with takeover needs a node list.")
        nodes = _reachable(targets)
    except Unusable as error:
        return _complain("cl_clstop", error, STOP_USAGE)
    own = NodeRoot.current().identity.node
    status = 0
    # The node that is asked goes last: it can still say how it went with the others.
    for node in sorted(nodes, key=lambda name: name == own):
        status |= _run(node, [CLSTOP, *words])
    return status


def _complain(name: str, error: Unusable, usage: str) -> int:
    sys.stderr.write(f"{name}: {error}\n" if str(error) else usage)
    return 1


def _parsed(words: list[str], letters: str) -> dict[str, str]:
    try:
        pairs, operands = getopt.getopt(words, letters)
    except getopt.GetoptError:
        raise Unusable("") from None
    if operands:
        raise Unusable("")
    return dict(pairs)


def _configuration() -> Configuration:
    try:
        configuration = load(Repository(NodeRoot.current(), DCD))
    except (OdmError, ConfigurationFault, OSError) as error:
        raise Unusable(f"the cluster configuration cannot be read: {error}") from None
    if configuration is None:
        raise Unusable("no cluster is configured on this node.")
    return configuration


def _targets(words: list[str]) -> tuple[Targets, list[str]]:
    options: dict[str, str] = {}
    if words[:1] == ["-cspoc"]:
        if len(words) < 2:
            raise Unusable("")
        try:
            options = _parsed(shlex.split(words[1]), "fg:n:")
        except ValueError:
            raise Unusable("") from None
        words = words[2:]
    if not exclusive(options, "-g", "-n"):
        raise Unusable("")
    configuration = _configuration()
    names = [node.name for node in configuration.nodes]
    if "-n" in options:
        chosen = [name for name in options["-n"].replace(",", " ").split() if name]
        if unknown := [name for name in chosen if name not in names]:
            raise Unusable(f"There is no node {unknown[0]} in this cluster.")
        names = list(dict.fromkeys(chosen))
    elif "-g" in options:
        group = configuration.group(options["-g"])
        if group is None:
            raise Unusable(f"There is no resource group {options['-g']} in this cluster.")
        names = list(group.nodes)
    return Targets(tuple(names), bool(options.keys() & {"-n", "-g"}), "-f" in options), words


def _reachable(targets: Targets) -> list[str]:
    root = NodeRoot.current()
    found = []
    for name in targets.nodes:
        try:
            clcomd.Session(root, name).close()
        except clcomd.ClcomdError:
            if not targets.force:
                raise Unusable(f"node {name} cannot be reached through clcomd; nothing was done.") from None
            sys.stderr.write(f"{name}: cannot be reached through clcomd, left out.\n")
        else:
            found.append(name)
    return found


def _run(node: str, command: list[str]) -> int:
    try:
        result = clcomd.run(NodeRoot.current(), node, command)
    except clcomd.ClcomdError as error:
        sys.stderr.write(f"{node}: {error}\n")
        return 1
    sys.stdout.write("".join(f"{node}: {line}\n" for line in result.out.decode(errors="replace").splitlines()))
    sys.stdout.flush()
    sys.stderr.write("".join(f"{node}: {line}\n" for line in result.err.decode(errors="replace").splitlines()))
    return 1 if result.status else 0
