"""How a command or daemon of this node has something done by another node's clcomd."""

from __future__ import annotations

import _socket
import os
import select
import sys
import time

from daemons.clcomd import security
from daemons.clcomd.messages import (
    CHUNK,
    INPUTS_MAX,
    SERVICE,
    Answer,
    Done,
    Ended,
    Entry,
    File,
    Get,
    Input,
    Look,
    MakeDirectory,
    Output,
    Put,
    Request,
    Run,
    SignalCommand,
    Taken,
    answer_codec,
    request_codec,
)
from daemons.runtime import keys
from daemons.runtime.plain_codec import LENGTH_BYTES
from daemons.runtime.ports import UnknownService, port
from daemons.runtime.trust import Refused, connect_bare, connect_trusted
from srcctl.commands.record import Record
from srcctl.machine import RemoteFault
from srcctl.network.faults import Faults
from srcctl.node.root import NodeRoot

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import ssl
    from collections.abc import Callable

    from srcctl.node.root import LabNode

    Connection = _socket.socket | ssl.SSLSocket
else:
    import _signal as signal  # the module around it loads regular expressions

CONNECT_LIMIT = 5.0
"""Seconds for connection and challenge (patience)."""
LISTEN_POLL = 0.02
BOOT_PATIENCE = 5.0
"""Seconds within which the clcomd of a booting node listens."""


class ClcomdError(Exception):
    """The other node's clcomd cannot be reached, refused, or went away; ``str()`` says which."""


class NotListening(ClcomdError):
    """No clcomd listens there: it is stopped, or its node is off or still booting."""


class Refusal(ClcomdError):
    """The node would not do what it was asked for; the connection can go on."""


class Result(Record):
    """What a remote command left behind."""

    status: int
    out: bytes
    err: bytes


