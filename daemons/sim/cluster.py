"""The simulated cluster: the world, its nodes, what they hold, and the checker that watches them."""

from __future__ import annotations

from daemons.sim.configuration import sample, shipped_programs
from daemons.sim.invariants import Checker
from daemons.sim.node import SimulatedNode
from daemons.sim.parts import Parts
from daemons.sim.resources import Holdings
from daemons.sim.world import World


class Cluster:
    """All of it.

    Args:
        world: time and chance.
        count: nodes.
        parts: makes the processes.
    """

    def __init__(self, world: World, count: int, parts: Parts) -> None:
        self.world = world
        self.parts = parts
        self.numbers = tuple(range(1, count + 1))
        self.configuration = sample(count)
        self.programs = shipped_programs()
        self.holdings = Holdings()
        self.sectors: dict[int, bytes] = {}
        """Of the repository disk, by node."""
        self.local_faults: list[str] = []
        self.checker = Checker(self)
        self.nodes = {number: SimulatedNode(self, number) for number in self.numbers}

    def cut(self, *parts: tuple[int, ...]) -> None:
        """Partition the network and the disk path into these parts."""
        self.heal()
        pairs = [(a, b) for one in parts for other in parts if one != other for a in one for b in other]
        self.world.cut = frozenset(pairs)
        self.checker.separated(pairs)

    def heal(self) -> None:
        """No partition any more."""
        self.checker.separated(sorted(self.world.cut))
        self.world.cut = frozenset()
