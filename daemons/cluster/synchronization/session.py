"""One synchronization as a pure machine: lock, stage, commit, install, reconfigure.

    lock      every reachable node takes the lock of dynamic reconfiguration (its staging directory), or the run ends;
              one that a dead synchronization left is taken from it (``repair.is_abandoned``)
    store     the repository disk is locked, and the archive goes there, beside the committed one
    stage     every node that has the lock reads and checks it; one that refuses ends the run, nothing has changed
    members   nodes that are new join the CAA cluster
    commit    one record on the repository disk: the commit point
    install   every node makes it its own; nodes that were taken out forget the cluster
    activate  where services run the cluster manager takes it (dynamic reconfiguration), then the locks go

Before the commit record every node is on the old configuration, after it on the new one, whoever is killed when: a
node that did not get to install it is brought in step by ``repair.decide`` before it next acts. This is the write-ahead
log with a single commit record (Gray and Reuter, Transaction Processing, 1992, chapter 9); there is no vote to lose,
because a node that cannot be reached is passed over and repaired later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import msgspec

from daemons.cluster.synchronization.repair import is_abandoned
from srcctl.machine import Tick


class Phase(Enum):
    """How far a synchronization is."""

    NEW = "new"
    LOCK = "lock"
    STORE = "store"
    STAGE = "stage"
    MEMBERS = "members"
    COMMIT = "commit"
    INSTALL = "install"
    ACTIVATE = "activate"
    KEEP = "keep"
    UNLOCK = "unlock"
    DONE = "done"


class Answer(Enum):
    """How a node answered a request: did it, refuses, is locked by another synchronization, cannot be reached, or does
    not answer although it is on (its clcomd is stopped or hangs, or the network is cut)."""

    DONE = "done"
    REFUSED = "refused"
    LOCKED = "locked"
    UNREACHABLE = "unreachable"
    SILENT = "silent"


class Begin(msgspec.Struct, frozen=True):
    """Input: what is to be done.

    ``nodes`` are those of the new configuration with ``local`` among them, ``removed`` members that are none any more,
    ``committed`` the generation before, ``active`` the nodes on which cluster services run.
    """

    local: str
    nodes: tuple[str, ...]
    removed: tuple[str, ...] = ()
    committed: int = 0
    active: frozenset[str] = frozenset()


class Held(msgspec.Struct, frozen=True):
    """The lock that keeps a node from giving its own: whose it is, since when on that node's clock, for which
    generation, and whether its run left it for the administrator."""

    node: str
    owner: str
    since: float
    generation: int
    kept: bool = False


class Answered(msgspec.Struct, frozen=True):
    """Input: the answers of nodes to the request of the phase, with their complaints; ``held`` of those locked."""

    answers: tuple[tuple[str, Answer, str], ...]
    held: tuple[Held, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """Input: the owners of locks whose synchronization runs, or of whom nobody can tell, and whether the running
    cluster is just taking a configuration."""

    running: frozenset[str]
    reconfiguring: bool


class Finished(msgspec.Struct, frozen=True):
    """Input: a step on the repository disk, of membership or of the cluster manager ended; ``error`` is "" if well.

    ``untouched`` says of the last one that it has not begun at all.
    """

    error: str = ""
    untouched: bool = False


Input: TypeAlias = Begin | Answered | Known | Finished | Tick


class Request(msgspec.Struct, frozen=True):
    """Effect: ask nodes at the same time for lock, stage, install, keep or unlock; ``Answered`` answers."""

    what: str
    nodes: tuple[str, ...]
    generation: int


class AskOwners(msgspec.Struct, frozen=True):
    """Effect: find out which of these nodes' synchronizations run; ``Known`` answers."""

    owners: tuple[str, ...]


class TakeOver(msgspec.Struct, frozen=True):
    """Effect: have nodes give back these very locks, then take ours; ``Answered`` answers for them."""

    locks: tuple[Held, ...]
    generation: int


class StoreArchive(msgspec.Struct, frozen=True):
    """Effect: take the lock of the repository disk and put the archive of a generation there; ``Finished`` answers.

    It ends with an error if another run has the lock, or if ``after`` is not the committed generation any more: two
    nodes that cannot reach each other hold the locks of different nodes, but the disk is one. The lock is kept until
    the run ends, and ends with its process.
    """

    generation: int
    after: int


class ChangeMembers(msgspec.Struct, frozen=True):
    """Effect: have new nodes join the CAA cluster; ``Finished`` answers."""


class Commit(msgspec.Struct, frozen=True):
    """Effect: write the commit record of what was stored; ``Finished`` answers."""

    generation: int


