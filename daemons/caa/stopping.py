"""CAA is stopped on a node by hand, or the node leaves the CAA cluster: cluster services cannot be without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from daemons.caa import client
from daemons.caa.client import CaaError
from srcctl.node.root import NodeRoot

if TYPE_CHECKING:
    from daemons.clstrmgr.messages import ClusterSnapshot

CL_STATE = "/usr/es/sbin/cluster/utilities/cl_state"
"""What prints, on a node, the picture that its cluster manager has of the cluster."""
ANSWER_LIMIT = 10.0
"""Seconds (patience) for a node to say whether its cluster services are active."""
UNMANAGED = (
    "resource groups are unmanaged on this node, and its cluster manager, which knows of them, needs CAA: "
    "start cluster services first."
)

REFUSED = 2
"""Exit code of ``clusterconf -s`` for a ``Refused``."""


class Refused(CaaError):
    """Cluster services stand in the way, and CAA goes on."""


def stop(root: NodeRoot) -> None:
    """Stop CAA on this node, and cluster services before it; it stays stopped over a reboot.

    From AIX 7.2 on ``clctrl -stop`` stops PowerHA, too (PowerHA V7.2 Redbook); that resource groups are brought offline
    then, as by a stop that names no other way, is inferred.

    Raises:
        Refused: cluster services do not stop.
        CaaError: the node is no member, or CAA cannot be asked.
    """
    from daemons.clstrmgr import client as manager

    try:
        picture = manager.query_state(root)
    except manager.ManagerUnreachable:
        picture = None  # it does not run; one that hangs goes down with the node (README, what each death means)
    if picture is not None and picture.state == "ST_JOINING":
        raise Refused("cluster services are being started on this node.")
    if picture is not None and picture.members:
        if not picture.services:
            raise Refused(UNMANAGED)
        try:
            manager.stop_services("offline", "clctrl", root=root)
        except (manager.Refused, manager.ManagerUnreachable) as error:
            raise Refused(f"cluster services were not stopped on this node: {error}") from None
    client.leave(root)


def refuse_where_active(root: NodeRoot, nodes: Iterable[str]) -> None:
    """Check that none of the nodes, which are to leave the CAA cluster, takes part in the cluster of PowerHA.

    A node would halt: its cluster manager loses Group Services with the membership. That rmcluster and chcluster refuse
    is inferred from the RSCT commands that do the same under CAA: of rmrpdomain a subsystem that is busy rejects the
    removal unless ``-f`` is given, and rmrpnode wants the node to be offline (manual pages). A node that cannot be
    asked is none of those: whoever removes it finds out more.

    Raises:
        Refused: one does; nothing was changed.
    """
    for name in nodes:
        picture = _picture(root, name)
        if picture is None or not (picture.members or picture.state == "ST_JOINING"):
            continue
        if picture.members and not picture.services:
            raise Refused(f"resource groups are unmanaged on {name}: start cluster services there and stop them first.")
        raise Refused(f"cluster services are active on {name}: stop them first.")


def _picture(root: NodeRoot, node: str) -> ClusterSnapshot | None:
    from daemons.clstrmgr import client as manager

    if node == root.identity.node:
        try:
            return manager.query_state(root)
        except manager.ManagerUnreachable:
            return None
    import msgspec

    from daemons.clcomd import client as clcomd
    from daemons.clstrmgr.messages import ClusterSnapshot

    try:
        answer = clcomd.run(root, node, [CL_STATE], limit=ANSWER_LIMIT)
        return msgspec.json.decode(answer.out, type=ClusterSnapshot) if answer.status == 0 else None
    except (clcomd.ClcomdError, TimeoutError, msgspec.DecodeError):
        return None
