"""modify and replace of physical volumes: attributes of the disk's device on the nodes, and another disk in its place.

Of both the published syntax has the names only; the attributes are inferred.
"""

from __future__ import annotations

from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import INCORRECT_INPUT, MISSING_INPUT, ClmgrError, does_not_exist, missing
from daemons.clmgr.storage.on_node import on_nodes
from daemons.clmgr.storage.volume_groups import (
    Change,
    disks_named,
    group_named,
    identifiers,
    members,
    run_here,
    tell_others,
    varied_on,
)
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import own_name
from srcctl.storage.volume_groups import VolumeGroups

DEVICE_ATTRIBUTES = {"RESERVE_POLICY": "reserve_policy", "QUEUE_DEPTH": "queue_depth"}
"""Attributes of the disk's device."""


def modify_physical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """NAME, and attributes of disks, on the nodes that are named or on all of them.

    A node that is to call the disk otherwise, and has it in use, does not keep the others from it.

    Raises:
        ClmgrError: there is no such disk or node, or the disk is in use there.
    """
    disks = disks_named(root, required_names(request))
    name = request.attribute("NAME")
    if name and len(disks) > 1:
        raise ClmgrError("one disk at a time gets another name.", INCORRECT_INPUT)
    every = members(c) or [node.name for node in root.identity.nodes]
    nodes = request.words("NODES") or every
    for node in nodes:
        if node not in every:
            raise does_not_exist(node)
    changes = [f"{name}={value}" for attribute, name in DEVICE_ATTRIBUTES.items()
               if (value := request.attribute(attribute))]  # fmt: skip
    if not changes and not name:
        raise missing("NAME")
    words = [word for change in changes for word in ("-a", change)]
    for identifier in identifiers(root, disks):
        if changes:
            on_nodes(root, nodes, ["chdev", identifier, *words])
        if name:
            on_nodes(root, nodes, ["rendev", identifier, "-n", name])


def replace_physical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """``replace physical_volume OLD NEW``: what lies on a disk of a shared volume group moves to a free one.

    Raises:
        ClmgrError: one is not there, the old one is in no volume group, or the new one is in one or too small.
    """
    names = [*request.names, *request.words("DISK")]
    if len(names) != 2:
        raise ClmgrError("a disk, and the one that replaces it, are needed.", MISSING_INPUT)
    old, new = disks_named(root, names)
    groups = VolumeGroups(root)
    name = groups.known_on(old)
    if name is None:
        raise ClmgrError(f'the disk "{old}" is not in a shared volume group.', INCORRECT_INPUT)
    if groups.is_repository(new) or (c is not None and new in disks_of(root, c)):
        raise ClmgrError(f'the disk "{new}" is a part of a cluster.', INCORRECT_INPUT)
    groups, group = group_named(root, name)
    with varied_on(groups, group):
        run_here(["replacepv", *identifiers(root, [old, new])])
    groups, group = group_named(root, name)
    tell_others(root, c, group)
    print(f"{own_name(root, old)} of the volume group {name} has been replaced by {own_name(root, new)}.")


def disks_of(root: NodeRoot, c: Configuration) -> list[str]:
    """The repository disk of a cluster and its backups, by name."""
    from daemons.caa.client import find_disk

    found = (find_disk(root, identifier) for identifier in (c.repository, *c.backup_repositories) if identifier)
    return [disk for disk in found if disk]


CHANGES: dict[tuple[str, str], Change] = {
    ("physical_volume", "modify"): modify_physical_volume,
    ("physical_volume", "replace"): replace_physical_volume,
}
