"""N cluster manager cores around a simple Group Services in virtual time."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

from daemons.clstrmgr import messages
from daemons.clstrmgr.activity import Settings
from daemons.clstrmgr.core import ClusterManager
from daemons.clstrmgr.inputs import (
    Answer,
    AnswerJob,
    Asked,
    Configured,
    EventMark,
    Exit,
    JobWanted,
    Log,
    MonitorEnded,
    MonitorRecord,
    Notified,
    Preamble,
    ProcessesCounted,
    ReadStaged,
    ReconfigurationEnded,
    ResourceUpdated,
    RunMethod,
    RunMonitor,
    RunScript,
    ScriptEnded,
    Send,
    SignalMonitor,
    Staged,
    UnwatchProcesses,
    WatchProcesses,
)
from daemons.clstrmgr.jobs import NONE
from daemons.clstrmgr.recovery_program import Program
from daemons.clstrmgr.recovery_program import parse as parse_program
from daemons.clstrmgr.rules import parse as parse_rules
from daemons.cluster.configuration import (
    ApplicationController,
    ApplicationMonitor,
    Cluster,
    Configuration,
    Label,
    Network,
    Node,
    ResourceGroup,
)
from daemons.cluster.configuration.policies import FallbackTimer, GroupDependency, LocationDependency
from daemons.cthags import messages as cthags
from srcctl.machine import TICK
from tests.clstrmgr.group_services import FakeGroupServices

ETC = Path(__file__).parents[2] / "etc"


def programs() -> dict[str, Program]:
    """The shipped recovery programs."""
    rules = parse_rules((ETC / "usr/es/sbin/cluster/events/rules.hacmprd").read_text())
    return {
        name: parse_program(rule.program, (ETC / rule.program.lstrip("/")).read_text()) for name, rule in rules.items()
    }


def group(name: str, nodes: str, policies: str = "OHN FNPN FBHPN", label: str = "svc1") -> ResourceGroup:
    """A resource group with everything in it."""
    startup, fallover, fallback = policies.split()
    return ResourceGroup(
        name=name,
        nodes=tuple(nodes.split()),
        startup=startup,
        fallover=fallover,
        fallback=fallback,
        resources=(
            ("SERVICE_LABEL", label),
            ("VOLUME_GROUP", f"{name}vg"),
            ("FILESYSTEM", f"/{name}"),
            ("APPLICATIONS", f"{name}_app"),
        ),
    )


def monitor(name: str, application: str, **attributes: str) -> ApplicationMonitor:
    """An application monitor: a custom one unless it is said otherwise."""
    values = {
        "MONITOR_TYPE": "user",
        "RESOURCE_TO_MONITOR": application,
        "MONITOR_METHOD": "/usr/local/check",
        "MONITOR_INTERVAL": "30",
        "STABILIZATION_INTERVAL": "20",
        **attributes,
    }
    return ApplicationMonitor(name=name, attributes=tuple(values.items()))


def configuration(
    nodes: int,
    *groups: ResourceGroup,
    settling_time: int = 0,
    monitors: tuple[ApplicationMonitor, ...] = (),
    dependencies: tuple[GroupDependency, ...] = (),
    location_dependencies: tuple[LocationDependency, ...] = (),
    timers: tuple[FallbackTimer, ...] = (),
) -> Configuration:
    """A cluster of ``nodes`` nodes on one network."""
    names = [f"node{number}" for number in range(1, nodes + 1)]
    return Configuration(
        cluster=Cluster(id=1108531106, name="sample", settling_time=settling_time),
        nodes=tuple(Node(name=name, id=number) for number, name in enumerate(names, start=1)),
        networks=(Network(name="net_ether_01", id=1),),
        labels=tuple(
            Label(
                label=name,
                function="boot",
                address=f"127.0.0.{number}",
                network="net_ether_01",
                node=name,
                interface="en0",
            )
            for number, name in enumerate(names, start=1)
        )
        + tuple(
            Label(label=label, function="service", address=f"127.0.0.{33 + number}", network="net_ether_01")
            for number, label in enumerate(sorted({entry.resource("SERVICE_LABEL")[0] for entry in groups}))
        ),
        groups=tuple(groups),
        controllers=tuple(
            ApplicationController(name=f"{entry.name}_app", start="/usr/local/start", stop="/usr/local/stop")
            for entry in groups
        ),
        monitors=monitors,
        dependencies=dependencies,
        location_dependencies=location_dependencies,
        timers=timers,
    )


class Ring:
    """The harness. Everything happens in the order of one queue; ``settle`` runs it dry, moving time as needed."""

    def __init__(self, configured: Configuration, settings: Settings | None = None, seed: int = 0) -> None:
        self.configured = configured
        self.now = 0
        self.recorded: list[str] = []
        """What clavan.log says of monitors."""
        self.random = random.Random(seed)
        self.nodes: dict[int, ClusterManager] = {}
        self.services = FakeGroupServices(self._notify)
        self.trace: list[str] = []
        self.logs: list[str] = []
        self.answers: dict[tuple[int, int], list[messages.Progress | messages.Done]] = {}
        self.script_hook: Callable[[int, RunScript], int | None] = lambda node, script: 0
        self.job_hook: Callable[[int, str], str] = lambda node, job: ""
        self.monitor_hook: Callable[[int, RunMonitor], int | None] = lambda node, method: 0
        self.asked: list[tuple[int, str]] = []
        """Monitor methods that were run, by node and monitor."""
        self.methods: list[str] = []
        """Notify methods, and what was done to monitor methods that hang."""
        self.watches: dict[tuple[int, int], WatchProcesses] = {}
        self.exits: dict[int, Exit] = {}
        self.marks: list[tuple[int, str, str]] = []
        """Engine events on a node: its number, the event and its phase."""
        self.preambles: list[tuple[int, tuple[str, ...]]] = []
        self.void: list[tuple[int, str]] = []
        """Events for which there was nothing left to do, when they were over."""
        self.holding: dict[int, int] = {}
        self._queue: deque[Callable[[], object]] = deque()
        self._requests = 0
        self._settings = settings
        self.jobs: list[tuple[int, str]] = []
        self.staged: dict[int, Configuration] = {}
        self.staged_programs: dict[str, Program] = {}
        for number in range(1, len(configured.nodes) + 1):
            self.boot(number)

    # Faults and operators.

    def boot(self, number: int) -> None:
        """Power a node on: its cluster manager is in ST_INIT."""
        machine = ClusterManager(number, f"node{number}", self._settings)
        self.nodes[number] = machine
        self.holding[number] = 0
        self.services.connect(number, machine)
        self.services.host(number, True)
        self.feed(number, Configured(self.configured, programs()))

    def ask(self, number: int, what: object) -> int:
        """An operator's request on a node; returns its number."""
        self._requests += 1
        request = self._requests
        self.answers[number, request] = []
        self._queue.append(lambda: self.feed(number, Asked(request, what)))  # type: ignore[arg-type]
        return request

    def start(self, *numbers: int, manage: str = "auto") -> None:
        """Start cluster services, one node after the other."""
        for number in numbers:
            request = self.ask(number, messages.StartServices(manage=manage))  # type: ignore[arg-type]
            self.settle()
            assert self.result(number, request).error == "", self.result(number, request)

    def request(self, number: int, what: object) -> messages.Done:
        """Ask and wait."""
        request = self.ask(number, what)
        self.settle()
        return self.result(number, request)

    def result(self, number: int, request: int) -> messages.Done:
        """The end of a request."""
        last = self.answers[number, request][-1]
        assert isinstance(last, messages.Done), (last, self.nodes[number].describe())
        return last

    def kill_manager(self, number: int) -> None:
        """The cluster manager's process dies; the node is still in the view."""
        machine = self.nodes.pop(number)
        machine.exited = True
        self.services.fail(number, "provider_failure")

    def crash(self, number: int) -> None:
        """The node is gone, and out of the view."""
        self.nodes.pop(number, None)
        self.services.host(number, False)
        self.services.fail(number, "host_failure")

    # The machine room.

    def feed(self, number: int, value: object) -> None:
        """One input into one core, its effects carried out."""
        machine = self.nodes.get(number)
        if machine is None:
            return
        for effect in machine.step(self.now, value):  # type: ignore[arg-type]
            match effect:
                case Send(request):
                    self._queue.append(
                        lambda request=request, number=number, machine=machine: self.services.request(
                            number, machine, request
                        )
                    )
                case RunScript():
                    self._queue.append(lambda effect=effect, number=number: self._script(number, effect))
                case Answer(request, what):
                    self.answers.setdefault((number, request), []).append(what)
                case AnswerJob(run, assignments):
                    self._job(number, run, assignments)
                case RunMonitor(run, monitor):
                    self.asked.append((number, monitor))
                    status = self.monitor_hook(number, effect)
                    if status is not None:
                        self._queue.append(
                            lambda number=number, run=run, status=status: self.feed(number, MonitorEnded(run, status))
                        )
                case SignalMonitor(run, signal):
                    self.methods.append(f"[{number}] signal {signal}")
                    self._queue.append(lambda number=number, run=run: self.feed(number, MonitorEnded(run, 137)))
                case RunMethod(command, arguments):
                    self.methods.append(f"[{number}] {' '.join((command, *arguments))}")
                case WatchProcesses(run):
                    self.watches[number, run] = effect
                case UnwatchProcesses(run):
                    self.watches.pop((number, run), None)
                case Log(text):
                    self.logs.append(f"{self.now} node{number} {text}")
                case ReadStaged():
                    self._queue.appendleft(
                        lambda number=number: self.feed(number, Staged(self.staged.get(number), self.staged_programs))
                    )
                case ReconfigurationEnded():
                    self.staged.pop(number, None)
                case MonitorRecord(word, monitor):
                    self.recorded.append(f"[{number}] {word}:{monitor}")
                case EventMark(_, name, _, _, phase, void):
                    self.marks.append((number, name, phase))
                    if void:
                        self.void.append((number, name))
                case Preamble(sentences):
                    self.preambles.append((number, sentences))
                case Exit():
                    self.exits[number] = effect
                case _:
                    pass

    def settle(self, limit: int = 20_000) -> None:
        """Run until nothing is due any more within ten seconds of virtual time."""
        for _ in range(limit):
            if self._queue:
                self._queue.popleft()()
                continue
            deadlines = [time for machine in self.nodes.values() if (time := machine.next_deadline()) is not None]
            soon = [time for time in deadlines if time <= self.now + 10_000_000]
            if not soon:
                return
            self.now = max(self.now + 1, min(soon))
            for number in list(self.nodes):
                deadline = self.nodes[number].next_deadline()
                if deadline is not None and deadline <= self.now:
                    self.feed(number, TICK)
        raise AssertionError(("the ring does not settle", self.logs[-20:]))

    def pass_time(self, seconds: float) -> None:
        """Let that much time pass; whatever becomes due in it happens."""
        end = self.now + int(seconds * 1_000_000)
        while True:
            while self._queue:
                self._queue.popleft()()
            deadlines = [time for machine in self.nodes.values() if (time := machine.next_deadline()) is not None]
            if not deadlines or min(deadlines) > end:
                break
            self.now = max(self.now + 1, min(deadlines))
            for number in list(self.nodes):
                deadline = self.nodes[number].next_deadline()
                if deadline is not None and deadline <= self.now:
                    self.feed(number, TICK)
        self.now = end

    def end_processes(self, number: int, left: int = 0) -> None:
        """Processes that a monitor of a node watches end."""
        for node, run in [key for key in self.watches if key[0] == number]:
            self.feed(node, ProcessesCounted(run, left))

    def _notify(self, client: object, notification: cthags.Notification) -> None:
        assert isinstance(client, ClusterManager)

        def deliver() -> None:
            if self.nodes.get(client.node_id) is client:
                self.feed(client.node_id, Notified(notification))

        self._queue.append(deliver)

    def states(self, name: str) -> dict[int, str]:
        """A group's states, which all members agree on."""
        pictures = [
            {node: state.groups[name].state(node) for node in state.nodes}
            for machine in self.nodes.values()
            if (state := machine.cluster) is not None
        ]
        assert all(picture == pictures[0] for picture in pictures)
        return pictures[0] if pictures else {}

    def _script(self, number: int, script: RunScript) -> None:
        if number not in self.nodes:
            return
        self.trace.append(f"[{number}] {' '.join((script.command, *script.arguments))}")
        if script.serial:
            assert self.holding.get(number, 0) == 0, "event scripts of one node overlap"
            self.holding[number] = script.run
        status = self.script_hook(number, script)
        if status is None:
            return
        self.end_script(number, script, status)

    def end_script(self, number: int, script: RunScript, status: int = 0) -> None:
        """The script works off its jobs and ends."""
        if script.serial:
            self._jobs_left = True
            while self._jobs_left and number in self.nodes:
                self.feed(number, JobWanted(script.run))
            self.holding[number] = 0
        self.feed(number, ScriptEnded(script.run, status))

    def _job(self, number: int, run: int, assignments: str) -> None:
        if assignments == NONE:
            self._jobs_left = False
            return
        self.jobs.append((number, assignments))
        kind = assignments.split()[0].removeprefix("JOB_TYPE=")
        self.trace.append(f"[{number}]   {kind}")
        failed = self.job_hook(number, assignments)
        if failed:
            self.feed(number, ResourceUpdated(run, "resource_error", "All_resources", failed))
