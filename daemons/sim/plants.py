"""Planted bugs: cores in which one decision is changed, so that the checker has something to find.

A checker that cannot fail is a defect. Each of these must break the invariant that it names within some seeds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from daemons.caa import core as caa
from daemons.caa.own_repository import Found, Joins, News, OwnRepository, Refused, Removed
from daemons.caa.repository import RepositoryDisk
from daemons.clstrmgr.activity import Run
from daemons.clstrmgr.core import ClusterManager
from daemons.clstrmgr.events import Event, Stage, stage_of_step
from daemons.clstrmgr.plan import groups_of
from daemons.clstrmgr.recovery_program import Statement
from daemons.cluster.synchronization.repair import Copy, Repair
from daemons.cluster.synchronization.session import Effect, Forget, Input, Phase, Session
from daemons.cthags.core import Core
from daemons.cthags.membership import Membership
from daemons.cthags.messages import Provider
from daemons.cthags.sequencer import Sequencer
from daemons.cthags.wire import Commit, GroupRecord, Member, Prepared, Running, View
from daemons.sim.definition import REPOSITORIES
from daemons.sim.faults import RESIZE
from daemons.sim.parts import SETTINGS, Parts
from daemons.sim.policies import FENCING, NODE_HALT
from daemons.sim.scenario import NONE, TIE_BREAKER, Scenario
from srcctl.srcmstr import exchange
from srcctl.srcmstr.core import SystemResourceController


@dataclass(frozen=True, slots=True)
class Plant:
    """A planted bug, and the invariants of which it must break one."""

    name: str
    breaks: tuple[int, ...]
    parts: type[Parts]
    provokes: tuple[str, ...] = ()
    """The kinds of faults that bring it to light; all of the seed's if none is named."""
    split: str = ""
    """The split policy that it needs; "" for that of the seed."""
    quarantine: str = ""
    """The quarantine policy that it needs, between two sites; "" for that of the seed."""


# Invariant 1 ----------------------------------------------------------------------------------------------------------


class _FearlessMembership(caa.Membership):
    def _deadman(self, now: int) -> str | None:
        return None


class _DeadManAsleep(Parts):
    """A paused node does not look at its dead man's switch."""

    def membership(self) -> caa.Membership:
        return _FearlessMembership()


class _SelfishMembership(caa.Membership):
    def _arbitrated(self, now: int, side: frozenset[int], won: bool, spread: bool = False) -> list[caa.Effect]:
        return super()._arbitrated(now, side, True, spread)


class _LoserGoesOn(Parts):
    """A side that has lost the tie breaker goes on."""

    def membership(self) -> caa.Membership:
        return _SelfishMembership()


class _HastyWinner(caa.Membership):
    def _arbitrated(self, now: int, side: frozenset[int], won: bool, spread: bool = False) -> list[caa.Effect]:
        effects = super()._arbitrated(now, side, won, spread)
        self._split.granted_from = now
        return effects


class _WinnerDoesNotWait(Parts):
    """Who has won the tie breaker acts before the others can know that they have lost."""

    def membership(self) -> caa.Membership:
        return _HastyWinner()


class _CredulousMembership(caa.Membership):
    def _announce(self, now: int) -> list[caa.Effect]:
        self._liveness.reached = self.alive
        return super()._announce(now)


class _UndecidedIsBack(Parts):
    """Who is called alive because nobody has decided about it yet counts as back: its side gets the tie breaker too."""

    def membership(self) -> caa.Membership:
        return _CredulousMembership()


class _AloneParts(Parts):
    """The node that had the critical group is shut out alone, and not those that left with it."""

    def shut_out(
        self, states: Mapping[int, str], goals: Collection[int], members: Collection[int], missed: Collection[int]
    ) -> frozenset[int]:
        numbers = super().shut_out(states, goals, members, missed)
        return frozenset(number for number in numbers if states.get(number) == "ONLINE")


