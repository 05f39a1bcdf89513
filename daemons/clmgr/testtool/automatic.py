"""The automated test procedure: a plan made from the configuration, in the product's order. Pure.

General topology, resource groups that are online on one node, those that are online on all, networks, volume groups,
and last a catastrophic failure. Where the product draws a node by lot, the first one that fits is taken, so that a run
can be repeated. A test of which nothing can be known here is left out: applications without a monitor, networks where
there is but one.
"""

from __future__ import annotations

from daemons.cluster.configuration import Configuration, ResourceGroup


def topology(c: Configuration) -> list[str]:
    """Every node is stopped in another way and started again."""
    names = [node.name for node in c.nodes]
    first, second, third = names[0], names[1 % len(names)], names[2 % len(names)]
    return [
        "NODE_UP, ALL, Start cluster services on all available nodes",
        f"NODE_DOWN_GRACEFUL, {first}, Stop cluster services gracefully on a node",
        f"NODE_UP, {first}, Restart cluster services on the node that was stopped",
        f"NODE_DOWN_TAKEOVER, {second}, Stop cluster services with takeover on a node",
        f"NODE_UP, {second}, Restart cluster services on the node that was stopped",
        f"NODE_DOWN_FORCED, {third}, Stop cluster services forced on a node",
        f"NODE_UP, {third}, Restart cluster services on the node that was stopped",
    ]


def resource_groups(c: Configuration) -> list[str]:
    """Each group goes offline and online, moves, and loses its applications."""
    lines = []
    for group in (*(g for g in c.groups if not g.concurrent), *(g for g in c.groups if g.concurrent)):
        if not group.concurrent:
            lines += [
                f"RG_OFFLINE, {group.name}, ALL, Bring a resource group offline",
                f"RG_ONLINE, {group.name}, {group.nodes[0]}, Bring a resource group online",
                *_selective_fallover(c, group),
                *(
                    [f"RG_MOVE, {group.name}, ANY, Move a resource group to another node"]
                    if len(group.nodes) > 1
                    else []
                ),
            ]
        for application in group.resource("APPLICATIONS"):
            controller = c.controller(application)
            if controller is not None and c.monitors_of(application):
                lines.append(f"SERVER_DOWN, ANY, {application}, {controller.stop}, Recover from application failure")
    return lines


def networks(c: Configuration) -> list[str]:
    """Each network goes down on all nodes and comes up again, where there is another one."""
    if len(c.networks) < 2:
        return []
    return [
        line
        for network in c.networks
        for line in (
            f"NETWORK_DOWN_GLOBAL, {network.name}, Bring a network down",
            f"NETWORK_UP_GLOBAL, {network.name}, Bring the network up again",
        )
    ]


def volume_groups(c: Configuration) -> list[str]:
    """Each volume group loses its quorum where it is online."""
    return [
        f"VG_DOWN, {name}, ANY, Bring down a volume group"
        for group in c.groups
        if not group.concurrent and _falls_over(group)
        for name in group.resource("VOLUME_GROUP")
    ]


def catastrophe(c: Configuration, own: str) -> list[str]:
    """The cluster manager of a node is killed: not of the one where the tool runs, which would end with it."""
    other = next((node.name for node in c.nodes if node.name != own), "")
    return [f"CLSTRMGR_KILL, {other}, Kill the cluster manager on a node"] if other else []


def whole(c: Configuration, own: str) -> str:
    """The whole procedure, as a plan; ``own`` is the node where the tool runs."""
    return "\n".join([*topology(c), *resource_groups(c), *networks(c), *volume_groups(c), *catastrophe(c, own)])


def _selective_fallover(c: Configuration, group: ResourceGroup) -> list[str]:
    """The network of a service label goes down on the node where the group has just been brought online."""
    label = next((found for name in group.resource("SERVICE_LABEL") if (found := c.label(name)) is not None), None)
    if label is None or len(c.networks) < 2 or not _falls_over(group):
        return []
    place = f"{group.nodes[0]}, {label.network}"
    return [
        f"NETWORK_DOWN_LOCAL, {place}, Selective fallover on local network down",
        f"NETWORK_UP_LOCAL, {place}, Recover previously failed network",
    ]


def _falls_over(group: ResourceGroup) -> bool:
    return len(group.nodes) > 1 and group.fallover != "BO"
