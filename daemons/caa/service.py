"""CAA's process: what the AIX kernel does for the cluster, and one half of the node's guard.

It runs from power on. A node that is a member (its ODM names the repository disk) joins by itself, unless CAA was
stopped by hand; then Group Services are started. Without a cluster it waits to be told to join.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from msgspec.structs import replace

from daemons.caa import aha, core, picture, replacement, tunables
from daemons.caa.action_plan import give_way
from daemons.caa.arbiter import Arbiter
from daemons.caa.deadman import GOING_DOWN
from daemons.caa.device import ClusterDevice, cluster_name
from daemons.caa.keeper import RESOURCE, RepositoryKeeper
from daemons.caa.messages import (
    GROUP_SERVICES_SILENCE,
    SOCKET_PATH,
    Answer,
    DeadMansSwitch,
    Decide,
    DiskState,
    Event,
    Heartbeat,
    InterfaceState,
    Join,
    Leave,
    Membership,
    Move,
    Node,
    Outcome,
    Query,
    Relay,
    Replace,
    Request,
    Reread,
    Status,
    Subscribe,
    answer_codec,
    heartbeat_codec,
    request_codec,
)
from daemons.caa.networks import Networks
from daemons.caa.own_repository import Removed
from daemons.caa.repository import Definition, RepositoryDisk, find_disk
from daemons.caa.surroundings import Surroundings
from daemons.caa.syslog import CaaLog
from daemons.caa.tiebreaker import SplitPolicy
from daemons.runtime import keys
from daemons.runtime.daemon import CannotStart, run
from daemons.runtime.local import Closed, LocalConnection, LocalServer
from daemons.runtime.operator_prompt import OperatorPrompt
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.pump import Pump
from daemons.runtime.seal import boot_microseconds
from srcctl.errlog import log_entry
from srcctl.machine import RemoteFault
from srcctl.network.faults import Faults
from srcctl.node.guard import Guard
from srcctl.odm import OdmError
from srcctl.src import client as src
from srcctl.src import packets
from srcctl.storage.device_names import own_name
from srcctl.storage.disk import uuid_of

HEARTBEAT = 1.0
"""Product seconds between heartbeats."""
SERVICE = "caa"
SRC_PATIENCE = 30.0
"""Seconds to wait for srcmstr at boot."""
GROUP_SERVICES_END = 5.0
"""Seconds (patience) for Group Services that were told to stop to be gone, when CAA stops."""

LAST_ENTRIES = {"dead man's switch": "CL_DEADMAN_LIMIT", "asymmetric topology": "CL_AST_PANIC"}
"""Labels of the error log by the reason for which a node goes down, as it begins; the next boot logs the panic."""

Connection = LocalConnection[Answer, Request]


class ClusterAwareAix(RepositoryKeeper):
    """CAA's shell."""

    name = "caa"
    log_file = "/var/adm/ras/syslog.caa"

    async def start(self) -> None:
        self.log = CaaLog(self.root.path(self.log_file), self.identity.node)
        self.guard = Guard.from_environment()
        self.device = ClusterDevice(self.root)
        self.policy = SplitPolicy(self.root)
        self.arbiter = Arbiter(lambda: self.policy.breaker, self.log.write, self.log.error)
        self.reached: frozenset[int] = frozenset()
        self.prompt = OperatorPrompt(self.root, self.scale, self.spawn, self.log.write)
        self.asked: frozenset[int] = frozenset()
        self.producers = aha.producers_of(self.root)
        self.faults = Faults(self.identity.lab)
        self.own = replacement.own_repository(self.root)
        self.turning = asyncio.Lock()
        self.going_down = False
        self.shared_disks: dict[str, int] = {}
        self.membership: Membership | None = None
        self.machine = core.Membership()
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        self.networks = Networks(self.identity.node, self.faults, self._received, self.log.error)
        self.surroundings = Surroundings(self.root, self.faults)
        self.subscribers: dict[Connection, Subscribe] = {}
        self.unsubscribed = asyncio.Event()
        self.incarnation = boot_microseconds()
        self.events = 0
        self.counts: Counter[str] = Counter()
        self.uuids: dict[int, str] = {}
        self._keep_fences()
        self.watch: asyncio.TimerHandle | None = None
        if self.guard is not None:
            asyncio.get_running_loop().add_reader(self.guard.peer_descriptor, self.guard.peer_died)
            self._turn()
        try:
            self.port = port(self.root, SERVICE, "udp")
            self.producers.clear()
            self.server = LocalServer(self.root.path(SOCKET_PATH), answer_codec, request_codec, self._serve)
            await self.server.start()
        except UnknownService as reason:
            raise CannotStart(str(reason)) from None
        except OSError as error:
            raise CannotStart(f"cannot listen: {error}") from None
        if self.device.node_uuid:
            await self._join_at_boot()
            self._resign()

    async def stop(self, forced: bool) -> int:
        await self._leave()
        return 0

    # The guard.

    def _turn(self) -> None:
        assert self.guard is not None
        asyncio.get_running_loop().call_later(self.guard.interval / 1_000_000, self._turn)
        self.guard.turn()

    # Joining and leaving.

    async def _join_at_boot(self) -> None:
        disk, refusal = self._own_disk()
        if disk:
            self._obey_order(disk)
            refusal = "" if self.device.stopped else await self._join(disk)
        if refusal:
            self.log.error(f"cannot join at boot: {refusal}")
            if self.device.node_uuid:
                log_entry(self.root, "CL_REPOS_INACCESS", RESOURCE, (("REPOSITORY", refusal),))

    async def _join(self, disk_name: str) -> str:
        """Become a member; returns an error text."""
        if self.definition is not None:
            return self._reread()
        disk = RepositoryDisk(self.identity.lab, disk_name)
        try:
            definition = disk.read_definition()
        except OSError as error:
            return f"{disk_name}: {error.strerror}"
        finally:
            disk.close()
        own = definition.node(self.identity.node) if definition else None
        if definition is None or own is None:
            return f"{disk_name} is not the repository of a cluster with the node {self.identity.node}"
        self.device.remember(own.uuid, disk_name, definition.epoch)
        keys.store_cluster_key(self.root, bytes.fromhex(definition.key))
        try:
            await self.networks.open(definition, own, self.port)
        except OSError as error:
            return f"cannot listen: {error.strerror}"
        try:
            begun = self.own.begin(disk_name)
        except OSError as error:
            self.networks.close()
            return f"{disk_name}: {error.strerror}"
        if begun is None:
            self.networks.close()
            return f"{disk_name} is not the repository of a cluster with the node {self.identity.node}"
        definition = begun
        # Another life: the other nodes hear nothing more from one that they have called down.
        self.incarnation = boot_microseconds()
        self.shared_disks = definition.shared_disks
        self._set_machine()
        await self._join_groups()
        try:
            self.producers.appear()
        except OSError as error:
            self.log.error(f"/aha has no event producers: {error.strerror}")
        self._name_disks(definition)
        self.log.write(f"joined the cluster {definition.name} as node {own.number} on {disk_name}")
        self.pump.feed(core.Configure(self._settings(definition, own.number)))
        self._follow(disk_name)
        self._watch_links()
        if not self.arbiter.acting:
            self.log.write("another side of the cluster holds the tie breaker: Group Services wait")
        return ""

    async def _leave(self) -> bool:
        if self.definition is None:
            return False
        await self._group_services(packets.STOP)
        protected = self.machine.group_services_armed
        if await self._group_services_ended():
            self.pump.feed(core.Stopped())
        self.log.write(f"left the cluster {self.definition.name}")
        self.pump.close()
        if self.watch is not None:
            self.watch.cancel()
        try:
            self.producers.cease()
        except OSError as error:
            self.log.error(f"/aha: {error.strerror}")
        self.networks.close()
        self.own.close()
        self.membership = None
        if self.guard is not None:
            self.guard.set_action(tunables.TUNABLES["pvm_watchdog_timer"].default)
        self.arbiter.acting = False
        if not protected:
            self._resign()
        self.machine = core.Membership()
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        for connection in list(self.subscribers):
            connection.close()
        return protected

    def _resign(self) -> None:
        if self.definition is None and not self.arbiter.resign():
            delay = self.scale.schedule(HEARTBEAT) / 1_000_000
            asyncio.get_running_loop().call_later(delay, self._resign)

    def _settings(self, definition: Definition, own: int) -> core.Settings:
        schedule, values = self.scale.schedule, definition.tunables
        return core.Settings(
            own=own,
            incarnation=self.incarnation,
            nodes=frozenset(node.number for node in definition.nodes),
            networks=self.networks.names,
            heartbeat_us=schedule(HEARTBEAT),
            node_timeout_us=schedule(tunables.seconds(values, "node_timeout")),
            node_down_delay_us=schedule(tunables.seconds(values, "node_down_delay")),
            network_fdt_us=schedule(tunables.seconds(values, "network_fdt")),
            group_services_us=schedule(GROUP_SERVICES_SILENCE),
            deadman=tunables.value_of(values, "deadman_mode") == "a",
            repository_assert=tunables.value_of(values, "repos_mode") == "a",
            lan=tunables.value_of(values, "hb_src_lan") != "0",
            disk=tunables.value_of(values, "hb_src_disk") != "0",
            multicast=tunables.value_of(values, "communication_mode") == "m" and self.networks.grouped,
            arbitrate=self.policy.current.arbitrates,
            remote=picture.remote_nodes(definition, self.identity.node, self.policy.current),
            link_timeout_us=schedule(tunables.seconds(values, "link_timeout")),
            remote_factor=int(tunables.value_of(values, "remote_hb_factor")),
            traffic_monitor=tunables.value_of(values, "no_if_traffic_monitor") == "0",
            epoch=definition.epoch,
        )

    async def _join_groups(self) -> None:
        """Be in the multicast group of each network, if heartbeats go that way (communication_mode)."""
        definition = self.definition
        if definition is None or tunables.value_of(definition.tunables, "communication_mode") != "m":
            return
        await self.networks.join_groups()
        self._reconfigure()

    def _reconfigure(self) -> None:
        own = self.definition.node(self.identity.node) if self.definition is not None else None
        if self.definition is not None and own is not None and self.machine.settings is not None:
            self.pump.feed(core.Configure(self._settings(self.definition, own.number)))

    def _set_machine(self) -> None:
        """What a definition says outside of the core: whom packets reach, and the machine's watchdog timer."""
        if self.definition is not None:
            if self.guard is not None:
                self.guard.set_action(tunables.value_of(self.definition.tunables, "pvm_watchdog_timer"))
            self.networks.use(self.definition, int(tunables.value_of(self.definition.tunables, "packet_ttl")))
            self.uuids.update((node.number, node.uuid) for node in self.definition.nodes)

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
                    self.log.error("srcmstr does not answer: Group Services are not started")
                    return
                await asyncio.sleep(0.02)  # there is no event for a socket that is yet to be made
            except src.NoAnswer:
                self.log.error("cthags did not answer in time")
                return

    async def _group_services_ended(self) -> bool:
        """Wait until Group Services, and what they have said last, are over; False if that takes too long."""
        deadline = time.monotonic() + GROUP_SERVICES_END
        while any(wanted.relay for wanted in self.subscribers.values()):
            self.unsubscribed.clear()
            try:
                await asyncio.wait_for(self.unsubscribed.wait(), deadline - time.monotonic())
            except TimeoutError:
                return False
        return True

    # Heartbeats.

    def _received(self, network: str, sender: int, payload: bytes) -> None:
        try:
            heartbeat = heartbeat_codec.decode(payload)
        except RemoteFault:
            return
        if heartbeat.sender == sender and (own := self.machine.settings) is not None and sender != own.own:
            self.counts["received"] += 1
            self.pump.feed(core.Received(network, heartbeat))

    def _watch_links(self) -> None:
        """Look at the interfaces once a heartbeat: a cable that is pulled is seen at once."""
        if self.definition is None:
            return
        up = self.surroundings.links(self.networks.names)
        if up != self.machine.links:
            self.pump.feed(core.Links(up))
        for change in self.surroundings.changes(self.definition, self.membership.alive if self.membership else ()):
            self._publish(change.kind, change.node, change.subject, change.details)
        if reason := self.surroundings.shut_out():
            self._halt(reason, gives_way=True)
        self._watch_policy()
        delay = self.scale.schedule(HEARTBEAT) / 1_000_000
        self.watch = asyncio.get_running_loop().call_later(delay, self._watch_links)

    def _watch_policy(self) -> None:
        definition, settings = self.definition, self.machine.settings
        if definition is None or settings is None:
            return
        if self._begins_to_act():
            self.spawn(self._group_services(packets.START))
        if self.arbiter.welcome_owed:
            self._welcome()
        policies = self.policy.current
        if (now := self.membership) is not None:
            told = picture.with_policies(now, definition, self.identity.node, policies)
            if told != now:
                self.membership = told
                for connection in self.subscribers:
                    connection.send(told)
        remote = picture.remote_nodes(definition, self.identity.node, policies)
        if (settings.arbitrate, settings.remote) != (policies.arbitrates, remote):
            self.pump.feed(core.Configure(self._settings(definition, settings.own)))

    def _keep_fences(self) -> None:
        """At power on: fences of nodes whose keepers have all been off meanwhile end, this node keeps the others."""
        try:
            for node in self.surroundings.switched_on():
                self.log.write(f"quarantine policy: node {node} is let in, nobody that kept it out has stayed on")
        except OSError as error:
            self.log.error(f"fences: {error.strerror}")

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Send(network, node, heartbeat):
                self._send(network, node, heartbeat)
            case core.WriteDisk(heartbeat):
                if self.disk is not None and self.own.usable:
                    try:
                        self.disk.write_heartbeat(heartbeat)
                        self.counts["disk_writes"] += 1
                    except OSError:
                        pass
            case core.ReadDisk():
                self.pump.feed(self._read_disk())
            case core.WriteLetter(node, letter):
                self._write_letter(node, letter)
            case core.Deliver(sender, payload):
                self._deliver(sender, payload)
            case core.Announce():
                self._announce(effect)
            case core.Publish(kind, node, subject):
                self._publish(kind, node, subject)
            case core.Arbitrate(side):
                if self.policy.current.split == "manual":
                    self._ask_operator(side)
                else:
                    self.pump.feed(core.Arbitrated(side, self.arbiter.arbitrate(self._names(side))))
            case core.Withdraw():
                self.prompt.withdraw()
                self.log.write("split: nobody needs to decide any more")
            case core.HaltNode(reason, gives_way):
                self._halt(reason, gives_way)

    def _send(self, network: str, node: int, heartbeat: Heartbeat) -> None:
        payload = heartbeat_codec.encode(heartbeat)
        if node == core.EVERYBODY:
            sent = self.networks.send_to_group(network, payload)
            self.counts["multicast"] += sent
        else:
            sent = self.networks.send(network, node, payload)
        self.counts["sent"] += sent

    def _announce(self, found: core.Announce) -> None:
        if self.definition is None:
            return
        self.membership = picture.membership_of(self.definition, self.identity.node, found, self.policy.current)
        self.reached = found.reached
        self._welcome()
        for connection in self.subscribers:
            connection.send(self.membership)

    def _publish(self, kind: str, node: int, subject: str, details: tuple[str, ...] = ()) -> None:
        membership = self.membership
        if self.definition is None or self.disk is None or membership is None:
            return
        own = node == membership.own
        if kind.startswith(("ADAPTER", "CONNECT")):
            network = subject
            subject = next((i.name for i in self.identity.interfaces if i.network == subject), subject)
            if kind == "ADAPTER_DOWN" and own and network not in self.machine.links:
                log_entry(self.root, "GOENT_LINK_DOWN", subject.replace("en", "ent", 1))
        elif kind.startswith("REP"):
            # Of another node's repository, too: what that one calls it is not told (inferred).
            subject = own_name(self.root, self.disk.name)
            if kind == "REP_DOWN" and own:
                log_entry(self.root, "CL_REPOS_DISK_DOWN", RESOURCE, (("DISK NAME", subject),))
                self.spawn(self._replace_by_itself())
        elif kind == "NODE_DOWN" and not membership.repository_up:
            # A site that is lost takes its nodes and the repository disk with it.
            self.spawn(self._replace_by_itself())
        event = Event(self.events, kind, node, subject, time.time_ns(), details, self.uuids.get(node, ""))
        seconds, nanoseconds = divmod(event.time_ns, 1_000_000_000)
        self.log.write(f"{kind} node {node} {subject}".rstrip() + f" {seconds}.{nanoseconds:09}")
        self.events += 1
        self.counts["events_sent" if own else "events_received"] += 1
        self.counts["node_downs"] += kind == "NODE_DOWN"
        self.producers.deliver(event, membership)
        for connection, wanted in self.subscribers.items():
            if wanted.events:
                connection.send(event)

    def _ask_operator(self, side: frozenset[int]) -> None:
        self.asked = side
        nodes = self.definition.nodes if self.definition is not None else ()
        here, there = ([n.name for n in nodes if (n.number in side) == inside] for inside in (True, False))
        self.prompt.ask("split", self.policy.current.action, here, there)

    def _decide(self, go_on: bool) -> str:
        if not self.prompt.open:
            return "no decision is awaited on this node"
        self.log.write(f"split: an operator has this side {'go on' if go_on else 'give way'}")
        self.prompt.withdraw()
        self.pump.feed(core.Arbitrated(self.asked, go_on, True))
        return ""

    def _halt(self, reason: str, gives_way: bool = False) -> None:
        self.log.write(reason)
        # The loss of the repository is told already. Who waits here for the error log does not turn, and lpar sees it.
        if label := next((label for words, label in LAST_ENTRIES.items() if reason.startswith(words)), ""):
            log_entry(self.root, label, RESOURCE, (("REASON", reason),))
        if gives_way and self.guard is not None:
            action = self.policy.current.action
            log_entry(self.root, "OPMSG", "caa", (("MESSAGE FROM ERRLOGGER COMMAND", f"{reason}: {action}"),))
            why = give_way(self.root, action, reason)
            if not why:
                return  # lpar kills this process with all others
            self.log.error(f"no reboot: {why}")
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
                        if self.membership is None or (request.relay and self.machine.group_services_armed):
                            return  # no cluster, or not for them: the connection ends, which is the answer
                        self.subscribers[connection] = request
                        connection.send(self.membership)
                    case DeadMansSwitch(armed):
                        if connection in self.subscribers:
                            self.pump.feed(core.GroupServicesTurn(armed))
                    case Relay(node, payload):
                        self.pump.feed(core.Post(node, payload))
                    case Query():
                        connection.send(self._status())
                    case Decide(go_on):
                        connection.send(Outcome(self._decide(go_on)))
                    case Join(disk):
                        connection.send(Outcome(await self._asked_to_join(disk)))
                    case Leave(forget):
                        connection.send(Outcome(await self._asked_to_leave(forget)))
                    case Reread():
                        connection.send(Outcome(self._reread()))
                    case Replace(disk):
                        connection.send(Outcome(self._replace(disk)))
                    case Move(disk):
                        connection.send(Outcome(self._move(disk)))
                await connection.drain()
        except Closed:
            pass
        finally:
            self.subscribers.pop(connection, None)
            self.unsubscribed.set()

    async def _asked_to_join(self, wanted: str) -> str:
        async with self.turning:
            if self.going_down:
                return GOING_DOWN
            if wanted:
                disk, reason = find_disk(self.root, wanted) or "", f"there is no disk {wanted}"
            else:
                disk, reason = (self.own.name, "") if self.own.name else self._own_disk()
            if not disk:
                return reason
            if wanted and (other := self._in_another_cluster(disk)):
                return f"this node is a member of the cluster {other} already"
            error = await self._join(disk)
            if not error:
                self.device.set_stopped(False)
            return error

    async def _asked_to_leave(self, forget: bool) -> str:
        async with self.turning:
            if not forget and self.definition is None and not self.device.node_uuid:
                return "this node is not a member of a cluster."  # nothing to be kept stopped (words inferred)
            protected = await self._leave()
            if forget:
                self.device.forget()
            else:
                self.device.set_stopped(True)
            if protected:
                self._go_down()
            return ""

    def _reread(self) -> str:
        if self.disk is None:
            return "CAA is not active on this node"
        try:
            news = self.own.reread()
        except OSError as error:
            return f"{error.filename or self.own.name}: {error.strerror}"
        self._take_up(news)
        return "this node is not in the definition" if isinstance(news, Removed) else ""

    def _use(self, definition: Definition, own: Node) -> None:
        self._set_machine()
        self.pump.feed(core.Configure(self._settings(definition, own.number)))
        if self.membership is not None:
            # Nodes that are down come and go without a change of who is alive, of which the machine would tell.
            self.membership = replace(
                self.membership, nodes=definition.nodes, sites=definition.sites, multicast=definition.multicast
            )
            for connection in self.subscribers:
                connection.send(self.membership)
        self.spawn(self._join_groups())
        self._name_disks(definition)
        disks, old = definition.shared_disks, self.shared_disks
        self.shared_disks = disks
        for name in sorted(old.keys() ^ disks.keys()):
            details = (f"DISK_UID={uuid_of(self.identity.lab_id, name)}",)
            kind, number = ("DISK_DELETE", old[name]) if name in old else ("DISK_ADD", disks[name])
            self._publish(kind, own.number, cluster_name(number), details)

    def _name_disks(self, definition: Definition) -> None:
        try:
            self.device.name_disks(definition.shared_disks)
        except (OSError, OdmError) as error:
            self.log.error(f"the shared disks of the cluster are not named after it: {error}")

    def _status(self) -> Status:
        links = self.machine.links
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
            picture.statistics_of(self.counts, self.networks.drops),
            self._disks(),
            self._aliases(),
        )

    def _disks(self) -> tuple[DiskState, ...]:
        """The disks of the cluster beside its repository, clustered ones and backups of that."""
        if self.definition is None:
            return ()
        known = [(name, cluster_name(number), "CLUSDISK") for name, number in self.definition.shared_disks.items()]
        known += [(disk, own_name(self.root, disk), "BACKUP_DISK") for disk in replacement.named_backups(self.root)]
        return tuple(
            DiskState(name, uuid_of(self.identity.lab_id, disk), kind, not self.faults.disk_failed(disk))
            for disk, name, kind in known
        )

    def _aliases(self) -> tuple[tuple[str, str, str, str], ...]:
        if self.definition is None or self.membership is None:
            return ()
        return self.surroundings.live_aliases(self.definition, self.membership.alive)


def main(argv: list[str]) -> int:
    """The process entry of caa."""
    return run(ClusterAwareAix, argv)
