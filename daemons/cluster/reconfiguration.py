"""What a running cluster cannot take: changes that dynamic reconfiguration does not make. Pure.

Asked before a synchronization commits, so that it refuses what the cluster managers would refuse after it, and by the
cluster manager itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daemons.cluster.configuration import Configuration

UNMANAGED = "There are unmanaged resource groups: dynamic reconfiguration is not possible."


def objection(old: Configuration, new: Configuration, active: Mapping[str, int], states: Iterable[str]) -> str:
    """Why the change cannot be made while services are active, a sentence; "" if it can.

    Args:
        old: what the running cluster has.
        new: what it is to have.
        active: numbers of the nodes with active cluster services, by name.
        states: the states of the resource groups on all nodes.
    """
    if (old.cluster.id, old.cluster.name) != (new.cluster.id, new.cluster.name):
        return "The cluster's name cannot be changed while cluster services are active."
    if "UNMANAGED" in states:
        return UNMANAGED
    for name, number in active.items():
        after = new.node(name)
        if after is None or after.id != number:
            return f"Cluster services are active on node {name}: stop them before the node is removed."
        for label in old.labels:
            if label.function == "boot" and label.node == name and label not in new.labels:
                same = any(entry.node == name and entry.interface == label.interface for entry in new.labels)
                if same:
                    return f"The address of interface {label.interface} of node {name} is in use and cannot change."
    for network in new.networks:
        before = old.network(network.name)
        if before is not None and before.type != network.type:
            return f"The type of the network {network.name} cannot be changed while cluster services are active."
    return ""
