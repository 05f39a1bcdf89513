"""The table of commands and flags: which have an output that was seen on AIX, which are inferred, which are refused.

Made from the golden sessions: a flag is *witnessed* where a session with a witness has it in a command that succeeds or
complains as the product does, else *inferred*, and *refused* where every command with it is turned down.
"""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path

from srcctl.commands.options import UsageError, parse
from srcctl.node import programs
from tests.src.sessions import read_sessions

PROGRAMS = Path(__file__).parents[2] / "etc" / "programs" / "src"
ORDER = ("witnessed", "inferred", "refused", "not covered")

FLAGS = {
    "startsrc": "requests.STARTSRC_FLAGS",
    "stopsrc": "requests.STOPSRC_FLAGS",
    "refresh": "requests.REFRESH_FLAGS",
    "traceson": "requests.TRACESON_FLAGS",
    "tracesoff": "requests.TRACESOFF_FLAGS",
    "lssrc": "listing.LSSRC_FLAGS",
    "mkssys": "definitions.FLAGS",
    "chssys": "definitions.FLAGS",
    "rmssys": "s:",
    "mknotify": "n:m:",
    "rmnotify": "n:",
    "mkserver": "c:s:t:",
    "chserver": "t:c:s:",
    "rmserver": "t:",
}
REMOTE = ("startsrc", "stopsrc", "refresh", "traceson", "tracesoff", "lssrc")
"""Commands whose ``-h`` the tests of requests between nodes cover; a session has one node."""


def letters(command: str) -> str:
    """The flags of a command as getopt takes them."""
    flags = FLAGS[command]
    if "." not in flags:
        return flags
    module, name = flags.split(".")
    return str(getattr(import_module(f"srcctl.src.commands.{module}"), name))


def table() -> dict[str, dict[str, str]]:
    """What is known of each flag of each command."""
    found: dict[str, dict[str, str]] = {}
    for program in programs.parse(PROGRAMS.read_text(), "src"):
        command = program.path.rpartition("/")[2]
        if command in FLAGS:
            found[command] = dict.fromkeys(sorted(set(letters(command)) - {":"}, key=str.swapcase), "not covered")
    for session in read_sessions():
        for line, output in session.steps:
            command, *words = shlex.split(line)
            for flag in _given(command, words):
                mark = _mark(session.witnessed, output)
                found[command][flag] = min(found[command][flag], mark, key=ORDER.index)
    for command in REMOTE:
        found[command]["h"] = min(found[command]["h"], "inferred", key=ORDER.index)
    return found


def _given(command: str, words: list[str]) -> list[str]:
    try:
        return list(parse([command, *words], letters(command)).values)
    except UsageError:
        return []


def _mark(witnessed: bool, output: tuple[str, ...]) -> str:
    turned_down = any(line.startswith("2> usage:") or "is not supported;" in line for line in output)
    if turned_down:
        return "refused"
    return "witnessed" if witnessed else "inferred"


def text() -> str:
    """The table as it is printed: a line for each command and kind."""
    lines = []
    for command, marks in table().items():
        for kind in ORDER:
            cells = [f"-{flag}" for flag, mark in marks.items() if mark == kind]
            if cells:
                lines.append(f"{command:<10} {kind:<12} {' '.join(cells)}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(text())
