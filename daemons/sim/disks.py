"""Shared disks in memory, as each node sees them: lost, slow to nobody, and torn by whoever loses power in a write.

The repository disk on it is CAA's own, with its slots, sectors and letters.
"""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING

from daemons.caa import repository

if TYPE_CHECKING:
    from daemons.sim.topology import Topology

REPOSITORY_BYTES = 80 << 20
"""Only what is written takes memory."""


def area(offset: int) -> str:
    """The part of the repository disk where a write begins."""
    for beginning, name in _AREAS:
        if offset >= beginning:
            return name
    return "definition"


_AREAS = (
    (repository.MAILBOXES, "letter"),
    (repository.HEARTBEATS, "heartbeat"),
    (repository.ARCHIVE_SLOTS[0], "archive"),
    (repository.COMMIT_SLOTS[0], "commit"),
)


class SharedDisk:
    """A disk that all nodes are attached to.

    Args:
        topology: says for which nodes it is lost.
        name: of the disk.
        size: bytes.
    """

    def __init__(self, topology: Topology, name: str, size: int = REPOSITORY_BYTES) -> None:
        self.topology = topology
        self.name = name
        self.memory = mmap.mmap(-1, size)
        self.holder: AttachedDisk | None = None
        """Who has reserved it."""
        self.torn = 0
        """Writes of which only the beginning has arrived."""

    def lose(self, node: int) -> None:
        """A node is off: its reservation is free."""
        if self.holder is not None and self.holder.node == node:
            self.holder = None


class AttachedDisk:
    """A shared disk as one node, or one process of it, sees it; a ``BlockDevice``.

    Args:
        disk: the disk.
        node: the node's number.
        tear: says how many bytes of a write arrive before something happens to it; None: all of them.

    Raises:
        OSError: from every operation: the disk is lost for this node.
    """

    def __init__(
        self, disk: SharedDisk, node: int, tear: Callable[[int, int], int | None] = lambda offset, size: None
    ) -> None:
        self._disk = disk
        self.node = node
        self._tear = tear

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the disk."""
        self._check()
        return self._disk.memory[offset : offset + size]

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes, or as many of them as arrive."""
        self._check()
        arrived = self._tear(offset, len(data))
        if arrived is not None:
            self._disk.torn += 1
            data = data[:arrived]
        self._disk.memory[offset : offset + len(data)] = data

    def reserve(self) -> bool:
        """Take the disk for one writer until ``close``."""
        self._check()
        if self._disk.holder not in (None, self):
            return False
        self._disk.holder = self
        return True

    def close(self) -> None:
        """Give a reservation back."""
        if self._disk.holder is self:
            self._disk.holder = None

    def _check(self) -> None:
        lost = self._disk.topology.disks_lost
        if lost and (self.node, self._disk.name) in lost:
            raise OSError(errno.EIO, "Input/output error", self._disk.name)
