"""The processing model of clusters whose resource groups depend on each other.

node_up and node_down do no resource work then: they only set the goals of the groups anew. Moves follow, one rg_move
event a group, as far as the dependencies allow them at the time; whenever one is complete, the next ones are queued.
An event of completion closes the sequence. Every move is computed when its event begins, not when it was queued, so
that whatever happened in between counts. All of it is a function of the replicated state.
"""

from __future__ import annotations

from typing import Final

from daemons.clstrmgr import events
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.replicated import ClusterState, PlanItem
from daemons.cluster.arrangement import aim
from daemons.cluster.placement import (
    HELD,
    FallbackDue,
    GroupFailed,
    NodeJoined,
    NodeLeft,
    OperatorMove,
    OperatorOffline,
    ResourcesBack,
    Settled,
    Trigger,
    place,
)
from daemons.cluster.succession import next_moves

RULES: Final = {events.JOIN_NODE: events.JOIN_NODE_DEP, events.FAIL_NODE: events.FAIL_NODE_DEP}


def rule(cluster: ClusterState, event: Event) -> str:
    """The name under which rules.hacmprd has the event's recovery program."""
    return RULES.get(event.name, event.name) if cluster.dependencies else event.name


def ends_services(cluster: ClusterState, event: Event) -> bool:
    """Is it the event after which a node that was stopped leaves?"""
    if event.name == events.FAIL_NODE:
        return not cluster.dependencies or event.mode in ("unmanage", events.CRASH)
    return event.name == events.FAIL_NODE_DEP_COMPLETE and event.mode != events.CRASH


def make(cluster: ClusterState, event: Event, gone: bool) -> tuple[PlanItem, ...]:
    """Set the goals anew, and the plan of the event: what its group may do now, if it is about one."""
    trigger = _trigger(cluster, event, gone)
    if trigger is not None:
        _aim(cluster, event, trigger)
    group = cluster.groups.get(event.group)
    if event.name == events.FAIL_NODE and event.mode == events.CRASH and not gone:
        # The node is back already, booted anew: it gives back what it may still have, and only this event runs on it.
        return tuple(
            PlanItem(name, (event.node,), (), False)
            for name, entry in cluster.groups.items()
            if entry.state(event.node) in (*HELD, "ERROR")
        )
    if event.name not in (events.RG_MOVE, events.RG_ONLINE, events.RG_OFFLINE) or group is None:
        return ()
    situations = cluster.situations()
    moves = next_moves(cluster.policies, situations, cluster.dependencies, cluster.goals)
    move = next((move for move in moves if move.group == event.group), None)
    release = set(move.release) if move is not None else set()
    acquire = move.acquire if move is not None else ()
    stranded = False
    if trigger is not None:
        # What an acquisition that failed, or an operator's hands, have left behind is given back.
        explicit = next(
            (entry for entry in place(trigger, cluster.policies, situations) if entry.group == event.group), None
        )
        if explicit is not None:
            release |= {node for node in explicit.release if group.state(node) == "ERROR"}
            stranded = explicit.stranded and not group.goals
    if group.wanted and not group.goals and not group.operator_offline and release & group.tried:
        # It has failed everywhere, and its children had to go first.
        stranded = True
    concurrent = any(policy.name == event.group and policy.concurrent for policy in cluster.policies)
    if acquire and not concurrent:
        release |= group.unreleased() - set(acquire)
    if not release and not acquire:
        return ()
    return (PlanItem(event.group, tuple(sorted(release)), acquire, stranded),)


def follow(cluster: ClusterState, event: Event, others: list[Event]) -> list[Event]:
    """The events that an event is followed by: moves that may begin now, and the end of a node's coming or going."""
    if event.name == events.JOIN_NODE:
        _manage_again(cluster, event.node)
    elif event.name in events.RECONFIGURATIONS:
        # There may not have been any dependencies, and so no goals, before.
        for group in cluster.groups.values():
            group.goals = tuple(node for node, state in sorted(group.states.items()) if state in HELD)
    busy = {
        entry.group
        for entry in (*cluster.queue, *others)
        if entry.name == events.RG_MOVE
        and entry.serial != event.serial
        and entry.mode in (events.DEPENDENCY, events.FAILED)
    }
    moves = next_moves(cluster.policies, cluster.situations(), cluster.dependencies, cluster.goals)
    result = [
        Event(events.RG_MOVE, (*move.release, *move.acquire)[0], mode=events.DEPENDENCY, group=move.group)
        for move in moves
        # A node that is not up any more, or not yet, is the business of an event about the node.
        if move.group not in busy and set(move.release) <= set(cluster.up_nodes())
    ]
    if event.name == events.JOIN_NODE:
        result.append(Event(events.JOIN_NODE_DEP_COMPLETE, event.node))
    elif event.name == events.FAIL_NODE:
        result.append(Event(events.FAIL_NODE_DEP_COMPLETE, event.node, mode=event.mode, left=event.left))
    return result


def _manage_again(cluster: ClusterState, node: int) -> None:
    """Services start again where groups were left unmanaged: every resource of them is checked."""
    for group in cluster.groups.values():
        if group.state(node) == "UNMANAGED":
            group.set(node, "OFFLINE")
            group.goals = (node,)
            group.wanted = True


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
            cluster.groups[event.group].operator_offline = True
            cluster.groups[event.group].wanted = False
            return OperatorOffline(event.group, event.target)
        case events.RG_MOVE | events.RG_ONLINE:
            return _move_trigger(cluster, event)
        case _:
            return None


def _move_trigger(cluster: ClusterState, event: Event) -> Trigger | None:
    if event.mode == events.SETTLE:
        cluster.settled = True
        return Settled()
    group = cluster.groups.get(event.group)
    if group is None or event.mode == events.DEPENDENCY:
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
            group.operator_offline = False
            group.wanted = True
            return OperatorMove(event.group, event.target)


def _aim(cluster: ClusterState, event: Event, trigger: Trigger) -> None:
    before = cluster.nodes.get(event.node)
    leaving = isinstance(trigger, NodeLeft)
    if leaving:
        cluster.nodes[event.node] = "leaving"
    joiner = event.node if isinstance(trigger, NodeJoined) else 0
    situations = cluster.situations(joiner)
    goals = aim(trigger, cluster.policies, situations, cluster.dependencies, cluster.goals)
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


def reason(cluster: ClusterState, name: str) -> str:
    """Why a group that is offline is offline, in the words of ``clRGinfo -v``; "" if no dependency is the reason."""
    group = cluster.groups[name]
    if not cluster.dependencies or not group.wanted or any(state in HELD for state in group.states.values()):
        return ""

    def offline(other: str) -> bool:
        return other in cluster.groups and "ONLINE" not in cluster.groups[other].states.values()

    if any(offline(parent) for parent in cluster.dependencies.parents_of(name)):
        return "parent offline"
    if any(offline(target) for target in cluster.dependencies.targets_of(name)):
        return "target offline"
    return "" if group.goals else "lack of node"
