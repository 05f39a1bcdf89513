"""/aha as a file system: monitor factories, the monitor files that consumers create in them, and who has them open.

Object types, names and errors are those of the AIX manual ("AIX Event Infrastructure kernel extension", "Creating the
monitor file"): the path of a monitor file below its factory, without ``.mon``, is what is monitored; it is created by
``open`` with O_CREAT; ENODEV says that there is no such event, EPERM that the user may not monitor it. A registration
that is none is refused by the write (EINVAL).

Differences: a registration belongs to an open file instead of a process, the monitor files of the cluster's producers
are there from the beginning, and a read that finds nothing blocks whatever WAIT_TYPE says (unless O_NONBLOCK is set).
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from daemons.caa.aha.consumer import LATER, Consumer
from daemons.caa.aha.fuse import ROOT, Attributes, Caller, MountedFileSystem
from daemons.caa.aha.registration import BadRegistration
from daemons.caa.aha.text import CLUSTER_REMOVED, FACTORIES, PRODUCERS, Occurrence, monitor_file, occurrence_of
from daemons.caa.messages import Event, Membership
from srcctl.node.root import NodeRoot

if TYPE_CHECKING:
    from daemons.caa.aha.sources import Watch
    from srcctl.node.inotify import Inotify

FILES_MAX = 32 << 10
"""Inodes of the file system."""
SUFFIX, FACTORY_SUFFIX, LIST = ".mon", ".monFactory", "evProds.list"
PATH_MAX = 1023
ANYBODY = 0o1777
VMO = frozenset(
    (
        "npskill", "npswarn", "force_relalias_lite", "low_ps_handling", "maxpin_pct", "nokilluid",
        "relalias_percentage", "vmm_default_pspa", "npsrpgmin", "npsrpgmax", "npsscrubmin", "npsscrubmax", "scrubclean",
        "rpgcontrol", "rpgclean", "vm_modlist_threshold", "vmm_fork_policy", "lru_poll_interval",
    )
)  # fmt: skip
"""The tunables of vmo that can be monitored."""
NOBODY = Caller(0, 0, 0)
"""Who made what is there from the beginning."""


class Producer(Struct, frozen=True):
    """A factory. ``paths``: its monitor files lie in folders of the user's; ``values``: the range of its thresholds."""

    name: str
    paths: bool = False
    values: tuple[int, int] | None = None


LOCAL = (
    Producer("fs/modFile", paths=True),
    Producer("fs/modDir", paths=True),
    Producer("fs/modFileAttr", paths=True),
    Producer("fs/utilFs", paths=True, values=(1, 100)),
    Producer("mem/vmo"),
    Producer("mem/waitersFreePg", values=(1, 999_999_999)),
    Producer("mem/waitTmPgInOut", values=(1, 999_999_999)),
    Producer("cpu/processMon", paths=True),
    Producer("cpu/pidProcessMon"),
    Producer("cpu/waitTmCPU", values=(1, 999_999_999)),
    Producer("cpu/schedo"),
    Producer("disk/diskState"),
)
"""The producers that need no cluster; of vmo and schedo nothing ever occurs, as no tunable of theirs can be changed."""


def links_followed(path: str, forbidden: str) -> str | None:
    """A path without symbolic links above its last part, looked at piece by piece; None if it leads into a folder that
    must not be touched, or round and round."""
    waiting, found = path.strip("/").split("/")[::-1], ""
    for _ in range(256):
        if not waiting:
            return found or "/"
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            found = found.rpartition("/")[0]
            continue
        piece = f"{found}/{part}"
        if piece == forbidden or piece.startswith(forbidden + "/"):
            return None
        try:
            target = os.readlink(piece) if waiting else ""
        except OSError:
            target = ""
        if not target:
            found = piece
            continue
        if target.startswith("/"):
            found = ""
        waiting += target.strip("/").split("/")[::-1]
    return None


class Entry:
    """A file or folder."""

    __slots__ = (
        "children",
        "consumers",
        "factory",
        "gid",
        "inode",
        "mode",
        "parent",
        "subject",
        "time",
        "uid",
        "watch",
    )

    def __init__(self, inode: int, mode: int, parent: Entry | None, caller: Caller = NOBODY) -> None:
        self.inode, self.mode, self.parent = inode, mode, parent
        self.uid, self.gid, self.time = caller.uid, caller.gid, int(time.time())
        self.children: dict[str, Entry] = {}
        self.factory: Producer | None = None
        self.subject = ""
        self.consumers: set[int] = set()
        self.watch: Watch | None = None

    @property
    def attributes(self) -> Attributes:
        return Attributes(self.inode, self.mode, self.uid, self.gid, self.time)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


