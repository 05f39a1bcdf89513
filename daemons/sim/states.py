"""caa's real core on a simulated node: heartbeats over the network and over the repository disk, dead man's switch."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from daemons.caa import core as caa
from daemons.caa.messages import DISK_PATH, heartbeat_codec
from daemons.sim.group_services import LOCAL_US, GroupServicesProcess, receive
from daemons.sim.process import Process
from daemons.sim.timing import HEARTBEAT_US, NODE_DOWN_DELAY_US, NODE_TIMEOUT_US
from srcctl.machine import MILLISECOND, TICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.sim.node import SimulatedNode

DISK_US = 5 * MILLISECOND
LETTERS = 16
"""Datagrams that a pair's mailbox on the disk holds."""


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
        self._seen: dict[int, int] = {}

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
        )
        self.feed(caa.Configure(settings))
        self.links_changed()

    def links_changed(self) -> None:
        """The node's interfaces may have gone or come."""
        self.feed(caa.Links(self.node.cluster.topology.links(self.node.number)))

    def paths(self) -> frozenset[tuple[int, str]]:
        """Nodes and the paths to them that are up."""
        return self._picture.paths if self._picture is not None else frozenset()

    def post(self, target: int, data: bytes) -> None:
        """Put a datagram into the mailbox of a pair on the repository disk."""
        cluster, own = self.node.cluster, self.node.number
        if own not in cluster.topology.without_disk:
            box = cluster.letters.setdefault((own, target), deque(maxlen=LETTERS))
            box.append((box[-1][0] + 1 if box else 1, data))

    def picture(self) -> tuple[int, frozenset[int], dict[int, int]]:
        """Generation, live nodes, and their boots."""
        if self._picture is None:
            return 0, frozenset((self.node.number,)), {}
        return self._picture.generation, self._picture.alive, dict(self._picture.boots)

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
                if own not in cluster.topology.without_disk:
                    cluster.sectors[own] = heartbeat_codec.encode(heartbeat)
            case caa.ReadDisk():
                self.later(DISK_US, self._read_disk)
            case caa.Announce():
                before, self._picture = self._picture, effect
                if before is None or (before.alive, before.boots) != (effect.alive, effect.boots):
                    self.node.trace(f"alive {' '.join(map(str, sorted(effect.alive)))}")
                    process = self.node.process("cthags")
                    if isinstance(process, GroupServicesProcess):
                        process.states_changed()
            case caa.HaltNode(reason):
                self.node.crash(reason)
            case caa.Publish():
                pass

    def _read_disk(self) -> None:
        cluster, own = self.node.cluster, self.node.number
        if own in cluster.topology.without_disk:
            self.feed(caa.DiskSeen(None))
            return
        visible = [
            number
            for number in cluster.sectors
            if number != own and (number, own, DISK_PATH) not in cluster.topology.cuts
        ]
        sectors = [heartbeat_codec.decode(cluster.sectors[number]) for number in visible]
        self._collect(visible)
        self.feed(caa.DiskSeen(tuple(sectors)))

    def _collect(self, visible: list[int]) -> None:
        """Letters of nodes that no network reaches."""
        reached = {node for node, path in self.paths() if path != DISK_PATH}
        for sender in visible:
            if sender in reached:
                continue
            for number, data in self.node.cluster.letters.get((sender, self.node.number), ()):
                if number > self._seen.get(sender, 0):
                    self._seen[sender] = number
                    self.later(LOCAL_US, receive, self.node, sender, data)


def _receive(node: SimulatedNode, sender: int, network: str, data: bytes) -> None:
    topology = node.cluster.topology
    if node.states is not None and (topology.whole or topology.passes(sender, node.number, network)):
        node.states.feed(caa.Received(network, heartbeat_codec.decode(data)))
