"""The cluster manager dies or hangs: the node halts, the other one takes over, and the counter goes on."""

from __future__ import annotations

import os
import signal

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True


@pytest.fixture(autouse=True)
def whole(lab: LabUnderTest) -> None:
    """Each scenario begins with two nodes in the cluster."""
    lab.make_whole()


def other(node: str) -> str:
    return "node2" if node == "node1" else "node1"


def count(lab: LabUnderTest, requests: int = 3) -> int:
    """The counter's last acknowledged value."""
    return [int(lab.ask()["counter"]) for _ in range(requests)][-1]


def check_takeover(lab: LabUnderTest, dead: str, acknowledged: int) -> None:
    survivor = other(dead)
    lab.wait_for_power(dead, "off")
    answer = lab.wait_for_answer(survivor)
    assert answer["counter"] == acknowledged + 1
    lab.wait_for_owner(survivor)
    lab.wait_for_state(survivor, "ST_STABLE")
    log = lab.output(survivor, "cat $HAES_ROOT/var/hacmp/log/hacmp.out")
    assert f"EVENT START: node_down {dead}" in log
    assert f"EVENT COMPLETED: node_down {dead}" in log
    members = lab.output(survivor, "lscluster -m")
    assert "DOWN" in members


@pytest.mark.both_modes
def test_kill_9_of_the_cluster_manager(lab: LabUnderTest) -> None:
    owner = lab.owner()
    acknowledged = count(lab)
    os.kill(lab.processes(owner)["clstrmgrES"], signal.SIGKILL)
    check_takeover(lab, owner, acknowledged)


def test_a_hung_cluster_manager_is_a_dead_one(lab: LabUnderTest) -> None:
    owner = lab.owner()
    acknowledged = count(lab)
    lab.srcctl("hang", owner, "clstrmgrES")
    check_takeover(lab, owner, acknowledged)


@pytest.mark.both_modes
def test_halted_by_clexit_stands_in_the_error_log(lab: LabUnderTest) -> None:
    owner = lab.owner()
    lab.srcctl("kill", owner, "clstrmgrES")
    lab.wait_for_power(owner, "off")
    lab.rejoin(owner)
    log = lab.output(owner, "errpt -a")
    assert "clexit.rc" in log or "Unexpected termination of clstrmgrES" in log, log
    assert "SRC" in log


@pytest.mark.both_modes
def test_a_stop_is_no_halt(lab: LabUnderTest) -> None:
    owner = lab.owner()
    lab.output(owner, f"clmgr offline node {owner} WHEN=now MANAGE=move", timeout=120)
    lab.wait_for_owner(other(owner))
    lab.wait_for_answer(other(owner))
    assert lab.power(owner) == "on"
    lab.wait_for_state(owner, "ST_INIT")
    lab.output(owner, "stopsrc -s clstrmgrES")
    lab.wait_until_down(owner, "clstrmgrES")
    assert lab.power(owner) == "on"
    lab.output(owner, "startsrc -s clstrmgrES")
    lab.wait_for_state(owner, "ST_INIT")


def test_a_node_that_comes_back_waits_until_it_is_asked(lab: LabUnderTest) -> None:
    owner = lab.owner()
    survivor = other(owner)
    lab.srcctl("kill", owner, "clstrmgrES")
    lab.wait_for_owner(survivor)
    lab.srcctl("boot", owner)
    lab.wait_for_state(owner, "ST_INIT")
    expected = {"clcomd", "clconfd", "cthags", "ctrmc", "clstrmgrES"}
    eventually(lambda: expected <= set(lab.processes(owner)), "its daemons run", show=lambda: lab.processes(owner))
    assert lab.group_states()[survivor] == "ONLINE"
    lab.output(owner, f"clmgr online node {owner}", timeout=120)
    lab.wait_for_state(owner, "ST_STABLE")
    lab.wait_until_stable()
    assert lab.owner() == survivor, "NFB: no fallback"
    lab.wait_for_groups({survivor: "ONLINE", owner: "OFFLINE"})


@pytest.mark.parametrize("name", ["lpar", "caa"])
@pytest.mark.parametrize("how", ["kill", "hang"])
def test_lpar_and_caa_guard_each_other(lab: LabUnderTest, name: str, how: str) -> None:
    owner = lab.owner()
    acknowledged = count(lab)
    lab.srcctl(how, owner, name)
    check_takeover(lab, owner, acknowledged)


def test_a_hung_cthags_is_a_dead_one(lab: LabUnderTest) -> None:
    owner = lab.owner()
    acknowledged = count(lab)
    lab.srcctl("hang", owner, "cthags")
    check_takeover(lab, owner, acknowledged)
    lab.rejoin(owner)
    log = lab.output(owner, "errpt -a -J KERNEL_PANIC")
    assert "RSCT reboot caused by critical resource protection - Group Services" in log


def test_cthags_and_the_cluster_manager_hang_both(lab: LabUnderTest) -> None:
    """Nobody is left on the node who would end it but caa: before the other node takes over."""
    owner = lab.owner()
    acknowledged = count(lab)
    lab.srcctl("hang", owner, "clstrmgrES")
    lab.srcctl("hang", owner, "cthags")
    check_takeover(lab, owner, acknowledged)
