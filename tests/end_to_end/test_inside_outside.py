"""The same scenarios inside and outside: the simulator and real processes come to the same end.

A lab with the sample cluster, and a simulated cluster with that lab's own configuration. Each scenario is played in
both: what has ended, who is still in the cluster, who holds the group, and what Group Services believe must be equal.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemons.cluster.configuration import CLASSES, DCD, Configuration, load
from daemons.sim.cluster import Cluster
from daemons.sim.faults import Fault
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess
from daemons.sim.node import SimulatedNode
from daemons.sim.operator import Operator
from daemons.sim.parts import Parts
from daemons.sim.scenario import NONE, TIE_BREAKER
from daemons.sim.strikes import Strikes
from daemons.sim.world import World
from srcctl.machine import SECOND
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository
from tests.end_to_end.lab import GROUP, LabUnderTest, eventually

SPEED = 10
"""Of the lab, as `srcctl up` makes it."""
DETECTION = 35
"""Product seconds within which a loss is seen: node_timeout, node_down_delay, and some."""
SETTLED_US, BEGIN_US, END_US = 40 * SECOND, 60 * SECOND, 260 * SECOND
OUTSIDE_PATIENCE = 60.0
SPLITS = {
    NONE: "SPLIT_POLICY=none MERGE_POLICY=majority",
    TIE_BREAKER: "SPLIT_POLICY=tiebreaker MERGE_POLICY=tiebreaker TIEBREAKER=hdisk4",
}


@dataclass(frozen=True)
class Outcome:
    """How a scenario ends: node numbers, with the owner at its beginning as 1 and the other node as 2.

    Args:
        ended: the life in which the node was at the beginning is over.
        active: cluster services are up and stable.
        online: where the group is online.
        view: members of Group Services' view as each active node sees it, of those who were not ended.
    """

    ended: frozenset[int]
    active: frozenset[int]
    online: frozenset[int]
    view: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Scenario:
    """One scenario: ``inside`` are faults of the simulator, one after the other, ``outside`` acts on the lab (its
    arguments: lab, owner, other node).

    ``either``: which of the two nodes it hits is chance; outcomes are compared up to that. ``after`` puts right what
    healing the lab does not. ``quiet``: nothing happens, so it is looked at again once a loss would have been seen.
    """

    name: str
    inside: str
    outside: Callable[[LabUnderTest, str, str], object]
    split: str = NONE
    either: bool = False
    after: Callable[[LabUnderTest, str, str], object] = lambda lab, owner, other: None
    quiet: bool = False


def srcctl(*words: str) -> Callable[[LabUnderTest, str, str], object]:
    """A fault of the lab; OWNER and OTHER stand for the nodes."""

    def strike(lab: LabUnderTest, owner: str, other: str) -> object:
        return lab.srcctl(*({"OWNER": owner, "OTHER": other}.get(word, word) for word in words))

    return strike


def clmgr(words: str) -> Callable[[LabUnderTest, str, str], object]:
    """An operator's request, made on the node that stays."""

    def ask(lab: LabUnderTest, owner: str, other: str) -> object:
        return lab.output(other, "clmgr " + words.replace("OWNER", owner).replace("OTHER", other), timeout=120)

    return ask


def paused(product_seconds: float) -> Callable[[LabUnderTest, str, str], object]:
    """The owner's machine stands still, as a virtual machine does, and runs on."""

    def pause(lab: LabUnderTest, owner: str, other: str) -> None:
        processes = list(lab.processes(owner).values())
        try:
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(product_seconds / SPEED)
        finally:
            for pid in processes:
                # The first ones that run on may halt the node before the last one is let go.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    return pause


def slowed(lab: LabUnderTest, owner: str, other: str) -> None:
    """The owner's machine gets a quarter of its time for a while."""
    for _ in range(30):
        paused(0.6)(lab, owner, other)
        time.sleep(0.02)


START = "$HAES_ROOT/usr/local/counter_app/start"


def start_script(body: str) -> Callable[[LabUnderTest, str, str], object]:
    """The application's start script on the other node is another one, and the owner crashes."""

    def replace(lab: LabUnderTest, owner: str, other: str) -> None:
        script = f"#!/bin/sh\n{body}"
        lab.output(other, f"touch $HAES_ROOT/tmp/hang && mv {START} {START}.away")
        lab.output(other, f"printf '%s\\n' {shlex.quote(script)} > {START} && chmod 755 {START}")
        lab.srcctl("halt", owner)

    return replace


