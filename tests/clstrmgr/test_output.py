"""Exact bytes of clRGinfo, clshowsrv and lssrc -ls clstrmgrES."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from daemons.caa import client as caa
from daemons.clcomd import client as clcomd
from daemons.clstrmgr import client, messages, render, view
from daemons.clstrmgr.commands import clrginfo, clshowsrv
from daemons.clstrmgr.inputs import Reported
from daemons.cluster.configuration.policies import FallbackTimer
from srcctl.machine import SECOND, TICK
from srcctl.node.root import NodeRoot
from tests.clstrmgr.ring import Ring, configuration, group

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> str:
    """A golden file without its first line, which names the witness."""
    first, _, text = (GOLDEN / name).read_text().partition("\n")
    assert first.startswith(("# witness: ", "# inferred")), name
    return text


def ring() -> Ring:
    made = Ring(configuration(2, group("rg_IHS", "node1 node2", "OFAN FNPN NFB")))
    made.start(2, 1)
    return made


def picture(made: Ring | None = None) -> messages.ClusterSnapshot:
    return view.snapshot((made or ring()).nodes[1])


def joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def test_clrginfo_plain() -> None:
    shown = picture()
    assert joined(render.plain(shown, list(shown.groups))) == golden("clRGinfo/plain.txt")


def test_clrginfo_where_services_are_down_says_what_another_node_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That there is no such group was read as "cannot be asked", and this node's cluster manager was blamed."""
    up = picture()
    monkeypatch.setattr(NodeRoot, "current", lambda: NodeRoot("/nowhere"))
    monkeypatch.setattr(client, "query_state", lambda: up)
    assert clrginfo.main(["clRGinfo", "-l", "nosuch"]) == 1
    said = capsys.readouterr().err
    assert said == "clRGinfo: There is no resource group nosuch in this cluster.\n"
    answer = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    monkeypatch.setattr(client, "query_state", lambda: msgspec.structs.replace(up, members=()))
    assert clrginfo.main(["clRGinfo", "nosuch"]) == 1
    assert capsys.readouterr().err == said
    answer.stderr = "cl_rsh: node2: connection refused\n"
    assert clrginfo.main(["clRGinfo", "nosuch"]) == 1
    assert capsys.readouterr().err.startswith("Cluster IPC error: The cluster manager on node node1 is in ST_INIT or")


def test_clrginfo_unmanaged() -> None:
    made = ring()
    made.request(2, messages.StopServices("unmanage"))
    shown = picture(made)
    assert shown.groups[0].unmanaged_on == 2
    assert joined(render.plain(shown, list(shown.groups))) == golden("clRGinfo/unmanaged.txt")
    # It is where it was, and its application runs on.
    assert render.movement(shown, list(shown.groups))[-1].split() == ["rg_IHS", 'PRIMARY="node2:node2"']
    assert render.monitoring(shown, list(shown.groups))[-1].split(maxsplit=1)[1] == "ONLINE NOT MONITORED"


def test_clrginfo_says_what_operators_have_directed() -> None:
    made = ring()
    texts = ""
    for what in (None, messages.OfflineGroup("rg_IHS", 0), messages.OnlineGroup("rg_IHS", 1)):
        if what is not None:
            assert made.request(2, what).error == ""
        shown = picture(made)
        texts += joined(render.operations(shown, list(shown.groups)))
    assert texts == golden("clRGinfo/operations.txt")


@pytest.mark.parametrize("name", ["colon", "verbose", "override", "movement", "monitoring"])
def test_clrginfo_forms(name: str) -> None:
    shown = picture()
    assert joined(getattr(render, name)(shown, list(shown.groups))) == golden(f"clRGinfo/{name}.txt")


def test_clrginfo_colon_has_the_captured_fields() -> None:
    shown = picture()
    captured = "pdb213rg:ONLINE:pasv0450:non-concurrent:OHN:FNPN:NFB:ignore::: : :::"
    for line in render.colon(shown, list(shown.groups)):
        assert line.count(":") == captured.count(":")
        assert line.split(":")[7:] == captured.split(":")[7:]


def test_table_after_a_move() -> None:
    shown = picture()
    assert joined(render.after_request(shown, shown.groups[0])) == golden("clRGinfo/after_request.txt")


def test_long_status() -> None:
    made = ring()
    assert view.long_status(made.nodes[1]) + "\n" == golden("lssrc_ls_clstrmgrES/stable.txt")
    made.request(1, messages.StopServices("offline"))
    assert view.long_status(made.nodes[1]) + "\n" == golden("lssrc_ls_clstrmgrES/init.txt")


