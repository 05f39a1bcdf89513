"""One run: boot, a safety phase with faults, healing, a liveness phase, and the verdict."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from daemons.sim.cluster import Cluster
from daemons.sim.faults import Faults, Operator
from daemons.sim.group_services import GroupServicesProcess
from daemons.sim.manager import ManagerProcess
from daemons.sim.parts import Parts
from daemons.sim.world import InvariantBroken, World
from srcctl.machine import SECOND

SAFETY_US = 420 * SECOND
LENGTH_US = 600 * SECOND
"""Virtual time of a run; after the safety phase nothing goes wrong any more."""

STEPS_MAX, STEPS_MAX_PER_PAIR = 40_000, 2_000
"""Steps of a run, about five times the usual; more means that somebody turns in a circle."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. ``broken`` is the number of the invariant, 0 if none, 6 if the cluster did not recover."""

    seed: int
    broken: int
    text: str
    digest: str
    lines: tuple[str, ...]
    steps: int
    faults: int
    checks: tuple[int, ...]


def run(seed: int, nodes: int = 3, parts: Parts | None = None, keep_trace: bool = False) -> Result:
    """Play one seed.

    Args:
        seed: names the run.
        nodes: how many, 2 to 16.
        parts: makes the processes; None: the real ones.
        keep_trace: return all lines of the trace, not only the last ones.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _run(seed, nodes, parts or Parts(), keep_trace)
    finally:
        if collecting:
            gc.enable()


def _run(seed: int, nodes: int, parts: Parts, keep_trace: bool) -> Result:
    world = World(seed, keep_trace)
    world.steps_max = STEPS_MAX + STEPS_MAX_PER_PAIR * nodes * nodes
    cluster = Cluster(world, nodes, parts)
    faults = Faults(cluster, SAFETY_US)
    Operator(cluster).begin()
    broken, text = 0, ""
    try:
        world.run(20 * SECOND)
        faults.begin()
        world.run(SAFETY_US)
        faults.stop()
        world.run(LENGTH_US)
        text = unrecovered(cluster)
        broken = 6 if text else 0
    except InvariantBroken as fault:
        broken, text = fault.number, str(fault)
        world.trace("-", text)
    if not broken and cluster.local_faults:
        broken, text = 5, f"a core's assertion failed: {cluster.local_faults[0]}"
    lines = tuple(world.lines or world.last_lines[-40:])
    return Result(seed, broken, text, world.digest, lines, world.steps, faults.count, tuple(cluster.checker.checks))


def unrecovered(cluster: Cluster) -> str:
    """What is not well a while after the last fault; empty if all is."""
    views = set()
    for node in cluster.nodes.values():
        daemon = node.process("cthags")
        if not isinstance(daemon, GroupServicesProcess):
            return f"{node.name} has no Group Services"
        status = daemon.core.status()
        if not status.established:
            return f"{node.name} has no view: {daemon.core.describe()}"
        views.add((status.view, status.leader, status.members))
    if len(views) != 1:
        return f"the nodes have different views: {sorted(views)}"
    for node in cluster.nodes.values():
        manager = node.process("clstrmgrES")
        if not isinstance(manager, ManagerProcess):
            return f"{node.name} has no cluster manager"
        if manager.core.state != "ST_STABLE" or not manager.core.services:
            return f"the cluster manager of {node.name} is {manager.core.state}"
    return _unplaced(cluster)


def _unplaced(cluster: Cluster) -> str:
    for group in cluster.configuration.groups:
        states = {
            node.number: manager.core.cluster.groups[group.name].states
            for node in cluster.nodes.values()
            if isinstance(manager := node.process("clstrmgrES"), ManagerProcess) and manager.core.cluster is not None
        }
        first = next(iter(states.values()))
        if any(other != first for other in states.values()):
            return f"the cluster managers disagree about {group.name}: {states}"
        online = cluster.holdings.online(group.name)
        believed = [node for node, state in first.items() if state == "ONLINE"]
        if online != believed and not any(state == "ERROR" for state in first.values()):
            return f"{group.name} is online on {online}, the cluster managers say {believed}"
    return ""
