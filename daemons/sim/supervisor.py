"""srcmstr's real core on a simulated node, and as much of lpar as it needs: a table of processes.

A srcmstr that is to be killed dies in the middle of its next step, after so many of its effects: what it has done by
then is done, and its successor begins with lpar's table and the memory file.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from srcctl.machine import MILLISECOND, SECOND
from srcctl.src import packets
from srcctl.srcmstr.definitions import ONCE, RESPAWN, SOCKETS, Catalogue, Definition
from srcctl.srcmstr.exchange import (
    Acknowledge,
    Asked,
    CatalogueRead,
    Effect,
    Forward,
    Instance,
    LogError,
    ProcessEnded,
    ProcessStarted,
    Remember,
    Restored,
    Result,
    RunNotify,
    SignalProcess,
    StartProcess,
    State,
)

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode
    from daemons.sim.process import Process

CATALOGUE = Catalogue(
    definitions=(
        Definition("clcomd", "/usr/sbin/clcomd", action=RESPAWN, contact=SOCKETS, grpname="caa"),
        Definition("clconfd", "/usr/sbin/clconfd", action=RESPAWN, contact=SOCKETS, grpname="caa"),
        Definition("cthags", "/usr/sbin/rsct/bin/hagsd", action=RESPAWN, contact=SOCKETS, grpname="cthags"),
        Definition("clstrmgrES", "/usr/es/sbin/cluster/clstrmgr", action=ONCE, contact=SOCKETS, grpname="cluster"),
    ),
    notify=(("clstrmgrES", "/usr/es/sbin/cluster/utilities/clexit.rc"),),
)

FORK_US = 6 * MILLISECOND
EFFECTS_MAX = 5
"""After fewer effects of its next step than this a killed srcmstr dies."""
STEP_PATIENCE_US = 20 * SECOND
"""How long it may live if it has nothing to do."""
FAILURE_US = SECOND
"""How long after the end of a subsystem at most SRC has reacted."""
SRCMSTR_RESPAWN_US = 10 * MILLISECOND


class Supervisor:
    """srcmstr and the part of lpar behind it.

    Args:
        node: the node.
    """

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node
        self.core = node.cluster.parts.controller()
        self.processes: dict[int, Process] = {}
        self._coming: set[int] = set()
        """Instances whose fork is under way."""
        self._table: dict[int, Instance] = {}
        """What lpar keeps of each process, and of each end that was not acknowledged."""
        self._unacknowledged: dict[int, int] = {}
        self._reactions: dict[str, int] = {}
        """How often each subsystem was started, or given up after too many restarts."""
        self._effects_left: int | None = None
        self._memory: tuple[Instance, ...] = ()
        self._results: tuple[Result, ...] = ()
        self._next_number = 1
        self._running = True
        self._serial = 0
        self.feed(CatalogueRead(CATALOGUE))
        self.feed(Restored(()))

    def running(self, name: str) -> Process | None:
        """The process of a subsystem."""
        for process in self.processes.values():
            if process.name == name:
                return process
        return None

    def request_start(self, name: str) -> None:
        """``startsrc -s NAME``, through the real packets."""
        self._serial += 1
        request = packets.Request(packets.START, name, retaddr=f"operator.{self._serial}")
        self.feed(Asked(packets.decode_request(packets.encode_request(request))))

    def request_stop(self, name: str) -> None:
        """``stopsrc -s NAME``."""
        self._serial += 1
        request = packets.Request(packets.STOP, name, retaddr=f"operator.{self._serial}")
        self.feed(Asked(packets.decode_request(packets.encode_request(request))))

    def kill_srcmstr(self) -> None:
        """srcmstr is killed; lpar starts it again and tells it what it missed."""
        if self._running and self._effects_left is None:
            self._effects_left = self.node.world.now // MILLISECOND % EFFECTS_MAX
            self.node.after(STEP_PATIENCE_US, self._die, self._effects_left)

    def _die(self, effects_left: int | None = None) -> None:
        if not self._running or self._effects_left is None or effects_left not in (None, self._effects_left):
            return
        self._running, self._effects_left = False, None
        self.node.trace("srcmstr killed")
        self.node.after(SRCMSTR_RESPAWN_US, self._respawn)

    def ended(self, process: Process, status: int) -> None:
        """A process of the node ended."""
        number = next((number for number, entry in self.processes.items() if entry is process), None)
        if number is None:
            return
        del self.processes[number]
        self._unacknowledged[number] = status
        instance = self.core.instances.get(number)
        stopped = instance is not None and instance.state in (State.STOPPING, State.WARNED)
        if status and not stopped:
            self.node.after(FAILURE_US, self._check_reaction, process.name, self._reactions[process.name])
        self.feed(ProcessEnded(number, status))

    def _check_reaction(self, name: str, before: int) -> None:
        reacted = self._reactions[name] > before or self.node.halting
        if not reacted and self.node.slowed:
            self.node.after(FAILURE_US, self._check_reaction, name, before)
            return
        self.node.cluster.checker.subsystem_failed(self.node, name, reacted)

    def feed(self, value: object) -> None:
        """One step of srcmstr's core."""
        if not self._running:
            return
        self.node.world.steps += 1
        for effect in self.core.step(self.node.now, value):  # type: ignore[arg-type]
            if self._effects_left == 0:
                break
            if self._effects_left is not None:
                self._effects_left -= 1
            self._execute(effect)
        if self._effects_left is not None:
            self._die()
            return
        known, coming = set(self.core.instances), self._coming | set(self._unacknowledged)
        self.node.cluster.checker.supervised(self.node, known, set(self.processes), coming)

    def _respawn(self) -> None:
        self._running = True
        self.core = self.node.cluster.parts.controller()
        # lpar's table is what a successor begins with: pids are true, and a fork that was under way has happened.
        states = {i.number: i.state for i in self._memory}
        kept = []
        for number, instance in sorted(self._table.items()):
            pid = self.processes[number].pid if number in self.processes else instance.pid
            state = states.get(number, State.ACTIVE)
            kept.append(instance._replace(pid=pid, state=State.ACTIVE if state is State.STARTING else state))
        ended = tuple(sorted(self._unacknowledged.items()))
        self.core.step(self.node.now, CatalogueRead(CATALOGUE))
        self.feed(Restored(tuple(kept), ended, self._results, self._next_number))

    def _execute(self, effect: Effect) -> None:
        match effect:
            case StartProcess(instance):
                self._coming.add(instance.number)
                self.node.after(FORK_US, self._start, instance)
            case Remember(instances, results, next_number):
                self._memory, self._results, self._next_number = instances, results, next_number
            case Acknowledge(number):
                if self._unacknowledged.pop(number, None) is not None:
                    self._table.pop(number, None)
            case SignalProcess(number, which, _):
                process = self.processes.get(number)
                if process is not None and which in (signal.SIGKILL, signal.SIGTERM):
                    process.end(int(which))
            case LogError("SRC_TRYX", subsystem, _, _):
                self._reactions[subsystem] += 1
            case RunNotify(method, subsystem, _):
                self.node.halt(f"{method.rsplit('/', 1)[-1]} after {subsystem}")
            case Forward(number, request):
                process = self.processes.get(number)
                if process is not None and request.action == packets.STOP:
                    process.later(MILLISECOND, process.end, 0)
            case _:
                pass

    def _start(self, instance: Instance) -> None:
        name = instance.definition.subsysname
        process = self.node.cluster.parts.process(self.node, name)
        self.node.cluster.checker.subsystem_started(self.node, name, [p.name for p in self.processes.values()])
        self._coming.discard(instance.number)
        self.processes[instance.number] = process
        self._table[instance.number] = instance._replace(pid=process.pid)
        self._reactions[name] = self._reactions.get(name, 0) + 1
        self.feed(ProcessStarted(instance.number, process.pid))
        process.start()
