"""Reservations of shared disks: the lab's registry records every node that has a disk reserved.

A varied-on volume group reserves its disks for one node, and a second node is refused (SCSI-2 reserve, reserve_policy
single_path). A reservation counts only while its node is alive in the life in which it was made, which is what it
amounts to after a crash.

A partition that cuts the disk path takes that protection away: neither side sees what the other has reserved, so both
reserve. The registry then lists them all, in the order in which they came: it records contenders and hides no split
brain. Both work on the same medium, as two hosts do on real unfenced disks; a copy a side would make one of them vanish
at the heal, and would fill the host with it. The host's file system below stays sound, unlike a JFS2 that is mounted
twice; what two applications do to one another's files is theirs to find out.

An enhanced concurrent volume group may be varied on in passive mode besides: the node follows what its descriptor area
says, and can neither read nor write, so that is recorded beside the reservations and keeps nobody out. Its active mode
is as exclusive as a reservation; the product leaves that to the cluster manager, here it is held all the same.

After the heal both keep what they have until one gives way: its node halts, or varies the volume group off. Nobody
else is let in meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable

from srcctl.commands.record import Record
from srcctl.network.faults import Faults
from srcctl.network.registry import Registry
from srcctl.node.root import Identity
from srcctl.storage.fences import FenceRegistry

DIRECTORY = "reservations"


SHARED, ENHANCED, PASSIVE = "shared", "enhanced", "passive"


class Reservation(Record):
    """A disk reserved by a node in one of its lives.

    ``mode`` is "" for an exclusive reservation, SHARED in concurrent mode beside others, ENHANCED for the active node
    of an enhanced concurrent volume group, PASSIVE for what reserves nothing.
    """

    disk: str
    node: str
    boot_id: str
    mode: str = ""


class ReservationRegistry(Registry[Reservation]):
    """The registry of a lab.

    Args:
        lab: the lab's shared folder.
    """

    def __init__(self, lab: str) -> None:
        super().__init__(lab, DIRECTORY, Reservation)

    def holders(self, disk: str) -> list[str]:
        """The live nodes that have the disk reserved, in the order in which they took it; two are a split brain."""
        return [held.node for held in self._live(disk) if held.mode != PASSIVE and not self._is_fenced(held)]

    def modes(self, disk: str) -> dict[str, str]:
        """How each live node that is not shut out of the disk has it varied on."""
        return {held.node: held.mode for held in self._live(disk) if not self._is_fenced(held)}

    def all(self) -> dict[str, list[str]]:
        """The holders of every reserved disk."""
        return {name: holders for name in self._names() if (holders := self.holders(name))}

    def reserve(self, identity: Identity, disks: Iterable[str], *, force: bool = False, mode: str = "") -> str | None:
        """Reserve all of some disks for this node, or none.

        Args:
            identity: this node.
            disks: their names.
            force: break the reservations of the nodes that this one sees (``varyonvg -O``).
            mode: that of the reservations: SHARED (``varyonvg -c``) is beside others of this mode, ENHANCED (``-c -A``)
                beside nobody but passive ones, PASSIVE (``-c -P``) beside anybody.

        Returns:
            The live node that stands in the way, None if the disks are reserved.

        Raises:
            OSError: the lab cannot be written.
        """
        disks = list(disks)
        faults = Faults(self._lab)
        fence = FenceRegistry(self._lab).of(identity.node)
        if fence is not None and not fence.disks.isdisjoint(disks):
            return fence.by
        with self._locked():
            kept: dict[str, list[Reservation]] = {}
            for disk in disks:
                others = [held for held in self._live(disk) if held.node != identity.node and not self._is_fenced(held)]
                beside = [
                    held
                    for held in others
                    if PASSIVE in (mode, held.mode)
                    or faults.disk_cut(identity.node, held.node)
                    or mode == held.mode == SHARED
                ]
                if len(beside) < len(others) and not force:
                    return next(held.node for held in others if held not in beside)
                kept[disk] = beside
            for disk in disks:
                self._write(disk, [*kept[disk], Reservation(disk, identity.node, identity.boot_id, mode)])
        return None

    def _is_fenced(self, held: Reservation) -> bool:
        """Whether a node has lost a disk to a fence."""
        fence = FenceRegistry(self._lab).of(held.node)
        return fence is not None and held.disk in fence.disks

    def release(self, identity: Identity, disks: Iterable[str]) -> None:
        """Give up what this node has reserved of some disks.

        Raises:
            OSError: the lab cannot be written.
        """
        with self._locked():
            for disk in disks:
                held = self._live(disk)
                kept = [reservation for reservation in held if reservation.node != identity.node]
                if len(kept) < len(held):
                    self._write(disk, kept)
