"""add, modify and delete of shared file systems: in a volume group, or on a logical volume that is there."""

from __future__ import annotations

from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import (
    MISSING_DEPENDENCY,
    MISSING_INPUT,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid,
    invalid_characters,
    missing,
)
from daemons.clmgr.storage.logical_volumes import ensure_room, volume_named, volume_that
from daemons.clmgr.storage.volume_groups import (
    Change,
    group_named,
    members,
    on_others,
    run_here,
    tell_others,
    varied_on,
)
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.filesystems import is_mount_point, read_stanzas
from srcctl.storage.volume_groups import VolumeGroups

KINDS = {"": "jfs2", "enhanced": "jfs2", "standard": "jfs", "compressed": "jfs", "large": "jfs"}
UNITS = {"mb": 1 << 20, "megabytes": 1 << 20, "gb": 1 << 30, "gigabytes": 1 << 30, "block": 512, "512bytes": 512}


def _bytes(request: Request) -> int:
    unit, units = request.attribute("SIZE_PER_UNIT") or "megabytes", request.attribute("UNITS")
    if not units:
        raise missing("UNITS")
    return int(units) * UNITS[unit]


def _words(request: Request) -> list[str]:
    """The flags of crfs and chfs for the attributes that were given."""
    words = ["-p", permission] if (permission := request.attribute("PERMISSIONS")) else []
    if "OPTIONS" in request.attributes:
        words += ["-a", f"options={','.join(request.words('OPTIONS'))}"]
    quota = request.attribute("QUOTA")
    values = {
        "agblksize": request.attribute("BLOCK_SIZE"),
        "logname": request.attribute("LV_FOR_LOG"),
        "ea": request.attribute("EXT_ATTR_FORMAT"),
        "quota": {"all": "userquota,groupquota", "no": "no"}.get(quota, f"{quota}quota" if quota else ""),
        "efs": {"true": "yes", "false": "no"}.get(request.attribute("EFS"), ""),
    }
    return words + [word for name, value in values.items() if value for word in ("-a", f"{name}={value}")]


def add_file_system(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A file system in a shared volume group, or on a logical volume of one; known to all nodes, mounted nowhere.

    Raises:
        ClmgrError: it exists, or the volume group cannot take it.
    """
    if len(request.names) != 1:
        raise ClmgrError("a label must be provided for the new file_system.", MISSING_INPUT)
    if not is_mount_point(request.names[0]):
        raise invalid_characters("NAME", request.names[0].encode("unicode_escape").decode())
    point, logical = request.names[0], request.attribute("LOGICAL_VOLUME")
    if not request.attribute("VOLUME_GROUP") and not logical:
        raise missing("VOLUME_GROUP")
    if logical:
        groups, group, volume = volume_named(root, logical)
        if request.attribute("VOLUME_GROUP") not in ("", group.name):
            raise does_not_exist(logical)
    else:
        groups, group = group_named(root, request.attribute("VOLUME_GROUP"))
    if any(stanza.mount_point == point for stanza in read_stanzas(root)):
        raise exists_already(point)
    if logical and volume.mount_point:
        raise ClmgrError(f'the logical volume "{logical}" holds the file system "{volume.mount_point}".')
    kind = KINDS.get(request.attribute("TYPE"), request.attribute("TYPE"))
    where = ["-d", logical] if logical else ["-g", group.name, "-a", f"size={-(-_bytes(request) // 512)}"]
    with varied_on(groups, group):
        run_here(["crfs", "-v", kind, *where, "-m", point, "-A", "no", *_words(request)])
    tell_others(root, c, group)
    print(f"File system {point} has been created.")


def _file_system(root: NodeRoot, point: str) -> tuple[VolumeGroups, VolumeGroup, LogicalVolume]:
    return volume_that(root, lambda volume: volume.mount_point == point, point)


def modify_file_system(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A file system that grows (UNITS, SIZE_PER_UNIT), or is mounted otherwise.

    Raises:
        ClmgrError: it does not exist, would shrink, or has no room.
    """
    groups, group, volume = _file_system(root, required_names(request)[0])
    words, point = _words(request), volume.mount_point
    if not words or request.attribute("UNITS"):
        partitions = -(-_bytes(request) // group.partition_bytes)
        if partitions < volume.partitions:
            raise invalid("UNITS", request.attribute("UNITS"))
        ensure_room(groups, group, partitions - volume.partitions)
        words += ["-a", f"size={partitions * group.partition_bytes // 512}"]
    with varied_on(groups, group):
        run_here(["chfs", *words, point])
    tell_others(root, c, group)


def delete_file_system(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """Remove file systems with their logical volumes.

    Raises:
        ClmgrError: one is mounted somewhere, or a resource group has it.
    """
    for point in required_names(request):
        _file_system(root, point)
    for point in request.names:
        groups, group, _ = _file_system(root, point)
        users = [g.name for g in (c.groups if c else ()) if point in g.resource("FILESYSTEM")]
        if users:
            raise ClmgrError(f'"{point}" is still in use by "{users[0]}".', MISSING_DEPENDENCY)
        if groups.holders(group):
            raise ClmgrError(f'the volume group "{group.name}" is varied on by "{groups.holders(group)[0]}".')
        with varied_on(groups, group):
            run_here(["rmfs", point])
        on_others(root, members(c), ["forget", point])
        tell_others(root, c, group)


CHANGES: dict[tuple[str, str], Change] = {
    ("file_system", "add"): add_file_system,
    ("file_system", "modify"): modify_file_system,
    ("file_system", "delete"): delete_file_system,
}
