"""How daemons talk to Group Services: an asyncio client. Commands ask by ``daemons.cthags.query``."""

from __future__ import annotations

import asyncio
import errno
import os

from daemons.caa import client as caa
from daemons.cthags.messages import (
    SOCKET_PATH,
    DelayedError,
    Died,
    DomainStatus,
    ErrorCode,
    Init,
    Initialized,
    Notification,
    QueryStatus,
    Request,
    notification_codec,
    request_codec,
)
from daemons.cthags.query import Unreachable
from daemons.cthags.vigil import Vigil
from daemons.runtime.local import Closed, LocalConnection
from srcctl.machine import SECOND, RemoteFault
from srcctl.node.root import NodeRoot

INIT_PATIENCE = 5.0
"""Seconds within which cthags registers a client."""
DOMAIN_PATIENCE = 2.0
"""Seconds that a daemon waits for the name of the domain."""


Connection = LocalConnection[Request, Notification]


NO_SOCKET = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""Why a program gets no socket at all."""


class GroupServices:
    """A GS client: ``init``, then ``send`` requests and ``receive`` notifications.

    After ``Died`` nothing comes any more: the connection has ended.
    """

    def __init__(self, connection: Connection, node: int, vigil: Vigil) -> None:
        self._connection = connection
        self._vigil = vigil
        self._reading: asyncio.Task[Notification] | None = None
        self.node = node
        """This node's number."""

    @classmethod
    async def init(
        cls,
        root: NodeRoot,
        name: str,
        *,
        interval_us: int = 0,
        limit_us: int = 0,
        critical: bool = False,
        deactivate_script: str = "",
        counter: int | None = None,
    ) -> GroupServices:
        """``ha_gs_init``: connect and register.

        Args:
            root: the node's root.
            name: the program's name as status commands show it.
            interval_us, limit_us: responsiveness probes (0: none), which are a vigil over Group Services, too.
            critical: to be killed when it does not answer.
            deactivate_script: path of the program that is run when a provider of this client is expelled.
            counter: descriptor of a counter that is read instead of sending probes; there is no vigil then.

        Raises:
            Unreachable: cthags does not run or does not answer.
        """
        try:
            connection = await Connection.open(root.path(SOCKET_PATH), request_codec, notification_codec)
        except OSError as error:
            code: ErrorCode = "HA_GS_SOCK_CREATE_FAILED" if error.errno in NO_SOCKET else "HA_GS_CONNECT_FAILED"
            raise Unreachable(f"Group Services cannot be reached: {error}", code) from None
        try:
            async with asyncio.timeout(INIT_PATIENCE):
                answer = await connection.request(
                    Init(name, os.getpid(), interval_us, limit_us, critical, deactivate_script, counter)
                )
        except (Closed, RemoteFault, TimeoutError) as error:
            connection.close()
            raise Unreachable(f"Group Services do not answer: {error}", "HA_GS_SOCK_INIT_FAILED") from None
        if not isinstance(answer, Initialized):
            connection.close()
            refused = answer.code if isinstance(answer, DelayedError) else "HA_GS_SOCK_INIT_FAILED"
            raise Unreachable(f"Group Services refused the client: {refused}", refused)
        return cls(connection, answer.node, Vigil(interval_us if counter is None else 0, limit_us))

    def send(self, request: Request) -> None:
        """Make a request; what comes of it is a notification."""
        self._connection.send(request)

    async def receive(self) -> Notification:
        """The next notification; ``Died`` when Group Services have ended or hang."""
        reading = self._reading or asyncio.ensure_future(self._connection.receive())
        self._reading = reading
        while not reading.done():
            done, _ = await asyncio.wait((reading,), timeout=self._vigil.tick_us / SECOND or None)
            if not done and self._vigil.tick():
                self.quit()
                return Died("Group Services hang")
        self._reading = None
        self._vigil.heard()
        try:
            return reading.result()
        except Closed:
            return Died()
        except RemoteFault as fault:
            self.quit()
            return Died(f"Group Services sent rubbish: {fault}")

    def quit(self) -> None:
        """``ha_gs_quit``: end the connection; what was joined fails."""
        if self._reading is not None:
            self._reading.cancel()
        self._connection.close()


async def peer_domain(root: NodeRoot) -> str:
    """The peer domain in which this node is online; "" if it is in none, or nobody can say."""
    try:
        async with asyncio.timeout(DOMAIN_PATIENCE):
            cluster = await caa.membership(root)
            if cluster is None:
                return ""
            connection = await LocalConnection[Request, Notification].open(
                root.path(SOCKET_PATH), request_codec, notification_codec
            )
            try:
                status = await connection.request(QueryStatus())
            finally:
                connection.close()
    except (OSError, Closed, RemoteFault, TimeoutError):
        return ""
    return cluster.cluster_name if isinstance(status, DomainStatus) and status.established else ""
