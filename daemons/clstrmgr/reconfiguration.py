"""Dynamic reconfiguration (DARE): a new configuration for a cluster whose services are active.

The order is the product's: resources that go are released, the topology changes, resources that come are acquired.
A group that is changed keeps running: only what was taken out of it is released, only what was put in is acquired.
Unaffected groups see nothing. All members have the new configuration before the event; its digest is in the event.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from daemons.clstrmgr import events
from daemons.clstrmgr.events import Event, Stage
from daemons.clstrmgr.replicated import ClusterState, PlanItem, configuration_digest
from daemons.cluster import placement, reconfiguration
from daemons.cluster.configuration import Configuration, ResourceGroup
from daemons.cluster.secondary import place_secondary

_TOPOLOGY: Final = ("nodes", "networks", "sites")
_RESOURCES: Final = (
    "groups",
    "controllers",
    "monitors",
    "tapes",
    "resource_types",
    "user_resources",
    "dependencies",
    "location_dependencies",
    "timers",
)


class Changes(Struct, frozen=True):
    """What is different between two configurations."""

    topology: bool
    resources: bool

    @classmethod
    def between(cls, old: Configuration, new: Configuration) -> Changes:
        """Compare."""
        return cls(
            topology=any(getattr(old, name) != getattr(new, name) for name in _TOPOLOGY)
            or _labels(old, service=False) != _labels(new, service=False),
            resources=any(getattr(old, name) != getattr(new, name) for name in _RESOURCES)
            or _labels(old, service=True) != _labels(new, service=True),
        )

    @property
    def event(self) -> str:
        """The engine's name of the event that makes the changes."""
        if self.topology:
            return events.DARE_CONFIGURATION if self.resources else events.DARE_TOPOLOGY
        return events.DARE_RESOURCE


def event_for(cluster: ClusterState, node: int) -> Event:
    """The event for the staged configuration."""
    assert cluster.staged is not None
    name = Changes.between(cluster.configuration, cluster.staged).event
    return Event(name, node, digest=configuration_digest(cluster.staged))


def heeds_sites(cluster: ClusterState, digest: int) -> bool:
    """Do groups have secondary instances in the configuration of that digest, which is to count or does already?"""
    known = (cluster.pending, cluster.staged, cluster.configuration)
    found = next((entry for entry in known if entry is not None and configuration_digest(entry) == digest), None)
    groups = found.groups if found is not None and found.sites else ()
    return any(group.site_policy in ("primary", "either") and not group.concurrent for group in groups)


def objection(cluster: ClusterState, new: Configuration) -> str:
    """Why the change cannot be made while services are active, a sentence; "" if it can."""
    active = {
        name: number for number, name in cluster.node_names.items() if cluster.nodes[number] not in ("down", "unknown")
    }
    states = (state for group in cluster.groups.values() for state in group.states.values())
    return reconfiguration.objection(cluster.configuration, new, active, states)


def items(cluster: ClusterState) -> tuple[PlanItem, ...]:
    """What the event does to each group."""
    old, new = cluster.configuration, cluster.pending
    assert new is not None
    preview = cluster.preview(new)
    found: list[PlanItem] = []
    for group in old.groups:
        states = cluster.groups[group.name]
        holders = tuple(node for node, state in sorted(states.states.items()) if state in (*placement.HELD, "ERROR"))
        after = new.group(group.name)
        if after is None:
            found.append(PlanItem(group.name, holders, (), False))
            continue
        outside = tuple(node for node in holders if cluster.node_names.get(node) not in after.nodes)
        if outside:
            found.append(_moved(preview, group.name, outside))
        elif _changed(old, group, new) or _changed(new, after, old):
            online = tuple(node for node in holders if states.state(node) == "ONLINE")
            found.append(PlanItem(group.name, (), (), False, change=online))
    added = [group.name for group in new.groups if old.group(group.name) is None]
    found += _started(preview, added)
    return _with_secondaries(cluster, preview, found)


