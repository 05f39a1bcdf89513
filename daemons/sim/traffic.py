"""How many messages clusters of different sizes exchange: at rest, and for the loss of one node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daemons.sim.cluster import Cluster
from daemons.sim.operator import Operator
from daemons.sim.parts import Parts
from daemons.sim.world import World
from srcctl.machine import SECOND

BOOTED_US = 90 * SECOND
REST_US = 60 * SECOND
LOSS_US = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Traffic:
    """Figures of one cluster; rates are per node and second of virtual time.

    Args:
        nodes: its size.
        heartbeats, beats: datagrams of caa and of cthags at rest.
        octets: bytes of both.
        loss: datagrams of cthags of the whole cluster for the loss of a node, its takeover included.
        installed_us: from the loss to the last survivor's new view.
    """

    nodes: int
    heartbeats: float
    beats: float
    octets: float
    loss: int
    installed_us: int


def measure(nodes: int) -> Traffic:
    """Play a cluster without faults but the loss of one node."""
    world = World(1)
    world.steps_max = 1 << 40
    cluster = Cluster(world, nodes, Parts())
    Operator(cluster, patient=True).begin()
    world.run(BOOTED_US)
    world.sent.clear()
    world.octets.clear()
    world.run(world.now + REST_US)
    seconds = nodes * REST_US / SECOND
    heartbeats, beats = world.sent["caa"] / seconds, world.sent["cthags"] / seconds
    octets = sum(world.octets.values()) / seconds
    world.sent.clear()
    cluster.nodes[nodes].crash("lost")
    lost = world.now
    cluster.checker.views_changed.clear()
    world.run(world.now + LOSS_US)
    survivors = [at for number, at in cluster.checker.views_changed.items() if number != nodes]
    installed = max(survivors) - lost if len(survivors) == nodes - 1 else 0
    quiet = round(beats * (nodes - 1) * LOSS_US / SECOND)
    return Traffic(nodes, heartbeats, beats, octets, max(0, world.sent["cthags"] - quiet), installed)


def report(sizes: list[int]) -> Iterator[str]:
    """The lines of a table, each as soon as it is measured."""
    yield "nodes  heartbeats/s  cthags/s  bytes/s   a loss  view after"
    for size in sizes:
        t = measure(size)
        yield (
            f"{t.nodes:5}  {t.heartbeats:12.1f}  {t.beats:8.2f}  {t.octets:7.0f}  {t.loss:7}  "
            f"{t.installed_us / 1000:7.1f} ms"
        )
    yield "rates are per node; a loss: datagrams of Group Services in the whole cluster, takeover included"
