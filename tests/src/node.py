"""A real srcmstr in a thread, with a stand-in for lpar that has pids but no processes."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from srcctl.node import messages, sockets
from srcctl.node.root import Identity, Interface, NodeRoot
from srcctl.odm import Repository
from srcctl.src.packets import ACTIVE, SRC_INCARNATION, StatusCode
from srcctl.src.subsystem import Refused, Subsystem
from srcctl.srcmstr.exchange import State
from srcctl.srcmstr.service import Shell

ETC = Path(__file__).parents[2] / "etc"
FIRST_PID = 4456846

Run = Callable[[list[str]], tuple[int, str, str]]
"""Runs a command line: exit code, stdout, stderr."""


class Inetd(Subsystem):
    """Knows subservers of code point 1, one of which does not start."""

    def __init__(self, source: socket.socket) -> None:
        super().__init__(source)
        self.running: list[str] = []

    def long_status(self) -> list[str]:
        return ["", "Debug         Not active"]

    def refresh(self) -> None:
        pass

    def trace(self, on: bool, long: bool) -> None:
        if long:
            raise Refused("inetd: there is no long trace.")

    def start_subserver(self, code: int, name: str) -> None:
        if name == "broken":
            raise Refused("inetd: broken does not start.")
        self.running.append(name or "telnet")

    def stop_subserver(self, code: int, name: str, forced: bool) -> None:
        self.running = [one for one in self.running if name and one != name]

    def subserver_status(self, code: int, name: str) -> list[StatusCode]:
        title = StatusCode(objname="Service", objtext=f"{'Command':<24} {'Description':<24}")
        rows = [StatusCode(ACTIVE, one, f"{'/usr/sbin/' + one + 'd':<24} {one + 'd -a':<24}") for one in self.running]
        return [title, *(row for row in rows if name in ("", row.objname))]

    def subserver_long_status(self, code: int, name: str) -> list[str]:
        return [f"{one}: no connections" for one in self.running if name in ("", one)]

    def trace_subserver(self, code: int, name: str, on: bool, long: bool) -> None:
        pass


class Mute(Subsystem):
    """Reads its requests and never answers."""

    def serve_pending(self) -> None:
        try:
            while self._socket.recv(9000):
                pass
        except BlockingIOError:
            pass


SUBSYSTEMS = {"inetd": Inetd, "mute": Mute}
STUBBORN = "/usr/sbin/stubborn"
"""Ends of SIGKILL only."""
STAYS = ("/usr/sbin/mute", STUBBORN)


class Lpar:
    """The other end of srcmstr's channel: hands out pids, lets socket subsystems live in threads."""

    def __init__(self, end: socket.socket, entries: tuple[messages.Entry, ...] = ()) -> None:
        self.end = end
        self.entries = entries
        self.pid = FIRST_PID
        self.started: dict[int, messages.Start] = {}
        self.signals: list[tuple[int, int]] = []
        self.threads: list[threading.Thread] = []
        self.subsystems: dict[int, Subsystem] = {}

    def serve(self) -> None:
        self.tell(messages.Table(list(self.entries)))
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.end, messages.PACKET_MAX, 1)
            except OSError:
                return
            if not data:
                return
            message = messages.decode_to_lpar(data)
            if isinstance(message, messages.Start):
                self.start(message, descriptors)
            elif isinstance(message, messages.Signal):
                self.signals.append((message.instance, message.signal))
                known = self.started.get(message.instance)
                if known is None or known.path != STUBBORN or message.signal == signal.SIGKILL:
                    self.ended(message.instance, message.signal)

    def start(self, start: messages.Start, descriptors: list[int]) -> None:
        if start.path == "/no/such/program":
            self.tell(messages.StartFailed(start.instance, 2))
            return
        self.started[start.instance] = start
        self.tell(messages.Started(start.instance, self.pid))
        self.pid += 2
        if descriptors:
            source = socket.socket(fileno=descriptors[0])
            source.setblocking(False)
            kind = SUBSYSTEMS.get(start.path.rpartition("/")[2], Subsystem)
            subsystem = self.subsystems[start.instance] = kind(source)
            thread = threading.Thread(target=self.live, args=(start.instance, subsystem), daemon=True)
            self.threads.append(thread)
            thread.start()

    def live(self, instance: int, subsystem: Subsystem) -> None:
        while not subsystem.stopped:
            if select.select([subsystem.fileno()], [], [], 0.05)[0]:
                subsystem.serve_pending()
        subsystem.close()
        self.ended(instance, 0)

    def ended(self, instance: int, status: int) -> None:
        if instance in self.started:
            del self.started[instance]
            if instance in self.subsystems:
                self.subsystems[instance].stopped = True
            self.tell(messages.Ended(instance, status))

    def tell(self, message: messages.FromLpar) -> None:
        try:
            self.end.send(messages.encode(message))
        except OSError:
            pass


class SrcNode:
    """A node's srcmstr. ``survivors`` are of a srcmstr before it, which it looks after with ``track``."""

    def __init__(
        self,
        base: Path,
        address: str = "",
        name: str = "node1",
        remote: bool = False,
        port: int = 0,
        track: bool = True,
        survivors: tuple[messages.Entry, ...] = (),
    ) -> None:
        self.root = NodeRoot(str(base / name))
        for folder in ("etc/objrepos", "dev", "var/adm/ras", "var/adm/SRC", "bin"):
            (base / name / folder).mkdir(parents=True)
        (base / "key").write_bytes(b"k" * 32)
        interfaces = (Interface("en0", "net_ether_01", address, "255.255.255.0"),) if address else ()
        identity = Identity("lab", "", str(base / "key"), "", "", "", name, 1, 1.0, "folder", "", interfaces, ())
        (base / name / "etc/lpar.json").write_text(identity.text())
        (base / name / "etc/services").write_text(f"src\t\t{port}/udp\n")
        Path(self.root.path("/dev/console")).touch()
        Repository(self.root, "/etc/objrepos").create((ETC / "objrepos/src.cre").read_text())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lpar = Lpar(ours, survivors)
        self._theirs = theirs
        self._requests = sockets.bind(self.root.path("/dev/SRC"), socket.SOCK_DGRAM)
        self._requests.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.shell = Shell(self.root, theirs, self._requests, remote=remote, track=track)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.lpar.serve, self.shell.run)]

    def settle(self) -> None:
        """Wait until srcmstr knows of every end."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            instances = list(self.shell.machine.instances.values())
            ending = any(
                i.state in (State.STARTING, State.STOPPING, State.WARNED)
                for i in instances
                if i.definition.path not in STAYS
            )
            if not ending and {i.number for i in instances} == set(self.lpar.started):
                return
            time.sleep(0.001)
        raise AssertionError("srcmstr does not know of every end")

    def __enter__(self) -> SrcNode:
        for thread in self.threads:
            thread.start()
        while not os.path.lexists(self.root.path(SRC_INCARNATION)):
            self.threads[1].join(0.002)
        return self

    def __exit__(self, *raised: object) -> None:
        for subsystem in self.lpar.subsystems.values():
            subsystem.stopped = True
        self.lpar.end.shutdown(socket.SHUT_RDWR)
        for thread in [*self.threads, *self.lpar.threads]:
            thread.join(10)
        self.lpar.end.close()
        self._theirs.close()
        self._requests.close()
