"""The simulator: seeds pass, planted bugs are found, runs repeat in any interpreter, exit codes mean something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemons.sim import cli
from daemons.sim.parts import Parts
from daemons.sim.plants import PLANTS, Plant
from daemons.sim.run import Result, run

TOP = Path(__file__).parents[2]

FOUND_BY = {
    "dead-man-asleep": 100,
    "view-number-forgotten": 20,
    "own-member-list": 100,
    "flush-forgotten": 400,
    "hasty-barrier": 20,
    "takeover-before-halt": 20,
    "release-reported-early": 20,
}
"""Within how many seeds a planted bug must be found."""


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_seeds_pass(nodes: int) -> None:
    for seed in range(1, 6):
        result = run(seed, nodes)
        assert not result.broken, f"seed {seed}, {nodes} nodes: {result.text}"
        assert result.faults
        assert all(result.checks[1:])


def test_every_invariant_has_a_planted_bug() -> None:
    assert {number for plant in PLANTS.values() for number in plant.breaks[:1]} == {1, 2, 3, 4}
    assert set(FOUND_BY) == set(PLANTS)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["--plant", name, "--seeds", str(FOUND_BY[name]), "--jobs", "1"])
    assert code == cli.INVARIANT_BROKEN, capsys.readouterr().err
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
    codes = {broken: cli.exit_code(Result(1, broken, "", "", (), 0, 0, (0,))) for broken in (0, 1, 2, 3, 4, 5, 6)}
    assert codes == {0: 0, 1: 129, 2: 129, 3: 129, 4: 129, 5: 127, 6: 128}
