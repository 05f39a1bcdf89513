"""add, modify and delete of logical volumes in shared volume groups, by mklv, chlv, extendlv."""

from __future__ import annotations

from collections.abc import Callable

from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid,
    missing,
)
from daemons.clmgr.storage.volume_groups import (
    LETTERS,
    Change,
    Words,
    disks_named,
    flags,
    group_named,
    identifiers,
    run_here,
    shared_name,
    tell_others,
    varied_on,
)
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.volume_groups import VolumeGroups


def volume_named(root: NodeRoot, name: str) -> tuple[VolumeGroups, VolumeGroup, LogicalVolume]:
    """A logical volume of a volume group that this node knows.

    Raises:
        ClmgrError: there is none.
    """
    return volume_that(root, lambda volume: volume.name == name, name)


def volume_that(
    root: NodeRoot, wanted: Callable[[LogicalVolume], bool], name: str
) -> tuple[VolumeGroups, VolumeGroup, LogicalVolume]:
    """The first logical volume that is wanted; ``name`` is what the complaint calls it.

    Raises:
        ClmgrError: there is none.
    """
    groups = VolumeGroups(root)
    for known in groups.known():
        group = groups.find(known)
        for volume in group.volumes if group else ():
            if wanted(volume) and group is not None:
                return groups, group, volume
    raise does_not_exist(name)


def ensure_room(groups: VolumeGroups, group: VolumeGroup, partitions: int) -> None:
    """Refuse what does not fit.

    Raises:
        ClmgrError: the group has not that many free partitions.
    """
    if group.used_partitions + partitions > groups.total_partitions(group):
        raise ClmgrError("0516-404 allocp: This system cannot fulfill the allocation request.")


POSITIONS = {"outer_middle": "m", "outer_edge": "e", "center": "c", "inner_middle": "im", "inner_edge": "ie"}
SCHEDULES = {
    "parallel": "p", "sequential": "s", "parallel_write_with_sequential_read": "ps",
    "parallel_write_round_robin_read": "pr",
}  # fmt: skip
VOLUME_FLAGS: dict[str, tuple[str, Words]] = {
    "TYPE": ("-t", {}),
    "POSITION": ("-a", POSITIONS),
    "PV_RANGE": ("-e", {"minimum": "m", "maximum": "x"}),
    "MAX_PVS_FOR_NEW_ALLOC": ("-u", {}),
    "WRITE_CONSISTENCY": ("-w", {"active": "a", "passive": "p", "off": "n"}),
    "LPARTS_ON_SEPARATE_PVS": ("-s", {"yes": "y", "no": "n", "superstrict": "s"}),
    "RELOCATE": ("-r", LETTERS),
    "LABEL": ("-L", {}),
    "MAX_LPARTS": ("-x", {}),
    "BAD_BLOCK_RELOCATION": ("-b", LETTERS),
    "SCHEDULING_POLICY": ("-d", SCHEDULES),
    "VERIFY_WRITES": ("-v", LETTERS),
    "SERIALIZE_IO": ("-o", LETTERS),
    "FIRST_BLOCK_AVAILABLE": ("-T", {"true": "O", "false": "F"}),
}  # fmt: skip
"""Attributes of a logical volume: the flag of mklv and chlv, and its words for the attribute's."""
NOT_WITH_STRIPES = ("PV_RANGE", "SCHEDULING_POLICY", "LPARTS_ON_SEPARATE_PVS")
"""A striped volume lies on all of its disks, and its copies never share one (mklv refuses these flags with -S)."""
POOL_ATTRIBUTES = ("FIRST_COPY_MIRROR_POOL", "SECOND_COPY_MIRROR_POOL", "THIRD_COPY_MIRROR_POOL")


def _volume_words(request: Request, pool_flag: str) -> list[str]:
    words = flags(request, VOLUME_FLAGS)
    pools = [
        f"copy{copy}={request.attribute(attribute)}"
        for copy, attribute in enumerate(POOL_ATTRIBUTES, 1)
        if attribute in request.attributes
    ]
    return [*words, pool_flag, ",".join(pools)] if pools else words


