"""What an event does to the resource groups: the plan, its stages, and what follows from it.

All of it is a function of the replicated state, so that every member makes the same plan and the same follow-up
events. A group is acquired only where every release before it was reported done: a releasing node that says nothing
(because it died) leaves its group in RELEASING, and the event of that node's failure deals with it.
"""

from __future__ import annotations

from daemons.clstrmgr import dependent, events, reconfiguration
from daemons.clstrmgr.events import Event, Instances, Stage
from daemons.clstrmgr.messages import NodeWord
from daemons.clstrmgr.replicated import FALLOVER, LACK_OF_NODE, ClusterState, GroupState, PlanItem
from daemons.clstrmgr.wire import Report
from daemons.cluster import placement
from daemons.cluster.placement import HELD, Decision, GroupFailed, NodeJoined, NodeLeft, OperatorMove, OperatorOffline


def begin(cluster: ClusterState, event: Event, members: tuple[int, ...]) -> None:
    """Make the plan of an event and note that it runs; a plan that an interrupted run left is taken up again."""
    if cluster.plan_serial == event.serial:
        return
    if cluster.dependencies and event.name not in events.RECONFIGURATIONS:
        cluster.plan = dependent.make(cluster, event, _gone(event, members))
    else:
        cluster.plan = _make(cluster, event, members)
    cluster.plan_serial = event.serial
    cluster.plan_step = -1
    if event.name == events.FAIL_NODE:
        cluster.nodes[event.node] = "leaving"
        if _gone(event, members):
            for policy in cluster.policies:
                group = cluster.groups[policy.name]
                # The node has left the view: whatever it held is free.
                if group.state(event.node) != "UNMANAGED":
                    fell_over = policy.falls_over and group.state(event.node) in HELD
                    group.set(event.node, "OFFLINE", FALLOVER if fell_over else "")
                group.set_secondary(event.node, "OFFLINE")


def abandon(cluster: ClusterState) -> list[Event]:
    """Give up the plan of an event that was broken off and will not run on; returns the events that clean up.

    Whoever was acquiring or releasing has an unknown part of the group: it is released there and placed anew.
    """
    follow = [
        Event(events.RG_MOVE, node, mode=events.FAILED, group=item.group)
        for item in cluster.plan_items()
        for node, state in sorted(cluster.groups[item.group].states.items())
        if state in ("ACQUIRING", "RELEASING") and cluster.nodes.get(node) != "down"
    ]
    for group in cluster.groups.values():
        for node, state in list(group.secondary.items()):
            if state in ("ACQUIRING", "RELEASING"):
                # It holds nothing: there is nothing to clean up.
                group.set_secondary(node, "OFFLINE")
    cluster.plan, cluster.plan_serial, cluster.plan_step = (), 0, 0
    return follow


def begin_stage(
    cluster: ClusterState, stage: Stage, running: frozenset[int], instances: Instances = events.BOTH_INSTANCES
) -> None:
    """A step begins: note what the nodes that run it do with the instances of their groups that it is about."""
    for item in cluster.plan_items():
        group = cluster.groups[item.group]
        if "secondary" in instances:
            _begin_secondary(group, item, stage, running)
        if "primary" not in instances:
            continue
        if stage is Stage.RELEASE:
            for node in item.release:
                if node in running and group.state(node) in (*HELD, "ERROR", "UNMANAGED"):
                    group.set(node, "RELEASING")
        elif stage is Stage.ACQUIRE and not blocked(cluster, item):
            for node in item.acquire:
                if node in running and group.state(node) != "ONLINE":
                    group.set(node, "ACQUIRING")
                    group.wanted = True


def _begin_secondary(group: GroupState, item: PlanItem, stage: Stage, running: frozenset[int]) -> None:
    if stage is Stage.RELEASE:
        for node in running.intersection(item.release_secondary):
            if node in group.secondary:
                group.set_secondary(node, "RELEASING")
    elif stage is Stage.ACQUIRE and not group.secondary_holders():
        for node in running.intersection(item.acquire_secondary):
            if group.state(node) not in HELD:
                group.set_secondary(node, "ACQUIRING")


def blocked(cluster: ClusterState, item: PlanItem) -> bool:
    """Is a release that the acquisition waits for not done?"""
    group = cluster.groups[item.group]
    if any(node in group.secondary_holders() for node in item.acquire):
        return True
    kept = (*HELD, "UNMANAGED")
    if any(group.state(node) in kept or node in group.unreleased() for node in item.release):
        return True
    if any(policy.name == item.group and policy.concurrent for policy in cluster.policies):
        return False
    others = [node for node in group.states if node not in item.acquire]
    return any(group.state(node) in HELD or node in group.unreleased() for node in others)