ROWS = {
    "cthags": " cthags           cthags           21627174     active",
    "ctrmc": " ctrmc            rsct             12910990     active",
    "clstrmgrES": " clstrmgrES       cluster          15466992     active",
    "clevmgrdES": " clevmgrdES       cluster          15139118     active",
    "clinfoES": " clinfoES         cluster          18612536     active",
    "clcomd": " clcomd           caa              14942498     active",
    "clconfd": " clconfd          caa              21758316     active",
}


def test_clshowsrv_all_up() -> None:
    lines = clshowsrv.report(ROWS, ["Current state: ST_STABLE", "sccsid"], everything=True)
    shown = golden("clshowsrv/up.txt")
    assert (
        joined(lines)
        == f"{shown}\nDetails of PowerHA SystemMirror cluster manager:\nCurrent state: ST_STABLE\nsccsid\n"
    )


def test_clshowsrv_of_the_capture() -> None:
    """The 7.1.3 capture: clinfoES does not run and is not shown, the cluster manager's long status closes the text."""
    text = golden("clshowsrv/capture.txt").splitlines()
    rows = {words[0]: line for line in text if (words := line.split())[3:] == ["active"]}
    rows["clinfoES"] = " clinfoES         cluster                       inoperative"
    details = text[text.index("Details of PowerHA SystemMirror cluster manager:") + 1 :]
    assert clshowsrv.report(rows, details, everything=True) == text


def test_clshowsrv_says_how_the_nodes_are() -> None:
    """A consumer takes the paragraph whose third word is the quoted node name (newer levels of 7.2)."""
    nodes = [
        clshowsrv.NodeStatus("clnode_1", True, render.node_words("ST_STABLE", True), "UP", "UP"),
        clshowsrv.NodeStatus("clnode_2", False, render.node_words("ST_STABLE", False), "UP", "UP"),
        clshowsrv.NodeStatus("clnode_3", False, ("UNKNOWN", "UNKNOWN"), "DOWN", "DOWN"),
    ]
    text = joined(clshowsrv.paragraphs(nodes))
    assert text == golden("clshowsrv/nodes.txt")
    found = [paragraph for paragraph in text.split("\n\n") if paragraph.split()[2:3] == ['"clnode_2"']]
    assert '"UNMANAGED" ("UNMANAGED")' in found[0]


