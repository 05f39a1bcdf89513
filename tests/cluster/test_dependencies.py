"""Groups that depend on each other: their goals against a twin that tries every arrangement, and the way there step by
step, in any order that the moves allow."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from daemons.cluster.arrangement import aim
from daemons.cluster.dependencies import Dependencies, objection
from daemons.cluster.placement import (
    HELD,
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
)
from daemons.cluster.succession import next_moves

NODES = (1, 2, 3)
NAMES = ("a", "b", "c", "d")
Situations = dict[str, GroupSituation]
Goals = dict[str, tuple[int, ...]]
World = tuple[tuple[GroupPolicy, ...], Situations, Goals]

orders = st.permutations(NODES).flatmap(lambda order: st.integers(1, 3).map(lambda count: tuple(order[:count])))
policies = st.tuples(
    *(
        st.builds(
            GroupPolicy,
            name=st.just(name),
            nodes=orders,
            startup=st.sampled_from(["OHN", "OFAN"]),
            fallover=st.sampled_from(["FNPN", "BO"]),
            fallback=st.sampled_from(["FBHPN", "NFB"]),
        )
        for name in NAMES
    )
)
pairs = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda pair: pair[0] < pair[1]), max_size=3
).map(lambda found: tuple(dict.fromkeys(found)))
ranked = st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), st.integers(0, 2)) for name in names))
)
located = st.builds(Dependencies, apart=st.lists(ranked, max_size=1).map(tuple))
# What belongs on one node and on different nodes at the same time is refused by verification.
places = st.sampled_from(
    [
        ((), ()),
        ((), ((("b", 0), ("c", 0), ("d", 2)),)),
        ((("a", "b"),), ()),
        ((("a", "b"),), ((("a", 0), ("c", 1)),)),
        ((("a", "b"),), ((("b", 0), ("c", 0), ("d", 2)),)),
        ((("c", "d"),), ((("a", 0), ("c", 1)),)),
    ]
)
everything = st.builds(
    lambda parents, start, stop, where: Dependencies(parents, start, stop, *where), pairs, pairs, pairs, places
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Groups that are where their goals are, on nodes of theirs, or nowhere."""
    groups = draw(policies)
    situations: Situations = {}
    goals: Goals = {}
    available = draw(st.frozensets(st.sampled_from(NODES), min_size=1))
    for policy in groups:
        place = draw(st.sampled_from([0, *policy.nodes]))
        states = {place: "ONLINE"} if place else {}
        tried = draw(st.frozensets(st.sampled_from(NODES), max_size=1)) - {place}
        situations[policy.name] = GroupSituation(
            states=states,
            available=available | ({place} if place else set()),
            tried=tried,
            wanted=bool(place) or draw(st.booleans()),
        )
        goals[policy.name] = (place,) if place else ()
    return groups, situations, goals


nodes = st.sampled_from(NODES)
triggers: st.SearchStrategy[Trigger] = st.one_of(
    st.builds(NodeJoined, nodes),
    st.builds(NodeLeft, nodes, st.sampled_from(["crash", "move", "offline"])),
    st.builds(GroupFailed, st.sampled_from(NAMES), nodes),
    st.builds(ResourcesBack, nodes),
    st.just(Settled()),
    st.just(Managed()),
    st.builds(OperatorMove, st.sampled_from(NAMES), nodes),
    st.builds(OperatorOffline, st.sampled_from(NAMES), st.just(0)),
)


