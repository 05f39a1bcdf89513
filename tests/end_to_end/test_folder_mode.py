"""The whole path in folder mode: nothing but the absolute paths is missing there."""

from __future__ import annotations

from tests.end_to_end.lab import LabUnderTest

UP = ("--mode", "folder")


def test_it_is_said(lab: LabUnderTest) -> None:
    assert "folder mode" in lab.up().stdout.splitlines()[0]
    assert lab.description()["mode"] == "folder"


def test_up_runs_the_cluster(lab: LabUnderTest) -> None:
    assert lab.owner() == "node1"
    assert lab.ask()["node"] == "node1"
    assert lab.cluster_state("node1") == "ST_STABLE"
    assert "active" in lab.output("node1", "lssrc -s clcomd")


def test_a_move(lab: LabUnderTest) -> None:
    counter = lab.ask()["counter"]
    lab.output("node1", "clmgr move resource_group app_rg NODE=node2", timeout=120)
    assert lab.ask() == {"node": "node2", "counter": counter + 1}


def test_kill_takeover_and_return(lab: LabUnderTest) -> None:
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    counter = lab.ask()["counter"]
    lab.srcctl("kill", owner, "clstrmgrES")
    lab.wait_for_power(owner, "off")
    assert lab.wait_for_answer(other)["counter"] == counter + 1
    lab.rejoin(owner)
    lab.wait_for_state(owner, "ST_STABLE")
    assert lab.owner() == other


def test_nothing_of_the_host_was_touched(lab: LabUnderTest) -> None:
    path = lab.output("node1", "command -v lssrc").strip()
    assert path.startswith(str(lab.directory))
