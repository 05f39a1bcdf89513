"""Golden sessions: command lines and what they print, byte by byte.

    # witness: where the output was seen        (or "# inferred: why so")
    $ lssrc -s nosuch
    0513-085 The nosuch Subsystem is not on file.
    = 1

A line of stderr begins with ``2> ``, an exit code other than 0 is told by ``= CODE``, a trailing blank by ``\\s``. With
`` | `` between two commands the second one reads what the first one prints.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
Run = Callable[[list[str]], tuple[int, str, str]]
"""Runs a command line: exit code, stdout, stderr."""


@dataclass(frozen=True, slots=True)
class Session:
    """One file. ``source`` is its first line without the mark."""

    path: Path
    source: str
    steps: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem

    @property
    def witnessed(self) -> bool:
        """Whether the output was seen on a real system or in the documentation."""
        return self.source.startswith("witness")


def read_sessions(directory: Path) -> list[Session]:
    """All sessions of a folder, by name."""
    result = []
    for path in sorted(directory.glob("*.txt")):
        first, *lines = path.read_text().splitlines()
        assert first.startswith(("# witness: ", "# inferred: ")), path
        steps: list[tuple[str, list[str]]] = []
        for line in lines:
            if line.startswith("$ "):
                steps.append((line[2:], []))
            elif steps:
                steps[-1][1].append(line)
        result.append(
            Session(path, first.removeprefix("# "), tuple((command, tuple(output)) for command, output in steps))
        )
    return result


def replay(session: Session, run: Run) -> str:
    """The session's text as it runs now."""
    lines = [f"# {session.source}"]
    for command, _ in session.steps:
        status, out, err = run(shlex.split(command))
        lines.append(f"$ {command}")
        lines += [_visible(line) for line in out.splitlines()]
        lines += [_visible(f"2> {line}") for line in err.splitlines()]
        lines += [f"= {status}"] if status else []
    return "\n".join(lines) + "\n"


def _visible(line: str) -> str:
    return line[:-1] + "\\s" if line.endswith(" ") else line
