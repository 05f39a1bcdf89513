"""The Cluster Test Tool: plans, variables, entrance criteria and success indicators."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.clmgr.testtool import automatic, commands, outcome, plan
from daemons.clmgr.testtool.outcome import Seen
from daemons.clmgr.testtool.plan import PlanError, Test
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import IDENTITY, done, picture, rich, sample

BOTH = {"node1": "NORMAL", "node2": "NORMAL"}
HERE = {"app_rg": {"node1": "ONLINE", "node2": "OFFLINE"}}
THERE = {"app_rg": {"node1": "OFFLINE", "node2": "ONLINE"}}
NOWHERE = {"app_rg": {"node1": "OFFLINE", "node2": "OFFLINE"}}
LINKS = {("node1", "net_ether_01"): True, ("node2", "net_ether_01"): True}


def one(line: str) -> Test:
    (test,) = plan.parse(line, {})
    return test


def test_a_plan_and_its_variables() -> None:
    values = plan.variables("# who is who\n\nnode1 = waltham\nnet=net_ether_01\n")
    assert values == {"node1": "waltham", "net": "net_ether_01"}
    text = "# first\n\nNODE_UP , node1 , Bring up, then look\n  NETWORK_DOWN_LOCAL,node1,net\nWAIT, 20, pause\n"
    first, second, third = plan.parse(text, values)
    assert (first.name, first.parameters, first.comment) == ("NODE_UP", ("waltham",), "Bring up, then look")
    assert first.line == "NODE_UP,node1,Bring up, then look"
    assert (second.parameters, second.node, second.network, second.comment) == (
        ("waltham", "net_ether_01"), "waltham", "net_ether_01", "",
    )  # fmt: skip
    assert third.parameters == ("20",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("NODE_SIDEWAYS, node1", "line 1: NODE_SIDEWAYS is no test."),
        ("\nRG_MOVE, app_rg", "line 2: RG_MOVE needs group, node|ANY|RESTORE."),
        ("RG_MOVE, , node1", "line 1: RG_MOVE needs group, node|ANY|RESTORE."),
        (",", "line 1: nothing is no test."),
        ("# nothing\n", "there is no test in the test plan."),
        ("NETWORK_DOWN_NONIP, node1, net", "line 1: NETWORK_DOWN_NONIP is not available: a cluster of this level"),
    ],
)
def test_a_plan_that_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan.parse(text, {})
    assert str(caught.value).startswith(complaint)


def test_a_variables_file_that_is_wrong() -> None:
    with pytest.raises(PlanError, match="line 2 of the variables file is no definition: node2"):
        plan.variables("node1=a\nnode2\n")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("NODE_UP, ALL", ""),
        ("NODE_DOWN_TAKEOVER, ALL", "there is no node ALL in the cluster."),
        ("NODE_UP, node9", "there is no node node9 in the cluster."),
        ("NETWORK_DOWN_GLOBAL, net_9", "there is no network net_9 in the cluster."),
        ("FAIL_LABEL, app_svc", "there is no boot interface app_svc in the cluster."),
        ("RG_MOVE, no_rg, ANY", "there is no resource group no_rg in the cluster."),
        ("SERVER_DOWN, ANY, no_app, /stop", "there is no application controller no_app in the cluster."),
        ("VG_DOWN, novg, ANY", "there is no volume group of a resource group novg in the cluster."),
        ("WAIT, soon", "soon is no number of seconds."),
        ("RG_MOVE_SITE, app_rg, OTHER", ""),
        ("SITE_UP, north", "there is no site north in the cluster."),
    ],
)
def test_what_the_cluster_does_not_have(line: str, complaint: str) -> None:
    assert plan.unknown(one(line), sample()) == complaint


def test_a_group_goes_to_its_own_nodes_only() -> None:
    c = done(sample(), "add", "rg", "lone_rg", "NODES=node1")
    assert plan.unknown(one("RG_ONLINE, lone_rg, node2"), c) == "node2 is no node of the resource group lone_rg."


def test_interfaces_of_a_test() -> None:
    c = sample()
    assert plan.interfaces(one("NETWORK_DOWN_LOCAL, node1, net_ether_01"), c) == [("node1", "en0")]
    assert [node for node, _ in plan.interfaces(one("NETWORK_UP_GLOBAL, net_ether_01"), c)] == ["node1", "node2"]
    assert plan.interfaces(one("FAIL_LABEL, node2"), c) == [("node2", "en0")]


def test_what_is_seen_of_a_cluster() -> None:
    seen = Seen.of(BOTH, picture())
    assert seen.holders("app_rg") == ("node1",)
    assert seen.stable
    assert seen.up == ("node1", "node2")
    assert not Seen.of(BOTH, replace(picture(), event="TE_RG_MOVE")).stable
    assert not Seen.of({**BOTH, "node2": "JOINING"}, picture()).stable
    for state, stable in (
        ("ONLINE SECONDARY", True), ("ERROR", True), ("ACQUIRING SECONDARY", False), ("TEMPORARY ERROR", False),
    ):  # fmt: skip
        assert Seen(BOTH, {"app_rg": {"node1": "ONLINE", "node2": state}}, {}).stable == stable
    unmanaged = replace(picture(), groups=(replace(picture().groups[0], unmanaged_on=1),))
    assert Seen.of(BOTH, unmanaged).groups["app_rg"]["node1"] == "UNMANAGED"


@pytest.mark.parametrize(
    ("line", "groups", "nodes", "complaint"),
    [
        ("NODE_UP, node1", HERE, BOTH, "cluster services are active on node1 already."),
        ("NODE_UP, ALL", HERE, BOTH, ""),
        ("NODE_DOWN_FORCED, node2", HERE, {**BOTH, "node2": "OFFLINE"}, "cluster services are not active on node2."),
        ("RG_ONLINE, app_rg, ANY", HERE, BOTH, "the resource group app_rg is online already."),
        ("RG_OFFLINE, app_rg, ANY", NOWHERE, BOTH, "the resource group app_rg is not online."),
        ("RG_MOVE, app_rg, ANY", HERE, {**BOTH, "node2": "OFFLINE"},
         "there is no other node for the resource group app_rg."),
        ("SERVER_DOWN, ANY, counter_app, /a/stop", HERE, BOTH,
         "the application controller counter_app has no monitor."),
        ("NETWORK_UP_GLOBAL, net_ether_01", {}, {"node1": "OFFLINE", "node2": "OFFLINE"},
         "cluster services are not active on any node."),
        ("CLSTRMGR_KILL, node1", HERE, BOTH, "the tool runs on node1 and would end with it."),
        ("NETWORK_DOWN_LOCAL, node1, net_ether_01", HERE, BOTH, ""),
        ("NETWORK_DOWN_LOCAL, node2, net_ether_01", HERE, BOTH,
         "node node2 has no other interface over which the tool could bring en0 up again."),
        ("WAIT, 1", {}, {"node1": "OFFLINE", "node2": "OFFLINE"}, ""),
    ],
)  # fmt: skip
def test_when_a_test_cannot_be_run(
    line: str, groups: dict[str, dict[str, str]], nodes: dict[str, str], complaint: str
) -> None:
    assert outcome.objection(one(line), sample(), Seen(nodes, groups, LINKS), "node1") == complaint


STOPPED = {**BOTH, "node1": "OFFLINE"}


@pytest.mark.parametrize(
    ("line", "now", "complaints"),
    [
        ("NODE_DOWN_GRACEFUL, node1", Seen(STOPPED, NOWHERE, LINKS), []),
        ("NODE_DOWN_GRACEFUL, node1", Seen(BOTH, NOWHERE, LINKS), ["node node1 is NORMAL, not OFFLINE."]),
        ("NODE_DOWN_GRACEFUL, node1", Seen(STOPPED, THERE, LINKS), ["the resource group app_rg is online on node2."]),
        ("NODE_DOWN_TAKEOVER, node1", Seen(STOPPED, THERE, LINKS), []),
        ("NODE_DOWN_TAKEOVER, node1", Seen(STOPPED, NOWHERE, LINKS),
         ["the resource group app_rg is online on no node."]),
        ("NODE_DOWN_FORCED, node1",
         Seen({**BOTH, "node1": "UNMANAGED"}, {"app_rg": {"node1": "UNMANAGED", "node2": "UNMANAGED"}}, LINKS), []),
        ("NODE_DOWN_FORCED, node1", Seen({**BOTH, "node1": "UNMANAGED"}, THERE, LINKS),
         ["the resource group app_rg is not unmanaged."]),
        ("CLSTRMGR_KILL, node1", Seen({**BOTH, "node1": "UNKNOWN"}, THERE, LINKS), []),
        ("CLSTRMGR_KILL, node1", Seen({"node1": "UNKNOWN", "node2": "UNKNOWN"}, {}, {}),
         ["node node2 is UNKNOWN, not NORMAL."]),
        ("NETWORK_DOWN_LOCAL, node1, net_ether_01", Seen(BOTH, THERE, {**LINKS, ("node1", "net_ether_01"): False}), []),
        ("NETWORK_DOWN_LOCAL, node1, net_ether_01", Seen(BOTH, THERE, LINKS),
         ["the network net_ether_01 of node node1 is up."]),
        ("NETWORK_DOWN_LOCAL, node1, net_ether_01",
         Seen(BOTH, {"app_rg": {"node1": "ERROR", "node2": "OFFLINE"}}, {**LINKS, ("node1", "net_ether_01"): False}),
         ["the resource group app_rg is in ERROR state on node1."]),
        ("RG_MOVE, app_rg, ANY", Seen(BOTH, HERE, LINKS), ["the resource group app_rg has not moved."]),
        ("RG_MOVE, app_rg, node2", Seen(BOTH, THERE, LINKS), []),
        ("RG_OFFLINE, app_rg, ALL", Seen(BOTH, NOWHERE, LINKS), []),
        ("RG_OFFLINE, app_rg, ALL", Seen(BOTH, THERE, LINKS), ["the resource group app_rg is online on node2."]),
        ("SERVER_DOWN, ANY, counter_app, /a/stop", Seen(BOTH, HERE, LINKS), ["the cluster has noticed no failure."]),
        ("SERVER_DOWN, ANY, counter_app, /a/stop", Seen(BOTH, HERE, LINKS, mark=("server_restart", 7)), []),
    ],
)  # fmt: skip
def test_success_indicators(line: str, now: Seen, complaints: list[str]) -> None:
    assert outcome.lacking(one(line), sample(), Seen(BOTH, HERE, LINKS), now) == complaints


def test_a_volume_group_that_is_lost_makes_its_group_leave() -> None:
    c = done(sample(), "modify", "rg", "app_rg", "VOLUME_GROUP=datavg")
    test, before = one("VG_DOWN, datavg, ANY"), Seen(BOTH, HERE, LINKS)
    assert outcome.targets(test, c, before) == ("node1",)
    assert outcome.lacking(test, c, before, before) == ["the resource group app_rg has not left node1."]
    assert outcome.lacking(test, c, before, Seen(BOTH, THERE, LINKS)) == []


def test_the_automated_procedure_is_a_plan_for_the_cluster() -> None:
    c = done(rich(), "modify", "rg", "app_rg", "VOLUME_GROUP=datavg")
    tests = plan.parse(automatic.whole(c, "node1"), {})
    assert [test.name for test in tests][:7] == [
        "NODE_UP", "NODE_DOWN_GRACEFUL", "NODE_UP", "NODE_DOWN_TAKEOVER", "NODE_UP", "NODE_DOWN_FORCED", "NODE_UP",
    ]  # fmt: skip
    assert [plan.unknown(test, c) for test in tests] == [""] * len(tests)
    assert "SERVER_DOWN,ANY,counter_app,/a/stop,Recover from application failure" in [test.line for test in tests]
    assert tests[-1].line == "CLSTRMGR_KILL,node2,Kill the cluster manager on a node"
    assert {"VG_DOWN", "RG_MOVE"} <= {test.name for test in tests}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeRoot:
    """A node's root with the sample cluster."""
    root = NodeRoot(str(tmp_path))
    root._identity = IDENTITY
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: root))
    monkeypatch.setattr(commands.configurations, "load", lambda repository: sample())
    return root


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "Usage: cl_testtool"),
        ("-a -c -e /plan", "Usage: cl_testtool"),
        ("-e /plan", "Usage: cl_testtool"),
        ("-a -v /vars", "Usage: cl_testtool"),
        ("-a more", "Usage: cl_testtool"),
        ("-x", "Usage: cl_testtool"),
        ("-x fly", "Usage: cl_testtool"),
        ("-c -e /nosuch", "cl_testtool: "),
        ("-c -e /plan -v /nosuch", "cl_testtool: "),
        ("-c -e /wrong", "cl_testtool: line 1: NODE_SIDEWAYS is no test."),
    ],
)
def test_a_call_that_is_wrong(
    machine: NodeRoot, capsys: pytest.CaptureFixture[str], words: str, complaint: str
) -> None:
    Path(machine.path("/plan")).write_text("NODE_UP, ALL\n")
    Path(machine.path("/wrong")).write_text("NODE_SIDEWAYS, ALL\n")
    assert commands.cl_testtool(["cl_testtool", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(complaint)
    if "/nosuch" in words:
        assert err.endswith("/nosuch: No such file or directory\n")


def test_nothing_is_run_if_the_plan_names_what_is_not_there(
    machine: NodeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(machine.path("/plan")).write_text("NODE_UP, ALL\nNODE_UP, node9\n")
    assert commands.cl_testtool(["cl_testtool", "-c", "-e", "/plan"]) == 2
    out = capsys.readouterr().out
    assert "Event 2: NODE_UP: NODE_UP,node9\nERROR: there is no node node9 in the cluster.\n" in out
    assert "Starting Test" not in out
    log = Path(machine.path("/var/hacmp/log/cl_testtool.log"))
    lines = log.read_text().splitlines()
    assert re.fullmatch(r"\d\d/\d\d/\d{4}_\d\d:\d\d:\d\d: ## Cluster Testing Complete: Exit Code 2", lines[-2])
    for _ in range(3):
        commands.cl_testtool(["cl_testtool", "-c", "-e", "/plan"])
    assert sorted(path.name for path in log.parent.iterdir()) == [log.name, f"{log.name}.1", f"{log.name}.2"]
    commands.cl_testtool(["cl_testtool", "-c", "-e", "/plan", "-n"])
    assert len(log.read_text().splitlines()) == 2 * len(lines)


def test_one_run_at_a_time(machine: NodeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    Path(machine.path("/plan")).write_text("NODE_UP, node9\n")
    words = ["cl_testtool", "-c", "-e", "/plan"]
    with commands._alone(machine):  # which raises if another run has it
        assert commands.cl_testtool(words) == 2
        assert capsys.readouterr() == ("", "cl_testtool: another run of the tool is going on on this node.\n")
    assert commands.cl_testtool(words) == 2
    assert "there is no node node9" in capsys.readouterr().out
