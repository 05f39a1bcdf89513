"""online, offline and move of resource groups: the operator's requests to the cluster managers."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError, does_not_exist, missing
from daemons.clmgr.syntax.grammar import Request
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import ClusterSnapshot, GroupView, Progress
from daemons.clstrmgr.render import POSSESSED
from daemons.clstrmgr.sites import node_at_site
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot

Action: TypeAlias = Literal["move", "online", "offline"]

_MOVEMENT: Final = {"move": "movement", "online": "online", "offline": "offline"}
"""What the product calls the request in its messages (those of clRGmove)."""


class Step(NamedTuple):
    """One request to the cluster manager; ``node`` is a node's id, 0 lets the policy choose (offline: everywhere).

    ``secondary``: about the group's secondary instance.
    """

    action: Action
    group: str
    node: int
    secondary: bool = False

    @property
    def online_word(self) -> str:
        """The state of the instance where it is online."""
        return "ONLINE SECONDARY" if self.secondary else "ONLINE"


def group(root: NodeRoot, c: Configuration, request: Request) -> None:
    """online, offline and move of resource groups.

    Raises:
        ClmgrError: a group, node or site is unknown, or the cluster manager refuses.
    """
    if not request.names:
        raise ClmgrError("the name of a resource group is needed.", 3)
    nodes = request.words("NODES") or request.words("NODE")
    site = request.attribute("SITE")
    if request.action == "move" and not nodes and not site:
        raise missing("NODE")
    everything = request.names == ["ALL"] and request.action != "move" and c.group("ALL") is None
    names = [entry.name for entry in c.groups] if everything else list(dict.fromkeys(request.names))
    for name in names:
        if c.group(name) is None:
            raise does_not_exist(name)
    for node in nodes:
        if c.node(node) is None:
            raise does_not_exist(node)
    if site and c.site(site) is None:
        raise does_not_exist(site)
    secondary = request.truth("SECONDARY", False)
    try:
        picture = manager.query_state(root)
    except manager.ManagerUnreachable as error:
        raise ClmgrError(str(error)) from None
    wanted = _wanted(request)
    if site and not nodes:
        for name in names:
            chosen, complaint = node_at_site(c, picture, name, site)
            if complaint:
                raise ClmgrError(complaint)
            _carry_out(root, steps(wanted, [name], [chosen], picture, everything=False, secondary=secondary))
            picture = manager.query_state(root)
        return
    _carry_out(root, steps(wanted, names, nodes, picture, everything, secondary))


def _wanted(request: Request) -> Action:
    """What is done: STATE of a move says how the group is to be afterwards (inferred)."""
    if request.action == "move":
        return "offline" if request.attribute("STATE").lower() == "offline" else "move"
    return "online" if request.action == "online" else "offline"


def steps(
    action: Action,
    names: list[str],
    nodes: list[str],
    picture: ClusterSnapshot,
    everything: bool,
    secondary: bool = False,
) -> list[Step]:
    """The requests for the cluster manager, one after the other.

    Args:
        action: what is asked for.
        names: the groups.
        nodes: where; none lets the policy choose, and takes a group offline everywhere.
        picture: the state of the cluster.
        everything: the groups are not named one by one (ALL): those that are so already are left out.
        secondary: the request is about their secondary instances.

    Raises:
        ClmgrError: several nodes for a group that is online on one at a time.
    """
    found: list[Step] = []
    for name in names:
        view = manager.group_named(picture, name)
        if view is None:
            # Not synchronized yet, or services are down: the cluster manager says it in its words.
            found.append(Step(action, name, 0, secondary))
            continue
        if secondary:
            chosen = [number for node in nodes if (number := _number(picture, node))]
            found += [Step(action, name, number, secondary) for number in chosen or [0]]
            continue
        online = [entry.node for entry in view.nodes if entry.state == "ONLINE"]
        held = [entry.node for entry in view.nodes if entry.state in POSSESSED]
        done = online and view.startup != "OAAN" if action == "online" else not held
        if everything and done:
            continue
        numbers = [number for node in nodes if (number := _number(picture, node))]
        if action == "offline":
            there = [number for number in numbers if number in held] if len(numbers) > 1 else numbers
            found += [Step(action, name, number) for number in there or numbers[:1] or [0]]
        elif len(numbers) > 1 and view.startup != "OAAN":
            complaint = f'resource group "{name}" is online on one node at a time: give one node.'
            raise ClmgrError(complaint, INCORRECT_INPUT)
        else:
            found += [Step(action, name, number) for number in numbers or [0]]
    return found


def _number(picture: ClusterSnapshot, name: str) -> int:
    node = manager.node_named(picture, name)
    return node.number if node is not None else 0


def _carry_out(root: NodeRoot, wanted: list[Step]) -> None:
    """One step after the other. Those that the dependencies between groups forbid now come again behind the others.

    Raises:
        ClmgrError: the cluster manager refuses a step for good; the others are not tried any more.
    """
    waiting = wanted
    while waiting:
        later: list[tuple[Step, ClmgrError]] = []
        for number, step in enumerate(waiting):
            if number or waiting is not wanted:
                print()
            refused = _one(root, step, may_wait=len(waiting) > 1)
            if refused is not None:
                later.append((step, refused))
        if len(later) == len(waiting):
            raise later[0][1]
        waiting = [step for step, _ in later]


def _one(root: NodeRoot, step: Step, may_wait: bool) -> ClmgrError | None:
    """Carry out a step and show how it goes; returns why it must wait for others, if it must."""
    picture = manager.query_state(root)
    name, movement = step.group, _MOVEMENT[step.action]
    print(f"Attempting to {_attempt(picture, step)}.\n")
    print(f"Waiting for the cluster to process the resource group {movement} request....", end="", flush=True)
    stabilizing = False

    def progress(stage: Progress) -> None:
        nonlocal stabilizing
        if stage.stage == "stabilizing" and not stabilizing:
            stabilizing = True
            print("\n\nWaiting for the cluster to stabilize..", end="", flush=True)
        else:
            print(".", end="", flush=True)

    call = {"move": manager.move_group, "online": manager.online_group, "offline": manager.offline_group}[step.action]
    try:
        done = call(name, step.node, None, progress, root, step.secondary)
    except manager.Refused as refused:
        print()
        complaint = ClmgrError(str(refused))
        if may_wait and refused.done.error == "denied":
            return complaint
        raise complaint from None
    except manager.ManagerUnreachable as error:
        print()
        raise ClmgrError(str(error)) from None
    print(f"\n\nResource group {movement} successful.")
    _show(done.snapshot or manager.query_state(root), step)
    return None


def _attempt(picture: ClusterSnapshot, step: Step) -> str:
    where = manager.node_name(picture, step.node) if step.node else ""
    if step.action == "move":
        return f"move resource group {step.group} to node {where}"
    if step.action == "offline" and not where and not step.secondary:
        where = " ".join(manager.node_name(picture, node) for node in _held(manager.group_named(picture, step.group)))
    return f"bring group {step.group} {step.action}" + (f" on node {where}" if where else "")


def _held(view: GroupView | None) -> list[int]:
    return [entry.node for entry in view.nodes if entry.state in POSSESSED] if view is not None else []


def _show(picture: ClusterSnapshot, step: Step) -> None:
    from daemons.clstrmgr import render

    found = manager.group_named(picture, step.group)
    if found is None:
        return
    online = [manager.node_name(picture, entry.node) for entry in found.nodes if entry.state == step.online_word]
    where = manager.node_name(picture, step.node) if step.node else ""
    if step.action == "offline":
        print(f"Resource group {step.group} is offline" + (f" on node {where}." if where else "."))
    else:
        for name in [where] if where in online else online:
            print(f"Resource group {step.group} is online on node {name}.")
    print("".join(f"{line}\n" for line in ["", *render.after_request(picture, found)]), end="")
