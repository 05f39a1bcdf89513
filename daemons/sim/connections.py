"""TCP between the nodes: ordered, delivered once, slow when a path is cut, and lost in the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode
    from daemons.sim.process import Process

AGAIN_US = SECOND
"""How often a segment is sent again while no path is open."""
LOST_US = 15 * SECOND
"""For so long; then the connection is lost."""
LOSS_US = 200 * MILLISECOND
"""What a lost segment costs."""


def open_between(one: SimulatedNode, other: SimulatedNode) -> bool:
    """A network passes in both directions."""
    if one is other:
        return True
    topology = one.cluster.topology
    return any(
        topology.passes(one.number, other.number, network) and topology.passes(other.number, one.number, network)
        for network in topology.networks
    )


class Endpoint:
    """One end of a connection, held by a process.

    Args:
        process: that process.
        received: takes the bytes that arrive.
        lost: is told once that the other end is gone.
    """

    def __init__(self, process: Process, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self.process = process
        self.node = process.node
        self.received = received
        self.lost = lost
        self.peer: Endpoint | None = None
        self.open = True
        self._queue: deque[bytes | None] = deque()
        self._stuck_since: int | None = None
        process.endpoints.append(self)

    def connect(self, peer: Endpoint) -> None:
        """Join two ends."""
        self.peer, peer.peer = peer, self

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if self.open:
            self._put(data)

    def close(self) -> None:
        """Close this end: nothing arrives here any more, the other end is told."""
        if self.open and self.peer is not None:
            self._put(None)
        self.open = False

    def _put(self, data: bytes | None) -> None:
        self._queue.append(data)
        if len(self._queue) == 1:
            self._pump()

    def _pump(self) -> None:
        """The first of what waits goes out, if a path is open. The kernel does it, whatever the process does."""
        world, peer = self.node.world, self.peer
        assert peer is not None
        if not open_between(self.node, peer.node):
            if self._stuck_since is None:
                self._stuck_since = world.now
            if world.now - self._stuck_since >= LOST_US:
                self._queue.clear()
                self._break()
                peer._break()
                return
            world.after(AGAIN_US, self._pump)
            return
        self._stuck_since = None
        weather, chance = world.weather, world.segments
        delay = int(weather.latency_us * (1 + 2 * chance()))
        if weather.loss and chance() < weather.loss:
            delay += LOSS_US
        world.after(delay, self._arrive)

    def _arrive(self) -> None:
        peer = self.peer
        assert peer is not None
        data = self._queue.popleft()
        if data is None:
            peer._break()
        elif peer.open:
            peer.node.deliver(peer.process.receive_later, self._hand_over, data)
        if self._queue:
            self._pump()

    def _hand_over(self, data: bytes) -> None:
        if self.peer is not None and self.peer.open:
            self.peer.received(data)

    def _break(self) -> None:
        if self.open:
            self.open = False
            self.node.deliver(self.process.receive_later, self.lost)
