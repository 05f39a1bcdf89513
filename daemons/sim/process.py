"""A process of a node: a real core with its timer and its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from daemons.sim.world import InvariantBroken
from srcctl.machine import TICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.cthags.messages import Notification
    from daemons.sim.connections import Endpoint
    from daemons.sim.node import SimulatedNode
    from daemons.sim.works import Work

DATAGRAMS_MAX = 512
"""Datagrams that wait for a process that hangs; more are lost, as in a full socket buffer."""


class Idle:
    """A core that wants nothing: the program is its process."""

    def step(self, now: int, value: object) -> list[object]:
        return []

    def next_deadline(self) -> None:
        return None


class Process:
    """Drives a core as a shell would: steps, effects in order, one timer.

    Args:
        node: the node on which it runs.
        core: the machine.
    """

    name: ClassVar[str]

    def __init__(self, node: SimulatedNode, core: Any) -> None:
        self.node = node
        self.world = node.world
        self.core = core
        self.pid = node.next_pid()
        self.running = True
        self.hung = False
        self._inbox: list[tuple[Any, tuple[Any, ...]]] = []
        self._datagrams_waiting = 0
        self._armed: int | None = None
        self.endpoints: list[Endpoint] = []
        """Its ends of connections."""
        self._works: list[Work] = []

    def drive(self, work: Work, done: Callable[[int, str], None]) -> None:
        """Have a work done step by step, as long as this process lives; then tell its status and complaint."""
        self._works.append(work)
        self._go_on(work, done)

    def _go_on(self, work: Work, done: Callable[[int, str], None]) -> None:
        try:
            delay = next(work)
        except StopIteration as end:
            if self.running:
                self._works.remove(work)
                done(*end.value)
            return
        if self.running:
            self.later(delay, self._go_on, work, done)

    def abandon(self) -> None:
        """The kernel takes back what the process had: what it was about, its locks."""
        works, self._works = self._works, []
        for work in works:
            try:
                work.close()
            except ValueError:
                pass  # it is its own doing that ends it: it finds out at its next step

    def receive_later(self, action: Any, *arguments: Any) -> None:
        """Something arrives from outside."""
        self._if_running(action, arguments)

    def receive_datagram(self, value: object) -> None:
        """A datagram arrives; one that a process that hangs has no room for is lost.

        What comes over a stream is not: its sender keeps it until there is room.
        """
        if self.hung:
            if self._datagrams_waiting >= DATAGRAMS_MAX:
                return
            self._datagrams_waiting += 1
        self.feed(value)

    def feed(self, value: object) -> None:
        """One step of the core and its effects."""
        if not self.running:
            return
        if self.hung:
            if value is not TICK:
                self._inbox.append((self.feed, (value,)))
            return
        self.world.steps += 1
        try:
            for effect in self.core.step(self.node.now, value):
                if self.running:
                    self.execute(effect)
        except InvariantBroken:
            raise
        except Exception as fault:
            self.node.trace(f"{self.name} asserts: {fault!r}")
            self.node.assertion(self.name, fault)
            self.end(1)
            return
        self._arm()

    def hang(self) -> None:
        """SIGSTOP: it takes no step any more; what its sockets can hold waits."""
        if self.running and not self.hung:
            self.node.trace(f"hang {self.name}")
            self.hung = True

    def resume(self) -> None:
        """SIGCONT."""
        if not self.running or not self.hung:
            return
        self.node.trace(f"resume {self.name}")
        self.hung = False
        inbox, self._inbox, self._datagrams_waiting = self._inbox, [], 0
        for action, arguments in inbox:
            self._if_running(action, arguments)
        self.feed(TICK)

    def start(self) -> None:
        """Begin, once the process exists."""

    def notified(self, notification: Notification) -> None:
        """Group Services tell their client something."""

    def counter(self) -> bytes | None:
        """What Group Services read of how far their client has counted; None: it does not count."""
        return None

    def execute(self, effect: Any) -> None:
        """Carry out an effect."""
        raise NotImplementedError

    def end(self, status: int) -> None:
        """The process is gone."""
        if self.running:
            self.running = False
            self.abandon()
            for endpoint in self.endpoints:
                endpoint.close()
            self.node.process_ended(self, status)

    def later(self, delay: int, action: Any, *arguments: Any) -> None:
        """Something happens in this process after a delay, if it lives then."""
        self.node.after(delay, self._if_running, action, arguments)

    def _if_running(self, action: Any, arguments: tuple[Any, ...]) -> None:
        if self.running and self.hung:
            self._inbox.append((action, arguments))
        elif self.running:
            action(*arguments)

    def _arm(self) -> None:
        deadline = self.core.next_deadline()
        if deadline is None or (self._armed is not None and self._armed <= deadline):
            return
        self._armed = deadline
        self.node.at(deadline - self.node.clock_offset, self._fire, deadline)

    def _fire(self, at: int) -> None:
        if not self.running or self._armed != at:
            return
        self._armed = None
        deadline = self.core.next_deadline()
        if deadline is None:
            return
        if self.node.now < deadline:
            self._arm()
            return
        self.feed(TICK)