class _Opened(Struct):
    entry: Entry
    consumer: Consumer | None
    """None: the list of producers."""
    cluster_events: bool


class EventFiles:
    """The files, as the mount asks for them.

    Args:
        root: the node.
        changed: told of an open file that may have something to read.
    """

    def __init__(self, root: NodeRoot, changed: Callable[[int], None]) -> None:
        self._root, self._changed = root, changed
        self._entries: dict[int, Entry] = {}
        self._next = ROOT
        self._opened: dict[int, _Opened] = {}
        self._handle = 0
        self._inotify: Inotify | None = None
        self._top = self._new(stat.S_IFDIR | 0o755, None, "")
        self._new(stat.S_IFREG | 0o444, self._top, LIST)
        for producer in LOCAL:
            self._new_factory(producer)

    # The tree.

    def _new(self, mode: int, parent: Entry | None, name: str, caller: Caller = NOBODY) -> Entry:
        if len(self._entries) >= FILES_MAX:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        entry = Entry(self._next, mode, parent, caller)
        self._next += 1
        self._entries[entry.inode] = entry
        if parent is not None:
            parent.children[name] = entry
        return entry

    def _new_factory(self, producer: Producer) -> Entry:
        kind, _, name = producer.name.partition("/")
        folder = self._top.children.get(kind) or self._new(stat.S_IFDIR | 0o755, self._top, kind)
        factory = self._new(stat.S_IFDIR | ANYBODY, folder, name + FACTORY_SUFFIX)
        factory.factory = producer
        return factory

    def _drop(self, parent: Entry, name: str) -> None:
        entry = parent.children.pop(name)
        del self._entries[entry.inode]
        for child in list(entry.children):
            self._drop(entry, child)

    def _entry(self, inode: int) -> Entry:
        entry = self._entries.get(inode)
        if entry is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return entry

    def _child(self, inode: int, name: str) -> Entry:
        child = self._entry(inode).children.get(name)
        if child is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return child

    # What the mount asks.

    def look_up(self, parent: int, name: str) -> Attributes:
        return self._child(parent, name).attributes

    def attributes(self, inode: int) -> Attributes:
        return self._entry(inode).attributes

    def entries(self, inode: int) -> list[tuple[str, Attributes]]:
        entry = self._entry(inode)
        above = entry.parent or entry
        return [
            (".", entry.attributes),
            ("..", above.attributes),
            *((name, child.attributes) for name, child in entry.children.items()),
        ]

    def count(self) -> tuple[int, int]:
        return len(self._entries), FILES_MAX

    def make_directory(self, parent: int, name: str, mode: int, caller: Caller) -> Attributes:
        above = self._entry(parent)
        if above.factory is None or not above.factory.paths or name.endswith((SUFFIX, ".list", FACTORY_SUFFIX)):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), name)
        made = self._new(stat.S_IFDIR | mode & 0o7777, above, name, caller)
        made.factory, made.subject = above.factory, f"{above.subject}/{name}"
        return made.attributes

    def create(self, parent: int, name: str, mode: int, caller: Caller) -> Attributes:
        above = self._entry(parent)
        if above.factory is None or not name.endswith(SUFFIX) or name == SUFFIX:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), name)
        subject = f"{above.subject}/{name.removesuffix(SUFFIX)}"
        if len(subject) > PATH_MAX:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name)
        self._check(above.factory, subject, caller)
        made = self._new(stat.S_IFREG | mode & 0o777, above, name, caller)
        made.factory, made.subject = above.factory, subject
        return made.attributes

    def remove(self, parent: int, name: str, directory: bool) -> None:
        entry = self._child(parent, name)
        if entry.is_directory != directory:
            number = errno.ENOTDIR if directory else errno.EISDIR
            raise OSError(number, os.strerror(number), name)
        if entry.factory is None or not entry.subject:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), name)
        if entry.children:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
        self._drop(self._entry(parent), name)

    def open(self, inode: int, caller: Caller, flags: int) -> int:
        entry = self._entry(inode)
        consumer = None
        if entry.factory is None and flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        if entry.factory is not None:
            self._check(entry.factory, entry.subject, caller)
            consumer = Consumer(entry.factory.values)
        self._handle += 1
        self._opened[self._handle] = _Opened(entry, consumer, False)
        entry.consumers.add(self._handle)
        return self._handle

    def release(self, handle: int) -> None:
        opened = self._opened.pop(handle, None)
        if opened is not None:
            opened.entry.consumers.discard(handle)
            self._watch_while_wanted(opened.entry)

    def write(self, handle: int, data: bytes) -> None:
        opened = self._opened[handle]
        if opened.consumer is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            opened.consumer.register(data.decode("ascii", "replace"))
        except BadRegistration as reason:
            raise OSError(errno.EINVAL, str(reason)) from None
        finally:
            self._watch_while_wanted(opened.entry)
            self._changed(handle)

    def read(self, handle: int, offset: int, size: int) -> bytes | None:
        opened = self._opened[handle]
        if opened.consumer is None:
            return self._list()[offset : offset + size]
        found = opened.consumer.read(offset, size)
        return None if found is LATER else found

    def readable(self, handle: int) -> bool:
        opened = self._opened.get(handle)
        return opened is not None and (opened.consumer is None or opened.consumer.readable)

    def _list(self) -> bytes:
        names = [
            name.removesuffix(FACTORY_SUFFIX)
            for folder in self._top.children.values()
            for name in folder.children
            if name.endswith(FACTORY_SUFFIX)
        ]
        return "".join(f"{name}\n" for name in names).encode()

    # Events.

    def _check(self, factory: Producer, subject: str, caller: Caller) -> None:
        """Whether there is such an event, and the caller may monitor it.

        Raises:
            OSError: ENODEV or EPERM.
        """
        name = subject.removeprefix("/")
        match factory.name:
            case "fs/modFile" | "fs/modDir" | "fs/modFileAttr":
                from daemons.caa.aha.sources import check_file

                check_file(self._path(subject), factory.name, caller.uid, caller.gid)
                return
            case "fs/utilFs" | "cpu/processMon" | "cpu/pidProcessMon" | "disk/diskState":
                self._find(factory.name, subject)
                return
            case "mem/vmo":
                known = name in VMO
            case "cpu/schedo":
                known = name == "vpm_xvcpus"
            case "mem/waitersFreePg" | "mem/waitTmPgInOut" | "cpu/waitTmCPU":
                known = name == factory.name.partition("/")[2] and self._counted(factory.name)
            case cluster:
                known = name == f"{cluster.partition('/')[2]}Event"
        if not known:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), subject)

    @staticmethod
    def _counted(factory: str) -> bool:
        """Whether this host's kernel counts what a producer of waiting times tells."""
        from daemons.caa.aha.sources import COUNTS

        try:
            COUNTS[factory]()
        except OSError:
            return False
        return True

    def _path(self, subject: str) -> str:
        """The real path of what a monitor file names, without links.

        Raises:
            OSError: ENODEV, it lies in this very file system: we would wait for our own answer.
        """
        path = links_followed(self._root.path(subject or "/"), self._root.path("/aha"))
        if path is None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), subject)
        return path

    def _find(self, factory: str, subject: str) -> int:
        """The process that a monitor file names; 0 for a file system or disk.

        Raises:
            OSError: ENODEV, there is nothing of the kind.
        """
        from daemons.caa.aha import sources
        from srcctl.node import processes
        from srcctl.storage.device_names import own_names
        from srcctl.storage.filesystems import read_stanzas

        name = subject.removeprefix("/")
        found = 0
        if factory == "fs/utilFs":
            known = any(stanza.mount_point == subject for stanza in read_stanzas(self._root))
        elif factory == "disk/diskState":
            known = name in own_names(self._root).values()
        else:
            view = self._root.identity.mode == "view"
            node = processes.Membership.of_this_process(os.environ.get(processes.MARK_VARIABLE, ""), view)
            if factory == "cpu/processMon":
                return sources.process_of(node, subject)
            found = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else 0
            known = found > 0 and processes.is_member(found, node)
        if not known:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), subject)
        return found

    def _watch_while_wanted(self, entry: Entry) -> None:
        """Watch what a monitor file names as long as somebody is registered."""
        wanted = any(
            (consumer := self._opened[handle].consumer) is not None and consumer.registration is not None
            for handle in entry.consumers
        )
        if entry.watch is not None and not wanted:
            entry.watch.close()
            entry.watch = None
        elif entry.watch is None and wanted and entry.factory is not None:
            try:
                entry.watch = self._watch(entry, entry.factory.name)
            except OSError as error:
                # It has gone since the file was opened.
                self._notify(entry, Occurrence(time.time_ns(), error.errno or errno.ENODEV, final=True))

    def _watch(self, entry: Entry, factory: str) -> Watch | None:
        if factory in FACTORIES or factory in ("mem/vmo", "cpu/schedo"):
            return None
        from daemons.caa.aha import sources

        def notify(occurrence: Occurrence) -> None:
            self._notify(entry, occurrence)

        def sampled(value: int, time_ns: int, code: int, standing: bool) -> None:
            for handle in tuple(entry.consumers):
                consumer = self._opened[handle].consumer
                if consumer is not None:
                    consumer.sampled(value, time_ns, code, standing)
                    self._changed(handle)
            self._watch_while_wanted(entry)

        match factory:
            case "fs/modFile":
                return sources.FileWatch(self._watches(), self._path(entry.subject), notify)
            case "fs/modDir":
                return sources.DirectoryWatch(self._watches(), self._path(entry.subject), notify)
            case "fs/modFileAttr":
                return sources.AttributeWatch(self._watches(), self._path(entry.subject), notify)
            case "fs/utilFs":
                return sources.ValueWatch(
                    lambda: sources.used_percent(self._root, entry.subject), sampled, notify,
                    sources.UTILFS_THRESHOLD_HIT, sources.UTILFS_UNMOUNT, standing=True,
                )  # fmt: skip
            case "disk/diskState":
                return sources.DiskWatch(self._root, entry.subject.removeprefix("/"), notify)
            case "cpu/processMon" | "cpu/pidProcessMon":
                return sources.ProcessWatch(self._find(factory, entry.subject), notify)
        return sources.ValueWatch(sources.Rate(sources.COUNTS[factory]), sampled, notify)

    def _watches(self) -> Inotify:
        if self._inotify is None:
            from srcctl.node.inotify import Inotify

            self._inotify = Inotify()
        return self._inotify

    def _notify(self, entry: Entry, occurrence: Occurrence) -> None:
        for handle in tuple(entry.consumers):
            consumer = self._opened[handle].consumer
            if consumer is not None:
                consumer.take(occurrence)
                self._changed(handle)
        self._watch_while_wanted(entry)

    # The cluster.

    def appear(self) -> None:
        """The cluster's producers come into being."""
        for name in FACTORIES:
            kind, _, short = name.partition("/")
            folder = self._top.children.get(kind)
            if folder is None or short + FACTORY_SUFFIX not in folder.children:
                factory = self._new_factory(Producer(name))
                made = self._new(stat.S_IFREG | 0o666, factory, monitor_file(name).rpartition("/")[2])
                made.factory, made.subject = factory.factory, f"/{short}Event"

    def deliver(self, event: Event, membership: Membership) -> None:
        """An event of the cluster."""
        entry = self._cluster_file(PRODUCERS[event.kind][0])
        if entry is None:
            return
        occurrence = occurrence_of(event, membership)
        for handle in tuple(entry.consumers):
            consumer = self._opened[handle].consumer
            wanted = consumer.registration if consumer is not None else None
            if consumer is not None and wanted is not None and (wanted.cluster or event.node == membership.own):
                consumer.take(occurrence)
                self._changed(handle)

    def cease(self) -> None:
        """The cluster is no more, and its producers with it."""
        for name in FACTORIES:
            entry = self._cluster_file(name)
            if entry is None:
                continue
            self._notify(entry, Occurrence(time.time_ns(), CLUSTER_REMOVED, final=True))
            kind, _, short = name.partition("/")
            self._drop(self._top.children[kind], short + FACTORY_SUFFIX)
            if not self._top.children[kind].children:
                self._drop(self._top, kind)

    def close(self) -> None:
        """Watch nothing any more."""
        for handle in list(self._opened):
            self.release(handle)
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _cluster_file(self, name: str) -> Entry | None:
        kind, _, short = name.partition("/")
        folder = self._top.children.get(kind)
        factory = folder.children.get(short + FACTORY_SUFFIX) if folder is not None else None
        return factory.children.get(f"{short}Event{SUFFIX}") if factory is not None else None


class MountedProducers:
    """/aha, mounted.

    Raises:
        OSError: this host does not let us mount it.
    """

    def __init__(self, root: NodeRoot, device: str) -> None:
        mount_point = root.path("/aha")
        os.makedirs(mount_point, exist_ok=True)
        self._files = EventFiles(root, lambda handle: self._mounted.changed(handle))
        self._mounted = MountedFileSystem(device, mount_point, "ahafs", self._files)
        self.appear, self.cease, self.deliver = self._files.appear, self._files.cease, self._files.deliver

    def clear(self) -> None:
        """The empty tree, as it is mounted."""

    def close(self) -> None:
        """Unmount it."""
        self._files.close()
        self._mounted.close()
