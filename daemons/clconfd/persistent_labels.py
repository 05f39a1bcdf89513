"""Persistent node IP labels: aliases that a node holds whenever it is on, cluster services or not.

A synchronization configures them, and clconfd after every boot. One that left the configuration is removed: a node
remembers the addresses that it has configured so.
"""

from __future__ import annotations

from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD, Configuration
from srcctl.network.addresses import AddressRegistry
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import Repository

CONFIGURED = "/var/hacmp/.persistent_addresses"


def wanted(c: Configuration, node: str) -> dict[str, tuple[str, str]]:
    """The persistent addresses of a node, with their interface and netmask."""
    found = {}
    for label in c.labels:
        if label.function != "persistent" or label.node != node:
            continue
        boots = [b for b in c.labels if (b.function, b.node, b.network) == ("boot", node, label.network)]
        interface = label.interface or next((boot.interface for boot in boots), "")
        if interface:
            found[label.address] = (interface, label.netmask)
    return found


def configured(root: NodeRoot) -> set[str]:
    """The persistent addresses that this node was given last."""
    try:
        with open(root.path(CONFIGURED), encoding="ascii") as file:
            return set(file.read().split())
    except OSError:
        return set()


def configure(root: NodeRoot) -> None:
    """Make this node's persistent aliases those of its configuration.

    Raises:
        OdmError, OSError: the configuration or the lab's addresses cannot be used.
    """
    try:
        c = configurations.load(Repository(root, DCD))
    except configurations.ConfigurationFault:
        return  # verification names what was done to the object classes
    identity = root.identity
    own = wanted(c, identity.node) if c is not None else {}
    path = root.path(CONFIGURED)
    before = configured(root)
    if not own and not before:
        return
    registry = AddressRegistry(identity.lab)
    held = {alias.address for alias in registry.of_node(identity.node)}
    for address, (interface, netmask) in own.items():
        if address not in held:  # where an event has moved it to another interface it stays
            registry.configure(identity, interface, address, netmask)
    for address in before - own.keys():
        registry.remove(identity, address)
    if before != own.keys():
        replace_file(path, "".join(f"{address}\n" for address in sorted(own)).encode())
