"""One command at a time changes a volume group: many processes lose no update, a dead one leaves no lock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from srcctl.odm import Repository
from srcctl.storage import group_locks, partitions
from srcctl.storage.descriptor_area import StorageError, VolumeGroup
from srcctl.storage.filesystems import read_stanzas
from srcctl.storage.group_locks import GroupLocks
from srcctl.storage.volume_groups import VolumeGroups
from tests.storage.conftest import ENTRIES
from tests.storage.machine import Node, Run

CODE = Path(__file__).parents[2]
WORKER = """
import json, sys
from srcctl.commands.launch import call
status, commands = 0, json.loads(sys.argv[1])
for (module, _), _ in commands:
    __import__(module)
print("ready", flush=True)
sys.stdin.readline()
for entry, words in commands:
    status = call(*entry, words) or status
sys.exit(status)
"""
HOLDER = """
import sys, time
from srcctl.storage.group_locks import GroupLocks
GroupLocks(sys.argv[1]).lock("datavg", "mklv")
print("held", flush=True)
time.sleep(60)
"""
PATIENCE = 60


def started(node: Node, *commands: str) -> subprocess.Popen[str]:
    """A process of a node that runs commands one after another."""
    words = [(ENTRIES[line.split()[0]], line.split()) for line in commands]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(words)],
        env={**os.environ, "HAES_ROOT": node.root.directory, "PYTHONPATH": str(CODE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def go(*processes: subprocess.Popen[str]) -> None:
    """Have processes begin at the same time."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Exit codes and complaints, but for the one that a command waits."""
    found = []
    for process in processes:
        _, said = process.communicate(timeout=PATIENCE)
        lines = said.splitlines()
        waits = [n for n, line in enumerate(lines) if line.startswith("0516-1201 ")]
        rest = [line for n, line in enumerate(lines) if not any(w <= n <= w + 2 for w in waits)]
        found.append((process.returncode, "\n".join(rest)))
    return found


def check(node: Node) -> VolumeGroup:
    """The volume group, in which no partition belongs to two volumes, and of which the ODM says the same."""
    group = VolumeGroups(node.root).find("datavg")
    assert group is not None
    places = [place for v in group.volumes for copy in v.copies for place in partitions.placed(copy)]
    assert len(places) == len(set(places))
    known = Repository(node.root, "/etc/objrepos").get("CuDv", "parent=datavg")
    assert [str(o["name"]) for o in known] == [volume.name for volume in group.volumes]
    return group


@pytest.fixture
def node(nodes: tuple[Node, Node], run: Run) -> Node:
    assert run(nodes[0], "mkvg", "-s", "1", "-y", "datavg", "hdisk1", "hdisk2")[0] == 0
    return nodes[0]


def test_concurrent_commands_lose_no_update(node: Node) -> None:
    workers = [
        started(
            node,
            f"mklv -y one{n} datavg 1", f"extendlv one{n} 2", "mklv datavg 1", f"chlv -x {200 + n} one{n}",
            f"mklv -y gone{n} datavg 1", f"mklvcopy one{n} 2", f"rmlv -f gone{n}", f"chlv -n two{n} one{n}",
            f"crfs -v jfs2 -g datavg -m /fs{n} -a size=1M",
        )
        for n in range(5)
    ]  # fmt: skip
    workers.append(started(node, "extendvg datavg hdisk3", "chvg -Q n datavg", "reducevg datavg hdisk3"))
    go(*workers)
    assert ended(workers) == [(0, "")] * 6
    group = check(node)
    assert (group.disks, group.quorum) == (("hdisk1", "hdisk2"), False)
    named = {v.name: (v.partitions, len(v.copies), v.characteristics.get("max_partitions")) for v in group.volumes}
    assert {name: value for name, value in named.items() if name.startswith("two")} == {
        f"two{n}": (3, 2, str(200 + n)) for n in range(5)
    }
    assert sorted(set(named) - {f"two{n}" for n in range(5)}) == sorted(
        [f"lv{n:02}" for n in range(5)] + [f"fslv{n:02}" for n in range(5)]
    )
    assert {s.mount_point for s in read_stanzas(node.root)} >= {f"/fs{n}" for n in range(5)}


def test_a_disk_is_taken_once(node: Node, run: Run) -> None:
    workers = [started(node, f"mkvg -y vg{n} hdisk3") for n in range(4)]
    go(*workers)
    results = ended(workers)
    assert sorted(status for status, _ in results) == [0, 1, 1, 1]
    assert all("0516-1398 mkvg:" in said for status, said in results if status), "it belongs to another one"


def test_commands_that_are_killed_leave_no_lock(node: Node, run: Run) -> None:
    for n in range(8):
        first = started(node, *(f"mklv -y a{n}{k} datavg 1" for k in range(4)))
        second = started(node, f"mklv -y b{n} datavg 1", f"rmlv -f b{n}", f"mklv -y c{n} datavg 1")
        go(first, second)
        try:
            first.wait(n * 0.01)
        except subprocess.TimeoutExpired:
            first.kill()
        assert ended([second]) == [(0, "")]
        first.communicate()
        group = VolumeGroups(node.root).find("datavg")
        assert group is not None
        assert group.volume(f"c{n}") is not None
        for volume in group.volumes:
            if volume.name.startswith("a"):
                run(node, "rmlv", "-f", volume.name)
    assert [volume.name for volume in check(node).volumes] == [f"c{n}" for n in range(8)]


@pytest.fixture
def holder(node: Node) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, node.root.identity.lab],
        env={**os.environ, "PYTHONPATH": str(CODE)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


WARNING = (
    "0516-1201 mklv: Warning: Volume group datavg is locked. This command\n",
    "\twill continue retries until lock is free. If lock is inadvertent\n",
    "\tand needs to be removed, execute 'chvg -u datavg'.\n",
)


@pytest.mark.parametrize("end", ["killed", "unlocked"])
def test_who_waits_says_so_and_goes_on(node: Node, run: Run, holder: subprocess.Popen[str], end: str) -> None:
    try:
        waiting = started(node, "mklv -y later datavg 1")
        go(waiting)
        assert waiting.stderr is not None
        assert tuple(waiting.stderr.readline() for _ in WARNING) == WARNING
        assert run(node, "lsvg", "datavg")[0] == 0, "who only looks does not wait"
        if end == "killed":
            holder.kill()
        else:
            holder.send_signal(signal.SIGSTOP)
            assert run(node, "chvg", "-u", "datavg") == (0, "", "")
        assert ended([waiting]) == [(0, "")]
    finally:
        holder.kill()
        holder.communicate()
    assert check(node).volume("later") is not None


def test_definitions_are_waited_for_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = GroupLocks(str(tmp_path)), GroupLocks(str(tmp_path))
    one.lock_definitions("mkvg")
    monkeypatch.setattr(group_locks, "DEFINITIONS_PATIENCE", 0.0)
    with pytest.raises(StorageError, match=r"^0514-516 mkvg: Device configuration database lock service timed out\."):
        other.lock_definitions("mkvg")
    one.unlock()
    other.lock_definitions("mkvg")
    other.unlock()


def test_no_process_has_the_locks_of_two_volume_groups(tmp_path: Path) -> None:
    one, other = GroupLocks(str(tmp_path)), GroupLocks(str(tmp_path))
    one.lock("avg", "chlv")
    one.lock("bvg", "chlv")
    other.lock("avg", "chlv")
    other.unlock()
    one.unlock()
