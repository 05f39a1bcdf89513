"""Nodes that a synchronization removes from a running cluster, and adds to it: whoever is killed at whatever step.

All end with the same members of configuration, CAA and view, and who is out has forgotten the cluster.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from daemons.sim.cluster import Cluster
from daemons.sim.configuration import resized, sample, varied
from daemons.sim.faults import CONFIGURATION, PHASES, RESIZE, resizes
from daemons.sim.invariants import STALE_US
from daemons.sim.parts import Parts
from daemons.sim.run import Result, play
from daemons.sim.scenario import Scenario
from daemons.sim.synchronization import ADDED, COMPLETED, NOT_TOLD, REFUSED, REMOVED
from daemons.sim.works import FOUND_OUT, LEFT_OVER
from daemons.sim.world import InvariantBroken, World
from srcctl.machine import SECOND

VICTIMS = ("node", "cl_config", "clstrmgrES", *CONFIGURATION)
KILLED = [(phase, what) for n, phase in enumerate(PHASES) for what in ("clmgr", VICTIMS[n % len(VICTIMS)])]
STEP = 0.03
"""Seconds, as most steps of a change of the CAA cluster take."""


def played(*faults: str, spare: bool = False, nodes: int = 3) -> Result:
    text = "\n".join((f"nodes {nodes}", *(["spare"] if spare else []), *(f"at {fault}" for fault in faults)))
    result = play(Scenario.parse(text + "\nexpect pass\n"), keep_trace=True)
    assert not result.broken, (result.text, result.lines[-40:])
    return result


def said(result: Result, words: str) -> list[float]:
    """When a line of the trace said so, seconds."""
    return [float(line[:11]) for line in result.lines if words in line]


def last_view(result: Result) -> set[str]:
    return set(next(line for line in reversed(result.lines) if " view (" in line).split(" nodes ")[1].split())


def test_a_node_is_removed_and_added_again() -> None:
    result = played("40.000 nodes-changed node=3 from=1", "140.000 nodes-changed node=3 from=2")
    (forgets,) = said(result, "node3    this node was taken out of the cluster")
    (leaves,) = said(result, "node3    caa: this node is no member any more")
    assert said(result, "generation 2 is committed")[0] < forgets < leaves
    assert result.reached[REMOVED] == result.reached[ADDED] == 1
    committed = said(result, "generation 3 is committed")[0]
    joined = [at for at in said(result, "node3    caa joins on hdisk1, nodes 1 2 3") if at > 140]
    assert joined[0] < committed < said(result, "node3    clstrmgrES ST_JOINING")[-1]
    assert last_view(result) == {"1", "2", "3"}


def test_what_it_had_goes_to_another_node_before_it_is_removed() -> None:
    result = played("40.000 nodes-changed node=1 from=2")
    (released,) = said(result, "node1    released rg1")
    assert released <= said(result, "node2    acquires rg1")[0] < said(result, "generation 2 is committed")[0]
    assert last_view(result) == {"2", "3"}


def test_a_node_of_which_nobody_knew_is_added() -> None:
    result = played("40.000 nodes-changed node=3 from=1", spare=True)
    assert not [at for at in said(result, "node3    caa joins") if at < 40]
    assert result.reached[ADDED] == 1
    assert last_view(result) == {"1", "2", "3"}


def test_a_node_whose_services_are_active_is_not_removed() -> None:
    result = played("40.000 nodes-changed node=3 from=1 services=on")
    assert result.reached[REFUSED] == 1
    assert not said(result, "is committed")
    assert last_view(result) == {"1", "2", "3"}


def test_a_node_that_is_removed_while_it_is_off_finds_out_when_it_boots() -> None:
    """It goes off when its services are stopped, and before the synchronization begins."""
    result = played("40.000 nodes-changed node=3 from=1", "40.700 crash node=3 for=100.000")
    assert result.reached[NOT_TOLD] >= 1, "it cannot be told"
    booted = said(result, "node3    power on")[-1]
    assert said(result, "generation 2 is committed")[0] < booted
    assert said(result, "node3    this node was taken out of the cluster")[0] > booted
    assert said(result, "node3    caa: this node is no member any more")[0] > booted
    assert result.reached[FOUND_OUT] == 1
    assert not [at for at in said(result, "node3    clstrmgrES ST_JOINING") if at > 40]


def test_a_node_that_is_off_is_not_added() -> None:
    result = played("39.000 crash node=3 for=100.000", "40.000 nodes-changed node=3 from=1", spare=True)
    assert not said(result, "is committed")
    assert last_view(result) == {"1", "2"}


def test_a_node_that_is_cut_off_knows_from_the_disk_that_it_was_removed() -> None:
    """Its clcomd cannot be reached; CAA is in touch over the disk."""
    result = played("40.000 nodes-changed node=3 from=1", "40.700 partition halves=1,2/3 for=100.000 disk=kept")
    assert result.reached[NOT_TOLD] >= 1
    assert 40 < said(result, "node3    this node was taken out of the cluster")[0] < 140
    assert said(result, "node3    caa: this node is no member any more")
    assert last_view(result) == {"1", "2"}


def test_a_node_that_is_removed_while_its_start_hangs_does_not_join_any_more() -> None:
    """The orderer dies when the node has been told of the configuration, and not yet of CAA."""
    result = played(
        "40.000 crash node=3 for=5.000",
        "46.000 scripts-hang node=3 for=80.000",
        "90.000 nodes-changed node=3 from=1 phase=activate after=0.0280 what=node victim=1 for=60.000",
    )
    forgets = said(result, "node3    this node was taken out of the cluster")[0]
    assert 90 < forgets < said(result, "node1    power off: fault")[0]
    assert said(result, "node3    request 1: not_configured")
    assert last_view(result) == {"1", "2"}


@pytest.mark.parametrize(("phase", "what"), KILLED)
@pytest.mark.parametrize("spare", [False, True], ids=["removed", "added"])
def test_killed_at_any_step(phase: str, what: str, spare: bool) -> None:
    number = PHASES.index(phase) + spare
    victim = 1 if what == "clmgr" else (1, 3, 2)[number % 3]
    after = ("0.0000", "0.0300", "0.0100", "0.0900")[number % 4]
    result = played(
        f"40.000 nodes-changed node=3 from=1 phase={phase} after={after} what={what} victim={victim} for=20.000",
        # Whoever comes later finds whatever was left behind.
        "140.000 synchronize node=2 change=resource",
        "200.000 crash node=3 for=10.000",
        spare=spare,
    )
    assert said(result, f"fault: {what} in phase {phase}")


@pytest.mark.parametrize("what", ["clmgr", "node"])
@pytest.mark.parametrize(("phase", "spare"), [("members", True), ("activate", False)])
def test_its_orderer_dies_at_any_step_of_the_change_of_the_caa_cluster(phase: str, spare: bool, what: str) -> None:
    left = 0
    for step in range(6):
        result = played(
            f"40.000 nodes-changed node=3 from=1 phase={phase} after={step * STEP:.4f} what={what} victim=1 for=15.000",
            spare=spare,
        )
        left += result.reached[LEFT_OVER] + result.reached[COMPLETED]
    assert left, "or it dies at none of them"


def test_what_is_left_of_a_configuration_without_a_node() -> None:
    whole = varied(4, 4, 4)
    smaller = resized(whole, "node2", whole)
    assert smaller is not None
    assert "node2" not in repr(smaller)
    again = resized(smaller, "node2", whole)
    assert again is not None
    assert {node.name for node in again.nodes} == {node.name for node in whole.nodes}
    assert (again.sites, set(again.labels)) == (whole.sites, set(whole.labels))
    for group in again.groups:
        before = whole.group(group.name)
        assert before is not None
        assert [name for name in group.nodes if name != "node2"] == [n for n in before.nodes if n != "node2"]
    alone = resized(sample(2), "node1", sample(2))
    assert alone is not None
    assert resized(alone, "node2", sample(2)) is None


def test_the_other_faults_of_a_seed_are_what_they_are_without() -> None:
    with_changes = [seed for seed in range(1, 40) if resizes(seed, (1, 2, 3), 20 * SECOND, 420 * SECOND)[0]]
    assert 5 < len(with_changes) < 25
    for seed in range(1, 40):
        kinds = {fault.kind for fault in Scenario.of_seed(seed).faults}
        assert (RESIZE in kinds) == (seed in with_changes)
        scenario = Scenario.of_seed(seed)
        assert Scenario.parse(str(scenario)) == scenario


def test_the_checker_sees_a_node_that_acts_or_holds_something_without_being_a_member() -> None:
    cluster = Cluster(World(1), 3, Parts(), spare=True)
    node: Any = cluster.nodes[3]
    with pytest.raises(InvariantBroken, match="does not have it"):
        cluster.checker.acts(node, cluster.configuration)
    node.boot()
    cluster.world.run(STALE_US + 10 * SECOND)
    node.states = SimpleNamespace(repository=SimpleNamespace(usable=False), active=False, hung=False)
    cluster.checker.removed(node, node.boot_number)
    node.take("rg1", "APPLICATIONS")
    with pytest.raises(InvariantBroken, match="holds rg1"):
        cluster.checker.removed(node, node.boot_number)
