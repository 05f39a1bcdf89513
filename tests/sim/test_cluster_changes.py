"""Changes of the CAA cluster: whoever dies at whatever step, all end with one definition; nobody acts on another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from daemons.cthags.inputs import ViewInstalled
from daemons.cthags.wire import Member, View, ViewId
from daemons.sim.cluster import Cluster
from daemons.sim.parts import Parts
from daemons.sim.run import Result, play
from daemons.sim.scenario import Scenario
from daemons.sim.world import InvariantBroken, World
from srcctl.machine import MILLISECOND, SECOND

STEPS = 9
"""At least as many as any change of three nodes has."""


def played(*faults: str, nodes: int = 3, split: str = "none") -> Result:
    text = "\n".join((f"nodes {nodes}", "networks 1", f"split {split}", *(f"at {fault}" for fault in faults)))
    result = play(Scenario.parse(text + "\nexpect pass\n"), keep_trace=True)
    assert not result.broken, (result.text, result.lines[-40:])
    return result


def said(result: Result, words: str) -> list[float]:
    """When a line of the trace said so, seconds."""
    return [float(line[:11]) for line in result.lines if words in line]


@pytest.mark.parametrize("what", ["chcluster", "node"])
@pytest.mark.parametrize(
    "change",
    ["member-leaves node=3 for=40.000 from=1", "caa-stopped node=3 for=40.000 from=1", "repository-replaced node=1"],
)
def test_its_orderer_dies_at_any_step(change: str, what: str) -> None:
    struck = 0
    for step in range(1, STEPS + 1):
        result = played(f"60.000 {change} step={step} what={what} off=15.000")
        if not said(result, f"fault: {what} before step {step}"):
            break
        struck += 1
    assert struck >= 2, "or it dies at none of them"


def test_a_node_leaves_and_joins_again() -> None:
    result = played("60.000 member-leaves node=3 from=1 for=60.000")
    assert said(result, "node3    caa leaves the cluster")
    assert said(result, "node1    caa: nodes 1 2")
    assert said(result, "chcluster + node3: done")
    assert said(result, "node3    caa joins on hdisk1, nodes 1 2 3")[-1] > 120
    assert result.reached["cluster change: chcluster -"] == 1


def test_a_node_that_holds_groups_gives_them_up_before_it_is_no_member() -> None:
    """Cluster services were left on: it halts, and only then the others go on without it."""
    result = played("60.000 member-leaves node=1 from=2 services=on for=60.000")
    assert said(result, "node1    clexit.rc")[0] <= said(result, "node2    acquires rg1")[0]


def test_a_node_is_removed_while_it_is_off() -> None:
    result = played("60.000 crash node=3 for=60.000", "100.000 member-leaves node=3 from=1 for=100.000")
    assert said(result, "node3    caa: this node is no member any more")[0] > 120, "it finds out when it boots"


def test_a_node_that_is_cut_off_finds_that_it_was_removed() -> None:
    result = played(
        "60.000 partition halves=1,2/3 for=80.000", "110.000 member-leaves node=3 from=1 services=on for=150.000"
    )
    assert 110 < said(result, "node3    caa: this node is no member any more")[0] < 120, "the disk says it"


@pytest.mark.parametrize("node", ["", " node=2"])
def test_the_repository_is_replaced_after_it_was_lost(node: str) -> None:
    result = played(
        f"60.000 disk-lost{node} for=200.000", "90.000 crash node=3 for=60.000", "100.000 repository-replaced node=2"
    )
    assert said(result, "node1    caa: the repository moves from hdisk1 to hdisk4")
    assert said(result, "node3    caa joins on hdisk4"), "it was off meanwhile"


def test_two_halves_that_replace_the_repository_end_with_one() -> None:
    result = played(
        "60.000 partition halves=1/2,3 for=60.000",
        "65.000 disk-lost for=200.000",
        "100.000 repository-replaced node=1",
        "101.000 repository-replaced node=2",
    )
    assert said(result, "has been replaced by hdisk4 already") or said(result, "node2    caa: the repository moves")


def test_caa_that_was_stopped_stays_stopped_over_a_reboot() -> None:
    result = played("60.000 caa-stopped node=3 from=1 for=150.000", "120.000 crash node=3 for=10.000")
    booted = said(result, "node3    power on")[-1]
    assert not [at for at in said(result, "node3    caa joins") if booted < at < 210]
    assert said(result, "clctrl -start node3: done")[0] > 210


def test_an_order_to_stop_waits_for_a_node_that_is_off() -> None:
    result = played("60.000 crash node=3 for=60.000", "80.000 caa-stopped node=3 from=1 for=150.000")
    assert not [at for at in said(result, "node3    caa joins") if 80 < at < 230]


def test_a_node_whose_cluster_manager_hangs_goes_down_when_caa_leaves() -> None:
    """It holds its groups: the others take them over, and nobody would halt it any more."""
    result = played("60.000 hang node=1 what=clstrmgrES", "61.000 caa-stopped node=1 from=3 services=on for=150.000")
    (halted,) = said(result, "node1    power off: RSCT reboot caused by critical resource protection")
    assert halted <= said(result, "node2    acquires rg1")[0]


@pytest.mark.parametrize("hung", [False, True])
def test_group_services_end_with_caa(hung: bool) -> None:
    """CAA leaves while SRC just starts Group Services and so has none to stop, or while they hang."""
    cluster = Cluster(World(1), 2, Parts())
    node = cluster.nodes[2]
    for each in cluster.nodes.values():
        each.boot()
    cluster.world.run(30 * SECOND)
    states, before = node.states, node.process("cthags")
    assert states is not None
    assert before is not None
    assert node.supervisor is not None
    if hung:
        before.hang()
        cluster.world.run(31 * SECOND)
    else:
        before.end(0)
        cluster.world.run(31 * SECOND)
        node.supervisor.request_start("cthags")
    states.drive(states.leaving(), lambda status, complaint: None)
    cluster.world.run(31 * SECOND + 15 * MILLISECOND)
    assert states.active
    assert node.process("cthags") is not None, "or there was nothing to test"
    cluster.world.run(40 * SECOND)
    assert not states.active
    if hung:
        before.resume()
        cluster.world.run(45 * SECOND)
    assert node.process("cthags") is None


def test_a_commit_outlives_a_repository_that_is_lost_right_after_it() -> None:
    """No CAA has read it yet: it is on the disks of those who have installed it."""
    result = played(
        "60.000 synchronize node=1 change=group", "60.240 disk-lost for=100.000", "75.000 repository-replaced node=2"
    )
    committed, lost = said(result, "generation 2 is committed"), said(result, "fault: disk-lost")
    assert committed[0] < lost[0]
    assert said(result, "the repository is hdisk4")
    assert not said(result, "installs generation 1")
    assert len([when for when in said(result, "clconfd: installed generation 2") if when > lost[0]]) == 3


def test_a_view_that_is_heard_late_may_have_who_was_removed_since_but_takes_in_nobody() -> None:
    cluster = Cluster(World(1), 4, Parts())
    node: Any = cluster.nodes[1]
    node.states = SimpleNamespace(numbers=(1, 2, 3), core=SimpleNamespace(alive=frozenset((1, 2, 3))))

    def install(number: int, *nodes: int) -> None:
        view = View(ViewId(number, 1), tuple(Member(each, 1) for each in nodes))
        cluster.checker.view_installed(node, ViewInstalled(view, None, 0))

    install(1, 1, 2, 3)
    node.states = SimpleNamespace(numbers=(1, 2), core=SimpleNamespace(alive=frozenset((1, 2))))
    install(3, 1, 3)
    install(4, 1, 2)
    with pytest.raises(InvariantBroken, match="no members"):
        install(5, 1, 2, 3)
