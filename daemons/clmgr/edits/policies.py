"""Edits of dependencies between resource groups and of fallback timers.

The rules on combinations are the product's: at most three levels of parents and children, no circle, a parent and its
child not in one different-nodes set, one different-nodes set at most, a group in one same-node set at most.
"""

from __future__ import annotations

from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from msgspec.structs import replace

from daemons.clmgr.edits.parts import (
    Surroundings,
    demand,
    exchange,
    existing,
    named,
    new_name,
    renamed,
    unused,
    without,
)
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_INPUT,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid,
    missing,
)
from daemons.clmgr.settings import DEPENDENCY_TYPES
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration, FallbackTimer, GroupDependency, LocationDependency
from daemons.cluster.configuration.policies import (
    DIFFERENT_NODES,
    HIGH,
    INTERMEDIATE,
    LOW,
    PARENT_CHILD,
    SAME_NODE,
    SAME_SITE,
    START_AFTER,
    STOP_AFTER,
)

LEVELS_MAX = 3
RECURRENCES = ("daily", "weekly", "monthly", "yearly", "specific")


def dependency_ids(c: Configuration) -> list[str]:
    """The ids of all dependencies; both classes count in one sequence here (inferred)."""
    return [str(number) for number in _ids(c)]


def _ids(c: Configuration) -> list[int]:
    return [d.id for d in c.dependencies] + [s.id for s in c.location_dependencies]


def _next_id(c: Configuration) -> int:
    return max(_ids(c), default=0) + 1


def _groups(request: Request, attribute: str, c: Configuration) -> list[str]:
    names = request.words(attribute)
    for name in names:
        named(name, c.groups)
    return names


def add_dependency(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add dependency``: one of the four forms."""
    if request.names:
        raise ClmgrError("a dependency has no name; it gets an id.", INCORRECT_INPUT)
    return _dependency(request, c, _next_id(c))


def modify_dependency(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify dependency <id>``: what it says from now on; the id stays."""
    if len(request.names) != 1:
        raise ClmgrError("the id of one dependency is needed.", MISSING_INPUT)
    wanted = request.names[0]
    if wanted not in dependency_ids(c):
        raise does_not_exist(wanted)
    return _dependency(request, _without_ids(c, [wanted]), int(wanted))


def _dependency(request: Request, c: Configuration, number: int) -> Configuration:
    given = request.attributes
    if "PARENT" in given or "CHILD" in given:
        for attribute in ("PARENT", "CHILD"):
            if not given.get(attribute):
                raise missing(attribute)
        parent = named(given["PARENT"], c.groups).name
        return _ordered(c, number, [(parent, child) for child in _groups(request, "CHILD", c)], PARENT_CHILD)
    if "START" in given or "STOP" in given:
        if not given.get("AFTER"):
            raise missing("AFTER")
        if "START" in given and "STOP" in given:
            raise ClmgrError('"START" and "STOP" exclude each other.', INCORRECT_INPUT)
        target = named(given["AFTER"], c.groups).name
        attribute = "START" if "START" in given else "STOP"
        sources = _groups(request, attribute, c)
        if not sources:
            raise missing(attribute)
        kind = START_AFTER if attribute == "START" else STOP_AFTER
        return _ordered(c, number, [(target, source) for source in sources], kind)
    if given.get("SAME"):
        members = [(name, "") for name in _groups(request, "GROUPS", c)]
        if len(members) < 2:
            raise missing("GROUPS")
        return _located(c, number, SAME_NODE if given["SAME"] == "NODE" else SAME_SITE, members)
    members = [(name, level) for level in (HIGH, INTERMEDIATE, LOW) for name in _groups(request, level, c)]
    if members:
        if len(members) < 2:
            raise ClmgrError("a dependency needs at least two resource groups.", MISSING_INPUT)
        return _located(c, number, DIFFERENT_NODES, members)
    raise missing("PARENT")


def _ordered(c: Configuration, number: int, pairs: list[tuple[str, str]], kind: str) -> Configuration:
    dependencies = c.dependencies
    for parent, child in pairs:
        if parent == child:
            raise ClmgrError(f'the resource group "{parent}" cannot depend on itself.', INCORRECT_INPUT)
        if any((d.parent, d.child, d.kind) == (parent, child, kind) for d in dependencies):
            raise exists_already(f"{parent} {child}")
        dependencies = (*dependencies, GroupDependency(id=number, parent=parent, child=child, kind=kind))
        number = max(number, _next_id(c) - 1) + 1
    for one in (PARENT_CHILD, START_AFTER, STOP_AFTER):
        _no_circle([d for d in dependencies if d.kind == one])
    _levels([d for d in dependencies if d.kind == PARENT_CHILD])
    c = replace(c, dependencies=dependencies)
    _compatible(c)
    return c


def _no_circle(dependencies: list[GroupDependency]) -> None:
    graph: dict[str, set[str]] = {}
    for d in dependencies:
        graph.setdefault(d.child, set()).add(d.parent)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " ".join(error.args[1])
        raise ClmgrError(f"the dependency closes a circle: {circle}.", INCORRECT_INPUT) from None


def _levels(dependencies: list[GroupDependency]) -> None:
    def depth(name: str) -> int:
        return 1 + max((depth(d.child) for d in dependencies if d.parent == name), default=0)

    for d in dependencies:
        if depth(d.parent) > LEVELS_MAX:
            raise ClmgrError(f"parents and children make more than {LEVELS_MAX} levels.", INCORRECT_INPUT)


def _located(c: Configuration, number: int, kind: str, members: list[tuple[str, str]]) -> Configuration:
    names = [name for name, _ in members]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), "")
    if twice:
        raise ClmgrError(f'the resource group "{twice}" was specified twice.', INCORRECT_INPUT)
    for s in c.location_dependencies:
        if s.kind == kind and (kind == DIFFERENT_NODES or set(s.groups) & set(names)):
            raise exists_already(str(s.id))
    found = LocationDependency(id=number, kind=kind, members=tuple(members))
    c = replace(c, location_dependencies=(*c.location_dependencies, found))
    _compatible(c)
    return c


