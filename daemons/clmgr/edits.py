"""add, modify and delete as pure functions from a configuration to a configuration."""

from __future__ import annotations

import time
from typing import TypeVar

from msgspec.structs import replace

from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid,
    invalid_characters,
    missing,
)
from daemons.clmgr.grammar import Request
from daemons.cluster.configuration import (
    ApplicationController,
    ApplicationMonitor,
    Cluster,
    Configuration,
    Label,
    Network,
    Node,
    ResourceGroup,
)
from daemons.cluster.verification import FALLBACK, FALLOVER, STARTUP
from srcctl.node.root import Identity

NAME_MAX = 64
RESOURCES = {
    "SERVICE_LABEL": "SERVICE_LABEL",
    "APPLICATIONS": "APPLICATIONS",
    "VOLUME_GROUP": "VOLUME_GROUP",
    "FILESYSTEM": "FILESYSTEM",
    "DISK": "DISK",
    "FSCHECK_TOOL": "FSCHECK_TOOL",
    "RECOVERY_METHOD": "RECOVERY_METHOD",
    "FORCED_VARYON": "FORCED_VARYON",
    "FS_BEFORE_IPADDR": "FS_BEFORE_IPADDR",
    "VG_AUTO_IMPORT": "VG_AUTO_IMPORT",
    "MISC_DATA": "MISC_DATA",
    "NODE_PRIORITY_POLICY": "NODE_PRIORITY_POLICY",
}
"""Attributes of a resource group that are resources: clmgr's name and HACMPresource's."""
_LISTS = ("SERVICE_LABEL", "APPLICATIONS", "VOLUME_GROUP", "FILESYSTEM", "DISK")
MONITOR_ATTRIBUTES = {
    "MODE": "INVOCATION",
    "APPLICATIONS": "RESOURCE_TO_MONITOR",
    "RESOURCETOMONITOR": "RESOURCE_TO_MONITOR",
    "MONITORMETHOD": "MONITOR_METHOD",
    "MONITORINTERVAL": "MONITOR_INTERVAL",
    "HUNGSIGNAL": "HUNG_MONITOR_SIGNAL",
    "PROCESSES": "PROCESSES",
    "OWNER": "PROCESS_OWNER",
    "INSTANCECOUNT": "INSTANCE_COUNT",
    "STABILIZATION": "STABILIZATION_INTERVAL",
    "RESTARTINTERVAL": "RESTART_INTERVAL",
    "RESTARTCOUNT": "RESTART_COUNT",
    "FAILUREACTION": "FAILURE_ACTION",
    "CLEANUPMETHOD": "CLEANUP_METHOD",
    "RESTARTMETHOD": "RESTART_METHOD",
    "NOTIFYMETHOD": "NOTIFY_METHOD",
}
"""Attributes of an application monitor: clmgr's name and HACMPmonitor's."""

NamedT = TypeVar("NamedT", Node, Network, ResourceGroup, ApplicationController, ApplicationMonitor)


def checked_name(request: Request, what: str = "NAME") -> str:
    """The one name of a new object.

    Raises:
        ClmgrError: none, more than one, or not a name.
    """
    if len(request.names) != 1:
        raise ClmgrError(f"a label must be provided for the new {request.class_name}.", 3)
    name = request.names[0]
    if len(name) > NAME_MAX or not name.replace("_", "a").replace("-", "a").replace(".", "a").isalnum():
        raise invalid_characters(what, name)
    return name


def words(value: str) -> list[str]:
    """A list value: separated by commas or blanks."""
    return [word for word in value.replace(",", " ").split() if word]


def add_cluster(request: Request, identity: Identity, repository: str) -> Configuration:
    """A new cluster with its nodes, the networks that the lab has, and their boot interfaces.

    ``repository`` is the PVID of the repository disk, "" if none was named.

    Raises:
        ClmgrError: see above.
    """
    name = checked_name(request)
    if request.attribute("TYPE", default="NSC").upper() not in ("NSC", "SC", "LC"):
        raise invalid("TYPE", request.attribute("TYPE"))
    kind = request.attribute("HEARTBEAT_TYPE", default="unicast").lower()
    if kind not in ("unicast", "multicast"):
        raise invalid("HEARTBEAT_TYPE", kind)
    cluster = Cluster(id=int(time.time()), name=name, heartbeat_type="C" if kind == "multicast" else "U")
    configuration = Configuration(
        cluster=cluster, repository=repository, split_merge=(("split", "None"), ("merge", "Majority"))
    )
    for node in words(request.attribute("NODES", default=identity.node)):
        configuration = with_node(configuration, identity, node, node)
    return configuration


