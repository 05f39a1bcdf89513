"""From the instances of RISC6000CLSMUXPD-MIB to the structures of the Clinfo library, and what changed between two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from daemons.clinfo.messages import ClusterInfo, GroupInfo, GroupOnNode, InterfaceInfo, NetworkInfo, NodeInfo
from daemons.snmpd.mib import CLSMUXPD, CLUSTER_STATE, CLUSTER_SUBSTATE
from daemons.snmpd.values import Oid, Value

_NODE_WORDS = {2: "UP", 4: "DOWN", 32: "JOINING", 64: "LEAVING"}
_ADDRESS_WORDS = {2: "UP", 4: "DOWN"}


def picture(instances: Iterable[tuple[Oid, Value]]) -> ClusterInfo | None:
    """The cluster in a walk of the subtree, or None if the agent has no cluster manager behind it.

    A table row that is not complete is left out: the agent may have changed its tables during the walk.
    """
    scalars: dict[int, Value] = {}
    tables: dict[tuple[int, int], dict[Oid, dict[int, Value]]] = defaultdict(lambda: defaultdict(dict))
    depth = len(CLSMUXPD)
    for oid, value in instances:
        suffix = oid[depth:]
        if len(suffix) == 3 and suffix[0] == 1:
            scalars[suffix[1]] = value
        elif len(suffix) > 4:
            group, table, _, column, *index = suffix
            tables[group, table][tuple(index)][column] = value
    if 1 not in scalars or 4 not in scalars:
        return None
    groups = {index[0]: str(row[2].data) for index, row in tables[11, 1].items() if 2 in row}
    return ClusterInfo(
        cluster_id=_number(scalars[1]),
        name=_text(scalars.get(2)),
        state=_word(CLUSTER_STATE, scalars[4]),
        substate=_word(CLUSTER_SUBSTATE, scalars.get(8)),
        primary=_text(scalars.get(10)),
        nodes=tuple(
            NodeInfo(
                node_id=index[0],
                name=_text(row[4]),
                state=_NODE_WORDS.get(_number(row[2]), "UNKNOWN"),
                interfaces=tuple(
                    InterfaceInfo(
                        label=_text(a[3]),
                        address=_text(a[2]),
                        network_id=_number(a[5]),
                        state=_ADDRESS_WORDS.get(_number(a[6]), "UNKNOWN"),
                    )
                    for a_index, a in sorted(tables[3, 1].items())
                    # A service address has a row for every node that can hold it and belongs to its present holder.
                    if a_index[0] == index[0] and {2, 3, 5, 6, 7} <= a.keys() and _number(a[7]) == index[0]
                ),
                groups=tuple(
                    GroupOnNode(groups[g_index[0]], _number(g[3]))
                    for g_index, g in sorted(tables[11, 3].items())
                    if len(g_index) == 2 and g_index[1] == index[0] and 3 in g and g_index[0] in groups
                ),
                networks=tuple(
                    NetworkInfo(n_index[1], _text(n[3]), _NODE_WORDS.get(_number(n[5]), "UNKNOWN"))
                    for n_index, n in sorted(tables[4, 1].items())
                    if len(n_index) == 2 and n_index[0] == index[0] and {3, 5} <= n.keys()
                ),
            )
            for index, row in sorted(tables[2, 1].items())
            if {2, 4} <= row.keys()
        ),
        groups=tuple(
            GroupInfo(_text(row[2]), *(_number(row[column]) for column in (7, 8, 9, 10) if column in row))
            for _, row in sorted(tables[11, 1].items())
            if {2, 7, 8, 9} <= row.keys()
        ),
    )


def topology_changes(old: ClusterInfo | None, new: ClusterInfo | None) -> list[tuple[str, str]]:
    """The calls of clinfo.rc between two pictures: ``(join | fail | swap, interface label)``.

    An address that moved to another node is a swap; one that came up is a join; one that went down is a fail.
    """
    if new is None:
        return []
    before, after = _holders(old), _holders(new)
    changes = []
    for label, (node, state) in after.items():
        held = before.get(label)
        if held is not None and held[0] != node and state == "UP":
            changes.append(("swap", label))
        elif state == "UP" and (held is None or held[1] != "UP"):
            changes.append(("join", label))
        elif state != "UP" and held is not None and held[1] == "UP":
            changes.append(("fail", label))
    changes += [("fail", label) for label, (_, state) in before.items() if label not in after and state == "UP"]
    return changes


def _holders(cluster: ClusterInfo | None) -> dict[str, tuple[int, str]]:
    if cluster is None:
        return {}
    return {i.label: (node.node_id, i.state) for node in cluster.nodes for i in node.interfaces}


def _number(value: Value) -> int:
    return value.data if isinstance(value.data, int) else 0


def _text(value: Value | None) -> str:
    return "" if value is None else str(value.data)


def _word(enumeration: dict[str, int], value: Value | None) -> str:
    number = None if value is None else value.data
    return next((word.upper() for word, code in enumeration.items() if code == number), "UNKNOWN")
