"""Who is alive: links are cut, nodes crash and come back."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from daemons.caa import core
from daemons.caa.messages import DISK_PATH, Heartbeat, heartbeat_codec
from tests.caa.ring import BEAT, DELAY, NETWORK, TIMEOUT, Ring


def test_nodes_find_each_other() -> None:
    ring = Ring(3)
    ring.run(500)
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_crash_is_seen_after_timeout_and_delay_and_not_before() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.crash(2)
    ring.run(TIMEOUT + DELAY - 2 * BEAT)
    assert ring.views() == [frozenset({1, 2})]
    ring.run(4 * BEAT)
    assert ring.views() == [frozenset({1})]
    assert core.Publish("NODE_DOWN", 2) in ring.events[1]


def test_a_node_of_another_site_is_down_after_link_timeout_too() -> None:
    ring = Ring(4)
    sites = {1: {3, 4}, 2: {3, 4}, 3: {1, 2}, 4: {1, 2}}
    for node, settings in [(n, m.settings) for n, m in ring.nodes.items()]:
        assert settings is not None
        ring.step(node, core.Configure(replace(settings, remote=frozenset(sites[node]), link_timeout_us=2_000)))
    ring.run(1_000)
    del ring.nodes[4]
    ring.run(TIMEOUT + DELAY + 3 * BEAT)
    assert ring.pictures[3].alive == {1, 2, 3}, "its own site does not wait for the link"
    ring.run(2_000 - 5 * BEAT)
    assert [ring.pictures[node].alive for node in (1, 2)] == [{1, 2, 3, 4}] * 2
    ring.run(5 * BEAT)
    assert [ring.pictures[node].alive for node in (1, 2, 3)] == [{1, 2, 3}] * 3
    assert not ring.halted, "two sites that find out one after the other are no odd topology"


def test_a_cut_network_alone_loses_no_node_while_the_disk_is_there() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.isolate(2, disk=False)
    ring.run(3 * (TIMEOUT + DELAY))
    assert ring.views() == [frozenset({1, 2})] * 2
    assert (2, NETWORK) not in ring.nodes[1].up_paths(ring.now)
    assert (2, DISK_PATH) in ring.nodes[1].up_paths(ring.now)


def test_a_partition_makes_two_views_and_healing_one() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.isolate(3, disk=True)
    ring.run(2 * (TIMEOUT + DELAY))
    assert ring.views() == [frozenset({1, 2}), frozenset({1, 2}), frozenset({3})]
    assert not ring.halted, "the repository is still there for both sides"
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_node_heard_by_one_only_is_alive_for_all() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 3}))
    ring.disk_cut.add(frozenset({1, 3}))
    ring.run(TIMEOUT + DELAY + 5 * BEAT)  # long enough to be missed, not so long that one of them goes
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_reborn_node_was_down_in_between() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.crash(2)
    ring.run(500)
    ring.boot(2, incarnation=2)
    ring.run(500)
    assert ring.views() == [frozenset({1, 2})] * 2
    assert ring.lives(1, 2) == ["NODE_UP", "NODE_DOWN", "NODE_UP"]


def test_a_reboot_that_only_a_third_node_hears_is_known_at_once_and_not_when_the_cut_heals() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 2}))
    ring.disk_cut.add(frozenset({1, 2}))
    ring.run(TIMEOUT + DELAY + 5 * BEAT)
    assert ring.views() == [frozenset({1, 2, 3})] * 3
    ring.crash(2)
    ring.run(500)
    ring.boot(2, incarnation=2)
    ring.run(3 * BEAT)
    assert ring.lives(1, 2) == ["NODE_UP", "NODE_DOWN", "NODE_UP"]
    ring.run(TIMEOUT // 2)
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.run(TIMEOUT)
    assert ring.lives(1, 2) == ["NODE_UP", "NODE_DOWN", "NODE_UP"]
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_recorded_heartbeats_of_a_dead_node_are_no_life_for_one_that_was_restarted() -> None:
    ring = Ring(2)
    recorded: list[bytes] = []
    for _ in range(1_000):
        ring.run(1)
        recorded += [data for _, node, data in ring.wire if node == 1]
    ring.crash(1)
    ring.crash(2)
    ring.boot(1, incarnation=2)
    for data in recorded:
        ring.step(1, core.Received(NETWORK, heartbeat_codec.decode(data)))
        ring.run(1)
        assert ring.views() == [frozenset({1})]


def test_what_a_dead_node_left_on_the_disk_is_no_life() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.crash(2)
    ring.crash(1)
    ring.boot(1, incarnation=2)
    ring.run(2 * TIMEOUT)
    assert ring.views() == [frozenset({1})]


def test_nodes_that_come_and_go_by_configuration_are_events() -> None:
    ring = Ring(2)
    ring.run(1_000)
    settings = ring.nodes[1].settings
    assert settings is not None
    ring.step(1, core.Configure(replace(settings, nodes=frozenset({1, 3}))))
    assert core.Publish("NODE_DELETE", 2) in ring.events[1]
    assert core.Publish("NODE_ADD", 3) in ring.events[1]
    for serial in range(10**6, 10**6 + 2 * (TIMEOUT + DELAY) // BEAT):
        ring.step(1, core.Received(NETWORK, Heartbeat(2, 1, serial, ())))
        ring.run(BEAT)
    assert ring.nodes[1].alive == {1}, "no heartbeat of it counts any more"


@pytest.mark.parametrize("seed", range(12))
def test_views_agree_after_any_weather(seed: int) -> None:
    ring = Ring(4, seed, loss=0.3)
    weather = random.Random(seed)
    for _ in range(4):
        pair = frozenset(weather.sample(range(1, 5), 2))
        ring.cut.symmetric_difference_update({pair})
        ring.disk_cut.symmetric_difference_update({pair})
        generations = [m.generation for m in ring.nodes.values()]
        ring.run(weather.randrange(500, 6_000))
        assert all(m.generation >= g for m, g in zip(ring.nodes.values(), generations, strict=True))
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.loss = 0
    assert len(ring.halted) < 4, "somebody stays"
    ring.run(2_000)
    for number in sorted(ring.halted):
        assert "asymmetric topology" in ring.halted.pop(number)
        ring.boot(number, incarnation=2)
    ring.run(2_000)
    assert ring.views() == [frozenset({1, 2, 3, 4})] * 4


def test_a_live_node_that_is_removed_is_gone_only_when_it_would_be_if_it_were_lost() -> None:
    """It may not know it yet: whoever takes over what it holds waits as for a node that has fallen silent."""
    ring = Ring(3)
    ring.run(1_000)
    for number in (1, 2):
        settings = ring.nodes[number].settings
        assert settings is not None
        ring.step(number, core.Configure(replace(settings, nodes=frozenset({1, 2}))))
        assert ring.nodes[number].alive == {1, 2, 3}
    ring.crash(3)
    ring.run(TIMEOUT + DELAY - 4 * BEAT)
    assert ring.nodes[1].alive == {1, 2, 3}
    ring.run(6 * BEAT)
    assert ring.nodes[1].alive == ring.nodes[2].alive == {1, 2}
    assert list(ring.nodes[1].peers) == [2]
    ring.boot(3, incarnation=2)
    ring.run(1_000)
    assert ring.nodes[1].alive == {1, 2}, "a stranger"


# Nodes that stop in good order.


def stop(ring: Ring, number: int) -> None:
    """CAA stops on a node; the last heartbeats are on their way."""
    ring.step(number, core.Stopped())
    assert ring.nodes[number].next_deadline() is None
    ring.crash(number)


def test_a_node_that_stops_is_down_at_once_and_stays_down() -> None:
    """Neither its sector of the disk nor what the others have heard of it before brings it back; its next life does."""
    ring = Ring(3)
    ring.run(1_000)
    stop(ring, 2)
    ring.run(2)
    assert ring.views() == [frozenset({1, 3})] * 2
    assert not [path for path in ring.pictures[1].paths if path[0] == 2]
    ring.run(2 * (TIMEOUT + DELAY))
    assert [ring.lives(node, 2) for node in (1, 3)] == [["NODE_UP", "NODE_DOWN"]] * 2
    assert not ring.halted
    ring.boot(2, incarnation=2)
    ring.run(5 * BEAT)
    assert ring.views() == [frozenset({1, 2, 3})] * 3
    assert [ring.lives(node, 2) for node in (1, 3)] == [["NODE_UP", "NODE_DOWN", "NODE_UP"]] * 2


def test_a_node_on_which_critical_clients_may_hold_something_is_down_by_its_silence_only() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.step(2, core.GroupServicesTurn(True))
    stop(ring, 2)
    ring.run(TIMEOUT)
    assert ring.views() == [frozenset({1, 2})]
    ring.run(DELAY + 2 * BEAT)
    assert ring.views() == [frozenset({1})]


def test_who_does_not_hear_that_a_node_stops_waits_for_its_silence() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 2}))
    stop(ring, 2)
    ring.cut.clear()
    ring.run(TIMEOUT - BEAT)
    assert ring.views() == [frozenset({1, 2, 3}), frozenset({1, 3})]
    ring.run(DELAY + 3 * BEAT)
    assert ring.views() == [frozenset({1, 3})] * 2
    assert not ring.halted, "the difference is none of contacts"


def test_a_node_that_stops_is_no_side_that_has_given_way() -> None:
    """It may boot where nobody hears it, and win the tie breaker: until the others have it they do not call it dead."""
    ring = Ring(2)
    for number in (1, 2):
        ring.boot(number, incarnation=2, arbitrate=True)
    ring.run(1_000)
    stop(ring, 2)
    ring.run(TIMEOUT)
    assert ring.views() == [frozenset({1, 2})]
    assert not ring.holders


def test_a_recorded_farewell_ends_nobody() -> None:
    """It must be of the sender's present life, and answer a stamp of the receiver's."""
    ring = Ring(2)
    ring.run(1_000)
    stop(ring, 2)
    farewell = next(data for _, node, data in ring.wire if node == 1)
    ring.run(2)
    ring.boot(2, incarnation=2)
    ring.run(1_000)
    ring.wire.append((ring.now + 1, 1, farewell))
    ring.run(2)
    ring.boot(1, incarnation=2)
    ring.wire.append((ring.now + 1, 1, farewell))
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2
    assert ring.lives(1, 2) == ["NODE_UP"]
