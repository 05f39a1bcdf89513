"""Application monitors: the machine on its own, and what a cluster does when an application fails."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import RunScript, Staged
from daemons.clstrmgr.monitors import (
    Ask,
    Definition,
    Failed,
    Monitor,
    MonitorFailed,
    Signal,
    Unwatch,
    Watch,
)
from daemons.clstrmgr.schedules import FORGIVEN_AFTER
from daemons.clstrmgr.view import long_status, snapshot
from daemons.cluster.configuration import ApplicationMonitor, Configuration, ResourceType, UserDefinedResource
from daemons.cluster.configuration.policies import GroupDependency
from srcctl.machine import SECOND
from tests.clstrmgr.ring import Ring, configuration, group, monitor

NOTIFY = {"FAILURE_ACTION": "notify"}
FALLOVER = {"FAILURE_ACTION": "fallover"}


def custom(**changes: str) -> Definition:
    return Definition.of(monitor("mon1", "app", **changes))


# The machine.


def test_definition_of_the_odm_attributes() -> None:
    attributes = {
        "MONITOR_TYPE": "process",
        "RESOURCE_TO_MONITOR": "app1,app2",
        "PROCESSES": "httpd, db2sysc",
        "PROCESS_OWNER": "db2",
        "INSTANCE_COUNT": "2",
        "INVOCATION": "both",
        "STABILIZATION_INTERVAL": "100",
        "RESTART_COUNT": "3",
        "RESTART_INTERVAL": "",
        "FAILURE_ACTION": "fallover",
    }
    made = Definition.of(ApplicationMonitor(name="m", attributes=tuple(attributes.items())))
    assert made.applications == ("app1", "app2")
    assert (made.processes, made.owner, made.instances) == (("httpd", "db2sysc"), "db2", 2)
    assert made.long_running
    assert made.at_startup
    assert made.restart_interval == 330, "ten per cent more than three restarts take"
    assert made.action == "fallover"


def test_custom_monitor_asks_after_stabilization_and_then_at_its_interval() -> None:
    machine = Monitor(custom())
    assert machine.start(0) == []
    assert machine.tick(19 * SECOND) == []
    assert machine.tick(20 * SECOND) == [Ask()]
    assert machine.ended(21 * SECOND, 0) == []
    assert machine.tick(50 * SECOND) == []
    assert machine.tick(51 * SECOND) == [Ask()]


def test_hung_method_gets_its_signal_and_then_a_kill_and_counts_as_a_failure() -> None:
    machine = Monitor(custom(HUNG_MONITOR_SIGNAL="15"))
    machine.start(0)
    machine.tick(20 * SECOND)
    assert machine.tick(49 * SECOND) == []
    assert machine.tick(50 * SECOND) == [Signal(15)]
    assert machine.tick(52 * SECOND) == [Signal(9)]
    assert machine.ended(53 * SECOND, 0) == [Failed("did not answer within 30 seconds", restart=True)]


def test_schedules_are_scaled_and_the_patience_with_a_method_is_not() -> None:
    machine = Monitor(custom(), scale=SECOND // 10)
    machine.start(0)
    assert machine.tick(2 * SECOND) == [Ask()]
    assert machine.tick(31 * SECOND) == []
    assert machine.tick(32 * SECOND) == [Signal(9)]


def test_method_that_cannot_be_run_is_a_failure_of_the_monitor() -> None:
    machine = Monitor(custom())
    machine.start(0)
    machine.tick(20 * SECOND)
    assert machine.ended(21 * SECOND, 127) == [MonitorFailed("the monitor method cannot be run (status 127)")]
    assert machine.due is None


def test_process_monitor_watches_after_stabilization() -> None:
    machine = Monitor(custom(MONITOR_TYPE="process", PROCESSES="httpd", INSTANCE_COUNT="2"))
    machine.start(0)
    assert machine.tick(20 * SECOND) == [Watch()]
    assert machine.counted(20 * SECOND, 2) == []
    assert machine.counted(30 * SECOND, 1) == [Failed("1 of 2 instances of httpd run", restart=True), Unwatch()]


failures = st.lists(st.integers(1, 400), min_size=1, max_size=12)


@given(restarts=st.integers(0, 4), interval=st.integers(1, 300), pauses=failures)
def test_restarts_are_counted_as_an_administrator_would(restarts: int, interval: int, pauses: list[int]) -> None:
    """Against a twin that keeps the list of failures: a restart is allowed while fewer than the count were used since
    the application was last stable for the restart interval."""
    machine = Monitor(custom(RESTART_COUNT=str(restarts), RESTART_INTERVAL=str(interval), STABILIZATION_INTERVAL="0"))
    used: list[int] = []
    now = 0
    for pause in pauses:
        machine.start(now)
        now += pause * SECOND
        assert machine.tick(now) == [Ask()]
        if pause >= interval:
            used.clear()
        allowed = len(used) < restarts
        assert machine.ended(now, 1) == [Failed("returned 1", restart=allowed)]
        if not allowed:
            return
        used.append(now)


# A cluster.


def cluster(**changes: str) -> Ring:
    ring = Ring(
        configuration(
            2,
            group("rg1", "node1 node2", "OHN FNPN NFB"),
            monitors=(monitor("mon1", "rg1_app", **changes),),
        )
    )
    ring.start(1, 2)
    ring.trace.clear()
    return ring


def application(ring: Ring, number: int = 2) -> str:
    """What ``clRGinfo -m`` of a node says."""
    view = snapshot(ring.nodes[number]).groups[0]
    return next(resource.state for resource in view.resources if resource.kind == "APPLICATIONS")


def test_only_the_node_that_has_the_group_monitors_its_application() -> None:
    ring = cluster()
    ring.pass_time(100)
    assert {node for node, _ in ring.asked} == {1}
    assert len(ring.asked) == 3
    assert application(ring) == "ONLINE MONITORED"


def test_application_that_fails_is_cleaned_up_and_restarted() -> None:
    ring = cluster(NOTIFY_METHOD="/usr/local/tell")
    ring.monitor_hook = lambda node, method: 3 if len(ring.asked) == 1 else 0
    ring.pass_time(25)
    assert ring.trace == ["[1] server_restart node1 rg1_app", "[1] server_restart_complete node1 rg1_app"]
    assert ring.methods == ["[1] /usr/local/tell mon1 rg1_app rg1 restart"]
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert "monitor mon1:::RestartTimer" in long_status(ring.nodes[1])
    ring.pass_time(100)
    assert ring.recorded == ["[1] umtmonstart:mon1", "[1] umtmonfail:mon1", "[1] umtmonstart:mon1"]
    assert len(ring.asked) > 2, "it is monitored again"
    assert application(ring) == "ONLINE MONITORED"


def test_methods_of_the_monitor_replace_the_scripts_of_the_application() -> None:
    ring = cluster(CLEANUP_METHOD="/usr/local/clean")
    seen: dict[str, dict[str, str]] = {}

    def script(node: int, started: object) -> int:
        seen[started.command] = dict(started.environment)  # type: ignore[attr-defined]
        return 0

    ring.script_hook = script
    ring.monitor_hook = lambda node, method: 3 if len(ring.asked) == 1 else 0
    ring.pass_time(25)
    assert seen["server_restart"]["CLEANUP_METHOD"] == "/usr/local/clean"
    assert seen["server_restart_complete"]["RESTART_METHOD"] == "/usr/local/start"


def test_application_that_fails_for_good_is_notified_and_stays() -> None:
    ring = cluster(RESTART_COUNT="1", **NOTIFY)
    ring.monitor_hook = lambda node, method: 1
    ring.pass_time(200)
    assert [line for line in ring.trace if "server" in line] == [
        "[1] server_restart node1 rg1_app",
        "[1] server_restart_complete node1 rg1_app",
        "[1] server_down node1 rg1_app",
        "[2] server_down node1 rg1_app",
        "[1] server_down_complete node1 rg1_app",
        "[2] server_down_complete node1 rg1_app",
    ]
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert application(ring) == "ONLINE FAILED"
    assert len(ring.asked) == 2, "nobody asks any more"


def test_application_that_fails_for_good_falls_over_and_is_monitored_there() -> None:
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.monitor_hook = lambda node, method: 1 if node == 1 else 0
    ring.pass_time(60)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    assert not any("server_restart" in line for line in ring.trace)
    assert (2, "mon1") in ring.asked
    assert application(ring, 1) == "ONLINE MONITORED"
    assert ring.recorded == ["[1] umtmonstart:mon1", "[1] umtmonfail:mon1", "[2] umtmonstart:mon1"]


def test_application_that_fails_on_every_node_ends_in_error_until_something_new_happens() -> None:
    """It was online on the second node for a while: that does not make the first one a candidate again."""
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.monitor_hook = lambda node, method: 1
    ring.pass_time(1000)
    assert [node for node, _ in ring.asked] == [1, 2]
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ERROR"}
    ring.monitor_hook = lambda node, method: 0
    assert ring.request(1, messages.OnlineGroup("rg1", 1)).error == ""
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}, "an operator's word counts"


def test_group_that_failed_everywhere_is_tried_when_a_node_rejoins() -> None:
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.monitor_hook = lambda node, method: 1
    ring.pass_time(200)
    ring.monitor_hook = lambda node, method: 0
    ring.request(1, messages.StopServices("offline"))
    ring.start(1)
    assert "ONLINE" in ring.states("rg1").values()


def test_failure_is_forgotten_when_the_group_has_been_well_for_an_hour() -> None:
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.monitor_hook = lambda node, method: 1 if node == 1 else 0
    ring.pass_time(60)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    ring.pass_time(FORGIVEN_AFTER + 60)
    assert all(machine.cluster and not machine.cluster.groups["rg1"].tried for machine in ring.nodes.values())
    ring.monitor_hook = lambda node, method: 1 if node == 2 else 0
    ring.pass_time(120)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}


def test_group_whose_application_needs_restarts_is_not_well() -> None:
    ring = cluster(RESTART_COUNT="3", RESTART_INTERVAL="600", **FALLOVER)
    bad = {1}
    ring.monitor_hook = lambda node, method: 1 if node in bad else 0
    ring.pass_time(200)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    for _ in range(3):
        ring.pass_time(FORGIVEN_AFTER / 2)
        bad.add(2)
        ring.pass_time(31)
        bad.discard(2)
    assert ring.nodes[2].cluster is not None
    assert ring.nodes[2].cluster.groups["rg1"].tried == {1}


def test_node_where_it_failed_once_is_better_than_none_when_its_node_crashes() -> None:
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.monitor_hook = lambda node, method: 1 if node == 1 else 0
    ring.pass_time(60)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    ring.crash(2)
    ring.settle()
    assert ring.states("rg1")[1] == "ONLINE"


def test_group_with_dependencies_that_fails_everywhere_ends_in_error_and_so_does_its_child_wait() -> None:
    ring = Ring(
        configuration(
            2,
            group("rg1", "node1 node2", "OHN FNPN NFB"),
            group("rg2", "node1 node2", "OFAN FNPN NFB", label="svc2"),
            monitors=(monitor("mon1", "rg1_app", RESTART_COUNT="0", **FALLOVER),),
            dependencies=(GroupDependency(id=1, parent="rg1", child="rg2"),),
        )
    )
    ring.start(1, 2)
    ring.monitor_hook = lambda node, method: 1
    ring.pass_time(1000)
    assert [node for node, _ in ring.asked] == [1, 2]
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ERROR"}
    assert "ONLINE" not in ring.states("rg2").values()


def test_application_that_fails_with_no_other_node_leaves_the_group_in_error() -> None:
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.request(2, messages.StopServices("offline"))
    ring.monitor_hook = lambda node, method: 1
    ring.pass_time(300)
    assert ring.states("rg1") == {1: "ERROR", 2: "OFFLINE"}
    assert len(ring.asked) == 1


def test_process_monitor_sees_the_end_of_a_process() -> None:
    ring = cluster(MONITOR_TYPE="process", PROCESSES="httpd", RESTART_COUNT="0", **FALLOVER)
    ring.pass_time(25)
    assert [watch.names for watch in ring.watches.values()] == [("httpd",)]
    ring.end_processes(1)
    ring.pass_time(1)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    assert not ring.watches


def test_suspended_monitors_do_not_look_until_they_are_resumed() -> None:
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.monitor_hook = lambda node, method: 1
    assert ring.request(2, messages.SuspendMonitoring("rg1", "rg1_app")).error == ""
    ring.pass_time(500)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert application(ring) == "ONLINE MONITOR SUSPENDED"
    assert ring.request(2, messages.ResumeMonitoring("rg1", "rg1_app")).error == ""
    assert application(ring) == "ONLINE MONITORED"
    assert ring.recorded == ["[1] umtmonstart:mon1", "[1] umtmonsus:mon1", "[1] umtmonres:mon1"]
    ring.pass_time(25)
    assert ring.states("rg1")[2] == "ONLINE"


def test_application_is_monitored_only_while_its_group_is_online() -> None:
    """It was called monitored while its start script still ran."""
    ring = Ring(
        configuration(
            2,
            group("rg1", "node1 node2", "OHN FNPN NFB"),
            monitors=(monitor("mon1", "rg1_app", RESTART_COUNT="1", **FALLOVER),),
        )
    )
    words: dict[str, str] = {}

    def script(node: int, started: RunScript) -> int:
        words.setdefault(f"{started.command} {node}", application(ring, node))
        return 0

    ring.script_hook = script
    ring.start(1, 2)
    assert words["node_up 1"] == words["node_up_complete 1"] == "OFFLINE"
    assert application(ring) == "ONLINE MONITORED"
    words.clear()
    ring.monitor_hook = lambda node, method: 1 if node == 1 else 0
    ring.pass_time(100)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
    assert words["server_restart 1"] == words["server_restart_complete 1"] == "ONLINE FAILED"
    assert words["rg_move_release 1"] == "ONLINE FAILOVER"
    assert words["rg_move_acquire 2"] == words["rg_move_complete 2"] == "OFFLINE"
    words.clear()
    ring.request(2, messages.OfflineGroup("rg1", 0))
    assert words["rg_move_release 2"] == "ONLINE NOT MONITORED"
    assert application(ring) == "OFFLINE"


def test_suspending_what_is_not_monitored_is_refused() -> None:
    ring = cluster()
    assert ring.request(1, messages.SuspendMonitoring("rg2", "rg1_app")).error == "unknown_group"
    assert ring.request(1, messages.SuspendMonitoring("rg1", "other")).error == "unknown_application"
    ring.request(1, messages.OfflineGroup("rg1", 0))
    assert ring.request(1, messages.SuspendMonitoring("rg1", "rg1_app")).error == "denied"


def test_monitor_that_cannot_be_run_does_not_move_the_group() -> None:
    ring = cluster(RESTART_COUNT="0", **FALLOVER)
    ring.monitor_hook = lambda node, method: 127
    ring.pass_time(100)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    assert application(ring) == "ONLINE MONITOR FAILED"


def test_group_that_goes_offline_is_not_monitored() -> None:
    ring = cluster()
    ring.monitor_hook = lambda node, method: None
    ring.pass_time(25)
    assert len(ring.asked) == 1
    ring.request(1, messages.OfflineGroup("rg1", 0))
    ring.pass_time(200)
    assert len(ring.asked) == 1
    assert application(ring) == "OFFLINE"


def test_restart_of_an_application_that_moved_away_meanwhile_does_nothing() -> None:
    ring = cluster()
    ring.monitor_hook = lambda node, method: 3 if node == 1 else 0
    request = ring.ask(1, messages.StopServices("move"))
    ring.pass_time(25)
    assert ring.result(1, request).error == ""
    assert ring.states("rg1")[2] == "ONLINE"
    assert not any("server_restart" in line for line in ring.trace)


def reconfigured(ring: Ring, new: Configuration) -> None:
    for number in ring.nodes:
        ring.staged[number] = new
        ring.feed(number, Staged(new, {}))
    assert ring.request(1, messages.Reconfigure(2)).error == ""


def test_monitor_that_a_reconfiguration_brings_or_changes_counts_at_once() -> None:
    plain = configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB"))
    ring = Ring(plain)
    ring.start(1, 2)
    ring.pass_time(100)
    assert ring.asked == []
    reconfigured(ring, msgspec.structs.replace(plain, monitors=(monitor("mon1", "rg1_app"),)))
    ring.pass_time(100)
    assert len(ring.asked) == 3
    often = monitor("mon1", "rg1_app", MONITOR_INTERVAL="5")
    reconfigured(ring, msgspec.structs.replace(plain, monitors=(often,)))
    ring.pass_time(100)
    assert len(ring.asked) > 15
    reconfigured(ring, plain)
    ring.asked.clear()
    ring.pass_time(100)
    assert ring.asked == []


def test_user_defined_resource_is_watched_and_restarted_by_the_methods_of_its_type() -> None:
    plain = configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB"))
    (entry,) = plain.groups
    methods = {"start": "/q/start", "stop": "/q/stop", "monitor": "/q/look", "cleanup": "/q/clean"}
    intervals = (
        ("MONITOR_INTERVAL", "30"),
        ("STABILIZATION_INTERVAL", "20"),
        ("RESTART_COUNT", "1"),
    )
    ring = Ring(
        msgspec.structs.replace(
            plain,
            groups=(msgspec.structs.replace(entry, resources=(*entry.resources, ("USERDEFINED_RESOURCES", "q1"))),),
            resource_types=(ResourceType(name="queue", **methods),),
            user_resources=(
                UserDefinedResource(
                    name="q1", type="queue", attributes=(("PORT", "1414"), *intervals, ("FAILURE_ACTION", "fallover"))
                ),
            ),
        )
    )
    ring.start(1, 2)
    seen: dict[str, dict[str, str]] = {}

    def script(node: int, started: object) -> int:
        seen[started.command] = dict(started.environment)  # type: ignore[attr-defined]
        return 0

    ring.script_hook = script
    ring.monitor_hook = lambda node, method: 1 if node == 1 else 0
    ring.pass_time(100)
    assert {name for _, name in ring.asked} == {"q1"}
    assert seen["server_restart"]["CLEANUP_METHOD"] == "/q/clean"
    assert seen["server_restart_complete"]["RESTART_METHOD"] == "/q/start"
    assert seen["server_restart_complete"]["_PORT"] == "1414"
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}, "restarted once, then it falls over"


def test_restarts_are_there_again_after_the_restart_interval_also_if_monitoring_was_suspended_since() -> None:
    ring = cluster(RESTART_COUNT="1", RESTART_INTERVAL="200", **FALLOVER)
    ring.monitor_hook = lambda node, method: 1
    ring.pass_time(25)
    assert ring.states("rg1")[1] == "ONLINE"
    ring.monitor_hook = lambda node, method: 0
    ring.pass_time(300)
    ring.request(2, messages.SuspendMonitoring("rg1", "rg1_app"))
    ring.request(2, messages.ResumeMonitoring("rg1", "rg1_app"))
    ring.monitor_hook = lambda node, method: 1 if node == 1 else 0
    ring.pass_time(25)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}
    ring.pass_time(60)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}
