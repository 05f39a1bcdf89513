"""CAA and its repository disk: heartbeats and letters on it, and another disk in its place."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec

from daemons.caa import core, formation, replacement
from daemons.caa.arbiter import Arbiter
from daemons.caa.device import ClusterDevice
from daemons.caa.messages import Answer, Letter, Membership, Node, Relay, Request, Subscribe
from daemons.caa.repository import Definition, RepositoryDisk, RepositoryError, find_disk
from daemons.caa.syslog import CaaLog
from daemons.caa.tiebreaker import SplitPolicy
from daemons.runtime.daemon import Daemon
from daemons.runtime.local import LocalConnection
from srcctl.errlog import log_entry
from srcctl.network.faults import Faults
from srcctl.odm import OdmError
from srcctl.storage.device_names import own_name

Connection = LocalConnection[Answer, Request]


class RepositoryKeeper(Daemon):
    """The part of CAA's shell that deals with the repository disk."""

    device: ClusterDevice
    log: CaaLog
    faults: Faults
    definition: Definition | None
    membership: Membership | None
    disk: RepositoryDisk | None
    copy: replacement.RepositoryCopy
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

    def _use(self, definition: Definition, own: Node) -> None:
        """Take up a definition."""
        raise NotImplementedError

    def _own_disk(self) -> str:
        """The repository disk of this node's cluster, "" if the node is no member."""
        uuid = self.device.node_uuid
        return replacement.newest_repository(self.root, uuid, self.device.disk) if uuid else ""

    def _forget_if_removed(self) -> None:
        """This node was taken out of its cluster while it was off: as after ``clusterconf -u``, it is in none."""
        try:
            cluster = replacement.removed_from(self.root, self.device.node_uuid)
            if not cluster:
                return
            self.device.forget()
            from daemons.clcomd import security

            security.install(self.root, None)
        except (OSError, OdmError) as error:
            self.log.error(f"whether this node is still a member of its cluster is not known: {error}")
            return
        self.log.write(f"this node was removed from the cluster {cluster}: it is no member any more")

    def _obey_order(self, disk_name: str) -> None:
        """CAA was started or stopped on this node while it was off (clctrl)."""
        disk = RepositoryDisk(self.identity.lab, disk_name)
        try:
            definition = disk.read_definition()
            orders = dict(definition.orders) if definition is not None else {}
            if definition is not None and self.identity.node in orders:
                self.device.set_stopped(not orders.pop(self.identity.node))
                disk.write_definition(msgspec.structs.replace(definition, orders=tuple(orders.items())))
        except OSError as error:
            self.log.error(f"{disk_name}: {error.strerror}")

    def _read_disk(self) -> core.DiskSeen:
        if self.disk is None or self.definition is None:
            return core.DiskSeen(None)
        own = self.identity.node
        visible = frozenset(
            n.number for n in self.definition.nodes if n.name != own and not self.faults.disk_hides(n.name, own)
        )
        try:
            self.counts["disk_reads"] += 1
            self.copy.refresh(self.disk)
            heartbeats = self.disk.read_heartbeats(visible)
            member = self.definition.node(own)
            return core.DiskSeen(heartbeats, self.disk.collect(member.number, visible) if member is not None else ())
        except OSError:
            return core.DiskSeen(None)

    def _replace(self, wanted: str) -> str:
        name = find_disk(self.root, wanted)
        if self.disk is None or name is None:
            return "CAA is not active on this node" if self.disk is None else replacement.not_shared(wanted)
        reason = replacement.refusal(self.root, name)
        if reason:
            return reason
        try:
            self.copy.refresh(self.disk)
        except OSError:
            pass  # it is lost: what was read last is what there is
        try:
            self.copy.write(RepositoryDisk(self.identity.lab, name))
        except RepositoryError as error:
            return str(error)
        except OSError as error:
            return f"{name}: {error.strerror}"
        return self._move(name)

    def _move(self, wanted: str) -> str:
        name = find_disk(self.root, wanted)
        if self.disk is None or self.definition is None or name is None:
            return "CAA is not active on this node" if self.disk is None else replacement.not_shared(wanted)
        disk = RepositoryDisk(self.identity.lab, name)
        try:
            definition = disk.read_definition()
        except OSError as error:
            return f"{name}: {error.strerror}"
        own = definition.node(self.identity.node) if definition else None
        if definition is None or own is None or definition.uuid != self.definition.uuid:
            return f"{name} is not a repository of this cluster"
        if definition.epoch <= self.definition.epoch:
            return f"{name} is an older repository than {self.disk.name}" if name != self.disk.name else ""
        self.device.remember(own.uuid, name)
        old, self.disk = self.disk, disk
        self.log.write(f"the repository moves from {old.name} to {name}")
        old.close()
        self._use(definition, own)
        self._follow(name)
        return ""

    def _follow(self, disk: str) -> None:
        """The cluster configuration names the disk that is the repository, however that came about."""
        try:
            if replacement.follow(self.root, disk):
                self.log.write(f"the cluster configuration names {disk} as the repository from now on")
        except (OSError, OdmError) as error:
            self.log.error(f"the cluster configuration does not name {disk} as the repository: {error}")

    async def _replace_by_itself(self) -> None:
        """The repository is lost: the lowest of the nodes that live takes the first backup disk that can be had."""
        membership = self.membership
        if membership is None or membership.own != min(membership.alive) or self.disk is None:
            return
        lost = self.disk.name
        for name in await asyncio.to_thread(replacement.backups, self.root):
            error = self._replace(name)
            if error:
                self.log.error(f"automatic repository update: {error}")
                continue
            for node in membership.nodes:
                if node.number in membership.alive and node.number != membership.own:
                    error = await asyncio.to_thread(formation.moved, self.root, node.name, name)
                    self.log.write(f"automatic repository update of {node.name}: {error or 'done'}")
            self.log.write(f"automatic repository update: {lost} is replaced by {name}")
            log_entry(self.root, "CL_ARU_PASSED", "CAA (for RSCT)", (("DISK NAME", own_name(self.root, name)),))
            return

    def _deliver(self, sender: int, payload: bytes) -> None:
        self.counts["relayed_in"] += 1
        for connection, wanted in self.subscribers.items():
            if wanted.relay:
                connection.send(Relay(sender, payload))

    def _write_letter(self, node: int, letter: Letter) -> None:
        if self.disk is None:
            return
        try:
            self.disk.post(node, letter)
            self.counts["relayed_out"] += 1
        except OSError:
            pass
