"""The repository of a node's cluster: on which disk it is, what it says, and what follows from that for the node.

The definition on the newest repository is the one that counts. A change is made by writing it there, which is its
commit point, and nodes are told only so that they do not have to wait: each looks at its repository with every
heartbeat, takes up a definition that is new, moves to the disk that has replaced it, and leaves the cluster if it is no
member any more. So the node that orders a change may die after any step. Of two repositories the one with the higher
epoch is the newer; of two with the same epoch, made by nodes that did not know of each other, the one on the disk with
the lower name stays.

A node keeps in memory what the repository holds, and on its own disk what it has installed of that, so that a cluster
whose repository is gone can write a new one without undoing a commit.
Nothing here is specific to a lab: disks are opened by whoever is given, so that the simulator plays the very same.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import msgspec

from daemons.caa.repository import Commit, Definition, RepositoryDisk, RepositoryError

LOOKS_BETWEEN = 30
"""Every so-manieth look is one at all disks: a repository may have been replaced by a node that died before it told."""


class Changed(NamedTuple):
    """The definition is another one, or on another disk: ``moved_from`` names the one before, "" if it is the same."""

    definition: Definition
    moved_from: str = ""


class Removed(NamedTuple):
    """This node is no member of the cluster any more."""

    cluster: str


News: TypeAlias = Changed | Removed | None


class Found(NamedTuple):
    """A disk that holds a repository of the cluster."""

    disk: str
    definition: Definition

    @property
    def rank(self) -> tuple[int, list[int]]:
        """The newest repository has the highest."""
        return self.definition.epoch, [-len(self.disk), *(-ord(letter) for letter in self.disk)]


class Joins(NamedTuple):
    """At boot: this node joins its cluster on a disk."""

    disk: str


class Refused(NamedTuple):
    """At boot: this node cannot join its cluster, for a reason."""

    reason: str


class OwnRepository:
    """The repository that a node uses while CAA is active on it.

    Args:
        node: the node's name.
        disks: names the disks of the node that can hold a repository.
        open_disk: opens one.
        kept: the commit of a cluster (its UUID) that the node has installed last, with its archive.

    Raises:
        OSError: from every operation that says so: a disk is lost.
    """

    def __init__(
        self,
        node: str,
        disks: Callable[[], Iterable[str]],
        open_disk: Callable[[str], RepositoryDisk],
        kept: Callable[[str], tuple[Commit, bytes] | None],
    ) -> None:
        self._node = node
        self._disks = disks
        self._open = open_disk
        self._kept = kept
        self.disk: RepositoryDisk | None = None
        self.definition: Definition | None = None
        self.usable = False
        """The disk could be read at the last look, and is the repository of the cluster."""
        self.wiped = False
        """The disk is no repository any more, and no other one is that of the cluster."""
        self._outdated = False
        """It was replaced by one that this node cannot read."""
        self.serial = 0
        """How often a definition was written to the disk, with the one that is known."""
        self._looks = 0
        self._commit: Commit | None = None
        self._commit_serial = 0
        self._archive: bytes | None = None
        self._owing = False
        """The repository may lack what was committed to the one before."""

    @property
    def name(self) -> str:
        """The disk, "" while CAA is not active."""
        return self.disk.name if self.disk is not None else ""

    # At boot.

    def newest(self, key: str) -> tuple[Found | None, bool]:
        """The newest repository of the cluster with a key, and whether all disks could be read."""
        found: list[Found] = []
        whole = True
        for name in self._disks():
            disk = self._open(name)
            try:
                definition = disk.read_definition()
            except OSError:
                whole = False
                continue
            finally:
                disk.close()
            if definition is not None and definition.key == key:
                found.append(Found(name, definition))
        return max(found, key=lambda each: each.rank, default=None), whole

    def at_boot(self, key: str, epoch: int) -> Joins | Removed | Refused:
        """What becomes of this node when it is switched on, or CAA is started on it.

        Args:
            key: of the cluster that it is a member of.
            epoch: of the repository that it used last; an older one may come back without its successor.
        """
        found, whole = self.newest(key)
        lost = "the repository disk cannot be read" if not whole else "no disk is the repository of the cluster"
        if found is None or found.definition.epoch < epoch:
            return Refused(lost)
        if found.definition.node(self._node) is not None:
            return Joins(found.disk)
        # A disk that cannot be read may be the one with the newest definition.
        return Removed(found.definition.name) if whole else Refused(lost)

    def begin(self, name: str) -> Definition | None:
        """Use the repository on a disk from now on; None if there is none, or not one of a cluster with this node.

        Raises:
            OSError: the disk is lost.
        """
        disk = self._open(name)
        serial, definition = disk.read_numbered()
        if definition is None or definition.node(self._node) is None:
            disk.close()
            return None
        self._use(disk, serial, definition)
        self._commit = self._archive = None
        self._looks, self._owing = 0, True
        self._remember(definition)
        return definition

    def close(self) -> None:
        """CAA is not active any more."""
        if self.disk is not None:
            self.disk.close()
        self.disk = self.definition = None
        self.usable = False

    # While CAA is active.

    def look(self, newest_epoch: int = 0) -> News:
        """Look whether the definition is still what this node knows.

        Args:
            newest_epoch: of the repositories that other nodes use, as their heartbeats say.

        Raises:
            OSError: the repository is lost, or was replaced by one that cannot be read.
        """
        disk, known = self.disk, self.definition
        if disk is None or known is None:
            return None
        self.usable, self.wiped, self._outdated = False, False, newest_epoch > known.epoch
        self._looks += 1
        try:
            serial = disk.definition_serial()
        except OSError as error:
            return self._look_elsewhere(error)
        if not serial or self._outdated:
            self.wiped = not serial
            gone = OSError(errno.ENXIO, "it is not the repository of the cluster any more", disk.name)
            return self._look_elsewhere(gone)
        if self._looks % LOOKS_BETWEEN == 0 and (news := self._look_around(known)):
            return news
        self.usable = True
        self._refresh(disk)
        if serial == self.serial:
            return None
        return self._take_up(disk)

    def _take_up(self, disk: RepositoryDisk) -> News:
        """Another definition was written, as a whole or not."""
        serial, definition = disk.read_numbered()
        if definition is None or serial <= self.serial:
            return None
        if definition.node(self._node) is None:
            return Removed(definition.name)
        self.serial, self.definition = serial, definition
        return Changed(definition)

    def _look_elsewhere(self, error: OSError) -> News:
        known = self.definition
        news = self._look_around(known) if known is not None else None
        if news is None:
            raise error
        return news

    def _look_around(self, known: Definition) -> News:
        """Whether another disk holds a newer repository of the cluster: this node moves there."""
        found, _ = self.newest(known.key)
        if found is None or found.disk == self.name or found.rank <= Found(self.name, known).rank:
            return None
        return self._move(found.disk)

    def reread(self) -> News:
        """The definition has changed, somebody says.

        Raises:
            OSError: the repository is lost.
        """
        news = self.look()
        if news is None and self.disk is not None:
            news = self._take_up(self.disk)
        return news

    def move(self, name: str) -> News:
        """Use the repository on another disk, which holds this cluster; None if this node uses it already.

        Raises:
            RepositoryError: it does not, or is older than the one in use.
            OSError: the disk is lost.
        """
        if self.definition is None:
            raise RepositoryError("CAA is not active on this node")
        if name == self.name:
            return None
        disk = self._open(name)
        try:
            definition = disk.read_definition()
        finally:
            disk.close()
        if definition is None or definition.uuid != self.definition.uuid:
            raise RepositoryError(f"{name} is not a repository of this cluster")
        if Found(name, definition).rank <= Found(self.name, self.definition).rank:
            raise RepositoryError(f"{name} is an older repository than {self.name}")
        return self._move(name)

    def _move(self, name: str) -> News:
        disk = self._open(name)
        serial, definition = disk.read_numbered()
        if definition is None:
            disk.close()
            return None
        if definition.node(self._node) is None:
            disk.close()
            return Removed(definition.name)
        before = self.name
        if self.disk is not None:
            self.disk.close()
        self._use(disk, serial, definition)
        self._owing = True
        self._remember(definition)
        self._refresh(disk)
        return Changed(definition, before)

    def _use(self, disk: RepositoryDisk, serial: int, definition: Definition) -> None:
        self.disk, self.serial, self.definition, self.usable = disk, serial, definition, True
        self.wiped = self._outdated = False
        self._commit_serial = 0

    # Replacement.

    def confirm(self, name: str) -> None:
        """A synchronization is about to commit to a disk, or has done so.

        Raises:
            RepositoryError: the disk is not the repository of its cluster any more.
            OSError: the disk is lost.
        """
        disk = self._open(name)
        try:
            definition = disk.read_definition()
        finally:
            disk.close()
        found, _ = self.newest(definition.key) if definition is not None else (None, True)
        if found is None or found.disk != name:
            raise RepositoryError(f"{name} is not the repository of the cluster any more")

    def replace(self, name: str) -> News:
        """Make another disk the repository in place of the one in use, be that lost or not.

        The old one is wiped when the new one is whole; if it cannot be, its epoch tells that it is old. What a node
        that dies in between leaves is two repositories, of which everybody who looks takes the new one.

        Raises:
            RepositoryError: it is a repository already, the cluster has moved to another disk already, or a
                synchronization is about to commit.
            OSError: the new disk cannot be written.
        """
        old, known = self.disk, self.definition
        if old is None or known is None:
            raise RepositoryError("CAA is not active on this node")
        found, _ = self.newest(known.key)
        if found is not None and found.rank > Found(self.name, known).rank:
            raise RepositoryError(f"the repository of the cluster has been replaced by {found.disk} already")
        if self._outdated:
            raise RepositoryError("the repository of the cluster has been replaced by a disk that cannot be read here")
        guard = self._open(old.name)
        try:
            readable = self._lock(guard)
            self._remember(known)
            self._write(self._open(name), known)
            for rival in self._rivals(known, name):
                self._open(rival).erase()
            if readable:
                try:
                    guard.erase()
                except OSError:
                    pass  # it has just been lost: should it come back, its epoch tells that it is old
        finally:
            guard.close()
        return self._look_around(known)

    def _lock(self, disk: RepositoryDisk) -> bool:
        """Keep synchronizations from committing to the old disk, and read what it holds; False if it is lost."""
        try:
            if not disk.lock():
                raise RepositoryError(f"a synchronization uses {disk.name}; try again when it has ended")
            serial, definition = disk.read_numbered()
            if definition is not None and serial > self.serial:
                raise RepositoryError("the cluster was changed by another command meanwhile; try again")
            self._refresh(disk)
        except OSError:
            return False
        return definition is not None

    def _rivals(self, known: Definition, name: str) -> list[str]:
        """Disks with repositories that were made at the same time as this one, all but the one that stays."""
        found = []
        for other in self._disks():
            disk = self._open(other)
            try:
                definition = disk.read_definition()
            except OSError:
                continue
            finally:
                disk.close()
            if definition is not None and (definition.key, definition.epoch) == (known.key, known.epoch + 1):
                found.append(Found(other, definition))
        stays = max(found, key=lambda each: each.rank).disk if found else name
        return [each.disk for each in found if each.disk != stays]

    def _write(self, disk: RepositoryDisk, known: Definition) -> None:
        try:
            disk.create(msgspec.structs.replace(known, epoch=known.epoch + 1), self._commit, self._archive)
        finally:
            disk.close()

    def _remember(self, definition: Definition) -> None:
        """The repository may have been lost before this node read from it what it had installed."""
        kept = self._kept(definition.uuid)
        if kept is not None and (self._commit is None or self._commit.generation < kept[0].generation):
            self._commit, self._archive = kept

    def _refresh(self, disk: RepositoryDisk) -> None:
        """Keep in memory what was committed."""
        serial = disk.commit_serial()
        if serial == self._commit_serial and not self._owing:
            return
        if self._owing:
            if not self._brought_along(disk, disk.read_commit()):
                return  # what is there is older than what is known
            self._owing, serial = False, disk.commit_serial()
        commit = disk.read_commit()
        if commit is not None and commit != self._commit:
            archive = disk.read_archive(commit)
            if archive is None:
                return
            self._commit, self._archive = commit, archive
        self._commit_serial = serial

    def _brought_along(self, disk: RepositoryDisk, there: Commit | None) -> bool:
        """Whether the repository has what this node knows to be committed; if it lacks that it is written there.

        A node that had lost the old repository may have written its successor just before a synchronization committed.
        """
        commit, archive = self._commit, self._archive
        if commit is None or archive is None or (there is not None and there.generation >= commit.generation):
            return True
        guard = self._open(disk.name)
        try:
            if not guard.lock():
                return False
            guard.store_archive(commit.generation, archive)
            if guard.read_archive(commit) is not None:
                guard.commit(commit)
                return True
        except RepositoryError:
            pass
        finally:
            guard.close()
        return False
