"""clinfoES: reads the cluster over SNMP and answers clstat and other clients on 6174/tcp."""

from __future__ import annotations

import asyncio
import getopt
import os
import time

from daemons.clinfo import core
from daemons.clinfo.messages import SERVICE, Answer, Clusters, Request, Watch
from daemons.clinfo.picture import picture
from daemons.runtime import keys
from daemons.runtime.codec import Codec
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, LocalConnection, until_cancelled
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.pump import Pump
from daemons.runtime.trust import Refused, challenge_server
from daemons.snmpd import client as snmp
from daemons.snmpd import configuration as snmp_configuration
from daemons.snmpd.mib import CLSMUXPD
from daemons.snmpd.protocol import community_of, parse_trap
from srcctl.machine import RemoteFault
from srcctl.src.remote import UnknownHost, host_addresses

CLHOSTS = "/usr/es/sbin/cluster/etc/clhosts"
CLINFO_RC = "/usr/es/sbin/cluster/etc/clinfo.rc"
INTERVAL = 15.0
"""Product seconds between polls."""
DEFAULT_COMMUNITY = "public"
CONNECTIONS_MAX = 64
LOOPBACK = ("127.0.0.1", "localhost", "loopback")

REQUESTS: Codec[Request] = Codec(Request, limit=4096)
ANSWERS: Codec[Answer] = Codec(Answer)


