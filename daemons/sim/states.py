"""Who is alive, as a node's operating system side says it, and the node's dead man's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.sim.group_services import GroupServicesProcess
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode

NODE_DOWN_US = 30 * SECOND
"""node_timeout and grace period."""

DEAD_MAN_US = 20 * SECOND
POLL_US = 500 * MILLISECOND


class StatesProcess:
    """Heartbeats without packets: a node that could be heard within the timeout is alive.

    Args:
        node: the node.
    """

    dead_man_us = DEAD_MAN_US

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node
        self._heard: dict[int, int] = {}
        self._boots: dict[int, int] = {}
        self._generation = 0
        self._alive: frozenset[int] = frozenset((node.number,))
        self._turned_at = node.world.now

    def start(self) -> None:
        """Begin."""
        self._poll()

    def picture(self) -> tuple[int, frozenset[int]]:
        """Generation and live nodes."""
        return self._generation, self._alive

    def resumed(self) -> None:
        """The machine was paused: too long ago that the others can have waited?"""
        if self.node.world.now - self._turned_at > self.dead_man_us:
            self.node.crash("dead man's switch")

    def _poll(self) -> None:
        node, now = self.node, self.node.world.now
        self._turned_at = now
        for number, other in node.cluster.nodes.items():
            if number != node.number and other.on and other.live and node.world.connected(number, node.number):
                if self._boots.get(number, other.boot_number) != other.boot_number and number in self._alive:
                    self._heard.pop(number, None)
                else:
                    self._heard[number] = now
                self._boots[number] = other.boot_number
        alive = frozenset(
            [node.number, *(number for number, heard in self._heard.items() if now - heard < NODE_DOWN_US)]
        )
        if alive != self._alive:
            self._alive = alive
            self._generation += 1
            node.trace(f"alive {' '.join(map(str, sorted(alive)))}")
            process = node.process("cthags")
            if isinstance(process, GroupServicesProcess):
                process.states_changed()
        node.after(POLL_US, self._poll)