def twin(
    trigger: Trigger, groups: tuple[GroupPolicy, ...], situations: Situations, apart: Dependencies, goals: Goals
) -> Goals:
    """Tries every arrangement of the groups; of those that keep apart what belongs apart it takes the best one: groups
    are asked in order of priority, then those that stay before those that move, each for its most liked node."""
    wishes = aim(trigger, groups, situations, Dependencies(), goals)
    gone = trigger.node if isinstance(trigger, NodeLeft) else 0
    in_set = {name for entry in apart.apart for name, _ in entry}
    liked: dict[str, list[int]] = {}

    def ideas(policy: GroupPolicy) -> list[int]:
        """Where it could be, whether that is possible or not."""
        name, situation = policy.name, situations[policy.name]
        first = [trigger.node] if isinstance(trigger, OperatorMove) and trigger.group == name else []
        ran = goals[name] or situation.wanted or situation.holders()
        anywhere = policy.fallover != "BO" if ran else policy.startup == "OFAN"
        rest = policy.nodes if name in in_set and anywhere else ()
        return [node for node in dict.fromkeys((*first, *wishes[name], *rest)) if node != gone]

    for policy in groups:
        situation, name = situations[policy.name], policy.name
        waits = name in in_set and situation.wanted and not situation.operator_offline and policy.fallover != "BO"
        if not wishes[name] and not waits:
            liked[name] = [0]
            continue
        found = [
            node
            for node in ideas(policy)
            if node in policy.nodes
            and node not in situation.tried
            and (node in situation.available or situation.state(node) in HELD)
        ]
        liked[name] = [*found, 0]
    allowed = [
        dict(zip(liked, choice, strict=True))
        for choice in itertools.product(*liked.values())
        if not any(
            choice[NAMES.index(one)] == choice[NAMES.index(other)] != 0
            for one, other in itertools.combinations(NAMES, 2)
            if apart.separate(one, other)
        )
    ]

    def moves(policy: GroupPolicy) -> bool:
        return not ideas(policy) or set(situations[policy.name].holders()) != {ideas(policy)[0]}

    turn = sorted(NAMES, key=lambda name: (apart.rank(name), moves(groups[NAMES.index(name)]), NAMES.index(name)))
    best = min(allowed, key=lambda places: [liked[name].index(places[name]) for name in turn])
    return {name: (node,) if node else () for name, node in best.items()}


@settings(max_examples=120, deadline=None)
@given(trigger=triggers, world=worlds(), apart=located)
def test_goals_are_the_best_arrangement(trigger: Trigger, world: World, apart: Dependencies) -> None:
    groups, situations, goals = world
    assert aim(trigger, groups, situations, apart, goals) == twin(trigger, groups, situations, apart, goals)


@settings(max_examples=120, deadline=None)
@given(trigger=triggers, world=worlds(), dependencies=everything)
def test_goals_respect_every_location_dependency(trigger: Trigger, world: World, dependencies: Dependencies) -> None:
    groups, situations, goals = world
    found = aim(trigger, groups, situations, dependencies, goals)
    for entry in dependencies.same_node:
        assert len({node for name in entry for node in found[name]}) <= 1
    for entry in dependencies.apart:
        used = [node for name, _ in entry for node in found[name]]
        assert len(used) == len(set(used))
    for policy in groups:
        for node in found[policy.name]:
            assert node in policy.nodes
            assert node in situations[policy.name].available


@settings(max_examples=120, deadline=None)
@given(world=worlds(), dependencies=everything, seed=st.integers(0, 1 << 20), trigger=triggers)
def test_moves_in_any_order_reach_the_goals_and_break_no_dependency(
    world: World, dependencies: Dependencies, seed: int, trigger: Trigger
) -> None:
    """Releases and acquisitions are carried out one by one, at random, and succeed."""
    groups, situations, goals = world
    aimed = aim(trigger, groups, situations, dependencies, goals)
    if isinstance(trigger, NodeLeft):
        situations = {
            name: replace(entry, available=entry.available - {trigger.node}) for name, entry in situations.items()
        }
        if trigger.mode == "crash":
            situations = {
                name: replace(entry, states={n: s for n, s in entry.states.items() if n != trigger.node})
                for name, entry in situations.items()
            }
    chance = random.Random(seed)
    for _ in range(40):
        moves = next_moves(groups, situations, dependencies, aimed)
        if not moves:
            break
        move = chance.choice(moves)
        states = dict(situations[move.group].states)
        for node in move.release:
            states[node] = "OFFLINE"
            situations[move.group] = replace(situations[move.group], states=dict(states))
            check_release(move.group, situations, dependencies)
        for node in move.acquire:
            states[node] = "ONLINE"
            situations[move.group] = replace(situations[move.group], states=dict(states))
            check_acquisition(move.group, node, situations, dependencies)
    else:
        raise AssertionError(("the moves do not end", aimed, situations))
    for policy in groups:
        name, held = policy.name, situations[policy.name].holders()
        needed = (*dependencies.parents_of(name), *dependencies.targets_of(name))
        can_start = all(online(other, situations) for other in needed)
        if aimed[name] and can_start and set(aimed[name]) <= situations[name].available:
            assert held == aimed[name], (name, aimed, situations)
        elif not aimed[name]:
            assert not held


