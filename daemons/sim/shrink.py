"""A shorter run that fails in the same way: delta debugging over the faults of a seed.

The algorithm is ddmin of Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002). A run with
fewer faults is another run, but one that ends the same way is as good a witness. Then the durations are shortened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from daemons.sim.faults import Fault
from daemons.sim.plants import parts
from daemons.sim.run import Result, play
from daemons.sim.scenario import Scenario, without_time

TRACE_LINES = 12
"""Last lines of the failing run that a scenario file expects."""

Fails = Callable[[tuple[Fault, ...]], bool]


def shrink(scenario: Scenario, progress: Callable[[str], None] = lambda text: None) -> Scenario | None:
    """The shortest scenario found that ends as this one does, with its expected trace; None if this one passes."""
    first = play(scenario, parts(scenario.plant))
    if not first.broken:
        return None

    def fails(faults: tuple[Fault, ...]) -> bool:
        return play(replace(scenario, faults=faults), parts(scenario.plant)).broken == first.broken

    faults = fewer(scenario.faults, fails, progress)
    faults = shorter(faults, fails)
    nodes = scenario.nodes
    shortest = replace(scenario, faults=faults)
    while nodes > 2 and not any(_concerns(fault, nodes) for fault in faults):
        smaller = replace(shortest, nodes=nodes - 1)
        if play(smaller, parts(scenario.plant)).broken != first.broken:
            break
        nodes, shortest = nodes - 1, smaller
    return witnessed(shortest, play(shortest, parts(scenario.plant), keep_trace=True))


def witnessed(scenario: Scenario, result: Result) -> Scenario:
    """The scenario with the outcome and the trace of a run: its faults, and what came last."""
    lines = [without_time(line) for line in result.lines]
    struck = [line for line in lines[:-TRACE_LINES] if " fault: " in line]
    return replace(scenario, expect=result.outcome, trace=(*struck, *lines[-TRACE_LINES:]))


def fewer(faults: tuple[Fault, ...], fails: Fails, progress: Callable[[str], None]) -> tuple[Fault, ...]:
    """ddmin: no part of a certain size can be left out any more, down to single faults."""
    parts_count = 2
    while len(faults) >= 2:
        size = -(-len(faults) // parts_count)
        chunks = [faults[start : start + size] for start in range(0, len(faults), size)]
        for position in range(len(chunks)):
            rest = tuple(fault for other, chunk in enumerate(chunks) if other != position for fault in chunk)
            if fails(rest):
                faults = rest
                parts_count = max(2, parts_count - 1)
                progress(f"{len(faults)} faults")
                break
        else:
            if parts_count >= len(faults):
                break
            parts_count = min(len(faults), 2 * parts_count)
    if len(faults) == 1 and fails(()):
        return ()
    return faults


def shorter(faults: tuple[Fault, ...], fails: Fails) -> tuple[Fault, ...]:
    """Halve the durations while the run fails."""
    for position, fault in enumerate(faults):
        while fault.time("for") > 2_000_000:
            half = f"{fault.time('for') / 2_000_000:.3f}"
            words = tuple((name, half if name == "for" else value) for name, value in fault.words)
            candidate = replace(fault, words=words)
            changed = (*faults[:position], candidate, *faults[position + 1 :])
            if not fails(changed):
                break
            fault, faults = candidate, changed
    return faults


def _concerns(fault: Fault, node: int) -> bool:
    halves = fault.word("halves").replace("/", ",").split(",")
    return str(node) in (fault.word("node"), fault.word("target"), fault.word("from"), fault.word("to"), *halves)
