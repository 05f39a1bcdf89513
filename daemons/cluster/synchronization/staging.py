"""A node's staging directory (SCD): the configuration that a synchronization brings, and by its presence the lock of
dynamic reconfiguration."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass

from daemons.cluster.configuration import CLASSES, DCD, SCD
from daemons.cluster.synchronization.archive import localize, unpack
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository

LOCK_FILE = ".lock"


class Locked(Exception):
    """Another synchronization has the lock; ``str()`` is its node."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds the lock for which generation, since when (seconds since the epoch)."""

    owner: str
    generation: int
    since: float


def read(root: NodeRoot) -> Lock | None:
    """The lock, None if nobody has it. A staging directory that names nobody is somebody's."""
    directory = root.path(SCD)
    try:
        with open(os.path.join(directory, LOCK_FILE), encoding="utf-8") as file:
            value = json.load(file)
        return Lock(str(value["owner"]), int(value["generation"]), float(value["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        try:
            return Lock("", 0, os.stat(directory).st_mtime) if os.listdir(directory) else None
        except OSError:
            return None


def lock(root: NodeRoot, owner: str, generation: int) -> None:
    """Take the lock. A node runs one synchronization at a time: its own lock, left by one that was killed, is replaced.

    Raises:
        Locked: another node has it.
        OSError: the staging directory cannot be made.
    """
    directory = root.path(SCD)
    held = read(root)
    if held is not None:
        if held.owner != owner:
            raise Locked(held.owner or "an unknown node")
        release(root)
    fresh = f"{directory}.{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    with open(os.path.join(fresh, LOCK_FILE), "w", encoding="utf-8") as file:
        json.dump({"owner": owner, "generation": generation, "since": time.time()}, file)
    try:
        os.rename(fresh, directory)  # an empty directory may be there, one that holds something is a lock
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        held = read(root)
        raise Locked(held.owner if held else "an unknown node") from None


def stage(root: NodeRoot, archive: bytes) -> None:
    """Put the configuration of an archive into the staging directory, as this node has it.

    Raises:
        ArchiveError, OdmError, OSError: it cannot be staged.
    """
    objects = localize(unpack(archive), root.identity.node)
    directory = root.path(SCD)
    for name in CLASSES:
        shutil.copy2(f"{root.path(DCD)}/{name}", f"{directory}/{name}")
    repository = Repository(root, SCD)
    for name, wanted in objects.items():
        repository.replace_all(name, wanted)


def release(root: NodeRoot) -> None:
    """Give the lock back, and with it what is staged; the directory itself stays for the object classes of the next."""
    directory = root.path(SCD)
    old = f"{directory}.{os.getpid()}.old"
    try:
        os.rename(directory, old)
    except FileNotFoundError:
        return
    shutil.rmtree(old, ignore_errors=True)
