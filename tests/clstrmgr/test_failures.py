"""What goes wrong: scripts, acquisitions, releases, members that die between two phases, votes that fail."""

from __future__ import annotations

import msgspec
import pytest

from daemons.clstrmgr import messages
from daemons.clstrmgr.foundation import EXIT_CODE
from daemons.clstrmgr.inputs import Notified, Reported, ResourceMonitoring, RunScript
from daemons.clstrmgr.render import movement
from daemons.clstrmgr.view import snapshot
from daemons.clstrmgr.wire import group_name
from daemons.cthags import messages as cthags
from srcctl.machine import TICK
from tests.clstrmgr.ring import Ring, configuration, group


def three(policies: str = "OHN FNPN NFB") -> Ring:
    ring = Ring(configuration(3, group("rg1", "node1 node2 node3", policies)))
    ring.start(1, 2, 3)
    return ring


def test_acquisition_that_fails_moves_the_group_on() -> None:
    ring = three()
    ring.job_hook = lambda node, job: "rg1" if node == 2 and 'JOB_TYPE=VGS ACTION="ACQUIRE' in job else ""
    ring.crash(1)
    ring.settle()
    assert ring.states("rg1") == {1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}
    assert ring.trace.count("[2] rg_move_release node2 1") == 1


def test_group_without_a_place_is_in_error_until_a_node_joins() -> None:
    ring = three()
    broken = {1, 2, 3}
    ring.job_hook = lambda node, job: "rg1" if node in broken and 'JOB_TYPE=VGS ACTION="ACQUIRE' in job else ""
    assert ring.request(1, messages.MoveGroup("rg1", 2)).error == "failed"
    states = ring.states("rg1")
    assert "ONLINE" not in states.values()
    assert "ERROR" in states.values()
    broken.clear()
    ring.request(3, messages.StopServices("offline"))
    ring.start(3)
    assert ring.states("rg1")[3] == "ONLINE"


@pytest.mark.parametrize("text", ["²", "9" * 5000])
def test_settings_that_are_no_numbers_do_not_end_the_cluster_manager(text: str) -> None:
    configured = configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB"))
    names = ("MAX_EVENT_TIME", "MAX_RG_PROCESSING_TIME", "CRIT_DAEMON_RESTART_GRACE_PERIOD")
    ring = Ring(msgspec.structs.replace(configured, settings=tuple((name, text) for name in names)))
    ring.start(1, 2)
    ring.feed(1, ResourceMonitoring(reachable=False))
    ring.now += 59_000_000
    ring.feed(1, TICK)
    assert not ring.exits
    ring.now += 1_000_000
    ring.feed(1, TICK)
    assert list(ring.exits) == [1], "the grace period is the default one"


def test_group_that_fails_ends_its_step_with_the_job_error() -> None:
    """In the place of ONLINE or OFFLINE; a group that nobody can take is in ERROR where it was released."""
    ring = three()
    ring.job_hook = lambda node, job: "rg1" if node == 2 and 'JOB_TYPE=VGS ACTION="ACQUIRE' in job else ""
    ring.request(1, messages.MoveGroup("rg1", 2))
    types = [job.split()[0].removeprefix("JOB_TYPE=") for node, job in ring.jobs if node == 2]
    assert types[:4] == ["ACQUIRE", "SERVICE_LABELS", "VGS", "ERROR"]
    assert next(job for _, job in ring.jobs if "JOB_TYPE=ERROR" in job) == 'JOB_TYPE=ERROR RESOURCE_GROUPS="rg1"'


def test_group_without_a_place_gets_the_job_error_where_it_is_released() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    ring.start(1)
    ring.feed(1, Reported(messages.SystemEvent("volume_group_lost", "rg1vg")))
    ring.settle()
    assert ring.states("rg1")[1] == "ERROR"
    types = [job.split()[0].removeprefix("JOB_TYPE=") for _, job in ring.jobs]
    assert types[-1] == "ERROR", types
    assert "OFFLINE" not in types
    cluster = ring.nodes[1].cluster
    assert cluster is not None
    assert not cluster.groups["rg1"].unreleased(), "nothing of it is left there"


def test_a_node_that_is_back_before_it_was_missed_was_gone_all_the_same() -> None:
    """Two nodes halt and boot so fast that the list of live nodes never lacks them."""
    ring = three()
    ring.kill_manager(1)
    ring.settle()
    assert ring.states("rg1")[1] == "ONLINE", "until it is known that the node has halted"
    ring.boot(1)
    ring.settle()
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE", 3: "OFFLINE"}


