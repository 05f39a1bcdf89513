"""Node and network ids, given by synchronization."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from daemons.cluster.configuration import Cluster, Configuration, Network, Node


def assign_ids(configuration: Configuration, numbers: Mapping[str, int] | None = None) -> Configuration:
    """Node and network ids from the cluster's counters, in the order of definition.

    Ids that were given once stay; freed ones are not used again; what was edited by hand goes back to what it was.

    ``numbers`` are those that the nodes have in the CAA cluster, or get when they join it, None without one: a node's
    id is its number there, by which Group Services know it. A number may have been given in vain (a node could not
    join, a synchronization was killed), and a node that comes back has its own again.
    """
    cluster = configuration.cluster
    nodes, highest = [], cluster.highest_node_id
    known = _assigned(configuration.nodes, cluster.last_node_ids) if numbers is None else dict(numbers)
    for node in configuration.nodes:
        number = known.get(node.name, 0)
        if not number:
            highest += 1
            number = highest
        nodes.append(msgspec.structs.replace(node, id=number))
    networks, highest_network = [], cluster.highest_network_id
    known_networks = _assigned(configuration.networks, cluster.last_network_ids)
    for network in configuration.networks:
        number = known_networks.get(network.name, 0)
        if not number:
            highest_network += 1
            number = highest_network
        networks.append(msgspec.structs.replace(network, id=number))
    changed: Cluster = msgspec.structs.replace(
        cluster,
        last_node_ids=tuple(node.id for node in nodes),
        highest_node_id=max([highest, *(node.id for node in nodes)], default=0),
        last_network_ids=tuple(network.id for network in networks),
        highest_network_id=max([highest_network, *(network.id for network in networks)], default=0),
    )
    return msgspec.structs.replace(configuration, cluster=changed, nodes=tuple(nodes), networks=tuple(networks))


def _assigned(members: tuple[Node, ...] | tuple[Network, ...], ids: tuple[int, ...]) -> dict[str, int]:
    """Which member has which id: its own if the cluster gave it, else the one left over at its place."""
    found = {member.name: member.id for member in members if member.id in ids}
    left = [number for number in ids if number not in found.values()]
    edited = [member.name for member in members if member.name not in found and member.id]
    return {**found, **dict(zip(edited, left, strict=False))}
