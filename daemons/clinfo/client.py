"""How clients read clinfoES on this node: the Python counterpart of the Clinfo library's calls."""

from __future__ import annotations

import select
import socket
from typing import TextIO

from daemons.clinfo.messages import SERVICE, Answer, Clusters, Query, Request, Watch
from daemons.runtime import keys
from daemons.runtime.codec import LENGTH_BYTES, Codec
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.trust import Refused, connect_trusted
from srcctl.machine import RemoteFault
from srcctl.node.root import NodeRoot

_REQUESTS: Codec[Request] = Codec(Request)
_ANSWERS: Codec[Answer] = Codec(Answer)


class NotAvailable(Exception):
    """clinfoES does not run on this node, or does not answer."""


class ClinfoClient:
    """A connection to this node's clinfoES.

    Raises:
        NotAvailable: it does not run.
    """

    def __init__(self, root: NodeRoot, time_limit: float = 10.0) -> None:
        identity = root.identity
        try:
            key = keys.accepted(root)[0]
            self._socket = connect_trusted(
                identity.interfaces[0].address, port(root, SERVICE, "tcp"), key, identity.node, time_limit=time_limit
            )
        except (OSError, Refused, UnknownService) as error:
            raise NotAvailable(str(error)) from None
        self._stream = self._socket.makefile("rb")

    def query(self) -> Clusters:
        """All clusters in reach, now.

        Raises:
            NotAvailable: clinfoES went away.
        """
        return self._ask(Query())

    def watch(self) -> Clusters:
        """All clusters in reach, now; ``changed`` then returns after every change."""
        answer = self._ask(Watch())
        self._socket.settimeout(None)
        return answer

    def changed(self, wait: float, keys: TextIO | None = None) -> Clusters | None:
        """The clusters after the next change, or None if nothing changed for ``wait`` seconds or a key was pressed."""
        watched: list[socket.socket | TextIO] = [self._socket, *([keys] if keys else [])]
        if self._socket not in select.select(watched, [], [], wait)[0]:
            return None
        return self._receive()

    def close(self) -> None:
        """End the connection."""
        self._stream.close()
        self._socket.close()

    def _ask(self, request: Request) -> Clusters:
        try:
            self._socket.sendall(_REQUESTS.frame(request))
        except OSError as error:
            raise NotAvailable(str(error)) from None
        return self._receive()

    def _receive(self) -> Clusters:
        try:
            header = self._stream.read(LENGTH_BYTES)
            length = int.from_bytes(header, "big")
            if len(header) < LENGTH_BYTES or length > _ANSWERS.limit:
                raise NotAvailable("clinfoES closed the connection")
            return _ANSWERS.decode(self._stream.read(length))
        except (OSError, RemoteFault) as error:
            raise NotAvailable(str(error)) from None
