"""online, offline and move of resource groups: which requests the cluster manager gets."""

from __future__ import annotations

import pytest

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError
from daemons.clmgr.operations.resource_groups import Step, steps
from daemons.clmgr.queries.facts import Facts
from daemons.clmgr.queries.resources import groups
from daemons.clstrmgr import messages, view
from tests.clstrmgr.ring import Ring, configuration, group


def ring() -> Ring:
    """rg1 online on node1, rg2 offline, and one that is online on all nodes."""
    entries = [
        group("rg1", "node1 node2", "OHN FNPN NFB"),
        group("rg2", "node2 node1", "OHN FNPN NFB"),
        group("all", "node1 node2", "OAAN BO NFB"),
    ]
    made = Ring(configuration(2, *entries))
    made.start(1, 2)
    made.request(1, messages.OfflineGroup("rg2", 0))
    return made


def picture() -> messages.ClusterSnapshot:
    return view.snapshot(ring().nodes[1])


def test_all_leaves_out_what_is_so_already() -> None:
    names = ["rg1", "rg2", "all"]
    assert steps("online", names, [], picture(), everything=True) == [
        Step("online", "rg2", 0),
        Step("online", "all", 0),
    ]
    assert steps("offline", names, [], picture(), everything=True) == [
        Step("offline", "rg1", 0),
        Step("offline", "all", 0),
    ]


def test_named_groups_are_all_asked_for() -> None:
    assert steps("online", ["rg1"], [], picture(), everything=False) == [Step("online", "rg1", 0)]
    assert steps("offline", ["rg2"], ["node2"], picture(), everything=False) == [Step("offline", "rg2", 2)]


def test_several_nodes() -> None:
    both = ["node1", "node2"]
    assert steps("offline", ["rg1"], both, picture(), everything=False) == [Step("offline", "rg1", 1)]
    assert steps("offline", ["rg2"], both, picture(), everything=False) == [Step("offline", "rg2", 1)]
    assert steps("online", ["all"], both, picture(), everything=False) == [
        Step("online", "all", 1),
        Step("online", "all", 2),
    ]
    with pytest.raises(ClmgrError) as caught:
        steps("online", ["rg1"], both, picture(), everything=False)
    assert caught.value.code == INCORRECT_INPUT


def test_an_unmanaged_group_is_on_the_node_that_has_it() -> None:
    made = ring()
    made.request(1, messages.MoveGroup("rg1", 2))
    made.request(2, messages.StopServices("unmanage"))
    shown = view.snapshot(made.nodes[1])
    facts = Facts("node1", {}, shown, {})
    block = dict(groups(made.nodes[1].configuration, facts)[0])  # type: ignore[arg-type]
    assert (block["STATE"], block["CURRENT_NODE"]) == ("UNMANAGED", "node2")
