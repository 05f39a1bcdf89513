"""Event scripts, simulated: they ask the cluster manager for jobs, take and give up resources, take time, and fail."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from daemons.clstrmgr.inputs import JobWanted, ResourceUpdated, RunScript, ScriptEnded
from daemons.clstrmgr.jobs import NONE
from daemons.sim.quarantine import Quarantine
from daemons.sim.resources import KINDS
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.manager import ManagerProcess

JOB_US = 60 * MILLISECOND
SCRIPT_US = 20 * MILLISECOND


@lru_cache(1024)
def _job(assignments: str) -> Mapping[str, str]:
    return dict(part.split("=", 1) for part in shlex.split(assignments) if "=" in part)


class Script:
    """One script that runs.

    Args:
        manager: the cluster manager that started it; the script outlives it.
        effect: how it was started.
    """

    def __init__(self, manager: ManagerProcess, effect: RunScript) -> None:
        self.manager = manager
        self.node = manager.node
        self.run = effect.run
        self.name = effect.command.split()[0].rsplit("/", 1)[-1]
        self.serial = effect.serial
        self._arguments = effect.arguments
        self._quarantined = False
        self._quarantine = Quarantine(self.node, lambda delay, action: self.node.after(delay, self._go_on, action))
        self._chance = manager.node.script_chance
        self.node.cluster.checker.script_began(self)
        self._wait(SCRIPT_US, self._ask)

    def _wait(self, usual: int, action: Callable[..., None], *arguments: object) -> None:
        slow = self.node.script_slowness
        self.node.after(int(usual * (0.5 + self._chance.random()) * slow), self._go_on, action, *arguments)

    def _go_on(self, action: Callable[..., None], *arguments: object) -> None:
        if self.node.world.now < self.node.scripts_hang_until:
            self.node.after(SECOND, self._go_on, action, *arguments)
        else:
            action(*arguments)

    def _tell(self, value: object) -> None:
        if self.manager.running:
            self.manager.feed(value)

    def _ask(self) -> None:
        if self.name in ("admin_op", "event_error", "config_too_long"):
            self._end(0)
            return
        if self.node.cluster.critical_group and not self._quarantined:
            self._quarantined = True
            if self.name == "node_up":
                self._quarantine.let_in(self.manager.core.members)
            elif self.name == "node_down" and len(self._arguments) == 1 and self._arguments[0] != self.node.name:
                self._shut_out()
                return
        self._tell(JobWanted(self.run))

    def _shut_out(self) -> None:
        """Whoever may still have the critical group beyond a cut does nothing more, before anything is taken over."""
        core, cluster = self.manager.core, self.node.cluster
        picture = core.cluster
        if picture is None:
            self._end(1)
            return
        group = picture.groups.get(cluster.critical_group)
        states, goals = (group.states, group.goals) if group is not None else ({}, ())
        failed = {number for number, node in cluster.nodes.items() if node.name == self._arguments[0]}
        alive = self.node.states.core.alive if self.node.states is not None else frozenset()
        missed = failed | {number for number, word in picture.nodes.items() if word == "leaving" or number not in alive}
        numbers = cluster.parts.shut_out(states, goals, core.members, missed)
        self._quarantine.shut_out(numbers, lambda status: self._end(1) if status else self._tell(JobWanted(self.run)))

    def answer(self, assignments: str) -> None:
        """The next job."""
        if assignments == NONE:
            failed = self.node.scripts_fail > 0 and self._chance.random() < self.node.scripts_fail
            self._wait(SCRIPT_US, self._end, 1 if failed else 0)
            return
        job = _job(assignments)
        acquire = job.get("ACTION") == "ACQUIRE"
        groups = job.get("RESOURCE_GROUPS", "").split()
        kind = job["JOB_TYPE"]
        if kind == "ERROR":
            self._tell(ResourceUpdated(self.run, "rg_error", "All_groups", " ".join(groups), self.name))
            self._ask()
            return
        if kind == "VGS" and acquire and self.node.name in self.node.cluster.fences.all():
            names = " ".join(groups)
            self.node.trace(f"{self.name}: the disks of {names} refuse this node")
            self.node.world.reached["quarantine: the disks refuse a node"] += 1
            self._tell(ResourceUpdated(self.run, "rg_error", kind, names, self.name))
            self._wait(SCRIPT_US, self._ask)
            return
        if kind in KINDS and acquire:
            for group in groups:
                self.node.take(group, kind)
        self._wait(JOB_US if kind in KINDS else SCRIPT_US, self._job_done, kind, acquire, groups)

    def _job_done(self, kind: str, acquire: bool, groups: list[str]) -> None:
        if kind in KINDS:
            share = self.node.jobs_fail if acquire else self.node.releases_fail
            if share > 0 and self._chance.random() < share:
                names = " ".join(groups)
                self.node.trace(f"{self.name} {kind} fails for {names}")
                self._tell(ResourceUpdated(self.run, "rg_error", kind, names, self.name))
            elif not acquire:
                for group in groups:
                    self.node.give(group, kind)
        self._ask()

    def _end(self, status: int) -> None:
        if status:
            self.node.trace(f"{self.name} ends with status {status}")
        self.manager.scripts.pop(self.run, None)
        self.node.cluster.checker.script_ended(self)
        self._tell(ScriptEnded(self.run, status))
