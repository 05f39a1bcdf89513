"""Clusters whose groups depend on each other: the events, script by script, and what operators are told."""

from __future__ import annotations

import msgspec

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import RunScript, Staged
from daemons.clstrmgr.view import long_status, snapshot
from daemons.cluster.configuration import Site
from daemons.cluster.configuration.policies import (
    DIFFERENT_NODES,
    HIGH,
    LOW,
    SAME_NODE,
    SAME_SITE,
    START_AFTER,
    GroupDependency,
    LocationDependency,
)
from tests.clstrmgr.ring import Ring, configuration, group

PARENT_CHILD = (GroupDependency(id=1, parent="db", child="app"),)


def family(nodes: int = 2, policies: str = "OFAN FNPN NFB") -> Ring:
    order = " ".join(f"node{number}" for number in range(1, nodes + 1))
    groups = (group("app", order, policies, "svc1"), group("db", order, policies, "svc2"))
    return Ring(configuration(nodes, *groups, dependencies=PARENT_CHILD))


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def plain(ring: Ring, number: int = 1) -> list[str]:
    """What ran on a node, without jobs."""
    return [
        line.removeprefix(f"[{number}] ")
        for line in ring.trace
        if line.startswith(f"[{number}] ") and "   " not in line
    ]


def where(ring: Ring) -> dict[str, list[int]]:
    names = [entry.name for entry in ring.configured.groups]
    return {name: [node for node, state in ring.states(name).items() if state == "ONLINE"] for name in names}


def test_first_node_acquires_the_parent_before_the_child() -> None:
    ring = family()
    ring.start(1)
    assert plain(ring) == lines(
        """
        admin_op clrm_start_request 1 0
        node_up node1
        rg_move_release node1 2
        rg_move_fence node1 2
        rg_move_acquire node1 2
        rg_move_complete node1 2
        rg_move_release node1 1
        rg_move_fence node1 1
        rg_move_acquire node1 1
        rg_move_complete node1 1
        node_up_complete node1
        """
    )
    assert where(ring) == {"app": [1], "db": [1]}
    assert ring.nodes[1].state == "ST_STABLE"


def test_crash_of_the_parents_node_restarts_the_child_where_it_was() -> None:
    ring = family(3)
    ring.start(1, 2, 3)
    assert ring.request(1, messages.OfflineGroup("app", 0)).error == ""
    assert ring.request(1, messages.OnlineGroup("app", 3)).error == ""
    assert where(ring) == {"app": [3], "db": [1]}
    ring.trace.clear()
    ring.crash(1)
    ring.settle()
    assert where(ring) == {"app": [3], "db": [2]}
    jobs = [line for line in ring.trace if line.endswith(("APPLICATIONS", "VGS"))]
    assert jobs == [
        *("[3]   APPLICATIONS", "[3]   VGS"),
        *("[2]   VGS", "[2]   APPLICATIONS"),
        *("[3]   VGS", "[3]   APPLICATIONS"),
    ], "the child is released, the parent acquired, then the child again"


def test_stop_with_move_takes_everything_along_before_the_node_leaves() -> None:
    ring = family()
    ring.start(1, 2)
    ring.trace.clear()
    assert ring.request(1, messages.StopServices("move")).error == ""
    assert where(ring) == {"app": [2], "db": [2]}
    assert ring.nodes[1].state == "ST_INIT"
    assert plain(ring)[0].startswith("admin_op clrm_stop_request")
    assert plain(ring)[-1] == "node_down_complete node1"


