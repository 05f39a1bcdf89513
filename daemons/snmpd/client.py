"""A manager's walk of an agent's subtree over UDP, for the node's own SNMP readers (clinfoES, cldump)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import TypeAlias

from daemons.snmpd.protocol import IDENTIFIER_BYTES, V2C, Reply, around_identifier, parse_reply, request
from daemons.snmpd.values import Oid, Value
from srcctl.machine import RemoteFault

TRIES = 3
WAIT = 1.0
"""Seconds to wait for one reply."""
ROWS_MAX = 20_000
"""Instances of one walk; an agent that sends more is broken."""


class NoAnswer(Exception):
    """The agent does not answer: it is down, unreachable, or the community is not its own."""


Known: TypeAlias = dict[bytes, Reply]
"""Replies of the last walk, by the packet without its request-id."""


class _Exchange(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.replies: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)
        self.refused = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.replies.full():
            self.replies.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.refused.set()


async def walk(
    address: str,
    port: int,
    community: str,
    prefix: Oid,
    tries: int = TRIES,
    wait: float = WAIT,
    known: Known | None = None,
) -> list[tuple[Oid, Value]]:
    """All instances below ``prefix``, with GETBULK (RFC 3416, 4.2.3). ``known`` is for whoever walks again and again:
    a packet that says the same as in the walk before is not parsed.

    Raises:
        NoAnswer: the agent does not answer, or answers with an error.
    """
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(_Exchange, remote_addr=(address, port))
    found: list[tuple[Oid, Value]] = []
    name, seen = prefix, dict[bytes, Reply]()
    try:
        while len(found) < ROWS_MAX:
            rows = await _ask(transport, exchange, community, [name], tries, wait, known=known, seen=seen)
            for oid, value in rows:
                if oid[: len(prefix)] != prefix or value.syntax in ("end", "absent") or oid <= name:
                    return found
                found.append((oid, value))
                name = oid
            if not rows:
                return found
        raise NoAnswer(f"{address}: the agent's answer has no end")
    finally:
        transport.close()
        if known is not None:
            known.clear()
            known.update(seen)


async def ask(
    address: str, port: int, community: str, kind: str, names: Sequence[Oid], tries: int = TRIES, wait: float = WAIT
) -> list[tuple[Oid, Value]]:
    """The answer to one ``get`` or ``next`` request.

    Raises:
        NoAnswer: the agent does not answer, or answers with an error.
    """
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(_Exchange, remote_addr=(address, port))
    try:
        return await _ask(transport, exchange, community, names, tries, wait, kind)
    finally:
        transport.close()


async def _ask(
    transport: asyncio.DatagramTransport,
    exchange: _Exchange,
    community: str,
    names: Sequence[Oid],
    tries: int,
    wait: float,
    kind: str = "bulk",
    known: Known | None = None,
    seen: Known | None = None,
) -> list[tuple[Oid, Value]]:
    for _ in range(tries):
        request_id = random.randrange(1 << 24, 1 << 31)
        exchange.refused.clear()
        transport.sendto(request(kind, request_id, community, names, V2C))
        try:
            async with asyncio.timeout(wait):
                while True:
                    packet = await _first(exchange)
                    if packet is None:
                        raise NoAnswer("no agent listens there")
                    try:
                        reply = _parsed(packet, known, seen)
                    except RemoteFault:
                        continue
                    if reply.request_id == request_id:
                        if reply.error:
                            raise NoAnswer(f"the agent answered with error-status {reply.error}")
                        return reply.values
        except TimeoutError:
            continue
    raise NoAnswer("no answer from the agent")


def _parsed(packet: bytes, known: Known | None, seen: Known | None) -> Reply:
    parts = around_identifier(packet) if seen is not None else None
    if seen is None or parts is None or len(parts[1]) != IDENTIFIER_BYTES:
        return parse_reply(packet)
    key = parts[0] + parts[2]
    same = known.get(key) if known is not None else None
    reply = same._replace(request_id=int.from_bytes(parts[1], signed=True)) if same is not None else parse_reply(packet)
    seen[key] = reply
    return reply


async def _first(exchange: _Exchange) -> bytes | None:
    """The next packet, or None when the host says that nobody listens on the port."""
    reply = asyncio.ensure_future(exchange.replies.get())
    refused = asyncio.ensure_future(exchange.refused.wait())
    try:
        await asyncio.wait((reply, refused), return_when=asyncio.FIRST_COMPLETED)
        return reply.result() if reply.done() else None
    finally:
        for future in (reply, refused):
            if not future.done():
                future.cancel()
