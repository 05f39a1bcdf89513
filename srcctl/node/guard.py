"""lpar and caa watch each other: if either dies or stops turning, the other kills the whole node.

A kernel that hangs is a machine that is dead. Each side owns one counter in a page of shared memory and counts it up
once a turn of its loop. A watchdog counts its own turns, never elapsed time: when a whole machine is paused neither
side turns, so a pause never looks like a hang.

For the service of caa::

    guard = Guard.from_environment()           # None when this process was not started by an lpar
    ...
    loop.add_reader(guard.peer_descriptor, guard.peer_died)   # readable = lpar ended
    every guard.interval microseconds (one re-armed timer, no catching up): guard.turn()

``turn`` and ``peer_died`` do not return once they have found the peer dead: the node is killed and so is the caller.

What becomes of the node then is for the machine's watchdog timer to say (``Guard.set_action``, CAA's tunable
pvm_watchdog_timer): nothing more, which leaves it off; a dump and a restart; a reset; or power off, of which the next
boot knows nothing. In a restart the survivor itself becomes the new lpar. A node whose power is switched off from
outside just ends: no watchdog outlives that.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

from srcctl.node import powerlock
from srcctl.node.processes import Membership, kill_all, members
from srcctl.node.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, NoReturn

    from srcctl.node.root import NodeRoot

END_MARKER: Final = "/var/adm/ras/.lastend"
"""The file that tells the next boot why the node ended."""
ENVIRONMENT: Final = "HAES_GUARD"
"""``page descriptor, lock descriptor, lpar's pid, turns, namespace, marker`` in caa's environment."""
INTERVAL: Final = 200_000
"""Microseconds between two turns."""
SILENT_TURNS: Final = 8
"""Own turns without any turn of the peer after which the peer counts as hung, at ordinary speed."""
SILENT_TURNS_MIN: Final = 3
MOUNTS: Final = "HAES_BOOT_MOUNTS"
"""What was mounted when the node booted, a line each, in caa's environment."""
DISABLE, DUMP_RESTART, HARD_RESET, HARD_POWER_OFF = ACTIONS = (
    "disable", "dump_restart", "hard_reset", "hard_power_off",
)  # fmt: skip
"""What the machine's watchdog does with a node whose kernel hangs or is gone, in the words of pvm_watchdog_timer."""
KILL_PATIENCE: Final = 10.0
"""Seconds for killed processes to be gone."""
SILENCE: Final = 20_000_000
"""Product microseconds of silence that a fast lab may not exceed: the other nodes declare a node dead after CAA's
node_timeout and grace (30 and 10 seconds by default), and by then a hung node must be gone."""

_COUNTER: Final = struct.Struct("=Q")
LPAR: Final = 0
CAA: Final = 1
_ACTION: Final = 2


def silent_turns(speed: float) -> int:
    """The turns of silence that are tolerated in a lab of that speed."""
    return max(SILENT_TURNS_MIN, min(SILENT_TURNS, int(SILENCE / speed / INTERVAL)))


