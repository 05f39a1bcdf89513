"""lpar, the machine: boots a node, forks and reaps every process of it, and powers it off.

One process, one thread, one poll loop: it must stay small, because every process that it forks begins as a copy of it.
It imports the node's daemons once and never runs any of them itself.
"""

from __future__ import annotations

import _socket
import os
import select
import sys
import time

from srcctl.commands.record import Record
from srcctl.machine import TICK
from srcctl.node import (
    boot,
    bootlog,
    environment,
    guard,
    inittab,
    messages,
    preload,
    processes,
    programs,
    sockets,
    spawn,
    syscalls,
)
from srcctl.node.channel import SrcmstrChannel
from srcctl.node.console import CONSOLE, Console
from srcctl.node.mounts import current_mount_points
from srcctl.node.requests import ControlSocket
from srcctl.node.root import NodeRoot, replace_file
from srcctl.node.signals import signal
from srcctl.node.subsystems import Subsystems
from srcctl.src.packets import SRC_INCARNATION, SRC_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn

SRCMSTR: Final = "/usr/sbin/srcmstr"
CAA_NAME: Final = "caa"
CONTROL: Final = "/dev/lpar"
PID_FILE: Final = "/var/run/lpar.pid"
SHELL_CHARACTERS: Final = frozenset("|&;<>()$`\\\"'*?[]#~=%{}")
CONSOLE_TURNS: Final = 25


class Child(Record):
    """A process that lpar started. ``record`` is the inittab record's identifier, "" for a subsystem or caa."""

    pid: int
    name: str
    record: str = ""


