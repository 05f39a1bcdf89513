"""The cluster's configuration as one value, read from and written to the HACMP* object classes.

The classes and their fields are those of the product (the published format of a cluster snapshot, and administrators'
``odmget`` listings; the order of fields is inferred where no listing was seen). Three copies exist on a node: the
default directory that configuration commands edit (DCD), the staging one (SCD) and the active one (ACD), which alone
the running daemons and event scripts read.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

DCD = "/etc/es/objrepos"
SCD = "/usr/es/sbin/cluster/etc/objrepos/stage"
ACD = "/usr/es/sbin/cluster/etc/objrepos/active"

CLUSTER_VERSION = 23
"""HACMPcluster.cluster_version and CLversion of 7.2.7."""

CLASSES = (
    "HACMPcluster",
    "HACMPnode",
    "HACMPnetwork",
    "HACMPadapter",
    "HACMPgroup",
    "HACMPresource",
    "HACMPserver",
    "HACMPmonitor",
    "HACMPsircol",
    "HACMPsplitmerge",
    "HACMPlogs",
    "HACMPevent",
)
"""The classes that synchronization carries from node to node."""

OdmObject = dict[str, str | int]


class Repository(Protocol):
    """What this module needs of ``srcctl.odm.Repository``."""

    def get(self, class_name: str, criteria: str | None = None) -> list[OdmObject]: ...

    def replace_all(self, class_name: str, objects: list[OdmObject]) -> None: ...


class ConfigurationFault(Exception):
    """The object classes contradict each other; the text names the class and the object."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPcluster, without the two fields that differ from node to node (nodename, handle)."""

    id: int
    name: str
    security: str = "Standard"
    last_node_ids: tuple[int, ...] = ()
    highest_node_id: int = 0
    last_network_ids: tuple[int, ...] = ()
    highest_network_id: int = 0
    version: int = CLUSTER_VERSION
    settling_time: int = 0
    distribution_policy: str = "node"
    automatic_verification: bool = True
    verification_node: str = ""
    verification_hour: int = 0
    heartbeat_type: str = "U"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node: several HACMPnode objects, one a setting."""

    name: str
    id: int = 0
    version: int = CLUSTER_VERSION
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def communication_path(self) -> str:
        """The address or name by which clcomd reaches the node."""
        return dict(self.settings).get("COMMUNICATION_PATH", self.name)


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


class ResourceGroup(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPgroup with its HACMPresource objects. ``nodes`` is in order of priority."""

    name: str
    nodes: tuple[str, ...]
    startup: str = "OHN"
    fallover: str = "FNPN"
    fallback: str = "FBHPN"
    resources: tuple[tuple[str, str], ...] = ()

    def resource(self, name: str) -> tuple[str, ...]:
        """The values of one kind of resource (SERVICE_LABEL, VOLUME_GROUP, FILESYSTEM, APPLICATIONS ...)."""
        return tuple(value for key, value in self.resources if key == name)

    @property
    def concurrent(self) -> bool:
        """Online on all available nodes at once."""
        return self.startup == "OAAN"


