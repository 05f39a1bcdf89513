"""Invariant 6: after the faults have stopped there is one view; groups are online or in an error state."""

from __future__ import annotations

from daemons.sim.cluster import Cluster
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess


def unrecovered(cluster: Cluster) -> str:
    """What is not well a while after the last fault; empty if all is."""
    views = set()
    for node in cluster.nodes.values():
        daemon = node.process("cthags")
        if not isinstance(daemon, GroupServicesProcess):
            return f"{node.name} has no Group Services"
        status = daemon.core.status()
        if not status.established:
            return f"{node.name} has no view: {daemon.core.describe()}"
        views.add((status.view, status.leader, status.members))
    if len(views) != 1:
        return f"the nodes have different views: {sorted(views)}"
    for node in cluster.nodes.values():
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
    return ""
