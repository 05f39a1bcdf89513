"""Cluster, sites, nodes, networks and IP labels: HACMPcluster, HACMPsite, HACMPnode, HACMPnetwork, HACMPadapter."""

from __future__ import annotations

import msgspec

from daemons.cluster.configuration.objects import (
    CLUSTER_VERSION,
    ConfigurationFault,
    OdmObject,
    number,
    numbers,
    pairs_by_name,
    text,
)


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPcluster, without the two fields that differ from node to node (nodename, handle)."""

    id: int
    name: str
    security: str = "Standard"
    message_authentication: str = ""
    message_encryption: str = ""
    persistent_labels_for_vpn: str = ""
    last_node_ids: tuple[int, ...] = ()
    highest_node_id: int = 0
    last_network_ids: tuple[int, ...] = ()
    highest_network_id: int = 0
    last_site_ids: tuple[int, ...] = ()
    highest_site_id: int = 0
    version: int = CLUSTER_VERSION
    settling_time: int = 0
    distribution_policy: str = "node"
    automatic_verification: bool = True
    verification_node: str = ""
    verification_hour: int = 0
    startup_options: int = 0
    heartbeat_type: str = "U"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPsite. ``dominance`` is yes for the site that owns the cluster's first claim, ``protection`` NONE here."""

    name: str
    nodes: tuple[str, ...] = ()
    protection: str = "NONE"
    dominance: str = "no"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node: several HACMPnode objects, one a setting."""

    name: str
    id: int = 0
    version: int = CLUSTER_VERSION
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def communication_path(self) -> str:
        """The address or name by which clcomd reaches the node."""
        return self.setting("COMMUNICATION_PATH", self.name)

    def setting(self, name: str, default: str = "") -> str:
        """The value of one setting (VERBOSE_LOGGING, COMMUNICATION_PATH, START_ON_BOOT ...)."""
        return dict(self.settings).get(name, default)


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPnetwork."""

    name: str
    id: int = 0
    type: str = "ether"
    attribute: str = "public"
    alias: int = 1
    monitor_method: str = "default"
    poll_interval: int = 0


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPadapter: an IP label. ``function`` is boot, service or persistent; a service label belongs to no node."""

    label: str
    function: str
    address: str
    network: str
    node: str = ""
    interface: str = ""
    netmask: str = "255.255.255.0"
    type: str = "ether"


def prefix_length(netmask: str) -> str:
    """The length of a netmask's prefix, "" if it is no netmask."""
    parts = netmask.split(".")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) < 256 for part in parts):
        return ""
    return str(sum(int(part).bit_count() for part in parts))


def load_cluster(o: OdmObject) -> Cluster:
    """The cluster in its object.

    Raises:
        ConfigurationFault: a field is no number.
    """
    try:
        return _cluster(o)
    except ConfigurationFault as fault:
        raise ConfigurationFault(f"HACMPcluster: {fault}") from None


def _cluster(o: OdmObject) -> Cluster:
    return Cluster(
        id=number(o, "id"),
        name=text(o, "name"),
        security=text(o, "sec_level"),
        message_authentication=text(o, "sec_level_msg"),
        message_encryption=text(o, "sec_encryption"),
        persistent_labels_for_vpn=text(o, "sec_persistent"),
        last_node_ids=numbers(o, "last_node_ids"),
        highest_node_id=number(o, "highest_node_id"),
        last_network_ids=numbers(o, "last_network_ids"),
        highest_network_id=number(o, "highest_network_id"),
        last_site_ids=numbers(o, "last_site_ids"),
        highest_site_id=number(o, "highest_site_id"),
        version=number(o, "cluster_version"),
        settling_time=number(o, "settling_time"),
        distribution_policy=text(o, "rg_distribution_policy"),
        automatic_verification=number(o, "noautoverification") == 0,
        verification_node=text(o, "clvernodename"),
        verification_hour=number(o, "clverhour"),
        startup_options=number(o, "clverstartupoptions"),
        heartbeat_type=text(o, "heartbeattype") or "U",
    )


