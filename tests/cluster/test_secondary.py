"""The place of a secondary instance against a slow twin, and examples of both site policies."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.cluster.placement import (
    Decision,
    GroupPolicy,
    GroupSituation,
    NodeJoined,
    NodeLeft,
    OperatorMove,
    Settled,
    is_kept_at_site,
    place,
)
from daemons.cluster.secondary import place_secondary, site_of_primary

NODES = (1, 2, 3, 4)
SITES = {1: "A", 2: "A", 3: "B", 4: "B"}
some = st.frozensets(st.sampled_from(NODES), max_size=3)

policies = st.builds(
    GroupPolicy,
    name=st.just("rg"),
    nodes=st.permutations(NODES).flatmap(lambda order: st.integers(1, 4).map(lambda count: tuple(order[:count]))),
    startup=st.sampled_from(["OHN", "OFAN", "OAAN"]),
    site_policy=st.sampled_from(["ignore", "primary", "either", "both"]),
    sites=st.sampled_from([{}, SITES, SITES]),
)


def twin(
    policy: GroupPolicy,
    primary: frozenset[int],
    last: str,
    present: tuple[int, ...],
    available: frozenset[int],
    failed: frozenset[int],
    asked: int,
) -> int:
    """Looks at every node, and strikes out those that a rule excludes; of the others no one is liked better."""
    if policy.site_policy not in ("primary", "either") or not policy.sites or policy.startup == "OAAN":
        return 0
    there = sorted(policy.sites[node] for node in primary)
    if not there and last:
        there = [last]
    elif not there and policy.site_policy == "primary":
        there = [policy.sites[policy.nodes[0]]]
    if not there:
        return 0
    left = [
        node for node in NODES if node in policy.nodes and policy.sites[node] != there[0] and node in available - failed
    ]

    def liked(node: int) -> tuple[bool, int, int]:
        where = present.index(node) if node in present else len(present)
        return node != asked, where, policy.nodes.index(node)

    return min(left, key=liked) if left else 0


@settings(max_examples=1000, deadline=None)
@given(
    policies,
    some,
    st.sampled_from(["", "A", "B"]),
    some.map(lambda found: tuple(sorted(found))),
    some,
    some,
    st.sampled_from([0, *NODES]),
)
def test_secondary_instance_agrees_with_its_twin(
    policy: GroupPolicy,
    primary: frozenset[int],
    last: str,
    present: tuple[int, ...],
    available: frozenset[int],
    failed: frozenset[int],
    asked: int,
) -> None:
    found = place_secondary(policy, primary, last, present, available, failed, asked)
    assert found == twin(policy, primary, last, present, available, failed, asked)
    if found:
        site = site_of_primary(policy, primary, last)
        assert site
        assert site != SITES[found]


def group(site_policy: str, startup: str = "OFAN", fallback: str = "NFB", kept: bool = False) -> GroupPolicy:
    return GroupPolicy("rg", NODES, startup, "FNPN", fallback, site_policy=site_policy, sites=SITES, kept_at_site=kept)


def at(node: int, *available: int, site: str = "") -> GroupSituation:
    return GroupSituation({node: "ONLINE"}, frozenset(available or NODES), wanted=True, site=site or SITES[node])


def test_fallover_goes_inside_the_site_first() -> None:
    crossed = GroupPolicy("rg", (1, 3, 2, 4), site_policy="either", sites=SITES)
    assert place(NodeLeft(1, "crash"), (crossed,), {"rg": at(1)}) == (Decision("rg", (), (2,)),)
    assert place(NodeLeft(1, "crash"), (crossed,), {"rg": at(1, 1, 3, 4)}) == (Decision("rg", (), (3,)),)
    ignoring = GroupPolicy("rg", (1, 3, 2, 4), sites=SITES)
    assert place(NodeLeft(1, "crash"), (ignoring,), {"rg": at(1)}) == (Decision("rg", (), (3,)),)


def test_primary_site_gets_its_group_back_whatever_the_fallback_policy_says() -> None:
    assert place(NodeJoined(2), (group("primary"),), {"rg": at(3)}) == (Decision("rg", (3,), (2,)),)
    assert place(NodeJoined(1), (group("primary"),), {"rg": at(2)}) == (), "inside the site it never falls back"
    assert place(NodeJoined(1), (group("either", fallback="FBHPN"),), {"rg": at(3)}) == ()
    moved = GroupSituation({3: "ONLINE"}, frozenset(NODES), wanted=True, override=3, site="B")
    assert place(NodeJoined(1), (group("primary"),), {"rg": moved}) == (), "an operator has moved it there"


def test_group_starts_at_the_site_that_it_prefers() -> None:
    new = GroupSituation(available=frozenset(NODES))
    assert place(NodeJoined(3), (group("primary"),), {"rg": new}) == ()
    assert place(NodeJoined(3), (group("either"),), {"rg": new}) == (Decision("rg", (), (3,)),)
    assert place(Settled(), (group("primary"),), {"rg": GroupSituation(available=frozenset((3, 4)))}) == ()


def test_group_that_is_kept_at_its_site_waits_for_it() -> None:
    kept = group("either", kept=True)
    lost = NodeLeft(1, "crash")
    assert place(lost, (kept,), {"rg": at(1, 1, 3, 4)}) == (Decision("rg", (), (), True),)
    gone = GroupSituation(available=frozenset((3, 4)), wanted=True, site="A")
    assert place(NodeJoined(3), (kept,), {"rg": gone}) == ()
    assert is_kept_at_site(kept, gone, 3)
    assert place(
        NodeJoined(2), (kept,), {"rg": GroupSituation(available=frozenset((2, 3)), wanted=True, site="A")}
    ) == (Decision("rg", (), (2,)),)
    assert place(OperatorMove("rg", 3), (kept,), {"rg": at(1)}) == (Decision("rg", (1,), (3,)),)


def test_secondary_instance_goes_to_the_other_site_and_changes_sides_with_the_primary_one() -> None:
    policy = group("either")
    assert place_secondary(policy, (1,), "A", (), NODES, ()) == 3
    assert place_secondary(policy, (1,), "A", (4,), NODES, ()) == 4, "it stays"
    assert place_secondary(policy, (3,), "A", (3,), NODES, ()) == 1, "the primary instance comes to its site"
    assert place_secondary(policy, (), "", (), NODES, ()) == 0, "nobody knows yet where the primary one will be"
    assert place_secondary(group("primary"), (), "", (), (3,), ()) == 3