def test_release_that_fails_lets_nobody_acquire() -> None:
    ring = three()
    ring.job_hook = lambda node, job: "rg1" if 'JOB_TYPE=FILESYSTEMS ACTION="RELEASE' in job else ""
    assert ring.request(1, messages.MoveGroup("rg1", 2)).error == "failed"
    assert ring.states("rg1") == {1: "ERROR", 2: "OFFLINE", 3: "OFFLINE"}
    assert not any("[2]   ACQUIRE" in line for line in ring.trace)


@pytest.mark.parametrize("mode", ["offline", "move"])
def test_node_that_cannot_release_a_group_stays_until_it_can(mode: str) -> None:
    """Nobody acquires what a stopping node still holds, however others join, ask or stop."""
    ring = three()
    broken = {1}
    ring.job_hook = lambda node, job: "rg1" if node in broken and 'JOB_TYPE=FILESYSTEMS ACTION="RELEASE' in job else ""
    refused = ring.request(1, messages.StopServices(mode))  # type: ignore[arg-type]
    assert refused.error == "failed"
    assert "rg1 could not be released on node node1" in refused.message
    held = {1: "ERROR", 2: "OFFLINE", 3: "OFFLINE"}
    assert ring.states("rg1") == held
    assert (ring.nodes[1].state, ring.nodes[1].services) == ("ST_STABLE", True)
    assert ring.request(2, messages.OnlineGroup("rg1", 2)).error == "failed"
    assert ring.request(3, messages.StopServices("move")).error == ""
    ring.start(3)
    assert ring.states("rg1") == held
    assert not any("ACQUIRE" in job for node, job in ring.jobs if node != 1)
    broken.clear()
    assert ring.request(1, messages.StopServices(mode)).error == ""  # type: ignore[arg-type]
    assert ring.nodes[1].state == "ST_INIT"
    assert ring.states("rg1")[1] == "OFFLINE"


@pytest.mark.parametrize("mode", ["offline", "move"])
def test_group_of_a_node_that_could_not_release_it_is_free_when_the_node_is_gone(mode: str) -> None:
    ring = three()
    ring.job_hook = lambda node, job: "rg1" if node == 1 and 'JOB_TYPE=VGS ACTION="RELEASE' in job else ""
    ring.request(1, messages.StopServices(mode))  # type: ignore[arg-type]
    ring.kill_manager(1)
    ring.settle()
    assert ring.states("rg1") == {1: "ERROR", 2: "OFFLINE", 3: "OFFLINE"}
    ring.crash(1)
    ring.settle()
    expected = "ONLINE" if mode == "move" else "OFFLINE"
    assert ring.states("rg1") == {1: "OFFLINE", 2: expected, 3: "OFFLINE"}


def test_last_node_does_not_take_the_knowledge_of_what_it_holds_with_it() -> None:
    """A cluster that is founded anew knows nothing: the last member stays as long as it holds something."""
    ring = three()
    ring.request(2, messages.StopServices("offline"))
    ring.request(3, messages.StopServices("offline"))
    ring.job_hook = lambda node, job: "rg1" if node == 1 and 'JOB_TYPE=APPLICATIONS ACTION="RELEASE' in job else ""
    assert ring.request(1, messages.StopServices("offline")).error == "failed"
    ring.start(2)
    assert ring.states("rg1") == {1: "ERROR", 2: "OFFLINE", 3: "OFFLINE"}


@pytest.mark.parametrize(
    ("plan", "action"),
    [
        ((), "reboot"),
        ((("action", "Reboot"),), "reboot"),
        ((("action", "disable_rgs_autostart"),), "disable_rgs_autostart"),
        ((("action", "disable_cluster_services_autostart"),), "disable_cluster_services_autostart"),
    ],
)
def test_side_that_gives_way_in_a_merge_follows_the_action_plan(plan: tuple[tuple[str, str], ...], action: str) -> None:
    configured = configuration(2, group("rg1", "node1 node2"))
    ring = Ring(msgspec.structs.replace(configured, split_merge=(("merge", "Majority"), *plan)))
    ring.start(1, 2)
    provider = ring.nodes[2].self_provider
    assert provider is not None
    dissolved = cthags.Announcement(group_name(configured.cluster.id), ("group_dissolved",), (provider,))
    ring.feed(2, Notified(dissolved))
    assert (ring.exits[2].status, ring.exits[2].action) == (EXIT_CODE, action)
    assert ring.nodes[2].exited


