"""Volume groups as a node sees them: descriptor areas on the disks, what its ODM knows, what it has varied on."""

from __future__ import annotations

from dataclasses import replace

from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import Repository
from srcctl.storage import descriptor_area
from srcctl.storage.descriptor_area import VolumeGroup
from srcctl.storage.disk import Disk, disk_names, pvid
from srcctl.storage.reservations import ReservationRegistry

REPOSITORY_MAGIC = b"CAAREPOS"
REPOSITORY_VG = "caavg_private"


class VolumeGroups:
    """The volume groups as a node sees them."""

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._identity: Identity = root.identity
        self._lab = self._identity.lab
        self._reservations = ReservationRegistry(self._lab)

    # Descriptor areas.

    def on_disk(self, disk: str) -> VolumeGroup | None:
        """The volume group that a disk belongs to.

        Raises:
            OSError: the disk has failed.
        """
        return descriptor_area.read(self._lab, disk)

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
        """Write the descriptor area of all its disks, under the next serial number.

        Raises:
            OSError: a disk has failed.
        """
        group = replace(group, serial=group.serial + 1)
        descriptor_area.write(self._lab, group)
        return group

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

    def holders(self, group: VolumeGroup) -> list[str]:
        """The live nodes that have the volume group varied on; more than one after a split brain."""
        return self._reservations.holders(group.disks[0]) if group.disks else []

    def contenders(self, group: VolumeGroup) -> list[str]:
        """The other live nodes that have the volume group varied on while this one has it: a split brain."""
        if not self.is_varied_on(group):
            return []
        return [node for node in self.holders(group) if node != self._identity.node]

    def is_reserved_here(self, disk: str) -> bool:
        """Whether this node has a disk reserved."""
        return self._identity.node in self._reservations.holders(disk)

    def is_varied_on(self, group: VolumeGroup) -> bool:
        """Whether this node has the volume group varied on."""
        return bool(group.disks) and all(self.is_reserved_here(disk) for disk in group.disks)

    def reserve(self, group: VolumeGroup, force: bool = False) -> str | None:
        """Reserve all disks for this node; returns the live node that stands in the way, if ``force`` is not given.

        Raises:
            OSError: the lab cannot be written.
        """
        return self._reservations.reserve(self._identity, group.disks, force=force)

    def release(self, group: VolumeGroup) -> None:
        """Give up the reservation of all disks that this node holds.

        Raises:
            OSError: the lab cannot be written.
        """
        self._reservations.release(self._identity, group.disks)


def _attribute(name: str, attribute: str, value: str) -> dict[str, int | str]:
    return {"name": name, "attribute": attribute, "value": value, "type": "R", "generic": "", "rep": "sl"}
