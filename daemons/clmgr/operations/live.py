"""What clmgr learns from the running cluster: this node's cluster manager, and the others' through their clcomd."""

from __future__ import annotations

import msgspec

from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import ClusterSnapshot
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot

STATE_PROGRAM = "/usr/es/sbin/cluster/utilities/cl_state"


def cl_state(argv: list[str]) -> int:
    """``cl_state``: this node's picture of the cluster, for clmgr on another node."""
    try:
        picture = manager.query_state(NodeRoot.current())
    except manager.ManagerUnreachable as error:
        print(msgspec.json.encode({"error": str(error)}).decode())
        return 1
    print(msgspec.json.encode(picture).decode())
    return 0


def picture_of(root: NodeRoot, node: str) -> ClusterSnapshot | None:
    """A node's picture of the cluster, or None if its cluster manager cannot be asked."""
    try:
        return manager.query_state(root) if node == root.identity.node else _picture_from(root, node)
    except manager.ManagerUnreachable:
        return None


def _picture_from(root: NodeRoot, node: str) -> ClusterSnapshot | None:
    from daemons.clcomd import client as clcomd

    try:
        result = clcomd.run(root, node, [STATE_PROGRAM])
        return msgspec.json.decode(result.out, type=ClusterSnapshot) if result.status == 0 else None
    except (clcomd.ClcomdError, msgspec.DecodeError):
        return None


def pictures(
    root: NodeRoot, configuration: Configuration, everybody: bool = False
) -> dict[str, ClusterSnapshot | None]:
    """Every configured node's own picture, or one that says the same of it.

    The cluster managers of a stable cluster are replicas: what this one knows to be up is as stable as it is. The
    others are asked, all at the same time; with ``everybody`` all of them are.
    """
    own = root.identity.node
    names = [node.name for node in configuration.nodes]
    local = picture_of(root, own)
    found: dict[str, ClusterSnapshot | None] = dict.fromkeys(names)
    if own in found:
        found[own] = local
    if not everybody and local is not None and local.services and local.state == "ST_STABLE":
        found.update((node.name, local) for node in local.nodes if node.state == "up" and node.name in found)
    others = [name for name in names if name != own and found[name] is None]
    if not others:
        return found
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=len(others)) as pool:
        found.update(zip(others, pool.map(lambda name: picture_of(root, name), others), strict=True))
    return found


def best(views: dict[str, ClusterSnapshot | None], local: str) -> ClusterSnapshot | None:
    """The picture to believe: the local one if services are up here, else that of a node where they are."""
    candidates = [views.get(local), *(view for name, view in views.items() if name != local)]
    return next((view for view in candidates if view is not None and view.members), views.get(local))
