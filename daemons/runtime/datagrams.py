"""Sealed UDP between the nodes of a lab: one endpoint a daemon and address, bounded, with the lab's faults applied.

Receiving is asyncio-dgram's; its queue has no bound of its own, so a backlog beyond ``BACKLOG`` is shed here, oldest
first, as a full socket buffer would. Sending goes straight to the socket and never blocks: what does not fit is lost,
as datagrams may be.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable

import asyncio_dgram
from asyncio_dgram.aio import DatagramStream

from daemons.runtime.seal import Seal
from srcctl.machine import RemoteFault

BACKLOG = 4096
"""Datagrams that may wait for this process."""

PAYLOAD_MAX = 60_000
"""Bytes of one payload (a UDP datagram over IPv4 holds 65,507)."""

ELSEWHERE = "from elsewhere"
"""Why a packet of a multicast group is dropped that comes from none of the addresses that are listened to."""

Admit = Callable[[int, bool], bool]
"""Node number, and whether the packet goes there or comes from there."""


class DatagramEndpoint:
    """A UDP socket on one of the node's addresses.

    Args:
        address: the node's own IP address.
        port: the port, the same on every node.
        seal: seals what we send, opens what we get.
        received: called with the sender's node number and the payload.
        admit: says whether the lab's faults let a packet to or from a node pass.
    """

    def __init__(
        self, address: str, port: int, seal: Seal, received: Callable[[int, bytes], None], admit: Admit | None = None
    ) -> None:
        self.address = address
        self.port = port
        self._seal = seal
        self._received = received
        self._admit = admit
        self._socket: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._group_task: asyncio.Task[None] | None = None
        self.group = ""
        """The multicast group that this endpoint is in."""
        self.sources: frozenset[str] | None = None
        """The addresses whose packets to the group count here, None for all. All addresses of a host, whatever networks
        and labs they stand for, are on its one loopback interface, so a group brings the packets of all. An address
        proves nothing: what it lets pass must be sealed all the same."""
        self.dropped: Counter[str] = Counter()
        """Packets that were not accepted or not sent, by cause."""

    async def start(self) -> None:
        """Bind and begin to receive.

        Raises:
            OSError: the address is in use or not this host's.
        """
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind((self.address, self.port))
        except BaseException:
            sock.close()
            raise
        self._socket = sock
        stream = await asyncio_dgram.from_socket(sock)
        self._tasks.append(asyncio.create_task(self._receive(stream, self.address)))

    async def join(self, group: str) -> None:
        """Be in a multicast group, on the interface of this address: what is sent to it comes in, too.

        Loopback serves: it needs neither a route nor its MULTICAST flag where interface and group are named (ip(7)).

        Raises:
            OSError: there is no multicast here.
        """
        assert self._socket is not None
        own = socket.inet_aton(self.address)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind((group, self.port))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + own)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        except BaseException:
            sock.close()
            raise
        stream = await asyncio_dgram.from_socket(sock)
        self._group_task = asyncio.create_task(self._receive(stream, group, grouped=True))
        self.group = group

    def leave(self) -> None:
        """Be in no multicast group any more; nothing happens if this endpoint is in none."""
        if self._group_task is not None:
            self._group_task.cancel()
        self._group_task = None
        self.group = ""

    def send_to_group(self, payload: bytes) -> bool:
        """Send to all in the group; False if the packet was lost here. Receivers apply the lab's faults."""
        if self._socket is None or not self.group:
            return False
        destination = self.group, self.port
        try:
            self._socket.sendto(self._seal.seal(payload, destination), socket.MSG_DONTWAIT, destination)
        except OSError as error:
            self.dropped[error.strerror or "error"] += 1
            return False
        return True

    def send(self, node: int, address: str, payload: bytes) -> bool:
        """Send to a node's address; False if the packet was lost here (faults, full buffers)."""
        if self._socket is None or (self._admit is not None and not self._admit(node, True)):
            self.dropped["cut"] += 1
            return False
        try:
            destination = address, self.port
            self._socket.sendto(self._seal.seal(payload, destination), socket.MSG_DONTWAIT, destination)
        except OSError as error:
            self.dropped[error.strerror or "error"] += 1
            return False
        return True

    def set_ttl(self, hops: int) -> None:
        """The time to live of what is sent, in hops (ip(7), IP_TTL)."""
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)

    def close(self) -> None:
        """Stop and release the address."""
        self.leave()
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self._socket = None

    async def _receive(self, stream: DatagramStream, destination: str, grouped: bool = False) -> None:
        queue: asyncio.Queue[object] = stream._recvq  # type: ignore[attr-defined]
        try:
            while True:
                try:
                    packet, address = await stream.recv()
                except OSError:
                    continue  # an ICMP error about a packet that we sent: the peer is down
                except asyncio_dgram.TransportClosed:
                    return
                while queue.qsize() > BACKLOG:
                    queue.get_nowait()
                    self.dropped["backlog"] += 1
                source = address[0] if isinstance(address, tuple) else ""
                if grouped and self.sources is not None and source not in self.sources:
                    if source != self.address:
                        self.dropped[ELSEWHERE] += 1
                    continue
                try:
                    sender, payload = self._seal.open(packet, (destination, self.port))
                except RemoteFault as fault:
                    self.dropped[str(fault)] += 1
                    continue
                if self._admit is not None and not self._admit(sender, False):
                    self.dropped["cut"] += 1
                    continue
                self._received(sender, payload)
        finally:
            stream.close()
