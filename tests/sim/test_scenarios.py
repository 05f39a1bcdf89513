"""Runs as data: faults and scenarios are text, files of them are played, failing runs are cut down to less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from daemons.sim import cli
from daemons.sim.faults import KINDS, Fault, FaultSyntax
from daemons.sim.plants import parts
from daemons.sim.run import play, run
from daemons.sim.scenario import Scenario, ScenarioSyntax, missing, network_names
from daemons.sim.shrink import fewer, shorter, shrink

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_ends_as_its_file_says(path: Path) -> None:
    scenario = Scenario.parse(path.read_text(encoding="utf-8"))
    result = play(scenario, parts(scenario.plant), keep_trace=True)
    assert result.outcome == scenario.expect, result.text
    absent = missing(scenario.trace, result.lines)
    assert not absent, f"the trace lacks, at its place: {absent}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_text_and_back(kind: str) -> None:
    chance = Random(1)
    for _ in range(20):
        words = KINDS[kind][1](chance, (1, 2, 3), network_names(2))
        fault = Fault(35_250_000, kind, tuple(words.items()))
        assert Fault.parse(str(fault)) == fault


@pytest.mark.parametrize(
    "line", ["", "at", "at 5", "at x crash node=1", "at 5 explode node=1", "at 5 crash node", "after 5 crash node=1"]
)
def test_what_is_no_fault_is_refused(line: str) -> None:
    with pytest.raises(FaultSyntax):
        Fault.parse(line)


def test_a_seed_and_its_text_are_the_same_run() -> None:
    scenario = Scenario.of_seed(9)
    again = Scenario.parse(str(scenario))
    assert again == scenario
    assert play(again).digest == run(9).digest


@pytest.mark.parametrize(
    "text", ["nodes 1", "nodes many", "networks 9", "at 5 explode", "expect better", "wait 5", "trace"]
)
def test_what_is_no_scenario_is_refused(text: str) -> None:
    with pytest.raises(ScenarioSyntax):
        Scenario.parse(text + "\n")


def test_every_kind_of_fault_strikes() -> None:
    """A run with each kind alone: it happens, and the cluster survives it."""
    for kind in KINDS:
        chance = Random(kind)
        words = [KINDS[kind][1](chance, (1, 2, 3), network_names(2)) for _ in range(3)]
        faults = tuple(
            Fault(at * 1_000_000, kind, tuple(w.items())) for at, w in zip((30, 130, 230), words, strict=True)
        )
        result = play(Scenario(7, 3, 2, faults), keep_trace=True)
        assert not result.broken, f"{kind}: {result.text}"
        assert result.faults == 3
        assert sum(f"fault: {kind}" in line for line in result.lines) == 3


def test_the_smallest_cause_is_found() -> None:
    faults = tuple(Fault(at, "crash", (("node", "1"), ("for", "64.000"))) for at in range(40))
    cause = {faults[3], faults[17], faults[38]}
    assert set(fewer(faults, lambda some: cause <= set(some), lambda text: None)) == cause
    assert fewer(faults[:1], lambda some: True, lambda text: None) == ()
    short = shorter(faults[:1], lambda some: some[0].time("for") >= 10_000_000)
    assert short[0].word("for") == "16.000"


def test_a_failing_seed_is_shrunk() -> None:
    name = "view-number-forgotten"
    scenarios = (Scenario.of_seed(seed, plant=name) for seed in range(1, 40))
    scenario = next(s for s in scenarios if len(s.faults) > 8 and play(s, parts(name)).broken == 2)
    found = shrink(scenario)
    assert found is not None
    assert found.expect == "invariant 2"
    assert 0 < len(found.faults) < len(scenario.faults) / 4
    result = play(found, parts(found.plant), keep_trace=True)
    assert result.outcome == "invariant 2"
    assert missing(found.trace, result.lines) == ""
    assert shrink(replace(scenario, plant="", faults=scenario.faults[:1])) is None


def test_the_command_shrinks_and_plays_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "SCENARIOS", tmp_path)
    assert cli.main(["--shrink", "1", "--plant", "hasty-barrier"]) == 0
    path = tmp_path / "seed-1-hasty-barrier.txt"
    assert cli.main(["--scenario", str(path)]) == 0
    path.write_text(path.read_text().replace("expect invariant 3", "expect pass"))
    assert cli.main(["--scenario", str(path)]) == cli.NOT_AS_EXPECTED
    assert cli.main(["--scenario", str(path), "--rewrite"]) == 0
    assert cli.main(["--scenario", str(path)]) == 0
    path.write_text("nodes 99\n")
    assert cli.main(["--scenario", str(path)]) == cli.NOTHING_TESTED
    assert cli.main(["--scenario", str(tmp_path / "none")]) == cli.NOTHING_TESTED
    assert cli.main(["--shrink", "2"]) == cli.PLANT_NOT_FOUND
    capsys.readouterr()


def test_traffic_grows_with_the_square_of_the_nodes_for_heartbeats_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--traffic", "2,4"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:3]]
    assert [row[0] for row in rows] == ["2", "4"]
    assert [float(row[1]) for row in rows] == [0.5, 1.5], "a heartbeat to every other node in two seconds"
    assert cli.main(["--traffic", "65"]) == cli.NOTHING_TESTED


def test_a_group_whose_application_fails_on_every_node_does_not_go_round() -> None:
    path = Path(__file__).parent / "scenarios" / "fails-everywhere.txt"
    lines = play(Scenario.parse(path.read_text(encoding="utf-8")), keep_trace=True).lines
    times = [float(line.split()[0]) for line in lines if "TE_RG_MOVE" in line]
    assert any(50 < time < 125 for time in times), "it falls over from node to node"
    assert not any(130 < time < 330 for time in times), "and nobody has it after the third one"
