"""C-SPOC commands that list and run: cl_lsvg and its like, cl_nodecmd, cli_on_cluster, cli_on_node.

Each runs an AIX command on several nodes at the same time and prints what they say, node by node, every line with the
node's name before it (the prefix is inferred). What was run, where, and how it ended stands in cspoc.log.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections.abc import Collection, Sequence

from daemons.clcomd import client as clcomd
from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault, load_defined
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

ON_NODE = "/usr/es/sbin/cluster/cspoc/cl_list"
LOG = "/var/hacmp/log/cspoc.log"
WRAPPED = {
    "cl_lsvg": "lsvg", "cl_lsfs": "lsfs", "cl_lslv": "lslv", "cl_lsuser": "lsuser", "cl_lsgroup": "lsgroup",
    "cl_lspv": "lspv",
}  # fmt: skip


class CspocError(Exception):
    """The request cannot be carried out; ``str()`` says why."""


def defined(root: NodeRoot) -> Configuration:
    """The configuration of this node.

    Raises:
        CspocError: no cluster is defined, or it cannot be read.
    """
    try:
        return load_defined(Repository(root, DCD))
    except (OdmError, ConfigurationFault) as error:
        raise CspocError(str(error)) from None


def targets(c: Configuration, options: str, required: bool = False) -> tuple[list[str], bool]:
    """The nodes of ``-cspoc "[-f] [-n NodeList | -g ResourceGroup]"``, and whether unreachable ones are passed over.

    ``required``: they must be chosen, as for all commands that change something.

    Raises:
        UsageError: the options are wrong.
        CspocError: a node or group is unknown.
    """
    found = parse(["-cspoc", *shlex.split(options)], "fn:g:")
    if found.operands or ("n" in found and "g" in found) or (required and not ("n" in found or "g" in found)):
        raise UsageError("-n or -g")
    nodes = [node.name for node in c.nodes]
    if "g" in found:
        group = c.group(found.value("g"))
        if group is None:
            raise CspocError(f"the resource group {found.value('g')} is not defined.")
        nodes = list(group.nodes)
    elif "n" in found:
        nodes = [name for name in found.value("n").split(",") if name]
        unknown = next((name for name in nodes if c.node(name) is None), "")
        if unknown:
            raise CspocError(f"the node {unknown} is not defined.")
    return nodes, "f" in found


def on_nodes(
    root: NodeRoot,
    nodes: Sequence[str],
    command: Sequence[str],
    name: str,
    lenient: bool = False,
    through: Sequence[str] = (),
) -> int:
    """Run a command on nodes at the same time and print their answers in order; the exit code of the first failure.

    ``name`` is the command that the administrator gave, ``through`` the program that runs ``command`` over there.
    """
    results: dict[str, clcomd.Result | clcomd.ClcomdError] = {}

    def ask(node: str) -> None:
        try:
            results[node] = clcomd.run(root, node, (*through, *command))
        except clcomd.ClcomdError as error:
            results[node] = error

    threads = [threading.Thread(target=ask, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status, text = 0, " ".join(command)
    log(root, f"[========== C_SPOC COMMAND LINE ==========]\n{name} {text}")
    for node in nodes:
        result = results[node]
        if isinstance(result, clcomd.ClcomdError):
            log(root, f"{node}: FAILED: {text}")
            sys.stderr.write(f"{name}: unable to communicate with {node}: {result}\n")
            status = status or (0 if lenient else 1)
            continue
        log(root, f"{node}: {'FAILED' if result.status else 'success'}: {text}")
        for stream, data in ((sys.stdout, result.out), (sys.stderr, result.err)):
            stream.writelines(f"{node}: {line}\n" for line in data.decode(errors="replace").splitlines())
            stream.flush()
        status = status or result.status
    return status


def log(root: NodeRoot, text: str) -> None:
    """Lines of cspoc.log, each with its time."""
    stamp = time.strftime("%m/%d/%y %H:%M:%S")
    try:
        with open(root.path(LOG), "a", encoding="utf-8") as file:
            file.write("".join(f"{stamp} {line}\n" for line in text.splitlines()))
    except OSError:
        pass


def complaining(argv: list[str], syntax: str) -> tuple[NodeRoot, str, str]:
    """The node, the name of the command, and its usage text."""
    return NodeRoot.current(), os.path.basename(argv[0]), f"Usage: {os.path.basename(argv[0])} {syntax}"


def without_cspoc(words: list[str]) -> tuple[str, list[str]]:
    """The argument of ``-cspoc``, "" if there is none, and the other words.

    Raises:
        UsageError: it has no argument.
    """
    if "-cspoc" not in words:
        return "", words
    place = words.index("-cspoc")
    if place + 1 == len(words):
        raise UsageError("-cspoc")
    return words[place + 1], words[:place] + words[place + 2 :]


def lister(argv: list[str]) -> int:
    """``cl_lsvg``, ``cl_lsfs`` ...: the AIX command of that name on the nodes that ``-cspoc`` chooses, or on all."""
    root, name, syntax = complaining(argv, '[-cspoc "[-f] [-g ResourceGroup | -n NodeList]"] [argument ...]')
    try:
        options, words = without_cspoc(argv[1:])
        nodes, lenient = targets(defined(root), options)
    except (UsageError, ValueError):
        return usage(syntax)
    except CspocError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return on_nodes(root, nodes, [WRAPPED[name], *words], name, lenient, (ON_NODE,))


def cl_list(argv: list[str]) -> int:
    """``cl_list COMMAND [argument ...]``: a node's own part of a listing, which clcomd runs as root.

    Other commands run there as an unprivileged user, who cannot read what a volume group's state is.
    """
    return own_part("cl_list", argv, WRAPPED.values())


def own_part(name: str, argv: list[str], allowed: Collection[str]) -> int:
    """Run one of the allowed commands with its arguments."""
    if argv[1:2] == [] or argv[1] not in allowed:
        return usage(f"Usage: {name} {{{'|'.join(allowed)}}} [argument ...]")
    import subprocess

    try:
        return subprocess.run(argv[1:], check=False).returncode
    except FileNotFoundError:
        sys.stderr.write(f"{argv[1]}: not found\n")
        return 127


def nodecmd(argv: list[str]) -> int:
    """``cl_nodecmd -cspoc "[-f] {-n NodeList | -g ResourceGroup}" command``."""
    root, name, syntax = complaining(argv, '-cspoc "[-f] [-n NodeList | -g ResourceGroup]" command [argument ...]')
    try:
        options, words = without_cspoc(argv[1:])
        if not words:
            raise UsageError("command")
        nodes, lenient = targets(defined(root), options)
    except (UsageError, ValueError):
        return usage(syntax)
    except CspocError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return on_nodes(root, nodes, _shell(words), name, lenient)


def _shell(words: Sequence[str]) -> list[str]:
    """One word is a command line; where it needs a shell the shell runs it."""
    if len(words) > 1:
        return list(words)
    if set(words[0]) & set("|&;<>()$`\\\"'*?[]#~=%!{}\n"):
        return ["/bin/sh", "-c", words[0]]
    return words[0].split()


def on_cluster(argv: list[str]) -> int:
    """``cli_on_cluster [-S] 'command'``: on all nodes (what ``-S`` changes is not published; it is accepted)."""
    root, name, syntax = complaining(argv, "[-S] 'command'")
    words = argv[1:]
    if words[:1] == ["-S"]:
        words = words[1:]
    if not words or words[0].startswith("-"):
        return usage(syntax)
    try:
        nodes, _ = targets(defined(root), "")
    except CspocError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return on_nodes(root, nodes, _shell(words), name)


def on_node(argv: list[str]) -> int:
    """``cli_on_node [-V volume_group | -R resource_group | -N node] 'command'``: on the node that has it."""
    root, name, syntax = complaining(argv, "{-V volume_group | -R resource_group | -N node} 'command'")
    try:
        options = parse(argv, "V:R:N:S")
        if sum(flag in options for flag in "VRN") != 1 or not options.operands:
            raise UsageError("one of -V, -R, -N")
        c = defined(root)
        node = _holder(root, c, options.value("V"), options.value("R")) if "N" not in options else options.value("N")
        if c.node(node) is None:
            raise CspocError(f"the node {node} is not defined.")
    except UsageError:
        return usage(syntax)
    except CspocError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return on_nodes(root, [node], _shell(options.operands), name)


def _holder(root: NodeRoot, c: Configuration, volume_group: str, group: str) -> str:
    """The node on which a volume group is varied on, or a resource group online.

    Raises:
        CspocError: there is none.
    """
    if volume_group:
        from srcctl.storage.volume_groups import VolumeGroups

        groups = VolumeGroups(root)
        found = groups.find(volume_group)
        if found is None:
            raise CspocError(f"the volume group {volume_group} is not known.")
        holders = groups.holders(found)
        if not holders:
            raise CspocError(f"the volume group {volume_group} is varied on nowhere.")
        return holders[0]
    from daemons.clmgr.operations.live import best, pictures

    if c.group(group) is None:
        raise CspocError(f"the resource group {group} is not defined.")
    picture = best(pictures(root, c), root.identity.node)
    view = next((g for g in picture.groups if g.name == group), None) if picture else None
    names = {node.number: node.name for node in picture.nodes} if picture else {}
    owner = next((names.get(p.node, "") for p in view.nodes if p.state == "ONLINE"), "") if view else ""
    if not owner:
        raise CspocError(f"the resource group {group} is online nowhere.")
    return owner
