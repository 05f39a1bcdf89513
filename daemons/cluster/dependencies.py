"""What resource groups have to do with each other.

Source: the product's planning guide on parent/child, start-after, stop-after and location dependencies, and on moving
groups that have some; where it is silent the rule is marked inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from daemons.cluster.configuration import Configuration
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
from daemons.cluster.placement import GroupPolicy, GroupSituation, OperatorMove, OperatorOffline

Goals = Mapping[str, tuple[int, ...]]
"""The nodes on which each group is to be online."""

_RANKS = {HIGH: 0, INTERMEDIATE: 1, LOW: 2}


class Dependencies(Struct, frozen=True):
    """The dependencies between groups.

    Args:
        parents: pairs (parent, child): the child is online only while the parent is.
        start_after: pairs (target, source): the source is acquired only while the target is online.
        stop_after: pairs (target, source): of two that are to be released the source waits for the target.
        same_node: sets of groups that are online on one node.
        apart: sets of groups, with their ranks (0 is the highest priority), no two of which are online on one node.
        same_site: sets of groups that are online at one site.
        sites: the site of each node. In a cluster with sites groups move as those do that depend on each other.
    """

    parents: tuple[tuple[str, str], ...] = ()
    start_after: tuple[tuple[str, str], ...] = ()
    stop_after: tuple[tuple[str, str], ...] = ()
    same_node: tuple[tuple[str, ...], ...] = ()
    apart: tuple[tuple[tuple[str, int], ...], ...] = ()
    same_site: tuple[tuple[str, ...], ...] = ()
    sites: Mapping[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        located = self.same_node or self.apart or self.same_site
        return bool(self.parents or self.start_after or self.stop_after or located or self.sites)

    @classmethod
    def of(cls, configuration: Configuration) -> Dependencies:
        """The dependencies of a configuration; those on the same site mean nothing without sites (and verification
        refuses them)."""

        def pairs(kind: str) -> tuple[tuple[str, str], ...]:
            return tuple((entry.parent, entry.child) for entry in configuration.dependencies if entry.kind == kind)

        sets = configuration.location_dependencies
        return cls(
            parents=pairs(PARENT_CHILD),
            start_after=pairs(START_AFTER),
            stop_after=pairs(STOP_AFTER),
            same_node=tuple(entry.groups for entry in sets if entry.kind == SAME_NODE),
            apart=tuple(
                tuple((name, _RANKS.get(entry.priority(name), 0)) for name in entry.groups)
                for entry in sets
                if entry.kind == DIFFERENT_NODES
            ),
            same_site=tuple(entry.groups for entry in sets if entry.kind == SAME_SITE) if configuration.sites else (),
            sites={node.id: configuration.site_of(node.name) for node in configuration.nodes}
            if configuration.sites
            else {},
        )

    def parents_of(self, group: str) -> tuple[str, ...]:
        """Groups that must be online for it to be online."""
        return tuple(parent for parent, child in self.parents if child == group)

    def children_of(self, group: str) -> tuple[str, ...]:
        """Groups that are online only while it is."""
        return tuple(child for parent, child in self.parents if parent == group)

    def targets_of(self, group: str) -> tuple[str, ...]:
        """Groups that must be online before it is acquired (start-after)."""
        return tuple(target for target, source in self.start_after if source == group)

    def together(self, group: str) -> tuple[str, ...]:
        """Groups of the same-node sets that it is in, itself among them."""
        found = [group]
        for name in found:
            found += [other for entry in self.same_node if name in entry for other in entry if other not in found]
        return tuple(found)

    def located(self, *groups: str) -> bool:
        """Is one of the groups in a location dependency?"""
        plain = (*self.same_node, *self.same_site)
        return any(set(groups) & set(entry) for entry in plain) or any(
            name in groups for entry in self.apart for name, _ in entry
        )

    def at_other_site(self, one: str, node: int, other: str, places: Iterable[int]) -> bool:
        """Would ``one`` on the node be at another site than ``other``, with which it must be at one site?"""
        if one == other or not any({one, other} <= set(entry) for entry in self.same_site):
            return False
        return any(self.sites.get(place) != self.sites.get(node) for place in places)

    def rank(self, group: str) -> int:
        """Its priority in the different-nodes sets, 0 the highest (also outside of any)."""
        return min((rank for entry in self.apart for name, rank in entry if name == group), default=0)

    def separate(self, one: str, other: str) -> bool:
        """Must the two be on different nodes?"""
        return one != other and any({one, other} <= {name for name, _ in entry} for entry in self.apart)


def objection(
    request: OperatorMove | OperatorOffline,
    policies: tuple[GroupPolicy, ...],
    situations: Mapping[str, GroupSituation],
    dependencies: Dependencies,
    names: Mapping[int, str],
) -> str:
    """Why a dependency forbids an operator's request, in a sentence; "" if it does not. ``names`` are the nodes'."""

    def online(group: str) -> tuple[int, ...]:
        states = situations.get(group, GroupSituation()).states
        return tuple(node for node, state in sorted(states.items()) if state == "ONLINE")

    group, offline = request.group, isinstance(request, OperatorOffline)
    moving = bool(online(group))
    stays = offline and request.node and any(node != request.node for node in online(group))
    if (offline or moving) and not stays:
        others = () if offline else dependencies.together(group)
        children = [child for child in dependencies.children_of(group) if online(child) and child not in others]
        if children:
            listed = ", ".join(children)
            return f"Resource group {group} has child resource groups online: bring {listed} offline first."
    if offline:
        return ""
    missing = [
        other for other in (*dependencies.parents_of(group), *dependencies.targets_of(group)) if not online(other)
    ]
    if missing and not moving:
        listed = ", ".join(missing)
        return f"Resource group {group} depends on resource groups that are not online: bring {listed} online first."
    target = request.node
    where = names.get(target, str(target))
    for other in dependencies.together(group) if target and not moving else ():
        places = online(other)
        if other != group and places and target not in places:
            there = names.get(places[0], str(places[0]))
            return f"Resource group {group} must be on the same node as {other}, which is online on node {there}."
    for policy in policies if target else ():
        other = policy.name
        if moving and other in dependencies.together(group) and online(other) and target not in policy.nodes:
            must = f"Resource group {group} must be on the same node as {other}"
            return f"{must}, in which node {where} does not participate."
        higher = dependencies.rank(other) <= dependencies.rank(group)
        if higher and dependencies.separate(group, other) and target in online(other):
            return (
                f"Resource group {group} must be on another node than {other}, which is online on node {where} with an "
                "equal or higher priority."
            )
    return ""
