"""clconfd as a pure machine: when the configuration is brought in step, and when /var is too full.

Every ten product minutes (and at start and on a refresh) the node's configuration is compared with the committed one
and installed if it is behind. The /var file system is measured every ``interval`` and reported while it is above its
threshold. On the node that is to verify the cluster automatically, verification is run once in 24 product hours.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from srcctl.machine import Tick


class Wake(Struct, frozen=True):
    """Input: look at once (refresh)."""


class InStep(Struct, frozen=True):
    """Input: the answer to ``BringInStep``. ``generation`` is the one installed now, 0 if this node was taken out of
    the cluster; ``error`` why it could not be."""

    generation: int
    error: str = ""


class Measured(Struct, frozen=True):
    """Input: the answer to ``MeasureVar``, in bytes; size 0 means that it could not be measured."""

    size: int
    used: int


class Planned(Struct, frozen=True):
    """Input: automatic verification as the configuration has it.

    ``plan`` says what it was made from: the same one again changes nothing. ``at`` is the time of the next run on this
    node in microseconds, None if another node verifies or nobody does.
    """

    plan: str
    at: int | None


class Verified(Struct, frozen=True):
    """Input: the answer to ``Verify``; ``error`` says how the run ended if not well."""

    error: str = ""


Input: TypeAlias = Wake | InStep | Measured | Planned | Verified | Tick


class BringInStep(Struct, frozen=True):
    """Effect: install the committed configuration if this node is behind; exactly one ``InStep`` answers."""


class TellManager(Struct, frozen=True):
    """Effect: the configuration changed, the cluster manager should know."""


class MeasureVar(Struct, frozen=True):
    """Effect: measure /var; exactly one ``Measured`` answers."""


class ReportVar(Struct, frozen=True):
    """Effect: an error-log entry that /var is above its threshold, in percent."""

    percent: int
    threshold: int


class Verify(Struct, frozen=True):
    """Effect: run automatic verification; exactly one ``Verified`` answers."""


class Log(Struct, frozen=True):
    """Effect: a line of the log."""

    text: str


FORGOTTEN = "this node was taken out of the cluster: it has no configuration any more"

Effect: TypeAlias = BringInStep | TellManager | MeasureVar | ReportVar | Verify | Log


class ConfigurationDaemon:
    """The machine.

    Args:
        generation: the generation that is installed at start.
        wake_us: microseconds between comparisons.
        interval_us: microseconds between measurements of /var.
        threshold: percent above which /var is reported.
        day_us: microseconds between two automatic verifications.
    """

    def __init__(self, generation: int, wake_us: int, interval_us: int, threshold: int, day_us: int) -> None:
        self.generation = generation
        self.threshold = threshold
        self.percent: int | None = None
        self.error = ""
        self._wake_us, self._interval_us = wake_us, interval_us
        self._wake_at = self._measure_at = 0
        self._busy = self._again = False
        self._day_us = day_us
        self._plan = ""
        self.verify_at: int | None = None
        self._verifying = False

    def next_deadline(self) -> int | None:
        times = [self._measure_at]
        if not self._busy:
            times.append(self._wake_at)
        if self.verify_at is not None and not self._verifying:
            times.append(self.verify_at)
        return min(times)

    def describe(self) -> dict[str, object]:
        return {"generation": self.generation, "percent": self.percent, "error": self.error, "busy": self._busy}

    def step(self, now: int, value: Input) -> list[Effect]:
        match value:
            case Tick():
                effects: list[Effect] = []
                if now >= self._measure_at:
                    self._measure_at = now + self._interval_us
                    effects.append(MeasureVar())
                if now >= self._wake_at and not self._busy:
                    effects += self._look(now)
                if self.verify_at is not None and now >= self.verify_at and not self._verifying:
                    self._verifying = True
                    # Runs that were missed (the node was suspended) are not made up for.
                    self.verify_at += (1 + (now - self.verify_at) // self._day_us) * self._day_us
                    effects.append(Verify())
                return effects
            case Wake():
                if self._busy:
                    self._again = True
                    return []
                return self._look(now)
            case InStep(generation, error):
                return self._looked(now, generation, error)
            case Planned(plan, at):
                if plan != self._plan:
                    self._plan, self.verify_at = plan, at
                return []
            case Verified(error):
                self._verifying = False
                return [Log(f"automatic verification: {error or 'completed normally'}")]
            case Measured(size, used):
                if size <= 0:
                    return []
                self.percent = min(100, -(-100 * used // size))
                return [ReportVar(self.percent, self.threshold)] if self.percent > self.threshold else []

    def _look(self, now: int) -> list[Effect]:
        self._busy = True
        self._wake_at = now + self._wake_us
        return [BringInStep()]

    def _looked(self, now: int, generation: int, error: str) -> list[Effect]:
        self._busy = False
        effects: list[Effect] = []
        if error and error != self.error:
            effects.append(Log(f"the configuration cannot be compared: {error}"))
        self.error = error
        if not error and generation != self.generation:
            done = f"installed generation {generation} of the configuration" if generation else FORGOTTEN
            effects += [Log(done), TellManager()]
            self.generation = generation
        if self._again:
            self._again = False
            effects += self._look(now)
        return effects
