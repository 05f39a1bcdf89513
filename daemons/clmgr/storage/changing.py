"""Which module changes a class of shared storage, and on which node: where the volume group is varied on."""

from __future__ import annotations

import sys

from msgspec.structs import replace as with_fields

from daemons.clcomd import client as clcomd
from daemons.clmgr.errors import ClmgrError, does_not_exist
from daemons.clmgr.settings import VG_DEFAULTS
from daemons.clmgr.storage import volume_groups
from daemons.clmgr.storage.blocks import names_of
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.descriptor_area import VolumeGroup
from srcctl.storage.volume_groups import VolumeGroups

CLMGR = "/usr/es/sbin/cluster/utilities/clmgr"
OF_THE_CLUSTER = (*VG_DEFAULTS, "RESOURCE_GROUP")
"""Attributes that stand in the cluster's configuration, which is changed on this node whoever has the volume group."""


def change(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """add, modify, delete and replace of shared storage.

    Raises:
        ClmgrError: it cannot be done.
    """
    from daemons.clmgr.storage import file_systems, logical_volumes, mirror_pools, physical_volumes

    changes = {
        **volume_groups.CHANGES,
        **logical_volumes.CHANGES,
        **file_systems.CHANGES,
        **mirror_pools.CHANGES,
        **physical_volumes.CHANGES,
    }
    if request.action == "delete" and (request.names == ["ALL"] or len(request.names) > 1):
        _delete_several(root, request, c)
        return
    every = volume_groups.members(c) or [node.name for node in root.identity.nodes]
    for node in request.words("NODES"):
        if node not in every:
            raise does_not_exist(node)
    if not request.force:
        volume_groups.ensure_reachable(root, [*volume_groups.members(c), *request.words("NODES")])
    holder = "" if request.action == "delete" and request.class_name == "volume_group" else _holder(root, request)
    if not holder:
        changes[request.class_name, request.action](root, request, c)
        return
    own = {name: value for name, value in request.attributes.items() if name in OF_THE_CLUSTER}
    others = {name: value for name, value in request.attributes.items() if name not in OF_THE_CLUSTER}
    if others or not own:
        _elsewhere(root, holder, request, others)
    if own:
        request.attributes = own
        changes[request.class_name, request.action](root, request, c)


def _delete_several(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """One after the other: their volume groups may be varied on by different nodes.

    Raises:
        ClmgrError: one does not exist (nothing is deleted then), or cannot be deleted.
    """
    known = names_of(root, request.class_name)
    chosen = known if request.names == ["ALL"] else request.names
    for name in chosen:
        if name not in known:
            raise does_not_exist(name)
    for name in chosen:
        change(root, with_fields(request, names=[name]), c)


def _holder(root: NodeRoot, request: Request) -> str:
    """The other node that has the volume group of a change varied on, "" if it is to be made here."""
    groups = VolumeGroups(root)
    known = [found for name in groups.known() if (found := groups.find(name)) is not None]
    for group in known:
        if _is_about(groups, request, group):
            holders = groups.holders(group)
            return holders[0] if holders and root.identity.node not in holders else ""
    return ""


def _is_about(groups: VolumeGroups, request: Request, group: VolumeGroup) -> bool:
    if request.class_name == "physical_volume":
        return request.action == "replace" and bool(request.names) and groups.known_on(request.names[0]) == group.name
    if group.name in (*request.names, request.attribute("VOLUME_GROUP")):
        return True
    parts = {pool.name for pool in group.pools}
    parts |= {part for volume in group.volumes for part in (volume.name, volume.mount_point) if part}
    # What is to be added is in no group yet, but it may be added on a volume that is.
    named = {request.attribute("LOGICAL_VOLUME"), *(() if request.action == "add" else request.names)}
    return not parts.isdisjoint(named)


def _elsewhere(root: NodeRoot, node: str, request: Request, attributes: dict[str, str]) -> None:
    """Have another node's clmgr make the change.

    Raises:
        ClmgrError: it cannot be reached, or refuses; its words and its exit code.
    """
    words = [request.action, request.class_name, *request.names, *(f"{n}={v}" for n, v in attributes.items())]
    try:
        result = clcomd.run(root, node, [CLMGR, *(["-f"] if request.force else []), *words])
    except clcomd.ClcomdError as error:
        raise ClmgrError(f'unable to communicate with "{node}": {error}') from None
    sys.stdout.write(result.out.decode(errors="replace"))
    if result.status:
        complaint = result.err.decode(errors="replace").strip().removeprefix("ERROR: ")
        raise ClmgrError(complaint or f'clmgr failed on "{node}".', result.status)