def add_logical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A logical volume in a shared volume group, made by mklv.

    Raises:
        ClmgrError: it exists, or the volume group cannot take it.
    """
    name = shared_name(request)
    for attribute in ("VOLUME_GROUP", "LOGICAL_PARTITIONS"):
        if not request.attribute(attribute):
            raise missing(attribute)
    if request.attribute("STRIPE_SIZE"):
        for attribute in NOT_WITH_STRIPES:
            if request.attribute(attribute):
                raise ClmgrError(f'"{attribute}" does not go with "STRIPE_SIZE".', INCORRECT_INPUT)
    groups, group = group_named(root, request.attribute("VOLUME_GROUP"))
    for known in groups.known():
        other = groups.find(known)
        if other is not None and any(volume.name == name for volume in other.volumes):
            raise exists_already(name)
    disks = identifiers(root, disks_named(root, request.words("PHYSICAL_VOLUMES")))
    words = [*_volume_words(request, "-p"), *flags(request, {"LPART_COPIES": ("-c", {}), "STRIPE_SIZE": ("-S", {})})]
    if not request.attribute("TYPE"):
        words += ["-t", "jfs2"]
    if path := request.attribute("ALLOCATION_MAP"):
        words += ["-m", path]
    with varied_on(groups, group):
        run_here(["mklv", "-y", name, *words, group.name, request.attribute("LOGICAL_PARTITIONS"), *disks])
    tell_others(root, c, group)


def modify_logical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """More LOGICAL_PARTITIONS, more or fewer LPART_COPIES, a new NAME, other characteristics: by the nodes' commands.

    Raises:
        ClmgrError: it does not exist, would shrink, or has no room.
    """
    name = required_names(request)[0]
    groups, group, volume = volume_named(root, name)
    partitions = int(request.attribute("LOGICAL_PARTITIONS") or volume.partitions)
    if partitions < volume.partitions:
        raise invalid("LOGICAL_PARTITIONS", str(partitions))
    new = request.attribute("NAME") or name
    if new != name and volume.mount_point:
        raise ClmgrError(f'the logical volume "{name}" holds the file system "{volume.mount_point}".', INCORRECT_INPUT)
    words = _volume_words(request, "-m")
    copies = int(request.attribute("LPART_COPIES") or len(volume.copies))
    if not words and new == name and partitions == volume.partitions and copies == len(volume.copies):
        raise missing("LOGICAL_PARTITIONS")
    ensure_room(groups, group, partitions * copies - volume.partitions * len(volume.copies))
    with varied_on(groups, group):
        if words:
            run_here(["chlv", *words, name])
        if copies < len(volume.copies):
            run_here(["rmlvcopy", name, str(copies)])
        if partitions > volume.partitions:
            run_here(["extendlv", name, str(partitions - volume.partitions)])
        if copies > len(volume.copies):
            run_here(["mklvcopy", "-k", name, str(copies)])
        if new != name:
            run_here(["chlv", "-n", new, name])
    tell_others(root, c, group)


def delete_logical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """Remove logical volumes.

    Raises:
        ClmgrError: one does not exist, or holds a file system.
    """
    for name in required_names(request):
        volume_named(root, name)
    for name in request.names:
        groups, group, volume = volume_named(root, name)
        if volume.mount_point:
            raise ClmgrError(f'"{name}" is still in use by "{volume.mount_point}".', MISSING_DEPENDENCY)
        with varied_on(groups, group):
            run_here(["rmlv", "-f", name])
        tell_others(root, c, group)


CHANGES: dict[tuple[str, str], Change] = {
    ("logical_volume", "add"): add_logical_volume,
    ("logical_volume", "modify"): modify_logical_volume,
    ("logical_volume", "delete"): delete_logical_volume,
}
