"""Traffic monitoring: whose interface is broken."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from daemons.caa import core
from tests.caa.ring import BEAT, FDT, NETWORK, TIMEOUT, Ring


def adapter_events(ring: Ring, of: int) -> list[tuple[str, int]]:
    return [(e.kind, e.node) for e in ring.events[of] if e.kind.startswith("ADAPTER")]


def reconfigured(ring: Ring, **changes: object) -> None:
    for node, machine in ring.nodes.items():
        assert machine.settings is not None
        ring.step(node, core.Configure(replace(machine.settings, **changes)))


def cut_network(ring: Ring, one: set[int], other: set[int]) -> None:
    ring.network_one_way = {(a, b) for a in one for b in other} | {(b, a) for a in one for b in other}


@pytest.mark.parametrize("monitored", [True, False])
def test_an_interface_that_hears_nobody_while_others_hear_each_other_is_down(monitored: bool) -> None:
    ring = Ring(3)
    reconfigured(ring, traffic_monitor=monitored)
    ring.run(1_000)
    cut_network(ring, {1}, {2, 3})
    ring.run(FDT)
    assert adapter_events(ring, 1) == [], "network_fdt and some beats"
    ring.run(TIMEOUT)
    down = {(1, NETWORK)} if monitored else set()
    for node in (1, 2, 3):
        assert ring.pictures[node].interfaces_down == down
        assert adapter_events(ring, node) == ([("ADAPTER_DOWN", 1)] if monitored else [])
        assert ring.pictures[node].alive == {1, 2, 3}, "the disk is left"
    ring.network_one_way.clear()
    ring.run(5 * BEAT)
    for node in (1, 2, 3):
        assert ring.pictures[node].interfaces_down == set()
        assert adapter_events(ring, node) == ([("ADAPTER_DOWN", 1), ("ADAPTER_UP", 1)] if monitored else [])


def test_an_interface_that_only_speaks_hears_nobody() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.network_one_way = {(2, 1), (3, 1)}
    ring.run(2 * TIMEOUT)
    assert ring.pictures[2].interfaces_down == {(1, NETWORK)}


@pytest.mark.parametrize(
    ("count", "one", "other"),
    [(2, {1}, {2}), (4, {1, 2}, {3, 4}), (3, {1}, {2})],
    ids=["of two nobody can say who it is", "both halves hear somebody", "the third hears both"],
)
def test_an_interface_is_not_down_without_witnesses(count: int, one: set[int], other: set[int]) -> None:
    ring = Ring(count)
    ring.run(1_000)
    cut_network(ring, one, other)
    ring.run(3 * TIMEOUT)
    assert [adapter_events(ring, node) for node in ring.nodes] == [[]] * count


def test_a_switch_that_fails_takes_no_interface_down() -> None:
    ring = Ring(3)
    ring.run(1_000)
    cut_network(ring, {1, 2, 3}, {1, 2, 3})
    ring.run(3 * TIMEOUT)
    assert [adapter_events(ring, node) for node in ring.nodes] == [[]] * 3


def test_a_crash_of_all_others_takes_no_interface_down() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.crash(2)
    ring.crash(3)
    ring.run(3 * TIMEOUT)
    assert ring.pictures[1].alive == {1}
    assert adapter_events(ring, 1) == []


def test_a_silent_interface_whose_link_goes_is_down_once() -> None:
    ring = Ring(3)
    ring.run(1_000)
    cut_network(ring, {1}, {2, 3})
    ring.run(2 * TIMEOUT)
    ring.step(1, core.Links(frozenset()))
    ring.run(5 * BEAT)
    assert adapter_events(ring, 1) == adapter_events(ring, 2) == [("ADAPTER_DOWN", 1)]
    ring.network_one_way.clear()
    ring.step(1, core.Links(frozenset({NETWORK})))
    ring.run(5 * BEAT)
    assert adapter_events(ring, 1) == adapter_events(ring, 2) == [("ADAPTER_DOWN", 1), ("ADAPTER_UP", 1)]
