"""``scripts/sim``: plays seeds and scenario files, replays, shrinks, runs with a planted bug, measures traffic."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from daemons.clstrmgr.messages import ManagerState
from daemons.cthags.messages import ProtocolKind
from daemons.sim.faults import KINDS
from daemons.sim.invariants import FAILED_OVER
from daemons.sim.plants import PLANTS, parts, scenario_of
from daemons.sim.run import Result, play
from daemons.sim.scenario import (
    ASSERTION,
    GROUPS_MAX,
    LENGTH_US,
    NO_RECOVERY,
    NODES_MAX,
    NODES_MIN,
    SPLITS,
    Scenario,
    ScenarioSyntax,
    missing,
)
from daemons.sim.shrink import shrink, witnessed
from daemons.sim.synchronization import RESIZES
from daemons.sim.traffic import report as traffic_report
from srcctl.machine import SECOND

PROTOCOLS: tuple[str, ...] = get_args(ProtocolKind)
MANAGER_STATES = tuple(state for state in get_args(ManagerState) if state != "NOT_CONFIGURED")
PASSED = 0
NOTHING_TESTED = 2
"""Also the code of a wrong command line: nothing was tested either."""
PLANT_NOT_FOUND = 3
NOT_AS_EXPECTED = 4
ASSERTION_FAILED = 127
NO_CONVERGENCE = 128
INVARIANT_BROKEN = 130
"""Plus the number of the invariant."""

SCENARIOS = Path(__file__).parents[2] / "tests" / "sim" / "scenarios"
CHECKED = (1, 2, 3, 4, 5, 7, 8)
SITUATIONS = (
    FAILED_OVER,
    *(f"{kind}: {outcome}" for kind in PROTOCOLS for outcome in ("approved", "rejected")),
    *(
        f"{kind}: a {whom} is lost in the {number} phase"
        for kind in PROTOCOLS
        for whom in ("leader", "member")
        for number in ("first", "later")
    ),
    *(f"node lost while its cluster manager is in {state}" for state in MANAGER_STATES),
    *RESIZES,
)
"""That a campaign should come to."""

EPILOG = """exit codes:
  0         all seeds passed; the scenario ended as its file says
  2         nothing was tested
  3         a planted bug was not found; the seed to shrink passes
  4         a scenario did not end as its file says
  127       a core's own assertion failed
  128       the cluster did not recover after the faults (invariant 6)
  131..135  invariant 1..5 was broken
  137       two configurations (invariant 7)
  138       a subsystem runs twice, is lost, or srcmstr is wrong about it (invariant 8)

examples:
  scripts/sim --seeds 100 --nodes 3
  scripts/sim --replay 17 --nodes 3
  scripts/sim --seeds 100 --groups 4
  scripts/sim --seeds 100 --sites
  scripts/sim --shrink 17 --nodes 3         writes tests/sim/scenarios/seed-17.txt
  scripts/sim --scenario FILE               --rewrite puts outcome and trace of now into it
  scripts/sim --plant list
  scripts/sim --plant flush-forgotten
  scripts/sim --traffic 2,4,8,16,64
