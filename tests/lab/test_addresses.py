"""Address blocks: disjoint, and never one that somebody uses."""

from __future__ import annotations

import os
import random
import socket

import pytest

from srcctl.lab import addresses
from srcctl.lab.errors import AddressInUse


def test_a_block_in_which_somebody_listens_is_not_taken() -> None:
    first = addresses.free_block(random.Random(7))
    with socket.socket() as listener:
        listener.bind((f"{first}.200", 0))
        listener.listen()
        assert f"{first}.200" in addresses.bound_addresses()
        assert addresses.free_block(random.Random(7)) != first


def test_a_neighbours_block_is_not_taken() -> None:
    first = addresses.free_block(random.Random(11))
    assert addresses.free_block(random.Random(11), taken=[first]) != first


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_held_port_is_named(kind: socket.SocketKind) -> None:
    block = addresses.free_block(random.SystemRandom())
    port = next(number for other, number in addresses.node_ports(os.geteuid()) if other == kind)
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((f"{block}.2", port))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        assert addresses.occupied([f"{block}.1"]) is None
        word = "tcp" if kind == socket.SOCK_STREAM else "udp"
        assert addresses.occupied([f"{block}.1", f"{block}.2"]) == f"{block}.2 port {port}/{word}"
    assert addresses.occupied([f"{block}.2"]) is None


def test_privileged_ports_are_shifted_for_an_ordinary_user() -> None:
    ports = [port for _, port in addresses.node_ports(1000)]
    assert 10657 in ports
    assert 10161 in ports
    assert all(port >= 1024 for port in ports)


def test_no_free_block_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "occupied", lambda found: "everything")
    with pytest.raises(AddressInUse, match="address in use"):
        addresses.free_block(random.Random(1))
