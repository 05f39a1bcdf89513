"""The methods of application monitors as processes, and watching the processes of applications.

A method runs in a process group of its own, with its output in the monitor's log. Processes are watched through
descriptors (pidfd_open(2)): nothing is polled, and the end of an application is known at once.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shlex
import signal
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from daemons.clstrmgr.inputs import Input, MonitorEnded, ProcessesCounted
from daemons.clstrmgr.monitors import CANNOT_RUN
from srcctl.node.processes import Membership, members

LOG_LIMIT = 1 << 20
"""Bytes after which a monitor's log is begun anew; one old copy stays."""


class _Method(Struct):
    run: int
    pid: int
    pidfd: int
    told: bool


class _Watch(Struct):
    run: int
    names: tuple[str, ...]
    owner: str
    pidfds: dict[int, int] = field(default_factory=dict)


class MethodRunner:
    """Runs methods and watches processes, and feeds what comes of it to the core.

    Args:
        feed: takes inputs for the core.
        log: takes a line for clstrmgr.debug.
        membership: which processes are the node's.
        path: real path of a product path.
    """

    def __init__(
        self,
        feed: Callable[[Input], None],
        log: Callable[[str], None],
        membership: Membership,
        path: Callable[[str], str],
    ) -> None:
        self._feed = feed
        self._log = log
        self._membership = membership
        self._path = path
        self._methods: dict[int, _Method] = {}
        self._watches: dict[int, _Watch] = {}
        self._silent = 0

    def start(
        self, run: int | None, command: str, arguments: tuple[str, ...], environment: Mapping[str, str], output: str
    ) -> None:
        """Start a method; its end comes as ``MonitorEnded`` if it has a number.

        Args:
            run: identifies it; None: nobody waits for it.
            command: path and arguments, as configured.
            arguments: further ones.
            environment: the whole environment.
            output: real path of the log for its output.
        """
        try:
            words = [*shlex.split(command), *arguments]
        except ValueError:
            words = []
        program = self._path(words[0]) if words else ""
        if not words or not os.access(program, os.X_OK) or os.path.isdir(program):
            self._log(f"method {command!r} is missing or not executable")
            if run is not None:
                self._feed(MonitorEnded(run, CANNOT_RUN[1]))
            return
        descriptor = _open_log(output)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, descriptor, 1),
            (os.POSIX_SPAWN_DUP2, descriptor, 2),
        ]
        try:
            pid = os.posix_spawn(program, words, environment, file_actions=actions, setpgroup=0, setsigdef=[2, 13, 15])
        except OSError as error:
            self._log(f"method {command!r}: {error.strerror}")
            if run is not None:
                self._feed(MonitorEnded(run, CANNOT_RUN[0]))
            return
        finally:
            os.close(descriptor)
        self._silent -= 1
        key = run if run is not None else self._silent
        entry = _Method(key, pid, os.pidfd_open(pid), run is not None)
        self._methods[key] = entry
        asyncio.get_running_loop().add_reader(entry.pidfd, self._method_ended, entry)

    def signal(self, run: int, number: int) -> None:
        """Send a signal to a method and whatever it started."""
        entry = self._methods.get(run)
        if entry is not None:
            _kill(entry.pid, number)

    def watch(self, run: int, names: tuple[str, ...], owner: str) -> None:
        """Count processes, now and whenever one of them ends."""
        self._watches[run] = _Watch(run, names, owner)
        self._count(run)

    def unwatch(self, run: int) -> None:
        """Stop watching; a method under this number is killed and its end not told."""
        watch = self._watches.pop(run, None)
        if watch is not None:
            self._release(watch)
        method = self._methods.get(run)
        if method is not None:
            method.told = False
            _kill(method.pid, signal.SIGKILL)

    def forget(self) -> None:
        """Let go of everything; methods that run are killed."""
        for run in [*self._watches, *self._methods]:
            self.unwatch(run)

    def _method_ended(self, entry: _Method) -> None:
        try:
            _, status = os.waitpid(entry.pid, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            code = CANNOT_RUN[1]
        asyncio.get_running_loop().remove_reader(entry.pidfd)
        os.close(entry.pidfd)
        self._methods.pop(entry.run, None)
        if entry.told:
            self._feed(MonitorEnded(entry.run, code if code >= 0 else 128 - code))

    def _count(self, run: int) -> None:
        watch = self._watches.get(run)
        if watch is None:
            return
        self._release(watch)
        found = dict.fromkeys(watch.names, 0)
        loop = asyncio.get_running_loop()
        for pid in members(self._membership):
            names = process_names(pid) & found.keys()
            if not names or (watch.owner and _owner(pid) != watch.owner):
                continue
            try:
                descriptor = os.pidfd_open(pid)
            except OSError:
                continue
            watch.pidfds[pid] = descriptor
            loop.add_reader(descriptor, self._count, run)
            for name in names:
                found[name] += 1
        self._feed(ProcessesCounted(run, min(found.values(), default=0)))

    def _release(self, watch: _Watch) -> None:
        loop = asyncio.get_running_loop()
        for descriptor in watch.pidfds.values():
            loop.remove_reader(descriptor)
            os.close(descriptor)
        watch.pidfds.clear()


def process_names(pid: int) -> set[str]:
    """What a live process is called: its program's name, and the first argument's; empty if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            if file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
                return set()
        with open(f"/proc/{pid}/comm", "rb") as file:
            names = {os.fsdecode(file.read().rstrip(b"\n"))}
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return set()
    # A script's interpreter comes first, perhaps with options, the script after it: AIX lists the script.
    plain = [word for word in words if word and not word.startswith(b"-")]
    names.update(os.fsdecode(os.path.basename(word)) for word in plain[:2])
    return names


def _owner(pid: int) -> str:
    try:
        number = os.stat(f"/proc/{pid}").st_uid
        return pwd.getpwuid(number).pw_name
    except OSError:
        return ""
    except KeyError:
        return str(number)


def _kill(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        pass


def _open_log(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        if os.path.exists(path) and os.stat(path).st_size > LOG_LIMIT:
            os.replace(path, f"{path}.1")
        return os.open(path, flags, 0o644)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
