"""srcmstr's shell: /dev/SRC, the channel to lpar, the object classes, the memory file. No event loop library: a
respawned srcmstr must answer within milliseconds."""

from __future__ import annotations

import _socket
import os
import select
import sys
import time
from struct import Struct

from srcctl import audit
from srcctl.commands.options import UsageError, parse, usage
from srcctl.errlog import log_entry
from srcctl.machine import TICK
from srcctl.node import messages, sockets
from srcctl.node.root import IdentityError, NodeRoot, replace_file
from srcctl.node.signals import signal
from srcctl.node.slots import SlotFile
from srcctl.odm import OdmError, OdmObject, Repository
from srcctl.src import packets
from srcctl.src.classes import CLASSES, DIRECTORY
from srcctl.src.outbox import Outbox
from srcctl.srcmstr import exchange, memory
from srcctl.srcmstr.core import SystemResourceController
from srcctl.srcmstr.definitions import SIGNALS, catalogue
from srcctl.srcmstr.readers import Readers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

MEMORY_FILE = "/var/adm/SRC/active_list"
WATCH_FILE = "/var/adm/SRC/watch_list"
LPAR_END_MS = 1000
"""Milliseconds after lpar has closed the channel in which it ends, if that was why."""
CREDENTIALS = Struct("iII")
"""Of who sent a datagram: process, user, group (unix(7), SCM_CREDENTIALS)."""
RECENT_MAX = 256
"""Requests that are remembered as taken: their askers may have sent them again because srcmstr was restarted."""
SOFTWARE_ERROR = {"SRC_SVKO": -9017, "SRC_TRYX": -9020, "SRC_RSTRT": -9035}
BATCH = 64
"""Requests that are taken from the socket before lpar is listened to again."""


def _now() -> int:
    return time.monotonic_ns() // 1000


