"""caa's real core on a simulated node: heartbeats over the network and over the repository disk, dead man's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from daemons.caa import core as caa
from daemons.caa.arbiter import Arbiter
from daemons.caa.messages import DISK_PATH, heartbeat_codec
from daemons.sim.group_services import LOCAL_US, GroupServicesProcess, receive
from daemons.sim.policies import BOTH, FENCING
from daemons.sim.process import Process
from daemons.sim.scenario import MANUAL, NFS, TIE_BREAKER
from daemons.sim.timing import HEARTBEAT_US, LINK_TIMEOUT_US, NODE_DOWN_DELAY_US, NODE_TIMEOUT_US
from srcctl.machine import MILLISECOND, TICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.sim.node import SimulatedNode

DISK_US = 5 * MILLISECOND


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
        self._picture: caa.Announce | None = None
        self._repository = node.repository()
        self._breaker = node.cluster.parts.breaker(node) if node.cluster.split in (TIE_BREAKER, NFS) else None
        self.asked: frozenset[int] | None = None
        """The side about which an operator must decide."""
        self.arbiter = Arbiter(lambda: self._breaker, node.trace, lambda _: None)
        self._everybody = self._names(frozenset(node.cluster.numbers))
        self._others = frozenset(node.cluster.numbers) - {node.number}

    def start(self) -> None:
        """Join the cluster that the repository disk names."""
        settings = caa.Settings(
            own=self.node.number,
            incarnation=self.node.boot_number,
            nodes=frozenset(self.node.cluster.numbers),
            networks=self.node.cluster.topology.networks,
            heartbeat_us=HEARTBEAT_US,
            node_timeout_us=NODE_TIMEOUT_US,
            node_down_delay_us=NODE_DOWN_DELAY_US,
            network_fdt_us=NODE_TIMEOUT_US,
            disk=self.node.cluster.has_disk_path,
            arbitrate=self._breaker is not None or self.node.cluster.split == MANUAL,
            remote=self.node.cluster.remote(self.node.number),
            link_timeout_us=LINK_TIMEOUT_US,
        )
        for name in self.node.cluster.fences.switched_on(self.node.name, str(self.node.boot_number)):
            self.node.trace(f"{name} is let in, nobody that kept it out has stayed on")
        self.feed(caa.Configure(settings))
        self.links_changed()
        self._watch_policy()
        if self.node.cluster.quarantine in (FENCING, BOTH):
            self._watch_fence()

    def _watch_fence(self) -> None:
        """Once a heartbeat: the disks refuse this node."""
        fence = self.node.cluster.fences.of(self.node.name)
        if fence is not None and fence.life == str(self.node.boot_number):
            self.node.crash(f"quarantine policy: shut out of the disks by {fence.by}")
        else:
            self.later(HEARTBEAT_US, self._watch_fence)

    def _watch_policy(self) -> None:
        """Once a heartbeat, as a real node does."""
        if self.arbiter.welcome_owed:
            self._welcome()
        reached = self._picture.reached if self._picture is not None else frozenset({self.node.number})
        if self.arbiter.begins_to_act(self._names(reached), self._everybody) and self.node.supervisor is not None:
            self.node.supervisor.request_start("cthags")
        if self._breaker is not None:
            self.later(HEARTBEAT_US, self._watch_policy)

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
            self.arbiter.welcome(self._names(self._picture.reached), self._everybody)

    def links_changed(self) -> None:
        """The node's interfaces may have gone or come."""
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
                if cluster.topology.passes(own, target, network):
                    other = cluster.nodes[target]
                    data = heartbeat_codec.encode(heartbeat)
                    world.count("caa", data)
                    world.transmit(other.deliver, _receive, other, own, network, data)
            case caa.WriteDisk(heartbeat):
                try:
                    self._repository.write_heartbeat(heartbeat)
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
                try:
                    self._repository.post(target, letter)
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
        visible, own = self._others, self.node.number
        if cuts := self.node.cluster.topology.cuts:
            visible = frozenset(number for number in visible if (number, own, DISK_PATH) not in cuts)
        try:
            heartbeats = self._repository.read_heartbeats(visible)
            letters = self._repository.collect(own, visible) if self.node.cluster.has_disk_path else ()
        except OSError:
            self.feed(caa.DiskSeen(None))
            return
        self.feed(caa.DiskSeen(heartbeats, letters))


def _receive(node: SimulatedNode, sender: int, network: str, data: bytes) -> None:
    topology = node.cluster.topology
    if node.states is not None and (topology.whole or topology.passes(sender, node.number, network)):
        node.states.feed(caa.Received(network, heartbeat_codec.decode(data)))
