"""srcctl up, again, two at once, down, up, destroy."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.end_to_end.lab import LabUnderTest


def test_up_shows_the_running_cluster(lab: LabUnderTest) -> None:
    again = lab.up()
    first_line = again.stdout.splitlines()[0]
    assert f"in {lab.description()['mode']} mode" in first_line
    assert "clstrmgrES       cluster" in again.stdout
    assert "Group Name" in again.stdout
    assert again.stdout.count("  srcctl ") + again.stdout.count("  curl ") >= 4


def test_a_command_lies_where_its_mode_says(lab: LabUnderTest) -> None:
    root = {"view": "", "folder": str(lab.directory / "nodes" / "node1" / "root")}[lab.description()["mode"]]
    assert lab.output("node1", "command -v lssrc").strip() == f"{root}/usr/bin/lssrc"
    assert lab.output("node1", "command -v clmgr").strip() == f"{root}/usr/es/sbin/cluster/utilities/clmgr"


def test_a_second_up_changes_nothing(lab: LabUnderTest) -> None:
    before = {node: lab.processes(node) for node in lab.nodes()}
    lab.up()
    assert {node: lab.processes(node) for node in lab.nodes()} == before


def test_other_sizes_are_refused(lab: LabUnderTest) -> None:
    answer = lab.srcctl("up", "--nodes", "3", check=False)
    assert answer.returncode == 1
    assert "has 2 nodes" in answer.stderr


def test_status_names_every_process(lab: LabUnderTest) -> None:
    state = lab.status()
    for node in lab.nodes():
        processes = state["nodes"][node]["processes"]
        assert {
            "lpar", "caa", "srcmstr", "clcomd", "clconfd", "cthags", "ctrmc", "clstrmgrES", "clevmgrdES", "clinfoES",
            "snmpd",
        } <= set(processes)  # fmt: skip
        for pid in processes.values():
            os.kill(pid, 0)
    assert state["resource_groups"]["app_rg"]["node1"] == "ONLINE"
    assert f"{lab.description()['block']}.33" in str(state["nodes"]["node1"]["addresses"])


def test_the_application_counts(lab: LabUnderTest) -> None:
    first = lab.ask()
    assert lab.ask() == {"node": "node1", "counter": first["counter"] + 1}


def test_exec_keeps_output_and_exit_code(lab: LabUnderTest) -> None:
    answer = lab.srcctl("exec", "node1", "--", "sh", "-c", "echo out; echo err >&2; exit 42", check=False)
    assert (answer.stdout, answer.stderr, answer.returncode) == ("out\n", "err\n", 42)


def test_unknown_names_are_said(lab: LabUnderTest) -> None:
    answer = lab.srcctl("exec", "node9", "--", "true", check=False)
    assert answer.returncode == 3
    assert "node1, node2" in answer.stderr
    answer = lab.srcctl("kill", "node1", "nothing", check=False)
    assert answer.returncode == 3
    assert "clstrmgrES" in answer.stderr
    assert lab.srcctl("disk", "hdisk99", "fail", check=False).returncode == 3
    assert lab.srcctl("link", "node1", "net_ether_09", "down", check=False).returncode == 3


def test_down_keeps_the_state(lab: LabUnderTest) -> None:
    counter = lab.ask()["counter"]
    lab.srcctl("down")
    assert [lab.power(node) for node in lab.nodes()] == ["off", "off"]
    answer = lab.srcctl("exec", "node1", "--", "true", check=False)
    assert answer.returncode == 4
    assert "powered off" in answer.stderr
    lab.up()
    assert lab.ask()["counter"] == counter + 1


def test_two_at_the_same_moment(tmp_path: Path) -> None:
    lab = LabUnderTest(tmp_path / "lab")
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: lab.up("--bare"), range(2)))
        assert [answer.returncode for answer in answers] == [0, 0]
        assert [lab.power(node) for node in lab.nodes()] == ["on", "on"]
    finally:
        lab.destroy()


@pytest.mark.parametrize("mode", ["view", "folder"])
def test_destroy_leaves_nothing(tmp_path: Path, mode: str) -> None:
    lab = LabUnderTest(tmp_path / "lab")
    answer = lab.srcctl("up", "--bare", "--mode", mode, check=False)
    if mode == "view" and "view mode is not possible here" in answer.stderr:
        pytest.skip(answer.stderr)
    assert answer.returncode == 0, answer.stderr
    block = lab.description()["block"]
    lab.destroy()
    assert os.listdir(tmp_path) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    listing = subprocess.run(["ss", "-Hanp"], capture_output=True, text=True, check=False).stdout
    assert f"{block}." not in listing
