"""Dependencies between groups, and fallback timers."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration.policies import SAME_SITE
from daemons.cluster.verification.findings import Case, Finding, error


def dependencies_are_sound(case: Case) -> Iterator[Finding]:
    """Both sides exist, and no group depends on itself, directly or around a loop."""
    c = case.configuration
    children: dict[str, list[str]] = {}
    for dependency in c.dependencies:
        for name in (dependency.parent, dependency.child):
            if c.group(name) is None:
                yield error(f"A dependency names the resource group '{name}', which is not defined.")
        if dependency.parent == dependency.child:
            yield error(f"The resource group '{dependency.parent}' depends on itself.")
        else:
            children.setdefault(dependency.parent, []).append(dependency.child)
    for location in c.location_dependencies:
        if location.kind == SAME_SITE and not c.sites:
            listed = ", ".join(location.groups)
            yield error(f"The resource groups {listed} are to be online on the same site, but no sites are defined.")
        for name, _ in location.members:
            if c.group(name) is None:
                yield error(f"A location dependency names the resource group '{name}', which is not defined.")
    looped = [name for name in children if name in _below(children, name)]
    if looped:
        yield error(f"The dependencies of the resource groups form a loop: {', '.join(sorted(looped))}.")


def _below(children: dict[str, list[str]], group: str) -> set[str]:
    found: set[str] = set()
    left = list(children.get(group, ()))
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += children.get(name, ())
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
