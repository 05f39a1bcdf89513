"""Dynamic reconfigurations among all other faults: every node ends with the committed configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemons.sim.faults import draw_reconfigurations
from daemons.sim.run import play
from daemons.sim.scenario import BOOTED_US, SAFETY_US, Scenario


def reconfigured(seed: int, nodes: int, alone: bool = False) -> Scenario:
    """A seed's scenario with reconfigurations; ``alone``: with nothing else."""
    scenario = Scenario.of_seed(seed, nodes)
    more = draw_reconfigurations(seed, tuple(range(1, nodes + 1)), BOOTED_US, SAFETY_US)
    kept = () if alone else scenario.faults
    return replace(scenario, faults=tuple(sorted((*kept, *more), key=lambda fault: fault.at)))


@pytest.mark.parametrize(("seed", "nodes", "alone"), [(1, 3, True), (2, 3, False), (3, 2, False), (4, 5, False)])
def test_reconfigurations_among_faults(seed: int, nodes: int, alone: bool) -> None:
    result = play(reconfigured(seed, nodes, alone), keep_trace=True)
    assert not result.broken, (result.text, result.lines[-40:])
    assert any("TE_DARE_" in line and line.endswith("complete") for line in result.lines)


def test_a_scenario_file_can_ask_for_it() -> None:
    text = "nodes 3\nat 40.000 reconfigure node=1 change=group\nexpect pass\n"
    result = play(Scenario.parse(text), keep_trace=True)
    assert not result.broken, result.text
    assert any("acquires rg_more" in line for line in result.lines)
