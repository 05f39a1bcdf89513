"""add, modify and delete of shared file systems: in a volume group, or on a logical volume that is there."""

from __future__ import annotations

import os

from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import MISSING_DEPENDENCY, ClmgrError, exists_already, invalid, missing
from daemons.clmgr.storage.volume_groups import (
    Change,
    ensure_room,
    group_named,
    members,
    on_others,
    run_here,
    store_volumes,
    tell_others,
    varied_on,
    volume_named,
    volume_that,
)
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.filesystems import read_stanzas, write_stanzas
from srcctl.storage.volume_groups import VolumeGroups

UNITS = {"mb": 1 << 20, "megabytes": 1 << 20, "gb": 1 << 30, "gigabytes": 1 << 30, "block": 512, "512bytes": 512}


def _bytes(request: Request) -> int:
    unit, units = request.attribute("SIZE_PER_UNIT") or "megabytes", request.attribute("UNITS")
    if not units:
        raise missing("UNITS")
    return int(units) * UNITS[unit]


def add_file_system(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A file system in a shared volume group, or on a logical volume of one; known to all nodes, mounted nowhere.

    Raises:
        ClmgrError: it exists, or the volume group cannot take it.
    """
    if len(request.names) != 1 or not request.names[0].startswith("/"):
        raise missing("MOUNT_POINT")
    point, logical = request.names[0], request.attribute("LOGICAL_VOLUME")
    if not request.attribute("VOLUME_GROUP") and not logical:
        raise missing("VOLUME_GROUP")
    if logical:
        groups, group, volume = volume_named(root, logical)
    else:
        groups, group = group_named(root, request.attribute("VOLUME_GROUP"))
    if any(stanza.mount_point == point for stanza in read_stanzas(root)):
        raise exists_already(point)
    if logical:
        if volume.mount_point:
            raise ClmgrError(f'the logical volume "{logical}" holds the file system "{volume.mount_point}".')
        changed = volume._replace(mount_point=point)
        with varied_on(groups, group):
            stored = groups.store(
                group._replace(volumes=tuple(changed if v.name == logical else v for v in group.volumes))
            )
            groups.make_known(stored)
            _make_contents(root, stored, logical)
        run_here(["importvg", "-n", "-L", group.name, group.disks[0]])
    else:
        kind = {"enhanced": "jfs2", "": "jfs2"}.get(request.attribute("TYPE"), request.attribute("TYPE"))
        size = -(-_bytes(request) // 512)
        with varied_on(groups, group):
            run_here(["crfs", "-v", kind, "-g", group.name, "-m", point, "-a", f"size={size}", "-A", "no"])
    tell_others(root, c, group)
    print(f"File system {point} has been created.")


def _make_contents(root: NodeRoot, group: VolumeGroup, volume: str) -> None:
    made = group.volume(volume)
    assert made is not None
    os.makedirs(filesystems.contents(root.identity.lab, made.extents[0].disk, volume), exist_ok=True)


def _file_system(root: NodeRoot, point: str) -> tuple[VolumeGroups, VolumeGroup, LogicalVolume]:
    return volume_that(root, lambda volume: volume.mount_point == point, point)


def modify_file_system(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A file system that grows: UNITS and SIZE_PER_UNIT.

    Raises:
        ClmgrError: it does not exist, would shrink, or has no room.
    """
    groups, group, volume = _file_system(root, required_names(request)[0])
    partitions = -(-_bytes(request) // group.partition_bytes)
    if partitions < volume.partitions:
        raise invalid("UNITS", request.attribute("UNITS"))
    ensure_room(groups, group, partitions - volume.partitions)
    changed = volume._replace(partitions=partitions)
    store_volumes(root, c, groups, group, tuple(changed if v.name == volume.name else v for v in group.volumes))


def delete_file_system(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """Remove file systems with their logical volumes.

    Raises:
        ClmgrError: one is mounted somewhere, or a resource group has it.
    """
    for point in required_names(request):
        _file_system(root, point)
    for point in request.names:
        groups, group, volume = _file_system(root, point)
        users = [g.name for g in (c.groups if c else ()) if point in g.resource("FILESYSTEM")]
        if users:
            raise ClmgrError(f'"{point}" is still in use by "{users[0]}".', MISSING_DEPENDENCY)
        if groups.holders(group):
            raise ClmgrError(f'the volume group "{group.name}" is varied on by "{groups.holders(group)[0]}".')
        with varied_on(groups, group):
            changed = groups.store(group._replace(volumes=tuple(v for v in group.volumes if v.name != volume.name)))
            groups.make_known(changed)
        write_stanzas(root, [stanza for stanza in read_stanzas(root) if stanza.mount_point != point])
        on_others(root, members(c), ["forget", point])
        tell_others(root, c, changed)


CHANGES: dict[tuple[str, str], Change] = {
    ("file_system", "add"): add_file_system,
    ("file_system", "modify"): modify_file_system,
    ("file_system", "delete"): delete_file_system,
}
