"""The disk that holds a whole lab is full: nothing dies of it, nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 MiB."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "none", str(tmp_path)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this root may not mount")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1 << 9):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_full_disk_kills_nothing(small: Path) -> None:
    lab = LabUnderTest(small / "lab")
    try:
        lab.up()
        counter = lab.ask()["counter"]
        before = lab.processes("node1")
        fill(small / "fill")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{lab.description()['block']}.33:8080/", timeout=30)
        assert refused.value.code == 503
        refused.value.close()
        for name in ("clcomd", "ctrmc", "srcmstr"):
            os.kill(before[name], signal.SIGKILL)
            eventually(
                lambda name=name: lab.processes("node1").get(name, before[name]) != before[name],  # type: ignore[misc]
                f"a new {name}",
            )
        assert [lab.power(node) for node in lab.nodes()] == ["on", "on"]
        assert lab.owner() == "node1"
        (small / "fill").unlink()
        assert lab.ask() == {"node": "node1", "counter": counter + 1}
        lab.wait_for_state("node1", "ST_STABLE")
    finally:
        lab.destroy()


def test_no_room_to_power_on(small: Path) -> None:
    lab = LabUnderTest(small / "lab")
    try:
        lab.up("--bare")
        lab.srcctl("down")
        fill(small / "fill")
        answer = lab.srcctl("up", "--bare", check=False)
        assert answer.returncode == 6
        assert "no room on the disk" in answer.stderr
        assert lab.srcctl("boot", "node1", check=False).returncode == 6
    finally:
        lab.destroy()


@pytest.fixture
def full(small: Path) -> Iterator[tuple[LabUnderTest, Path]]:
    """A sample lab whose disk is full, and the file that fills it."""
    lab = LabUnderTest(small / "lab")
    try:
        lab.up()
        lab.wait_for_state("node1", "ST_STABLE")
        fill(small / "fill")
        yield lab, small / "fill"
    finally:
        (small / "fill").unlink(missing_ok=True)
        lab.destroy()


def answers_again(lab: LabUnderTest, subsystem: str, before: int) -> None:
    """Wait for a new process of a subsystem that answers a long status request."""
    eventually(lambda: lab.processes("node1").get(subsystem, before) != before, f"a new {subsystem}")
    eventually(lambda: lab.run("node1", f"lssrc -ls {subsystem}").returncode == 0, f"an answer of {subsystem}")


def test_each_daemon_dies_and_starts_again_on_a_full_disk(full: tuple[LabUnderTest, Path]) -> None:
    lab, _ = full
    before = lab.processes("node1")
    for name in ("clcomd", "clconfd", "ctrmc"):
        os.kill(before[name], signal.SIGKILL)
        answers_again(lab, name, before[name])
    os.kill(before["srcmstr"], signal.SIGKILL)
    for name in ("clevmgrdES", "clinfoES", "snmpd"):
        os.kill(before[name], signal.SIGKILL)
        eventually(lambda name=name: "inoperative" in lab.output("node1", f"lssrc -s {name}"), f"{name} down")  # type: ignore[misc]
        assert lab.run("node1", f"startsrc -s {name}").returncode == 0
        answers_again(lab, name, before[name])
    assert lab.output("node1", "cl_rsh node2 hostname") == "node2\n"
    assert [lab.power(node) for node in lab.nodes()] == ["on", "on"]
    assert lab.processes("node1")["clstrmgrES"] == before["clstrmgrES"]


@pytest.mark.parametrize("victim", ["clstrmgrES", "cthags", "caa", "lpar"])
def test_a_node_halts_on_a_full_disk_and_its_group_is_recovered(full: tuple[LabUnderTest, Path], victim: str) -> None:
    lab, fill_file = full
    os.kill(lab.processes("node1")[victim], signal.SIGKILL)
    eventually(lambda: lab.power("node1") == "off", "node1 halted")
    eventually(lambda: lab.group_states().get("node2") in ("ONLINE", "ERROR"), "node2 tried to take over")
    assert lab.power("node2") == "on"
    fill_file.unlink()
    lab.rejoin("node1")
    lab.wait_for_state("node1", "ST_STABLE")
    if not lab.owner():
        lab.output("node2", "clRGmove -g app_rg -n node2 -u", timeout=120)
    eventually(lab.owner, "the group is online", show=lab.group_states)
    assert lab.ask()["node"] == lab.owner()
