import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from daemons.runtime.codec import Codec
from daemons.runtime.local import Closed, LocalConnection, LocalServer
from daemons.runtime.local_client import LocalClient
from srcctl.machine import RemoteFault


class Word(msgspec.Struct, frozen=True, tag="word"):
    text: str


CODEC: Codec[Word] = Codec(Word, limit=1000)


def long_folder(base: Path) -> Path:
    folder = base / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    return folder


async def test_daemon_and_command_talk_over_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    pids: list[int] = []

    async def echo(connection: LocalConnection[Word, Word]) -> None:
        pids.append(connection.peer_pid)
        while True:
            connection.send(Word((await connection.receive()).text.upper()))

    path = str(long_folder(tmp_path) / "clstrmgr.sock")
    server = LocalServer(path, CODEC, CODEC, echo)
    await server.start()

    def command() -> str:
        with LocalClient(path, CODEC, CODEC, 5) as client:
            return client.request(Word("stable")).text

    assert await asyncio.to_thread(command) == "STABLE"
    connection = await LocalConnection.open(path, CODEC, CODEC)
    assert (await connection.request(Word("again"))).text == "AGAIN"
    await server.close()
    with pytest.raises(Closed):
        await connection.receive()
    connection.close()
    assert len(pids) == 2


@pytest.mark.parametrize("rubbish", [b"\xff" * 64, b"\0\0\0\4\1abc", b"\0\0\0\0", b"\0\0\7\xff"])
async def test_rubbish_ends_only_its_own_connection(tmp_path: Path, rubbish: bytes) -> None:
    faults: list[RemoteFault] = []

    async def echo(connection: LocalConnection[Word, Word]) -> None:
        while True:
            connection.send(await connection.receive())

    path = str(tmp_path / "daemon.sock")
    server = LocalServer(path, CODEC, CODEC, echo, faults.append)
    await server.start()
    good = await LocalConnection.open(path, CODEC, CODEC)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(rubbish)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
    assert (await good.request(Word("still here"))).text == "still here"
    good.close()
    await server.close()
    assert len(faults) == 1


async def test_a_peer_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    cut = asyncio.Event()
    codec: Codec[Word] = Codec(Word)

    async def flood(connection: LocalConnection[Word, Word]) -> None:
        while not connection._writer.is_closing():
            connection.send(Word("x" * 100_000))
            await asyncio.sleep(0)
        cut.set()

    path = str(tmp_path / "daemon.sock")
    server = LocalServer(path, codec, codec, flood)
    await server.start()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        await asyncio.wait_for(cut.wait(), 30)
    await server.close()


async def test_rubbish_without_end_makes_few_lines(tmp_path: Path) -> None:
    """The log of Group Services grew by a line for each."""
    told: list[int] = []

    async def echo(connection: LocalConnection[Word, Word]) -> None:
        while True:
            connection.send(await connection.receive())

    path = str(tmp_path / "daemon.sock")
    server = LocalServer(path, CODEC, CODEC, echo, lambda _: told.append(server.faults))
    await server.start()
    for _ in range(100):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"\xff" * 64)
        assert await reader.read() == b""
        writer.close()
    await server.close()
    assert told == [1, 2, 4, 8, 16, 32, 64]
