"""Does Group Services still turn? The client's half of the responsiveness probes.

Group Services probe a client every interval, so a client that hears nothing for an interval and the time limit of an
answer knows that its daemon hangs: a hung daemon is a dead daemon, and is taken for one that has died. The silence is
counted in the client's own ticks (a heartbeat failure detector without clocks, in the manner of Aguilera, Chen and
Toueg, "Heartbeat: a timeout-free failure detector", 1997): a machine or a process that stood still comes back with one
tick, not with the whole of the time that has passed.
"""

from __future__ import annotations

SILENT_TICKS = 10
"""Ticks without a word after which Group Services hang."""


class Vigil:
    """Counts ticks of ``tick_us`` since the last word from Group Services.

    Args:
        interval_us: between an answer and the next probe; 0: no probes, and no vigil.
        limit_us: of the answer to a probe; as much patience has the client with its daemon.
    """

    def __init__(self, interval_us: int, limit_us: int) -> None:
        self.tick_us = -(-(interval_us + limit_us) // SILENT_TICKS) if interval_us else 0
        self._ticks = 0

    def heard(self) -> None:
        """Group Services said something."""
        self._ticks = 0

    def tick(self) -> bool:
        """A tick has passed in silence; True if Group Services hang."""
        self._ticks += 1
        return bool(self.tick_us) and self._ticks >= SILENT_TICKS
