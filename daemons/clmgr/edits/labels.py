"""Edits of IP labels: boot interfaces, persistent and service labels. A label's address stands in /etc/hosts."""

from __future__ import annotations

from msgspec.structs import replace

from daemons.clmgr.edits.parts import Surroundings, named, netmask_of, unused, users_of, with_renamed_resource
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    MISSING_INPUT,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid_characters,
    missing,
)
from daemons.clmgr.settings import label_key, network_key
from daemons.clmgr.syntax.attributes import is_address, is_name
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration, Label

FUNCTIONS = {"interface": "boot", "persistent_ip": "persistent", "service_ip": "service"}


def add_label(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add interface``, ``add persistent_ip``, ``add service_ip``."""
    if len(request.names) != 1:
        raise ClmgrError(f"a label must be provided for the new {request.class_name}.", MISSING_INPUT)
    name, function = request.names[0], FUNCTIONS[request.class_name]
    if not is_name(name):
        raise invalid_characters("NAME", name)
    node = request.attribute("NODE")
    if function == "persistent":
        if not node:
            raise missing("NODE")
        return with_persistent(c, here, name, named(node, c.nodes).name, request.attribute("NETWORK"), request)
    entry = _entry(request, c, here, name, function)
    if function == "boot":
        entry = _boot(request, c, here, entry)
    c = replace(c, labels=(*c.labels, entry))
    return _site(request, c, name)


def with_persistent(
    c: Configuration, here: Surroundings, label: str, node: str, network: str, request: Request
) -> Configuration:
    """The configuration with a persistent label: one a node and network.

    Raises:
        ClmgrError: there is one already, or the label cannot be resolved.
    """
    wanted = Request(class_name="persistent_ip", names=[label], attributes=dict(request.attributes))
    wanted.attributes["NETWORK"] = network
    entry = replace(_entry(wanted, c, here, label, "persistent"), node=node)
    other = next((e for e in c.labels if (e.function, e.node, e.network) == ("persistent", node, entry.network)), None)
    if other is not None:
        raise exists_already(other.label)
    return replace(c, labels=(*c.labels, entry))


def _entry(request: Request, c: Configuration, here: Surroundings, name: str, function: str) -> Label:
    if any(entry.label == name for entry in c.labels):
        raise exists_already(name)
    network = request.attribute("NETWORK") or (c.networks[0].name if len(c.networks) == 1 else "")
    if not network:
        raise missing("NETWORK")
    named(network, c.networks)
    address = request.attribute("IPADDR") or here.addresses.get(name, "") or (name if is_address(name) else "")
    if not address:
        raise ClmgrError(f'the IP label "{name}" cannot be resolved; add it to /etc/hosts.', MISSING_DEPENDENCY)
    if any(entry.address == address for entry in c.labels):
        raise ClmgrError(f'the address "{address}" is in use already.', INCORRECT_INPUT)
    boot = next((entry for entry in c.labels if entry.network == network and entry.function == "boot"), None)
    default = boot.netmask if boot else c.setting(network_key(network, "NETMASK"), "255.255.255.0")
    netmask = netmask_of(request, default)
    return Label(label=name, function=function, address=address, network=network, netmask=netmask)


def _boot(request: Request, c: Configuration, here: Surroundings, entry: Label) -> Label:
    """A boot interface belongs to the node that has its address, and to that node's interface."""
    owner = next((n for n in here.identity.nodes if entry.address in n.addresses), None)
    node = request.attribute("NODE") or (owner.name if owner and c.node(owner.name) else "")
    if not node:
        raise missing("NODE")
    named(node, c.nodes)
    interface = request.attribute("INTERFACE")
    if owner is not None:
        real = here.identity.interfaces[owner.addresses.index(entry.address)]
        interface = interface or real.name
        # A boot address is what the interface has already, with its netmask.
        entry = replace(entry, netmask=netmask_of(request, real.netmask))
    if not interface:
        raise missing("INTERFACE")
    if any((e.function, e.node, e.interface) == ("boot", node, interface) for e in c.labels):
        raise exists_already(f"{node} {interface}")
    return replace(entry, node=node, interface=interface)


def modify_label(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify interface``, ``modify persistent_ip``, ``modify service_ip``."""
    if len(request.names) != 1:
        raise ClmgrError(f"the name of one {request.class_name} is needed.", MISSING_INPUT)
    old = _found(request.names[0], FUNCTIONS[request.class_name], c)
    name = request.attribute("NAME") or old.label
    if name != old.label and c.label(name) is not None:
        raise exists_already(name)
    address = request.attribute("IPADDR") or old.address
    if name != old.label and not request.attribute("IPADDR"):
        address = here.addresses.get(name, "")
        if not address:
            raise ClmgrError(f'the IP label "{name}" cannot be resolved; add it to /etc/hosts.', MISSING_DEPENDENCY)
    if any(entry.address == address for entry in c.labels if entry is not old):
        raise ClmgrError(f'the address "{address}" is in use already.', INCORRECT_INPUT)
    network = named(request.attribute("NETWORK") or old.network, c.networks).name
    if network != old.network:
        unused(old.label, [n.name for n in c.networks if c.setting(network_key(n.name, "SOURCE_IP")) == old.label])
    node = request.attribute("NODE") or old.node
    if node:
        named(node, c.nodes)
    changed = replace(
        old,
        label=name,
        address=address,
        network=network,
        node=node,
        interface=request.attribute("INTERFACE") or old.interface,
        netmask=netmask_of(request, old.netmask),
    )
    for other in c.labels:
        if other is old or other.function != changed.function or other.node != changed.node:
            continue
        if changed.function == "boot" and other.interface == changed.interface:
            raise exists_already(f"{changed.node} {changed.interface}")
        if changed.function == "persistent" and other.network == changed.network:
            raise exists_already(other.label)
    c = replace(c, labels=tuple(changed if entry is old else entry for entry in c.labels))
    c = with_renamed_resource(c, ("SERVICE_LABEL",), old.label, name)
    if name != old.label:
        site = c.setting(label_key(old.label, "SITE"))
        c = c.with_setting(label_key(old.label, "SITE"), "").with_setting(label_key(name, "SITE"), site)
        for entry in c.networks:
            if c.setting(network_key(entry.name, "SOURCE_IP")) == old.label:
                c = c.with_setting(network_key(entry.name, "SOURCE_IP"), name)
    return _site(request, c, name)


def _site(request: Request, c: Configuration, name: str) -> Configuration:
    if "SITE" not in request.attributes:
        return c
    site = request.attributes["SITE"]
    if site:
        named(site, c.sites)
    return c.with_setting(label_key(name, "SITE"), site)


def _found(name: str, function: str, c: Configuration) -> Label:
    entry = next((entry for entry in c.labels if entry.label == name and entry.function == function), None)
    if entry is None:
        raise does_not_exist(name)
    return entry


def without_interface(name: str, c: Configuration) -> Configuration:
    """``delete interface``."""
    entry = _found(name, "boot", c)
    return replace(c, labels=tuple(e for e in c.labels if e is not entry))


def without_persistent(name: str, c: Configuration) -> Configuration:
    """``delete persistent_ip``."""
    entry = _found(name, "persistent", c)
    return replace(c, labels=tuple(e for e in c.labels if e is not entry))


def without_service(name: str, c: Configuration) -> Configuration:
    """``delete service_ip``."""
    entry = _found(name, "service", c)
    unused(name, users_of(c, ("SERVICE_LABEL",), name))
    unused(name, [n.name for n in c.networks if c.setting(network_key(n.name, "SOURCE_IP")) == name])
    c = c.with_setting(label_key(name, "SITE"), "")
    return replace(c, labels=tuple(e for e in c.labels if e is not entry))


ADD = dict.fromkeys(FUNCTIONS, add_label)
MODIFY = dict.fromkeys(FUNCTIONS, modify_label)
DELETE = {"interface": without_interface, "persistent_ip": without_persistent, "service_ip": without_service}
NAMES = {
    class_name: lambda c, function=function: [e.label for e in c.labels if e.function == function]
    for class_name, function in FUNCTIONS.items()
}