def with_node(configuration: Configuration, identity: Identity, name: str, path: str) -> Configuration:
    """The configuration with one more node, its boot interfaces, and networks that were not there yet."""
    if configuration.node(name) is not None:
        raise exists_already(name)
    found = identity.node_by_name(path) or next((n for n in identity.nodes if path in n.addresses), None)
    if found is None:
        raise ClmgrError(f'the communication path "{path}" cannot be resolved.', MISSING_DEPENDENCY)
    networks, labels = list(configuration.networks), list(configuration.labels)
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
    return replace(configuration, nodes=(*configuration.nodes, node), networks=tuple(networks), labels=tuple(labels))


def add(request: Request, configuration: Configuration, addresses: dict[str, str], identity: Identity) -> Configuration:
    """Add an object of any class but cluster, volume_group and file_system.

    Args:
        addresses: IP labels of /etc/hosts.

    Raises:
        ClmgrError: a name that is taken, a missing or wrong value, something that it needs is not there.
    """
    name = checked_name(request)
    match request.class_name:
        case "node":
            return with_node(configuration, identity, name, request.attribute("COMMPATH", default=name))
        case "network":
            if configuration.network(name) is not None:
                raise exists_already(name)
            network = Network(name=name, type=request.attribute("TYPE", default="ether"))
            return replace(configuration, networks=(*configuration.networks, network))
        case "service_ip":
            return replace(
                configuration, labels=(*configuration.labels, _service(request, configuration, name, addresses))
            )
        case "application_controller":
            if configuration.controller(name) is not None:
                raise exists_already(name)
            controller = _controller(request, ApplicationController(name=name, start="", stop=""))
            return replace(configuration, controllers=(*configuration.controllers, controller))
        case "application_monitor":
            if any(monitor.name == name for monitor in configuration.monitors):
                raise exists_already(name)
            monitor = _monitor(request, configuration, ApplicationMonitor(name=name))
            return replace(configuration, monitors=(*configuration.monitors, monitor))
        case "resource_group":
            if configuration.group(name) is not None:
                raise exists_already(name)
            if not words(request.attribute("NODES")):
                raise missing("NODES")
            group = _group(request, configuration, ResourceGroup(name=name, nodes=()))
            return replace(configuration, groups=(*configuration.groups, group))
    raise ClmgrError(f'the "add" operation is not supported for the "{request.class_name}" class.', INCORRECT_INPUT)


def modify(request: Request, configuration: Configuration) -> Configuration:
    """Change an object.

    Raises:
        ClmgrError: it does not exist, or a value is wrong.
    """
    if request.class_name == "cluster":
        return replace(configuration, cluster=_cluster(request, configuration.cluster))
    if len(request.names) != 1:
        raise ClmgrError(f"the name of one {request.class_name} is needed.", 3)
    name = request.names[0]
    match request.class_name:
        case "resource_group":
            group = configuration.group(name)
            if group is None:
                raise does_not_exist(name)
            return replace(configuration, groups=_exchange(configuration.groups, _group(request, configuration, group)))
        case "application_controller":
            controller = configuration.controller(name)
            if controller is None:
                raise does_not_exist(name)
            return replace(
                configuration, controllers=_exchange(configuration.controllers, _controller(request, controller))
            )
        case "application_monitor":
            found = next((m for m in configuration.monitors if m.name == name), None)
            if found is None:
                raise does_not_exist(name)
            changed = _monitor(request, configuration, found)
            return replace(configuration, monitors=_exchange(configuration.monitors, changed))
        case "node":
            node = configuration.node(name)
            if node is None:
                raise does_not_exist(name)
            path = request.attribute("COMMPATH", default=node.communication_path)
            settings = tuple({**dict(node.settings), "COMMUNICATION_PATH": path}.items())
            return replace(configuration, nodes=_exchange(configuration.nodes, replace(node, settings=settings)))
        case "network":
            network = configuration.network(name)
            if network is None:
                raise does_not_exist(name)
            attribute = request.attribute("ATTR", "PUBLIC", default=network.attribute)
            if attribute in ("true", "false"):
                attribute = "public" if attribute == "true" else "private"
            if attribute not in ("public", "private"):
                raise invalid("ATTR", attribute)
            return replace(
                configuration, networks=_exchange(configuration.networks, replace(network, attribute=attribute))
            )
        case "service_ip":
            label = configuration.label(name)
            if label is None or label.function != "service":
                raise does_not_exist(name)
            network_name = request.attribute("NETWORK", default=label.network)
            if configuration.network(network_name) is None:
                raise does_not_exist(network_name)
            labels = tuple(
                replace(entry, network=network_name) if entry is label else entry for entry in configuration.labels
            )
            return replace(configuration, labels=labels)
    raise ClmgrError(f'the "modify" operation is not supported for the "{request.class_name}" class.', INCORRECT_INPUT)


