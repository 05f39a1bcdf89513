"""Monitor files: a read blocks until the event, one read returns all of it, and what was asked for is obeyed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemons.caa import aha
from daemons.caa.messages import Event, Membership, Node
from srcctl.node.root import NodeRoot

NODES = (
    Node(1, "nodea", "dce3a808-9991-11df-aa80-0245c0004002", ()),
    Node(2, "nodeb", "0f079e8c-8011-11df-0000-000000000000", ()),
)
MEMBERSHIP = Membership(1, 1, (1, 2), NODES, (), True, "c", "22a3bfae-9cc6-11df-a9b8-0245c0002004")
FILE = aha.monitor_file("cluster/nodeState")
DEADLINE = 30.0


@pytest.fixture
async def producers(tmp_path: Path) -> AsyncIterator[aha.EventProducers]:
    made = aha.EventProducers(NodeRoot(str(tmp_path)))
    made.clear()
    made.appear()
    yield made
    made.close()


def down(node: int) -> Event:
    return Event(0, "NODE_DOWN", node, "", 1271933757_134003703)


async def registered(producers: aha.EventProducers, root: Path, words: str) -> int:
    """Open the nodeState monitor file and write ``words``; returns when they have been read."""
    terminal, taken = producers._files["cluster/nodeState"].spare, asyncio.Event()
    told = terminal._registered
    terminal._registered = lambda one: (told(one), taken.set())[0]
    descriptor = os.open(root / FILE[1:], os.O_RDWR | os.O_NOCTTY)
    os.write(descriptor, words.encode())
    async with asyncio.timeout(DEADLINE):
        await taken.wait()
    return descriptor


def backlog(producers: aha.EventProducers) -> int:
    (consumer,) = producers._files["cluster/nodeState"].consumers
    return len(consumer._waiting)


async def read(descriptor: int) -> str:
    async with asyncio.timeout(DEADLINE):
        return (await asyncio.to_thread(os.read, descriptor, 4096)).decode()


async def test_a_read_blocks_until_the_event_and_returns_all_of_it(
    tmp_path: Path, producers: aha.EventProducers
) -> None:
    descriptor = await registered(producers, tmp_path, "CHANGED=YES;CLUSTER=YES;WAIT_TYPE=WAIT_IN_READ")
    reading = asyncio.ensure_future(read(descriptor))
    await asyncio.sleep(0)
    assert not reading.done()
    producers.deliver(down(1), MEMBERSHIP)
    assert await reading == (
        "BEGIN_EVENT_INFO\nTIME_tvsec=1271933757\nTIME_tvnsec=134003703\nSEQUENCE_NUM=0\nRC_FROM_EVPROD=0\n"
        "BEGIN_EVPROD_INFO\nEVENT_TYPE=NODE_DOWN\nNODE_NUMBER=1\n"
        "NODE_ID=0xDCE3A808999111DFAA800245C0004002\nCLUSTER_ID=0x22A3BFAE9CC611DFA9B80245C0002004\n"
        "END_EVPROD_INFO\nEND_EVENT_INFO\n"
    )
    assert await read(descriptor) == "", "one event was asked for: cat ends"
    os.close(descriptor)


async def test_only_what_comes_after_the_registration_counts(tmp_path: Path, producers: aha.EventProducers) -> None:
    descriptor = await registered(producers, tmp_path, "CHANGED=YES NOTIFY_CNT=-1")
    producers.deliver(down(1), MEMBERSHIP)
    os.close(descriptor)
    descriptor = await registered(producers, tmp_path, "CHANGED=YES NOTIFY_CNT=-1 INFO_LVL=1\n")
    producers.deliver(down(1), MEMBERSHIP)
    producers.deliver(down(2), MEMBERSHIP)
    producers.deliver(down(1), MEMBERSHIP)
    one, two = await read(descriptor), await read(descriptor)
    assert "SEQUENCE_NUM=0" in one, "counted from the registration"
    assert "SEQUENCE_NUM=1" in two, "without CLUSTER=YES events of other nodes are none"
    assert "EVPROD_INFO" not in one + two
    os.close(descriptor)


async def test_consumers_that_have_registered_do_not_share(tmp_path: Path, producers: aha.EventProducers) -> None:
    first = await registered(producers, tmp_path, "CHANGED=YES;CLUSTER=YES;NOTIFY_CNT=-1")
    second = await registered(producers, tmp_path, "CHANGED=YES")
    producers.deliver(down(2), MEMBERSHIP)
    producers.deliver(down(1), MEMBERSHIP)
    texts = [await read(first), await read(first)]
    assert ["NODE_NUMBER=2" in texts[0], "SEQUENCE_NUM=1" in texts[1]] == [True, True]
    alone = await read(second)
    assert ["NODE_NUMBER=1" in alone, "SEQUENCE_NUM=0" in alone] == [True, True]
    file, closed = producers._files["cluster/nodeState"], asyncio.Event()
    for consumer in file.consumers:
        consumer._gone = lambda one: (file._gone(one), closed.set())[0]
    os.close(second)
    async with asyncio.timeout(DEADLINE):
        await closed.wait()
    assert len(file.consumers) == 1
    os.write(first, b"CHANGED=NO\n")
    assert "RC_FROM_EVPROD=22\n" in await read(first), "its own registration is the one that it replaces"
    os.close(first)


async def test_the_second_of_two_ends_the_reading(tmp_path: Path, producers: aha.EventProducers) -> None:
    descriptor = await registered(producers, tmp_path, "CHANGED=YES;CLUSTER=YES;NOTIFY_CNT=2")
    for node in (1, 2, 1):
        producers.deliver(down(node), MEMBERSHIP)
    assert ["NODE_NUMBER=1" in await read(descriptor), "NODE_NUMBER=2" in await read(descriptor)] == [True, True]
    assert await read(descriptor) == ""
    os.close(descriptor)


async def test_a_consumer_that_does_not_read_loses_events_and_is_told(
    tmp_path: Path, producers: aha.EventProducers
) -> None:
    descriptor = await registered(producers, tmp_path, "CHANGED=YES;CLUSTER=YES;NOTIFY_CNT=-1;BUF_SIZE=2048")
    for _ in range(1_000):
        producers.deliver(down(1), MEMBERSHIP)
    assert backlog(producers) < aha.BACKLOG + 1_000
    seen = 0
    while (event := await read(descriptor)).startswith("BEGIN_EVENT_INFO"):
        assert f"SEQUENCE_NUM={seen}\n" in event, "what is kept is whole and in order"
        seen += 1
        if not backlog(producers):
            producers.deliver(down(1), MEMBERSHIP)
    assert event.startswith("EVENT_OVERFLOW\n")
    assert "SEQUENCE_NUM=1000\n" in event
    assert 100 < seen < 1_000
    os.close(descriptor)


@pytest.mark.parametrize("words", ["", "nonsense", "CHANGED=NO", "CLUSTER=YES", "THRESHOLD_HI=80", "\x00\xff" * 50])
async def test_a_bad_registration_is_answered_by_its_error(
    tmp_path: Path, producers: aha.EventProducers, words: str
) -> None:
    descriptor = await registered(producers, tmp_path, words + "\n")
    assert "RC_FROM_EVPROD=22\n" in await read(descriptor)
    producers.deliver(down(1), MEMBERSHIP)
    assert await read(descriptor) == ""
    os.close(descriptor)


async def test_the_end_of_the_cluster_is_an_event(tmp_path: Path, producers: aha.EventProducers) -> None:
    descriptor = await registered(producers, tmp_path, "CHANGED=YES")
    reading = asyncio.ensure_future(read(descriptor))
    await asyncio.sleep(0.05)
    producers.cease()
    assert "RC_FROM_EVPROD=-1\n" in await reading
    assert not os.path.lexists(tmp_path / FILE[1:])
    os.close(descriptor)


def test_the_text_of_an_event_is_the_documented_one() -> None:
    event = Event(1, "REP_UP", 2, "hdisk2", 1271933757_134003703)
    assert aha.text(event, MEMBERSHIP, 1) == (
        "BEGIN_EVENT_INFO\nTIME_tvsec=1271933757\nTIME_tvnsec=134003703\nSEQUENCE_NUM=1\nRC_FROM_EVPROD=0\n"
        "BEGIN_EVPROD_INFO\nEVENT_TYPE=REP_UP\nDISK_NAME=hdisk2\nNODE_NUMBER=2\n"
        "NODE_ID=0x0F079E8C801111DF0000000000000000\nCLUSTER_ID=0x22A3BFAE9CC611DFA9B80245C0002004\n"
        "END_EVPROD_INFO\nEND_EVENT_INFO\n"
    )
    assert aha.address_details("10.10.10.10", "255.0.0.0") == (
        "FAMILY=2",
        "ADDRESS=0x0A0A0A0A",
        "NETMASK=0xFF000000",
    )