class Forget(msgspec.Struct, frozen=True):
    """Effect: nodes that were taken out leave the CAA cluster and forget it. Nothing answers."""

    nodes: tuple[str, ...]


class Activate(msgspec.Struct, frozen=True):
    """Effect: ask the local cluster manager for a dynamic reconfiguration; ``Finished`` answers."""

    generation: int


class Warn(msgspec.Struct, frozen=True):
    """Effect: tell the administrator what was left to others."""

    text: str


class Fail(msgspec.Struct, frozen=True):
    """Effect: the end; nothing was changed, or (``committed``) what was committed is not everywhere yet."""

    text: str
    committed: bool = False


Effect: TypeAlias = (
    Request | AskOwners | TakeOver | StoreArchive | ChangeMembers | Commit | Forget | Activate | Warn | Fail
)

LOCKED = "cldare: A lock for a Dynamic Reconfiguration event has been detected."
LATER = "node {node} cannot be reached; its clconfd installs the configuration later."
SILENT = (
    'node "{node}" cannot be reached, but cluster services are active there ({why}): the running cluster could not '
    "take the configuration. Nothing was changed."
)
OVERTAKEN = "another node has synchronized the cluster meanwhile; nothing was changed."
ELSEWHERE = (
    "cldare: Cluster services are active on other nodes of the cluster, but not on this one ({nodes}). "
    "Synchronize from a node where they are active."
)

LEAVING = "cldare: Cluster services are active on a node that is to be removed ({nodes}). Stop them there first."


