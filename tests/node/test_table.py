"""lpar's table: no exit is lost, nothing is forgotten before it is acknowledged."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from srcctl.node.guard import INTERVAL, SILENT_TURNS, Watchdog, silent_turns
from srcctl.node.table import ProcessTable


def test_an_exit_stays_until_it_is_acknowledged() -> None:
    table = ProcessTable()
    table.started(1, 100, json.dumps({"subsysname": "clcomd"}))
    assert table.names() == {"clcomd": 100}
    table.acknowledged(1)
    assert table.running(1) is not None
    assert table.ended(100, 256) is not None
    assert table.running(1) is None
    assert table.names() == {}
    (entry,) = table.entries()
    assert (entry.instance, entry.pid, entry.ended, entry.status) == (1, 100, True, 256)
    table.acknowledged(1)
    assert table.entries() == []


def test_a_pid_used_again_is_the_new_instance() -> None:
    table = ProcessTable()
    table.started(1, 100, "")
    table.ended(100, 9)
    table.started(2, 100, "")
    ended = table.ended(100, 0)
    assert ended is not None
    assert ended.instance == 2
    assert {entry.instance: entry.status for entry in table.entries()} == {1: 9, 2: 0}


def test_names_of_several_instances_differ() -> None:
    table = ProcessTable()
    table.started(1, 100, json.dumps({"subsystem": {"subsysname": "x"}}))
    table.started(2, 101, json.dumps({"name": "x"}))
    table.started(3, 102, "not json")
    assert table.names() == {"x": 100, "x:101": 101, "instance 3": 102}


@given(st.lists(st.tuples(st.sampled_from(["start", "end", "ack"]), st.integers(1, 6))))
def test_every_end_is_listed_until_acknowledged(steps: list[tuple[str, int]]) -> None:
    table = ProcessTable()
    running: set[int] = set()
    ended: set[int] = set()
    for what, number in steps:
        if what == "start" and number not in running | ended:
            table.started(number, 1000 + number, "")
            running.add(number)
        elif what == "end" and number in running:
            table.ended(1000 + number, number)
            running.remove(number)
            ended.add(number)
        elif what == "ack":
            table.acknowledged(number)
            ended.discard(number)
        entries = {entry.instance: entry for entry in table.entries()}
        assert {n for n, entry in entries.items() if entry.ended} == ended
        assert {n for n, entry in entries.items() if not entry.ended} == running


def test_watchdog_counts_turns_only() -> None:
    watchdog = Watchdog()
    assert not any(watchdog.turn(0) for _ in range(100)), "a peer that has not begun is not hung"
    assert not watchdog.turn(1)
    assert [watchdog.turn(1) for _ in range(SILENT_TURNS)] == [False] * (SILENT_TURNS - 1) + [True]


def test_watchdog_is_calmed_by_one_turn_of_the_peer() -> None:
    watchdog = Watchdog()
    for peer in range(1, 20):
        for _ in range(SILENT_TURNS):
            assert not watchdog.turn(peer)


def test_a_fast_lab_tolerates_less_silence() -> None:
    assert silent_turns(1) == silent_turns(10) == SILENT_TURNS
    for speed in (1.0, 10.0, 20.0, 30.0, 50.0):
        assert silent_turns(speed) * INTERVAL < 40_000_000 / speed, "gone before the others take over"
