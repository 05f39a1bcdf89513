"""CAA's sockets: one on the node's address of every network, each in the multicast group of its site if heartbeats go
that way, with the lab's faults applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from daemons.caa.messages import Node
from daemons.caa.repository import Definition
from daemons.runtime.datagrams import Admit, DatagramEndpoint
from daemons.runtime.seal import Seal
from srcctl.network.faults import Faults

Received = Callable[[str, int, bytes], None]
"""Told of a packet: the network, the sender's number, the payload."""


class Networks:
    """The sockets of a node that is a member.

    Args:
        node: this node's name.
        faults: the lab's.
        received: told of packets.
        complain: told of what cannot be had.
    """

    def __init__(self, node: str, faults: Faults, received: Received, complain: Callable[[str], None]) -> None:
        self._node, self._faults, self._received, self._complain = node, faults, received, complain
        self._endpoints: dict[str, DatagramEndpoint] = {}
        self._definition: Definition | None = None

    async def open(self, definition: Definition, own: Node, port: int) -> None:
        """Listen on every network.

        Raises:
            OSError: an address is in use or not this host's; then none is listened to.
        """
        seal = Seal(bytes.fromhex(definition.key), own.number)
        self._definition = definition
        try:
            for network, address in own.addresses:
                endpoint = DatagramEndpoint(address, port, seal, self._receiver(network), self._admission(network))
                await endpoint.start()
                self._endpoints[network] = endpoint
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more."""
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._endpoints.clear()
        self._definition = None

    def use(self, definition: Definition, hops: int) -> None:
        """Take up another definition. ``hops``: the time to live of packets."""
        self._definition = definition
        for endpoint in self._endpoints.values():
            endpoint.set_ttl(hops)

    async def join_groups(self) -> None:
        """Be in the multicast group of every network, on which the nodes of this site are listened to."""
        definition = self._definition
        if definition is None:
            return
        fellows = definition.site_fellows(self._node)
        for network, endpoint in self._endpoints.items():
            endpoint.sources = frozenset(
                address
                for node in fellows
                if node.name != self._node
                for name, address in node.addresses
                if name == network
            )
            group = definition.group_of(self._node, network)
            if endpoint.group == group or not group:
                continue
            try:
                endpoint.leave()
                await endpoint.join(group)
            except OSError as error:
                self._complain(f"{network}: no multicast ({error.strerror}), heartbeats go to each node")

    @property
    def names(self) -> tuple[str, ...]:
        """The networks that are listened to."""
        return tuple(self._endpoints)

    @property
    def grouped(self) -> bool:
        """Whether every socket is in its multicast group."""
        return all(endpoint.group for endpoint in self._endpoints.values())

    @property
    def drops(self) -> Counter[str]:
        """Packets that were not accepted or not sent, by cause."""
        return sum((endpoint.dropped for endpoint in self._endpoints.values()), Counter[str]())

    def send(self, network: str, node: int, payload: bytes) -> bool:
        """Send to a node on a network; False if the packet was lost here."""
        endpoint, definition = self._endpoints.get(network), self._definition
        peer = next((each for each in definition.nodes if each.number == node), None) if definition else None
        address = dict(peer.addresses).get(network) if peer is not None else None
        return endpoint is not None and address is not None and endpoint.send(node, address, payload)

    def send_to_group(self, network: str, payload: bytes) -> bool:
        """Send to all nodes of this site on a network; False if the packet was lost here."""
        endpoint = self._endpoints.get(network)
        return endpoint is not None and endpoint.send_to_group(payload)

    def _receiver(self, network: str) -> Callable[[int, bytes], None]:
        return lambda sender, payload: self._received(network, sender, payload)

    def _admission(self, network: str) -> Admit:
        own = self._node

        def admit(number: int, outgoing: bool) -> bool:
            nodes = self._definition.nodes if self._definition is not None else ()
            name = next((node.name for node in nodes if node.number == number), None)
            return name is not None and self._faults.passes(*((own, name) if outgoing else (name, own)), network)

        return admit
