"""The picture of the cluster that status commands and the SNMP agent show, made from the core's state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from daemons.clstrmgr import dependent, events, secondary_instances
from daemons.clstrmgr.core import ClusterManager
from daemons.clstrmgr.messages import (
    AddressView,
    ClusterSnapshot,
    ClusterWord,
    GroupNodeView,
    GroupView,
    GroupWord,
    NetworkView,
    NodeView,
    NodeWord,
    ResourceView,
    SubstateWord,
)
from daemons.clstrmgr.monitors import Definition
from daemons.clstrmgr.replicated import ClusterState
from daemons.cluster.configuration import Configuration, ResourceGroup
from daemons.cluster.placement import FallbackDue, Settled, place


def snapshot(
    core: ClusterManager,
    last_change: int = 0,
    started_at: int = 0,
    override_times: Mapping[str, int] | None = None,
    timers: Mapping[str, str] | None = None,
) -> ClusterSnapshot:
    """The cluster as this node sees it. Times are seconds since the epoch.

    ``override_times`` says when a group's priority override was set, ``timers`` when its delayed timers are due.
    """
    configuration = core.configuration
    if configuration is None:
        return ClusterSnapshot(
            0, "", core.state, False, "notconfigured", "notconfigured", core.node_id, core.node_name,
            last_change=last_change, started_at=started_at,
        )  # fmt: skip
    cluster = core.cluster
    run = core.run
    return ClusterSnapshot(
        cluster_id=configuration.cluster.id,
        cluster_name=configuration.cluster.name,
        state=core.state,
        services=core.services,
        cluster_state=_cluster_word(cluster),
        substate=_substate(core),
        local_node=core.node_id,
        local_name=core.node_name,
        primary=core.members[0] if core.members else 0,
        members=core.members,
        nodes=_nodes(configuration, cluster),
        networks=_networks(configuration, cluster),
        addresses=_addresses(configuration, cluster),
        groups=_groups(configuration, cluster, override_times or {}, timers or {}, _settling(core)),
        last_change=last_change,
        last_event=cluster.last_event if cluster is not None else "",
        last_event_node=cluster.last_event_node if cluster is not None else 0,
        queued=len(cluster.queue) + len(core.outbox) if cluster is not None else 0,
        event=run.event.name if run is not None else "",
        started_at=started_at,
        sites=len(configuration.sites),
    )


def _cluster_word(cluster: ClusterState | None) -> ClusterWord:
    if cluster is None:
        return "down"
    return "up" if any(word in ("up", "joining", "leaving") for word in cluster.nodes.values()) else "down"


def _substate(core: ClusterManager) -> SubstateWord:
    state = core.state
    if state == "ST_RP_FAILED" or (core.run is not None and core.error_seen):
        return "error"
    if core.cluster is None and core.joining is None:
        return "unknown"
    if core.run is not None and core.run.event.name in events.RECONFIGURATIONS:
        return "reconfig"
    return "stable" if state == "ST_STABLE" else "unstable"


def _word(cluster: ClusterState | None, node: int) -> NodeWord:
    return "unknown" if cluster is None else cluster.nodes.get(node, "down")


def _nodes(configuration: Configuration, cluster: ClusterState | None) -> tuple[NodeView, ...]:
    return tuple(
        NodeView(
            node.id,
            node.name,
            _word(cluster, node.id),
            sum(label.node == node.name and label.function == "boot" for label in configuration.labels),
        )
        for node in sorted(configuration.nodes, key=lambda node: node.id)
    )


def _networks(configuration: Configuration, cluster: ClusterState | None) -> tuple[NetworkView, ...]:
    def word(node: int, network: str) -> NodeWord:
        state = _word(cluster, node)
        if cluster is None or state not in ("up", "unmanaged"):
            return state
        return "down" if (node, network) in cluster.networks_down else "up"

    return tuple(
        NetworkView(node.id, network.id, network.name, network.attribute, network.type, word(node.id, network.name))
        for node in sorted(configuration.nodes, key=lambda node: node.id)
        for network in configuration.networks
        if any(label.node == node.name and label.network == network.name for label in configuration.labels)
    )


def _addresses(configuration: Configuration, cluster: ClusterState | None) -> tuple[AddressView, ...]:
    network_ids = {network.name: network.id for network in configuration.networks}
    views: list[AddressView] = []
    for node in sorted(configuration.nodes, key=lambda node: node.id):
        up = _word(cluster, node.id) in ("up", "unmanaged", "leaving")
        for label in configuration.labels:
            network_id = network_ids.get(label.network, 0)
            if label.function in ("boot", "persistent") and label.node == node.name:
                down = cluster is not None and (node.id, label.address) in cluster.addresses_down
                state: NodeWord = "unknown" if cluster is None else "up" if up and not down else "down"
                role = "boot" if label.function == "boot" else "persistent"
                views.append(
                    AddressView(
                        node.id,
                        label.address,
                        label.label,
                        "boot" if role == "boot" else "persistent",
                        network_id,
                        state,
                        node.id,
                    )
                )
            elif label.function == "service":
                group = next(
                    (entry for entry in configuration.groups if label.label in entry.resource("SERVICE_LABEL")), None
                )
                if group is None or node.name not in group.nodes or not configuration.may_hold(node.name, label.label):
                    continue
                holder = _address_holder(configuration, cluster, group.name, label.label)
                views.append(
                    AddressView(
                        node.id,
                        label.address,
                        label.label,
                        "service",
                        network_id,
                        "unknown" if cluster is None else "up" if holder == node.id else "down",
                        holder,
                    )
                )
    return tuple(views)


def _address_holder(configuration: Configuration, cluster: ClusterState | None, group: str, label: str) -> int:
    if cluster is None:
        return 0
    states = cluster.groups[group].states
    holder = next((node for node, state in sorted(states.items()) if state in ("ONLINE", "UNMANAGED")), 0)
    return holder if configuration.may_hold(cluster.node_names.get(holder, ""), label) else 0


def _groups(
    configuration: Configuration,
    cluster: ClusterState | None,
    override_times: Mapping[str, int],
    timers: Mapping[str, str],
    settling: frozenset[str],
) -> tuple[GroupView, ...]:
    ids = {node.name: node.id for node in configuration.nodes}
    moving = {
        item.group: (next(iter(item.release), 0), next(iter(item.acquire), 0))
        for item in (cluster.plan_items() if cluster is not None else ())
    }
    return tuple(
        GroupView(
            group_id=number,
            name=group.name,
            startup=group.startup,
            fallover=group.fallover,
            fallback=group.fallback,
            nodes=tuple(
                GroupNodeView(
                    ids[name],
                    *_group_state(cluster, group.name, ids[name], settling),
                    configuration.site_of(name),
                )
                for name in group.nodes
                if name in ids
            ),
            resources=_resources(configuration, group, cluster),
            override=cluster.groups[group.name].override if cluster is not None else 0,
            operator_offline=cluster is not None and cluster.groups[group.name].operator_offline,
            moving=moving.get(group.name, (0, 0)),
            override_time=override_times.get(group.name, 0),
            timer=timers.get(group.name, ""),
            unmanaged_on=_unmanaged_on(cluster, group.name),
            site_policy=group.site_policy if configuration.sites else "ignore",
            goals=cluster.groups[group.name].goals if cluster is not None else (),
        )
        for number, group in enumerate(configuration.groups, start=1)
    )


def _unmanaged_on(cluster: ClusterState | None, group: str) -> int:
    states = cluster.groups[group].states if cluster is not None else {}
    return next((node for node, state in sorted(states.items()) if state == "UNMANAGED"), 0)


def delayed_timers(core: ClusterManager, now: datetime, clock: int | None = None) -> dict[str, str]:
    """When the delayed timers of groups are due, in the words of ``clRGinfo -t`` (the words are inferred).

    The settling time concerns groups that wait for a better node to come up, a fallback timer those that would go to a
    better node now. ``clock`` is the machine's time, in microseconds; None takes that of its last input.
    """
    cluster, configuration = core.cluster, core.configuration
    seconds = core.settling_seconds(clock)
    if cluster is None or configuration is None or not (configuration.timers or seconds is not None):
        return {}
    found: dict[str, str] = {}
    situations, settling = cluster.situations(), _settling(core)
    for group in configuration.groups:
        if seconds is not None and group.name in settling:
            found[group.name] = f"{seconds // 60} Minutes {seconds % 60} Seconds"
        timer = configuration.timer(group.fallback_timer) if group.fallback_timer else None
        if timer is not None and place(FallbackDue(group.name), cluster.policies, situations):
            due = timer.next_after(now)
            if due is not None:
                found[group.name] = due.strftime("%a %b %d %H:%M:%S %Y")
    return found


def _settling(core: ClusterManager) -> frozenset[str]:
    """Groups that wait for the end of the settling time: a better node may come up."""
    cluster = core.cluster
    if cluster is None or not core.settling:
        return frozenset()
    return frozenset(decision.group for decision in place(Settled(), cluster.policies, cluster.situations()))


def _group_state(
    cluster: ClusterState | None, name: str, node: int, settling: frozenset[str] = frozenset()
) -> tuple[GroupWord, str]:
    if cluster is None:
        return "UNKNOWN", ""
    group = cluster.groups[name]
    secondary = secondary_instances.word(cluster, name, node)
    if secondary is not None:
        return secondary, ""
    if "UNMANAGED" in group.states.values() and group.state(node) == "OFFLINE":
        # A group that is unmanaged somewhere reads UNMANAGED on all its nodes.
        return "UNMANAGED", ""
    word = group.state(node)
    if word == "ERROR" and node not in group.unreleased() and cluster.network_missing(node, name):
        # Nothing of it is left there, and it is tried again when the network is back.
        return "TEMPORARY ERROR", ""
    reason = "settling" if name in settling and not group.holders() else ""
    if word == "OFFLINE":
        reason = reason or dependent.reason(cluster, name)
    return word, reason or group.reasons.get(node, "")


def _resources(
    configuration: Configuration, group: ResourceGroup, cluster: ClusterState | None
) -> tuple[ResourceView, ...]:
    monitored = {
        application
        for entry in map(Definition.of, configuration.monitors)
        if entry.long_running
        for application in entry.applications
    }
    holders = cluster.groups[group.name].holders() if cluster is not None else ()
    # What is unmanaged runs on, and nobody monitors it.
    unmanaged = not holders and _unmanaged_on(cluster, group.name) != 0

    def view(number: int, kind: str, value: str) -> ResourceView:
        state = ""
        if kind == "APPLICATIONS":
            if unmanaged:
                state = NOT_MONITORED
            elif cluster is None:
                state = "OFFLINE"
            else:
                state = _application_word(cluster, group.name, value, value in monitored)
        return ResourceView(number, kind, value, value in monitored, state)

    return tuple(view(number, kind, value) for number, (kind, value) in enumerate(group.resources, start=1))


def _priority_lines(cluster: ClusterState, members: tuple[int, ...]) -> list[str]:
    """The last values for dynamic node priority policies of every member, the highest node id first.

    They are zeros where no group needs any, because then nobody measures (inferred).
    """
    lines: list[str] = []
    for node in sorted(members, reverse=True):
        values = cluster.priorities.get(node, {})
        memory, disk, idle = (values.get(word, 0.0) for word in ("mem", "disk", "cpu"))
        lines += [
            f"DNP Values for NodeId - {node}  NodeName - {cluster.node_names.get(node, '')}",
            f"    PgSpFree = {memory:.0f}  PvPctBusy = {disk:.0f}  PctTotalTimeIdle = {idle:.6f}",
        ]
    return lines


def _waiting_for_fallback(cluster: ClusterState) -> list[str]:
    """Groups that go to a better node when their delayed fallback timer is due (the line about them is inferred)."""
    delayed = [policy.name for policy in cluster.policies if policy.delayed]
    situations = cluster.situations() if delayed else {}
    return [name for name in delayed if place(FallbackDue(name), cluster.policies, situations)]


NOT_MONITORED = "ONLINE NOT MONITORED"


def _application_word(cluster: ClusterState, group: str, application: str, monitored: bool) -> str:
    """The application state as ``clRGinfo -m`` shows it.

    The words are the product's. That an application is OFFLINE until its group is online, and online without monitors
    as soon as the group is released, is inferred from when monitors run: from the group's ONLINE on and no longer. So
    is that one is FAILED, or in FAILOVER, from the failure on and not only when the event that it leads to is over.
    """
    holders = cluster.groups[group].holders()
    states = {cluster.groups[group].state(node) for node in holders}
    if not states - {"ACQUIRING"}:
        return "OFFLINE"
    if not monitored:
        return NOT_MONITORED
    mark = next((mark for node in holders if (mark := cluster.applications.get((node, application)))), "")
    for event in cluster.queue:
        if event.application == application and event.group == group and event.node in holders:
            mark = "fallover" if event.name == events.RG_MOVE else "failed"
    return {
        "failed": "ONLINE FAILED",
        "fallover": "ONLINE FAILOVER",
        "suspended": "ONLINE MONITOR SUSPENDED",
        "monitor failed": "ONLINE MONITOR FAILED",
    }.get(mark, "ONLINE MONITORED" if "ONLINE" in states else NOT_MONITORED)


def long_status(core: ClusterManager, level: str = "7.2.7.0") -> str:
    """The text of ``lssrc -ls clstrmgrES``.

    Line 1 is the state line; no other line may contain the word "state" in lower case, because monitors search for it.
    ``my_handle`` is the node's id, ``i_local_nodeid`` an index from 0 into the members in the order of their names (in
    both captures the node with handle 2 has the lesser name and the index 0), ``i_local_siteid`` one into the sites.
    ``level`` is that of the
    installed fileset cluster.es.server.rte.
    """
    version, release, modification, fix = (*level.split("."), "0", "0", "0", "0")[:4]
    lines = [
        f"Current state: {core.state}",
        'sccsid = "@(#)36 1.135.1.118 src/43haes/usr/sbin/cluster/hacmprd/main.C,hacmp.pe,'
        f'61haes_r{version}{release}{modification}"',
        f'build = "HAES, an emulation of PowerHA SystemMirror {version}.{release}.{modification}"',
    ]
    cluster = core.cluster
    if cluster is None:
        return "\n".join(lines)
    by_name = sorted(core.members, key=lambda node: cluster.node_names.get(node, ""))
    index = {handle: position for position, handle in enumerate(by_name)}
    sites = [site.name for site in cluster.configuration.sites]
    own_site = cluster.configuration.site_of(core.node_name)
    site = sites.index(own_site) if own_site else -1
    lines += [
        f"i_local_nodeid {index.get(core.node_id, -1)}, i_local_siteid {site}, my_handle {core.node_id}",
        "     ".join(f"ml_idx[{handle}]={index[handle]}" for handle in sorted(index)),
        f"There are {len(cluster.queue)} events on the Ibcast queue",
        f"There are {len(core.outbox)} events on the RM Ibcast queue",
        f"CLversion: {cluster.configuration.cluster.version}",
        f"local node vrmf is {version}{release}{modification}{fix}",
        f'cluster fix level is "{fix}"',
        "The following timer(s) are currently active:",
        *(("Settling Timer",) if core.settling else ()),
        *(f"monitor {name}:::RestartTimer" for name in core.restart_timers()),
        *(f"group {name}:::FallbackTimer" for name in _waiting_for_fallback(cluster)),
        "Current DNP values",
        *_priority_lines(cluster, core.members),
    ]
    lines += [
        "CAA Cluster Capabilities",
        "CAA Cluster services are active",
        "There are 4 capabilities",
    ]
    for number, (identity, word) in enumerate(((3, "Hostname Change"), (2, "Unicast"), (0, "IPV6"), (1, "Site"))):
        lines += [
            f"Capability {number}",
            f"  id: {identity}  version: 1  flag: 1",
            f"  {word} capability is defined and globally available",
        ]
    lines.append("trcOn 0, kTraceOn 0, stopTraceOnExit 0, cdNodeOn 0")
    if cluster.last_event:
        lines.append(f"Last event run was {cluster.last_event:<12}  on node {cluster.last_event_node}")
    return "\n".join(lines)
