"""A daemon's answers to SRC: long ones wait for an asker that is slow, and its loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from daemons.runtime.daemon import Daemon
from srcctl.node import sockets
from srcctl.node.root import Identity, NodeRoot
from srcctl.src import packets, subsystem

LINES = [f"{number:06d} {'x' * 90}" for number in range(8000)]


class Talker(Daemon):
    """Has much to say."""

    name = "talker"
    log_file = "/var/log/talker"
    turns = 0

    async def start(self) -> None:
        self.spawn(self._count())

    async def _count(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0.001)

    def long_status(self) -> str:
        return "\n".join(LINES)


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_long_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(_a_long_status(tmp_path, monkeypatch))


async def _a_long_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("etc", "dev/.SRC-unix", "var/log"):
        (tmp_path / folder).mkdir(parents=True)
    identity = Identity("lab", "", "", "", "", "", "node1", 1, 1.0, "folder", "", (), ())
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    monkeypatch.setenv("HAES_ROOT", str(tmp_path))
    source = sockets.bind(str(tmp_path / "dev/.SRC-unix/subsystem.1"), socket.SOCK_DGRAM)
    source.setblocking(False)
    monkeypatch.setattr(subsystem, "src_socket", lambda: source)
    daemon = Talker([], NodeRoot(str(tmp_path)))
    ending = asyncio.get_running_loop().create_task(daemon.main())
    asker = sockets.bind(str(tmp_path / "dev/.SRC-unix/asker"), socket.SOCK_DGRAM)
    asker.settimeout(20)

    def ask() -> list[str]:
        request = packets.Request(
            packets.STATUS, parm1=packets.LONGSTAT, objname="talker", retaddr="asker", cont=packets.END
        )
        asker.sendto(packets.encode_request(request), str(tmp_path / "dev/.SRC-unix/subsystem.1"))
        parts: list[str] = []
        while True:
            answer = packets.decode_status(asker.recv(packets.PACKET_MAX + 1), long=True)
            parts.append(answer.text)
            if answer.cont == packets.END:
                return "\n".join(parts).split("\n")
            time.sleep(0.005)

    before = daemon.turns
    assert await asyncio.to_thread(ask) == LINES
    assert daemon.turns > before + 20, "the loop has gone on"
    daemon.end(0)
    assert await ending == 0
    asker.close()
    source.close()