class Page:
    """The shared counters."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, mmap.PAGESIZE)

    @classmethod
    def create(cls) -> Page:
        """A fresh page, both counters 0."""
        descriptor = os.memfd_create("haes-guard", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, mmap.PAGESIZE)
        return cls(descriptor)

    def read(self, side: int) -> int:
        """The counter of one side."""
        value: int = _COUNTER.unpack_from(self._memory, side * _COUNTER.size)[0]
        return value

    def count(self, side: int) -> None:
        """One more turn of that side."""
        offset = side * _COUNTER.size
        _COUNTER.pack_into(self._memory, offset, _COUNTER.unpack_from(self._memory, offset)[0] + 1)

    @property
    def action(self) -> str:
        """What the watchdog does."""
        return ACTIONS[_COUNTER.unpack_from(self._memory, _ACTION * _COUNTER.size)[0] % len(ACTIONS)]

    @action.setter
    def action(self, value: str) -> None:
        _COUNTER.pack_into(self._memory, _ACTION * _COUNTER.size, ACTIONS.index(value))


class Watchdog:
    """The decision, pure: has the peer been silent for too many of my own turns?

    It begins to watch when the peer has turned for the first time, because a peer that is still starting is not hung.
    """

    __slots__ = ("last", "limit", "silent")

    def __init__(self, limit: int = SILENT_TURNS) -> None:
        self.limit = limit
        self.last = 0
        self.silent = 0

    def turn(self, peer_counter: int) -> bool:
        """One own turn; returns True if the peer is hung."""
        if peer_counter != self.last or peer_counter == 0:
            self.last = peer_counter
            self.silent = 0
            return False
        self.silent += 1
        return self.silent >= self.limit


class Guard:
    """One side of the watch.

    Args:
        peer_pid: the process that is watched.
        page: the shared counters.
        side: which counter is ours.
        membership: what is killed when the peer is gone.
        marker: path of the file that tells the next boot why the node ended, "" for none.
        limit: own turns of silence that are tolerated.
        lock: a descriptor of the node's power lock that is held as long as this process lives (the node is off only
            when both lpar and caa are), -1 for none.
        restart: begins the node again in this process, which is alone by then; None if it cannot.
    """

    interval: Final = INTERVAL

    def __init__(
        self,
        peer_pid: int,
        page: Page,
        side: int,
        membership: Membership,
        marker: str = "",
        limit: int = SILENT_TURNS,
        lock: int = -1,
        restart: Callable[[], NoReturn] | None = None,
    ) -> None:
        self._restart = restart
        self.peer_pid = peer_pid
        self.peer_descriptor = os.pidfd_open(peer_pid)
        """Readable (poll, select, add_reader) when the peer has ended."""
        self.lock = lock
        self._page = page
        self._side = side
        self._membership = membership
        self._marker = marker
        self._watchdog = Watchdog(limit)

    @classmethod
    def from_environment(cls) -> Guard | None:
        """caa's side, from what lpar put into its environment; None if there is no lpar."""
        value = os.environ.pop(ENVIRONMENT, "")
        if not value:
            return None
        page, lock, pid, turns, namespace, marker = value.split(" ", 5)
        membership = Membership("" if namespace == "-" else namespace, os.environ.get("HAES_MARK", ""))
        mounts = os.environ.pop(MOUNTS, "").split("\n")

        def restart() -> NoReturn:
            from srcctl.node.root import NodeRoot
            from srcctl.node.start import begin_again

            os.set_inheritable(int(page), False)
            try:
                os.setsid()
            except OSError:
                pass
            begin_again(NodeRoot.current(), int(lock), mounts)

        return cls(int(pid), Page(int(page)), CAA, membership, marker, int(turns), int(lock), restart)

    def set_action(self, action: str) -> None:
        """What the watchdog does with the node from now on: one of ``ACTIONS``."""
        self._page.action = action

    def turn(self) -> None:
        """Count one turn of our own loop and look whether the peer turns. Does not return if it hangs."""
        self._page.count(self._side)
        if self._watchdog.turn(self._page.read(1 - self._side)):
            self._fire(f"{self._peer_name} stopped turning")

    def peer_died(self) -> NoReturn:
        """The peer's descriptor became readable: it is dead, so is the node."""
        self._fire(f"{self._peer_name} ended")

    def _fire(self, reason: str) -> NoReturn:
        """The machine's watchdog has found the kernel hung or gone."""
        if self.lock >= 0 and powerlock.is_switched_off(self.lock):
            self._end()
        match self._page.action:
            case "dump_restart":
                from srcctl.node.dump import write_dump

                pids = members(self._membership, self._peers())
                self._begin_again("dump", f"{reason}\n{write_dump(os.path.dirname(self._marker), reason, pids)}")
            case "hard_reset":
                self._begin_again("reset", reason)
            case "hard_power_off":
                self._end()
        self.kill_node(reason)

    def _begin_again(self, kind: str, reason: str) -> None:
        if self._restart is None:
            return
        if self._marker:
            write_end_marker(self._marker, kind, reason)
        self._kill_others()
        try:
            deadline = time.monotonic() + KILL_PATIENCE
            while set(members(self._membership, (os.getpid(),))) - {os.getpid()} and time.monotonic() < deadline:
                try:
                    while os.waitpid(-1, os.WNOHANG)[0]:
                        pass
                except ChildProcessError:
                    pass
                time.sleep(0.001)
            self._restart()
        finally:
            self._end()  # it could not be restarted

    @property
    def _peer_name(self) -> str:
        return "lpar" if self._side == CAA else "caa"

    def kill_node(self, reason: str) -> NoReturn:
        """Kill every process of the node, the peer and finally this one, without clean-up."""
        if self._marker:
            write_end_marker(self._marker, "panic", reason)
        self._end()

    def _peers(self) -> tuple[int, ...]:
        """The peer, unless its end has been noticed by whoever reaps it: its pid may be a stranger's then."""
        try:
            signal.pidfd_send_signal(self.peer_descriptor, 0)
        except OSError:
            return ()
        return (self.peer_pid,)

    def _kill_others(self) -> None:
        kill_all(self._membership, spare={os.getpid()}, ancestors=self._peers())
        try:
            signal.pidfd_send_signal(self.peer_descriptor, signal.SIGKILL)
        except OSError:
            pass

    def _end(self) -> NoReturn:
        self._kill_others()
        os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)


def end_without_lpar(root: NodeRoot) -> None:
    """Kill what is left of a node without caa whose lpar has ended; for srcmstr, which watches lpar there.

    Nobody restarts such a node: a machine's watchdog is set by CAA.
    """
    write_end_marker(root.path(END_MARKER), "panic", "lpar ended")
    identity = root.identity
    membership = Membership.of_this_process(f"{identity.lab_id}/{identity.node}", identity.mode == "view")
    kill_all(membership, spare={os.getpid()})


def write_end_marker(path: str, kind: str, reason: str) -> None:
    """Leave word for the next boot: ``kind`` is halt, reboot, shutdown, panic, or
    reset or dump of a watchdog. Never fails: the node ends anyway."""
    try:
        temporary = f"{path}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(f"{kind}\n{reason}\n")
        os.rename(temporary, path)
    except OSError:
        pass
