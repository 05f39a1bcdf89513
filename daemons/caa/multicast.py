"""Multicast groups that an administrator chooses: mkcluster -s, and CLUSTER_IP and SITE_IP of a synchronization."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

import msgspec

from daemons.caa.client import CaaError, Definition


def is_group(text: str) -> bool:
    """Whether that is an IPv4 multicast address."""
    try:
        return ipaddress.IPv4Address(text).is_multicast
    except ValueError:
        return False


def assigned(cluster: str, sites: Mapping[str, str]) -> Callable[[Definition], Definition]:
    """The change after which a cluster uses a multicast group, and sites their own, "" for those that follow from
    addresses.

    Args:
        cluster: the cluster's group.
        sites: those of sites, by name.

    Raises:
        CaaError: that is no multicast address.
    """
    for address in (cluster, *sites.values()):
        if address and not is_group(address):
            raise CaaError(f"{address} is not a multicast address.")

    def change(definition: Definition) -> Definition:
        placed = tuple(msgspec.structs.replace(site, multicast=sites.get(site.name, "")) for site in definition.sites)
        return msgspec.structs.replace(definition, multicast=cluster, sites=placed)

    return change
