"""CAA and its repository disk: heartbeats and letters on it, and another disk in its place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec

from daemons.caa import core, formation, replacement
from daemons.caa.arbiter import Arbiter
from daemons.caa.deadman import CRITICAL_RESOURCE_PROTECTION, GOING_DOWN, LAST_WORDS
from daemons.caa.device import ClusterDevice, cluster_name
from daemons.caa.messages import Answer, Letter, Membership, Node, Relay, Request, Subscribe
from daemons.caa.own_repository import Changed, Joins, News, OwnRepository, Refused, Removed
from daemons.caa.repository import Definition, RepositoryDisk, RepositoryError, find_disk
from daemons.caa.syslog import CaaLog
from daemons.caa.tiebreaker import SplitPolicy
from daemons.runtime.daemon import Daemon
from daemons.runtime.local import LocalConnection
from srcctl.errlog import log_entry
from srcctl.machine import SECOND
from srcctl.network.faults import Faults
from srcctl.odm import OdmError
from srcctl.storage.device_names import own_name

Connection = LocalConnection[Answer, Request]
RESOURCE = "CAA (for RSCT)"
"""The resource name of CAA's entries in the error log."""


class RepositoryKeeper(Daemon):
    """The part of CAA's shell that deals with the repository disk."""

    device: ClusterDevice
    log: CaaLog
    faults: Faults
    membership: Membership | None
    machine: core.Membership
    own: OwnRepository
    turning: asyncio.Lock
    """Held while the node joins its cluster or leaves it."""
    going_down: bool
    """The node goes down: CAA has left, and a critical client of Group Services is left."""
    subscribers: dict[Connection, Subscribe]
    counts: Counter[str]
    policy: SplitPolicy
    arbiter: Arbiter
    reached: frozenset[int]
    """The nodes that can be reached, this one among them."""

    # The tie breaker.

    def _names(self, numbers: frozenset[int]) -> frozenset[str]:
        nodes = self.definition.nodes if self.definition is not None else ()
        return frozenset(node.name for node in nodes if node.number in numbers)

    def _everybody(self) -> frozenset[str]:
        return frozenset(node.name for node in self.definition.nodes) if self.definition is not None else frozenset()

    def _begins_to_act(self) -> bool:
        """Whether this node, which has just joined, may take part from now on."""
        return self.membership is not None and self.arbiter.begins_to_act(self._names(self.reached), self._everybody())

    def _welcome(self) -> None:
        """Nodes may be back."""
        if self.membership is not None:
            self.arbiter.welcome(self._names(self.reached), self._everybody())

    @property
    def definition(self) -> Definition | None:
        """The cluster's definition as this node knows it, None while CAA is not active."""
        return self.own.definition

    @property
    def disk(self) -> RepositoryDisk | None:
        """The repository disk, None while CAA is not active."""
        return self.own.disk

    def _use(self, definition: Definition, own: Node) -> None:
        """Take up a definition."""
        raise NotImplementedError

    async def _leave(self) -> bool:
        """Stop Group Services and CAA.

        Returns:
            Whether a critical client is left that Group Services protected. One that hangs has not heard of their end
            and holds what it holds, while others take it over and nobody watches: the node goes down then.
        """
        raise NotImplementedError

    def _go_down(self) -> None:
        """CAA has left, and with it goes the node: a critical client of Group Services is left."""
        self.going_down = True
        self.log.write(GOING_DOWN)
        delay = self.scale.schedule(LAST_WORDS) / SECOND
        asyncio.get_running_loop().call_later(delay, self._halt, CRITICAL_RESOURCE_PROTECTION)

    def _halt(self, reason: str) -> None:
        """Have the node go down at once."""
        raise NotImplementedError

    def _own_disk(self) -> tuple[str, str]:
        """The repository disk of this node's cluster, or "" and why it is in none or cannot join it.

        A node that was taken out of its cluster while it was off is in none from now on, as after ``clusterconf -u``.
        """
        match replacement.at_boot(self.root):
            case Joins(disk):
                return disk, ""
            case Removed(cluster):
                self._forget(cluster)
            case Refused(reason):
                return "", reason
        return "", "this node is not a member of a cluster"

    def _in_another_cluster(self, disk_name: str) -> str:
        """The cluster that this node is in, whether CAA is active or stopped, if it is not the one on a disk."""
        try:
            wanted = RepositoryDisk(self.identity.lab, disk_name).read_definition()
        except OSError:
            return ""  # who joins it will say so
        cluster = wanted.uuid if wanted is not None else ""
        if self.definition is not None:
            return self.definition.name if self.definition.uuid != cluster else ""
        return replacement.other_cluster(self.root, self.device.node_uuid, cluster)

    def _forget(self, cluster: str) -> None:
        """This node is no member of its cluster any more, which nobody has told it."""
        from daemons.clcomd import security

        try:
            self.device.forget()
            security.install(self.root, None)
        except (OSError, OdmError) as error:
            self.log.error(f"this node does not forget the cluster {cluster}: {error}")
            return
        self.log.write(f"this node was removed from the cluster {cluster}: it is no member any more")

    def _obey_order(self, disk_name: str) -> None:
        """CAA was started or stopped on this node while it was off (clctrl)."""
        disk = RepositoryDisk(self.identity.lab, disk_name)
        try:
            serial, definition = disk.read_numbered()
            orders = dict(definition.orders) if definition is not None else {}
            if definition is not None and self.identity.node in orders:
                self.device.set_stopped(not orders.pop(self.identity.node))
                disk.write_definition(msgspec.structs.replace(definition, orders=tuple(orders.items())), serial)
        except (OSError, RepositoryError) as error:
            self.log.error(f"{disk_name}: {error}")

    def _read_disk(self) -> core.DiskSeen:
        if self.disk is None or self.definition is None:
            return core.DiskSeen(None)
        own = self.identity.node
        try:
            self.counts["disk_reads"] += 1
            self._take_up(self.own.look(self.machine.newest_epoch))
            visible = frozenset(
                n.number for n in self.definition.nodes if n.name != own and not self.faults.disk_hides(n.name, own)
            )
            heartbeats = self.disk.read_heartbeats(visible)
            member = self.definition.node(own)
            return core.DiskSeen(heartbeats, self.disk.collect(member.number, visible) if member is not None else ())
        except OSError:
            return core.DiskSeen(None)

    def _take_up(self, news: News) -> None:
        """What the repository says is something else than before."""
        match news:
            case Removed(cluster):
                self.spawn(self._leave_for_good(cluster))
            case Changed(definition, moved_from):
                own = definition.node(self.identity.node)
                assert own is not None
                try:
                    self.device.remember(own.uuid, self.own.name, definition.epoch)
                except (OSError, OdmError) as error:
                    self.log.error(f"the repository is not remembered over a reboot: {error}")
                if moved_from:
                    self.log.write(f"the repository moves from {moved_from} to {self.own.name}")
                self._use(definition, own)
                if moved_from:
                    self._follow(self.own.name)

    async def _leave_for_good(self, cluster: str) -> None:
        async with self.turning:
            if self.definition is None:
                return
            protected = await self._leave()
            self._forget(cluster)
            if protected:
                self._go_down()

    def _replace(self, wanted: str) -> str:
        name = find_disk(self.root, wanted)
        if self.disk is None or name is None:
            return "CAA is not active on this node" if self.disk is None else replacement.not_shared(wanted)
        if self.definition is not None and name in self.definition.shared_disks:
            return f"{cluster_name(self.definition.shared_disks[name])} is a shared disk of the cluster"
        reason = replacement.refusal(self.root, name)
        if reason:
            return reason
        return self._moved(name, lambda: self.own.replace(name))

    def _move(self, wanted: str) -> str:
        name = find_disk(self.root, wanted)
        if self.disk is None or name is None:
            return "CAA is not active on this node" if self.disk is None else replacement.not_shared(wanted)
        return self._moved(name, lambda: self.own.move(name))

    def _moved(self, name: str, move: Callable[[], News]) -> str:
        try:
            self._take_up(move())
        except RepositoryError as error:
            return str(error)
        except OSError as error:
            return f"{name}: {error.strerror}"
        return ""

    def _follow(self, disk: str) -> None:
        """The cluster configuration names the disk that is the repository, however that came about."""
        try:
            if replacement.follow(self.root, disk):
                self.log.write(f"the cluster configuration names {disk} as the repository from now on")
        except (OSError, OdmError) as error:
            self.log.error(f"the cluster configuration does not name {disk} as the repository: {error}")

    async def _replace_by_itself(self) -> None:
        """The repository is lost: the lowest of the nodes that live takes the first backup disk that can be had.

        Called when it is lost, and again when a node goes down meanwhile: that one may have been the lowest.
        """
        membership = self.membership
        if membership is None or membership.own != min(membership.up) or self.disk is None or self.own.wiped:
            return
        lost = self.disk.name
        for name in await asyncio.to_thread(replacement.backups, self.root):
            if self.disk is None or self.disk.name != lost or self._repository_answers():
                return  # it was replaced, or is back
            error = self._replace(name)
            if error:
                self.log.error(f"automatic repository update: {error}")
                continue
            for text in await asyncio.to_thread(formation.tell_moved, self.root, name):
                self.log.write(f"automatic repository update: {text}")
            self.log.write(f"automatic repository update: {lost} is replaced by {name}")
            log_entry(self.root, "CL_ARU_PASSED", RESOURCE, (("DISK NAME", own_name(self.root, name)),))
            return
        # Without a backup disk nothing was tried; and another node may have found one.
        known = self.definition
        if known is None or not await asyncio.to_thread(replacement.named_backups, self.root):
            return
        found, _ = self.own.newest(known.key)
        if found is None or found.definition.epoch <= known.epoch:
            self.log.error("automatic repository update: no backup disk can take the place of the repository")
            log_entry(self.root, "CL_ARU_FAILED", RESOURCE, (("Primary Disk Info", own_name(self.root, lost)),))

    def _repository_answers(self) -> bool:
        try:
            return self.disk is not None and self.disk.read_definition() is not None
        except OSError:
            return False

    def _deliver(self, sender: int, payload: bytes) -> None:
        self.counts["relayed_in"] += 1
        for connection, wanted in self.subscribers.items():
            if wanted.relay:
                connection.send(Relay(sender, payload))

    def _write_letter(self, node: int, letter: Letter) -> None:
        if self.disk is None or not self.own.usable:
            return
        try:
            self.disk.post(node, letter)
            self.counts["relayed_out"] += 1
        except OSError:
            pass