def test_stop_gives_back_what_was_to_move_to_a_node_that_crashes_meanwhile() -> None:
    together = (LocationDependency(id=1, kind=SAME_NODE, members=(("app", ""), ("db", ""))),)
    groups = (group("app", "node1 node2", "OFAN FNPN NFB", "svc1"), group("db", "node1 node2", "OFAN FNPN NFB", "svc2"))
    ring = Ring(configuration(2, *groups, location_dependencies=together))
    ring.start(1, 2)
    assert where(ring) == {"app": [1], "db": [1]}
    ring.trace.clear()

    def crash(node: int, script: RunScript) -> int:
        if script.command == "node_down" and 2 in ring.nodes:
            ring.crash(2)
        return 0

    ring.script_hook = crash
    assert ring.request(1, messages.StopServices("move")).error == ""
    assert ring.nodes[1].state == "ST_INIT"
    released = [job for node, job in ring.jobs if 'JOB_TYPE=VGS ACTION="RELEASE"' in job]
    assert len(released) == 1, ring.trace
    assert "appvg" in released[0]
    assert "dbvg" in released[0]


def test_graceful_stop_of_all_nodes_releases_the_child_first() -> None:
    ring = family()
    ring.start(1, 2)
    ring.trace.clear()
    assert ring.request(1, messages.StopServices("offline")).error == ""
    released = [line for line in plain(ring) if line.startswith("rg_move_release")]
    assert released == ["rg_move_release node1 1", "rg_move_release node1 2"]
    assert plain(ring)[-1] == "node_down_complete node1 graceful"
    assert where(ring) == {"app": [], "db": []}
    assert ring.request(2, messages.StopServices("offline")).error == ""
    assert {machine.state for machine in ring.nodes.values()} == {"ST_INIT"}


def test_child_waits_for_its_parent_and_says_so() -> None:
    ring = family(policies="OHN FNPN NFB")
    ring.script_hook = lambda node, script: 0
    ring.job_hook = lambda node, job: "db" if 'JOB_TYPE=VGS ACTION="ACQUIRE"' in job and "dbvg" in job else ""
    ring.start(1)
    assert where(ring) == {"app": [], "db": []}
    assert "ERROR" in ring.states("db").values()
    view = next(entry for entry in snapshot(ring.nodes[1]).groups if entry.name == "app")
    assert {place.reason for place in view.nodes} == {"parent offline"}
    ring.job_hook = lambda node, job: ""
    ring.start(2)
    assert where(ring)["app"] != []
    assert where(ring)["db"] != []


def test_operator_is_told_what_a_dependency_forbids() -> None:
    ring = family()
    ring.start(1, 2)
    assert "bring app offline first" in ring.request(1, messages.OfflineGroup("db", 0)).message
    assert "bring app offline first" in ring.request(1, messages.MoveGroup("db", 2)).message
    assert ring.request(1, messages.OfflineGroup("app", 0)).error == ""
    assert ring.request(1, messages.OfflineGroup("db", 0)).error == ""
    assert "bring db online first" in ring.request(1, messages.OnlineGroup("app", 1)).message
    assert ring.request(1, messages.OnlineGroup("db", 2)).error == ""
    assert ring.request(1, messages.OnlineGroup("app", 1)).error == ""
    assert where(ring) == {"app": [1], "db": [2]}


def test_source_starts_after_its_target_and_stays_when_the_target_goes() -> None:
    groups = (group("source", "node1", "OHN FNPN NFB", "svc1"), group("target", "node2", "OHN FNPN NFB", "svc2"))
    after = GroupDependency(id=1, parent="target", child="source", kind=START_AFTER)
    ring = Ring(configuration(2, *groups, dependencies=(after,)))
    ring.start(1)
    assert where(ring) == {"source": [], "target": []}
    view = next(entry for entry in snapshot(ring.nodes[1]).groups if entry.name == "source")
    assert {place.reason for place in view.nodes} == {"target offline"}
    ring.start(2)
    assert where(ring) == {"source": [1], "target": [2]}
    ring.request(1, messages.OfflineGroup("target", 0))
    assert where(ring) == {"source": [1], "target": []}


def test_groups_of_one_node_move_together() -> None:
    groups = tuple(group(name, "node1 node2", "OFAN FNPN NFB", f"svc_{name}") for name in ("a", "b"))
    same = LocationDependency(id=1, kind=SAME_NODE, members=(("a", ""), ("b", "")))
    ring = Ring(configuration(2, *groups, location_dependencies=(same,)))
    ring.start(1, 2)
    assert where(ring) == {"a": [1], "b": [1]}
    assert ring.request(1, messages.MoveGroup("b", 2)).error == ""
    assert where(ring) == {"a": [2], "b": [2]}


