"""caa's real core on a simulated node: heartbeats over the network and over the repository disk, dead man's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from daemons.caa import core as caa
from daemons.caa.arbiter import Arbiter
from daemons.caa.deadman import CRITICAL_RESOURCE_PROTECTION, GOING_DOWN, LAST_WORDS
from daemons.caa.messages import DISK_PATH, heartbeat_codec
from daemons.caa.own_repository import Changed, Joins, News, Refused, Removed
from daemons.caa.repository import RepositoryError
from daemons.sim.definition import KEY, Device
from daemons.sim.group_services import LOCAL_US, GroupServicesProcess, receive
from daemons.sim.policies import BOTH, FENCING
from daemons.sim.process import Process
from daemons.sim.scenario import MANUAL, NFS, TIE_BREAKER
from daemons.sim.timing import HEARTBEAT_US, LINK_TIMEOUT_US, NODE_DOWN_DELAY_US, NODE_TIMEOUT_US
from srcctl.machine import MILLISECOND, SECOND, TICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.sim.node import SimulatedNode
    from daemons.sim.works import Work

DISK_US = 5 * MILLISECOND
TURN_US = 20 * MILLISECOND
"""Until SRC has answered that Group Services are being stopped; also between looks at what is under way."""


class StatesProcess(Process):
    """caa of a node.

    Args:
        node: the node.
        make: makes the core.
    """

    name: ClassVar[str] = "caa"
    core: caa.Membership

    def __init__(self, node: SimulatedNode, make: Callable[[], caa.Membership]) -> None:
        super().__init__(node, make())
        self._make = make
        self._picture: caa.Announce | None = None
        self.repository = node.cluster.parts.repository(node)
        self._breaker = node.cluster.parts.breaker(node) if node.cluster.split in (TIE_BREAKER, NFS) else None
        self.asked: frozenset[int] | None = None
        """The side about which an operator must decide."""
        self.arbiter = Arbiter(lambda: self._breaker, node.trace, lambda _: None)
        self.turning = False
        """CAA is just being started or stopped."""
        self.going_down = False
        """It has left what Group Services protect."""

    @property
    def active(self) -> bool:
        """The node has joined its cluster."""
        return self.repository.definition is not None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The nodes of the cluster, as this one knows."""
        definition = self.repository.definition
        return tuple(sorted(node.number for node in definition.nodes)) if definition is not None else ()

    # Joining and leaving.

    def start(self) -> None:
        """Power on: join the cluster of which the node is a member."""
        for name in self.node.cluster.fences.switched_on(self.node.name, str(self.node.boot_number)):
            self.node.trace(f"{name} is let in, nobody that kept it out has stayed on")
        self._join_at_boot()
        self._resign()

    def _join_at_boot(self) -> None:
        if not self.node.device.member:
            return
        disk, refusal = self.own_disk()
        if disk:
            self._obey_order(disk)
            refusal = "" if self.node.device.stopped else self.join(disk)
        if refusal and self.running:
            self.node.trace(f"caa cannot join at boot: {refusal}")

    def own_disk(self) -> tuple[str, str]:
        """The repository disk of this node's cluster, or "" and why it is in none or cannot join it."""
        device = self.node.device
        if device.member:
            match self.repository.at_boot(KEY, device.epoch):
                case Joins(disk):
                    return disk, ""
                case Removed():
                    self.forget()
                case Refused(reason):
                    return "", reason
        return "", "this node is not a member of a cluster"

    def _obey_order(self, name: str) -> None:
        disk = self.node.open_disk(name)
        try:
            serial, definition = disk.read_numbered()
            orders = dict(definition.orders) if definition is not None else {}
            if definition is not None and self.node.name in orders:
                self.node.device.stopped = not orders.pop(self.node.name)
                disk.write_definition(msgspec.structs.replace(definition, orders=tuple(orders.items())), serial)
        except (OSError, RepositoryError) as error:
            self.node.trace(f"caa: {error}")
        self.node.cluster.look_at_repository()

    def join(self, disk: str) -> str:
        """Become a member of the cluster on a disk; what keeps the node from it."""
        if self.active:
            return self.reread()
        if self.going_down:
            return GOING_DOWN
        try:
            definition = self.repository.begin(disk)
        except OSError as error:
            return str(error)
        if definition is None:
            return f"{disk} is not the repository of a cluster with {self.node.name}"
        device = self.node.device
        device.member, device.epoch = True, definition.epoch
        self.node.lives += 1
        self.node.trace(f"caa joins on {disk}, nodes {' '.join(map(str, self.numbers))}")
        self._defined()
        self.links_changed()
        self._watch_policy(self.node.lives)
        if self.node.cluster.quarantine in (FENCING, BOTH):
            self._watch_fence()
        return ""

    def leave(self) -> None:
        """Stop CAA, once Group Services are told to stop."""
        if self.active:
            self.node.trace("caa leaves the cluster")
            if self.node.process("cthags") is None:
                if not self.core.group_services_armed:
                    self.world.reached["caa: a node says that it stops"] += 1
                self.feed(caa.Stopped())
                if not self.running:
                    return
            protected = self.core.group_services_armed
            self.repository.close()
            self.arbiter.acting = False
            if not protected:
                self._resign()
            self._picture, self.asked = None, None
            self.core = self._make()
            # Who was not stopped, because srcmstr was away or it had just begun, sees its connection closed.
            if isinstance(daemon := self.node.process("cthags"), GroupServicesProcess):
                daemon.caa_lost()

    def _resign(self) -> None:
        if not self.active and not self.arbiter.resign():
            self.later(HEARTBEAT_US, self._resign)

    def leaving(self) -> Work:
        """Stop Group Services and CAA; the status tells whether a critical client is left, which ends the node."""
        while self.turning:
            yield TURN_US
        self.turning = True
        try:
            return (yield from self._leaving())
        finally:
            self.turning = False

    def _leaving(self) -> Work:
        if self.active and self.node.supervisor is not None:
            if self.node.process("cthags") is not None:
                self.node.supervisor.request_stop("cthags")
            yield TURN_US
            protected = self.core.group_services_armed
            self.leave()
            return int(protected), ""
        return 0, ""

    def _leave_for_good(self) -> Work:
        """Somebody has removed this node, and could not tell it."""
        while self.turning:
            yield TURN_US
        self.turning = True
        try:
            protected, _ = yield from self._leaving()
            self.forget()
            self.go_down(protected)
        finally:
            self.turning = False
        return 0, ""

    def go_down(self, protected: int) -> None:
        """CAA has left; with it goes the node if a critical client of Group Services is left."""
        if protected:
            self.going_down = True
            self.later(LAST_WORDS * SECOND, self.node.crash, CRITICAL_RESOURCE_PROTECTION)

    def forget(self) -> None:
        """The node is no member any more."""
        self.node.trace("caa: this node is no member any more")
        self.node.device = Device(member=False)
        self.node.store.kept = None

    # The repository.

    def reread(self) -> str:
        """The definition has changed, somebody says."""
        try:
            news = self.repository.reread()
        except OSError as error:
            return str(error)
        self.take_up(news)
        return "this node is not in the definition" if isinstance(news, Removed) else ""

    def move(self, change: Callable[[str], News], disk: str) -> str:
        """Have another disk be the repository, or use one that is."""
        try:
            self.take_up(change(disk))
        except (OSError, RepositoryError) as error:
            return str(error)
        return ""

    def take_up(self, news: News) -> None:
        """What the repository says is something else than before."""
        match news:
            case Removed():
                self.drive(self._leave_for_good(), lambda status, complaint: None)
            case Changed(definition, moved_from):
                self.node.device.epoch = definition.epoch
                moved = f"the repository moves from {moved_from} to {self.repository.name}, " if moved_from else ""
                self.node.trace(f"caa: {moved}nodes {' '.join(map(str, self.numbers))}")
                self._defined()
                if moved_from:
                    self.node.cluster.look_at_repository()
                    self.node.cluster.topology_changed()
                process = self.node.process("cthags")
                if isinstance(process, GroupServicesProcess):
                    process.states_changed()

    def _defined(self) -> None:
        definition, cluster = self.repository.definition, self.node.cluster
        assert definition is not None
        cluster.checker.defined(self.node, definition, self.repository.serial)
        settings = caa.Settings(
            own=self.node.number,
            incarnation=self.node.lives,
            nodes=frozenset(self.numbers),
            networks=cluster.topology.networks,
            heartbeat_us=HEARTBEAT_US,
            node_timeout_us=NODE_TIMEOUT_US,
            node_down_delay_us=NODE_DOWN_DELAY_US,
            network_fdt_us=NODE_TIMEOUT_US,
            disk=cluster.has_disk_path,
            arbitrate=self._breaker is not None or cluster.split == MANUAL,
            remote=cluster.remote(self.node.number),
            link_timeout_us=LINK_TIMEOUT_US,
            epoch=definition.epoch,
        )
        self.feed(caa.Configure(settings))

    def _watch_fence(self) -> None:
        """Once a heartbeat: the disks refuse this node."""
        if not self.active:
            return
        fence = self.node.cluster.fences.of(self.node.name)
        if fence is not None and fence.life == str(self.node.boot_number):
            self.node.crash(f"quarantine policy: shut out of the disks by {fence.by}")
        else:
            self.later(HEARTBEAT_US, self._watch_fence)

    def _watch_policy(self, life: int) -> None:
        """Once a heartbeat, as a real node does."""
        if not self.active or life != self.node.lives:
            return
        if self.arbiter.welcome_owed:
            self._welcome()
        reached = self._picture.reached if self._picture is not None else frozenset({self.node.number})
        if self.arbiter.begins_to_act(self._names(reached), self._everybody()) and self.node.supervisor is not None:
            self.node.supervisor.request_start("cthags")
        if self._breaker is not None:
            self.later(HEARTBEAT_US, self._watch_policy, life)

    def _everybody(self) -> frozenset[str]:
        return self._names(frozenset(self.numbers))

    def _names(self, numbers: frozenset[int]) -> frozenset[str]:
        return frozenset(self.node.cluster.nodes[number].name for number in numbers)

    def decide(self, go_on: bool) -> bool:
        """An operator's answer; False if nobody has asked."""
        side, self.asked = self.asked, None
        if side is not None:
            self.node.trace(f"an operator has {' '.join(map(str, sorted(side)))} {'go on' if go_on else 'give way'}")
            self.feed(caa.Arbitrated(side, go_on, True))
        return side is not None

    def _welcome(self) -> None:
        if self._picture is not None:
            self.arbiter.welcome(self._names(self._picture.reached), self._everybody())

    def links_changed(self) -> None:
        """The node's interfaces may have gone or come."""
        if self.active:
            self.feed(caa.Links(self.node.cluster.topology.links(self.node.number)))

    def paths(self) -> frozenset[tuple[int, str]]:
        """Nodes and the paths to them that are up."""
        return self._picture.paths if self._picture is not None else frozenset()

    def post(self, target: int, data: bytes) -> None:
        """Put a datagram into the mailbox of a pair on the repository disk."""
        if self.node.cluster.has_disk_path:
            self.feed(caa.Post(target, data))

    def picture(self) -> tuple[int, frozenset[int], dict[int, int], frozenset[tuple[int, int]]]:
        """Generation, live nodes, their boots, and the pairs of them that do not hear each other."""
        if self._picture is None:
            return 0, frozenset((self.node.number,)), {}, frozenset()
        picture = self._picture
        return picture.generation, picture.alive, dict(picture.boots), picture.apart

    def resumed(self) -> None:
        """The machine stood still and runs on."""
        self.feed(TICK)

    def execute(self, effect: Any) -> None:
        world, cluster, own = self.world, self.node.cluster, self.node.number
        match effect:
            case caa.Send(network, target, heartbeat):
                if target in self.numbers and cluster.topology.passes(own, target, network):
                    other = cluster.nodes[target]
                    data = heartbeat_codec.encode(heartbeat)
                    world.count("caa", data)
                    world.transmit(other.deliver, _receive, other, own, network, data)
            case caa.WriteDisk(heartbeat):
                disk = self.repository.disk
                try:
                    if disk is not None and self.repository.usable:
                        disk.write_heartbeat(heartbeat)
                except OSError:
                    pass
            case caa.ReadDisk():
                self.later(DISK_US, self._read_disk)
            case caa.Announce():
                before, self._picture = self._picture, effect
                self._welcome()
                told = before is not None and (before.alive, before.boots) == (effect.alive, effect.boots)
                if not told:
                    self.node.trace(f"alive {' '.join(map(str, sorted(effect.alive)))}")
                if before is None or not told or before.apart != effect.apart:
                    process = self.node.process("cthags")
                    if isinstance(process, GroupServicesProcess):
                        process.states_changed()
            case caa.WriteLetter(target, letter):
                disk = self.repository.disk
                try:
                    if disk is not None and self.repository.usable:
                        disk.post(target, letter)
                except OSError:
                    pass
            case caa.Deliver(sender, data):
                self.later(LOCAL_US, receive, self.node, sender, data)
            case caa.Arbitrate(side) if cluster.split == MANUAL:
                self.asked = side
                self.node.trace(f"split: {' '.join(map(str, sorted(side)))} wait for an operator")
            case caa.Withdraw():
                self.asked = None
            case caa.Arbitrate(side):
                self.feed(caa.Arbitrated(side, self.arbiter.arbitrate(self._names(side))))
            case caa.HaltNode(reason):
                self.node.crash(reason)
            case caa.Publish():
                pass

    def _read_disk(self) -> None:
        if not self.active:
            return
        own = self.node.number
        try:
            self.take_up(self.repository.look(self.core.newest_epoch))
            disk = self.repository.disk
            if disk is None:
                return
            visible = frozenset(self.numbers) - {own}
            if cuts := self.node.cluster.topology.cuts:
                visible = frozenset(number for number in visible if (number, own, DISK_PATH) not in cuts)
            heartbeats = disk.read_heartbeats(visible)
            letters = disk.collect(own, visible) if self.node.cluster.has_disk_path else ()
        except OSError:
            self.feed(caa.DiskSeen(None))
            return
        self.feed(caa.DiskSeen(heartbeats, letters))


def _receive(node: SimulatedNode, sender: int, network: str, data: bytes) -> None:
    topology, states = node.cluster.topology, node.states
    if states is None or sender not in states.numbers:
        return
    if topology.whole or topology.passes(sender, node.number, network):
        states.receive_datagram(caa.Received(network, heartbeat_codec.decode(data)))
