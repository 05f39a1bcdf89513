"""How commands ask Group Services on their node: one request, without the import of an event loop."""

from __future__ import annotations

from daemons.cthags.messages import (
    SOCKET_PATH,
    Decide,
    Decided,
    Disarm,
    DomainStatus,
    ErrorCode,
    QueryStatus,
    notification_codec,
    request_codec,
)
from daemons.runtime.local_client import LocalClient
from srcctl.machine import RemoteFault
from srcctl.node.root import NodeRoot

QUERY_PATIENCE = 10.0
"""Seconds within which cthags answers a status query."""


class Unreachable(Exception):
    """cthags does not run on this node, does not answer, or refuses the program. ``code``: the product's name of the
    reason."""

    def __init__(self, text: str, code: ErrorCode = "HA_GS_CONNECT_FAILED") -> None:
        super().__init__(text)
        self.code = code


def query_status(root: NodeRoot) -> DomainStatus:
    """Ask the node's cthags for its status, without an event loop.

    Raises:
        Unreachable: it does not run or does not answer.
    """
    try:
        with LocalClient(root.path(SOCKET_PATH), request_codec, notification_codec, QUERY_PATIENCE) as client:
            answer = client.request(QueryStatus())
    except (OSError, EOFError, RemoteFault) as error:
        raise Unreachable(str(error)) from None
    if not isinstance(answer, DomainStatus):
        raise Unreachable("unexpected answer")
    return answer


def disarm(root: NodeRoot, request: Disarm) -> None:
    """Have the node's cthags disarm what protects the node from it, or from its clients.

    Raises:
        Unreachable: it does not run or does not answer.
    """
    try:
        with LocalClient(root.path(SOCKET_PATH), request_codec, notification_codec, QUERY_PATIENCE) as client:
            client.request(request)
    except (OSError, EOFError, RemoteFault) as error:
        raise Unreachable(str(error)) from None


def decide(root: NodeRoot, go_on: bool) -> bool:
    """An operator's answer where two parts of the domain meet; returns whether one was awaited.

    Raises:
        Unreachable: cthags does not run or does not answer.
    """
    try:
        with LocalClient(root.path(SOCKET_PATH), request_codec, notification_codec, QUERY_PATIENCE) as client:
            answer = client.request(Decide(go_on))
    except (OSError, EOFError, RemoteFault) as error:
        raise Unreachable(str(error)) from None
    return isinstance(answer, Decided) and answer.awaited
