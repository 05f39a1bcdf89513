"""Conditions, responses and their associations (the event response resource manager's classes) as values."""

from __future__ import annotations

import msgspec

SEVERITIES = {"c": "critical", "w": "warning", "i": "informational"}
SEVERITY_IDS = {"i": 0, "w": 1, "c": 2}


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """IBM.Condition. ``severity`` is c, w or i; ``toggle`` says that event and rearm expression take turns.

    ``audit`` says what is recorded: ALL, ERRORS or NONE. What is ``locked`` can be neither changed nor removed.
    """

    name: str
    resource_class: str
    event_expression: str
    event_description: str = ""
    rearm_expression: str = ""
    rearm_description: str = ""
    selection: str = ""
    severity: str = "i"
    toggle: bool = True
    audit: str = "ALL"
    locked: bool = False


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a response. ``event_type``: a event, r rearm event, b both. ``keep_output`` is the -o flag."""

    name: str
    script: str
    days: str = "1-7"
    times: str = "0000-2400"
    return_code: int | None = None
    event_type: str = "a"
    keep_output: bool = False
    environment: tuple[str, ...] = ()
    undefined_resource: bool = False


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """IBM.EventResponse."""

    name: str
    actions: tuple[Action, ...] = ()
    locked: bool = False


class Association(msgspec.Struct, frozen=True, kw_only=True):
    """IBM.Association: a condition linked with a response, watched while ``active``."""

    condition: str
    response: str
    active: bool = False
    locked: bool = False


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is stored, in the order of definition."""

    conditions: tuple[Condition, ...] = ()
    responses: tuple[Response, ...] = ()
    associations: tuple[Association, ...] = ()

    def condition(self, name: str) -> Condition | None:
        """The condition of that name."""
        return next((c for c in self.conditions if c.name == name), None)

    def response(self, name: str) -> Response | None:
        """The response of that name."""
        return next((r for r in self.responses if r.name == name), None)

    def association(self, condition: str, response: str) -> Association | None:
        """The association of the two."""
        return next((a for a in self.associations if (a.condition, a.response) == (condition, response)), None)

    def monitored(self, condition: str) -> bool:
        """Whether an active association watches the condition."""
        return any(a.active for a in self.associations if a.condition == condition)


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the audit log. ``time`` in microseconds since the epoch.

    ``kind`` is "a" for an event and "r" for a rearm event of ``condition``, "e" for the end of ``response`` to one.
    """

    time: int
    category: str
    description: str
    subsystem: str = "ERRM"
    number: int = 0
    condition: str = ""
    response: str = ""
    kind: str = ""


def applies_now(action: Action, weekday: int, minutes: int) -> bool:
    """Whether an action's schedule covers this moment.

    Args:
        weekday: 1 for Sunday to 7 for Saturday.
        minutes: since midnight.
    """
    times = action.times.split(",")
    for number, days in enumerate(action.days.split(",")):
        time_range = times[min(number, len(times) - 1)]
        if weekday in _days(days) and _within(time_range, minutes):
            return True
    return False


def schedule_fault(days: str, times: str) -> str | None:
    """What is wrong with ``-d`` and ``-t``, in a sentence, or None."""
    try:
        for group in days.split(","):
            if not all(1 <= day <= 7 for day in _days(group)):
                return f"{group} is not a range of days 1 to 7"
        for group in times.split(","):
            _within(group, 0)
    except (ValueError, IndexError):
        return f"{days} {times} is no schedule of days and times"
    return None


def _days(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split("+"):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _within(text: str, minutes: int) -> bool:
    start, _, end = text.partition("-")
    return _minutes(start) <= minutes < _minutes(end)


def _minutes(text: str) -> int:
    if len(text) != 4 or not text.isdecimal() or int(text) > 2400 or int(text[2:]) > 59:
        raise ValueError(text)
    return int(text[:2]) * 60 + int(text[2:])


def day_groups(action: Action) -> list[tuple[set[int], int, int]]:
    """An action's schedule: days (1 for Sunday), and from and until when on them, in minutes since midnight."""
    times = action.times.split(",")
    groups = []
    for number, days in enumerate(action.days.split(",")):
        start, _, end = times[min(number, len(times) - 1)].partition("-")
        groups.append((_days(days), _minutes(start), _minutes(end)))
    return groups
