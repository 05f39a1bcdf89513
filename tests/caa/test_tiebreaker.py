"""The tie breaker: one side holds it, narrows and widens it, and its end is the end of the reservation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from daemons.caa import picture
from daemons.caa.inputs import Announce
from daemons.caa.messages import Node
from daemons.caa.repository import Definition
from daemons.caa.tiebreaker import CONFIGURATION, UNRANKED, Policies, SplitPolicy, TieBreaker
from srcctl.network.faults import Faults
from srcctl.node import powerlock
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository, seed

ETC = Path(__file__).parents[2] / "etc"

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


def test_the_configuration_tells_which_nodes_are_at_another_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = NodeRoot(str(tmp_path))
    monkeypatch.setattr(NodeRoot, "identity", type("Named", (), {"lab": str(tmp_path), "node": "node1"})())
    seed.load(root, str(ETC / "objrepos"))
    policy = SplitPolicy(root)
    assert (policy.current.beyond("node1"), policy.current.priority("node1")) == (frozenset(), UNRANKED)
    repository = Repository(root, CONFIGURATION)
    for name, nodes, priority in (("east", "node1 node2", "2"), ("west", "node3", "1"), ("south", "node4", "MANUAL")):
        site = {"name": name, "nodelist": nodes, "protection": "NONE", "dominance": "no"}
        repository.add("HACMPsite", site)
        repository.add("HACMPdynresop", {"key": f"SITE.{name}.RECOVERY_PRIORITY", "value": priority})
    policies = policy.current
    assert policies.beyond("node2") == {"node3", "node4"}
    assert policies.beyond("node5") == set(), "a node at no site waits for nobody"
    assert [policies.priority(f"node{number}") for number in range(1, 6)] == [2, 2, 1, UNRANKED, UNRANKED]
    nodes = tuple(Node(number, f"node{number}", "u", ()) for number in (1, 2, 3))
    definition = Definition("c", "u", "00", nodes, (("link_timeout", "12000"),))
    assert picture.remote_nodes(definition, "node3", policies) == {1, 2}
    announce = Announce(1, frozenset({1}), frozenset(), True, frozenset())
    told = picture.membership_of(definition, "node1", announce, policies)
    assert told.priorities == ((1, 2), (2, 2), (3, 1))
    assert told.detection == 30 + 10 + 12
    assert picture.membership_of(definition, "node1", announce, Policies()).detection == 40