class Lpar:
    """The machine of one node.

    Args:
        root: the node's root.
        lock: descriptor of the held power lock.
        ready: descriptor that the one who powers the node on waits for, -1 for none.
    """

    def __init__(self, root: NodeRoot, lock: int, ready: int) -> None:
        self.root = root
        self.identity = root.identity
        self.lock = lock
        self.ready = ready
        self.view = self.identity.mode == "view"
        self.mark = f"{self.identity.lab_id}/{self.identity.node}"
        self.console = Console(root.path(CONSOLE))
        self.membership = processes.Membership.of_this_process(self.mark, self.view)
        self.environment = self._environment()
        self.entries: dict[str, spawn.EntryPoint] = {}
        self.init = boot.Init(gates=frozenset({SRCMSTR}))
        self.previous_level, self.level_since = "", 0.0
        self.subsystems = Subsystems(root, self.environment, self._tell, self.console.write)
        self.children: dict[int, Child] = {}
        self.caa_pid = 0
        self.srcmstr_pid = 0
        self.gate = ""
        self.src_socket: _socket.socket | None = None
        self.src_serves = False
        self.page = guard.Page.create()
        self.guard: guard.Guard | None = None
        self.poll = select.poll()
        self.channel = SrcmstrChannel(self.poll, self.console)
        self.control: ControlSocket | None = None
        self.wake_read, self.wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.turns = 0
        self.next_turn = 0
        self.boot_mounts = current_mount_points() if self.view else []

    # Power on.

    def _environment(self) -> dict[str, str]:
        try:
            with open(self.root.path("/etc/environment"), encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            text = ""
        return environment.node_environment(
            text, self.root.directory, self.mark, self.identity.python, self.identity.code
        )

    def power_on(self) -> None:
        """Serve requests, import the daemons, start caa and begin with inittab."""
        syscalls.become_subreaper()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)
        self._open_src_socket()
        self.poll.register(self.wake_read, select.POLLIN)
        self.control = ControlSocket(self.root.path(CONTROL), self.poll, self._answer, self._act)
        try:
            replace_file(self.root.path(PID_FILE), f"{os.getpid()}\n".encode())
        except OSError:
            pass
        if self.ready >= 0:
            os.write(self.ready, b"ready\n")
            os.close(self.ready)
            self.ready = -1
        self._forget_mounts()
        self._import_programs()
        self._start_caa()
        self._log_boot()
        self._read_inittab(None)

    def _forget_mounts(self) -> None:
        if self.view:
            return  # its mounts ended with the machine
        from srcctl.storage import filesystems

        try:
            filesystems.forget(self.root)
        except OSError:
            pass

    def _open_src_socket(self) -> None:
        """/dev/SRC, handed to every srcmstr in turn: requests wait in it while one is killed and its successor starts,
        which needs no disk that can be written. Who asks comes with each request: anybody may ask for a status."""
        self._forget_srcmstr()
        try:
            os.unlink(self.root.path(SRC_SOCKET))
        except OSError:
            pass
        self.src_socket = sockets.bind_plain(self.root.path(SRC_SOCKET), _socket.SOCK_DGRAM, 0o666)
        self.src_socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_PASSCRED, 1)

    def _forget_srcmstr(self) -> None:
        """Who asks is told at once that there is none: init does not start it (telinit S, rmitab)."""
        try:
            os.unlink(self.root.path(SRC_INCARNATION))
        except OSError:
            pass

    def _import_programs(self) -> None:
        known: dict[str, programs.Program] = {}
        try:
            known = programs.load(self.root.path(programs.DIRECTORY), self.identity.mode)
        except (programs.ProgramMapError, OSError) as error:
            self.console.write(f"lpar: {error}")
        # A program that cannot be loaded keeps its launcher: whoever starts it sees the reason in full.
        self.entries = preload.entry_points(
            known.values(),
            lambda program, error: self.console.write(
                f"lpar: {program.path} cannot be loaded: {type(error).__name__}: {error}"
            ),
        )
        self.subsystems.entries = self.entries
        preload.settle(crowd=len(self.entries) > 1)

    def _start_caa(self) -> None:
        path = next((p for p in self.entries if os.path.basename(p) == CAA_NAME), None)
        if path is None:
            return
        turns = guard.silent_turns(self.identity.speed)
        marker = self.root.path(guard.END_MARKER)
        words = (self.page.descriptor, self.lock, os.getpid(), turns, self.membership.namespace or "-", marker)
        value = " ".join(map(str, words))
        request = spawn.Request(
            path,
            environment={**self.environment, guard.ENVIRONMENT: value, guard.MOUNTS: "\n".join(self.boot_mounts)},
            keep=(self.page.descriptor, self.lock),
            dies_with_parent=False,
        )
        self.caa_pid = spawn.fork_entry(self.root, request, self.entries[path])
        self.children[self.caa_pid] = Child(self.caa_pid, CAA_NAME)
        self.guard = guard.Guard(
            self.caa_pid, self.page, guard.LPAR, self.membership, marker, turns, self.lock, self._restart
        )
        self.poll.register(self.guard.peer_descriptor, select.POLLIN)

    def _log_boot(self) -> None:
        """Error-log entries of a boot: logging is on, and why the node was off."""
        marker = self.root.path(guard.END_MARKER)
        kind = reason = ""
        try:
            with open(marker, encoding="utf-8", errors="replace") as file:
                kind, _, reason = file.read().partition("\n")
            os.unlink(marker)
        except OSError:
            pass
        bootlog.log_boot(self.root, kind, reason.strip())

    # inittab.

    def _read_inittab(self, level: str | None, demanded: str = "") -> str:
        """Feed the table to init; returns a complaint, "" if all is well."""
        try:
            with open(self.root.path("/etc/inittab"), encoding="utf-8", errors="replace") as file:
                table = inittab.Inittab.parse(file.read())
        except OSError as error:
            self.console.write(f"INIT: /etc/inittab: {error.strerror}")
            table = inittab.Inittab(())
            if self.init.level:
                return f"/etc/inittab: {error.strerror}"
        for complaint in table.complaints:
            self.console.write(f"INIT: /etc/inittab: {complaint}")
        wanted = level or self.init.level or table.default_level
        if wanted != self.init.level:
            self.previous_level, self.level_since = self.init.level, time.time()
        self._feed_init(boot.ReadTable(table.records, wanted, demanded))
        return ""

    def _feed_init(self, value: boot.Input) -> None:
        waiting: list[boot.Input] = [value]
        while waiting:
            for effect in self.init.step(_now(), waiting.pop(0)):
                if isinstance(effect, boot.StartRecord):
                    if not self._start_record(effect.record):
                        waiting.append(boot.ProcessEnded(effect.record.identifier, -1))
                elif isinstance(effect, boot.EndRecord):
                    self._end_record(effect.identifier, signal.SIGKILL if effect.kill else signal.SIGTERM)
                elif isinstance(effect, boot.Report):
                    self.console.write(effect.text)

    def _start_record(self, record: inittab.Record) -> bool:
        command = record.program
        words = command.split()
        if not words:
            return False
        keep: tuple[int, ...] = ()
        variables = self.environment
        theirs: _socket.socket | None = None
        if words[0] == SRCMSTR and self.src_socket is not None:
            theirs, source = self.channel.open(), self.src_socket.fileno()
            keep = (theirs.fileno(), source)
            variables = {
                **variables,
                messages.LPAR_DESCRIPTOR: str(theirs.fileno()),
                messages.SRC_DESCRIPTOR: str(source),
            }
            if self.guard is None:
                variables[messages.WATCHED_LPAR] = str(os.getpid())
        simple = not SHELL_CHARACTERS.intersection(command)
        # Without caa it is srcmstr that ends the node when this process does.
        outlives = messages.WATCHED_LPAR in variables
        request = spawn.Request(words[0], tuple(words[1:]), variables, keep=keep, dies_with_parent=not outlives)
        try:
            if simple and words[0] in self.entries:
                pid = spawn.fork_entry(self.root, request, self.entries[words[0]])
            elif simple:
                pid = spawn.fork_exec(self.root, request)
            else:
                pid = spawn.fork_exec(self.root, request, environment.shell(command, self.root))
        except OSError as error:
            self.console.write(f"INIT: {words[0]}: {error.strerror} (id: {record.identifier})")
            if theirs is not None:
                self.channel.close()
            return False
        finally:
            if theirs is not None:
                theirs.close()
        self.children[pid] = Child(pid, record.identifier, record.identifier)
        if theirs is not None:
            self.srcmstr_pid = pid
            self.gate = record.identifier
            self._tell(messages.Table(self.subsystems.table.entries()))
        return True

    def _end_record(self, identifier: str, number: int) -> None:
        for child in self.children.values():
            if child.record == identifier:
                # Each record's process leads a session of its own.
                try:
                    os.killpg(child.pid, number)
                except OSError:
                    pass
                try:
                    os.kill(child.pid, number)
                except OSError:
                    pass

    # srcmstr.

    def _tell(self, message: messages.FromLpar) -> None:
        if not self.channel.send(message) and self.srcmstr_pid:
            try:
                os.kill(self.srcmstr_pid, signal.SIGKILL)
            except OSError:
                pass

    def _srcmstr_readable(self) -> None:
        for message, descriptor in self.channel.receive():
            # A hundred starts in one request keep this process busy for longer than caa waits for a sign of life.
            self._turn_when_due()
            if isinstance(message, messages.Start):
                self.subsystems.start(message, descriptor)
            elif isinstance(message, messages.Signal):
                self.subsystems.signal(message)
            elif isinstance(message, messages.Ready):
                self.src_serves = True
                identifier, self.gate = self.gate, ""
                self._feed_init(boot.Ready(identifier))
            else:
                self.subsystems.table.acknowledged(message.instance)

    # Ends.

    def _reap(self) -> None:
        try:
            while os.read(self.wake_read, 512):
                pass
        except BlockingIOError:
            pass
        ended: list[tuple[int, int]] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            ended.append((pid, status))
        # srcmstr last: the table that its successor begins with then holds all that ended together with it.
        for pid, status in sorted(ended, key=lambda end: end[0] == self.srcmstr_pid):
            self._child_ended(pid, status)
            self._turn_when_due()

    def _child_ended(self, pid: int, status: int) -> None:
        child = self.children.pop(pid, None)
        ended_srcmstr = self.srcmstr_pid
        if pid == self.caa_pid and self.guard is not None:
            self.console.write(f"lpar: caa ended ({spawn.describe_status(status)}), so does the node")
            self.guard.peer_died()
        if pid == self.srcmstr_pid:
            self.srcmstr_pid = 0
            # What it asked for with its last breath still takes effect, before a successor gets the table.
            self._srcmstr_readable()
            self.src_serves = False
        ours = self.subsystems.ended(pid, status, set(self.children))
        if not ours and child is not None and child.record:
            self._feed_init(boot.ProcessEnded(child.record, status))
            if pid == ended_srcmstr and not self.srcmstr_pid and not self.init.starts_again(child.record):
                self._forget_srcmstr()

    # Requests.

    def _answer(self, request: messages.ControlRequest) -> messages.ControlReply:
        if isinstance(request, messages.StatusRequest):
            return self._status()
        if isinstance(request, messages.Telinit):
            return messages.ControlReply(error=self._telinit(request.level))
        return messages.ControlReply()

    def _act(self, request: messages.ControlRequest) -> None:
        if isinstance(request, (messages.Halt, messages.Reboot)):
            self.power_off(request)

    def _telinit(self, level: str) -> str:
        if level in ("q", "Q"):
            return self._read_inittab(None)
        if level in ("S", "s", "M", "m"):
            return self._read_inittab("S")
        if level in ("a", "b", "c", "h"):
            return self._read_inittab(None, level)
        if level == "N":
            self._feed_init(boot.NoRespawn())
            return ""
        if level not in inittab.RUN_LEVELS or len(level) != 1:
            return f"run level {level} is not supported"
        return self._read_inittab(level)

    def _status(self) -> messages.ControlReply:
        found = {"lpar": os.getpid()}
        if self.caa_pid:
            found["caa"] = self.caa_pid
        if self.srcmstr_pid:
            found["srcmstr"] = self.srcmstr_pid
        found.update(self.subsystems.table.names())
        return messages.ControlReply(
            processes=found,
            run_level=self.init.level,
            previous_level=self.previous_level,
            level_since=self.level_since,
            src_serves=self.src_serves,
        )

    # Power off.

    def power_off(self, request: messages.Halt | messages.Reboot) -> None:
        """Kill every process of the node at once; a reboot begins again in this very process."""
        again = isinstance(request, messages.Reboot)
        guard.write_end_marker(self.root.path(guard.END_MARKER), "reboot" if again else "halt", request.reason)
        self._kill_everything()
        if again:
            self._begin_again()
        os._exit(0)

    def _kill_everything(self) -> None:
        own = os.getpid()
        deadline = time.monotonic() + 10
        processes.kill_all(self.membership, spare={own}, ancestors=(own,))
        # Everything below this process is a child of it now; when the last one is reaped no file of theirs is open.
        while time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                processes.kill_all(self.membership, spare={own}, ancestors=(own,))
                time.sleep(0.0005)

    def _restart(self) -> NoReturn:
        """The machine's watchdog restarts the node, whose processes are dead."""
        self._kill_everything()
        self._begin_again()

    def _begin_again(self) -> NoReturn:
        from srcctl.node.start import begin_again

        begin_again(self.root, self.lock, self.boot_mounts)

    # The loop.

    def run(self) -> None:
        """Serve until power off."""
        while True:
            self._turn_when_due()
            wanted = [self.next_turn]
            deadline = self.init.next_deadline()
            if deadline is not None:
                wanted.append(deadline)
            timeout = max(0, min(wanted) - _now())
            for descriptor, _ in self.poll.poll((timeout + 999) // 1000):
                self._event(descriptor)
            if deadline is not None and _now() >= deadline:
                self._feed_init(TICK)

    def _turn_when_due(self) -> None:
        now = _now()
        if now >= self.next_turn:
            # Re-armed from now: after a pause there is one turn, not all the missed ones.
            self.next_turn = now + guard.INTERVAL
            self._turn()

    def _turn(self) -> None:
        self.turns += 1
        if self.guard is not None:
            self.guard.turn()
        if self.turns % CONSOLE_TURNS == 0:
            self.console.bound()

    def _event(self, descriptor: int) -> None:
        if descriptor == self.wake_read:
            self._reap()
        elif descriptor == self.channel.descriptor:
            self._srcmstr_readable()
        elif self.guard is not None and descriptor == self.guard.peer_descriptor:
            self._reap()
            self.guard.peer_died()
        elif self.control is not None:
            self.control.event(descriptor)


def _now() -> int:
    return time.monotonic_ns() // 1000


def main(argv: list[str]) -> int:
    """Process entry: ``lpar LOCK_FD READY_FD``; does not return before power off."""
    root = NodeRoot.current()
    lock, ready = int(argv[1]), int(argv[2])
    for descriptor in (lock, ready):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    lpar = Lpar(root, lock, ready)
    spawn.set_title("lpar", [lpar.identity.node])
    try:
        lpar.power_on()
        lpar.run()
    except BaseException as error:
        import traceback

        lpar.console.write(f"lpar: {traceback.format_exc()}")
        if lpar.ready >= 0:
            os.write(lpar.ready, f"error {error}\n".encode())
        guard.write_end_marker(root.path(guard.END_MARKER), "panic", "lpar failed")
        lpar._kill_everything()
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
