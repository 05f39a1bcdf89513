"""A simulated node: power, pauses, its disk, and the processes on it."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from daemons.caa.repository import RepositoryDisk
from daemons.sim.definition import Device
from daemons.sim.disks import area
from daemons.sim.resources import KINDS
from daemons.sim.store import Store
from daemons.sim.supervisor import Supervisor
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.cluster import Cluster
    from daemons.sim.process import Process
    from daemons.sim.states import StatesProcess

HALT_US = 80 * MILLISECOND
"""From the call of clexit.rc until the node is off; up to twice as long."""

BOOT_US = 3 * SECOND


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
        member = cluster.configuration.node(self.name) is not None
        generation = cluster.generation if member else 0
        self.store = Store(cluster.configuration if member else None, generation)
        self.device = Device(member=member)
        self.lives = 0
        """How often CAA has become active here."""
        self.out_until = self.stopped_until = 0
        """When the operator takes it into the CAA cluster again (0: not taken out by hand), and starts CAA there."""
        self.kept_down_until = 0
        """Until when nobody starts cluster services here, as the node is about to be removed."""
        self.in_step_with = generation
        """The generation that was committed when this node was last brought in step."""
        self.commands: list[Process] = []
        """What runs here beside the subsystems."""
        self.on = False
        self.boot_number = 0
        self.paused_until = 0
        self.resuming = False
        self.disk: dict[str, dict[str, int]] = {}
        self.supervisor: Supervisor | None = None
        self.states: StatesProcess | None = None
        self.member: Process | None = None
        self.clock_offset = 0
        """Of the monotonic clock, which begins anew with every boot: no two nodes may compare theirs."""
        self.wall_offset = 0
        """Of the wall clock, which an operator may set; no core reads it."""
        self.step_cost = 0
        """How long everything takes that happens here, of a node that is slow."""
        self.read_only = False
        """Nothing can be stored."""
        self.torn_writes = 0.0
        """Share of writes to the repository disk of which only the beginning arrives."""
        self.torn_area = ""
        """The part of the repository disk in whose next write the power goes."""
        self.torn = ""
        """The next time that Group Services store something the power goes: "before" or "after" that."""
        self.script_slowness = 1.0
        self.scripts_hang_until = 0
        self.scripts_fail = 0.0
        self.jobs_fail = 0.0
        self.monitors_fail = 0.0
        self.releases_fail = 0.0
        self._backlog: deque[tuple[int, Callable[..., None], tuple[Any, ...]]] = deque()
        self.script_chance: Random = self.world.stream(f"scripts/{number}")
        self._chance = self.world.stream(f"node/{number}")
        self.started = False
        """The boot is over: what inittab starts was started."""
        self._pid = 1000 * number
        self._halting = False

    @property
    def now(self) -> int:
        """This node's monotonic clock."""
        return self.world.now + self.clock_offset

    @property
    def live(self) -> bool:
        """It runs: on and not paused. A paused node lives again once caa has looked at its dead man's switch."""
        return self.on and self.world.now >= self.paused_until and not self.resuming

    @property
    def halting(self) -> bool:
        """clexit.rc was called, or the node is off."""
        return self._halting or not self.on

    @property
    def slowed(self) -> bool:
        """Its steps take their time, or some of them still wait for their turn."""
        return bool(self.step_cost or self._backlog)

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
        self.world.after(delay, self._happen, self.boot_number, action, arguments)

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
        if self.paused_until and self.world.now < self.paused_until:
            self.world.at(self.paused_until, self._happen, boot, action, arguments)
            return
        if self.step_cost or self._backlog:
            self._backlog.append((boot, action, arguments))
            if len(self._backlog) == 1:
                self.world.after(self.step_cost, self._work_off, boot)
            return
        action(*arguments)

    def _work_off(self, boot: int) -> None:
        """A slow node does one thing after the other."""
        if boot != self.boot_number or not self.on:
            return
        if self.world.now < self.paused_until:
            self.world.at(self.paused_until, self._work_off, boot)
            return
        _, action, arguments = self._backlog.popleft()
        if self._backlog:
            self.world.after(self.step_cost, self._work_off, boot)
        action(*arguments)

    def repository(self) -> RepositoryDisk:
        """The repository disk as a process of this node has it open.

        Raises:
            OSError: CAA is not active.
        """
        name = self.states.repository.name if self.states is not None else ""
        if not name:
            raise OSError(errno.ENXIO, "CAA is not active on this node", "cluster0")
        return self.open_disk(name)

    def open_disk(self, name: str) -> RepositoryDisk:
        """A disk as a process of this node has it open."""
        return self.cluster.open_disk(name, self.number, self._tear)

    def _tear(self, offset: int, size: int) -> int | None:
        """Whether a write to the repository disk stops in the middle: by chance, or because the power goes."""
        if not self.on:
            return 0  # whoever was at it does not know yet that the power is gone
        if self.torn_area and self.torn_area in ("any", area(offset)):
            self.torn_area = ""
            self.crash(f"in a write to the repository disk ({area(offset)})")
            return self._chance.randrange(size)
        if self.torn_writes and self._chance.random() < self.torn_writes:
            return self._chance.randrange(size)
        return None

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
        self.torn = self.torn_area = ""
        self.started = False
        self._backlog.clear()
        self.clock_offset = self._chance.randrange(1, 3600) * SECOND - self.world.now
        self.trace("power on")
        self.after(int(BOOT_US * (0.2 + 0.3 * self._chance.random())), self._start_system)

    def _start_system(self) -> None:
        self.supervisor = Supervisor(self)
        self.states = self.cluster.parts.states(self)
        self.states.start()
        if self.supervisor is None:
            return  # the power went in its first write to the repository disk
        self.after(200 * MILLISECOND, self.supervisor.request_start, "clcomd")
        self.after(400 * MILLISECOND, self.supervisor.request_start, "clconfd")
        self.after(600 * MILLISECOND, self.supervisor.request_start, "clstrmgrES")
        self.after(SECOND, self._booted)

    def _booted(self) -> None:
        self.started = True
        if self.cluster.members:
            self.member = self.cluster.parts.member(self)
            self.member.start()

    def crash(self, why: str) -> None:
        """Power off, at once."""
        if not self.on:
            return
        self.trace(f"power off: {why}")
        self.on = False
        self.boot_number += 1
        manager = self.process("clstrmgrES")
        if manager is not None:
            self.world.reached[f"node lost while its cluster manager is in {manager.core.state}"] += 1
        subsystems = self.supervisor.processes.values() if self.supervisor is not None else ()
        self.supervisor = None
        for process in (self.states, self.member, *self.commands, *subsystems):
            if process is not None:
                process.running = False
                process.abandon()
        self.commands.clear()
        self.store.installer = None
        self.cluster.lose_reservations(self.number)
        self.states = self.member = None
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
        found = self.supervisor.running(name) if self.supervisor is not None else None
        return found if found is not None else next((p for p in self.commands if p.name == name), None)

    def process_ended(self, process: Process, status: int) -> None:
        """A process ended by itself or was killed."""
        self.trace(f"{process.name} ended with status {status}")
        if process in self.commands:
            self.commands.remove(process)
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

    def give_all(self, group: str) -> None:
        """An operator frees all of a group by hand."""
        for kind in KINDS:
            self.give(group, kind)

    def give(self, group: str, kind: str) -> None:
        """A script gives a resource up."""
        held = self.number in self.cluster.holdings.holders(group)
        self.cluster.holdings.give(group, self.number, kind)
        if held and self.number not in self.cluster.holdings.holders(group):
            self.trace(f"released {group}")
