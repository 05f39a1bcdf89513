"""How this node's cthags reaches the others: caa's word on nodes and paths, UDP on them, at last the repository disk.

caa tells which nodes live and which network paths are up. A packet takes the first path that is up; where none is
left, caa carries it over the repository disk. So "alive" and "reachable" never contradict each other.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import Any

from daemons.caa import messages as caa
from daemons.runtime import keys
from daemons.runtime.datagrams import Admit, DatagramEndpoint
from daemons.runtime.local import Closed, LocalConnection
from daemons.runtime.ports import port
from daemons.runtime.seal import Seal
from srcctl.machine import RemoteFault
from srcctl.network.faults import Faults
from srcctl.node.root import NodeRoot

SERVICE = "cthags"
CONNECT_PATIENCE = 5.0
"""Seconds within which caa must answer after the connection is made."""

Connection = LocalConnection[caa.Request, caa.Answer]


class Paths:
    """The connection to caa and a UDP endpoint on each of the node's networks.

    Args:
        root: the node's root.
        received: takes a packet (node, payload).
        alive: takes caa's picture whenever it changes.
        lost: told when caa has ended, with the reason.
    """

    def __init__(
        self,
        root: NodeRoot,
        received: Callable[[int, bytes], None],
        alive: Callable[[caa.Membership], None],
        lost: Callable[[str], None],
    ) -> None:
        self._root = root
        self._identity = root.identity
        self._received = received
        self._alive = alive
        self._lost = lost
        self._faults = Faults(root.identity.lab)
        self._connection: Connection | None = None
        self._first: caa.Membership | None = None
        self._endpoints: dict[str, DatagramEndpoint] = {}
        self._routes: dict[int, tuple[DatagramEndpoint, str] | None] = {}
        self._membership: caa.Membership | None = None
        self.relayed = 0

    @property
    def node(self) -> int:
        """This node's number in the cluster."""
        assert self._first is not None
        return self._first.own

    async def connect(self) -> bool:
        """Ask caa; False if it has no cluster for us."""
        try:
            self._connection = await Connection.open(
                self._root.path(caa.SOCKET_PATH), caa.request_codec, caa.answer_codec
            )
            self._connection.send(caa.Subscribe(relay=True))
            async with asyncio.timeout(CONNECT_PATIENCE):
                answer = await self._connection.receive()
        except (OSError, Closed, RemoteFault, TimeoutError):
            return False
        if not isinstance(answer, caa.Membership):
            self._connection.close()
            return False
        self._first = answer
        return True

    async def start(self) -> None:
        """Bind the sockets.

        Raises:
            OSError: an address or the key cannot be used.
            UnknownService: /etc/services does not know the port.
        """
        seal = Seal(keys.accepted(self._root)[0], self.node)
        number = port(self._root, SERVICE, "udp")
        for interface in self._identity.interfaces:
            endpoint = DatagramEndpoint(
                interface.address, number, seal, self._received, self._admits(interface.network)
            )
            await endpoint.start()
            self._endpoints[interface.network] = endpoint
        if not self._endpoints:
            raise OSError(errno.EADDRNOTAVAIL, "this node has no network interface")

    def follow(self, spawn: Callable[[Coroutine[Any, Any, Any]], object]) -> None:
        """Take up caa's first picture and follow it from then on."""
        assert self._first is not None
        self._picture(self._first)
        spawn(self._follow())

    def send(self, node: int, payload: bytes) -> None:
        """Send a packet; it may be lost."""
        route = self._routes.get(node)
        if route is not None:
            endpoint, address = route
            endpoint.send(node, address, payload)
        elif self._connection is not None and len(payload) <= caa.RELAY_MAX:
            self.relayed += 1
            self._connection.send(caa.Relay(node, payload))

    def set_dead_mans_switch(self, armed: bool) -> None:
        """Tell caa that this daemon turns, and whether the node must go down if it stops."""
        if self._connection is not None:
            self._connection.send(caa.DeadMansSwitch(armed))

    def close(self) -> None:
        """Release everything."""
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._endpoints.clear()
        self._routes.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def dropped(self) -> dict[str, int]:
        """Packets that were not accepted or not sent, by cause."""
        counts: dict[str, int] = {}
        for endpoint in self._endpoints.values():
            for cause, count in endpoint.dropped.items():
                counts[cause] = counts.get(cause, 0) + count
        return counts

    async def _follow(self) -> None:
        connection = self._connection
        assert connection is not None
        reason = "the connection was closed"
        try:
            while True:
                match await connection.receive():
                    case caa.Membership() as membership:
                        self._picture(membership)
                    case caa.Relay(node, payload):
                        self._received(node, payload)
                    case _:
                        pass
        except Closed:
            pass
        except RemoteFault as fault:
            reason = str(fault)
        if self._connection is connection:
            self._lost(reason)

    def _picture(self, membership: caa.Membership) -> None:
        self._membership = membership
        self._routes = {}
        for path in membership.paths:
            endpoint = self._endpoints.get(path.network)
            if path.up and endpoint is not None and path.node not in self._routes:
                self._routes[path.node] = (endpoint, path.remote_address)
        self._alive(membership)

    def _admits(self, network: str) -> Admit:
        own = self._identity.node

        def admit(number: int, outgoing: bool) -> bool:
            other = self.name_of(number)
            return other is not None and self._faults.passes(*((own, other) if outgoing else (other, own)), network)

        return admit

    @property
    def domain(self) -> str:
        """The name of the cluster."""
        return self._first.cluster_name if self._first is not None else ""

    @property
    def uuid(self) -> str:
        """This node's uuid in the cluster."""
        nodes = self._first.nodes if self._first is not None else ()
        return next((node.uuid for node in nodes if node.number == self.node), "")

    def name_of(self, number: int) -> str | None:
        """The name of a node of the cluster."""
        membership = self._membership or self._first
        if membership is None:
            return None
        return next((node.name for node in membership.nodes if node.number == number), None)
