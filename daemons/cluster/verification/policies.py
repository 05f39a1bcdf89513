"""Dependencies between groups, and fallback timers."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration.policies import PARENT_CHILD, SAME_SITE, STOP_AFTER
from daemons.cluster.verification.findings import Case, Finding, error


def dependencies_are_sound(case: Case) -> Iterator[Finding]:
    """Both sides exist, and no group depends on itself, directly or around a loop: in the order in which groups are
    acquired, or in the one in which they are released."""
    c = case.configuration
    acquired: dict[str, list[str]] = {}
    released: dict[str, list[str]] = {}
    for dependency in c.dependencies:
        for name in (dependency.parent, dependency.child):
            if c.group(name) is None:
                yield error(f"A dependency names the resource group '{name}', which is not defined.")
        if dependency.parent == dependency.child:
            yield error(f"The resource group '{dependency.parent}' depends on itself.")
            continue
        parent, child = dependency.parent, dependency.child
        if dependency.kind != STOP_AFTER:
            acquired.setdefault(parent, []).append(child)
        if dependency.kind == PARENT_CHILD:
            released.setdefault(child, []).append(parent)
        elif dependency.kind == STOP_AFTER:
            released.setdefault(parent, []).append(child)
    for location in c.location_dependencies:
        if location.kind == SAME_SITE and not c.sites:
            listed = ", ".join(location.groups)
            yield error(f"The resource groups {listed} are to be online on the same site, but no sites are defined.")
        for name, _ in location.members:
            if c.group(name) is None:
                yield error(f"A location dependency names the resource group '{name}', which is not defined.")
    looped = {name for order in (acquired, released) for name in order if name in _below(order, name)}
    if looped:
        yield error(f"The dependencies of the resource groups form a loop: {', '.join(sorted(looped))}.")


def _below(order: dict[str, list[str]], group: str) -> set[str]:
    found: set[str] = set()
    left = list(order.get(group, ()))
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += order.get(name, ())
    return found


def fallback_timers_exist(case: Case) -> Iterator[Finding]:
    """The timer of a group is defined, and the group falls back at all."""
    c = case.configuration
    for group in c.groups:
        if not group.fallback_timer:
            continue
        if c.timer(group.fallback_timer) is None:
            yield error(
                f"The resource group '{group.name}' names the fallback timer '{group.fallback_timer}', which is not "
                "defined."
            )
        if group.fallback == "NFB":
            yield error(f"The resource group '{group.name}' never falls back, but has a fallback timer.")