def sites(*groups: str) -> Ring:
    """Two sites of two nodes; the groups are at one of them."""
    made = configuration(
        4,
        group("a", "node1 node2 node3 node4", "OFAN FNPN NFB", "svc_a"),
        group("b", "node2 node1 node4 node3", "OFAN FNPN NFB", "svc_b"),
        location_dependencies=(LocationDependency(id=1, kind=SAME_SITE, members=tuple((name, "") for name in groups)),),
    )
    ring = Ring(
        msgspec.structs.replace(
            made,
            sites=(Site(name="east", nodes=("node1", "node2")), Site(name="west", nodes=("node3", "node4"))),
        )
    )
    ring.start(1, 2, 3, 4)
    return ring


def test_groups_of_one_site_stay_there_and_follow_an_operator_to_the_other() -> None:
    ring = sites("a", "b")
    # The second one was started on the first node that came up and may be anywhere at this site.
    assert {node for nodes in where(ring).values() for node in nodes} <= {1, 2}
    assert ring.request(1, messages.MoveGroup("a", 3)).error == ""
    assert where(ring)["a"] == [3]
    assert where(ring)["b"][0] in (3, 4), "it follows"
    ring.crash(3)
    ring.settle()
    assert {node for nodes in where(ring).values() for node in nodes} == {4}


def test_groups_of_one_site_go_to_the_other_when_their_site_is_lost() -> None:
    ring = sites("a", "b")
    ring.crash(1)
    ring.settle()
    assert where(ring) == {"a": [2], "b": [2]}
    ring.crash(2)
    ring.settle()
    assert {node for nodes in where(ring).values() for node in nodes} <= {3, 4}
    assert all(where(ring).values())


def test_group_that_has_failed_everywhere_at_its_site_does_not_leave_the_others() -> None:
    ring = sites("a", "b")
    ring.job_hook = lambda node, job: "a" if node == 2 and 'ACTION="ACQUIRE"' in job and "avg" in job else ""
    ring.feed(1, _lost("avg"))
    ring.settle()
    assert where(ring)["a"] == []
    assert where(ring)["b"][0] in (1, 2)
    assert [line for line in ring.trace if "intersite" in line] == [
        f"[{node}] intersite_fallover_prevented a" for node in (1, 2, 3, 4)
    ], "it has places at the other site"
    assert "ERROR" in ring.states("a").values()


def test_higher_priority_pushes_the_lower_one_off_and_lets_it_back() -> None:
    groups = (
        group("high", "node1 node2", "OFAN FNPN NFB", "svc1"),
        group("low", "node2 node1", "OFAN FNPN NFB", "svc2"),
    )
    apart = LocationDependency(id=1, kind=DIFFERENT_NODES, members=(("high", HIGH), ("low", LOW)))
    ring = Ring(configuration(2, *groups, location_dependencies=(apart,)))
    ring.start(1, 2)
    assert where(ring) == {"high": [1], "low": [2]}
    ring.crash(1)
    ring.settle()
    assert where(ring) == {"high": [2], "low": []}
    ring.boot(1)
    ring.start(1)
    assert where(ring) == {"high": [2], "low": [1]}
    assert "equal or higher priority" in ring.request(1, messages.MoveGroup("low", 2)).message
    assert ring.request(1, messages.MoveGroup("high", 1)).error == ""
    assert where(ring) == {"high": [1], "low": [2]}


def test_unmanaged_groups_are_managed_again_in_order() -> None:
    ring = family()
    ring.start(1, 2)
    assert ring.request(1, messages.StopServices("unmanage")).error == ""
    assert set(ring.states("db").values()) == {"UNMANAGED", "OFFLINE"}
    ring.trace.clear()
    ring.start(1)
    assert where(ring) == {"app": [1], "db": [1]}


