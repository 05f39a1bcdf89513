"""The status area (VGSA) of a volume group: which of its disks are missing, and which physical partitions are stale.

It lies beside the descriptor area on every disk, is written far more often than that, and like it in alternating slots
with checksums.

It is written on a disk that has failed, too. There a status area cannot be old: whoever forces a volume group to be
varied on with nothing but disks that are behind gets input and output errors, where AIX gives the data of then, which a
lab does not have: contents are kept once.
"""

from __future__ import annotations

import os

from srcctl.commands.record import Record
from srcctl.storage import slots
from srcctl.storage.disk import DIRECTORY, SECTOR, Disk
from srcctl.storage.slots import SLOT_BYTES

MAGIC = b"VGSA"
SLOT_OFFSETS = (384 * SECTOR, 512 * SECTOR)
NOTHING: dict[str, frozenset[int]] = {}


class StatusArea(Record):
    """What it says: ``missing`` disks stay so until varyonvg brings them back; ``stale`` partitions by disk."""

    missing: frozenset[str] = frozenset()
    stale: dict[str, frozenset[int]] = NOTHING
    serial: int = 0

    def is_stale(self, disk: str, number: int) -> bool:
        """Whether a physical partition is behind the other copies of its logical partition."""
        return number in self.stale.get(disk, ())

    def marked(self, places: set[tuple[str, int]], stale: bool = True) -> StatusArea:
        """With some more partitions that are stale, or some fewer."""
        before = {(disk, number) for disk, numbers in self.stale.items() for number in numbers}
        after = before | places if stale else before - places
        disks = sorted({disk for disk, _ in after})
        return self._replace(stale={disk: frozenset(n for on, n in after if on == disk) for disk in disks})


def read(lab: str, disks: tuple[str, ...], identifier: str) -> StatusArea:
    """The newest status area of a volume group; an empty one if it never lost anything.

    Args:
        lab: the lab's shared folder.
        disks: those of the volume group; what has failed is passed over.
        identifier: the volume group's.
    """
    newest = StatusArea()
    for name in disks:
        try:
            with Disk(lab, name) as device:
                found = [_decode(device.read(offset, SLOT_BYTES), identifier) for offset in SLOT_OFFSETS]
        except OSError:
            continue
        for area in found:
            if area is not None and area.serial > newest.serial:
                newest = area
    return newest


def write(lab: str, disks: tuple[str, ...], identifier: str, area: StatusArea) -> StatusArea:
    """Write it under the next serial number to all disks.

    Raises:
        OSError: the lab cannot be written, or it is too large for a slot.
    """
    area = area._replace(serial=area.serial + 1)
    data = _encode(area, identifier)
    for name in disks:
        descriptor = os.open(os.path.join(lab, DIRECTORY, name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, data, SLOT_OFFSETS[area.serial % 2])
        finally:
            os.close(descriptor)
    return area


def erase(lab: str, disk: str) -> None:
    """Remove the status area from a disk.

    Raises:
        OSError: the disk has failed.
    """
    with Disk(lab, disk) as device:
        slots.erase(device, SLOT_OFFSETS)


def _encode(area: StatusArea, identifier: str) -> bytes:
    value = {
        "identifier": identifier,
        "serial": area.serial,
        "missing": sorted(area.missing),
        "stale": {disk: _runs(numbers) for disk, numbers in area.stale.items() if numbers},
    }
    return slots.encode(MAGIC, value)


def _runs(numbers: frozenset[int]) -> list[list[int]]:
    """Numbers as runs of a first one and a length."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs


def _decode(data: bytes, identifier: str) -> StatusArea | None:
    value = slots.decode(MAGIC, data)
    if value is None:
        return None
    try:
        if value["identifier"] != identifier:
            return None
        stale = {
            str(disk): frozenset(n for first, length in runs for n in range(first, first + length))
            for disk, runs in value["stale"].items()
        }
        return StatusArea(frozenset(map(str, value["missing"])), stale, int(value["serial"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