class Clinfo(Daemon):
    """clinfoES's shell."""

    name = "clinfoES"
    log_file = "/var/hacmp/log/clinfo.log"

    async def start(self) -> None:
        options = self._options()
        self.traps = "-a" in options
        self.community = options.get("-c") or self._community()
        interval = self.scale.schedule(INTERVAL * (2 if self.traps else 1))
        self.machine = core.Clinfo(interval)
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        self.published = Clusters(())
        self.version = 0
        self.known: snmp.Known = {}
        self.changed = asyncio.Condition()
        self.connections = 0
        self.scripts: asyncio.Queue[tuple[str, str]] = asyncio.Queue(maxsize=256)
        try:
            self.snmp_port = port(self.root, "snmp", "udp")
            own_port = port(self.root, SERVICE, "tcp")
            trap_port = port(self.root, "snmp-trap", "udp")
            self.servers = [
                await asyncio.start_server(until_cancelled(self._serve), interface.address, own_port)
                for interface in self.identity.interfaces
            ]
            if self.traps:
                await self._listen_for_traps(trap_port)
        except UnknownService as reason:
            raise CannotStart(str(reason)) from None
        except OSError as error:
            raise CannotStart(f"cannot listen: {error.strerror}") from None
        self.spawn(self._run_scripts())
        self.pump.feed(core.Hosts(self._hosts()))
        self.log.write(f"started, polling every {INTERVAL:g} s")

    async def stop(self, forced: bool) -> int:
        self.pump.close()
        for server in self.servers:
            server.close()
        self.log.write("stopped")
        return 0

    async def refresh(self) -> str | None:
        self.pump.feed(core.Hosts(self._hosts()))
        return None

    def long_status(self) -> str:
        cluster = self.published.clusters[0] if self.published.clusters else None
        lines = [
            f"SNMP agent: {self.published.agent or 'none answers'}",
            f"Traps: {'received' if self.traps else 'not received'}",
            f"Clients connected: {self.connections}",
        ]
        if cluster is not None:
            lines.append(f"Cluster: {cluster.name} ({cluster.cluster_id})  {cluster.state}  {cluster.substate}")
        return "\n".join(lines)

    def _options(self) -> dict[str, str]:
        try:
            return dict(getopt.getopt(self.arguments, "ac:")[0])
        except getopt.GetoptError as error:
            raise CannotStart(f"clinfoES: {error}") from None

    def _community(self) -> str:
        """The community of the node's own agent, as ``lssrc -ls snmpd`` would show it."""
        try:
            with open(self.root.path(snmp_configuration.CONFIGURATION_FILE), encoding="utf-8") as file:
                return snmp_configuration.parse(file.read()).public_community or DEFAULT_COMMUNITY
        except (OSError, UnicodeDecodeError):
            return DEFAULT_COMMUNITY

    def _hosts(self) -> tuple[str, ...]:
        """Addresses of clhosts, in order: addresses, and names and labels of /etc/hosts; loopback is this node."""
        own = self.identity.interfaces[0].address
        try:
            with open(self.root.path(CLHOSTS), encoding="utf-8", errors="replace") as file:
                words = [line.partition("#")[0].strip() for line in file]
        except OSError:
            return (own,)
        hosts: list[str] = []
        for word in filter(None, words):
            try:
                address = own if word in LOOPBACK else host_addresses(self.root, word)[0]
            except UnknownHost:
                self.log.write(f"{CLHOSTS}: {word} is not known")
                continue
            if address not in hosts:
                hosts.append(address)
        return tuple(hosts)

    async def _listen_for_traps(self, trap_port: int) -> None:
        clinfo = self

        class Traps(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                try:
                    if community_of(data) == clinfo.community and parse_trap(data)[0] == CLSMUXPD:
                        clinfo.pump.feed(core.TrapSeen())
                except RemoteFault:
                    pass

        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(Traps, local_addr=(self.identity.interfaces[0].address, trap_port))

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Poll(host):
                self.spawn(self._poll(host))
            case core.Publish(cluster, agent):
                self.published = Clusters((cluster,) if cluster is not None else (), agent)
                self.version += 1
                self.spawn(self._tell())
            case core.RunScript(action, label):
                if not self.scripts.full():
                    self.scripts.put_nowait((action, label))
            case core.Log(text):
                self.log.write(text)

    async def _poll(self, host: str) -> None:
        try:
            instances = await snmp.walk(host, self.snmp_port, self.community, CLSMUXPD, known=self.known)
        except (snmp.NoAnswer, OSError):
            self.pump.feed(core.Polled(host, answered=False))
            return
        cluster = picture(instances)
        # An agent without the subtree is no source: the next host may have a cluster manager behind its agent.
        self.pump.feed(core.Polled(host, answered=cluster is not None, cluster=cluster))

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _run_scripts(self) -> None:
        """clinfo.rc runs for one change after the other."""
        while True:
            action, label = await self.scripts.get()
            path = self.root.path(CLINFO_RC)
            if not os.access(path, os.X_OK):
                continue
            self.log.write(f"{time.strftime('%H:%M:%S')} {CLINFO_RC} {action} {label}")
            try:
                process = await asyncio.create_subprocess_exec(
                    path,
                    action,
                    label,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                status = await process.wait()
            except OSError as error:
                self.log.write(f"{CLINFO_RC}: {error.strerror}")
                continue
            if status:
                self.log.write(f"{CLINFO_RC} {action} {label} ended with {status}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.connections >= CONNECTIONS_MAX:
            writer.close()
            return
        self.connections += 1
        connection = LocalConnection(reader, writer, ANSWERS, REQUESTS)
        try:
            await challenge_server(reader, writer, keys.accepted(self.root))
            while True:
                request = await connection.receive()
                connection.send(self.published)
                if isinstance(request, Watch):
                    await self._follow(connection)
        except Refused as refused:
            self.log.write(f"refused a client: {refused}")
        except (Closed, RemoteFault, OSError):
            pass
        finally:
            self.connections -= 1
            connection.close()

    async def _follow(self, connection: LocalConnection[Answer, Request]) -> None:
        """Tell a client every change until it goes away: one that died gives its place back at once."""
        gone = asyncio.ensure_future(connection.receive())
        told: asyncio.Future[int] | None = None
        version = self.version
        try:
            while not gone.done():
                version = told.result() if told is not None else version
                told = asyncio.ensure_future(self._tell_next(connection, version))
                await asyncio.wait((gone, told), return_when=asyncio.FIRST_COMPLETED)
            await gone
        finally:
            for future in (gone, told):
                if future is not None:
                    future.cancel()

    async def _tell_next(self, connection: LocalConnection[Answer, Request], seen: int) -> int:
        """Tell a client what is newer than it has seen, once there is; returns what it has seen then."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.version != seen)
        version = self.version
        connection.send(self.published)
        await connection.drain()
        return version


def main(argv: list[str]) -> int:
    """The process entry of clinfoES."""
    return run(Clinfo, argv)
