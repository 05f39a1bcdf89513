"""Edits of sites, nodes and networks."""

from __future__ import annotations

from msgspec.structs import replace

from daemons.clmgr.edits.parts import (
    Surroundings,
    exchange,
    existing,
    named,
    netmask_of,
    new_name,
    nodes_of,
    renamed,
    unused,
    without,
)
from daemons.clmgr.errors import INCORRECT_INPUT, MISSING_DEPENDENCY, ClmgrError, exists_already
from daemons.clmgr.settings import NETWORK_SETTINGS, label_key, network_key, site_key
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration, Label, Network, Node, Site
from srcctl.node.root import Identity

SITES_MAX = 2
NODES_MAX = 16
SITE_SETTINGS = ("RECOVERY_PRIORITY", "SITE_IP")
NODE_SETTINGS = ("START_ON_BOOT", "BROADCAST_ON_START", "CLINFO_ON_START", "VERIFY_ON_START", "RUN_DISCOVERY", "HMCS",
                 "ENABLE_LIVE_UPDATE")  # fmt: skip
"""Attributes of a node that are HACMPnode objects of their own (which names those have is inferred)."""


# Nodes.


def with_node(c: Configuration, identity: Identity, name: str, path: str) -> Configuration:
    """The configuration with one more node, its boot interfaces, and networks that were not there yet.

    Raises:
        ClmgrError: it is there already, or the path leads to no node.
    """
    if c.node(name) is not None:
        raise exists_already(name)
    if len(c.nodes) >= NODES_MAX:
        raise ClmgrError(f"a cluster cannot have more than {NODES_MAX} nodes.", INCORRECT_INPUT)
    found = identity.node_by_name(path) or next((n for n in identity.nodes if path in n.addresses), None)
    if found is None:
        raise ClmgrError(f'the communication path "{path}" cannot be resolved.', MISSING_DEPENDENCY)
    _named_like_its_host(name, found.name)
    owner = next((entry.node for entry in c.labels if entry.address in found.addresses and entry.node), "")
    if owner:
        raise ClmgrError(f'the communication path "{path}" belongs to the node "{owner}" already.', INCORRECT_INPUT)
    networks, labels = list(c.networks), list(c.labels)
    for number, (interface, address) in enumerate(zip(identity.interfaces, found.addresses, strict=False)):
        if not any(network.name == interface.network for network in networks):
            networks.append(Network(name=interface.network))
        labels.append(
            Label(
                label=name if number == 0 else f"{name}_{interface.name}",
                function="boot",
                address=address,
                network=interface.network,
                node=name,
                interface=interface.name,
                netmask=interface.netmask,
            )
        )
    node = Node(name=name, settings=(("COMMUNICATION_PATH", path), ("VERBOSE_LOGGING", "high")))
    return replace(c, nodes=(*c.nodes, node), networks=tuple(networks), labels=tuple(labels))


def _named_like_its_host(name: str, host: str) -> None:
    """CAA, clcomd and Group Services know a node by its host's name.

    Raises:
        ClmgrError: it would have another one in the cluster.
    """
    if name != host:
        raise ClmgrError(f'the node "{name}" must have the name of its host, "{host}".', INCORRECT_INPUT)


