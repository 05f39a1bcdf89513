"""Which processes belong to a node, and how all of them are killed.

"Of the node" means: in the node's mount namespace (view mode), or carrying the node's marker in the environment they
were started with, or descending from such a process (folder mode). So daemonised children, shells and applications
are caught too.
"""

from __future__ import annotations

import os
import resource
import time

from srcctl.commands.record import Record
from srcctl.node.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

MARK_VARIABLE: Final = "HAES_MARK"
RLIMIT_LOCKS: Final = 10
ROUNDS_MAX: Final = 10_000


class Membership(Record):
    """How a process of a node is told from any other.

    ``namespace`` is what ``/proc/PID/ns/mnt`` reads in view mode, "" in folder mode; ``mark`` is the value of
    ``HAES_MARK``.
    """

    namespace: str
    mark: str

    @classmethod
    def of_this_process(cls, mark: str, view: bool) -> Membership:
        """The membership of the node that the calling process runs on."""
        return cls(os.readlink("/proc/self/ns/mnt") if view else "", mark)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def mount_namespace(pid: int | str) -> str:
    """The mount namespace of a process, "" if it is gone, a zombie or somebody else's."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def title_of(pid: int | str) -> str:
    """What ``ps`` shows of a process, "" if it is gone. Unlike its namespace and environment it is no secret."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsdecode(file.read().rstrip(b"\0").replace(b"\0", b" "))
    except OSError:
        return ""


def mark_of(pid: int | str) -> str:
    """The node's marker in the environment that a process was started with, "" if there is none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        return ""
    start = environment.find(b"\0HAES_MARK=")
    if start >= 0:
        start += 1
    elif not environment.startswith(b"HAES_MARK="):
        return ""
    else:
        start = 0
    start += len(b"HAES_MARK=")
    end = environment.find(b"\0", start)
    return os.fsdecode(environment[start:] if end < 0 else environment[start:end])


def parent_and_state(pid: int | str) -> tuple[int, str]:
    """The parent's pid and the state letter of proc(5); (0, "") if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0, ""
    return int(fields[1]), fields[0].decode()


def parents() -> dict[int, int]:
    """Every live process of the host with its parent; zombies are left out."""
    result = {}
    for pid in _pids():
        parent, state = parent_and_state(pid)
        if state and state not in "ZX":
            result[pid] = parent
    return result


def session_of(pid: int | str) -> int:
    """The session of a process, 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[3])
    except OSError:
        return 0


def tree(pid: int) -> set[int]:
    """A process, what descends from it, and what is left in the session that it leads (orphans that others adopted)."""
    parent_of = parents()
    roots = {pid, *(other for other in parent_of if session_of(other) == pid)}
    return descendants(roots, parent_of)


def children_of_this_process() -> list[int]:
    """The direct children of the calling process, what it adopted as a subreaper among them."""
    own = os.getpid()
    try:
        with open(f"/proc/{own}/task/{own}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        # A kernel without CONFIG_PROC_CHILDREN.
        return [pid for pid in _pids() if parent_and_state(pid)[0] == own]


def start_time(pid: int) -> int:
    """When a process began, in clock ticks since boot; 0 if it is gone. With the pid it names one process for good."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return 0


def ticks_now() -> int:
    """The time in which ``start_time`` is measured."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def send_listed(pid: int, listed_at: int, number: int) -> None:
    """Signal a process that was found by a look at the host which began then (``ticks_now``).

    By the time of the signal it may have ended, and its pid be that of a stranger, who began later.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # The descriptor holds one process; whether it is the one that was meant is looked at now.
        if 0 < start_time(pid) <= listed_at:
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def send_to_group(leader: int, number: int, reaped: bool) -> None:
    """Signal what is left of the process group that a child of ours led.

    Linux gives a number to no new process as long as a group has it. So if the exit of the leader has been read and
    there is a process of that number, the group is empty and the number somebody else's by now.

    Args:
        leader: the child.
        number: the signal.
        reaped: its exit status has been read.
    """
    if reaped and os.path.exists(f"/proc/{leader}"):
        return
    try:
        os.killpg(leader, number)
    except OSError:
        pass


def mark_instance(number: int) -> None:
    """Mark the calling process, and all that will descend from it, as an instance of a subsystem.

    The mark is the soft limit of RLIMIT_LOCKS, which Linux has not enforced since 2.4.25 (getrlimit(2)): unlike an
    environment or a session it is handed on by every fork and exec, and unlike a control group it needs no privilege.
    """
    _, hard = resource.getrlimit(RLIMIT_LOCKS)
    resource.setrlimit(RLIMIT_LOCKS, (number, hard))


def outlived_by_children() -> None:
    """What the calling process starts from here on does not end with its subsystem, if it leaves the session."""
    _, hard = resource.getrlimit(RLIMIT_LOCKS)
    resource.setrlimit(RLIMIT_LOCKS, (hard, hard))


def instance_of(pid: int) -> int:
    """The number of the instance that a process descends from, -1 if there is none."""
    try:
        with open(f"/proc/{pid}/limits", "rb") as file:
            line = next((line for line in file if line.startswith(b"Max file locks")), b"")
    except OSError:
        return -1
    soft = line.removeprefix(b"Max file locks").split()[:1]
    return int(soft[0]) if soft and soft[0].isdigit() else -1


def descendants(roots: Iterable[int], parent_of: dict[int, int]) -> set[int]:
    """The given processes and all that descend from them."""
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found


def members(membership: Membership, ancestors: Iterable[int] = (), thorough: bool = False) -> list[int]:
    """The pids of all live processes of a node.

    ``ancestors`` (folder mode) are processes whose descendants belong to the node even if they cleaned their
    environment: lpar, usually. ``thorough`` looks for marks and descendants in view mode too, which catches what went
    into a mount namespace of its own; it costs twice the time.
    """
    if membership.namespace and not thorough:
        namespace = membership.namespace
        return [pid for pid in _pids() if mount_namespace(pid) == namespace]
    parent_of = parents()
    mark = membership.mark
    marked = {pid for pid in parent_of if is_member(pid, membership) or (mark and mark_of(pid) == mark)}
    marked.update(pid for pid in ancestors if pid in parent_of)
    return sorted(descendants(marked, parent_of) & parent_of.keys())


def is_member(pid: int, membership: Membership) -> bool:
    """True if that very process belongs to the node by its own namespace or environment.

    A node that cannot be told by either has no processes: all the rest of the host is without a mark.
    """
    if membership.namespace:
        return mount_namespace(pid) == membership.namespace
    return bool(membership.mark) and mark_of(pid) == membership.mark


def kill_all(membership: Membership, spare: Iterable[int] = (), ancestors: Iterable[int] = ()) -> int:
    """Kill every process of a node but ``spare``, in rounds until none is left; returns the number of rounds.

    A process that is stopped or traced dies of SIGKILL like any other; one that forks faster than a round sees its
    parents die round by round, because a killed process cannot fork again.
    """
    spared = set(spare)
    ancestors = tuple(ancestors)
    thorough = False
    for round_number in range(1, ROUNDS_MAX):
        listed_at = ticks_now()
        victims = [pid for pid in members(membership, ancestors, thorough) if pid not in spared]
        if not victims:
            if thorough:
                return round_number
            thorough = True
        for pid in victims:
            send_listed(pid, listed_at, signal.SIGKILL)
    return ROUNDS_MAX