def test_script_failure_stops_the_program_until_recovery() -> None:
    ring = three()
    ring.trace.clear()
    ring.script_hook = lambda node, script: 1 if node == 2 and script.command == "rg_move_fence" else 0
    request = ring.ask(1, messages.MoveGroup("rg1", 2))
    ring.settle()
    assert ring.result(1, request).error == "failed"
    assert ring.nodes[2].state == "ST_RP_FAILED"
    assert {ring.nodes[1].state, ring.nodes[3].state} == {"ST_BARRIER"}
    assert [line for line in ring.trace if "event_error" in line] == [
        f"[{node}] event_error node2 TE_RG_MOVE rg_move_fence" for node in (1, 2, 3)
    ]
    assert not any("rg_move_acquire" in line for line in ring.trace)
    # Nobody is left waiting: whatever is asked meanwhile is refused, on every node.
    for node, what in ((1, messages.StopServices("offline")), (3, messages.MoveGroup("rg1", 3))):
        assert ring.request(node, what).error == "failed"
    assert ring.request(2, messages.RecoverFromScriptFailure()).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE", 3: "OFFLINE"}
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


def test_missing_script_is_a_failure() -> None:
    ring = three()
    ring.script_hook = lambda node, script: 127 if node == 3 and script.command == "node_up" else 0
    ring.request(2, messages.StopServices("offline"))
    request = ring.ask(2, messages.StartServices())
    ring.settle()
    assert ring.nodes[3].state == "ST_RP_FAILED"
    assert ring.result(2, request).error == "failed"


@pytest.mark.parametrize("phase", range(1, 8))
@pytest.mark.parametrize("victim", [1, 2, 3])
def test_member_dies_between_two_phases(phase: int, victim: int) -> None:
    ring = three()
    died = []

    def before(protocol: object) -> None:
        if getattr(protocol, "kind", "") == "message" and getattr(protocol, "phase", 0) == phase and not died:
            died.append(victim)
            ring.crash(victim)

    ring.services.before_phase = before
    asked = 3 if victim != 3 else 2
    request = ring.ask(asked, messages.MoveGroup("rg1", 2))
    ring.settle()
    states = ring.states("rg1")
    # The operator is told how it stands when the end of the victim has been dealt with.
    assert (ring.result(asked, request).error == "") == (states[2] == "ONLINE")
    assert [node for node, state in states.items() if state == "ONLINE"] != []
    assert len([state for state in states.values() if state != "OFFLINE"]) == 1, states
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


def test_manager_dies_while_it_releases() -> None:
    """Its release is not reported: nobody acquires before the node has left the view."""
    ring = three()

    def hook(node: int, script: RunScript) -> int | None:
        if node == 1 and script.command == "rg_move_release":
            ring.kill_manager(1)
            return None
        return 0

    ring.script_hook = hook
    ring.ask(3, messages.MoveGroup("rg1", 2))
    ring.settle()
    assert ring.states("rg1") == {1: "RELEASING", 2: "OFFLINE", 3: "OFFLINE"}
    ring.crash(1)
    ring.settle()
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE", 3: "OFFLINE"}


def test_network_loss_moves_the_group_and_its_return_is_noted() -> None:
    ring = three()
    ring.trace.clear()
    ring.feed(1, Reported(messages.SystemEvent("interface_down", "127.0.0.1")))
    ring.settle()
    assert [line for line in ring.trace if line.startswith("[1] ")][:3] == [
        "[1] fail_interface node1 127.0.0.1",
        "[1] network_down node1 net_ether_01",
        "[1] network_down_complete node1 net_ether_01",
    ]
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE", 3: "OFFLINE"}
    assert ring.request(1, messages.MoveGroup("rg1", 1)).error == "not_eligible"
    ring.feed(1, Reported(messages.SystemEvent("interface_up", "127.0.0.1")))
    ring.settle()
    assert ring.request(1, messages.MoveGroup("rg1", 1)).error == ""


def test_volume_group_loss_moves_the_group() -> None:
    ring = three()
    ring.feed(1, Reported(messages.SystemEvent("volume_group_lost", "rg1vg")))
    ring.settle()
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE", 3: "OFFLINE"}


