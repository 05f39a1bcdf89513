"""Virtual time, the network, the trace: what everything simulated stands on.

The shape is that of the simulators of TigerBeetle (VOPR) and FoundationDB: one process, one event heap, every choice
drawn from streams of random numbers that the seed names, so that a seed is a whole run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Any

from srcctl.machine import MILLISECOND, SECOND

TRACE_DIGEST_BYTES = 16


class InvariantBroken(Exception):
    """A checker found that an invariant does not hold. ``number`` is that of the design's list."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"invariant {number}: {text}")
        self.number = number


@dataclass(slots=True)
class Weather:
    """How bad the network is; changed by faults.

    Args:
        loss, duplication, reordering: shares of packets.
        latency_us: the usual time of a packet; up to three times as much.
        late_us: up to how much later a reordered packet comes.
    """

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    latency_us: int = 150
    late_us: int = 30 * MILLISECOND


class World:
    """Time and chance.

    Args:
        seed: names the run.
        keep_trace: keep the lines (they are part of the digest anyway).
    """

    def __init__(self, seed: int, keep_trace: bool = False) -> None:
        self.seed = seed
        self.now = 0
        self.steps = 0
        self.steps_max = 100_000
        """Of a run; set by its length. More means that somebody turns in a circle."""
        self.lines: list[str] = []
        self.last_lines: list[str] = []
        self.weather = Weather()
        self.sent: Counter[str] = Counter()
        """Datagrams, by daemon."""
        self.octets: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        """Situations of protocols that this run came to."""
        self._keep_trace = keep_trace
        self._digest = hashlib.blake2b(digest_size=TRACE_DIGEST_BYTES)
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._serial = 0
        self._packets = self.stream("packets").random
        self.segments = self.stream("segments").random

    def stream(self, name: str) -> Random:
        """A stream of random numbers of its own; how often another one is used does not change it."""
        return Random(f"{self.seed}/{name}")

    # Time.

    def at(self, time: int, action: Callable[..., None], *arguments: Any) -> None:
        """Have something happen at a time (microseconds)."""
        self._serial += 1
        heappush(self._heap, (time, self._serial, action, arguments))

    def after(self, delay: int, action: Callable[..., None], *arguments: Any) -> None:
        """Have something happen after a delay."""
        self._serial += 1
        heappush(self._heap, (self.now + delay, self._serial, action, arguments))

    def run(self, until: int) -> None:
        """Let things happen until a time."""
        heap, steps_max = self._heap, self.steps_max
        while heap and heap[0][0] <= until:
            if self.steps > steps_max:
                raise InvariantBroken(6, f"the cluster takes step after step without end ({self.steps})")
            time, _, action, arguments = heappop(heap)
            if time > self.now:
                self.now = time
            action(*arguments)
        self.now = max(self.now, until)

    # Network.

    def count(self, daemon: str, data: bytes) -> None:
        """A daemon sends a datagram."""
        self.sent[daemon] += 1
        self.octets[daemon] += len(data)

    def transmit(self, deliver: Callable[..., None], *arguments: Any) -> None:
        """Send a packet through the weather."""
        weather, chance = self.weather, self._packets
        if weather.loss and chance() < weather.loss:
            return
        delay = int(weather.latency_us * (1 + 2 * chance()))
        if weather.reordering and chance() < weather.reordering:
            delay += int(weather.late_us * chance())
        self.after(delay, deliver, *arguments)
        if weather.duplication and chance() < weather.duplication:
            self.after(delay + int(weather.late_us * chance()), deliver, *arguments)

    # Trace.

    def trace(self, who: str, what: str) -> None:
        """Note a transition: one line, fixed columns (time in seconds, who, what)."""
        line = f"{self.now / SECOND:11.6f} {who:<8} {what}"
        self._digest.update(line.encode())
        if self._keep_trace:
            self.lines.append(line)
        else:
            self.last_lines.append(line)
            if len(self.last_lines) > 80:
                del self.last_lines[:40]

    @property
    def digest(self) -> str:
        """Names the whole trace."""
        return self._digest.hexdigest()