"""


def main(argv: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    arguments = _parse(argv)
    if arguments.plant == "list":
        print("\n".join(PLANTS))
        return PASSED
    if (complaint := _complaint(arguments)) is not None:
        print(f"sim: {complaint}", file=sys.stderr)
        return NOTHING_TESTED
    if arguments.traffic:
        for line in traffic_report([int(word) for word in arguments.traffic.split(",")]):
            print(line, flush=True)
        return PASSED
    if arguments.scenario is not None:
        return _scenario(arguments)
    if arguments.shrink is not None:
        return _shrink(arguments)
    if arguments.replay is not None:
        return _replay(_of_seed(arguments.replay, arguments))
    return _campaign(arguments)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sim",
        description="Plays the cluster in one process on virtual time, with faults drawn from seeds.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to play (100)")
    parser.add_argument("--start", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--nodes", type=int, default=3, help="nodes of the cluster, 2 to 16 (3)")
    parser.add_argument("--groups", type=int, default=0, help="groups that are drawn from the seed (0: two plain ones)")
    parser.add_argument("--split", choices=SPLITS, default="", help="the split policy (that of the seed)")
    parser.add_argument("--sites", action="store_true", help="two sites, cut off from each other again and again")
    parser.add_argument("--replay", type=int, metavar="SEED", help="play one seed and print its trace")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="find a shorter run that fails as the seed does")
    parser.add_argument("--scenario", metavar="FILE", help="play a scenario file and compare")
    parser.add_argument("--rewrite", action="store_true", help="with --scenario: write down what happens now")
    parser.add_argument("--plant", metavar="NAME", help="play with a planted bug; 'list' names them")
    parser.add_argument("--traffic", metavar="N,N,...", help="measure messages of clusters of so many nodes")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes to use")
    return parser.parse_args(argv)


def _of_seed(seed: int, arguments: argparse.Namespace) -> Scenario:
    return scenario_of(seed, arguments.nodes, arguments.plant or "", arguments.groups, arguments.split, arguments.sites)


def _complaint(arguments: argparse.Namespace) -> str | None:
    if not NODES_MIN <= arguments.nodes <= NODES_MAX:
        return f"--nodes must be between {NODES_MIN} and {NODES_MAX}"
    if not 0 <= arguments.groups <= GROUPS_MAX:
        return f"--groups must be between 0 and {GROUPS_MAX}"
    if arguments.plant is not None and arguments.plant not in PLANTS:
        return f"there is no planted bug {arguments.plant!r}; --plant list names them"
    if arguments.seeds < 1:
        return "nothing to test: --seeds must be at least 1"
    if arguments.traffic and not all(word.isdigit() and 2 <= int(word) <= 64 for word in arguments.traffic.split(",")):
        return "--traffic wants numbers of nodes between 2 and 64"
    return None


def _play(scenario: Scenario) -> Result:
    try:
        return play(scenario, parts(scenario.plant))
    except Exception as error:
        error.add_note(f"seed {scenario.seed}: the simulator itself has failed")
        raise


def _results(arguments: argparse.Namespace) -> Iterator[Result]:
    seeds = range(arguments.start, arguments.start + arguments.seeds)
    tasks = [_of_seed(seed, arguments) for seed in seeds]
    if arguments.jobs <= 1 or len(tasks) == 1:
        yield from map(_play, tasks)
        return
    with multiprocessing.get_context("fork").Pool(arguments.jobs) as pool:
        yield from pool.imap(_play, tasks, chunksize=1)


def _campaign(arguments: argparse.Namespace) -> int:
    began, played, steps = time.monotonic(), 0, 0
    drawn: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    checks: list[int] = []
    progress = sys.stderr.isatty()
    results = _results(arguments)
    try:
        for result in results:
            played += 1
            if result.broken and (arguments.plant is None or result.broken in PLANTS[arguments.plant].breaks):
                _report(result, arguments)
                return exit_code(result)
            steps += result.steps
            drawn += result.drawn
            struck += result.struck
            reached += result.reached
            checks = [sum(pair) for pair in zip(checks or [0] * len(result.checks), result.checks, strict=True)]
            if progress:
                print(f"\r{played} of {arguments.seeds} seeds", end="", file=sys.stderr, flush=True)
    finally:
        results.close()  # type: ignore[attr-defined]
        if progress:
            print("\r\033[K", end="", file=sys.stderr)
    if arguments.plant is not None:
        print(f"planted bug {arguments.plant} was not found in {played} seeds", file=sys.stderr)
        return PLANT_NOT_FOUND
    faults = drawn.total()
    if not faults or not all(checks[number] for number in CHECKED) or not reached[FAILED_OVER]:
        print(
            f"nothing was tested: {faults} faults, checks of the invariants {checks[1:]}, "
            f"{reached[FAILED_OVER]} leaders failed over",
            file=sys.stderr,
        )
        return NOTHING_TESTED
    seconds = time.monotonic() - began
    print(table(drawn, struck))
    print(situations(reached))
    looked = ", ".join(f"{number}: {count}" for number, count in enumerate(checks) if number)
    print(
        f"{played} seeds, {arguments.nodes} nodes, {played * LENGTH_US // SECOND // 60} minutes of virtual time, "
        f"{faults} faults, {steps} steps in {seconds:.1f} s; checks by invariant {looked}"
    )
    return PASSED


def table(drawn: Counter[str], struck: Counter[str]) -> str:
    """How often each fault was drawn, and how often it found what it strikes; what was never drawn says so."""
    known = {kind for kind in KINDS if not any(name.split()[0] == kind for name in drawn)}
    lines = [f"{name:<32} {drawn[name]:>7} {struck[name]:>7}" for name in sorted({*drawn, *known})]
    return "\n".join([f"{'fault':<32} {'drawn':>7} {'struck':>7}", *lines])


def situations(reached: Counter[str]) -> str:
    """How often the runs came to each situation of a protocol, told by every node that was in it; what was never
    reached says so."""
    names = sorted({*reached, *SITUATIONS})
    return "\n".join([f"{'situation':<64} {'reached':>7}", *(f"{name:<64} {reached[name]:>7}" for name in names)])


def _replay(scenario: Scenario) -> int:
    result = play(scenario, parts(scenario.plant), keep_trace=True)
    for line in result.lines:
        print(line)
    print(f"digest {result.digest}")
    if result.broken:
        print(f"seed {result.seed}: {result.text}", file=sys.stderr)
    return exit_code(result)


def _shrink(arguments: argparse.Namespace) -> int:
    scenario = _of_seed(arguments.shrink, arguments)
    found = shrink(scenario, lambda text: print(text, file=sys.stderr))
    if found is None:
        print(f"sim: seed {arguments.shrink} passes: there is nothing to shrink", file=sys.stderr)
        return PLANT_NOT_FOUND
    name = f"seed-{arguments.shrink}{'-' + arguments.plant if arguments.plant else ''}.txt"
    SCENARIOS.mkdir(parents=True, exist_ok=True)
    comment = f"# Shrunk from seed {arguments.shrink} with {arguments.nodes} nodes.\n"
    (SCENARIOS / name).write_text(comment + str(found), encoding="utf-8")
    print(f"{SCENARIOS / name}: {len(found.faults)} of {len(scenario.faults)} faults, {found.expect}")
    return PASSED


def _scenario(arguments: argparse.Namespace) -> int:
    try:
        text = Path(arguments.scenario).read_text(encoding="utf-8")
        scenario = Scenario.parse(text)
    except (OSError, UnicodeDecodeError, ScenarioSyntax) as error:
        print(f"sim: {arguments.scenario}: {error}", file=sys.stderr)
        return NOTHING_TESTED
    if scenario.plant and scenario.plant not in PLANTS:
        print(f"sim: there is no planted bug {scenario.plant!r}", file=sys.stderr)
        return NOTHING_TESTED
    result = play(scenario, parts(scenario.plant), keep_trace=True)
    if arguments.rewrite:
        comments = "".join(line + "\n" for line in text.splitlines() if line.startswith("#"))
        Path(arguments.scenario).write_text(comments + str(witnessed(scenario, result)), encoding="utf-8")
        return PASSED
    for line in result.lines:
        print(line)
    absent = missing(scenario.trace, result.lines)
    if result.outcome != scenario.expect or absent:
        expected = f"{scenario.expect}{f', with the line {absent!r}' if absent else ''}"
        print(f"expected {expected}; it ended with {result.outcome}: {result.text}", file=sys.stderr)
        return NOT_AS_EXPECTED
    return PASSED


def _report(result: Result, arguments: argparse.Namespace) -> None:
    for line in result.lines:
        print(line)
    plant = f" --groups {arguments.groups}" if arguments.groups else ""
    plant += f" --split {arguments.split}" if arguments.split else ""
    plant += " --sites" if arguments.sites else ""
    plant += f" --plant {arguments.plant}" if arguments.plant else ""
    print(f"seed {result.seed}: {result.text}", file=sys.stderr)
    print(f"replay with: scripts/sim --replay {result.seed} --nodes {arguments.nodes}{plant}", file=sys.stderr)


def exit_code(result: Result) -> int:
    """The exit code of one run."""
    if not result.broken:
        return PASSED
    return {ASSERTION: ASSERTION_FAILED, NO_RECOVERY: NO_CONVERGENCE}.get(
        result.broken, INVARIANT_BROKEN + result.broken
    )


if __name__ == "__main__":
    sys.exit(main())
