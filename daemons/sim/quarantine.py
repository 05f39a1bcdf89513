"""The quarantine policy in the simulator: consoles that power nodes off, and fences of the shared disks in memory.

Who is shut out is decided by the code of the product side (``daemons.clstrmgr.quarantine``), how long a fence lasts by
the registry of real labs. No cut keeps a console or a disk from anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemons.sim.policies import BOTH, FENCING, NODE_HALT
from srcctl.machine import MILLISECOND, SECOND
from srcctl.storage.fences import Fence, FenceRegistry, ShutOut

if TYPE_CHECKING:
    from daemons.sim.cluster import Cluster
    from daemons.sim.node import SimulatedNode

PATIENCE_US = 20 * SECOND
POLL_US = 10 * MILLISECOND
DISKS = frozenset({"hdisk3"})
"""Of all volume groups of all resource groups."""


class SimulatedFences(FenceRegistry):
    """The fences of a simulated cluster.

    Args:
        cluster: the cluster, whose nodes live or not.
    """

    def __init__(self, cluster: Cluster) -> None:
        super().__init__("")
        self._cluster = cluster
        self._fences: dict[str, Fence] = {}

    def of(self, node: str) -> Fence | None:
        return self._fences.get(node)

    def all(self) -> dict[str, Fence]:
        return dict(sorted(self._fences.items()))

    def _nodes(self) -> set[str]:
        return {node.name for node in self._cluster.nodes.values()}

    def _write(self, node: str, fence: Fence) -> None:
        self._fences[node] = fence

    def _erase(self, node: str) -> None:
        if self._fences.pop(node, None) is None:
            raise FileNotFoundError(node)

    def _life(self, node: str) -> str:
        found = next(entry for entry in self._cluster.nodes.values() if entry.name == node)
        return str(found.boot_number) if found.on else ""

    def _goes_on(self, node: str, life: str) -> bool:
        return self._life(node) == life

    def goes_on(self, node: str, life: str) -> bool:
        """Whether a node is still in a life."""
        return self._goes_on(node, life)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        yield


class Quarantine:
    """``cl_quarantine`` of one event script.

    Args:
        node: where it runs.
        wait: has something happen later within the script.
    """

    def __init__(self, node: SimulatedNode, wait: Callable[[int, Callable[[], None]], None]) -> None:
        self._node = node
        self._cluster = node.cluster
        self._wait = wait

    def shut_out(self, numbers: frozenset[int], done: Callable[[int], None]) -> None:
        """Shut nodes out as the policy says; ``done`` gets the exit status."""
        policy, reached = self._cluster.quarantine, self._cluster.world.reached
        nodes = [self._cluster.nodes[number] for number in sorted(numbers)]
        if policy in (NODE_HALT, BOTH):
            for other in nodes:
                reached[f"quarantine: a node that is {'on' if other.on else 'off'} is powered off"] += 1
                other.crash(f"quarantine policy, by {self._node.name}")
        if policy not in (FENCING, BOTH):
            done(0)
            return
        lives: dict[str, str] = {}
        for other in nodes:
            try:
                lives[other.name] = self._cluster.fences.fence(other.name, DISKS, self._node.name)
            except ShutOut as reason:
                self._node.trace(f"cl_quarantine: {reason}")
                reached["quarantine: the later side is shut out itself"] += 1
                done(1)
                return
            self._node.trace(f"cl_quarantine: {other.name} is shut out of the disks")
            reached["quarantine: a node is shut out of the disks"] += 1
        self._await(lives, self._node.now + PATIENCE_US, done)

    def _await(self, lives: dict[str, str], deadline: int, done: Callable[[int], None]) -> None:
        going_on = [name for name, life in lives.items() if life and self._cluster.fences.goes_on(name, life)]
        if not going_on:
            done(0)
        elif self._node.now > deadline:
            self._cluster.world.reached["quarantine: a node goes on without its disks"] += 1
            done(1)
        else:
            self._wait(POLL_US, lambda: self._await(lives, deadline, done))

    def let_in(self, members: tuple[int, ...]) -> None:
        """``cl_quarantine -r``: the members are let in, unless this node is shut out itself."""
        fences = self._cluster.fences
        if self._node.name in fences.all():
            return
        for number in members:
            if fences.lift(name := self._cluster.nodes[number].name):
                self._node.trace(f"cl_quarantine: {name} is let in again")
                self._cluster.world.reached["quarantine: a node is let in again"] += 1
