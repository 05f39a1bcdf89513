"""The end of a side that gives way: the action plan, which reboots the node at once and without clean-up.

Other nodes may acquire what this one holds as soon as it has given way, so nothing is run before: the plan's change of
/etc/inittab is one file that is replaced.
"""

from __future__ import annotations

from srcctl.node import control
from srcctl.node.inittab import Inittab, InittabError, parse_record
from srcctl.node.root import NodeRoot, replace_file

INITTAB, RC_CLUSTER = "/etc/inittab", "hacmp6000"
WITHOUT_GROUPS = (
    f"{RC_CLUSTER}:2:wait:/usr/es/sbin/cluster/etc/rc.cluster -boot -b -M >/dev/console 2>&1 # Bring up Cluster"
)
LPAR, LPAR_PATIENCE = "/dev/lpar", 1.0


def give_way(root: NodeRoot, action: str, reason: str) -> str:
    """Reboot the node; with the plans that disable something, after the change to its inittab.

    Args:
        root: the node's root.
        action: the action plan in clmgr's words.
        reason: what the next boot says about the end.

    Returns:
        Why the node could not be rebooted; the caller must end it some other way.
    """
    try:
        _change_inittab(root, action)
    except (OSError, InittabError):
        pass  # services that start again are a lesser evil than a node that goes on
    try:
        reply = control.exchange(root.path(LPAR), {"type": "reboot", "mode": "q", "reason": reason}, LPAR_PATIENCE)
    except control.LparUnreachable as error:
        return str(error)
    except control.LparSilent:
        return "lpar does not answer"
    return str(reply["error"])


def _change_inittab(root: NodeRoot, action: str) -> None:
    if action == "reboot":
        return
    path = root.path(INITTAB)
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        table = Inittab.parse(file.read())
    if table.find(RC_CLUSTER) is None:
        return  # cluster services do not start at boot
    if action == "disable_rgs_autostart":
        table = table.changed(parse_record(WITHOUT_GROUPS))
    else:
        table = table.removed(RC_CLUSTER)
    replace_file(path, table.text().encode("utf-8", "surrogateescape"))
