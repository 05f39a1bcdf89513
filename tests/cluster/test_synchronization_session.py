"""Synchronization under kill -9: whoever dies when, every node ends on one configuration, the old or the new."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.cluster.synchronization import repair
from daemons.cluster.synchronization import session as s
from daemons.cluster.synchronization.repair import LOCK_LIFE, Copy, Repair, decide, is_abandoned, is_outstanding

NODES = ("node1", "node2", "node3")


@dataclass
class Disk:
    """The repository disk: the committed generation, and the two slots of archives."""

    committed: int = 1
    holder: object = None
    slots: dict[int, tuple[int, str]] = field(default_factory=lambda: {1: (1, "old")})

    def archive(self, generation: int) -> str | None:
        found = self.slots.get(generation % 2)
        return found[1] if found and found[0] == generation else None


@dataclass
class Node:
    """A node: what it has installed, whether its classes are half written, its lock."""

    installed: int = 1
    content: str = "old"
    torn: bool = False
    lock: tuple[str, int] | None = None
    lock_age: float = 0.0
    reachable: bool = True

    def install(self, disk: Disk, killed: bool) -> bool:
        if self.installed == disk.committed:
            return True
        archive = disk.archive(disk.committed)
        assert archive is not None, "the committed archive is always whole"
        self.torn = True
        if killed:
            return False
        self.content, self.torn, self.installed = archive, False, disk.committed
        return True

    def repair(self, disk: Disk, killed: bool = False) -> None:
        copy = Copy(self.installed, self.lock[1] if self.lock else 0, self.lock_age)
        match decide(copy, disk.committed, services=False):
            case Repair.INSTALL:
                self.install(disk, killed)
            case Repair.UNLOCK:
                self.lock = None


class Synchronizer:
    """A session on a node, one effect a turn; ``kill`` ends it between two effects."""

    def __init__(self, name: str, content: str, disk: Disk, nodes: dict[str, Node], chance: random.Random) -> None:
        self.name, self.content, self.disk, self.nodes, self.chance = name, content, disk, nodes, chance
        self.session = s.Session()
        self.effects = self.session.step(0, s.Begin(name, tuple(nodes), committed=disk.committed))
        self.failed = ""
        self.alive: set[str] = set()
        """Nodes whose synchronization runs."""

    def turn(self) -> bool:
        """Carry out the next effect; False when there is none left."""
        if not self.effects:
            return False
        effect = self.effects.pop(0)
        answer = self._execute(effect)
        if answer is not None:
            assert not self.effects, "what asks for an answer is the last effect of a step"
            self.effects = self.session.step(0, answer)
        return True

    def _execute(self, effect: s.Effect) -> s.Input | None:
        disk = self.disk
        match effect:
            case s.Request(what, names, generation):
                answers = tuple((name, *self._ask(what, name, generation)) for name in names)
                return s.Answered(answers, self._held(answers))
            case s.AskOwners(owners):
                return s.Known(frozenset(owners) & self.alive, False)
            case s.TakeOver(locks, generation):
                for lock in locks:
                    node = self.nodes[lock.node]
                    if node.reachable and node.lock == (lock.owner, lock.generation):
                        node.lock = None
                return self._execute(s.Request("lock", tuple(lock.node for lock in locks), generation))
            case s.StoreArchive(generation, after):
                if disk.holder not in (None, self) or disk.committed != after:
                    return s.Finished(s.OVERTAKEN)
                disk.holder = self
                disk.slots[generation % 2] = (generation, self.content)
                return s.Finished()
            case s.Commit(generation):
                disk.committed = generation
                return s.Finished()
            case s.Fail(text, _):
                self.failed = text
                return None
            case s.Warn():
                return None
            case _:
                return s.Finished()

    def _held(self, answers: tuple[tuple[str, s.Answer, str], ...]) -> tuple[s.Held, ...]:
        locks = [(name, self.nodes[name].lock) for name, answer, _ in answers if answer is s.Answer.LOCKED]
        return tuple(s.Held(name, lock[0], 0.0, lock[1]) for name, lock in locks if lock is not None)

    def _ask(self, what: str, name: str, generation: int) -> tuple[s.Answer, str]:
        node = self.nodes[name]
        if not node.reachable:
            return s.Answer.UNREACHABLE, ""
        match what:
            case "lock":
                if node.lock is not None and node.lock[0] != self.name:
                    return s.Answer.LOCKED, ""
                node.lock, node.lock_age = (self.name, generation), 0.0
            case "unlock":
                if node.lock is not None and node.lock[0] == self.name:
                    node.lock = None
            case "stage":
                if self.disk.archive(generation) is None:
                    return s.Answer.REFUSED, "not whole"
            case "install":
                if not node.install(self.disk, killed=self.chance.random() < 0.2):
                    return s.Answer.UNREACHABLE, "killed"
        return s.Answer.DONE, ""


@given(st.integers(0, 2**32), st.integers(0, 25), st.integers(0, 25))
def test_whoever_is_killed_when_every_node_ends_on_one_configuration(
    seed: int, first_dies: int, second_dies: int
) -> None:
    chance = random.Random(seed)
    disk, nodes = Disk(), {name: Node() for name in NODES}
    sessions = [
        (Synchronizer("node1", "first", disk, nodes, chance), first_dies),
        (Synchronizer("node2", "second", disk, nodes, chance), second_dies),
    ]
    alive = {one.name for one, _ in sessions}
    for one, _ in sessions:
        one.alive = alive
    turns = {id(one): 0 for one, _ in sessions}
    while sessions:
        one, dies = chance.choice(sessions)
        for name, node in nodes.items():
            if chance.random() < 0.1 and name != one.name:
                node.reachable = not node.reachable
            if chance.random() < 0.1:
                node.repair(disk, killed=chance.random() < 0.3)
        turns[id(one)] += 1
        if turns[id(one)] > dies or not one.turn():
            sessions.remove((one, dies))
            alive.discard(one.name)
            if disk.holder is one:
                disk.holder = None
        assert disk.archive(disk.committed) is not None
    for node in nodes.values():
        node.reachable, node.lock_age = True, LOCK_LIFE
        node.repair(disk)
        node.repair(disk)
    assert {node.installed for node in nodes.values()} == {disk.committed}
    assert {node.content for node in nodes.values()} == {disk.archive(disk.committed)}
    assert not any(node.torn or node.lock for node in nodes.values())


def play(answers: dict[str, object], **begin: object) -> tuple[list[s.Effect], s.Session]:
    """Run a session; ``answers`` by phase: an error of a step, or {node: answer}."""
    session, seen = s.Session(), []
    effects = session.step(0, s.Begin("node1", NODES, **begin))  # type: ignore[arg-type]
    while effects:
        seen += effects
        last = effects[-1]
        if isinstance(last, s.Request):
            special = answers.get(last.what, {})
            assert isinstance(special, dict)
            answered = tuple((node, special.get(node, s.Answer.DONE), "why") for node in last.nodes)
            effects = session.step(0, s.Answered(answered, answers.get("held", ()) if last.what == "lock" else ()))  # type: ignore[arg-type]
        elif isinstance(last, s.AskOwners):
            effects = session.step(0, answers["known"])  # type: ignore[arg-type]
        elif isinstance(last, s.TakeOver):
            free = answers.get("taken", s.Answer.DONE)
            effects = session.step(0, s.Answered(tuple((lock.node, free, "") for lock in last.locks)))  # type: ignore[misc]
        elif isinstance(last, s.Warn | s.Fail):
            break
        else:
            effects = session.step(0, s.Finished(str(answers.get(type(last).__name__, ""))))
    return seen, session


def test_all_steps_in_order() -> None:
    seen, session = play({}, committed=4, active=frozenset({"node1"}), removed=("node9",))
    assert seen == [
        s.Request("lock", NODES, 5),
        s.StoreArchive(5, 4),
        s.Request("stage", NODES, 5),
        s.ChangeMembers(),
        s.Commit(5),
        s.Request("install", NODES, 5),
        s.Forget(("node9",)),
        s.Activate(5),
        s.Request("unlock", NODES, 5),
    ]
    assert session.phase is s.Phase.DONE
    assert session.committed


def test_a_node_that_is_off_is_passed_over_and_a_locked_one_ends_the_run() -> None:
    seen, session = play({"lock": {"node2": s.Answer.UNREACHABLE}})
    assert s.Warn("node node2 cannot be reached; its clconfd installs the configuration later.") in seen
    assert s.Request("install", ("node1", "node3"), 1) in seen
    held = (s.Held("node2", "node3", 7.5, 1),)
    runs = s.Known(frozenset({"node3"}), False)
    seen, session = play({"lock": {"node2": s.Answer.LOCKED}, "held": held, "known": runs})
    assert s.AskOwners(("node3",)) in seen
    assert seen[-2:] == [s.Request("unlock", ("node1", "node3"), 1), s.Fail(s.LOCKED)]
    assert not session.committed
    seen, _ = play({"lock": {"node1": s.Answer.UNREACHABLE}})
    assert isinstance(seen[-1], s.Fail)


@pytest.mark.parametrize("phase", ["lock", "stage"])
def test_a_member_that_runs_but_does_not_answer_ends_the_run_before_anything_is_committed(phase: str) -> None:
    """The reconfiguration would fail for want of its vote, and leave locks for the administrator."""
    answers: dict[str, object] = {phase: {"node2": s.Answer.SILENT}}
    seen, session = play(answers, committed=4, active=frozenset(NODES))
    assert isinstance(seen[-1], s.Fail)
    assert 'node "node2" cannot be reached, but cluster services are active there' in seen[-1].text
    assert not session.committed
    assert s.Commit(5) not in seen
    assert isinstance(seen[-2], s.Request)
    assert seen[-2].what == "unlock"
    # Without cluster services there its clconfd has time.
    seen, session = play(answers, committed=4, active=frozenset({"node1", "node3"}))
    assert s.Warn("node node2 cannot be reached; its clconfd installs the configuration later.") in seen
    assert session.committed
    # One that is off is no member any more when it comes to the vote.
    seen, session = play({phase: {"node2": s.Answer.UNREACHABLE}}, committed=4, active=frozenset(NODES))
    assert session.committed


def test_the_lock_of_a_dead_synchronization_is_taken_over() -> None:
    dead, held = s.Known(frozenset(), False), s.Held("node2", "node3", 7.5, 1)
    locked = {"lock": {"node2": s.Answer.LOCKED}, "held": (held,), "known": dead}
    seen, session = play(locked)
    assert seen[1:4] == [s.AskOwners(("node3",)), s.TakeOver((held,), 1), s.StoreArchive(1, 0)]
    assert session.reached == NODES
    seen, session = play({**locked, "taken": s.Answer.LOCKED})
    assert seen[-1] == s.Fail(s.LOCKED), "somebody was faster"
    for other, known in (
        (s.Held("node2", "node3", 7.5, 1, kept=True), dead),
        (s.Held("node2", "node3", 7.5, 4), s.Known(frozenset(), True)),
    ):
        seen, _ = play({**locked, "held": (other,), "known": known}, committed=4)
        assert seen[-1] == s.Fail(s.LOCKED)
        assert not any(isinstance(effect, s.TakeOver) for effect in seen)


def test_before_the_commit_everything_is_given_back() -> None:
    for answers in (
        {"StoreArchive": "disk"},
        {"stage": {"node3": s.Answer.REFUSED}},
        {"ChangeMembers": "x"},
        {"Commit": "y"},
    ):
        seen, session = play(answers)  # type: ignore[arg-type]
        assert isinstance(seen[-1], s.Fail)
        assert not seen[-1].committed
        assert seen[-2] == s.Request("unlock", NODES, 1)
        assert not any(isinstance(effect, s.Request) and effect.what == "install" for effect in seen)
        assert not session.committed


def test_a_failed_reconfiguration_leaves_the_locks() -> None:
    seen, _ = play({"Activate": "the event failed"}, active=frozenset(NODES))
    assert seen[-2:] == [s.Request("keep", NODES, 1), s.Fail("the event failed", committed=True)]
    assert not any(isinstance(effect, s.Request) and effect.what == "unlock" for effect in seen)


def test_services_elsewhere_only_stop_a_synchronization() -> None:
    seen, session = play({}, active=frozenset({"node2"}))
    assert isinstance(seen[0], s.Fail)
    assert not session.committed
    assert "active on other nodes" in seen[0].text


def test_a_node_is_removed_only_when_its_services_are_down() -> None:
    seen, session = play({}, active=frozenset({"node1", "node9"}), removed=("node9",))
    assert isinstance(seen[0], s.Fail)
    assert "(node9)" in seen[0].text
    assert not session.committed


def test_what_a_node_does_by_itself() -> None:
    assert decide(Copy(3), 3, services=True) is Repair.NOTHING
    assert decide(Copy(3), 4, services=True) is Repair.INSTALL
    assert decide(Copy(3), 0, services=False) is Repair.NOTHING, "no synchronization yet"
    assert decide(Copy(3, named=False), 4, services=False) is Repair.FORGET, "it was taken out"
    assert decide(Copy(0, named=False), 4, services=False) is Repair.NOTHING, "it was never in, or knows already"
    assert decide(Copy(3, staged=5, named=False), 4, services=False) is Repair.NOTHING, "it is being taken in again"
    assert decide(Copy(3, staged=4, named=False), 4, services=False) is Repair.FORGET, "that run was overtaken"
    dead = repair.LOCK_LIFE
    assert decide(Copy(3, staged=5, lock_age=dead, named=False), 4, services=False) is Repair.FORGET, "or killed"
    assert decide(Copy(0, staged=5, lock_age=dead, named=False), 4, services=False) is Repair.UNLOCK
    assert decide(Copy(3, staged=4, lock_age=1), 3, services=False) is Repair.NOTHING, "it may go on any moment"
    assert decide(Copy(3, staged=4, lock_age=repair.LOCK_LIFE), 3, services=True) is Repair.UNLOCK
    assert decide(Copy(4, staged=4, lock_age=1), 4, services=False) is Repair.UNLOCK
    assert decide(Copy(4, staged=4, lock_age=9e9), 4, services=True) is Repair.NOTHING, "the cluster manager's"


def test_a_lock_is_nobody_s_when_its_holder_is_dead_and_nothing_is_in_progress() -> None:
    dead = {"kept": False, "holder_runs": False, "committed": False, "reconfiguring": False}
    assert is_abandoned(**dead)
    assert is_abandoned(**{**dead, "committed": True}), "the running cluster takes nothing: it was never told"
    for change in ({"kept": True}, {"holder_runs": True}, {"committed": True, "reconfiguring": True}):
        assert not is_abandoned(**{**dead, **change})


def test_what_was_committed_and_never_reached_the_running_cluster_is_completed_by_one_node() -> None:
    assert is_outstanding(Copy(4), 4, active_differs=True, first=True, edited=False)
    assert not is_outstanding(Copy(4), 4, active_differs=True, first=False, edited=False), "another one does it"
    assert not is_outstanding(Copy(4), 4, active_differs=False, first=True, edited=False)
    assert not is_outstanding(Copy(4), 4, active_differs=True, first=True, edited=True), "not what nobody committed"
    assert not is_outstanding(Copy(3), 4, active_differs=True, first=True, edited=False), "it has to install it first"
    assert not is_outstanding(Copy(0), 0, active_differs=True, first=True, edited=False)