def groups_of(cluster: ClusterState, stage: Stage, node: int) -> tuple[str, ...]:
    """The groups that a node handles in a stage that has begun."""
    word = "RELEASING" if stage is Stage.RELEASE else "ACQUIRING"
    return tuple(
        item.group
        for item in cluster.plan_items()
        if (
            node in (item.release if stage is Stage.RELEASE else item.acquire)
            and cluster.groups[item.group].state(node) == word
        )
        or (node in item.change and cluster.groups[item.group].state(node) == "ONLINE")
    )


def secondaries_of(cluster: ClusterState, stage: Stage, node: int) -> tuple[str, ...]:
    """The groups whose secondary instance a node handles in a stage that has begun."""
    word = {Stage.RELEASE: "RELEASING", Stage.ACQUIRE: "ACQUIRING"}.get(stage)
    return tuple(
        item.group
        for item in cluster.plan_items()
        if node in (item.release_secondary if stage is Stage.RELEASE else item.acquire_secondary)
        and cluster.groups[item.group].secondary.get(node, "") == word
    )


def changed_on(cluster: ClusterState, node: int) -> frozenset[str]:
    """The groups that stay online on a node while they lose and gain resources."""
    return frozenset(item.group for item in cluster.plan if node in item.change)


def stranded_groups(cluster: ClusterState) -> frozenset[str]:
    """The groups for which no node is left: they end in ERROR where they are released."""
    return frozenset(item.group for item in cluster.plan if item.stranded)


def apply_report(cluster: ClusterState, report: Report) -> None:
    """Note what a member says about its groups after a step."""
    stranded = stranded_groups(cluster)
    for outcome in report.groups:
        group = cluster.groups.get(outcome.group)
        if group is None:
            continue
        if outcome.secondary:
            group.set_secondary(report.node, outcome.state)
        elif outcome.state == "ERROR":
            if group.state(report.node) == "ACQUIRING":
                group.tried.add(report.node)
            group.set(report.node, "ERROR")
        elif outcome.group in stranded:
            group.set(report.node, "ERROR", LACK_OF_NODE)
        else:
            group.set(report.node, "OFFLINE")


def finish(cluster: ClusterState, event: Event, members: tuple[int, ...]) -> list[Event]:
    """The event is over on all members: settle the states and return the events that follow from it."""
    follow: list[Event] = []
    nothing = void(cluster, event)
    for item in cluster.plan_items():
        group = cluster.groups[item.group]
        for node in item.acquire_secondary:
            if group.secondary.get(node) == "ACQUIRING":
                group.set_secondary(node, "ONLINE")
        for node in item.acquire:
            if group.state(node) == "ACQUIRING":
                group.set(node, "ONLINE")
                group.site = cluster.configuration.site_of(cluster.node_names.get(node, ""))
                cluster.forget_applications(node, item.group)
                _forget_former_errors(cluster, item.group)
            elif group.state(node) == "ERROR":
                follow.append(Event(events.RG_MOVE, node, mode=events.FAILED, group=item.group))
        if cluster.dependencies and item.release and blocked(cluster, item):
            # What cannot be released is not tried again before something new happens.
            group.goals = ()
    if event.name == events.SERVER_DOWN and not nothing:
        cluster.mark_application(event.node, event.application, "failed")
    if event.name == events.NETWORK_UNSTABLE:
        cluster.networks_unstable.add(event.network)
    elif event.name == events.NETWORK_STABLE:
        cluster.networks_unstable.discard(event.network)
    _settle_nodes(cluster, event, members)
    follow.extend(_network_events(cluster, event, members))
    follow.extend(_site_events(cluster, event))
    if event.name == events.FAIL_NODE:
        follow.extend(_unreleased_elsewhere(cluster, follow))
    elif event.name == events.FAIL_NODE_DEP_COMPLETE:
        # In a cluster with sites that is the last event of a node that goes.
        site = cluster.configuration.site_of(cluster.node_names.get(event.node, ""))
        if site and cluster.site_is_empty(site):
            follow.append(Event(events.FAIL_SITE, event.node, site=site))
    if cluster.dependencies and not (nothing and dependent.is_change(event)):
        follow.extend(dependent.follow(cluster, event, follow))
    cluster.drop(event.serial)
    cluster.plan, cluster.plan_serial, cluster.plan_step = (), 0, 0
    if not nothing:
        cluster.last_event, cluster.last_event_node = dependent.shown(cluster, event).short_name, event.node
    return follow


def _forget_former_errors(cluster: ClusterState, name: str) -> None:
    """A group is online again: it is no error any more that it found no place before."""
    policy, group = cluster.policy(name), cluster.groups[name]
    if policy is None or policy.concurrent:
        return
    for node, state in list(group.states.items()):
        if state == "ERROR" and node not in group.unreleased():
            group.set(node, "OFFLINE")


