"""The mutual challenge with which every TCP connection between daemons begins.

Both sides prove that they hold the key before anything else is parsed (challenge and response over keyed BLAKE2b,
RFC 7693; the nonces of both sides and the role are in the digest, so that an answer can be neither replayed nor
reflected). A side that cannot prove it learns nothing: the connection just ends.

    client -> server   magic, client nonce, length of name, name
    server -> client   server nonce
    client -> server   digest(key, "client", both nonces, name)
    server -> client   digest(key, "server", both nonces, name)

The other magic asks for TLS: after the challenge, whose digests say so too, both sides go over to it.

Both sides are machines over bytes (``ServerChallenge``, ``ClientChallenge``); the functions carry them over sockets.
"""

from __future__ import annotations

import _socket
import errno
import os

from srcctl.digest import blake2b, same_digest
from srcctl.machine import RemoteFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import socket
    import ssl
    from collections.abc import Sequence

MAGIC, MAGIC_TLS = b"HAES1", b"HAES2"
NONCE_BYTES = 32
PROOF_BYTES = 32
KEY_MAX = 64
"""Bytes of a key that count."""
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
    data = b"HAES " + role + b"\0" + client_nonce + server_nonce + name
    return blake2b(data, digest_size=PROOF_BYTES, key=key[:KEY_MAX]).digest()


class ServerChallenge:
    """The server's side of a challenge: give it ``wants`` bytes at a time, send what it returns.

    Args:
        keys: those that are accepted.
        nonce: NONCE_BYTES random bytes that were never used before.
        encrypted: only clients that go over to TLS are let in; without it none of them.
    """

    def __init__(self, keys: Sequence[bytes], nonce: bytes, encrypted: bool = False) -> None:
        self.wants = HELLO_BYTES
        """Bytes that it waits for; 0: the client is admitted."""
        self.name = b""
        """What the client calls itself, proven only when nothing more is wanted."""
        self._keys = keys
        self._nonce = nonce
        self._encrypted = encrypted
        self._client_nonce = b""
        self._take = self._hello

    def receive(self, data: bytes) -> bytes:
        """Take what was wanted; what to send.

        Raises:
            Refused: the client holds none of the keys, or sent something else.
        """
        return self._take(data)

    def _hello(self, data: bytes) -> bytes:
        length, encrypted = data[-1], data[: len(MAGIC)] == MAGIC_TLS
        if not (encrypted or data[: len(MAGIC)] == MAGIC) or not 0 < length <= NAME_MAX:
            raise Refused("no challenge was offered")
        if encrypted and not self._encrypted:
            raise Refused("encryption was asked for, but this node has no certificate")
        if self._encrypted and not encrypted:
            raise Refused("the connection is not encrypted, as the security level asks")
        self._client_nonce, self.wants, self._take = data[len(MAGIC) : -1], length, self._named
        return b""

    def _named(self, data: bytes) -> bytes:
        self.name, self.wants, self._take = data, PROOF_BYTES, self._answered
        return self._nonce

    def _answered(self, data: bytes) -> bytes:
        client, server = _roles(self._encrypted)
        for key in self._keys:
            if same_digest(data, proof(key, client, self._client_nonce, self._nonce, self.name)):
                self.wants = 0
                return proof(key, server, self._client_nonce, self._nonce, self.name)
        raise Refused("the key challenge failed")


class ClientChallenge:
    """The client's side of a challenge: send ``hello``, then give it ``wants`` bytes at a time, send what it returns.

    Args:
        key: the key.
        name: this node's name.
        nonce: NONCE_BYTES random bytes that were never used before.
        encrypted: go over to TLS afterwards.
    """

    def __init__(self, key: bytes, name: str, nonce: bytes, encrypted: bool = False) -> None:
        self._key = key
        self._name = name.encode()[:NAME_MAX]
        self._nonce = nonce
        self._encrypted = encrypted
        self._server_nonce = b""
        self.hello = (MAGIC_TLS if encrypted else MAGIC) + nonce + bytes((len(self._name),)) + self._name
        self.wants = NONCE_BYTES
        """Bytes that it waits for; 0: the server holds the key too."""

    def receive(self, data: bytes) -> bytes:
        """Take what was wanted; what to send.

        Raises:
            Refused: the server does not hold the key.
        """
        client, server = _roles(self._encrypted)
        if not self._server_nonce:
            self._server_nonce, self.wants = data, PROOF_BYTES
            return proof(self._key, client, self._nonce, data, self._name)
        if not same_digest(data, proof(self._key, server, self._nonce, self._server_nonce, self._name)):
            raise Refused("the other side does not hold the key")
        self.wants = 0
        return b""


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

    challenge = ServerChallenge(keys, os.urandom(NONCE_BYTES), context is not None)
    try:
        async with asyncio.timeout(time_limit):
            while challenge.wants:
                answer = challenge.receive(await reader.readexactly(challenge.wants))
                if context is not None and not challenge.wants:
                    # What comes after our proof is TLS: it must not be read before that is set up.
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                writer.write(answer)
            await writer.drain()
            if context is not None:
                await writer.start_tls(context)
            return challenge.name.decode()
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

    challenge = ClientChallenge(key, name, os.urandom(NONCE_BYTES))
    try:
        async with asyncio.timeout(time_limit):
            writer.write(challenge.hello)
            while challenge.wants:
                writer.write(challenge.receive(await reader.readexactly(challenge.wants)))
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        raise Refused("the other side ended the key challenge") from None


def connect_bare(
    address: str,
    port: int,
    key: bytes,
    name: str,
    *,
    source: str | None = None,
    time_limit: float = TIME_LIMIT,
    encrypted: bool = False,
) -> _socket.socket:
    """As ``connect_trusted``, but the interpreter's own kind of socket: the module ``socket`` takes a command as long
    to import as all of the conversation. ``encrypted``: the other side goes over to TLS next.

    Raises:
        OSError, Refused: see there.
    """
    challenge = ClientChallenge(key, name, os.urandom(NONCE_BYTES), encrypted)
    # Addresses are numbers here; a resolver would be loaded for nothing.
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    sock.settimeout(time_limit)
    try:
        if source:
            sock.bind((source, 0))
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    try:
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        sock.sendall(challenge.hello)
        while challenge.wants:
            sock.sendall(challenge.receive(_receive_exactly(sock, challenge.wants)))
    except TimeoutError:
        sock.close()
        raise _late(time_limit) from None
    except (ConnectionError, EOFError):
        sock.close()
        raise Refused("the other side ended the key challenge") from None
    except BaseException:
        sock.close()
        raise
    return sock


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
        OSError: nobody listens there, or nobody answers.
        Refused: it refused us, or does not hold the key.
    """
    import socket

    encrypted = context is not None
    bare = connect_bare(address, port, key, name, source=source, time_limit=time_limit, encrypted=encrypted)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=bare.detach())
    sock.settimeout(time_limit)
    if context is None:
        return sock
    try:
        return context.wrap_socket(sock)
    except TimeoutError:
        sock.close()
        raise _late(time_limit) from None
    except OSError as error:
        sock.close()
        raise Refused(f"TLS failed: {error}") from None
    except BaseException:
        sock.close()
        raise


def _late(time_limit: float) -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, f"no answer within {time_limit:g} seconds")


def _roles(encrypted: bool) -> tuple[bytes, bytes]:
    """What client and server call themselves in their proofs."""
    return (b"client tls", b"server tls") if encrypted else (b"client", b"server")


def _receive_exactly(sock: _socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data
