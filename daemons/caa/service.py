"""CAA's process: what the AIX kernel does for the cluster, and one half of the node's guard.

It runs from power on. A node that is a member (its ODM names the repository disk) joins by itself, unless CAA was
stopped by hand; then Group Services are started. Without a cluster it waits to be told to join.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from daemons.caa import aha, core, tunables
from daemons.caa.messages import (
    DISK_PATH,
    SOCKET_PATH,
    Answer,
    Event,
    Heartbeat,
    InterfaceState,
    Join,
    Leave,
    Membership,
    Outcome,
    PathState,
    Query,
    Relay,
    Request,
    Reread,
    Statistics,
    Status,
    Subscribe,
    answer_codec,
    heartbeat_codec,
    request_codec,
)
from daemons.caa.repository import Definition, RepositoryDisk, find_disk
from daemons.runtime import keys
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.datagrams import DatagramEndpoint
from daemons.runtime.local import Closed, LocalConnection, LocalServer
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.pump import Pump
from daemons.runtime.seal import Seal, boot_microseconds
from srcctl.errlog import log_entry
from srcctl.machine import RemoteFault
from srcctl.network.faults import Faults
from srcctl.node.guard import Guard
from srcctl.node.root import replace_file
from srcctl.odm import OdmError, Repository
from srcctl.src import client as src
from srcctl.src import packets
from srcctl.storage.disk import uuid_of

HEARTBEAT = 1.0
"""Product seconds between heartbeats."""
SERVICE = "caa"
STOPPED_FILE = "/etc/cluster/caa_stopped"
"""Exists while CAA was stopped by hand; a reboot does not start it then."""
DEVICE = "cluster0"
SRC_PATIENCE = 30.0
"""Seconds to wait for srcmstr at boot."""

Connection = LocalConnection[Answer, Request]


class ClusterAwareAix(Daemon):
    """CAA's shell."""

    name = "caa"
    log_file = "/var/adm/ras/syslog.caa"

    async def start(self) -> None:
        self.guard = Guard.from_environment()
        self.faults = Faults(self.identity.lab)
        self.definition: Definition | None = None
        self.membership: Membership | None = None
        self.disk: RepositoryDisk | None = None
        self.machine = core.Membership()
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        self.endpoints: dict[str, DatagramEndpoint] = {}
        self.subscribers: dict[Connection, Subscribe] = {}
        self.incarnation = boot_microseconds()
        self.events = 0
        self.sent = self.received = self.disk_writes = self.disk_reads = 0
        self.posted = self.incarnation
        if self.guard is not None:
            asyncio.get_running_loop().add_reader(self.guard.peer_descriptor, self.guard.peer_died)
            self._turn()
        try:
            self.port = port(self.root, SERVICE, "udp")
            aha.prepare(self.root)
            self.server = LocalServer(self.root.path(SOCKET_PATH), answer_codec, request_codec, self._serve)
            await self.server.start()
        except UnknownService as reason:
            raise CannotStart(str(reason)) from None
        except OSError as error:
            raise CannotStart(f"cannot listen: {error}") from None
        disk = self._own_disk()
        if disk and not os.path.exists(self.root.path(STOPPED_FILE)):
            refusal = await self._join(disk)
            if refusal:
                self.log.write(f"cannot join at boot: {refusal}")

    async def stop(self, forced: bool) -> int:
        await self._leave()
        return 0

    # The guard.

    def _turn(self) -> None:
        assert self.guard is not None
        asyncio.get_running_loop().call_later(self.guard.interval / 1_000_000, self._turn)
        self.guard.turn()

    # Joining and leaving.

    def _own_disk(self) -> str:
        """The repository disk that this node's ODM names, "" if the node is no member."""
        try:
            found = Repository(self.root, "/etc/objrepos").get("CuAt", f"name={DEVICE} AND attribute=clvdisk")
        except OdmError:
            return ""
        return find_disk(self.root, str(found[0]["value"])) or "" if found else ""

    async def _join(self, disk_name: str) -> str:
        """Become a member; returns an error text."""
        if self.definition is not None:
            return ""
        disk = RepositoryDisk(self.identity.lab, disk_name)
        try:
            definition = disk.read_definition()
        except OSError as error:
            return f"{disk_name}: {error.strerror}"
        own = definition.node(self.identity.node) if definition else None
        if definition is None or own is None:
            return f"{disk_name} is not the repository of a cluster with the node {self.identity.node}"
        self._remember(definition, own.uuid, disk_name)
        keys.store_cluster_key(self.root, bytes.fromhex(definition.key))
        seal = Seal(bytes.fromhex(definition.key), own.number)
        names = {node.number: node.name for node in definition.nodes}
        try:
            for network, address in own.addresses:
                endpoint = DatagramEndpoint(
                    address, self.port, seal, self._receiver(network), self._admission(network, names)
                )
                await endpoint.start()
                self.endpoints[network] = endpoint
        except OSError as error:
            self._close_endpoints()
            return f"cannot listen: {error.strerror}"
        self.disk, self.definition = disk, definition
        self.log.write(f"joined the cluster {definition.name} as node {own.number} on {disk_name}")
        self.pump.feed(core.Configure(self._settings(definition, own.number)))
        self._watch_links()
        self.spawn(self._group_services(packets.START))
        return ""

    async def _leave(self) -> None:
        if self.definition is None:
            return
        await self._group_services(packets.STOP)
        self.log.write(f"left the cluster {self.definition.name}")
        self.pump.close()
        self._close_endpoints()
        if self.disk is not None:
            self.disk.close()
        self.definition = self.disk = self.membership = None
        self.machine = core.Membership()
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        for connection in list(self.subscribers):
            connection.close()

    def _close_endpoints(self) -> None:
        for endpoint in self.endpoints.values():
            endpoint.close()
        self.endpoints.clear()

    def _settings(self, definition: Definition, own: int) -> core.Settings:
        schedule, values = self.scale.schedule, definition.tunables
        return core.Settings(
            own=own,
            incarnation=self.incarnation,
            nodes=frozenset(node.number for node in definition.nodes),
            networks=tuple(self.endpoints),
            heartbeat_us=schedule(HEARTBEAT),
            node_timeout_us=schedule(tunables.seconds(values, "node_timeout")),
            node_down_delay_us=schedule(tunables.seconds(values, "node_down_delay")),
            network_fdt_us=schedule(tunables.seconds(values, "network_fdt")),
            deadman=tunables.value_of(values, "deadman_mode") == "a",
            repository_assert=tunables.value_of(values, "repos_mode") == "a",
        )

    def _remember(self, definition: Definition, node_uuid: str, disk: str) -> None:
        """The cluster device in the ODM: it makes the node a member after a reboot."""
        repository = Repository(self.root, "/etc/objrepos")
        values = {"node_uuid": node_uuid, "clvdisk": uuid_of(self.identity.lab_id, disk)}
        present = {str(o["attribute"]): str(o["value"]) for o in repository.get("CuAt", f"name={DEVICE}")}
        if present == values:
            return
        repository.delete("CuAt", f"name={DEVICE}")
        for attribute, value in values.items():
            repository.add(
                "CuAt",
                {
                    "name": DEVICE,
                    "attribute": attribute,
                    "value": value,
                    "type": "R",
                    "generic": "DU",
                    "rep": "s",
                    "nls_index": 3,
                },
            )

    def _forget(self) -> None:
        Repository(self.root, "/etc/objrepos").delete("CuAt", f"name={DEVICE}")
        keys.forget_cluster_key(self.root)

    async def _group_services(self, action: int) -> None:
        """Start or stop cthags through SRC; at boot srcmstr may not be there yet."""
        request = packets.Request(action, "cthags")
        deadline = time.monotonic() + SRC_PATIENCE
        while True:
            try:
                await asyncio.to_thread(src.ask, self.root, request, SRC_PATIENCE)
                return
            except src.NotActive:
                if time.monotonic() > deadline:
                    self.log.write("srcmstr does not answer: Group Services are not started")
                    return
                await asyncio.sleep(0.02)  # there is no event for a socket that is yet to be made
            except src.NoAnswer:
                self.log.write("cthags did not answer in time")
                return

    # Heartbeats.

    def _receiver(self, network: str) -> Callable[[int, bytes], None]:
        def received(sender: int, payload: bytes) -> None:
            try:
                heartbeat = heartbeat_codec.decode(payload)
            except RemoteFault:
                return
            if heartbeat.sender == sender:
                self.received += 1
                self.pump.feed(core.Received(network, heartbeat))

        return received

    def _admission(self, network: str, names: dict[int, str]) -> Callable[[int], bool]:
        own = self.identity.node

        def admit(node: int) -> bool:
            return node in names and self.faults.reachable(own, names[node], network)

        return admit

    def _watch_links(self) -> None:
        """Look at the interfaces once a heartbeat: a cable that is pulled is seen at once."""
        if self.definition is None:
            return
        up = frozenset(n for n in self.endpoints if self.faults.link_up(self.identity.node, n))
        if up != self.machine.links:
            self.pump.feed(core.Links(up))
        delay = self.scale.schedule(HEARTBEAT) / 1_000_000
        asyncio.get_running_loop().call_later(delay, self._watch_links)

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Send(network, node, heartbeat):
                self._send(network, node, heartbeat)
            case core.WriteDisk(heartbeat):
                if self.disk is not None:
                    try:
                        self.disk.write_heartbeat(heartbeat)
                        self.disk_writes += 1
                    except OSError:
                        pass
            case core.ReadDisk():
                self.pump.feed(core.DiskSeen(self._read_disk()))
            case core.Announce():
                self._announce(effect)
            case core.Publish(kind, node, subject):
                self._publish(kind, node, subject)
            case core.HaltNode(reason):
                self._halt(reason)

    def _send(self, network: str, node: int, heartbeat: Heartbeat) -> None:
        definition, endpoint = self.definition, self.endpoints.get(network)
        peer = next((n for n in definition.nodes if n.number == node), None) if definition else None
        address = dict(peer.addresses).get(network) if peer else None
        if endpoint is not None and address and endpoint.send(node, address, heartbeat_codec.encode(heartbeat)):
            self.sent += 1

    def _read_disk(self) -> tuple[Heartbeat, ...] | None:
        if self.disk is None or self.definition is None:
            return None
        own = self.identity.node
        visible = frozenset(
            n.number for n in self.definition.nodes if n.name != own and not self.faults.disk_cut(own, n.name)
        )
        try:
            self.disk_reads += 1
            self._collect(visible)
            return self.disk.read_heartbeats(visible)
        except OSError:
            return None

    def _collect(self, visible: frozenset[int]) -> None:
        """Letters of nodes that no network reaches."""
        membership = self.membership
        if membership is None or self.disk is None:
            return
        reached = {path.node for path in membership.paths if path.up and path.network != DISK_PATH}
        for node in sorted(visible - reached):
            for payload in self.disk.collect(node, membership.own):
                for connection, wanted in self.subscribers.items():
                    if wanted.relay:
                        connection.send(Relay(node, payload))

    def _announce(self, picture: core.Announce) -> None:
        definition = self.definition
        if definition is None:
            return
        own = definition.node(self.identity.node)
        assert own is not None
        local = dict(own.addresses)
        self.membership = Membership(
            picture.generation,
            own.number,
            tuple(sorted(picture.alive)),
            definition.nodes,
            tuple(
                PathState(
                    node.number, network, local.get(network, ""), address, (node.number, network) in picture.paths
                )
                for node in definition.nodes
                if node.number != own.number
                for network, address in (*node.addresses, (DISK_PATH, ""))
            ),
            picture.repository_up,
            definition.name,
            definition.uuid,
            dict(picture.boots),
        )
        for connection in self.subscribers:
            connection.send(self.membership)

    def _publish(self, kind: str, node: int, subject: str) -> None:
        definition = self.definition
        if definition is None:
            return
        if kind.startswith("ADAPTER"):
            subject = next((i.name for i in self.identity.interfaces if i.network == subject), subject)
            if kind == "ADAPTER_DOWN":
                log_entry(self.root, "GOENT_LINK_DOWN", subject.replace("en", "ent", 1))
        elif kind.startswith("REP") and self.disk is not None:
            subject = self.disk.name
            if kind == "REP_DOWN":
                log_entry(self.root, "CL_REPOS_DISK_DOWN", "CAA (for RSCT)", (("DISK NAME", subject),))
        self.log.write(f"{kind} node {node} {subject}".rstrip())
        event = Event(self.events, kind, node, subject, time.time_ns())
        self.events += 1
        if self.membership is not None:
            aha.append(self.root, event, self.membership)
        for connection, wanted in self.subscribers.items():
            if wanted.events:
                connection.send(event)

    def _halt(self, reason: str) -> None:
        self.log.write(reason)
        if self.guard is None:
            self.fail(reason)
            return
        self.guard.kill_node(reason)

    # Clients.

    async def _serve(self, connection: Connection) -> None:
        try:
            while True:
                request = await connection.receive()
                match request:
                    case Subscribe():
                        self.subscribers[connection] = request
                        if self.membership is None:
                            return  # no cluster: the connection ends, which is the answer
                        connection.send(self.membership)
                    case Relay(node, payload):
                        self._relay(node, payload)
                    case Query():
                        connection.send(self._status())
                    case Join(disk):
                        connection.send(Outcome(await self._asked_to_join(disk)))
                    case Leave(forget):
                        connection.send(Outcome(await self._asked_to_leave(forget)))
                    case Reread():
                        connection.send(Outcome(self._reread()))
                await connection.drain()
        except Closed:
            pass
        finally:
            self.subscribers.pop(connection, None)

    async def _asked_to_join(self, wanted: str) -> str:
        disk = find_disk(self.root, wanted) if wanted else self._own_disk()
        if not disk:
            return f"there is no disk {wanted}" if wanted else "this node is not a member of a cluster"
        error = await self._join(disk)
        if not error:
            try:
                os.unlink(self.root.path(STOPPED_FILE))
            except FileNotFoundError:
                pass
        return error

    async def _asked_to_leave(self, forget: bool) -> str:
        await self._leave()
        if forget:
            self._forget()
        else:
            os.makedirs(os.path.dirname(self.root.path(STOPPED_FILE)), exist_ok=True)
            replace_file(self.root.path(STOPPED_FILE), b"")
        return ""

    def _reread(self) -> str:
        if self.disk is None:
            return "CAA is not active on this node"
        try:
            definition = self.disk.read_definition()
        except OSError as error:
            return f"{self.disk.name}: {error.strerror}"
        own = definition.node(self.identity.node) if definition else None
        if definition is None or own is None:
            return "this node is not in the definition"
        self.definition = definition
        self.pump.feed(core.Configure(self._settings(definition, own.number)))
        return ""

    def _relay(self, node: int, payload: bytes) -> None:
        if self.disk is None or self.membership is None:
            return
        self.posted += 1
        try:
            self.disk.post(self.membership.own, node, self.posted, payload)
        except OSError:
            pass

    def _status(self) -> Status:
        links = self.machine.links
        dropped = sum(endpoint.dropped.total() for endpoint in self.endpoints.values())
        return Status(
            self.membership,
            self.disk.name if self.disk else "",
            uuid_of(self.identity.lab_id, self.disk.name) if self.disk else "",
            tuple(
                InterfaceState(i.name, i.network, i.address, i.netmask, i.network in links)
                for i in self.identity.interfaces
            ),
            self.machine.round_trips(),
            tuple((name, tunables.value_of(self.definition.tunables, name)) for name in sorted(tunables.TUNABLES))
            if self.definition
            else (),
            Statistics(self.sent, self.received, self.disk_writes, self.disk_reads, dropped),
        )


def main(argv: list[str]) -> int:
    """The process entry of caa."""
    return run(ClusterAwareAix, argv)
