"""Who is alive: a ring of cores in virtual time; links are cut, nodes crash, pause and come back."""

from __future__ import annotations

import random

import pytest

from daemons.caa import aha, core, tunables
from daemons.caa.messages import DISK_PATH, Event, Heartbeat, Membership, Node, heartbeat_codec
from srcctl.machine import TICK

BEAT, TIMEOUT, DELAY, FDT = 100, 3_000, 1_000, 2_000
NETWORK = "net_ether_01"


class Ring:
    """N nodes, one network, a repository disk; messages take one unit of time, through the real codec."""

    def __init__(self, count: int, seed: int = 1, loss: float = 0.0) -> None:
        self.random, self.loss, self.now = random.Random(seed), loss, 0
        self.nodes: dict[int, core.Membership] = {}
        self.sectors: dict[int, Heartbeat] = {}
        self.cut: set[frozenset[int]] = set()
        self.disk_cut: set[frozenset[int]] = set()
        self.disk_lost: set[int] = set()
        self.paused: set[int] = set()
        self.halted: dict[int, str] = {}
        self.events: dict[int, list[core.Publish]] = {}
        self.wire: list[tuple[int, int, bytes]] = []
        self.count = count
        for number in range(1, count + 1):
            self.boot(number, incarnation=1)

    def boot(self, number: int, incarnation: int) -> None:
        settings = core.Settings(
            number, incarnation, frozenset(range(1, self.count + 1)), (NETWORK,), BEAT, TIMEOUT, DELAY, FDT
        )
        self.nodes[number] = core.Membership()
        self.events[number] = []
        self.step(number, core.Configure(settings))

    def step(self, number: int, value: core.Input) -> None:
        if number in self.halted or number not in self.nodes:
            return
        for effect in self.nodes[number].step(self.now, value):
            match effect:
                case core.Send(_, node, heartbeat):
                    if self.random.random() >= self.loss and frozenset({number, node}) not in self.cut:
                        self.wire.append((self.now + 1, node, heartbeat_codec.encode(heartbeat)))
                case core.WriteDisk(heartbeat):
                    if number not in self.disk_lost:
                        self.sectors[number] = heartbeat
                case core.ReadDisk():
                    seen = tuple(
                        h
                        for n, h in self.sectors.items()
                        if n != number and frozenset({n, number}) not in self.disk_cut
                    )
                    self.step(number, core.DiskSeen(None if number in self.disk_lost else seen))
                case core.Publish():
                    self.events[number].append(effect)
                case core.HaltNode(reason):
                    self.halted[number] = reason

    def run(self, time: int) -> None:
        end = self.now + time
        while self.now < end:
            self.now += 1
            due, self.wire = [w for w in self.wire if w[0] <= self.now], [w for w in self.wire if w[0] > self.now]
            for _, node, data in due:
                if node not in self.paused:
                    self.step(node, core.Received(NETWORK, heartbeat_codec.decode(data)))
            for number, machine in self.nodes.items():
                deadline = machine.next_deadline()
                if number not in self.paused and deadline is not None and self.now >= deadline:
                    self.step(number, TICK)

    def isolate(self, number: int, disk: bool) -> None:
        others = [frozenset({number, n}) for n in self.nodes if n != number]
        self.cut.update(others)
        if disk:
            self.disk_cut.update(others)

    def crash(self, number: int) -> None:
        del self.nodes[number]

    def views(self) -> list[frozenset[int]]:
        return [m.alive for n, m in self.nodes.items() if n not in self.halted]


def test_nodes_find_each_other() -> None:
    ring = Ring(3)
    ring.run(500)
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_crash_is_seen_after_timeout_and_delay_and_not_before() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.crash(2)
    ring.run(TIMEOUT + DELAY - 2 * BEAT)
    assert ring.views() == [frozenset({1, 2})]
    ring.run(4 * BEAT)
    assert ring.views() == [frozenset({1})]
    assert core.Publish("NODE_DOWN", 2) in ring.events[1]


def test_a_cut_network_alone_loses_no_node_while_the_disk_is_there() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.isolate(2, disk=False)
    ring.run(3 * (TIMEOUT + DELAY))
    assert ring.views() == [frozenset({1, 2})] * 2
    assert (2, NETWORK) not in ring.nodes[1].up_paths(ring.now)
    assert (2, DISK_PATH) in ring.nodes[1].up_paths(ring.now)


