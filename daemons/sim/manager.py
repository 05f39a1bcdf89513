"""clstrmgrES's real core on a simulated node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from daemons.clstrmgr import inputs, messages
from daemons.clstrmgr.core import ClusterManager
from daemons.cthags.messages import Died, Init, Initialized, Join, Leave, Notification, Request, request_codec
from daemons.cthags.vigil import Vigil
from daemons.sim.group_services import LOCAL_US, GroupServicesProcess
from daemons.sim.process import Process
from daemons.sim.scripts import Script
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.sim.node import SimulatedNode

PROBE_INTERVAL_US = 10 * SECOND
PROBE_LIMIT_US = 5 * SECOND
MONITOR_US = 30 * MILLISECOND
POLL_US = 2 * SECOND
"""Between looks at the object classes."""
CONNECT_AGAIN_US = 200 * MILLISECOND


class ManagerProcess(Process):
    """clstrmgrES of a node."""

    name: ClassVar[str] = "clstrmgrES"
    core: ClusterManager

    def __init__(self, node: SimulatedNode, make: Callable[[int, str, int], ClusterManager]) -> None:
        self._disk = node.disk.setdefault("clstrmgrES", {})
        super().__init__(node, make(node.number, node.name, self._disk.get("serial", 0)))
        self.scripts: dict[int, Script] = {}
        self._vigil = Vigil(0, 0)
        self._daemon: GroupServicesProcess | None = None
        self._number = 0
        self._state = ""
        self._request = 0
        self.starting = False
        """Cluster services are about to start: the node is being brought in step."""
        self._unread = False
        """The object classes changed while cluster services were active or starting, and do not count yet."""
        self.answers: dict[int, messages.Done] = {}

    @property
    def connected(self) -> bool:
        """Group Services can be reached; without them the shell refuses to start cluster services."""
        return self._daemon is not None

    @property
    def _idle(self) -> bool:
        return not self.core.in_group and self.core.joining is None

    def start(self) -> None:
        """Read the configuration, find Group Services."""
        self.read_configuration()
        self._connect()

    def read_configuration(self) -> None:
        """Read the default object classes; while a start is under way, what of them is synchronized."""
        store = self.node.store
        configuration = store.load()
        self._unread = not self._idle
        if self.core.starting and configuration is not None:
            if not store.generation:
                return
            configuration = self.node.cluster.committed[store.generation]
        self.feed(inputs.Configured(configuration, self.node.cluster.programs))

    def start_services(self) -> None:
        """Start cluster services: the node is brought in step first, with the repository disk if that can be read."""
        from daemons.sim import works

        if self.starting:
            return
        self.starting = True
        self.drive(works.carried_out(works.bring_in_step(self.node)), self._in_step)

    def _in_step(self, status: int, complaint: str) -> None:
        self.starting = False
        if complaint:
            self.node.trace(f"the configuration may be an old one: {complaint}")
            if self.node.store.half_installed:
                return
        if not self.connected:
            return  # Group Services have gone meanwhile
        self.ask(messages.StartServices())

    def reconfigure(self, asked: list[int], generation: int) -> None:
        """Have the staged configuration become the active one; the request's number goes into ``asked``."""
        if not self.core.in_group:
            self.read_configuration()
            asked.append(self._request + 1)
            self._request += 1
            self.answers[self._request] = messages.Done()
            return
        self._read_staged()
        asked.append(self.ask(messages.Reconfigure(generation)))

    def _read_staged(self) -> None:
        self.feed(inputs.Staged(self.node.store.staged, {}))

    def ask(self, what: inputs.OperatorRequest) -> int:
        """An operator's request."""
        if isinstance(what, messages.StartServices) and not self.core.in_group and self.core.joining is None:
            self.read_configuration()
        self._request += 1
        self.feed(inputs.Asked(self._request, what))
        return self._request

    def feed(self, value: object) -> None:
        super().feed(value)
        state = self.core.state
        if self.running and state != self._state:
            self._state = state
            self.node.trace(f"clstrmgrES {state}")
        if self._unread and self.running and self._idle:
            # Nobody tells it again: it follows the object classes while services are down.
            self._unread = False
            self.later(POLL_US, self.read_configuration)

    def end(self, status: int) -> None:
        daemon, number = self._daemon, self._number
        super().end(status)
        if daemon is not None:
            daemon.later(LOCAL_US, daemon.disconnected, number)

    # Group Services.

    def _connect(self) -> None:
        daemon = self.node.process("cthags")
        if not isinstance(daemon, GroupServicesProcess):
            self.later(CONNECT_AGAIN_US, self._connect)
            return
        self._daemon = daemon
        self._number = daemon.connect(self)
        self._vigil = Vigil(PROBE_INTERVAL_US, PROBE_LIMIT_US)
        self._send(Init("clstrmgr", self.pid, PROBE_INTERVAL_US, PROBE_LIMIT_US, True))
        self.later(self._vigil.tick_us, self._watch, daemon, self._number)

    def _watch(self, daemon: GroupServicesProcess, number: int) -> None:
        if self._daemon is not daemon or self._number != number:
            return
        if self._vigil.tick():
            daemon.later(LOCAL_US, daemon.disconnected, number)
            self.notified(Died("Group Services hang"))
            return
        self.later(self._vigil.tick_us, self._watch, daemon, number)

    def notified(self, notification: Notification) -> None:
        """What Group Services say."""
        self._vigil.heard()
        if isinstance(notification, Died):
            self._daemon = None
            self.feed(inputs.GroupServicesLost(notification.reason))
            self.later(CONNECT_AGAIN_US, self._connect)
        elif not isinstance(notification, Initialized):
            self.feed(inputs.Notified(notification))

    def _send(self, request: Request) -> None:
        daemon = self._daemon
        if daemon is not None:
            daemon.later(LOCAL_US, daemon.request, self._number, request_codec.encode(request))

    def _monitored(self, run: int) -> None:
        """A monitor method ends; now and then the application has failed."""
        if self.running:
            failed = self.node.monitors_fail > 0 and self.node.script_chance.random() < self.node.monitors_fail
            self.feed(inputs.MonitorEnded(run, 1 if failed else 0))

    # Effects.

    def execute(self, effect: Any) -> None:
        match effect:
            case inputs.Publish() | inputs.Preamble() | inputs.Log() | inputs.Subsystems() | inputs.Reconfigured():
                pass
            case inputs.MonitorRecord():
                pass
            case inputs.ReconfigurationEnded():
                self.node.store.release()
            case inputs.ReadStaged():
                self._read_staged()
            case inputs.Send(request):
                if isinstance(request, Join):
                    self.node.cluster.checker.joins(self.node, self.core.configuration)
                elif isinstance(request, Leave):
                    self.node.cluster.checker.leaves(self.node)
                self._send(request)
            case inputs.RunMonitor(run):
                self.node.after(MONITOR_US, self._monitored, run)
            case inputs.RunScript(run):
                if self.core.cluster is not None:
                    self.node.cluster.checker.acts(self.node, self.core.cluster.configuration)
                self.scripts[run] = Script(self, effect)
            case inputs.AnswerJob(run, assignments):
                script = self.scripts.get(run)
                if script is not None:
                    script.answer(assignments)
            case inputs.EventMark(serial, name, about, _, phase):
                self.node.trace(f"event {serial} {name} node{about} {phase}")
            case inputs.Store(serial):
                self._disk["serial"] = serial
            case inputs.Answer(request, what):
                if isinstance(what, messages.Done):
                    self.answers[request] = what
                    self.node.trace(f"request {request}: {what.error or 'done'}")
            case inputs.Exit(status, reason):
                self.node.trace(f"clstrmgrES exits: {reason}")
                self.end(status << 8)
