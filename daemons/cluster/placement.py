"""Where resource groups go: startup, fallover and fallback policies as one pure function.

Source: the product's planning guide on resource group startup, fallover and fallback, and on selective fallover; where
it is silent the rule is marked inferred. ``place`` looks at one trigger (a node joined, a node goes, a group must move)
and at the world as the cluster manager knows it, and returns what has to be released and acquired, group by group in
the order of the configuration. It never mentions a node that is not available for a group as a place to acquire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct, field

HELD = ("ONLINE", "ACQUIRING", "RELEASING")
"""States in which a node has, or may have, a group's resources."""


class GroupPolicy(Struct, frozen=True):
    """A group's participating nodes (ids, in order of priority) and policies, by their ODM codes."""

    name: str
    nodes: tuple[int, ...]
    startup: str = "OHN"
    fallover: str = "FNPN"
    fallback: str = "FBHPN"
    dynamic: str = ""
    """The dynamic node priority policy: mem, cpu, disk, most, least; "" for none."""
    delayed: bool = False
    """It falls back when its timer is due, not when a node joins."""

    @property
    def concurrent(self) -> bool:
        """Online on all available nodes at once."""
        return self.startup == "OAAN"


class GroupSituation(Struct, frozen=True):
    """What is known of a group.

    Args:
        states: its state on each node, in the words of clRGinfo; nodes not mentioned are OFFLINE.
        available: nodes that are up, managed, and have what the group needs (its networks).
        tried: nodes on which it failed, when it was acquired or while it was online, since a node or network last came
            back or an operator asked for it: a group that fails everywhere ends in ERROR and goes round no more.
        override: the priority override location, 0 if none.
        operator_offline: an operator brought the group offline; policies leave it alone.
        wanted: it has been online, or should be, and waits for a place.
        unreleased: nodes in ERROR that may still have some of its resources: nothing is acquired elsewhere before
            they are released.
    """

    states: Mapping[int, str] = field(default_factory=dict)
    available: frozenset[int] = frozenset()
    tried: frozenset[int] = frozenset()
    override: int = 0
    operator_offline: bool = False
    wanted: bool = False
    unreleased: frozenset[int] = frozenset()
    priorities: Mapping[int, float] = field(default_factory=dict)
    """The last values of its dynamic node priority policy, by node."""

    def state(self, node: int) -> str:
        """The group's state on a node."""
        return self.states.get(node, "OFFLINE")

    def holders(self) -> tuple[int, ...]:
        """Nodes that have, or may have, the group's resources."""
        return tuple(node for node, state in sorted(self.states.items()) if state in HELD)


class NodeJoined(Struct, frozen=True):
    """A node came up. ``settled`` is False while the settling time runs (it concerns OFAN groups only)."""

    node: int
    settled: bool = True


class NodeLeft(Struct, frozen=True):
    """A node goes or went. With ``crash`` its resources are gone already; ``offline`` does not look for a new place."""

    node: int
    mode: Literal["crash", "move", "offline", "unmanage"]


class GroupFailed(Struct, frozen=True):
    """A group cannot stay or be acquired on ``node`` (selective fallover); ``node`` counts as tried."""

    group: str
    node: int


class ResourcesBack(Struct, frozen=True):
    """Something that groups waited for came back on ``node`` (a network): groups without a place try again."""

    node: int


class Settled(Struct, frozen=True):
    """The settling time is over."""


class Managed(Struct, frozen=True):
    """All nodes that were started without acquiring groups manage them from now on (a delayed start)."""


class OperatorMove(Struct, frozen=True):
    """An operator moves a group to ``node`` (0: let the policy choose, which for a concurrent group is everywhere)."""

    group: str
    node: int


class OperatorOffline(Struct, frozen=True):
    """An operator brings a group offline on ``node`` (0: everywhere)."""

    group: str
    node: int


class FallbackDue(Struct, frozen=True):
    """The delayed fallback timer of a group is due: it goes to the best node that is available."""

    group: str


Trigger: TypeAlias = (
    NodeJoined
    | NodeLeft
    | GroupFailed
    | ResourcesBack
    | Settled
    | Managed
    | OperatorMove
    | OperatorOffline
    | FallbackDue
)


class Decision(Struct, frozen=True):
    """What happens to one group: release on these nodes, then acquire on those. ``stranded``: no place is left."""

    group: str
    release: tuple[int, ...] = ()
    acquire: tuple[int, ...] = ()
    stranded: bool = False


def place(
    trigger: Trigger, policies: tuple[GroupPolicy, ...], situations: Mapping[str, GroupSituation]
) -> tuple[Decision, ...]:
    """The decisions that a trigger calls for; groups that stay as they are do not appear."""
    decisions: list[Decision] = []
    distributed = _distributed(policies, situations)
    for policy in policies:
        situation = situations.get(policy.name, GroupSituation())
        decision = _decide(trigger, policy, situation, distributed)
        if decision is not None:
            decision = _release_first(decision, policy, situation)
            decisions.append(decision)
            if policy.startup == "OUDP":
                distributed |= set(decision.acquire)
    return tuple(decisions)


