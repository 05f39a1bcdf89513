"""add volume_group and add file_system: shared storage on every node, by the nodes' own LVM commands."""

from __future__ import annotations

import subprocess

from daemons.clcomd import client as clcomd
from daemons.clmgr.edits import checked_name, words
from daemons.clmgr.errors import ClmgrError, does_not_exist, exists_already, invalid, missing
from daemons.clmgr.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.volume_groups import VolumeGroups

ON_NODE = "/usr/es/sbin/cluster/cspoc/cl_lvm"
UNITS = {"mb": "M", "megabytes": "M", "gb": "G", "gigabytes": "G"}


def _run(command: list[str]) -> None:
    """Run an LVM command here.

    Raises:
        ClmgrError: it failed; the text is what it said.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClmgrError(done.stderr.strip() or done.stdout.strip() or f"{command[0]} failed.")


def _on_others(root: NodeRoot, nodes: list[str], command: list[str]) -> None:
    for node in nodes:
        if node == root.identity.node:
            continue
        try:
            result = clcomd.run(root, node, [ON_NODE, *command])
        except clcomd.ClcomdError as error:
            raise ClmgrError(f'unable to communicate with "{node}": {error}') from None
        if result.status:
            raise ClmgrError(f'"{node}": {result.err.decode(errors="replace").strip()}')


def add_volume_group(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A shared volume group, known to all its nodes and varied on nowhere.

    Raises:
        ClmgrError: it exists, or a disk or node cannot take it.
    """
    name = checked_name(request)
    disks = words(request.attribute("PHYSICAL_VOLUMES", "DISKS"))
    if not disks:
        raise missing("PHYSICAL_VOLUMES")
    groups = VolumeGroups(root)
    if name in groups.known() or groups.find(name) is not None:
        raise exists_already(name)
    nodes = words(request.attribute("NODES")) or [node.name for node in (c.nodes if c else ())]
    _run(["mkvg", "-y", name, *disks])
    _run(["varyoffvg", name])
    _on_others(root, nodes, ["importvg", "-n", "-y", name, disks[0]])
    print(f"Volume group {name} has been created.")


def add_file_system(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A file system in a shared volume group, known to all its nodes and mounted nowhere.

    Raises:
        ClmgrError: it exists, or the volume group cannot take it.
    """
    if len(request.names) != 1 or not request.names[0].startswith("/"):
        raise missing("MOUNT_POINT")
    point, name = request.names[0], request.attribute("VOLUME_GROUP")
    groups = VolumeGroups(root)
    group = groups.find(name) if name in groups.known() else None
    if group is None:
        raise does_not_exist(name) if name else missing("VOLUME_GROUP")
    if any(volume.mount_point == point for volume in group.volumes):
        raise exists_already(point)
    unit = request.attribute("SIZE_PER_UNIT", default="megabytes").lower()
    units = request.attribute("UNITS")
    if unit not in UNITS:
        raise invalid("SIZE_PER_UNIT", unit)
    if not units.isdigit() or not int(units):
        raise invalid("UNITS", units)
    mine = not groups.is_varied_on(group)
    if mine:
        _run(["varyonvg", name])
    try:
        kind = request.attribute("TYPE", default="jfs2")
        _run(["crfs", "-v", kind, "-g", name, "-m", point, "-a", f"size={units}{UNITS[unit]}", "-A", "no"])
    finally:
        if mine:
            _run(["varyoffvg", name])
    nodes = [node.name for node in (c.nodes if c else ())]
    _on_others(root, nodes, ["importvg", "-n", "-L", name, group.disks[0]])
    print(f"File system {point} has been created.")


def cl_lvm(argv: list[str]) -> int:
    """``cl_lvm importvg ...``: the LVM commands that clmgr runs on other nodes."""
    if argv[1:2] != ["importvg"]:
        return 1
    return subprocess.run(argv[1:], check=False).returncode