def cluster_object(cluster: Cluster, node: str, handle: int) -> OdmObject:
    """The cluster's object as node ``node``, whose id is ``handle``, has it."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "nodename": node,
        "sec_level": cluster.security,
        "sec_level_msg": cluster.message_authentication,
        "sec_encryption": cluster.message_encryption,
        "sec_persistent": cluster.persistent_labels_for_vpn,
        "last_node_ids": ",".join(map(str, cluster.last_node_ids)),
        "highest_node_id": cluster.highest_node_id,
        "last_network_ids": ",".join(map(str, cluster.last_network_ids)),
        "highest_network_id": cluster.highest_network_id,
        "last_site_ids": ",".join(map(str, cluster.last_site_ids)),
        "highest_site_id": cluster.highest_site_id,
        "handle": handle,
        "cluster_version": cluster.version,
        "reserved1": 0,
        "reserved2": 0,
        "wlm_subdir": "",
        "settling_time": cluster.settling_time,
        "rg_distribution_policy": cluster.distribution_policy,
        "noautoverification": 0 if cluster.automatic_verification else 1,
        "clvernodename": cluster.verification_node,
        "clverhour": cluster.verification_hour,
        "clverstartupoptions": cluster.startup_options,
        "heartbeattype": cluster.heartbeat_type,
    }


def load_sites(objects: list[OdmObject]) -> tuple[Site, ...]:
    """The sites, in order of definition."""
    return tuple(
        Site(
            name=text(o, "name"),
            nodes=tuple(text(o, "nodelist").split()),
            protection=text(o, "protection") or "NONE",
            dominance=text(o, "dominance") or "no",
        )
        for o in objects
    )


def site_objects(sites: tuple[Site, ...]) -> list[OdmObject]:
    """HACMPsite."""
    return [
        {"name": s.name, "nodelist": " ".join(s.nodes), "protection": s.protection, "dominance": s.dominance}
        for s in sites
    ]


def load_nodes(objects: list[OdmObject]) -> tuple[Node, ...]:
    """The nodes, in order of definition.

    Raises:
        ConfigurationFault: an id is no number.
    """
    settings = pairs_by_name(objects)
    first: dict[str, OdmObject] = {}
    for o in objects:
        first.setdefault(text(o, "name"), o)
    return tuple(
        Node(name=name, id=number(o, "node_id"), version=number(o, "version"), settings=settings[name])
        for name, o in first.items()
    )


def node_objects(nodes: tuple[Node, ...]) -> list[OdmObject]:
    """HACMPnode."""
    return [
        {
            "name": node.name,
            "object": setting,
            "value": value,
            "node_id": node.id,
            "node_handle": node.id,
            "version": node.version,
        }
        for node in nodes
        for setting, value in node.settings or (("COMMUNICATION_PATH", node.name),)
    ]


def load_networks(objects: list[OdmObject]) -> tuple[Network, ...]:
    """The networks, in order of definition.

    Raises:
        ConfigurationFault: a field is no number.
    """
    return tuple(
        Network(
            name=text(o, "name"),
            id=number(o, "network_id"),
            type=text(o, "nimname"),
            attribute=text(o, "attr"),
            alias=number(o, "alias"),
            monitor_method=text(o, "monitor_method"),
            poll_interval=number(o, "poll_interval"),
        )
        for o in objects
    )


def network_objects(networks: tuple[Network, ...]) -> list[OdmObject]:
    """HACMPnetwork."""
    return [
        {
            "name": network.name,
            "attr": network.attribute,
            "network_id": network.id,
            "nimname": network.type,
            "poll_interval": network.poll_interval,
            "monitor_method": network.monitor_method,
            "alias": network.alias,
        }
        for network in networks
    ]


def load_labels(objects: list[OdmObject]) -> tuple[Label, ...]:
    """The IP labels, in order of definition."""
    return tuple(
        Label(
            label=text(o, "ip_label"),
            function=text(o, "function"),
            address=text(o, "identifier"),
            network=text(o, "network"),
            node=text(o, "nodename"),
            interface=text(o, "interfacename"),
            netmask=text(o, "netmask"),
            type=text(o, "type"),
        )
        for o in objects
    )


def label_objects(labels: tuple[Label, ...]) -> list[OdmObject]:
    """HACMPadapter."""
    return [
        {
            "type": label.type,
            "network": label.network,
            "nodename": label.node,
            "ip_label": label.label,
            "function": label.function,
            "identifier": label.address,
            "haddr": "",
            "interfacename": label.interface,
            "max_aliases": 0,
            "netmask": label.netmask,
        }
        for label in labels
    ]
