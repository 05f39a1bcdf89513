"""Why an operator's request about a group cannot be carried out, whichever of its instances it is about."""

from __future__ import annotations

from daemons.clstrmgr import messages
from daemons.clstrmgr.replicated import ClusterState
from daemons.cluster.placement import GroupPolicy


def node_refusal(cluster: ClusterState, policy: GroupPolicy, node: int) -> messages.Done | None:
    """Why a node can have no instance of a group at all."""
    name = cluster.node_names.get(node)
    if name is None:
        return messages.Done("unknown_node", f"There is no node with the id {node}.")
    if node not in policy.nodes:
        return messages.Done("not_eligible", f"Node {name} does not participate in group {policy.name}.")
    if cluster.nodes[node] != "up":
        return messages.Done("node_down", f"Cluster services are not active on node {name}.")
    return None
