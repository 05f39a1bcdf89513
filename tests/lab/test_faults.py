"""Faults as srcctl injects them, seen through the file that every node reads."""

from __future__ import annotations

import os
from pathlib import Path

from click.testing import CliRunner

from srcctl.lab import disks
from srcctl.lab.cli import cli
from srcctl.network.faults import Faults
from tests.lab.test_model import a_lab


def srcctl(directory: Path, *words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(cli, ["--lab", str(directory), *words], prog_name="srcctl")
    return answer.exit_code, answer.output


def a_stored_lab(tmp_path: Path) -> Faults:
    lab = a_lab(tmp_path, nodes=3)
    os.makedirs(disks.directory(lab))
    disks.make(lab)
    lab.store()
    return Faults(lab.shared)


def test_disks_are_sparse_files(tmp_path: Path) -> None:
    a_stored_lab(tmp_path)
    lab = a_lab(tmp_path)
    assert disks.names(lab) == ["hdisk1", "hdisk2", "hdisk3", "hdisk4"]
    status = os.stat(tmp_path / "shared" / "disks" / "hdisk1")
    assert status.st_size == 512 << 20
    assert status.st_blocks == 0


def test_a_link(tmp_path: Path) -> None:
    faults = a_stored_lab(tmp_path)
    assert srcctl(tmp_path, "link", "node1", "en1", "down") == (0, "")
    assert not faults.reachable("node1", "node2", "net_ether_02")
    assert faults.reachable("node1", "node2", "net_ether_01")
    assert srcctl(tmp_path, "link", "node1", "net_ether_02", "up")[0] == 0
    assert faults.reachable("node1", "node2", "net_ether_02")


def test_a_partition_and_its_end(tmp_path: Path) -> None:
    faults = a_stored_lab(tmp_path)
    assert srcctl(tmp_path, "partition", "node1,node2", "node3")[0] == 0
    assert faults.cut("node2", "node3")
    assert faults.disk_cut("node1", "node3")
    assert not faults.cut("node1", "node2")
    srcctl(tmp_path, "disk", "hdisk1", "fail")
    assert srcctl(tmp_path, "heal")[0] == 0
    assert not faults.cut("node2", "node3")
    assert faults.disk_failed("hdisk1")


def test_a_partition_that_keeps_the_disk(tmp_path: Path) -> None:
    faults = a_stored_lab(tmp_path)
    assert srcctl(tmp_path, "partition", "node1", "node2", "--keep-disk")[0] == 0
    assert faults.cut("node1", "node2")
    assert not faults.disk_cut("node1", "node2")


def test_a_cut_in_one_direction(tmp_path: Path) -> None:
    faults = a_stored_lab(tmp_path)
    assert srcctl(tmp_path, "partition", "node1", "node2,node3", "--one-way")[0] == 0
    assert not faults.passes("node1", "node3", "net_ether_01")
    assert faults.passes("node3", "node1", "net_ether_01")
    assert not faults.reachable("node3", "node1", "net_ether_01"), "TCP needs both"
    assert faults.disk_hides("node1", "node2")
    assert not faults.disk_hides("node2", "node1")
    assert not faults.disk_cut("node1", "node2"), "a reservation is not hidden by it"
    assert "what node1 sends does not reach node2, node3" in faults.current.describe()
    assert srcctl(tmp_path, "heal")[0] == 0
    assert faults.passes("node1", "node3", "net_ether_01")


def test_a_partition_has_two_sides(tmp_path: Path) -> None:
    a_stored_lab(tmp_path)
    assert srcctl(tmp_path, "partition", "node1,node2", "node2")[0] == 2
    assert srcctl(tmp_path, "partition", "node1", ",")[0] == 2
    assert srcctl(tmp_path, "partition", "node1", "node7")[0] == 3


def test_a_disk_fails_and_is_repaired(tmp_path: Path) -> None:
    faults = a_stored_lab(tmp_path)
    assert srcctl(tmp_path, "disk", "hdisk2", "fail")[0] == 0
    assert faults.disk_failed("hdisk2")
    assert srcctl(tmp_path, "disk", "hdisk2", "repair")[0] == 0
    assert not faults.disk_failed("hdisk2")
    code, said = srcctl(tmp_path, "disk", "hdisk9", "fail")
    assert code == 3
    assert "hdisk1, hdisk2, hdisk3, hdisk4" in said


def test_a_node_that_is_off_has_no_process_to_kill(tmp_path: Path) -> None:
    a_stored_lab(tmp_path)
    code, said = srcctl(tmp_path, "kill", "node1", "caa")
    assert code == 4
    assert "powered off" in said
    assert srcctl(tmp_path, "kill", "node9", "caa")[0] == 3


def test_a_node_whose_files_are_being_removed_cannot_be_entered(tmp_path: Path) -> None:
    a_stored_lab(tmp_path)
    status, text = srcctl(tmp_path, "exec", "node1", "--", "true")
    assert status == 1
    assert text.startswith("srcctl: node1 cannot be entered: ")
    assert text.endswith("etc/lpar.json: No such file or directory\n")
