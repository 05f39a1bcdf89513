"""The disk that holds a whole lab is full: nothing dies of it, nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A file system of 300 MiB in a folder."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "none", str(folder)], check=False)
    if done.returncode != 0:
        pytest.skip("this root may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small file system of the test's own."""
    with mounted(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A sample lab on a small file system."""
    with mounted(tmp_path_factory.mktemp("full")) as folder:
        lab = LabUnderTest(folder / "lab")
        try:
            lab.up()
            yield lab
        finally:
            lab.destroy()


@dataclass
class Full:
    """The sample lab, whole, with a full disk: who has the group and who has not, and the counter before."""

    lab: LabUnderTest
    owner: str
    other: str
    counter: int
    file: Path

    def empty(self) -> None:
        """There is room again."""
        self.file.unlink(missing_ok=True)


@pytest.fixture
def full(sample: LabUnderTest) -> Iterator[Full]:
    """The sample lab's disk is full."""
    sample.make_whole()
    owner = sample.owner()
    other = "node2" if owner == "node1" else "node1"
    counter = sample.wait_for_answer(owner)["counter"]
    state = Full(sample, owner, other, counter, sample.directory.parent / "fill")
    fill(state.file)
    try:
        yield state
    finally:
        state.empty()


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1 << 9):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_full_disk_kills_nothing(full: Full) -> None:
    lab, node = full.lab, full.owner
    before = lab.processes(node)
    with pytest.raises(urllib.error.HTTPError) as refused:
        lab.ask(timeout=30)
    assert refused.value.code == 503
    refused.value.close()
    for name in ("clcomd", "ctrmc", "srcmstr"):
        os.kill(before[name], signal.SIGKILL)
        eventually(
            lambda name=name: lab.processes(node).get(name, before[name]) != before[name],  # type: ignore[misc]
            f"a new {name}",
        )
    assert [lab.power(name) for name in lab.nodes()] == ["on", "on"]
    assert lab.owner() == node
    full.empty()
    assert lab.ask() == {"node": node, "counter": full.counter + 1}
    lab.wait_until_stable()


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


def answers_again(lab: LabUnderTest, node: str, subsystem: str, before: int) -> None:
    """Wait for a new process of a subsystem that answers a long status request."""
    eventually(lambda: lab.processes(node).get(subsystem, before) != before, f"a new {subsystem}")
    eventually(lambda: lab.run(node, f"lssrc -ls {subsystem}").returncode == 0, f"an answer of {subsystem}")


def test_each_daemon_dies_and_starts_again_on_a_full_disk(full: Full) -> None:
    # Not the node of the test before: SRC gives up what ends too often.
    lab, node = full.lab, full.other
    before = lab.processes(node)
    for name in ("clcomd", "clconfd", "ctrmc"):
        os.kill(before[name], signal.SIGKILL)
        answers_again(lab, node, name, before[name])
    os.kill(before["srcmstr"], signal.SIGKILL)
    for name in ("clevmgrdES", "clinfoES", "snmpd"):
        os.kill(before[name], signal.SIGKILL)
        lab.wait_until_down(node, name)
        assert lab.run(node, f"startsrc -s {name}").returncode == 0
        answers_again(lab, node, name, before[name])
    assert lab.output(node, f"cl_rsh {full.owner} hostname") == f"{full.owner}\n"
    assert [lab.power(name) for name in lab.nodes()] == ["on", "on"]
    assert lab.processes(node)["clstrmgrES"] == before["clstrmgrES"]


@pytest.mark.parametrize("victim", ["clstrmgrES", "cthags", "caa", "lpar"])
def test_a_node_halts_on_a_full_disk_and_its_group_is_recovered(full: Full, victim: str) -> None:
    lab, owner, other = full.lab, full.owner, full.other
    os.kill(lab.processes(owner)[victim], signal.SIGKILL)
    lab.wait_for_power(owner, "off")
    eventually(lambda: lab.group_states().get(other) in ("ONLINE", "ERROR"), f"{other} tried to take over")
    assert lab.power(other) == "on"
    full.empty()
    lab.rejoin(owner)
    lab.wait_until_stable()
    if not lab.owner():
        lab.output(other, f"clRGmove -g app_rg -n {other} -u", timeout=120)
    eventually(lab.owner, "the group is online", show=lab.group_states)
    assert lab.ask()["node"] == lab.owner()
