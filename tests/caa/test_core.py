"""Who is alive: a ring of cores in virtual time; links are cut, nodes crash, pause and come back."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from daemons.caa import core, tunables
from daemons.caa.messages import DISK_PATH, RELAY_MAX, Heartbeat, Letter, heartbeat_codec, mask_of, nodes_of
from srcctl.machine import TICK
from srcctl.storage.disk import SECTOR

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
        self.one_way: set[tuple[int, int]] = set()
        """Pairs of sender and receiver: nothing arrives, on whatever path."""
        self.network_one_way: set[tuple[int, int]] = set()
        """The same of the network only."""
        self.mail: dict[int, list[Letter]] = {}
        self.delivered: dict[int, list[bytes]] = {}
        self.pictures: dict[int, core.Announce] = {}
        self.paused: set[int] = set()
        self.halted: dict[int, str] = {}
        self.holders: frozenset[int] = frozenset()
        self.events: dict[int, list[core.Publish]] = {}
        self.wire: list[tuple[int, int, bytes]] = []
        self.count = count
        for number in range(1, count + 1):
            self.boot(number, incarnation=1)

    def boot(self, number: int, incarnation: int, **options: object) -> None:
        settings = core.Settings(
            number,
            incarnation,
            frozenset(range(1, self.count + 1)),
            (NETWORK,),
            BEAT,
            TIMEOUT,
            DELAY,
            FDT,
            **{"group_services_us": 4_000, **options},  # type: ignore[arg-type]
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
                    self.send(number, node, heartbeat)
                case core.WriteDisk(heartbeat):
                    if number not in self.disk_lost:
                        self.sectors[number] = heartbeat
                case core.ReadDisk():
                    seen = tuple(
                        h
                        for n, h in self.sectors.items()
                        if n != number
                        and frozenset({n, number}) not in self.disk_cut
                        and (n, number) not in self.one_way
                    )
                    letters = tuple(self.mail.pop(number, ()))
                    self.step(number, core.DiskSeen(None if number in self.disk_lost else seen, letters))
                case core.WriteLetter(node, letter):
                    self.mail.setdefault(node, []).append(letter)
                case core.Deliver(_, payload):
                    self.delivered.setdefault(number, []).append(payload)
                case core.Announce():
                    self.pictures[number] = effect
                case core.Withdraw():
                    self.withdraw(number)
                case core.Arbitrate(side):
                    self.arbitrate(number, side)
                case core.Publish():
                    self.events[number].append(effect)
                case core.HaltNode(reason, _):
                    self.halted[number] = reason

    def send(self, number: int, node: int, heartbeat: Heartbeat) -> None:
        """A heartbeat leaves a node."""
        if self.random.random() >= self.loss and not self.is_cut(number, node):
            self.wire.append((self.now + 1, node, heartbeat_codec.encode(heartbeat)))

    def arbitrate(self, number: int, side: frozenset[int]) -> None:
        """The tie breaker answers at once."""
        won = not self.holders or number in self.holders
        self.holders = side if won else self.holders
        self.step(number, core.Arbitrated(side, won))

    def withdraw(self, number: int) -> None:
        """A question is settled."""

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

    def is_cut(self, sender: int, receiver: int) -> bool:
        one_way = self.one_way | self.network_one_way
        return frozenset({sender, receiver}) in self.cut or (sender, receiver) in one_way

    def isolate(self, number: int, disk: bool) -> None:
        others = [frozenset({number, n}) for n in self.nodes if n != number]
        self.cut.update(others)
        if disk:
            self.disk_cut.update(others)

    def crash(self, number: int) -> None:
        del self.nodes[number]

    def lives(self, of: int, node: int) -> list[str]:
        """The node events of another node that one published."""
        return [e.kind for e in self.events[of] if e.node == node and e.kind.startswith("NODE")]

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


def test_a_node_of_another_site_is_down_after_link_timeout_too() -> None:
    ring = Ring(4)
    sites = {1: {3, 4}, 2: {3, 4}, 3: {1, 2}, 4: {1, 2}}
    for node, settings in [(n, m.settings) for n, m in ring.nodes.items()]:
        assert settings is not None
        ring.step(node, core.Configure(replace(settings, remote=frozenset(sites[node]), link_timeout_us=2_000)))
    ring.run(1_000)
    del ring.nodes[4]
    ring.run(TIMEOUT + DELAY + 3 * BEAT)
    assert ring.pictures[3].alive == {1, 2, 3}, "its own site does not wait for the link"
    ring.run(2_000 - 5 * BEAT)
    assert [ring.pictures[node].alive for node in (1, 2)] == [{1, 2, 3, 4}] * 2
    ring.run(5 * BEAT)
    assert [ring.pictures[node].alive for node in (1, 2, 3)] == [{1, 2, 3}] * 3
    assert not ring.halted, "two sites that find out one after the other are no odd topology"


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


@pytest.mark.parametrize("alone", [1, 2, 3])
def test_one_side_of_a_split_wins_the_tie_breaker_and_the_other_halts(alone: int) -> None:
    ring = Ring(3)
    for number in (1, 2, 3):
        ring.crash(number)
        ring.boot(number, incarnation=2, arbitrate=True)
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2, 3})] * 3
    for events in ring.events.values():
        events.clear()
    ring.isolate(alone, disk=True)
    ring.run(3 * TIMEOUT + DELAY)
    others = frozenset({1, 2, 3} - {alone})
    assert ring.holders in ({alone}, others)
    losers = {1, 2, 3} - ring.holders
    assert set(ring.halted) == losers
    assert set(ring.views()) == {ring.holders}
    for number in ring.holders:
        assert all(core.Publish("NODE_DOWN", loser) in ring.events[number] for loser in losers)
    for loser in losers:
        assert not any(e.kind == "NODE_DOWN" for e in ring.events[loser]), "it never believed the others dead"


def test_a_crash_is_no_split_but_asks_the_tie_breaker_too() -> None:
    ring = Ring(2)
    for number in (1, 2):
        ring.crash(number)
        ring.boot(number, incarnation=2, arbitrate=True)
    ring.run(1_000)
    ring.crash(2)
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.holders == {1}
    assert ring.views() == [frozenset({1, 2})], "another side that has lost may not know it yet"
    ring.run(TIMEOUT + 2 * BEAT)
    assert ring.views() == [frozenset({1})]
    ring.boot(2, incarnation=3, arbitrate=True)
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2


def test_who_is_called_alive_only_because_nobody_has_decided_yet_is_silent() -> None:
    ring = Ring(3)
    for number in (1, 2, 3):
        ring.crash(number)
        ring.boot(number, incarnation=2, arbitrate=True)
    ring.run(1_000)
    assert ring.pictures[1].reached == frozenset({1, 2, 3})
    ring.isolate(3, disk=True)
    ring.run(TIMEOUT + 2 * BEAT)
    assert (ring.pictures[1].alive, ring.pictures[1].silent) == (frozenset({1, 2, 3}), frozenset({3}))
    assert ring.pictures[3].reached == frozenset({3})


def test_a_node_heard_by_one_only_is_alive_for_all() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 3}))
    ring.disk_cut.add(frozenset({1, 3}))
    ring.run(TIMEOUT + DELAY + 5 * BEAT)  # long enough to be missed, not so long that one of them goes
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
    assert ring.lives(1, 2) == ["NODE_UP", "NODE_DOWN", "NODE_UP"]


def test_a_reboot_that_only_a_third_node_hears_is_known_at_once_and_not_when_the_cut_heals() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 2}))
    ring.disk_cut.add(frozenset({1, 2}))
    ring.run(TIMEOUT + DELAY + 5 * BEAT)
    assert ring.views() == [frozenset({1, 2, 3})] * 3
    ring.crash(2)
    ring.run(500)
    ring.boot(2, incarnation=2)
    ring.run(3 * BEAT)
    assert ring.lives(1, 2) == ["NODE_UP", "NODE_DOWN", "NODE_UP"]
    ring.run(TIMEOUT // 2)
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.run(TIMEOUT)
    assert ring.lives(1, 2) == ["NODE_UP", "NODE_DOWN", "NODE_UP"]
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_recorded_heartbeats_of_a_dead_node_are_no_life_for_one_that_was_restarted() -> None:
    ring = Ring(2)
    recorded: list[bytes] = []
    for _ in range(1_000):
        ring.run(1)
        recorded += [data for _, node, data in ring.wire if node == 1]
    ring.crash(1)
    ring.crash(2)
    ring.boot(1, incarnation=2)
    for data in recorded:
        ring.step(1, core.Received(NETWORK, heartbeat_codec.decode(data)))
        ring.run(1)
        assert ring.views() == [frozenset({1})]


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


def test_a_node_that_is_known_by_others_only_is_stale() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.cut.add(frozenset({1, 3}))
    ring.disk_cut.add(frozenset({1, 3}))
    ring.run(2 * (TIMEOUT + DELAY))
    pictures = [machine._announced for machine in ring.nodes.values()]
    assert [set(picture.stale) for picture in pictures if picture] == [{3}, set(), {1}]


def test_deadman_mode_e_tells_and_goes_on() -> None:
    ring = Ring(2)
    ring.crash(2)
    ring.boot(2, incarnation=2, deadman=False)
    ring.run(1_000)
    ring.isolate(2, disk=True)
    ring.disk_lost.add(2)
    ring.step(2, core.Links(frozenset()))
    ring.run(2 * TIMEOUT)
    assert not ring.halted
    assert ring.events[2].count(core.Publish("NODE_ISOLATED", 2)) == 1


def test_repos_mode_a_halts_a_node_that_loses_the_repository() -> None:
    ring = Ring(2)
    ring.crash(2)
    ring.boot(2, incarnation=2, repository_assert=True)
    ring.run(1_000)
    ring.disk_lost.add(2)
    ring.run(2 * BEAT)
    assert "repos_mode a" in ring.halted[2]


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


def test_nodes_that_come_and_go_by_configuration_are_events() -> None:
    ring = Ring(2)
    ring.run(1_000)
    settings = ring.nodes[1].settings
    assert settings is not None
    ring.step(1, core.Configure(replace(settings, nodes=frozenset({1, 3}))))
    assert core.Publish("NODE_DELETE", 2) in ring.events[1]
    assert core.Publish("NODE_ADD", 3) in ring.events[1]
    assert ring.nodes[1].alive == {1}
    ring.step(1, core.Received(NETWORK, Heartbeat(2, 1, 10**6, ())))
    assert ring.nodes[1].alive == {1}


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
    assert len(ring.halted) < 4, "somebody stays"
    ring.run(2_000)
    for number in sorted(ring.halted):
        assert "asymmetric topology" in ring.halted.pop(number)
        ring.boot(number, incarnation=2)
    ring.run(2_000)
    assert ring.views() == [frozenset({1, 2, 3, 4})] * 4


def test_tunables_have_their_ranges() -> None:
    assert tunables.TUNABLES["node_timeout"].fault("30000") is None
    for value in ("9999", "600001", "x", "-1", ""):
        assert tunables.TUNABLES["node_timeout"].fault(value)
    assert tunables.TUNABLES["deadman_mode"].fault("z")
    assert tunables.seconds((("network_fdt", "5000"),), "network_fdt") == 5.0


def test_a_path_that_is_cut_in_one_direction_is_cut() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.one_way.add((1, 2))
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.views() == [frozenset({1}), frozenset({2})], "also the one that hears the other knows of the cut"
    assert not ring.nodes[1].up_paths(ring.now), "nothing is sent where nobody hears"
    ring.one_way.clear()
    ring.run(1_000)
    assert ring.views() == [frozenset({1, 2})] * 2


@pytest.mark.parametrize("one_way", [{(1, 2)}, {(2, 1)}, {(1, 2), (2, 1)}])
def test_nodes_that_only_a_third_one_joins_do_not_stay_both(one_way: set[tuple[int, int]]) -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.one_way |= one_way
    ring.run(2 * TIMEOUT + 6 * BEAT)
    assert list(ring.halted) == [2]
    assert "asymmetric topology" in ring.halted[2]
    ring.run(TIMEOUT + DELAY + 4 * BEAT)
    assert ring.views() == [frozenset({1, 3})] * 2


def test_the_node_with_the_fewest_contacts_goes() -> None:
    ring = Ring(4)
    ring.run(1_000)
    ring.one_way |= {(1, 2), (3, 1)}
    ring.run(2 * TIMEOUT + 6 * BEAT)
    assert list(ring.halted) == [1]


def test_a_crash_beside_an_odd_network_halts_nobody() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.crash(3)
    ring.run(3 * (TIMEOUT + DELAY))
    assert not ring.halted
    ring.boot(3, incarnation=2)
    ring.run(3 * (TIMEOUT + DELAY))
    assert not ring.halted
    assert ring.views() == [frozenset({1, 2, 3})] * 3


def test_a_contact_with_everybody_is_told_in_no_more_words() -> None:
    ring = Ring(4)
    ring.run(1_000)
    for heartbeat in ring.sectors.values():
        assert (heartbeat.deaf, heartbeat.rows) == (0, ())


def test_group_services_that_fall_silent_with_critical_clients_end_the_node() -> None:
    ring = Ring(2)
    ring.run(1_000)
    machine = ring.nodes[1]
    patience = machine.settings.group_services_us if machine.settings else 0
    ring.step(1, core.GroupServicesTurn(True))
    ring.run(30 * BEAT)
    ring.step(1, core.GroupServicesTurn(True))
    assert not ring.halted
    for _ in range(patience // BEAT - 1):
        ring.step(1, core.GroupServicesTurn(True))
        ring.run(BEAT)
    ring.step(1, core.GroupServicesTurn(False))
    ring.run(2_000)
    assert not ring.halted, "nobody depends on them"
    ring.step(1, core.GroupServicesTurn(True))
    ring.run(patience + 2 * BEAT)
    assert ring.halted == {1: core.CRITICAL_RESOURCE_PROTECTION}


class Asked(Ring):
    """Split policy manual: an operator answers."""

    def __init__(self, count: int) -> None:
        self.questions: dict[int, frozenset[int] | None] = {}
        super().__init__(count)

    def boot(self, number: int, incarnation: int, **options: object) -> None:
        super().boot(number, incarnation, arbitrate=True, **options)

    def arbitrate(self, number: int, side: frozenset[int]) -> None:
        self.questions[number] = side

    def withdraw(self, number: int) -> None:
        self.questions[number] = None

    def answer(self, number: int, go_on: bool) -> None:
        side = self.questions.pop(number)
        assert side is not None
        self.step(number, core.Arbitrated(side, go_on, True))


def test_nobody_is_dead_until_an_operator_has_decided() -> None:
    ring = Asked(4)
    ring.run(1_000)
    for one in (1, 2):
        for other in (3, 4):
            ring.cut.add(frozenset({one, other}))
            ring.disk_cut.add(frozenset({one, other}))
    ring.run(5 * (TIMEOUT + DELAY))
    assert ring.questions == {1: {1, 2}, 2: {1, 2}, 3: {3, 4}, 4: {3, 4}}
    assert ring.views() == [frozenset({1, 2, 3, 4})] * 4
    ring.answer(4, False)
    ring.run(2 * BEAT)
    assert sorted(ring.halted) == [3, 4], "an answer counts for the whole side"
    ring.answer(1, True)
    ring.run(2 * (TIMEOUT + DELAY))
    assert ring.views() == [frozenset({1, 2})] * 2
    assert not ring.questions.get(2), "the other node of the side needs no answer any more"


def test_a_split_that_heals_needs_no_answer() -> None:
    ring = Asked(2)
    ring.run(1_000)
    ring.isolate(2, disk=True)
    ring.run(2 * (TIMEOUT + DELAY))
    stale = ring.questions[2]
    assert stale == {2}
    ring.cut.clear()
    ring.disk_cut.clear()
    ring.run(1_000)
    assert ring.questions == {1: None, 2: None}
    ring.step(2, core.Arbitrated(stale, False, True))
    assert not ring.halted, "an answer that comes too late is none"
    assert ring.views() == [frozenset({1, 2})] * 2


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


def test_a_path_whose_other_end_is_down_is_down_at_once() -> None:
    """Both ends must take the same path: what is put on the disk is not looked for while a network seems to be up."""
    ring = Ring(2)
    ring.run(1_000)
    ring.step(2, core.Links(frozenset()))
    ring.isolate(2, disk=False)
    ring.run(4 * BEAT)
    assert ring.now < 1_000 + FDT, "long before it would be missed"
    assert (1, NETWORK) not in ring.nodes[2].up_paths(ring.now)
    assert (2, NETWORK) not in ring.nodes[1].up_paths(ring.now)
    assert (2, DISK_PATH) in ring.nodes[1].up_paths(ring.now)
    assert ring.views() == [frozenset({1, 2})] * 2


def network_up(ring: Ring, node: int, other: int) -> bool:
    return (other, NETWORK) in ring.nodes[node].up_paths(ring.now)


def test_a_network_that_is_cut_in_one_direction_is_down_at_both_ends() -> None:
    """The deaf end says so over the disk: who is not heard would go on to use the network, and lose what it sends."""
    ring = Ring(2)
    ring.run(1_000)
    assert network_up(ring, 1, 2)
    assert network_up(ring, 2, 1)
    ring.network_one_way.add((1, 2))
    ring.run(FDT + 3 * BEAT)
    assert not network_up(ring, 1, 2)
    assert not network_up(ring, 2, 1)
    assert ring.views() == [frozenset({1, 2})] * 2, "the disk is left"
    ring.network_one_way.clear()
    ring.run(3 * BEAT)
    assert network_up(ring, 1, 2)
    assert network_up(ring, 2, 1)
    assert "CONNECT_DOWN" in [event.kind for event in ring.events[1]]


def test_letters_arrive_whatever_the_receiver_thinks_of_the_networks() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.network_one_way.add((1, 2))
    ring.step(2, core.Post(1, b"from the deaf end"))
    ring.step(1, core.Post(2, b"from the other"))
    ring.run(2 * BEAT)
    assert ring.delivered == {1: [b"from the deaf end"], 2: [b"from the other"]}
    ring.step(1, core.Post(2, bytes(RELAY_MAX + 1)))
    ring.step(1, core.Post(7, b"to nobody"))
    assert not ring.mail


def test_a_letter_lives_no_longer_than_a_datagram() -> None:
    ring = Ring(2)
    ring.run(1_000)
    ring.step(1, core.Post(2, b"to a life that ends"))
    to_former_life = ring.mail.pop(2)
    ring.crash(2)
    ring.run(10 * BEAT)
    ring.boot(2, incarnation=2)
    ring.run(5 * BEAT)
    ring.step(2, core.DiskSeen((), tuple(to_former_life)))
    ring.step(1, core.Post(2, b"waits for too long"))
    waiting = ring.mail.pop(2)
    ring.run(BEAT)
    ring.step(2, core.DiskSeen((), tuple(waiting)))
    assert ring.delivered == {2: [b"waits for too long"]}, "not yet"
    ring.run((core.LETTER_BEATS + 1) * BEAT)
    ring.step(2, core.DiskSeen((), tuple(waiting)))
    ring.step(1, core.Post(2, b"of a life that ends"))
    of_former_life = ring.mail.pop(2)
    ring.crash(1)
    ring.boot(1, incarnation=2)
    ring.run(5 * BEAT)
    ring.step(2, core.DiskSeen((), tuple(of_former_life)))
    assert ring.delivered == {2: [b"waits for too long"]}


def test_who_does_not_hear_whom_is_known_to_all() -> None:
    ring = Ring(3)
    ring.run(1_000)
    assert all(picture.apart == frozenset() for picture in ring.pictures.values())
    ring.crash(3)
    ring.run(TIMEOUT + DELAY + 2 * BEAT)
    assert ring.pictures[1].apart == frozenset()
    ring.one_way.add((1, 3))
    ring.boot(3, incarnation=2)
    ring.run(4 * BEAT)
    assert ring.views() == [frozenset({1, 2, 3})] * 3, "node 2 is in contact with both"
    assert {picture.apart for picture in ring.pictures.values()} == {frozenset({(1, 3)})}
    ring.one_way.clear()
    ring.run(3 * BEAT)
    assert {picture.apart for picture in ring.pictures.values()} == {frozenset()}
    assert not ring.halted


def test_a_contact_of_somebody_else_has_the_contacts_of_that_one_unless_listed() -> None:
    """Heartbeats leave out the contacts that are as their sender's."""
    ring = Ring(4)
    ring.run(1_000)
    ring.one_way |= {(1, 4), (4, 1)}
    ring.run(TIMEOUT + 2 * BEAT)
    for number in (1, 2, 3, 4):
        assert ring.pictures[number].apart == frozenset({(1, 4)}), number


