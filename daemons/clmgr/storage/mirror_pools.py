"""Mirror pools: named sets of a shared volume group's disks, in its descriptor area as on AIX."""

from __future__ import annotations

from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid_characters,
    missing,
)
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.storage.volume_groups import disks_named, group_named, tell_others, varied_on
from daemons.clmgr.syntax.attributes import is_name
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.descriptor_area import MirrorPool, VolumeGroup
from srcctl.storage.volume_groups import VolumeGroups

POOL_NAME_MAX = 15


def _groups(root: NodeRoot) -> list[VolumeGroup]:
    groups = VolumeGroups(root)
    return [found for name in groups.known() if (found := groups.find(name)) is not None]


def blocks(root: NodeRoot) -> list[Block]:
    """``query mirror_pool``."""
    return [
        [
            ("NAME", pool.name),
            ("VOLUME_GROUP", group.name),
            ("MODE", pool.mode.upper()),
            ("PHYSICAL_VOLUMES", " ".join(map(VolumeGroups(root).name_of, pool.disks))),
            ("ASYNC_CACHE_LV", pool.cache),
            ("ASYNC_CACHE_HW_MARK", pool.high_water),
        ]
        for group in _groups(root)
        for pool in group.pools
    ]


def change(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """add, modify and delete: on this node, and then the others learn the descriptor area.

    Raises:
        ClmgrError: there is no such group, pool or disk, or the name is taken.
    """
    for name in required_names(request):
        group = _group_of(root, request, name)
        _changed(root, request, group, name)  # what is wrong is said before anything is varied on
        groups = VolumeGroups(root)
        with varied_on(groups, group):
            try:
                groups.locks.lock(group.name, "clmgr")
                group = groups.store(_changed(root, request, groups.find(group.name) or group, name))
                groups.make_known(group)
            finally:
                groups.locks.unlock()
        tell_others(root, c, group)


def _changed(root: NodeRoot, request: Request, group: VolumeGroup, name: str) -> VolumeGroup:
    """The volume group with the change of a pool.

    Raises:
        ClmgrError: there is no such pool or disk, or the name is taken.
    """
    present = group.pool(name)
    if request.action == "add":
        if not is_name(name) or len(name) > POOL_NAME_MAX:
            raise invalid_characters("NAME", name)
        if present is not None:
            raise exists_already(name)
        if not request.words("PHYSICAL_VOLUMES"):
            raise missing("PHYSICAL_VOLUMES")
        return group._replace(pools=(*group.pools, _pool(root, request, group, MirrorPool(name, ()))))
    if present is None:
        raise does_not_exist(name)
    if request.action == "delete":
        used = next((volume.name for volume in group.volumes if name in volume.pools), "")
        if used:
            raise ClmgrError(f'"{name}" is still in use by "{used}".', MISSING_DEPENDENCY)
        return group._replace(pools=tuple(pool for pool in group.pools if pool is not present))
    changed = _pool(root, request, group, present)
    pools = tuple(changed if pool is present else pool for pool in group.pools)
    return _renamed(group, name, changed.name)._replace(pools=pools)


def _group_of(root: NodeRoot, request: Request, name: str) -> VolumeGroup:
    """The volume group that is named, or the one that has the pool.

    Raises:
        ClmgrError: there is none, or several have it.
    """
    if wanted := request.attribute("VOLUME_GROUP"):
        return group_named(root, wanted)[1]
    if request.action == "add":
        raise missing("VOLUME_GROUP")
    found = [group for group in _groups(root) if group.pool(name) is not None]
    if not found:
        raise does_not_exist(name)
    if len(found) > 1:
        raise missing("VOLUME_GROUP")
    return found[0]


def _renamed(group: VolumeGroup, old: str, new: str) -> VolumeGroup:
    """The logical volumes follow a pool's new name."""
    return group._replace(
        volumes=tuple(v._replace(pools=tuple(new if pool == old else pool for pool in v.pools)) for v in group.volumes)
    )


def _pool(root: NodeRoot, request: Request, group: VolumeGroup, base: MirrorPool) -> MirrorPool:
    disks = list(base.disks)
    if "PHYSICAL_VOLUMES" in request.attributes:
        disks = disks_named(root, request.words("PHYSICAL_VOLUMES"))
    disks += [disk for disk in disks_named(root, request.words("ADD")) if disk not in disks]
    removed = disks_named(root, request.words("REMOVE"))
    disks = [disk for disk in disks if disk not in removed]
    if not disks:
        raise missing("PHYSICAL_VOLUMES")
    for disk in disks:
        if disk not in group.disks:
            raise ClmgrError(f'the disk "{disk}" is not in the volume group "{group.name}".', MISSING_DEPENDENCY)
        other = group.pool_of(disk)
        if other not in ("", base.name):
            raise ClmgrError(f'the disk "{disk}" is in the mirror pool "{other}" already.', INCORRECT_INPUT)
    mode = request.attribute("MODE") or base.mode
    cache = request.attribute("ASYNC_CACHE_LV", default=base.cache)
    if mode == "async" and not cache:
        raise missing("ASYNC_CACHE_LV")
    if cache and group.volume(cache) is None:
        raise does_not_exist(cache)
    mark = request.attribute("ASYNC_CACHE_HW_MARK", default=base.high_water)
    new = request.attribute("NAME") or base.name
    if new != base.name and group.pool(new) is not None:
        raise exists_already(new)
    if len(new) > POOL_NAME_MAX:
        raise invalid_characters("NAME", new)
    return MirrorPool(new, tuple(disks), mode, cache, mark)


CHANGES = {("mirror_pool", action): change for action in ("add", "modify", "delete")}