def _release_first(decision: Decision, policy: GroupPolicy, situation: GroupSituation) -> Decision:
    """Whoever may still have resources of the group gives them back before another node acquires it."""
    if policy.concurrent or not decision.acquire:
        return decision
    release = (set(decision.release) | situation.unreleased) - set(decision.acquire)
    return Decision(decision.group, tuple(sorted(release)), decision.acquire, decision.stranded)


def next_place(policy: GroupPolicy, situation: GroupSituation, leaving: int) -> int:
    """The node that a fallover goes to, 0 if there is none: the first available node of the list.

    With FUDNP it is the one that its policy likes best; if a value is missing, list order counts (the product's rule
    too). Nodes with equal values keep list order.
    """
    places = _places(policy, situation, leaving)
    if policy.fallover == "FUDNP" and policy.dynamic and all(node in situation.priorities for node in places):
        return min(places, key=lambda node: _dislike(policy.dynamic, situation.priorities[node]), default=0)
    return places[0] if places else 0


def _places(policy: GroupPolicy, situation: GroupSituation, leaving: int = 0) -> list[int]:
    """Nodes where the group could be, in list order."""
    return [
        node for node in policy.nodes if node != leaving and node in situation.available and node not in situation.tried
    ]


def _dislike(policy: str, value: float) -> tuple[bool, float]:
    """The smaller the better: the highest value counts, but of disks the least busy one, of "least" none with 0."""
    if policy == "disk":
        return False, value
    if policy == "least":
        return value == 0, value
    return False, -value


def _distributed(policies: tuple[GroupPolicy, ...], situations: Mapping[str, GroupSituation]) -> set[int]:
    """Nodes that already have a group with the node distribution policy."""
    return {
        node
        for policy in policies
        if policy.startup == "OUDP" and policy.name in situations
        for node in situations[policy.name].holders()
    }


def _decide(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation, distributed: set[int]) -> Decision | None:
    match trigger:
        case NodeJoined(node, settled):
            return _join(policy, situation, node, settled, distributed)
        case NodeLeft(node, mode):
            return _leave(policy, situation, node, mode)
        case GroupFailed(group, node):
            return _fail(policy, situation, node) if group == policy.name else None
        case ResourcesBack(node):
            return _retry(policy, situation, node)
        case Settled():
            return _settle(policy, situation)
        case Managed():
            return _manage(policy, situation, distributed)
        case FallbackDue(group):
            return _fall_back_now(policy, situation) if group == policy.name else None
        case OperatorMove(group, node):
            return _move(policy, situation, node, distributed) if group == policy.name else None
        case OperatorOffline(group, node):
            return _offline(policy, situation, node) if group == policy.name else None


def _join(
    policy: GroupPolicy, situation: GroupSituation, node: int, settled: bool, distributed: set[int]
) -> Decision | None:
    if node not in policy.nodes:
        return None
    if situation.state(node) == "UNMANAGED":
        # Starting services again on the node that holds the group makes it managed: every resource is checked.
        return Decision(policy.name, acquire=(node,))
    if node not in situation.available or situation.operator_offline:
        return None
    if policy.concurrent:
        return None if situation.state(node) in HELD else Decision(policy.name, acquire=(node,))
    holders = situation.holders()
    if any(state == "UNMANAGED" for state in situation.states.values()):
        return None
    if holders:
        return _fall_back(policy, situation, node, holders)
    if situation.wanted:
        return Decision(policy.name, acquire=(node,))
    if policy.startup == "OHN":
        return Decision(policy.name, acquire=(node,)) if node == policy.nodes[0] else None
    if policy.startup == "OUDP":
        return None if node in distributed else Decision(policy.name, acquire=(node,))
    if not settled and node != policy.nodes[0]:
        return None
    return Decision(policy.name, acquire=(node,))


def _fall_back(policy: GroupPolicy, situation: GroupSituation, node: int, holders: tuple[int, ...]) -> Decision | None:
    if policy.fallback != "FBHPN" or policy.delayed or holders == (node,) or situation.override in holders:
        return None
    better = all(policy.nodes.index(node) < _rank(policy, holder) for holder in holders)
    return Decision(policy.name, release=holders, acquire=(node,)) if better else None


def _fall_back_now(policy: GroupPolicy, situation: GroupSituation) -> Decision | None:
    """The timer is due: where an operator has moved the group to counts no longer."""
    holders = situation.holders()
    if policy.fallback != "FBHPN" or policy.concurrent or not holders or "UNMANAGED" in situation.states.values():
        return None
    best = next(iter(_places(policy, situation)), 0)
    if not best or any(_rank(policy, best) >= _rank(policy, holder) for holder in holders):
        return None
    return Decision(policy.name, release=holders, acquire=(best,))


