"""What a node does about its copy of the configuration, by itself: a pure decision.

It is taken by clconfd at start, on a refresh and every ten product minutes, and before cluster services start: a node
is on the committed configuration before it next acts.
"""

from __future__ import annotations

from enum import Enum

import msgspec

LOCK_LIFE = 600.0
"""Product seconds after which the lock of a synchronization that never committed is given up: nobody holds one longer
than seconds, so whoever took it was killed."""


class Repair(Enum):
    """What there is to do."""

    NOTHING = "nothing"
    INSTALL = "install"
    """Roll forward: the committed generation becomes this node's own."""
    UNLOCK = "unlock"
    """Roll back: what was staged was never committed."""
    FORGET = "forget"
    """The committed configuration does not have this node any more: it has none."""


class Copy(msgspec.Struct, frozen=True):
    """A node's copy: the generation that is installed (0: none), and the lock in its staging directory.

    ``staged`` is the generation that the lock is about (0: no lock), ``lock_age`` product seconds since it was taken.
    ``named`` says whether the committed configuration has this node.
    """

    installed: int
    staged: int = 0
    lock_age: float = 0.0
    named: bool = True


def is_abandoned(kept: bool, holder_runs: bool, committed: bool, reconfiguring: bool) -> bool:
    """Whether the lock of a synchronization is nobody's any more, so that another one may take it.

    ``kept``: its run left it for the administrator. ``holder_runs``: its process runs, or nobody can tell.
    ``committed`` and ``reconfiguring``: what it is about is committed, and the running cluster is just taking it.
    """
    return not kept and not holder_runs and not (committed and reconfiguring)


def is_outstanding(copy: Copy, committed: int, active_differs: bool, first: bool, edited: bool) -> bool:
    """Whether this node is to complete a synchronization that was killed between its commit and the reconfiguration.

    Cluster services run on all members with the configuration before (``active_differs``), and a node that starts now
    is refused by them. One node does it, the ``first`` of the members, and only what is committed: one whose own
    classes were ``edited`` since leaves it to the administrator's next synchronization.
    """
    return first and active_differs and not edited and bool(committed) and copy.installed == committed


def decide(copy: Copy, committed: int, services: bool) -> Repair:
    """What to do with a copy when ``committed`` (0: none) is the generation on the repository disk.

    ``services`` says that cluster services run here: then the lock of a committed generation is the cluster manager's,
    which takes what is staged, or leaves it for the administrator if that failed.
    """
    if committed and not copy.named:
        # A lock is that of a synchronization which takes the node in, unless that was overtaken, or was killed.
        if copy.staged > committed and copy.lock_age < LOCK_LIFE:
            return Repair.NOTHING
        if copy.installed:
            return Repair.FORGET
        return Repair.UNLOCK if copy.staged else Repair.NOTHING
    if committed and copy.installed != committed:
        return Repair.INSTALL
    if not copy.staged:
        return Repair.NOTHING
    if copy.staged > committed:
        return Repair.UNLOCK if copy.lock_age >= LOCK_LIFE else Repair.NOTHING
    return Repair.NOTHING if services else Repair.UNLOCK
