"""When a test may run, and what must be true after it: entrance criteria and success indicators. Pure.

They are those that the product's manual names for each test, as far as a cluster manager can be asked for them: which
nodes run cluster services, where resource groups are, which networks are up; and that the cluster is stable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from daemons.clmgr.testtool.plan import ALL, ANY, OTHER, RESTORE, Test, interfaces
from daemons.clstrmgr.messages import ClusterSnapshot
from daemons.cluster.configuration import Configuration, ResourceGroup

UP, OFFLINE, UNMANAGED = "NORMAL", "OFFLINE", "UNMANAGED"
STEADY_NODES = (UP, OFFLINE, UNMANAGED, "UNKNOWN", "NOT_CONFIGURED")
"""Words for nodes on which nothing happens; UNKNOWN is one that does not answer."""
MOVING_GROUPS = ("ACQUIRING", "RELEASING", "TEMPORARY")
"""The first words of states in which a group, or its secondary instance, is on its way."""


class Seen(msgspec.Struct, frozen=True):
    """The cluster at one moment.

    ``nodes`` are clmgr's words for their states, ``groups`` the state of each group on each node, ``links`` whether an
    interface of a node on a network is up, ``mark`` changes with every event that the cluster processes.
    """

    nodes: Mapping[str, str]
    groups: Mapping[str, Mapping[str, str]]
    links: Mapping[tuple[str, str], bool]
    busy: bool = False
    mark: tuple[str, int] = ("", 0)

    @classmethod
    def of(cls, words: Mapping[str, str], picture: ClusterSnapshot | None) -> Seen:
        """What nodes say of themselves, and the picture of one on which cluster services run."""
        if picture is None:
            return cls(words, {}, {})
        names = {node.number: node.name for node in picture.nodes}
        groups = {}
        for group in picture.groups:
            states = {names.get(place.node, ""): str(place.state) for place in group.nodes}
            groups[group.name] = {**states, names[group.unmanaged_on]: UNMANAGED} if group.unmanaged_on else states
        networks = {network.network_id: network.name for network in picture.networks}
        links: dict[tuple[str, str], bool] = {}
        for address in picture.addresses:
            if address.role == "boot":
                place = names.get(address.node, ""), networks.get(address.network_id, "")
                links[place] = links.get(place, False) or address.state == "up"
        busy = bool(picture.event or picture.queued)
        return cls(words, groups, links, busy, (picture.last_event, picture.last_change))

    @property
    def up(self) -> tuple[str, ...]:
        """The nodes that run cluster services."""
        return tuple(name for name, word in self.nodes.items() if word == UP)

    @property
    def stable(self) -> bool:
        """Nothing is being processed, on no node and for no group."""
        states = (state for places in self.groups.values() for state in places.values())
        moving = any(state.startswith(MOVING_GROUPS) for state in states)
        return not self.busy and not moving and set(self.nodes.values()) <= set(STEADY_NODES)

    def holders(self, group: str) -> tuple[str, ...]:
        """The nodes on which a group is online."""
        return tuple(node for node, state in self.groups.get(group, {}).items() if state == "ONLINE")


def targets(test: Test, c: Configuration, before: Seen) -> tuple[str, ...]:
    """The nodes that a test stops, starts or disturbs."""
    if test.site:
        site = c.site(test.site)
        return site.nodes if site is not None and test.name.startswith("SITE_") else ()
    if test.name == "NODE_UP":
        return tuple(node for node in before.nodes if node not in before.up) if test.node == ALL else (test.node,)
    if test.name.startswith("NODE_DOWN"):
        return before.up if test.node == ALL else (test.node,)
    if test.name == "VG_DOWN":
        return tuple(node for group in _groups_of(test, c) for node in before.holders(group.name)
                     if test.node in (ALL, ANY, node))  # fmt: skip
    if test.name == "SERVER_DOWN":
        held = tuple(node for group in _groups_of(test, c) for node in before.holders(group.name))
        return held[:1] if test.node == ANY else (test.node,)
    return (test.node,) if test.node and test.node not in (ALL, ANY, RESTORE) else ()


def objection(test: Test, c: Configuration, before: Seen, own: str) -> str:
    """Why a test cannot be run now, a sentence; "" if it can. ``own`` is the node where the tool runs."""
    nodes = targets(test, c, before)
    if test.name == "CLSTRMGR_KILL" and test.node == own:
        return f"the tool runs on {own} and would end with it."
    if test.name.startswith(("NETWORK_DOWN", "FAIL")):
        for node, interface in interfaces(test, c):
            if node != own and not _other_way(c, node, interface):
                return f"node {node} has no other interface over which the tool could bring {interface} up again."
    match test.name:
        case "NODE_UP" | "SITE_UP":
            if test.node != ALL and all(node in before.up for node in nodes):
                return f"cluster services are active on {test.node or test.site} already."
        case "RG_ONLINE":
            if not before.up:
                return "cluster services are active on no node."
            if before.holders(test.group) and not _concurrent(c, test.group):
                return f"the resource group {test.group} is online already."
        case "RG_OFFLINE" | "RG_MOVE" | "RG_MOVE_SITE":
            if not before.holders(test.group):
                return f"the resource group {test.group} is not online."
            if test.name != "RG_OFFLINE" and _concurrent(c, test.group):
                return f"the resource group {test.group} is online on all available nodes and does not move."
            if test.name == "RG_MOVE" and test.node == ANY and not _others(test.group, c, before):
                return f"there is no other node for the resource group {test.group}."
        case "SERVER_DOWN":
            if not c.monitors_of(test.application):
                return f"the application controller {test.application} has no monitor."
            if not nodes or not any(set(before.holders(g.name)) & set(nodes) for g in _groups_of(test, c)):
                return f"the application controller {test.application} is online on no such node."
        case "VG_DOWN":
            if not nodes:
                return f"the volume group {test.parameters[0]} is online on no such node."
        case "WAIT":
            return ""
        case _:
            down = [node for node in nodes if node not in before.up]
            if down or not before.up:
                return f"cluster services are not active on {down[0] if down else 'any node'}."
    return ""


def lacking(test: Test, c: Configuration, before: Seen, now: Seen) -> list[str]:
    """What is not yet as the test wants it, sentences; none: it has passed, if the cluster is stable."""
    return list(_lacking(test, c, before, now))


def _lacking(test: Test, c: Configuration, before: Seen, now: Seen) -> Iterator[str]:
    nodes = targets(test, c, before)
    starts, stops = test.name in ("NODE_UP", "SITE_UP"), _stops(test)
    if test.name == "SERVER_DOWN" and now.mark == before.mark:
        yield "the cluster has noticed no failure."
    for node, word in before.nodes.items():
        wanted = UP if starts and node in nodes else stops if stops and node in nodes else word
        if now.nodes.get(node) != wanted and not (wanted == OFFLINE and now.nodes.get(node) == "UNKNOWN"):
            yield f"node {node} is {now.nodes.get(node, 'UNKNOWN')}, not {wanted}."
    for node, interface in interfaces(test, c):
        network = test.network or next(e.network for e in c.labels if (e.node, e.interface) == (node, interface))
        wanted_up = test.name.startswith(("NETWORK_UP", "JOIN"))
        if (node, network) in now.links and now.links[node, network] != wanted_up and _alone(c, node, network, test):
            yield f"the network {network} of node {node} is {'down' if wanted_up else 'up'}."
    if now.up:
        yield from _groups_lacking(test, c, before, now, nodes)


def _groups_lacking(test: Test, c: Configuration, before: Seen, now: Seen, nodes: tuple[str, ...]) -> Iterator[str]:
    for group in c.groups:
        places, held = now.groups.get(group.name, {}), now.holders(group.name)
        was = before.holders(group.name)
        failed = [node for node, state in places.items() if state == "ERROR"]
        if failed and not any(state == "ERROR" for state in before.groups.get(group.name, {}).values()):
            yield f"the resource group {group.name} is in ERROR state on {' '.join(failed)}."
        elif group.name == test.group:
            yield from _asked(test, c, before, held, set(places.values()))
        elif was and set(was) <= set(nodes) and test.name == "NODE_DOWN_FORCED":
            if UNMANAGED not in places.values():
                yield f"the resource group {group.name} is not unmanaged."
        elif was and set(was) <= set(nodes) and test.name in ("NODE_DOWN_GRACEFUL", "SITE_DOWN_GRACEFUL"):
            if held:
                yield f"the resource group {group.name} is online on {' '.join(held)}."
        elif was and not held and UNMANAGED not in places.values() and _could_be_held(test, group, now, nodes):
            yield f"the resource group {group.name} is online on no node."
        elif test.name == "VG_DOWN" and group in _groups_of(test, c) and set(held) & set(nodes) and len(held) < 2:
            yield f"the resource group {group.name} has not left {' '.join(sorted(set(held) & set(nodes)))}."


def _asked(test: Test, c: Configuration, before: Seen, held: tuple[str, ...], states: set[str]) -> Iterator[str]:
    """What a test of one resource group wants of it."""
    where, was = test.node, before.holders(test.group)
    match test.name:
        case "RG_OFFLINE":
            if (held and where in (ALL, ANY)) or where in held or states & {UNMANAGED}:
                yield f"the resource group {test.group} is online on {' '.join(held)}."
        case "RG_MOVE_SITE":
            site = c.site_of(held[0]) if held else ""
            if not held or (site != test.site if test.site != OTHER else site == c.site_of(was[0])):
                yield f"the resource group {test.group} is at {site or 'no site'}."
        case "RG_MOVE" if where == ANY:
            if not held or set(held) == set(was):
                yield f"the resource group {test.group} has not moved."
        case _:
            if not held or (where in before.nodes and where not in held):
                yield f"the resource group {test.group} is online on {' '.join(held) or 'no node'}."


def _stops(test: Test) -> str:
    """The word for the nodes that a test stops; "" if it stops none."""
    if test.name == "NODE_DOWN_FORCED":
        return UNMANAGED
    stops = test.name.startswith(("NODE_DOWN", "SITE_DOWN")) or test.name == "CLSTRMGR_KILL"
    return OFFLINE if stops else ""


def _could_be_held(test: Test, group: ResourceGroup, now: Seen, disturbed: tuple[str, ...]) -> bool:
    """Whether there is a node to which a group could go that was online before.

    A network that is down leaves it to the group's own labels, and a policy may keep a group where it is or let it go:
    then it is enough that it is in no ERROR state.
    """
    if test.name.startswith(("NETWORK", "FAIL", "JOIN")):
        return False
    if group.fallover == "BO" or group.concurrent:
        return False
    return any(node in now.up and node not in disturbed for node in group.nodes)


def _other_way(c: Configuration, node: str, interface: str) -> bool:
    """Whether a node can be reached when an interface is down, by another network."""
    boot = [label for label in c.labels if (label.node, label.function) == (node, "boot")]
    gone = {label.network for label in boot if label.interface == interface}
    return any(label.network not in gone for label in boot)


def _alone(c: Configuration, node: str, network: str, test: Test) -> bool:
    """Whether the interfaces that a test changes are all that a node has on a network."""
    own = {e.interface for e in c.labels if (e.node, e.network, e.function) == (node, network, "boot")}
    changed = {interface for place, interface in interfaces(test, c) if place == node}
    return test.name.startswith(("NETWORK_UP", "JOIN")) or own <= changed


def _groups_of(test: Test, c: Configuration) -> list[ResourceGroup]:
    """The groups that have the application or the volume group of a test."""
    if test.name == "SERVER_DOWN":
        return [group for group in c.groups if test.application in group.resource("APPLICATIONS")]
    return [group for group in c.groups if test.parameters[0] in group.resource("VOLUME_GROUP")]


def _concurrent(c: Configuration, name: str) -> bool:
    group = c.group(name)
    return group is not None and group.concurrent


def _others(name: str, c: Configuration, before: Seen) -> list[str]:
    group, held = c.group(name), before.holders(name)
    return [node for node in group.nodes if node in before.up and node not in held] if group is not None else []


def other_node(test: Test, c: Configuration, before: Seen) -> str:
    """The node for a test that may take any: the next one of the group's that runs cluster services; "" for none."""
    return next(iter(_others(test.group, c, before)), "")
