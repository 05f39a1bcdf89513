"""Recovery programs (``*.rp``): the steps of an event, with barriers between them.

Grammar (documented for user-defined events): one statement a line, ``node_set "command" expected_status NULL``, or the
single word ``barrier``; ``#`` begins a comment. ``node_set`` is ``all``, ``event`` (the node on which the event
occurred) or ``other``; the status is a number, or ``X`` for "do not compare".
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

NodeSet = Literal["all", "event", "other"]

_STATEMENT = re.compile(r'(all|event|other)\s+(?:"([^"]*)"|(\S+))\s+(-?\d+|X)\s+NULL')


class ProgramFault(Exception):
    """The recovery program is damaged; the text names the line."""


class Statement(Struct, frozen=True):
    """One command: who runs it, what, and the exit status it must have (None: any)."""

    node_set: NodeSet
    command: str
    expected: int | None

    @property
    def name(self) -> str:
        """The event script's name, without folder and arguments."""
        return self.command.split()[0].rsplit("/", 1)[-1]

    def applies(self, node: int, event_node: int) -> bool:
        """Does this node run the statement in an event of ``event_node``?"""
        return self.node_set == "all" or (node == event_node) == (self.node_set == "event")


class Program(Struct, frozen=True):
    """A recovery program: its path and its steps; everything of one step runs between two barriers."""

    path: str
    steps: tuple[tuple[Statement, ...], ...]


def parse(path: str, text: str) -> Program:
    """Parse the text of a recovery program.

    Raises:
        ProgramFault: a line is neither a statement nor ``barrier``, or there is no statement at all.
    """
    steps: list[tuple[Statement, ...]] = []
    step: list[Statement] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line == "barrier":
            steps.append(tuple(step))
            step = []
            continue
        match = _STATEMENT.fullmatch(line)
        if match is None or not (command := (match[2] if match[2] is not None else match[3]).strip()):
            raise ProgramFault(f"{path}, line {number}: {line!r} is no statement of a recovery program")
        node_set: NodeSet = "all" if match[1] == "all" else "event" if match[1] == "event" else "other"
        step.append(Statement(node_set, command, None if match[4] == "X" else int(match[4])))
    if step:
        steps.append(tuple(step))
    if not any(steps):
        raise ProgramFault(f"{path}: no statement")
    return Program(path, tuple(steps))