def _rank(policy: GroupPolicy, node: int) -> int:
    return policy.nodes.index(node) if node in policy.nodes else len(policy.nodes)


def _leave(policy: GroupPolicy, situation: GroupSituation, node: int, mode: str) -> Decision | None:
    state = situation.state(node)
    if mode == "unmanage" or state == "UNMANAGED":
        return None
    # A group in ERROR may have left something behind: an orderly stop cleans it up, a crash frees it for others.
    if state not in HELD and not (state == "ERROR" and (mode != "crash" or situation.wanted)):
        return None
    release = () if mode == "crash" else (node,)
    if (state == "ERROR" and mode != "crash") or mode == "offline" or policy.concurrent:
        return Decision(policy.name, release=release)
    if any(holder != node for holder in situation.holders()):
        return Decision(policy.name, release=release)
    if policy.fallover == "BO":
        return Decision(policy.name, release=release)
    if situation.unreleased - {node}:
        # The program of a leaving node releases on that node only: an event for the other one follows.
        return Decision(policy.name, release=release)
    target = next_place(policy, situation, node)
    return Decision(policy.name, release=release, acquire=(target,) if target else (), stranded=not target)


def _fail(policy: GroupPolicy, situation: GroupSituation, node: int) -> Decision | None:
    if situation.state(node) in ("OFFLINE", "UNMANAGED"):
        return None
    if policy.concurrent or policy.fallover == "BO":
        return Decision(policy.name, release=(node,), stranded=True)
    target = next_place(policy, situation, node)
    return Decision(policy.name, release=(node,), acquire=(target,) if target else (), stranded=not target)


def _retry(policy: GroupPolicy, situation: GroupSituation, node: int) -> Decision | None:
    if node not in policy.nodes or node not in situation.available or situation.operator_offline:
        return None
    if "UNMANAGED" in situation.states.values():
        return None
    if policy.concurrent:
        return Decision(policy.name, acquire=(node,)) if situation.state(node) == "ERROR" else None
    if situation.holders() or not situation.wanted:
        return None
    return Decision(policy.name, acquire=(node,))


def _settle(policy: GroupPolicy, situation: GroupSituation) -> Decision | None:
    if policy.startup != "OFAN" or situation.operator_offline or situation.holders():
        return None
    if "UNMANAGED" in situation.states.values():
        return None
    places = _places(policy, situation)
    return Decision(policy.name, acquire=(places[0],)) if places else None


def _manage(policy: GroupPolicy, situation: GroupSituation, distributed: set[int]) -> Decision | None:
    """What the nodes would have acquired by joining, decided once with all of them there."""
    if situation.operator_offline or "UNMANAGED" in situation.states.values():
        return None
    places, holders = _places(policy, situation), situation.holders()
    if policy.concurrent:
        new = tuple(sorted(node for node in places if node not in holders))
        return Decision(policy.name, acquire=new) if new else None
    if holders:
        return _fall_back(policy, situation, places[0], holders) if places else None
    if not situation.wanted and policy.startup == "OHN":
        places = [node for node in places if node == policy.nodes[0]]
    elif not situation.wanted and policy.startup == "OUDP":
        places = [node for node in places if node not in distributed]
    return Decision(policy.name, acquire=(places[0],)) if places else None


def _move(policy: GroupPolicy, situation: GroupSituation, node: int, distributed: set[int]) -> Decision | None:
    if policy.concurrent:
        wanted = sorted(place for place in policy.nodes if node in (0, place) and place in situation.available)
        acquire = tuple(place for place in wanted if situation.state(place) not in HELD)
        return Decision(policy.name, acquire=acquire) if acquire else None
    # An operator's word clears the memory of failed attempts.
    fresh = GroupSituation(situation.states, situation.available, wanted=situation.wanted)
    if not node and policy.startup == "OUDP":
        # A node that has another such group is for the last choice.
        taken = distributed - set(situation.holders())
        node = next((place for place in _places(policy, fresh) if place not in taken), 0)
    target = node or next_place(policy, fresh, 0)
    if target not in situation.available or target not in policy.nodes:
        return None
    # Where it is unmanaged the move makes it managed again: that node gives it back, too.
    leftovers = (
        other for other in policy.nodes if other != target and situation.state(other) in ("ERROR", "UNMANAGED")
    )
    release = tuple(sorted({holder for holder in situation.holders() if holder != target}.union(leftovers)))
    if situation.state(target) == "ONLINE":
        return None
    return Decision(policy.name, release=release, acquire=(target,))


def _offline(policy: GroupPolicy, situation: GroupSituation, node: int) -> Decision | None:
    release = tuple(
        other
        for other in sorted(policy.nodes)
        if node in (0, other) and situation.state(other) in (*HELD, "ERROR", "UNMANAGED")
    )
    return Decision(policy.name, release=release) if release else None
