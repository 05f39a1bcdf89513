"""Who may act in a split, by a tie breaker or an operator."""

from __future__ import annotations

import pytest

from daemons.caa import core
from tests.caa.ring import BEAT, DELAY, TIMEOUT, Ring


class Asked(Ring):
    """Split policy manual: an operator answers."""

    def __init__(self, count: int) -> None:
        self.questions: dict[int, frozenset[int] | None] = {}
        super().__init__(count)

    def boot(self, number: int, incarnation: int, **options: object) -> None:
        super().boot(number, incarnation, arbitrate=True, **options)

    def arbitrate(self, number: int, side: frozenset[int]) -> None:
        self.questions[number] = side

    def withdraw(self, number: int) -> None:
        self.questions[number] = None

    def answer(self, number: int, go_on: bool) -> None:
        side = self.questions.pop(number)
        assert side is not None
        self.step(number, core.Arbitrated(side, go_on, True))


@pytest.mark.parametrize("alone", [1, 2, 3])
def test_one_side_of_a_split_wins_the_tie_breaker_and_the_other_halts(alone: int) -> None:
    ring = Ring(3)
    for number in (1, 2, 3):
        ring.crash(number)
        ring.boot(number, incarnation=2, arbitrate=True)
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2, 3})] * 3
    for events in ring.events.values():
        events.clear()
    ring.isolate(alone, disk=True)
    ring.run(3 * TIMEOUT + DELAY)
    others = frozenset({1, 2, 3} - {alone})
    assert ring.holders in ({alone}, others)
    losers = {1, 2, 3} - ring.holders
    assert set(ring.halted) == losers
    assert set(ring.views()) == {ring.holders}
    for number in ring.holders:
        assert all(core.Publish("NODE_DOWN", loser) in ring.events[number] for loser in losers)
    for loser in losers:
        assert not any(e.kind == "NODE_DOWN" for e in ring.events[loser]), "it never believed the others dead"


def test_a_crash_is_no_split_but_asks_the_tie_breaker_too() -> None:
    ring = Ring(2)
    for number in (1, 2):
        ring.crash(number)
        ring.boot(number, incarnation=2, arbitrate=True)
    ring.run(1_000)
    ring.crash(2)
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.holders == {1}
    assert ring.views() == [frozenset({1, 2})], "another side that has lost may not know it yet"
    ring.run(TIMEOUT + 2 * BEAT)
    assert ring.views() == [frozenset({1})]
    ring.boot(2, incarnation=3, arbitrate=True)
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2


def test_who_is_called_alive_only_because_nobody_has_decided_yet_is_silent() -> None:
    ring = Ring(3)
    for number in (1, 2, 3):
        ring.crash(number)
        ring.boot(number, incarnation=2, arbitrate=True)
    ring.run(1_000)
    assert ring.pictures[1].reached == frozenset({1, 2, 3})
    ring.isolate(3, disk=True)
    ring.run(TIMEOUT + 2 * BEAT)
    assert (ring.pictures[1].alive, ring.pictures[1].silent) == (frozenset({1, 2, 3}), frozenset({3}))
    assert ring.pictures[1].undecided == frozenset(), "it may only be slow"
    assert ring.pictures[3].reached == frozenset({3})


def test_nobody_is_dead_until_an_operator_has_decided() -> None:
    ring = Asked(4)
    ring.run(1_000)
    for one in (1, 2):
        for other in (3, 4):
            ring.cut.add(frozenset({one, other}))
            ring.disk_cut.add(frozenset({one, other}))
    ring.run(5 * (TIMEOUT + DELAY))
    assert ring.questions == {1: {1, 2}, 2: {1, 2}, 3: {3, 4}, 4: {3, 4}}
    assert ring.pictures[1].undecided == {3, 4}, "nobody acts on it, but an administrator who looks sees them down"
    assert ring.pictures[4].undecided == {1, 2}
    assert ring.views() == [frozenset({1, 2, 3, 4})] * 4
    ring.answer(4, False)
    ring.run(2 * BEAT)
    assert sorted(ring.halted) == [3, 4], "an answer counts for the whole side"
    ring.answer(1, True)
    ring.run(2 * (TIMEOUT + DELAY))
    assert ring.views() == [frozenset({1, 2})] * 2
    assert not ring.questions.get(2), "the other node of the side needs no answer any more"


def test_a_split_that_heals_needs_no_answer() -> None:
    ring = Asked(2)
    ring.run(1_000)
    ring.isolate(2, disk=True)
    ring.run(2 * (TIMEOUT + DELAY))
    stale = ring.questions[2]
    assert stale == {2}
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.run(1_000)
    assert ring.questions == {1: None, 2: None}
    ring.step(2, core.Arbitrated(stale, False, True))
    assert not ring.halted, "an answer that comes too late is none"
    assert ring.views() == [frozenset({1, 2})] * 2
