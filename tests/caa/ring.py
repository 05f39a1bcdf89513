"""CAA's cores in virtual time, joined by a network and a repository disk."""

from __future__ import annotations

import random

from daemons.caa import core
from daemons.caa.messages import Heartbeat, Letter, heartbeat_codec
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
