"""query: what a request asks for is gathered, no more than that, and printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.clmgr import queries
from daemons.clmgr.errors import NO_CLUSTER, NOT_FOUND, SEARCH_FAILED, ClmgrError, does_not_exist
from daemons.clmgr.queries import Facts
from daemons.clmgr.queries.shapes import Block, attributes_of, needs, render
from daemons.clmgr.syntax.catalogue import SINGLE, WITHOUT_CLUSTER
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.transaction import read
from daemons.cluster.configuration import Cluster, Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import by_pvid, own_names
from srcctl.storage.disk import uuid_of

if TYPE_CHECKING:
    from daemons.clstrmgr.messages import ClusterSnapshot

ELSEWHERE = {
    "volume_group": "storage", "logical_volume": "storage", "file_system": "storage", "physical_volume": "storage",
    "mirror_pool": "storage", "hosts": "storage", "snapshot": "snapshots", "user": "accounts", "group": "accounts",
}  # fmt: skip
"""Classes whose objects are not in the configuration: the module that makes their blocks."""


def query(root: NodeRoot, request: Request) -> None:
    """``query CLASS [NAME,...] [ATTRIBUTE=VALUE ...]``.

    Raises:
        ClmgrError: no cluster, no such object, no such attribute, or nothing that matches.
    """
    c = read(root)
    if c is None:
        if request.class_name not in WITHOUT_CLUSTER:
            raise ClmgrError(NO_CLUSTER, NOT_FOUND)
        c = Configuration(cluster=Cluster(id=0, name=""))
    blocks = _named(request, _blocks(root, request, c))
    names_only = not request.names and request.class_name not in SINGLE
    if request.attributes:
        blocks = selected(request.attributes, blocks, request.class_name)
        if not blocks:
            raise ClmgrError("nothing matches the search.", SEARCH_FAILED)
    lines = render(request, blocks, names_only)
    if lines:
        print("\n".join(lines))


def _blocks(root: NodeRoot, request: Request, c: Configuration) -> list[Block]:
    module = ELSEWHERE.get(request.class_name, "")
    if module == "storage":
        from daemons.clmgr.storage import blocks as storage

        return storage.blocks(root, request, c)
    if module == "snapshots":
        from daemons.clmgr.snapshots import snapshots

        return snapshots.blocks(root, request.names)
    if module == "accounts":
        from daemons.clmgr.cspoc import accounts

        return accounts.blocks(root, request.class_name)
    return queries.query(request.class_name, c, facts(root, request, c))


def _named(request: Request, blocks: list[Block]) -> list[Block]:
    if request.class_name == "cluster":
        return _sections(request, blocks)
    if not request.names:
        return blocks
    if request.names == ["ALL"]:
        return blocks
    chosen: list[Block] = []
    for name in request.names:
        found = [block for block in blocks if block[0][1] == name]
        if not found and request.class_name in ("physical_volume", "repository"):
            found = [block for block in blocks if name.lower() in (value.lower() for _, value in block[1:4])]
        if not found:
            raise does_not_exist(name)
        chosen += found
    return chosen


def _sections(request: Request, blocks: list[Block]) -> list[Block]:
    """``query cluster`` takes the cluster's name, ALL, or names of sections."""
    if not request.names or request.names in (["ALL"], [blocks[0][0][1]]):
        return blocks
    from daemons.clmgr.queries.cluster import sections

    try:
        return [sections(request.names, blocks[0])]
    except KeyError as error:
        raise does_not_exist(str(error.args[0]) if len(request.names) > 1 else request.names[0]) from None


def selected(given: dict[str, str], blocks: list[Block], class_name: str) -> list[Block]:
    """ATTRIBUTE=VALUE after a query chooses objects; a list is matched by each of its members.

    Raises:
        ClmgrError: the class has no such attribute.
    """
    from daemons.clmgr.syntax.attributes import resolve

    known = attributes_of(blocks, class_name)
    wanted = {resolve(name, known): value for name, value in given.items()}

    def is_wanted(block: Block) -> bool:
        values = dict(block)
        return all(
            name in values and (value == values[name] or value in values[name].split())
            for name, value in wanted.items()
        )

    return [block for block in blocks if is_wanted(block)]


def facts(root: NodeRoot, request: Request, c: Configuration) -> Facts:
    """The running cluster and the disks, as far as the request needs them."""
    identity = root.identity
    views, picture = _running(root, request, c)
    names = own_names(root)
    disks = by_pvid(root)
    unsynchronized, synchronized, tunables, up = False, True, dict[str, str](), True
    if request.class_name in ("cluster", "repository"):
        from daemons.caa import client as caa
        from daemons.clmgr.synchronization import unsynchronized as synchronization
        from daemons.clmgr.synchronization.configured_tunables import configured_tunables

        unsynchronized, synchronized = synchronization.state(root)
        tunables = configured_tunables(c)
        try:
            status = caa.status(root)
            if status.membership is not None:
                tunables = dict(status.tunables)
                up = status.membership.repository_up
        except caa.CaaError:
            pass
    aliases = {}
    if request.class_name == "service_ip":
        from srcctl.network.addresses import AddressRegistry

        aliases = AddressRegistry(identity.lab).interfaces_of(identity.node)
    return Facts(
        local=identity.node,
        views=views,
        picture=picture,
        disks=disks,
        uuids={own: uuid_of(identity.lab_id, disk) for disk, own in names.items()}
        if request.class_name == "repository"
        else None,
        repository_up=up,
        unsynchronized=unsynchronized,
        ever_synchronized=synchronized,
        tunables=tunables,
        aliases=aliases,
    )


def _running(
    root: NodeRoot, request: Request, c: Configuration
) -> tuple[dict[str, ClusterSnapshot | None], ClusterSnapshot | None]:
    """The running cluster as its nodes see it: all of them, the local one, or nobody, as the request needs it."""
    if request.class_name not in queries.LIVE or not needs(request, STATEFUL[request.class_name]):
        return {}, None
    from daemons.clmgr.operations import live

    own = root.identity.node
    views: dict[str, ClusterSnapshot | None] = {}
    if request.class_name not in queries.EVERY_NODE:
        views = {own: live.picture_of(root, own)}
    if not getattr(views.get(own), "members", ()):
        views = live.pictures(root, c)
    return views, live.best(views, own)


STATEFUL = {
    "cluster": ("STATE",), "node": ("STATE", "RAW_STATE"), "site": ("STATE",), "service_ip": ("NODE", "INTERFACE"),
    "resource_group": ("STATE", "CURRENT_NODE"),
}  # fmt: skip
"""The attributes that depend on the running cluster; asking its nodes is by far the dearest part of a query."""
