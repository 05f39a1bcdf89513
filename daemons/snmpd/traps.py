"""Which traps a change of the picture causes (specific numbers of RISC6000CLSMUXPD-MIB, inferred)."""

from __future__ import annotations

from typing import NamedTuple

from daemons.clstrmgr.messages import ClusterSnapshot, EventRecord
from daemons.snmpd.mib import CLSMUXPD, CLUSTER_STATE, CLUSTER_SUBSTATE, GROUP_STATE, NODE_STATE, event_id
from daemons.snmpd.values import Oid, Value, integer

CLUSTER_STATE_TRAP, CLUSTER_SUBSTATE_TRAP, NODE_STATE_TRAP, NETWORK_STATE_TRAP, GROUP_STATE_TRAP = 10, 11, 12, 13, 23
NEW_PRIMARY_TRAP = 15
EVENT_TRAP_BASE = 64


class Trap(NamedTuple):
    """One enterprise-specific trap."""

    specific: int
    values: tuple[tuple[Oid, Value], ...]


def of_change(old: ClusterSnapshot | None, new: ClusterSnapshot) -> list[Trap]:
    """The traps between two snapshots; none for the first one."""
    if old is None:
        return []
    identity = ((*CLSMUXPD, 1, 1, 0), integer(new.cluster_id)), ((*CLSMUXPD, 1, 12, 0), integer(new.local_node))
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
            found.append(Trap(NODE_STATE_TRAP, (row, *identity)))
    networks = {(n.node, n.network_id): n.state for n in old.networks}
    for network in new.networks:
        if networks.get((network.node, network.network_id), network.state) != network.state:
            index = network.node, network.network_id
            row = (*CLSMUXPD, 4, 1, 1, 5, *index), integer(NODE_STATE[network.state])
            found.append(Trap(NETWORK_STATE_TRAP, (row, *identity)))
    groups = {(g.name, n.node): n.state for g in old.groups for n in g.nodes}
    for number, group in enumerate(new.groups, 1):
        for place in group.nodes:
            if groups.get((group.name, place.node), place.state) != place.state:
                row = (*CLSMUXPD, 11, 3, 1, 3, number, place.node), integer(GROUP_STATE[place.state])
                found.append(Trap(GROUP_STATE_TRAP, (row, *identity)))
    return found


def of_event(record: EventRecord, cluster_id: int) -> Trap | None:
    """The trap of an event, or None if the MIB has no number for it."""
    number = event_id(record)
    if number is None:
        return None
    row = record.serial
    return Trap(
        EVENT_TRAP_BASE + number,
        (
            ((*CLSMUXPD, 10, 2, 1, 2, row), integer(record.node)),
            ((*CLSMUXPD, 10, 2, 1, 4, row), integer(record.time)),
            ((*CLSMUXPD, 1, 1, 0), integer(cluster_id)),
        ),
    )
