"""What clients of the sample application saw, and what was lost or held twice: the judge of a soak.

The application is a counter that every request increases, durable before it answers. So a history of requests is
linearizable (Herlihy and Wing 1990) exactly if no value was answered twice and every answer is greater than each one
that had arrived before its request was sent. A write that was acknowledged and lost shows as a value that comes again.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An answered request: when it was sent and answered (seconds, monotonic), by which node, with which value."""

    sent: float
    answered: float
    node: str
    value: int


@dataclass(slots=True)
class History:
    """All requests of all clients. Safe to be written to by many threads."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, sent: float, answered: float, node: str, value: int) -> None:
        """Note an answer."""
        with self.lock:
            self.acknowledged.append(Acknowledged(sent, answered, node, value))

    def refuse(self, when: float) -> None:
        """Note a request that was not answered."""
        with self.lock:
            self.refused.append(when)

    def violations(self) -> list[str]:
        """What cannot have happened if no acknowledged write was lost, a sentence each."""
        with self.lock:
            entries = sorted(self.acknowledged, key=lambda entry: entry.answered)
        seen: dict[int, Acknowledged] = {}
        found = [
            f"value {entry.value} was answered twice: by {first.node}, then by {entry.node}"
            for entry in entries
            if (first := seen.setdefault(entry.value, entry)) is not entry
        ]
        by_sending = sorted(entries, key=lambda entry: entry.sent)
        highest, done = 0, iter(entries)
        following = next(done, None)
        for entry in by_sending:
            while following is not None and following.answered <= entry.sent:
                highest = max(highest, following.value)
                following = next(done, None)
            if entry.value <= highest:
                found.append(f"{entry.node} answered {entry.value} to a request sent after {highest} had been answered")
        return found

    def outages(self) -> list[float]:
        """The pauses between an answer and the next one with refusals between them, in seconds, longest first."""
        with self.lock:
            answers = sorted(entry.answered for entry in self.acknowledged)
            refused = sorted(self.refused)
        gaps, position = [], 0
        for before, after in itertools.pairwise(answers):
            while position < len(refused) and refused[position] < before:
                position += 1
            if position < len(refused) and refused[position] <= after:
                gaps.append(after - before)
        return sorted(gaps, reverse=True)
