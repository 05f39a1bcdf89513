"""A simulated node: power, pauses, its disk, and the processes on it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from daemons.sim.supervisor import Supervisor
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.cluster import Cluster
    from daemons.sim.process import Process
    from daemons.sim.states import StatesProcess

HALT_US = 80 * MILLISECOND
"""From the call of clexit.rc until the node is off; up to twice as long."""

BOOT_US = 3 * SECOND
INBOX_MAX = 512
"""Things that wait for a paused node; packets beyond are lost, as in a full socket buffer."""


class SimulatedNode:
    """One node.

    Args:
        cluster: the world around it.
        number: its number.
    """

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.number = number
        self.name = f"node{number}"
        self.on = False
        self.boot_number = 0
        self.paused_until = 0
        self.resuming = False
        self.disk: dict[str, dict[str, int]] = {}
        self.supervisor: Supervisor | None = None
        self.states: StatesProcess | None = None
        self.script_slowness = 1.0
        self.scripts_fail = 0.0
        self.jobs_fail = 0.0
        self.monitors_fail = 0.0
        self.script_chance: Random = self.world.stream(f"scripts/{number}")
        self._chance = self.world.stream(f"node/{number}")
        self._pid = 1000 * number
        self._halting = False

    @property
    def live(self) -> bool:
        """It runs: on and not paused. A paused node lives again once caa has looked at its dead man's switch."""
        return self.on and self.world.now >= self.paused_until and not self.resuming

    def trace(self, what: str) -> None:
        """A line of the trace."""
        self.world.trace(self.name, what)

    def next_pid(self) -> int:
        """A process id."""
        self._pid += 1
        return self._pid

    # Time on this node: stops while it is paused, ends when it is off.

    def after(self, delay: int, action: Callable[..., None], *arguments: Any) -> None:
        """Something happens here after a delay."""
        self.at(self.world.now + delay, action, *arguments)

    def at(self, time: int, action: Callable[..., None], *arguments: Any) -> None:
        """Something happens here at a time."""
        self.world.at(time, self._happen, self.boot_number, action, arguments)

    def deliver(self, action: Callable[..., None], *arguments: Any) -> None:
        """A packet arrives from outside, now."""
        if self.on:
            self._happen(self.boot_number, action, arguments)

    def _happen(self, boot: int, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if boot != self.boot_number or not self.on:
            return
        if self.world.now < self.paused_until:
            self.world.at(self.paused_until, self._happen, boot, action, arguments)
            return
        action(*arguments)

    # Power.

    def boot(self) -> None:
        """Power on."""
        if self.on:
            return
        self.on = True
        self.boot_number += 1
        self._halting = False
        self.paused_until = 0
        self.resuming = False
        self.trace("power on")
        self.after(int(BOOT_US * (0.2 + 0.3 * self._chance.random())), self._start_system)

    def _start_system(self) -> None:
        self.supervisor = Supervisor(self)
        self.states = self.cluster.parts.states(self)
        self.states.start()
        self.after(300 * MILLISECOND, self.supervisor.request_start, "cthags")
        self.after(600 * MILLISECOND, self.supervisor.request_start, "clstrmgrES")

    def crash(self, why: str) -> None:
        """Power off, at once."""
        if not self.on:
            return
        self.trace(f"power off: {why}")
        self.on = False
        self.boot_number += 1
        self.supervisor = None
        if self.states is not None:
            self.states.running = False
            self.states = None
        self.cluster.holdings.lose(self.number)
        self.cluster.checker.powered_off(self)

    def halt(self, why: str) -> None:
        """clexit.rc was called: the node is off in a moment."""
        if self._halting or not self.on:
            return
        self._halting = True
        self.trace(f"clexit.rc: {why}")
        self.after(int(HALT_US * (0.5 + self._chance.random())), self.crash, "halt -q")

    def pause(self, duration: int) -> None:
        """The whole machine stands still for a while."""
        if not self.on or self.world.now < self.paused_until:
            return
        self.paused_until = self.world.now + duration
        self.resuming = True
        self.trace(f"paused for {duration / SECOND:.3f} s")
        self.world.at(self.paused_until, self._resume, self.boot_number)

    def _resume(self, boot: int) -> None:
        if boot != self.boot_number or not self.on:
            return
        self.trace("resumed")
        if self.states is not None:
            # The kernel looks at its dead man's switch before any process gets its turn.
            self.states.resumed()
        self.resuming = False
        if self.on:
            self.cluster.checker.resumed(self)

    # Processes.

    def process(self, name: str) -> Process | None:
        """The running process of a subsystem."""
        return self.supervisor.running(name) if self.supervisor is not None else None

    def process_ended(self, process: Process, status: int) -> None:
        """A process ended by itself or was killed."""
        self.trace(f"{process.name} ended with status {status}")
        if self.supervisor is not None:
            self.supervisor.ended(process, status)
        self.cluster.checker.process_ended(self, process)

    def assertion(self, name: str, fault: Exception) -> None:
        """A core's own assertion failed: a defect, whatever the invariants say."""
        self.cluster.local_faults.append(f"{self.name} {name}: {fault}")

    # Resources.

    def take(self, group: str, kind: str) -> None:
        """A script takes a resource."""
        first = self.cluster.holdings.take(group, self.number, kind)
        if first:
            self.trace(f"acquires {group}")
        if kind == "APPLICATIONS":
            self.trace(f"{group} is online")
        self.cluster.checker.taken(self, group, first)

    def give(self, group: str, kind: str) -> None:
        """A script gives a resource up."""
        held = self.number in self.cluster.holdings.holders(group)
        self.cluster.holdings.give(group, self.number, kind)
        if held and self.number not in self.cluster.holdings.holders(group):
            self.trace(f"released {group}")
