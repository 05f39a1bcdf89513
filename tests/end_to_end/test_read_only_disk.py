"""The file system that holds a lab becomes read-only, as a host's does after an error of its disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.lab import SRCCTL, LabUnderTest, eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a file system of its own")
IMAGE_BYTES = 400 << 20


def tried(*words: str) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


class Ext4:
    """A file system in a file, which an error makes read-only."""

    def __init__(self, folder: Path) -> None:
        self.image, self.top = folder / "image", folder / "top"
        self.top.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        if not tried("mkfs.ext4", "-q", "-F", str(self.image)) or not self.mount():
            pytest.skip("no ext4 file system can be made and mounted here")

    def mount(self) -> bool:
        return tried("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.top))

    @property
    def switch(self) -> Path:
        """Where an error of this file system is reported to the kernel (a loop device's, never the host's own)."""
        device = os.stat(self.top).st_dev
        name = os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"))
        assert name.startswith("loop"), name
        return Path(f"/sys/fs/ext4/{name}/trigger_fs_error")

    def fail(self) -> None:
        subprocess.run(["sync", "-f", str(self.top)], check=True)
        self.switch.write_text("an error of the disk")
        assert not self.writable()

    def writable(self) -> bool:
        """Whether a file can be made. (access(2) does not know of every reason why not.)"""
        try:
            (self.top / "file").touch()
        except OSError:
            return False
        (self.top / "file").unlink()
        return True

    def repair(self) -> None:
        """Mount it again, if it is not as it was."""
        if self.writable():
            return
        subprocess.run(["umount", str(self.top)], check=True)
        # The kernel lets go of it when the last view of a node that was powered off is gone.
        looking = ["losetup", "-j", str(self.image)]
        eventually(lambda: not subprocess.run(looking, capture_output=True, check=True).stdout, "the image is free")
        subprocess.run(["e2fsck", "-p", str(self.image)], capture_output=True, check=False)
        assert self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    found = Ext4(tmp_path)
    try:
        if not os.access(found.switch, os.W_OK):
            pytest.skip("this kernel lets nobody report an error of a file system")
        yield found
    finally:
        subprocess.run(["umount", str(found.top)], check=False)


def test_a_lab_on_a_read_only_disk_can_be_powered_off(disk: Ext4) -> None:
    lab = LabUnderTest(disk.top / "lab")
    try:
        lab.up("--bare")
        for node in lab.nodes():
            # A cluster manager that does not come to run halts its node: it is still being started.
            eventually(lambda node=node: lab.run(node, "lssrc -ls clstrmgrES").returncode == 0, f"{node} has booted")
        disk.fail()
        lab.srcctl("halt", "node2")
        assert [lab.power(node) for node in lab.nodes()] == ["on", "off"]
        lab.srcctl("down")
        assert [lab.power(node) for node in lab.nodes()] == ["off", "off"]
        assert lab.srcctl("up", check=False).returncode == 7
        assert lab.srcctl("destroy", check=False).returncode == 7
    finally:
        lab.srcctl("down", check=False)
        disk.repair()
        lab.destroy()


def subsystems_are_still_controlled(lab: LabUnderTest) -> None:
    """The sockets of SRC are not on the disk."""
    assert " active" in lab.output("node1", "lssrc -s clcomd")
    assert "Current state: ST_STABLE" in lab.output("node1", "lssrc -ls clstrmgrES")
    assert "0513-091" in lab.output("node1", "traceson -s clcomd")
    said = lab.run("node1", "refresh -s clcomd")
    assert (said.returncode, said.stderr) == (1, "the logs cannot be moved: Read-only file system\n")


def srcmstr_comes_back(lab: LabUnderTest, node: str) -> None:
    """Killed on a disk that is read-only, it is started again and knows its subsystems."""
    killed = lab.processes(node)["srcmstr"]
    lab.srcctl("kill", node, "srcmstr")
    eventually(lambda: lab.processes(node).get("srcmstr", killed) != killed, "srcmstr is there again")
    if lab.description()["mode"] == "view":
        assert lab.output(node, "lssrc -s clcomd").split()[-3:-1] == ["caa", str(lab.processes(node)["clcomd"])]


def test_a_read_only_disk_kills_nothing_and_loses_nothing(disk: Ext4) -> None:
    lab = LabUnderTest(disk.top / "lab")
    try:
        lab.up()
        counter = lab.ask()["counter"]
        before = {node: lab.processes(node) for node in lab.nodes()}
        disk.fail()
        with pytest.raises(urllib.error.HTTPError) as refused:
            lab.ask(timeout=30)
        assert refused.value.code == 503
        refused.value.close()
        assert lab.owner() == "node1"
        assert lab.output("node1", "cl_rsh node2 hostname") == "node2\n"
        if lab.description()["mode"] == "view":
            subsystems_are_still_controlled(lab)
        else:
            said = lab.run("node1", "lssrc -a")
            assert (said.returncode, said.stdout) == (1, "")
            assert "Read-only file system" in said.stderr
        said = lab.run("node1", "clmgr modify cluster HEARTBEAT_FREQUENCY=20")
        assert said.returncode != 0
        assert "Read-only file system" in said.stderr
        assert lab.srcctl("link", "node1", "net_ether_01", "down", check=False).returncode == 7
        srcmstr_comes_back(lab, "node2")
        after = {node: lab.processes(node) for node in lab.nodes()}
        for processes in (*before.values(), *after.values()):
            processes.pop("srcmstr")
        assert after == before, "nothing died of it"
        lab.srcctl("kill", "node1", "clstrmgrES")
        lab.wait_for_power("node1", "off")
        # The view without node1 cannot be stored: node2 must not act on it.
        lab.wait_for_power("node2", "off")
        assert lab.srcctl("boot", "node1", check=False).returncode == 7
        lab.srcctl("down")
        disk.repair()
        lab.up()
        assert lab.wait_for_answer("node1")["counter"] == counter + 1
    finally:
        lab.srcctl("down", check=False)
        disk.repair()
        lab.destroy()


def prepare(lab: LabUnderTest) -> None:
    """A base node with a subsystem that was never started."""
    lab.up("--base", "--nodes", "1", "--mode", "view")
    lab.output("node1", f"mkssys -s late -p {shutil.which('sleep')} -a 100000 -u $(id -u) -S -n 15 -f 9 -R")


def test_programs_that_a_node_has_never_run_start_on_a_read_only_disk(disk: Ext4) -> None:
    """SRC starts, restarts and stops what is defined; commands run, those that would write say so."""
    lab = LabUnderTest(disk.top / "lab")
    try:
        prepare(lab)
        disk.fail()
        assert "0513-059" in lab.output("node1", "startsrc -s late")
        first = lab.processes("node1")["late"]
        os.kill(first, signal.SIGKILL)
        second = eventually(lambda: (p := lab.processes("node1").get("late", first)) != first and p, "restarted")
        assert lab.output("node1", "lssrc -s late").split()[-2:] == [str(second), "active"]
        assert "0513-044" in lab.output("node1", "stopsrc -s late")
        for command in ("odmget SRCsubsys", "errpt", "lslpp -L", "lsvg", "oslevel -s", "sort /etc/hosts", "lsitab -a"):
            assert lab.output("node1", command), command
        said = lab.run("node1", "rmssys -s late")
        assert said.returncode == 1
        assert "Read-only file system" in said.stderr
    finally:
        lab.srcctl("down", check=False)
        disk.repair()
        lab.destroy()


def test_a_disk_that_becomes_read_only_while_a_node_boots(disk: Ext4) -> None:
    """The node comes up, or srcctl says why not; nothing hangs, nothing is left, and after the repair it boots."""
    lab = LabUnderTest(disk.top / "lab")
    try:
        prepare(lab)
        console = lab.directory / "nodes" / "node1" / "root" / "dev" / "console"
        for word in ("", "boot image timestamp", "Multi-user", "Finished starting"):
            lab.srcctl("down")
            command = [*SRCCTL, "--lab", str(lab.directory), "boot", "node1"]
            before = console.read_text().count(word)
            boot = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while word and console.read_text().count(word) == before and boot.poll() is None:
                time.sleep(0.001)
            disk.fail()
            _, said = boot.communicate(timeout=60)
            assert boot.returncode in (0, 7, 8), f"{word}: {said}"
            assert "Traceback" not in said
            assert lab.power("node1") == ("off" if boot.returncode else "on"), word
            if boot.returncode == 0:
                assert "late" in lab.output("node1", "lssrc -a")
            else:
                assert said.startswith("srcctl: "), said
            lab.srcctl("down")
            disk.repair()
            lab.srcctl("boot", "node1")
            assert "late" in lab.output("node1", "lssrc -a")
    finally:
        lab.srcctl("down", check=False)
        disk.repair()
        lab.destroy()