def start_script_is_back(lab: LabUnderTest, owner: str, other: str) -> None:
    lab.output(other, f"mv {START}.away {START} && rm $HAES_ROOT/tmp/hang")
    eventually(lambda: lab.cluster_state(other) == "ST_STABLE", "the event has ended", OUTSIDE_PATIENCE)
    if lab.owner() != other:
        lab.output(other, f"clmgr online resource_group {GROUP} NODE={other}", timeout=120)


SPLIT = "partition halves=1/2 for=900"
ONE_WAY = "one-way-cut from=1 to=2 for=900"
SCENARIOS = (
    Scenario("manager-killed", "kill node=1 what=clstrmgrES", srcctl("kill", "OWNER", "clstrmgrES")),
    Scenario("manager-hangs", "hang node=1 what=clstrmgrES", srcctl("hang", "OWNER", "clstrmgrES")),
    Scenario("cthags-killed", "kill node=1 what=cthags", srcctl("kill", "OWNER", "cthags")),
    Scenario("cthags-hangs", "hang node=1 what=cthags", srcctl("hang", "OWNER", "cthags")),
    Scenario("caa-killed", "kill node=1 what=caa", srcctl("kill", "OWNER", "caa")),
    Scenario("crash", "crash node=1 for=900", srcctl("halt", "OWNER")),
    Scenario("standby-crashes", "crash node=2 for=900", srcctl("halt", "OTHER")),
    Scenario("srcmstr-killed", "kill node=1 what=srcmstr", srcctl("kill", "OWNER", "srcmstr")),
    Scenario("repository-lost", "disk-lost for=900", srcctl("disk", "hdisk1", "fail")),
    Scenario("network-lost", f"{SPLIT} disk=kept", srcctl("partition", "OWNER", "OTHER", "--keep-disk")),
    Scenario("split-without-policy", SPLIT, srcctl("partition", "OWNER", "OTHER")),
    Scenario("split-with-tie-breaker", SPLIT, srcctl("partition", "OWNER", "OTHER"), TIE_BREAKER, either=True),
    Scenario("deaf-node", f"{ONE_WAY} path=all", srcctl("partition", "OWNER", "OTHER", "--one-way"), either=True),
    Scenario(
        "deaf-network", f"{ONE_WAY} path=networks", srcctl("partition", "OWNER", "OTHER", "--one-way", "--keep-disk")
    ),
    Scenario("machine-stands-still", "pause node=1 for=60.000", paused(60)),
    Scenario("machine-stands-still-for-a-moment", "pause node=1 for=8.000", paused(8), quiet=True),
    Scenario("machine-is-slow", "slow node=1 step=0.0200 for=20.000", slowed, quiet=True),
    Scenario(
        "takeover-fails",
        "scripts node=2 acquire=1.000 for=900; crash node=1 for=900",
        start_script("exit 1"),
        after=start_script_is_back,
    ),
    Scenario(
        "takeover-hangs",
        "scripts-hang node=2 for=900; crash node=1 for=900",
        start_script(f'while [ -e "$HAES_ROOT/tmp/hang" ]; do sleep 0.05; done; exec {START} "$@"'),
        after=start_script_is_back,
    ),
    Scenario(
        "moved", "operator node=1 asks=move group=app_rg target=2", clmgr(f"move resource_group {GROUP} NODE=OTHER")
    ),
    Scenario(
        "stopped-with-takeover",
        "operator node=1 asks=stop-move group=app_rg target=1",
        clmgr("offline node OWNER WHEN=now MANAGE=move"),
    ),
)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab in whatever mode this host has."""
    lab = LabUnderTest(tmp_path_factory.mktemp("inside-outside") / "lab")
    try:
        lab.up()
        yield lab
    finally:
        lab.destroy()


@pytest.fixture(scope="module")
def configuration(outside: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    """The lab's own cluster configuration."""
    root = NodeRoot(str(tmp_path_factory.mktemp("configuration")))
    directory = Path(root.path(DCD))
    directory.mkdir(parents=True)
    for name in CLASSES:
        (directory / name).write_text(outside.output("node1", f"cat $HAES_ROOT{DCD}/{name}"))
    found = load(Repository(root, DCD))
    assert found is not None
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_both_come_to_the_same_end(scenario: Scenario, outside: LabUnderTest, configuration: Configuration) -> None:
    expected = play_inside(scenario, configuration)
    wanted = {expected, _mirrored(expected)} if scenario.either else {expected}
    play, players = begin_outside(scenario, outside)
    what = f"{scenario.name} ends outside as inside: {expected}"
    try:
        eventually(lambda: play() in wanted, what, OUTSIDE_PATIENCE, play)
        if scenario.quiet:
            time.sleep(DETECTION / SPEED)
            assert play() in wanted
    finally:
        scenario.after(outside, *players)


