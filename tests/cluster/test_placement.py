"""Placement against a slow twin that says what must hold instead of how to find it, and examples by policy."""

from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from daemons.cluster.placement import (
    HELD,
    Decision,
    FallbackDue,
    GroupFailed,
    GroupPolicy,
    GroupSituation,
    Managed,
    NodeJoined,
    NodeLeft,
    OperatorMove,
    OperatorOffline,
    ResourcesBack,
    Settled,
    Trigger,
    place,
)

NODES = (1, 2, 3)
STATES = ("ONLINE", "OFFLINE", "ACQUIRING", "RELEASING", "ERROR", "UNMANAGED")

policies = st.builds(
    GroupPolicy,
    name=st.just("rg"),
    nodes=st.permutations(NODES).flatmap(lambda order: st.integers(1, 3).map(lambda count: tuple(order[:count]))),
    startup=st.sampled_from(["OHN", "OFAN", "OUDP", "OAAN"]),
    fallover=st.sampled_from(["FNPN", "FUDNP", "BO"]),
    fallback=st.sampled_from(["FBHPN", "NFB"]),
    dynamic=st.sampled_from(["", "mem", "disk", "least"]),
    delayed=st.booleans(),
    site_policy=st.sampled_from(["ignore", "primary", "either", "both"]),
    sites=st.sampled_from([{}, {1: "A", 2: "A", 3: "B"}, {1: "A", 2: "B", 3: "A"}, {1: "A", 2: "B", 3: "B"}]),
    kept_at_site=st.booleans(),
)
situations = st.builds(
    GroupSituation,
    states=st.dictionaries(st.sampled_from(NODES), st.sampled_from(STATES), max_size=3),
    available=st.frozensets(st.sampled_from(NODES)),
    tried=st.frozensets(st.sampled_from(NODES), max_size=2),
    override=st.sampled_from([0, 1, 2, 3]),
    operator_offline=st.booleans(),
    wanted=st.booleans(),
    priorities=st.dictionaries(st.sampled_from(NODES), st.sampled_from([0.0, 1.0, 2.0]), max_size=3),
    site=st.sampled_from(["", "A", "B"]),
).flatmap(
    lambda situation: st.frozensets(st.sampled_from(NODES)).map(
        lambda some: replace(situation, unreleased=frozenset(node for node in some if situation.state(node) == "ERROR"))
    )
)
nodes = st.sampled_from(NODES)
triggers = st.one_of(
    st.builds(NodeJoined, nodes, st.booleans()),
    st.builds(NodeLeft, nodes, st.sampled_from(["crash", "move", "offline", "unmanage"])),
    st.builds(GroupFailed, st.just("rg"), nodes),
    st.builds(ResourcesBack, nodes),
    st.just(Settled()),
    st.just(Managed()),
    st.just(FallbackDue("rg")),
    st.builds(OperatorMove, st.just("rg"), st.sampled_from([0, 1, 2, 3])),
    st.builds(OperatorOffline, st.just("rg"), st.sampled_from([0, 1, 2, 3])),
)


def every_decision() -> list[Decision | None]:
    subsets = [tuple(part) for size in range(4) for part in itertools.combinations(NODES, size)]
    made = [
        Decision("rg", release, acquire, stranded)
        for release in subsets
        for acquire in subsets
        for stranded in (False, True)
    ]
    return [None, *made]


