"""Group Services arm caa's dead man's switch while a critical client depends on them, and set it with every beat."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from daemons.cthags.inputs import DeadMansSwitch, Effect, Send
from daemons.cthags.messages import Disarm, DomainStatus, GroupAttributes, Init, Join, Leave
from daemons.cthags.wire import Data

sys.path.insert(0, str(Path(__file__).parent))

from ring import Ring


class Watching(Ring):
    """Notes what caa is told."""

    def __init__(self, nodes: int) -> None:
        self.told: dict[int, list[tuple[int, bool]]] = {}
        super().__init__(nodes)

    def carry_out(self, node: int, effects: list[Effect]) -> None:
        kinds = [type(effect) for effect in effects]
        if DeadMansSwitch in kinds:
            assert kinds[0] is DeadMansSwitch, "caa hears it before anybody else hears anything"
        for effect in effects:
            if isinstance(effect, DeadMansSwitch):
                self.told.setdefault(node, []).append((self.now, effect.armed))
        super().carry_out(node, effects)


def test_a_critical_provider_arms_it_before_its_join_leaves_the_node() -> None:
    ring = Watching(2)
    ring.start(1, 2)
    assert ring.run_until(lambda: ring.agreed(1, 2))
    ring.request(2, 7, Init("plain", 11))
    ring.request(2, 7, Join("G", GroupAttributes()))
    ring.request(2, 8, Init("clstrmgr", 12, critical=True))
    ring.run(20)
    assert not ring.told, "a critical client that is in no group holds nothing"
    sent: list[Effect] = []
    original = ring.carry_out

    def note(node: int, effects: list[Effect]) -> None:
        sent.extend(effects)
        original(node, effects)

    ring.carry_out = note  # type: ignore[method-assign]
    ring.request(2, 8, Join("G", GroupAttributes()))
    kinds = [type(e.packet) if isinstance(e, Send) else type(e) for e in sent]
    assert kinds.index(DeadMansSwitch) < kinds.index(Data)
    ring.run(60)
    assert len(ring.told[2]) >= 12
    assert all(armed for _, armed in ring.told[2])
    times = [at for at, _ in ring.told[2]]
    assert max(b - a for a, b in itertools.pairwise(times)) <= ring.settings.beat_us
    assert 1 not in ring.told


def test_an_operator_disarms_it_for_the_life_of_the_daemon() -> None:
    ring = Watching(1)
    ring.start(1)
    assert ring.run_until(lambda: ring.agreed(1))
    ring.request(1, 1, Init("clstrmgr", 11, critical=True))
    ring.request(1, 1, Join("G", GroupAttributes()))
    ring.run(10)
    assert ring.cores[1].status().dead_mans_switch
    ring.request(1, 77, Disarm(client_kill=True))
    ring.run(10)
    assert ring.told[1][-1][1], "that is another matter"
    ring.request(1, 77, Disarm(dead_mans_switch=True))
    answer = ring.last(1, 77)
    assert isinstance(answer, DomainStatus)
    assert (answer.dead_mans_switch, answer.kills_clients) == (False, False)
    assert not ring.told[1][-1][1]
    count = len(ring.told[1])
    ring.request(1, 2, Init("clstrmgr", 12, critical=True))
    ring.request(1, 2, Join("G", GroupAttributes()))
    ring.run(60)
    assert len(ring.told[1]) == count


def test_it_is_disarmed_when_the_last_critical_provider_is_gone() -> None:
    ring = Watching(1)
    ring.start(1)
    assert ring.run_until(lambda: ring.agreed(1))
    for client in (1, 2):
        ring.request(1, client, Init("clstrmgr", 10 + client, critical=True))
        ring.request(1, client, Join("G", GroupAttributes()))
    ring.run(10)
    ring.gone(1, 1)
    ring.run(10)
    assert ring.told[1][-1][1]
    ring.request(1, 2, Leave("G"))
    ring.run(10)
    assert not ring.told[1][-1][1]
    count = len(ring.told[1])
    ring.run(60)
    assert len(ring.told[1]) == count
