"""The lock that a living node holds: a look never takes it, a copy of the descriptor keeps it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from srcctl.network.liveness import is_alive
from srcctl.node import powerlock


def test_a_look_never_makes_a_boot_fail(tmp_path: Path) -> None:
    path = tmp_path / "power" / "node1"
    path.parent.mkdir()
    path.touch()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            is_alive(str(tmp_path), "node1")

    watchers = [threading.Thread(target=look) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(300):
            descriptor = os.open(path, os.O_RDWR)
            assert powerlock.take(descriptor)
            os.close(descriptor)
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()


def test_held_until_the_last_process_with_the_descriptor_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "node1"
    holder = os.open(path, os.O_RDWR | os.O_CREAT)
    other = os.open(path, os.O_RDWR)
    assert not powerlock.is_held(other)
    assert powerlock.take(holder)
    assert powerlock.is_held(other)
    assert not powerlock.take(other)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    os.close(read_end)
    os.close(holder)
    assert powerlock.is_held(other), "caa has it still"
    os.close(write_end)
    os.waitpid(child, 0)
    assert not powerlock.is_held(other)
    os.close(other)
