"""Product seconds and real time.

A lab runs its schedules ``speed`` times faster than the product: intervals and silences (heartbeats, node_timeout,
clconfd's ten minutes) shrink. Patience with real work (time limits of scripts and requests) never does, because the
work does not get faster.
"""

from __future__ import annotations

import msgspec

from srcctl.machine import SECOND


class Scale(msgspec.Struct, frozen=True):
    """Turns declared times into microseconds of the real clock."""

    speed: float = 1.0

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"speed must be positive, not {self.speed}")

    def schedule(self, product_seconds: float) -> int:
        """An interval or a silence: divided by the speed; at least one microsecond."""
        return max(1, round(product_seconds * SECOND / self.speed))

    @staticmethod
    def patience(seconds: float) -> int:
        """A limit on real work: never scaled."""
        return round(seconds * SECOND)
