"""The simulated cluster: the world, its nodes, what they hold, and the checker that watches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daemons.caa.own_repository import Found, OwnRepository
from daemons.caa.repository import NODES_MAX, Commit, RepositoryDisk
from daemons.cluster.configuration import Configuration
from daemons.sim.configuration import resized, sample, shipped_programs, varied
from daemons.sim.definition import KEY, REPOSITORIES, defined
from daemons.sim.disks import AttachedDisk, SharedDisk
from daemons.sim.invariants import STALE_US, Checker
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
        spare: the last node is in no cluster at the beginning.
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
        spare: bool = False,
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
        self.whole = configuration or (varied(world.seed, count, groups) if groups else sample(count))
        """The configuration with all nodes."""
        smaller = resized(self.whole, f"node{count}", self.whole) if spare else None
        self.configuration = smaller or self.whole
        self.generation = 1
        self.committed = {1: self.configuration}
        """All that was ever committed, by generation."""
        self.programs = shipped_programs()
        self.holdings = Holdings()
        self.topology = Topology(self.numbers, network_names(networks), self.repository_of)
        self._disks: dict[str, SharedDisk] = {}
        members_of_caa = self.numbers[:-1] if smaller is not None else self.numbers
        self.newest = Found(REPOSITORIES[0], defined(members_of_caa, network_names(networks)))
        """The repository, and the definition of the CAA cluster on it."""
        self.redefined_at = 0
        """When another definition was written, or to another disk."""
        self.has_disk_path = count <= NODES_MAX
        """The repository disk has room for the nodes of a real cluster; larger ones are for the measure of traffic."""
        self.split = split
        self.fences = SimulatedFences(self)
        self.reservation: frozenset[str] = frozenset()
        """The names of the nodes that hold the tie breaker."""
        self.local_faults: list[str] = []
        self.on_phase: Callable[[Fault, SimulatedNode], None] = lambda fault, node: None
        self._watcher = OwnRepository("", lambda: REPOSITORIES, lambda name: self.open_disk(name, 0), lambda _: None)
        self._make_repository()
        self.checker = Checker(self)
        self.nodes: dict[int, SimulatedNode] = {}
        self.nodes = {number: SimulatedNode(self, number) for number in self.numbers}

    def apply(self, scenario: Scenario) -> None:
        """Take over what a scenario says of sites, policies and members."""
        self.checked, self.sites = scenario.checked, scenario.sites
        self.quarantine = scenario.quarantine
        if scenario.merge:
            self.merge = scenario.merge

    def has(self, node: SimulatedNode) -> bool:
        """The committed configuration has a node."""
        return self.configuration.node(node.name) is not None

    @property
    def without_configuration(self) -> tuple[str, ...]:
        """Members of the CAA cluster that the committed configuration does not have: a synchronization was killed."""
        return tuple(
            member.name for member in self.newest.definition.nodes if self.configuration.node(member.name) is None
        )

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

    # Disks.

    def disk(self, name: str) -> SharedDisk:
        """A disk that all nodes are attached to."""
        found = self._disks.get(name)
        if found is None:
            found = self._disks[name] = SharedDisk(self.topology, name)
        return found

    def open_disk(
        self, name: str, node: int, tear: Callable[[int, int], int | None] = lambda offset, size: None
    ) -> RepositoryDisk:
        """A disk as a process of a node has it open; node 0 has lost none."""
        return RepositoryDisk("", name, AttachedDisk(self.disk(name), node, tear))

    def lose_reservations(self, node: int) -> None:
        """A node is off: what it has reserved is free."""
        for disk in self._disks.values():
            disk.lose(node)

    def repository_of(self, number: int) -> str:
        """The disk that a node uses as repository, the newest one while CAA is not active on it."""
        node = self.nodes.get(number)
        return (node.states.repository.name if node is not None and node.states is not None else "") or self.newest.disk

    def _make_repository(self) -> None:
        repository = self.open_disk(self.newest.disk, 0)
        repository.create(self.newest.definition)
        checksum = repository.store_archive(self.generation, pack(self.configuration))
        repository.commit(Commit(self.generation, checksum, "node1", 0))

    def look_at_repository(self) -> None:
        """Something may have been written: what the newest repository holds is what counts."""
        found, _ = self._watcher.newest(KEY)
        if found is not None and found != self.newest:
            if found.disk != self.newest.disk:
                self.world.trace("-", f"the repository is {found.disk}")
            for gone in {n.number for n in self.newest.definition.nodes} - {n.number for n in found.definition.nodes}:
                node = self.nodes[gone]
                self.world.after(STALE_US, self.checker.removed, node, node.boot_number)
            self.newest, self.redefined_at = found, self.world.now
        self._look_at_commit()

    def _look_at_commit(self) -> None:
        repository = self.open_disk(self.newest.disk, 0)
        commit = repository.read_commit()
        # A node that has lost the old disk writes to its successor what it knows; the rest is brought along.
        if commit is None or commit.generation <= self.generation:
            return
        archive = repository.read_archive(commit)
        if archive is None:
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
