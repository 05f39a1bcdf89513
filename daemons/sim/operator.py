"""The operator of the simulated cluster: switches nodes on, starts what is down, frees what scripts left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.caa import changes
from daemons.clstrmgr import messages
from daemons.sim import works
from daemons.sim.changing import COMMAND as CHANGE
from daemons.sim.changing import ChangeProcess
from daemons.sim.definition import member
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess
from daemons.sim.policies import DISABLE
from daemons.sim.scenario import MANUAL
from daemons.sim.synchronization import SynchronizationProcess
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.cluster import Cluster
    from daemons.sim.node import SimulatedNode

SETTLED = ("ST_INIT", "ST_STABLE")
LOOK_US = 4 * SECOND
"""How often the operator looks after each node."""
PATIENCE_LOOKS = 4
"""Looks after which a node that is off is switched on."""


class Operator:
    """Looks after every node, one after the other.

    Args:
        cluster: the cluster.
        patient: leaves nodes that have gone off as they are.
    """

    def __init__(self, cluster: Cluster, patient: bool = False) -> None:
        self.cluster = cluster
        self._patient = patient
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
            if self._away[node.number] > PATIENCE_LOOKS and not self._patient:
                node.boot()
        else:
            self._away[node.number] = 0
            if node.live and node.started and not node.read_only:
                self._look_after_membership(node)
            if node.live and node.supervisor is not None:
                self._decide(node)
            if node.live and node.supervisor is not None:  # what was decided may have ended it
                self._start_missing(node)
        self.cluster.world.after(LOOK_US, self._look_after, node)

    def _look_after_membership(self, node: SimulatedNode) -> None:
        """A node that was taken out comes in again, CAA that was stopped or could not join is started."""
        states, now = node.states, self.cluster.world.now
        definition, disk = self.cluster.newest.definition, self.cluster.newest.disk
        if states is None or states.hung or states.turning or node.process(CHANGE) is not None:
            return
        named = self.cluster.has(node)
        if named and definition.node(node.name) is None:
            if node.out_until and now >= node.out_until:
                self._take_in(node)
        elif states.active or not (named or node.device.member):
            return
        elif node.device.stopped and node.device.member:
            if now >= node.stopped_until:
                change = changes.power(True, (node.name,), node.name)
                ChangeProcess(node, f"clctrl -start {node.name}", change).start()
        else:
            # What a command that was killed has left, or a repository that could not be read at boot.
            name = "" if node.device.member else disk
            work = works.carried_out(works.caa(node, changes.JOIN, name))
            states.drive(work, lambda status, complaint: None)

    def _take_in(self, node: SimulatedNode) -> None:
        networks = self.cluster.topology.networks
        for other in self.cluster.nodes.values():
            states = other.states
            usable = other.live and other.started and states is not None and states.repository.usable
            if not usable or states is None or states.repository.definition != self.cluster.newest.definition:
                continue
            if other.process(CHANGE) is None:
                add = changes.add(node.name, states.repository.name, lambda number: member(number, networks))
                ChangeProcess(other, f"chcluster + {node.name}", add).start()
            return

    def _decide(self, node: SimulatedNode) -> None:
        """Under split policy manual the side of the lowest node that is on goes on, once all others are off."""
        members = self.cluster.newest.definition
        nodes = [other for other in self.cluster.nodes.values() if members.node(other.name) is not None]
        states, daemon = node.states, node.process("cthags")
        if states is not None and states.asked is not None:
            side = states.asked
            if min(other.number for other in nodes if other.on) not in side:
                states.decide(False)
            elif not any(other.on for other in nodes if other.number not in side):
                states.decide(True)
        elif isinstance(daemon, GroupServicesProcess) and daemon.asked and self._is_later(daemon):
            daemon.decide(False)

    @staticmethod
    def _is_later(daemon: GroupServicesProcess) -> bool:
        own = daemon.core.status().members
        return bool(own) and min(daemon.asked) < min(own)

    def _may_start(self, node: SimulatedNode) -> bool:
        """Nothing but the operator keeps a node that boots during a split from acting, under policy manual and where
        only a quarantine policy protects a group: a look at lscluster and at lsrpnode, as parts that hear each other
        are not one domain at once."""
        if self.cluster.world.now < node.kept_down_until:
            return False
        protected = self.cluster.split == MANUAL or self.cluster.quarantine != DISABLE
        if not protected or node.states is None:
            return True
        daemon = node.process("cthags")
        domain = daemon.core.status().members if isinstance(daemon, GroupServicesProcess) else ()
        return all(
            other.number in node.states.core.alive and (other.number in domain or other.process("cthags") is None)
            for other in self.cluster.nodes.values()
            if other.on and (other.states is None or other.states.active)
        )

    def _start_missing(self, node: SimulatedNode) -> None:
        assert node.supervisor is not None
        for name in ("clcomd", "clconfd", "cthags", "clstrmgrES"):
            admitted = name != "cthags" or (node.states is not None and node.states.arbiter.acting)
            if node.process(name) is None and node.started and not node.read_only and admitted:
                # SRC has given it up.
                node.supervisor.request_start(name)
                return
        process = node.process("clstrmgrES")
        if isinstance(process, ManagerProcess) and process.core.configuration is not None:
            self._manage(node, process)

    def _manage(self, node: SimulatedNode, process: ManagerProcess) -> None:
        core = process.core
        # A node starts on what was synchronized; verification names what is not.
        editing = node.process("clmgr") is not None
        self._repair(node, process)
        self._synchronize(node, process)
        if core.services and core.state == "ST_STABLE" and not self.cluster.has(node):
            # It was started while a synchronization that was killed took it out.
            process.ask(messages.StopServices("move"))
            return
        if core.state == "ST_RP_FAILED":
            process.ask(messages.RecoverFromScriptFailure())
        elif (
            not core.services
            and core.joining is None
            and process.connected
            and core.state in SETTLED
            and not editing
            and self._may_start(node)
        ):
            process.start_services()

    def _synchronize(self, node: SimulatedNode, process: ManagerProcess) -> None:
        """What a synchronization that failed has left behind is taken up again, or taken back."""
        store = node.store
        if node.process("clmgr") is not None or store.installer is not None:
            return
        installed = self.cluster.committed.get(store.generation)
        if installed is not None and store.load() != installed:
            # Verification at the start of cluster services would name it.
            node.trace("operator takes back what was not synchronized")
            store.edit(installed)
        if any(other.process("clmgr") is not None for other in self.cluster.nodes.values()):
            return
        core = process.core
        if (
            core.cluster is not None
            and core.state == "ST_STABLE"
            and (core.cluster.configuration != self.cluster.configuration or self.cluster.without_configuration)
            and store.generation == self.cluster.generation
        ):
            for name in self.cluster.without_configuration:
                node.trace(f"operator sees that {name} is a member of CAA alone")
                self.cluster.world.reached[works.LEFT_OVER] += 1
            node.trace("operator releases the locks and synchronizes again")
            for other in self.cluster.nodes.values():
                # cldare -u
                if other.live:
                    other.store.release()
            SynchronizationProcess(node).start()

    def _repair(self, node: SimulatedNode, process: ManagerProcess) -> None:
        """Free by hand what a release that failed has left of a group."""
        cluster = process.core.cluster
        if cluster is None or process.scripts:
            return
        for name, group in sorted(cluster.groups.items()):
            if group.states.get(node.number) == "ERROR" and node.number in self.cluster.holdings.holders(name):
                node.trace(f"operator frees {name} by hand")
                node.give_all(name)
