"""What CAA's core and shell know, as clients see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from daemons.caa import tunables
from daemons.caa.inputs import Announce
from daemons.caa.messages import DISK_PATH, Membership, Node, PathState, Statistics
from daemons.caa.repository import Definition


def membership_of(definition: Definition, node: str, picture: Announce, policy: tuple[str, str]) -> Membership:
    """The core's picture in the terms of a definition, for the node of that name; ``policy``: merge and action plan."""
    own = definition.node(node)
    assert own is not None
    local = dict(own.addresses)
    return Membership(
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
        *policy,
        sum(tunables.seconds(definition.tunables, name) for name in ("node_timeout", "node_down_delay")),
    )


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
