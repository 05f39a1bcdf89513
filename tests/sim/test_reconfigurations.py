"""Synchronizations among all other faults: whoever is killed at whatever step, all end on one configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemons.sim.faults import CONFIGURATION, PHASES, Fault
from daemons.sim.run import play
from daemons.sim.scenario import Scenario

VICTIMS = ("clmgr", "node", "cl_config", "clstrmgrES", *CONFIGURATION)


def synchronized(phase: str, what: str, victim: int, after: str) -> Scenario:
    lines = [
        f"at 40.000 synchronize node=1 change=group-and-network phase={phase} after={after} "
        f"what={what} victim={victim} for=20.000",
        # Whoever comes later finds whatever was left behind.
        "at 140.000 synchronize node=2 change=resource",
        "at 200.000 crash node=3 for=10.000",
    ]
    return Scenario(1, 3, 2, tuple(Fault.parse(line) for line in lines))


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("what", VICTIMS)
def test_killed_at_any_step(phase: str, what: str) -> None:
    number = PHASES.index(phase) + VICTIMS.index(what)
    victim = 1 if what == "clmgr" else (1, 3)[number % 2]
    result = play(synchronized(phase, what, victim, ("0.0000", "0.0300", "0.0100")[number % 3]), keep_trace=True)
    assert not result.broken, (result.text, result.lines[-30:])
    assert any(f"fault: {what} in phase {phase}" in line for line in result.lines)
    assert any(line.endswith("is committed") for line in result.lines)


def test_a_node_that_was_off_is_brought_in_step_before_it_acts() -> None:
    text = (
        "nodes 3\nat 40.000 crash node=3 for=30.000\nat 50.000 synchronize node=1 change=group-and-network\n"
        "expect pass\n"
    )
    result = play(Scenario.parse(text), keep_trace=True)
    assert not result.broken, result.text
    installed = [line for line in result.lines if "node3" in line and "installs generation 2" in line]
    joining = [line for line in result.lines if "node3" in line and "ST_JOINING" in line]
    assert installed
    assert float(installed[0][:11]) < float(joining[-1][:11])
    assert any("acquires rg_more" in line for line in result.lines)


@pytest.mark.parametrize(
    "death",
    [" phase=stage after=0.0300 what=clmgr victim=1 for=90.000\nat 46.000",
     "\nat 40.090 crash node=1 for=40.000\nat 64.000"],
)  # fmt: skip
def test_a_lock_dies_with_its_holder(death: str) -> None:
    """Long before its age would give it up another node synchronizes, once it is known that nobody holds it."""
    text = f"nodes 3\nat 40.000 synchronize node=1 change=group{death} synchronize node=2 change=network\nexpect pass\n"
    result = play(Scenario.parse(text), keep_trace=True)
    assert not result.broken, result.text
    assert any("clmgr takes the lock of node1 on node3" in line for line in result.lines)
    assert any(line.endswith("is committed") for line in result.lines)


def test_two_nodes_synchronize_at_the_same_moment() -> None:
    text = (
        "nodes 3\nat 40.000 synchronize node=1 change=group\nat 40.001 synchronize node=2 change=network\nexpect pass\n"
    )
    result = play(Scenario.parse(text), keep_trace=True)
    assert not result.broken, result.text
    assert sum(line.endswith("is committed") for line in result.lines) <= 1
    assert any("Dynamic Reconfiguration event has been detected" in line for line in result.lines)


@pytest.mark.parametrize("seed", [2, 5, 7])
def test_synchronizations_among_faults(seed: int) -> None:
    scenario = Scenario.of_seed(seed, 3)
    more = tuple(Fault.parse(f"at {at}.000 synchronize node={1 + at % 3} change=group") for at in range(30, 400, 45))
    result = play(replace(scenario, faults=tuple(sorted((*scenario.faults, *more), key=lambda fault: fault.at))))
    assert not result.broken, result.text
    assert result.checks[7]
