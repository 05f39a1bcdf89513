"""Physical partitions: which ones a disk has, in which region they lie, which are free, and where a volume goes.

A disk is divided into five regions of about a fifth of its partitions each, from the outer edge to the inner edge. What
is left over by the division goes to the outer edge, the inner edge, the inner middle and the outer middle, in this
order (from published listings).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from srcctl.storage.descriptor_area import Extent, LogicalVolume, VolumeGroup

Place = tuple[str, int]
"""A physical partition: its disk and its number there."""
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


def used(group: VolumeGroup, disk: str) -> dict[int, tuple[LogicalVolume, int, int]]:
    """The partitions of a disk that are in use: logical volume, number of the logical partition, number of the copy."""
    found: dict[int, tuple[LogicalVolume, int, int]] = {}
    for volume in group.volumes:
        for copy, extents in enumerate(volume.copies, 1):
            for logical, (on, number) in enumerate(placed(extents), 1):
                if on == disk:
                    found[number] = volume, logical, copy
    return found


def all_used(group: VolumeGroup) -> set[Place]:
    """The physical partitions of all volumes."""
    return {place for volume in group.volumes for copy in volume.copies for place in placed(copy)}


def placed(extents: tuple[Extent, ...]) -> Iterator[Place]:
    """Disk and physical partition of every logical partition of a copy, in order."""
    for extent in extents:
        for number in numbers_of(extent):
            yield extent.disk, number


def logical_partitions(volume: LogicalVolume) -> list[tuple[Place, ...]]:
    """The places of every logical partition, the first copy's first."""
    return list(zip(*(placed(copy) for copy in volume.copies), strict=True))


SUPERSTRICT = "yes (superstrict)"


def completed(
    group: VolumeGroup,
    volume: LogicalVolume,
    size_of: Callable[[str], int],
    wanted: tuple[str, ...] = (),
    copies: int = 0,
) -> LogicalVolume | None:
    """The volume with all its partitions in every copy; None if there are not enough free ones.

    A copy lies on as few disks as possible, or with the inter-physical policy "maximum" on all of them in turn; on each
    disk from the region of the intra-physical policy on; on no more disks than the upper bound allows; where it has a
    mirror pool, on disks of that only. Copies of a logical partition lie on different disks unless strictness is off;
    with superstrictness no disk has partitions of two copies. A striped copy takes one disk after the other.

    Args:
        group: the volume group, with or without the volume.
        volume: what is there already stays where it is.
        size_of: the number of partitions of a disk, 0 of one that cannot be used.
        wanted: new ones are on these disks only.
        copies: how many there are to be; 0 for as many as there are.
    """
    free = _Free(group, volume, size_of)
    result = [list(placed(copy))[: volume.partitions] for copy in volume.copies]
    result += [[] for _ in range(copies - len(result))]
    for number, copy in enumerate(result):
        others = [other for place, other in enumerate(result) if place != number]
        if len(copy) < volume.partitions and not _fill(group, volume, number, copy, others, free, wanted):
            return None
    first, *more = (joined(copy) for copy in result)
    return volume._replace(extents=first, mirrors=tuple(more))


class _Free:
    """The free partitions of each disk, those of the policy's region first."""

    def __init__(self, group: VolumeGroup, volume: LogicalVolume, size_of: Callable[[str], int]) -> None:
        self._of: dict[str, list[int]] = {}
        band = _BANDS[volume.characteristics.get("intra_policy", "middle")]
        own = {place for copy in volume.copies for place in placed(copy)}
        for disk in group.disks:
            total, taken = size_of(disk), used(group, disk)
            begin = regions(total)[band].start
            order = (*range(begin, total + 1), *range(1, begin))
            self._of[disk] = [n for n in order if n not in taken and (disk, n) not in own]

    def count(self, disk: str) -> int:
        return len(self._of.get(disk, ()))

    def take(self, disk: str) -> Place:
        return disk, self._of[disk].pop(0)


def _fill(
    group: VolumeGroup,
    volume: LogicalVolume,
    number: int,
    copy: list[Place],
    others: list[list[Place]],
    free: _Free,
    wanted: tuple[str, ...],
) -> bool:
    """Add to a copy what it lacks; False if that cannot be."""
    policies, own = volume.characteristics, {disk for disk, _ in copy}
    strictness = policies.get("strictness", "yes")
    pool = group.pool(volume.pools[number]) if number < len(volume.pools) and volume.pools[number] else None
    disks = [disk for disk in wanted or group.disks if disk not in group.closed_disks]
    if pool is not None:
        disks = [disk for disk in disks if disk in pool.disks]
    elsewhere = {disk for other in others for disk, _ in other}
    if strictness == SUPERSTRICT:
        disks = [disk for disk in disks if disk not in elsewhere]
    elif strictness == "yes":
        disks.sort(key=lambda disk: disk in elsewhere)
    if volume.width:
        return _fill_stripes(volume, copy, disks, free)
    if bound := int(policies.get("upper_bound", "0")):
        # The disks it lies on, then the emptiest ones: more is not allowed.
        order = sorted(disks, key=lambda disk: (disk not in own, -free.count(disk)))
        disks = [disk for disk in disks if disk in order[:bound]]
    turn = 0
    while len(copy) < volume.partitions:
        barred = {other[len(copy)][0] for other in others if len(copy) < len(other)} if strictness != "no" else set()
        order = disks[turn:] + disks[:turn]
        disk = next((disk for disk in order if disk not in barred and free.count(disk)), None)
        if disk is None:
            return False
        copy.append(free.take(disk))
        if policies.get("inter_policy") == "maximum":
            turn = (disks.index(disk) + 1) % len(disks)
    return True


def _fill_stripes(volume: LogicalVolume, copy: list[Place], disks: list[str], free: _Free) -> bool:
    """A column is a disk; one that is full goes on on another disk that no column is on."""
    columns = [disk for disk, _ in copy[-volume.width :]]
    rows = (volume.partitions - len(copy)) // volume.width
    if not columns:
        columns = [disk for disk in disks if free.count(disk) >= rows][: volume.width]
        columns += [disk for disk in disks if disk not in columns and free.count(disk)]
        columns = columns[: volume.width]
    if len(columns) < volume.width:
        return False
    while len(copy) < volume.partitions:
        place = len(copy) % volume.width
        if not free.count(columns[place]):
            other = next((disk for disk in disks if disk not in columns and free.count(disk)), None)
            if other is None:
                return False
            columns[place] = other
        copy.append(free.take(columns[place]))
    return True


def joined(places: list[Place]) -> tuple[Extent, ...]:
    """Partitions as extents, in their order."""
    extents: list[Extent] = []
    for disk, number in places:
        last = extents[-1] if extents else None
        if last is not None and last.disk == disk and number == last.first + last.length:
            extents[-1] = Extent(disk, last.first, last.length + 1)
        else:
            extents.append(Extent(disk, number, 1))
    return tuple(extents)


def mapped(lines: list[str]) -> list[Place]:
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
    return places
