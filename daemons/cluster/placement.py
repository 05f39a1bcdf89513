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
from msgspec.structs import replace

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
    site_policy: str = "ignore"
    """The inter-site management policy: ignore, primary (Prefer Primary Site), either (Online On Either Site), both
    (Online On Both Sites, which is for groups that are online on all available nodes)."""
    sites: Mapping[int, str] = field(default_factory=dict)
    """The site of each node; empty in a cluster without sites."""
    kept_at_site: bool = False
    """It does not fall over to another site (the cluster's SITE_POLICY_FAILURE_ACTION is notify)."""

    @property
    def concurrent(self) -> bool:
        """Online on all available nodes at once."""
        return self.startup == "OAAN"

    @property
    def falls_over(self) -> bool:
        """Does it look for another node when it loses one?"""
        return not self.concurrent and self.fallover != "BO"

    @property
    def heeds_sites(self) -> bool:
        """Has it an instance at one site, and a secondary instance at the other one?"""
        return self.site_policy in ("primary", "either") and bool(self.sites) and not self.concurrent

    def site(self, node: int) -> str:
        """The site of a node, "" without one."""
        return self.sites.get(node, "")

    @property
    def primary_site(self) -> str:
        """The site that the group prefers, that of its first node; "" if it prefers none."""
        return self.site(self.nodes[0]) if self.heeds_sites and self.site_policy == "primary" and self.nodes else ""


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
    site: str = ""
    """Where it was online last, "" if it was not yet."""

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
    """Nodes where the group could be, in list order; with a site policy those at the site that it is at come first."""
    return [
        node
        for node in nodes_by_site(policy, situation)
        if node != leaving and node in situation.available and node not in situation.tried
    ]


def nodes_by_site(policy: GroupPolicy, situation: GroupSituation) -> list[int]:
    """A group's nodes in the order of a fallover: inside its site first, and not to another one if it is kept there."""
    if not policy.heeds_sites or not situation.site:
        return list(policy.nodes)
    near = [node for node in policy.nodes if policy.site(node) == situation.site]
    return near if policy.kept_at_site else [*near, *(node for node in policy.nodes if node not in near)]


def is_kept_at_site(policy: GroupPolicy, situation: GroupSituation, node: int) -> bool:
    """Does only the cluster's policy for site failures forbid the group to be on the node?"""
    return node in policy.nodes and node not in nodes_by_site(policy, situation)


def _starts_at(policy: GroupPolicy, situation: GroupSituation, node: int) -> bool:
    """May the node acquire the group, as far as sites are concerned? A group that has not been online yet starts at the
    site that it prefers."""
    if not situation.wanted and policy.primary_site:
        return policy.site(node) == policy.primary_site
    return not is_kept_at_site(policy, situation, node)


def _preferred(policy: GroupPolicy, situation: GroupSituation) -> list[int]:
    """Nodes where the group could be, the best first: at the site that it prefers, else at the one where it is."""
    if not policy.primary_site:
        return _places(policy, situation)
    free = _places(policy, replace(situation, site=""))
    return sorted(free, key=lambda node: policy.site(node) != policy.primary_site)


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
    if not _starts_at(policy, situation, node):
        return None
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
    if policy.delayed or holders == (node,) or situation.override in holders:
        return None
    return Decision(policy.name, release=holders, acquire=(node,)) if _is_better(policy, node, holders) else None


def _is_better(policy: GroupPolicy, node: int, holders: tuple[int, ...]) -> bool:
    """Does the group fall back to the node? To the site that it prefers always, else inside a site only, by its
    fallback policy, which has no say between sites."""
    if policy.heeds_sites and any(policy.site(holder) != policy.site(node) for holder in holders):
        home = policy.primary_site
        return policy.site(node) == home != "" and all(policy.site(holder) != home for holder in holders)
    return policy.fallback == "FBHPN" and all(_rank(policy, node) < _rank(policy, holder) for holder in holders)


def _fall_back_now(policy: GroupPolicy, situation: GroupSituation) -> Decision | None:
    """The timer is due: where an operator has moved the group to counts no longer."""
    holders = situation.holders()
    if policy.fallback != "FBHPN" or policy.concurrent or not holders or "UNMANAGED" in situation.states.values():
        return None
    best = next(iter(_preferred(policy, situation)), 0)
    if not best or not _is_better(policy, best, holders):
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
    if situation.holders() or not situation.wanted or not _starts_at(policy, situation, node):
        return None
    return Decision(policy.name, acquire=(node,))


def _settle(policy: GroupPolicy, situation: GroupSituation) -> Decision | None:
    if policy.startup != "OFAN" or situation.operator_offline or situation.holders():
        return None
    if "UNMANAGED" in situation.states.values():
        return None
    places = [node for node in _preferred(policy, situation) if _starts_at(policy, situation, node)]
    return Decision(policy.name, acquire=(places[0],)) if places else None


def _manage(policy: GroupPolicy, situation: GroupSituation, distributed: set[int]) -> Decision | None:
    """What the nodes would have acquired by joining, decided once with all of them there."""
    if situation.operator_offline or "UNMANAGED" in situation.states.values():
        return None
    places, holders = _preferred(policy, situation), situation.holders()
    if policy.concurrent:
        new = tuple(sorted(node for node in places if node not in holders))
        return Decision(policy.name, acquire=new) if new else None
    if holders:
        return _fall_back(policy, situation, places[0], holders) if places else None
    places = [node for node in places if _starts_at(policy, situation, node)]
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
    places = _places(policy, fresh)
    if policy.heeds_sites:
        # What keeps it at its site is about failures.
        places = _preferred(replace(policy, kept_at_site=False), replace(fresh, site=situation.site))
    if not node and policy.startup == "OUDP":
        # A node that has another such group is for the last choice.
        taken = distributed - set(situation.holders())
        node = next((place for place in places if place not in taken), 0)
    if not node and policy.heeds_sites:
        node = next(iter(places), 0)
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