def twin(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> Decision | None:
    """Tries every decision there is, and keeps the one that obeys all the rules."""
    fitting = [decision for decision in every_decision() if obeys(decision, trigger, policy, situation)]
    assert len(fitting) == 1, (fitting, trigger, policy, situation)
    return fitting[0]


def obeys(decision: Decision | None, trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> bool:
    released = set(decision.release) if decision else set()
    acquired = set(decision.acquire) if decision else set()
    if decision is not None and not decision.release and not decision.acquire and not may_be_empty(trigger, situation):
        return False
    return (
        released == must_release(trigger, policy, situation)
        and acquired == must_acquire(trigger, policy, situation)
        and (decision is not None) == is_concerned(trigger, policy, situation)
        and (decision is not None and decision.stranded) == is_stranded(trigger, policy, situation)
    )


def may_be_empty(trigger: Trigger, situation: GroupSituation) -> bool:
    return isinstance(trigger, NodeLeft) and trigger.mode == "crash"


def holds(situation: GroupSituation, node: int) -> bool:
    return situation.state(node) in HELD


def held_anywhere(situation: GroupSituation) -> bool:
    return any(holds(situation, node) for node in NODES)


def unmanaged(situation: GroupSituation) -> bool:
    return any(situation.state(node) == "UNMANAGED" for node in NODES)


def two_instances(policy: GroupPolicy) -> bool:
    """Does a site mean anything to the group?"""
    return policy.site_policy in ("primary", "either") and policy.sites != {} and policy.startup != "OAAN"


def home(policy: GroupPolicy) -> str:
    """The site that it prefers."""
    return policy.sites[policy.nodes[0]] if two_instances(policy) and policy.site_policy == "primary" else ""


def forbidden(policy: GroupPolicy, situation: GroupSituation, node: int) -> bool:
    """Would a failure take it across a border that it may not cross?"""
    known = two_instances(policy) and situation.site != ""
    return known and policy.kept_at_site and policy.sites[node] != situation.site


def distance(policy: GroupPolicy, situation: GroupSituation, node: int) -> tuple[bool, int]:
    """How far a fallover to the node would be."""
    known = two_instances(policy) and situation.site != ""
    return known and policy.sites[node] != situation.site, policy.nodes.index(node)


def may_start(policy: GroupPolicy, situation: GroupSituation, node: int) -> bool:
    """May it be acquired there when nobody has it?"""
    if not situation.wanted and home(policy):
        return policy.sites[node] == home(policy)
    return not forbidden(policy, situation, node)


def liking(policy: GroupPolicy, situation: GroupSituation, node: int) -> tuple[bool, int]:
    """The smaller the better, if it can be chosen freely."""
    if home(policy):
        return policy.sites[node] != home(policy), policy.nodes.index(node)
    return distance(policy, situation, node)


def best_fallover(policy: GroupPolicy, situation: GroupSituation, without: int) -> set[int]:
    """The best by the dynamic policy: nobody is better, and nobody who is as good comes earlier in the list."""
    places = [
        node
        for node in policy.nodes
        if node in situation.available
        and node != without
        and node not in situation.tried
        and not forbidden(policy, situation, node)
    ]
    places.sort(key=lambda node: distance(policy, situation, node))
    values = situation.priorities
    if policy.fallover != "FUDNP" or not policy.dynamic or not set(places) <= values.keys():
        return set(places[:1])

    def better(one: int, other: int) -> bool:
        if policy.dynamic == "least":
            return values[one] != 0 and (values[other] == 0 or values[one] < values[other])
        return values[one] < values[other] if policy.dynamic == "disk" else values[one] > values[other]

    return {
        node
        for number, node in enumerate(places)
        if not any(better(other, node) for other in places)
        and all(better(node, earlier) for earlier in places[:number])
    }


def best(policy: GroupPolicy, situation: GroupSituation, tried: bool = True) -> set[int]:
    places = [node for node in policy.nodes if node in situation.available]
    if tried:
        places = [node for node in places if node not in situation.tried]
    return {min(places, key=lambda node: liking(policy, situation, node))} if places else set()


def is_better(policy: GroupPolicy, node: int, holders: tuple[int, ...]) -> bool:
    """Is the node a place to fall back to, from all of the holders?"""
    if two_instances(policy) and {policy.sites[holder] for holder in holders} != {policy.sites[node]}:
        there = {policy.sites[holder] for holder in holders}
        return home(policy) == policy.sites[node] and home(policy) not in there
    return policy.fallback == "FBHPN" and all(
        holder not in policy.nodes or policy.nodes.index(holder) > policy.nodes.index(node) for holder in holders
    )


def is_concerned(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> bool:
    if isinstance(trigger, NodeLeft):
        state = situation.state(trigger.node)
        waits = trigger.mode != "crash" or situation.wanted
        return trigger.mode != "unmanage" and (state in HELD or (state == "ERROR" and waits))
    if isinstance(trigger, GroupFailed):
        return situation.state(trigger.node) not in ("OFFLINE", "UNMANAGED")
    return bool(must_release(trigger, policy, situation) or must_acquire(trigger, policy, situation))


def is_stranded(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> bool:
    if not is_concerned(trigger, policy, situation) or must_acquire(trigger, policy, situation):
        return False
    if isinstance(trigger, GroupFailed):
        return True
    return isinstance(trigger, NodeLeft) and looks_for_a_place(trigger, policy, situation)


def looks_for_a_place(trigger: NodeLeft, policy: GroupPolicy, situation: GroupSituation) -> bool:
    lost = holds(situation, trigger.node) or (
        trigger.mode == "crash" and situation.state(trigger.node) == "ERROR" and situation.wanted
    )
    return (
        lost
        and trigger.mode in ("crash", "move")
        and not policy.concurrent
        and policy.fallover != "BO"
        and not any(holds(situation, node) or node in situation.unreleased for node in NODES if node != trigger.node)
    )


def must_release(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> set[int]:
    targets = must_acquire(trigger, policy, situation)
    left_behind = set() if policy.concurrent or not targets else situation.unreleased - targets
    return plain_release(trigger, policy, situation) | left_behind


def plain_release(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> set[int]:
    match trigger:
        case NodeJoined():
            return set(situation.holders()) if falls_back(trigger, policy, situation) else set()
        case Managed():
            targets = must_acquire(trigger, policy, situation)
            return set(situation.holders()) if targets and not policy.concurrent else set()
        case FallbackDue():
            return set(situation.holders()) if must_acquire(trigger, policy, situation) else set()
        case NodeLeft(node, mode):
            return {node} if mode != "crash" and is_concerned(trigger, policy, situation) else set()
        case GroupFailed(_, node):
            return {node} if is_concerned(trigger, policy, situation) else set()
        case OperatorMove():
            targets = must_acquire(trigger, policy, situation)
            if policy.concurrent or not targets:
                return set()
            kept = {node for node in policy.nodes if situation.state(node) in ("ERROR", "UNMANAGED")}
            return (set(situation.holders()) | kept) - targets
        case OperatorOffline(_, node):
            return {
                other
                for other in policy.nodes
                if node in (0, other) and (holds(situation, other) or situation.state(other) in ("ERROR", "UNMANAGED"))
            }
        case _:
            return set()


def falls_back(trigger: NodeJoined, policy: GroupPolicy, situation: GroupSituation) -> bool:
    node = trigger.node
    if (
        node not in policy.nodes
        or node not in situation.available
        or situation.operator_offline
        or policy.concurrent
        or unmanaged(situation)
        or not held_anywhere(situation)
        or policy.delayed
        or holds(situation, situation.override)
    ):
        return False
    return is_better(policy, node, situation.holders())


def must_acquire(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> set[int]:
    match trigger:
        case NodeJoined(node, settled):
            if node in policy.nodes and situation.state(node) == "UNMANAGED":
                return {node}
            if node not in policy.nodes or node not in situation.available or situation.operator_offline:
                return set()
            if policy.concurrent:
                return set() if holds(situation, node) else {node}
            if unmanaged(situation):
                return set()
            if held_anywhere(situation):
                return {node} if falls_back(trigger, policy, situation) else set()
            if not may_start(policy, situation, node):
                return set()
            first = node == policy.nodes[0]
            starts = {"OHN": first, "OFAN": settled or first, "OUDP": True}[policy.startup]
            return {node} if starts or situation.wanted else set()
        case NodeLeft(node, _):
            return best_fallover(policy, situation, node) if looks_for_a_place(trigger, policy, situation) else set()
        case GroupFailed(_, node):
            if not is_concerned(trigger, policy, situation) or policy.concurrent or policy.fallover == "BO":
                return set()
            return best_fallover(policy, situation, node)
        case ResourcesBack(node):
            if node not in policy.nodes or node not in situation.available or situation.operator_offline:
                return set()
            if unmanaged(situation):
                return set()
            if policy.concurrent:
                return {node} if situation.state(node) == "ERROR" else set()
            lost = situation.wanted and not held_anywhere(situation)
            return {node} if lost and may_start(policy, situation, node) else set()
        case Settled():
            idle = not (held_anywhere(situation) or unmanaged(situation) or situation.operator_offline)
            there = situation.available & {node for node in policy.nodes if may_start(policy, situation, node)}
            return best(policy, replace(situation, available=there)) if policy.startup == "OFAN" and idle else set()
        case Managed() if policy.concurrent:
            untried = [node for node in NODES if node not in situation.tried]
            return (
                {node for node in untried if node in must_acquire(NodeJoined(node), policy, situation)}
                if not unmanaged(situation)
                else set()
            )
        case Managed():
            # Of all the nodes that would acquire it by joining, the one that the policy likes best.
            untried = [node for node in policy.nodes if node not in situation.tried]
            untried.sort(key=lambda node: liking(policy, situation, node))
            would = [
                node
                for node in untried
                if not unmanaged(situation) and node in must_acquire(NodeJoined(node), policy, situation)
            ]
            return set(would[:1])
        case FallbackDue():
            if policy.fallback == "NFB" or policy.concurrent or unmanaged(situation):
                return set()
            held = situation.holders()
            return {node for node in best(policy, situation) if held and is_better(policy, node, held)}
        case OperatorMove(_, node):
            if policy.concurrent:
                asked = {node} if node else set(NODES)
                return asked & set(policy.nodes) & situation.available - set(situation.holders())
            # What an operator wants is no failure: nothing keeps the group at its site.
            targets = {node} if node else best(policy, situation, tried=False)
            return {
                target
                for target in targets
                if target in situation.available and target in policy.nodes and situation.state(target) != "ONLINE"
            }
        case _:
            return set()


DISTRIBUTED_BETWEEN_SITES = GroupPolicy(
    "rg", NODES, "OUDP", "FNPN", "FBHPN", site_policy="either", sites={1: "A", 2: "A", 3: "B"}
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(triggers, policies, situations)
@example(OperatorMove("rg", 0), DISTRIBUTED_BETWEEN_SITES, GroupSituation(available=frozenset(NODES), site="B"))
def test_placement_agrees_with_its_twin(trigger: Trigger, policy: GroupPolicy, situation: GroupSituation) -> None:
    for holder in situation.holders():
        # Whoever acquires it last says at which site it is.
        situation = replace(situation, site=policy.sites.get(holder, ""))
    found = place(trigger, (policy,), {"rg": situation})
    expected = twin(trigger, policy, situation)
    assert found == ((expected,) if expected is not None else ())


@settings(max_examples=500, deadline=None)
@given(triggers, policies, situations)
def test_nothing_is_acquired_where_it_cannot_be(
    trigger: Trigger, policy: GroupPolicy, situation: GroupSituation
) -> None:
    for decision in place(trigger, (policy,), {"rg": situation}):
        for node in decision.acquire:
            assert node in policy.nodes
            assert node in situation.available or situation.state(node) == "UNMANAGED"


def test_distribution_gives_a_node_one_group() -> None:
    groups = tuple(GroupPolicy(name, (1, 2), "OUDP", "FNPN", "NFB") for name in ("a", "b", "c"))
    free = GroupSituation(available=frozenset((1, 2)))
    assert place(NodeJoined(1), groups, dict.fromkeys("abc", free)) == (Decision("a", (), (1,)),)
    taken = GroupSituation({1: "ONLINE"}, frozenset((1, 2)))
    assert place(NodeJoined(2), groups, {"a": taken, "b": free, "c": free}) == (Decision("b", (), (2,)),)


def test_group_that_an_operator_brings_online_somewhere_keeps_to_the_distribution() -> None:
    spread = tuple(GroupPolicy(name, (1, 2), "OUDP", "FNPN", "NFB") for name in ("a", "b", "c"))
    free = GroupSituation(available=frozenset((1, 2)))
    taken = GroupSituation({1: "ONLINE"}, frozenset((1, 2)))
    other = GroupSituation({2: "ONLINE"}, frozenset((1, 2)))
    assert place(OperatorMove("b", 0), spread, {"a": taken, "b": free, "c": free}) == (Decision("b", (), (2,)),)
    assert place(OperatorMove("c", 0), spread, {"a": taken, "b": other, "c": free}) == (Decision("c", (), (1,)),)


def test_delayed_start_distributes_groups_over_all_nodes_and_homes() -> None:
    spread = tuple(GroupPolicy(name, (1, 2), "OUDP", "FNPN", "NFB") for name in ("a", "b", "c"))
    home = GroupPolicy("h", (2, 1), "OHN")
    free = GroupSituation(available=frozenset((1, 2)))
    assert place(Managed(), (*spread, home), dict.fromkeys("abch", free)) == (
        Decision("a", (), (1,)),
        Decision("b", (), (2,)),
        Decision("h", (), (2,)),
    )


def test_groups_are_decided_in_the_order_of_the_configuration() -> None:
    groups = (GroupPolicy("z", (1, 2)), GroupPolicy("a", (1, 2)))
    held = GroupSituation({1: "ONLINE"}, frozenset((2,)))
    decisions = place(NodeLeft(1, "crash"), groups, {"a": held, "z": held})
    assert [decision.group for decision in decisions] == ["z", "a"]
