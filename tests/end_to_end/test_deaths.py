"""The other rows of the README's table of deaths: what is respawned, what is not, and that the group never moves."""

from __future__ import annotations

import os
import signal

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

RESPAWNED = ("clcomd", "clconfd", "ctrmc")
ONCE = ("clevmgrdES", "clinfoES", "snmpd")


def killed(lab: LabUnderTest, node: str, name: str) -> int:
    """kill -9 by pid; returns that pid."""
    pid = lab.processes(node)[name]
    os.kill(pid, signal.SIGKILL)
    return pid


def successor(lab: LabUnderTest, node: str, name: str, old: int) -> int:
    """The pid of the process that follows."""

    def look() -> int:
        pid = lab.processes(node).get(name, 0)
        return pid if pid != old else 0

    return eventually(look, f"a new {name} on {node}", 30, lambda: lab.processes(node))


@pytest.mark.parametrize("name", RESPAWNED)
def test_a_respawned_subsystem_comes_back(lab: LabUnderTest, name: str) -> None:
    counter = lab.ask()["counter"]
    old = killed(lab, "node1", name)
    successor(lab, "node1", name, old)
    eventually(lambda: "active" in lab.run("node1", f"lssrc -s {name}").stdout, f"{name} is active again")
    assert [lab.power(node) for node in lab.nodes()] == ["on", "on"]
    assert lab.owner() == "node1"
    assert lab.ask()["counter"] == counter + 1


@pytest.mark.parametrize("name", ONCE)
def test_another_subsystem_stays_down_until_it_is_started(lab: LabUnderTest, name: str) -> None:
    counter = lab.ask()["counter"]
    killed(lab, "node1", name)
    eventually(lambda: "inoperative" in lab.run("node1", f"lssrc -s {name}").stdout, f"{name} is inoperative")
    eventually(
        lambda: name in lab.run("node1", "errpt -a -J SRC_SVKO").stdout, f"the error log names {name}", 30,
        lambda: lab.run("node1", "errpt -a").stdout,
    )  # fmt: skip
    assert [lab.power(node) for node in lab.nodes()] == ["on", "on"]
    assert lab.owner() == "node1"
    assert lab.ask()["counter"] == counter + 1
    lab.output("node1", f"startsrc -s {name}")
    eventually(lambda: name in lab.processes("node1"), f"{name} runs again")


def test_a_respawn_stands_in_the_error_log(lab: LabUnderTest) -> None:
    old = killed(lab, "node2", "clconfd")
    successor(lab, "node2", "clconfd", old)
    eventually(lambda: "clconfd" in lab.run("node2", "errpt -a -J SRC_RSTRT").stdout, "the error log names clconfd")


def test_srcmstr_begins_again_with_the_same_children(lab: LabUnderTest) -> None:
    before = lab.processes("node1")
    old = killed(lab, "node1", "srcmstr")
    successor(lab, "node1", "srcmstr", old)
    eventually(lambda: "active" in lab.run("node1", "lssrc -s clcomd").stdout, "srcmstr answers")
    after = lab.processes("node1")
    assert {name: pid for name, pid in after.items() if name != "srcmstr"} == {
        name: pid for name, pid in before.items() if name != "srcmstr"
    }
    assert lab.owner() == "node1"


def test_a_death_while_srcmstr_is_away_is_not_lost(lab: LabUnderTest) -> None:
    pids = lab.processes("node1")
    os.kill(pids["srcmstr"], signal.SIGKILL)
    os.kill(pids["ctrmc"], signal.SIGKILL)
    successor(lab, "node1", "srcmstr", pids["srcmstr"])
    successor(lab, "node1", "ctrmc", pids["ctrmc"])


@pytest.mark.parametrize("name", ["clcomd", "clconfd", "ctrmc", "clevmgrdES", "clinfoES", "snmpd"])
def test_a_hung_daemon_that_nobody_votes_with_moves_nothing(lab: LabUnderTest, name: str) -> None:
    before = lab.processes("node1")
    lab.srcctl("hang", "node1", name)
    assert "active" in lab.output("node1", f"lssrc -s {name}"), "the short status does not ask the subsystem"
    assert lab.owner() == "node1"
    lab.srcctl("resume", "node1", name)
    assert lab.processes("node1") == before


def test_a_hung_srcmstr_only_keeps_its_callers_waiting(lab: LabUnderTest) -> None:
    before = lab.processes("node1")
    lab.srcctl("hang", "node1", "srcmstr")
    assert lab.owner() == "node1"
    assert lab.run("node1", "timeout 1 lssrc -a").returncode == 124
    lab.srcctl("resume", "node1", "srcmstr")
    eventually(lambda: lab.run("node1", "lssrc -a").returncode == 0, "srcmstr answers")
    assert lab.processes("node1") == before
