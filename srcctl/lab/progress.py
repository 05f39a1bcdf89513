"""Says on stderr what is going on, once it takes longer than a second."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TextIO

QUIET_SECONDS = 1.0
REFRESH_SECONDS = 0.5
PLAIN_SECONDS = 10.0


class Progress:
    """A context in which something slow happens.

    On a terminal one line shows the step and its seconds, and vanishes at the end; elsewhere a line is written when
    a step has taken a second, and again every ten.

    Args:
        step: what is being done ("powering on node1, node2").
        stream: where to say it.
    """

    def __init__(self, step: str, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._step = step
        self._begin = time.monotonic()
        self._done = threading.Event()
        self._shown = False
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        if self._shown and self._stream.isatty():
            self._write("\r\x1b[K")

    def step(self, step: str) -> None:
        """Go on to the next step."""
        self._step = step
        self._begin = time.monotonic()

    def _show(self) -> None:
        terminal = self._stream.isatty()
        last: tuple[str, int] | None = None
        while not self._done.wait(QUIET_SECONDS if not self._shown else REFRESH_SECONDS):
            step, seconds = self._step, time.monotonic() - self._begin
            if seconds < QUIET_SECONDS:
                continue
            if terminal:
                self._write(f"\r\x1b[K{step} ... {seconds:.0f} s")
            elif last != (mark := (step, int(seconds / PLAIN_SECONDS))):
                last = mark
                self._write(f"{step} ... {seconds:.0f} s\n")
            self._shown = True

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Whoever read our progress has gone; the work goes on.
            self._done.set()
