import asyncio

import pytest

from daemons.runtime.pump import Pump, monotonic_microseconds
from srcctl.machine import Tick


class Countdown:
    """Ticks ``count`` times, ``period`` microseconds apart; every other input is echoed."""

    def __init__(self, count: int, period: int) -> None:
        self.count, self.period, self.due = count, period, 0
        self.early = 0

    def step(self, now: int, value: str | Tick) -> list[str]:
        if isinstance(value, Tick):
            self.early += now < self.due
            self.count -= 1
            self.due = now + self.period
            return ["tick"] if self.count else ["tick", "done"]
        self.due = now + self.period
        if value == "defect":
            raise RuntimeError("defect")
        return [value]

    def next_deadline(self) -> int | None:
        return self.due if self.count > 0 else None

    def describe(self) -> dict[str, object]:
        return {"count": self.count}


async def test_ticks_come_at_their_time_and_in_order() -> None:
    machine, effects, done = Countdown(3, 2_000), list[str](), asyncio.Event()

    def execute(effect: str) -> None:
        effects.append(effect)
        if effect == "done":
            done.set()

    pump = Pump[str, str](machine, execute)
    started = monotonic_microseconds()
    pump.feed("go")
    await asyncio.wait_for(done.wait(), 30)
    assert effects == ["go", "tick", "tick", "tick", "done"]
    assert machine.early == 0
    assert monotonic_microseconds() - started >= 6_000


async def test_inputs_from_effects_are_queued_not_nested() -> None:
    order: list[str] = []

    def execute(effect: str) -> None:
        order.append(effect)
        if effect == "a":
            pump.feed("b")
            order.append("after feed")

    pump = Pump[str, str](Countdown(0, 1), execute)
    pump.feed("a")
    assert order == ["a", "after feed", "b"]


async def test_a_defect_ends_the_pump_once() -> None:
    failures: list[BaseException] = []
    pump = Pump[str, str](Countdown(5, 1_000), lambda effect: None, failures.append)
    pump.feed("defect")
    pump.feed("go")
    assert [str(f) for f in failures] == ["defect"]
    with pytest.raises(RuntimeError, match="defect"):
        Pump[str, str](Countdown(5, 1_000), lambda effect: None).feed("defect")
