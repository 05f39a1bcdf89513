"""The processing model of clusters whose resource groups depend on each other.

node_up and node_down do no resource work then, nor do resource_state_change and external_resource_state_change, which
come first when a group must move or an operator wants it to: they only set the goals of the groups anew. Moves follow,
one rg_move event for all groups that the dependencies allow to move at the time, so one for each level of a family;
whenever one is complete, the next one is queued. An event of completion closes the sequence. Moves are computed when
their event begins, not when it was queued, so that whatever happened in between counts. All of it is a function of the
replicated state.
"""

from __future__ import annotations

from typing import Final

import msgspec

from daemons.clstrmgr import events, reconfiguration, secondary_instances
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.replicated import FALLOVER, LACK_OF_NODE, ClusterState, PlanItem
from daemons.cluster.arrangement import aim
from daemons.cluster.placement import (
    HELD,
    FallbackDue,
    GroupFailed,
    Managed,
    NodeJoined,
    NodeLeft,
    OperatorMove,
    OperatorOffline,
    ResourcesBack,
    Settled,
    Trigger,
    is_kept_at_site,
)
from daemons.cluster.succession import next_moves

RULES: Final = {events.JOIN_NODE: events.JOIN_NODE_DEP, events.FAIL_NODE: events.FAIL_NODE_DEP}
SITE_RULES: Final = {
    events.DARE_RESOURCE: events.DARE_RESOURCE_SITES,
    events.DARE_CONFIGURATION: events.DARE_CONFIGURATION_SITES,
}
"""Reconfigurations with steps for both instances of groups (the names of the rules are inferred)."""
MOVES: Final = (events.DEPENDENCY, events.CHANGED)
"""Modes of events that move groups; all others only say where groups are to be."""


def is_change(event: Event) -> bool:
    """Is it an event about a group, or several, that moves nothing itself where groups depend on each other?"""
    return event.name in (events.RG_MOVE, events.RG_ONLINE, events.RG_OFFLINE) and event.mode not in MOVES


def rule(cluster: ClusterState, event: Event) -> str:
    """The name under which rules.hacmprd has the event's recovery program."""
    if event.name in SITE_RULES and reconfiguration.heeds_sites(cluster, event.digest):
        return SITE_RULES[event.name]
    if not cluster.dependencies:
        return event.name
    if is_change(event):
        return events.EXTERNAL_STATE_CHANGE if event.mode == events.OPERATOR else events.RESOURCE_STATE_CHANGE
    return RULES.get(event.name, event.name)


def shown(cluster: ClusterState, event: Event) -> Event:
    """The event under the name by which logs and status know it."""
    if cluster.dependencies and is_change(event):
        return msgspec.structs.replace(event, name=rule(cluster, event))
    return event


def announced(cluster: ClusterState, event: Event) -> tuple[PlanItem, ...]:
    """What the event says that groups will do: the plan of what it begins, as far as it is known now."""
    if not cluster.dependencies or event.name in events.RECONFIGURATIONS:
        return cluster.plan
    if (event.name not in RULES and not is_change(event)) or event.mode == "unmanage":
        return ()
    items = []
    there = {*cluster.up_nodes(), event.node if event.name == events.JOIN_NODE else 0}
    for name, group in cluster.groups.items():
        if "UNMANAGED" in group.states.values():
            continue
        held = group.holders()
        release = tuple(node for node in held if node not in group.goals)
        acquire = tuple(node for node in group.goals if node not in held and node in there)
        if release or acquire:
            items.append(PlanItem(name, release, acquire, False))
    return tuple(items)


def ends_services(cluster: ClusterState, event: Event) -> bool:
    """Is it the event after which a node that was stopped leaves?"""
    if event.name == events.FAIL_NODE:
        return not cluster.dependencies or event.mode in ("unmanage", events.CRASH)
    return event.name == events.FAIL_NODE_DEP_COMPLETE and event.mode != events.CRASH


def make(cluster: ClusterState, event: Event, gone: bool) -> tuple[PlanItem, ...]:
    """Set the goals anew, and the plan of the event: what the groups may do now, if it moves any."""
    if event.secondary and event.mode == events.OPERATOR:
        secondary_instances.ask(cluster, event)
    else:
        trigger = _trigger(cluster, event, gone)
        if trigger is not None:
            _aim(cluster, event, trigger)
    if event.name == events.FAIL_NODE and event.mode == events.CRASH and not gone:
        # The node is back already, booted anew: it gives back what it may still have, and only this event runs on it.
        there = event.node
        return tuple(
            PlanItem(
                name,
                (there,) if entry.state(there) in (*HELD, "ERROR") else (),
                (),
                False,
                release_secondary=(there,) if there in entry.secondary else (),
            )
            for name, entry in cluster.groups.items()
            if entry.state(there) in (*HELD, "ERROR") or there in entry.secondary
        )
    if event.name != events.RG_MOVE or event.mode not in MOVES:
        return ()
    return moves(cluster, event.group if event.mode == events.CHANGED else "")


