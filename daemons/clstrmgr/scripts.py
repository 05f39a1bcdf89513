"""Runs event scripts: a process each, standard output and error to hacmp.out, a socket pair for jobs.

The script's end of the pair is CLRGPA_FD. It says ``next`` and gets a line of assignments, or ``update SECONDS STATE
RESOURCE SCRIPT GROUP...`` and goes on: no process has to be started for either. Everything that was said before the
script ended is read before its end is reported.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Mapping

from msgspec import Struct

from daemons.clstrmgr.inputs import Input, JobWanted, ResourceUpdated, ScriptEnded
from daemons.cluster.configuration import whole_number

CANNOT_RUN = 127
LINE_LIMIT = 1 << 16
_CHANNEL = 3


class _Running(Struct):
    run: int
    pid: int
    pidfd: int
    channel: socket.socket
    buffer: bytearray
    open: bool = True


class ScriptRunner:
    """Starts scripts and feeds what they say to the core.

    Args:
        feed: takes inputs for the core.
        log: takes a line for clstrmgr.debug.
    """

    def __init__(self, feed: Callable[[Input], None], log: Callable[[str], None]) -> None:
        self._feed = feed
        self._log = log
        self._running: dict[int, _Running] = {}

    @property
    def busy(self) -> bool:
        """Does any script run?"""
        return bool(self._running)

    def start(self, run: int, words: list[str], environment: Mapping[str, str], output: str) -> None:
        """Start a command; its end comes as ``ScriptEnded``.

        Args:
            run: identifies it.
            words: program (looked up in the environment's PATH) and arguments.
            environment: the whole environment.
            output: the real path of the file that standard output and error are appended to.
        """
        program = shutil.which(words[0], path=environment.get("PATH"))
        if program is None:
            self._cannot(run, words[0], "not found")
            return
        if not os.access(output if os.path.exists(output) else os.path.dirname(output), os.W_OK):
            # A log that cannot be written loses its lines, not the event.
            self._log(f"{output} cannot be written")
            output = "/dev/null"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), _CHANNEL),
        ]
        try:
            pid = os.posix_spawn(
                program,
                words,
                {**environment, "CLRGPA_FD": str(_CHANNEL)},
                file_actions=actions,
                setpgroup=0,
                setsigdef=[2, 13, 15],
            )
        except OSError as error:
            ours.close()
            theirs.close()
            self._cannot(run, words[0], os.strerror(error.errno or 0))
            return
        theirs.close()
        entry = _Running(run, pid, os.pidfd_open(pid), ours, bytearray())
        self._running[run] = entry
        loop = asyncio.get_running_loop()
        loop.add_reader(entry.pidfd, self._ended, entry)
        loop.add_reader(ours.fileno(), self._readable, entry)

    def answer(self, run: int, line: str) -> None:
        """Answer what the script of that run asked."""
        entry = self._running.get(run)
        if entry is None:
            return
        try:
            entry.channel.send(line.encode() + b"\n")
        except OSError as error:
            # A script asks once and waits; a channel that is full or closed is a script that went astray.
            self._log(f"script of run {run} does not take its answer: {error.strerror}")

    def forget(self) -> None:
        """Let go of everything; scripts run on to their end."""
        for entry in list(self._running.values()):
            self._close(entry)

    def _cannot(self, run: int, program: str, reason: str) -> None:
        self._log(f"{program} cannot be run: {reason}")
        self._feed(ScriptEnded(run, CANNOT_RUN))

    def _readable(self, entry: _Running) -> None:
        while entry.open:
            try:
                data = entry.channel.recv(LINE_LIMIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data or len(entry.buffer) + len(data) > LINE_LIMIT:
                entry.open = False
                asyncio.get_running_loop().remove_reader(entry.channel.fileno())
                return
            entry.buffer += data
            while (end := entry.buffer.find(b"\n")) >= 0:
                words = bytes(entry.buffer[:end]).decode(errors="replace").split()
                del entry.buffer[: end + 1]
                self._said(entry, words)

    def _said(self, entry: _Running, words: list[str]) -> None:
        if words[:1] == ["next"]:
            self._feed(JobWanted(entry.run))
        elif words[:1] == ["update"] and len(words) >= 5 and (at := whole_number(words[1], -1)) >= 0:
            state, resource, script = words[2:5]
            self._feed(ResourceUpdated(entry.run, state, resource, " ".join(words[5:]), script, at))
        else:
            self._log(f"script of run {entry.run} said: {' '.join(words)[:200]}")

    def _ended(self, entry: _Running) -> None:
        self._readable(entry)
        try:
            _, status = os.waitpid(entry.pid, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            code = CANNOT_RUN
        self._close(entry)
        self._feed(ScriptEnded(entry.run, code if code >= 0 else 128 - code))

    def _close(self, entry: _Running) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(entry.pidfd)
        loop.remove_reader(entry.channel.fileno())
        os.close(entry.pidfd)
        entry.channel.close()
        self._running.pop(entry.run, None)
