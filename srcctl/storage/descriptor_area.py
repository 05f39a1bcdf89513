"""The descriptor area (VGDA) of a volume group: what its disks themselves say about it.

It is written twice, in alternating slots with checksums, so that an update that is interrupted leaves the older one.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass

from srcctl.storage.disk import SECTOR, Disk

MAGIC = b"_LVM"
SLOT_BYTES = 64 * SECTOR
SLOT_OFFSETS = (128 * SECTOR, 256 * SECTOR)
PARTITION_BYTES = 16 << 20
"""Bytes of a physical partition."""


class StorageError(Exception):
    """The request cannot be carried out; ``str()`` is the message with its id."""


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A logical volume. ``partitions`` of PARTITION_BYTES each; ``mount_point`` is "" without a file system."""

    name: str
    type: str
    partitions: int
    mount_point: str = ""


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """What the descriptor area says."""

    name: str
    identifier: str
    disks: tuple[str, ...]
    volumes: tuple[LogicalVolume, ...] = ()
    serial: int = 0
    major: int = 100

    @property
    def used_partitions(self) -> int:
        """Partitions of all logical volumes."""
        return sum(volume.partitions for volume in self.volumes)

    @property
    def total_partitions(self) -> int:
        """Physical partitions of all disks (1 GiB each)."""
        return len(self.disks) * ((1 << 30) // PARTITION_BYTES)


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


def write(lab: str, group: VolumeGroup) -> None:
    """Write the descriptor area of all disks of a volume group, in the slot of its serial number.

    Raises:
        OSError: a disk has failed.
        StorageError: it has become too large.
    """
    data = _encode(group)
    for disk in group.disks:
        with Disk(lab, disk) as device:
            device.write(SLOT_OFFSETS[group.serial % 2], data)


def erase(lab: str, disk: str) -> None:
    """Remove the descriptor area from a disk.

    Raises:
        OSError: the disk has failed.
    """
    with Disk(lab, disk) as device:
        for offset in SLOT_OFFSETS:
            device.write(offset, bytes(SECTOR))


def _encode(group: VolumeGroup) -> bytes:
    body = json.dumps(asdict(group)).encode()
    if len(body) + 12 > SLOT_BYTES:
        raise StorageError(f"0516-787 extendvg: the descriptor area of {group.name} is full.")
    return (MAGIC + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body).ljust(SLOT_BYTES, b"\0")


def _decode(data: bytes) -> VolumeGroup | None:
    if data[:4] != MAGIC:
        return None
    length, checksum = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    body = data[12 : 12 + length]
    if len(body) != length or zlib.crc32(body) != checksum:
        return None
    try:
        value = json.loads(body)
        volumes = tuple(LogicalVolume(**volume) for volume in value.pop("volumes"))
        return VolumeGroup(**{**value, "disks": tuple(value["disks"])}, volumes=volumes)
    except (ValueError, TypeError, KeyError):
        return None