class ApplicationController(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPserver: how an application is started and stopped."""

    name: str
    start: str
    stop: str
    startup_mode: str = "background"


class ApplicationMonitor(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPmonitor: attribute and value pairs."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()

    def attribute(self, name: str, default: str = "") -> str:
        """The value of one attribute."""
        return dict(self.attributes).get(name, default)


class EventCustomization(msgspec.Struct, frozen=True, kw_only=True):
    """HACMPevent: the command of an event and what the administrator wrapped around it."""

    name: str
    description: str = ""
    command: str = ""
    notify: str = ""
    pre: str = ""
    post: str = ""
    recovery: str = ""
    count: int = 0


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A whole cluster. ``repository`` names the repository disk by PVID; ``split`` and ``merge`` are policies."""

    cluster: Cluster
    nodes: tuple[Node, ...] = ()
    networks: tuple[Network, ...] = ()
    labels: tuple[Label, ...] = ()
    groups: tuple[ResourceGroup, ...] = ()
    controllers: tuple[ApplicationController, ...] = ()
    monitors: tuple[ApplicationMonitor, ...] = ()
    events: tuple[EventCustomization, ...] = ()
    repository: str = ""
    backup_repositories: tuple[str, ...] = ()
    split_merge: tuple[tuple[str, str], ...] = ()
    log_directories: tuple[tuple[str, str], ...] = ()

    def node(self, name: str) -> Node | None:
        """The node of that name."""
        return next((node for node in self.nodes if node.name == name), None)

    def node_by_id(self, node_id: int) -> Node | None:
        """The node of that id."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def network(self, name: str) -> Network | None:
        """The network of that name."""
        return next((network for network in self.networks if network.name == name), None)

    def group(self, name: str) -> ResourceGroup | None:
        """The resource group of that name."""
        return next((group for group in self.groups if group.name == name), None)

    def controller(self, name: str) -> ApplicationController | None:
        """The application controller of that name."""
        return next((controller for controller in self.controllers if controller.name == name), None)

    def label(self, label: str) -> Label | None:
        """The first IP label of that name."""
        return next((entry for entry in self.labels if entry.label == label), None)


def load(repository: Repository) -> Configuration | None:
    """The configuration in an object repository, or None if no cluster is defined there.

    Raises:
        ConfigurationFault: the classes contradict each other.
    """
    clusters = repository.get("HACMPcluster")
    if not clusters:
        return None
    sircol = next(iter(repository.get("HACMPsircol")), {})
    return Configuration(
        cluster=_load_cluster(clusters[0]),
        nodes=_load_nodes(repository.get("HACMPnode")),
        networks=tuple(
            Network(
                name=_text(o, "name"),
                id=_number(o, "network_id"),
                type=_text(o, "nimname"),
                attribute=_text(o, "attr"),
                alias=_number(o, "alias"),
                monitor_method=_text(o, "monitor_method"),
                poll_interval=_number(o, "poll_interval"),
            )
            for o in repository.get("HACMPnetwork")
        ),
        labels=tuple(
            Label(
                label=_text(o, "ip_label"),
                function=_text(o, "function"),
                address=_text(o, "identifier"),
                network=_text(o, "network"),
                node=_text(o, "nodename"),
                interface=_text(o, "interfacename"),
                netmask=_text(o, "netmask"),
                type=_text(o, "type"),
            )
            for o in repository.get("HACMPadapter")
        ),
        groups=_load_groups(repository.get("HACMPgroup"), repository.get("HACMPresource")),
        controllers=tuple(
            ApplicationController(
                name=_text(o, "name"),
                start=_text(o, "start"),
                stop=_text(o, "stop"),
                startup_mode=_text(o, "startup_mode") or "background",
            )
            for o in repository.get("HACMPserver")
        ),
        monitors=_load_monitors(repository.get("HACMPmonitor")),
        events=tuple(
            EventCustomization(
                name=_text(o, "name"),
                description=_text(o, "desc"),
                command=_text(o, "cmd"),
                notify=_text(o, "notify"),
                pre=_text(o, "pre"),
                post=_text(o, "post"),
                recovery=_text(o, "recv"),
                count=_number(o, "count"),
            )
            for o in repository.get("HACMPevent")
        ),
        repository=_text(sircol, "repository"),
        backup_repositories=tuple(_text(sircol, "backup_repository").split()),
        split_merge=tuple((_text(o, "policy"), _text(o, "value")) for o in repository.get("HACMPsplitmerge")),
        log_directories=tuple((_text(o, "name"), _text(o, "value")) for o in repository.get("HACMPlogs")),
    )


def store(repository: Repository, configuration: Configuration, local_node: str) -> None:
    """Write a configuration into an object repository, as node ``local_node`` sees it.

    HACMPlogs and HACMPevent objects are seeded with every node and only their values change here.
    """
    for class_name, objects in objects_of(configuration, local_node).items():
        repository.replace_all(class_name, objects)
    _update(repository, "HACMPlogs", {name: {"value": value} for name, value in configuration.log_directories})
    _update(
        repository,
        "HACMPevent",
        {
            event.name: {
                "notify": event.notify,
                "pre": event.pre,
                "post": event.post,
                "recv": event.recovery,
                "count": event.count,
            }
            for event in configuration.events
        },
    )


def objects_of(configuration: Configuration, local_node: str) -> dict[str, list[OdmObject]]:
    """The objects of every class that ``store`` replaces as a whole."""
    cluster = configuration.cluster
    own = configuration.node(local_node)
    return {
        "HACMPcluster": [
            {
                "id": cluster.id,
                "name": cluster.name,
                "nodename": local_node,
                "sec_level": cluster.security,
                "sec_level_msg": "",
                "sec_encryption": "",
                "sec_persistent": "",
                "last_node_ids": ",".join(map(str, cluster.last_node_ids)),
                "highest_node_id": cluster.highest_node_id,
                "last_network_ids": ",".join(map(str, cluster.last_network_ids)),
                "highest_network_id": cluster.highest_network_id,
                "last_site_ids": "",
                "highest_site_id": 0,
                "handle": own.id if own else 0,
                "cluster_version": cluster.version,
                "reserved1": 0,
                "reserved2": 0,
                "wlm_subdir": "",
                "settling_time": cluster.settling_time,
                "rg_distribution_policy": cluster.distribution_policy,
                "noautoverification": 0 if cluster.automatic_verification else 1,
                "clvernodename": cluster.verification_node,
                "clverhour": cluster.verification_hour,
                "clverstartupoptions": 0,
                "heartbeattype": cluster.heartbeat_type,
            }
        ],
        "HACMPnode": [
            {
                "name": node.name,
                "object": setting,
                "value": value,
                "node_id": node.id,
                "node_handle": node.id,
                "version": node.version,
            }
            for node in configuration.nodes
            for setting, value in node.settings or (("COMMUNICATION_PATH", node.name),)
        ],
        "HACMPnetwork": [
            {
                "name": network.name,
                "attr": network.attribute,
                "network_id": network.id,
                "nimname": network.type,
                "poll_interval": network.poll_interval,
                "monitor_method": network.monitor_method,
                "alias": network.alias,
            }
            for network in configuration.networks
        ],
        "HACMPadapter": [
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
            for label in configuration.labels
        ],
        "HACMPgroup": [
            {
                "group": group.name,
                "type": "concurrent" if group.concurrent else "non-concurrent",
                "nodes": " ".join(group.nodes),
                "startup_pref": group.startup,
                "fallover_pref": group.fallover,
                "fallback_pref": group.fallback,
            }
            for group in configuration.groups
        ],
        "HACMPresource": [
            {"group": group.name, "name": name, "value": value, "id": number, "monitor_method": ""}
            for group in configuration.groups
            for number, (name, value) in enumerate(group.resources)
        ],
        "HACMPserver": [
            {
                "name": controller.name,
                "start": controller.start,
                "stop": controller.stop,
                "startup_mode": controller.startup_mode,
            }
            for controller in configuration.controllers
        ],
        "HACMPmonitor": [
            {"name": monitor.name, "object": attribute, "value": value}
            for monitor in configuration.monitors
            for attribute, value in monitor.attributes
        ],
        "HACMPsircol": [
            {
                "name": f"{cluster.name}_sircol",
                "id": 0,
                "uuid": "0",
                "ip_address": "",
                "repository": configuration.repository,
                "backup_repository": " ".join(configuration.backup_repositories),
            }
        ]
        if configuration.repository
        else [],
        "HACMPsplitmerge": [{"id": 0, "policy": policy, "value": value} for policy, value in configuration.split_merge],
    }


def _load_cluster(o: OdmObject) -> Cluster:
    return Cluster(
        id=_number(o, "id"),
        name=_text(o, "name"),
        security=_text(o, "sec_level"),
        last_node_ids=_numbers(o, "last_node_ids"),
        highest_node_id=_number(o, "highest_node_id"),
        last_network_ids=_numbers(o, "last_network_ids"),
        highest_network_id=_number(o, "highest_network_id"),
        version=_number(o, "cluster_version"),
        settling_time=_number(o, "settling_time"),
        distribution_policy=_text(o, "rg_distribution_policy"),
        automatic_verification=_number(o, "noautoverification") == 0,
        verification_node=_text(o, "clvernodename"),
        verification_hour=_number(o, "clverhour"),
        heartbeat_type=_text(o, "heartbeattype") or "U",
    )


def _load_nodes(objects: list[OdmObject]) -> tuple[Node, ...]:
    settings: dict[str, list[tuple[str, str]]] = {}
    first: dict[str, OdmObject] = {}
    for o in objects:
        name = _text(o, "name")
        first.setdefault(name, o)
        settings.setdefault(name, []).append((_text(o, "object"), _text(o, "value")))
    return tuple(
        Node(name=name, id=_number(o, "node_id"), version=_number(o, "version"), settings=tuple(settings[name]))
        for name, o in first.items()
    )


def _load_groups(groups: list[OdmObject], resources: list[OdmObject]) -> tuple[ResourceGroup, ...]:
    values: dict[str, list[tuple[str, str]]] = {_text(o, "group"): [] for o in groups}
    for o in resources:
        if (group := _text(o, "group")) not in values:
            raise ConfigurationFault(f"HACMPresource names the resource group {group}, which HACMPgroup does not have")
        values[group].append((_text(o, "name"), _text(o, "value")))
    return tuple(
        ResourceGroup(
            name=_text(o, "group"),
            nodes=tuple(_text(o, "nodes").split()),
            startup=_text(o, "startup_pref"),
            fallover=_text(o, "fallover_pref"),
            fallback=_text(o, "fallback_pref"),
            resources=tuple(values[_text(o, "group")]),
        )
        for o in groups
    )


def _load_monitors(objects: list[OdmObject]) -> tuple[ApplicationMonitor, ...]:
    attributes: dict[str, list[tuple[str, str]]] = {}
    for o in objects:
        attributes.setdefault(_text(o, "name"), []).append((_text(o, "object"), _text(o, "value")))
    return tuple(ApplicationMonitor(name=name, attributes=tuple(pairs)) for name, pairs in attributes.items())


def _update(repository: Repository, class_name: str, changes: dict[str, OdmObject]) -> None:
    objects = repository.get(class_name)
    changed = [{**o, **changes.get(_text(o, "name"), {})} for o in objects]
    if changed != objects:
        repository.replace_all(class_name, changed)


def _text(o: OdmObject, field: str) -> str:
    return str(o.get(field, "")).strip()


def _number(o: OdmObject, field: str) -> int:
    try:
        return int(o.get(field, 0) or 0)
    except ValueError:
        raise ConfigurationFault(f"{field} is {o[field]!r}, not a number") from None


def _numbers(o: OdmObject, field: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _text(o, field).split(",") if part.strip())
    except ValueError:
        raise ConfigurationFault(f"{field} is {o[field]!r}, not a list of numbers") from None