class Session:
    """One connection to a node's clcomd.

    Args:
        root: this node.
        node: the other one, by name or address.
        patience: seconds to wait for a clcomd that does not listen yet, because its node is booting. One that is off
            is not waited for.

    Raises:
        ClcomdError: it cannot be reached or refuses.
    """

    def __init__(self, root: NodeRoot, node: str, patience: float = 0.0) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                self._socket = _connect(root, node)
                break
            except NotListening:
                if time.monotonic() >= deadline or not _is_powered_on(root, node):
                    raise
                time.sleep(LISTEN_POLL)
        # Of all sockets only one of TLS has this (its module is imported only where it is used).
        self._tls: ssl.SSLSocket | None = self._socket if hasattr(self._socket, "pending") else None  # type: ignore[assignment]
        self._buffer = bytearray()
        self._socket.settimeout(None)

    def close(self) -> None:
        """End the connection; a command that still runs is ended over there."""
        self._socket.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def limit(self, seconds: float | None) -> None:
        """How long ``send`` and ``receive`` wait for the node at most without anything moving (patience)."""
        self._socket.settimeout(seconds)

    def send(self, request: Request) -> None:
        """Send one request.

        Raises:
            ClcomdError: the connection is lost.
        """
        try:
            self._socket.sendall(request_codec.frame(request))
        except TimeoutError:
            raise ClcomdError(f"no answer within {self._socket.gettimeout():g} seconds") from None
        except OSError as error:
            raise ClcomdError(f"the connection was lost: {error.strerror}") from None

    def receive(self) -> Answer:
        """The next answer.

        Raises:
            ClcomdError: the connection is lost.
        """
        while (answer := self._next()) is None:
            self._fill()
        return answer

    def run(
        self,
        request: Run,
        output: Callable[[int, bytes], None],
        stdin: int | None = None,
        signals: int | None = None,
        limit: float | None = None,
    ) -> int:
        """Run a command; ``output`` gets its streams piece by piece, ``stdin`` is a descriptor to read from.

        ``signals`` is a descriptor from which numbers of signals for the command are read, a byte each. Input that the
        command does not take keeps us from reading more of it, never from reading the command's output. All of it may
        take ``limit`` seconds (patience).

        Returns the exit code (128 plus the number of a signal).

        Raises:
            ClcomdError: the connection was lost or the limit passed; whether the command ran to its end is not known.
        """
        if self._tls is None:
            return self._run(request, output, stdin, signals, limit)
        # A descriptor of TLS that can be read may hold a record without data, or half of one: no call may wait for the
        # rest while the node waits for input.
        self._socket.setblocking(False)
        try:
            return self._run(request, output, stdin, signals, limit)
        finally:
            self._socket.setblocking(True)

    def _run(
        self,
        request: Run,
        output: Callable[[int, bytes], None],
        stdin: int | None,
        signals: int | None,
        limit: float | None,
    ) -> int:
        deadline = None if limit is None else time.monotonic() + limit
        own, waiting, untaken = self._socket.fileno(), bytearray(request_codec.frame(request)), 0
        while True:
            while (answer := self._next()) is not None:
                match answer:
                    case Output(stream, data):
                        output(stream, data)
                    case Taken():
                        untaken -= 1
                    case Ended(status):
                        return status
                    case Done(error):
                        raise ClcomdError(error or "the node answered nothing")
                    case _:
                        raise ClcomdError(f"the node answered with a {type(answer).__name__}")
            readers = [own]
            if stdin is not None and not waiting and untaken < INPUTS_MAX:
                readers.append(stdin)
            if signals is not None:
                readers.append(signals)
            # What TLS has decrypted already no descriptor tells of.
            decrypted = self._decrypted() > 0
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready, writable, _ = select.select(readers, [own] if waiting else [], [], 0 if decrypted else left)
            if decrypted and own not in ready:
                ready.append(own)
            if left == 0 and not ready:
                raise ClcomdError(f"no answer within {limit:g} seconds")
            if stdin is not None and stdin in ready:
                data = os.read(stdin, CHUNK)
                waiting += request_codec.frame(Input(data))
                untaken += 1
                if not data:
                    stdin = None
            if signals is not None and signals in ready:
                for number in os.read(signals, 64):
                    waiting += request_codec.frame(SignalCommand(number))
            try:
                if own in writable:
                    del waiting[: self._send_some(waiting)]
            except BlockingIOError:
                pass
            except OSError as error:
                if not _is_not_yet(error):
                    waiting.clear()  # the node has gone, and may have said why
            if own in ready:
                self._fill()

    def put(self, source: str, target: str, preserve: bool = False) -> None:
        """Copy a local file to the node.

        Raises:
            ClcomdError: the node refuses it or is lost.
            OSError: the local file cannot be read.
        """
        with open(source, "rb") as file:
            status = os.fstat(file.fileno())
            self.send(Put(target, status.st_size, status.st_mode & 0o7777, status.st_mtime_ns, preserve))
            try:
                left = status.st_size
                if self._tls is not None:
                    left -= self._tls.sendfile(file, 0, status.st_size)
                    if left:
                        raise ClcomdError(f"{source} became shorter while it was copied")
                while left > 0:
                    sent = os.sendfile(self._socket.fileno(), file.fileno(), None, min(left, 1 << 30))
                    if not sent:
                        raise ClcomdError(f"{source} became shorter while it was copied")
                    left -= sent
            except (BrokenPipeError, ConnectionResetError):
                pass  # the node has said why
        answer = self.receive()
        if not isinstance(answer, Done) or answer.error:
            raise _refusal(answer)

    def get(self, source: str, target: str, preserve: bool = False) -> None:
        """Copy a file of the node to a local path, replaced in one step.

        Raises:
            ClcomdError: the node refuses it or is lost.
            OSError: the local file cannot be written.
        """
        self.send(Get(source))
        answer = self.receive()
        if not isinstance(answer, File):
            raise _refusal(answer)
        from daemons.clcomd.incoming import Incoming, kept_mode

        if os.path.islink(target):  # it stays, and what it names is replaced
            target = os.path.realpath(target)
        file = Incoming(target)
        try:
            left = answer.size
            while left > 0:
                if self._buffer:
                    part = bytes(self._buffer[:left])
                    del self._buffer[: len(part)]
                else:
                    part = self._socket.recv(min(left, 1 << 20))
                if not part:
                    raise ClcomdError("the connection was lost")
                file.write(part)
                left -= len(part)
            if preserve:
                file.keep(answer.mode, answer.modified_ns)
            else:
                file.keep(kept_mode(target, answer.mode), None)
        finally:
            file.close()

    def look(self, path: str, after: str = "") -> Entry:
        """What a path of the node is.

        Raises:
            ClcomdError: the node is lost, or may not look.
        """
        self.send(Look(path, after))
        answer = self.receive()
        if not isinstance(answer, Entry):
            raise _refusal(answer)
        return answer

    def names(self, path: str) -> list[str]:
        """The names in a directory of the node, sorted.

        Raises:
            ClcomdError: see ``look``.
        """
        found: list[str] = []
        while True:
            entry = self.look(path, found[-1] if found else "")
            found += entry.names
            if not entry.more or not entry.names:
                return found

    def make_directory(self, path: str, mode: int, modified_ns: int | None = None) -> None:
        """Make a directory on the node; one that is there gets the mode, and if given the time of modification.

        Raises:
            ClcomdError: the node is lost or refuses.
        """
        self.send(MakeDirectory(path, mode, modified_ns or 0, modified_ns is not None))
        answer = self.receive()
        if not isinstance(answer, Done) or answer.error:
            raise _refusal(answer)

    def _decrypted(self) -> int:
        return self._tls.pending() if self._tls is not None else 0

    def _send_some(self, data: bytearray) -> int:
        if self._tls is not None:
            return self._tls.send(memoryview(data)[:CHUNK])
        return self._socket.send(data, _socket.MSG_DONTWAIT)

    def _fill(self) -> None:
        try:
            part = self._socket.recv(1 << 18)
        except TimeoutError:
            raise ClcomdError(f"no answer within {self._socket.gettimeout():g} seconds") from None
        except OSError as error:
            if _is_not_yet(error):
                return
            raise ClcomdError(f"the connection was lost: {error.strerror}") from None
        if not part:
            raise ClcomdError("the connection was lost")
        self._buffer += part

    def _next(self) -> Answer | None:
        """The next answer if it is here as a whole."""
        if len(self._buffer) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if length > answer_codec.limit:
            raise ClcomdError("the answer is too long")
        end = LENGTH_BYTES + length
        if len(self._buffer) < end:
            return None
        data = bytes(self._buffer[LENGTH_BYTES:end])
        del self._buffer[:end]
        try:
            return answer_codec.decode(data)
        except RemoteFault as fault:
            raise ClcomdError(str(fault)) from None


