"""``netstat -r``: the routes that a node's interfaces and aliases make; a node has no others."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from srcctl.network.addresses import AddressRegistry
from srcctl.network.faults import Faults
from srcctl.node.root import Identity

HEADING = "Destination        Gateway           Flags   Refs     Use  If   Exp  Groups"
LOOPBACK = "127.0.0.1"


def routing_table(identity: Identity, name_of: Callable[[str], str]) -> list[str]:
    """The lines of ``netstat -r``: columns, flags and order as in published captures of AIX.

    What is counted (Refs, Use) stays 0: a lab's packets go over the host's loopback interface.

    Args:
        identity: the node.
        name_of: how an address is shown; the addresses of networks are never named.
    """
    faults, registry = Faults(identity.lab), AddressRegistry(identity.lab)
    routes = [(ipaddress.IPv4Network("127.0.0.0/8"), 1, "127/8", LOOPBACK, "U", "lo0", "")]
    for interface in identity.interfaces:
        if not faults.link_up(identity.node, interface.network):
            continue
        aliases = [a.address for a in registry.of_node(identity.node) if a.interface == interface.name]
        network = ipaddress.IPv4Network(f"{interface.address}/{interface.netmask}", strict=False)
        first, last = network.network_address, network.broadcast_address
        short = f"{str(first).removesuffix('.0').removesuffix('.0').removesuffix('.0')}/{network.prefixlen}"
        name, own = interface.name, interface.address
        routes += [
            (ipaddress.IPv4Network(first), 0, str(first), own, "UHSb", name, "=>"),
            (network, 1, short, own, "U", name, ""),
            *((ipaddress.IPv4Network(a), 1, name_of(a), LOOPBACK, "UGHS", "lo0", "") for a in (own, *aliases)),
            (ipaddress.IPv4Network(last), 1, str(last), own, "UHSb", name, ""),
        ]
    routes.sort(key=lambda route: (route[0].network_address, route[1]))
    lines = ["Routing tables", HEADING, "", "Route Tree for Protocol Family 2 (Internet):"]
    for _, _, destination, gateway, flags, interface_name, more in routes:
        start = f"{destination:<18} {name_of(gateway):<17} {flags:<5} {0:>5} {0:>9} {interface_name:<5}"
        lines.append(f"{start}    -      -   {more}")
    return lines
