"""Datagrams on their way to sockets that may be full or gone.

The queue of a Unix datagram socket is short (net.unix.max_dgram_qlen, ten as Linux comes): the answers to one request
for a group are more. What does not fit waits here, in order, and delays nobody else.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Final

from srcctl.node import sockets

PAUSE: Final = 0.002
"""Seconds between attempts. There is no event for room in another process's socket."""
PATIENCE: Final = 30.0
"""Seconds that a receiver may be full without reading anything."""
PACKETS_MAX: Final = 2048
"""Packets that wait for one receiver; further ones are dropped."""


class Outbox:
    """Sends to Unix datagram sockets by path."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._queues: dict[str, deque[bytes]] = {}
        self._moved: dict[str, float] = {}

    @property
    def waiting(self) -> bool:
        """Whether ``flush`` has something to do."""
        return bool(self._queues)

    def close(self) -> None:
        """Give up what waits."""
        self._socket.close()
        self._queues.clear()

    def send(self, path: str, packet: bytes) -> None:
        """Send, now or as soon as there is room; to a socket that is gone, never."""
        queue = self._queues.get(path)
        if queue is None:
            if self._sent(path, packet) is not False:
                return
            queue = self._queues[path] = deque()
            self._moved[path] = time.monotonic()
        if len(queue) < PACKETS_MAX:
            queue.append(packet)

    def flush(self) -> None:
        """Send what there is room for now."""
        for path, queue in list(self._queues.items()):
            while queue:
                sent = self._sent(path, queue[0])
                if sent is False:
                    break
                self._moved[path] = time.monotonic()
                if sent is None:
                    queue.clear()
                else:
                    queue.popleft()
            if not queue or time.monotonic() - self._moved[path] > PATIENCE:
                del self._queues[path], self._moved[path]

    def _sent(self, path: str, packet: bytes) -> bool | None:
        """True if it is on its way, False if there is no room, None if nobody is there."""
        try:
            with sockets.short_path(path) as short:
                self._socket.sendto(packet, socket.MSG_DONTWAIT, short)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True