def _site_events(cluster: ClusterState, event: Event) -> list[Event]:
    """The sites lost the last network between them, or have one again."""
    isolated = cluster.sites_are_cut_off()
    if isolated == cluster.sites_isolated:
        return []
    cluster.sites_isolated = isolated
    if event.name not in (*events.OF_INTERFACES, events.FAIL_NETWORK, events.JOIN_NETWORK):
        return []  # a site came or went with its nodes
    return [Event(events.SITE_ISOLATION if isolated else events.SITE_MERGE, event.node)]


def needs(cluster: ClusterState, group: str, node: int, network: str) -> bool:
    """Does the group fall over when the node loses the network: has it a service label there that is not only
    notified?"""
    configured = cluster.configuration.group(group)
    return configured is not None and any(
        configured.notify_method("SERVICE_LABEL", name) is None
        for name in configured.resource("SERVICE_LABEL")
        if (label := cluster.configuration.label(name)) is not None
        and label.network == network
        and cluster.configuration.may_hold(cluster.node_names.get(node, ""), name)
    )


def void(cluster: ClusterState, event: Event) -> bool:
    """Is there nothing left to do: an event about an application that is no longer online where it failed, or one that
    moves groups, when none has to move any more (the settling time is over, and all of them are online)?"""
    if event.name in (events.RG_MOVE, events.RG_ONLINE, events.RG_OFFLINE):
        if cluster.dependencies and dependent.is_change(event):
            return event.mode == events.SETTLE and not dependent.announced(cluster, event)
        return not cluster.plan_items()
    if event.name not in (events.SERVER_RESTART, events.SERVER_DOWN):
        return False
    group = cluster.groups.get(event.group)
    return group is None or group.state(event.node) != "ONLINE"


def _unreleased_elsewhere(cluster: ClusterState, follow: list[Event]) -> list[Event]:
    """A node went, but another one may still have a part of a group: release it there, then look for a place."""
    return [
        Event(events.RG_MOVE, node, mode=events.FAILED, group=name)
        for name, group in cluster.groups.items()
        if group.wanted and not group.holders()
        for node in sorted(group.unreleased())
        if not any(
            (queued.name, queued.mode, queued.group, queued.node) == (events.RG_MOVE, events.FAILED, name, node)
            for queued in (*cluster.queue, *follow)
        )
    ]


def _make(cluster: ClusterState, event: Event, members: tuple[int, ...]) -> tuple[PlanItem, ...]:
    trigger: placement.Trigger
    match event.name:
        case events.JOIN_NODE:
            cluster.forget_failures()
            trigger = NodeJoined(event.node, cluster.settled)
            decisions = placement.place(trigger, cluster.policies, cluster.situations(event.node))
            if event.mode == "manual":
                # Nothing is acquired, but what the node has had all the time is managed again.
                decisions = tuple(
                    entry for entry in decisions if cluster.groups[entry.group].state(event.node) == "UNMANAGED"
                )
            return _items(decisions)
        case events.FAIL_NODE:
            return _leave_plan(cluster, event, members)
        case events.JOIN_NETWORK:
            cluster.forget_failures()
            return ()
        case events.DARE_TOPOLOGY | events.DARE_RESOURCE | events.DARE_CONFIGURATION:
            return reconfiguration.items(cluster)
        case events.RG_MOVE | events.RG_ONLINE:
            return _move_plan(cluster, event)
        case events.RG_OFFLINE:
            cluster.note_operator_offline(event)
            trigger = OperatorOffline(event.group, event.target)
        case _:
            return ()
    return _items(placement.place(trigger, cluster.policies, cluster.situations()))


def _leave_plan(cluster: ClusterState, event: Event, members: tuple[int, ...]) -> tuple[PlanItem, ...]:
    cluster.forget_failures_before(event.node)
    before = cluster.nodes[event.node]
    cluster.nodes[event.node] = "leaving"
    situations = cluster.situations()
    cluster.nodes[event.node] = before
    if event.mode in ("offline", "unmanage"):
        trigger = NodeLeft(event.node, "offline" if event.mode == "offline" else "unmanage")
    else:
        trigger = NodeLeft(event.node, "crash" if _gone(event, members) else "move")
    items = _items(placement.place(trigger, cluster.policies, situations))
    for item in items:
        group = cluster.groups[item.group]
        if event.mode == "offline" and group.state(event.node) in HELD:
            group.wanted = any(state in HELD for node, state in group.states.items() if node != event.node)
        elif item.stranded:
            group.wanted = True
    return items


