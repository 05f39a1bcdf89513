"""CAA is stopped on a node by hand: cluster services, which cannot be without it, stop before."""

from __future__ import annotations

from daemons.caa import client
from daemons.caa.client import CaaError
from srcctl.node.root import NodeRoot

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
