"""The one place where a core meets the clock: feed an input, run the effects in order, arm one timer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from srcctl.machine import TICK, Tick

if TYPE_CHECKING:
    from srcctl.machine import Machine

InputT = TypeVar("InputT")
EffectT = TypeVar("EffectT")


def monotonic_microseconds() -> int:
    """Microseconds of the monotonic clock: steps of the wall clock do not touch it."""
    return time.monotonic_ns() // 1000


class Pump(Generic[InputT, EffectT]):
    """Drives a core on an asyncio loop.

    Args:
        machine: the core.
        execute: carries out one effect. It must not block; what it learns comes back by ``feed``, also from inside
            itself (such inputs are queued until the running effects are done, so that steps never nest).
        failed: called once if the core or an effect raises; the daemon then ends.
        clock: microseconds, never decreasing.
    """

    def __init__(
        self,
        machine: Machine[InputT | Tick, EffectT],
        execute: Callable[[EffectT], None],
        failed: Callable[[BaseException], None] | None = None,
        clock: Callable[[], int] = monotonic_microseconds,
    ) -> None:
        self.machine = machine
        self._execute = execute
        self._failed = failed
        self._clock = clock
        self._waiting: deque[InputT | Tick] = deque()
        self._running = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: int | None = None

    def feed(self, value: InputT | Tick) -> None:
        """Step the core with one input, now."""
        if self._closed:
            return
        self._waiting.append(value)
        if self._running:
            return
        self._running = True
        try:
            while self._waiting and not self._closed:
                for effect in self.machine.step(self._clock(), self._waiting.popleft()):
                    self._execute(effect)
        except BaseException as error:
            self.close()
            if self._failed is None:
                raise
            self._failed(error)
        finally:
            self._running = False
        self._arm()

    def start(self) -> None:
        """Arm the timer for a core that already wants one before its first input."""
        self._arm()

    def close(self) -> None:
        """Stop: nothing is fed any more and no timer fires."""
        self._closed = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._closed:
            return
        deadline = self.machine.next_deadline()
        if deadline == self._armed_for and (self._timer is not None or deadline is None):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = deadline
        if deadline is not None:
            delay = max(0, deadline - self._clock()) / 1_000_000
            self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        deadline, self._armed_for = self._armed_for, None
        # A loop may call a few microseconds early; a core that got its Tick before the deadline would do nothing.
        if deadline is not None and self._clock() < deadline:
            self._arm()
            return
        self.feed(TICK)