def delete(request: Request, configuration: Configuration) -> Configuration:
    """Remove objects.

    Raises:
        ClmgrError: one does not exist, or is still referenced.
    """
    if not request.names:
        raise ClmgrError(f"the name of a {request.class_name} is needed.", 3)
    for name in request.names:
        configuration = _without(request.class_name, name, configuration)
    return configuration


def _without(class_name: str, name: str, c: Configuration) -> Configuration:
    users = [group.name for group in c.groups for _, value in group.resources if value == name]
    match class_name:
        case "resource_group" if c.group(name):
            return replace(c, groups=tuple(g for g in c.groups if g.name != name))
        case "application_controller" if c.controller(name):
            _unused(name, users)
            return replace(c, controllers=tuple(a for a in c.controllers if a.name != name))
        case "application_monitor" if any(m.name == name for m in c.monitors):
            return replace(c, monitors=tuple(m for m in c.monitors if m.name != name))
        case "service_ip" if any(entry.label == name and entry.function == "service" for entry in c.labels):
            _unused(name, users)
            return replace(
                c, labels=tuple(entry for entry in c.labels if entry.label != name or entry.function != "service")
            )
        case "network" if c.network(name):
            _unused(name, [entry.label for entry in c.labels if entry.network == name and entry.function == "service"])
            labels = tuple(entry for entry in c.labels if entry.network != name)
            return replace(c, networks=tuple(n for n in c.networks if n.name != name), labels=labels)
        case "node" if c.node(name):
            _unused(name, [group.name for group in c.groups if name in group.nodes])
            labels = tuple(entry for entry in c.labels if entry.node != name)
            return replace(c, nodes=tuple(n for n in c.nodes if n.name != name), labels=labels)
    raise does_not_exist(name)


def _unused(name: str, users: list[str]) -> None:
    if users:
        raise ClmgrError(f'"{name}" is still in use by "{users[0]}".', MISSING_DEPENDENCY)


def _exchange(members: tuple[NamedT, ...], changed: NamedT) -> tuple[NamedT, ...]:
    return tuple(changed if member.name == changed.name else member for member in members)


def _service(request: Request, c: Configuration, name: str, addresses: dict[str, str]) -> Label:
    if any(entry.label == name for entry in c.labels):
        raise exists_already(name)
    network = request.attribute("NETWORK", default=c.networks[0].name if len(c.networks) == 1 else "")
    if not network:
        raise missing("NETWORK")
    if c.network(network) is None:
        raise does_not_exist(network)
    address = request.attribute("IPADDR", default=addresses.get(name, ""))
    if not address:
        raise ClmgrError(f'the IP label "{name}" cannot be resolved; add it to /etc/hosts.', MISSING_DEPENDENCY)
    if any(entry.address == address for entry in c.labels):
        raise ClmgrError(f'the address "{address}" is in use already.', INCORRECT_INPUT)
    boot = next((entry for entry in c.labels if entry.network == network and entry.function == "boot"), None)
    netmask = request.attribute("NETMASK", default=boot.netmask if boot else "255.255.255.0")
    return Label(label=name, function="service", address=address, network=network, netmask=netmask)


