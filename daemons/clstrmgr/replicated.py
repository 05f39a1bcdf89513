"""The replicated state: what every member of the cluster manager's group holds, and how notifications change it.

It changes by nothing but the notifications of Group Services, which all members see in the same order (the state
machine approach; Schneider, "Implementing fault-tolerant services using the state machine approach", 1990). A joiner
takes it over from the others inside the join protocol.
"""

from __future__ import annotations

import zlib
from typing import cast

import msgspec
from msgspec import Struct, field

from daemons.clstrmgr import events
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.messages import GroupWord, NodeWord
from daemons.cluster.configuration import Configuration
from daemons.cluster.dependencies import Dependencies
from daemons.cluster.node_priority import policy_word
from daemons.cluster.placement import HELD, GroupPolicy, GroupSituation
from daemons.runtime.codec import Codec

SNAPSHOT_LIMIT = 1 << 20


class GroupRecord(msgspec.Struct, frozen=True):
    """A resource group in a snapshot."""

    name: str
    states: dict[int, str]
    reasons: dict[int, str]
    tried: tuple[int, ...]
    override: int
    operator_offline: bool
    wanted: bool
    goals: tuple[int, ...] = ()
    site: str = ""
    secondary: dict[int, str] = {}
    secondary_goal: int = 0
    secondary_asked: int = 0
    secondary_offline: bool = False


class PlanItem(msgspec.Struct, frozen=True):
    """What the running event does to one group; ``stranded``: no node is left for it.

    ``change``: nodes on which the group stays online and loses or gains resources (dynamic reconfiguration). The last
    two are about its secondary instance.
    """

    group: str
    release: tuple[int, ...]
    acquire: tuple[int, ...]
    stranded: bool
    change: tuple[int, ...] = ()
    release_secondary: tuple[int, ...] = ()
    acquire_secondary: tuple[int, ...] = ()


class StateRecord(msgspec.Struct, frozen=True, tag="state"):
    """The whole replicated state, as a joiner receives it. ``configuration`` is the digest of the configuration."""

    configuration: int
    serial: int
    nodes: dict[int, str]
    groups: tuple[GroupRecord, ...]
    networks_down: tuple[tuple[int, str], ...]
    addresses_down: tuple[tuple[int, str], ...]
    queue: tuple[Event, ...]
    requests: dict[int, int]
    last_event: str
    last_event_node: int
    settled: bool
    plan: tuple[PlanItem, ...]
    plan_serial: int
    plan_step: int
    version: int
    applications: tuple[tuple[int, str, str], ...] = ()
    priorities: dict[int, dict[str, float]] = {}
    networks_unstable: tuple[str, ...] = ()
    sites_isolated: bool = False


FALLOVER = "fallover"
"""The reason of an OFFLINE on a node that failed with the group."""
LACK_OF_NODE = "lack of node"
"""The reason of an ERROR after which nothing of the group is left on the node, and of an OFFLINE without a place."""

record_codec: Codec[StateRecord] = Codec(StateRecord, limit=SNAPSHOT_LIMIT)


class GroupState(Struct):
    """A resource group. See ``placement.GroupSituation`` for the marks."""

    states: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)
    override: int = 0
    operator_offline: bool = False
    wanted: bool = False
    goals: tuple[int, ...] = ()
    """Where the group is to be, while there are dependencies between groups, or sites."""
    site: str = ""
    """Where it was online last."""
    secondary: dict[int, str] = field(default_factory=dict)
    """States of its secondary instance; nodes not mentioned have none."""
    secondary_goal: int = 0
    secondary_asked: int = 0
    """The node on which an operator wants the secondary instance."""
    secondary_offline: bool = False
    """An operator brought the secondary instance offline."""

    def set_secondary(self, node: int, state: str) -> None:
        """Note the secondary instance's state on a node; OFFLINE forgets it."""
        if state == "OFFLINE":
            self.secondary.pop(node, None)
        else:
            self.secondary[node] = state

    def holders(self) -> tuple[int, ...]:
        """Nodes that have, or may have, resources of the group."""
        return tuple(node for node, state in sorted(self.states.items()) if state in HELD)

    def secondary_holders(self) -> tuple[int, ...]:
        """Nodes that have, or may have, the secondary instance."""
        return tuple(node for node, state in sorted(self.secondary.items()) if state in HELD)

    def set(self, node: int, state: str, reason: str = "") -> None:
        """Note the group's state on a node."""
        self.states[node] = state
        if reason:
            self.reasons[node] = reason
        else:
            self.reasons.pop(node, None)

    def unreleased(self) -> frozenset[int]:
        """Nodes in ERROR that may still have resources of the group."""
        return frozenset(
            node
            for node, state in self.states.items()
            if state == "ERROR" and self.reasons.get(node, "") != LACK_OF_NODE
        )

    def state(self, node: int) -> GroupWord:
        """The group's state on a node."""
        return cast(GroupWord, self.states.get(node, "OFFLINE"))