def test_repository_loss_is_notified_on_its_node() -> None:
    ring = three()
    ring.trace.clear()
    ring.feed(2, Reported(messages.SystemEvent("repository_lost", "hdisk1", "0x1")))
    ring.settle()
    assert ring.trace == ["[2] rep_disk_notify node2 hdisk1 0x1"]


def test_repository_is_notified_again_until_it_is_back() -> None:
    ring = three()

    def report(kind: str, detail: str = "0x1") -> list[str]:
        ring.trace.clear()
        ring.feed(2, Reported(messages.SystemEvent(kind, "hdisk1", detail)))  # type: ignore[arg-type]
        ring.settle()
        return ring.trace

    assert report("repository_reminder") == [], "it is not lost"
    report("repository_lost")
    assert report("repository_reminder") == ["[2] rep_disk_notify node2 hdisk1 0x1"]
    assert report("repository_back") == ["[2] rep_disk_notify node2 hdisk1 0x1 UP"]
    report("repository_lost")
    assert report("repository_back", "") == [], "another disk has taken its place"


def test_a_report_that_comes_again_is_no_news() -> None:
    ring = three()
    manager = ring.nodes[1]
    ring.trace.clear()
    lost = messages.SystemEvent("repository_lost", "hdisk1", "0x1", serial=7)
    assert manager.is_news(lost)
    for serial in (7, 7, 1000):  # sent again since the answer got lost; told again by a successor
        ring.feed(1, Reported(messages.SystemEvent("repository_lost", "hdisk1", "0x1", serial)))
        ring.settle()
        assert not manager.is_news(lost)
    assert ring.trace == ["[1] rep_disk_notify node1 hdisk1 0x1"]
    ring.feed(1, Reported(messages.SystemEvent("repository_back", "hdisk1", "0x1", 1001)))
    ring.feed(1, Reported(messages.SystemEvent("repository_lost", "hdisk1", "0x1", 1002)))
    ring.settle()
    assert [line.split(" hdisk1 ")[1] for line in ring.trace] == ["0x1", "0x1 UP", "0x1"]


def test_a_volume_group_report_that_comes_again_moves_nothing_twice() -> None:
    ring = three()
    report = Reported(messages.SystemEvent("volume_group_lost", "rg1vg", serial=1))
    ring.feed(1, report)
    ring.settle()
    ring.feed(1, Reported(messages.SystemEvent("volume_group_back", "rg1vg", serial=2)))
    assert ring.request(2, messages.MoveGroup("rg1", 1)).error == ""
    ring.feed(1, report)
    ring.settle()
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE", 3: "OFFLINE"}


def test_a_lost_disk_alone_moves_nothing() -> None:
    ring = three()
    ring.feed(1, Reported(messages.SystemEvent("disk_lost", "hdisk2", "rg1vg", 1)))
    ring.settle()
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE", 3: "OFFLINE"}


def test_node_without_resource_monitoring_fails_after_the_grace_period() -> None:
    ring = three()
    ring.feed(1, ResourceMonitoring(reachable=False))
    ring.now += 59_000_000
    ring.feed(1, ResourceMonitoring(reachable=False))
    ring.feed(1, TICK)
    assert 1 not in ring.exits
    ring.feed(1, ResourceMonitoring(reachable=True))
    ring.now += 59_000_000
    ring.feed(1, TICK)
    ring.feed(1, ResourceMonitoring(reachable=False))
    ring.now += 60_000_000
    ring.feed(1, TICK)
    assert ring.exits[1].status == EXIT_CODE
    assert "ctrmc" in ring.exits[1].reason


def test_resource_monitoring_is_nothing_to_a_node_whose_services_are_down() -> None:
    ring = three()
    ring.feed(1, ResourceMonitoring(reachable=False))
    ring.request(1, messages.StopServices("offline"))
    ring.feed(1, ResourceMonitoring(reachable=False))
    ring.now += 100_000_000
    ring.feed(1, TICK)
    assert 1 not in ring.exits


def test_limits_of_events_are_the_administrators() -> None:
    made = msgspec.structs.replace(
        configuration(2, group("rg1", "node1 node2")),
        settings=(("MAX_EVENT_TIME", "20"), ("MAX_RG_PROCESSING_TIME", "30")),
    )
    ring = Ring(made)
    ring.start(1, 2)
    ring.script_hook = lambda node, script: None if script.command == "rg_move_release" and node == 1 else 0
    ring.ask(1, messages.MoveGroup("rg1", 2))
    ring.settle()
    for _ in range(6):
        ring.now += 10_000_000
        ring.settle()
    assert any("config_too_long 50 " in line for line in ring.trace)


