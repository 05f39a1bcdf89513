"""A simulated process that hangs: what waits for it, and what is lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

from daemons.sim.process import DATAGRAMS_MAX, Process
from srcctl.machine import TICK


class Recorder:
    """A core that remembers its inputs."""

    def __init__(self) -> None:
        self.inputs: list[object] = []

    def step(self, now: int, value: object) -> list[object]:
        if value is not TICK:
            self.inputs.append(value)
        return []

    def next_deadline(self) -> None:
        return None


class Listener(Process):
    name: ClassVar[str] = "listener"


def test_a_flood_of_datagrams_leaves_what_streams_bring() -> None:
    node: Any = SimpleNamespace(world=SimpleNamespace(steps=0), next_pid=lambda: 1, trace=lambda text: None, now=0)
    core = Recorder()
    process = Listener(node, core)
    for _ in range(2):
        core.inputs.clear()
        process.hang()
        for number in range(DATAGRAMS_MAX + 10):
            process.receive_datagram(number)
        process.receive_later(process.feed, "request of a client")
        process.resume()
        assert core.inputs == [*range(DATAGRAMS_MAX), "request of a client"]
