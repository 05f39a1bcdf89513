"""Which traps a change of the picture causes (specific numbers of RISC6000CLSMUXPD-MIB, inferred)."""

from __future__ import annotations

from typing import NamedTuple

from daemons.clstrmgr.messages import ClusterSnapshot, GroupView
from daemons.snmpd.mib import (
    CLSMUXPD,
    CLUSTER_STABLE,
    CLUSTER_STATE,
    CLUSTER_SUBSTATE,
    CLUSTER_UNSTABLE,
    NEW_PRIMARY,
    NODE_STATE,
    EventRow,
    group_state,
)
from daemons.snmpd.values import Oid, Value, integer, string

CLUSTER_STATE_TRAP, CLUSTER_SUBSTATE_TRAP, NODE_STATE_TRAP, NETWORK_STATE_TRAP, GROUP_STATE_TRAP = 10, 11, 12, 13, 23
NEW_PRIMARY_TRAP = 15
GROUP_ADDED_TRAP, GROUP_DELETED_TRAP, GROUP_CHANGED_TRAP = 20, 21, 22
EVENT_TRAP_BASE = 64


class Trap(NamedTuple):
    """One enterprise-specific trap."""

    specific: int
    values: tuple[tuple[Oid, Value], ...]


def of_change(old: ClusterSnapshot | None, new: ClusterSnapshot) -> list[Trap]:
    """The traps between two snapshots; none for the first one."""
    if old is None:
        return []
    cluster = (*CLSMUXPD, 1, 1, 0), integer(new.cluster_id)
    identity = cluster, ((*CLSMUXPD, 1, 12, 0), integer(new.local_node))
    found: list[Trap] = []
    if old.cluster_state != new.cluster_state:
        state = (*CLSMUXPD, 1, 4, 0), integer(CLUSTER_STATE[new.cluster_state])
        found.append(Trap(CLUSTER_STATE_TRAP, (state, *identity)))
    if old.substate != new.substate:
        substate = (*CLSMUXPD, 1, 8, 0), integer(CLUSTER_SUBSTATE[new.substate])
        found.append(Trap(CLUSTER_SUBSTATE_TRAP, (substate, *identity)))
    if old.primary != new.primary:
        found.append(Trap(NEW_PRIMARY_TRAP, (((*CLSMUXPD, 1, 5, 0), integer(new.primary)), *identity)))
    nodes = {node.number: node.state for node in old.nodes}
    for node in new.nodes:
        if nodes.get(node.number, node.state) != node.state:
            row = (*CLSMUXPD, 2, 1, 1, 2, node.number), integer(NODE_STATE[node.state])
            whose = (*CLSMUXPD, 2, 1, 1, 1, node.number), integer(node.number)
            found.append(Trap(NODE_STATE_TRAP, (row, cluster, whose)))
    networks = {(n.node, n.network_id): n.state for n in old.networks}
    for network in new.networks:
        if networks.get((network.node, network.network_id), network.state) != network.state:
            index = network.node, network.network_id
            row = (*CLSMUXPD, 4, 1, 1, 5, *index), integer(NODE_STATE[network.state])
            whose = (*CLSMUXPD, 4, 1, 1, 1, *index), integer(network.node)
            found.append(Trap(NETWORK_STATE_TRAP, (row, cluster, whose)))
    groups = {(g.name, n.node): group_state(n) for g in old.groups for n in g.nodes}
    known = {g.name: _definition(g) for g in old.groups}
    for number, group in enumerate(new.groups, 1):
        name = (*CLSMUXPD, 11, 1, 1, 2, number), string(group.name)
        if group.name not in known:
            found.append(Trap(GROUP_ADDED_TRAP, (name, *identity)))
        elif known[group.name] != _definition(group):
            found.append(Trap(GROUP_CHANGED_TRAP, (name, *identity)))
        for place in group.nodes:
            now = group_state(place)
            if groups.get((group.name, place.node), now) != now:
                row = (*CLSMUXPD, 11, 3, 1, 3, number, place.node), integer(now)
                found.append(Trap(GROUP_STATE_TRAP, (row, *identity)))
    for number, group in enumerate(old.groups, 1):
        if group.name not in {g.name for g in new.groups}:
            name = (*CLSMUXPD, 11, 1, 1, 2, number), string(group.name)
            found.append(Trap(GROUP_DELETED_TRAP, (name, *identity)))
    return found


def _definition(group: GroupView) -> tuple[object, ...]:
    """What a reconfiguration changes of a group, as the MIB shows it."""
    resources = tuple((resource.kind, resource.name) for resource in group.resources)
    nodes = frozenset(place.node for place in group.nodes)
    return group.startup, group.fallover, group.fallback, group.site_policy, resources, nodes


def event_numbers(old: ClusterSnapshot | None, new: ClusterSnapshot) -> list[int]:
    """The eventIds of what is no engine event but a change of the picture: a new primary, (un)stable."""
    if old is None:
        return []
    numbers = [NEW_PRIMARY] if old.primary != new.primary else []
    if old.substate != new.substate and new.substate in ("stable", "unstable"):
        numbers.append(CLUSTER_STABLE if new.substate == "stable" else CLUSTER_UNSTABLE)
    return numbers


def of_event(row: EventRow, cluster_id: int) -> Trap:
    """The trap of an event: its variables are those of its row in eventTable."""
    return Trap(
        EVENT_TRAP_BASE + row.number,
        (
            ((*CLSMUXPD, 10, 2, 1, 2, row.place), integer(row.node)),
            ((*CLSMUXPD, 10, 2, 1, 3, row.place), integer(row.network_id)),
            ((*CLSMUXPD, 10, 2, 1, 4, row.place), integer(row.time)),
            ((*CLSMUXPD, 10, 2, 1, 5, row.place), integer(row.place)),
            ((*CLSMUXPD, 1, 1, 0), integer(cluster_id)),
        ),
    )
