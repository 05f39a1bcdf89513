"""Mirror pools: names for sets of a shared volume group's disks, kept in the cluster's configuration (inferred)."""

from __future__ import annotations

from dataclasses import dataclass

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
from daemons.clmgr.syntax.attributes import is_name
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot

PREFIX = "MIRROR_POOL."
POOL_NAME_MAX = 15


@dataclass(frozen=True, slots=True)
class Pool:
    """A mirror pool."""

    volume_group: str
    name: str
    disks: tuple[str, ...]
    mode: str = "sync"
    cache: str = ""
    high_water: str = ""

    @property
    def key(self) -> str:
        """Its dynamic setting."""
        return f"{PREFIX}{self.volume_group}.{self.name}"

    def text(self) -> str:
        """The value of its setting."""
        return ";".join((" ".join(self.disks), self.mode, self.cache, self.high_water))


def pools(c: Configuration) -> list[Pool]:
    """All mirror pools."""
    found = []
    for key, value in c.settings:
        if key.startswith(PREFIX):
            group, _, name = key[len(PREFIX) :].rpartition(".")
            disks, mode, cache, mark = [*value.split(";"), "", "", ""][:4]
            found.append(Pool(group, name, tuple(disks.split()), mode or "sync", cache, mark))
    return found


def blocks(root: NodeRoot, c: Configuration) -> list[Block]:
    """``query mirror_pool``."""
    return [
        [
            ("NAME", pool.name),
            ("VOLUME_GROUP", pool.volume_group),
            ("MODE", pool.mode.upper()),
            ("PHYSICAL_VOLUMES", " ".join(pool.disks)),
            ("ASYNC_CACHE_LV", pool.cache),
            ("ASYNC_CACHE_HW_MARK", pool.high_water),
        ]
        for pool in pools(c)
    ]


def change(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """add, modify and delete.

    Raises:
        ClmgrError: there is no cluster, no such group or disk, or the name is taken.
    """
    from daemons.clmgr.queries.inquiry import NO_CLUSTER
    from daemons.clmgr.transactions.transaction import change as begin

    names = required_names(request)
    with begin(root) as transaction:
        c = transaction.configuration
        if c is None:
            raise ClmgrError(NO_CLUSTER, MISSING_DEPENDENCY)
        for name in names:
            c = _changed(root, request, c, name)
        transaction.commit(c)


def _changed(root: NodeRoot, request: Request, c: Configuration, name: str) -> Configuration:
    group = request.attribute("VOLUME_GROUP")
    present = next((p for p in pools(c) if p.name == name and group in ("", p.volume_group)), None)
    if request.action == "add":
        if not is_name(name) or len(name) > POOL_NAME_MAX:
            raise invalid_characters("NAME", name)
        if not group:
            raise missing("VOLUME_GROUP")
        if present is not None:
            raise exists_already(name)
        if not request.words("PHYSICAL_VOLUMES"):
            raise missing("PHYSICAL_VOLUMES")
        present = Pool(group, name, ())
    elif present is None:
        raise does_not_exist(name)
    if request.action == "delete":
        return c.with_setting(present.key, "")
    pool = _pool(root, request, c, present)
    return c.with_setting(present.key, "").with_setting(pool.key, pool.text())


def _pool(root: NodeRoot, request: Request, c: Configuration, base: Pool) -> Pool:
    from daemons.clmgr.storage.volume_groups import disks_named, group_named

    _, group = group_named(root, base.volume_group)
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
        other = next((p.name for p in pools(c) if p.key != base.key and disk in p.disks), "")
        if other:
            raise ClmgrError(f'the disk "{disk}" is in the mirror pool "{other}" already.', INCORRECT_INPUT)
    mode = request.attribute("MODE") or base.mode
    cache = request.attribute("ASYNC_CACHE_LV", default=base.cache)
    if mode == "async" and not cache:
        raise missing("ASYNC_CACHE_LV")
    mark = request.attribute("ASYNC_CACHE_HW_MARK", default=base.high_water)
    return Pool(base.volume_group, request.attribute("NAME") or base.name, tuple(disks), mode, cache, mark)


CHANGES = {("mirror_pool", action): change for action in ("add", "modify", "delete")}