def _with_secondaries(cluster: ClusterState, preview: ClusterState, found: list[PlanItem]) -> tuple[PlanItem, ...]:
    """What becomes of the secondary instances; those that only change their node move by an event of their own."""
    items = {item.group: item for item in found}
    policies = {policy.name: policy for policy in preview.policies}
    up = preview.up_nodes()
    for name in dict.fromkeys((*cluster.groups, *policies)):
        before = cluster.groups.get(name)
        held = before.secondary_holders() if before is not None else ()
        item, policy = items.get(name, PlanItem(name, (), (), False)), policies.get(name)
        primary = item.acquire or tuple(
            node
            for node, state in sorted(before.states.items() if before is not None else ())
            if state in placement.HELD and node not in item.release
        )
        site = before.site if before is not None else ""
        goal = 0
        if policy is not None and not (before is not None and before.secondary_offline):
            goal = place_secondary(policy, primary, site, held, up, ())
        release = tuple(node for node in held if node != goal and node in up)
        acquire = (goal,) if goal and goal not in held else ()
        if release or acquire:
            items[name] = msgspec.structs.replace(item, release_secondary=release, acquire_secondary=acquire)
    return tuple(items.values())


def _moved(preview: ClusterState, name: str, outside: tuple[int, ...]) -> PlanItem:
    """The group's node list no longer has the nodes that hold it."""
    policy = next(policy for policy in preview.policies if policy.name == name)
    target = 0 if policy.concurrent else placement.next_place(policy, preview.situations()[name], outside[0])
    return PlanItem(name, outside, (target,) if target else (), not target)


def _started(preview: ClusterState, added: list[str]) -> list[PlanItem]:
    """New groups are placed as if all nodes that are up had just come, together; the other groups stay as they are."""
    situations = {
        name: situation if name in added else msgspec.structs.replace(situation, operator_offline=True)
        for name, situation in preview.situations().items()
    }
    decisions = placement.place(placement.Managed(), preview.policies, situations)
    return [PlanItem(entry.group, (), entry.acquire, False) for entry in decisions if entry.group in added]


def job_configuration(cluster: ClusterState, stage: Stage) -> Configuration:
    """The configuration that the jobs of a stage are made from: changed groups have only what goes, or what comes."""
    former = cluster.former or cluster.configuration
    new = cluster.pending or cluster.configuration
    here, there = (former, new) if stage is Stage.RELEASE else (new, former)
    changed = {item.group for item in cluster.plan if item.change}
    groups = tuple(
        msgspec.structs.replace(group, resources=_changed(here, group, there)) if group.name in changed else group
        for group in here.groups
    )
    return msgspec.structs.replace(here, groups=groups)


def with_work(configuration: Configuration, groups: tuple[str, ...], partial: frozenset[str]) -> tuple[str, ...]:
    """The groups of a stage without those that are only changed and have nothing to lose, or to gain, in it."""
    empty = {group.name for group in configuration.groups if not group.resources}
    return tuple(name for name in groups if name not in partial & empty)


def is_due(event: Event, step: tuple[str, ...]) -> bool:
    """Does the new configuration count from this step of the recovery program (names of scripts) on?"""
    return event.name in events.RECONFIGURATIONS and bool(
        {"reconfig_topology_start", "reconfig_resource_acquire", "reconfig_resource_acquire_fence"} & set(step)
    )


def _changed(here: Configuration, group: ResourceGroup, there: Configuration) -> tuple[tuple[str, str], ...]:
    """The resources of a group that it does not have in another configuration, or has for another site."""

    def placed(configuration: Configuration, pair: tuple[str, str]) -> tuple[str, ...]:
        site = configuration.site_of_label(pair[1]) if pair[0] == "SERVICE_LABEL" else ""
        return (*pair, site)

    other = there.group(group.name)
    known = {placed(there, pair) for pair in other.resources} if other is not None else set()
    return tuple(pair for pair in group.resources if placed(here, pair) not in known)


def _labels(configuration: Configuration, service: bool) -> set[object]:
    return {label for label in configuration.labels if (label.function == "service") == service}