class _QuarantineForgotten(Parts):
    """Nobody is shut out."""

    def shut_out(
        self, states: Mapping[int, str], goals: Collection[int], members: Collection[int], missed: Collection[int]
    ) -> frozenset[int]:
        return frozenset()


# Invariant 2 ----------------------------------------------------------------------------------------------------------


class _ViewNumberForgotten(Parts):
    """View numbers are not remembered across restarts."""

    def group_services(self, node: int, durable: dict[str, int]) -> Core:
        return Core(node, {key: value for key, value in durable.items() if key != "view"}, SETTINGS)


class _FirstProposalMembership(Membership):
    def _install(self, now: int, commit: Commit) -> None:
        first = next(iter(self._accepted.values()), commit.view)
        super()._install(now, msgspec.structs.replace(commit, view=View(commit.view.id, first.members)))


class _FirstProposalCore(Core):
    membership_class = _FirstProposalMembership


class _MembersOfFirstProposal(Parts):
    """A member takes the members of a view from the first proposal that it accepted, whatever became of that."""

    def group_services(self, node: int, durable: dict[str, int]) -> Core:
        return _FirstProposalCore(node, durable, SETTINGS)


# Invariant 3 ----------------------------------------------------------------------------------------------------------


class _ForgetfulMembership(Membership):
    def _prepared(self, now: int, member: Member, prepared: Prepared) -> None:
        super()._prepared(now, member, msgspec.structs.replace(prepared, operations=()))


class _ForgetfulCore(Core):
    membership_class = _ForgetfulMembership


class _FlushForgotten(Parts):
    """A new leader does not ask what the others have of the old log."""

    def group_services(self, node: int, durable: dict[str, int]) -> Core:
        return _ForgetfulCore(node, durable, SETTINGS)


class _HastySequencer(Sequencer):
    def _awaited(self, group: GroupRecord, running: Running, entry: object) -> tuple[Provider, ...]:
        awaited = super()._awaited(group, running, entry)  # type: ignore[arg-type]
        return awaited if len(awaited) * 2 > len(group.providers) else ()


class _HastyCore(Core):
    sequencer_class = _HastySequencer


class _HastyBarrier(Parts):
    """A phase ends when half of the votes are there."""

    def group_services(self, node: int, durable: dict[str, int]) -> Core:
        return _HastyCore(node, durable, SETTINGS)


# Invariant 4 ----------------------------------------------------------------------------------------------------------


class _RashManager(ClusterManager):
    def _held_back(self, event: Event) -> bool:
        return False


class _TakeoverBeforeHalt(Parts):
    """The failure of a cluster manager is taken for the end of its node."""

    def manager(self, node: int, name: str, serial: int) -> ClusterManager:
        return _RashManager(node, name, serial=serial)


class _BoastfulManager(ClusterManager):
    def _phase_done(self, run: Run) -> None:
        if self.scripts and self.cluster is not None and run.kind != "vote":
            stage = stage_of_step(run.program.steps[run.step])
            if stage is Stage.RELEASE:
                if run.kind == "step":
                    run.results.update(dict.fromkeys(groups_of(self.cluster, stage, self.node_id), "OFFLINE"))
                scripts, self.scripts = self.scripts, deque()
                super()._phase_done(run)
                self.scripts = scripts
                return
        super()._phase_done(run)


class _ReleaseReportedEarly(Parts):
    """A release is reported done while its scripts still run."""

    def manager(self, node: int, name: str, serial: int) -> ClusterManager:
        return _BoastfulManager(node, name, serial=serial)


# Invariant 5 ----------------------------------------------------------------------------------------------------------


class _BusyManager(ClusterManager):
    def _start_script(
        self, purpose: str, command: str, arguments: tuple[str, ...], statement: Statement | None = None
    ) -> None:
        waiting = len(self.scripts)
        super()._start_script(purpose, command, arguments, statement)
        if waiting:
            self._launch(self.scripts[-1])


