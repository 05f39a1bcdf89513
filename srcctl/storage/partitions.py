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
_BANDS = {"edge": 0, "middle": 1, "center": 2, "inner middle": 3, "inner edge": 4}
"""The region where a volume is begun, by its intra-physical policy; "middle", the default of mklv, is the outer one."""


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


def in_band(extents: list[Extent], total: int, policy: str = "middle") -> int:
    """Percent of the partitions that lie in the region where a volume is begun."""
    numbers, band = [n for extent in extents for n in numbers_of(extent)], regions(total)[_BANDS[policy]]
    return 100 * sum(n in band for n in numbers) // len(numbers) if numbers else 0


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
    group: VolumeGroup,
    count: int,
    size_of: Callable[[str], int],
    wanted: tuple[str, ...] = (),
    volume: LogicalVolume | None = None,
) -> tuple[Extent, ...] | None:
    """Free partitions for a volume; None if there are not enough.

    On as few disks as possible, or with the inter-physical policy "maximum" on all of them in turn; of each disk those
    from the region of the intra-physical policy on; on no more disks than the upper bound allows; where the first copy
    has a mirror pool, on disks of that only.

    Args:
        group: the volume group.
        count: how many.
        size_of: the number of partitions of a disk.
        wanted: only on these disks.
        volume: the one that gets them, for its policies and for the disks that it lies on already.
    """
    policies: dict[str, str] = volume.characteristics if volume is not None else {}
    own = {extent.disk for extent in volume.extents} if volume is not None else set()
    pool = group.pool(volume.pools[0]) if volume is not None and volume.pools and volume.pools[0] else None
    disks = [disk for disk in wanted or group.disks if disk not in group.closed_disks]
    if pool is not None:
        disks = [disk for disk in disks if disk in pool.disks]
    free: dict[str, list[int]] = {}
    for disk in disks:
        total, taken = size_of(disk), used(group, disk)
        begin = regions(total)[_BANDS[policies.get("intra_policy", "middle")]].start
        free[disk] = [n for n in (*range(begin, total + 1), *range(1, begin)) if n not in taken]
    if bound := int(policies.get("upper_bound", "0")):
        # The disks it lies on, then the emptiest ones: more is not allowed.
        order = sorted(disks, key=lambda disk: (disk not in own, -len(free[disk])))
        disks = [disk for disk in disks if disk in order[:bound]]
    chosen: list[tuple[str, int]] = []
    if policies.get("inter_policy") == "maximum":
        while len(chosen) < count and any(free[disk] for disk in disks):
            chosen += [(disk, free[disk].pop(0)) for disk in disks if free[disk]]
    else:
        chosen = [(disk, number) for disk in disks for number in free[disk]]
    return _joined(chosen[:count]) if len(chosen) >= count else None


def _joined(places: list[tuple[str, int]]) -> tuple[Extent, ...]:
    """Partitions as extents, in their order."""
    extents: list[Extent] = []
    for disk, number in places:
        last = extents[-1] if extents else None
        if last is not None and last.disk == disk and number == last.first + last.length:
            extents[-1] = Extent(disk, last.first, last.length + 1)
        else:
            extents.append(Extent(disk, number, 1))
    return tuple(extents)


def mapped(lines: list[str]) -> tuple[Extent, ...]:
    """The partitions of a map file (``mklv -m``): ``PVname:PPnum1[-PPnum2]`` a line.

    Raises:
        ValueError: a line is none.
    """
    places: list[tuple[str, int]] = []
    for line in lines:
        if not line.strip():
            continue
        disk, mark, numbers = line.strip().partition(":")
        first, _, last = numbers.partition("-")
        span = range(int(first), int(last or first) + 1)
        if not mark or not disk or span.start < 1 or not span:
            raise ValueError(line.strip())
        places += [(disk, number) for number in span]
    return _joined(places)