def test_clshowsrv_asks_each_node_whether_it_is_unmanaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose own services are stopped knows nothing of the others: it called an unmanaged node NORMAL."""
    made = ring()
    made.request(1, messages.StopServices("offline"))
    made.request(2, messages.StopServices("unmanage"))
    pictures = {f"node{number}": view.snapshot(made.nodes[number]) for number in (1, 2)}
    assert (pictures["node1"].state, pictures["node2"].state) == ("ST_INIT", "ST_STABLE")

    def run(root: object, node: str, command: list[str], limit: float) -> clcomd.Result:
        return clcomd.Result(0, msgspec.json.encode(pictures[node]), b"")

    def silent(root: object) -> caa.Status:
        raise caa.CaaError(caa.INACTIVE)

    monkeypatch.setattr(client, "query_state", lambda root: pictures["node1"])
    monkeypatch.setattr(caa, "status", silent)
    monkeypatch.setattr(clcomd, "run", run)
    assert [node.services for node in clshowsrv._nodes(NodeRoot("/nowhere"))] == [
        ("OFFLINE", "ST_INIT"),
        ("UNMANAGED", "UNMANAGED"),
    ]


def test_clshowsrv_without_a_cluster_manager() -> None:
    rows = ROWS | {"clstrmgrES": " clstrmgrES       cluster                       inoperative"}
    assert joined(clshowsrv.report(rows, [], everything=True)) == golden("clshowsrv/up.txt").replace(
        ROWS["clstrmgrES"], rows["clstrmgrES"]
    )


def test_clshowsrv_services_stopped() -> None:
    rows = ROWS | {
        name: f" {name:<16} cluster                       inoperative" for name in ("clevmgrdES", "clinfoES")
    }
    lines = clshowsrv.report(rows, ["Current state: ST_INIT", "sccsid"], everything=True)
    assert joined(lines) == golden("clshowsrv/stopped.txt")
    assert lines[-1] == "Current state: ST_INIT"
    short = clshowsrv.report(rows, ["Current state: ST_INIT"], everything=False)
    assert short[0] == "Status of the PowerHA SystemMirror subsystems:"


def test_clrginfo_with_the_settling_timer() -> None:
    made = Ring(configuration(2, group("rg_IHS", "node1 node2", "OFAN FNPN NFB"), settling_time=90))
    request = made.ask(2, messages.StartServices())
    made.pass_time(20)
    assert made.result(2, request).error == ""
    made.feed(2, TICK)
    machine = made.nodes[2]
    timers = view.delayed_timers(machine, datetime(2026, 11, 27, 12, 0))
    shown = view.snapshot(machine, timers=timers)
    assert joined(render.plain(shown, list(shown.groups), timers=True)) == golden("clRGinfo/settling.txt")
    assert render.verbose(shown, list(shown.groups))[-1].split(maxsplit=1) == ["node2", "OFFLINE due to settling"]
    # Time passes while nothing happens, and whoever asks then sees it.
    later = view.delayed_timers(machine, datetime(2026, 11, 27, 12, 0), clock=made.now + 30 * SECOND)
    assert later == {"rg_IHS": f"{(70 - 30) // 60} Minutes {(70 - 30) % 60} Seconds"}


def test_clrginfo_with_a_fallback_timer() -> None:
    entry = msgspec.structs.replace(group("rg_IHS", "node1 node2", "OHN FNPN FBHPN"), fallback_timer="evening")
    evening = FallbackTimer(name="evening", recurrence="daily", hour=22, minutes=30)
    made = Ring(configuration(2, entry, timers=(evening,)))
    made.start(1, 2)
    made.request(1, messages.MoveGroup("rg_IHS", 2))
    timers = view.delayed_timers(made.nodes[1], datetime(2026, 11, 27, 12, 0))
    shown = view.snapshot(made.nodes[1], timers=timers)
    assert joined(render.plain(shown, list(shown.groups), timers=True)) == golden("clRGinfo/fallback_timer.txt")
    line = "group rg_IHS:::FallbackTimer"
    assert line in view.long_status(made.nodes[1]).splitlines()
    made.request(1, messages.MoveGroup("rg_IHS", 1))
    assert line not in view.long_status(made.nodes[1]), "it is at home"


def test_group_without_its_network_is_in_temporary_error_until_the_network_is_back() -> None:
    made = Ring(configuration(2, group("rg_IHS", "node1 node2", "OHN FNPN NFB")))
    made.start(1)
    for kind, state in (("interface_down", "TEMP ERROR"), ("interface_up", "ONLINE")):
        made.feed(1, Reported(messages.SystemEvent(kind, "127.0.0.1")))  # type: ignore[arg-type]
        made.settle()
        shown = picture(made)
        assert f" {state} " in render.plain(shown, list(shown.groups))[3]
        assert render.colon(shown, list(shown.groups))[0].split(":")[1] == state.replace(" ", "_")


def test_long_status_has_the_level_of_the_installed_fileset() -> None:
    ring = Ring(configuration(2, group("rg1", "node1 node2")))
    ring.start(1, 2)
    lines = view.long_status(ring.nodes[1], "7.2.5.3").splitlines()
    assert "local node vrmf is 7253" in lines
    assert 'cluster fix level is "3"' in lines
    assert "61haes_r725" in lines[1]


def test_monitoring_shows_every_node_of_a_concurrent_group() -> None:
    concurrent = group("rg1", "node1 node2", "OAAN BO NFB")
    ring = Ring(configuration(2, concurrent))
    ring.start(1, 2)
    picture = view.snapshot(ring.nodes[1])
    assert render.monitoring(picture, list(picture.groups))[3:] == [
        f"{'rg1':<14} {'ONLINE':<28} {'':<28} node1",
        f"{'':<14} {'ONLINE':<28} {'':<28} node2",
        f" {'rg1_app':<13} {'':<28} ONLINE NOT MONITORED",
    ]


def test_only_a_group_that_looks_for_another_node_is_offline_due_to_fallover() -> None:
    groups = (
        group("over", "node1 node2", "OHN FNPN NFB", "svc1"),
        group("stays", "node1 node2", "OHN BO NFB", "svc2"),
        group("everywhere", "node1 node2", "OAAN BO NFB", "svc3"),
    )
    made = Ring(configuration(2, *groups))
    made.start(1, 2)
    made.crash(1)
    made.settle()
    shown = view.snapshot(made.nodes[2])
    assert {entry.name: entry.nodes[0].reason for entry in shown.groups} == {
        "over": "fallover",
        "stays": "",
        "everywhere": "",
    }
