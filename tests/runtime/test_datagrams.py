import asyncio
import socket

from daemons.runtime.datagrams import DatagramEndpoint
from daemons.runtime.seal import Seal

KEY = b"k" * 32


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_nodes_hear_each_other_and_strangers_and_cut_links_are_dropped() -> None:
    port, heard = free_port(), asyncio.Queue[tuple[int, bytes]]()
    admitted = {1: True}
    one = DatagramEndpoint("127.0.0.1", port, Seal(KEY, 1), lambda *packet: None)
    two = DatagramEndpoint(
        "127.0.0.2", port, Seal(KEY, 2), lambda *packet: heard.put_nowait(packet), lambda node, outgoing: admitted[node]
    )
    await one.start()
    await two.start()
    try:
        assert one.send(2, "127.0.0.2", b"heartbeat")
        assert await asyncio.wait_for(heard.get(), 30) == (1, b"heartbeat")
        stranger = DatagramEndpoint("127.0.0.3", port, Seal(b"x" * 32, 1), lambda *packet: None)
        await stranger.start()
        stranger.send(2, "127.0.0.2", b"forged")
        admitted[1] = False
        assert not two.send(1, "127.0.0.1", b"cut")
        one.send(2, "127.0.0.2", b"cut")
        async with asyncio.timeout(30):
            while two.dropped.total() < 3:  # noqa: ASYNC110 - counters have no event
                await asyncio.sleep(0.005)
        admitted[1] = True
        one.send(2, "127.0.0.2", b"healed")
        assert await asyncio.wait_for(heard.get(), 30) == (1, b"healed")
        assert two.dropped == {"packet sealed with another key": 1, "cut": 2}
        stranger.close()
    finally:
        one.close()
        two.close()
        await asyncio.sleep(0)


async def test_one_packet_reaches_all_that_are_in_the_group_and_no_other_group() -> None:
    port, heard = free_port(), asyncio.Queue[tuple[int, int, bytes]]()

    def member(number: int) -> DatagramEndpoint:
        return DatagramEndpoint(
            f"127.77.0.{number}", port, Seal(KEY, number), lambda sender, data: heard.put_nowait((number, sender, data))
        )

    members = [member(number) for number in (1, 2, 3, 4)]
    for endpoint in members:
        await endpoint.start()
    for endpoint, group in zip(members, ("228.77.0.1", "228.77.0.1", "228.77.0.1", "228.77.0.4"), strict=True):
        await endpoint.join(group)
    try:
        members[0].set_ttl(1)
        assert members[0].send_to_group(b"to all")
        got = sorted([await asyncio.wait_for(heard.get(), 30) for _ in range(3)])
        assert got == [(1, 1, b"to all"), (2, 1, b"to all"), (3, 1, b"to all")]
        assert members[0].send(4, "127.77.0.4", b"to one")
        assert await asyncio.wait_for(heard.get(), 30) == (4, 1, b"to one")
        assert not any(endpoint.dropped for endpoint in members)
    finally:
        for endpoint in members:
            endpoint.close()
        await asyncio.sleep(0)
    assert not members[0].send_to_group(b"closed")
