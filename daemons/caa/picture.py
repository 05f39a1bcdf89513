"""What CAA's core and shell know, as clients see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from daemons.caa import tunables
from daemons.caa.inputs import Announce
from daemons.caa.messages import DISK_PATH, Membership, Node, PathState, Statistics
from daemons.caa.repository import Definition
from daemons.caa.tiebreaker import UNRANKED, Policies


def membership_of(definition: Definition, node: str, picture: Announce, policies: Policies) -> Membership:
    """The core's picture in the terms of a definition, for the node of that name."""
    own = definition.node(node)
    assert own is not None
    local = dict(own.addresses)
    membership = Membership(
        picture.generation,
        own.number,
        tuple(sorted(picture.alive)),
        definition.nodes,
        tuple(
            PathState(node.number, network, local.get(network, ""), address, (node.number, network) in picture.paths)
            for node in definition.nodes
            if node.number != own.number
            for network, address in (*node.addresses, (DISK_PATH, ""))
        ),
        picture.repository_up,
        definition.name,
        definition.uuid,
        dict(picture.boots),
        tuple(sorted(picture.interfaces_down)),
        tuple(sorted(picture.repositories_down)),
        tuple(sorted(picture.stale)),
        tuple(sorted(picture.apart)),
    )
    return with_policies(membership, definition, node, policies)


def with_policies(membership: Membership, definition: Definition, node: str, policies: Policies) -> Membership:
    """A picture with what tunables and the cluster configuration say of splits, merges and sites."""
    waits = ["node_timeout", "node_down_delay"]
    if remote_nodes(definition, node, policies):
        waits.append("link_timeout")
    ranks = ((member.number, policies.priority(member.name)) for member in definition.nodes)
    return msgspec.structs.replace(
        membership,
        merge=policies.merge,
        action=policies.action,
        detection=sum(tunables.seconds(definition.tunables, name) for name in waits),
        priorities=tuple((number, rank) for number, rank in ranks if rank != UNRANKED),
    )


def remote_nodes(definition: Definition, node: str, policies: Policies) -> frozenset[int]:
    """The numbers of the nodes at another site than the node of that name."""
    beyond = policies.beyond(node)
    return frozenset(member.number for member in definition.nodes if member.name in beyond)


def multicast_group(nodes: Sequence[Node], network: str) -> str:
    """The multicast group of a network: 228 and the last three octets of the first node's address on it; every network
    has its own, because all addresses of a lab are on one interface of the host. "" if nobody is on it."""
    address = next((address for node in nodes for name, address in node.addresses if name == network), "")
    return "228." + address.partition(".")[2] if address else ""


def statistics_of(counts: Counter[str], drops: Counter[str]) -> Statistics:
    """Counters of the shell, and the packets that its endpoints dropped by cause."""
    bad = drops["not a sealed packet"] + drops["packet sealed with another key"]
    not_sent = drops.total() - bad - drops["packet seen before"] - drops["cut"] - drops["backlog"]
    return Statistics(
        **counts,
        dropped=drops.total() - not_sent,
        not_sent=not_sent,
        bad=bad,
        duplicate=drops["packet seen before"],
    )
