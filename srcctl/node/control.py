"""Asking lpar: one request and one reply over its control socket, from inside a node or from the host."""

from __future__ import annotations

import socket

from srcctl.node import messages, sockets


class LparUnreachable(Exception):
    """Nobody listens on the control socket."""


class LparSilent(Exception):
    """lpar accepted nothing and answered nothing within the caller's patience."""


def ask(path: str, request: messages.ControlRequest, patience: float) -> messages.ControlReply:
    """One request to the lpar that listens at ``path`` (a real path); ``patience`` in seconds.

    Raises:
        LparUnreachable: the node is off (or the socket is not ours to use).
        LparSilent: no answer in time.
    """
    try:
        with sockets.connect(path, socket.SOCK_SEQPACKET, patience) as connection:
            connection.send(messages.encode(request))
            data = connection.recv(messages.PACKET_MAX)
    except (TimeoutError, BlockingIOError):
        raise LparSilent from None
    except OSError as error:
        raise LparUnreachable(error.strerror or str(error)) from None
    if not data:
        raise LparUnreachable("the connection was closed")
    return messages.control_reply_decoder.decode(data)
