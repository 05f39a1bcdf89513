"""The tie breaker: one side holds it, narrows and widens it, and its end is the end of the reservation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from daemons.caa.tiebreaker import TieBreaker
from srcctl.network.faults import Faults
from srcctl.node import powerlock

EVERYBODY = frozenset({"node1", "node2", "node3"})


@contextmanager
def power(lab: Path, node: str) -> Iterator[None]:
    """The node is on: its machine holds the lock."""
    (lab / "power").mkdir(exist_ok=True)
    descriptor = os.open(lab / "power" / node, os.O_RDWR | os.O_CREAT)
    assert powerlock.take(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)


def of(lab: Path, node: str) -> TieBreaker:
    return TieBreaker(str(lab), "hdisk4", node)


def test_one_side_holds_it_until_all_are_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for node in EVERYBODY:
            stack.enter_context(power(tmp_path, node))
        one, two, three = (of(tmp_path, node) for node in ("node1", "node2", "node3"))
        assert one.reserve(frozenset({"node1", "node2"}))
        assert two.reserve(frozenset({"node1", "node2"})), "it is of that side"
        assert not three.reserve(frozenset({"node3"}))
        assert not three.admits()
        assert two.reserve(frozenset({"node2"})), "a further split"
        assert not one.reserve(frozenset({"node1"}))
        three.welcome(EVERYBODY, EVERYBODY)
        assert not three.admits(), "who does not hold it takes nobody in"
        two.welcome(frozenset({"node2", "node3"}), EVERYBODY)
        assert (three.admits(), one.admits()) == (True, False)
        two.welcome(EVERYBODY, EVERYBODY)
        assert one.admits()
        assert one.reserve(frozenset({"node1"})), "it was released"


def test_a_reservation_dies_with_its_nodes(tmp_path: Path) -> None:
    with power(tmp_path, "node1"):
        assert of(tmp_path, "node1").reserve(frozenset({"node1"}))
        assert not of(tmp_path, "node2").admits()
    assert of(tmp_path, "node2").admits()
    assert of(tmp_path, "node2").reserve(frozenset({"node2"}))


def test_a_disk_that_failed_is_nobodys(tmp_path: Path) -> None:
    Faults(str(tmp_path)).set_disk("hdisk4", failed=True)
    for attempt in (of(tmp_path, "node1").admits, lambda: of(tmp_path, "node1").reserve(EVERYBODY)):
        with pytest.raises(OSError, match="Input/output"):
            attempt()
