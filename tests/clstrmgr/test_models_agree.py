"""Both processing models end alike: a dependency between two groups changes nothing for those that it is not about.
And in both a cluster that is whole again can have all its groups online.

The two runs of a scenario share every input. Where groups depend on each other node_up and node_down do no resource
work and moves follow by goals; else every event moves its groups itself. Stops with unmanage are left out of the
comparison: where groups depend on each other an unmanaged group that is online on all available nodes is left alone on
the other nodes, too.
"""

from __future__ import annotations

import random

import pytest

from daemons.clstrmgr import messages
from daemons.clstrmgr.inputs import Reported
from daemons.cluster.configuration.policies import GroupDependency
from tests.clstrmgr.ring import Ring, configuration, group

POLICIES = (
    *("OHN FNPN NFB", "OHN FNPN FBHPN", "OFAN FNPN NFB", "OFAN FNPN FBHPN", "OFAN BO NFB"),
    *("OUDP FNPN NFB", "OHN BO FBHPN", "OAAN BO NFB"),
)
WATCHED = ("rg1", "rg2", "rg3")
KINDS = (
    *("start", "start", "manual", "stop", "crash", "boot", "move", "online", "offline"),
    *("break or mend an application", "network", "time"),
)
STEPS = 30


class Story:
    """A scenario, drawn from a seed, in one of the models."""

    def __init__(self, seed: int, dependent: bool, *more_modes: str) -> None:
        self.modes = ("offline", "move", *more_modes)
        self.random = random.Random(seed)
        groups = []
        for number, name in enumerate(WATCHED, start=1):
            nodes = self.random.sample(["node1", "node2", "node3"], self.random.choice([2, 3, 3]))
            groups.append(group(name, " ".join(nodes), self.random.choice(POLICIES), f"svc{number}"))
        for name, label in (("parent", "svc8"), ("child", "svc9")):
            groups.append(group(name, "node1 node2 node3", "OHN FNPN NFB", label))
        dependency = (GroupDependency(id=1, parent="parent", child="child"),) if dependent else ()
        settling = self.random.choice([0, 0, 60])
        self.ring = Ring(configuration(3, *groups, settling_time=settling, dependencies=dependency))
        self.ring.job_hook = self._job
        self.broken: set[tuple[int, str]] = set()
        self.ring.start(*self.random.sample([1, 2, 3], self.random.choice([2, 3, 3, 3])))

    def _job(self, node: int, job: str) -> str:
        if not job.startswith('JOB_TYPE=APPLICATIONS ACTION="ACQUIRE"'):
            return ""
        return " ".join(name for place, name in sorted(self.broken) if place == node and f"{name}_app" in job)

    def step(self) -> tuple[object, ...]:
        """One thing happens; returns it, what an operator was told, and the states afterwards."""
        ring, draw = self.ring, self.random
        kind, node, asked, target = draw.choice(KINDS), draw.randint(1, 3), draw.randint(1, 3), draw.randint(0, 3)
        name, mode = draw.choice(WATCHED), draw.choice(self.modes)
        requests = {
            "start": (node, messages.StartServices()),
            "manual": (node, messages.StartServices(manage="manual")),
            "stop": (node, messages.StopServices(mode)),
            "move": (asked, messages.MoveGroup(name, target)),
            "online": (asked, messages.OnlineGroup(name, target)),
            "offline": (asked, messages.OfflineGroup(name, target)),
        }
        told = ""
        if kind in requests:
            place, what = requests[kind]
            told = ring.request(place, what).error if place in ring.nodes else ""
        elif kind == "crash" and node in ring.nodes and len(ring.nodes) > 1:
            ring.crash(node)
        elif kind == "boot" and node not in ring.nodes:
            ring.boot(node)
        elif kind == "break or mend an application":
            self.broken ^= {(node, name)}
        elif kind == "network":
            word = "interface_down" if target % 2 else "interface_up"
            ring.feed(node, Reported(messages.SystemEvent(word, f"127.0.0.{node}")))
        elif kind == "time":
            ring.pass_time(200)
        ring.settle()
        return (kind, node, asked, target, name, mode), told, {name: ring.states(name) for name in WATCHED}

    def mend(self) -> None:
        """Everything is mended, and cluster services run on all nodes."""
        self.broken.clear()
        for node in (1, 2, 3):
            if node not in self.ring.nodes:
                self.ring.boot(node)
        self.ring.settle()
        self.ring.start(*(node for node in (1, 2, 3) if not self.ring.nodes[node].services))
        for node in (1, 2, 3):
            self.ring.feed(node, Reported(messages.SystemEvent("interface_up", f"127.0.0.{node}")))
            self.ring.settle()
        self.ring.pass_time(200)


@pytest.mark.parametrize("seed", range(24))
def test_a_dependency_is_nothing_to_other_groups(seed: int) -> None:
    classic, dependent = Story(seed, False), Story(seed, True)
    for _ in range(STEPS):
        assert dependent.step() == classic.step()


@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_whole_cluster_can_have_all_groups_online(seed: int, dependent: bool) -> None:
    story = Story(seed, dependent, "unmanage")
    for _ in range(STEPS):
        story.step()
    story.mend()
    for entry in story.ring.configured.groups:
        if entry.name not in WATCHED:
            continue
        wanted = len(entry.nodes) if entry.startup == "OAAN" else 1
        if list(story.ring.states(entry.name).values()).count("ONLINE") < wanted:
            assert story.ring.request(1, messages.OnlineGroup(entry.name, 0)).error == ""
        states = sorted(story.ring.states(entry.name).values(), reverse=True)
        assert states == ["ONLINE"] * wanted + ["OFFLINE"] * (3 - wanted)
    assert {machine.state for machine in story.ring.nodes.values()} == {"ST_STABLE"}
