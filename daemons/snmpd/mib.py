"""RISC6000CLSMUXPD-MIB: the cluster manager's picture as instances of the subtree 1.3.6.1.4.1.2.3.1.2.1.5.

Arcs and enumerations are those that published dumps and monitoring plug-ins use; the arcs of a few columns (addrRole,
netODMid, resGroupPolicy and its neighbours, the policies of groups, the clstrmgr, clsmuxpd and event groups) are
inferred from their position. The groups cllockd (there is no lock manager since HACMP 5) and application (what
cl_registerwithclsmuxpd filled, which is gone since 5.3) have no rows; clinfo has none because the cluster manager does
not know who runs a clinfoES (inferred). ``/usr/es/sbin/cluster/hacmp.defs`` and ``hacmp.my`` name all objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from daemons.clstrmgr.messages import ClusterSnapshot, EventRecord, GroupNodeView
from daemons.snmpd.values import MibTree, Oid, Value, address, integer, string

CLSMUXPD: Oid = (1, 3, 6, 1, 4, 1, 2, 3, 1, 2, 1, 5)
"""risc6000clsmuxpd."""

CLUSTER_STATE = {"up": 2, "down": 4, "unknown": 8, "notconfigured": 256}
CLUSTER_SUBSTATE = {
    "unstable": 16,
    "stable": 32,
    "error": 64,
    "unknown": 8,
    "reconfig": 128,
    "notconfigured": 256,
    "notsynced": 512,
}
NODE_STATE = {"up": 2, "down": 4, "joining": 32, "leaving": 64, "unmanaged": 2, "unknown": 8}
NETWORK_ATTRIBUTE = {"private": 1, "public": 2, "serial": 4}
ADDRESS_ROLE = {"boot": 64, "service": 16, "persistent": 8}
CLSTRMGR_STATUS = {"up": 2, "down": 4, "joining": 2, "leaving": 32, "unmanaged": 64, "unknown": 8}
GROUP_STATE = {
    "ONLINE": 2,
    "OFFLINE": 4,
    "UNKNOWN": 8,
    "ACQUIRING": 16,
    "RELEASING": 32,
    "ERROR": 64,
    "TEMPORARY ERROR": 64,
    "UNMANAGED": 524288,
    "ONLINE SECONDARY": 256,
    "OFFLINE SECONDARY": 4,
    "ACQUIRING SECONDARY": 1024,
    "RELEASING SECONDARY": 4096,
    "ERROR SECONDARY": 16384,
    "UNMANAGED SECONDARY": 1048576,
}
GROUP_OFFLINE_REASON = {"fallover": 65536, "parent offline": 131072, "lack of node": 262144}
"""Of a group that is OFFLINE, by the cluster manager's word for why it is."""
RESOURCE_TYPE = {
    "SERVICE_LABEL": 1000,
    "FILESYSTEM": 1002,
    "VOLUME_GROUP": 1003,
    "DISK": 1004,
    "APPLICATIONS": 1006,
    "CONCURRENT_VOLUME_GROUP": 1007,
    "COMMUNICATION_LINKS": 1008,
}
GROUP_POLICY_CUSTOM = 5
NETWORK_FAMILY_IPV4 = 1
STARTUP_POLICY = {"OHN": 1, "OFAN": 2, "OAAN": 3, "OUDP": 4}
FALLOVER_POLICY = {"FNPN": 1, "FUDNP": 2, "BO": 3}
FALLBACK_POLICY = {"FBHPN": 1, "NFB": 2}
SITE_POLICY = {"ignore": 1, "primary": 2, "either": 3, "both": 4}
"""Numbers of the group policies: inferred, no published dump has them."""
NEW_PRIMARY, CLUSTER_UNSTABLE, CLUSTER_STABLE = 12, 13, 14
EVENT_IDS = {
    "TE_SWAP_ADAPTER": (0, 1),
    "TE_JOIN_NETWORK": (2, 4),
    "TE_FAIL_NETWORK": (3, 5),
    "TE_JOIN_NODE": (6, 8),
    "TE_FAIL_NODE": (7, 9),
    "TE_ERROR": (19, 19),
    "TE_CONFIG_TOO_LONG": (17, 17),
    "TE_UNSTABLE_TOO_LONG": (18, 18),
    "TE_JOIN_INTERFACE": (28, 28),
    "TE_FAIL_INTERFACE": (29, 29),
    "TE_JOIN_STANDBY": (10, 10),
    "TE_FAIL_STANDBY": (11, 11),
    "TE_DARE_TOPOLOGY": (21, 22),
    "TE_DARE_RESOURCE": (23, 26),
    "TE_DARE_CONFIGURATION": (15, 16),
    "TE_RG_ONLINE": (27, 27),
    "TE_RG_OFFLINE": (27, 27),
    "TE_RG_MOVE": (34, 34),
    "TE_SERVER_RESTART": (35, 36),
    "TE_SERVER_DOWN": (37, 38),
}
"""eventId at the start and at the end of an engine event (inferred numbering)."""


