"""The whole configuration: loaded from an object repository, stored into one."""

from __future__ import annotations

import msgspec

from daemons.cluster.configuration import customization, policies, resources, topology, user_defined
from daemons.cluster.configuration.customization import (
    CustomMethod,
    EventCustomization,
    FileCollection,
    LogFile,
    NotifyMethod,
    UserDefinedEvent,
)
from daemons.cluster.configuration.objects import ConfigurationFault, OdmObject, Repository, text
from daemons.cluster.configuration.policies import FallbackTimer, GroupDependency, LocationDependency
from daemons.cluster.configuration.resources import ApplicationController, ApplicationMonitor, ResourceGroup, Tape
from daemons.cluster.configuration.topology import Cluster, Label, Network, Node, Site
from daemons.cluster.configuration.user_defined import ResourceType, UserDefinedResource


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A whole cluster.

    ``repository`` names the repository disk by PVID; ``split_merge`` are the policies of HACMPsplitmerge;
    ``settings`` are keys and values of HACMPdynresop.
    """

    cluster: Cluster
    nodes: tuple[Node, ...] = ()
    networks: tuple[Network, ...] = ()
    labels: tuple[Label, ...] = ()
    sites: tuple[Site, ...] = ()
    groups: tuple[ResourceGroup, ...] = ()
    controllers: tuple[ApplicationController, ...] = ()
    monitors: tuple[ApplicationMonitor, ...] = ()
    tapes: tuple[Tape, ...] = ()
    resource_types: tuple[ResourceType, ...] = ()
    user_resources: tuple[UserDefinedResource, ...] = ()
    dependencies: tuple[GroupDependency, ...] = ()
    location_dependencies: tuple[LocationDependency, ...] = ()
    timers: tuple[FallbackTimer, ...] = ()
    events: tuple[EventCustomization, ...] = ()
    user_events: tuple[UserDefinedEvent, ...] = ()
    methods: tuple[CustomMethod, ...] = ()
    notify_methods: tuple[NotifyMethod, ...] = ()
    collections: tuple[FileCollection, ...] = ()
    repository: str = ""
    backup_repositories: tuple[str, ...] = ()
    multicast_address: str = ""
    split_merge: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    logs: tuple[LogFile, ...] = ()

    @property
    def log_directories(self) -> tuple[tuple[str, str], ...]:
        """The directory of each log."""
        return tuple((log.name, log.directory) for log in self.logs)

    def node(self, name: str) -> Node | None:
        """The node of that name."""
        return next((node for node in self.nodes if node.name == name), None)

    def node_by_id(self, node_id: int) -> Node | None:
        """The node of that id."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def network(self, name: str) -> Network | None:
        """The network of that name."""
        return next((network for network in self.networks if network.name == name), None)

    def site(self, name: str) -> Site | None:
        """The site of that name."""
        return next((site for site in self.sites if site.name == name), None)

    def site_of(self, node: str) -> str:
        """The name of the site that a node belongs to, "" without one."""
        return next((site.name for site in self.sites if node in site.nodes), "")

    def group(self, name: str) -> ResourceGroup | None:
        """The resource group of that name."""
        return next((group for group in self.groups if group.name == name), None)

    def controller(self, name: str) -> ApplicationController | None:
        """The application controller of that name."""
        return next((controller for controller in self.controllers if controller.name == name), None)

    def monitors_of(self, application: str) -> tuple[ApplicationMonitor, ...]:
        """The monitors of an application controller."""
        return tuple(monitor for monitor in self.monitors if application in monitor.applications)

    def resource_type(self, name: str) -> ResourceType | None:
        """The user-defined resource type of that name."""
        return next((entry for entry in self.resource_types if entry.name == name), None)

    def user_resource(self, name: str) -> UserDefinedResource | None:
        """The user-defined resource of that name."""
        return next((entry for entry in self.user_resources if entry.name == name), None)

    def label(self, label: str) -> Label | None:
        """The first IP label of that name."""
        return next((entry for entry in self.labels if entry.label == label), None)

    def site_of_label(self, label: str) -> str:
        """The site at which alone a service label may be active, "" for one that may be everywhere (the key of the
        setting is inferred)."""
        return self.setting(f"LABEL.{label}.SITE") if self.sites else ""

    def may_hold(self, node: str, label: str) -> bool:
        """Whether a service label may be active on a node: a site-specific one is at its own site only."""
        return self.site_of_label(label) in ("", self.site_of(node))

    def timer(self, name: str) -> FallbackTimer | None:
        """The fallback timer of that name."""
        return next((timer for timer in self.timers if timer.name == name), None)

    def setting(self, key: str, default: str = "") -> str:
        """The value of a dynamic setting."""
        return dict(self.settings).get(key, default)

    def with_setting(self, key: str, value: str) -> Configuration:
        """The configuration with a dynamic setting changed, "" removes it."""
        changed = {**dict(self.settings), key: value}
        kept = tuple((name, text_) for name, text_ in changed.items() if text_)
        return msgspec.structs.replace(self, settings=kept)


def load(repository: Repository) -> Configuration | None:
    """The configuration in an object repository, or None if no cluster is defined there.

    Raises:
        ConfigurationFault: the classes contradict each other.
    """
    clusters = repository.get("HACMPcluster")
    return _load(repository, topology.load_cluster(clusters[0])) if clusters else None