def online(name: str, situations: Situations) -> bool:
    return "ONLINE" in situations[name].states.values()


def check_release(name: str, situations: Situations, dependencies: Dependencies) -> None:
    for child in dependencies.children_of(name):
        assert online(name, situations) or not online(child, situations), f"{name} goes before its child {child}"


def check_acquisition(name: str, node: int, situations: Situations, dependencies: Dependencies) -> None:
    for child in dependencies.children_of(name):
        assert not online(child, situations), f"{name} comes while its child {child} is online"
    for needed in (*dependencies.parents_of(name), *dependencies.targets_of(name)):
        assert online(needed, situations), f"{name} comes before {needed}"
    for other in NAMES:
        if dependencies.separate(name, other):
            assert situations[other].state(node) != "ONLINE", f"{name} and {other} are on node {node}"
        if other in dependencies.together(name):
            assert set(situations[other].holders()) <= {node}, f"{name} and {other} are on different nodes"


# Examples, as the guide has them.


def group(name: str, *order: int, startup: str = "OFAN", fallover: str = "FNPN") -> GroupPolicy:
    return GroupPolicy(name, order or NODES, startup, fallover, "NFB")


def at(node: int, *available: int, wanted: bool = True) -> GroupSituation:
    return GroupSituation({node: "ONLINE"} if node else {}, frozenset(available or NODES), wanted=wanted)


def test_higher_priority_takes_the_node_and_the_lower_one_goes_elsewhere() -> None:
    apart = Dependencies(apart=((("high", 0), ("low", 2)),))
    groups = (group("high", 1, 2), group("low", 2, 1))
    situations = {"high": at(1, 2), "low": at(2, 2)}
    found = aim(NodeLeft(1, "crash"), groups, situations, apart, {"high": (1,), "low": (2,)})
    assert found == {"high": (2,), "low": ()}, "the last node is the higher one's"
    three = (group("high", 1, 2), group("low", 2, 3))
    found = aim(NodeLeft(1, "crash"), three, situations | {"low": at(2, 2, 3)}, apart, {"high": (1,), "low": (2,)})
    assert found == {"high": (2,), "low": (3,)}


def test_equal_priority_does_not_preempt() -> None:
    apart = Dependencies(apart=((("one", 0), ("two", 0)),))
    groups = (group("one", 1, 2), group("two", 2, 1))
    situations = {"one": at(1, 2), "two": at(2, 2)}
    found = aim(NodeLeft(1, "crash"), groups, situations, apart, {"one": (1,), "two": (2,)})
    assert found == {"one": (), "two": (2,)}


def test_group_that_had_to_give_way_comes_back_when_there_is_room() -> None:
    apart = Dependencies(apart=((("high", 0), ("low", 2)),))
    groups = (group("high", 1, 2), group("low", 2, 1))
    situations = {"high": at(2, 1, 2), "low": at(0, 1, 2)}
    found = aim(NodeJoined(1), groups, situations, apart, {"high": (2,), "low": ()})
    assert found == {"high": (2,), "low": (1,)}


def test_set_on_one_node_falls_over_together() -> None:
    same = Dependencies(same_node=(("a", "b"),))
    groups = (group("a", 1, 2, 3), group("b", 1, 3))
    situations = {"a": at(1, 2, 3), "b": at(1, 2, 3)}
    found = aim(NodeLeft(1, "move"), groups, situations, same, {"a": (1,), "b": (1,)})
    assert found == {"a": (3,), "b": (3,)}, "node 2 is not for both"
    failed = replace(situations["b"], tried=frozenset({1}), available=frozenset(NODES))
    found = aim(GroupFailed("b", 1), groups, situations | {"b": failed}, same, {"a": (1,), "b": (1,)})
    assert found == {"a": (3,), "b": (3,)}