def group_state(place: GroupNodeView) -> int:
    """resGroupNodeState of a group on a node."""
    known = GROUP_STATE[place.state]
    return GROUP_OFFLINE_REASON.get(place.reason, known) if place.state == "OFFLINE" else known


def event_id(record: EventRecord) -> int | None:
    """The eventId of a record, or None for an event that the MIB does not know."""
    ids = EVENT_IDS.get(record.name if record.name.startswith("TE_") else "TE_" + record.name.upper())
    if record.phase == "error":
        return EVENT_IDS["TE_ERROR"][0]
    return None if ids is None else ids[record.phase == "complete"]


class EventRow(NamedTuple):
    """A row of eventTable. ``place`` is its index, ``number`` its eventId, ``time`` in seconds since the epoch."""

    place: int
    number: int
    node: int
    node_name: str
    network_id: int
    time: int


def subtree(
    snapshot: ClusterSnapshot,
    events: Sequence[EventRow] = (),
    gmt_offset: int = 0,
    old_holders: Mapping[str, int] | None = None,
) -> MibTree:
    """All instances below risc6000clsmuxpd.

    Args:
        snapshot: what clstrmgrES says.
        events: the last events, oldest first (eventTable).
        gmt_offset: seconds west of GMT.
        old_holders: the node that had an address before its present holder, by address.
    """
    return MibTree(
        (CLSMUXPD + suffix, value)
        for group in (
            _cluster(snapshot, gmt_offset),
            _nodes(snapshot),
            _addresses(snapshot, old_holders or {}),
            _networks(snapshot),
            _cluster_managers(snapshot),
            _events(events),
            _groups(snapshot),
        )
        for suffix, value in group
    )


def _table(prefix: Oid, rows: Iterable[tuple[Oid, Sequence[Value]]]) -> Iterator[tuple[Oid, Value]]:
    for index, columns in rows:
        for column, value in enumerate(columns, 1):
            yield (*prefix, 1, column, *index), value


def _cluster(s: ClusterSnapshot, gmt_offset: int) -> Iterator[tuple[Oid, Value]]:
    names = {node.number: node.name for node in s.nodes}
    scalars = (
        integer(s.cluster_id),
        string(s.cluster_name),
        string(""),
        integer(CLUSTER_STATE[s.cluster_state]),
        integer(s.primary),
        integer(s.last_change),
        integer(gmt_offset),
        integer(CLUSTER_SUBSTATE[s.substate]),
        string(s.local_name),
        string(names.get(s.primary, "")),
        integer(len(s.nodes)),
        integer(s.local_node),
        integer(s.sites),
    )
    for arc, value in enumerate(scalars, 1):
        yield (1, arc, 0), value


def _nodes(s: ClusterSnapshot) -> Iterator[tuple[Oid, Value]]:
    return _table(
        (2, 1),
        (
            ((n.number,), (integer(n.number), integer(NODE_STATE[n.state]), integer(n.interfaces), string(n.name)))
            for n in s.nodes
        ),
    )


