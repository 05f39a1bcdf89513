"""The descriptor area (VGDA) of a volume group: what its disks themselves say about it.

It is written twice, in alternating slots with checksums, so that an update that is interrupted leaves the older one.
"""

from __future__ import annotations

from collections.abc import Collection

from srcctl.commands.record import Record
from srcctl.storage import slots, status_area
from srcctl.storage.disk import SECTOR, Disk
from srcctl.storage.slots import SLOT_BYTES
from srcctl.storage.status_area import StatusArea

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOTHING: dict[str, str] = {}
MAGIC = b"_LVM"
SLOT_OFFSETS = (128 * SECTOR, 256 * SECTOR)
MEGABYTE = 1 << 20
PARTITION_MEGABYTES = 16
"""The size of a physical partition unless mkvg -s says otherwise."""


class StorageError(Exception):
    """The request cannot be carried out; ``str()`` is the message with its id."""


NO_ROOM = (
    "0516-404 allocp: This system cannot fulfill the allocation request.\n\tThere are not enough free partitions or "
    "not enough physical volumes\n\tto keep strictness and satisfy allocation requests."
)


class Extent(Record):
    """Consecutive physical partitions of a disk, counted from 1."""

    disk: str
    first: int
    length: int


class LogicalVolume(Record):
    """A logical volume.

    ``partitions`` of the volume group's size each, on ``extents``; ``mount_point`` is "" without a file system;
    ``number`` is the minor number and the last part of the identifier; times are seconds since the epoch.
    ``characteristics`` are those of ``characteristics.VOLUME`` that are not the default, ``file_system`` what crfs has
    put into the control block for others that import the volume (options, log, quota ...), ``pools`` the mirror pool of
    each copy, "" for none. ``mirrors`` are the second and the third copy, each as long as the first one, which
    ``extents`` is. Of a striped volume ``width`` is the number of disks that a copy lies on in turns, and
    ``strip_bytes`` how much goes to one of them before the next one's turn comes.
    """

    name: str
    type: str
    partitions: int
    mount_point: str = ""
    number: int = 0
    extents: tuple[Extent, ...] = ()
    created: int = 0
    modified: int = 0
    characteristics: dict[str, str] = NOTHING
    file_system: dict[str, str] = NOTHING
    pools: tuple[str, ...] = ()
    mirrors: tuple[tuple[Extent, ...], ...] = ()
    width: int = 0
    strip_bytes: int = 0

    @property
    def copies(self) -> tuple[tuple[Extent, ...], ...]:
        """The extents of every copy, the first one's first."""
        return (self.extents, *self.mirrors)

    @property
    def strip_size(self) -> str:
        """The size of a strip as mklv -S takes it: 64K, 1M; "" without stripes."""
        size = self.strip_bytes
        if not self.width:
            return ""
        return f"{size // MEGABYTE}M" if size % MEGABYTE == 0 else f"{size // 1024}K"

    @property
    def disks(self) -> tuple[str, ...]:
        """The disks that it lies on, in order of copies and extents."""
        return tuple(dict.fromkeys(extent.disk for copy in self.copies for extent in copy))


class MirrorPool(Record):
    """A named set of a volume group's disks.

    ``mode`` is sync or async; an asynchronous pool has a ``cache`` volume with a high-water mark in percent.
    """

    name: str
    disks: tuple[str, ...]
    mode: str = "sync"
    cache: str = ""
    high_water: str = ""


class VolumeGroup(Record):
    """What the descriptor area says.

    ``concurrent``: made with -C, so that it may be varied on in concurrent mode; ``auto_on``: varied on at boot;
    ``closed_disks``: disks from which nothing is allocated (chpv -a n); ``stamp``: nanoseconds since the epoch;
    ``characteristics``: those of ``characteristics.GROUP`` that are not the default. ``status``: what the status areas
    of the disks say; it is not a part of the descriptor area.
    """

    name: str
    identifier: str
    disks: tuple[str, ...]
    volumes: tuple[LogicalVolume, ...] = ()
    serial: int = 0
    major: int = 100
    partition_megabytes: int = PARTITION_MEGABYTES
    concurrent: bool = False
    auto_on: bool = True
    quorum: bool = True
    kind: str = "normal"
    closed_disks: tuple[str, ...] = ()
    stamp: int = 0
    characteristics: dict[str, str] = NOTHING
    pools: tuple[MirrorPool, ...] = ()
    status: StatusArea = StatusArea()

    def pool_of(self, disk: str) -> str:
        """The mirror pool that a disk belongs to, "" if none."""
        return next((pool.name for pool in self.pools if disk in pool.disks), "")

    def pool(self, name: str) -> MirrorPool | None:
        """A mirror pool by name."""
        return next((pool for pool in self.pools if pool.name == name), None)

    @property
    def partition_bytes(self) -> int:
        """Bytes of a physical partition."""
        return self.partition_megabytes * MEGABYTE

    @property
    def used_partitions(self) -> int:
        """Physical partitions of all logical volumes."""
        return sum(volume.partitions * len(volume.copies) for volume in self.volumes)

    def volume(self, name: str) -> LogicalVolume | None:
        """A logical volume by name."""
        return next((volume for volume in self.volumes if volume.name == name), None)

    def volume_identifier(self, volume: LogicalVolume) -> str:
        """The identifier of a logical volume: the group's with the volume's number."""
        return f"{self.identifier}.{volume.number}"


