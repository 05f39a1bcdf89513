"""Event sequences of whole clusters, script by script."""

from __future__ import annotations

from daemons.clstrmgr import messages
from tests.clstrmgr.ring import Ring, configuration, group


def two(policies: str = "OHN FNPN NFB") -> Ring:
    return Ring(configuration(2, group("rg1", "node1 node2", policies)))


def trace(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_first_node_joins_and_acquires_its_group() -> None:
    ring = two()
    ring.start(1)
    assert ring.trace == trace(
        """
[1] admin_op clrm_start_request 1 0
[1] node_up node1
[1]   ACQUIRE
[1]   SERVICE_LABELS
[1]   VGS
[1]   FILESYSTEMS
[1] node_up_complete node1
[1]   APPLICATIONS
[1]   ONLINE
"""
    )
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert ring.nodes[1].state == "ST_STABLE"
    assert ring.nodes[2].state == "ST_INIT"


def test_second_node_joins_and_nothing_moves() -> None:
    ring = two()
    ring.start(1)
    ring.trace.clear()
    ring.start(2)
    assert ring.trace == trace(
        """
[2] admin_op clrm_start_request 1 0
[1] node_up node2
[2] node_up node2
[1] node_up_complete node2
[2] node_up_complete node2
"""
    )
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


def test_graceful_stop() -> None:
    ring = two()
    ring.start(1, 2)
    ring.trace.clear()
    assert ring.request(1, messages.StopServices("offline")).error == ""
    assert ring.trace == trace(
        """
[1] admin_op clrm_stop_request 3 0
[1] node_down node1 graceful
[1]   RELEASE
[1]   APPLICATIONS
[1]   FILESYSTEMS
[1]   VGS
[1]   SERVICE_LABELS
[1]   OFFLINE
[2] node_down node1 graceful
[1] node_down_complete node1 graceful
[2] node_down_complete node1 graceful
"""
    )
    assert ring.nodes[1].state == "ST_INIT"
    assert ring.states("rg1") == {1: "OFFLINE", 2: "OFFLINE"}


def test_stop_with_move_takes_the_group_over() -> None:
    ring = two()
    ring.start(1, 2)
    ring.trace.clear()
    assert ring.request(1, messages.StopServices("move")).error == ""
    assert ring.trace == trace(
        """
[1] admin_op clrm_stop_request 3 0
[1] node_down node1
[1]   RELEASE
[1]   APPLICATIONS
[1]   FILESYSTEMS
[1]   VGS
[1]   SERVICE_LABELS
[1]   OFFLINE
[2] node_down node1
[2]   ACQUIRE
[2]   SERVICE_LABELS
[2]   VGS
[2]   FILESYSTEMS
[1] node_down_complete node1
[2] node_down_complete node1
[2]   APPLICATIONS
[2]   ONLINE
"""
    )
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}


def test_operator_moves_a_group() -> None:
    ring = two()
    ring.start(1, 2)
    ring.trace.clear()
    assert ring.request(2, messages.MoveGroup("rg1", 2)).error == ""
    assert ring.trace == trace(
        """
[1] rg_move_release node1 1
[1]   RELEASE
[1]   APPLICATIONS
[1]   FILESYSTEMS
[1]   VGS
[1]   SERVICE_LABELS
[1]   OFFLINE
[2] rg_move_release node1 1
[1] rg_move_fence node1 1
[2] rg_move_fence node1 1
[1] rg_move_acquire node1 1
[2] rg_move_acquire node1 1
[2]   ACQUIRE
[2]   SERVICE_LABELS
[2]   VGS
[2]   FILESYSTEMS
[1] rg_move_complete node1 1
[2] rg_move_complete node1 1
[2]   APPLICATIONS
[2]   ONLINE
"""
    )
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}


def test_crash_waits_until_the_node_left_the_view() -> None:
    ring = two()
    ring.start(1, 2)
    ring.trace.clear()
    ring.kill_manager(1)
    ring.settle()
    assert ring.trace == []
    assert ring.states("rg1")[1] == "ONLINE"
    ring.crash(1)
    ring.settle()
    assert ring.trace == trace(
        """
[2] node_down node1
[2]   ACQUIRE
[2]   SERVICE_LABELS
[2]   VGS
[2]   FILESYSTEMS
[2] node_down_complete node1
[2]   APPLICATIONS
[2]   ONLINE
"""
    )
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}


def test_stop_with_unmanage_and_restart() -> None:
    ring = two()
    ring.start(1, 2)
    ring.trace.clear()
    assert ring.request(1, messages.StopServices("unmanage")).error == ""
    assert ring.trace == trace(
        """
[1] admin_op clrm_stop_request 3 0
[1] node_down node1 forced
[2] node_down node1 forced
[1] node_down_complete node1 forced
[2] node_down_complete node1 forced
"""
    )
    assert ring.nodes[1].state == "ST_STABLE"
    assert not ring.nodes[1].services
    assert ring.states("rg1")[1] == "UNMANAGED"
    ring.start(1)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}


def test_manual_start_manages_only_what_was_unmanaged_on_the_node() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2"), group("rg2", "node1 node2", label="svc2")))
    for node in (1, 2):
        ring.request(node, messages.StartServices("manual"))
    ring.request(1, messages.OnlineGroup("rg1", 1))
    ring.request(1, messages.StopServices("unmanage"))
    ring.request(1, messages.StartServices("manual"))
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert ring.states("rg2") == {1: "OFFLINE", 2: "OFFLINE"}


def test_delayed_start_places_every_group_when_all_nodes_are_there() -> None:
    ring = Ring(
        configuration(
            3, group("rg1", "node3 node1", "OFAN FNPN NFB"), group("rg2", "node1 node2 node3", "OAAN BO NFB", "svc2")
        )
    )
    for node in (1, 2, 3):
        assert ring.request(node, messages.StartServices("manual")).error == ""
    assert not {"ONLINE"} & {*ring.states("rg1").values(), *ring.states("rg2").values()}
    assert ring.request(1, messages.ManageGroups()).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}
    assert set(ring.states("rg2").values()) == {"ONLINE"}


def test_group_falls_back_to_its_home() -> None:
    ring = two("OFAN FNPN FBHPN")
    ring.start(2)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    ring.start(1)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}


def test_settling_time_that_moves_nothing_runs_no_event_scripts() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OFAN FNPN NFB"), settling_time=60))
    ring.start(1)
    last = ring.nodes[1].cluster
    assert last is not None
    assert last.last_event == "JOIN_NODE_CO"
    ring.trace.clear()
    ring.pass_time(100)
    assert ring.trace == []
    assert ring.void == [(1, "TE_RG_ONLINE")]
    assert last.settled
    assert last.last_event == "JOIN_NODE_CO"
    assert ring.nodes[1].state == "ST_STABLE"


def test_group_on_all_nodes_that_is_offline_on_one_still_comes_on_the_others() -> None:
    ring = Ring(configuration(3, group("rg1", "node1 node2 node3", "OAAN BO NFB")))
    ring.start(1, 2)
    assert ring.request(1, messages.OfflineGroup("rg1", 2)).error == ""
    ring.start(3)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE", 3: "ONLINE"}
    assert ring.request(1, messages.OfflineGroup("rg1", 0)).error == ""
    ring.request(3, messages.StopServices("offline"))
    ring.start(3)
    assert set(ring.states("rg1").values()) == {"OFFLINE"}
