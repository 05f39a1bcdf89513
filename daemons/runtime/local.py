"""Unix stream sockets between the daemons of one node: framed, typed, bounded in both directions.

Whoever may open the socket file may talk: the file lies inside the node's root and only the lab's owner can reach it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeAlias, TypeVar

from daemons.runtime.codec import LENGTH_BYTES, Codec
from daemons.runtime.plain_codec import PlainCodec
from srcctl.machine import RemoteFault
from srcctl.node import sockets

SEND_LIMIT = 4 << 20
"""Bytes that may wait for a peer that does not read; beyond that the connection is cut."""

SentT = TypeVar("SentT")
ReceivedT = TypeVar("ReceivedT")


class Closed(Exception):
    """The connection has ended, on whichever side."""


class LocalConnection(Generic[SentT, ReceivedT]):
    """One end of a connection inside an asyncio loop."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        sends: Codec[SentT] | PlainCodec[SentT],
        receives: Codec[ReceivedT] | PlainCodec[ReceivedT],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._sends = sends
        self._receives = receives

    @classmethod
    async def open(
        cls, path: str, sends: Codec[SentT], receives: Codec[ReceivedT]
    ) -> LocalConnection[SentT, ReceivedT]:
        """Connect to the daemon that listens on ``path`` (a real path).

        Raises:
            OSError: it does not.
        """
        sock = sockets.connect(path, socket.SOCK_STREAM)
        sock.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        return cls(reader, writer, sends, receives)

    @property
    def peer_pid(self) -> int:
        """The process id of the other end."""
        return self.peer_credentials[0]

    @property
    def peer_credentials(self) -> tuple[int, int, int]:
        """Process, user and group of the other end (SO_PEERCRED, unix(7))."""
        sock = self._writer.get_extra_info("socket")
        size = struct.calcsize("3i")
        credentials: bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid, uid, gid = struct.unpack("3i", credentials)
        return pid, uid, gid

    def send(self, message: SentT) -> None:
        """Queue a message; never blocks. A peer that lets more than SEND_LIMIT bytes pile up is cut off."""
        if self._writer.is_closing():
            return
        self._writer.write(self._sends.frame(message))
        if self._writer.transport.get_write_buffer_size() > SEND_LIMIT:
            self._writer.transport.abort()

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was sent.

        Raises:
            Closed: the connection ended.
        """
        try:
            await self._writer.drain()
        except (ConnectionError, OSError):
            raise Closed from None

    async def receive(self) -> ReceivedT:
        """The next message.

        Raises:
            Closed: the connection ended.
            RemoteFault: what came is no message; the connection is of no more use.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES), "big")
            if length > self._receives.limit:
                raise RemoteFault(f"message of {length} bytes exceeds the limit of {self._receives.limit}")
            data = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):  # also what TLS, or TCP after its last try, has to complain of
            raise Closed from None
        return self._receives.decode(data)

    async def request(self, message: SentT) -> ReceivedT:
        """Send one message and wait for one."""
        self.send(message)
        return await self.receive()

    def close(self) -> None:
        """End the connection; what was sent is still delivered."""
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until the connection has ended."""
        try:
            await self._writer.wait_closed()
        except (ConnectionError, OSError):
            pass


Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def until_cancelled(handler: Handler) -> Handler:
    """A connection's handler for ``asyncio.start_server`` that ends quietly with the daemon.

    asyncio's stream callback would write the cancellation of a handler as a fault into the daemon's log.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except asyncio.CancelledError:
            pass

    return serve


class LocalServer(Generic[SentT, ReceivedT]):
    """Listens on a Unix socket and runs ``handler`` for every connection.

    Args:
        path: the real path of the socket.
        sends: the codec of what we send.
        receives: the codec of what clients send.
        handler: serves one connection; when it returns, or the client sent rubbish, the connection is closed.
        fault: told about RemoteFaults (for the log): the first, the second, the fourth ..., so that a client that sends
            nothing else does not fill a disk.
    """

    def __init__(
        self,
        path: str,
        sends: Codec[SentT],
        receives: Codec[ReceivedT],
        handler: Callable[[LocalConnection[SentT, ReceivedT]], Awaitable[None]],
        fault: Callable[[RemoteFault], None] | None = None,
    ) -> None:
        self.path = path
        self._sends = sends
        self._receives = receives
        self._handler = handler
        self._fault = fault
        self.faults = 0
        """How often clients sent rubbish."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the socket cannot be made.
        """
        sock = sockets.bind(self.path, socket.SOCK_STREAM)
        sock.listen(128)
        sock.setblocking(False)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = LocalConnection[SentT, ReceivedT](reader, writer, self._sends, self._receives)
        try:
            await self._handler(connection)
        except Closed:
            pass
        except RemoteFault as fault:
            self.faults += 1
            if self._fault is not None and self.faults & (self.faults - 1) == 0:
                self._fault(fault)
        except asyncio.CancelledError:
            pass  # the daemon ends; asyncio's stream callback would log the cancellation as a fault
        finally:
            self._tasks.discard(task)
            connection.close()
