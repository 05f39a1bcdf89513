"""Golden sessions: command lines and what they print, byte by byte.

    # witness: where the output was seen        (or "# inferred: why so")
    $ lssrc -s nosuch
    0513-085 The nosuch Subsystem is not on file.
    = 1

Such a mark holds until the next one, which may stand between two commands. A line of stderr begins with ``2> ``, an
exit code other than 0 is told by ``= CODE``, a trailing blank by ``\\s``. With `` | `` between two commands the
second one reads what the first one prints.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
Run = Callable[[list[str]], tuple[int, str, str]]
"""Runs a command line: exit code, stdout, stderr."""


MARKS = ("# witness: ", "# inferred: ")


@dataclass(frozen=True, slots=True)
class Step:
    """A command line and its output. ``source`` is the mark that holds for it."""

    command: str
    output: tuple[str, ...]
    source: str

    @property
    def witnessed(self) -> bool:
        """Whether the output was seen on a real system or in the documentation."""
        return self.source.startswith("# witness: ")


@dataclass(frozen=True, slots=True)
class Session:
    """One file."""

    path: Path
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem


def read_sessions(directory: Path) -> list[Session]:
    """All sessions of a folder, by name."""
    result = []
    for path in sorted(directory.glob("*.txt")):
        lines = path.read_text().splitlines()
        assert lines[0].startswith(MARKS), path
        steps: list[tuple[str, list[str], str]] = []
        for line in lines:
            if line.startswith(MARKS):
                source = line
            elif line.startswith("$ "):
                steps.append((line[2:], [], source))
            else:
                steps[-1][1].append(line)
        result.append(Session(path, tuple(Step(command, tuple(output), mark) for command, output, mark in steps)))
    return result


def replay(session: Session, run: Run) -> str:
    """The session's text as it runs now."""
    lines: list[str] = []
    source = ""
    for step in session.steps:
        status, out, err = run(shlex.split(step.command))
        lines += [step.source] if step.source != source else []
        source = step.source
        lines.append(f"$ {step.command}")
        lines += [_visible(line) for line in out.splitlines()]
        lines += [_visible(f"2> {line}") for line in err.splitlines()]
        lines += [f"= {status}"] if status else []
    return "\n".join(lines) + "\n"


def _visible(line: str) -> str:
    return line[:-1] + "\\s" if line.endswith(" ") else line
