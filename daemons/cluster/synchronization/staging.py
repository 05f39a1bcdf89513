"""A node's staging directory (SCD): the configuration that a synchronization brings, and by its presence the lock of
dynamic reconfiguration.

The lock is a synchronization's, not a node's: it counts as long as the process that took it runs on its node, which
holds a lock of the kernel's there (``RUN_FILE``), or until what it left is dealt with (``Lock.kept``).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import struct
import time
from collections.abc import Iterator

import msgspec

from daemons.cluster.configuration import CLASSES, DCD, SCD
from daemons.cluster.synchronization.archive import localize, unpack
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import Repository

LOCK_FILE = ".lock"
RUN_FILE = "/var/hacmp/.cldare"
"""Locked by the kernel as long as a synchronization runs on this node."""
_FLOCK = struct.Struct("hhqqi4x")
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class Lock(msgspec.Struct, frozen=True):
    """Who holds the lock for which generation; since when (seconds of the monotonic clock: whoever sets the clock of a
    node ends no synchronization) in which life of this node.

    ``kept`` says that its run has ended and left it: a reconfiguration of the running cluster failed, and an
    administrator has to look at that before the next one (Release Locks Set By Dynamic Reconfiguration).
    """

    owner: str
    generation: int
    since: float
    kept: bool = False
    boot: str = ""

    def age(self, root: NodeRoot) -> float:
        """Real seconds since it was taken; without end if that was in an earlier life of this node."""
        if self.boot != root.identity.boot_id:
            return math.inf
        return max(0.0, time.monotonic() - self.since)


class Locked(Exception):
    """Another synchronization has the lock; ``str()`` is its node."""

    def __init__(self, held: Lock) -> None:
        super().__init__(held.owner or "an unknown node")
        self.held = held


class Busy(Exception):
    """A synchronization runs on this node already."""


@contextlib.contextmanager
def running(root: NodeRoot) -> Iterator[None]:
    """One synchronization at a time on this node; that it runs ends with the process, whatever ends that.

    Raises:
        Busy: another one runs.
        OSError: the file cannot be opened.
    """
    path = root.path(RUN_FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
        except OSError:
            raise Busy from None
        yield
    finally:
        os.close(descriptor)


def is_running(root: NodeRoot) -> bool:
    """Whether a synchronization runs on this node; to ask does not hinder one that begins."""
    try:
        descriptor = os.open(root.path(RUN_FILE), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE))
        return bool(found[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


def read(root: NodeRoot) -> Lock | None:
    """The lock, None if nobody has it. A staging directory that names nobody is somebody's."""
    directory = root.path(SCD)
    try:
        with open(os.path.join(directory, LOCK_FILE), encoding="utf-8") as file:
            value = json.load(file)
        kept, boot = bool(value.get("kept", False)), str(value.get("boot", ""))
        return Lock(str(value["owner"]), int(value["generation"]), float(value["since"]), kept, boot)
    except (OSError, ValueError, KeyError, TypeError):
        try:
            if not os.listdir(directory):
                return None
            age = max(0.0, time.time() - os.stat(directory).st_mtime)
            return Lock("", 0, time.monotonic() - age, boot=root.identity.boot_id)
        except OSError:
            return None


def may_lock(holder: str | None, kept: bool, owner: str) -> bool:
    """Whether a node may take the lock: nobody has it (None), or that node itself, from a run that was killed."""
    return holder is None or (holder == owner and not kept)


def lock(root: NodeRoot, owner: str, generation: int) -> None:
    """Take the lock. A node runs one synchronization at a time: its own lock, left by one that was killed, is replaced,
    but not one that was kept.

    Raises:
        Locked: another node has it.
        OSError: the staging directory cannot be made.
    """
    directory = root.path(SCD)
    held = read(root)
    if held is not None:
        if not may_lock(held.owner, held.kept, owner):
            raise Locked(held)
        release(root)
    fresh = f"{directory}.{os.getpid()}"
    import shutil  # what compresses archives comes with it

    shutil.rmtree(fresh, ignore_errors=True)
    try:
        os.makedirs(fresh)
        with open(os.path.join(fresh, LOCK_FILE), "w", encoding="utf-8") as file:
            boot = root.identity.boot_id
            json.dump({"owner": owner, "generation": generation, "since": time.monotonic(), "boot": boot}, file)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        error.filename = error.filename or SCD  # a write names no file
        raise
    try:
        os.rename(fresh, directory)  # an empty directory may be there, one that holds something is a lock
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise Locked(read(root) or Lock("", 0, 0.0)) from None


def keep(root: NodeRoot) -> None:
    """The run that holds the lock has failed after its commit: the lock stays for an administrator.

    Raises:
        OSError: the staging directory cannot be written.
    """
    held = read(root)
    if held is not None:
        value = {**msgspec.structs.asdict(held), "kept": True}
        replace_file(os.path.join(root.path(SCD), LOCK_FILE), json.dumps(value).encode())


def release_abandoned(root: NodeRoot, owner: str, since: float) -> None:
    """Give back one certain lock, whose holder is known to be dead; a later one of the same node stays."""
    held = read(root)
    if held is not None and (held.owner, held.since) == (owner, since) and not held.kept:
        release(root)


def stage(root: NodeRoot, archive: bytes) -> None:
    """Put the configuration of an archive into the staging directory, as this node has it.

    Raises:
        ArchiveError, OdmError, OSError: it cannot be staged.
    """
    write_classes(root, archive, SCD)


def write_classes(root: NodeRoot, archive: bytes, directory: str) -> None:
    """Put the object classes of an archive, as this node has them, into a directory that exists.

    Raises:
        ArchiveError, OdmError, OSError: it cannot be done.
    """
    objects = localize(unpack(archive), root.identity.node)
    import shutil

    for name in CLASSES:
        shutil.copy2(f"{root.path(DCD)}/{name}", f"{root.path(directory)}/{name}")
    repository = Repository(root, directory)
    for name, wanted in objects.items():
        repository.replace_all(name, wanted)


def release(root: NodeRoot) -> None:
    """Give the lock back, and with it what is staged."""
    directory = root.path(SCD)
    old = f"{directory}.{os.getpid()}.old"
    try:
        os.rename(directory, old)
    except FileNotFoundError:
        return
    import shutil

    shutil.rmtree(old, ignore_errors=True)
    for left in _left_over(directory):
        shutil.rmtree(left, ignore_errors=True)


def _left_over(directory: str) -> Iterator[str]:
    """What processes that were killed meanwhile have left beside the staging directory."""
    parent, name = os.path.split(directory)
    for entry in os.listdir(parent):
        beginning, _, pid = entry.removesuffix(".old").rpartition(".")
        if beginning == name and pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
            yield os.path.join(parent, entry)
