"""Answers wait for askers that are slow, in order; nobody waits for one that is stuck."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from srcctl.node import sockets
from srcctl.src import outbox as module
from srcctl.src.outbox import Outbox


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    made = Outbox()
    yield made
    made.close()


def room(outbox: Outbox, seconds: float = 5.0) -> bool:
    """Whether the outbox says that it can go on."""
    return bool(select.select([outbox], [], [], seconds)[0])


def test_more_packets_than_a_socket_holds_arrive_in_order(tmp_path: Path, outbox: Outbox) -> None:
    slow, quick = (sockets.bind(str(tmp_path / name), socket.SOCK_DGRAM) for name in ("slow", "quick"))
    for number in range(1000):
        assert outbox.send(str(tmp_path / "slow"), str(number).encode())
    assert outbox.send(str(tmp_path / "quick"), b"at once")
    assert quick.recv(100) == b"at once"
    assert outbox.waiting
    assert not room(outbox, 0.0), "nothing was read, so there is nothing to do"
    for number in range(1000):
        assert slow.recv(100) == str(number).encode()
        if outbox.waiting:
            assert room(outbox), "a place that is free is told"
            outbox.flush()
    assert not outbox.waiting
    slow.close()
    quick.close()


def test_who_has_gone_gets_nothing(tmp_path: Path, outbox: Outbox) -> None:
    slow = sockets.bind(str(tmp_path / "slow"), socket.SOCK_DGRAM)
    while not outbox.waiting:
        assert outbox.send(str(tmp_path / "slow"), b"1")
    slow.close()
    assert room(outbox)
    outbox.flush()
    assert not outbox.waiting
    assert not outbox.send(str(tmp_path / "slow"), b"x")
    assert not outbox.send(str(tmp_path / "nobody"), b"x")
    assert not outbox.waiting


def test_who_reads_nothing_costs_a_bounded_amount(
    tmp_path: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = [sockets.bind(str(tmp_path / f"stuck{n}"), socket.SOCK_DGRAM) for n in range(module.RECEIVERS_MAX + 1)]
    sent = 0
    while outbox.send(str(tmp_path / "stuck0"), bytes(8000)):
        sent += 8000
    assert module.WAITING_MAX - 8000 < sent < module.WAITING_MAX + (1 << 20)
    for number in range(1, len(stuck)):
        while outbox.send(str(tmp_path / f"stuck{number}"), b"x") and not _is_full(outbox, number):
            pass
    assert not outbox.send(str(tmp_path / f"stuck{len(stuck) - 1}"), b"x"), "too many wait already"
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    outbox.flush()
    assert not outbox.waiting, "patience has an end"
    for one in stuck:
        one.close()


def _is_full(outbox: Outbox, number: int) -> bool:
    return any(path.endswith(f"stuck{number}") for path in outbox._queues)