def configuration_digest(configuration: Configuration) -> int:
    """A number that two nodes with the same configuration share. The repository disks do not count: CAA replaces one by
    itself, also while some nodes are off."""
    configuration = msgspec.structs.replace(configuration, repository="", backup_repositories=())
    return zlib.crc32(msgspec.msgpack.encode(configuration, order="deterministic"))


class ClusterState:
    """Nodes, groups, networks and the event queue, as all members agree on them."""

    def __init__(self, configuration: Configuration, serial: int = 0) -> None:
        self.serial = serial
        self.nodes: dict[int, NodeWord] = {}
        self.groups: dict[str, GroupState] = {}
        self.networks_down: set[tuple[int, str]] = set()
        self.addresses_down: set[tuple[int, str]] = set()
        self.networks_unstable: set[str] = set()
        """Networks that are lost and come back again and again."""
        self.sites_isolated = False
        """All networks between the sites are lost."""
        self.queue: list[Event] = []
        self.requests: dict[int, int] = {}
        self.last_event = ""
        self.last_event_node = 0
        self.settled = configuration.cluster.settling_time <= 0
        self.applications: dict[tuple[int, str], str] = {}
        """What is special about an application on a node: failed, suspended, monitor failed, fallover."""
        self.priorities: dict[int, dict[str, float]] = {}
        """What nodes have measured for dynamic node priority policies."""
        self.plan: tuple[PlanItem, ...] = ()
        self.plan_serial = 0
        """The event that the plan belongs to; it outlives a run that Group Services broke off, 0 if there is none."""
        self.plan_step = 0
        self.version = 0
        """How many protocols of the group have ended since it was founded."""
        self.staged: Configuration | None = None
        """What this node has for the next dynamic reconfiguration; not replicated, the event's digest names it."""
        self.pending: Configuration | None = None
        """What was staged when the dynamic reconfiguration that runs was voted on: it is what becomes active."""
        self.former: Configuration | None = None
        """What counted before the dynamic reconfiguration that runs."""
        self._use(configuration)

    def _use(self, configuration: Configuration) -> None:
        """Everything that is derived from the configuration; nodes and groups that were known keep their states."""
        self.configuration = configuration
        self.digest_of_configuration = configuration_digest(configuration)
        self.node_ids = {node.name: node.id for node in configuration.nodes}
        self.node_names = {node.id: node.name for node in configuration.nodes}
        self.group_ids = {group.name: number for number, group in enumerate(configuration.groups, start=1)}
        self.nodes = {node: self.nodes.get(node, "down") for node in self.node_names}
        self.groups = {group.name: self.groups.get(group.name, GroupState()) for group in configuration.groups}
        sites = {node.id: configuration.site_of(node.name) for node in configuration.nodes}
        kept = configuration.setting("SITE_POLICY_FAILURE_ACTION") == "notify"
        self.policies = tuple(
            GroupPolicy(
                group.name,
                tuple(self.node_ids[name] for name in group.nodes if name in self.node_ids),
                group.startup,
                group.fallover,
                group.fallback,
                dynamic=policy_word(next(iter(group.resource("NODE_PRIORITY_POLICY")), "")),
                delayed=bool(group.fallback_timer and configuration.timer(group.fallback_timer)),
                site_policy=group.site_policy,
                sites=sites if configuration.sites else {},
                kept_at_site=kept,
            )
            for group in configuration.groups
        )
        self.dependencies = Dependencies.of(configuration)
        self.boot_addresses: dict[str, tuple[int, str]] = {
            label.address: (self.node_ids[label.node], label.network)
            for label in configuration.labels
            if label.function == "boot" and label.node in self.node_ids
        }
        networks = {label.label: label.network for label in configuration.labels if label.function == "service"}
        self.group_networks: dict[tuple[str, int], frozenset[str]] = {
            (group.name, number): frozenset(
                networks[label]
                for label in group.resource("SERVICE_LABEL")
                if label in networks and configuration.may_hold(name, label)
            )
            for group in configuration.groups
            for name, number in self.node_ids.items()
        }
        """The networks that a group needs on a node."""

    def prepare(self, digest: int) -> bool:
        """Pin the staged configuration for the event of that digest; False if this node does not have it."""
        for found in (self.pending, self.staged):
            if found is not None and configuration_digest(found) == digest:
                self.pending = found
                return True
        return False

    def reconfigured(self, digest: int) -> None:
        """The event of that digest is over."""
        self.former = self.pending = None
        if self.staged is not None and configuration_digest(self.staged) == digest:
            self.staged = None

    def reconfigure(self, configuration: Configuration) -> None:
        """Another configuration counts from now on (dynamic reconfiguration)."""
        self.former = self.configuration
        self._use(configuration)
        known = {(self.node_ids.get(label.node, 0), label.network) for label in configuration.labels}
        self.networks_down &= known
        self.networks_unstable &= {network.name for network in configuration.networks}
        self.addresses_down = {(node, entry) for node, entry in self.addresses_down if entry in self.boot_addresses}
        self.plan = tuple(item for item in self.plan if item.group in self.groups)

    def plan_items(self) -> tuple[PlanItem, ...]:
        """The plan as far as its groups are known: those of a dynamic reconfiguration come and go with it."""
        return tuple(item for item in self.plan if item.group in self.groups)

    def preview(self, configuration: Configuration) -> ClusterState:
        """This state under another configuration."""
        copy = ClusterState(configuration)
        copy.install(self.record())
        return copy

    # The record of it.

    def record(self) -> StateRecord:
        """The state as a joiner receives it."""
        return StateRecord(
            configuration=self.digest_of_configuration,
            serial=self.serial,
            nodes=dict(sorted(self.nodes.items())),
            groups=tuple(
                GroupRecord(
                    name,
                    dict(sorted(group.states.items())),
                    dict(sorted(group.reasons.items())),
                    tuple(sorted(group.tried)),
                    group.override,
                    group.operator_offline,
                    group.wanted,
                    group.goals,
                    group.site,
                    dict(sorted(group.secondary.items())),
                    group.secondary_goal,
                    group.secondary_asked,
                    group.secondary_offline,
                )
                for name, group in self.groups.items()
            ),
            networks_down=tuple(sorted(self.networks_down)),
            addresses_down=tuple(sorted(self.addresses_down)),
            networks_unstable=tuple(sorted(self.networks_unstable)),
            sites_isolated=self.sites_isolated,
            queue=tuple(self.queue),
            requests=dict(sorted(self.requests.items())),
            last_event=self.last_event,
            last_event_node=self.last_event_node,
            settled=self.settled,
            plan=self.plan,
            plan_serial=self.plan_serial,
            plan_step=self.plan_step,
            version=self.version,
            priorities={node: dict(sorted(values.items())) for node, values in sorted(self.priorities.items())},
            applications=tuple((*key, word) for key, word in sorted(self.applications.items())),
        )

    def install(self, record: StateRecord) -> None:
        """Take over another member's state."""
        self.serial = record.serial
        self.nodes = {node: cast(NodeWord, record.nodes.get(node, "down")) for node in self.node_names}
        for entry in record.groups:
            if entry.name in self.groups:
                self.groups[entry.name] = GroupState(
                    dict(entry.states),
                    dict(entry.reasons),
                    set(entry.tried),
                    entry.override,
                    entry.operator_offline,
                    entry.wanted,
                    entry.goals,
                    entry.site,
                    dict(entry.secondary),
                    entry.secondary_goal,
                    entry.secondary_asked,
                    entry.secondary_offline,
                )
        self.networks_down = set(record.networks_down)
        self.addresses_down = set(record.addresses_down)
        self.networks_unstable = set(record.networks_unstable)
        self.sites_isolated = record.sites_isolated
        self.queue = list(record.queue)
        self.requests = dict(record.requests)
        self.last_event = record.last_event
        self.last_event_node = record.last_event_node
        self.settled = record.settled
        self.plan = record.plan
        self.plan_serial = record.plan_serial
        self.plan_step = record.plan_step
        self.version = record.version
        self.priorities = {node: dict(values) for node, values in record.priorities.items()}
        self.applications = {(node, name): word for node, name, word in record.applications}

    def digest(self) -> int:
        """A number that members with the same state share."""
        return zlib.crc32(record_codec.encode(self.record()))

    # The queue.

    def enqueue(self, event: Event) -> Event | None:
        """Put an event into the queue; None if it is a repetition of one that was seen."""
        if event.origin:
            if event.request <= self.requests.get(event.origin, 0):
                return None
            self.requests[event.origin] = event.request
        self.serial += 1
        event = msgspec.structs.replace(event, serial=self.serial)
        self.queue.append(event)
        self.queue.sort(key=lambda entry: entry.priority)
        return event

    def head(self) -> Event | None:
        """The event that runs next."""
        return self.queue[0] if self.queue else None

    def find(self, serial: int) -> Event | None:
        """The queued event with that serial number."""
        return next((event for event in self.queue if event.serial == serial), None)

    def drop(self, serial: int) -> None:
        """Take an event out of the queue."""
        self.queue = [event for event in self.queue if event.serial != serial]

    def drop_events_of(self, node: int) -> None:
        """A node is gone: what it or its operators wanted is void."""
        self.queue = [
            event
            for event in self.queue
            if not (event.node == node and event.name in (events.JOIN_NODE, events.FAIL_NODE))
            and not (event.origin == node and event.name in (events.RG_MOVE, events.RG_ONLINE, events.RG_OFFLINE))
            and not (event.node == node and event.name in (*events.OF_INTERFACES, events.JOIN_SITE))
            and not (event.node == node and event.name in (events.SERVER_RESTART, events.SERVER_DOWN))
            and not (
                event.node == node and event.name in (events.JOIN_NODE_DEP_COMPLETE, events.FAIL_NODE_DEP_COMPLETE)
            )
        ]

    def node_gone(self, node: int) -> None:
        """The node has left the view since its cluster manager failed."""
        self.queue = [
            msgspec.structs.replace(event, left=True)
            if event.node == node and event.name == events.FAIL_NODE and event.mode == events.CRASH
            else event
            for event in self.queue
        ]

    # What failed.

    def forget_failures(self) -> None:
        """Something came back: whoever found no place may try again everywhere."""
        for group in self.groups.values():
            group.tried.clear()
            group.secondary = {node: state for node, state in group.secondary.items() if state != "ERROR"}

    def forget_interfaces(self, node: int) -> None:
        """A node joins: it tells of those interfaces that are down, the others have been mended while it was away."""
        self.addresses_down = {entry for entry in self.addresses_down if entry[0] != node}
        self.networks_down = {entry for entry in self.networks_down if entry[0] != node}

    def forget_failures_before(self, node: int) -> None:
        """A node goes: its groups look for a place anew, and one where they failed is better than none (inferred)."""
        for group in self.groups.values():
            if group.state(node) in HELD:
                group.tried.clear()

    def note_failure(self, event: Event) -> None:
        """A group could not be acquired, or cannot stay, on the event's node."""
        group = self.groups[event.group]
        group.tried.add(event.node)
        if event.application and group.state(event.node) == "ONLINE":
            self.mark_application(event.node, event.application, "fallover")

    def note_operator_offline(self, event: Event) -> None:
        """An operator wants the group offline: policies leave it alone, unless another node goes on having it."""
        self.forget_unmanaged(event.group)
        group = self.groups[event.group]
        if event.target and any(node != event.target for node in group.holders()):
            return
        group.operator_offline = True
        group.wanted = False

    def forget_unmanaged(self, name: str) -> None:
        """An operator wants the group: where it was unmanaged on a node that has gone, nothing of it is left."""
        group = self.groups[name]
        for node, state in list(group.states.items()):
            if state == "UNMANAGED" and self.nodes.get(node) == "down":
                group.set(node, "OFFLINE")

    # Dependencies between groups.

    @property
    def goals(self) -> dict[str, tuple[int, ...]]:
        """Where each group is to be."""
        return {name: group.goals for name, group in self.groups.items()}

    # Applications.

    def mark_application(self, node: int, application: str, word: str) -> None:
        """Note what is special about an application on a node; "" for nothing."""
        if word:
            self.applications[node, application] = word
        else:
            self.applications.pop((node, application), None)

    def forget_applications(self, node: int, group: str) -> None:
        """The group has come or gone on the node: its applications begin anew."""
        configured = self.configuration.group(group)
        for application in configured.resource("APPLICATIONS") if configured is not None else ():
            self.applications.pop((node, application), None)

    # What placement wants to know.

    def node_available(self, node: int, group: str) -> bool:
        """Is the node up and managed, with the networks that the group needs?"""
        return self.nodes.get(node) == "up" and not self.network_missing(node, group)

    def network_missing(self, node: int, group: str) -> bool:
        """Is a network that the group needs down on the node?"""
        return any((node, network) in self.networks_down for network in self.group_networks.get((group, node), ()))

    def situations(self, joiner: int = 0) -> dict[str, GroupSituation]:
        """The groups as placement sees them; ``joiner`` counts as up already."""
        before = self.nodes.get(joiner)
        if joiner in self.nodes:
            self.nodes[joiner] = "up"
        try:
            return {
                name: GroupSituation(
                    states=dict(group.states),
                    available=frozenset(node for node in self.nodes if self.node_available(node, name)),
                    tried=frozenset(group.tried),
                    override=group.override,
                    operator_offline=group.operator_offline,
                    wanted=group.wanted,
                    unreleased=group.unreleased(),
                    priorities=self._priorities(name),
                    site=group.site,
                )
                for name, group in self.groups.items()
            }
        finally:
            if before is not None:
                self.nodes[joiner] = before

    def _priorities(self, group: str) -> dict[int, float]:
        """The values of the group's dynamic node priority policy, of the nodes that have told some."""
        policy = self.policy(group)
        key = policy.dynamic if policy is not None else ""
        if not key:
            return {}
        key = f"script/{group}" if key in ("most", "least") else key
        return {node: values[key] for node, values in self.priorities.items() if key in values}

    def holder(self, group: str) -> int:
        """The node that has the group (ONLINE first), 0 if none."""
        states = self.groups[group].states
        for word in ("ONLINE", "UNMANAGED", "ACQUIRING", "RELEASING", "ERROR"):
            for node, state in sorted(states.items()):
                if state == word:
                    return node
        return 0

    def unreleased_on(self, node: int) -> tuple[str, ...]:
        """Groups that the node could not release: it may still have resources of them."""
        return tuple(name for name, group in self.groups.items() if node in group.unreleased())

    def network_lost(self, node: int, network: str) -> bool:
        """Are all boot addresses of the node on this network down?"""
        addresses = [
            address for address, (owner, name) in self.boot_addresses.items() if owner == node and name == network
        ]
        return bool(addresses) and all((node, address) in self.addresses_down for address in addresses)

    def site_is_empty(self, site: str) -> bool:
        """Does no node of the site take part in the cluster?"""
        nodes = next((entry.nodes for entry in self.configuration.sites if entry.name == site), ())
        return all(self.nodes.get(self.node_ids.get(name, 0)) not in ("up", "leaving") for name in nodes)

    def sites_are_cut_off(self) -> bool:
        """Do nodes of two sites take part, and have no network in common any more?"""
        sites = {node: self.configuration.site_of(self.node_names[node]) for node in self.up_nodes()}
        if len(set(sites.values())) < 2:
            return False
        shared = False
        for network in {name for _, name in self.boot_addresses.values()}:
            there = {node for node, name in self.boot_addresses.values() if name == network and node in sites}
            if len({sites[node] for node in there}) > 1:
                shared = True
                if len({sites[node] for node in there if (node, network) not in self.networks_down}) > 1:
                    return False
        return shared

    def policy(self, group: str) -> GroupPolicy | None:
        """The policies of the group of that name."""
        return next((policy for policy in self.policies if policy.name == group), None)

    def up_nodes(self) -> tuple[int, ...]:
        """Nodes with active cluster services."""
        return tuple(node for node, word in sorted(self.nodes.items()) if word in ("up", "leaving"))