def read(lab: str, disk: str) -> VolumeGroup | None:
    """The volume group that a disk belongs to.

    Raises:
        OSError: the disk has failed.
    """
    newest: VolumeGroup | None = None
    with Disk(lab, disk) as device:
        for offset in SLOT_OFFSETS:
            found = _decode(device.read(offset, SLOT_BYTES))
            if found is not None and (newest is None or found.serial > newest.serial):
                newest = found
    return newest


def newest(lab: str, group: VolumeGroup) -> VolumeGroup:
    """The volume group as the disk with the highest serial number has it: a disk that was missing is behind."""
    found = stored(lab, group) if len(group.disks) > 1 else None
    return found if found is not None and found.serial > group.serial else group


def stored(lab: str, group: VolumeGroup) -> VolumeGroup | None:
    """What the disks of a volume group say of it now, None if none that answers says anything."""
    found: VolumeGroup | None = None
    for disk in group.disks:
        try:
            other = read(lab, disk)
        except OSError:
            continue
        if other is not None and other.identifier == group.identifier and (not found or other.serial > found.serial):
            found = other
    return found


def write(lab: str, group: VolumeGroup, only: Collection[str] = ()) -> None:
    """Write the descriptor area of the disks of a volume group that answer, in the slot of its serial number.

    Args:
        lab: the lab's shared folder.
        group: the volume group.
        only: to these of its disks; to all if empty.

    Raises:
        OSError: no disk answers.
        StorageError: it has become too large.
    """
    data, written, complaint = _encode(group), False, None
    for disk in only or group.disks:
        try:
            with Disk(lab, disk) as device:
                device.write(SLOT_OFFSETS[group.serial % 2], data)
            written = True
        except OSError as error:
            complaint = error
    if complaint is not None and not written:
        raise complaint


def erase(lab: str, disk: str) -> None:
    """Remove the descriptor area and the status area from a disk.

    Raises:
        OSError: the disk has failed.
    """
    with Disk(lab, disk) as device:
        slots.erase(device, SLOT_OFFSETS)
    status_area.erase(lab, disk)


def _encode(group: VolumeGroup) -> bytes:
    """A disk of an extent is told by its place in the group, or the map of a striped volume would not have room."""
    places = {disk: place for place, disk in enumerate(group.disks)}

    def extents_of(copy: tuple[Extent, ...]) -> list[list[int]]:
        return [[places[e.disk], e.first, e.length] for e in copy]

    volumes = [
        {**v._asdict(), "extents": extents_of(v.extents), "mirrors": [extents_of(copy) for copy in v.mirrors]}
        for v in group.volumes
    ]
    pools = [pool._asdict() for pool in group.pools]
    fields = {name: value for name, value in group._asdict().items() if name != "status"}
    try:
        return slots.encode(MAGIC, {**fields, "volumes": volumes, "pools": pools})
    except OSError:
        raise StorageError(f"0516-787 extendvg: the descriptor area of {group.name} is full.") from None


def _volume(value: dict[str, Any], disks: tuple[str, ...]) -> LogicalVolume:
    def copy_of(extents: list[Any]) -> tuple[Extent, ...]:
        if extents and isinstance(extents[0], dict):  # as labs of an earlier level have it
            return tuple(Extent(e["disk"], e["first"], e["count"]) for e in extents)
        return tuple(Extent(disks[place], first, length) for place, first, length in extents)

    mirrors = tuple(map(copy_of, value.get("mirrors", ())))
    return LogicalVolume(
        **{**value, "extents": copy_of(value["extents"]), "mirrors": mirrors, "pools": tuple(value.get("pools", ()))}
    )


def _decode(data: bytes) -> VolumeGroup | None:
    value = slots.decode(MAGIC, data)
    if value is None:
        return None
    try:
        volumes = tuple(_volume(volume, value["disks"]) for volume in value.pop("volumes"))
        pools = tuple(MirrorPool(**{**pool, "disks": tuple(pool["disks"])}) for pool in value.pop("pools", ()))
        sets = {name: tuple(value[name]) for name in ("disks", "closed_disks")}
        return VolumeGroup(**{**value, **sets}, volumes=volumes, pools=pools)
    except (ValueError, TypeError, KeyError, IndexError):
        return None
