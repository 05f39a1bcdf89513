"""What CAA is told of the configuration: its tunables, the sites, and the multicast groups."""

from __future__ import annotations

from daemons.caa import client as caa
from daemons.caa import formation, multicast, sites
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.settings import site_key
from daemons.clmgr.synchronization.configured_tunables import configured_tunables
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot


def tune(root: NodeRoot, c: Configuration, new: bool = False) -> None:
    """Tell CAA the sites and multicast groups, and set the tunables that the configuration has otherwise than CAA:
    those that were given before it had a cluster, and those that follow from policies.

    A ``new`` cluster is told the mode of its heartbeats in any case, as published transcripts show (the product's CAA
    has another default than its cluster manager).

    Raises:
        ClmgrError: CAA refuses.
    """
    try:
        status = caa.status(root)
        present = dict(status.tunables)
        if status.membership is None:
            return
    except caa.CaaError:
        return
    try:
        formation.change_definition(root, sites.assigned({site.name: site.nodes for site in c.sites}))
    except caa.CaaError as error:
        raise ClmgrError(f"CAA does not know the sites: {error}") from None
    try:
        groups = {site.name: c.setting(site_key(site.name, "SITE_IP")) for site in c.sites}
        formation.change_definition(root, multicast.assigned(c.multicast_address, groups))
    except caa.CaaError as error:
        raise ClmgrError(f"CAA does not use the multicast address: {error}") from None
    wanted = {
        name: value
        for name, value in configured_tunables(c).items()
        if present.get(name) != value or (new and name == "communication_mode")
    }
    if not wanted:
        return
    from daemons.caa.commands import clctrl

    if clctrl(["clctrl", "-tune", *(word for name, value in wanted.items() for word in ("-o", f"{name}={value}"))]):
        raise ClmgrError("CAA refused a tunable.")
