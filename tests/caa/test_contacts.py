"""Who hears whom: paths that are cut in one direction, and clusters that cannot agree."""

from __future__ import annotations

import pytest

from daemons.caa import core
from daemons.caa.messages import DISK_PATH
from tests.caa.ring import BEAT, DELAY, FDT, NETWORK, TIMEOUT, Ring


def network_up(ring: Ring, node: int, other: int) -> bool:
    return (other, NETWORK) in ring.nodes[node].up_paths(ring.now)


def test_a_path_that_is_cut_in_one_direction_is_cut() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.one_way.add((1, 2))
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.views() == [frozenset({1}), frozenset({2})], "also the one that hears the other knows of the cut"
    assert not ring.nodes[1].up_paths(ring.now), "nothing is sent where nobody hears"
    ring.one_way.clear()
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2


def test_a_path_whose_other_end_is_down_is_down_at_once() -> None:
    """Both ends must take the same path: what is put on the disk is not looked for while a network seems to be up."""
    ring = Ring(2)
    ring.run(1_000)
    ring.step(2, core.Links(frozenset()))
    ring.isolate(2, disk=False)
    ring.run(4 * BEAT)
    assert ring.now < 1_000 + FDT, "long before it would be missed"
    assert (1, NETWORK) not in ring.nodes[2].up_paths(ring.now)
    assert (2, NETWORK) not in ring.nodes[1].up_paths(ring.now)
    assert (2, DISK_PATH) in ring.nodes[1].up_paths(ring.now)
    assert ring.views() == [frozenset({1, 2})] * 2


def test_a_network_that_is_cut_in_one_direction_is_down_at_both_ends() -> None:
    """The deaf end says so over the disk: who is not heard would go on to use the network, and lose what it sends."""
    ring = Ring(2)
    ring.run(1_000)
    assert network_up(ring, 1, 2)
    assert network_up(ring, 2, 1)
    ring.network_one_way.add((1, 2))
    ring.run(FDT + 3 * BEAT)
    assert not network_up(ring, 1, 2)
    assert not network_up(ring, 2, 1)
    assert ring.views() == [frozenset({1, 2})] * 2, "the disk is left"
    ring.network_one_way.clear()
    ring.run(3 * BEAT)
    assert network_up(ring, 1, 2)
    assert network_up(ring, 2, 1)
    assert "CONNECT_DOWN" in [event.kind for event in ring.events[1]]


@pytest.mark.parametrize("one_way", [{(1, 2)}, {(2, 1)}, {(1, 2), (2, 1)}])
def test_nodes_that_only_a_third_one_joins_do_not_stay_both(one_way: set[tuple[int, int]]) -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.one_way |= one_way
    ring.run(2 * TIMEOUT + 6 * BEAT)
    assert list(ring.halted) == [2]
    assert "asymmetric topology" in ring.halted[2]
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.views() == [frozenset({1, 3})] * 2


def test_the_node_with_the_fewest_contacts_goes() -> None:
    ring = Ring(4)
    ring.run(1_000)
    ring.one_way |= {(1, 2), (3, 1)}
    ring.run(2 * TIMEOUT + 6 * BEAT)
    assert list(ring.halted) == [1]


def test_a_crash_beside_an_odd_network_halts_nobody() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.crash(3)
    ring.run(3 * (TIMEOUT + DELAY))
    assert not ring.halted
    ring.boot(3, incarnation=2)
    ring.run(3 * (TIMEOUT + DELAY))
    assert not ring.halted
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_contact_with_everybody_is_told_in_no_more_words() -> None:
    ring = Ring(4)
    ring.run(1_000)
    for heartbeat in ring.sectors.values():
        assert (heartbeat.deaf, heartbeat.rows) == (0, ())


def test_who_does_not_hear_whom_is_known_to_all() -> None:
    ring = Ring(3)
    ring.run(1_000)
    assert all(picture.apart == frozenset() for picture in ring.pictures.values())
    ring.crash(3)
    ring.run(TIMEOUT + DELAY + 2 * BEAT)
    assert ring.pictures[1].apart == frozenset()
    ring.one_way.add((1, 3))
    ring.boot(3, incarnation=2)
    ring.run(4 * BEAT)
    assert ring.views() == [frozenset({1, 2, 3})] * 3, "node 2 is in contact with both"
    assert {picture.apart for picture in ring.pictures.values()} == {frozenset({(1, 3)})}
    ring.one_way.clear()
    ring.run(3 * BEAT)
    assert {picture.apart for picture in ring.pictures.values()} == {frozenset()}
    assert not ring.halted


def test_a_contact_of_somebody_else_has_the_contacts_of_that_one_unless_listed() -> None:
    """Heartbeats leave out the contacts that are as their sender's."""
    ring = Ring(4)
    ring.run(1_000)
    ring.one_way |= {(1, 4), (4, 1)}
    ring.run(TIMEOUT + 2 * BEAT)
    for number in (1, 2, 3, 4):
        assert ring.pictures[number].apart == frozenset({(1, 4)}), number


def test_a_node_that_is_known_by_others_only_is_stale() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 3}))
    ring.disk_cut.add(frozenset({1, 3}))
    ring.run(2 * (TIMEOUT + DELAY))
    pictures = [machine._announced for machine in ring.nodes.values()]
    assert [set(picture.stale) for picture in pictures if picture] == [{3}, set(), {1}]
