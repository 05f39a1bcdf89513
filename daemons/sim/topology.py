"""Which paths between nodes are open: several networks with an interface a node on each, and the repository disk."""

from __future__ import annotations

from collections.abc import Callable

from daemons.caa.messages import DISK_PATH

Cut = tuple[int, int, str]
"""Source, target, path: what is sent there does not arrive."""


class Topology:
    """Faults of interfaces, networks and the disk, by the name of whoever made them; what is open follows.

    Args:
        numbers: the nodes.
        networks: names of networks; every node is on each.
        repository: the disk that a node uses as its cluster's repository.
    """

    def __init__(
        self, numbers: tuple[int, ...], networks: tuple[str, ...], repository: Callable[[int], str] = lambda node: ""
    ) -> None:
        self.numbers = numbers
        self.networks = networks
        self.cuts: frozenset[Cut] = frozenset()
        self.interfaces_down: frozenset[tuple[int, str]] = frozenset()
        self.disks_lost: frozenset[tuple[int, str]] = frozenset()
        """Nodes, and the disks that they have lost."""
        self._repository = repository
        self.whole = True
        """Nothing is broken."""
        self._cuts: dict[str, frozenset[Cut]] = {}
        self._interfaces: dict[str, frozenset[tuple[int, str]]] = {}
        self._disks: dict[str, frozenset[tuple[int, str]]] = {}
        self.without_breaker: frozenset[int] = frozenset()
        """For whom the tie breaker disk is lost."""
        self._breakers: dict[str, frozenset[int]] = {}

    # Faults.

    def cut(self, name: str, cuts: frozenset[Cut]) -> None:
        """Nothing passes these cuts until ``mend(name)``."""
        self._cuts[name] = cuts
        self._combine()

    def take_interface(self, name: str, node: int, network: str) -> None:
        """A node's interface goes down."""
        self._interfaces[name] = frozenset(((node, network),))
        self._combine()

    def take_disk(self, name: str, nodes: frozenset[int], disk: str) -> None:
        """A disk is lost for these nodes."""
        self._disks[name] = frozenset((node, disk) for node in nodes)
        self._combine()

    def take_breaker(self, name: str, nodes: frozenset[int]) -> None:
        """The tie breaker disk is lost for these nodes."""
        self._breakers[name] = nodes
        self._combine()

    def mend(self, name: str) -> None:
        """A fault is over."""
        for faults in (self._cuts, self._interfaces, self._disks, self._breakers):
            faults.pop(name, None)
        self._combine()

    def mend_all(self) -> None:
        """All faults are over."""
        self._cuts.clear()
        self._interfaces.clear()
        self._disks.clear()
        self._breakers.clear()
        self._combine()

    def _combine(self) -> None:
        self.cuts = frozenset[Cut]().union(*self._cuts.values())
        self.interfaces_down = frozenset[tuple[int, str]]().union(*self._interfaces.values())
        self.disks_lost = frozenset[tuple[int, str]]().union(*self._disks.values())
        self.without_breaker = frozenset[int]().union(*self._breakers.values())
        self.whole = not (self.cuts or self.interfaces_down or self.disks_lost)

    # What is open.

    def links(self, node: int) -> frozenset[str]:
        """The networks on which a node's interface works."""
        return frozenset(network for network in self.networks if (node, network) not in self.interfaces_down)

    def passes(self, source: int, target: int, path: str) -> bool:
        """What one node sends on a path reaches another one."""
        if self.whole:
            return True
        if (source, target, path) in self.cuts:
            return False
        if path == DISK_PATH:
            disk, other = self._repository(source), self._repository(target)
            return disk == other and not {(source, disk), (target, disk)} & self.disks_lost
        down = self.interfaces_down
        return not down or ((source, path) not in down and (target, path) not in down)

    def separated(self) -> list[tuple[int, int]]:
        """Pairs of nodes that no path joins in both directions."""
        if self.whole:
            return []
        paths = (*self.networks, DISK_PATH)
        return [
            (one, other)
            for one in self.numbers
            for other in self.numbers
            if one < other
            and not any(self.passes(one, other, path) and self.passes(other, one, path) for path in paths)
        ]
