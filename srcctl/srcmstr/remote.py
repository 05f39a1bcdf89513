"""Requests from other nodes, with ``srcmstr -r``: who may ask, and how answers find the way back.

srcmstr and its subsystems know local return addresses only. A remote request gets one: a socket of its own, from which
every packet goes on, sealed, to the asker, as fast as the asker acknowledges them. It is closed when the asker's
patience must be over.
"""

from __future__ import annotations

import os
import socket
import time

from srcctl.network import hosts
from srcctl.node import sockets
from srcctl.node.root import NodeRoot
from srcctl.src import packets, remote
from srcctl.srcmstr.readers import Readers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

RELAYS_MAX: Final = 64
"""Remote requests that wait for answers; further ones are dropped, and their askers time out."""
RELAY_SECONDS: Final = 60.0
EQUIVALENT_FILES: Final = ("/etc/hosts.equiv", "/.rhosts")


def allowed(equivalent: str, names: set[str]) -> bool:
    """Whether a hosts.equiv trusts a host: the first line that fits decides (hosts.equiv(5)).

    Args:
        equivalent: the file's text. ``+`` is every host, ``-NAME`` refuses one; users are not looked at, because only
            root may ask.
        names: the host's address and its names.
    """
    for line in equivalent.splitlines():
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        refused, name = fields[0].startswith("-"), fields[0].lstrip("+-")
        if name in names or (not name and not refused):
            return not refused
    return False


class Relay:
    """The local return address of a remote request. ``sent`` and ``acknowledged`` count answers; ``closes`` is the
    time at which the asker's patience is over, of the monotonic clock."""

    __slots__ = ("acknowledged", "asker", "closes", "local", "port", "retaddr", "sent")

    def __init__(
        self, local: socket.socket, port: socket.socket, asker: tuple[str, int], retaddr: str, closes: float
    ) -> None:
        self.local = local
        self.port = port
        self.asker = asker
        self.retaddr = retaddr
        self.closes = closes
        self.sent = 0
        self.acknowledged = 0


class RemoteRequests:
    """The node's ``src`` port.

    Args:
        root: the node's file tree.
        readers: where its sockets are registered.
        ask: takes a request whose return address is local.
        complain: takes a sentence for the console.

    Raises:
        OSError: the port is taken, or the lab's key cannot be read.
    """

    def __init__(
        self,
        root: NodeRoot,
        readers: Readers,
        ask: Callable[[packets.Request], None],
        complain: Callable[[str], None],
    ) -> None:
        self._root = root
        self._readers = readers
        self._ask = ask
        self._complain = complain
        self._key = remote.lab_key(root)
        self._relays: dict[str, Relay] = {}
        self._seen: dict[bytes, float] = {}
        self._complained: set[str] = set()
        for interface in root.identity.interfaces:
            port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            port.bind((interface.address, remote.port(root)))
            self._readers.register(port, self._server(port))

    def _server(self, port: socket.socket) -> Callable[[], None]:
        return lambda: self._serve(port)

    def _serve(self, port: socket.socket) -> None:
        try:
            datagram, (address, _) = port.recvfrom(remote.SEALED_MAX + 1)
        except OSError:
            return
        self._forget()
        acknowledged = remote.unseal(self._key, remote.ACKNOWLEDGEMENT, datagram)
        if acknowledged is not None:
            self._acknowledge(acknowledged[0], address)
            return
        found = remote.unseal(self._key, remote.REQUEST, datagram)
        if found is None or found[1] in self._seen or len(self._relays) >= RELAYS_MAX:
            return
        try:
            request = packets.decode_request(found[0])
        except packets.PacketError:
            return
        asker = packets.internet_address(request.retaddr)
        if asker is None or asker[0] != address or request.cont != packets.NEWREQUEST:
            return
        if not self._may_ask(address):
            self._complain_once(f"srcmstr: a request from {address} is refused: it is not in /etc/hosts.equiv.")
            return
        try:
            retaddr = self._relay(found[1], port, asker, request.retaddr)
        except OSError as error:
            # It comes again until its asker's patience ends.
            self._complain_once(f"srcmstr: a request from {address} cannot be answered: {error.strerror}")
            return
        self._seen[found[1]] = time.monotonic()
        self._ask(request._replace(retaddr=retaddr))

    def _complain_once(self, text: str) -> None:
        if text not in self._complained:
            self._complained.add(text)
            self._complain(text)

    def _may_ask(self, address: str) -> bool:
        names = {address, *(n for known, names in hosts.entries(self._root) if known == address for n in names)}
        for path in EQUIVALENT_FILES:
            try:
                with open(self._root.path(path), encoding="utf-8", errors="replace") as file:
                    if allowed(file.read(), names):
                        return True
            except OSError:
                continue
        return False

    def _relay(self, unique: bytes, port: socket.socket, asker: tuple[str, int], retaddr: str) -> str:
        name = remote.answers_name(unique)
        local = sockets.bind(self._root.path(f"{packets.SRC_DIRECTORY}/{name}"), socket.SOCK_DGRAM)
        local.setblocking(False)
        relay = Relay(local, port, asker, retaddr, time.monotonic() + RELAY_SECONDS)
        self._relays[name] = relay
        self._listen(relay)
        return name

    def _listen(self, relay: Relay) -> None:
        self._readers.register(relay.local, lambda: self._pass_back(relay))

    def _pass_back(self, relay: Relay) -> None:
        try:
            packet = packets.with_return_address(relay.local.recv(packets.PACKET_MAX + 1), relay.retaddr)
        except (OSError, packets.PacketError):
            return
        relay.sent += 1
        try:
            answer = remote.NUMBER.pack(relay.sent) + packet
            relay.port.sendto(remote.seal(self._key, remote.ANSWER, answer), relay.asker)
        except OSError:
            pass
        if relay.sent - relay.acknowledged >= remote.WINDOW:
            # What comes now waits with its senders.
            self._readers.unregister(relay.local)

    def _acknowledge(self, acknowledgement: bytes, address: str) -> None:
        (number,) = remote.NUMBER.unpack_from(acknowledgement)
        retaddr = acknowledgement[remote.NUMBER.size :].decode(errors="replace")
        for relay in self._relays.values():
            if relay.retaddr == retaddr and relay.asker[0] == address and relay.acknowledged < number <= relay.sent:
                relay.acknowledged = number
                self._listen(relay)

    def _forget(self) -> None:
        now = time.monotonic()
        for name, relay in list(self._relays.items()):
            if now >= relay.closes:
                del self._relays[name]
                self._readers.unregister(relay.local)
                relay.local.close()
                try:
                    os.unlink(self._root.path(f"{packets.SRC_DIRECTORY}/{name}"))
                except OSError:
                    pass
        self._seen = {unique: at for unique, at in self._seen.items() if now - at < 3 * remote.AGE_MAX}
