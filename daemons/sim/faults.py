"""The faults of a run, drawn from its seed, and the operator who keeps things going."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.clstrmgr import messages
from daemons.sim.configuration import GROUPS
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess
from daemons.sim.world import Weather
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.cluster import Cluster
    from daemons.sim.node import SimulatedNode

SETTLED = ("ST_INIT", "ST_STABLE")
OPERATOR_US = 4 * SECOND
"""How often the operator looks after each node."""

KINDS = (
    "crash",
    "crash",
    "crash in a broadcast",
    "crash in a broadcast",
    "kill clstrmgrES",
    "kill cthags",
    "kill srcmstr",
    "hang clstrmgrES",
    "hang cthags",
    "pause",
    "long pause",
    "partition",
    "weather",
    "scripts",
    "operator",
    "operator",
)


class Faults:
    """Draws what goes wrong.

    Args:
        cluster: to which it happens.
        until: when the last fault begins (microseconds).
    """

    def __init__(self, cluster: Cluster, until: int) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.until = until
        self.count = 0
        self._chance = self.world.stream("faults")
        self._kinds = [kind for kind in sorted(set(KINDS)) if self._chance.random() < 0.7] or ["crash"]
        self._weights = [KINDS.count(kind) for kind in self._kinds]
        self._pace = self._chance.choice((8, 15, 30)) * SECOND

    def begin(self) -> None:
        """Start the sequence of faults."""
        self.world.after(int(self._pace * self._chance.random()), self._next)

    def stop(self) -> None:
        """Everything is repaired; nodes that are off are switched on."""
        self.cluster.heal()
        self.world.weather = Weather()
        self.world.trace("-", "faults end, everything is repaired")
        for node in self.cluster.nodes.values():
            node.scripts_fail = node.jobs_fail = 0.0
            node.script_slowness = 1.0
            for name in ("cthags", "clstrmgrES"):
                process = node.process(name)
                if process is not None:
                    process.resume()
            if not node.on:
                node.boot()

    def _next(self) -> None:
        if self.world.now >= self.until:
            return
        kind = self._chance.choices(self._kinds, self._weights)[0]
        node = self.cluster.nodes[self._chance.choice(self.cluster.numbers)]
        self._strike(kind, node)
        self.world.after(int(self._pace * (0.1 + 1.5 * self._chance.random())), self._next)

    def _strike(self, kind: str, node: SimulatedNode) -> None:
        chance = self._chance
        duration = int(SECOND * (2 + 60 * chance.random()))
        self.count += 1
        match kind:
            case "crash":
                node.crash("fault")
                self.world.after(duration, node.boot)
            case "crash in a broadcast":
                daemon = node.process("cthags")
                if isinstance(daemon, GroupServicesProcess):
                    daemon.sends_left = chance.randrange(1, 12)
                    self.world.after(duration, node.boot)
            case "kill clstrmgrES" | "kill cthags":
                process = node.process(kind.split()[1])
                if process is not None and node.live:
                    node.trace(kind)
                    process.end(9)
            case "kill srcmstr":
                if node.supervisor is not None and node.live:
                    node.supervisor.kill_srcmstr()
            case "hang clstrmgrES" | "hang cthags":
                process = node.process(kind.split()[1])
                if process is not None and node.live:
                    process.hang()
                    if chance.random() < 0.3:
                        node.after(duration, process.resume)
            case "pause":
                node.pause(int(15 * SECOND * chance.random()))
            case "long pause":
                node.pause(int(SECOND * (25 + 60 * chance.random())))
            case "partition":
                self._partition(duration)
            case "weather":
                self._weather(duration)
            case "scripts":
                node.jobs_fail = 0.2 * chance.random()
                node.script_slowness = 1 + 10 * chance.random()
                node.trace("scripts become slow and fail")
                self.world.after(duration, self._scripts_work, node)
            case "operator":
                self._operate(node)

    def _partition(self, duration: int) -> None:
        numbers = list(self.cluster.numbers)
        self._chance.shuffle(numbers)
        middle = self._chance.randrange(1, max(2, len(numbers)))
        one, other = tuple(sorted(numbers[:middle])), tuple(sorted(numbers[middle:]))
        self.world.trace("-", f"partition {one} {other}")
        self.cluster.cut(one, other)
        self.world.after(duration, self._heal)

    def _heal(self) -> None:
        if self.world.cut:
            self.world.trace("-", "the partition heals")
            self.cluster.heal()

    def _weather(self, duration: int) -> None:
        chance = self._chance
        self.world.weather = Weather(
            loss=0.3 * chance.random(),
            duplication=0.2 * chance.random(),
            reordering=0.5 * chance.random(),
            latency_us=int(20 * MILLISECOND * chance.random()) + 100,
            late_us=int(300 * MILLISECOND * chance.random()),
        )
        self.world.trace("-", f"bad weather, loss {self.world.weather.loss:.2f}")
        self.world.after(duration, self._sunshine)

    def _sunshine(self) -> None:
        self.world.weather = Weather()

    @staticmethod
    def _scripts_work(node: SimulatedNode) -> None:
        node.jobs_fail, node.script_slowness = 0.0, 1.0

    def _operate(self, node: SimulatedNode) -> None:
        process = node.process("clstrmgrES")
        if not isinstance(process, ManagerProcess) or not node.live:
            return
        group = self._chance.choice(GROUPS)
        target = self._chance.choice(self.cluster.numbers)
        what = self._chance.choice(
            (
                messages.MoveGroup(group, target),
                messages.OfflineGroup(group, 0),
                messages.OnlineGroup(group, 0),
                messages.StopServices("move"),
                messages.StopServices("offline"),
            )
        )
        node.trace(f"operator: {type(what).__name__} {group} node{target}")
        process.ask(what)


class Operator:
    """Switches nodes on, starts cluster services where they are off, and brings groups back.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._away: dict[int, int] = {}

    def begin(self) -> None:
        """Power on everything."""
        for number, node in self.cluster.nodes.items():
            self.cluster.world.after(200 * MILLISECOND * number, node.boot)
            self.cluster.world.after(4 * SECOND + 100 * MILLISECOND * number, self._look_after, node)

    def _look_after(self, node: SimulatedNode) -> None:
        self.cluster.checker.forgive()
        if not node.on:
            self._away[node.number] = self._away.get(node.number, 0) + 1
            if self._away[node.number] > 4:
                node.boot()
        else:
            self._away[node.number] = 0
            process = node.process("clstrmgrES")
            if isinstance(process, ManagerProcess) and node.live and process.core.configuration is not None:
                self._manage(process)
        self.cluster.world.after(OPERATOR_US, self._look_after, node)

    def _manage(self, process: ManagerProcess) -> None:
        core = process.core
        if core.state == "ST_RP_FAILED":
            process.ask(messages.RecoverFromScriptFailure())
        elif not core.services and core.joining is None and process.connected and core.state in SETTLED:
            process.ask(messages.StartServices())
