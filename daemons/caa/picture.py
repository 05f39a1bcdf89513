"""What CAA's core and shell know, as clients see it."""

from __future__ import annotations

from collections import Counter

from daemons.caa.inputs import Announce
from daemons.caa.messages import DISK_PATH, Membership, PathState, Statistics
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
        *policy,
    )


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
