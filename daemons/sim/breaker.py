"""The tie breaker disk of the simulated cluster: CAA's own decisions over a reservation that is kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemons.caa.tiebreaker import TieBreaker
from daemons.sim.scenario import TIE_BREAKER

if TYPE_CHECKING:
    from daemons.sim.cluster import Cluster

DISK = "hdisk2"


class SimulatedTieBreaker(TieBreaker):
    """The tie breaker as one node sees it.

    Args:
        cluster: the cluster, which keeps the reservation.
        number: the node.

    Raises:
        OSError: from every operation: the disk is lost for this node.
    """

    def __init__(self, cluster: Cluster, number: int) -> None:
        super().__init__("", DISK, f"node{number}")
        self._cluster = cluster
        self._number = number

    def _holders(self) -> frozenset[str]:
        names = self._cluster.reservation
        # A reservation dies with its nodes.
        return names if any(node.on and node.name in names for node in self._cluster.nodes.values()) else frozenset()

    def _write(self, side: frozenset[str]) -> None:
        if side != self._cluster.reservation:
            self._cluster.world.trace(f"node{self._number}", f"tie breaker: {' '.join(sorted(side)) or 'released'}")
        self._cluster.reservation = side

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._cluster.split == TIE_BREAKER and self._number in self._cluster.topology.without_breaker:
            raise OSError(5, "Input/output error", DISK)
        yield
