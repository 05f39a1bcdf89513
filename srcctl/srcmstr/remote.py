"""Requests from other nodes, with ``srcmstr -r``: who may ask, and how answers find the way back.

srcmstr and its subsystems know local return addresses only. A remote request gets one: a socket of its own, from which
every packet goes on, sealed, to the asker. It is closed when the asker's patience must be over.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import Final

from srcctl.node import sockets
from srcctl.node.root import NodeRoot
from srcctl.src import packets, remote

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


class RemoteRequests:
    """The node's ``src`` port.

    Args:
        root: the node's file tree.
        selector: where its sockets are registered, each with a function to call when it is readable.
        ask: takes a request whose return address is local.
        complain: takes a sentence for the console.

    Raises:
        OSError: the port is taken, or the lab's key cannot be read.
    """

    def __init__(
        self,
        root: NodeRoot,
        selector: selectors.BaseSelector,
        ask: Callable[[packets.Request], None],
        complain: Callable[[str], None],
    ) -> None:
        self._root = root
        self._selector = selector
        self._ask = ask
        self._complain = complain
        self._key = remote.lab_key(root)
        self._relays: dict[str, tuple[socket.socket, float]] = {}
        self._seen: dict[bytes, float] = {}
        self._refused: set[str] = set()
        for interface in root.identity.interfaces:
            port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            port.bind((interface.address, remote.port(root)))
            selector.register(port, selectors.EVENT_READ, lambda port=port: self._serve(port))

    def _serve(self, port: socket.socket) -> None:
        try:
            datagram, (address, _) = port.recvfrom(remote.SEALED_MAX + 1)
        except OSError:
            return
        self._forget()
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
            if address not in self._refused:
                self._refused.add(address)
                self._complain(f"srcmstr: a request from {address} is refused: it is not in /etc/hosts.equiv.")
            return
        self._seen[found[1]] = time.monotonic()
        self._ask(request._replace(retaddr=self._relay(port, asker, request.retaddr)))

    def _may_ask(self, address: str) -> bool:
        names = {address, *(n for known, names in remote.hosts(self._root) if known == address for n in names)}
        for path in EQUIVALENT_FILES:
            try:
                with open(self._root.path(path), encoding="utf-8", errors="replace") as file:
                    if allowed(file.read(), names):
                        return True
            except OSError:
                continue
        return False

    def _relay(self, port: socket.socket, asker: tuple[str, int], retaddr: str) -> str:
        name = remote.unique_name()
        relay = sockets.bind(self._root.path(f"{packets.SRC_DIRECTORY}/{name}"), socket.SOCK_DGRAM)
        relay.setblocking(False)
        self._relays[name] = (relay, time.monotonic() + RELAY_SECONDS)
        self._selector.register(relay, selectors.EVENT_READ, lambda: self._pass_back(relay, port, asker, retaddr))
        return name

    def _pass_back(self, relay: socket.socket, port: socket.socket, asker: tuple[str, int], retaddr: str) -> None:
        try:
            packet = packets.with_return_address(relay.recv(packets.PACKET_MAX + 1), retaddr)
            port.sendto(remote.seal(self._key, remote.ANSWER, packet), asker)
        except (OSError, packets.PacketError):
            pass

    def _forget(self) -> None:
        now = time.monotonic()
        for name, (relay, until) in list(self._relays.items()):
            if now >= until:
                del self._relays[name]
                self._selector.unregister(relay)
                relay.close()
                try:
                    os.unlink(self._root.path(f"{packets.SRC_DIRECTORY}/{name}"))
                except OSError:
                    pass
        self._seen = {unique: at for unique, at in self._seen.items() if now - at < 3 * remote.AGE_MAX}
