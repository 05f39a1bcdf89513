"""Nobody is killed by a pid that has become a stranger's, and a node without a mark has no processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from srcctl.network import management_console
from srcctl.node import guard, powerlock, processes
from srcctl.node.processes import Membership


@contextmanager
def bystander(title: str = "/bin/sleep") -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([title, "600"], executable="/bin/sleep", start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_node_without_a_mark_has_no_processes() -> None:
    with bystander() as process:
        for thorough in (False, True):
            assert processes.members(Membership("", ""), thorough=thorough) == []
            assert process.pid not in processes.members(Membership("mnt:[1]", ""), thorough=thorough)
        assert not processes.is_member(process.pid, Membership("", ""))


def test_who_began_after_the_look_is_not_killed_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with bystander() as old:
        time.sleep(0.03)
        started: list[subprocess.Popen[bytes]] = []

        def look(*arguments: object) -> list[int]:
            """The pid of one that ended is taken by another before the kill."""
            if started:
                return []
            time.sleep(0.03)
            started.append(stack.enter_context(bystander()))
            return [old.pid, started[0].pid]

        monkeypatch.setattr(processes, "members", look)
        with ExitStack() as stack:
            processes.kill_all(Membership("", "a mark"))
            assert old.wait(20) == -signal.SIGKILL
            assert started[0].poll() is None


def test_a_group_is_signalled_until_its_number_is_taken() -> None:
    with bystander() as process:
        processes.send_to_group(process.pid, signal.SIGTERM, reaped=True)  # a stranger has the number
        assert process.poll() is None
        processes.send_to_group(process.pid, signal.SIGTERM, reaped=False)
        assert process.wait(20) == -signal.SIGTERM
        processes.send_to_group(process.pid, signal.SIGTERM, reaped=True)  # nobody is left
    read_end, write_end = os.pipe()
    leader = subprocess.Popen(["/bin/sh", "-c", "sleep 600 &"], start_new_session=True, pass_fds=(write_end,))
    os.close(write_end)
    leader.wait()
    processes.send_to_group(leader.pid, signal.SIGTERM, reaped=True)
    assert os.read(read_end, 1) == b"", "what the leader left is ended"
    os.close(read_end)


def test_the_survivor_of_lpar_and_caa_kills_no_stranger_by_its_pid() -> None:
    peer = subprocess.Popen(["/bin/sleep", "600"])
    side = guard.Guard(peer.pid, guard.Page.create(), guard.CAA, Membership("", "mark of no node"))
    assert side._peers() == (peer.pid,)
    peer.kill()
    peer.wait()
    with bystander() as stranger:
        side.peer_pid = stranger.pid  # as if the number had been given again
        assert side._peers() == ()
        side._kill_others()
        assert stranger.poll() is None
    os.close(side.peer_descriptor)


def test_the_console_kills_no_stranger_for_a_node_that_just_boots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management_console, "PATIENCE", 0.1)
    (tmp_path / "power").mkdir()
    # Where nodes have user namespaces of their own none of them sees the environment of another one's machine.
    monkeypatch.setattr(processes, "mark_of", lambda pid: "")
    with bystander("lpar node2") as stranger, bystander("lpar node1") as machine:
        file = tmp_path / "power/node1"
        file.write_text(f"boot {stranger.pid}\n")  # of the life before
        descriptor = os.open(file, os.O_RDWR)
        assert powerlock.take(descriptor)
        with pytest.raises(management_console.ConsoleError, match="node node1 stays on"):
            management_console.power_off(str(tmp_path), "node1")
        assert stranger.poll() is None
        file.write_text(f"boot {machine.pid}\n")
        with pytest.raises(management_console.ConsoleError, match="node node1 stays on"):
            management_console.power_off(str(tmp_path), "node1")  # this test holds its lock
        assert machine.wait(20) == -signal.SIGKILL
        os.close(descriptor)
