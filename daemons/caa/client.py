"""How commands and daemons ask CAA on their node."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from daemons.caa.messages import (
    SOCKET_PATH,
    Answer,
    Decide,
    Join,
    Leave,
    Membership,
    Move,
    Outcome,
    Query,
    Replace,
    Request,
    Reread,
    Status,
    answer_codec,
    request_codec,
)
from daemons.caa.repository import Commit, Definition, RepositoryDisk, RepositoryError, find_disk
from daemons.runtime.local_client import LocalClient
from srcctl.machine import RemoteFault
from srcctl.node.root import NodeRoot

if TYPE_CHECKING:
    # asyncio is for daemons: commands that ask CAA start without it.
    from daemons.runtime.local import LocalConnection

__all__ = [
    "CaaError",
    "Commit",
    "Definition",
    "Membership",
    "RepositoryDisk",
    "RepositoryError",
    "Status",
    "connect",
    "decide",
    "find_disk",
    "follow_repository",
    "is_stopped",
    "join",
    "leave",
    "membership",
    "move",
    "own_repository",
    "replace",
    "repository",
    "reread",
    "status",
]

INACTIVE = "Cluster services are not active."
STOPPED = "Cluster services are not active on this node because it has been stopped."
BOOT_PATIENCE = 2.0
"""Seconds to wait for a caa that does not listen yet."""


class CaaError(Exception):
    """CAA cannot be asked, or refused; ``str()`` is the message."""


def _ask(root: NodeRoot, request: Request) -> Answer:
    deadline = time.monotonic() + BOOT_PATIENCE
    while True:
        try:
            with LocalClient(root.path(SOCKET_PATH), request_codec, answer_codec) as client:
                return client.request(request)
        except (FileNotFoundError, ConnectionRefusedError):
            # The node has just been powered on: caa is part of its kernel and comes at once.
            if time.monotonic() > deadline:
                raise CaaError(INACTIVE) from None
            time.sleep(0.01)
        except (OSError, EOFError, RemoteFault):
            raise CaaError(INACTIVE) from None


def status(root: NodeRoot) -> Status:
    """Everything that lscluster shows; ``membership`` is None while CAA is not active.

    Raises:
        CaaError: CAA does not answer.
    """
    answer = _ask(root, Query())
    if not isinstance(answer, Status):
        raise CaaError(INACTIVE)
    return answer


def is_stopped(root: NodeRoot) -> bool:
    """Was CAA stopped by hand on this node (STOP_CAA, clctrl -stop), so that it stays down until it is started?"""
    from daemons.caa.device import STOPPED_FILE

    return os.path.exists(root.path(STOPPED_FILE))


def decide(root: NodeRoot, go_on: bool) -> None:
    """An operator's answer to a split: this node's side goes on, or gives way.

    Raises:
        CaaError: nobody has asked, or CAA does not answer.
    """
    _request(root, Decide(go_on))


def _request(root: NodeRoot, request: Request) -> None:
    answer = _ask(root, request)
    if isinstance(answer, Outcome) and answer.error:
        raise CaaError(answer.error)


def join(root: NodeRoot, disk: str) -> None:
    """Have this node join the cluster on a repository disk; returns when it is active.

    Raises:
        CaaError: the disk holds no cluster with this node.
    """
    _request(root, Join(disk))


def leave(root: NodeRoot, forget: bool = False) -> None:
    """Stop CAA on this node; with ``forget`` it is no member any more.

    Raises:
        CaaError: CAA does not answer.
    """
    _request(root, Leave(forget))


def reread(root: NodeRoot) -> None:
    """Have CAA read the definition on the repository disk again.

    Raises:
        CaaError: CAA does not answer.
    """
    _request(root, Reread())


def replace(root: NodeRoot, disk: str) -> None:
    """Have CAA write the repository to another disk and use that one.

    Raises:
        CaaError: it cannot.
    """
    _request(root, Replace(disk))


def move(root: NodeRoot, disk: str) -> None:
    """Have CAA use the repository on another disk.

    Raises:
        CaaError: the disk does not hold this cluster.
    """
    _request(root, Move(disk))


def repository(root: NodeRoot) -> RepositoryDisk:
    """The repository disk of this node's cluster.

    Raises:
        CaaError: CAA is not active.
    """
    now = status(root)
    if now.membership is None or not now.disk:
        raise CaaError(INACTIVE)
    return RepositoryDisk(root.identity.lab, now.disk)


def follow_repository(root: NodeRoot, disk: str) -> bool:
    """Have this node's cluster configuration name the disk that is the repository; True if it named another one.

    Raises:
        OSError, OdmError: an object class cannot be written.
    """
    from daemons.caa.replacement import follow

    return follow(root, disk)


def own_repository(root: NodeRoot) -> tuple[RepositoryDisk, Definition]:
    """The repository of the cluster that this node belongs to, whether CAA is active on it or stopped.

    Raises:
        CaaError: the node is no member.
        OSError: the repository disk has failed.
    """
    from daemons.caa.own_repository import Joins
    from daemons.caa.replacement import at_boot

    named = status(root).disk
    if not named and isinstance(found := at_boot(root), Joins):
        named = found.disk
    disk = RepositoryDisk(root.identity.lab, named) if named else None
    definition = disk.read_definition() if disk is not None else None
    if disk is None or definition is None:
        raise CaaError("this node is not a member of a cluster.")
    return disk, definition


async def connect(root: NodeRoot) -> LocalConnection[Request, Answer]:
    """A connection for subscribers.

    Raises:
        OSError: CAA does not listen.
    """
    from daemons.runtime.local import LocalConnection

    return await LocalConnection.open(root.path(SOCKET_PATH), request_codec, answer_codec)


async def current_status(root: NodeRoot) -> Status:
    """What ``status`` tells, for daemons, which do not wait for a CAA that does not listen.

    Raises:
        OSError, Closed, RemoteFault: CAA does not answer.
    """
    connection = await connect(root)
    try:
        answer = await connection.request(Query())
    finally:
        connection.close()
    return answer if isinstance(answer, Status) else Status(None)


async def membership(root: NodeRoot) -> Membership | None:
    """The cluster that this node is in, for daemons; None while it is in none.

    Raises:
        OSError, Closed, RemoteFault: CAA does not answer.
    """
    return (await current_status(root)).membership