def test_config_too_long_is_only_a_warning() -> None:
    ring = three()
    ring.trace.clear()
    held: list[RunScript] = []

    def hook(node: int, script: RunScript) -> int | None:
        if node == 1 and script.command == "rg_move_release":
            held.append(script)
            return None
        return 0

    ring.script_hook = hook
    request = ring.ask(1, messages.MoveGroup("rg1", 2))
    ring.settle()
    for _ in range(300):
        ring.now += 10_000_000
        ring.settle()
    program = "/usr/es/sbin/cluster/events/rg_move.rp"
    assert f"[1] config_too_long 360 {program}" in ring.trace
    assert (1, "TE_CONFIG_TOO_LONG", "start") in ring.marks, "monitors are told, too"
    assert "TE_UNSTABLE_TOO_LONG" not in {name for _, name, _ in ring.marks}
    ring.script_hook = lambda node, script: 0
    ring.end_script(1, held[0])
    ring.settle()
    assert ring.result(1, request).error == ""


def test_a_cluster_that_stays_unstable_says_so() -> None:
    """The node of a cluster manager that died never leaves the view: its failure waits, and so does all the rest."""
    ring = three()
    ring.kill_manager(3)
    ring.pass_time(359)
    assert "TE_UNSTABLE_TOO_LONG" not in {name for _, name, _ in ring.marks}
    ring.pass_time(2)
    assert [mark for mark in ring.marks if mark[1] == "TE_UNSTABLE_TOO_LONG"] == [
        (1, "TE_UNSTABLE_TOO_LONG", "start"),
        (2, "TE_UNSTABLE_TOO_LONG", "start"),
    ]
    ring.services.host(3, False)
    ring.settle()
    ring.marks.clear()
    ring.pass_time(4000)
    assert ring.marks == []


def test_offline_group_stays_offline_until_an_operator_asks() -> None:
    ring = three()
    assert ring.request(2, messages.OfflineGroup("rg1", 1)).error == ""
    assert set(ring.states("rg1").values()) == {"OFFLINE"}
    ring.request(1, messages.StopServices("offline"))
    ring.start(1)
    assert set(ring.states("rg1").values()) == {"OFFLINE"}
    assert ring.request(2, messages.OnlineGroup("rg1", 3)).error == ""
    assert ring.states("rg1")[3] == "ONLINE"


def test_concurrent_group_is_brought_online_on_all_nodes_or_on_one() -> None:
    ring = Ring(configuration(3, group("rg1", "node1 node2 node3", "OAAN BO NFB")))
    ring.start(1, 2, 3)
    assert ring.request(1, messages.OfflineGroup("rg1", 0)).error == ""
    assert set(ring.states("rg1").values()) == {"OFFLINE"}
    assert ring.request(1, messages.OnlineGroup("rg1", 2)).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE", 3: "OFFLINE"}
    assert ring.request(1, messages.OnlineGroup("rg1", 0)).error == ""
    assert set(ring.states("rg1").values()) == {"ONLINE"}
    assert ring.request(1, messages.OnlineGroup("rg1", 0)).error == "already"
    ring.request(1, messages.OfflineGroup("rg1", 3))
    ring.job_hook = lambda node, job: "rg1" if node == 3 and 'JOB_TYPE=VGS ACTION="ACQUIRE' in job else ""
    assert ring.request(1, messages.OnlineGroup("rg1", 0)).error == "failed"


def unmanaged() -> Ring:
    ring = three()
    assert ring.request(1, messages.StopServices("unmanage")).error == ""
    ring.trace.clear()
    return ring


def test_move_of_an_unmanaged_group_makes_it_managed_again() -> None:
    ring = unmanaged()
    assert ring.request(2, messages.MoveGroup("rg1", 3)).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}
    ran = [line.removeprefix("[1] ") for line in ring.trace if line.startswith("[1] ") and line[4] != " "]
    phases = ("release", "fence", "acquire", "complete")
    assert ran == [f"rg_move_{phase} node1 1" for phase in phases]
    assert [node for node, job in ring.jobs if "JOB_TYPE=RELEASE" in job][-1] == 1
    ring.start(1)
    assert ring.states("rg1") == {1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}


