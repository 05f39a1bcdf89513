"""What every daemon is built on: one asyncio loop on uvloop, the SRC socket on descriptor 0, signals, exit codes.

A daemon's shell derives from ``Daemon`` and fills in ``start``, ``stop``, ``refresh`` and ``long_status``; ``run`` is
its process entry. A subsystem of contact type 3 is asked through the SRC socket, which is its standard input
(the AIX manual "Programming subsystem communication with the SRC"); every daemon also obeys SIGTERM, which is how a
cancel stop reaches it.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import traceback
from collections.abc import Coroutine
from typing import Any, ClassVar

import uvloop

from daemons.runtime.log import DaemonLog
from daemons.runtime.scale import Scale
from srcctl.machine import LocalFault
from srcctl.node.root import Identity, IdentityError, NodeRoot
from srcctl.src import subsystem

EXIT_FAULT = 1
"""The exit code of a daemon that ended by a defect of its own."""


class CannotStart(Exception):
    """The daemon cannot do its job here and now; the text is one sentence for its log and for the console."""

    def __init__(self, reason: str, status: int = EXIT_FAULT) -> None:
        super().__init__(reason)
        self.status = status


class Daemon:
    """The shell of one daemon.

    Args:
        arguments: the command line after the program's name, as SRCsubsys has it.
        root: the node's file tree.
    """

    name: ClassVar[str]
    """The subsystem's name, as ``lssrc`` prints it."""

    log_file: ClassVar[str]
    """The product path of the daemon's log."""

    own_status_header: ClassVar[bool] = False
    """True if ``lssrc -l`` prints the daemon's text alone, without the table of the short status in front."""

    def __init__(self, arguments: list[str], root: NodeRoot) -> None:
        self.arguments = arguments
        self.root = root
        self.identity: Identity = root.identity
        self.scale = Scale(self.identity.speed)
        self.log = DaemonLog(root.path(self.log_file))
        self._ended: asyncio.Future[int] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    # What a daemon fills in.

    async def start(self) -> None:
        """Begin to serve. The daemon is ready when this returns.

        Raises:
            CannotStart: it cannot; the process ends with the exception's status.
        """

    async def stop(self, forced: bool) -> int:
        """End in an orderly way; returns the exit status. ``forced`` asks for haste."""
        return 0

    async def refresh(self) -> str | None:
        """Reread the configuration (``refresh -s``); returns an error text, or None on success."""
        return None

    async def trace(self, on: bool, long: bool) -> str | None:
        """Switch tracing; returns an error text, or None on success."""
        self.log.write(f"trace {'on' if on else 'off'}{' (long)' if long and on else ''}")
        return None

    def long_status(self) -> str:
        """The text of ``lssrc -ls``, lines without a header."""
        return ""

    def canonical_status(self) -> str:
        """The text of ``nlssrc -c -ls``: ``key=value`` where the product has that form, else as ``lssrc -ls``."""
        return self.long_status()

    # What a daemon uses.

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside; if it raises, the daemon ends abnormally."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def fail(self, reason: str | BaseException, status: int = EXIT_FAULT) -> None:
        """End abnormally: SRC sees the status and acts."""
        if isinstance(reason, BaseException):
            self.log.write("".join(traceback.format_exception(reason)))
        else:
            self.log.write(reason)
        self.end(status)

    def end(self, status: int) -> None:
        """End with this exit status, without ``stop``."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(status)

    def request_stop(self, forced: bool) -> None:
        """Begin an orderly end, once."""
        if self._stopping:
            return
        self._stopping = True
        self.spawn(self._orderly_end(forced))

    # How it works.

    async def _orderly_end(self, forced: bool) -> None:
        self.end(await self.stop(forced))

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def main(self) -> int:
        """Serve until the end; returns the exit status."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        loop.set_exception_handler(self._loop_error)
        loop.add_signal_handler(signal.SIGTERM, self.request_stop, True)
        source = subsystem.src_socket()
        if source is not None:
            self._answers = subsystem.Outbox()
            loop.add_reader(source.fileno(), self._src_readable, source)
            loop.add_reader(self._answers.fileno(), self._answers.flush)
        try:
            await self.start()
        except CannotStart as reason:
            self.log.write(str(reason))
            return reason.status
        try:
            return await self._ended
        finally:
            if source is not None:
                loop.remove_reader(source.fileno())
                loop.remove_reader(self._answers.fileno())
                self._answers.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.fail(error)
        else:
            self.log.write(str(context.get("message")))

    def _src_readable(self, source: socket.socket) -> None:
        while (request := subsystem.receive(source)) is not None:
            if request.object != subsystem.SUBSYSTEM:
                # None of the daemons has subservers.
                self._reply(request, subsystem.NOT_SUPPORTED)
                continue
            match request.action:
                case subsystem.STOP:
                    self._reply(request, subsystem.OK)
                    self.request_stop(request.parm1 == subsystem.FORCED)
                case subsystem.STATUS:
                    canonical = request.parm2 == subsystem.CANONICAL
                    text = self.canonical_status() if canonical else self.long_status()
                    subsystem.reply_status(
                        request, text.splitlines(), own_header=self.own_status_header, outbox=self._answers
                    )
                case subsystem.REFRESH:
                    self.spawn(self._reply_after(request, self.refresh()))
                case subsystem.TRACE:
                    on, long = request.parm2 == subsystem.TRACEON, request.parm1 == subsystem.LONGTRACE
                    self.spawn(self._reply_after(request, self.trace(on, long)))
                case _:
                    self._reply(request, subsystem.NOT_SUPPORTED)

    def _reply(self, request: subsystem.Request, code: int, text: str = "") -> None:
        subsystem.reply(request, code, text, outbox=self._answers)

    async def _reply_after(self, request: subsystem.Request, work: Coroutine[Any, Any, str | None]) -> None:
        error = await work
        if error is None:
            self._reply(request, subsystem.OK)
        else:
            self._reply(request, subsystem.MESSAGE, error)


def run(daemon_class: type[Daemon], argv: list[str]) -> int:
    """The process entry of a daemon: builds it, runs its loop, returns the exit status. No traceback reaches the user.

    A ``LocalFault`` or any other exception goes to the daemon's log and ends it with EXIT_FAULT.
    """
    try:
        daemon = daemon_class(argv[1:], NodeRoot.current())
    except (IdentityError, CannotStart) as reason:
        print(f"{daemon_class.name}: {reason}", file=sys.stderr)
        return reason.status if isinstance(reason, CannotStart) else EXIT_FAULT
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(daemon.main())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (LocalFault, Exception) as error:
        daemon.log.write("".join(traceback.format_exception(error)))
        return EXIT_FAULT
