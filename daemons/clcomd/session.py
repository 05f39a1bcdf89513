"""A session of clcomd on a real connection: the command that runs, its streams, and files."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Protocol

from daemons.clcomd import core, files
from daemons.clcomd.messages import CHUNK, Answer, Done, Get, Look, MakeDirectory, Output, Put, Request, Run
from daemons.runtime.local import Closed, LocalConnection
from daemons.runtime.pump import monotonic_microseconds
from srcctl.machine import TICK
from srcctl.node.processes import send_to_group
from srcctl.node.root import NodeRoot

Connection = LocalConnection[Answer, Request]


class Host(Protocol):
    """What a session needs of clcomd."""

    root: NodeRoot

    def log_command(self, name: str, request: Run) -> None: ...

    def command(self, request: Run) -> tuple[list[str], dict[str, str]]: ...


class Session:
    """One connection.

    Args:
        host: clcomd.
        connection, reader, writer: the connection.
        name: the node at its other end.
    """

    def __init__(
        self,
        host: Host,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        name: str,
    ) -> None:
        self._host = host
        self._connection = connection
        self._reader = reader
        self._writer = writer
        self._name = name
        self._machine = core.Session()
        self._process: asyncio.subprocess.Process | None = None
        self._inputs: asyncio.Queue[bytes] = asyncio.Queue()
        self._feeder: asyncio.Future[None] | None = None
        self._finished: asyncio.Future[None] | None = None
        self._released: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, value: core.EventOfSession) -> None:
        """One step of the machine and its effects.

        Raises:
            RemoteFault: the client broke the rules.
            Closed: the client went away in the middle of a file.
        """
        for effect in self._step(value):
            match effect:
                case core.Start(run):
                    await self._start(run)
                case core.Transfer(request):
                    await self._transfer(request)
                case _:
                    self._execute(effect)

    async def end(self) -> None:
        """The client has gone: so must its command."""
        for effect in self._step(core.Gone()):
            self._execute(effect)
        try:
            if self._finished is not None:
                await self._finished
            if self._released is not None:
                await self._released
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _step(self, value: core.EventOfSession) -> list[core.Effect]:
        now = monotonic_microseconds()
        effects = self._machine.step(now, value)
        deadline = self._machine.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0, deadline - now) / 1_000_000, self._tick)
        return effects

    def _tick(self) -> None:
        for effect in self._step(TICK):
            self._execute(effect)
            if effect == core.Signal(signal.SIGKILL) and self._process is not None:
                self._released = asyncio.ensure_future(self._release(self._process))

    async def _release(self, process: asyncio.subprocess.Process) -> None:
        """Nobody listens to the command, which is killed: what it left in other groups may not hold the session."""
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]

    def _execute(self, effect: core.Effect) -> None:
        match effect:
            case core.Send(answer):
                self._connection.send(answer)
            case core.Feed(data):
                self._inputs.put_nowait(data)
            case core.Signal(number):
                # A command that has ended may have left others in its group that hold its streams.
                if (process := self._process) is not None:
                    send_to_group(process.pid, number, reaped=process.returncode is not None)

    async def _transfer(self, request: core.FileRequest) -> None:
        root, connection = self._host.root, self._connection
        match request:
            case Put():
                connection.send(Done(await files.receive(root, self._reader, request)))
            case Get(path):
                if (refusal := await files.send(root, self._writer, path)) is not None:
                    connection.send(refusal)
            case Look():
                connection.send(files.look(root, request))
            case MakeDirectory():
                connection.send(files.make_directory(root, request))

    async def _start(self, request: Run) -> None:
        self._host.log_command(self._name, request)
        try:
            arguments, environment = self._host.command(request)
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.PIPE if request.stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                cwd=self._host.root.path("/"),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: an argument with a NUL byte
            what = f"{error.filename or request.shell}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self._connection.send(Output(2, os.fsencode(f"clcomd: {what}\n")))
            await self.take(core.CommandEnded(127))
            return
        self._process, self._inputs = process, asyncio.Queue()
        pumps = [
            asyncio.ensure_future(self._pump(1, process.stdout)),
            asyncio.ensure_future(self._pump(2, process.stderr)),
        ]
        self._feeder = asyncio.ensure_future(self._feed(process, self._inputs))
        self._finished = asyncio.ensure_future(self._finish(process, pumps, self._feeder))

    async def _finish(
        self, process: asyncio.subprocess.Process, pumps: Sequence[asyncio.Future[None]], feeder: asyncio.Future[None]
    ) -> None:
        await asyncio.gather(*pumps)
        status = await process.wait()
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
        self._process = None
        for effect in self._step(core.CommandEnded(status if status >= 0 else 128 - status)):
            self._execute(effect)

    async def _pump(self, number: int, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while data := await stream.read(CHUNK):
            self._connection.send(Output(number, data))
            try:
                await self._connection.drain()
            except Closed:
                pass  # whoever reads the connection notices, and ends the command

    async def _feed(self, process: asyncio.subprocess.Process, inputs: asyncio.Queue[bytes]) -> None:
        """What the client sent goes into the command's standard input as fast as that takes it."""
        while True:
            data = await inputs.get()
            try:
                if process.stdin is not None:
                    if data:
                        process.stdin.write(data)
                        await process.stdin.drain()
                    else:
                        process.stdin.close()
            except (ConnectionError, RuntimeError):
                pass  # the command does not read any more
            for effect in self._step(core.InputTaken()):
                self._execute(effect)
