"""The simulated cluster: the world, its nodes, what they hold, and the checker that watches them."""

from __future__ import annotations

from daemons.caa.repository import NODES_MAX
from daemons.cluster.configuration import Configuration
from daemons.sim.configuration import sample, shipped_programs, varied
from daemons.sim.disks import SharedDisk
from daemons.sim.invariants import Checker
from daemons.sim.node import SimulatedNode
from daemons.sim.parts import Parts
from daemons.sim.resources import Holdings
from daemons.sim.scenario import NONE, network_names
from daemons.sim.topology import Topology
from daemons.sim.world import World


class Cluster:
    """All of it.

    Args:
        world: time and chance.
        count: nodes.
        networks: how many.
        groups: how many resource groups are drawn from the seed; 0: the two of the sample.
        members: a program on every node uses all of Group Services.
        parts: makes the processes.
        split: the split policy.
        configuration: of the cluster, instead of what ``groups`` says.
    """

    def __init__(
        self,
        world: World,
        count: int,
        parts: Parts,
        networks: int = 1,
        groups: int = 0,
        members: bool = False,
        split: str = NONE,
        configuration: Configuration | None = None,
    ) -> None:
        self.world = world
        self.parts = parts
        self.members = members
        self.numbers = tuple(range(1, count + 1))
        self.configuration = configuration or (varied(world.seed, count, groups) if groups else sample(count))
        self.programs = shipped_programs()
        self.holdings = Holdings()
        self.topology = Topology(self.numbers, network_names(networks))
        self.disk = SharedDisk(self.topology)
        """The repository disk."""
        self.has_disk_path = count <= NODES_MAX
        """The repository disk has room for the nodes of a real cluster; larger ones are for the measure of traffic."""
        self.split = split
        self.reservation: frozenset[str] = frozenset()
        """The names of the nodes that hold the tie breaker."""
        self.local_faults: list[str] = []
        self.checker = Checker(self)
        self.nodes = {number: SimulatedNode(self, number) for number in self.numbers}

    def commit(self, configuration: Configuration, by: int) -> None:
        """A synchronization from one node: those that are on and reachable have it at once, others get it later."""
        self.configuration = configuration
        apart = {pair for pair in self.topology.separated() if by in pair}
        for node in self.nodes.values():
            if node.live and not any(node.number in pair and node.number != by for pair in apart):
                node.install(configuration)

    def topology_changed(self) -> None:
        """Interfaces and paths went or came."""
        self.checker.separated(self.topology.separated())
        for node in self.nodes.values():
            if node.states is not None:
                node.deliver(node.states.links_changed)