def test_unmanaged_group_is_brought_offline_where_it_is() -> None:
    ring = unmanaged()
    assert ring.request(2, messages.OfflineGroup("rg1", 0)).error == ""
    assert set(ring.states("rg1").values()) == {"OFFLINE"}
    assert [node for node, job in ring.jobs if "JOB_TYPE=RELEASE" in job][-1] == 1
    assert ring.request(2, messages.OnlineGroup("rg1", 2)).error == ""


def test_unmanaged_group_is_not_brought_online_elsewhere() -> None:
    ring = unmanaged()
    done = ring.request(2, messages.OnlineGroup("rg1", 2))
    assert (done.error, done.message) == ("denied", "Resource group rg1 is unmanaged.")


@pytest.mark.parametrize(
    ("what", "states"),
    [
        (messages.MoveGroup("rg1", 2), ["OFFLINE", "ONLINE", "OFFLINE"]),
        (messages.OnlineGroup("rg1", 3), ["OFFLINE", "OFFLINE", "ONLINE"]),
        (messages.OfflineGroup("rg1", 0), ["OFFLINE", "OFFLINE", "OFFLINE"]),
    ],
)
def test_unmanaged_group_of_a_node_that_has_gone_is_an_operators_to_place(what: object, states: list[str]) -> None:
    """Nobody takes it over, but nobody has it either."""
    ring = unmanaged()
    ring.kill_manager(1)
    ring.settle()
    assert ring.request(2, what).error == "denied", "the node is still there, and may have it"
    ring.crash(1)
    ring.settle()
    assert ring.states("rg1")[1] == "UNMANAGED"
    assert ring.request(2, what).error == ""
    assert list(ring.states("rg1").values()) == states
    ring.boot(1)
    ring.start(1)
    assert list(ring.states("rg1").values()) == states


def test_unmanaged_group_that_cannot_be_given_back_is_acquired_nowhere() -> None:
    ring = unmanaged()
    ring.job_hook = lambda node, job: "rg1" if node == 1 and 'JOB_TYPE=VGS ACTION="RELEASE' in job else ""
    assert ring.request(2, messages.MoveGroup("rg1", 3)).error == "failed"
    assert ring.states("rg1")[1] == "ERROR"
    assert "ONLINE" not in ring.states("rg1").values()
    ring.job_hook = lambda node, job: ""
    assert ring.request(2, messages.OnlineGroup("rg1", 3)).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "OFFLINE", 3: "ONLINE"}


@pytest.mark.parametrize("phase", range(2, 7))
def test_unmanaged_node_dies_while_its_group_is_wanted_back(phase: int) -> None:
    ring = unmanaged()
    died = []

    def before(protocol: object) -> None:
        if getattr(protocol, "kind", "") == "message" and getattr(protocol, "phase", 0) == phase and not died:
            died.append(1)
            ring.crash(1)

    ring.services.before_phase = before
    request = ring.ask(2, messages.MoveGroup("rg1", 3))
    ring.settle()
    states = ring.states("rg1")
    assert died
    assert (ring.result(2, request).error == "") == (states[3] == "ONLINE")
    assert [state for state in states.values() if state != "OFFLINE"] in (["ONLINE"], ["UNMANAGED"]), states
    assert {machine.state for machine in ring.nodes.values()} == {"ST_STABLE"}


def test_refusals() -> None:
    ring = three()
    assert ring.request(1, messages.StartServices()).error == "active"
    assert ring.request(1, messages.MoveGroup("nix", 1)).error == "unknown_group"
    assert ring.request(1, messages.MoveGroup("rg1", 9)).error == "unknown_node"
    assert ring.request(1, messages.MoveGroup("rg1", 1)).error == "already"
    ring.request(3, messages.StopServices("offline"))
    assert ring.request(1, messages.MoveGroup("rg1", 3)).error == "node_down"
    assert ring.request(3, messages.MoveGroup("rg1", 1)).error == "not_active"
    assert ring.request(1, messages.RecoverFromScriptFailure()).error == "already"


