"""Multicast groups that an administrator chooses: mkcluster -s, and CLUSTER_IP and SITE_IP of a synchronization."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import msgspec

from daemons.caa.client import CaaError, Definition
from srcctl.node.root import NodeRoot


def is_group(text: str) -> bool:
    """Whether that is an IPv4 multicast address."""
    try:
        return ipaddress.IPv4Address(text).is_multicast
    except ValueError:
        return False


def assign(root: NodeRoot, cluster: str, sites: Mapping[str, str]) -> None:
    """Have this node's cluster use a multicast group, and sites their own, "" for those that follow from addresses.

    Args:
        root: this node.
        cluster: the cluster's group.
        sites: those of sites, by name.

    Raises:
        CaaError: CAA is not active, that is no multicast address, or a node cannot be told.
        OSError: the repository disk has failed.
    """
    for address in (cluster, *sites.values()):
        if address and not is_group(address):
            raise CaaError(f"{address} is not a multicast address.")

    def changed(definition: Definition) -> Definition:
        placed = tuple(msgspec.structs.replace(site, multicast=sites.get(site.name, "")) for site in definition.sites)
        return msgspec.structs.replace(definition, multicast=cluster, sites=placed)

    from daemons.caa import changes, formation

    if told := formation.carry_out(root, changes.change(changed)):
        raise CaaError(told[0])
