"""Invariant 6: after the faults have stopped there is one view; groups are online or in an error state."""

from __future__ import annotations

from daemons.sim.cluster import Cluster
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess
from daemons.sim.node import SimulatedNode


def unrecovered(cluster: Cluster) -> str:
    """What is not well a while after the last fault; empty if all is."""
    newest, nodes = cluster.newest, [node for node in cluster.nodes.values() if cluster.has(node)]
    if cluster.without_configuration:
        return f"{' '.join(cluster.without_configuration)}: members of CAA that the configuration does not have"
    for node in cluster.nodes.values():
        if node not in nodes and (text := _not_out(node)):
            return text
    for node in nodes:
        states = node.states
        if states is None or states.repository.definition != newest.definition or states.repository.name != newest.disk:
            return f"CAA of {node.name} does not use the newest definition of the cluster"
    views = set()
    for node in nodes:
        daemon = node.process("cthags")
        if not isinstance(daemon, GroupServicesProcess):
            return f"{node.name} has no Group Services"
        status = daemon.core.status()
        if not status.established:
            return f"{node.name} has no view: {daemon.core.describe()}"
        views.add((status.view, status.leader, status.members))
    if len(views) != 1:
        return f"the nodes have different views: {sorted(views)}"
    for node in nodes:
        manager = node.process("clstrmgrES")
        if not isinstance(manager, ManagerProcess):
            return f"{node.name} has no cluster manager"
        if manager.core.state != "ST_STABLE" or not manager.core.services:
            return f"the cluster manager of {node.name} is {manager.core.state}"
        if manager.core.configuration != cluster.configuration:
            return f"{node.name} does not act on the committed configuration"
        if node.store.generation != cluster.generation or node.store.load() != cluster.configuration:
            return f"{node.name} does not have generation {cluster.generation} installed"
    return _unplaced(cluster) or _unfinished(cluster)


def _not_out(node: SimulatedNode) -> str:
    """What is left of the cluster on a node that is in none."""
    states, manager, holdings = node.states, node.process("clstrmgrES"), node.cluster.holdings
    if states is None or states.active or node.device.member:
        return f"{node.name} was removed, and CAA is active or to be active there"
    if node.process("cthags") is not None:
        return f"{node.name} was removed, and has Group Services"
    if node.store.load() is not None or node.store.lock is not None:
        return f"{node.name} was removed, and has a configuration or a lock of the cluster"
    if not isinstance(manager, ManagerProcess) or manager.core.state != "NOT_CONFIGURED":
        return f"{node.name} was removed, and its cluster manager knows a cluster"
    held = [group for group in holdings.groups() if node.number in holdings.holders(group)]
    return f"{node.name} was removed, and holds {' '.join(held)}" if held else ""


def _unfinished(cluster: Cluster) -> str:
    """The groups of Group Services are the same everywhere, and idle."""
    pictures = [
        daemon.core.describe()["groups"]
        for node in cluster.nodes.values()
        if isinstance(daemon := node.process("cthags"), GroupServicesProcess)
    ]
    if any(picture != pictures[0] for picture in pictures):
        return f"Group Services of the nodes know different groups: {pictures}"
    first = pictures[0]
    assert isinstance(first, dict)
    busy = [name for name, group in first.items() if group["protocol"] or group["failed"] or group["silent"]]
    return f"protocols of {' '.join(busy)} do not end: {first}" if busy else ""


def _unplaced(cluster: Cluster) -> str:
    for group in cluster.configuration.groups:
        states = {
            node.number: manager.core.cluster.groups[group.name].states
            for node in cluster.nodes.values()
            if isinstance(manager := node.process("clstrmgrES"), ManagerProcess) and manager.core.cluster is not None
        }
        first = next(iter(states.values()))
        if any(other != first for other in states.values()):
            return f"the cluster managers disagree about {group.name}: {states}"
        online = cluster.holdings.online(group.name)
        believed = sorted(node for node, state in first.items() if state == "ONLINE")
        if online != believed and not any(state == "ERROR" for state in first.values()):
            return f"{group.name} is online on {online}, the cluster managers say {believed}"
    return _secondaries(cluster)


def _secondaries(cluster: Cluster) -> str:
    """A group with a site policy that is online has its secondary instance on one node of the other site."""
    managers = [
        manager.core.cluster
        for node in cluster.nodes.values()
        if isinstance(manager := node.process("clstrmgrES"), ManagerProcess) and manager.core.cluster is not None
    ]
    for policy in managers[0].policies:
        group = managers[0].groups[policy.name]
        if any(other.groups[policy.name].secondary != group.secondary for other in managers):
            return f"the cluster managers disagree about the secondary instance of {policy.name}"
        there = [node for node, state in group.secondary.items() if state == "ONLINE"]
        primary = [node for node, state in group.states.items() if state == "ONLINE"]
        if not policy.heeds_sites or not primary:
            continue
        sites = {policy.site(node) for node in primary}
        if any(policy.site(node) in sites for node in there):
            return f"{policy.name} is online on {primary}, and its secondary instance at the same site on {there}"
        free = [node for node in policy.nodes if policy.site(node) not in sites and node not in group.secondary]
        if len(there) > 1 or (free and not there):
            return f"{policy.name} is online on {primary}, and its secondary instance on {there}"
    return ""