def adapter_events(ring: Ring, of: int) -> list[tuple[str, int]]:
    return [(e.kind, e.node) for e in ring.events[of] if e.kind.startswith("ADAPTER")]


def reconfigured(ring: Ring, **changes: object) -> None:
    for node, machine in ring.nodes.items():
        assert machine.settings is not None
        ring.step(node, core.Configure(replace(machine.settings, **changes)))


def cut_network(ring: Ring, one: set[int], other: set[int]) -> None:
    ring.network_one_way = {(a, b) for a in one for b in other} | {(b, a) for a in one for b in other}


@pytest.mark.parametrize("monitored", [True, False])
def test_an_interface_that_hears_nobody_while_others_hear_each_other_is_down(monitored: bool) -> None:
    ring = Ring(3)
    reconfigured(ring, traffic_monitor=monitored)
    ring.run(1_000)
    cut_network(ring, {1}, {2, 3})
    ring.run(FDT)
    assert adapter_events(ring, 1) == [], "network_fdt and some beats"
    ring.run(TIMEOUT)
    down = {(1, NETWORK)} if monitored else set()
    for node in (1, 2, 3):
        assert ring.pictures[node].interfaces_down == down
        assert adapter_events(ring, node) == ([("ADAPTER_DOWN", 1)] if monitored else [])
        assert ring.pictures[node].alive == {1, 2, 3}, "the disk is left"
    ring.network_one_way.clear()
    ring.run(5 * BEAT)
    for node in (1, 2, 3):
        assert ring.pictures[node].interfaces_down == set()
        assert adapter_events(ring, node) == ([("ADAPTER_DOWN", 1), ("ADAPTER_UP", 1)] if monitored else [])


