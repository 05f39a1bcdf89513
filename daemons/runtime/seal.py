"""UDP packets that another local user can neither forge nor replay.

Source addresses prove nothing on a host where anybody may bind any 127.x address: every packet carries a keyed digest
(BLAKE2b, RFC 7693) and a counter that grows; the receiver keeps a sliding window per sender (the anti-replay window of
RFC 4303, section 3.4.3). The digest covers the address and port that the packet is for, though it does not carry them:
one that was made for another node, network or daemon is worth nothing here. Counters begin at the host's boot-time
clock, so a restarted sender is always ahead of itself and steps of the wall clock do nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from srcctl.digest import blake2b, same_digest
from srcctl.machine import RemoteFault

MAGIC = b"HA1"
DIGEST_BYTES = 16
HEADER_BYTES = len(MAGIC) + 1 + 8
OVERHEAD_BYTES = HEADER_BYTES + DIGEST_BYTES
WINDOW = 1024
"""Counters behind the newest one that are still accepted, once each."""


def boot_microseconds() -> int:
    """Microseconds since the host booted, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Seal:
    """Seals packets of one sender and opens those of its peers.

    Args:
        key: the lab's or the cluster's key.
        sender: this node's number, 1 to 255.
        clock: where counters begin, microseconds.
    """

    def __init__(self, key: bytes, sender: int, clock: Callable[[], int] = boot_microseconds) -> None:
        self._key = key
        self._sender = sender
        self._counter = clock()
        self._newest: dict[int, int] = {}
        self._seen: dict[int, int] = {}

    def rekey(self, key: bytes) -> None:
        """Use another key from now on; the windows stay, because counters do not depend on the key."""
        self._key = key

    def seal(self, payload: bytes, destination: tuple[str, int] = ("", 0)) -> bytes:
        """A packet for ``payload``. ``destination``: the address and port that it is for."""
        self._counter += 1
        header = MAGIC + bytes((self._sender,)) + self._counter.to_bytes(8, "big")
        return header + self._digest(header, destination, payload) + payload

    def open(self, packet: bytes, destination: tuple[str, int] = ("", 0)) -> tuple[int, bytes]:
        """The sender's node number and the payload. ``destination``: where the packet came in.

        Raises:
            RemoteFault: truncated, made without the key or for another destination, or seen before.
        """
        if len(packet) < OVERHEAD_BYTES or packet[: len(MAGIC)] != MAGIC:
            raise RemoteFault("not a sealed packet")
        header, digest, payload = packet[:HEADER_BYTES], packet[HEADER_BYTES:OVERHEAD_BYTES], packet[OVERHEAD_BYTES:]
        if not same_digest(digest, self._digest(header, destination, payload)):
            raise RemoteFault("packet sealed with another key")
        sender = header[len(MAGIC)]
        self._accept(sender, int.from_bytes(header[len(MAGIC) + 1 :], "big"))
        return sender, payload

    def _digest(self, header: bytes, destination: tuple[str, int], payload: bytes) -> bytes:
        state = blake2b(header, digest_size=DIGEST_BYTES, key=self._key[:64])
        state.update(f"{destination[0]}:{destination[1]}\n".encode())
        state.update(payload)
        return state.digest()

    def _accept(self, sender: int, counter: int) -> None:
        newest = self._newest.get(sender, 0)
        seen = self._seen.get(sender, 0)
        if counter > newest:
            shift = counter - newest
            self._seen[sender] = 1 if shift >= WINDOW else ((seen << shift) | 1) & ((1 << WINDOW) - 1)
            self._newest[sender] = counter
            return
        behind = newest - counter
        if behind >= WINDOW or seen >> behind & 1:
            raise RemoteFault("packet seen before")
        self._seen[sender] = seen | 1 << behind
