"""In which order resource groups that depend on each other reach their goals.

``next_moves`` compares the goals with what is, and names the moves that may begin now: children release before their
parents, parents and targets are acquired before their children and sources, and a node is left before whoever must be
apart comes. Source: the product's planning guide on dependencies between resource groups.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from daemons.cluster.dependencies import Dependencies, Goals
from daemons.cluster.placement import Decision, GroupPolicy, GroupSituation


def next_moves(
    policies: tuple[GroupPolicy, ...],
    situations: Mapping[str, GroupSituation],
    dependencies: Dependencies,
    goals: Goals,
) -> tuple[Decision, ...]:
    """The moves that may begin now, in the order of the configuration; () when everything is as it is to be."""
    world = _World(policies, situations, dependencies, goals)
    moves: list[Decision] = []
    for policy in policies:
        release, acquire = world.releasable(policy), world.acquirable(policy)
        if release or acquire:
            moves.append(Decision(policy.name, release, acquire))
    return tuple(moves)


class _World(Struct, frozen=True):
    policies: tuple[GroupPolicy, ...]
    situations: Mapping[str, GroupSituation]
    dependencies: Dependencies
    goals: Goals

    def situation(self, group: str) -> GroupSituation:
        return self.situations.get(group, GroupSituation())

    def holders(self, group: str) -> tuple[int, ...]:
        return self.situation(group).holders()

    def stays(self, group: str, below: tuple[str, ...] = ()) -> bool:
        """Is it online somewhere where it may stay, so that others can count on it?"""
        online = [node for node in self.holders(group) if self.situation(group).state(node) == "ONLINE"]
        return any(node in self.goals.get(group, ()) for node in online) and not self.must_go(group, below)

    def must_go(self, group: str, below: tuple[str, ...] = ()) -> bool:
        """Must a group that is nowhere else be released, because it or one that it counts on goes?

        ``below`` are groups that count on it: a circle, which verification refuses, ends nothing.
        """
        if self._unmanaged(group) or group in below:
            return False
        below = (*below, group)
        if any(not self.stays(parent, below) and not self._unmanaged(parent) for parent in self._parents(group)):
            return True
        held = self.holders(group)
        return bool(held) and not set(held) & set(self.goals.get(group, ()))

    def _parents(self, group: str) -> tuple[str, ...]:
        known = {policy.name for policy in self.policies}
        return tuple(parent for parent in self.dependencies.parents_of(group) if parent in known)

    def _unmanaged(self, group: str) -> bool:
        return "UNMANAGED" in self.situation(group).states.values()

    def to_release(self, group: str) -> tuple[int, ...]:
        if self._unmanaged(group):
            return ()
        held = self.holders(group)
        if self.must_go(group):
            return held
        return tuple(node for node in held if node not in self.goals.get(group, ()))

    def releasable(self, policy: GroupPolicy) -> tuple[int, ...]:
        group = policy.name
        release = self.to_release(group)
        if not release:
            return ()
        if set(release) >= set(self.holders(group)) and any(
            self.holders(child) for child in self.dependencies.children_of(group)
        ):
            return ()
        targets = [target for target, source in self.dependencies.stop_after if source == group]
        waits = any(self.to_release(target) and not self._waits_for(target, group) for target in targets)
        return () if waits else release

    def _waits_for(self, one: str, other: str) -> bool:
        """Is one released only after the other anyway? Then the other does not wait: nobody waits in a circle."""
        found = [one]
        for name in found:
            after = [target for target, source in self.dependencies.stop_after if source == name]
            found += [entry for entry in (*self.dependencies.children_of(name), *after) if entry not in found]
        return other in found

    def acquirable(self, policy: GroupPolicy) -> tuple[int, ...]:
        group, situation = policy.name, self.situation(policy.name)
        if self._unmanaged(group) or not self._may_start(group):
            return ()
        children = self.dependencies.children_of(group)
        if not self.holders(group) and any(self.holders(child) for child in children):
            # It went without them: they are taken down before it comes back, and come up after it.
            return ()
        wanted = [
            node
            for node in self.goals.get(group, ())
            if situation.state(node) in ("OFFLINE", "ERROR") and node in situation.available
        ]
        if policy.concurrent:
            return tuple(wanted)
        # In one move it may release where it is and be acquired where it is to be, but only if it may release now.
        held = self.holders(group)
        if held and set(held) != set(self.releasable(policy)):
            return ()
        return tuple(node for node in wanted[:1] if self._place_is_free(group, node))

    def _may_start(self, group: str) -> bool:
        needed = (*self._parents(group), *self.dependencies.targets_of(group))
        return all(self.stays(other) or self._unmanaged(other) for other in needed)

    def _place_is_free(self, group: str, node: int) -> bool:
        for policy in self.policies:
            other = policy.name
            if other == group:
                continue
            held = self.holders(other)
            if self.dependencies.separate(group, other) and node in held:
                return False
            if other in self.dependencies.together(group) and any(place_ != node for place_ in held):
                return False
            if self.dependencies.at_other_site(group, node, other, held):
                return False
        return True