class _ScriptsAtOnce(Parts):
    """All scripts of a step are started at once."""

    def manager(self, node: int, name: str, serial: int) -> ClusterManager:
        return _BusyManager(node, name, serial=serial)


# Invariant 6 ----------------------------------------------------------------------------------------------------------


class _ProudMembership(Membership):
    def _meet(self, now: int, node: int) -> None:
        return


class _ProudCore(Core):
    membership_class = _ProudMembership


class _NobodyGivesWay(Parts):
    """Two halves of a split that meet again both keep their views."""

    def group_services(self, node: int, durable: dict[str, int]) -> Core:
        return _ProudCore(node, durable, SETTINGS)


# Invariant 7 ----------------------------------------------------------------------------------------------------------


class _RepairForgotten(Parts):
    """A node that missed a synchronization is not brought in step."""

    def decide(self, copy: Copy, committed: int, services: bool) -> Repair:
        return Repair.NOTHING


class _ForgetfulSession(Session):
    def _enter(self, phase: Phase) -> list[Effect]:
        return super()._enter(Phase.ACTIVATE if phase is Phase.COMMIT and self._begin.active else phase)


class _CommitForgotten(Parts):
    """A running cluster is given what is staged, and nothing is committed."""

    def session(self) -> Session:
        return _ForgetfulSession()


class _UntoldSession(Session):
    def step(self, now: int, value: Input) -> list[Effect]:
        return [effect for effect in super().step(now, value) if not isinstance(effect, Forget)]


class _RemovalForgotten(Parts):
    """A synchronization takes a node out of the configuration, and leaves it in the CAA cluster."""

    def session(self) -> Session:
        return _UntoldSession()


class _StubbornParts(Parts):
    """A node that was removed while it was off keeps the configuration that it had."""

    def decide(self, copy: Copy, committed: int, services: bool) -> Repair:
        found = super().decide(copy, committed, services)
        return Repair.NOTHING if found is Repair.FORGET else found


class _HospitableSession(Session):
    def _enter(self, phase: Phase) -> list[Effect]:
        return super()._enter(Phase.COMMIT if phase is Phase.MEMBERS else phase)


class _NewcomerNotTakenIn(Parts):
    """A synchronization has a node in the configuration, and does not have it join the CAA cluster."""

    def session(self) -> Session:
        return _HospitableSession()


# Invariant 8 ----------------------------------------------------------------------------------------------------------


class _HastyController(SystemResourceController):
    def step(self, now: int, value: exchange.Input) -> list[exchange.Effect]:
        effects = super().step(now, value)
        return sorted(effects, key=lambda effect: not isinstance(effect, exchange.Acknowledge))


class _AcknowledgedFirst(Parts):
    """srcmstr acknowledges the end of a subsystem before it has done anything about it."""

    def controller(self) -> SystemResourceController:
        return _HastyController()


class _ForgetfulController(SystemResourceController):
    def _restart(self, instance: exchange.Instance, ends: tuple[int, ...]) -> list[exchange.Effect]:
        self.instances = {n: i._replace(replaces=0) for n, i in self.instances.items()}
        return super()._restart(instance, ends)


class _RestartedTwice(Parts):
    """A srcmstr that sees an end again does not know that it has restarted the subsystem already."""

    def controller(self) -> SystemResourceController:
        return _ForgetfulController()


class _AmnesiacController(SystemResourceController):
    def _restore(self, now: int, restored: exchange.Restored) -> list[exchange.Effect]:
        return super()._restore(now, restored._replace(instances=()))


class _ProcessesForgotten(Parts):
    """A srcmstr that was killed and started again knows nothing of what its predecessor has started (srcmstr -B)."""

    def controller(self) -> SystemResourceController:
        return _AmnesiacController()


# The CAA cluster ------------------------------------------------------------------------------------------------------


class _ObstinateRepository(OwnRepository):
    def _take_up(self, disk: RepositoryDisk) -> News:
        return None


class _DefinitionNotFollowed(Parts):
    """A node does not take up a definition that has changed."""

    repository_class = _ObstinateRepository