def load_defined(repository: Repository) -> Configuration:
    """The configuration in an object repository that has one.

    Raises:
        ConfigurationFault: no cluster is defined there, or the classes contradict each other.
    """
    configuration = load(repository)
    if configuration is None:
        raise ConfigurationFault("no cluster is defined on this node.")
    return configuration


def undefined(repository: Repository) -> Configuration:
    """What a node has before a cluster is defined: a cluster without a name, the events, logs and file collections.

    Raises:
        ConfigurationFault: the classes contradict each other.
    """
    return _with_seeded(repository, Configuration(cluster=Cluster(id=0, name="")))


def _with_seeded(repository: Repository, configuration: Configuration) -> Configuration:
    get = repository.get
    return msgspec.structs.replace(
        configuration,
        events=customization.load_events(get("HACMPevent")),
        logs=customization.load_logs(get("HACMPlogs")),
        collections=customization.load_collections(get("HACMPfilecollection"), get("HACMPfcfile")),
    )


def _load(repository: Repository, cluster: Cluster) -> Configuration:
    get = repository.get
    sircol = next(iter(get("HACMPsircol")), {})
    configuration = Configuration(
        cluster=cluster,
        nodes=topology.load_nodes(get("HACMPnode")),
        networks=topology.load_networks(get("HACMPnetwork")),
        labels=topology.load_labels(get("HACMPadapter")),
        sites=topology.load_sites(get("HACMPsite")),
        groups=resources.load_groups(get("HACMPgroup"), get("HACMPresource"), get("HACMPtimersvc")),
        controllers=resources.load_controllers(get("HACMPserver")),
        monitors=resources.load_monitors(get("HACMPmonitor")),
        tapes=resources.load_tapes(get("HACMPtape")),
        resource_types=user_defined.load_types(get("HACMPudres_def")),
        user_resources=user_defined.load_resources(get("HACMPudresource")),
        dependencies=policies.load_dependencies(get("HACMPrgdependency")),
        location_dependencies=policies.load_location_dependencies(get("HACMPrg_loc_dependency")),
        timers=policies.load_timers(get("HACMPtimer")),
        user_events=customization.load_user_events(get("HACMPude")),
        methods=customization.load_methods(get("HACMPcustom")),
        notify_methods=customization.load_notify_methods(get("HACMPpager")),
        repository=text(sircol, "repository"),
        backup_repositories=tuple(text(sircol, "backup_repository").split()),
        multicast_address=text(sircol, "ip_address"),
        split_merge=tuple((text(o, "policy"), text(o, "value")) for o in get("HACMPsplitmerge")),
        settings=tuple((text(o, "key"), text(o, "value")) for o in get("HACMPdynresop")),
    )
    return _with_seeded(repository, configuration)


def store(repository: Repository, configuration: Configuration, local_node: str) -> None:
    """Write a configuration into an object repository, as node ``local_node`` sees it.

    HACMPlogs and HACMPevent objects are seeded with every node and only their values change here.
    """
    for class_name, objects in objects_of(configuration, local_node).items():
        repository.replace_all(class_name, objects)
    _update(repository, "HACMPlogs", customization.log_changes(configuration.logs))
    _update(repository, "HACMPevent", customization.event_changes(configuration.events))


def objects_of(configuration: Configuration, local_node: str) -> dict[str, list[OdmObject]]:
    """The objects of every class that ``store`` replaces as a whole."""
    cluster = configuration.cluster
    own = configuration.node(local_node)
    groups = resources.group_objects(configuration.groups)
    return {
        "HACMPcluster": [topology.cluster_object(cluster, local_node, own.id if own else 0)],
        "HACMPnode": topology.node_objects(configuration.nodes),
        "HACMPnetwork": topology.network_objects(configuration.networks),
        "HACMPadapter": topology.label_objects(configuration.labels),
        "HACMPsite": topology.site_objects(configuration.sites),
        **groups,
        "HACMPserver": resources.controller_objects(configuration.controllers),
        "HACMPmonitor": resources.monitor_objects(configuration.monitors),
        "HACMPtape": resources.tape_objects(configuration.tapes),
        "HACMPudres_def": user_defined.type_objects(configuration.resource_types),
        "HACMPudresource": user_defined.resource_objects(configuration.user_resources),
        "HACMPrgdependency": policies.dependency_objects(configuration.dependencies),
        "HACMPrg_loc_dependency": policies.location_dependency_objects(configuration.location_dependencies),
        "HACMPtimer": policies.timer_objects(configuration.timers),
        "HACMPcustom": customization.method_objects(configuration.methods),
        "HACMPpager": customization.notify_method_objects(configuration.notify_methods),
        **customization.collection_objects(configuration.collections),
        "HACMPsircol": [
            {
                "name": f"{cluster.name}_sircol",
                "id": 0,
                "uuid": "0",
                "ip_address": configuration.multicast_address,
                "repository": configuration.repository,
                "backup_repository": " ".join(configuration.backup_repositories),
            }
        ]
        if configuration.repository or configuration.multicast_address
        else [],
        "HACMPsplitmerge": [{"id": 0, "policy": policy, "value": value} for policy, value in configuration.split_merge],
        "HACMPdynresop": [{"key": key, "value": value} for key, value in configuration.settings],
    }


def _update(repository: Repository, class_name: str, changes: dict[str, OdmObject]) -> None:
    objects = repository.get(class_name)
    changed = [{**o, **changes.get(text(o, "name"), {})} for o in objects]
    if changed != objects:
        repository.replace_all(class_name, changed)
