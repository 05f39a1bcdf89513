"""Physical partitions: which ones a disk has, in which region they lie, which are free, and where a volume goes.

A disk is divided into five regions of about a fifth of its partitions each, from the outer edge to the inner edge. What
is left over by the division goes to the outer edge, the inner edge, the inner middle and the outer middle, in this
order (from published listings).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from srcctl.storage.descriptor_area import Extent, LogicalVolume, VolumeGroup

REGIONS = ("outer edge", "outer middle", "center", "inner middle", "inner edge")
_REMAINDER_ORDER = (0, 4, 3, 1)
_MIDDLE = 1
"""A volume is begun in the outer middle (intra-physical policy "m", the default of mklv)."""


def regions(total: int) -> list[range]:
    """The partitions of each region of a disk of ``total`` partitions."""
    sizes = [total // 5] * 5
    for place in _REMAINDER_ORDER[: total % 5]:
        sizes[place] += 1
    result, first = [], 1
    for size in sizes:
        result.append(range(first, first + size))
        first += size
    return result


def region_of(number: int, total: int) -> str:
    """The name of the region in which a partition lies."""
    return next(name for name, span in zip(REGIONS, regions(total), strict=True) if number in span)


def in_band(extents: list[Extent], total: int) -> int:
    """Percent of the partitions that lie in the region where a volume is begun."""
    numbers = [n for extent in extents for n in numbers_of(extent)]
    return 100 * sum(n in regions(total)[_MIDDLE] for n in numbers) // len(numbers) if numbers else 0


def numbers_of(extent: Extent) -> range:
    """The numbers of an extent's partitions."""
    return range(extent.first, extent.first + extent.length)


def distribution(numbers: set[int], total: int) -> list[int]:
    """How many of some partitions lie in each region."""
    return [sum(n in numbers for n in span) for span in regions(total)]


def used(group: VolumeGroup, disk: str) -> dict[int, tuple[LogicalVolume, int]]:
    """The partitions of a disk that are in use: logical volume and number of the logical partition."""
    found: dict[int, tuple[LogicalVolume, int]] = {}
    for volume in group.volumes:
        for logical, (on, number) in enumerate(placed(volume), 1):
            if on == disk:
                found[number] = volume, logical
    return found


def placed(volume: LogicalVolume) -> Iterator[tuple[str, int]]:
    """Disk and physical partition of every logical partition, in order."""
    for extent in volume.extents:
        for number in numbers_of(extent):
            yield extent.disk, number


def shortened(extents: tuple[Extent, ...], count: int) -> tuple[Extent, ...]:
    """The first so many partitions of some extents."""
    kept: list[Extent] = []
    for extent in extents:
        room = count - sum(e.length for e in kept)
        if room > 0:
            kept.append(Extent(extent.disk, extent.first, min(extent.length, room)))
    return tuple(kept)


def allocate(
    group: VolumeGroup, count: int, size_of: Callable[[str], int], wanted: tuple[str, ...] = ()
) -> tuple[Extent, ...] | None:
    """Free partitions for a volume, on as few disks as possible; None if there are not enough.

    Args:
        group: the volume group.
        count: how many.
        size_of: the number of partitions of a disk.
        wanted: only on these disks.
    """
    extents: list[Extent] = []
    for disk in wanted or group.disks:
        if disk in group.closed_disks:
            continue
        total, taken = size_of(disk), used(group, disk)
        begin = regions(total)[_MIDDLE].start
        free = [n for n in (*range(begin, total + 1), *range(1, begin)) if n not in taken]
        for number in free[: count - sum(e.length for e in extents)]:
            last = extents[-1] if extents else None
            if last is not None and last.disk == disk and number == last.first + last.length:
                extents[-1] = Extent(disk, last.first, last.length + 1)
            else:
                extents.append(Extent(disk, number, 1))
    return tuple(extents) if sum(e.length for e in extents) == count else None
