"""What the monitor files of fs, mem and cpu watch on the node: files, file systems, processes, waiting times.

Producers, return codes and messages are those of the AIX manual ("Pre-defined event producers"); the numbers of the
codes follow the order in which it lists them, from 1000 on, which agrees with those that are seen in consumers.

What they measure of memory and processors is the host's, which the nodes of a lab share: time waited for a processor as
/proc/schedstat (or /proc/pressure/cpu) counts it, stalls for memory as /proc/pressure/memory does, and direct reclaims
for waiters for free page frames (all inferred).
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable
from typing import TypeAlias

from daemons.caa.aha.text import Occurrence
from srcctl.network.faults import Faults
from srcctl.node import inotify, processes
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.device_names import own_names

PERIOD = 1.0
"""Seconds between samples of a value while somebody waits for it."""

MODFILE_WRITE, MODFILE_UNMOUNT, MODFILE_REMOVE, MODFILE_RENAME, MODFILE_FTRUNC = 1000, 1001, 1003, 1004, 1006
MODDIR_CREATE, MODDIR_UNMOUNT, MODDIR_REMOVE, MODDIR_REMOVE_SELF = 1000, 1001, 1002, 1003
ATTRIBUTES_UNMOUNT, ATTRIBUTES_REMOVE, ATTRIBUTES_RENAME = 1000, 1001, 1002
ATTRIBUTES_SETOWN, ATTRIBUTES_SETMODE = 1005, 1006
UTILFS_THRESHOLD_HIT, UTILFS_UNMOUNT = 1000, 1001

Notify: TypeAlias = Callable[[Occurrence], None]
"""Told of an event."""
Sampled: TypeAlias = Callable[[int, int, int, bool], None]
"""Told of a value: value, time in nanoseconds, return code of a threshold that it meets, whether it stands."""


def check_file(path: str, producer: str, uid: int, gid: int) -> None:
    """Check that a producer can watch a file or folder, and for a user who may read it.

    Raises:
        OSError: ENODEV, there is no such file or folder; ENOTSUP, it is something else; EPERM, it may not be read.
    """
    try:
        status = os.lstat(path)
    except OSError:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), path) from None
    folder, plain = stat.S_ISDIR(status.st_mode), stat.S_ISREG(status.st_mode)
    if not {"fs/modFile": plain, "fs/modDir": folder}.get(producer, plain or folder):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), path)
    bit = stat.S_IRUSR if uid == status.st_uid else stat.S_IRGRP if gid == status.st_gid else stat.S_IROTH
    if uid != 0 and not status.st_mode & bit:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)


class Watch:
    """Something that is watched while a consumer is registered."""

    def close(self) -> None:
        """Watch no more."""


class FileWatch(Watch):
    """modFile: writes, truncation, removal and renaming of a file. What is mapped is not seen."""

    def __init__(self, files: inotify.Inotify, path: str, notify: Notify) -> None:
        self._path, self._notify = path, notify
        self._size = os.lstat(path).st_size
        mask = inotify.MODIFY | inotify.ATTRIB | inotify.DELETE_SELF | inotify.MOVE_SELF
        self._end = files.watch(path, mask, self._told)

    def _told(self, mask: int, name: str) -> None:
        code, final = 0, True
        if mask & inotify.UNMOUNT:
            code = MODFILE_UNMOUNT
        elif mask & inotify.MOVE_SELF:
            code = MODFILE_RENAME
        elif mask & inotify.DELETE_SELF or (mask & inotify.ATTRIB and not os.path.lexists(self._path)):
            code = MODFILE_REMOVE
        elif mask & inotify.MODIFY:
            before, final = self._size, False
            try:
                self._size = os.lstat(self._path).st_size
            except OSError:
                self._size = before
            code = MODFILE_FTRUNC if self._size < before else MODFILE_WRITE
        if code:
            self._notify(Occurrence(time.time_ns(), code, actor=True, final=final))

    def close(self) -> None:
        self._end()


class DirectoryWatch(Watch):
    """modDir: what comes into a folder and goes from it; the message is its name."""

    def __init__(self, files: inotify.Inotify, path: str, notify: Notify) -> None:
        self._notify = notify
        mask = inotify.CREATE | inotify.DELETE | inotify.MOVED_FROM | inotify.MOVED_TO
        mask |= inotify.DELETE_SELF | inotify.MOVE_SELF
        self._end = files.watch(path, mask, self._told)

    def _told(self, mask: int, name: str) -> None:
        if mask & (inotify.CREATE | inotify.MOVED_TO):
            code = MODDIR_CREATE
        elif mask & (inotify.DELETE | inotify.MOVED_FROM):
            code = MODDIR_REMOVE
        elif mask & inotify.UNMOUNT:
            code, name = MODDIR_UNMOUNT, ""
        elif mask & (inotify.DELETE_SELF | inotify.MOVE_SELF):
            code, name = MODDIR_REMOVE_SELF, ""
        else:
            return
        self._notify(Occurrence(time.time_ns(), code, (name,) if name else (), actor=True, final=not name))

    def close(self) -> None:
        self._end()


class AttributeWatch(Watch):
    """modFileAttr: mode and owner of a file or folder."""

    def __init__(self, files: inotify.Inotify, path: str, notify: Notify) -> None:
        self._path, self._notify = path, notify
        self._before = os.lstat(path)
        mask = inotify.ATTRIB | inotify.DELETE_SELF | inotify.MOVE_SELF
        self._end = files.watch(path, mask, self._told)

    def _told(self, mask: int, name: str) -> None:
        before = self._before
        try:
            now = self._before = os.lstat(self._path)
        except OSError:
            now = None
        codes = []
        if mask & inotify.UNMOUNT:
            codes = [(ATTRIBUTES_UNMOUNT, True)]
        elif mask & inotify.MOVE_SELF:
            codes = [(ATTRIBUTES_RENAME, True)]
        elif now is None or mask & inotify.DELETE_SELF:
            codes = [(ATTRIBUTES_REMOVE, True)]
        elif mask & inotify.ATTRIB:
            if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
                codes.append((ATTRIBUTES_SETOWN, False))
            if now.st_mode != before.st_mode:
                codes.append((ATTRIBUTES_SETMODE, False))
        for code, final in codes:
            self._notify(Occurrence(time.time_ns(), code, actor=True, final=final))

    def close(self) -> None:
        self._end()


class ProcessWatch(Watch):
    """processMon and pidProcessMon: the death of a process.

    Raises:
        OSError: ENODEV, there is no such process on the node.
    """

    def __init__(self, pid: int, notify: Notify) -> None:
        try:
            self._descriptor = os.pidfd_open(pid)
        except OSError:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), str(pid)) from None
        self._notify = notify
        asyncio.get_running_loop().add_reader(self._descriptor, self._dead)

    def _dead(self) -> None:
        self.close()
        self._notify(Occurrence(time.time_ns(), 0, ("EVENT_TYPE=PROCESS_DOWN",), final=True))

    def close(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


class ValueWatch(Watch):
    """A value that is looked at once a second, from now on.

    Args:
        measure: the value, or None if it cannot be told yet; raises OSError when there is nothing to measure any more.
            It runs in a thread of its own.
        sampled: told of it.
        notify: told of the end.
        code: RC_FROM_EVPROD of a threshold that is met.
        end: that of the end.
        standing: a value that stays, so a threshold may be met from the beginning.
    """

    def __init__(
        self,
        measure: Callable[[], int | None],
        sampled: Sampled,
        notify: Notify,
        code: int = 0,
        end: int = 0,
        standing: bool = False,
    ) -> None:
        self._measure, self._sampled, self._notify = measure, sampled, notify
        self._code, self._end, self._standing = code, end, standing
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            try:
                value = await asyncio.to_thread(self._measure)
            except OSError:
                self._notify(Occurrence(time.time_ns(), self._end, final=True))
                return
            if value is not None:
                self._sampled(value, time.time_ns(), self._code, self._standing)
            await asyncio.sleep(PERIOD)

    def close(self) -> None:
        self._task.cancel()


# What there is to measure.


def used_percent(root: NodeRoot, mount_point: str) -> int:
    """How full a file system of this node is.

    Raises:
        OSError: ENODEV, it is none that is mounted.
    """
    for stanza in filesystems.read_stanzas(root):
        if stanza.mount_point != mount_point:
            continue
        if "size" in stanza.attributes:
            size = int(stanza.attributes["size"]) * filesystems.BLOCK
            used = filesystems.contents_of(root, mount_point)[0]
        else:
            from srcctl.storage.commands.file_systems import located
            from srcctl.storage.volume_groups import VolumeGroups

            folder = filesystems.mounted(root).get(mount_point)
            place = located(VolumeGroups(root), root, mount_point) if folder else None
            if folder is None or place is None:
                break
            size = place[2].partitions * place[1].partition_bytes
            used = filesystems.contents_below(folder)[0]
        return min(100, 100 * used // size) if size else 0
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), mount_point)


class Rate:
    """The growth of a counter between two looks at it, or of one by another."""

    def __init__(self, count: Callable[[], tuple[int, int]]) -> None:
        self._count = count
        self._before: tuple[int, int] | None = None

    def __call__(self) -> int | None:
        now, before = self._count(), self._before
        self._before = now
        if before is None:
            return None
        by = now[1] - before[1]
        return (now[0] - before[0]) // by if by > 0 else 0


def waited_for_processor() -> tuple[int, int]:
    """Milliseconds that threads waited for a processor, and how often one got it; where the kernel does not count
    turns, milliseconds in which some thread waited, and seconds.

    Raises:
        OSError: the kernel counts neither.
    """
    waited = turns = 0
    try:
        with open("/proc/schedstat", encoding="ascii") as file:
            for line in file:
                if line.startswith("cpu"):
                    words = line.split()
                    waited += int(words[8]) // 1_000_000
                    turns += int(words[9])
    except FileNotFoundError:
        return _stalled("cpu")
    return waited, turns


def _stalled(resource: str) -> tuple[int, int]:
    with open(f"/proc/pressure/{resource}", encoding="ascii") as file:
        total = file.readline().rpartition("total=")[2]
    return int(total) // 1_000, time.monotonic_ns() // 1_000_000_000


def waited_for_pages() -> tuple[int, int]:
    """Milliseconds in which some thread waited for memory, and seconds.

    Raises:
        OSError: the kernel does not count it.
    """
    return _stalled("memory")


def waiters_for_frames() -> tuple[int, int]:
    """How often a thread had to free memory itself before it got some, and seconds.

    Raises:
        OSError: the kernel does not count it.
    """
    with open("/proc/vmstat", encoding="ascii") as file:
        found = sum(int(line.split()[1]) for line in file if line.startswith("allocstall"))
    return found, time.monotonic_ns() // 1_000_000_000


def process_of(membership: processes.Membership, program: str) -> int:
    """The process of this node that runs a program; of several of one family the oldest.

    Raises:
        OSError: ENODEV, there is none.
    """
    found = [pid for pid in processes.members(membership) if program in _programs(pid)]
    ours = set(found)
    heads = [pid for pid in found if processes.parent_and_state(pid)[0] not in ours]
    if not heads:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), program)
    return min(heads)


def _programs(pid: int) -> set[str]:
    """By what paths a process may have been started: its own, or as a script."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b" ", b"\0").split(b"\0")[:2]
        return {os.fsdecode(word) for word in words} | {os.readlink(f"/proc/{pid}/exe")}
    except OSError:
        return set()


COUNTS: dict[str, Callable[[], tuple[int, int]]] = {
    "cpu/waitTmCPU": lambda: waited_for_processor(),
    "mem/waitTmPgInOut": lambda: waited_for_pages(),
    "mem/waitersFreePg": lambda: waiters_for_frames(),
}
"""Producers of waiting times and what each counts."""


class DiskWatch(Watch):
    """diskState: whether a disk works."""

    def __init__(self, root: NodeRoot, disk: str, notify: Notify) -> None:
        self._name, self._faults, self._notify = disk, Faults(root.identity.lab), notify
        found = next((lab for lab, own in own_names(root).items() if own == disk), None)
        if found is None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), disk)
        self._disk = found
        self._failed = self._faults.disk_failed(found)
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            failed = self._faults.disk_failed(self._disk)
            if failed != self._failed:
                self._failed = failed
                kind = "DISK_DOWN" if failed else "DISK_UP"
                message = (f"EVENT_TYPE={kind}", f"DISK_NAME={self._name}")
                self._notify(Occurrence(time.time_ns(), 0, message))

    def close(self) -> None:
        self._task.cancel()