def test_unmanaged_child_of_a_node_that_has_gone_is_brought_online_elsewhere() -> None:
    ring = family()
    ring.start(1, 2)
    ring.request(1, messages.StopServices("unmanage"))
    ring.crash(1)
    ring.settle()
    for name in ("db", "app"):
        assert "UNMANAGED" in ring.states(name).values()
        assert ring.request(2, messages.OnlineGroup(name, 2)).error == ""
    assert where(ring) == {"app": [2], "db": [2]}


def test_application_failure_of_a_parent_takes_the_child_down_and_up() -> None:
    ring = family()
    ring.start(1, 2)
    ring.trace.clear()
    ring.feed(1, _lost("dbvg"))
    ring.settle()
    assert where(ring) == {"app": [1], "db": [2]}


def _lost(volume_group: str) -> object:
    from daemons.clstrmgr.inputs import Reported

    return Reported(messages.SystemEvent("volume_group_lost", volume_group))


def test_move_of_a_parent_and_what_an_operator_wants_are_told_before_anything_moves() -> None:
    ring = family()
    ring.start(1, 2)
    assert ring.request(1, messages.OfflineGroup("app", 0)).error == ""
    ring.trace.clear()
    assert ring.request(1, messages.MoveGroup("db", 2)).error == ""
    assert plain(ring) == lines(
        """
        external_resource_state_change node1
        rg_move_release node1 2
        rg_move_fence node1 2
        rg_move_acquire node1 2
        rg_move_complete node1 2
        external_resource_state_change_complete node1
        """
    )
    assert long_status(ring.nodes[1]).endswith("Last event run was EXTERNAL_RES  on node 1")


def test_groups_of_one_level_move_in_one_event() -> None:
    order = "node1 node2"
    names = ("a", "b", "c")
    groups = [group("top", order, "OFAN FNPN NFB", "svc_top")]
    groups += [group(name, order, "OFAN FNPN NFB", f"svc_{name}") for name in names]
    below = tuple(GroupDependency(id=number, parent="top", child=name) for number, name in enumerate(names, 1))
    ring = Ring(configuration(2, *groups, dependencies=below))
    ring.start(1, 2)
    assert where(ring) == {"top": [1], "a": [1], "b": [1], "c": [1]}
    ring.trace.clear()
    assert ring.request(1, messages.StopServices("move")).error == ""
    assert where(ring) == {"top": [2], "a": [2], "b": [2], "c": [2]}
    assert [line for line in plain(ring, 2) if "fence" not in line] == lines(
        """
        node_down node1
        rg_move_release node1 2
        rg_move_acquire node1 2
        rg_move_complete node1 2
        rg_move_release node1 1
        rg_move_acquire node1 1
        rg_move_complete node1 1
        rg_move_release node2 2
        rg_move_acquire node2 2
        rg_move_complete node2 2
        node_down_complete node1
        """
    ), "the children, the parent, the children again"


def test_failure_of_a_resource_is_a_change_of_state_and_the_move_follows() -> None:
    ring = family()
    ring.start(1, 2)
    ring.trace.clear()
    ring.feed(1, _lost("dbvg"))
    ring.settle()
    ran = plain(ring)
    assert ran[0] == "resource_state_change node1"
    assert ran[-1] == "resource_state_change_complete node1"
    assert [line for line in ran if line.startswith("rg_move_release")] == [
        "rg_move_release node1 1",
        "rg_move_release node1 2",
        "rg_move_release node1 1",
    ]
    assert where(ring) == {"app": [1], "db": [2]}


def test_what_failed_on_one_node_is_released_there_before_the_next_one_has_it() -> None:
    ring = family(policies="OFAN FNPN NFB")
    ring.start(1, 2)
    ring.job_hook = lambda node, job: "db" if node == 2 and 'ACTION="ACQUIRE"' in job and "dbvg" in job else ""
    ring.request(1, messages.StopServices("move"))
    assert where(ring) == {"app": [], "db": []}
    assert ring.states("db")[2] == "ERROR"
    ring.job_hook = lambda node, job: ""
    ring.start(1)
    assert where(ring)["db"] != []
    assert where(ring)["app"] != []