def test_an_interface_that_only_speaks_hears_nobody() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.network_one_way = {(2, 1), (3, 1)}
    ring.run(2 * TIMEOUT)
    assert ring.pictures[2].interfaces_down == {(1, NETWORK)}


@pytest.mark.parametrize(
    ("count", "one", "other"),
    [(2, {1}, {2}), (4, {1, 2}, {3, 4}), (3, {1}, {2})],
    ids=["of two nobody can say who it is", "both halves hear somebody", "the third hears both"],
)
def test_an_interface_is_not_down_without_witnesses(count: int, one: set[int], other: set[int]) -> None:
    ring = Ring(count)
    ring.run(1_000)
    cut_network(ring, one, other)
    ring.run(3 * TIMEOUT)
    assert [adapter_events(ring, node) for node in ring.nodes] == [[]] * count


def test_a_switch_that_fails_takes_no_interface_down() -> None:
    ring = Ring(3)
    ring.run(1_000)
    cut_network(ring, {1, 2, 3}, {1, 2, 3})
    ring.run(3 * TIMEOUT)
    assert [adapter_events(ring, node) for node in ring.nodes] == [[]] * 3


def test_a_crash_of_all_others_takes_no_interface_down() -> None:
    ring = Ring(3)
    ring.run(1_000)
    ring.crash(2)
    ring.crash(3)
    ring.run(3 * TIMEOUT)
    assert ring.pictures[1].alive == {1}
    assert adapter_events(ring, 1) == []


def test_a_silent_interface_whose_link_goes_is_down_once() -> None:
    ring = Ring(3)
    ring.run(1_000)
    cut_network(ring, {1}, {2, 3})
    ring.run(2 * TIMEOUT)
    ring.step(1, core.Links(frozenset()))
    ring.run(5 * BEAT)
    assert adapter_events(ring, 1) == adapter_events(ring, 2) == [("ADAPTER_DOWN", 1)]
    ring.network_one_way.clear()
    ring.step(1, core.Links(frozenset({NETWORK})))
    ring.run(5 * BEAT)
    assert adapter_events(ring, 1) == adapter_events(ring, 2) == [("ADAPTER_DOWN", 1), ("ADAPTER_UP", 1)]


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


def test_multicast_stays_at_the_site_and_another_one_gets_unicast() -> None:
    machine = core.Membership()
    settings = core.Settings(
        1, 1, frozenset({1, 2, 3}), (NETWORK,), BEAT, TIMEOUT, DELAY, FDT, multicast=True, remote=frozenset({3})
    )
    effects = machine.step(0, core.Configure(settings))
    assert [e.node for e in effects if isinstance(e, core.Send)] == [core.EVERYBODY, 3]
