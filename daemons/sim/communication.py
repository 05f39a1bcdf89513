"""clcomd of a simulated node, and a command that is run by another node's: challenge, request, answer, lost connection.

Bytes go over connections; the challenge and the session are clcomd's own machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from daemons.clcomd import core
from daemons.clcomd.messages import Answer, Ended, Output, Run, answer_codec, request_codec
from daemons.runtime.codec import LENGTH_BYTES
from daemons.runtime.trust import NONCE_BYTES, ClientChallenge, Refused, ServerChallenge
from daemons.sim import works
from daemons.sim.connections import Endpoint, open_between
from daemons.sim.process import Idle, Process
from srcctl.machine import MILLISECOND, SECOND, TICK, RemoteFault

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode

KEY = b"the simulated cluster's own key."
COMMAND = "cl_config"
CONNECT_US = 5 * SECOND
"""Patience for connection and challenge."""
LIMIT_US = 30 * SECOND
"""Patience for a command."""


class CommandProcess(Process):
    """``cl_config`` as clcomd runs it: it outlives clcomd, and ends with its own work or a signal."""

    name: ClassVar[str] = COMMAND

    def __init__(self, node: SimulatedNode, arguments: tuple[str, ...], ended: Callable[[int, str], None]) -> None:
        super().__init__(node, Idle())
        self._ended = ended
        self.complaint = ""
        node.commands.append(self)
        self.drive(works.carried_out(works.work_of(node, arguments[1:])), self._done)

    def _done(self, status: int, complaint: str) -> None:
        self.complaint = complaint
        self.end(status << 8)

    def end(self, status: int) -> None:
        if self.running:
            super().end(status)
            self._ended(status >> 8 if status >= 256 else 128 + status if status else 0, self.complaint)

    def execute(self, effect: Any) -> None:
        raise NotImplementedError


class CommunicationProcess(Process):
    """clcomd of a node."""

    name: ClassVar[str] = "clcomd"

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__(node, Idle())
        self._chance = node.world.stream(f"clcomd/{node.number}/{node.boot_number}/{self.pid}")

    def accept(self, client: Endpoint) -> None:
        """A connection comes in, unless the client has given up already."""
        if client.open:
            _Served(self, client, self._chance.randbytes(NONCE_BYTES))

    def execute(self, effect: Any) -> None:
        raise NotImplementedError


class _Served:
    """A connection as clcomd has it."""

    def __init__(self, daemon: CommunicationProcess, client: Endpoint, nonce: bytes) -> None:
        self._daemon = daemon
        self._from = client.node
        self._challenge = ServerChallenge((KEY,), nonce)
        self._session = core.Session()
        self._buffer = b""
        self._command: CommandProcess | None = None
        self._end = Endpoint(daemon, self._received, self._gone)
        client.connect(self._end)

    def _received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while self._challenge.wants:
                if len(self._buffer) < self._challenge.wants:
                    return
                part, self._buffer = self._buffer[: self._challenge.wants], self._buffer[self._challenge.wants :]
                answer = self._challenge.receive(part)
                if not self._challenge.wants:
                    reachable = open_between(self._from, self._daemon.node)
                    core.check_claim(self._challenge.name.decode(), self._from.name, reachable)
                self._end.send(answer)
            for body in self._frames():
                self._step(core.Asked(request_codec.decode(body)))
        except (Refused, RemoteFault) as fault:
            self._daemon.node.trace(f"clcomd: {self._from.name}: {fault}")
            self._end.close()
            self._gone()

    def _frames(self) -> list[bytes]:
        frames, self._buffer = split_frames(self._buffer)
        return frames

    def _gone(self) -> None:
        self._step(core.Gone())

    def _step(self, value: core.EventOfSession) -> None:
        daemon = self._daemon
        for effect in self._session.step(daemon.node.now, value):
            match effect:
                case core.Start(run):
                    daemon.node.trace(f"clcomd: {self._from.name}: {' '.join(run.arguments)}")
                    self._command = CommandProcess(daemon.node, run.arguments, self._ended)
                case core.Signal(number):
                    if self._command is not None:
                        self._command.end(number)
                case core.Send(answer):
                    self._end.send(answer_codec.frame(answer))
                case _:
                    pass
        deadline = self._session.next_deadline()
        if deadline is not None:
            daemon.later(max(0, deadline - daemon.node.now), self._step, TICK)

    def _ended(self, status: int, complaint: str) -> None:
        self._command = None
        if self._daemon.running:
            self._daemon.later(MILLISECOND, self._report, status, complaint)

    def _report(self, status: int, complaint: str) -> None:
        if complaint:
            self._end.send(answer_codec.frame(Output(2, complaint.encode())))
        self._step(core.CommandEnded(status))


class Call:
    """A command on another node, as a process of this one waits for it.

    Args:
        caller: that process.
        node: the other node.
        arguments: of ``cl_config``.
        nonce: random bytes.
        done: is told the exit status and the complaint; None: the node could not be reached, or was lost.
    """

    def __init__(
        self,
        caller: Process,
        node: SimulatedNode,
        arguments: tuple[str, ...],
        nonce: bytes,
        done: Callable[[int | None, str], None],
    ) -> None:
        self._caller = caller
        self._done: Callable[[int | None, str], None] | None = done
        self._arguments = arguments
        self._challenge = ClientChallenge(KEY, caller.node.name, nonce)
        self._buffer = b""
        self._complaint = b""
        self._end: Endpoint | None = None
        daemon = node.process("clcomd")
        if not open_between(caller.node, node) or not node.on:
            caller.later(CONNECT_US, self._finish, None, "no network leads there")
        elif not isinstance(daemon, CommunicationProcess):
            caller.later(MILLISECOND, self._finish, None, f"clcomd does not listen on {node.name}")
        else:
            self._end = Endpoint(caller, self._received, self._lost)
            # The kernel takes the connection, clcomd takes it up when it turns.
            daemon.later(MILLISECOND, daemon.accept, self._end)
            caller.later(2 * MILLISECOND, self._hello)
            caller.later(CONNECT_US, self._too_long)

    def _hello(self) -> None:
        if self._end is not None and self._end.peer is not None:
            self._end.send(self._challenge.hello)
        elif self._done is not None:
            self._caller.later(100 * MILLISECOND, self._hello)

    def _too_long(self) -> None:
        if self._challenge.wants:
            self._finish(None, "the other side ended the key challenge")

    def _received(self, data: bytes) -> None:
        self._buffer += data
        while self._challenge.wants:
            if len(self._buffer) < self._challenge.wants:
                return
            part, self._buffer = self._buffer[: self._challenge.wants], self._buffer[self._challenge.wants :]
            try:
                answer = self._challenge.receive(part)
            except Refused as refused:
                self._finish(None, str(refused))
                return
            assert self._end is not None
            if answer:
                self._end.send(answer)
            if not self._challenge.wants:
                self._end.send(request_codec.frame(Run((COMMAND, *self._arguments))))
                self._caller.later(LIMIT_US, self._finish, None, "the command takes too long")
        frames, self._buffer = split_frames(self._buffer)
        for body in frames:
            self._answered(answer_codec.decode(body))

    def _answered(self, answer: Answer) -> None:
        if isinstance(answer, Output):
            self._complaint += answer.data
        elif isinstance(answer, Ended):
            self._finish(answer.status, self._complaint.decode())

    def _lost(self) -> None:
        self._finish(None, "the connection was lost")

    def _finish(self, status: int | None, complaint: str) -> None:
        done, self._done = self._done, None
        if done is not None:
            if self._end is not None:
                self._end.close()
            done(status, complaint)


def split_frames(buffer: bytes) -> tuple[list[bytes], bytes]:
    """The whole frames at the beginning of a buffer, and the rest."""
    frames = []
    while len(buffer) >= LENGTH_BYTES:
        end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if len(buffer) < end:
            break
        frames.append(buffer[LENGTH_BYTES:end])
        buffer = buffer[end:]
    return frames, buffer
