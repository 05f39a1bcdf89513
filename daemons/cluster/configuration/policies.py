"""Between resource groups, and when they fall back: HACMPrgdependency, HACMPrg_loc_dependency, HACMPtimer.

The classes and fields are the product's; where a field's values are not published (``dep_type`` of start-after and
stop-after, ``recurrence``) they are inferred.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from daemons.cluster.configuration.objects import ConfigurationFault, OdmObject, number, text

PARENT_CHILD, START_AFTER, STOP_AFTER = "PARENTCHILD", "STARTAFTER", "STOPAFTER"
SAME_NODE, SAME_SITE, DIFFERENT_NODES = "NODECOLLOCATION", "SITECOLLOCATION", "ANTICOLLOCATION"
HIGH, INTERMEDIATE, LOW = "HIGH", "INTERMEDIATE", "LOW"


class GroupDependency(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPrgdependency: one ordered pair.

    ``kind`` PARENTCHILD: ``child`` is acquired after ``parent`` is online, and released before it. STARTAFTER:
    ``child`` (the source) is acquired after ``parent`` (the target) is online and released whenever. STOPAFTER:
    ``child`` (the source) is released after ``parent`` (the target) is offline.
    """

    id: int
    parent: str
    child: str
    kind: str = PARENT_CHILD


class LocationDependency(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPrg_loc_dependency: a set of groups that belong together (SAME_NODE, SAME_SITE) or apart (DIFFERENT_NODES).

    ``members`` are (group, priority) pairs in order of definition; the priority is HIGH, INTERMEDIATE or LOW in a
    different-nodes set and "" in the others.
    """

    id: int
    kind: str
    members: tuple[tuple[str, str], ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of the set; in a different-nodes set the higher priority first."""
        order = {HIGH: 0, INTERMEDIATE: 1, LOW: 2}
        return tuple(name for name, _ in sorted(self.members, key=lambda member: order.get(member[1], 0)))

    def priority(self, group: str) -> str:
        """The priority of a group of the set."""
        return dict(self.members).get(group, "")


class FallbackTimer(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPtimer: when groups with this delayed fallback timer go back to their home node.

    ``recurrence`` is daily, weekly, monthly, yearly or specific (one date). ``week_day`` counts from Sunday, 0.
    """

    name: str
    recurrence: str
    hour: int
    minutes: int
    year: int = 0
    month: int = 0
    day_of_month: int = 0
    week_day: int = 0

    def next_after(self, now: datetime) -> datetime | None:
        """The first time after ``now`` (of the node's clock); None when the one date is past, or no day has it."""
        if self.recurrence == "specific":
            try:
                once = datetime(self.year, self.month, self.day_of_month, self.hour, self.minutes, tzinfo=now.tzinfo)
            except ValueError:
                return None
            return once if once > now else None
        try:
            moment = now.replace(hour=self.hour, minute=self.minutes, second=0, microsecond=0)
        except ValueError:
            return None  # a time that no day has, written by hand: verification names it
        # Four years and a day: the 29th of February comes again within it, but in 1900 and 2100.
        for _ in range(8 * 366 + 1):
            if moment > now and self._falls_on(moment):
                return moment
            moment += timedelta(days=1)
        return None

    def _falls_on(self, day: datetime) -> bool:
        match self.recurrence:
            case "daily":
                return True
            case "weekly":
                return (day.weekday() + 1) % 7 == self.week_day
            case "monthly":
                return day.day == self.day_of_month
            case "yearly":
                return (day.month, day.day) == (self.month, self.day_of_month)
        return False


def load_dependencies(objects: list[OdmObject]) -> tuple[GroupDependency, ...]:
    """The ordered dependencies, in order of definition.

    Raises:
        ConfigurationFault: an id is no number.
    """
    return tuple(
        GroupDependency(
            id=number(o, "id"),
            parent=text(o, "group_parent"),
            child=text(o, "group_child"),
            kind=text(o, "dep_type") or text(o, "dependency_type") or PARENT_CHILD,
        )
        for o in objects
    )


def dependency_objects(dependencies: tuple[GroupDependency, ...]) -> list[OdmObject]:
    """HACMPrgdependency."""
    return [
        {
            "id": d.id,
            "group_parent": d.parent,
            "group_child": d.child,
            "dependency_type": d.kind,
            "dep_type": d.kind,
            "dep_group": "",
        }
        for d in dependencies
    ]


def load_location_dependencies(objects: list[OdmObject]) -> tuple[LocationDependency, ...]:
    """The sets, in order of definition.

    Raises:
        ConfigurationFault: the objects of a set do not agree on its kind.
    """
    members: dict[int, list[tuple[str, str]]] = {}
    kinds: dict[int, str] = {}
    for o in objects:
        number_of_set, kind = number(o, "set_id"), text(o, "loc_dep_type")
        if kinds.setdefault(number_of_set, kind) != kind:
            raise ConfigurationFault(f"HACMPrg_loc_dependency has the set {number_of_set} with two types")
        members.setdefault(number_of_set, []).append((text(o, "group_name"), text(o, "priority")))
    return tuple(LocationDependency(id=key, kind=kinds[key], members=tuple(found)) for key, found in members.items())


def location_dependency_objects(sets: tuple[LocationDependency, ...]) -> list[OdmObject]:
    """HACMPrg_loc_dependency."""
    rows = [(s, group, priority) for s in sets for group, priority in s.members]
    return [
        {
            "id": place,
            "set_id": s.id,
            "group_name": group,
            "priority": priority,
            "loc_dep_type": s.kind,
            "loc_dep_sub_type": "STRICT",
        }
        for place, (s, group, priority) in enumerate(rows, 1)
    ]


def load_timers(objects: list[OdmObject]) -> tuple[FallbackTimer, ...]:
    """The fallback timers, in order of definition.

    Raises:
        ConfigurationFault: a field is no number.
    """
    return tuple(
        FallbackTimer(
            name=text(o, "policy_name"),
            recurrence=text(o, "recurrence"),
            year=number(o, "year"),
            month=number(o, "month"),
            day_of_month=number(o, "day_of_month"),
            week_day=number(o, "week_day"),
            hour=number(o, "hour"),
            minutes=number(o, "minutes"),
        )
        for o in objects
    )


def timer_objects(timers: tuple[FallbackTimer, ...]) -> list[OdmObject]:
    """HACMPtimer."""
    return [
        {
            "policy_name": t.name,
            "recurrence": t.recurrence,
            "year": t.year,
            "month": t.month,
            "day_of_month": t.day_of_month,
            "week_day": t.week_day,
            "hour": t.hour,
            "minutes": t.minutes,
        }
        for t in timers
    ]
