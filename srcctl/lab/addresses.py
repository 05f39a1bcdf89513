"""Loopback address blocks: every lab on the host has its own 127.A.B, so labs never meet.

All of 127.0.0.0/8 is local on Linux. There is no registry to keep, which would have to be writable by every user and
would survive its labs: a block is taken if nothing on the host has a socket in it, by the kernel's own list and by a
probing bind, and it is drawn at random from 50,000.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Iterable

from srcctl.lab.errors import AddressInUse

TCP_PORTS = (16191, 657, 6174)
UDP_PORTS = (12348, 161)
UNPRIVILEGED_SHIFT = 10000
"""Added to ports below 1024 where the lab's owner may not bind them."""
DRAWS = 200


def node_ports(user: int) -> tuple[tuple[socket.SocketKind, int], ...]:
    """The ports that a node of a lab of this user listens on."""

    def shifted(port: int) -> int:
        return port + UNPRIVILEGED_SHIFT if user != 0 and port < 1024 else port

    return tuple((socket.SOCK_STREAM, shifted(port)) for port in TCP_PORTS) + tuple(
        (socket.SOCK_DGRAM, shifted(port)) for port in UDP_PORTS
    )


def bound_addresses(proc: str = "/proc") -> set[str]:
    """Every IPv4 address that a socket of the host is bound to, by the kernel's list."""
    addresses = set()
    for name in ("tcp", "udp"):
        try:
            with open(f"{proc}/net/{name}", encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            word = line.split()[1].split(":")[0]
            addresses.add(socket.inet_ntoa(bytes.fromhex(word)[::-1]))
    return addresses


def free_block(generator: random.Random, taken: Iterable[str] = ()) -> str:
    """A block in which nothing on the host has a socket, and that is not among ``taken``.

    Raises:
        AddressInUse: none was found.
    """
    used = {address.rsplit(".", 1)[0] for address in bound_addresses()} | set(taken)
    for _ in range(DRAWS):
        block = f"127.{generator.randint(20, 250)}.{generator.randint(0, 255)}"
        if block not in used and occupied([f"{block}.1"]) is None:
            return block
    raise AddressInUse("address in use: no free block of loopback addresses was found on this host")


def occupied(addresses: Iterable[str]) -> str | None:
    """The first address and port of a node that somebody else holds ("127.1.2.3 port 16191/tcp"), or None."""
    for address in addresses:
        for kind, port in node_ports(os.geteuid()):
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind == socket.SOCK_STREAM:
                    # A listener of ours that ended a moment ago leaves connections in TIME_WAIT; they do no harm.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((address, port))
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:
                        return f"{address} port {port}/{'tcp' if kind == socket.SOCK_STREAM else 'udp'}"
                    if error.errno != errno.EACCES:
                        raise
    return None
