"""How RMC commands reach the daemon: on this node over its socket, on another (CT_CONTACT) over 657/tcp."""

from __future__ import annotations

import os
from typing import TypeVar

from daemons.ctrmc.messages import SERVICE, SOCKET_PATH, Answer, Request
from daemons.runtime import keys
from daemons.runtime.codec import LENGTH_BYTES, Codec
from daemons.runtime.local_client import LocalClient
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.trust import Refused, connect_trusted
from srcctl.machine import RemoteFault
from srcctl.node.root import IdentityError, NodeRoot

AnswerT = TypeVar("AnswerT")

_REQUESTS: Codec[Request] = Codec(Request)
_ANSWERS: Codec[Answer] = Codec(Answer)


class NoSession(Exception):
    """The RMC daemon cannot be reached; the text is the product's message."""


def ask(request: Request, expected: type[AnswerT], root: NodeRoot | None = None, contact: str | None = None) -> AnswerT:
    """Send one request and return its answer.

    Args:
        request: what to ask.
        expected: the type of the answer.
        root: the node's root.
        contact: another node's name; by default CT_CONTACT of the environment, else this node.

    Raises:
        NoSession: the daemon is not active or not reachable.
    """
    root = root or NodeRoot.current()
    contact = os.environ.get("CT_CONTACT", "") if contact is None else contact
    try:
        if contact and contact != root.identity.node:
            answer = _ask_remote(root, contact, request)
        else:
            with LocalClient(root.path(SOCKET_PATH), _REQUESTS, _ANSWERS) as client:
                answer = client.request(request)
    except (OSError, EOFError, RemoteFault, Refused, UnknownService, IdentityError):
        node = contact or "local_node"
        raise NoSession(f'2612-022 A session could not be established with the RMC daemon on "{node}".') from None
    if not isinstance(answer, expected):
        raise NoSession(f"2612-022 The RMC daemon answered with {type(answer).__name__}.")
    return answer


def _ask_remote(root: NodeRoot, contact: str, request: Request) -> Answer:
    identity = root.identity
    node = identity.node_by_name(contact)
    address = node.addresses[0] if node else contact
    with connect_trusted(address, port(root, SERVICE, "tcp"), keys.offered(root)[0], identity.node) as sock:
        sock.settimeout(30.0)
        sock.sendall(_REQUESTS.frame(request))
        with sock.makefile("rb") as stream:
            length = int.from_bytes(stream.read(LENGTH_BYTES), "big")
            if not 0 < length <= _ANSWERS.limit:
                raise EOFError
            return _ANSWERS.decode(stream.read(length))