def add_node(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add node``."""
    name = new_name(request, c.nodes)
    c = with_node(c, here.identity, name, request.attribute("COMMPATH") or name)
    return _node_attributes(request, c, here, name)


def modify_node(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify node``."""
    node = existing(request, c.nodes)
    name = renamed(request, node, c.nodes)
    _named_like_its_host(name, node.name)
    if path := request.attribute("COMMPATH"):
        known = {address for n in here.identity.nodes for address in (n.name, *n.addresses)} | set(here.addresses)
        if path not in known:
            raise ClmgrError(f'the communication path "{path}" cannot be resolved.', MISSING_DEPENDENCY)
        c = replace(c, nodes=exchange(c.nodes, name, _with(named(name, c.nodes), {"COMMUNICATION_PATH": path})))
    return _node_attributes(request, c, here, name)


def _with(node: Node, settings: dict[str, str]) -> Node:
    return replace(node, settings=tuple({**dict(node.settings), **settings}.items()))


def _node_attributes(request: Request, c: Configuration, here: Surroundings, name: str) -> Configuration:
    given = {key: request.attributes[key] for key in NODE_SETTINGS if key in request.attributes}
    if given:
        c = replace(c, nodes=exchange(c.nodes, name, _with(named(name, c.nodes), given)))
    if label := request.attribute("PERSISTENT_IP"):
        from daemons.clmgr.edits import labels

        c = labels.with_persistent(c, here, label, name, request.attribute("NETWORK"), request)
    if site := request.attribute("SITE"):
        named(site, c.sites)
        c = replace(c, sites=tuple(_joined(s, name) if s.name == site else _left(s, name) for s in c.sites))
    return c


def _joined(site: Site, node: str) -> Site:
    return site if node in site.nodes else replace(site, nodes=(*site.nodes, node))


def _left(site: Site, node: str) -> Site:
    return replace(site, nodes=tuple(name for name in site.nodes if name != node))


def without_node(name: str, c: Configuration) -> Configuration:
    """``delete node``: nobody is told there any more, and verification chooses its node by itself again."""
    nodes = without(name, c.nodes)
    unused(name, [group.name for group in c.groups if name in group.nodes])
    if c.cluster.verification_node == name:
        c = replace(c, cluster=replace(c.cluster, verification_node=""))
    return replace(
        c,
        nodes=nodes,
        notify_methods=tuple(replace(m, nodes=tuple(n for n in m.nodes if n != name)) for m in c.notify_methods),
        labels=tuple(entry for entry in c.labels if entry.node != name),
        sites=tuple(_left(site, name) for site in c.sites),
    )


# Networks.


def add_network(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add network``."""
    network = _network(request, Network(name=new_name(request, c.networks)))
    return _network_attributes(request, replace(c, networks=(*c.networks, network)), network.name)


def modify_network(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify network``: a new NAME is followed by the labels and by NFS resources."""
    network = existing(request, c.networks)
    name = renamed(request, network, c.networks)
    changed = replace(_network(request, network), name=name)
    labels = tuple(replace(entry, network=name) if entry.network == network.name else entry for entry in c.labels)
    mask = netmask_of(request, "")
    if mask:
        labels = tuple(replace(entry, netmask=mask) if entry.network == name else entry for entry in labels)
    groups = tuple(
        replace(
            g, resources=tuple((k, name if k == "NFS_NETWORK" and v == network.name else v) for k, v in g.resources)
        )
        for g in c.groups
    )
    c = replace(c, networks=exchange(c.networks, network.name, changed), labels=labels, groups=groups)
    if name != network.name:
        for key in NETWORK_SETTINGS:
            value = c.setting(network_key(network.name, key))
            c = c.with_setting(network_key(network.name, key), "").with_setting(network_key(name, key), value)
    return _network_attributes(request, c, name)


def _network(request: Request, base: Network) -> Network:
    attribute = request.attribute("ATTR", default=base.attribute) or base.attribute
    if public := request.attribute("PUBLIC"):
        attribute = "public" if public == "true" else "private"
    alias = {"true": 1, "false": 0, "": base.alias}[request.attribute("IPALIASING")]
    kind = request.attribute("TYPE", default=base.type) or base.type
    return replace(base, attribute=attribute, alias=alias, type=kind)


def _network_attributes(request: Request, c: Configuration, name: str) -> Configuration:
    if source := request.attribute("SOURCE_IP"):
        entry = c.label(source)
        if entry is None or entry.network != name or entry.function != "service":
            raise ClmgrError(f'"{source}" is not a service IP label of the network "{name}".', MISSING_DEPENDENCY)
    for key in NETWORK_SETTINGS:
        if key in request.attributes:
            c = c.with_setting(network_key(name, key), request.attributes[key])
    if mask := netmask_of(request, ""):
        c = c.with_setting(network_key(name, "NETMASK"), mask)
    return c


def without_network(name: str, c: Configuration) -> Configuration:
    """``delete network``: its boot interfaces go with it."""
    networks = without(name, c.networks)
    unused(name, [entry.label for entry in c.labels if entry.network == name and entry.function != "boot"])
    unused(name, [group.name for group in c.groups if name in group.resource("NFS_NETWORK")])
    for key in NETWORK_SETTINGS:
        c = c.with_setting(network_key(name, key), "")
    return replace(c, networks=networks, labels=tuple(entry for entry in c.labels if entry.network != name))


# Sites.


def add_site(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``add site``: the first one dominates (inferred)."""
    name = new_name(request, c.sites)
    if len(c.sites) >= SITES_MAX:
        raise ClmgrError(f"a cluster cannot have more than {SITES_MAX} sites.", INCORRECT_INPUT)
    site = Site(name=name, dominance="no" if c.sites else "yes")
    return _site(request, replace(c, sites=(*c.sites, site)), here, name)


def modify_site(request: Request, c: Configuration, here: Surroundings) -> Configuration:
    """``modify site``."""
    site = existing(request, c.sites)
    name = renamed(request, site, c.sites)
    c = replace(c, sites=exchange(c.sites, site.name, replace(site, name=name)))
    if name != site.name:
        for key in SITE_SETTINGS:
            value = c.setting(site_key(site.name, key))
            c = c.with_setting(site_key(site.name, key), "").with_setting(site_key(name, key), value)
        for label in _labels_at(site.name, c):
            c = c.with_setting(label_key(label, "SITE"), name)
        if c.setting("DEFAULT_SURVIVING_SITE") == site.name:
            c = c.with_setting("DEFAULT_SURVIVING_SITE", name)
    return _site(request, c, here, name)


def _site(request: Request, c: Configuration, here: Surroundings, name: str) -> Configuration:
    if "NODES" in request.attributes:
        nodes = nodes_of(request.words("NODES"), c)
        for node in nodes:
            if c.site_of(node) not in ("", name):
                raise ClmgrError(f'the node "{node}" belongs to the site "{c.site_of(node)}".', INCORRECT_INPUT)
        c = replace(c, sites=exchange(c.sites, name, replace(named(name, c.sites), nodes=nodes)))
    if request.words("REPOSITORIES"):
        # All nodes of a stretched cluster share one repository; linked clusters are refused (inferred).
        raise ClmgrError('"REPOSITORIES" is an attribute of the sites of a linked cluster only.', INCORRECT_INPUT)
    for key in SITE_SETTINGS:
        if key in request.attributes:
            c = c.with_setting(site_key(name, key), request.attributes[key])
    return c


def _labels_at(site: str, c: Configuration) -> list[str]:
    return [entry.label for entry in c.labels if c.setting(label_key(entry.label, "SITE")) == site]


def without_site(name: str, c: Configuration) -> Configuration:
    """``delete site``: service labels of the site hold it."""
    sites = without(name, c.sites)
    unused(name, _labels_at(name, c))
    for key in SITE_SETTINGS:
        c = c.with_setting(site_key(name, key), "")
    if c.setting("DEFAULT_SURVIVING_SITE") == name:
        c = c.with_setting("DEFAULT_SURVIVING_SITE", "")
    return replace(c, sites=sites)


ADD = {"node": add_node, "network": add_network, "site": add_site}
MODIFY = {"node": modify_node, "network": modify_network, "site": modify_site}
DELETE = {"node": without_node, "network": without_network, "site": without_site}
NAMES = {
    "node": lambda c: [node.name for node in c.nodes],
    "network": lambda c: [network.name for network in c.networks],
    "site": lambda c: [site.name for site in c.sites],
}
