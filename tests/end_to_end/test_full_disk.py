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
            urllib.request.urlopen(f"http://{lab.description()['block']}.33:8080/", timeout=5)
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
