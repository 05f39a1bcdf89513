"""Copies of logical volumes: which partitions are stale, whether the data can be read, what synchronization changes.

What AIX's LVM does at every write: it goes to all copies whose disks work and is acknowledged when these have it; a
copy that could not be written is stale from then on, which the status area of the other disks says before the write is
acknowledged, and is neither read nor written until it is synchronized from a good one. The last good copy of a
partition never becomes stale: its loss is an input or output error.

A volume that is open for writing counts as written everywhere (inferred: AIX marks partition by partition, as they are
written). The contents of a file system are kept once, whatever its copies: no copy that is behind is ever read, so how
many there are cannot be seen but by what this module says.
"""

from __future__ import annotations

from collections.abc import Collection

from srcctl.storage import partitions
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.partitions import Place
from srcctl.storage.status_area import StatusArea


def is_readable(group: VolumeGroup, volume: LogicalVolume, failed: Collection[str]) -> bool:
    """Whether every logical partition has a copy that is neither stale nor on a disk that is missing or has failed."""
    return all(_good(group.status, copies, failed) for copies in partitions.logical_partitions(volume))


def stale_partitions(group: VolumeGroup, volume: LogicalVolume) -> set[Place]:
    """The stale physical partitions of a volume."""
    return {p for copies in partitions.logical_partitions(volume) for p in copies if group.status.is_stale(*p)}


def stale_on(group: VolumeGroup, disk: str) -> int:
    """How many physical partitions of a disk are stale."""
    return sum(group.status.is_stale(disk, number) for number in partitions.used(group, disk))


def after_loss(group: VolumeGroup, lost: Collection[str], opened: Collection[int]) -> StatusArea:
    """The status when disks do not answer: they are missing, and what they have of open volumes is stale.

    Args:
        group: the volume group.
        lost: the disks; those that are missing already count, too.
        opened: the numbers of the volumes that are open for writing.
    """
    gone = group.status.missing | set(lost)
    stale: set[Place] = set()
    for volume in group.volumes:
        if volume.number in opened:
            for copies in partitions.logical_partitions(volume):
                if _good(group.status, copies, gone):
                    stale |= {place for place in copies if place[0] in gone}
    return group.status._replace(missing=frozenset(gone)).marked(stale)


def after_synchronization(group: VolumeGroup, volumes: Collection[str], failed: Collection[str]) -> StatusArea:
    """The status when all copies of some volumes that can be written are as the good ones.

    Args:
        group: the volume group.
        volumes: names.
        failed: disks that do not answer.
    """
    gone, fresh = group.status.missing | set(failed), set()
    for volume in group.volumes:
        if volume.name in volumes:
            for copies in partitions.logical_partitions(volume):
                if _good(group.status, copies, gone):
                    fresh |= {place for place in copies if place[0] not in gone}
    return group.status.marked(fresh, stale=False)


def _good(status: StatusArea, copies: Collection[Place], gone: Collection[str]) -> list[Place]:
    """The copies of a logical partition that are up to date and can be read."""
    return [p for p in copies if p[0] not in gone and p[0] not in status.missing and not status.is_stale(*p)]
