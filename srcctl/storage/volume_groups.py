"""Volume groups: a descriptor area on the disk, a reservation that dies with the node, what a node knows of them.

The descriptor area (VGDA) is written twice, in alternating slots with checksums, so that an update that is interrupted
leaves the older one. A varied-on volume group reserves its disks for one node; the reservation counts only while that
node is alive in the life in which it was made, which is what a SCSI reservation amounts to after a crash.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from srcctl.network.liveness import is_alive
from srcctl.node.root import Identity, NodeRoot, replace_file
from srcctl.odm import Repository
from srcctl.storage.disk import SECTOR, Disk, disk_names, pvid

MAGIC = b"_LVM"
SLOT_BYTES = 64 * SECTOR
SLOT_OFFSETS = (128 * SECTOR, 256 * SECTOR)
REPOSITORY_MAGIC = b"CAAREPOS"
REPOSITORY_VG = "caavg_private"
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


class VolumeGroups:
    """The volume groups as a node sees them."""

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._identity: Identity = root.identity
        self._lab = self._identity.lab
        self._reservations = os.path.join(self._lab, "reservations")

    # Descriptor areas.

    def on_disk(self, disk: str) -> VolumeGroup | None:
        """The volume group that a disk belongs to.

        Raises:
            OSError: the disk has failed.
        """
        newest: VolumeGroup | None = None
        with Disk(self._lab, disk) as device:
            for offset in SLOT_OFFSETS:
                found = _decode(device.read(offset, SLOT_BYTES))
                if found is not None and (newest is None or found.serial > newest.serial):
                    newest = found
        return newest

    def is_repository(self, disk: str) -> bool:
        """Whether the disk is a cluster repository."""
        try:
            with Disk(self._lab, disk) as device:
                return device.read(0, len(REPOSITORY_MAGIC)) == REPOSITORY_MAGIC
        except OSError:
            return False

    def find(self, name: str) -> VolumeGroup | None:
        """A volume group by name, from the first disk that has it and can be read."""
        for disk in disk_names(self._lab):
            try:
                found = self.on_disk(disk)
            except OSError:
                continue
            if found is not None and found.name == name:
                return found
        return None

    def store(self, group: VolumeGroup) -> VolumeGroup:
        """Write the descriptor area of all its disks.

        Raises:
            OSError: a disk has failed.
        """
        group = replace(group, serial=group.serial + 1)
        data = _encode(group)
        for disk in group.disks:
            with Disk(self._lab, disk) as device:
                device.write(SLOT_OFFSETS[group.serial % 2], data)
        return group

    def erase(self, group: VolumeGroup) -> None:
        """Remove the descriptor area from all its disks."""
        for disk in group.disks:
            with Disk(self._lab, disk) as device:
                for offset in SLOT_OFFSETS:
                    device.write(offset, bytes(SECTOR))

    # What this node knows: importvg makes it known, exportvg forgets it.

    def known(self) -> list[str]:
        """The volume groups in this node's ODM, in order of definition; rootvg is not among them."""
        objects = Repository(self._root, "/etc/objrepos").get("CuDv", "PdDvLn LIKE logical_volume/vgsubclass/*")
        return [str(o["name"]) for o in objects]

    def known_on(self, disk: str) -> str | None:
        """The volume group that this node's ODM has on a disk, readable or not."""
        identifier = pvid(self._identity.lab_id, disk)
        found = Repository(self._root, "/etc/objrepos").get("CuAt", f"attribute=pv AND value='{identifier}'")
        return str(found[0]["name"]) if found else None

    def known_disks(self, name: str) -> tuple[str, ...]:
        """The disks that this node's ODM has for a volume group, readable or not, in the order of its definition."""
        disks = {pvid(self._identity.lab_id, disk): disk for disk in disk_names(self._lab)}
        found = Repository(self._root, "/etc/objrepos").get("CuAt", f"name='{name}' AND attribute=pv")
        return tuple(disks[str(o["value"])] for o in found if str(o["value"]) in disks)

    def make_known(self, group: VolumeGroup) -> None:
        """Put a volume group into this node's ODM."""
        repository = Repository(self._root, "/etc/objrepos")
        self.forget(group.name)
        repository.add(
            "CuDv", {"name": group.name, "status": 1, "PdDvLn": "logical_volume/vgsubclass/vgtype", "ddins": "100,0"}
        )
        repository.add("CuAt", _attribute(group.name, "vgserial_id", group.identifier))
        for disk in group.disks:
            repository.add("CuAt", _attribute(group.name, "pv", pvid(self._identity.lab_id, disk)))

    def forget(self, name: str) -> None:
        """Remove a volume group from this node's ODM."""
        repository = Repository(self._root, "/etc/objrepos")
        repository.delete("CuDv", f"name='{name}'")
        repository.delete("CuAt", f"name='{name}'")

    # Reservations.

    def holder(self, disk: str) -> str | None:
        """The live node that has the disk reserved."""
        try:
            with open(os.path.join(self._reservations, disk), encoding="utf-8") as file:
                value = json.load(file)
            node, boot_id = str(value["node"]), str(value["boot_id"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return node if is_alive(self._lab, node, boot_id) else None

    def is_varied_on(self, group: VolumeGroup) -> bool:
        """Whether this node has the volume group varied on."""
        return bool(group.disks) and all(self.holder(disk) == self._identity.node for disk in group.disks)

    def reserve(self, group: VolumeGroup, force: bool = False) -> str | None:
        """Reserve all disks for this node; returns another live holder if there is one and ``force`` is not given."""
        with self._locked():
            for disk in group.disks:
                holder = self.holder(disk)
                if holder not in (None, self._identity.node) and not force:
                    return holder
            record = json.dumps({"node": self._identity.node, "boot_id": self._identity.boot_id}).encode()
            for disk in group.disks:
                replace_file(os.path.join(self._reservations, disk), record)
        return None

    def release(self, group: VolumeGroup) -> None:
        """Give up the reservation of all disks that this node holds."""
        with self._locked():
            for disk in group.disks:
                if self.holder(disk) == self._identity.node:
                    os.unlink(os.path.join(self._reservations, disk))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        os.makedirs(self._reservations, exist_ok=True)
        descriptor = os.open(os.path.join(self._reservations, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _attribute(name: str, attribute: str, value: str) -> dict[str, int | str]:
    return {"name": name, "attribute": attribute, "value": value, "type": "R", "generic": "", "rep": "sl"}


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