def _move_plan(cluster: ClusterState, event: Event) -> tuple[PlanItem, ...]:
    if event.mode == events.SETTLE:
        cluster.settled = True
        return _items(placement.place(placement.Settled(), cluster.policies, cluster.situations()))
    if event.mode == events.MANAGE:
        return _items(placement.place(placement.Managed(), cluster.policies, cluster.situations()))
    group = cluster.groups.get(event.group)
    if group is None:
        return ()
    trigger: placement.Trigger
    if event.mode == events.FAILED:
        cluster.note_failure(event)
        trigger = GroupFailed(event.group, event.node)
    elif event.mode == events.RETRY:
        trigger = placement.ResourcesBack(event.node)
    elif event.mode == events.FALLBACK:
        group.override = 0
        group.tried.clear()
        trigger = placement.FallbackDue(event.group)
    else:
        cluster.forget_unmanaged(event.group)
        group.operator_offline = False
        group.wanted = True
        group.tried.clear()
        group.override = event.target
        trigger = OperatorMove(event.group, event.target)
    decisions = placement.place(trigger, cluster.policies, cluster.situations())
    return _items(tuple(decision for decision in decisions if decision.group == event.group))


def _lacks(cluster: ClusterState, name: str, node: int) -> bool:
    """Does the group wait for a place; one that is online on all available nodes, for this one?"""
    policy, group = cluster.policy(name), cluster.groups[name]
    return group.state(node) == "ERROR" if policy is not None and policy.concurrent else not group.holders()


def _gone(event: Event, members: tuple[int, ...]) -> bool:
    return event.mode == events.CRASH and event.node not in members


def _items(decisions: tuple[Decision, ...]) -> tuple[PlanItem, ...]:
    return tuple(PlanItem(entry.group, entry.release, entry.acquire, entry.stranded) for entry in decisions)


def _settle_nodes(cluster: ClusterState, event: Event, members: tuple[int, ...]) -> None:
    if event.name == events.JOIN_NODE:
        cluster.nodes[event.node] = "up"
    elif event.name in (events.FAIL_NODE, events.FAIL_NODE_DEP_COMPLETE):
        if not dependent.ends_services(cluster, event):
            return
        back = event.mode == events.CRASH and event.node in members
        word: NodeWord = "unmanaged" if event.mode == "unmanage" else "joining" if back else "down"
        if word == "down" and event.mode != events.CRASH and cluster.unreleased_on(event.node):
            # Only this node can still give back what it holds, and only a member is heard: its services stay up.
            word = "up"
        cluster.nodes[event.node] = word
        for policy in cluster.policies:
            group = cluster.groups[policy.name]
            if event.mode == "unmanage":
                if group.state(event.node) in HELD:
                    group.set(event.node, "UNMANAGED")
                if event.node in group.secondary_holders():
                    group.set_secondary(event.node, "UNMANAGED")
            elif event.mode == events.CRASH:
                if policy.falls_over and group.wanted and not group.goals and not group.holders():
                    group.set(event.node, "OFFLINE", LACK_OF_NODE)
            elif group.state(event.node) == "ERROR" and event.node not in group.unreleased():
                group.set(event.node, "OFFLINE")


def _network_events(cluster: ClusterState, event: Event, members: tuple[int, ...]) -> list[Event]:
    """Network events that follow from interface events, and group moves that follow from network events."""
    follow: list[Event] = []
    if event.name in events.OF_INTERFACES:
        lost = cluster.network_lost(event.node, event.network)
        known = (event.node, event.network) in cluster.networks_down
        if lost and not known:
            cluster.networks_down.add((event.node, event.network))
            everywhere = all((node, event.network) in cluster.networks_down for node in cluster.up_nodes())
            # A network that is lost on all of several nodes is a global failure: nothing moves.
            several = len(cluster.up_nodes()) > 1
            follow.append(
                Event(events.FAIL_NETWORK, 0 if everywhere and several else event.node, network=event.network)
            )
        elif known and not lost:
            cluster.networks_down.discard((event.node, event.network))
            follow.append(Event(events.JOIN_NETWORK, event.node, network=event.network))
    elif event.name == events.FAIL_NETWORK and event.node:
        follow.extend(
            Event(events.RG_MOVE, event.node, mode=events.FAILED, group=name)
            for name, group in cluster.groups.items()
            if group.state(event.node) in HELD and needs(cluster, name, event.node, event.network)
        )
    elif event.name == events.JOIN_NETWORK:
        follow.extend(
            Event(events.RG_MOVE, event.node, mode=events.RETRY, group=name)
            for name, group in cluster.groups.items()
            if group.wanted
            and event.network in cluster.group_networks.get((name, event.node), ())
            and _lacks(cluster, name, event.node)
        )
    return follow
