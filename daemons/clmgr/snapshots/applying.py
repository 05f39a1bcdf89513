"""A snapshot becomes the cluster's configuration."""

from __future__ import annotations

from daemons.clmgr.errors import INCORRECT_INPUT, MISSING_INPUT, ClmgrError
from daemons.clmgr.operations import live
from daemons.clmgr.snapshots.snapshots import content, parsed, say
from daemons.clmgr.synchronization import after_synchronization, synchronize
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions import changes
from daemons.clmgr.transactions.transaction import change as begin
from daemons.clmgr.transactions.transaction import read
from daemons.clmgr.verification import verify
from daemons.cluster import configuration as configurations
from daemons.cluster import snapshot
from daemons.cluster.configuration import DCD, ConfigurationFault
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository


def restore(root: NodeRoot, request: Request) -> None:
    """``manage snapshot restore <name> [CONFIGURE={yes|no}] [FORCE={no|yes}]``.

    Raises:
        ClmgrError: it does not exist, does not fit, or does not pass verification.
    """
    if len(request.names) != 1:
        raise ClmgrError("the name of one snapshot is needed.", MISSING_INPUT)
    apply(root, request.names[0], request.force or request.truth("FORCE", False), request.truth("CONFIGURE", True))


def apply(root: NodeRoot, name: str, force: bool = False, configure: bool = True) -> None:
    """Make the configuration of a snapshot the cluster's.

    Where cluster services are up the change is a dynamic reconfiguration of the running cluster; otherwise what is
    there is removed, the CAA cluster with it, and made anew. Without ``configure`` only this node's classes change.

    Raises:
        ClmgrError: it does not fit, or does not pass verification and ``force`` is not given; nothing was changed.
    """
    text = content(root, name)
    say(root, "Removing any existing temporary PowerHA SystemMirror ODM entries...")
    say(root, "Creating temporary PowerHA SystemMirror ODM object classes...")
    say(root, "Adding PowerHA SystemMirror ODM entries to a temporary directory..")
    repository = Repository(root, DCD)
    try:
        objects = snapshot.fitting(parsed(text)[1], repository.describe)
        wanted = configurations.load(snapshot.Memory(objects))
    except (snapshot.SnapshotError, ConfigurationFault) as error:
        raise ClmgrError(str(error), INCORRECT_INPUT) from None
    assert wanted is not None
    own = root.identity.node
    if wanted.node(own) is None:
        raise ClmgrError(f'this node ("{own}") is not a part of the cluster in the snapshot.', INCORRECT_INPUT)
    say(root, "Verifying configuration using temporary PowerHA SystemMirror ODM entries...")
    if verify.run(root, wanted, verify.Options(), own_changes=False).errors and not force:
        raise ClmgrError("verification of the snapshot failed; nothing was changed.")
    present = read(root)
    views = live.pictures(root, present) if present is not None else {}
    running = any(view is not None and view.services for view in views.values())
    say(root, "Removing current PowerHA SystemMirror cluster information...")
    if present is not None and configure and not running:
        # This node goes last, as in published transcripts.
        others = [node.name for node in present.nodes if node.name != own]
        print(f"Ensuring that the following nodes are offline: {', '.join([*others, own])}")
        changes.change(root, Request(action="delete", class_name="cluster", attributes={"NODES": "ALL"}))
        objects = snapshot.without_ids(objects)
    say(root, "Adding new PowerHA SystemMirror ODM entries...")
    with begin(root) as transaction:
        cluster = {**objects["HACMPcluster"][0], "nodename": own}
        transaction.replace({**objects, "HACMPcluster": [cluster]})
    if configure:
        say(root, "Synchronizing cluster configuration to all cluster nodes...")
        changed = read(root)
        assert changed is not None
        after_synchronization.precede(root, changed)
        synchronize.synchronize(root, changed, force, verify.Options(changing=True))
        after_synchronization.follow(root, changed)
    print()
    say(root, f"Succeeded applying Cluster Snapshot: {name}")
