"""clcomd: remote commands and file copies for the nodes of the cluster, on 16191/tcp.

Nothing is parsed before trust: the source address must be listed, then both sides prove that they hold the key. Who is
refused learns nothing; the log says why.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import ssl
import stat
import time
from collections.abc import Sequence

from daemons.clcomd import access, command_line, core, security
from daemons.clcomd.diagnostics import DiagnosticLog
from daemons.clcomd.messages import SERVICE, Run, answer_codec, request_codec
from daemons.clcomd.session import Connection, Session
from daemons.runtime import keys
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, until_cancelled
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.trust import Refused, challenge_server
from srcctl.machine import RemoteFault
from srcctl.network.faults import Faults
from srcctl.node.processes import outlived_by_children
from srcctl.node.spawn import own_user_namespace

SESSIONS_MAX = 256
KNOCKING_MAX = 256
"""Connections that have not proven yet who they are."""
STREAM_LIMIT = 4 << 20
PATH_LOOK = 0.2
"""Seconds between looks whether a network still leads to the other end of a session."""
TRUSTED = ("/usr/es/sbin/cluster/", "/usr/sbin/cluster/", "/usr/sbin/clusterconf")
"""Commands that run as root; all others run without privileges."""
QUERIES = frozenset((
    "lssrc", "lscluster", "lspv", "lsvg", "lsvgfs", "lslv", "lsfs", "lsdev", "lsattr", "lslpp", "lsitab", "df",
    "netstat", "errpt", "oslevel", "odmget", "odmshow", "lsrpdomain", "lsrpnode", "lsrsrc", "lscondition",
    "lsresponse", "lscondresp", "lsaudrec", "hagsns", "hagsvote", "hagsgr", "hagscl", "hagspbs",
))  # fmt: skip
"""Programs of the node that only tell something. An ordinary user of AIX may run them; here they read sockets and
disks that are the owner's, so they run as he (inferred: ``clcmd lssrc -g caa`` and ``clcmd lscluster -m`` must answer).
"""
SHOWING = {"ifconfig": command_line.only_shows_interfaces}
"""Programs that are queries with some arguments only."""
QUERY_DIRECTORIES = ("/usr/bin", "/usr/sbin", "/usr/sbin/rsct/bin")
UNPRIVILEGED = 65534
DIAGNOSTICS = "/var/hacmp/clcomd/clcomddiag.log"


def reachable_by_others(path: str) -> bool:
    """Whether a user who owns nothing may enter a folder (path_resolution(7))."""
    while True:
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        if path in ("/", ""):
            return True
        path = os.path.dirname(path)


class Clcomd(Daemon):
    """clcomd's shell."""

    name = "clcomd"
    log_file = "/var/hacmp/clcomd/clcomd.log"

    async def start(self) -> None:
        self.log.stamp = "%a %b %d %H:%M:%S %Y: "
        self.diagnostics = DiagnosticLog(self.root.path(DIAGNOSTICS))
        self.faults = Faults(self.identity.lab)
        self.sessions = self.served = self.refused = 0
        self.knocking: list[asyncio.StreamWriter] = []
        self.context: ssl.SSLContext | None = None
        self.context_stamp: object = None
        self._read_access()
        self.setpriv = shutil.which("setpriv") if os.geteuid() == 0 else None
        self.separate_user = not own_user_namespace() and reachable_by_others(self.root.path("/"))
        try:
            number = port(self.root, SERVICE, "tcp")
            self.servers = [
                await asyncio.start_server(
                    until_cancelled(self._serve), interface.address, number, limit=STREAM_LIMIT, backlog=128
                )
                for interface in self.identity.interfaces
            ]
        except UnknownService as reason:
            raise CannotStart(str(reason)) from None
        except OSError as error:
            raise CannotStart(f"cannot listen: {error.strerror}") from None
        self.log.write(f"started on port {number}")

    async def stop(self, forced: bool) -> int:
        for server in self.servers:
            server.close()
        self.log.write("stopped")
        return 0

    async def refresh(self) -> str | None:
        """Reread rhosts and move the logs."""
        try:
            self.log.rotate()
            self.diagnostics.rotate()
        except OSError as error:
            self._read_access()
            return f"the logs cannot be moved: {error.strerror}"
        self._read_access()
        self.log.write("refreshed")
        return None

    def long_status(self) -> str:
        lines = [
            f"Sessions: {self.sessions}   served: {self.served}   refused: {self.refused}",
            f"Security: {'TLS, with the certificate of the cluster' if security.is_secured(self.root) else 'standard'}",
            f"Logs: {self.log_file}, {DIAGNOSTICS}",
            "Access list:",
        ]
        return "\n".join([*lines, *(f" {address}" for address in sorted(self.access.addresses))])

    def _read_access(self) -> None:
        self.access = access.read(self.root)
        for fault in self.access.faults:
            self.log.write(fault)

    # Trust.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        own = str((writer.get_extra_info("sockname") or ("?",))[0])
        connection = Connection(reader, writer, answer_codec, request_codec)
        if len(self.knocking) >= KNOCKING_MAX:
            # Not too many unknown at once. The one that says nothing for longest goes: who has the key needs a moment.
            self.knocking.pop(0).transport.abort()
        self.knocking.append(writer)
        try:
            try:
                name = await self._admit(reader, writer, peer)
            finally:
                if writer in self.knocking:
                    self.knocking.remove(writer)
            self.log.write(f"CONNECTION: ACCEPTED: {name or peer}: {peer}->{own}")
            self.sessions += 1
            self.served += 1
            try:
                await self._session(connection, reader, writer, name)
            finally:
                self.sessions -= 1
        except Refused as reason:
            self.refused += 1
            known = next((n.name for n in self.identity.nodes if peer in n.addresses), peer)
            self.log.write(f"CONNECTION: REJECTED({reason}): {known}: {peer}->{own}")
            self.diagnostics.write(f"connection from {peer} refused: {reason}")
        except (Closed, ConnectionError):
            pass
        except RemoteFault as fault:
            self.diagnostics.write(f"connection from {peer} dropped: {fault}")
        finally:
            connection.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> str:
        """The node behind a connection.

        Raises:
            Refused: it may not talk; the text is for the log.
        """
        if self.sessions >= SESSIONS_MAX:
            raise Refused(f"{SESSIONS_MAX} sessions are open")
        if not self.access.admits(peer):
            # Configuration may have changed since the list was read; a stranger costs no more than this look.
            self._read_access_again()
            if not self.access.admits(peer):
                raise Refused("the address is in neither rhosts nor the configuration")
        name = await challenge_server(reader, writer, keys.accepted(self.root), context=self._encryption())
        node = next((n.name for n in self.identity.nodes if peer in n.addresses), None)
        core.check_claim(name, node, node is None or self._is_connected(node))
        return name

    def _encryption(self) -> ssl.SSLContext | None:
        """The TLS context while this node has the cluster's certificate, read again when that changes.

        Raises:
            Refused: the certificate cannot be used, and nothing else is offered in its place.
        """
        stamp: object = None
        try:
            stamp = [os.stat(self.root.path(path)).st_mtime_ns for path in security.FILES]
        except OSError:
            self.context = self.context_stamp = None
            return None
        if stamp != self.context_stamp:
            try:
                self.context, self.context_stamp = security.context(self.root, server=True), stamp
            except security.SecurityFault as fault:
                self.context = self.context_stamp = None
                raise Refused(str(fault)) from None
        return self.context

    def _read_access_again(self) -> None:
        now = time.monotonic()
        if now - getattr(self, "_access_read", -1e9) > 0.2:
            self._access_read = now
            self.access = access.read(self.root)

    # Work.

    async def _session(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str
    ) -> None:
        """One connection, as its machine wants it.

        Raises:
            Closed, RemoteFault: the client went away, or broke the rules; its command has ended.
        """
        session = Session(self, connection, reader, writer, name)
        watch = asyncio.ensure_future(self._watch_path(name, writer)) if name != self.identity.node else None
        try:
            while True:
                request = await connection.receive()
                if not self._is_connected(name):
                    raise Closed
                await session.take(core.Asked(request))
                await connection.drain()
        finally:
            if watch is not None:
                watch.cancel()
            await session.end()

    def _is_connected(self, name: str) -> bool:
        """Whether a network leads to the node at the other end, as far as it is one."""
        if self.identity.node_by_name(name) is None:
            return True
        networks = [interface.network for interface in self.identity.interfaces]
        return self.faults.any_path(name, self.identity.node, networks)

    async def _watch_path(self, name: str, writer: asyncio.StreamWriter) -> None:
        """End a connection whose nodes were cut off from each other.

        TCP would go on if the cut is short and give up after minutes; this is in between (inferred).
        """
        while self._is_connected(name):  # noqa: ASYNC110 - a fault of the network makes no event
            await asyncio.sleep(PATH_LOOK)
        self.diagnostics.write(f"connection of {name} lost: no network leads there any more")
        writer.transport.abort()

    def log_command(self, name: str, request: Run) -> None:
        """A line of clcomddiag.log."""
        self.diagnostics.write(f"{name} runs: {' '.join(request.arguments) or request.shell}")

    def command(self, request: Run) -> tuple[list[str], dict[str, str]]:
        """What is executed: PowerHA's own commands as they are, everything else without privileges.

        Without privileges means as another user, or, where that one cannot reach the node (a lab in folder mode in
        somebody's home), as the owner without capabilities.
        """
        environment = dict(os.environ)
        environment.pop("SPT_NOENV", None)
        search = environment.get("PATH", "")
        drop = self._without_privileges()
        if request.shell:
            line = command_line.rewritten(
                request.shell, lambda program, words: self._identity(program, words, search), drop
            )
            if line is not None:
                return ["/bin/sh", "-c", line if drop else request.shell], environment
            return [*drop, "/bin/sh", "-c", request.shell], environment
        arguments = list(request.arguments) or ["/bin/true"]
        program = arguments[0]
        arguments[0], trusted = self._identity(program, arguments[1:], search)
        if not os.path.exists(arguments[0]):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
        return arguments if trusted else [*drop, *arguments], environment

    def _without_privileges(self) -> tuple[str, ...]:
        """The command that executes another one without privileges; nothing where we have none."""
        if self.setpriv is None:
            return ()
        drop: tuple[str, ...] = (self.setpriv, "--no-new-privs", "--inh-caps", "-all", "--bounding-set", "-all")
        if self.separate_user:
            drop += ("--reuid", str(UNPRIVILEGED), "--regid", str(UNPRIVILEGED), "--clear-groups")
        return (*drop, "--")

    def _identity(self, program: str, arguments: Sequence[str], search: str) -> tuple[str, bool]:
        """The real path of a program, as far as it is one, and whether it is trusted with its arguments."""
        found = self._find(program, search)
        # In folder mode the host's own programs stay where they are.
        inside = self.root.path(found) if found else program
        real = inside if os.path.lexists(inside) else found or program
        return real, found is not None and self._is_trusted(found, arguments)

    def _is_trusted(self, path: str, arguments: Sequence[str]) -> bool:
        directory, _, name = path.rpartition("/")
        if ".." in path:
            return False
        if path.startswith(TRUSTED):
            return True
        shows = SHOWING.get(name)
        return directory in QUERY_DIRECTORIES and (name in QUERIES or (shows is not None and shows(arguments)))

    def _find(self, program: str, path: str) -> str | None:
        """The product path of a program."""
        if "/" in program:
            return self.root.product_path(program)
        for directory in path.split(":"):
            if directory and os.access(os.path.join(directory, program), os.X_OK):
                return self.root.product_path(os.path.join(directory, program))
        return None


def main(argv: list[str]) -> int:
    """The process entry of clcomd."""
    # What others have run here does not end with this daemon.
    outlived_by_children()
    return run(Clcomd, argv)
