import asyncio
import os
import socket

import pytest

from daemons.runtime import trust

KEY, OTHER = b"k" * 32, b"o" * 32


async def serve(keys: list[bytes]) -> tuple[asyncio.Server, int, asyncio.Queue[str]]:
    outcomes: asyncio.Queue[str] = asyncio.Queue()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            name = await trust.challenge_server(reader, writer, keys, time_limit=0.5)
            outcomes.put_nowait(f"accepted {name}")
        except trust.Refused as refused:
            outcomes.put_nowait(str(refused))
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], outcomes


@pytest.mark.parametrize("held", [[KEY], [OTHER, KEY]])
async def test_holders_of_the_key_meet(held: list[bytes]) -> None:
    server, port, outcomes = await serve(held)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await trust.challenge_client(reader, writer, KEY, "node1")
        assert await outcomes.get() == "accepted node1"
        writer.close()
        sock = await asyncio.to_thread(trust.connect_trusted, "127.0.0.1", port, KEY, "node2")
        sock.close()
        assert await outcomes.get() == "accepted node2"


async def test_the_wrong_key_is_refused_and_learns_nothing() -> None:
    server, port, outcomes = await serve([KEY])
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(trust.Refused, match="ended the key challenge"):
            await trust.challenge_client(reader, writer, OTHER, "node1")
        writer.close()
        assert await outcomes.get() == "the key challenge failed"
        with pytest.raises(trust.Refused):
            await asyncio.to_thread(trust.connect_trusted, "127.0.0.1", port, OTHER, "node1")
        assert await outcomes.get() == "the key challenge failed"


async def test_a_server_without_the_key_is_refused() -> None:
    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(os.urandom(trust.NONCE_BYTES))
        await reader.read(100)
        writer.write(os.urandom(trust.PROOF_BYTES))
        writer.close()

    server = await asyncio.start_server(impostor, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(trust.Refused, match="does not hold the key"):
            await trust.challenge_client(reader, writer, KEY, "node1")
        writer.close()


@pytest.mark.parametrize(
    "rubbish", [b"", b"GET / HTTP/1.0\r\n\r\n" * 3, b"HAES1" + bytes(33), b"HAES1" + b"\xff" * 500]
)
async def test_rubbish_and_silence_are_refused_in_time(rubbish: bytes) -> None:
    server, port, outcomes = await serve([KEY])
    async with server:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(rubbish)
            assert "challenge" in await asyncio.wait_for(outcomes.get(), 30)


async def test_who_does_not_answer_has_not_refused() -> None:
    """A daemon that hangs holds the key all the same: no other key need be tried, and the reason is another one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TimeoutError, match=r"no answer within 0\.2 seconds"):
            await asyncio.to_thread(trust.connect_trusted, "127.0.0.1", port, KEY, "node1", time_limit=0.2)
