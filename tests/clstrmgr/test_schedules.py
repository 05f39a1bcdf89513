"""Dynamic node priority and delayed fallback in a cluster."""

from __future__ import annotations

import msgspec

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import FallbackTimerDue, Measured
from daemons.clstrmgr.view import long_status
from daemons.cluster.configuration.policies import FallbackTimer
from daemons.cluster.configuration.resources import ResourceGroup
from tests.clstrmgr.ring import Ring, configuration, group

EVENING = FallbackTimer(name="evening", recurrence="daily", hour=22, minutes=30)


def dynamic(policy: str, *extra: tuple[str, str]) -> ResourceGroup:
    plain = group("rg1", "node1 node2 node3", "OHN FUDNP NFB")
    resources = (*plain.resources, ("NODE_PRIORITY_POLICY", policy), *extra)
    return msgspec.structs.replace(plain, resources=resources)


def measured(ring: Ring, key: str, *values: float) -> None:
    for node, value in enumerate(values, start=1):
        ring.feed(node, Measured(((key, value),)))
        ring.settle()


def online(ring: Ring) -> list[int]:
    return [node for node, state in ring.states("rg1").items() if state == "ONLINE"]


def test_fallover_goes_to_the_node_with_the_highest_value() -> None:
    ring = Ring(configuration(3, dynamic("cl_highest_free_mem")))
    ring.start(1, 2, 3)
    measured(ring, "mem", 100, 10, 50)
    ring.crash(1)
    ring.settle()
    assert online(ring) == [3]


def test_list_order_counts_while_a_value_is_missing() -> None:
    ring = Ring(configuration(3, dynamic("mem")))
    ring.start(1, 2, 3)
    ring.feed(3, Measured((("mem", 50.0),)))
    ring.settle()
    ring.crash(1)
    ring.settle()
    assert online(ring) == [2]


def test_lowest_exit_code_that_is_not_zero() -> None:
    ring = Ring(configuration(3, dynamic("least", ("NODE_PRIORITY_POLICY_SCRIPT", "/usr/local/load"))))
    ring.start(1, 2, 3)
    measured(ring, "script/rg1", 0, 7, 3)
    ring.request(1, messages.StopServices("move"))
    assert online(ring) == [3]


def test_values_are_told_to_nodes_that_come_later_and_shown() -> None:
    ring = Ring(configuration(3, dynamic("mem")))
    ring.start(1, 2)
    measured(ring, "mem", 100, 10)
    ring.start(3)
    lines = long_status(ring.nodes[3]).splitlines()
    where = lines.index("Current DNP values")
    assert lines[where + 1 : where + 5] == [
        "DNP Values for NodeId - 3  NodeName - node3",
        "    PgSpFree = 0  PvPctBusy = 0  PctTotalTimeIdle = 0.000000",
        "DNP Values for NodeId - 2  NodeName - node2",
        "    PgSpFree = 10  PvPctBusy = 0  PctTotalTimeIdle = 0.000000",
    ]


def delayed() -> Ring:
    entry = msgspec.structs.replace(group("rg1", "node1 node2", "OHN FNPN FBHPN"), fallback_timer="evening")
    ring = Ring(configuration(2, entry, timers=(EVENING,)))
    ring.start(1, 2)
    ring.crash(1)
    ring.settle()
    ring.boot(1)
    ring.start(1)
    return ring


def test_group_with_a_timer_falls_back_when_it_is_due() -> None:
    ring = delayed()
    assert online(ring) == [2], "not when its home node joins"
    for node in (1, 2):
        ring.feed(node, FallbackTimerDue("evening"))
    ring.settle()
    assert online(ring) == [1]
    assert sum("rg_move_release" in line for line in ring.trace) == 2, "one event, on both nodes"


def test_group_that_an_operator_moved_stays_until_the_timer() -> None:
    ring = delayed()
    ring.feed(2, FallbackTimerDue("evening"))
    ring.settle()
    assert online(ring) == [1]
    ring.request(1, messages.MoveGroup("rg1", 2))
    assert online(ring) == [2]
    ring.feed(2, FallbackTimerDue("noon"))
    ring.settle()
    assert online(ring) == [2]
    ring.feed(2, FallbackTimerDue("evening"))
    ring.settle()
    assert online(ring) == [1]
