"""srcmstr's real core on a simulated node, and as much of lpar as it needs: a table of processes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from srcctl.machine import MILLISECOND
from srcctl.src import packets
from srcctl.srcmstr.core import SystemResourceController
from srcctl.srcmstr.definitions import ONCE, RESPAWN, SOCKETS, Catalogue, Definition
from srcctl.srcmstr.exchange import (
    Acknowledge,
    Asked,
    CatalogueRead,
    Effect,
    Forward,
    Instance,
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
SRCMSTR_RESPAWN_US = 10 * MILLISECOND


class Supervisor:
    """srcmstr and the part of lpar behind it.

    Args:
        node: the node.
    """

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node
        self.core = SystemResourceController()
        self.processes: dict[int, Process] = {}
        self._unacknowledged: dict[int, int] = {}
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

    def kill_srcmstr(self) -> None:
        """srcmstr is killed; lpar starts it again and tells it what it missed."""
        if not self._running:
            return
        self._running = False
        self.node.trace("srcmstr killed")
        self.node.after(SRCMSTR_RESPAWN_US, self._respawn)

    def ended(self, process: Process, status: int) -> None:
        """A process of the node ended."""
        number = next((number for number, entry in self.processes.items() if entry is process), None)
        if number is None:
            return
        del self.processes[number]
        self._unacknowledged[number] = status
        self.feed(ProcessEnded(number, status))

    def feed(self, value: object) -> None:
        """One step of srcmstr's core."""
        if not self._running:
            return
        self.node.world.steps += 1
        for effect in self.core.step(self.node.now, value):  # type: ignore[arg-type]
            self._execute(effect)

    def _respawn(self) -> None:
        self._running = True
        self.core = SystemResourceController()
        # lpar's table is what a successor begins with: pids are true, and a fork that was under way has happened.
        known = [
            replace(i, pid=self.processes[i.number].pid) if i.number in self.processes else i for i in self._memory
        ]
        known = [replace(i, state=State.ACTIVE) if i.state is State.STARTING else i for i in known]
        ended, self._unacknowledged = tuple(sorted(self._unacknowledged.items())), {}
        gone = {number for number, _ in ended}
        self.feed(CatalogueRead(CATALOGUE))
        kept = tuple(i for i in known if i.number in self.processes or i.number in gone)
        self.feed(Restored(kept, ended, self._results, self._next_number))

    def _execute(self, effect: Effect) -> None:
        match effect:
            case StartProcess(instance):
                self.node.after(FORK_US, self._start, instance)
            case Remember(instances, results, next_number):
                self._memory, self._results, self._next_number = instances, results, next_number
            case Acknowledge(number):
                self._unacknowledged.pop(number, None)
            case SignalProcess(number, which, _):
                process = self.processes.get(number)
                if process is not None and which in (signal.SIGKILL, signal.SIGTERM):
                    process.end(int(which))
            case RunNotify(method, subsystem, _):
                self.node.halt(f"{method.rsplit('/', 1)[-1]} after {subsystem}")
            case Forward():
                pass
            case _:
                pass

    def _start(self, instance: Instance) -> None:
        process = self.node.cluster.parts.process(self.node, instance.definition.subsysname)
        self.processes[instance.number] = process
        self.feed(ProcessStarted(instance.number, process.pid))
        process.start()
