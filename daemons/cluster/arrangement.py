"""Where resource groups that depend on each other are to be.

A trigger changes goals: placement decides for each group alone, then sets that belong on one node are brought together
and groups that belong on different nodes are kept apart, the higher priority first (a greedy choice in order of
priority is the lexicographically best one, because to be nowhere is always possible). Groups that belong at one site
follow the one that an operator moves; otherwise those that stay where they are decide for the others. Source: the
product's planning guide on location dependencies; where it is silent the rule is marked inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from daemons.cluster.dependencies import Dependencies, Goals
from daemons.cluster.placement import (
    HELD,
    Decision,
    GroupPolicy,
    GroupSituation,
    NodeLeft,
    OperatorMove,
    Trigger,
    nodes_by_site,
    place,
)


def aim(
    trigger: Trigger,
    policies: tuple[GroupPolicy, ...],
    situations: Mapping[str, GroupSituation],
    dependencies: Dependencies,
    goals: Goals,
    stopping: frozenset[int] = frozenset(),
) -> dict[str, tuple[int, ...]]:
    """The goals after a trigger; no group stays on the nodes that are just ``stopping``."""
    expected = {name: _expected(situation, goals.get(name, ())) for name, situation in situations.items()}
    decisions = {decision.group: decision for decision in place(trigger, policies, expected)}
    wishes: dict[str, tuple[int, ...]] = {}
    for policy in policies:
        before, decision = goals.get(policy.name, ()), decisions.get(policy.name)
        wishes[policy.name] = before if decision is None else _after(policy, before, decision)
    gone = stopping | {trigger.node} if isinstance(trigger, NodeLeft) else stopping
    return _reconcile(trigger, policies, situations, dependencies, goals, wishes, gone)


def _expected(situation: GroupSituation, goals: tuple[int, ...]) -> GroupSituation:
    """A group that waits for its turn counts as being acquired where it is to be."""
    if situation.holders() or "UNMANAGED" in situation.states.values():
        return situation
    coming = {node: "ACQUIRING" for node in goals if situation.state(node) == "OFFLINE"}
    return replace(situation, states={**situation.states, **coming}) if coming else situation


def _after(policy: GroupPolicy, before: tuple[int, ...], decision: Decision) -> tuple[int, ...]:
    kept = tuple(node for node in before if node not in decision.release)
    if policy.concurrent:
        return tuple(sorted({*kept, *decision.acquire}))
    return decision.acquire or (() if decision.stranded else kept)


def _reconcile(
    trigger: Trigger,
    policies: tuple[GroupPolicy, ...],
    situations: Mapping[str, GroupSituation],
    dependencies: Dependencies,
    goals: Goals,
    wishes: dict[str, tuple[int, ...]],
    gone: frozenset[int],
) -> dict[str, tuple[int, ...]]:
    """Bring sets that belong on one node together and keep groups apart that do not."""
    everywhere = [policy.name for policy in policies if policy.concurrent]
    result = {name: tuple(node for node in wishes[name] if node not in gone) for name in everywhere}
    single = {policy.name: policy for policy in policies if not policy.concurrent}
    units: list[tuple[GroupPolicy, ...]] = []
    for name in single:
        if not any(name == member.name for unit in units for member in unit):
            units.append(tuple(single[other] for other in dependencies.together(name) if other in single))
    order = {name: number for number, name in enumerate(single)}

    def candidates(unit: tuple[GroupPolicy, ...]) -> list[int]:
        return _candidates(trigger, unit, situations, dependencies, goals, wishes, gone)

    asked = trigger.group if isinstance(trigger, OperatorMove) and dependencies.same_site else ""

    def urgency(unit: tuple[GroupPolicy, ...]) -> tuple[int, bool, bool, int]:
        names = [member.name for member in unit]
        there = candidates(unit)[:1]
        held = {node for name in names for node in situations.get(name, GroupSituation()).holders()}
        return (
            min(dependencies.rank(name) for name in names),
            asked not in names,
            not (there and held == set(there)),
            min(order[name] for name in names),
        )

    for unit in sorted(units, key=urgency):
        wanting = [member for member in unit if wishes[member.name] or _waits(member, situations, dependencies)]
        result.update(dict.fromkeys((member.name for member in unit), ()))
        node = _first(candidates(unit), wanting, situations, dependencies, result, gone)
        if node:
            result.update(dict.fromkeys((member.name for member in wanting), (node,)))
            continue
        # No node fits all of the set: one after the other, those first that can stay where they are (inferred).
        wanting.sort(key=lambda member: (not situations[member.name].holders(), order[member.name]))
        for member in wanting:
            at = {goal for other in unit for goal in result[other.name]}
            places = [place_ for place_ in candidates((member,)) if not at or place_ in at]
            node = _first(places, [member], situations, dependencies, result, gone)
            result[member.name] = (node,) if node else ()
    return {policy.name: result[policy.name] for policy in policies}


def _waits(policy: GroupPolicy, situations: Mapping[str, GroupSituation], dependencies: Dependencies) -> bool:
    """Does a group without a goal look for a place: one that had to give way, or found none?"""
    situation = situations.get(policy.name, GroupSituation())
    return (
        dependencies.located(policy.name)
        and situation.wanted
        and not situation.operator_offline
        and policy.fallover != "BO"
        and "UNMANAGED" not in situation.states.values()
    )


def _candidates(
    trigger: Trigger,
    unit: tuple[GroupPolicy, ...],
    situations: Mapping[str, GroupSituation],
    dependencies: Dependencies,
    goals: Goals,
    wishes: Goals,
    gone: frozenset[int],
) -> list[int]:
    """Nodes for a set, the best first: what an operator said, what was decided anew, where it is, where it may go."""
    names = [member.name for member in unit]
    asked = [trigger.node] if isinstance(trigger, OperatorMove) and trigger.group in names and trigger.node else []
    anew = [node for name in names for node in wishes[name] if node not in goals.get(name, ())]
    stay = [node for name in names for node in wishes[name]]
    free = unit if dependencies.located(*names) else ()
    may = [
        node
        for member in free
        if _may_go_anywhere(member, situations, goals)
        for node in nodes_by_site(member, situations.get(member.name, GroupSituation()))
    ]
    return [node for node in dict.fromkeys((*asked, *anew, *stay, *may)) if node not in gone]


def _may_go_anywhere(policy: GroupPolicy, situations: Mapping[str, GroupSituation], goals: Goals) -> bool:
    """May it go to any node of its list: falls it over, or starts it where the first node is?"""
    situation = situations.get(policy.name, GroupSituation())
    running = bool(goals.get(policy.name)) or situation.wanted or bool(situation.holders())
    return policy.fallover != "BO" if running else policy.startup == "OFAN"


def _first(
    places: Iterable[int],
    members: list[GroupPolicy],
    situations: Mapping[str, GroupSituation],
    dependencies: Dependencies,
    taken: Goals,
    gone: frozenset[int],
) -> int:
    """The first place where all members may be and nobody is from whom one must keep apart; 0 if there is none."""
    if not members:
        return 0
    for node in places:
        if all(
            _fits(member, situations.get(member.name, GroupSituation()), node, gone)
            and not any(
                (node in goal and dependencies.separate(member.name, name))
                or dependencies.at_other_site(member.name, node, name, goal)
                for name, goal in taken.items()
            )
            for member in members
        ):
            return node
    return 0


def _fits(policy: GroupPolicy, situation: GroupSituation, node: int, gone: frozenset[int]) -> bool:
    if node in gone or node not in policy.nodes:
        return False
    if situation.state(node) in HELD and node not in situation.tried:
        return True
    return node in situation.available and node not in situation.tried
