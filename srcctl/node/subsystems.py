"""The processes of subsystems: started, signalled and ended for srcmstr, each with all that descends from it."""

from __future__ import annotations

import errno
import os
import time

from srcctl.node import messages, processes, spawn
from srcctl.node.processes import MARK_VARIABLE
from srcctl.node.root import NodeRoot
from srcctl.node.signals import signal
from srcctl.node.table import Instance, ProcessTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

TREE_ROUNDS: Final = 100
"""Generations of orphans that an ended subsystem may leave."""
KILL_PATIENCE: Final = 0.5
"""Seconds for killed orphans to be gone; the kernel needs a fraction of a millisecond."""


class Subsystems:
    """Subsystems as lpar sees them: instances of a table, and their process trees.

    Args:
        root: the node's file tree.
        environment: what every process of the node starts with.
        tell: takes what srcmstr has to know.
        complain: takes a sentence for the console.
    """

    def __init__(
        self,
        root: NodeRoot,
        environment: Mapping[str, str],
        tell: Callable[[messages.FromLpar], None],
        complain: Callable[[str], None],
    ) -> None:
        self.root = root
        self.environment = environment
        self.entries: Mapping[str, spawn.EntryPoint] = {}
        """Programs that are forked, not executed, by product path."""
        self.table = ProcessTable()
        self._tell = tell
        self._complain = complain

    def start(self, start: messages.Start, descriptor: int) -> None:
        """Make the process that srcmstr asks for; it learns what came of it."""
        if self.table.known(start.instance):
            self._tell(messages.StartFailed(start.instance, errno.EEXIST))
            return
        files: list[int] = []
        try:
            # Here and not in the child: a file that cannot be had fails the start, whatever way the program is made.
            stdin = descriptor if start.socket and descriptor >= 0 else self._open(start.standin, spawn.READ, files)
            request = spawn.Request(
                start.path,
                tuple(start.arguments),
                # Whatever startsrc -e says: by its mark a process is found when the node ends.
                {**self.environment, **start.environment, MARK_VARIABLE: self.environment[MARK_VARIABLE]},
                stdin,
                self._open(start.standout, spawn.WRITE, files),
                self._open(start.standerr, spawn.WRITE, files),
                uid=start.uid,
                nice=start.nice,
                instance=start.instance,
            )
            entry = self.entries.get(start.path)
            if entry is not None:
                pid = spawn.fork_entry(self.root, request, entry)
            else:
                pid = spawn.fork_exec(self.root, request)
        except OSError as error:
            self._tell(messages.StartFailed(start.instance, error.errno or errno.ENOEXEC))
            return
        finally:
            for opened in files:
                os.close(opened)
        self.table.started(start.instance, pid, start.definition)
        self._tell(messages.Started(start.instance, pid))

    def _open(self, path: str, flags: int, files: list[int]) -> int:
        try:
            descriptor = spawn.open_file(self.root, path, flags)
        except OSError as error:
            self._complain(f"lpar: {path}: {error.strerror}")
            raise
        files.append(descriptor)
        return descriptor

    def signal(self, request: messages.Signal) -> None:
        """Signal an instance; one that has ended is none, whoever has its pid now."""
        entry = self.table.running(request.instance)
        if entry is None:
            return
        if request.tree:
            listed_at = processes.ticks_now()
            for pid in processes.tree(entry.pid) - {entry.pid}:
                processes.send_listed(pid, listed_at, request.signal)
        # It was not reaped yet, so the pid is nobody else's.
        try:
            os.kill(entry.pid, request.signal)
        except OSError:
            pass

    def ended(self, pid: int, status: int, known: set[int]) -> bool:
        """A process was reaped; returns False if it was no subsystem.

        Args:
            pid: the process.
            status: its wait status.
            known: the children of this process that it started itself.
        """
        entry = self.table.ended(pid, status)
        if entry is None:
            return False
        # First, so that a successor finds no port taken and no file held.
        self._end_tree(entry, known | self.table.pids())
        self._tell(messages.Ended(entry.instance, status))
        return True

    def _end_tree(self, entry: Instance, known: set[int]) -> None:
        """Kill what an ended subsystem left: orphans became children of this process, the only subreaper.

        A round finds those that the killed ones have left in their turn.
        """
        for _ in range(TREE_ROUNDS):
            listed_at = processes.ticks_now()
            orphans = [pid for pid in processes.children_of_this_process() if pid not in known]
            mine = [pid for pid in orphans if _belongs(pid, entry)]
            if not mine:
                return
            below = processes.descendants(mine, processes.parents()) - set(mine)
            for pid in mine:
                try:
                    os.kill(pid, signal.SIGKILL)  # it was not reaped yet, so the pid is nobody else's
                except OSError:
                    pass
            for pid in below:
                processes.send_listed(pid, listed_at, signal.SIGKILL)
            _reap(mine)


def _belongs(pid: int, entry: Instance) -> bool:
    return processes.instance_of(pid) == entry.instance or processes.session_of(pid) == entry.pid


def _reap(pids: list[int]) -> None:
    """Wait for killed orphans, so that the next look does not find them again."""
    deadline = time.monotonic() + KILL_PATIENCE
    for pid in pids:
        try:
            while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
                time.sleep(0.0002)
        except ChildProcessError:
            pass
