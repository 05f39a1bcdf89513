"""Answers wait for askers that are slow, in order; nobody waits for one that is stuck."""

from __future__ import annotations

import socket
from pathlib import Path

from srcctl.node import sockets
from srcctl.srcmstr.outbox import Outbox


def test_more_packets_than_a_socket_holds_arrive_in_order(tmp_path: Path) -> None:
    slow, quick = (sockets.bind(str(tmp_path / name), socket.SOCK_DGRAM) for name in ("slow", "quick"))
    outbox = Outbox()
    for number in range(1000):
        outbox.send(str(tmp_path / "slow"), str(number).encode())
    outbox.send(str(tmp_path / "quick"), b"at once")
    assert quick.recv(100) == b"at once"
    assert outbox.waiting
    for number in range(1000):
        assert slow.recv(100) == str(number).encode()
        outbox.flush()
    assert not outbox.waiting
    outbox.send(str(tmp_path / "slow"), b"1")
    for _ in range(100):
        outbox.send(str(tmp_path / "slow"), b"2")
    slow.close()
    outbox.flush()
    assert not outbox.waiting, "who has gone gets nothing"
    outbox.send(str(tmp_path / "nobody"), b"x")
    assert not outbox.waiting
    outbox.close()
    quick.close()
