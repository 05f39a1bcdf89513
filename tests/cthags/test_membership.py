"""Views: formation, failure, restart, split and merge, and the leader's death in the middle of a change."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ring import Ring

from daemons.cthags.core import Core
from daemons.cthags.inputs import AliveNodes, Received
from daemons.cthags.messages import Approved, Decide, Decided, GroupAttributes, Init, Join
from daemons.cthags.wire import Data, Hello
from srcctl.machine import SECOND


def formed(nodes: int, **options: object) -> Ring:
    ring = Ring(nodes, **options)  # type: ignore[arg-type]
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers)), ring.logs
    return ring


@pytest.mark.parametrize("nodes", [2, 3, 5, 16])
def test_the_lowest_node_forms_the_first_view(nodes: int) -> None:
    ring = formed(nodes)
    assert ring.views[1][0].id.leader == 1
    assert ring.now < 100_000, "without loss, formation waits for nobody"


def test_a_lonely_node_waits_for_the_others_first() -> None:
    ring = Ring(2)
    ring.start(1)
    assert ring.run_until(lambda: ring.agreed(1))
    assert ring.now >= ring.settings.formation_us


def test_a_late_node_joins_as_the_youngest() -> None:
    ring = Ring(3)
    ring.start(2, 3)
    assert ring.run_until(lambda: ring.agreed(2, 3))
    ring.start(1)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3))
    assert ring.view(1) == (2, 3, 1)
    assert ring.views[1][-1].id.leader == 2


def test_the_oldest_survivor_leads() -> None:
    ring = formed(4)
    ring.crash(1)
    assert ring.run_until(lambda: ring.agreed(2, 3, 4))
    assert ring.views[4][-1].id.leader == 2


@pytest.mark.parametrize("loss", [0.1, 0.3, 0.5])
def test_lost_packets_only_take_time(loss: float) -> None:
    ring = Ring(4, loss=loss)
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers), 120)
    ring.crash(1)
    assert ring.run_until(lambda: ring.agreed(2, 3, 4), 120)
    ring.start(1)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4), 120)


def test_view_numbers_grow_across_restarts() -> None:
    ring = formed(2)
    for _ in range(3):
        before = ring.views[1][-1].id.number
        ring.crash(1, 2)
        ring.start(1, 2)
        assert ring.run_until(lambda: ring.agreed(1, 2))
        assert ring.views[1][-1].id.number > before


def test_a_restart_that_nobody_noticed_makes_a_new_member() -> None:
    ring = formed(3)
    del ring.cores[2]
    ring.start(2)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3) and len(ring.views[3]) > 1)
    assert ring.view(3) == (1, 3, 2)


def test_two_halves_install_different_views_and_the_smaller_gives_way() -> None:
    ring = formed(5)
    ring.partition((1, 2), (3, 4, 5))
    assert ring.run_until(lambda: ring.agreed(1, 2) and ring.agreed(3, 4, 5))
    assert ring.views[1][-1].id != ring.views[3][-1].id
    ring.heal()
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4, 5)), ring.logs
    assert [ring.dissolved[node] for node in ring.numbers] == [1, 1, 0, 0, 0]


def test_at_a_tie_the_half_with_the_lowest_node_stays() -> None:
    ring = formed(4)
    ring.partition((1, 4), (2, 3))
    assert ring.run_until(lambda: ring.agreed(1, 4) and ring.agreed(2, 3))
    ring.heal()
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4))
    assert [ring.dissolved[node] for node in ring.numbers] == [0, 1, 1, 0]


def test_a_greeting_that_comes_late_is_no_other_domain() -> None:
    """A letter on the repository disk that nobody collected until the network failed, after its sender had."""
    ring = formed(2)
    ring.crash(2)
    assert ring.run_until(lambda: ring.agreed(1))
    late: list[Hello] = []

    def keep(source: int, target: int, packet: object) -> bool:
        if source == 1 and isinstance(packet, Hello) and packet.view is not None:
            late.append(packet)
        return False

    ring.drop = keep
    ring.start(2)
    assert ring.run_until(lambda: ring.agreed(1, 2))
    del ring.cores[1]  # hung: caa still calls it alive
    assert ring.run_until(lambda: ring.view(2) == (2,))
    assert late
    for packet in late:
        ring.step(2, Received(1, packet))
    ring.run(1)
    assert (ring.view(2), ring.dissolved[2]) == ((2,), 0)
    ring.start(1)
    assert ring.run_until(lambda: ring.agreed(1, 2)), ring.logs


@pytest.mark.parametrize("told", [(), (2,), (3,), (2, 3)])
def test_the_leader_dies_while_it_commits(told: tuple[int, ...]) -> None:
    """Only some members get the commit of the view without node 4; they pass it on."""
    ring = formed(4)
    old = ring.views[1][-1].id

    def drop(source: int, target: int, packet: object) -> bool:
        commits = isinstance(packet, Data) and packet.session > old and packet.number > 0 and source == 1
        return commits and target not in told

    ring.drop = drop
    ring.crash(4)
    ring.run(0.02)
    assert [len(ring.views[node]) for node in (2, 3)] == [2 if node in told else 1 for node in (2, 3)]
    ring.drop = None
    ring.crash(1)
    assert ring.run_until(lambda: ring.agreed(2, 3)), ring.logs


def test_a_silent_daemon_on_a_live_node_is_left_out() -> None:
    ring = formed(3)
    hung = ring.cores.pop(1)
    assert ring.run_until(lambda: ring.agreed(2, 3), 60), ring.logs
    ring.cores[1] = hung
    assert ring.run_until(lambda: ring.agreed(1, 2, 3), 60), ring.logs
    assert ring.dissolved == {1: 1, 2: 0, 3: 0}


@pytest.mark.parametrize("known", [True, False])
def test_a_silent_node_is_left_to_the_judgement_of_caa(known: bool) -> None:
    """Where caa waits longer for a node (another site, a long node_timeout), a tie breaker may not be asked yet."""
    ring = formed(3)
    if known:
        ring.apart = frozenset({(1, 3), (2, 3)})
    detection = 3 * ring.settings.silent_beats * ring.settings.beat_us
    for node in ring.numbers:
        word = AliveNodes(0, frozenset({1, 2, 3}), ring.numbers, ring.boots, apart=ring.apart, detection_us=detection)
        ring.step(node, word)
    ring.cut = {(1, 3), (3, 1), (2, 3), (3, 2)}
    ring.run(2 * ring.settings.silent_beats * ring.settings.beat_us // SECOND)
    assert all(len(ring.views[node]) == 1 for node in ring.numbers), ring.logs
    for node in (1, 2):
        ring.step(node, AliveNodes(0, frozenset({1, 2}), ring.numbers, ring.boots, detection_us=detection))
    ring.run(5)
    assert ring.agreed(1, 2), ring.logs


def test_a_pause_of_everybody_suspects_nobody() -> None:
    ring = formed(3)
    ring.now += 3_600_000_000
    ring.run(30)
    assert all(len(ring.views[node]) == 1 for node in ring.numbers), ring.logs


def critical(ring: Ring, *nodes: int) -> None:
    """Each of the nodes has a critical client in a group."""
    for node in nodes:
        ring.request(node, 9, Init("clstrmgr", 900 + node, critical=True))
        ring.request(node, 9, Join("G", GroupAttributes()))
    ring.run(5)


def two_parts(
    merge: str,
    *with_critical: int,
    priorities: dict[int, int] | None = None,
    site_merge: str = "",
    sites: dict[int, int] | None = None,
) -> Ring:
    """Nodes 1, 2 and nodes 3, 4, 5 were apart and meet again."""
    ring = Ring(5)
    ring.priorities = priorities or {}
    ring.merge, ring.site_merge, ring.sites = merge, site_merge, sites or {}
    ring.start(1, 2, 3, 4, 5)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4, 5))
    critical(ring, *with_critical)
    ring.partition((1, 2), (3, 4, 5))
    assert ring.run_until(lambda: ring.agreed(1, 2) and ring.agreed(3, 4, 5), 120)
    ring.heal()
    return ring


@pytest.mark.parametrize(
    ("merge", "dissolved"),
    [
        ("majority", {1, 2}),
        ("tiebreaker", {1, 2}),
        ("nfs", {1, 2}),
        ("priority", {3, 4, 5}),
        ("manual", set()),
        ("none", set()),
    ],
)
def test_the_merge_policy_says_who_gives_way(merge: str, dissolved: set[int]) -> None:
    ring = two_parts(merge, 1, 2, 3, 4, 5)
    ring.run(60)
    assert {node for node, count in ring.dissolved.items() if count} == dissolved
    if dissolved:
        assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4, 5), 120)
    else:
        assert ring.agreed(1, 2)
        assert ring.agreed(3, 4, 5)


@pytest.mark.parametrize(
    ("priorities", "dissolved"),
    [
        ({1: 2, 2: 2, 3: 1, 4: 1, 5: 1}, {1, 2}),
        ({1: 1, 2: 1, 3: 2, 4: 2, 5: 2}, {3, 4, 5}),
        ({5: 2}, {1, 2}),
        ({2: 1, 4: 1}, {3, 4, 5}),
    ],
)
def test_the_site_with_the_highest_priority_goes_on(priorities: dict[int, int], dissolved: set[int]) -> None:
    ring = two_parts("priority", 1, 2, 3, 4, 5, priorities=priorities)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4, 5), 120)
    assert {node for node, count in ring.dissolved.items() if count} == dissolved


@pytest.mark.parametrize(
    ("merge", "site_merge", "sites", "dissolved"),
    [
        ("majority", "priority", {1: 1, 2: 1, 3: 2, 4: 2, 5: 2}, {3, 4, 5}),
        ("majority", "priority", {1: 1, 2: 2, 3: 2, 4: 2, 5: 2}, {1, 2}),
        ("majority", "priority", {}, {1, 2}),
        ("majority", "", {1: 1, 2: 1, 3: 2, 4: 2, 5: 2}, {1, 2}),
        ("majority", "manual", {1: 1, 2: 1, 3: 2, 4: 2, 5: 2}, set()),
        ("none", "manual", {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, set()),
        ("none", "priority", {1: 1, 2: 1, 3: 2, 4: 2, 5: 2}, {3, 4, 5}),
    ],
)
def test_between_sites_their_own_merge_policy_decides(
    merge: str, site_merge: str, sites: dict[int, int], dissolved: set[int]
) -> None:
    ring = two_parts(merge, 1, 2, 3, 4, 5, priorities={1: 1, 2: 1}, site_merge=site_merge, sites=sites)
    ring.run(60)
    assert {node for node, count in ring.dissolved.items() if count} == dissolved
    asked = any(any(prompts) for prompts in ring.prompts.values())
    assert asked == (site_merge == "manual" and len(set(sites.values())) == 2), "an operator is asked if he decides"


@pytest.mark.parametrize(
    ("critical_nodes", "dissolved"), [((1, 2), {3, 4, 5}), ((1, 4), {1, 2}), ((), {1, 2}), ((5,), {1, 2})]
)
def test_merge_policy_heuristic_keeps_the_part_with_cluster_services(
    critical_nodes: tuple[int, ...], dissolved: set[int]
) -> None:
    ring = two_parts("heuristic", *critical_nodes)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4, 5), 120)
    assert {node for node, count in ring.dissolved.items() if count} == dissolved


def test_an_operator_decides_about_a_merge_for_the_whole_part() -> None:
    ring = two_parts("manual", 1, 4)
    ring.run(20)
    asked = {node: prompts[-1] for node, prompts in ring.prompts.items()}
    assert asked == {1: (3, 4, 5), 2: (3, 4, 5), 3: (1, 2), 4: (1, 2), 5: (1, 2)}
    ring.request(5, 77, Decide(True))
    assert ring.last(5, 77) == Decided(True)
    ring.run(20)
    assert not any(ring.dissolved.values()), "going on alone makes nobody give way"
    ring.request(2, 77, Decide(False))
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4, 5), 120)
    assert {node for node, count in ring.dissolved.items() if count} == {1, 2}
    assert all(prompts[-1] == () for prompts in ring.prompts.values()), "nobody needs to decide any more"
    ring.request(1, 77, Decide(False))
    assert ring.last(1, 77) == Decided(False)
    ring.run(5)
    assert ring.agreed(1, 2, 3, 4, 5)


@pytest.mark.parametrize("merge", ["manual", "none"])
def test_a_part_without_critical_clients_gives_way_unasked(merge: str) -> None:
    ring = two_parts(merge, 2)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3, 4, 5), 120)
    assert {node for node, count in ring.dissolved.items() if count} == {3, 4, 5}
    assert not any(any(prompts) for prompts in ring.prompts.values())


def test_a_group_that_does_not_care_outlives_a_merge() -> None:
    ring = Ring(3)
    ring.start(1, 2, 3)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3))
    for node in (1, 2, 3):
        ring.join(node, 1, "kept", GroupAttributes(merge="dontcare"))
        ring.join(node, 2, "ended")
    ring.run(5)
    before = ring.last(3, 1)
    ring.partition((1, 2), (3,))
    assert ring.run_until(lambda: ring.agreed(1, 2) and ring.agreed(3), 120)
    ring.heal()
    assert ring.run_until(lambda: ring.agreed(1, 2, 3), 120)
    ring.run(10)
    assert ring.dissolved == {1: 0, 2: 0, 3: 1}
    groups = {group.name: group for group in ring.cores[1].status().groups}
    assert sorted(provider.node for provider in groups["kept"].providers) == [1, 2, 3]
    assert sorted(provider.node for provider in groups["ended"].providers) == [1, 2]
    last = ring.last(3, 1)
    assert isinstance(last, Approved)
    assert isinstance(before, Approved)
    assert last.protocol == "join"
    assert last.self_provider in last.changing
    assert last.self_provider != before.self_provider, "it is a new provider"
    assert "group_dissolved" in getattr(ring.last(3, 2), "summary", ())
    assert not any("group_dissolved" in getattr(n, "summary", ()) for n in ring.seen[3, 1])


def test_who_does_not_hear_all_members_is_not_proposed() -> None:
    """It was proposed and given up again and again, and the view stood still meanwhile."""
    ring = Ring(3)
    ring.start(1, 2)
    assert ring.run_until(lambda: ring.agreed(1, 2))
    before, lines = ring.views[1][-1].id.number, len(ring.logs)
    ring.cut, ring.apart = {(1, 3)}, frozenset({(1, 3)})
    ring.cores[3] = Core(3, {}, ring.settings)
    for node in (1, 2, 3):
        ring.step(node, AliveNodes(0, frozenset({1, 2, 3}), ring.numbers, ring.boots, apart=ring.apart))
    ring.run(20)
    assert not any("proposed" in line for line in ring.logs[lines:]), ring.logs
    assert ring.view(3) == ()
    ring.apart = frozenset()
    ring.heal()
    assert ring.run_until(lambda: ring.agreed(1, 2, 3)), ring.logs
    assert ring.views[1][-1].id.number == before + 1


def test_the_first_view_waits_until_all_hear_each_other_and_then_goes_without_some() -> None:
    ring = Ring(3)
    ring.apart = frozenset({(2, 3)})
    ring.start(1, 2, 3)
    ring.run(20)
    assert not any(ring.views.values())
    ring.apart = frozenset()
    ring.tell_alive()
    assert ring.run_until(lambda: ring.agreed(1, 2, 3), 5), ring.logs
    ring = Ring(3)
    ring.apart = frozenset({(2, 3)})
    ring.start(1, 2, 3)
    assert ring.run_until(lambda: ring.agreed(1, 2)), ring.logs
    assert ring.now >= ring.settings.formation_us
    assert not ring.views[3]


def test_who_is_cut_off_before_its_first_view_waits_until_the_others_are_called_dead() -> None:
    """It formed one alone when its formation time was over, while the others went on in theirs."""
    ring = Ring(3)
    ring.start(1, 2)
    assert ring.run_until(lambda: ring.agreed(1, 2))
    ring.cores[3] = Core(3, {}, ring.settings)
    word = AliveNodes(0, frozenset({1, 2, 3}), ring.numbers, ring.boots)
    ring.step(3, word)
    ring.cut = {(1, 3), (2, 3), (3, 1), (3, 2)}
    ring.run(ring.settings.formation_us // SECOND - 1)
    ring.step(3, msgspec.structs.replace(word, apart=frozenset({(1, 3), (2, 3)})))
    ring.run(3 * ring.settings.formation_us // SECOND)
    assert not ring.views[3]
    ring.step(3, AliveNodes(1, frozenset({3}), ring.numbers, ring.boots))
    assert ring.view(3) == (3,)


def test_a_node_that_falls_silent_before_the_first_view_is_given_the_time_in_which_caa_misses_it() -> None:
    ring = Ring(2)
    ring.start(1)
    ring.cores[2] = Core(2, {}, ring.settings)
    word = AliveNodes(0, frozenset({1, 2}), ring.numbers, ring.boots, detection_us=4 * ring.settings.formation_us)
    ring.step(2, word)
    ring.cut = {(1, 2), (2, 1)}
    ring.run(3 * ring.settings.formation_us // SECOND)
    assert not ring.views[2]
    ring.run(3 * ring.settings.formation_us // SECOND)
    assert ring.view(2) == (2,)
