"""caa's real core on a simulated node: heartbeats over the network and over the repository disk, dead man's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from daemons.caa import core as caa
from daemons.caa.messages import heartbeat_codec
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.process import Process
from daemons.sim.timing import HEARTBEAT_US, NODE_DOWN_DELAY_US, NODE_TIMEOUT_US
from srcctl.machine import MILLISECOND, TICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.sim.node import SimulatedNode

NETWORK = "net_ether_01"
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

    def start(self) -> None:
        """Join the cluster that the repository disk names."""
        settings = caa.Settings(
            own=self.node.number,
            incarnation=self.node.boot_number,
            nodes=frozenset(self.node.cluster.numbers),
            networks=(NETWORK,),
            heartbeat_us=HEARTBEAT_US,
            node_timeout_us=NODE_TIMEOUT_US,
            node_down_delay_us=NODE_DOWN_DELAY_US,
            network_fdt_us=NODE_TIMEOUT_US,
        )
        self.feed(caa.Configure(settings))

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
            case caa.Send(_, target, heartbeat):
                other = cluster.nodes[target]
                world.transmit(own, target, other.deliver, _receive, other, heartbeat_codec.encode(heartbeat))
            case caa.WriteDisk(heartbeat):
                if world.repository_up:
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
        if not self.world.repository_up:
            self.feed(caa.DiskSeen(None))
            return
        sectors = [
            heartbeat_codec.decode(data)
            for number, data in cluster.sectors.items()
            if number != own and self.world.connected(own, number)
        ]
        self.feed(caa.DiskSeen(tuple(sectors)))


def _receive(node: SimulatedNode, data: bytes) -> None:
    if node.states is not None:
        node.states.feed(caa.Received(NETWORK, heartbeat_codec.decode(data)))
