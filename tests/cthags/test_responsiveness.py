"""Clients that do not respond: probes and counters, who is killed, what the others are told; leaders die in between."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import msgspec
import pytest
from ring import VOTED, Ring
from test_gsapi import Program
from test_service import Pair

from daemons.cthags.counter import CounterReader, ResponsivenessCounter
from daemons.cthags.gsapi import Callbacks, GroupServicesError, GroupServicesInterface, Responsiveness
from daemons.cthags.messages import (
    Alive,
    Announcement,
    Approved,
    ClientStatus,
    Disarm,
    GroupAttributes,
    Init,
    Join,
    Leave,
    Merge,
    Notification,
    NPhase,
    Provider,
    ProviderMessage,
    Request,
    ResponsivenessProbe,
    Summary,
    Vote,
)

SECOND_US = 1_000_000
NO_RESPONSE: tuple[Summary, ...] = ("responsiveness_no_response",)
RESPONSE: tuple[Summary, ...] = ("responsiveness_response",)


def answering(ring: Ring, *deaf: tuple[int, int]) -> None:
    """All clients vote and answer probes, but for ``deaf`` ones, which only vote."""

    def answer(node: int, client: int, notification: Notification) -> Request | None:
        match notification:
            case NPhase(group, token):
                return Vote(group, token, "approve")
            case ResponsivenessProbe(serial) if (node, client) not in deaf:
                return Alive(serial)
        return None

    ring.automatic = answer


def group_of(nodes: int, critical: bool = False, counter: int | None = None) -> Ring:
    """A client on each node, checked every ten seconds with a limit of five, all in a group."""
    ring = Ring(nodes)
    answering(ring)
    ring.start(*ring.numbers)
    assert ring.run_until(lambda: ring.agreed(*ring.numbers))
    for node in ring.numbers:
        init = Init("program", 100 + node, 10 * SECOND_US, 5 * SECOND_US, critical, counter=counter)
        ring.request(node, 1, init)
        ring.request(node, 1, Join("G", VOTED))
        ring.run(0.5)
    return ring


def announced(ring: Ring, node: int, client: int = 1) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    return [
        (entry.summary, tuple(provider.node for provider in entry.providers))
        for entry in ring.seen[node, client]
        if isinstance(entry, Announcement)
    ]


def probes(ring: Ring, node: int) -> list[ResponsivenessProbe]:
    return [entry for entry in ring.seen.get((node, 1), []) if isinstance(entry, ResponsivenessProbe)]


def status(ring: Ring, node: int) -> ClientStatus:
    return next(client for client in ring.cores[node].status().clients if client.number == 1)


def members(ring: Ring, node: int) -> list[int]:
    return [provider.node for provider in ring.cores[node].status().groups[0].providers]


def test_the_others_are_told_of_a_client_that_does_not_answer_and_that_it_does_again() -> None:
    ring = group_of(3)
    ring.run(30)
    assert announced(ring, 1) == []
    answering(ring, (2, 1))
    ring.run(20)
    assert announced(ring, 1) == announced(ring, 3) == [(NO_RESPONSE, (2,))]
    assert announced(ring, 2) == [], "not whom it is about"
    assert members(ring, 1) == [1, 2, 3], "what is to be done about it is for the group to say"
    assert not ring.killed
    assert status(ring, 2).silent
    unanswered = probes(ring, 2)[-1]
    ring.run(60)
    assert probes(ring, 2)[-1] == unanswered, "no probe is heaped on an unanswered one"
    ring.request(2, 1, Alive(unanswered.serial))
    ring.run(1)
    answering(ring)
    assert announced(ring, 1) == announced(ring, 3) == [(NO_RESPONSE, (2,)), (RESPONSE, (2,))]
    ring.run(60)
    assert len(announced(ring, 1)) == 2
    shown = status(ring, 2)
    assert (shown.bad, shown.silent) == (1, False)
    assert shown.late == 1, "the answer came after the first tick"


def test_a_client_that_says_that_it_is_not_well_does_not_respond() -> None:
    ring = group_of(2)
    answering(ring, (2, 1))
    for expected in (NO_RESPONSE, None, RESPONSE):
        count = len(probes(ring, 2))
        assert ring.run_until(lambda count=count: len(probes(ring, 2)) > count, 20)
        serial = probes(ring, 2)[-1].serial
        before = len(announced(ring, 1))
        ring.request(2, 1, Alive(serial, well=expected == RESPONSE))
        ring.run(0.1)
        assert announced(ring, 1)[before:] == ([(expected, (2,))] if expected else []), "told once"
    assert status(ring, 2).bad == 2


@pytest.mark.parametrize("well", [False, None])
def test_a_critical_client_that_does_not_respond_is_killed(well: bool | None) -> None:
    ring = group_of(2, critical=True)
    answering(ring, (2, 1))
    if well is not None:
        count = len(probes(ring, 2))
        assert ring.run_until(lambda: len(probes(ring, 2)) > count, 20)
        ring.request(2, 1, Alive(probes(ring, 2)[-1].serial, well))
    assert ring.run_until(lambda: bool(ring.killed), 30)
    node, effect = ring.killed[0]
    assert (node, effect.pid, effect.kill) == (2, 102, True)
    ring.run(1)
    assert members(ring, 1) == [1]
    assert announced(ring, 1) == [], "its end is a failure leave"


def test_a_critical_client_is_not_killed_where_an_operator_has_said_so() -> None:
    ring = group_of(2, critical=True)
    ring.request(2, 77, Disarm(client_kill=True))
    answering(ring, (2, 1))
    ring.run(60)
    assert not ring.killed
    assert announced(ring, 1) == [(NO_RESPONSE, (2,))], "the others are told as of any client"
    assert members(ring, 1) == [1, 2]


def test_a_counter_must_move_within_the_limit() -> None:
    ring = group_of(2, counter=3)
    for value in range(1, 9):
        ring.counters[2, 1] = bytes((value,))
        ring.counters[1, 1] = bytes((value,))
        ring.run(10)
    assert announced(ring, 1) == []
    assert not any(isinstance(entry, ResponsivenessProbe) for entry in ring.seen[1, 1])
    for step in range(6):
        ring.counters[1, 1] = bytes((100 + step,))
        ring.run(5)
    assert announced(ring, 1) == [(NO_RESPONSE, (2,))]
    bad = status(ring, 2).bad
    ring.counters[2, 1] = b"\xff"
    ring.run(15)
    assert announced(ring, 1) == [(NO_RESPONSE, (2,)), (RESPONSE, (2,))]
    assert bad >= 1
    ring.counters[2, 1] = None  # it cannot be read any more
    ring.counters[1, 1] = b"\xfe"
    ring.run(20)
    assert announced(ring, 1)[2:3] == [(NO_RESPONSE, (2,))]


def test_who_joins_later_knows_who_does_not_respond() -> None:
    ring = group_of(2)
    answering(ring, (2, 1))
    ring.run(20)
    assert ring.cores[1].describe()["groups"]["G"]["silent"] == ["[1/2]"]  # type: ignore[index]
    ring.join(1, 2, "G", VOTED)
    ring.run(0.5)
    ring.request(2, 1, Alive(probes(ring, 2)[-1].serial))
    ring.run(0.5)
    assert announced(ring, 1, 2) == [(RESPONSE, (2,))]
    answering(ring, (2, 1))
    ring.run(20)
    ring.request(1, 1, ProviderMessage("G", b"it still votes", "n"))
    ring.run(0.5)
    assert isinstance(ring.last(1, 1), Approved)
    ring.request(2, 1, Leave("G"))
    ring.run(0.5)
    assert ring.cores[1].describe()["groups"]["G"]["silent"] == []  # type: ignore[index]


def test_the_leader_dies_after_any_number_of_steps_of_an_announcement() -> None:
    """It is made once, whether the old leader or the new one makes it."""
    for steps in range(24):
        ring = group_of(3)
        ring.request(2, 2, Init("other", 7))
        answering(ring, (2, 1))
        assert ring.run_until(lambda ring=ring: status(ring, 2).silent, 30)
        counted = iter(range(steps))
        ring.run_until(lambda counted=counted: next(counted, None) is None, 1.0)
        ring.crash(1)
        assert ring.run_until(lambda ring=ring: ring.agreed(2, 3)), f"{steps} steps: no view"
        ring.run(2)
        assert announced(ring, 3).count((NO_RESPONSE, (2,))) == 1, f"{steps} steps"
        pictures = [core.describe()["groups"]["G"] for core in ring.cores.values()]  # type: ignore[index]
        assert pictures[0] == pictures[1]
        assert pictures[0]["silent"] == ["[1/2]"]


def test_a_provider_of_a_group_that_outlives_a_merge_is_told() -> None:
    ring = Ring(3)
    answering(ring)
    ring.start(1, 2, 3)
    assert ring.run_until(lambda: ring.agreed(1, 2, 3))
    for node in (1, 2, 3):
        ring.join(node, 1, "kept", msgspec.structs.replace(VOTED, merge="dontcare"))
        ring.join(node, 2, "ended", VOTED)
        ring.run(1)
    ring.partition((1, 2), (3,))
    assert ring.run_until(lambda: ring.agreed(1, 2) and ring.agreed(3), 120)
    former = next(entry for entry in ring.seen[3, 1] if isinstance(entry, Approved)).self_provider
    ring.heal()
    assert ring.run_until(lambda: ring.agreed(1, 2, 3), 120)
    ring.run(5)
    merges = [entry for entry in ring.seen[3, 1] if isinstance(entry, Merge)]
    joined = [entry for entry in ring.seen[3, 1] if isinstance(entry, Approved)][-1]
    assert merges == [Merge("kept", former, joined.self_provider)]
    assert not any(isinstance(entry, Merge) for key in ((1, 1), (2, 1), (3, 2)) for entry in ring.seen[key])


# Over sockets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    nodes = Pair(tmp_path)
    await nodes.start()
    yield nodes
    await nodes.stop()


async def both(pair: Pair, **options: object) -> tuple[Program, Program]:
    watched, other = await Program().init(pair, 1, **options), await Program().init(pair, 2)
    for program in (watched, other):
        program.gs.join("G", GroupAttributes("n", default_vote="approve"), program.callbacks)
        await program.approved("join")
    return watched, other


def no_response(entry: object) -> bool:
    return entry == Announcement("G", NO_RESPONSE, (Provider(1, 1),))


def response(entry: object) -> bool:
    return entry == Announcement("G", RESPONSE, (Provider(1, 1),))


async def test_a_program_that_says_it_is_not_well_is_announced(pair: Pair) -> None:
    well = True
    sick, other = await both(pair, checks=Responsiveness(50_000, 100_000), responsiveness=lambda: well)
    well = False
    await other.until(no_response)
    well = True
    await other.until(response)
    sick.gs.quit()
    other.gs.quit()


async def test_a_program_whose_counter_stands_still_is_announced(pair: Pair) -> None:
    counter = ResponsivenessCounter()
    watched, other = await both(pair, checks=Responsiveness(50_000, 250_000, counter))
    moving = True

    async def count() -> None:
        while True:
            if moving:
                counter.advance()
            await asyncio.sleep(0.01)

    counting = asyncio.ensure_future(count())
    await asyncio.sleep(0.2)
    assert not any(no_response(entry) for entry in other.told)
    moving = False
    await other.until(no_response)
    moving = True
    await other.until(response)
    assert not any(isinstance(entry, ResponsivenessProbe) for entry in watched.told)
    counting.cancel()
    watched.gs.quit()
    other.gs.quit()
    counter.close()


def test_what_is_no_counter_is_not_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    for descriptor in (reading, writing, 9999):
        with pytest.raises(OSError):
            CounterReader(os.getpid(), descriptor)
    os.close(reading)
    os.close(writing)
    counter = ResponsivenessCounter()
    reader = CounterReader(os.getpid(), counter.descriptor)
    before = reader.read()
    counter.advance()
    assert before != reader.read()
    counter.close()
    assert reader.read() is not None, "the client's descriptor is not needed any more"
    reader.close()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"checks": Responsiveness(1000, 0)}, "HA_GS_BAD_PARAMETER"),
        ({"checks": Responsiveness(0, 1000)}, "HA_GS_BAD_PARAMETER"),
        ({"query": lambda: None}, "HA_GS_NOT_SUPPORTED"),
    ],
)
async def test_what_init_refuses(pair: Pair, options: dict[str, object], code: str) -> None:
    with pytest.raises(GroupServicesError) as refused:
        await GroupServicesInterface.init(pair.roots[0], "program", **options)  # type: ignore[arg-type]
    assert refused.value.code == code


async def test_the_merge_callback_gets_the_new_provider() -> None:
    told: list[tuple[int, Merge]] = []

    class Services:
        node = 1

        def send(self, request: Request) -> None:
            pass

        async def receive(self) -> Notification:
            return Merge("G", Provider(1, 1), Provider(1, 2))

    gs = GroupServicesInterface(Services())  # type: ignore[arg-type]
    token = gs.join("G", VOTED, Callbacks(merge=lambda token, merge: told.append((token, merge))))
    await gs.dispatch()
    assert told == [(token, Merge("G", Provider(1, 1), Provider(1, 2)))]
    with pytest.raises(GroupServicesError) as refused:
        gs.get_ffdc_id()
    assert refused.value.code == "HA_GS_NOT_SUPPORTED"
