"""Networks that come and go, and nodes that stay stopped with their groups unmanaged."""

from __future__ import annotations

import msgspec

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import Reported
from daemons.clstrmgr.schedules import FORCED_DOWN_LIMIT, UNSTABLE_WINDOW
from tests.clstrmgr.ring import Ring, configuration, group


def pair() -> Ring:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OFAN FNPN NFB")))
    ring.start(1, 2)
    ring.trace.clear()
    return ring


def flap(ring: Ring, number: int = 2) -> None:
    for kind in ("interface_down", "interface_up"):
        ring.feed(number, Reported(messages.SystemEvent(kind, "en0")))
        ring.settle()


def heard(ring: Ring, *names: str) -> list[str]:
    return [line for line in ring.trace if any(f"] {name} " in line for name in names)]


def test_network_that_is_lost_again_and_again_is_unstable_until_it_has_settled() -> None:
    ring = pair()
    flap(ring)
    flap(ring)
    assert heard(ring, "network_unstable") == []
    flap(ring)
    both = ["[1] network_unstable -1 net_ether_01", "[2] network_unstable -1 net_ether_01"]
    assert heard(ring, "network_unstable") == both
    flap(ring)
    assert heard(ring, "network_unstable") == both, "it is unstable already"
    ring.pass_time(UNSTABLE_WINDOW - 10)
    assert heard(ring, "network_stable") == []
    ring.pass_time(20)
    assert heard(ring, "network_stable") == ["[1] network_stable -1 net_ether_01", "[2] network_stable -1 net_ether_01"]
    ring.pass_time(UNSTABLE_WINDOW * 2)
    assert len(heard(ring, "network_stable")) == 2


def test_network_that_several_nodes_lose_once_is_not_unstable() -> None:
    ring = Ring(configuration(3, group("rg1", "node1 node2 node3")))
    ring.start(1, 2, 3)
    for node in (1, 2, 3):
        ring.feed(node, Reported(messages.SystemEvent("interface_down", f"127.0.0.{node}")))
        ring.settle()
    assert heard(ring, "network_down") != []
    assert heard(ring, "network_unstable") == []


def test_slow_losses_make_no_unstable_network() -> None:
    ring = pair()
    for _ in range(6):
        flap(ring)
        ring.pass_time(UNSTABLE_WINDOW / 2 + 1)
    assert heard(ring, "network_unstable") == []


def test_another_member_says_that_it_is_stable_when_the_first_one_has_gone() -> None:
    ring = pair()
    for _ in range(3):
        flap(ring)
    assert ring.nodes[2].cluster is not None
    assert ring.nodes[2].cluster.networks_unstable == {"net_ether_01"}
    ring.crash(1)
    ring.settle()
    ring.pass_time(UNSTABLE_WINDOW + 20)
    assert heard(ring, "network_stable") == ["[2] network_stable -1 net_ether_01"]


def test_node_that_stays_unmanaged_is_told_once_and_again_after_the_next_time() -> None:
    ring = pair()
    ring.request(1, messages.StopServices("unmanage"))
    ring.pass_time(FORCED_DOWN_LIMIT - 60)
    assert heard(ring, "forced_down_too_long") == []
    ring.pass_time(3 * FORCED_DOWN_LIMIT)
    assert heard(ring, "forced_down_too_long") == ["[2] forced_down_too_long node1"], "by the node with active services"
    ring.start(1)
    ring.pass_time(2 * FORCED_DOWN_LIMIT)
    assert len(heard(ring, "forced_down_too_long")) == 1
    ring.request(1, messages.StopServices("unmanage"))
    ring.pass_time(FORCED_DOWN_LIMIT + 60)
    assert len(heard(ring, "forced_down_too_long")) == 2


def told_only(**methods: str) -> Ring:
    entry = group("rg1", "node1 node2", "OFAN FNPN NFB")
    notified = tuple((kind, entry.resource(kind)[0], method) for kind, method in methods.items())
    ring = Ring(configuration(2, msgspec.structs.replace(entry, notified=notified)))
    ring.start(1, 2)
    ring.trace.clear()
    return ring


def test_service_label_that_is_lost_is_told_instead_of_a_fallover_where_that_is_wanted() -> None:
    ring = told_only(SERVICE_LABEL="/usr/local/tell -v")
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "en0")))
    ring.settle()
    assert heard(ring, "network_down") != []
    assert heard(ring, "rg_move_release") == []
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert ring.methods == ["[1] /usr/local/tell -v SERVICE_LABEL svc1 rg1 node1"]


def test_volume_group_that_is_lost_is_told_instead_of_a_fallover_where_that_is_wanted() -> None:
    ring = told_only(VOLUME_GROUP="")
    ring.feed(1, Reported(messages.SystemEvent("volume_group_lost", "rg1vg")))
    ring.settle()
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert ring.methods == []
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "en0")))
    ring.settle()
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}, "its label falls over all the same"
