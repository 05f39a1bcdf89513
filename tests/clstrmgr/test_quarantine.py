"""Whom the quarantine policy shuts out."""

from __future__ import annotations

import pytest

from daemons.clstrmgr.quarantine import shut_out


@pytest.mark.parametrize(
    ("states", "goals", "members", "missed", "expected"),
    [
        ({1: "ONLINE", 2: "OFFLINE"}, (), (2,), {1}, {1}),
        ({1: "OFFLINE", 2: "ACQUIRING"}, (), (2,), {1}, {1}),  # node_down has begun
        (
            {1: "ONLINE", 2: "OFFLINE", 3: "OFFLINE"},
            (),
            (3,),
            {1, 2},
            {1, 2},
        ),  # node2 would take it over beyond the cut
        ({1: "OFFLINE", 2: "OFFLINE", 3: "ACQUIRING"}, (), (3,), {1, 2}, {1, 2}),
        ({1: "ONLINE", 2: "OFFLINE", 3: "OFFLINE"}, (), (1, 2), {3}, set()),  # it is on this side
        ({1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}, (), (3,), {2}, set()),  # it is by now
        ({1: "OFFLINE", 2: "OFFLINE"}, (), (2,), {1}, set()),  # nobody has it: nothing is to be protected
        ({1: "OFFLINE", 2: "OFFLINE"}, (2,), (2,), {1}, {1}),  # groups depend on each other: it comes here later
        ({1: "OFFLINE", 2: "ONLINE"}, (2,), (2,), {1}, set()),
        ({1: "ERROR", 2: "OFFLINE"}, (), (2,), {1}, set()),
        ({1: "ONLINE", 2: "OFFLINE", 3: "OFFLINE"}, (), (2, 3), {1, 3}, {1}),  # a member is never shut out
        ({}, (), (2,), {1}, set()),
    ],
)
def test_who_is_shut_out(
    states: dict[int, str], goals: tuple[int, ...], members: tuple[int, ...], missed: set[int], expected: set[int]
) -> None:
    assert shut_out(states, goals, members, missed) == expected