def _controller(request: Request, base: ApplicationController) -> ApplicationController:
    start = request.attribute("STARTSCRIPT", default=base.start)
    stop = request.attribute("STOPSCRIPT", default=base.stop)
    for attribute, script in (("STARTSCRIPT", start), ("STOPSCRIPT", stop)):
        if not script:
            raise missing(attribute)
        if not script.startswith("/"):
            raise invalid(attribute, script)
    mode = request.attribute("STARTUP_MODE", default=base.startup_mode).lower()
    if mode not in ("background", "foreground"):
        raise invalid("STARTUP_MODE", mode)
    return replace(base, start=start, stop=stop, startup_mode=mode)


def _monitor(request: Request, c: Configuration, base: ApplicationMonitor) -> ApplicationMonitor:
    attributes = dict(base.attributes)
    if "TYPE" in request.attributes:
        kind = request.attributes["TYPE"].lower()
        if kind not in ("process", "custom"):
            raise invalid("TYPE", kind)
        attributes["MONITOR_TYPE"] = "process" if kind == "process" else "user"
    for name, value in request.attributes.items():
        if name in MONITOR_ATTRIBUTES:
            attributes[MONITOR_ATTRIBUTES[name]] = value
    target = attributes.get("RESOURCE_TO_MONITOR", "")
    if target and c.controller(target) is None:
        raise does_not_exist(target)
    if not attributes.get("MONITOR_TYPE"):
        raise missing("TYPE")
    return ApplicationMonitor(name=base.name, attributes=tuple(attributes.items()))


def _group(request: Request, c: Configuration, base: ResourceGroup) -> ResourceGroup:
    nodes = tuple(words(request.attribute("NODES"))) or base.nodes
    for node in nodes:
        if c.node(node) is None:
            raise does_not_exist(node)
    policies = {}
    for attribute, present, known in (
        ("STARTUP", base.startup, STARTUP),
        ("FALLOVER", base.fallover, FALLOVER),
        ("FALLBACK", base.fallback, FALLBACK),
    ):
        value = request.attribute(attribute, default=present).upper()
        if value not in known:
            raise invalid(attribute, value)
        policies[attribute.lower()] = value
    kept = [pair for pair in base.resources if pair[0] not in request.attributes]
    for attribute, kind in RESOURCES.items():
        if attribute in request.attributes:
            value = request.attributes[attribute]
            kept += [(kind, word) for word in (words(value) if attribute in _LISTS else [value]) if word]
    for kind, value in kept:
        if kind == "APPLICATIONS" and c.controller(value) is None:
            raise does_not_exist(value)
        if kind == "SERVICE_LABEL" and c.label(value) is None:
            raise does_not_exist(value)
    return replace(base, nodes=nodes, resources=tuple(kept), **policies)


def _cluster(request: Request, base: Cluster) -> Cluster:
    changes: dict[str, object] = {}
    if "RG_SETTLING_TIME" in request.attributes:
        value = request.attributes["RG_SETTLING_TIME"]
        if not value.isdigit():
            raise invalid("RG_SETTLING_TIME", value)
        changes["settling_time"] = int(value)
    if "HEARTBEAT_TYPE" in request.attributes:
        kind = request.attributes["HEARTBEAT_TYPE"].lower()
        if kind not in ("unicast", "multicast"):
            raise invalid("HEARTBEAT_TYPE", kind)
        changes["heartbeat_type"] = "C" if kind == "multicast" else "U"
    if "NAME" in request.attributes:
        changes["name"] = request.attributes["NAME"]
    if "VERIFICATION_HOUR" in request.attributes:
        value = request.attributes["VERIFICATION_HOUR"]
        if not value.isdigit() or int(value) > 23:
            raise invalid("VERIFICATION_HOUR", value)
        changes["verification_hour"] = int(value)
    if "DAILY_VERIFICATION" in request.attributes:
        changes["automatic_verification"] = request.attributes["DAILY_VERIFICATION"].lower() in (
            "enabled",
            "yes",
            "true",
        )
    known = {
        "RG_SETTLING_TIME",
        "HEARTBEAT_TYPE",
        "NAME",
        "VERIFICATION_HOUR",
        "DAILY_VERIFICATION",
        "HEARTBEAT_FREQUENCY",
        "GRACE_PERIOD",
        "NETWORK_FAILURE_DETECTION_TIME",
    }
    unknown = set(request.attributes) - known
    if unknown:
        raise ClmgrError(f'an invalid attribute was specified: "{min(unknown)}"', INCORRECT_INPUT)
    return replace(base, **changes)
