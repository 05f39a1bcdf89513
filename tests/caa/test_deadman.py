"""The dead man's switches, and what else ends a node."""

from __future__ import annotations

from daemons.caa import core
from daemons.caa.deadman import CRITICAL_RESOURCE_PROTECTION
from tests.caa.ring import BEAT, DELAY, TIMEOUT, Ring


def test_a_paused_node_halts_before_it_does_anything_else() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.paused.add(2)
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.views()[0] == frozenset({1})
    ring.paused.clear()
    before = len(ring.wire)
    ring.run(1)
    assert "dead man's switch" in ring.halted[2]
    assert len(ring.wire) - before <= 1, "not one heartbeat leaves a node that was declared dead"


def test_a_short_pause_harms_nobody() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.paused.add(2)
    ring.run(TIMEOUT - 2 * BEAT)
    ring.paused.clear()
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2
    assert not ring.halted


def test_a_node_without_links_and_repository_halts_in_time() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.isolate(2, disk=True)
    ring.disk_lost.add(2)
    ring.step(2, core.Links(frozenset()))
    ring.run(TIMEOUT + 3 * BEAT)
    assert "neither a network nor the repository" in ring.halted[2]
    assert ring.views()[0] == frozenset({1, 2}), "it is gone before the others take over"


def test_deadman_mode_e_tells_and_goes_on() -> None:
    ring = Ring(2)
    ring.crash(2)
    ring.boot(2, incarnation=2, deadman=False)
    ring.run(1_000)
    ring.isolate(2, disk=True)
    ring.disk_lost.add(2)
    ring.step(2, core.Links(frozenset()))
    ring.run(2 * TIMEOUT)
    assert not ring.halted
    assert ring.events[2].count(core.Publish("NODE_ISOLATED", 2)) == 1


def test_repos_mode_a_halts_a_node_that_loses_the_repository() -> None:
    ring = Ring(2)
    ring.crash(2)
    ring.boot(2, incarnation=2, repository_assert=True)
    ring.run(1_000)
    ring.disk_lost.add(2)
    ring.run(2 * BEAT)
    assert "repos_mode a" in ring.halted[2]


def test_group_services_that_fall_silent_with_critical_clients_end_the_node() -> None:
    ring = Ring(2)
    ring.run(1_000)
    machine = ring.nodes[1]
    patience = machine.settings.group_services_us if machine.settings else 0
    ring.step(1, core.GroupServicesTurn(True))
    ring.run(30 * BEAT)
    ring.step(1, core.GroupServicesTurn(True))
    assert not ring.halted
    for _ in range(patience // BEAT - 1):
        ring.step(1, core.GroupServicesTurn(True))
        ring.run(BEAT)
    ring.step(1, core.GroupServicesTurn(False))
    ring.run(2_000)
    assert not ring.halted, "nobody depends on them"
    ring.step(1, core.GroupServicesTurn(True))
    ring.run(patience + 2 * BEAT)
    assert ring.halted == {1: CRITICAL_RESOURCE_PROTECTION}