@dataclass(slots=True)
class Session:
    """The machine; ``generation`` is the one that it is about."""

    phase: Phase = Phase.NEW
    generation: int = 0
    reached: tuple[str, ...] = ()
    installed: tuple[str, ...] = ()
    _begin: Begin = field(default_factory=lambda: Begin("", ()))
    _failure: str = ""
    _answers: dict[str, tuple[str, Answer, str]] = field(default_factory=dict)
    """To the request for the lock, while owners of locks are asked."""
    _held: tuple[Held, ...] = ()

    def next_deadline(self) -> int | None:
        """A session has no deadline: its requests have theirs."""
        return None

    def describe(self) -> dict[str, object]:
        return {
            "phase": self.phase.value,
            "generation": self.generation,
            "reached": self.reached,
            "installed": self.installed,
        }

    @property
    def committed(self) -> bool:
        """The commit record is written: there is only forward."""
        return self.phase in (Phase.INSTALL, Phase.ACTIVATE, Phase.KEEP, Phase.UNLOCK, Phase.DONE) and not self._failure

    def step(self, now: int, value: Input) -> list[Effect]:
        match self.phase, value:
            case Phase.NEW, Begin():
                return self._begun(value)
            case Phase.LOCK, Answered(answers, held):
                return self._locked(answers, held)
            case Phase.LOCK, Known():
                return self._known(value)
            case Phase.STORE, Finished(error):
                return self._abandon(error) if error else self._enter(Phase.STAGE)
            case Phase.STAGE, Answered(answers):
                return self._staged(answers)
            case Phase.MEMBERS, Finished(error):
                return self._abandon(error) if error else self._enter(Phase.COMMIT)
            case Phase.COMMIT, Finished(error):
                return self._abandon(error) if error else self._enter(Phase.INSTALL)
            case Phase.INSTALL, Answered(answers):
                return self._installed(answers)
            case Phase.ACTIVATE, Finished(error, untouched):
                return self._activated(error, untouched)
            case Phase.KEEP, Answered():
                self.phase = Phase.DONE
                return [Fail(self._failure, committed=True)]
            case Phase.UNLOCK, Answered():
                self.phase = Phase.DONE
                return [Fail(self._failure)] if self._failure else []
        return []

    def _begun(self, begin: Begin) -> list[Effect]:
        self._begin, self.generation = begin, begin.committed + 1
        if begin.active and begin.local not in begin.active:
            return self._refuse(ELSEWHERE.format(nodes=" ".join(sorted(begin.active))))
        if leaving := begin.active & set(begin.removed):
            return self._refuse(LEAVING.format(nodes=" ".join(sorted(leaving))))
        self.phase = Phase.LOCK
        return [Request("lock", begin.nodes, self.generation)]

    def _refuse(self, why: str) -> list[Effect]:
        """Nothing has begun: there is nothing to give back."""
        self._failure, self.phase = why, Phase.DONE
        return [Fail(why)]

    def _enter(self, phase: Phase) -> list[Effect]:
        self.phase = phase
        match phase:
            case Phase.STORE:
                return [StoreArchive(self.generation, self._begin.committed)]
            case Phase.STAGE:
                return [Request("stage", self.reached, self.generation)]
            case Phase.MEMBERS:
                return [ChangeMembers()]
            case Phase.COMMIT:
                return [Commit(self.generation)]
            case Phase.INSTALL:
                return [Request("install", self.reached, self.generation)]
            case Phase.ACTIVATE:
                return [Activate(self.generation)]
            case Phase.KEEP:
                return [Request("keep", self.reached, self.generation)]
            case _:
                return [Request("unlock", self.reached, self.generation)]

    def _abandon(self, why: str) -> list[Effect]:
        """Nothing is committed: give the locks back, and end."""
        self._failure = why
        return self._enter(Phase.UNLOCK)

    def _locked(self, answers: tuple[tuple[str, Answer, str], ...], held: tuple[Held, ...]) -> list[Effect]:
        first = not self._answers
        self._answers |= {entry[0]: entry for entry in answers}
        if first and held:
            self._held = held
            return [AskOwners(tuple(dict.fromkeys(lock.owner for lock in held)))]
        return self._all_asked(tuple(self._answers.values()))

    def _known(self, known: Known) -> list[Effect]:
        """Locks of synchronizations whose process, or node, is dead are taken over."""

        def is_nobodys(lock: Held) -> bool:
            committed = lock.generation <= self._begin.committed
            return is_abandoned(lock.kept, lock.owner in known.running, committed, known.reconfiguring)

        abandoned = tuple(lock for lock in self._held if is_nobodys(lock))
        return [TakeOver(abandoned, self.generation)] if abandoned else self._all_asked(tuple(self._answers.values()))

    def _all_asked(self, answers: tuple[tuple[str, Answer, str], ...]) -> list[Effect]:
        self.reached = tuple(node for node, answer, _ in answers if answer is Answer.DONE)
        if any(answer is Answer.LOCKED for _, answer, _ in answers):
            return self._abandon(LOCKED)
        if refused := next(((node, why) for node, answer, why in answers if answer is Answer.REFUSED), None):
            return self._abandon(f'node "{refused[0]}" cannot take the configuration: {refused[1]}')
        if self._begin.local not in self.reached:
            return self._abandon(f'clcomd on this node ("{self._begin.local}") cannot be reached.')
        if silent := self._silent_member(answers):
            return self._abandon(silent)
        return [*self._passed_over(answers), *self._enter(Phase.STORE)]

    def _silent_member(self, answers: tuple[tuple[str, Answer, str], ...]) -> str:
        """Why a node that is not reached keeps the running cluster from taking the configuration, "" if none does.

        One that is off will not be a member any more when it comes to that. One that runs on has to vote.
        """
        silent = (
            SILENT.format(node=node, why=why)
            for node, answer, why in answers
            if answer is Answer.SILENT and node in self._begin.active
        )
        return next(silent, "")

    @staticmethod
    def _passed_over(answers: tuple[tuple[str, Answer, str], ...]) -> list[Effect]:
        lost = [node for node, answer, _ in answers if answer in (Answer.UNREACHABLE, Answer.SILENT)]
        return [Warn(LATER.format(node=node)) for node in lost]

    def _staged(self, answers: tuple[tuple[str, Answer, str], ...]) -> list[Effect]:
        if refused := next(((n, why) for n, a, why in answers if a in (Answer.REFUSED, Answer.LOCKED)), None):
            return self._abandon(f'node "{refused[0]}" cannot take the configuration: {refused[1]}')
        if silent := self._silent_member(answers):
            return self._abandon(silent)
        self.reached = tuple(node for node, answer, _ in answers if answer is Answer.DONE)
        return [*self._passed_over(answers), *self._enter(Phase.MEMBERS)]

    def _installed(self, answers: tuple[tuple[str, Answer, str], ...]) -> list[Effect]:
        self.installed = tuple(node for node, answer, _ in answers if answer is Answer.DONE)
        effects: list[Effect] = [
            Warn(f"node {node} did not install the configuration yet: {why or 'it cannot be reached'}")
            for node, answer, why in answers
            if answer is not Answer.DONE
        ]
        if self._begin.removed:
            effects.append(Forget(self._begin.removed))
        if self._begin.active:
            return [*effects, *self._enter(Phase.ACTIVATE)]
        return [*effects, *self._enter(Phase.UNLOCK)]

    def _activated(self, error: str, untouched: bool) -> list[Effect]:
        if not error:
            return self._enter(Phase.UNLOCK)
        if untouched:
            # clconfd completes the synchronization, and nobody has to look first.
            self.phase = Phase.DONE
            return [Fail(error, committed=True)]
        # The locks stay, as on the product: the cluster manager's half-done work is to be looked at first.
        self._failure = error
        return self._enter(Phase.KEEP)
