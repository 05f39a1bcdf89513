"""One consumer of a monitor file: an open file of a process, with its registration and the events kept for it."""

from __future__ import annotations

import errno
import time
from collections import deque
from enum import Enum

from daemons.caa.aha.registration import BadRegistration, Registration, parse
from daemons.caa.aha.text import Occurrence, occurrence_text

INVALID, ALREADY = 22, 56
"""AIX's EINVAL and EALREADY, as RC_FROM_EVPROD tells them."""
BUF_WRAP = b"BUF_WRAP\n"
EVENT_OVERFLOW = b"EVENT_OVERFLOW\n"


class Later(Enum):
    """The answer to a read that must wait."""

    LATER = 0


LATER = Later.LATER


class Consumer:
    """The machine of one open file.

    Reads follow the offset within an event only: a read behind it, or one at 0 after an event was read to its end
    (pread(2) after select(2), as AIX's samples do), takes the next one. So ``cat``, a shell's ``read`` and pread work.
    """

    def __init__(self, values: tuple[int, int] | None = None) -> None:
        """``values``: the range of thresholds of a producer with values, None for one with states."""
        self._values = values
        self.registration: Registration | None = None
        self._sequence = 0
        self._kept: deque[bytes] = deque()
        self._wrapped = False
        self._current = b""
        self._start = 0
        self._to_its_end = True
        self._registered = False
        self._met: bool | None = None
        self._last_value: int | None = None

    def register(self, text: str) -> None:
        """Take what was written; only what comes after it counts.

        Raises:
            BadRegistration: it is no registration; the former one is gone.
        """
        self.registration = None
        self._registered = True
        self._kept.clear()
        self._current, self._to_its_end, self._wrapped = b"", True, False
        self._sequence, self._met, self._last_value = 0, None, None
        try:
            wanted = parse(text, self._values is not None)
        except BadRegistration:
            self._registered = False
            raise
        if self._values is not None:
            low, high = self._values
            if not all(low <= limit <= high for limit in (wanted.low, wanted.high) if limit is not None):
                # Thresholds are looked at when the waiting begins: the answer is an event.
                self._keep(occurrence_text(Occurrence(time.time_ns(), INVALID), 0, 1).encode())
                return
        self.registration = wanted

    def take(self, occurrence: Occurrence) -> None:
        """An event of the producer."""
        wanted = self.registration
        if wanted is None:
            return
        text = occurrence_text(occurrence, self._sequence, wanted.level).encode()
        if len(text) > wanted.room:
            text = EVENT_OVERFLOW + occurrence_text(occurrence, self._sequence, 1).encode()
        self._sequence += 1
        self._keep(text, wanted.room)
        if occurrence.final or (wanted.count != -1 and self._sequence >= wanted.count):
            self.registration = None

    def sampled(self, value: int, time_ns: int, code: int, standing: bool) -> None:
        """The producer's value: an event if a threshold is met that was not, or is met by another value.

        Args:
            value: the value.
            time_ns: when.
            code: RC_FROM_EVPROD of a threshold that is met.
            standing: the value is one that stays, so a threshold may be met already by the first one seen.
        """
        wanted = self.registration
        if wanted is None:
            return
        met = (wanted.high is not None and value >= wanted.high) or (wanted.low is not None and value <= wanted.low)
        first, before, last = self._met is None, self._met, self._last_value
        self._met, self._last_value = met, value
        if not met:
            return
        if first and standing:
            self.take(Occurrence(time_ns, ALREADY, value=value, final=True))
        elif not before or value != last:
            self.take(Occurrence(time_ns, code, value=value))

    @property
    def readable(self) -> bool:
        """Whether a read has something to return: what select(2) asks."""
        return not self._to_its_end or bool(self._kept)

    def read(self, offset: int, size: int) -> bytes | Later:
        """A read: a part of an event, nothing after the last one that was asked for, or ``LATER``.

        Raises:
            OSError: EINVAL, nothing was ever registered (inferred).
        """
        within = self._start <= offset < self._start + len(self._current)
        if not within or (self._to_its_end and offset == 0):
            if not self._kept:
                if self.registration is not None:
                    return LATER
                if not self._registered:
                    raise OSError(errno.EINVAL, "nothing is registered")
                return b""
            self._current, self._start, self._to_its_end = self._kept.popleft(), offset, False
            if self._wrapped:
                self._current, self._wrapped = BUF_WRAP + self._current, False
        begin = offset - self._start
        data = self._current[begin : begin + size]
        if begin + len(data) >= len(self._current):
            self._to_its_end = True
        return data

    def _keep(self, text: bytes, room: int = 0) -> None:
        self._kept.append(text)
        while len(self._kept) > 1 and sum(map(len, self._kept)) > room:
            # The newest overwrites the oldest, and the reader is told.
            self._kept.popleft()
            self._wrapped = True