def _refusal(answer: Answer) -> ClcomdError:
    """An answer that is not the one to what was asked."""
    return Refusal(answer.error) if isinstance(answer, Done) else ClcomdError("the node answered nothing")


def _is_powered_on(root: NodeRoot, node: str) -> bool:
    """Whether a node that does not listen may do so soon."""
    from srcctl.network.liveness import is_alive

    target = _target(root, node)
    return target is not None and is_alive(root.identity.lab, target.name)


def _target(root: NodeRoot, node: str) -> LabNode | None:
    """The node of the lab with that name or address."""
    identity = root.identity
    return identity.node_by_name(node) or next((n for n in identity.nodes if node in n.addresses), None)


def _is_not_yet(error: OSError) -> bool:
    """Whether TLS only lacks more from, or room to, the other side (the names of ssl, which few commands import)."""
    return type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")


def _connect(root: NodeRoot, node: str) -> Connection:
    """A connection whose challenge succeeded, over the first network that leads there.

    Raises:
        ClcomdError: there is none.
    """
    identity = root.identity
    target = _target(root, node)
    if target is None:
        raise ClcomdError(f"{node} is not a node that this one knows")
    try:
        offered = keys.offered(root)
        number = port(root, SERVICE, "tcp")
    except (OSError, UnknownService) as error:
        raise ClcomdError(str(error)) from None
    # A node without the certificate (it is about to join, or was) is spoken to plainly; one that has it refuses that.
    ways: list[tuple[ssl.SSLContext | None, bytes]] = [(None, key) for key in offered]
    if security.is_secured(root):
        try:
            ways.insert(0, (security.context(root, server=False), offered[0]))
        except security.SecurityFault as error:
            raise ClcomdError(str(error)) from None
    faults, reason = Faults(identity.lab), ClcomdError("no network leads there")
    for interface, address in zip(identity.interfaces, target.addresses, strict=False):
        if target.name != identity.node and not faults.reachable(identity.node, target.name, interface.network):
            continue
        for context, key in ways:
            try:
                own, limit = interface.address, CONNECT_LIMIT
                if context is None:
                    return connect_bare(address, number, key, identity.node, source=own, time_limit=limit)
                return connect_trusted(
                    address, number, key, identity.node, source=own, time_limit=limit, context=context
                )
            except Refused as refused:
                reason = ClcomdError(str(refused))
            except ConnectionRefusedError:
                reason = NotListening(f"clcomd does not listen on {target.name}")
                break
            except OSError as error:
                reason = ClcomdError(error.strerror or str(error))
                break
    raise reason