def test_dependency_that_a_reconfiguration_brings_counts_from_then_on() -> None:
    made = family().configured
    ring = Ring(msgspec.structs.replace(made, dependencies=()))
    ring.start(1, 2)
    assert where(ring) == {"app": [1], "db": [1]}
    ring.request(1, messages.MoveGroup("app", 2))
    for number in ring.nodes:
        ring.staged[number] = made
        ring.feed(number, Staged(made, {}))
    assert ring.request(1, messages.Reconfigure(2)).error == ""
    ring.trace.clear()
    ring.crash(1)
    ring.settle()
    assert where(ring) == {"app": [2], "db": [2]}
    assert [line for line in ring.trace if "APPLICATIONS" in line] == ["[2]   APPLICATIONS"] * 3


def with_one_everywhere() -> Ring:
    order = "node1 node2 node3"
    groups = (group("app", order, "OFAN FNPN NFB", "svc1"), group("db", order, "OFAN FNPN NFB", "svc2"))
    everywhere = group("web", order, "OAAN BO NFB", "svc3")
    return Ring(configuration(3, *groups, everywhere, dependencies=PARENT_CHILD))


def test_group_on_all_nodes_stays_on_the_others_when_a_node_is_managed_again() -> None:
    ring = with_one_everywhere()
    ring.start(1, 2, 3)
    ring.preambles.clear()
    ring.request(2, messages.StopServices("unmanage"))
    assert {sentences for _, sentences in ring.preambles} == {("Node Down Completion Event has been enqueued.",)}
    assert ring.states("web") == {1: "ONLINE", 2: "UNMANAGED", 3: "ONLINE"}
    ring.trace.clear()
    ring.start(2)
    assert ring.states("web") == {1: "ONLINE", 2: "ONLINE", 3: "ONLINE"}
    assert not [line for line in ring.trace if line.endswith("  RELEASE")]


def test_preamble_announces_nothing_for_a_node_that_is_gone_and_only_what_an_event_begins() -> None:
    ring = with_one_everywhere()
    ring.start(1, 2, 3)
    ring.preambles.clear()
    ring.crash(3)
    ring.settle()
    assert [sentences for node, sentences in ring.preambles if node == 1] == [
        ("Node Down Completion Event has been enqueued.",)
    ]


def test_manual_start_acquires_nothing_of_a_group_on_all_nodes() -> None:
    ring = with_one_everywhere()
    ring.start(1, 2, 3)
    ring.crash(3)
    ring.settle()
    ring.boot(3)
    ring.start(3, manage="manual")
    assert ring.states("web") == {1: "ONLINE", 2: "ONLINE", 3: "OFFLINE"}


def test_operator_brings_a_group_in_error_offline() -> None:
    ring = family()
    ring.start(1, 2)
    start = 'JOB_TYPE=APPLICATIONS ACTION="ACQUIRE" ALL_APPLICATIONS="app_app"'
    ring.job_hook = lambda node, job: "app" if job.startswith(start) else ""
    ring.request(1, messages.OfflineGroup("app", 0))
    assert ring.request(1, messages.OnlineGroup("app", 0)).error == "failed"
    assert "ERROR" in ring.states("app").values()
    assert ring.request(1, messages.OfflineGroup("app", 0)).error == ""
    assert ring.states("app") == {1: "OFFLINE", 2: "OFFLINE"}


def test_settling_time_that_moves_nothing_runs_no_event_scripts() -> None:
    order = ("node1 node2", "OFAN FNPN NFB")
    groups = (group("app", *order, "svc1"), group("db", *order, "svc2"))
    ring = Ring(configuration(2, *groups, settling_time=60, dependencies=PARENT_CHILD))
    ring.start(1)
    ring.trace.clear()
    ring.pass_time(100)
    assert ring.trace == []
    assert ring.void
    assert ring.nodes[1].state == "ST_STABLE"
