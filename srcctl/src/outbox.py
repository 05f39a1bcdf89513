"""Datagrams on their way to sockets that may be full or gone.

The queue of a Unix datagram socket is short (net.unix.max_dgram_qlen, ten as Linux comes): a long status, or the
answers to one request for a group, are more. What does not fit waits here, in order, and delays nobody else. A socket
that is connected to the receiver tells when there is room again (unix(7), epoll(7)).
"""

from __future__ import annotations

import _socket
import select
import time

from srcctl.node import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PATIENCE: Final = 30.0
"""Seconds that a receiver may be full without reading anything."""
WAITING_MAX: Final = 4 << 20
"""Bytes that wait for one receiver; further packets are dropped, and it goes without the end of its answers."""
RECEIVERS_MAX: Final = 64
"""Receivers that packets may wait for; others, which are full, too, go without."""


class _Queue:
    """What waits for one receiver, and the socket that is connected to it."""

    __slots__ = ("moved", "packets", "path", "size", "socket")

    def __init__(self, path: str, connected: _socket.socket) -> None:
        self.path = path
        self.socket = connected
        self.packets: list[bytes] = []
        self.size = 0
        self.moved = time.monotonic()


class Outbox:
    """Sends to Unix datagram sockets by path.

    ``fileno()`` is readable when ``flush()`` has something to do.
    """

    def __init__(self) -> None:
        self._socket = _datagram_socket()
        self._epoll = select.epoll()
        self._queues: dict[str, _Queue] = {}
        self._by_descriptor: dict[int, _Queue] = {}

    @property
    def waiting(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._queues)

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._epoll.fileno()

    def close(self) -> None:
        """Give up what waits."""
        for queue in list(self._queues.values()):
            self._drop(queue)
        self._socket.close()
        self._epoll.close()

    def send(self, path: str, packet: bytes) -> bool:
        """Send, now or as soon as there is room; False if nobody is there, or it has not read for too long."""
        queue = self._queues.get(path)
        if queue is None:
            try:
                with sockets.short_path(path) as short:
                    self._socket.sendto(packet, _socket.MSG_DONTWAIT, short)
                    return True
            except BlockingIOError:
                queue = self._open(path)
            except OSError:
                return False
        if queue is None or queue.size + len(packet) > WAITING_MAX:
            return False
        queue.packets.append(packet)
        queue.size += len(packet)
        return True

    def flush(self) -> None:
        """Send what there is room for now."""
        for descriptor, _ in self._epoll.poll(0):
            queue = self._by_descriptor.get(descriptor)
            if queue is not None:
                self._flush(queue)
        self._forget()

    def _flush(self, queue: _Queue) -> None:
        while queue.packets:
            try:
                queue.socket.send(queue.packets[0], _socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                break
            queue.size -= len(queue.packets.pop(0))
            queue.moved = time.monotonic()
        self._drop(queue)

    def _open(self, path: str) -> _Queue | None:
        self._forget()
        if len(self._queues) >= RECEIVERS_MAX:
            return None
        connected = _datagram_socket()
        try:
            with sockets.short_path(path) as short:
                connected.connect(short)
        except OSError:
            connected.close()
            return None
        queue = self._queues[path] = self._by_descriptor[connected.fileno()] = _Queue(path, connected)
        self._epoll.register(connected, select.EPOLLOUT)
        return queue

    def _forget(self) -> None:
        limit = time.monotonic() - PATIENCE
        for queue in [queue for queue in self._queues.values() if queue.moved < limit]:
            self._drop(queue)

    def _drop(self, queue: _Queue) -> None:
        del self._queues[queue.path], self._by_descriptor[queue.socket.fileno()]
        self._epoll.unregister(queue.socket)
        queue.socket.close()


def _datagram_socket() -> _socket.socket:
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
