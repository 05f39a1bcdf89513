"""Which nodes a synchronization removes from the CAA cluster, and which it has join."""

from __future__ import annotations

from daemons.cluster.synchronization.membership import Joining, joining, removed

UP = {"node1": True, "node2": True}


def test_who_is_not_wanted_goes_also_one_of_whom_caa_was_not_told() -> None:
    assert removed(("node1",), ("node1", "node2"), ("node1", "node2", "node3")) == ("node2", "node3")
    assert removed(("node1", "node2"), UP, UP) == ()


def test_who_is_no_member_is_added() -> None:
    found = joining(("node1", "node2", "node3"), UP, ("node1", "node2"), ("node1", "node2"))
    assert found == (Joining("node3", add=True, reached=False),), "whether it can be reached is found out then"


def test_what_a_run_that_was_killed_began_is_completed() -> None:
    """The node has joined, and the others were not told; the configuration before does not have it."""
    (only,) = joining(("node1", "node2"), UP, ("node1",), ("node1", "node2"))
    assert only == Joining("node2", add=False, reached=True)
    (only,) = joining(("node1", "node2"), UP, ("node1",), ("node1",))
    assert only == Joining("node2", add=False, reached=False), "the others are told at least"


def test_a_member_on_which_caa_is_stopped_joins_if_it_is_reached() -> None:
    stopped = {"node1": True, "node2": False}
    both = ("node1", "node2")
    assert joining(both, stopped, both, both) == (Joining("node2", add=False, reached=True),)
    assert joining(both, stopped, both, ("node1",)) == (), "it is off"
