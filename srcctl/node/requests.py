"""lpar's control socket: who connects, what is asked, and the answers."""

from __future__ import annotations

import _socket
import select

from srcctl.node import messages, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

CONNECTIONS_MAX: Final = 64
"""Beyond it the oldest connection is closed."""
BACKLOG: Final = 16


class ControlSocket:
    """The listening socket and its connections; only the lab's owner can connect.

    Args:
        path: the socket's real path.
        poll: where its descriptors are registered.
        answer: computes the reply to a request.
        act: carries out what must wait until the reply is sent (power off).
    """

    def __init__(
        self,
        path: str,
        poll: select.poll,
        answer: Callable[[messages.ControlRequest], messages.ControlReply],
        act: Callable[[messages.ControlRequest], None],
    ) -> None:
        self._poll = poll
        self._answer = answer
        self._act = act
        self._connections: dict[int, _socket.socket] = {}
        self._listener = sockets.bind_plain(path, _socket.SOCK_SEQPACKET)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        poll.register(self._listener, select.POLLIN)

    def event(self, descriptor: int) -> bool:
        """Serve a descriptor that is readable; returns False if it is none of ours."""
        if descriptor == self._listener.fileno():
            self._accept()
        elif descriptor in self._connections:
            self._serve(descriptor)
        else:
            return False
        return True

    def _accept(self) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]  # what socket.accept calls
        except OSError:
            return
        connection = _socket.socket(fileno=descriptor)
        connection.setblocking(False)
        if len(self._connections) >= CONNECTIONS_MAX:
            self._drop(next(iter(self._connections)))
        self._connections[connection.fileno()] = connection
        self._poll.register(connection, select.POLLIN)

    def _drop(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor)
        self._poll.unregister(connection)
        connection.close()

    def _serve(self, descriptor: int) -> None:
        connection = self._connections[descriptor]
        try:
            data = connection.recv(messages.PACKET_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(descriptor)
            return
        try:
            request = messages.decode_request(data)
        except messages.DecodeError as error:
            self._reply(connection, messages.ControlReply(error=f"not a request: {error}"))
            return
        self._reply(connection, self._answer(request))
        self._act(request)

    def _reply(self, connection: _socket.socket, reply: messages.ControlReply) -> None:
        try:
            connection.send(messages.encode(reply))
        except OSError:
            pass
