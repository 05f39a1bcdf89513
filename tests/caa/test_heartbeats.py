"""What heartbeats say, on which paths they go, and how often."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from daemons.caa import core
from daemons.caa.messages import DISK_PATH, Heartbeat, heartbeat_codec, mask_of, nodes_of
from srcctl.storage.disk import SECTOR
from tests.caa.ring import BEAT, DELAY, FDT, NETWORK, TIMEOUT, Ring


class Multicast(Ring):
    """Heartbeats on the network are one for all."""

    def __init__(self, count: int) -> None:
        self.sent = 0
        super().__init__(count)

    def boot(self, number: int, incarnation: int, **options: object) -> None:
        super().boot(number, incarnation, multicast=True, **options)

    def send(self, number: int, node: int, heartbeat: Heartbeat) -> None:
        self.sent += 1
        others = [n for n in self.nodes if n != number] if node == core.EVERYBODY else [node]
        for other in others:
            super().send(number, other, heartbeat)


def test_what_a_node_says_of_itself_is_known_to_all() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.disk_lost.add(2)
    ring.step(3, core.Links(frozenset()))
    ring.run(3 * BEAT)
    for number in (1, 2, 3):
        picture = ring.nodes[number]._announced
        assert picture is not None
        assert picture.repositories_down == ({2} if number != 3 else set()), "3 hears 2 on the network only"
        assert picture.interfaces_down == ({(3, NETWORK)} if number != 2 else set())
    assert core.Publish("REP_DOWN", 2) in ring.events[1]
    assert core.Publish("ADAPTER_DOWN", 3, NETWORK) in ring.events[1]
    ring.run(FDT)
    assert core.Publish("CONNECT_DOWN", 3, NETWORK) in ring.events[1]
    assert ring.views() == [frozenset({1, 2, 3})] * 3
    ring.disk_lost.clear()
    ring.step(3, core.Links(frozenset({NETWORK})))
    ring.run(6 * BEAT)
    assert core.Publish("REP_UP", 2) in ring.events[3] or core.Publish("REP_UP", 2) in ring.events[1]
    assert core.Publish("ADAPTER_UP", 3, NETWORK) in ring.events[1]
    assert core.Publish("CONNECT_UP", 3, NETWORK) in ring.events[1]


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


@pytest.mark.parametrize("option", ["lan", "disk"])
def test_a_path_that_is_switched_off_carries_nothing(option: str) -> None:
    ring = Ring(2)
    for number in (1, 2):
        ring.crash(number)
        ring.boot(number, incarnation=2, **{option: False})
    ring.sectors.clear()
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2, "the other path is left"
    left = DISK_PATH if option == "lan" else NETWORK
    assert ring.nodes[1].up_paths(ring.now) == {(2, left)}


def test_a_heartbeat_of_sixteen_nodes_fits_into_a_sector() -> None:
    big = 1 << 53
    everybody = mask_of(range(1, 17))
    rows = tuple((node, everybody) for node in range(1, 17))
    contacts = tuple((n, big) for n in range(1, 17))
    heartbeat = Heartbeat(16, big, big, contacts, big, big, big, 255, False, everybody, rows, 2, everybody)
    assert len(heartbeat_codec.encode(heartbeat)) <= SECTOR - 6


def test_a_heartbeat_of_sixty_four_nodes_is_no_longer_than_it_may_be() -> None:
    big = 1 << 53
    everybody = mask_of(range(1, 65))
    assert nodes_of(everybody) == frozenset(range(1, 65))
    contacts, rows = tuple((n, big) for n in range(1, 65)), tuple((n, everybody) for n in range(1, 65))
    heartbeat = Heartbeat(64, big, big, contacts, big, big, big, 255, False, everybody, rows, 2, everybody)
    assert heartbeat_codec.decode(heartbeat_codec.encode(heartbeat)) == heartbeat
    assert nodes_of(-1) == frozenset()


def test_by_multicast_one_heartbeat_reaches_everybody() -> None:
    ring = Multicast(8)
    ring.disk_lost.update(range(1, 9))
    ring.run(1_000)
    assert ring.views() == [frozenset(range(1, 9))] * 8
    before = ring.sent
    ring.run(10 * BEAT)
    assert ring.sent - before == 8 * 10, "one a node and beat, whatever their number"
    ring.isolate(3, disk=True)
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.nodes[1].alive == frozenset({1, 2, 4, 5, 6, 7, 8})
    assert ring.nodes[3].alive == frozenset({3})


def test_multicast_stays_at_the_site_and_another_one_gets_unicast() -> None:
    machine = core.Membership()
    settings = core.Settings(
        1, 1, frozenset({1, 2, 3}), (NETWORK,), BEAT, TIMEOUT, DELAY, FDT, multicast=True, remote=frozenset({3})
    )
    effects = machine.step(0, core.Configure(settings))
    assert [e.node for e in effects if isinstance(e, core.Send)] == [core.EVERYBODY, 3]


@pytest.mark.parametrize(("factor", "beats"), [(1, 1), (4, 4), (100, FDT // (3 * BEAT))])
def test_another_site_gets_every_so_manieth_heartbeat(factor: int, beats: int) -> None:
    ring = Ring(3)
    sites = {1: {3}, 2: {3}, 3: {1, 2}}
    for node, machine in ring.nodes.items():
        assert machine.settings is not None
        ring.step(node, core.Configure(replace(machine.settings, remote=frozenset(sites[node]), remote_factor=factor)))
    ring.run(1_000)
    sent = {2: 0, 3: 0}
    original = ring.send

    def counted(number: int, node: int, heartbeat: Heartbeat) -> None:
        if number == 1:
            sent[node] += 1
        original(number, node, heartbeat)

    ring.send = counted  # type: ignore[method-assign]
    ring.run(60 * BEAT)
    assert sent == {2: 60, 3: 60 // beats}
    ring.run(5 * TIMEOUT)
    assert ring.views() == [frozenset({1, 2, 3})] * 3, "however high the factor, sites do not lose each other"
    assert [ring.lives(1, node) for node in (2, 3)] == [["NODE_UP"]] * 2
    for node in ring.nodes:
        assert not [e for e in ring.events[node] if e.kind in ("CONNECT_DOWN", "ADAPTER_DOWN")]
