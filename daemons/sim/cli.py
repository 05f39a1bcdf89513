"""``scripts/sim``: plays seeds, replays one, runs with a planted bug."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from daemons.sim.parts import Parts
from daemons.sim.plants import PLANTS
from daemons.sim.run import LENGTH_US, Result, run
from srcctl.machine import SECOND

PASSED = 0
NOTHING_TESTED = 2
"""Also the code of a wrong command line: nothing was tested either."""
NO_CONVERGENCE = 128
INVARIANT_BROKEN = 129
ASSERTION_FAILED = 127
PLANT_NOT_FOUND = 3

NODES_MIN, NODES_MAX = 2, 16
EPILOG = """exit codes:
  0    all seeds passed
  2    nothing was tested
  3    a planted bug was not found
  127  a core's own assertion failed
  128  the cluster did not recover after the faults
  129  an invariant was broken

examples:
  scripts/sim --seeds 100 --nodes 3
  scripts/sim --replay 17 --nodes 3
  scripts/sim --plant list
  scripts/sim --plant flush-forgotten
"""


def main(argv: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    arguments = _parse(argv)
    if not NODES_MIN <= arguments.nodes <= NODES_MAX:
        print(f"sim: --nodes must be between {NODES_MIN} and {NODES_MAX}", file=sys.stderr)
        return NOTHING_TESTED
    if arguments.plant == "list":
        print("\n".join(PLANTS))
        return PASSED
    if arguments.plant is not None and arguments.plant not in PLANTS:
        print(f"sim: there is no planted bug {arguments.plant!r}; --plant list names them", file=sys.stderr)
        return NOTHING_TESTED
    if arguments.replay is not None:
        return _replay(arguments)
    if arguments.seeds < 1:
        print("sim: nothing to test: --seeds must be at least 1", file=sys.stderr)
        return NOTHING_TESTED
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
    parser.add_argument("--replay", type=int, metavar="SEED", help="play one seed and print its trace")
    parser.add_argument("--plant", metavar="NAME", help="play with a planted bug; 'list' names them")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes to use")
    return parser.parse_args(argv)


def _parts(plant: str | None) -> Parts:
    return Parts() if plant is None else PLANTS[plant].parts()


def _play(task: tuple[int, int, str | None]) -> Result:
    seed, nodes, plant = task
    return run(seed, nodes, _parts(plant))


def _results(arguments: argparse.Namespace) -> Iterator[Result]:
    tasks = [
        (seed, arguments.nodes, arguments.plant) for seed in range(arguments.start, arguments.start + arguments.seeds)
    ]
    if arguments.jobs <= 1 or len(tasks) == 1:
        yield from map(_play, tasks)
        return
    with multiprocessing.get_context("fork").Pool(arguments.jobs) as pool:
        yield from pool.imap(_play, tasks, chunksize=1)


def _campaign(arguments: argparse.Namespace) -> int:
    began, played, steps, faults = time.monotonic(), 0, 0, 0
    checks = [0, 0, 0, 0, 0]
    progress = sys.stderr.isatty()
    results = _results(arguments)
    try:
        for result in results:
            played += 1
            if result.broken and (arguments.plant is None or result.broken in PLANTS[arguments.plant].breaks):
                _report(result, arguments)
                return exit_code(result)
            steps += result.steps
            faults += result.faults
            checks = [sum(pair) for pair in zip(checks, result.checks, strict=True)]
            if progress:
                print(f"\r{played} of {arguments.seeds} seeds", end="", file=sys.stderr, flush=True)
    finally:
        results.close()  # type: ignore[attr-defined]
        if progress:
            print("\r\033[K", end="", file=sys.stderr)
    if arguments.plant is not None:
        print(f"planted bug {arguments.plant} was not found in {played} seeds", file=sys.stderr)
        return PLANT_NOT_FOUND
    if not faults or not all(checks[1:]):
        print(f"nothing was tested: {faults} faults, checks of the invariants {checks[1:]}", file=sys.stderr)
        return NOTHING_TESTED
    seconds = time.monotonic() - began
    looked = ", ".join(f"{number}: {count}" for number, count in enumerate(checks) if number)
    print(
        f"{played} seeds, {arguments.nodes} nodes, {played * LENGTH_US // SECOND // 60} minutes of virtual time, "
        f"{faults} faults, {steps} steps in {seconds:.1f} s; checks by invariant {looked}"
    )
    return PASSED


def _replay(arguments: argparse.Namespace) -> int:
    result = run(arguments.replay, arguments.nodes, _parts(arguments.plant), keep_trace=True)
    for line in result.lines:
        print(line)
    print(f"digest {result.digest}")
    if result.broken:
        print(f"seed {result.seed}: {result.text}", file=sys.stderr)
    return exit_code(result)


def _report(result: Result, arguments: argparse.Namespace) -> None:
    for line in result.lines:
        print(line)
    plant = f" --plant {arguments.plant}" if arguments.plant else ""
    print(f"seed {result.seed}: {result.text}", file=sys.stderr)
    print(f"replay with: scripts/sim --replay {result.seed} --nodes {arguments.nodes}{plant}", file=sys.stderr)


def exit_code(result: Result) -> int:
    """The exit code of one run."""
    if not result.broken:
        return PASSED
    return {5: ASSERTION_FAILED, 6: NO_CONVERGENCE}.get(result.broken, INVARIANT_BROKEN)


if __name__ == "__main__":
    sys.exit(main())
