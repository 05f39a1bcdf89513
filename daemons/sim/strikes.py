"""How faults strike the simulated cluster, and how all of them are mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from daemons.caa import changes
from daemons.caa.messages import DISK_PATH
from daemons.clstrmgr import messages
from daemons.sim.changing import ChangeProcess
from daemons.sim.configuration import changed, resized
from daemons.sim.definition import REPOSITORIES
from daemons.sim.faults import RESIZE, Fault
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess
from daemons.sim.synchronization import SynchronizationProcess
from daemons.sim.world import Weather
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.cluster.configuration import Configuration
    from daemons.sim.cluster import Cluster
    from daemons.sim.node import SimulatedNode
    from daemons.sim.process import Process

CHANGES = ("member-leaves", "repository-replaced", "caa-stopped")
"""Faults that are changes of the CAA cluster."""
SERVICES_US = 40_000_000
"""Patience for cluster services to stop before a node leaves."""
LPAR_NOTICES_US = 2_000_000
"""Within which lpar sees that caa hangs."""


def what(fault: Fault) -> str:
    """What a fault is, in the table of a campaign."""
    particular = fault.word(
        {
            "kill": "what",
            "hang": "what",
            "operator": "asks",
            "crash-in-disk-write": "area",
            "synchronize": "phase",
            RESIZE: "phase",
            **dict.fromkeys(CHANGES, "step"),
        }.get(fault.kind, "")
    )
    return f"{fault.kind} {particular}".rstrip()


class Strikes:
    """Carries faults out.

    Args:
        cluster: to which they happen.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.drawn: Counter[str] = Counter()
        """Faults by what they are."""
        self.struck: Counter[str] = Counter()
        """Those of them that found what they strike: the node was on, the process there."""
        self._serial = 0
        cluster.on_phase = self._phase_reached

    def schedule(self, faults: tuple[Fault, ...]) -> None:
        """Have them happen, each at its time."""
        for fault in faults:
            self.world.at(fault.at, self._strike, fault)

    def mend_all(self) -> None:
        """Everything is repaired; nodes that are off are switched on."""
        self.world.trace("-", "faults end, everything is repaired")
        self.cluster.checker.separated(self.cluster.topology.separated())
        self.cluster.topology.mend_all()
        self.cluster.topology_changed()
        self.world.weather = Weather()
        for node in self.cluster.nodes.values():
            node.scripts_fail = node.jobs_fail = node.releases_fail = node.monitors_fail = 0.0
            node.script_slowness, node.scripts_hang_until = 1.0, 0
            node.step_cost, node.read_only, node.torn = 0, False, ""
            node.torn_writes, node.torn_area = 0.0, ""
            node.out_until = min(node.out_until, self.world.now)
            node.stopped_until = node.kept_down_until = 0
            for name in ("clcomd", "clconfd", "cthags", "clstrmgrES"):
                process = node.process(name)
                if process is not None:
                    process.resume()
            if not node.on:
                node.boot()

    def _strike(self, fault: Fault) -> None:
        about = what(fault)
        self.drawn[about] += 1
        node = self.cluster.nodes.get(fault.number("node"))
        if node is None:
            self.world.trace("-", f"fault: {str(fault).split(' ', 2)[2]}")
            self.struck[about] += 1
            self._strike_cluster(fault)
        else:
            self.struck[about] += self._is_there(fault, node)
            node.trace(f"fault: {str(fault).split(' ', 2)[2]}")
            self._strike_node(fault, node)

    @staticmethod
    def _is_there(fault: Fault, node: SimulatedNode) -> bool:
        if fault.kind in ("synchronize", RESIZE, *CHANGES):
            return False  # counted when it begins, or when the phase is reached
        name = fault.word("what")
        if name in ("", "caa", "srcmstr"):
            return node.live if fault.kind in ("kill", "hang", "operator") else node.on
        return node.live and node.process(name) is not None

    def _strike_cluster(self, fault: Fault) -> None:
        topology = self.cluster.topology
        match fault.kind:
            case "partition":
                halves = [tuple(map(int, half.split(","))) for half in fault.word("halves").split("/")]
                paths = (*topology.networks, *(() if fault.word("disk") == "kept" else (DISK_PATH,)))
                pairs = [(a, b) for one in halves for other in halves if one != other for a in one for b in other]
                topology.cut(name := self._name(), frozenset((a, b, path) for a, b in pairs for path in paths))
                self._mend_later(fault, name)
            case "one-way-cut":
                chosen = {"networks": topology.networks, "all": (*topology.networks, DISK_PATH)}
                paths = chosen.get(fault.word("path"), (fault.word("path"),))
                source, target = fault.number("from"), fault.number("to")
                topology.cut(name := self._name(), frozenset((source, target, path) for path in paths))
                self._mend_later(fault, name)
            case "disk-lost":
                topology.take_disk(name := self._name(), frozenset(self.cluster.numbers), self._disk_of(fault))
                self._mend_later(fault, name)
            case "breaker-lost":
                topology.take_breaker(name := self._name(), frozenset(self.cluster.numbers))
                self._mend_later(fault, name)
            case "weather":
                weather = self.world.weather = Weather(
                    fault.share("loss"),
                    fault.share("duplication"),
                    fault.share("reordering"),
                    fault.time("latency"),
                    fault.time("late"),
                )
                self.world.after(fault.time("for"), self._sunshine, weather)

    def _strike_node(self, fault: Fault, node: SimulatedNode) -> None:
        topology, duration = self.cluster.topology, fault.time("for")
        match fault.kind:
            case "crash":
                node.crash("fault")
                self.world.after(duration, node.boot)
            case "crash-in-broadcast":
                daemon = node.process("cthags")
                if isinstance(daemon, GroupServicesProcess):
                    daemon.sends_left = fault.number("packets")
                    self.world.after(duration, node.boot)
            case "crash-in-store":
                node.torn = fault.word("store")
                self.world.after(duration, node.boot)
            case "kill":
                self._kill(node, fault.word("what"))
            case "hang":
                self._hang(node, fault.word("what"), duration)
            case "pause":
                node.pause(duration)
            case "slow":
                node.step_cost = fault.time("step")
                self.world.after(duration, setattr, node, "step_cost", 0)
            case "torn-sectors":
                node.torn_writes = fault.share("share")
                self.world.after(duration, setattr, node, "torn_writes", 0.0)
            case "crash-in-disk-write":
                node.torn_area = fault.word("area")
                self.world.after(duration, node.boot)
            case "link-down":
                topology.take_interface(name := self._name(), node.number, fault.word("network"))
                self._mend_later(fault, name)
            case "disk-lost":
                topology.take_disk(name := self._name(), frozenset((node.number,)), self._disk_of(fault))
                self._mend_later(fault, name)
            case "breaker-lost":
                topology.take_breaker(name := self._name(), frozenset((node.number,)))
                self._mend_later(fault, name)
            case "read-only":
                node.read_only = True
                self.world.after(duration, setattr, node, "read_only", False)
            case "scripts":
                node.script_slowness = fault.share("slow")
                node.jobs_fail, node.releases_fail = fault.share("acquire"), fault.share("release")
                node.scripts_fail, node.monitors_fail = fault.share("status"), fault.share("monitor")
                self.world.after(duration, self._scripts_work, node)
            case "scripts-hang":
                node.scripts_hang_until = self.world.now + duration
            case "clock-step":
                node.wall_offset += fault.time("by")
            case "operator":
                self._operate(fault, node)
            case "member-leaves" | "repository-replaced" | "caa-stopped":
                self._change(fault, node)
            case "synchronize":
                if (configuration := self._to_edit(node)) is not None:
                    self._synchronize(fault, node, changed(configuration, fault.word("change")))
            case "nodes-changed":
                self._resize(fault, node)

    # Synchronizations.

    @staticmethod
    def _to_edit(node: SimulatedNode) -> Configuration | None:
        """What an administrator can change and synchronize on a node now, None if nothing."""
        manager = node.process("clstrmgrES")
        starting = isinstance(manager, ManagerProcess) and manager.starting
        ready = node.live and node.started and node.process("clmgr") is None and not starting
        return node.store.load() if ready and node.store.has_all_classes else None

    def _synchronize(self, fault: Fault, node: SimulatedNode, configuration: Configuration) -> None:
        node.store.edit(configuration)
        SynchronizationProcess(node, fault).start()
        self.struck[what(fault)] += not fault.word("phase")

    def _resize(self, fault: Fault, node: SimulatedNode) -> None:
        """A node is removed, once its services are stopped, or added."""
        orderer, until = self.cluster.nodes[fault.number("from")], self.world.now + SERVICES_US
        configuration = self._to_edit(orderer)
        if configuration is None or configuration.node(orderer.name) is None:
            return
        removing = configuration.node(node.name) is not None

        def order() -> None:
            found = self._to_edit(orderer)
            if found is None or removing is not (found.node(node.name) is not None):
                return
            wanted = resized(found, node.name, self.cluster.whole)
            if wanted is None:
                orderer.trace(f"verification: a group or a site would have no node without {node.name}")
            else:
                self._synchronize(fault, orderer, wanted)

        if removing:
            node.kept_down_until = until + SERVICES_US // 2
            self._when_stopped(fault, node, until, order)
        else:
            order()

    def _phase_reached(self, fault: Fault, node: SimulatedNode) -> None:
        """A synchronization of ``node`` has come to where its fault waits."""
        victim = self.cluster.nodes.get(fault.number("victim"), node)
        self.struck[what(fault)] += 1
        whom = fault.word("what")
        self.world.trace(victim.name, f"fault: {whom} in phase {fault.word('phase')} of {node.name}'s synchronization")
        if whom == "node":
            victim.crash("fault")
            self.world.after(fault.time("for"), victim.boot)
        else:
            self._kill(victim, whom)

    # Changes of the CAA cluster.

    def _change(self, fault: Fault, node: SimulatedNode) -> None:
        """Have a node leave, its CAA be stopped, or the repository replaced, by a command on a node that is up."""
        orderer = self.cluster.nodes[fault.number("from") or node.number]
        until = self.world.now + SERVICES_US
        match fault.kind:
            case "repository-replaced":
                disk = next((d for d in REPOSITORIES if not self.cluster.open_disk(d, 0).is_repository()), "")
                if disk:
                    self._order(fault, orderer, f"chrepos {disk}", changes.replace(disk))
            case "caa-stopped":
                node.stopped_until = self.world.now + fault.time("for")
                stop = changes.power(False, (node.name,), orderer.name)
                self._when_stopped(
                    fault, node, until, lambda: self._order(fault, orderer, f"clctrl -stop {node.name}", stop)
                )
            case _:
                node.out_until = self.world.now + fault.time("for")
                remove = changes.remove(node.name)
                self._when_stopped(
                    fault, node, until, lambda: self._order(fault, orderer, f"chcluster - {node.name}", remove)
                )

    def _when_stopped(self, fault: Fault, node: SimulatedNode, until: int, order: Callable[[], None]) -> None:
        """An administrator stops cluster services on a node first, or not."""
        manager = node.process("clstrmgrES")
        running = node.live and isinstance(manager, ManagerProcess) and manager.core.services
        if fault.word("services") == "on" or not running or self.world.now >= until:
            order()
            return
        if self.world.now + SERVICES_US == until and isinstance(manager, ManagerProcess):
            manager.ask(messages.StopServices("move"))
        self.world.after(SECOND, self._when_stopped, fault, node, until, order)

    def _order(self, fault: Fault, orderer: SimulatedNode, words: str, change: changes.Change[Any]) -> None:
        states = orderer.states
        if not orderer.live or not orderer.started or states is None or not states.active:
            return
        self.struck[what(fault)] += not fault.word("step")

        def reached(process: ChangeProcess, step: int) -> None:
            if step == fault.number("step"):
                self.struck[what(fault)] += 1
                orderer.trace(f"fault: {fault.word('what')} before step {step} of {words}")
                if fault.word("what") == "node":
                    orderer.crash("fault")
                    self.world.after(fault.time("off"), orderer.boot)
                else:
                    process.end(9)

        ChangeProcess(orderer, words, change, reached).start()

    # Networks and disks.

    def _disk_of(self, fault: Fault) -> str:
        """The disk that a fault is about; without a name the repository."""
        return fault.word("disk") or self.cluster.newest.disk

    def _name(self) -> str:
        self._serial += 1
        return f"fault {self._serial}"

    def _mend_later(self, fault: Fault, name: str) -> None:
        self.cluster.topology_changed()
        self.world.after(fault.time("for"), self._mend, name)

    def _mend(self, name: str) -> None:
        # Who is separated until now is excused from now on for a while.
        self.cluster.checker.separated(self.cluster.topology.separated())
        self.cluster.topology.mend(name)
        self.cluster.topology_changed()

    def _sunshine(self, weather: Weather) -> None:
        if self.world.weather is weather:
            self.world.weather = Weather()

    # Processes.

    def _kill(self, node: SimulatedNode, what: str) -> None:
        if not node.live or node.supervisor is None:
            return
        if what == "srcmstr":
            node.supervisor.kill_srcmstr()
        elif what == "caa":
            node.crash("lpar misses caa")
        elif (process := node.process(what)) is not None:
            if self.world.now // MILLISECOND % 3 == 0:
                node.supervisor.kill_srcmstr()  # while it sees to that end
            process.end(9)

    def _hang(self, node: SimulatedNode, what: str, duration: int) -> None:
        process: Process | None = node.states if what == "caa" else node.process(what)
        if process is None or not node.live:
            return
        process.hang()
        if what == "caa":
            node.after(LPAR_NOTICES_US, node.crash, "lpar sees that caa hangs")
        elif duration:
            node.after(duration, process.resume)

    @staticmethod
    def _scripts_work(node: SimulatedNode) -> None:
        node.jobs_fail = node.releases_fail = node.scripts_fail = node.monitors_fail = 0.0
        node.script_slowness = 1.0

    # Operators.

    @staticmethod
    def _operate(fault: Fault, node: SimulatedNode) -> None:
        process = node.process("clstrmgrES")
        if not isinstance(process, ManagerProcess) or not node.live:
            return
        group, target = fault.word("group"), fault.number("target")
        match fault.word("asks"):
            case "move":
                process.ask(messages.MoveGroup(group, target))
            case "offline":
                process.ask(messages.OfflineGroup(group, 0))
            case "online":
                process.ask(messages.OnlineGroup(group, 0))
            case "stop-move":
                process.ask(messages.StopServices("move"))
            case "stop-offline":
                process.ask(messages.StopServices("offline"))