def moves(cluster: ClusterState, changed: str = "") -> tuple[PlanItem, ...]:
    """What the groups may do now. What is left of the group ``changed`` where it failed is given back besides."""
    found = {
        move.group: move
        for move in next_moves(cluster.policies, cluster.situations(), cluster.dependencies, cluster.goals)
        # A node that is not up any more, or not yet, is the business of an event about the node.
        if set(move.release) <= set(cluster.up_nodes())
    }
    items: list[PlanItem] = []
    for policy in cluster.policies:
        group, move = cluster.groups[policy.name], found.get(policy.name)
        release = set(move.release) if move is not None else set()
        acquire = move.acquire if move is not None else ()
        if policy.name == changed:
            release |= group.unreleased() & set(cluster.up_nodes())
        if acquire and not policy.concurrent:
            release |= group.unreleased() - set(acquire)
        release_secondary, acquire_secondary = secondary_instances.moves(cluster, policy, release)
        if not release and not acquire and not release_secondary and not acquire_secondary:
            continue
        # It has failed everywhere: that is an error, and not the place where it is to be.
        lost = group.wanted and not group.operator_offline and bool(release & group.tried)
        lost = lost and (policy.concurrent or not group.goals)
        items.append(
            PlanItem(
                policy.name,
                tuple(sorted(release - set(acquire))),
                acquire,
                lost,
                release_secondary=release_secondary,
                acquire_secondary=acquire_secondary,
            )
        )
    return tuple(items)


def follow(cluster: ClusterState, event: Event, others: list[Event]) -> list[Event]:
    """The events that an event is followed by: moves that may begin now, and the end of what the event began."""
    if event.name == events.JOIN_NODE:
        _manage_again(cluster, event.node)
    elif event.name in events.RECONFIGURATIONS:
        # There may not have been any dependencies, and so no goals, before.
        for group in cluster.groups.values():
            group.goals = group.holders()
        secondary_instances.aim(cluster)
    change = is_change(event)
    result: list[Event] = []
    queued = [entry for entry in (*cluster.queue, *others) if entry.name == events.RG_MOVE and entry.mode in MOVES]
    if change or not any(entry.serial != event.serial for entry in queued):
        changed = event.group if change and event.group in cluster.groups else ""
        items = moves(cluster, changed)
        if items:
            first = next((item for item in items if item.group == changed), items[0])
            mode = events.CHANGED if first.group == changed else events.DEPENDENCY
            nodes = (*first.release, *first.acquire, *first.release_secondary, *first.acquire_secondary)
            result.append(Event(events.RG_MOVE, nodes[0], mode=mode, group=first.group))
    if event.name == events.JOIN_NODE:
        result.append(Event(events.JOIN_NODE_DEP_COMPLETE, event.node))
    elif event.name == events.FAIL_NODE:
        result.append(Event(events.FAIL_NODE_DEP_COMPLETE, event.node, mode=event.mode, left=event.left))
        result.extend(
            Event(events.INTERSITE_FALLOVER_PREVENTED, event.node, group=name)
            for name, group in cluster.groups.items()
            if (group.state(event.node) in HELD or group.reasons.get(event.node) in (FALLOVER, LACK_OF_NODE))
            and _kept_at_site(cluster, name)
        )
    elif change:
        if event.mode == events.FAILED and _kept_at_site(cluster, event.group):
            result.append(Event(events.INTERSITE_FALLOVER_PREVENTED, event.node, group=event.group))
        external = event.mode == events.OPERATOR
        name = events.EXTERNAL_STATE_CHANGE_COMPLETE if external else events.RESOURCE_STATE_CHANGE_COMPLETE
        result.append(Event(name, event.node))
    return result


def _kept_at_site(cluster: ClusterState, name: str) -> bool:
    """Has the group no place left, but would have one at another site, where the groups that it belongs with are not,
    or where the cluster's policy for site failures does not let it go?"""
    group = cluster.groups.get(name)
    policy = cluster.policy(name)
    if group is None or policy is None or group.goals or not group.wanted or group.operator_offline:
        return False
    situation = cluster.situations()[name]
    return any(
        cluster.node_available(node, name)
        and node not in group.tried
        and (
            is_kept_at_site(policy, situation, node)
            or any(cluster.dependencies.at_other_site(name, node, other, goal) for other, goal in cluster.goals.items())
        )
        for node in policy.nodes
    )


