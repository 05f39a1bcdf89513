"""The simulator: seeds pass, planted bugs are found, runs repeat in any interpreter, exit codes mean something."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from daemons.caa.core import Membership
from daemons.clstrmgr import secondary_instances
from daemons.cluster.configuration.policies import GroupDependency
from daemons.cluster.dependencies import Dependencies
from daemons.sim import cli
from daemons.sim.cluster import Cluster
from daemons.sim.configuration import varied
from daemons.sim.faults import KINDS
from daemons.sim.invariants import FAILED_OVER
from daemons.sim.parts import Parts
from daemons.sim.plants import PLANTS, Plant
from daemons.sim.policies import QUARANTINES
from daemons.sim.run import Result, play, run
from daemons.sim.scenario import OUTCOMES, Scenario
from daemons.sim.world import InvariantBroken, World

TOP = Path(__file__).parents[2]

FOUND_BY = {
    "dead-man-asleep": (1, 100),
    "quarantine-forgotten": (1, 10),
    "quarantine-of-one": (1, 10),
    "view-number-forgotten": (1, 20),
    "members-of-first-proposal": (3, 20),
    "flush-forgotten": (75, 100),
    "definition-not-followed": (1, 5),
    "old-repository-is-back": (1, 10),
    "hasty-barrier": (1, 20),
    "loser-goes-on": (1, 20),
    "winner-does-not-wait": (1, 40),
    "undecided-is-back": (1, 40),
    "takeover-before-halt": (1, 40),
    "release-reported-early": (1, 20),
    "scripts-at-once": (15, 100),
    "nobody-gives-way": (1, 40),
    "repair-forgotten": (1, 40),
    "commit-forgotten": (1, 20),
    "removal-forgotten": (1, 10),
    "removed-keeps-configuration": (1, 20),
    "newcomer-not-taken-in": (1, 10),
    "acknowledged-first": (1, 20),
    "restarted-twice": (1, 20),
    "processes-forgotten": (1, 20),
}
"""From which seed on, and within how many, a planted bug must be found."""


def _result(broken: int) -> Result:
    return Result(1, broken, "", "", (), 0, (0,), Counter(), Counter())


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_seeds_pass(nodes: int) -> None:
    for seed in range(1, 4):
        result = run(seed, nodes)
        assert not result.broken, f"seed {seed}, {nodes} nodes: {result.text}"
        assert result.faults
        assert all(result.checks[1:])


def test_more_nodes_pass_too() -> None:
    result = run(1, 8)
    assert not result.broken, result.text
    assert result.faults


def test_every_invariant_has_a_planted_bug() -> None:
    assert {number for plant in PLANTS.values() for number in plant.breaks[:1]} == {1, 2, 3, 4, 5, 6, 7, 8}
    assert set(FOUND_BY) == set(PLANTS)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    start, seeds = FOUND_BY[name]
    code = cli.main(["--plant", name, "--start", str(start), "--seeds", str(seeds), "--jobs", "1"])
    assert code in {cli.exit_code(_result(number)) for number in PLANTS[name].breaks}, capsys.readouterr().err
    replay = capsys.readouterr().err.splitlines()[-1]
    assert replay.startswith("replay with: scripts/sim --replay ")
    assert replay.endswith(f"--nodes 3 --plant {name}")


def test_a_seed_is_the_same_run_in_any_interpreter() -> None:
    program = (
        "from daemons.sim.run import run\n"
        "for seed in (3, 4, 5):\n"
        "    result = run(seed)\n"
        "    print(result.digest, result.steps)\n"
    )
    outputs = set()
    for hash_seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=TOP, capture_output=True, text=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1


def test_a_replay_prints_one_line_a_transition(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--replay", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 100
    times = [float(line[:11]) for line in lines[:-1]]
    assert times == sorted(times)
    assert lines[-1] == f"digest {run(2).digest}"


def test_exit_codes_tell_what_happened(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["--plant", "list"]) == 0
    assert capsys.readouterr().out.split() == list(PLANTS)
    assert cli.main(["--seeds", "0"]) == cli.NOTHING_TESTED
    assert cli.main(["--nodes", "1"]) == cli.NOTHING_TESTED
    assert cli.main(["--plant", "nonsense"]) == cli.NOTHING_TESTED
    monkeypatch.setitem(PLANTS, "no-bug-at-all", Plant("no-bug-at-all", (1,), Parts))
    assert cli.main(["--plant", "no-bug-at-all", "--seeds", "1", "--jobs", "1"]) == cli.PLANT_NOT_FOUND
    codes = {broken: cli.exit_code(_result(broken)) for broken in range(10)}
    assert codes == {0: 0, 1: 131, 2: 132, 3: 133, 4: 134, 5: 135, 6: 128, 7: 137, 8: 138, 9: 127}
    assert set(codes) == set(OUTCOMES)


class _Tireless(Membership):
    """CAA that looks at everything after every heartbeat."""

    @property
    def _settled_until(self) -> int | None:  # type: ignore[override]
        return None

    @_settled_until.setter
    def _settled_until(self, until: int | None) -> None:
        pass


class _TirelessParts(Parts):
    def membership(self) -> Membership:
        return _Tireless()


@pytest.mark.parametrize(("seed", "nodes"), [(3, 3), (4, 3), (12, 3), (2, 5)])
def test_what_caa_does_not_look_at_again_has_not_changed(seed: int, nodes: int) -> None:
    assert run(seed, nodes).digest == run(seed, nodes, _TirelessParts()).digest


def test_a_campaign_tells_what_was_drawn_and_what_was_struck(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--seeds", "6", "--jobs", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    second = next(number for number, line in enumerate(lines) if line.startswith("situation"))
    rows = {" ".join(line.split()[:-2]): tuple(map(int, line.split()[-2:])) for line in lines[1:second]}
    assert {name.split()[0] for name in rows} == set(KINDS), "a kind that was never drawn is listed with 0"
    assert all(struck <= drawn for drawn, struck in rows.values())
    total = sum(drawn for drawn, _ in rows.values())
    assert f" {total} faults" in lines[-1]
    reached = {" ".join(line.split()[:-1]): int(line.split()[-1]) for line in lines[second + 1 : -1]}
    assert set(cli.SITUATIONS) <= set(reached), "a situation that was never reached is listed with 0"
    assert reached[FAILED_OVER]
    assert reached["join: approved"]


def test_a_campaign_in_which_no_leader_failed_over_has_tested_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_play", lambda scenario: replace(play(scenario), reached=Counter()))
    assert cli.main(["--seeds", "2", "--jobs", "1"]) == cli.NOTHING_TESTED
    assert "0 leaders failed over" in capsys.readouterr().err


def test_seeds_with_two_sites_pass_and_come_to_every_policy() -> None:
    reached: Counter[str] = Counter()
    policies = set()
    for seed in (2, 3, 4, 5, 7, 8, 19):
        scenario = Scenario.of_seed(seed, 3, sites=True)
        assert Scenario.parse(str(scenario)) == scenario
        result = play(scenario)
        assert not result.broken, f"seed {seed}: {result.text}"
        reached += result.reached
        policies.add((scenario.split, scenario.merge, scenario.quarantine))
    assert {split for split, _, _ in policies} == {"none", "tiebreaker", "nfs", "manual"}
    assert {quarantine for _, _, quarantine in policies} == set(QUARANTINES)
    assert reached["merge: a node gives its view up"]
    assert reached["quarantine: a node that is on is powered off"]
    assert reached["quarantine: a node is shut out of the disks"]
    assert reached["quarantine: a node is let in again"]


@pytest.mark.parametrize(("merge", "gives_way"), [("majority", 3), ("priority", 1)])
def test_the_merge_policy_says_which_site_gives_way(merge: str, gives_way: int) -> None:
    text = f"nodes 4\nsites\nmerge {merge}\nat 30.000 partition halves=1,2/3,4 for=90.000\n"
    result = play(Scenario.parse(text), keep_trace=True)
    assert not result.broken, result.text
    losers = {line.split()[1] for line in result.lines if line.endswith("view given up: dissolved")}
    assert losers == {f"node{gives_way}", f"node{gives_way + 1}"}


def test_another_site_is_down_only_after_the_link_timeout_as_well() -> None:
    down = {}
    for sites in ("", "sites\n"):
        text = f"nodes 2\n{sites}at 30.000 partition halves=1/2 for=100.000\n"
        result = play(Scenario.parse(text), keep_trace=True)
        assert not result.broken, result.text
        line = next(line for line in result.lines if line.endswith("node1    alive 1") and float(line[:11]) > 30)
        down[sites] = float(line[:11])
    assert 14 <= down["sites\n"] - down[""] <= 16


def test_seeds_with_drawn_groups_and_dependencies_pass() -> None:
    for seed in (1, 2, 8):
        result = play(Scenario.of_seed(seed, 3, groups=4))
        assert not result.broken, f"seed {seed}: {result.text}"


def _with_secondaries(seeds: range) -> list[int]:
    """Seeds whose clusters have sites, and groups that heed them."""
    return [
        seed
        for seed in seeds
        if (drawn := varied(seed, 3, 4)).sites
        and any(group.site_policy in ("primary", "either") for group in drawn.groups)
        and drawn.setting("SITE_POLICY_FAILURE_ACTION") == "fallover"
    ]


def test_seeds_with_sites_pass_and_a_secondary_instance_that_nobody_places_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds = _with_secondaries(range(1, 60))[:4]
    for seed in seeds:
        result = play(Scenario.of_seed(seed, 3, groups=4))
        assert not result.broken, f"seed {seed}: {result.text}"
    monkeypatch.setattr(secondary_instances, "place_secondary", lambda *_: 0)
    broken = [play(Scenario.of_seed(seed, 3, groups=4)).text for seed in seeds]
    assert any("and its secondary instance on []" in text for text in broken)


def test_the_checker_sees_a_group_that_comes_before_its_parent() -> None:
    seed = next(seed for seed in range(1, 50) if varied(seed, 3, 4).dependencies[:1])
    cluster = Cluster(World(seed), 3, Parts(), groups=4)
    family = GroupDependency(id=1, parent="rg1", child="rg2")
    cluster.checker.dependencies = Dependencies(parents=((family.parent, family.child),))
    cluster.checker.concurrent = frozenset()
    node = cluster.nodes[1]
    node.take("rg1", "APPLICATIONS")
    node.take("rg2", "VGS")
    node.give("rg2", "VGS")
    node.give("rg1", "APPLICATIONS")
    with pytest.raises(InvariantBroken, match="rg1 is online nowhere"):
        node.take("rg2", "VGS")
