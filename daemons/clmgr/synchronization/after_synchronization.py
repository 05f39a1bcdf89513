"""What goes with a synchronization: file collections before it, CAA's tunables and a snapshot after it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from daemons.clconfd.agents import Agents
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.synchronization import propagation
from daemons.clmgr.synchronization import synchronize as synchronization
from daemons.clmgr.synchronization.tunables import tune
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.transaction import read
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot


def requested(root: NodeRoot, c: Configuration, request: Request, agents: Agents | None = None) -> None:
    """``sync cluster``; ``agents`` of its nodes if they have been started already.

    Raises:
        ClmgrError: the synchronization failed. A file or tunable that could not be set is a warning.
    """
    synchronization.options_of(request)
    precede(root, c)
    synchronization.requested(root, c, request, agents)
    follow(root, c)


def precede(root: NodeRoot, c: Configuration) -> None:
    """File collections go to the nodes before these are verified, so that what they hold is found there."""
    _carry_out(propagation.at_synchronization, root, c)


def follow(root: NodeRoot, c: Configuration) -> None:
    """What goes with a synchronization that succeeded."""
    c = read(root) or c
    for step in (tune, _keep_snapshot):
        _carry_out(step, root, c)


def _carry_out(step: Callable[[NodeRoot, Configuration], None], root: NodeRoot, c: Configuration) -> None:
    try:
        step(root, c)
    except (ClmgrError, OSError) as error:
        sys.stdout.flush()
        sys.stderr.write(f"WARNING: {error}\n")


def _keep_snapshot(root: NodeRoot, c: Configuration) -> None:
    """``active.0`` on an active cluster, ``clver_pass_snapshot`` on an inactive one; as in published transcripts also
    where no changes were detected."""
    from daemons.clmgr.operations.live import picture_of
    from daemons.clmgr.snapshots import snapshots

    picture = picture_of(root, root.identity.node)
    if picture is not None and picture.services:
        print()
        snapshots.automatic(root)
    else:
        snapshots.create(root, "clver_pass_snapshot", "Snapshot of the configuration that passed verification",
                         quiet=True, with_information=False)  # fmt: skip