class Shell:
    """One srcmstr.

    Args:
        root: the node's file tree.
        lpar: the channel to lpar.
        requests: /dev/SRC, which lpar holds.
        remote: serve requests from other hosts; ``-r``.
        track: look after the processes that an earlier srcmstr started; False with ``-B``.
    """

    def __init__(
        self,
        root: NodeRoot,
        lpar: _socket.socket,
        requests: _socket.socket,
        *,
        remote: bool = False,
        track: bool = True,
        watched: int = -1,
    ) -> None:
        self.root = root
        self.lpar = lpar
        self.requests = requests
        self._owner = os.geteuid()
        self._recent: dict[str, None] = {}
        self.machine = SystemResourceController()
        self.repository = Repository(root, DIRECTORY)
        self._stamps: list[tuple[int, int, int]] = []
        self._objects: dict[str, list[OdmObject]] = {}
        self._complaints: list[str] = []
        self._ending = False
        self._remote = remote
        self._track = track
        self._watched = watched
        self._outbox = Outbox()

    def run(self) -> int:
        """Serve until lpar goes away or SIGTERM comes. Of a lpar that has ended and that nobody else watches
        (``watched`` is its pidfd) what is left of its node is killed."""
        table = self._first_packet()
        os.makedirs(self.root.path(packets.SRC_DIRECTORY), exist_ok=True)
        os.makedirs(os.path.dirname(self.root.path(MEMORY_FILE)), exist_ok=True)
        self._read_catalogue()
        self._step(self._restored(table))
        self.lpar.setblocking(False)
        readers = Readers()
        readers.register(self.requests, self._serve_requests)
        readers.register(self.lpar, self._serve_lpar)
        readers.register(self._outbox, self._outbox.flush)
        if self._remote:
            from srcctl.srcmstr.remote import RemoteRequests

            try:
                RemoteRequests(self.root, readers, self._ask, self._console)
            except (OSError, IdentityError) as error:
                self._console(f"srcmstr: no requests from other hosts: {error}")
        self._announce()  # when requests from other hosts are heard, too
        try:
            while not self._ending:
                deadline = self.machine.next_deadline()
                readers.wait(None if deadline is None else max(0, deadline - _now()))
                if deadline is not None and _now() >= deadline:
                    self._step(TICK)
        finally:
            readers.unregister(self.lpar)
            readers.close()
        if self._watched >= 0 and _has_ended(self._watched):
            from srcctl.node import guard

            guard.end_without_lpar(self.root)
        return 0

    def _announce(self) -> None:
        """Askers whose request a killed predecessor has read see the new incarnation and ask again; lpar goes on."""
        path = self.root.path(packets.SRC_INCARNATION)
        beside = f"{path}.{os.getpid()}"
        try:
            os.symlink(f"{os.getpid()}.{time.monotonic_ns()}", beside)
            os.rename(beside, path)
        except OSError as error:
            # Then nobody has a socket there for an answer either.
            self._console(f"srcmstr: {packets.SRC_DIRECTORY}: {error.strerror}")
        self._tell_lpar(messages.Ready())

    # Inputs.

    def _first_packet(self) -> messages.Table:
        packet = messages.decode_from_lpar(self.lpar.recv(1 << 20))
        if not isinstance(packet, messages.Table):
            raise RuntimeError("lpar's first packet is no table")
        return packet

    def _restored(self, table: messages.Table) -> exchange.Restored:
        """What lpar keeps (processes, ends) joined with what only srcmstr knows (stops requested, earlier answers)."""
        states, results, next_number = memory.read(self.root.path(MEMORY_FILE))
        if not self._track:
            for entry in table.entries:
                if entry.ended:
                    self._tell_lpar(messages.Acknowledge(entry.instance))
            return exchange.Restored((), next_number=max(next_number, *(e.instance + 1 for e in table.entries), 1))
        instances, ended = [], []
        for entry in table.entries:
            instances.append(memory.instance(entry, states.get(entry.instance)))
            if entry.ended:
                ended.append((entry.instance, entry.status))
        return exchange.Restored(tuple(instances), tuple(ended), results, next_number)

    def _read_catalogue(self) -> None:
        """Read the classes again if their files changed; of a damaged class the last good population stays in force."""
        stamps: list[tuple[int, int, int]] = []
        for name in CLASSES:
            try:
                status = os.stat(self.root.path(f"{DIRECTORY}/{name}"))
                stamps.append((status.st_ino, status.st_mtime_ns, status.st_size))
            except OSError:
                stamps.append((0, 0, 0))
        if stamps == self._stamps:
            return
        complaints = []
        for name in CLASSES:
            try:
                self._objects[name] = self.repository.get(name)
            except OdmError as error:
                complaints.append(f"srcmstr: {error}")
        if complaints:
            stamps = []  # which may change without the files: permissions, too many open files
        for complaint in complaints if complaints != self._complaints else ():
            self._console(complaint)
        self._stamps, self._complaints = stamps, complaints
        self._step(exchange.CatalogueRead(catalogue(self._objects)))

    def _serve_requests(self) -> None:
        for _ in range(BATCH):
            try:
                packet, ancillary, _, _ = self.requests.recvmsg(
                    packets.PACKET_MAX + 1, _socket.CMSG_SPACE(CREDENTIALS.size), _socket.MSG_DONTWAIT
                )
            except BlockingIOError:
                return
            try:
                request = packets.decode_request(packet)
            except packets.PacketError:
                continue
            if self._is_stale(request):
                continue
            if request.action != packets.STATUS and not self._has_authority(ancillary):
                self._execute(exchange.Respond(packets.Reply(52, request.subsystem, retaddr=request.retaddr)))
                continue
            self._ask(request)

    def _is_stale(self, request: packets.Request) -> bool:
        """Whether it was taken already, or nobody waits for the answer any more: nothing is carried out behind the back
        of an asker that was told of a time-out."""
        asker = request.retaddr
        if not asker:
            return False
        if asker in self._recent or not os.path.lexists(self.root.path(f"{packets.SRC_DIRECTORY}/{asker}")):
            return True
        self._recent[asker] = None
        if len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]
        return False

    def _has_authority(self, ancillary: list[tuple[int, int, bytes]]) -> bool:
        """Root, who is the lab's owner, may ask for everything, anybody for a status."""
        for level, kind, data in ancillary:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_CREDENTIALS):
                return CREDENTIALS.unpack(data)[1] in (0, self._owner)
        return False

    def _ask(self, request: packets.Request) -> None:
        self._read_catalogue()
        self._step(exchange.Asked(request))

    def _serve_lpar(self) -> None:
        try:
            packet = self.lpar.recv(messages.PACKET_MAX)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._ending = True
            return
        match messages.decode_from_lpar(packet):
            case messages.Started(instance, pid):
                self._step(exchange.ProcessStarted(instance, pid))
            case messages.StartFailed(instance, error):
                self._step(exchange.ProcessStartFailed(instance, error))
                self._remove_socket(instance)
            case messages.Ended(instance, status):
                self._read_catalogue()
                self._step(exchange.ProcessEnded(instance, status))
                self._remove_socket(instance)
            case messages.Table():
                pass

    # Effects.

    def _step(self, value: exchange.Input) -> None:
        for effect in self.machine.step(_now(), value):
            self._execute(effect)

    def _execute(self, effect: exchange.Effect) -> None:
        match effect:
            case exchange.Remember():
                self._remember(effect)
            case exchange.StartProcess(instance):
                self._start(instance)
                self._audit("SRC_Start", instance)
            case exchange.SignalProcess(number, which, tree):
                self._tell_lpar(messages.Signal(number, which, tree))
                if not tree:  # which is the end of a stop that was audited
                    self._audit("SRC_Stop", self.machine.instances.get(number))
            case exchange.Acknowledge(number):
                self._tell_lpar(messages.Acknowledge(number))
            case exchange.Forward(number, request):
                self._send(self._socket_path(number), packets.encode_request(request))
                if request.action == packets.STOP and request.object == packets.SUBSYSTEM:
                    self._audit("SRC_Stop", self.machine.instances.get(number))
            case exchange.Respond(reply):
                if reply.retaddr:
                    path = self.root.path(f"{packets.SRC_DIRECTORY}/{reply.retaddr}")
                    self._send(path, packets.encode_reply(reply))
            case exchange.RunNotify(method, subsystem, group):
                self._notify(method, subsystem, group)
            case exchange.LogError(label, subsystem, status, number):
                details = (
                    ("SYMPTOM CODE", f"{status:>12}"),
                    ("SOFTWARE ERROR CODE", f"{SOFTWARE_ERROR[label]:>12}"),
                    ("ERROR CODE", f"{0:>12}"),
                    ("DETECTING MODULE", "'srchevn.c'@line:'350'"),
                    ("FAILING MODULE", subsystem),
                )
                once = f"{self.root.identity.boot_id} {number}"
                log_entry(self.root, label, "SRC", details, once=once)
            case exchange.Console(text):
                self._console(text)

    def _remember(self, effect: exchange.Remember) -> None:
        try:
            SlotFile(self.root.path(MEMORY_FILE)).write(memory.text(effect).encode())
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

    def _start(self, instance: exchange.Instance) -> None:
        definition = instance.definition
        own = definition.contact != SIGNALS
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
            memory.kept(instance),
        )
        if not own:
            self._tell_lpar(start)
            return
        try:
            source = sockets.bind_plain(self._socket_path(instance.number), _socket.SOCK_DGRAM)
        except OSError as error:
            self._step(exchange.ProcessStartFailed(instance.number, error.errno or 0))
            return
        try:
            self._tell_lpar(start, source.fileno())
        finally:
            source.close()

    def _tell_lpar(self, message: messages.ToLpar, descriptor: int = -1) -> None:
        self.lpar.setblocking(True)
        try:
            sockets.send_with_descriptor(self.lpar, messages.encode(message), descriptor)
        except OSError:
            self._ending = True
        finally:
            self.lpar.setblocking(False)

    def _send(self, path: str, packet: bytes) -> None:
        """Send to a socket that may be gone."""
        self._outbox.send(path, packet)

    def _audit(self, event: str, instance: exchange.Instance | None) -> None:
        if instance is not None:
            definition = instance.definition
            audit.record(self.root, event, definition.subsysname, "/usr/sbin/srcmstr", definition.auditid)

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