def run(
    root: NodeRoot,
    node: str,
    arguments: list[str] | tuple[str, ...] | str,
    data: bytes = b"",
    patience: float = 0.0,
    limit: float | None = None,
) -> Result:
    """Run a command on a node, or a line for its shell, and collect its output; ``patience`` as for ``Session``,
    ``limit`` as for its ``run``.

    Raises:
        ClcomdError: the node cannot be reached, refuses, or was lost.
    """
    streams = {1: bytearray(), 2: bytearray()}
    request = Run(shell=arguments) if isinstance(arguments, str) else Run(tuple(arguments))
    request, source = request._replace(stdin=bool(data)), None
    if data:
        source = os.memfd_create("stdin")
        with os.fdopen(os.dup(source), "wb") as file:
            file.write(data)
        os.lseek(source, 0, os.SEEK_SET)
    try:
        with Session(root, node, patience) as session:
            status = session.run(
                request,
                lambda stream, part: streams[stream].extend(part),
                source,
                limit=limit,
            )
    finally:
        if source is not None:
            os.close(source)
    return Result(status, bytes(streams[1]), bytes(streams[2]))


FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def stream(root: NodeRoot, node: str, request: Run, stdin: bool) -> int:
    """Run a command on a node with this process's own streams; returns its exit code.

    Signals go to the command over there, whose end ends us; a second one of a kind ends us at once. When nobody reads
    our output any more the command is ended, as by a pipe.

    Raises:
        ClcomdError: see ``run``.
    """
    sinks = {1: sys.stdout.buffer, 2: sys.stderr.buffer}

    def output(number: int, data: bytes) -> None:
        sinks[number].write(data)
        sinks[number].flush()

    read_end, write_end = os.pipe()

    def forward(number: int, frame: object) -> None:
        os.write(write_end, bytes((number,)))
        signal.signal(number, signal.SIG_DFL)

    kept = {number: signal.signal(number, forward) for number in FORWARDED
            if signal.getsignal(number) is not signal.SIG_IGN}  # fmt: skip
    try:
        with Session(root, node) as session:
            return session.run(request, output, sys.stdin.fileno() if stdin else None, read_end)
    except BrokenPipeError:
        quiet = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(quiet, descriptor)
        os.close(quiet)
        return 128 + signal.SIGPIPE
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        os.close(read_end)
        os.close(write_end)
