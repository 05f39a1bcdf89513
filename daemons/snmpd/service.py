"""snmpd: the node's SNMP agent, and in it the subtree that clstrmgrES feeds.

On AIX the cluster manager is a SMUX peer of snmpd; here the same feed runs over clstrmgrES's own socket, and the
visible rules are kept: the subtree exists only while the cluster manager feeds it and only if snmpd.conf has the peer's
``smux`` line.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import cast

from daemons.clstrmgr import messages as clstrmgr
from daemons.runtime.codec import Codec
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, LocalConnection
from daemons.runtime.ports import UnknownService, port
from daemons.snmpd import configuration, mib, traps
from daemons.snmpd.protocol import Memory, answer, trap
from daemons.snmpd.values import MibTree, Oid, Value, dotted, integer, string
from srcctl.machine import RemoteFault

SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
AIX_AGENT: Oid = (1, 3, 6, 1, 4, 1, 2, 3, 1, 2, 1, 1, 3)
SERVICES_OF_A_HOST = 76
EVENTS_KEPT = 64
RETRIES_MAX = 62
"""Attempts to reach the cluster manager before the agent waits for a refresh, as clstrmgrES does with snmpd."""
RETRY_PAUSE = 0.5
"""Seconds between attempts (patience; the product's pause is not documented)."""

REQUESTS: Codec[clstrmgr.Request] = Codec(clstrmgr.Request)
ANSWERS: Codec[clstrmgr.Answer] = Codec(clstrmgr.Answer)


class AgentProtocol(asyncio.DatagramProtocol):
    """One UDP socket of the agent; every packet is answered at once, so nothing queues."""

    def __init__(self, agent: Snmpd) -> None:
        self._agent = agent
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._agent.handle(data)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


class Snmpd(Daemon):
    """The agent's shell."""

    name = "snmpd"
    log_file = "/var/adm/ras/snmpd.log"

    started_at: float
    configuration: configuration.AgentConfiguration

    async def start(self) -> None:
        self.started_at = time.monotonic()
        self.snapshot: clstrmgr.ClusterSnapshot | None = None
        self.events: deque[mib.EventRow] = deque(maxlen=EVENTS_KEPT)
        self.last_event = 0
        self.old_holders: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.requests = 0
        self._tree: MibTree | None = None
        self._wanted = asyncio.Event()
        self._read_configuration()
        try:
            self.port = port(self.root, "snmp", "udp")
            self.trap_port = port(self.root, "snmp-trap", "udp")
        except UnknownService as reason:
            raise CannotStart(str(reason)) from None
        loop = asyncio.get_running_loop()
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._transports = []
        for interface in self.identity.interfaces:
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: AgentProtocol(self), local_addr=(interface.address, self.port)
                )
            except OSError as error:
                raise CannotStart(f"{interface.address} port {self.port}: {error.strerror}") from None
            self._transports.append(transport)
        self._wanted.set()
        self.spawn(self._feed())
        self.log.write(f"started on port {self.port}")

    async def stop(self, forced: bool) -> int:
        for transport in self._transports:
            transport.close()
        self._sender.close()
        self.log.write("stopped")
        return 0

    async def refresh(self) -> str | None:
        self._read_configuration()
        self._wanted.set()
        return None

    def long_status(self) -> str:
        lines = ["Debug         Not active", "", "Communities:"]
        lines += [f" {name}" for name in self.configuration.communities]
        lines += ["", "Smux peers:                             Status"]
        for oid, _ in self.configuration.smux:
            active = oid == mib.CLSMUXPD and self.snapshot is not None
            lines.append(f" {dotted(oid):<38} {'registered' if active else 'not registered'}")
        lines += ["", "Traps to:"]
        lines += [f" {target.address} ({target.community})" for target in self.configuration.traps]
        lines += ["", f"Requests answered: {self.requests}   Packets dropped: {self.faults.total()}"]
        return "\n".join(lines)

    def handle(self, packet: bytes) -> bytes | None:
        """The agent's answer to a packet."""
        if self._tree is None:
            self._tree = self._build()
        self._tree.update((*SYSTEM, 3, 0), Value("ticks", self._uptime()))
        try:
            reply = answer(packet, self.configuration.communities, self._tree, self._asked, self._memory)
        except RemoteFault as fault:
            cause = str(fault).partition(":")[0]
            if not self.faults[cause]:
                self.log.write(f"dropped a packet: {fault} (further ones are only counted)")
            self.faults[cause] += 1
            return None
        self.requests += 1
        return reply

    def _asked(self, kind: str, names: Iterable[Oid]) -> None:
        """Count what a manager wants below risc6000clsmuxpd, and show the counters as they stand."""
        count = sum(name[: len(mib.CLSMUXPD)] == mib.CLSMUXPD for name in names)
        if count and self._tree is not None:
            self.counts[kind] += count
            for oid, value in self._counters():
                self._tree.update(oid, value)

    def _counters(self) -> list[tuple[Oid, Value]]:
        c = self.counts
        return mib.agent_counters(c["get"], c["next"], c["set"], c["trap"], self.faults.total())

    def _read_configuration(self) -> None:
        path = self.root.path(configuration.CONFIGURATION_FILE)
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                self.configuration = configuration.parse(file.read())
        except OSError as error:
            raise CannotStart(f"{configuration.CONFIGURATION_FILE}: {error.strerror}") from None
        self._memory: Memory = {}
        for fault in self.configuration.faults:
            self.log.write(f"{configuration.CONFIGURATION_FILE}: {fault}")
        self._tree = None

    def _uptime(self) -> int:
        return int((time.monotonic() - self.started_at) * 100)

    def _build(self) -> MibTree:
        identity = self.identity
        instances: list[tuple[Oid, Value]] = [
            ((*SYSTEM, 1, 0), string(f"AIX {identity.node} 7.2: PowerHA SystemMirror node")),
            ((*SYSTEM, 2, 0), Value("oid", AIX_AGENT)),
            ((*SYSTEM, 3, 0), Value("ticks", 0)),
            ((*SYSTEM, 4, 0), string(self.configuration.contact)),
            ((*SYSTEM, 5, 0), string(identity.node)),
            ((*SYSTEM, 6, 0), string(self.configuration.location)),
            ((*SYSTEM, 7, 0), integer(SERVICES_OF_A_HOST)),
        ]
        if self.snapshot is not None and self.configuration.serves(mib.CLSMUXPD):
            tree = mib.subtree(self.snapshot, tuple(self.events), time.timezone, self.old_holders)
            instances += [*tree.below(mib.CLSMUXPD), *self._counters()]
        return MibTree(instances)

    async def _feed(self) -> None:
        """Follow the cluster manager: reconnect a bounded number of times, then wait for a refresh."""
        path = self.root.path(clstrmgr.SOCKET_PATH)
        attempts = 0
        while True:
            await self._wanted.wait()
            try:
                connection = await LocalConnection.open(path, REQUESTS, ANSWERS)
            except OSError:
                attempts += 1
                if attempts >= RETRIES_MAX:
                    self.log.write(f"unable to reach the cluster manager after {RETRIES_MAX} retries, giving up")
                    self._wanted.clear()
                    attempts = 0
                else:
                    await asyncio.sleep(RETRY_PAUSE)
                continue
            attempts = 0
            try:
                connection.send(clstrmgr.WatchState())
                while True:
                    self._take(await connection.receive())
            except (Closed, RemoteFault) as reason:
                self.log.write(f"the cluster manager's feed ended: {reason or 'connection closed'}")
                self.snapshot, self._tree = None, None
            finally:
                connection.close()

    def _take(self, message: clstrmgr.Answer) -> None:
        if isinstance(message, clstrmgr.ClusterSnapshot):
            old, self.snapshot = self.snapshot, message
            for former in old.addresses if old is not None else ():
                holders = [a.active_node for a in message.addresses if a.address == former.address]
                if former.active_node and holders and holders[0] not in (0, former.active_node):
                    self.old_holders[former.address] = former.active_node
            for change in traps.of_change(old, message):
                self._send_trap(change)
            for number in traps.event_numbers(old, message):
                self._event(number, message.local_node, message.local_name, 0, message.last_change)
            self._tree = None
        elif isinstance(message, clstrmgr.EventRecord):
            networks = self.snapshot.networks if self.snapshot is not None else ()
            network = next((n.network_id for n in networks if n.name == message.network), 0)
            event = mib.event_id(message)
            if event is not None:
                self._event(event, message.node, message.node_name, network, message.time)

    def _event(self, number: int, node: int, node_name: str, network_id: int, when: int) -> None:
        """Enter an event into eventTable and send its trap."""
        self.last_event += 1
        row = mib.EventRow(self.last_event, number, node, node_name, network_id, when)
        self.events.append(row)
        self._tree = None
        self._send_trap(traps.of_event(row, self.snapshot.cluster_id if self.snapshot else 0))

    def _send_trap(self, change: traps.Trap) -> None:
        self.counts["trap"] += 1
        own = self.identity.interfaces[0].address
        for target in self.configuration.traps:
            # The loopback address of a node is its own: every node of a lab shares the host's 127.0.0.1.
            address = own if target.address in ("127.0.0.1", "localhost", "loopback") else target.address
            packet = trap(mib.CLSMUXPD, own, change.specific, self._uptime(), target.community, change.values)
            try:
                self._sender.sendto(packet, (address, self.trap_port))
            except OSError as error:
                self.faults[f"trap not sent: {error.strerror}"] += 1


def main(argv: list[str]) -> int:
    """The process entry of snmpd."""
    return run(Snmpd, argv)