def _compatible(c: Configuration) -> None:
    apart = [set(s.groups) for s in c.location_dependencies if s.kind == DIFFERENT_NODES]
    for s in c.location_dependencies:
        if s.kind == SAME_NODE:
            for others in apart:
                both = sorted(set(s.groups) & others)
                if len(both) > 1:
                    raise ClmgrError(
                        f'"{both[0]}" and "{both[1]}" cannot be on the same node and on different nodes.',
                        INCORRECT_INPUT,
                    )


def delete_dependencies(request: Request, c: Configuration) -> Configuration:
    """``delete dependency {<id>|ALL} [TYPE=..] [RG=..]``."""
    if not request.names:
        raise ClmgrError("the id of a dependency is needed.", MISSING_INPUT)
    kind = DEPENDENCY_TYPES.get(request.attribute("TYPE"), "")
    group = request.attribute("RG")
    if group:
        named(group, c.groups)
    matching = [
        *[str(d.id) for d in c.dependencies if kind in ("", d.kind) and group in ("", d.parent, d.child)],
        *[str(s.id) for s in c.location_dependencies if kind in ("", s.kind) and (not group or group in s.groups)],
    ]
    if request.names == ["ALL"]:
        return _without_ids(c, matching)
    for name in request.names:
        if name not in matching:
            raise does_not_exist(name)
    return _without_ids(c, request.names)


def _without_ids(c: Configuration, ids: list[str]) -> Configuration:
    return replace(
        c,
        dependencies=tuple(d for d in c.dependencies if str(d.id) not in ids),
        location_dependencies=tuple(s for s in c.location_dependencies if str(s.id) not in ids),
    )


# Fallback timers.


def add_timer(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add fallback_timer``."""
    name = new_name(request, c.timers)
    demand(request, "HOUR", "MINUTE")
    return replace(c, timers=(*c.timers, _timer(request, name)))


def modify_timer(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify fallback_timer``: groups follow a new NAME."""
    old = existing(request, c.timers)
    name = renamed(request, old, c.timers)
    # What repeats differently keeps of the old one only the time of day.
    known = {
        "HOUR": old.hour, "MINUTE": old.minutes, "DAY_OF_MONTH": old.day_of_month or "", "MONTH": old.month or "",
        "YEAR": old.year or "", "DAY_OF_WEEK": old.week_day if old.recurrence == "weekly" else "",
    }  # fmt: skip
    whole = Request(attributes={**{k: str(v) for k, v in known.items()}, **request.attributes})
    c = replace(c, timers=exchange(c.timers, old.name, _timer(whole, name)))
    groups = tuple(replace(g, fallback_timer=name) if g.fallback_timer == old.name else g for g in c.groups)
    return replace(c, groups=groups)


def _timer(request: Request, name: str) -> FallbackTimer:
    value = {key: int(request.attribute(key) or -1) for key in ("YEAR", "MONTH", "DAY_OF_MONTH", "DAY_OF_WEEK")}
    given = {key for key, number in value.items() if number >= 0}
    if "DAY_OF_WEEK" in given and len(given) > 1:
        raise ClmgrError('"DAY_OF_WEEK" excludes a date.', INCORRECT_INPUT)
    shape = {
        frozenset[str](): "daily",
        frozenset({"DAY_OF_WEEK"}): "weekly",
        frozenset({"DAY_OF_MONTH"}): "monthly",
        frozenset({"DAY_OF_MONTH", "MONTH"}): "yearly",
        frozenset({"DAY_OF_MONTH", "MONTH", "YEAR"}): "specific",
    }
    recurrence = shape.get(frozenset(given), "")
    if not recurrence:
        raise missing("DAY_OF_MONTH" if "DAY_OF_MONTH" not in given else "MONTH")
    if request.attribute("REPEATS") not in ("", recurrence):
        raise invalid("REPEATS", request.attribute("REPEATS"))
    if "MONTH" in given:
        year = value["YEAR"] if "YEAR" in given else 2000
        try:
            datetime(year, value["MONTH"], value["DAY_OF_MONTH"])
        except ValueError:
            raise invalid("DAY_OF_MONTH", str(value["DAY_OF_MONTH"])) from None
    return FallbackTimer(
        name=name,
        recurrence=recurrence,
        year=max(value["YEAR"], 0),
        month=max(value["MONTH"], 0),
        day_of_month=max(value["DAY_OF_MONTH"], 0),
        week_day=max(value["DAY_OF_WEEK"], 0),
        hour=int(request.attribute("HOUR")),
        minutes=int(request.attribute("MINUTE")),
    )


def without_timer(name: str, c: Configuration) -> Configuration:
    """``delete fallback_timer``."""
    timers = without(name, c.timers)
    unused(name, [group.name for group in c.groups if group.fallback_timer == name])
    return replace(c, timers=timers)


ADD = {"dependency": add_dependency, "fallback_timer": add_timer}
MODIFY = {"dependency": modify_dependency, "fallback_timer": modify_timer}
DELETE = {"dependency": without_timer, "fallback_timer": without_timer}
NAMES = {"fallback_timer": lambda c: [timer.name for timer in c.timers], "dependency": dependency_ids}
