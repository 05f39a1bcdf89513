"""Secondary instances of resource groups: what they do, what operators may ask of them, and the words for them.

A group with a site policy has its resources at one site and a secondary instance at the other one. All of it is a
function of the replicated state; where a secondary instance is to be says ``daemons.cluster.secondary``.
"""

from __future__ import annotations

from daemons.clstrmgr import events, messages
from daemons.clstrmgr.events import Event
from daemons.clstrmgr.messages import GroupWord
from daemons.clstrmgr.refusals import node_refusal
from daemons.clstrmgr.replicated import ClusterState
from daemons.cluster.placement import HELD, GroupPolicy
from daemons.cluster.secondary import place_secondary, site_of_primary

SECONDARY_WORDS: dict[str, GroupWord] = {
    "ONLINE": "ONLINE SECONDARY",
    "OFFLINE": "OFFLINE SECONDARY",
    "ACQUIRING": "ACQUIRING SECONDARY",
    "RELEASING": "RELEASING SECONDARY",
    "ERROR": "ERROR SECONDARY",
    "UNMANAGED": "UNMANAGED SECONDARY",
}
GroupRequest = messages.MoveGroup | messages.OnlineGroup | messages.OfflineGroup


def moves(cluster: ClusterState, policy: GroupPolicy, leaving: set[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the secondary instance of a group may do now: the nodes that release it, and the one that acquires it.

    ``leaving`` are the nodes that release the primary instance in the same event.
    """
    group, up = cluster.groups[policy.name], set(cluster.up_nodes())
    goal, held = group.secondary_goal, group.secondary_holders()
    if "UNMANAGED" in group.secondary.values():
        return (), ()
    release = tuple(node for node in held if node != goal and node in up)
    primary = set(group.holders()) - leaving
    ready = goal in up and goal not in group.secondary and set(held) == set(release)
    ready = ready and not any(policy.site(node) == policy.site(goal) for node in primary)
    return release, (goal,) if ready else ()


def aim(cluster: ClusterState, joiner: int = 0, leaving: int = 0) -> None:
    """Where the secondary instances are to be, after it was said where the groups are to be."""
    there = {node for node, word in cluster.nodes.items() if word == "up" or node == joiner} - {leaving}
    for policy in cluster.policies:
        group = cluster.groups[policy.name]
        failed = [node for node, state in group.secondary.items() if state == "ERROR"]
        group.secondary_goal = (
            0
            if group.secondary_offline
            else place_secondary(
                policy, group.goals or group.holders(), group.site, group.secondary_holders(), there, failed,
                group.secondary_asked,
            )
        )  # fmt: skip


def ask(cluster: ClusterState, event: Event) -> None:
    """An operator wants the secondary instance of a group on a node, anywhere, or offline."""
    group = cluster.groups.get(event.group)
    if group is None:
        return
    group.secondary_offline = event.name == events.RG_OFFLINE
    group.secondary_asked = 0 if group.secondary_offline else event.target
    for node, state in list(group.secondary.items()):
        if state == "ERROR":
            group.set_secondary(node, "OFFLINE")
    aim(cluster)


def word(cluster: ClusterState, name: str, node: int) -> GroupWord | None:
    """The state of the secondary instance on a node, as clRGinfo says it; None where the primary one has the word."""
    policy = cluster.policy(name)
    if policy is None or not policy.heeds_sites:
        return None
    group = cluster.groups[name]
    if node in group.secondary:
        return SECONDARY_WORDS[group.secondary[node]]
    holders = [other for other, state in sorted(group.states.items()) if state in (*HELD, "UNMANAGED")]
    site = site_of_primary(policy, holders or group.goals, group.site)
    other_site = site and policy.site(node) != site
    return SECONDARY_WORDS["OFFLINE"] if other_site and group.state(node) == "OFFLINE" else None


def refusal(cluster: ClusterState, what: GroupRequest) -> messages.Done | None:
    """Why a request about the secondary instance of a group cannot be carried out."""
    policy = cluster.policy(what.group)
    if policy is None:
        return messages.Done("unknown_group", f"There is no resource group {what.group}.")
    if not policy.heeds_sites:
        return messages.Done("denied", f"Resource group {what.group} has no secondary instance.")
    group = cluster.groups[what.group]
    instance = f"The secondary instance of resource group {what.group}"
    holders = group.secondary_holders()
    if "UNMANAGED" in group.secondary.values():
        return messages.Done("denied", f"{instance} is unmanaged.")
    if isinstance(what, messages.OfflineGroup):
        return None if group.secondary else messages.Done("already", f"{instance} is offline already.")
    if isinstance(what, messages.MoveGroup) and not holders:
        return messages.Done("denied", f"{instance} is online nowhere: bring it online instead.")
    if what.node in holders or (isinstance(what, messages.OnlineGroup) and holders):
        return messages.Done("already", f"{instance} is online already.")
    if what.node:
        return _misplaced(cluster, policy, what)
    if not place_secondary(policy, group.goals or group.holders(), group.site, (), cluster.up_nodes(), ()):
        return messages.Done("denied", f"No node at the other site is up for resource group {what.group}.")
    return None


def _misplaced(cluster: ClusterState, policy: GroupPolicy, what: GroupRequest) -> messages.Done | None:
    if (refused := node_refusal(cluster, policy, what.node)) is not None:
        return refused
    group = cluster.groups[what.group]
    if policy.site(what.node) == site_of_primary(policy, group.goals or group.holders(), group.site):
        name = cluster.node_names[what.node]
        text = f"Node {name} is at the site of the primary instance of resource group {what.group}."
        return messages.Done("not_eligible", text)
    return None


def result(cluster: ClusterState, what: GroupRequest) -> messages.Done:
    """How a request about a secondary instance has ended."""
    group = cluster.groups[what.group]
    online = [node for node, state in group.secondary.items() if state == "ONLINE"]
    instance = f"The secondary instance of resource group {what.group} could not be brought"
    if isinstance(what, messages.OfflineGroup):
        return messages.Done("failed", f"{instance} offline.") if group.secondary else messages.Done()
    reached = what.node in online if what.node else bool(online)
    return messages.Done() if reached else messages.Done("failed", f"{instance} online there.")
