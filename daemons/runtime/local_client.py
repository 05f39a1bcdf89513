"""How a command asks a daemon on its own node: framed messages over a Unix stream socket, without an event loop."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Generic, TypeVar

from daemons.runtime.codec import LENGTH_BYTES, Codec
from srcctl.machine import RemoteFault
from srcctl.node import sockets

SentT = TypeVar("SentT")
ReceivedT = TypeVar("ReceivedT")


class LocalClient(Generic[SentT, ReceivedT]):
    """A connection to a daemon of this node.

    Args:
        path: the socket's real path.
        sends: the codec of requests.
        receives: the codec of replies.
        time_limit: seconds that each operation may take (patience, never scaled); None waits for ever.

    Raises:
        OSError: the daemon does not listen.
    """

    def __init__(
        self, path: str, sends: Codec[SentT], receives: Codec[ReceivedT], time_limit: float | None = 30.0
    ) -> None:
        self._sends = sends
        self._receives = receives
        self._socket = sockets.connect(path, socket.SOCK_STREAM, time_limit)
        self._buffer = bytearray()

    def send(self, message: SentT) -> None:
        """Send one message.

        Raises:
            OSError: the daemon has gone, or does not read.
        """
        self._socket.sendall(self._sends.frame(message))

    def receive(self) -> ReceivedT:
        """The next message.

        Raises:
            EOFError: the daemon closed the connection.
            TimeoutError: nothing came within the time limit.
            RemoteFault: what came is no message.
        """
        length = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
        if length > self._receives.limit:
            raise RemoteFault(f"message of {length} bytes exceeds the limit of {self._receives.limit}")
        return self._receives.decode(self._exactly(length))

    def request(self, message: SentT) -> ReceivedT:
        """Send one message and wait for one."""
        self.send(message)
        return self.receive()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> LocalClient[SentT, ReceivedT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            part = self._socket.recv(1 << 16)
            if not part:
                raise EOFError("the daemon closed the connection")
            self._buffer += part
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data
