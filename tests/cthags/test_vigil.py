"""A client of Group Services notices that its daemon hangs, and is not deceived by a pause."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from daemons.cthags.client import GroupServices
from daemons.cthags.messages import (
    SOCKET_PATH,
    Died,
    Init,
    Initialized,
    Notification,
    Request,
    ResponsivenessProbe,
    notification_codec,
    request_codec,
)
from daemons.cthags.query import Unreachable
from daemons.cthags.vigil import SILENT_TICKS, Vigil
from daemons.runtime.local import LocalConnection, LocalServer
from srcctl.node.root import NodeRoot

Link = LocalConnection[Notification, Request]
MILLISECOND_US = 1000


def test_silence_is_counted_in_ticks_since_the_last_word() -> None:
    vigil = Vigil(30_000_000, 5_000_000)
    assert vigil.tick_us * SILENT_TICKS == 35_000_000
    assert [vigil.tick() for _ in range(SILENT_TICKS - 1)] == [False] * (SILENT_TICKS - 1)
    vigil.heard()
    assert [vigil.tick() for _ in range(SILENT_TICKS)] == [False] * (SILENT_TICKS - 1) + [True]


def test_without_probes_there_is_no_vigil() -> None:
    vigil = Vigil(0, 0)
    assert not any(vigil.tick() for _ in range(3 * SILENT_TICKS))


async def server(root: NodeRoot, answers: bool) -> tuple[LocalServer[Notification, Request], list[Link]]:
    links: list[Link] = []

    async def serve(link: Link) -> None:
        links.append(link)
        while True:
            if isinstance(await link.receive(), Init) and answers:
                link.send(Initialized(7))

    path = root.path(SOCKET_PATH)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    listening = LocalServer(path, notification_codec, request_codec, serve)
    await listening.start()
    return listening, links


async def test_a_silent_daemon_is_taken_for_dead(tmp_path: Path) -> None:
    root = NodeRoot(str(tmp_path))
    listening, links = await server(root, answers=True)
    services = await GroupServices.init(
        root, "client", interval_us=200 * MILLISECOND_US, limit_us=200 * MILLISECOND_US, critical=True
    )
    assert services.node == 7
    for serial in range(6):
        links[0].send(ResponsivenessProbe(serial))
        assert await services.receive() == ResponsivenessProbe(serial)
        await asyncio.sleep(0.1)
    began = time.monotonic()
    assert await asyncio.wait_for(services.receive(), 30) == Died("Group Services hang")
    assert time.monotonic() - began >= 0.35
    links[0].close()
    await listening.close()


async def test_the_end_of_the_daemon_is_told_at_once(tmp_path: Path) -> None:
    root = NodeRoot(str(tmp_path))
    listening, _ = await server(root, answers=True)
    services = await GroupServices.init(root, "client")
    await listening.close()
    assert await asyncio.wait_for(services.receive(), 10) == Died("Group Services died")
    services.quit()


async def test_a_daemon_that_does_not_answer_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemons.cthags.client.INIT_PATIENCE", 0.1)
    root = NodeRoot(str(tmp_path))
    listening, _ = await server(root, answers=False)
    with pytest.raises(Unreachable):
        await GroupServices.init(root, "client")
    await listening.close()
