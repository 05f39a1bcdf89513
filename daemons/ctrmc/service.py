"""ctrmc: the RMC daemon's shell. It measures, keeps registry and audit log, runs responses, answers commands."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque

import msgspec

from daemons.cthags.client import peer_domain
from daemons.ctrmc import core, definitions, expression, peers
from daemons.ctrmc.messages import (
    SERVICE,
    SOCKET_PATH,
    Answer,
    AuditReply,
    Definition,
    ListAudit,
    ListRegistry,
    ListResources,
    Outcome,
    RegistryReply,
    RemoveAudit,
    Request,
    ResourcesReply,
)
from daemons.ctrmc.metrics import Metrics
from daemons.ctrmc.model import AuditRecord, Registry
from daemons.runtime import keys
from daemons.runtime.codec import Codec
from daemons.runtime.daemon import CannotStart, Daemon, run
from daemons.runtime.local import Closed, LocalConnection, LocalServer, until_cancelled
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.pump import Pump
from daemons.runtime.trust import Refused, challenge_server
from srcctl.errlog import log_entry
from srcctl.machine import RemoteFault
from srcctl.node import environment
from srcctl.node.processes import send_to_group
from srcctl.node.root import replace_file

REGISTRY_FILE = "/var/ct/cfg/registry.json"
AUDIT_FILE = "/var/ct/IW/audit.json"
INTERVAL = 15.0
"""Product seconds between observations of watched resources."""
SCRIPT_LIMIT = 300.0
"""Seconds that a response script may run (patience)."""
SCRIPTS_MAX = 8
"""Response scripts that run at the same time."""
AUDIT_KEPT = 2000
OUTPUT_KEPT = 2000
CONNECTIONS_MAX = 64

REQUESTS: Codec[Request] = Codec(Request)
ANSWERS: Codec[Answer] = Codec(Answer)


class ResourceMonitoring(Daemon):
    """ctrmc's shell."""

    name = "ctrmc"
    log_file = "/var/ct/IW/log/mc/default"

    async def start(self) -> None:
        self.started_at = time.time()
        self.metrics = Metrics(self.root)
        self.audit = deque[AuditRecord](self._load_audit(), maxlen=AUDIT_KEPT)
        self._audit_dirty = False
        self.machine = core.ResourceMonitor(self._load_registry(), self.scale.schedule(INTERVAL), self.identity.node)
        self.pump = Pump[core.Input, core.Effect](self.machine, self._execute, self.fail)
        self.waiting: dict[int, asyncio.Future[Outcome]] = {}
        self.requester = 0
        self.connections = 0
        self.scripts = asyncio.Semaphore(SCRIPTS_MAX)
        self.local = LocalServer(self.root.path(SOCKET_PATH), ANSWERS, REQUESTS, self._serve, self._fault)
        try:
            number = port(self.root, SERVICE, "tcp")
            os.makedirs(os.path.dirname(self.root.path(SOCKET_PATH)), exist_ok=True)
            await self.local.start()
            self.servers = [
                await asyncio.start_server(until_cancelled(self._serve_remote), interface.address, number)
                for interface in self.identity.interfaces
            ]
        except UnknownService as reason:
            raise CannotStart(str(reason)) from None
        except OSError as error:
            raise CannotStart(f"cannot listen: {error.strerror}") from None
        log_entry(self.root, "RMCD_INFO_0_ST", "RMCdaemon")
        self.log.write("started")
        self.pump.start()
        self.spawn(peers.take_part(self.root, self.log.write))

    async def stop(self, forced: bool) -> int:
        self.pump.close()
        for server in self.servers:
            server.close()
        await self.local.close()
        self._save_audit()
        self.log.write("stopped")
        return 0

    def long_status(self) -> str:
        registry = self.machine.registry
        up = int(time.time() - self.started_at)
        minutes, seconds = divmod(up, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        started = time.strftime("%A %m/%d/%y at %H:%M:%S", time.localtime(self.started_at))
        watched = sum(registry.monitored(condition.name) for condition in registry.conditions)
        return "\n".join(
            (
                "",
                f"Daemon started on {started}",
                f"Daemon has been running {days} days, {hours} hours, {minutes} minutes and {seconds} seconds",
                "",
                f"Conditions defined: {len(registry.conditions)}   monitored: {watched}",
                f"Responses defined: {len(registry.responses)}",
                f"Client connections: {self.connections}",
            )
        )

    # State that survives.

    def _load_registry(self) -> Registry:
        try:
            with open(self.root.path(REGISTRY_FILE), "rb") as file:
                return msgspec.json.decode(file.read(), type=Registry)
        except FileNotFoundError:
            return Registry()
        except (OSError, msgspec.DecodeError) as error:
            raise CannotStart(f"{REGISTRY_FILE} cannot be read: {error}") from None

    def _load_audit(self) -> list[AuditRecord]:
        try:
            with open(self.root.path(AUDIT_FILE), "rb") as file:
                return msgspec.json.decode(file.read(), type=list[AuditRecord])
        except (OSError, msgspec.DecodeError):
            return []

    def _save_audit(self) -> None:
        path = self.root.path(AUDIT_FILE)
        self._audit_dirty = False
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            replace_file(path, msgspec.json.encode(list(self.audit)), 0o600)
        except OSError as error:
            self.log.write(f"{AUDIT_FILE}: {error.strerror}")

    # Effects.

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Observe(classes, programs):
                resources = self.metrics.measure(classes, programs)
                self.pump.feed(core.Observed(resources, moment()))
            case core.Store(registry):
                path = self.root.path(REGISTRY_FILE)
                replace_file(path, msgspec.json.format(msgspec.json.encode(registry), indent=1), 0o600)
            case core.Reply(requester, outcome):
                if (future := self.waiting.pop(requester, None)) is not None and not future.done():
                    future.set_result(outcome)
            case core.Audit():
                self.audit.append(
                    AuditRecord(
                        time=time.time_ns() // 1000,
                        category=effect.category,
                        description=effect.description,
                        number=self.audit[-1].number + 1 if self.audit else 1,
                        condition=effect.condition,
                        response=effect.response,
                        kind=effect.kind,
                    )
                )
                if not self._audit_dirty:
                    self._audit_dirty = True
                    asyncio.get_running_loop().call_soon(self._save_audit)
            case core.RunResponse():
                self.spawn(self._run_response(effect))

    async def _run_response(self, run_response: core.RunResponse) -> None:
        action = run_response.action
        variables = {**os.environ, **dict(run_response.environment)}
        variables.pop("SPT_NOENV", None)
        output, status = b"", 127
        async with self.scripts:
            try:
                process = await asyncio.create_subprocess_exec(
                    *environment.shell(action.script, self.root),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    env=variables,
                    start_new_session=True,
                )
            except OSError as error:
                output = f"{action.script}: {error.strerror}".encode()
            else:
                try:
                    async with asyncio.timeout(SCRIPT_LIMIT):
                        output, _ = await process.communicate()
                    status = process.returncode or 0
                except TimeoutError:
                    # Its own end may have come just now, or long ago if something else holds its output.
                    send_to_group(process.pid, signal.SIGKILL, reaped=process.returncode is not None)
                    status = await process.wait()
                    output = f"killed after {SCRIPT_LIMIT:g} seconds".encode()
        text = output[:OUTPUT_KEPT].decode(errors="replace").strip()
        self.pump.feed(
            core.ResponseEnded(run_response.condition, run_response.response, action.name, status, text, moment())
        )

    # Clients.

    def _fault(self, fault: RemoteFault) -> None:
        self.log.write(f"dropped a client: {fault}")

    async def _serve_remote(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = LocalConnection(reader, writer, ANSWERS, REQUESTS)
        try:
            await challenge_server(reader, writer, keys.accepted(self.root))
            await self._serve(connection)
        except Refused as refused:
            peer = writer.get_extra_info("peername")
            self.log.write(f"refused {peer[0] if peer else 'a client'}: {refused}")
        except (Closed, RemoteFault, OSError):
            pass
        finally:
            connection.close()

    async def _serve(self, connection: LocalConnection[Answer, Request]) -> None:
        if self.connections >= CONNECTIONS_MAX:
            return
        self.connections += 1
        try:
            while True:
                connection.send(await self._answer(await connection.receive()))
                await connection.drain()
        finally:
            self.connections -= 1

    async def _answer(self, request: Request) -> Answer:
        match request:
            case ListRegistry():
                return RegistryReply(self.identity.node, self.machine.registry, self.machine.failed)
            case ListAudit():
                return AuditReply(tuple(self.audit))
            case ListResources(resource_class, selection):
                self.metrics.peer_domain = await peer_domain(self.root)
                return self._resources(resource_class, selection)
            case RemoveAudit():
                return self._remove_audit(request)
            case _:
                definition: Definition = request
                self.requester += 1
                future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
                self.waiting[self.requester] = future
                self.pump.feed(core.Command(self.requester, definition, moment()))
                return await future

    def _remove_audit(self, request: RemoveAudit) -> Outcome:
        try:
            chooses = expression.parse(request.selection)
        except expression.ExpressionError as error:
            return Outcome(f"2612-011 The selection string is not valid: {error}.", 4)
        kept = [
            record
            for record in self.audit
            if request.subsystem not in ("", record.subsystem)
            or not chooses.holds(definitions.audit_fields(record, self.identity.node))
        ]
        if len(kept) < len(self.audit):
            self.audit = deque(kept, maxlen=AUDIT_KEPT)
            self._save_audit()
        return Outcome()

    def _resources(self, resource_class: str, selection: str) -> ResourcesReply:
        if not resource_class:
            return ResourcesReply(classes=tuple(sorted((*core.CLASSES, *definitions.CLASSES))))
        if resource_class not in (*core.CLASSES, *definitions.CLASSES):
            return ResourcesReply(
                error=f"2612-008 Resource class {resource_class} is not supported by the RMC daemon on this node."
            )
        if selection:
            try:
                expression.parse(selection)
            except expression.ExpressionError as error:
                return ResourcesReply(error=f"2612-011 The selection string is not valid: {error}.")
        programs = core.programs_of(self.machine.registry.conditions)
        if resource_class in definitions.CLASSES:
            defined = definitions.resources(resource_class, self.machine.registry, self.metrics.common())
            return ResourcesReply(tuple(r for r in defined if core.selects(selection, r)))
        measured = self.metrics.measure((resource_class,), programs).get(resource_class, ())
        return ResourcesReply(tuple(r for r in measured if core.selects(selection, r)))


def moment() -> core.Moment:
    """The wall clock, for schedules of responses and for texts."""
    now = time.time_ns() // 1000
    local = time.localtime(now // 1_000_000)
    weekday = (local.tm_wday + 1) % 7 + 1
    return core.Moment(now, weekday, local.tm_hour * 60 + local.tm_min, time.strftime("%m/%d/%y %H:%M:%S", local))


def main(argv: list[str]) -> int:
    """The process entry of ctrmc."""
    return run(ResourceMonitoring, argv)