def test_member_for_which_there_is_no_node_leaves_the_others_alone() -> None:
    same = Dependencies(same_node=(("a", "b"),))
    groups = (group("a", 1, 2), group("b", 1, 2))
    situations = {"a": at(1), "b": replace(at(1), tried=frozenset({1, 2}))}
    found = aim(GroupFailed("b", 1), groups, situations, same, {"a": (1,), "b": (1,)})
    assert found == {"a": (1,), "b": ()}


def test_parent_moves_only_while_its_child_is_down() -> None:
    family = Dependencies(parents=(("parent", "child"),))
    groups = (group("parent"), group("child"))
    situations = {"parent": at(1), "child": at(1)}
    goals = {"parent": (2,), "child": (1,)}
    assert [(move.group, move.release, move.acquire) for move in next_moves(groups, situations, family, goals)] == [
        ("child", (1,), ())
    ]
    situations["child"] = at(0)
    assert [(move.group, move.release, move.acquire) for move in next_moves(groups, situations, family, goals)] == [
        ("parent", (1,), (2,))
    ]
    situations["parent"] = at(2)
    assert [(move.group, move.release, move.acquire) for move in next_moves(groups, situations, family, goals)] == [
        ("child", (), (1,))
    ]


def test_child_of_a_parent_that_was_lost_goes_down_before_the_parent_comes_back() -> None:
    family = Dependencies(parents=(("parent", "child"),))
    groups = (group("parent"), group("child"))
    goals = {"parent": (2,), "child": (1,)}
    moves = next_moves(groups, {"parent": at(0), "child": at(1)}, family, goals)
    assert [(move.group, move.release, move.acquire) for move in moves] == [("child", (1,), ())]


def test_circle_ends_nothing_and_never_hangs() -> None:
    circle = Dependencies(parents=(("a", "b"), ("b", "a")))
    groups = (group("a"), group("b"))
    assert next_moves(groups, {"a": at(0), "b": at(0)}, circle, {"a": (1,), "b": (1,)}) == ()
    assert next_moves(groups, {"a": at(1), "b": at(1)}, circle, {"a": (1,), "b": (1,)}) == ()


def test_what_an_operator_may_not_ask_for() -> None:
    groups = (group("parent"), group("child"), group("high"), group("low"))
    dependencies = Dependencies(parents=(("parent", "child"),), apart=((("high", 0), ("low", 2)),))
    situations = {"parent": at(1), "child": at(2), "high": at(1), "low": at(2)}
    names = {node: f"node{node}" for node in NODES}

    def asked(request: OperatorMove | OperatorOffline, **changes: GroupSituation) -> str:
        return objection(request, groups, situations | changes, dependencies, names)

    assert "bring child offline first" in asked(OperatorOffline("parent", 0))
    assert "bring child offline first" in asked(OperatorMove("parent", 2))
    assert asked(OperatorOffline("parent", 0), child=at(0)) == ""
    assert "bring parent online first" in asked(OperatorMove("child", 1), parent=at(0), child=at(0))
    assert "high, which is online on node node1" in asked(OperatorMove("low", 1))
    assert asked(OperatorMove("high", 2)) == "", "the lower priority gives way"
    everywhere = GroupSituation({1: "ONLINE", 3: "ONLINE"}, frozenset(NODES))
    assert asked(OperatorOffline("parent", 1), parent=everywhere) == "", "it stays online elsewhere"


def test_set_on_one_node_is_not_moved_where_one_of_it_cannot_be() -> None:
    groups = (group("one", 1, 2, 3), group("two", 1, 2))
    same = Dependencies(same_node=(("one", "two"),))
    situations = {"one": at(1), "two": at(1)}
    names = {node: f"node{node}" for node in NODES}
    refused = objection(OperatorMove("one", 3), groups, situations, same, names)
    assert "must be on the same node as two, in which node node3 does not participate" in refused
    assert objection(OperatorMove("one", 2), groups, situations, same, names) == ""
