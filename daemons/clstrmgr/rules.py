"""``rules.hacmprd``: which recovery program belongs to an event.

Nine values per event, one a line, comments begin with ``#``, an empty line is an empty value. The format is the
product's as administrators know it; blank lines between two definitions are not values.
"""

from __future__ import annotations

from msgspec import Struct

FIELDS = 9


class RulesFault(Exception):
    """The rules file is damaged; the text names the line."""


class Rule(Struct, frozen=True):
    """One event definition; only the name and the program's path have a meaning today."""

    name: str
    state: str
    program: str


def parse(text: str) -> dict[str, Rule]:
    """The rules by event name; of two definitions of one event the last one counts.

    Raises:
        RulesFault: a definition is incomplete or does not name a recovery program.
    """
    rules: dict[str, Rule] = {}
    values: list[str] = []
    first_line = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("#"):
            continue
        if not values:
            if not line:
                continue
            first_line = number
        values.append(line)
        if len(values) == FIELDS:
            rule = Rule(values[0], values[1], values[2])
            if not rule.program.startswith("/"):
                raise RulesFault(f"line {first_line}: {rule.name} has no recovery program")
            rules[rule.name] = rule
            values = []
    if values:
        raise RulesFault(f"line {first_line}: the definition of {values[0]} is incomplete")
    return rules
