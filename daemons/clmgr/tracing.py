"""What ``-l low`` and the levels above it write to clutils.log: which functions were entered and left.

The levels are the product's: function entry and exit, with parameters, and then what else runs, without and with what
everything stands on (the product's common functions). Its lines are those of a shell; these name Python functions.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import NamedTuple

LINES_MAX = 20000
"""Lines of one call; what comes after them is counted."""
VALUE_MAX = 60
"""Characters of a parameter's value that are shown."""


class Level(NamedTuple):
    """Which modules are traced, by the beginnings of their names, which of them not, and whether with parameters."""

    modules: tuple[str, ...]
    without: tuple[str, ...] = ()
    parameters: bool = False


COMMON = ("daemons.runtime.", "srcctl.commands.", "srcctl.node.", "srcctl.odm.", "daemons.clmgr.tracing")
LEVELS = {
    "low": Level(("daemons.clmgr.",), COMMON),
    "med": Level(("daemons.clmgr.",), COMMON, True),
    "high": Level(("daemons.", "srcctl."), COMMON, True),
    "max": Level(("daemons.", "srcctl."), ("daemons.clmgr.tracing",), True),
}
"""The levels above standard."""


class Trace:
    """The functions that run within a ``with`` statement, in this thread and those that it starts.

    Args:
        level: the name of a log level; those below ``low`` trace nothing.
        secrets: what no parameter is shown of that holds it, or is a part of it.
    """

    def __init__(self, level: str, secrets: Sequence[str] = ()) -> None:
        self._level = LEVELS.get(level)
        self._secrets = secrets
        self._more = 0
        self.lines: list[str] = []

    def __enter__(self) -> Trace:
        if self._level is not None:
            threading.setprofile(self._event)
            sys.setprofile(self._event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._level is not None:
            sys.setprofile(None)
            threading.setprofile(None)
            if self._more:
                self.lines.append(f"... {self._more} more")

    def _event(self, frame: FrameType, event: str, argument: object) -> None:
        level = self._level
        if level is None or event not in ("call", "return"):
            return
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(level.modules) or module.startswith(level.without):
            return
        if len(self.lines) >= LINES_MAX:
            self._more += 1
            return
        name = f"{module}.{frame.f_code.co_qualname}"
        if event == "return":
            self.lines.append(f"<-- {name}")
        else:
            self.lines.append(f"--> {name}" + (f"({self._parameters(frame)})" if level.parameters else ""))

    def _parameters(self, frame: FrameType) -> str:
        """Plain values as they are, of everything else the type: to print an object could run code of its own."""
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount]
        shown = []
        for name in names:
            value = frame.f_locals.get(name)
            plain = value is None or type(value) in (bool, int, float, str)
            text = repr(value) if plain else type(value).__name__
            shown.append(f"{name}={'********' if self._is_secret(value) else text[:VALUE_MAX]}")
        return ", ".join(shown)

    def _is_secret(self, value: object) -> bool:
        return isinstance(value, str) and any(s in value or (len(value) > 2 and value in s) for s in self._secrets)
