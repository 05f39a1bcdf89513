"""Asking lpar: one request and one reply over its control socket, from inside a node or from the host.

``exchange`` speaks plain JSON, so that a command that halts a node does not wait for its imports.
"""

from __future__ import annotations

import json
import socket

from srcctl.node import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PACKET_MAX = 1 << 16


class LparUnreachable(Exception):
    """Nobody listens on the control socket, or it is not ours to use."""


class LparSilent(Exception):
    """No answer within the caller's patience."""


def exchange_bytes(path: str, data: bytes, patience: float) -> bytes:
    """One packet to the lpar that listens at ``path`` (a real path), one back; ``patience`` in seconds.

    Raises:
        LparUnreachable: the node is off.
        LparSilent: no answer in time.
    """
    try:
        with sockets.connect(path, socket.SOCK_SEQPACKET, patience) as connection:
            connection.send(data)
            answer = connection.recv(PACKET_MAX)
    except (TimeoutError, BlockingIOError):
        raise LparSilent from None
    except OSError as error:
        raise LparUnreachable(error.strerror or str(error)) from None
    if not answer:
        raise LparUnreachable("the connection was closed")
    return answer


def exchange(path: str, request: dict[str, str], patience: float) -> dict[str, Any]:
    """The same with the fields of ``srcctl.node.messages`` as plain values (``{"type": "halt", "mode": "q"}``).

    Raises:
        LparUnreachable: the node is off.
        LparSilent: no answer in time.
    """
    answer: dict[str, Any] = json.loads(exchange_bytes(path, json.dumps(request).encode(), patience))
    return answer