def test_group_on_all_nodes_is_in_error_where_it_lost_its_network_until_that_is_back() -> None:
    ring = Ring(configuration(3, group("rg1", "node1 node2 node3", "OAAN BO NFB")))
    ring.start(1, 2, 3)
    ring.feed(3, Reported(messages.SystemEvent("interface_down", "127.0.0.3")))
    ring.settle()
    assert ring.states("rg1") == {1: "ONLINE", 2: "ONLINE", 3: "ERROR"}
    ring.feed(3, Reported(messages.SystemEvent("interface_up", "127.0.0.3")))
    ring.settle()
    assert ring.states("rg1") == {1: "ONLINE", 2: "ONLINE", 3: "ONLINE"}


def test_group_that_an_unmanaged_node_could_not_release_is_free_when_that_node_is_gone() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OHN FNPN NFB")))
    ring.start(1, 2)
    ring.job_hook = lambda node, job: "rg1" if "VGS" in job and 'ACTION="RELEASE"' in job else ""
    assert ring.request(1, messages.OfflineGroup("rg1", 0)).error == "failed"
    ring.request(1, messages.StopServices("unmanage"))
    assert ring.states("rg1") == {1: "ERROR", 2: "OFFLINE"}
    ring.crash(1)
    ring.settle()
    assert ring.request(2, messages.OnlineGroup("rg1", 2)).error == ""
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ONLINE"}


def test_interface_that_was_mended_while_its_node_was_away_counts_when_the_node_joins() -> None:
    ring = three()
    ring.feed(3, Reported(messages.SystemEvent("interface_down", "127.0.0.3")))
    ring.settle()
    assert ring.request(1, messages.MoveGroup("rg1", 3)).error == "not_eligible"
    ring.crash(3)
    ring.settle()
    ring.boot(3)
    ring.start(3)
    assert ring.request(1, messages.MoveGroup("rg1", 3)).error == ""
    ring.feed(3, Reported(messages.SystemEvent("interface_down", "127.0.0.3")))
    ring.settle()
    assert ring.states("rg1")[3] != "ONLINE"


def test_interface_that_is_down_still_is_told_by_the_node_that_joins() -> None:
    ring = three()
    ring.crash(3)
    ring.settle()
    ring.boot(3)
    ring.feed(3, Reported(messages.SystemEvent("interface_down", "127.0.0.3")))
    ring.start(3)
    assert ring.request(1, messages.MoveGroup("rg1", 3)).error == "not_eligible"


def test_group_that_comes_online_is_in_error_nowhere_any_more() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2", "OFAN FNPN NFB")))
    ring.start(2)
    ring.feed(2, Reported(messages.SystemEvent("interface_down", "127.0.0.2")))
    ring.settle()
    assert ring.states("rg1") == {1: "OFFLINE", 2: "ERROR"}
    ring.start(1)
    assert ring.states("rg1") == {1: "ONLINE", 2: "OFFLINE"}


@pytest.mark.parametrize(
    ("what", "states"),
    [
        (messages.OfflineGroup("rg1", 0), ["OFFLINE", "OFFLINE", "OFFLINE"]),
        (messages.OfflineGroup("rg1", 2), ["OFFLINE", "OFFLINE", "OFFLINE"]),
        (messages.MoveGroup("rg1", 3), ["OFFLINE", "OFFLINE", "ONLINE"]),
        (messages.OnlineGroup("rg1", 2), ["OFFLINE", "ONLINE", "OFFLINE"]),
    ],
)
def test_request_that_comes_between_release_and_acquisition_waits_for_its_turn(what: object, states: list[str]) -> None:
    """The group was told to be offline already, or online nowhere, and came online on the other node."""
    ring = three()
    asked: list[int] = []
    shown: list[str] = []

    def script(node: int, started: RunScript) -> int:
        if (node, started.command) == (3, "rg_move_fence") and not asked:
            assert ring.states("rg1") == dict.fromkeys((1, 2, 3), "OFFLINE")
            picture = snapshot(ring.nodes[3])
            shown.extend(line.split(maxsplit=1)[1] for line in movement(picture, list(picture.groups))[3:])
            asked.append(ring.ask(2, what))
        return 0

    ring.script_hook = script
    ring.request(1, messages.MoveGroup("rg1", 2))
    assert shown == ['PRIMARY="node1:node2"']
    assert ring.result(2, asked[0]).error == ""
    assert list(ring.states("rg1").values()) == states
    ring.request(1, messages.OfflineGroup("rg1", 0))
    assert ring.request(1, messages.OfflineGroup("rg1", 0)).error == "already"
    assert ring.request(1, messages.MoveGroup("rg1", 2)).error == "denied"