def test_a_partition_makes_two_views_and_healing_one() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.isolate(3, disk=True)
    ring.run(2 * (TIMEOUT + DELAY))
    assert ring.views() == [frozenset({1, 2}), frozenset({1, 2}), frozenset({3})]
    assert not ring.halted, "the repository is still there for both sides"
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_node_heard_by_one_only_is_alive_for_all() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 3}))
    ring.disk_cut.add(frozenset({1, 3}))
    ring.run(2 * (TIMEOUT + DELAY))
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_paused_node_halts_before_it_does_anything_else() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.paused.add(2)
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.views()[0] == frozenset({1})
    ring.paused.clear()
    before = len(ring.wire)
    ring.run(1)
    assert "dead man's switch" in ring.halted[2]
    assert len(ring.wire) - before <= 1, "not one heartbeat leaves a node that was declared dead"


def test_a_short_pause_harms_nobody() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.paused.add(2)
    ring.run(TIMEOUT - 2 * BEAT)
    ring.paused.clear()
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2
    assert not ring.halted


def test_a_node_without_links_and_repository_halts_in_time() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.isolate(2, disk=True)
    ring.disk_lost.add(2)
    ring.step(2, core.Links(frozenset()))
    ring.run(TIMEOUT + 3 * BEAT)
    assert "neither a network nor the repository" in ring.halted[2]
    assert ring.views()[0] == frozenset({1, 2}), "it is gone before the others take over"


def test_a_reborn_node_was_down_in_between() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.crash(2)
    ring.run(500)
    ring.boot(2, incarnation=2)
    ring.run(500)
    assert ring.views() == [frozenset({1, 2})] * 2
    assert [e.kind for e in ring.events[1] if e.node == 2] == ["NODE_UP", "NODE_DOWN", "NODE_UP"]


def test_what_a_dead_node_left_on_the_disk_is_no_life() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.crash(2)
    ring.crash(1)
    ring.boot(1, incarnation=2)
    ring.run(2 * TIMEOUT)
    assert ring.views() == [frozenset({1})]


def test_repository_loss_is_an_event_and_no_death() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.disk_lost.update((1, 2))
    ring.run(2 * (TIMEOUT + DELAY))
    assert core.Publish("REP_DOWN", 1) in ring.events[1]
    assert ring.views() == [frozenset({1, 2})] * 2
    ring.disk_lost.clear()
    ring.run(300)
    assert core.Publish("REP_UP", 1) in ring.events[1]


@pytest.mark.parametrize("seed", range(12))
def test_views_agree_after_any_weather(seed: int) -> None:
    ring = Ring(4, seed, loss=0.3)
    weather = random.Random(seed)
    for _ in range(4):
        pair = frozenset(weather.sample(range(1, 5), 2))
        ring.cut.symmetric_difference_update({pair})
        ring.disk_cut.symmetric_difference_update({pair})
        generations = [m.generation for m in ring.nodes.values()]
        ring.run(weather.randrange(500, 6_000))
        assert all(m.generation >= g for m, g in zip(ring.nodes.values(), generations, strict=True))
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.loss = 0
    ring.run(2_000)
    assert ring.views() == [frozenset({1, 2, 3, 4})] * 4


def test_the_text_of_an_event_is_the_documented_one() -> None:
    nodes = (Node(2, "nodeb", "0f079e8c-8011-11df-0000-000000000000", ()),)
    membership = Membership(1, 2, (2,), nodes, (), True, "c", "6ea7b088-88d8-11df-b918-beb25635b404")
    text = aha.text(Event(1, "REP_UP", 2, "hdisk2", 1271933757_134003703), membership)
    assert text == (
        "BEGIN_EVENT_INFO\nTIME_tvsec=1271933757\nTIME_tvnsec=134003703\nSEQUENCE_NUM=1\nRC_FROM_EVPROD=0\n"
        "BEGIN_EVPROD_INFO\nEVENT_TYPE=REP_UP\nDISK_NAME=hdisk2\nNODE_NUMBER=2\n"
        "NODE_ID=0x0F079E8C801111DF0000000000000000\nCLUSTER_ID=0x6EA7B08888D811DFB918BEB25635B404\n"
        "END_EVPROD_INFO\nEND_EVENT_INFO\n"
    )


def test_tunables_have_their_ranges() -> None:
    assert tunables.TUNABLES["node_timeout"].fault("30000") is None
    for value in ("9999", "600001", "x", "-1", ""):
        assert tunables.TUNABLES["node_timeout"].fault(value)
    assert tunables.TUNABLES["deadman_mode"].fault("z")
    assert tunables.seconds((("network_fdt", "5000"),), "network_fdt") == 5.0
