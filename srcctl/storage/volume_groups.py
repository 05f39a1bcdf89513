"""Volume groups as a node sees them: descriptor areas on the disks, what its ODM knows, what it has varied on."""

from __future__ import annotations

import time

from srcctl.network.faults import Faults
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import Repository
from srcctl.storage import descriptor_area, mirrors, partitions, rootvg, status_area
from srcctl.storage.descriptor_area import LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.disk import Disk, disk_bytes, disk_names, pvid
from srcctl.storage.group_locks import GroupLocks
from srcctl.storage.reservations import PASSIVE, SHARED, ReservationRegistry

REPOSITORY_MAGIC = b"CAAREPOS"
REPOSITORY_VG = "caavg_private"


class VolumeGroups:
    """The volume groups as a node sees them."""

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._identity: Identity = root.identity
        self._lab = self._identity.lab
        self._reservations = ReservationRegistry(self._lab)
        self._names: dict[str, str] | None = None
        self.locks = GroupLocks(self._lab)

    def name_of(self, disk: str) -> str:
        """What this node calls a disk."""
        if self._names is None:
            from srcctl.storage.device_names import own_names

            self._names = own_names(self._root)
        return self._names.get(disk, disk)

    # Descriptor areas.

    def on_disk(self, disk: str) -> VolumeGroup | None:
        """The volume group that a disk belongs to, as the disk of it says that is least behind.

        Raises:
            OSError: the disk has failed.
        """
        found = descriptor_area.read(self._lab, disk)
        if found is None:
            return None
        found = descriptor_area.newest(self._lab, found)
        return found._replace(status=status_area.read(self._lab, found.disks, found.identifier))

    def is_repository(self, disk: str) -> bool:
        """Whether the disk is a cluster repository."""
        try:
            with Disk(self._lab, disk) as device:
                return device.read(0, len(REPOSITORY_MAGIC)) == REPOSITORY_MAGIC
        except OSError:
            return False

    def find(self, name: str) -> VolumeGroup | None:
        """A volume group by name, from the first disk that has it and can be read; rootvg, too."""
        if name == rootvg.NAME:
            return rootvg.volume_group(self._root)
        for disk in disk_names(self._lab):
            try:
                found = descriptor_area.read(self._lab, disk)
                if found is not None and found.name == name:
                    return self.on_disk(disk)
            except OSError:
                continue
        return None

    def check_writable(self) -> None:
        """Nothing, if this node's ODM can be written: before a disk is, which the ODM then has to follow.

        Raises:
            OdmError: it cannot.
        """
        Repository(self._root, "/etc/objrepos").check_writable("CuDv")

    def store(self, group: VolumeGroup, on: tuple[str, ...] = (), behind: bool = False) -> VolumeGroup:
        """Write the descriptor area of all its disks, under the next serial number.

        Logical volumes that are new or larger than what they lie on get their partitions here, smaller ones give some
        back.

        Args:
            group: the volume group as it is to be.
            on: the disks for new partitions; all of the group's if empty.
            behind: new partitions are stale: copies of what others have (mklvcopy).

        Raises:
            OSError: no disk answers.
            StorageError: 0516-404, there are not enough partitions.
            OdmError: this node's ODM cannot be written.
        """
        from srcctl.storage.opened import OpenVolumes, changed_status

        self.check_writable()
        old = descriptor_area.stored(self._lab, group)
        for volume in group.volumes:
            group = self._placed(group, volume, on)
        group = group._replace(serial=group.serial + 1, stamp=time.time_ns())
        new = partitions.all_used(group) - (partitions.all_used(old) if old is not None else set())
        with OpenVolumes(self._lab).locked():
            # What no volume has yet may change first, what none has any more only afterwards.
            if behind or group.status.serial:
                group = changed_status(self._lab, group, lambda group: group.status.marked(new, stale=behind))
            descriptor_area.write(self._lab, group)
            if group.status.serial:
                group = changed_status(self._lab, group, _without_what_is_gone)
        return group

    def _placed(self, group: VolumeGroup, volume: LogicalVolume, on: tuple[str, ...]) -> VolumeGroup:
        """The group with partitions, a number and times for one of its volumes, if those are missing."""
        lengths = [sum(extent.length for extent in copy) for copy in volume.copies]
        if volume.number and all(length == volume.partitions for length in lengths):
            return group
        placed = partitions.completed(group, volume, lambda disk: self.allocatable(group, disk), on)
        if placed is None or not placed.extents:
            raise StorageError(
                f"{descriptor_area.NO_ROOM}  The command\n\tshould be retried with different allocation "
                "characteristics."
            )
        now, taken = int(time.time()), {other.number for other in group.volumes}
        number = volume.number or next(n for n in range(1, 4096) if n not in taken)
        new = placed._replace(number=number, created=volume.created or now, modified=now)
        return group._replace(volumes=tuple(new if v.name == volume.name else v for v in group.volumes))

    def allocatable(self, group: VolumeGroup, disk: str) -> int:
        """Physical partitions of a disk that can be written, 0 of another one."""
        return 0 if self.is_missing(group, disk) else self.partitions_of(group, disk)

    def is_missing(self, group: VolumeGroup, disk: str) -> bool:
        """Whether a disk of the group does not answer, or did not until varyonvg looks again."""
        return disk in group.status.missing or self.has_failed(disk)

    def failed_disks(self, group: VolumeGroup) -> set[str]:
        """The disks of the group that do not answer."""
        return {disk for disk in group.disks if self.has_failed(disk)}

    def bring_back(self, group: VolumeGroup) -> VolumeGroup:
        """Disks that answer again are in the group as before, and learn what has changed; others are missing.

        Raises:
            OSError: none answers.
        """
        from srcctl.storage.opened import OpenVolumes, changed_status

        registry, failed = OpenVolumes(self._lab), self.failed_disks(group)
        with registry.locked():
            opened = registry.numbers(group)

            def looked_at(group: VolumeGroup) -> status_area.StatusArea:
                return mirrors.after_loss(group, failed, opened)._replace(missing=frozenset(failed))

            group = group._replace(status=status_area.read(self._lab, group.disks, group.identifier))
            if returned := group.status.missing - failed:
                descriptor_area.write(self._lab, group, only=returned)
            return changed_status(self._lab, group, looked_at)

    def synchronize(self, group: VolumeGroup, names: set[str]) -> VolumeGroup:
        """Copies of some volumes become as their good ones, where they can be written; stale ones may be left.

        Raises:
            OSError: no disk answers.
        """
        from srcctl.storage.opened import OpenVolumes, changed_status

        failed = self.failed_disks(group)
        with OpenVolumes(self._lab).locked():
            return changed_status(self._lab, group, lambda group: mirrors.after_synchronization(group, names, failed))

    def partitions_of(self, group: VolumeGroup, disk: str) -> int:
        """Physical partitions of a disk; what the descriptor areas take is left out."""
        if group.name == rootvg.NAME:
            return rootvg.partitions_of_disk()
        return max(0, disk_bytes(self._lab, disk) // group.partition_bytes - 1)

    def total_partitions(self, group: VolumeGroup) -> int:
        """Physical partitions of all disks."""
        return sum(self.partitions_of(group, disk) for disk in group.disks)

    # What this node knows: importvg makes it known, exportvg forgets it.

    def known(self) -> list[str]:
        """The volume groups in this node's ODM, in order of definition; rootvg is not among them."""
        objects = Repository(self._root, "/etc/objrepos").get("CuDv", "PdDvLn LIKE logical_volume/vgsubclass/*")
        return [str(o["name"]) for o in objects if o["name"] != rootvg.NAME]

    def known_on(self, disk: str) -> str | None:
        """The volume group that this node's ODM has on a disk, readable or not."""
        identifier = pvid(self._identity.lab_id, disk)
        found = Repository(self._root, "/etc/objrepos").get("CuAt", f"attribute=pv AND value LIKE '{identifier}*'")
        return str(found[0]["name"]) if found else None

    def known_disks(self, name: str) -> tuple[str, ...]:
        """The disks that this node's ODM has for a volume group, readable or not, in the order of its definition."""
        disks = {pvid(self._identity.lab_id, disk): disk for disk in disk_names(self._lab)}
        found = Repository(self._root, "/etc/objrepos").get("CuAt", f"name='{name}' AND attribute=pv")
        return tuple(disks[value] for o in found if (value := str(o["value"])[:16]) in disks)

    def known_volumes(self, name: str) -> frozenset[str]:
        """The logical volumes that this node's ODM has in a volume group."""
        found = Repository(self._root, "/etc/objrepos").get(
            "CuDv", f"parent='{name}' AND PdDvLn LIKE logical_volume/lv*"
        )
        return frozenset(str(o["name"]) for o in found)

    def is_lost(self, name: str) -> bool:
        """Whether none of a volume group's disks can be read any more, and it is varied on here all the same."""
        if name == rootvg.NAME or name not in self.known() or self.find(name) is not None:
            return False
        return any(map(self.is_in_use_here, self.known_disks(name)))

    def make_known(self, group: VolumeGroup) -> None:
        """Put a volume group and its logical volumes into this node's ODM.

        Raises:
            OdmError: it cannot be written.
        """
        repository = Repository(self._root, "/etc/objrepos")
        devices, attributes = odm_objects(group, {d: pvid(self._identity.lab_id, d) for d in group.disks})
        own = {str(device["name"]) for device in devices}
        # One exchange a class: whoever reads meanwhile finds the volume group as it was or as it is.
        repository.rewrite(
            "CuDv", lambda old: [o for o in old if o["name"] not in own and o["parent"] != group.name] + devices
        )
        repository.rewrite("CuAt", lambda old: [o for o in old if o["name"] not in own] + attributes)

    def forget(self, name: str) -> None:
        """Remove a volume group and its logical volumes from this node's ODM.

        Raises:
            OdmError: it cannot be written.
        """
        repository = Repository(self._root, "/etc/objrepos")
        gone = {name, *(str(o["name"]) for o in repository.get("CuDv", f"parent='{name}'"))}
        repository.rewrite("CuDv", lambda old: [o for o in old if o["name"] not in gone])
        repository.rewrite("CuAt", lambda old: [o for o in old if o["name"] not in gone])

    # Reservations.

    def holders(self, group: VolumeGroup) -> list[str]:
        """The live nodes that have the volume group varied on; more than one after a split brain."""
        return self._reservations.holders(group.disks[0]) if group.disks else []

    def contenders(self, group: VolumeGroup) -> list[str]:
        """The other live nodes that have the volume group varied on while this one has it: a split brain."""
        if not self.is_varied_on(group) or self.is_shared(group):
            return []
        return [node for node in self.holders(group) if node != self._identity.node]

    def is_reserved_here(self, disk: str) -> bool:
        """Whether this node has a disk reserved."""
        return self._identity.node in self._reservations.holders(disk)

    def is_in_use_here(self, disk: str) -> bool:
        """Whether a volume group on a disk is varied on here, in passive mode, too."""
        return self._identity.node in self._reservations.modes(disk)

    def is_varied_on(self, group: VolumeGroup) -> bool:
        """Whether this node has the volume group varied on."""
        if group.name == rootvg.NAME:
            return True
        return bool(group.disks) and all(self.is_reserved_here(disk) for disk in group.disks)

    def modes(self, group: VolumeGroup) -> dict[str, str]:
        """How each live node has the volume group varied on, in the words of ``Reservation.mode``."""
        return self._reservations.modes(group.disks[0]) if group.disks else {}

    def is_shared(self, group: VolumeGroup) -> bool:
        """Whether this node has the volume group in concurrent mode beside others."""
        return self.modes(group).get(self._identity.node) == SHARED

    def is_passive(self, group: VolumeGroup) -> bool:
        """Whether this node has the volume group in passive mode: known, and neither readable nor writable."""
        return self.modes(group).get(self._identity.node) == PASSIVE

    def mode(self, group: VolumeGroup) -> str:
        """How the volume group is varied on here, in the words of lspv: active, concurrent (passive, too), or ""."""
        if group.name == rootvg.NAME:
            return "active"
        mode = self.modes(group).get(self._identity.node)
        if mode is None or (mode != PASSIVE and not self.is_varied_on(group)):
            return ""
        return _word_of(mode)

    def mode_of(self, disk: str) -> str:
        """As ``mode``, of a disk that cannot be read: the reservation is known all the same."""
        return _word_of(self._reservations.modes(disk).get(self._identity.node))

    def has_failed(self, disk: str) -> bool:
        """Whether a shared disk does not answer."""
        return Faults(self._lab).disk_failed(disk)

    def reserve(self, group: VolumeGroup, force: bool = False, mode: str | None = None) -> str | None:
        """Reserve all disks for this node; returns the live node that stands in the way, if ``force`` is not given.

        Without a ``mode`` it stays the one in which this node has the group, or is exclusive.

        Raises:
            OSError: the lab cannot be written.
        """
        if mode is None:
            mode = self.modes(group).get(self._identity.node, "")
        return self._reservations.reserve(self._identity, group.disks, force=force, mode=mode)

    def release(self, group: VolumeGroup) -> None:
        """Give up the reservation of all disks that this node holds.

        Raises:
            OSError: the lab cannot be written.
        """
        self.release_disks(group.disks)

    def release_disks(self, disks: tuple[str, ...]) -> None:
        """``release`` of disks that are named.

        Raises:
            OSError: the lab cannot be written.
        """
        self._reservations.release(self._identity, disks)


def _word_of(mode: str | None) -> str:
    """A mode of ``Reservation.mode``, None for no reservation, in the words of lspv."""
    return "" if mode is None else "concurrent" if mode else "active"


def _without_what_is_gone(group: VolumeGroup) -> status_area.StatusArea:
    """The status without disks that have left the group and partitions that no volume has any more."""
    kept = {place for place in partitions.all_used(group) if group.status.is_stale(*place)}
    missing = group.status.missing & set(group.disks)
    return group.status._replace(stale={}, missing=missing).marked(kept)


def odm_objects(
    group: VolumeGroup, identifiers: dict[str, str]
) -> tuple[list[dict[str, int | str]], list[dict[str, int | str]]]:
    """The CuDv and CuAt objects of a volume group and its logical volumes.

    Args:
        group: the volume group.
        identifiers: PVIDs by disk.
    """
    devices: list[dict[str, int | str]] = [
        {
            "name": group.name, "status": 1, "chgstatus": 1, "ddins": f"{group.major},0",
            "PdDvLn": "logical_volume/vgsubclass/vgtype",
        }
    ]  # fmt: skip
    attributes = [
        _attribute(group.name, "vgserial_id", group.identifier, 637),
        _attribute(group.name, "auto_on", "y" if group.auto_on else "n", 638),
        _attribute(group.name, "timestamp", timestamp(group), 639),
    ]
    if group.concurrent:
        attributes.append(_attribute(group.name, "conc_capable", "y", 640))
    attributes += [_attribute(group.name, "pv", identifiers[disk].ljust(32, "0"), 641) for disk in group.disks]
    for volume in group.volumes:
        devices.append(
            {
                "name": volume.name, "status": 1, "chgstatus": 1, "ddins": f"{group.major},{volume.number}",
                "parent": group.name, "PdDvLn": "logical_volume/lvsubclass/lvtype",
            }
        )  # fmt: skip
        attributes += [
            _attribute(volume.name, "lvserial_id", group.volume_identifier(volume), 648),
            _attribute(volume.name, "type", volume.type, 639),
            _attribute(volume.name, "size", str(volume.partitions), 642),
        ]
        for name, value in (
            ("copies", len(volume.copies) if volume.mirrors else 0),
            ("stripe_width", volume.width),
            ("stripe_size", volume.strip_bytes),
        ):
            if value:
                attributes.append(_attribute(volume.name, name, str(value), 644))
        if label := volume.mount_point or volume.characteristics.get("label", ""):
            attributes.append(_attribute(volume.name, "label", label, 643))
    return devices, attributes


def timestamp(group: VolumeGroup) -> str:
    """The time of the last change as the ODM and the descriptor area have it: seconds and nanoseconds in hex."""
    return f"{group.stamp // 1_000_000_000:08x}{group.stamp % 1_000_000_000:08x}"


def _attribute(name: str, attribute: str, value: str, index: int) -> dict[str, int | str]:
    fixed: dict[str, int | str] = {"type": "R", "generic": "D", "rep": "s", "nls_index": index}
    return {"name": name, "attribute": attribute, "value": value, **fixed}
