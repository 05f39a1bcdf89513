"""Which logical volumes are open for writing, and what the loss of a disk does to them.

A node that mounts a file system registers its volume; the record ends with the node's life. When a disk fails, what it
has of these volumes becomes stale in the same step, under the registry's lock, as it would at the next write: there is
no moment in which the disk could come back as if it had missed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from srcctl.commands.record import Record
from srcctl.network.faults import Faults
from srcctl.network.registry import Registry
from srcctl.node.root import Identity
from srcctl.storage import descriptor_area, mirrors, status_area
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.reservations import PASSIVE, ReservationRegistry
from srcctl.storage.status_area import StatusArea

DIRECTORY = "opened"


class Opened(Record):
    """A volume that a node has open for writing, in one of its lives."""

    node: str
    boot_id: str


class OpenVolumes(Registry[Opened]):
    """The registry of a lab.

    Args:
        lab: the lab's shared folder.
    """

    def __init__(self, lab: str) -> None:
        super().__init__(lab, DIRECTORY, Opened)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else opens a volume, changes a status area or lets a disk fail meanwhile."""
        with self._locked():
            yield

    def numbers(self, group: VolumeGroup) -> set[int]:
        """The numbers of a volume group's open volumes."""
        return {v.number for v in group.volumes if self._live(group.volume_identifier(v))}

    def add(self, identity: Identity, group: VolumeGroup, volume: LogicalVolume) -> None:
        """Register a volume as open on this node. The caller has the lock.

        Raises:
            OSError: the lab cannot be written.
        """
        name = group.volume_identifier(volume)
        others = [held for held in self._live(name) if held.node != identity.node]
        self._write(name, [*others, Opened(identity.node, identity.boot_id)])

    def left_open(self, group: VolumeGroup, volume: LogicalVolume) -> bool:
        """Whether a node that had a volume open ended without closing it, and nobody has opened it since."""
        name = group.volume_identifier(volume)
        return len(self._records(name)) > len(self._live(name))

    def redo(self, group: VolumeGroup, volume: LogicalVolume) -> None:
        """What a node that ended has left open is closed now.

        Raises:
            OSError: the lab cannot be written.
        """
        name = group.volume_identifier(volume)
        with self._locked():
            self._write(name, self._live(name))

    def remove(self, identity: Identity, name: str) -> None:
        """Forget that this node has a volume open.

        Args:
            identity: the node.
            name: the volume's identifier.

        Raises:
            OSError: the lab cannot be written.
        """
        with self._locked():
            held = self._live(name)
            self._write(name, [one for one in held if one.node != identity.node])


def changed_status(lab: str, group: VolumeGroup, change: Callable[[VolumeGroup], StatusArea]) -> VolumeGroup:
    """The volume group with the status that a pure change makes of the newest one, which is written if it differs.

    The caller has the registry's lock.

    Raises:
        OSError: the lab cannot be written.
    """
    group = group._replace(status=status_area.read(lab, group.disks, group.identifier))
    area = change(group)
    if area != group.status:
        area = status_area.write(lab, group.disks, group.identifier, area)
    return group._replace(status=area)


def let_fail(lab: str, disk: str) -> None:
    """A shared disk fails for all nodes: whose volume group is varied on declares it missing before it is gone.

    Raises:
        OSError: the lab cannot be written.
    """
    registry = OpenVolumes(lab)
    with registry.locked():
        try:
            group = descriptor_area.read(lab, disk)
        except OSError:
            group = None
        if group is not None:
            group = descriptor_area.newest(lab, group)
            modes = ReservationRegistry(lab).modes(disk)
            if disk in group.disks and any(mode != PASSIVE for mode in modes.values()):
                lost = {disk, *(other for other in group.disks if Faults(lab).disk_failed(other))}
                opened = registry.numbers(group)
                changed_status(lab, group, lambda group: mirrors.after_loss(group, lost, opened))
        Faults(lab).set_disk(disk, failed=True)