def _addresses(s: ClusterSnapshot, old_holders: Mapping[str, int]) -> Iterator[tuple[Oid, Value]]:
    return _table(
        (3, 1),
        (
            (
                (a.node, *map(int, a.address.split("."))),
                (
                    integer(a.node),
                    address(a.address),
                    string(a.label),
                    integer(ADDRESS_ROLE[a.role]),
                    integer(a.network_id),
                    integer(NODE_STATE[a.state]),
                    integer(a.active_node),
                    integer(old_holders.get(a.address, 0)),
                ),
            )
            for a in s.addresses
        ),
    )


def _networks(s: ClusterSnapshot) -> Iterator[tuple[Oid, Value]]:
    return _table(
        (4, 1),
        (
            (
                (n.node, n.network_id),
                (
                    integer(n.node),
                    integer(n.network_id),
                    string(n.name),
                    integer(NETWORK_ATTRIBUTE.get(n.attribute, 2)),
                    integer(NODE_STATE[n.state]),
                    integer(n.network_id),
                    string(n.network_type),
                    integer(NETWORK_FAMILY_IPV4),
                ),
            )
            for n in s.networks
        ),
    )


def _cluster_managers(s: ClusterSnapshot) -> Iterator[tuple[Oid, Value]]:
    return _table(
        (5, 1),
        (((n.number,), (integer(n.number), string("7.2.7"), integer(CLSTRMGR_STATUS[n.state]))) for n in s.nodes),
    )


def _events(events: Sequence[EventRow]) -> Iterator[tuple[Oid, Value]]:
    yield (10, 1, 0), integer(events[-1].place if events else 0)
    yield from _table(
        (10, 2),
        (
            (
                (row.place,),
                (
                    integer(row.number),
                    integer(row.node),
                    integer(row.network_id),
                    integer(row.time),
                    integer(row.place),
                    string(row.node_name),
                ),
            )
            for row in events
        ),
    )


CLSMUXPD_VERSION = "7.2.7"


def agent_counters(gets: int, nexts: int, sets: int, trapped: int, errors: int) -> list[tuple[Oid, Value]]:
    """The clsmuxpd group: what managers asked for below risc6000clsmuxpd, and the traps sent."""
    counts = (gets, nexts, sets, trapped, errors)
    values = [*(Value("counter", count % (1 << 32)) for count in counts), string(CLSMUXPD_VERSION)]
    return [((*CLSMUXPD, 9, arc, 0), value) for arc, value in enumerate(values, 1)]


def _groups(s: ClusterSnapshot) -> Iterator[tuple[Oid, Value]]:
    # Plug-ins expect group ids from 1 without holes, whatever numbers the cluster manager uses.
    numbered = list(enumerate(s.groups, 1))
    yield from _table(
        (11, 1),
        (
            (
                (number,),
                (
                    integer(number),
                    string(g.name),
                    integer(GROUP_POLICY_CUSTOM),
                    string(""),
                    integer(len(g.resources)),
                    integer(len(g.nodes)),
                    integer(STARTUP_POLICY.get(g.startup, 0)),
                    integer(FALLOVER_POLICY.get(g.fallover, 0)),
                    integer(FALLBACK_POLICY.get(g.fallback, 0)),
                    integer(SITE_POLICY.get(g.site_policy, 0)),
                ),
            )
            for number, g in numbered
        ),
    )
    yield from _table(
        (11, 2),
        (
            (
                (number, place),
                (integer(number), integer(place), string(r.name), integer(RESOURCE_TYPE.get(r.kind, 0))),
            )
            for number, g in numbered
            for place, r in enumerate(g.resources, 1)
        ),
    )
    yield from _table(
        (11, 3),
        (
            (
                (number, n.node),
                (
                    integer(number),
                    integer(n.node),
                    integer(group_state(n)),
                ),
            )
            for number, g in numbered
            for n in sorted(g.nodes, key=lambda n: n.node)
        ),
    )
