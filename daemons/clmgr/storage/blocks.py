"""Classes of shared storage: the blocks that queries show, from the disks and from what this node knows of them."""

from __future__ import annotations

from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.settings import VG_DEFAULTS, storage_key
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.descriptor_area import VolumeGroup
from srcctl.storage.disk import Disk, disk_names, pvid, uuid_of
from srcctl.storage.volume_groups import VolumeGroups, timestamp


def change(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """add, modify and delete of shared storage.

    Raises:
        ClmgrError: it cannot be done.
    """
    from daemons.clmgr.storage import file_systems as shared_file_systems
    from daemons.clmgr.storage import mirror_pools
    from daemons.clmgr.storage import volume_groups as shared_storage

    changes = {**shared_storage.CHANGES, **shared_file_systems.CHANGES, **mirror_pools.CHANGES}
    if request.class_name != "mirror_pool" and not request.force:
        shared_storage.ensure_reachable(root, [*shared_storage.members(c), *request.words("NODES")])
    changes[request.class_name, request.action](root, request, c)


def blocks(root: NodeRoot, request: Request, c: Configuration) -> list[Block]:
    """The blocks of a class of storage, or of the hosts."""
    match request.class_name:
        case "volume_group":
            return _volume_groups(root, c)
        case "logical_volume":
            return _logical_volumes(root)
        case "file_system":
            return _file_systems(root)
        case "mirror_pool":
            from daemons.clmgr.storage import mirror_pools

            return mirror_pools.blocks(root, c)
        case "hosts":
            return _hosts(root, request)
    return physical_volumes(root, request, c)


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _known(root: NodeRoot) -> list[VolumeGroup]:
    groups = VolumeGroups(root)
    return [found for name in groups.known() if (found := groups.find(name)) is not None]


def _volume_groups(root: NodeRoot, c: Configuration) -> list[Block]:
    from daemons.clmgr.storage.mirror_pools import pools

    groups = VolumeGroups(root)
    result: list[Block] = []
    for found in _known(root):
        owner = next((g.name for g in c.groups if found.name in g.resource("VOLUME_GROUP")), "")

        def setting(attribute: str, name: str = found.name) -> str:
            return c.setting(storage_key("volume_group", name, attribute), VG_DEFAULTS[attribute])

        result.append(
            [
                ("NAME", found.name),
                ("TYPE", {"normal": "ORIGINAL"}.get(found.kind, found.kind.upper())),
                ("NODES", " ".join(node.name for node in c.nodes)),
                ("STATE", "ACTIVE" if groups.holders(found) else "INACTIVE"),
                ("LOGICAL_VOLUMES", " ".join(v.name for v in found.volumes)),
                ("PHYSICAL_VOLUMES", " ".join(found.disks)),
                ("MIRROR_POOLS", " ".join(pool.name for pool in pools(c) if pool.volume_group == found.name)),
                ("RESOURCE_GROUP", owner),
                ("AUTO_ACTIVATE", _truth(found.auto_on)),
                ("QUORUM", _truth(found.quorum)),
                ("CONCURRENT_ACCESS", _truth(found.concurrent)),
                ("CRITICAL", {"true": "yes", "false": "no"}.get(setting("CRITICAL"), setting("CRITICAL"))),
                ("ON_LOSS_OF_ACCESS", setting("FAILUREACTION")),
                ("NOTIFYMETHOD", setting("NOTIFYMETHOD")),
                ("MIGRATE_FAILED_DISKS", setting("MIGRATE_FAILED_DISKS")),
                ("SYNCHRONIZE", "false"),
                ("LOGICAL_TRACK_GROUP_SIZE", setting("LTG_SIZE")),
                ("MAX_PHYSICAL_PARTITIONS", setting("MAX_PHYSICAL_PARTITIONS")),
                ("PPART_SIZE", str(found.partition_megabytes)),
                ("MAX_LOGICAL_VOLUMES", setting("MAX_LOGICAL_VOLUMES")),
                ("MAJOR_NUMBER", str(found.major)),
                ("IDENTIFIER", found.identifier),
                ("TIMESTAMP", timestamp(found)),
            ]
        )
    return result


def _logical_volumes(root: NodeRoot) -> list[Block]:
    groups = VolumeGroups(root)
    return [
        [
            ("NAME", volume.name),
            ("VOLUME_GROUP", found.name),
            ("STATE", "OPENED" if groups.holders(found) and volume.mount_point else "CLOSED"),
            ("SIZE", str(volume.partitions * found.partition_megabytes)),
            ("PP_SIZE", str(found.partition_megabytes)),
            ("TYPE", volume.type),
            ("LABEL", volume.mount_point or "None"),
            ("LOGICAL_PARTITIONS", str(volume.partitions)),
            ("LPART_COPIES", "1"),
        ]
        for found in _known(root)
        for volume in found.volumes
    ]


def _file_systems(root: NodeRoot) -> list[Block]:
    return [
        [
            ("NAME", volume.mount_point),
            ("LOGICAL_VOLUME", volume.name),
            ("VOLUME_GROUP", found.name),
            ("TYPE", volume.type),
            ("SIZE", str(volume.partitions * found.partition_megabytes)),
        ]
        for found in _known(root)
        for volume in found.volumes
        if volume.mount_point
    ]


def physical_volumes(root: NodeRoot, request: Request, c: Configuration) -> list[Block]:
    """``query physical_volume [NODES=..] [TYPE=all|free|available|...]``."""
    groups, identity = VolumeGroups(root), root.identity
    kind = request.attributes.pop("TYPE", "all").lower()
    request.attributes.pop("NODES", "")
    reserved = {c.repository, *c.backup_repositories}
    result: list[Block] = []
    for disk in disk_names(identity.lab):
        size, status = 0, "UP"
        try:
            with Disk(identity.lab, disk) as device:
                size = device.size
            found = groups.on_disk(disk)
        except OSError:
            found, status = None, "DOWN"
        identifier = pvid(identity.lab_id, disk)
        repository = groups.is_repository(disk)
        group = "caavg_private" if repository else found.name if found else ""
        free = not group and identifier not in reserved and status == "UP"
        if (kind in ("free", "available") and not free) or (kind == "repository" and not repository):
            continue
        result.append(
            [
                ("NAME", disk),
                ("PVID", identifier),
                ("UUID", uuid_of(identity.lab_id, disk)),
                ("SIZE", str(size >> 20)),
                ("AVAILABLE", "true" if free else "false"),
                ("CONCURRENT", "true"),
                ("ENHANCED_CONCURRENT_MODE", _truth(found is not None and found.concurrent)),
                ("STATUS", status),
                ("VOLUME_GROUP", group),
                ("NODES", " ".join(node.name for node in identity.nodes)),
                ("CAPABILITY", "REPOSITORY" if repository or free else ""),
            ]
        )
    return result


def _hosts(root: NodeRoot, request: Request) -> list[Block]:
    """The hosts that /etc/hosts names and that could be nodes, or all of its entries with TYPE=all."""
    from daemons.clmgr.transactions.changes import host_addresses

    kind = request.attributes.pop("TYPE", "available").lower()
    addresses = host_addresses(root)
    nodes = {node.name for node in root.identity.nodes}
    return [
        [("NAME", name), ("IPADDR", address)] for name, address in addresses.items() if kind == "all" or name in nodes
    ]
