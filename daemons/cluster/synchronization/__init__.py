"""Synchronization: one configuration on every node, committed in one place.

``session`` is the run on the node where the change was made, ``repair`` what every node does by itself; both are pure.
``archive`` is what travels over the repository disk, ``staging`` a node's staging directory, which is the lock.
"""

from daemons.cluster.synchronization.archive import (
    ArchiveError,
    attachments_of,
    differ,
    half_installed,
    has_unsynchronized_changes,
    install,
    installed_generation,
    localize,
    mark_incomplete,
    mark_none,
    pack,
    unpack,
)
from daemons.cluster.synchronization.ids import assign_ids
from daemons.cluster.synchronization.staging import Busy, Lock, Locked

__all__ = [
    "ArchiveError",
    "Busy",
    "Lock",
    "Locked",
    "assign_ids",
    "attachments_of",
    "differ",
    "half_installed",
    "has_unsynchronized_changes",
    "install",
    "installed_generation",
    "localize",
    "mark_incomplete",
    "mark_none",
    "pack",
    "unpack",
]