class _NostalgicRepository(OwnRepository):
    def newest(self, key: str) -> tuple[Found | None, bool]:
        found, whole = super().newest(key)
        try:
            first = self._open(REPOSITORIES[0]).read_definition()
        except OSError:
            first = None
        return (Found(REPOSITORIES[0], first) if first is not None else found), whole

    def at_boot(self, key: str, epoch: int) -> Joins | Removed | Refused:
        return super().at_boot(key, 0)


class _OldRepositoryIsBack(Parts):
    """The first repository counts as long as it can be read, whatever has replaced it."""

    repository_class = _NostalgicRepository


PLANTS = {
    plant.name: plant
    for plant in (
        Plant("dead-man-asleep", (1,), _DeadManAsleep),
        Plant("loser-goes-on", (1, 4), _LoserGoesOn, ("partition",), TIE_BREAKER),
        Plant("winner-does-not-wait", (1, 4), _WinnerDoesNotWait, ("partition",), TIE_BREAKER),
        Plant("undecided-is-back", (1, 4), _UndecidedIsBack, ("partition", "disk-lost"), TIE_BREAKER),
        Plant("quarantine-forgotten", (1,), _QuarantineForgotten, ("clock-step",), NONE, NODE_HALT),
        Plant("quarantine-of-one", (1,), _AloneParts, ("clock-step",), NONE, FENCING),
        Plant("view-number-forgotten", (2,), _ViewNumberForgotten),
        Plant("members-of-first-proposal", (2,), _MembersOfFirstProposal, ("pause", "kill")),
        Plant("flush-forgotten", (3,), _FlushForgotten, ("crash-in-broadcast",)),
        Plant("hasty-barrier", (3,), _HastyBarrier),
        Plant("takeover-before-halt", (4, 1), _TakeoverBeforeHalt),
        Plant("release-reported-early", (4, 1), _ReleaseReportedEarly),
        Plant("scripts-at-once", (5,), _ScriptsAtOnce),
        Plant("nobody-gives-way", (6,), _NobodyGivesWay, ("partition",), NONE),
        Plant("repair-forgotten", (7,), _RepairForgotten, ("synchronize", "crash")),
        Plant("commit-forgotten", (7,), _CommitForgotten, ("synchronize",)),
        Plant("removal-forgotten", (6, 7), _RemovalForgotten, (RESIZE,)),
        Plant("removed-keeps-configuration", (6, 7), _StubbornParts, (RESIZE, "crash")),
        Plant("newcomer-not-taken-in", (6, 7), _NewcomerNotTakenIn, (RESIZE,)),
        Plant("definition-not-followed", (7, 6), _DefinitionNotFollowed, ("member-leaves",)),
        Plant("old-repository-is-back", (7, 6), _OldRepositoryIsBack, ("repository-replaced", "disk-lost", "crash")),
        Plant("acknowledged-first", (8,), _AcknowledgedFirst, ("kill",)),
        Plant("restarted-twice", (8,), _RestartedTwice, ("kill",)),
        Plant("processes-forgotten", (8,), _ProcessesForgotten, ("kill",)),
    )
}
"""All planted bugs, by name."""


def scenario_of(
    seed: int, nodes: int = 3, plant: str = "", groups: int = 0, split: str = "", sites: bool = False
) -> Scenario:
    """What a seed stands for, with the faults and the split policy that bring a planted bug to light."""
    planted = PLANTS.get(plant)
    if planted is None:
        return Scenario.of_seed(seed, nodes, plant, groups, split=split, sites=sites)
    sites, quarantine = sites or bool(planted.quarantine), planted.quarantine
    return Scenario.of_seed(seed, nodes, plant, groups, planted.provokes, split or planted.split, sites, quarantine)


def parts(plant: str) -> Parts:
    """What makes the processes of a run with a planted bug; with "" those as they are."""
    return PLANTS[plant].parts() if plant else Parts()
