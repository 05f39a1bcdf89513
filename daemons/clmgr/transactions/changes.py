"""add, modify, delete and replace: the pure edits within one transaction, and what goes beyond the configuration."""

from __future__ import annotations

import sys

from daemons.clmgr import edits
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    NO_CLUSTER,
    ClmgrError,
    does_not_exist,
    exists_already,
)
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.preparation import checked, defined
from daemons.clmgr.transactions.surroundings import surroundings
from daemons.clmgr.transactions.transaction import change as begin
from daemons.clmgr.transactions.transaction import read
from daemons.cluster.configuration import CLASSES, SEEDED_CLASSES, Configuration
from daemons.cluster.synchronization import mark_none
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import by_pvid

STORAGE = ("volume_group", "logical_volume", "file_system", "mirror_pool", "physical_volume")


def change(root: NodeRoot, request: Request) -> None:
    """Carry out an add, modify, delete or replace.

    Raises:
        ClmgrError: it cannot be done; nothing was changed.
    """
    if request.class_name in STORAGE:
        from daemons.clmgr.storage import changing

        request.attributes = checked(request)
        changing.change(root, request, read(root))
    elif request.class_name == "snapshot":
        from daemons.clmgr.snapshots import snapshots

        request.attributes = checked(request)
        snapshots.change(root, request)
    elif request.class_name == "repository":
        from daemons.clmgr.storage import repositories

        request.attributes = checked(request)
        repositories.change(root, request)
    elif request.class_name == "cluster" and request.action == "add":
        _add_cluster(root, request)
    elif request.class_name == "cluster" and request.action == "delete":
        _delete_cluster(root, request)
    elif request.class_name in ("user", "group"):
        from daemons.clmgr.cspoc import accounts

        request.attributes = checked(request)
        accounts.change(root, request, read(root))
    elif request.class_name == "log":
        from daemons.clmgr.views import logs

        request.attributes = checked(request)
        logs.modify(root, request)
    else:
        _edit(root, request)


def _edit(root: NodeRoot, request: Request) -> None:
    with begin(root) as transaction:
        c = transaction.configuration
        if c is None:
            raise ClmgrError(NO_CLUSTER, MISSING_DEPENDENCY)
        if request.action == "delete":
            changed = edits.delete(request, c)
        else:
            changed = (edits.add if request.action == "add" else edits.modify)(request, c, surroundings(root))
        if request.class_name == "cluster":
            if changed.cluster.name != c.cluster.name and _in_caa(root):
                raise ClmgrError("the name of a cluster cannot be changed once it is synchronized.", INCORRECT_INPUT)
            if changed.repository != c.repository and _in_caa(root):
                raise ClmgrError('the active repository disk is replaced by "replace repository".', INCORRECT_INPUT)
            if changed.repository != c.repository or changed.backup_repositories != c.backup_repositories:
                from daemons.clmgr.storage import repositories

                repositories.usable(root, changed, c)
            _tune(root, request, changed)
        transaction.commit(changed)


def _tune(root: NodeRoot, request: Request, c: Configuration) -> None:
    """Heartbeat settings are CAA's: where its cluster runs they take effect at once, at its formation otherwise."""
    from daemons.clmgr.settings import TUNABLES, tunable_value

    wanted = {TUNABLES[name][0]: tunable_value(name, value) for name, value in request.attributes.items()
              if name in TUNABLES and value}  # fmt: skip
    if not wanted:
        return
    if not _in_caa(root):
        return
    from daemons.caa.commands import clctrl

    words = [word for name, value in wanted.items() for word in ("-o", f"{name}={value}")]
    if clctrl(["clctrl", "-tune", *words]):
        raise ClmgrError("CAA refused the change.", INCORRECT_INPUT)


def _in_caa(root: NodeRoot) -> bool:
    """Whether this node is in a CAA cluster: the first synchronization made it."""
    from daemons.caa import client as caa

    try:
        return caa.status(root).membership is not None
    except caa.CaaError:
        return False


def _add_cluster(root: NodeRoot, request: Request) -> None:
    from daemons.clmgr.storage import repositories

    with begin(root) as transaction:
        if transaction.configuration is not None:
            raise exists_already(transaction.configuration.cluster.name)
        base = transaction.base()
        added = edits.add(request, base, surroundings(root))
        repositories.usable(root, added, base)
        if not added.repository:
            print("Warning: to complete this configuration, a repository disk must be defined.\n")
        transaction.commit(added)
    from daemons.clmgr.storage import discovery
    from daemons.cluster.listing import topology

    disks = by_pvid(root)
    print("\n".join(topology.summary(added, disks)))
    discovery.discover(root, added)


def _delete_cluster(root: NodeRoot, request: Request) -> None:
    """Remove the definition here, and with NODES=ALL everywhere, and the CAA cluster; services must be down.

    It is removed here whatever else is named, so NODES without this node is refused (inferred).

    The lines stand in the order of published transcripts. With -D the CAA cluster stays: this is a part of a deletion.
    """
    from daemons.caa import client as caa
    from daemons.clconfd.installation import prepare_for_the_cluster
    from daemons.clmgr.operations import live

    given, c = checked(request), defined(root)
    if request.names and request.names != [c.cluster.name]:
        raise does_not_exist(request.names[0])
    named = [word for word in given.get("NODES", "").replace(",", " ").split() if word]
    names = [node.name for node in c.nodes] if named == ["ALL"] else named
    for name in names:
        if c.node(name) is None:
            raise does_not_exist(name)
    if names and root.identity.node not in names:
        raise ClmgrError(f'the local node ("{root.identity.node}") must be one of NODES.', INCORRECT_INPUT)
    views = live.pictures(root, c)
    if any(view is not None and view.services for view in views.values()):
        raise ClmgrError("cluster services are active; stop them before deleting the cluster.")
    if any(view is not None and view.members for view in views.values()):
        raise ClmgrError("there are unmanaged resource groups; start and stop services before deleting the cluster.")
    others = [name for name in names if name != root.identity.node]
    for name in others:
        print(f'Attempting to delete node "{name}" from the cluster...')
        sys.stdout.flush()
        _delete_on(root, name)
    try:
        if request.resolve_dependencies and caa.status(root).membership is not None:
            print(f'Attempting to remove the CAA cluster from "{root.identity.node}"...')
            from daemons.caa.commands import rmcluster

            if rmcluster(["rmcluster", "-f", "-n", c.cluster.name]):
                raise ClmgrError("the CAA cluster cannot be removed.")
    except caa.CaaError:
        pass
    for name in others:
        # While there was a CAA cluster its clconfd may have brought the definition back.
        _delete_on(root, name)
    print(f'Attempting to delete node "{root.identity.node}" from the cluster...')
    with begin(root) as transaction:
        transaction.replace({name: [] for name in CLASSES if name not in SEEDED_CLASSES})
    mark_none(root)
    prepare_for_the_cluster(root)


def _delete_on(root: NodeRoot, node: str) -> None:
    from daemons.clcomd import client as clcomd

    try:
        result = clcomd.run(root, node, ["/usr/es/sbin/cluster/utilities/clmgr", "-D", "delete", "cluster"])
    except clcomd.ClcomdError as error:
        raise ClmgrError(f'unable to communicate with "{node}": {error}') from None
    complaint = result.err.decode(errors="replace").strip().removeprefix("ERROR: ")
    if result.status and NO_CLUSTER not in complaint:
        raise ClmgrError(f'"{node}": {complaint}')