def _mirrored(outcome: Outcome) -> Outcome:
    def swap(nodes: frozenset[int]) -> frozenset[int]:
        return frozenset(3 - node for node in nodes)

    view = tuple(sorted(tuple(sorted(3 - node for node in members)) for members in outcome.view))
    return Outcome(swap(outcome.ended), swap(outcome.active), swap(outcome.online), view)


# Inside ---------------------------------------------------------------------------------------------------------------


class AtTheBeginning(Operator):
    """An operator who goes home when the cluster has settled."""

    def _look_after(self, node: SimulatedNode) -> None:
        if self.cluster.world.now < SETTLED_US:
            super()._look_after(node)


def play_inside(scenario: Scenario, configuration: Configuration) -> Outcome:
    """The end in the simulator."""
    world = World(1)
    cluster = Cluster(world, 2, Parts(), split=scenario.split, configuration=configuration)
    AtTheBeginning(cluster, patient=True).begin()
    world.run(SETTLED_US)
    assert cluster.holdings.online(GROUP) == [1], "the group begins on node 1"
    boots = {number: node.boot_number for number, node in cluster.nodes.items()}
    lines = (f"at {BEGIN_US / SECOND + place:.3f} {fault}" for place, fault in enumerate(scenario.inside.split("; ")))
    Strikes(cluster).schedule(tuple(map(Fault.parse, lines)))
    world.run(END_US)
    managers = {
        number: process
        for number, node in cluster.nodes.items()
        if node.on and isinstance(process := node.process("clstrmgrES"), ManagerProcess)
    }
    active = {n for n, process in managers.items() if process.core.services and process.core.state == "ST_STABLE"}
    ended = {n for n, node in cluster.nodes.items() if not node.on or node.boot_number != boots[n]}
    views = [
        tuple(sorted(set(daemon.core.status().members) - ended))
        for number in active
        if isinstance(daemon := cluster.nodes[number].process("cthags"), GroupServicesProcess)
    ]
    online = frozenset(cluster.holdings.online(GROUP))
    return Outcome(frozenset(ended), frozenset(active), online, tuple(sorted(views)))


# Outside --------------------------------------------------------------------------------------------------------------


def begin_outside(scenario: Scenario, lab: LabUnderTest) -> tuple[Callable[[], Outcome], tuple[str, str]]:
    """Play it on the lab; returns what looks at its end, and the owner and the other node."""
    lab.make_whole()
    if lab.run("node1", "clmgr -v -a SPLIT_POLICY query cluster").stdout.find(f'"{scenario.split}"') < 0:
        lab.output("node1", f"clmgr modify cluster {SPLITS[scenario.split]}")
        lab.output("node1", "clmgr sync cluster", timeout=120)
    own = lab.owner()
    other = "node2" if own == "node1" else "node1"
    numbers = {own: 1, other: 2}
    boots = {node: boot_of(lab, node) for node in numbers}
    scenario.outside(lab, own, other)

    def look() -> Outcome:
        ended = {
            number for node, number in numbers.items() if lab.power(node) == "off" or boot_of(lab, node) != boots[node]
        }
        active = {
            number for node, number in numbers.items() if number not in ended and lab.cluster_state(node) == "ST_STABLE"
        }
        names = {number: node for node, number in numbers.items()}
        online, views = set(), []
        for number in active:
            states = lab.run(names[number], f"clRGinfo -s {GROUP}").stdout.splitlines()
            online |= {numbers[line.split(":")[2]] for line in states if line.split(":")[1] == "ONLINE"}
            members = (numbers[name] for name in lab.domain(names[number]))
            views.append(tuple(sorted(member for member in members if member not in ended)))
        return Outcome(frozenset(ended), frozenset(active), frozenset(online), tuple(sorted(views)))

    return look, (own, other)


def boot_of(lab: LabUnderTest, node: str) -> str:
    """Names the present life of a node; "" while it is being switched on."""
    return (lab.directory / "shared" / "power" / node).read_text().partition(" ")[0].strip()
