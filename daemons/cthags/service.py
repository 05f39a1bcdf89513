"""hagsd, the Group Services daemon: the shell around the core.

It needs a cluster: caa says who is alive and on which paths. Without one there is no domain to serve, and the daemon
ends at once with status 0, as a subsystem that is ``inoperative``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time

import msgspec

from daemons.caa import messages as caa
from daemons.cthags import node_identity
from daemons.cthags.core import Core
from daemons.cthags.counter import CounterReader
from daemons.cthags.detector import Settings
from daemons.cthags.inputs import (
    AliveNodes,
    ClientGone,
    ClientRequest,
    CloseClient,
    Counted,
    Deactivate,
    Deactivated,
    DeadMansSwitch,
    Dissolved,
    Effect,
    Input,
    Log,
    MergePrompt,
    Notify,
    ReadCounter,
    Received,
    Send,
    Store,
    ViewInstalled,
)
from daemons.cthags.messages import (
    SOCKET_PATH,
    ClientStatus,
    DomainStatus,
    Init,
    Notification,
    QueryStatus,
    Request,
    notification_codec,
    request_codec,
)
from daemons.cthags.paths import Paths
from daemons.cthags.status import BEAT, canonical_status, long_status
from daemons.cthags.wire import PACKET_LIMIT, packet_codec
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, LocalConnection, LocalServer
from daemons.runtime.log import DaemonLog
from daemons.runtime.operator_prompt import OperatorPrompt
from daemons.runtime.ports import UnknownService
from daemons.runtime.pump import Pump
from srcctl.errlog import log_entry
from srcctl.machine import SECOND, RemoteFault
from srcctl.node.processes import send_to_group
from srcctl.node.slots import SlotFile

STATE_FILE = "/var/ct/cfg/cthags.json"
LOG_FILE = "/var/ct/{}/log/cthags/cthags.default"
"""Its log in a domain; IW, the "island world", is where there is none."""
HELLO = 0.5
SCRIPT_PATIENCE = 60.0
"""Seconds that a deactivate script has where the expel has no time limit."""
FORMATION = 45.0
"""Product seconds; see ``membership.Settings``."""

Connection = LocalConnection[Notification, Request]


class GroupServicesDaemon(Daemon):
    """cthags's shell."""

    name = "cthags"
    log_file = LOG_FILE.format("IW")

    async def start(self) -> None:
        self._started_at = time.time()
        self._certain_at = self._first_certain_at = 0.0
        self._connections: dict[int, Connection] = {}
        self._counters: dict[int, CounterReader] = {}
        self._last_connection = 0
        self._prompt = OperatorPrompt(self.root, self.scale, self.spawn, self.log.write)
        self._action = "reboot"
        self._durable = self._load()
        self._paths = Paths(self.root, self._packet, self._alive, self._caa_lost)
        if not await self._paths.connect():
            raise CannotStart("CAA is not active on this node: there is no domain to serve", 0)
        self.log = DaemonLog(self.root.path(LOG_FILE.format(self._paths.domain)))
        self._connected_after = time.time() - self._started_at
        schedule = self.scale.schedule
        settings = Settings(beat_us=schedule(BEAT), hello_us=schedule(HELLO), formation_us=schedule(FORMATION))
        self.core = Core(self._paths.node, dict(self._durable), settings)
        self.pump = Pump[Input, Effect](self.core, self._execute, self.fail)
        self._dropped = 0
        self._server = LocalServer(
            self.root.path(SOCKET_PATH), notification_codec, request_codec, self._serve, self._client_fault
        )
        try:
            os.makedirs(os.path.dirname(self.root.path(SOCKET_PATH)), exist_ok=True)
            await self._paths.start()
            await self._server.start()
        except (OSError, UnknownService) as error:
            raise CannotStart(f"cannot listen: {error}") from None
        try:
            node_identity.store(self.root, node_identity.node_id(self._paths.uuid))
        except OSError as error:
            self.log.write(f"{node_identity.FILES[0]}: {error.strerror}")  # lsnodeid asks CAA
        log_entry(self.root, "GS_START_ST", "cthags")
        self.log.write(f"started on node {self._paths.node}")
        self._paths.follow(self.spawn)

    async def stop(self, forced: bool) -> int:
        self.pump.close()
        await self._server.close()
        self._paths.close()
        log_entry(self.root, "GS_STOP_ST", "cthags")
        self.log.write("stopped")
        return 0

    def long_status(self) -> str:
        return "\n".join(long_status(self._status()))

    def canonical_status(self) -> str:
        return "\n".join(canonical_status(self._status()))

    def _status(self) -> DomainStatus:
        status = self.core.status()
        return msgspec.structs.replace(
            status,
            clients=tuple(self._with_owner(client) for client in status.clients),
            pid=os.getpid(),
            started_at=self._started_at,
            connected_after=self._connected_after,
            certain_at=self._certain_at,
            first_certain_at=self._first_certain_at,
        )

    def _with_owner(self, client: ClientStatus) -> ClientStatus:
        connection = self._connections.get(client.number)
        if connection is None:
            return client
        _, uid, gid = connection.peer_credentials
        return msgspec.structs.replace(client, uid=uid, gid=gid)

    # Inputs.

    def _packet(self, node: int, data: bytes) -> None:
        try:
            packet = packet_codec.decode(data)
        except RemoteFault as fault:
            self._dropped += 1
            if self._dropped & (self._dropped - 1) == 0:  # each costs a line, and whoever sends one may send many
                self.log.write(f"packet from node {node} dropped ({self._dropped} so far): {fault}")
            return
        self.pump.feed(Received(node, packet))

    def _alive(self, membership: caa.Membership) -> None:
        configured = tuple(node.number for node in membership.nodes)
        alive = frozenset(membership.alive)
        adapters = adapters_up(membership)
        self._action = membership.action
        self.pump.feed(
            AliveNodes(
                membership.generation,
                alive,
                configured,
                membership.boots,
                adapters,
                membership.merge,
                frozenset(membership.apart),
                detection_us=self.scale.schedule(membership.detection),
                priorities=dict(membership.priorities),
                site_merge=membership.site_merge,
                sites={
                    n.number: site.number for site in membership.sites for n in membership.nodes if n.name in site.nodes
                },
            )
        )

    def _caa_lost(self, reason: str) -> None:
        self.fail(f"CAA has ended: {reason}")

    async def _serve(self, connection: Connection) -> None:
        self._last_connection += 1
        number = self._last_connection
        self._connections[number] = connection
        try:
            while True:
                request = await connection.receive()
                if isinstance(request, Init):
                    request = msgspec.structs.replace(request, pid=connection.peer_pid)
                    if request.counter is not None and number not in self._counters:
                        self._open_counter(number, request.pid, request.counter)
                elif isinstance(request, QueryStatus):
                    connection.send(self._status())
                    continue
                self.pump.feed(ClientRequest(number, request))
                await connection.drain()
        except Closed:
            pass
        finally:
            self._connections.pop(number, None)
            if (counter := self._counters.pop(number, None)) is not None:
                counter.close()
            self.pump.feed(ClientGone(number))

    def _open_counter(self, number: int, pid: int, descriptor: int) -> None:
        try:
            self._counters[number] = CounterReader(pid, descriptor)
        except OSError as error:
            self.log.write(f"responsiveness counter of process {pid}: {error}")  # one that never moves

    def _client_fault(self, fault: RemoteFault) -> None:
        self.log.write(f"a client sent rubbish ({self._server.faults} so far): {fault}")

    # Effects.

    def _execute(self, effect: Effect) -> None:
        match effect:
            case Send():
                data = packet_codec.encode(effect.packet)
                assert len(data) <= PACKET_LIMIT
                self._paths.send(effect.node, data)
            case Notify():
                connection = self._connections.get(effect.client)
                if connection is not None:
                    connection.send(effect.notification)
            case Store():
                self._store(effect)
            case DeadMansSwitch(armed):
                self._paths.set_dead_mans_switch(armed)
            case MergePrompt(others):
                self._prompt_merge(others)
            case ReadCounter(client):
                counter = self._counters.get(client)
                self.pump.feed(Counted(client, counter.read() if counter is not None else None))
            case Deactivate():
                self.spawn(self._deactivate(effect))
            case CloseClient():
                self._close_client(effect)
            case Log():
                self.log.write(effect.text)
            case Dissolved():
                log_entry(self.root, "GS_DOM_MERGE_ER", "cthags")
            case ViewInstalled():
                self._certain_at = time.time()
                self._first_certain_at = self._first_certain_at or self._certain_at

    def _prompt_merge(self, others: tuple[int, ...]) -> None:
        if not others:
            self._prompt.withdraw()
            self.log.write("merge: nobody needs to decide any more")
            return
        view = self.core.status().members
        here = [name for node in view if (name := self._paths.name_of(node))]
        there = [name for node in others if (name := self._paths.name_of(node))]
        self._prompt.ask("merge", self._action, here, there)

    async def _deactivate(self, effect: Deactivate) -> None:
        """Run a deactivate script: pid, time limit in seconds, provider, group and flag are its arguments."""
        limit = effect.limit_us / SECOND or SCRIPT_PATIENCE
        words = (str(effect.pid), f"{effect.limit_us // SECOND}", effect.name, effect.group, effect.flag)
        status: int | None = None
        try:
            process = await asyncio.create_subprocess_exec(
                self.root.path(effect.script), *words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:  # ValueError: a name that is no argument of a program
            self.log.write(f"deactivate script {effect.script}: {error}")
        else:
            try:
                async with asyncio.timeout(limit):
                    status = await process.wait()
            except TimeoutError:
                send_to_group(process.pid, signal.SIGKILL, reaped=process.returncode is not None)
                await process.wait()
        if status != 0:
            self.log.write(f"deactivate script {effect.script} of provider {effect.name}: status {status}")
            log_entry(self.root, "GS_DEACT_FAIL_ST", "cthags")
        if effect.serial:
            self.pump.feed(Deactivated(effect.group, effect.serial, effect.provider, status == 0))

    def _close_client(self, effect: CloseClient) -> None:
        connection = self._connections.pop(effect.client, None)
        if effect.kill:
            try:
                os.kill(effect.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError) as error:
                self.log.write(f"process {effect.pid}: {error.strerror}")
        if connection is not None:
            connection.close()

    def _load(self) -> dict[str, int]:
        try:
            record = SlotFile(self.root.path(STATE_FILE)).read()
            return msgspec.json.decode(record, type=dict[str, int]) if record else {}
        except (OSError, msgspec.DecodeError) as error:
            self.log.write(f"{STATE_FILE}: {error}; view numbers begin anew")
            return {}

    def _store(self, effect: Store) -> None:
        self._durable[effect.key] = effect.value
        path = self.root.path(STATE_FILE)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            SlotFile(path).write(msgspec.json.encode(self._durable))
        except OSError as error:
            # What is promised next would not be durable: a node that cannot write must not take part.
            raise CannotStart(f"{STATE_FILE}: {error.strerror}") from error


def adapters_up(membership: caa.Membership) -> tuple[tuple[int, int], ...]:
    """Node and place of every network interface that is up, as far as this node can see: of its own CAA says so (by
    link and traffic), one of another node is up if it can be reached."""
    own = membership.own
    places = {
        network: place
        for node in membership.nodes
        if node.number == own
        for place, (network, _) in enumerate(node.addresses)
    }
    up = {(path.node, places[path.network]) for path in membership.paths if path.up and path.network in places}
    up |= {(own, place) for network, place in places.items() if (own, network) not in membership.interfaces_down}
    return tuple(sorted(up))


def main(argv: list[str]) -> int:
    """The process entry of hagsd."""
    return run(GroupServicesDaemon, argv)
