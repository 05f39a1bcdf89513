"""Requests to the srcmstr of another node (``-h``), over the ``src`` service's UDP port.

Datagrams carry the SRC packets of the local exchange. In front of each stands a keyed digest (HMAC-SHA-256, RFC 2104)
under the key that only the lab's owner can read, because any user of a host may send from any of its addresses; and
the time of sending, so that a datagram is worth nothing half a minute later. (On the product a reserved port of the
caller stands for its being root.) Answers are numbered, and acknowledged every few: no more of them are under way than
the asker's socket holds, and an answer of which a part is missing is none.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import select
import socket
import struct
import time
from typing import Final

from srcctl.network import hosts
from srcctl.node.root import NodeRoot
from srcctl.src.client import Answer, Exchange, NoAnswer, NotActive, time_limit
from srcctl.src.packets import PACKET_MAX, SRC_SERVICE, Request, encode_request

REQUEST, ANSWER, ACKNOWLEDGEMENT = b"SRC request", b"SRC answer", b"SRC acknowledgement"
"""What a digest is for: an answer sent back to its sender is no request."""
WINDOW: Final = 8
"""Answers under way that are not acknowledged."""
NUMBER: Final = struct.Struct("!I")
"""In front of an answer its number, from 1; in an acknowledgement that of the last one that came."""
AGE_MAX: Final = 30.0
"""Seconds that a datagram is good for."""
SEALED_MAX: Final = PACKET_MAX + 64
UNIQUE: Final = 16
"""Bytes that tell a datagram from all others."""
RESEND: Final = 0.5
"""Seconds after which a request is sent again, as the same one: srcmstr may have ended with it, and its successor
knows what became of it. A srcmstr that has it already drops it."""
_STAMP: Final = struct.Struct("!d16s")
_DIGEST: Final = 32


class UnknownHost(Exception):
    """The node's /etc/hosts has no such name."""


def lab_key(root: NodeRoot) -> bytes:
    """The key of the lab.

    Raises:
        OSError: only its owner may read it.
    """
    with open(root.identity.key, "rb") as file:
        return file.read()


def port(root: NodeRoot) -> int:
    """The port of the ``src`` service, by the node's /etc/services.

    Raises:
        OSError: it is not in there.
    """
    with open(root.path("/etc/services"), encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.partition("#")[0].split()
            if len(fields) > 1 and fields[0] == SRC_SERVICE and fields[1].endswith("/udp"):
                return int(fields[1].partition("/")[0])
    raise OSError(f"/etc/services has no {SRC_SERVICE}")


def seal(key: bytes, use: bytes, packet: bytes, unique: bytes = b"") -> bytes:
    """The datagram of a packet; ``unique`` is that of an earlier datagram which this one repeats."""
    stamped = _STAMP.pack(time.time(), unique or secrets.token_bytes(UNIQUE)) + packet
    return hmac.digest(key, use + stamped, hashlib.sha256) + stamped


def unseal(key: bytes, use: bytes, datagram: bytes) -> tuple[bytes, bytes] | None:
    """The packet in a datagram and what is unique in it; None if it is forged, old, or not one at all."""
    digest, stamped = datagram[:_DIGEST], datagram[_DIGEST:]
    if len(stamped) < _STAMP.size or not hmac.compare_digest(digest, hmac.digest(key, use + stamped, hashlib.sha256)):
        return None
    sent, unique = _STAMP.unpack_from(stamped)
    if abs(time.time() - sent) > AGE_MAX:
        return None
    return stamped[_STAMP.size :], unique


def host_addresses(root: NodeRoot, host: str) -> list[str]:
    """The addresses of a host, by the node's /etc/hosts; an address stands for itself.

    Raises:
        UnknownHost: the name is not in there.
    """
    try:
        socket.inet_aton(host)
        if host.count(".") == 3:
            return [host]
    except OSError:
        pass
    wanted = host.lower()  # a host's name means the same in both cases (RFC 952, gethostbyname(3))
    lines = hosts.entries(root)
    found = [address for address, names in lines if ":" not in address and wanted in map(str.lower, names)]
    if not found:
        raise UnknownHost(host)
    return found


class RemoteAsker:
    """Asks the srcmstr of another node, one request at a time; as ``srcctl.src.client.Asker``.

    Raises:
        UnknownHost: the name is not in /etc/hosts.
        NotActive: the lab's key cannot be read, or there is no way to send.
    """

    def __init__(self, root: NodeRoot, host: str) -> None:
        self._root = root
        self._addresses = host_addresses(root, host)
        try:
            self._key = lab_key(root)
            self._port = port(root)
        except OSError as error:
            raise NotActive(str(error)) from None

    def __enter__(self) -> RemoteAsker:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def ask(self, request: Request, limit: float | None = None) -> list[Answer]:
        """All answers to a request.

        Raises:
            NotActive: this node has no address that is up.
            NoAnswer: the time limit passed first: srcmstr there does not run, or not with -r, or refuses this host.
        """
        deadline = time.monotonic() + (time_limit() if limit is None else limit)
        exchange, came, unique = Exchange(request), 0, secrets.token_bytes(UNIQUE)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                own.bind((self._root.identity.interfaces[0].address, 0))
                address = "{}:{}".format(*own.getsockname())
                packet = encode_request(request._replace(retaddr=address))
                server = (self._addresses[0], self._port)
                resend = 0.0
                while not exchange.complete:
                    now = time.monotonic()
                    if now >= deadline:
                        raise NoAnswer(exchange.answers())
                    if now >= resend:
                        _send(own, seal(self._key, REQUEST, packet, unique), server)
                        resend = now + RESEND
                    if not select.select([own], [], [], min(deadline, resend) - now)[0]:
                        continue
                    try:
                        found = unseal(self._key, ANSWER, own.recv(SEALED_MAX + 1))
                    except ConnectionRefusedError:
                        continue
                    number = NUMBER.unpack_from(found[0])[0] if found is not None else 0
                    if number == 1 and came:  # from another srcmstr, which begins again
                        exchange.again()
                        came = 0
                    if found is None or number != came + 1:
                        continue
                    came += 1
                    exchange.take(found[0][NUMBER.size :], address)
                    if came % (WINDOW // 2) == 0:
                        acknowledgement = NUMBER.pack(came) + address.encode()
                        own.sendto(seal(self._key, ACKNOWLEDGEMENT, acknowledgement), server)
        except OSError as error:
            raise NotActive(error.strerror or str(error)) from None
        return exchange.answers()


def _send(own: socket.socket, datagram: bytes, server: tuple[str, int]) -> None:
    """Send; that nobody listens is told by the next one, and may change until the time is over."""
    try:
        own.sendto(datagram, server)
    except ConnectionRefusedError:
        pass


def answers_name(unique: bytes) -> str:
    """The name of the socket for the answers to one remote request: a request that is repeated has the same."""
    return f"SRCremote.{unique.hex()[:24]}"
