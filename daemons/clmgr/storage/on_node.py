"""cl_lvm: what clmgr and C-SPOC have a node do to its knowledge of storage, or to a volume group that it has varied on.

clcomd runs it as root on another node; on this one it runs directly.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence

from daemons.clcomd import client as clcomd
from daemons.clmgr.errors import ClmgrError
from srcctl.node.root import NodeRoot
from srcctl.storage import device_names
from srcctl.storage.filesystems import rewrite_stanzas
from srcctl.storage.volume_groups import VolumeGroups

PROGRAM = "/usr/es/sbin/cluster/cspoc/cl_lvm"
RUN_AS_THEY_ARE = frozenset((
    "chfs", "chlv", "chvg", "crfs", "exportvg", "extendlv", "extendvg", "importvg", "mirrorvg", "mklv", "mklvcopy",
    "reducevg", "replacepv", "rmfs", "rmlv", "rmlvcopy", "syncvg", "unmirrorvg",
))  # fmt: skip
"""Commands of the operating system that cl_lvm runs for another node with the words that it is given."""


def on_node(root: NodeRoot, node: str, command: Sequence[str]) -> None:
    """Run cl_lvm on a node, this one or another.

    Raises:
        ClmgrError: the node cannot be reached, or it failed there; the text is what it said.
    """
    if node == root.identity.node:
        done = subprocess.run([root.path(PROGRAM), *command], check=False, capture_output=True, text=True)
        status, said = done.returncode, done.stderr.strip() or done.stdout.strip()
    else:
        try:
            result = clcomd.run(root, node, [PROGRAM, *command])
        except clcomd.ClcomdError as error:
            raise ClmgrError(f'unable to communicate with "{node}": {error}') from None
        status, said = result.status, result.err.decode(errors="replace").strip()
    if status:
        raise ClmgrError(f'"{node}": {said or f"{command[0]} failed."}')


def on_nodes(root: NodeRoot, nodes: Iterable[str], command: Sequence[str]) -> None:
    """Run cl_lvm on nodes; all are tried.

    Raises:
        ClmgrError: some could not, a line for each.
    """
    failed = []
    for node in nodes:
        try:
            on_node(root, node, command)
        except ClmgrError as error:
            failed.append(str(error))
    if failed:
        raise ClmgrError("\n".join(failed))


def cl_lvm(argv: list[str]) -> int:
    """``cl_lvm {importvg | exportvg | learn | unlearn | forget | chdev | rendev | mklv ...} ...``."""
    match argv[1:]:
        case ["forget", point]:
            root = NodeRoot.current()
            rewrite_stanzas(root, lambda stanzas: [stanza for stanza in stanzas if stanza.mount_point != point])
            return 0
        case ["unlearn", name]:
            known = name in VolumeGroups(NodeRoot.current()).known()
            return subprocess.run(["exportvg", name], check=False).returncode if known else 0
        case ["learn", name, disk]:
            known = name in VolumeGroups(NodeRoot.current()).known()
            return subprocess.run(["importvg", "-n", "-L" if known else "-y", name, disk], check=False).returncode
        case ["chdev" | "rendev" as command, identifier, *rest]:
            own = device_names.by_pvid(NodeRoot.current()).get(identifier, identifier)
            if command == "rendev" and rest[-1:] == [own]:
                return 0  # it is called so already
            return subprocess.run([command, "-l", own, *rest], check=False).returncode
        case [name, *_] if name in RUN_AS_THEY_ARE:
            return subprocess.run(argv[1:], check=False).returncode
    return 1
