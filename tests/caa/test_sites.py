"""Sites of a CAA cluster: words of the command line, and who is where."""

from __future__ import annotations

import pytest

from daemons.caa import picture, sites
from daemons.caa.client import CaaError, Definition
from daemons.caa.inputs import Announce
from daemons.caa.messages import LOCAL_SITE, Membership, Node, Site, multicast_group
from daemons.caa.tiebreaker import Policies
from daemons.caa.tiebreaker import Site as ConfiguredSite

UUIDS = ("0e2b1e64-0000-11e1-84be-00145e76c700", "0e2b1e65-0000-11e1-84be-00145e76c700")
LEFT, RIGHT = Site("left", 1, UUIDS[0], ("a", "b"), 2), Site("right", 2, UUIDS[1], ("c",), 1)
NODES = tuple(
    Node(number, name, "u", (("net_ether_01", f"127.1.1.{number}"), ("net_ether_02", f"127.1.2.{number}")))
    for number, name in enumerate("abcd", 1)
)


def definition(*present: Site, **values: str) -> Definition:
    return Definition("c", "u", "00", NODES, tuple(values.items()), sites=present)


def seen(cluster: Definition, policies: Policies, node: str = "a") -> Membership:
    everybody = Announce(1, frozenset({1, 2, 3, 4}), frozenset(), True, frozenset())
    return picture.membership_of(cluster, node, everybody, policies)


def test_a_new_site_has_what_the_command_says() -> None:
    word = f"left{{cle_uuid={UUIDS[0]},cle_globid=7,cle_prio=2}}"
    assert sites.created(word, ["a"]) == Site("left", 7, UUIDS[0], ("a",), 2)
    plain = sites.created("right", [], (LEFT,))
    assert (plain.name, plain.number, plain.priority) == ("right", 2, 0)


@pytest.mark.parametrize(
    "word",
    ["", "-x", "a b", "left{", "left{}", "left{cle_prio}", "left{cle_prio=0}", "left{cle_prio=x}",
     "left{cle_prio=²}", "left{cle_ip=1}",
     "left{cle_uuid=1}", "left{cle_globid=1}", f"x{{cle_uuid={UUIDS[0]}}}", "left{cle_prio=1", "x" * 64],
)  # fmt: skip
def test_what_is_no_site(word: str) -> None:
    with pytest.raises(CaaError):
        sites.created(word, ["d"], (LEFT,))


def test_a_node_is_at_one_site_and_a_site_without_nodes_is_none() -> None:
    moved = sites.placed((LEFT, RIGHT), "c", "left")
    assert [(site.name, site.nodes) for site in moved] == [("left", ("a", "b", "c"))]
    added = sites.placed((LEFT,), "d", "far")
    assert [(site.name, site.number, site.nodes) for site in added] == [("left", 1, ("a", "b")), ("far", 2, ("d",))]
    assert sites.placed((LEFT, RIGHT), "c", "") == (LEFT,)


def test_who_is_beyond_a_node_and_in_its_multicast_group() -> None:
    cluster = definition(LEFT, RIGHT)
    assert cluster.beyond("a") == {"c"}
    assert cluster.beyond("d") == set(), "a node at no site"
    assert picture.remote_nodes(cluster, "c", Policies()) == {1, 2}
    assert multicast_group(cluster.site_fellows("b"), "net_ether_02") == "228.1.2.1"
    assert multicast_group(cluster.site_fellows("c"), "net_ether_02") == "228.1.2.3"
    assert multicast_group(definition().site_fellows("c"), "net_ether_02") == "228.1.2.1"


def test_a_node_at_no_site_is_at_local() -> None:
    membership = seen(definition(LEFT, RIGHT), Policies())
    assert [membership.site_of(name) for name in "abcd"] == [LEFT, LEFT, RIGHT, LOCAL_SITE]


def test_the_cluster_configuration_ranks_sites_before_caa_does() -> None:
    assert seen(definition(LEFT, RIGHT), Policies()).priorities == ((1, 2), (2, 2), (3, 1))
    configured = Policies(sites=(ConfiguredSite(frozenset("ab"), 1), ConfiguredSite(frozenset("c"), 2)))
    assert seen(definition(LEFT, RIGHT), configured).priorities == ((1, 1), (2, 1), (3, 2))


@pytest.mark.parametrize(
    ("tunable", "configured", "expected"),
    [
        ("", "manual", "manual"),
        ("n", "majority", "none"),
        ("m", "none", "majority"),
        ("m", "manual", "majority"),
        ("h", "majority", "heuristic"),
        ("h", "none", "heuristic"),
        ("h", "manual", "manual"),
        ("h", "tiebreaker", "tiebreaker"),
    ],
)
def test_the_local_merge_policy(tunable: str, configured: str, expected: str) -> None:
    cluster = definition(**{"local_merge_policy": tunable} if tunable else {})
    assert seen(cluster, Policies(merge=configured)).merge == expected


@pytest.mark.parametrize(
    ("tunable", "configured", "expected"),
    [
        ("", "priority", ""),
        ("p", "majority", "priority"),
        ("m", "majority", "manual"),
        ("h", "majority", ""),
        ("h", "tiebreaker", ""),
        ("h", "priority", "heuristic"),
    ],
)
def test_the_site_merge_policy(tunable: str, configured: str, expected: str) -> None:
    cluster = definition(**{"site_merge_policy": tunable} if tunable else {})
    assert seen(cluster, Policies(merge=configured)).site_merge == expected
