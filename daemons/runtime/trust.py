"""The mutual challenge with which every TCP connection between daemons begins.

Both sides prove that they hold the key before anything else is parsed (challenge and response over HMAC-SHA-256,
RFC 2104; the nonces of both sides and the role are in the digest, so that an answer can be neither replayed nor
reflected). A side that cannot prove it learns nothing: the connection just ends.

    client -> server   magic, client nonce, length of name, name
    server -> client   server nonce
    client -> server   HMAC(key, "client", both nonces, name)
    server -> client   HMAC(key, "server", both nonces, name)

The other magic asks for TLS: after the challenge, whose digests say so too, both sides go over to it.
"""

from __future__ import annotations

import hmac
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from srcctl.machine import RemoteFault

if TYPE_CHECKING:
    import asyncio
    import ssl

MAGIC, MAGIC_TLS = b"HAES1", b"HAES2"
NONCE_BYTES = 32
PROOF_BYTES = 32
NAME_MAX = 64
HELLO_BYTES = len(MAGIC) + NONCE_BYTES + 1
TIME_LIMIT = 5.0
"""Seconds that a server grants the whole challenge."""


class Refused(RemoteFault):
    """The other side does not hold the key."""


def key_bytes() -> bytes:
    """A fresh key."""
    return os.urandom(32)


def proof(key: bytes, role: bytes, client_nonce: bytes, server_nonce: bytes, name: bytes) -> bytes:
    """What one side sends to prove that it holds ``key``."""
    return hmac.digest(key, b"HAES " + role + b"\0" + client_nonce + server_nonce + name, "sha256")


async def challenge_server(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    keys: Sequence[bytes],
    time_limit: float = TIME_LIMIT,
    context: ssl.SSLContext | None = None,
) -> str:
    """Challenge the client of a new connection; returns the node name that it claims under a key of ours.

    With ``context`` only clients that go over to TLS are let in, without it none of them.

    Raises:
        Refused: it holds none of ``keys``, sent something else, or took too long. The caller closes the connection.
    """
    import asyncio  # commands use this module without an event loop, and asyncio takes long to import

    try:
        async with asyncio.timeout(time_limit):
            hello = await reader.readexactly(HELLO_BYTES)
            length = hello[-1]
            encrypted = hello[: len(MAGIC)] == MAGIC_TLS
            if not (encrypted or hello[: len(MAGIC)] == MAGIC) or not 0 < length <= NAME_MAX:
                raise Refused("no challenge was offered")
            if encrypted and context is None:
                raise Refused("encryption was asked for, but this node has no certificate")
            if context is not None and not encrypted:
                raise Refused("the connection is not encrypted, as the security level asks")
            client, server = _roles(encrypted)
            client_nonce = hello[len(MAGIC) : -1]
            name = await reader.readexactly(length)
            server_nonce = os.urandom(NONCE_BYTES)
            writer.write(server_nonce)
            answer = await reader.readexactly(PROOF_BYTES)
            for key in keys:
                if hmac.compare_digest(answer, proof(key, client, client_nonce, server_nonce, name)):
                    if context is not None:
                        # What comes after our proof is TLS: it must not be read before that is set up.
                        writer.transport.pause_reading()  # type: ignore[attr-defined]
                    writer.write(proof(key, server, client_nonce, server_nonce, name))
                    await writer.drain()
                    if context is not None:
                        await writer.start_tls(context)
                    return name.decode()
            raise Refused("the key challenge failed")
    except (asyncio.IncompleteReadError, ConnectionError, UnicodeDecodeError):
        raise Refused("the connection ended during the key challenge") from None
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise Refused("the key challenge took too long") from None
        raise Refused(f"TLS failed: {error}") from None
    except TimeoutError:
        raise Refused("the key challenge took too long") from None


async def challenge_client(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    key: bytes,
    name: str,
    time_limit: float = TIME_LIMIT,
) -> None:
    """Answer the server of a new connection as node ``name`` and have it prove that it holds the key too.

    Raises:
        Refused: it refused us, or does not hold the key.
    """
    import asyncio

    client_nonce, encoded = os.urandom(NONCE_BYTES), name.encode()[:NAME_MAX]
    try:
        async with asyncio.timeout(time_limit):
            writer.write(_hello(client_nonce, encoded, MAGIC))
            server_nonce = await reader.readexactly(NONCE_BYTES)
            writer.write(proof(key, b"client", client_nonce, server_nonce, encoded))
            answer = await reader.readexactly(PROOF_BYTES)
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        raise Refused("the other side ended the key challenge") from None
    if not hmac.compare_digest(answer, proof(key, b"server", client_nonce, server_nonce, encoded)):
        raise Refused("the other side does not hold the key")


def connect_trusted(
    address: str,
    port: int,
    key: bytes,
    name: str,
    *,
    source: str | None = None,
    time_limit: float = TIME_LIMIT,
    context: ssl.SSLContext | None = None,
) -> socket.socket:
    """A connected TCP socket whose challenge succeeded, for commands that run without an event loop.

    Args:
        address: the other node's IP address.
        port: its port.
        key: the lab's or the cluster's key.
        name: this node's name.
        source: this node's own address on that network, checked against rhosts over there.
        time_limit: seconds for connection and challenge together, at most.
        context: go over to TLS with it.

    Raises:
        OSError: nobody listens there.
        Refused: it refused us, or does not hold the key.
    """
    client_nonce, encoded = os.urandom(NONCE_BYTES), name.encode()[:NAME_MAX]
    # Addresses are numbers here; a resolver would be loaded for nothing.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(time_limit)
    try:
        if source:
            sock.bind((source, 0))
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client, server = _roles(context is not None)
        sock.sendall(_hello(client_nonce, encoded, MAGIC if context is None else MAGIC_TLS))
        server_nonce = _receive_exactly(sock, NONCE_BYTES)
        sock.sendall(proof(key, client, client_nonce, server_nonce, encoded))
        answer = _receive_exactly(sock, PROOF_BYTES)
        if not hmac.compare_digest(answer, proof(key, server, client_nonce, server_nonce, encoded)):
            raise Refused("the other side does not hold the key")
        if context is not None:
            try:
                sock = context.wrap_socket(sock)
            except TimeoutError:
                raise
            except OSError as error:
                raise Refused(f"TLS failed: {error}") from None
    except (ConnectionError, TimeoutError, EOFError):
        sock.close()
        raise Refused("the other side ended the key challenge") from None
    except BaseException:
        sock.close()
        raise
    return sock


def _roles(encrypted: bool) -> tuple[bytes, bytes]:
    """What client and server call themselves in their proofs."""
    return (b"client tls", b"server tls") if encrypted else (b"client", b"server")


def _hello(nonce: bytes, name: bytes, magic: bytes) -> bytes:
    return magic + nonce + bytes((len(name),)) + name


def _receive_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data
