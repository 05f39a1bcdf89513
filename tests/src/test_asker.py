"""The asker's side of a request."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest

from srcctl.src import client, packets
from srcctl.src.packets import Request
from tests.src.node import Run, SrcNode


def test_threads_that_ask_at_the_same_moment_have_return_addresses_of_their_own(
    node: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["mkssys", "-s", "asked", "-p", "/usr/sbin/asked", "-u", "0", "-S", "-n", "15", "-f", "9"])[0] == 0
    moment = Barrier(2)
    addresses = []

    def same_moment() -> int:
        moment.wait(30)
        return 7

    def encode(request: Request) -> bytes:
        addresses.append(request.retaddr)
        return packets.encode_request(request)

    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=time.monotonic, monotonic_ns=same_moment))
    monkeypatch.setattr(client, "encode_request", encode)
    request = Request(packets.STATUS, "asked", parm1=packets.SHORTSTAT)
    with ThreadPoolExecutor(2) as threads:
        for asked in [threads.submit(client.Asker(node.root).ask, request, 30) for _ in range(2)]:
            assert len(asked.result()) == 1
    assert len(set(addresses)) == 2