def _has_ended(process: int) -> bool:
    """Whether a process, by its pidfd, ends within LPAR_END_MS. One that lives has another srcmstr now."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(LPAR_END_MS))


def _watch_lpar() -> int:
    """The pidfd of a lpar that no caa watches, -1 if one does."""
    pid = int(os.environ.pop(messages.WATCHED_LPAR, "0"))
    return os.pidfd_open(pid) if pid and pid == os.getppid() else -1


def _terminate(number: int, frame: object) -> NoReturn:
    sys.exit(0)


def main(argv: list[str]) -> int:
    """The process entry: ``srcmstr [-r] [-B]``."""
    try:
        options = parse(argv, "rB")
        if options.operands:
            raise UsageError("operands")
    except UsageError:
        return usage("usage: srcmstr [-r] [-B]")
    try:
        names = messages.LPAR_DESCRIPTOR, messages.SRC_DESCRIPTOR
        lpar, requests = (_socket.socket(fileno=int(os.environ[name])) for name in names)
    except (KeyError, ValueError, OSError):
        print("srcmstr: it runs under the node's machine only: see /etc/inittab.", file=sys.stderr)
        return 1
    for name, inherited in zip(names, (lpar, requests), strict=True):
        os.environ.pop(name, None)
        os.set_inheritable(inherited.fileno(), False)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        shell = Shell(
            NodeRoot.current(), lpar, requests,
            remote="r" in options, track="B" not in options, watched=_watch_lpar(),
        )  # fmt: skip
        return shell.run()
    except (OSError, ValueError, KeyError) as error:
        print(f"srcmstr: {error!r}", file=sys.stderr)
        return 1