def _manage_again(cluster: ClusterState, node: int) -> None:
    """Services start again where groups were left unmanaged: every resource of them is checked."""
    for policy in cluster.policies:
        group = cluster.groups[policy.name]
        if group.state(node) == "UNMANAGED":
            group.set(node, "OFFLINE")
            # A group that is online on all available nodes stays where it is besides.
            others = group.holders() if policy.concurrent else ()
            group.goals = tuple(sorted({*others, node}))
            group.wanted = True
        if group.secondary.get(node) == "UNMANAGED":
            group.set_secondary(node, "ONLINE")


def _trigger(cluster: ClusterState, event: Event, gone: bool) -> Trigger | None:
    match event.name:
        case events.JOIN_NODE:
            cluster.forget_failures()
            return None if event.mode == "manual" else NodeJoined(event.node, cluster.settled)
        case events.JOIN_NETWORK:
            cluster.forget_failures()
            return None
        case events.FAIL_NODE:
            cluster.forget_failures_before(event.node)
            if event.mode in ("offline", "unmanage"):
                return NodeLeft(event.node, "offline" if event.mode == "offline" else "unmanage")
            return NodeLeft(event.node, "crash" if gone else "move")
        case events.RG_OFFLINE if event.group in cluster.groups:
            cluster.note_operator_offline(event)
            _forget_errors(cluster, event.group, event.target)
            return OperatorOffline(event.group, event.target)
        case events.RG_MOVE | events.RG_ONLINE:
            return _move_trigger(cluster, event)
        case _:
            return None


def _move_trigger(cluster: ClusterState, event: Event) -> Trigger | None:
    if event.mode == events.SETTLE:
        cluster.settled = True
        return Settled()
    if event.mode == events.MANAGE:
        return Managed()
    group = cluster.groups.get(event.group)
    if group is None or event.mode in MOVES:
        return None
    match event.mode:
        case events.FAILED:
            cluster.note_failure(event)
            return GroupFailed(event.group, event.node)
        case events.RETRY:
            return ResourcesBack(event.node)
        case events.FALLBACK:
            group.override = 0
            group.tried.clear()
            return FallbackDue(event.group)
        case _:
            for name in cluster.dependencies.together(event.group):
                member = cluster.groups.get(name)
                if member is not None and (name == event.group or member.wanted):
                    member.tried.clear()
                    member.override = event.target
            cluster.forget_unmanaged(event.group)
            group.operator_offline = False
            group.wanted = True
            return OperatorMove(event.group, event.target)


def _forget_errors(cluster: ClusterState, name: str, node: int = 0) -> None:
    """An operator takes a group in ERROR in hand, on a node or (0) on all: where nothing of it is left there is nothing
    to release."""
    group = cluster.groups[name]
    for place, state in list(group.states.items()):
        if state == "ERROR" and place not in group.unreleased() and node in (0, place):
            group.set(place, "OFFLINE")


def _aim(cluster: ClusterState, event: Event, trigger: Trigger) -> None:
    before = cluster.nodes.get(event.node)
    leaving = isinstance(trigger, NodeLeft)
    if leaving:
        cluster.nodes[event.node] = "leaving"
    joiner = event.node if isinstance(trigger, NodeJoined) else 0
    situations = cluster.situations(joiner)
    # Whoever stops services holds its groups until they move: that is no place to stay, whatever happens meanwhile.
    stopping = frozenset(
        queued.node
        for queued in cluster.queue
        if queued.name == events.FAIL_NODE_DEP_COMPLETE and queued.mode != events.CRASH
    )
    goals = aim(trigger, cluster.policies, situations, cluster.dependencies, cluster.goals, stopping)
    if leaving and before is not None:
        cluster.nodes[event.node] = before
    for name, nodes in goals.items():
        group = cluster.groups[name]
        held = group.state(event.node) in HELD
        group.goals = nodes
        if nodes:
            group.wanted = True
        elif isinstance(trigger, NodeLeft) and trigger.mode == "offline" and held:
            group.wanted = any(state in HELD for node, state in group.states.items() if node != event.node)
    asked = cluster.policy(trigger.group) if isinstance(trigger, OperatorMove) else None
    if asked is not None and not asked.concurrent and goals[asked.name]:
        _forget_errors(cluster, asked.name)
    secondary_instances.aim(cluster, joiner, event.node if leaving else 0)


def reason(cluster: ClusterState, name: str) -> str:
    """Why a group that is offline is offline, in the words of ``clRGinfo -v``; "" if no dependency is the reason."""
    group = cluster.groups[name]
    if not cluster.dependencies or not group.wanted or group.holders():
        return ""

    def offline(other: str) -> bool:
        return other in cluster.groups and "ONLINE" not in cluster.groups[other].states.values()

    if any(offline(parent) for parent in cluster.dependencies.parents_of(name)):
        return "parent offline"
    if any(offline(target) for target in cluster.dependencies.targets_of(name)):
        return "target offline"
    return "" if group.goals else "lack of node"
