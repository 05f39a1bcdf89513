"""migratepv: the partitions of a disk move to others of its volume group, while they are in use."""

from __future__ import annotations

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage import mirrors, partitions, rootvg
from srcctl.storage.characteristics import of_volume
from srcctl.storage.commands.invocation import changeable_group, disk_of, invoke
from srcctl.storage.descriptor_area import NO_ROOM, LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.partitions import Place
from srcctl.storage.volume_groups import VolumeGroups


def migratepv(argv: list[str]) -> int:
    """``migratepv [-i] [-l LV] source destination ...``: all volumes of a disk, or one of them."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        import sys

        names = options.operands + (sys.stdin.read().split() if "i" in options else [])
        if len(names) < 2:
            raise UsageError("two disks")
        source, *destinations = (disk_of(root, "migratepv", name) for name in names)
        owner = rootvg.NAME if source == rootvg.DISK else groups.known_on(source)
        if owner is None:
            raise StorageError(
                f"0516-320 migratepv: Physical volume {groups.name_of(source)} is not assigned to\n\ta volume group."
            )
        group = changeable_group(groups, "migratepv", owner)
        wanted = options.value("l")
        if wanted and group.volume(wanted) is None:
            raise StorageError(f"0516-306 migratepv: Unable to find {wanted} in the Device\n\tConfiguration Database.")
        if source in destinations or any(disk not in group.disks for disk in destinations):
            raise StorageError(
                f"0516-320 migratepv: A physical volume is not assigned to\n\tvolume group {group.name}, or is the source."
            )
        for volume in group.volumes:
            if wanted in ("", volume.name) and source in volume.disks:
                if not mirrors.is_readable(group, volume, groups.failed_disks(group)):
                    raise StorageError(f"0516-1099 migratepv: {volume.name} has partitions without a good copy.")
                group = _moved(groups, group, volume, source, destinations)
        groups.make_known(groups.store(group))
        return 0

    return invoke(argv, "il:", "Usage: migratepv [-i] [-l LVname] sourcePV destinationPV ...", work)


def _moved(
    groups: VolumeGroups, group: VolumeGroup, volume: LogicalVolume, source: str, destinations: list[str]
) -> VolumeGroup:
    """The group with what a volume has on a disk on others, where its copies stay apart as they are to.

    Raises:
        StorageError: 0516-404, there is not enough room for that.
    """
    free = {
        disk: [n for n in range(1, groups.allocatable(group, disk) + 1) if n not in partitions.used(group, disk)]
        for disk in destinations
    }
    strict = of_volume(volume.characteristics, "strictness")
    copies = [list(partitions.placed(copy)) for copy in volume.copies]
    for number, copy in enumerate(copies):
        others = [other for place, other in enumerate(copies) if place != number]
        elsewhere = {disk for other in others for disk, _ in other} if strict == partitions.SUPERSTRICT else set()
        for logical, (disk, _) in enumerate(copy):
            if disk == source:
                barred = elsewhere | ({other[logical][0] for other in others} if strict != "no" else set())
                if volume.width:  # the columns of a stripe stay on disks of their own
                    column = logical % volume.width
                    barred |= {on for place, (on, _) in enumerate(copy) if place % volume.width != column}
                copy[logical] = _taken(free, barred)
    first, *more = (partitions.joined(copy) for copy in copies)
    changed = volume._replace(extents=first, mirrors=tuple(more))
    return group._replace(volumes=tuple(changed if v.name == volume.name else v for v in group.volumes))


def _taken(free: dict[str, list[int]], barred: set[str]) -> Place:
    for disk, numbers in free.items():
        if numbers and disk not in barred:
            return disk, numbers.pop(0)
    raise StorageError(
        f"{NO_ROOM}\n0516-812 migratepv: Warning, migratepv did not complete.\n\tNot all partitions have been moved to the "
        "destination."
    )
