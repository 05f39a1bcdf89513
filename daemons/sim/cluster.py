"""The simulated cluster: the world, its nodes, what they hold, and the checker that watches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daemons.caa.repository import NODES_MAX, Commit, RepositoryDisk
from daemons.cluster.configuration import Configuration
from daemons.sim.configuration import sample, shipped_programs, varied
from daemons.sim.disks import AttachedDisk, SharedDisk
from daemons.sim.invariants import Checker
from daemons.sim.node import SimulatedNode
from daemons.sim.parts import Parts
from daemons.sim.policies import DISABLE
from daemons.sim.quarantine import SimulatedFences
from daemons.sim.resources import Holdings
from daemons.sim.scenario import CONFIGURATION, MAJORITY, MANUAL, NONE, Scenario, network_names, site_numbers
from daemons.sim.store import pack, unpack
from daemons.sim.timing import LINK_TIMEOUT_US, NODE_DOWN_DELAY_US, NODE_TIMEOUT_US
from daemons.sim.topology import Topology
from daemons.sim.world import InvariantBroken, World

if TYPE_CHECKING:
    from daemons.sim.faults import Fault


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
        self.checked = False
        """The program of the members has its responsiveness checked."""
        self.sites = False
        """The nodes are at two sites: the first half of them at one, the others at another."""
        self.merge = "manual" if split == MANUAL else MAJORITY
        self.quarantine = DISABLE
        self.numbers = tuple(range(1, count + 1))
        self.configuration = configuration or (varied(world.seed, count, groups) if groups else sample(count))
        self.generation = 1
        self.committed = {1: self.configuration}
        """All that was ever committed, by generation."""
        self.programs = shipped_programs()
        self.holdings = Holdings()
        self.topology = Topology(self.numbers, network_names(networks))
        self.disk = SharedDisk(self.topology)
        """The repository disk."""
        self.has_disk_path = count <= NODES_MAX
        """The repository disk has room for the nodes of a real cluster; larger ones are for the measure of traffic."""
        self.split = split
        self.fences = SimulatedFences(self)
        self.reservation: frozenset[str] = frozenset()
        """The names of the nodes that hold the tie breaker."""
        self.local_faults: list[str] = []
        self.on_phase: Callable[[Fault, SimulatedNode], None] = lambda fault, node: None
        self._make_repository()
        self.checker = Checker(self)
        self.nodes = {number: SimulatedNode(self, number) for number in self.numbers}

    def apply(self, scenario: Scenario) -> None:
        """Take over what a scenario says of sites, policies and members."""
        self.checked, self.sites = scenario.checked, scenario.sites
        self.quarantine = scenario.quarantine
        if scenario.merge:
            self.merge = scenario.merge

    def remote(self, number: int) -> frozenset[int]:
        """The nodes at another site than a node."""
        if not self.sites:
            return frozenset()
        first = site_numbers(self.numbers)
        return first[1] if number in first[0] else first[0]

    @property
    def priorities(self) -> dict[int, int]:
        """The recovery priority of each node's site: the second one is the first."""
        if not self.sites:
            return {}
        return {number: rank for rank, site in zip((2, 1), site_numbers(self.numbers), strict=True) for number in site}

    @property
    def detection_us(self) -> int:
        """After so long all know that a node has fallen silent."""
        return NODE_TIMEOUT_US + NODE_DOWN_DELAY_US + (LINK_TIMEOUT_US if self.sites else 0)

    @property
    def critical_group(self) -> str:
        """The group whose owner the quarantine policy is about; "" if there is none."""
        groups = self.configuration.groups if self.quarantine != DISABLE else ()
        return next((group.name for group in groups if not group.concurrent), "")

    def _make_repository(self) -> None:
        repository = RepositoryDisk("", "hdisk1", AttachedDisk(self.disk, 0))
        checksum = repository.store_archive(self.generation, pack(self.configuration))
        repository.commit(Commit(self.generation, checksum, "node1", 0))
        self._repository = repository

    def look_at_commit(self) -> None:
        """A commit record may have been written: what the disk holds is what is committed."""
        commit = self._repository.read_commit()
        if commit is None or commit.generation == self.generation:
            return
        archive = self._repository.read_archive(commit)
        if commit.generation < self.generation or archive is None:
            raise InvariantBroken(CONFIGURATION, f"the repository disk holds {commit} after {self.generation}")
        self.generation, self.configuration = commit.generation, unpack(archive)
        self.committed[self.generation] = self.configuration
        self.world.trace("-", f"generation {self.generation} is committed")

    def generation_of(self, configuration: Configuration) -> int:
        """The newest generation of a configuration, 0 if it was never committed."""
        for generation in sorted(self.committed, reverse=True):
            if self.committed[generation] is configuration or self.committed[generation] == configuration:
                return generation
        return 0

    def strike_synchronization(self, fault: Fault, node: SimulatedNode) -> None:
        """What a fault does to a synchronization that has come to a phase."""
        self.on_phase(fault, node)

    def topology_changed(self) -> None:
        """Interfaces and paths went or came."""
        self.checker.separated(self.topology.separated())
        for node in self.nodes.values():
            if node.states is not None:
                node.deliver(node.states.links_changed)
