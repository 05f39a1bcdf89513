"""One run: boot, a safety phase with faults, healing, a liveness phase, and the verdict."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import dataclass, field

from daemons.sim.cluster import Cluster
from daemons.sim.operator import Operator
from daemons.sim.parts import Parts
from daemons.sim.recovery import unrecovered
from daemons.sim.scenario import ASSERTION, LENGTH_US, NO_RECOVERY, OUTCOMES, SAFETY_US, Scenario
from daemons.sim.strikes import Strikes
from daemons.sim.world import InvariantBroken, World

STEPS_MAX, STEPS_MAX_PER_PAIR = 40_000, 4_000
"""Steps of a run, about five times the usual; more means that somebody turns in a circle."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. ``broken``: a key of ``OUTCOMES``; ``checks`` counts the looks at each invariant; ``drawn`` and
    ``struck`` count the faults by what they are, and those that found what they strike."""

    seed: int
    broken: int
    text: str
    digest: str
    lines: tuple[str, ...]
    steps: int
    checks: tuple[int, ...]
    drawn: Counter[str]
    struck: Counter[str]
    reached: Counter[str] = field(default_factory=Counter)
    """Situations of protocols, and how often the run came to each."""

    @property
    def faults(self) -> int:
        """All faults."""
        return self.drawn.total()

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        return OUTCOMES[self.broken]


def run(seed: int, nodes: int = 3, parts: Parts | None = None, keep_trace: bool = False) -> Result:
    """Play one seed.

    Args:
        seed: names the run.
        nodes: how many, 2 to 16.
        parts: makes the processes; None: the real ones.
        keep_trace: return all lines of the trace, not only the last ones.
    """
    return play(Scenario.of_seed(seed, nodes), parts, keep_trace)


def play(scenario: Scenario, parts: Parts | None = None, keep_trace: bool = False) -> Result:
    """Play a scenario; ``parts`` make the processes, whatever its plant is called."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _play(scenario, parts or Parts(), keep_trace)
    finally:
        if collecting:
            gc.enable()


def _play(scenario: Scenario, parts: Parts, keep_trace: bool) -> Result:
    world = World(scenario.seed, keep_trace)
    world.steps_max = STEPS_MAX + STEPS_MAX_PER_PAIR * scenario.nodes * scenario.nodes
    size = (scenario.nodes, parts, scenario.networks, scenario.groups, scenario.members, scenario.split)
    cluster = Cluster(world, *size, spare=scenario.spare)
    cluster.apply(scenario)
    strikes = Strikes(cluster)
    strikes.schedule(scenario.faults)
    Operator(cluster).begin()
    broken, text = 0, ""
    try:
        world.run(SAFETY_US)
        strikes.mend_all()
        world.run(LENGTH_US)
        cluster.checker.checks[NO_RECOVERY] += 1
        text = unrecovered(cluster)
        broken = NO_RECOVERY if text else 0
    except InvariantBroken as fault:
        broken, text = fault.number, str(fault)
    if cluster.local_faults and broken in (0, NO_RECOVERY):
        broken, text = ASSERTION, f"a core's assertion failed: {cluster.local_faults[0]}"
    if broken:
        world.trace("-", text)
    lines = tuple(world.lines or world.last_lines[-40:])
    checks = tuple(cluster.checker.checks)
    told = (strikes.drawn, strikes.struck, world.reached)
    return Result(scenario.seed, broken, text, world.digest, lines, world.steps, checks, *told)
