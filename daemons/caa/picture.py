"""What CAA's core and shell know, as clients see it."""

from __future__ import annotations

from collections import Counter

import msgspec

from daemons.caa import tunables
from daemons.caa.inputs import Announce
from daemons.caa.messages import DISK_PATH, Membership, PathState, Statistics
from daemons.caa.repository import Definition
from daemons.caa.tiebreaker import UNRANKED, Policies
from daemons.runtime.datagrams import ELSEWHERE


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
        undecided=tuple(sorted(picture.undecided)),
    )
    return with_policies(membership, definition, node, policies)


def with_policies(membership: Membership, definition: Definition, node: str, policies: Policies) -> Membership:
    """A picture with what tunables and the cluster configuration say of splits, merges and sites."""
    waits = ["node_timeout", "node_down_delay"]
    if remote_nodes(definition, node, policies):
        waits.append("link_timeout")
    ranks = ((member.number, _priority(definition, member.name, policies)) for member in definition.nodes)
    values = dict(definition.tunables)
    return msgspec.structs.replace(
        membership,
        merge=merge_policy(values.get("local_merge_policy", ""), policies),
        site_merge=site_merge_policy(values.get("site_merge_policy", ""), policies),
        sites=definition.sites,
        multicast=definition.multicast,
        action=policies.action,
        detection=sum(tunables.seconds(definition.tunables, name) for name in waits),
        priorities=tuple((number, rank) for number, rank in ranks if rank != UNRANKED),
    )


def _priority(definition: Definition, node: str, policies: Policies) -> int:
    """The recovery priority of a node's site: the cluster configuration's, else the one that CAA was given."""
    site = definition.site_of(node)
    rank = policies.priority(node)
    return site.priority if rank == UNRANKED and site is not None and site.priority else rank


def merge_policy(tunable: str, policies: Policies) -> str:
    """What decides when two parts of a cluster meet, in clmgr's words and ``heuristic``.

    Args:
        tunable: local_merge_policy as it was set, "" if it never was: the cluster's merge policy decides then.
        policies: of the cluster configuration.

    The product sets the tunable at a synchronization, so that both agree; one that is set by hand is obeyed until the
    next one. Heuristic leaves the decision to whatever else there is (a tie breaker, an operator, priorities), and
    where nothing is, the part on which cluster services run stays (inferred).
    """
    match tunable:
        case "n":
            return "none"
        case "m":
            return "majority"
        case "h" if policies.merge in ("none", "majority"):
            return "heuristic"
    return policies.merge


def site_merge_policy(tunable: str, policies: Policies) -> str:
    """What decides when parts of different sites meet; "" if that is what decides between any parts.

    Arguments as of ``merge_policy``, ``tunable`` is site_merge_policy.
    """
    match tunable:
        case "p":
            return "priority"
        case "m":
            return "manual"
        case "h" if policies.merge in ("priority", "manual"):
            return "heuristic"
    return ""


def remote_nodes(definition: Definition, node: str, policies: Policies) -> frozenset[int]:
    """The numbers of the nodes at another site than the node of that name."""
    beyond = definition.beyond(node) if definition.sites else policies.beyond(node)
    return frozenset(member.number for member in definition.nodes if member.name in beyond)


def statistics_of(counts: Counter[str], drops: Counter[str]) -> Statistics:
    """Counters of the shell, and the packets that its endpoints dropped by cause."""
    bad = drops["not a sealed packet"] + drops["packet sealed with another key"]
    received = bad + sum(drops[cause] for cause in ("packet seen before", "cut", "backlog", ELSEWHERE))
    not_sent = drops.total() - received
    return Statistics(
        **counts,
        dropped=received,
        not_sent=not_sent,
        bad=bad,
        duplicate=drops["packet seen before"],
        not_for_here=drops[ELSEWHERE],
    )
