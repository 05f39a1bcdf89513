"""srcmstr's shell: /dev/SRC, the channel to lpar, the object classes, the memory file. No event loop library: a
respawned srcmstr must answer within milliseconds."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import replace
from typing import NoReturn

import msgspec

from srcctl.errlog import log_entry
from srcctl.machine import TICK
from srcctl.node import messages, sockets
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError, Repository
from srcctl.src import packets
from srcctl.srcmstr import core
from srcctl.srcmstr.definitions import SIGNALS, Catalogue, Definition

REPOSITORY = "/etc/objrepos"
MEMORY_FILE = "/var/adm/SRC/active_list"
WATCH_FILE = "/var/adm/SRC/watch_list"
LPAR_VARIABLE = "HAES_LPAR_FD"
SOFTWARE_ERROR = {"SRC_SVKO": -9017, "SRC_TRYX": -9020, "SRC_RSTRT": -9035}
BATCH = 64
"""Requests that are taken from the socket before lpar is listened to again."""


def _now() -> int:
    return time.monotonic_ns() // 1000


class Shell:
    """One srcmstr."""

    def __init__(self, root: NodeRoot, lpar: socket.socket) -> None:
        self.root = root
        self.lpar = lpar
        self.machine = core.SystemResourceController()
        self.repository = Repository(root, REPOSITORY)
        self._classes: tuple[object, ...] = ()
        self._ending = False
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def run(self) -> int:
        """Serve until lpar goes away or SIGTERM comes."""
        table = self._first_packet()
        os.makedirs(self.root.path(packets.SRC_DIRECTORY), exist_ok=True)
        os.makedirs(os.path.dirname(self.root.path(MEMORY_FILE)), exist_ok=True)
        self._read_catalogue()
        self._step(self._restored(table))
        self.requests = sockets.bind(self.root.path(packets.SRC_SOCKET), socket.SOCK_DGRAM)
        self.requests.setblocking(False)
        self.lpar.setblocking(False)
        selector = selectors.DefaultSelector()
        selector.register(self.requests, selectors.EVENT_READ, self._serve_requests)
        selector.register(self.lpar, selectors.EVENT_READ, self._serve_lpar)
        while not self._ending:
            deadline = self.machine.next_deadline()
            wait = None if deadline is None else max(0, deadline - _now()) / 1_000_000
            for key, _ in selector.select(wait):
                key.data()
            if deadline is not None and _now() >= deadline:
                self._step(TICK)
        return 0

    # Inputs.

    def _first_packet(self) -> messages.Table:
        packet = messages.from_lpar_decoder.decode(self.lpar.recv(1 << 20))
        if not isinstance(packet, messages.Table):
            raise RuntimeError("lpar's first packet is no table")
        return packet

    def _restored(self, table: messages.Table) -> core.Restored:
        """What lpar keeps (processes, ends) joined with what only srcmstr knows (stops requested, earlier ends)."""
        try:
            with open(self.root.path(MEMORY_FILE), encoding="utf-8") as file:
                memory = {entry["number"]: entry for entry in json.load(file)}
        except (OSError, ValueError, TypeError, KeyError):
            memory = {}
        instances, ended = [], []
        for entry in table.entries:
            kept = json.loads(entry.definition)
            known = memory.get(entry.instance, {})
            instances.append(
                core.Instance(
                    entry.instance,
                    Definition.from_object(kept["definition"]),
                    tuple(kept["arguments"]),
                    tuple((name, value) for name, value in kept["environment"]),
                    core.State(known.get("state", core.State.ACTIVE.value)),
                    entry.pid,
                    (kept["asker"][0], kept["asker"][1]),
                    tuple(kept["abnormal_ends"]),
                )
            )
            if instances[-1].state is core.State.STARTING:
                instances[-1] = replace(instances[-1], state=core.State.ACTIVE)
            if entry.ended:
                ended.append((entry.instance, entry.status))
        return core.Restored(tuple(instances), tuple(ended))

    def _read_catalogue(self) -> None:
        """Read the classes again if their files changed; a damaged class leaves the last good one in force."""
        names = ("SRCsubsys", "SRCnotify")
        stamps = []
        for name in names:
            try:
                status = os.stat(self.root.path(f"{REPOSITORY}/{name}"))
                stamps.append((status.st_ino, status.st_mtime_ns, status.st_size))
            except OSError:
                stamps.append((0, 0, 0))
        if tuple(stamps) == self._classes:
            return
        try:
            definitions = tuple(Definition.from_object(values) for values in self.repository.get("SRCsubsys"))
            notify = tuple(
                (str(values["notifyname"]), str(values["notifymethod"])) for values in self.repository.get("SRCnotify")
            )
        except OdmError as error:
            self._console(f"srcmstr: {error}")
            return
        self._classes = tuple(stamps)
        self._step(core.CatalogueRead(Catalogue(definitions, notify)))

    def _serve_requests(self) -> None:
        for _ in range(BATCH):
            try:
                packet = self.requests.recv(packets.PACKET_MAX + 1)
            except BlockingIOError:
                return
            try:
                request = packets.decode_request(packet)
            except packets.PacketError:
                continue
            self._read_catalogue()
            self._step(core.Asked(request))

    def _serve_lpar(self) -> None:
        try:
            packet = self.lpar.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._ending = True
            return
        match messages.from_lpar_decoder.decode(packet):
            case messages.Started(instance, pid):
                self._step(core.ProcessStarted(instance, pid))
            case messages.StartFailed(instance, error):
                self._step(core.ProcessStartFailed(instance, error))
                self._remove_socket(instance)
            case messages.Ended(instance, status):
                self._read_catalogue()
                self._step(core.ProcessEnded(instance, status))
                self._remove_socket(instance)
            case messages.Table():
                pass

    # Effects.

    def _step(self, value: core.Input) -> None:
        for effect in self.machine.step(_now(), value):
            self._execute(effect)

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Remember(instances):
                self._remember(instances)
            case core.StartProcess(instance):
                self._start(instance)
            case core.SignalProcess(number, which, tree):
                self._tell_lpar(messages.Signal(number, which, tree))
            case core.Acknowledge(number):
                self._tell_lpar(messages.Acknowledge(number))
            case core.Forward(number, request):
                self._send(self._socket_path(number), packets.encode_request(request))
            case core.Respond(reply):
                if reply.retaddr:
                    path = self.root.path(f"{packets.SRC_DIRECTORY}/{reply.retaddr}")
                    self._send(path, packets.encode_reply(reply))
            case core.RunNotify(method, subsystem, group):
                self._notify(method, subsystem, group)
            case core.LogError(label, subsystem, status):
                details = (
                    ("SYMPTOM CODE", f"{status:>12}"),
                    ("SOFTWARE ERROR CODE", f"{SOFTWARE_ERROR[label]:>12}"),
                    ("ERROR CODE", f"{0:>12}"),
                    ("DETECTING MODULE", "'srchevn.c'@line:'350'"),
                    ("FAILING MODULE", subsystem),
                )
                log_entry(self.root, label, "SRC", details)
            case core.Console(text):
                self._console(text)

    def _remember(self, instances: tuple[core.Instance, ...]) -> None:
        entries = [
            {"number": i.number, "name": i.definition.subsysname, "pid": i.pid, "state": i.state.value}
            for i in instances
        ]
        try:
            replace_file(self.root.path(MEMORY_FILE), (json.dumps(entries) + "\n").encode(), 0o600)
            if not os.path.exists(self.root.path(WATCH_FILE)):
                replace_file(self.root.path(WATCH_FILE), b"", 0o600)
        except OSError as error:
            self._console(f"srcmstr: {MEMORY_FILE}: {error.strerror}")

    def _socket_path(self, number: int) -> str:
        return self.root.path(f"{packets.SRC_DIRECTORY}/subsystem.{number}")

    def _remove_socket(self, number: int) -> None:
        try:
            os.unlink(self._socket_path(number))
        except OSError:
            pass

    def _start(self, instance: core.Instance) -> None:
        definition = instance.definition
        own = definition.contact != SIGNALS
        kept = {
            "subsysname": definition.subsysname,
            "definition": definition.as_dict(),
            "arguments": instance.arguments,
            "environment": instance.environment,
            "asker": instance.asker,
            "abnormal_ends": instance.abnormal_ends,
        }
        start = messages.Start(
            instance.number,
            definition.path,
            list(instance.arguments),
            dict(instance.environment),
            definition.uid,
            definition.priority,
            definition.standin,
            definition.standout,
            definition.standerr,
            own,
            json.dumps(kept),
        )
        if not own:
            self._tell_lpar(start)
            return
        try:
            source = sockets.bind(self._socket_path(instance.number), socket.SOCK_DGRAM)
        except OSError as error:
            self._step(core.ProcessStartFailed(instance.number, error.errno or 0))
            return
        try:
            self._tell_lpar(start, source.fileno())
        finally:
            source.close()

    def _tell_lpar(self, message: messages.ToLpar, *descriptors: int) -> None:
        self.lpar.setblocking(True)
        try:
            socket.send_fds(self.lpar, [messages.encode(message)], list(descriptors))
        except OSError:
            self._ending = True
        finally:
            self.lpar.setblocking(False)

    def _send(self, path: str, packet: bytes) -> None:
        """Send to a socket that may be gone or full: whoever waits there has a time limit of its own."""
        try:
            with sockets.short_path(path) as short:
                self._out.sendto(packet, socket.MSG_DONTWAIT, short)
        except OSError:
            pass

    def _notify(self, method: str, subsystem: str, group: str) -> None:
        path = self.root.path(method)
        try:
            os.posix_spawn(path, [method, subsystem, group], os.environ, setsigdef=[signal.SIGCHLD], setsid=True)
        except OSError as error:
            self._console(f"srcmstr: the notify method {method} of {subsystem} cannot run: {error.strerror}")

    def _console(self, text: str) -> None:
        try:
            descriptor = os.open(self.root.path("/dev/console"), os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
            os.write(descriptor, (text + "\n").encode())
            os.close(descriptor)
        except OSError:
            pass


def _terminate(number: int, frame: object) -> NoReturn:
    sys.exit(0)


def main(argv: list[str]) -> int:
    """The process entry of srcmstr."""
    try:
        lpar = socket.socket(fileno=int(os.environ[LPAR_VARIABLE]))
    except (KeyError, ValueError, OSError):
        print("srcmstr: it runs under the node's machine only: see /etc/inittab.", file=sys.stderr)
        return 1
    os.environ.pop(LPAR_VARIABLE, None)
    lpar.set_inheritable(False)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        return Shell(NodeRoot.current(), lpar).run()
    except (msgspec.DecodeError, OSError, ValueError, KeyError) as error:
        print(f"srcmstr: {error!r}", file=sys.stderr)
        return 1
