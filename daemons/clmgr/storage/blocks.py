"""Classes of shared storage: the blocks that queries show, from the disks and from what this node knows of them."""

from __future__ import annotations

from collections.abc import Callable

from daemons.clmgr.errors import does_not_exist
from daemons.clmgr.queries.shapes import Block, needs
from daemons.clmgr.settings import VG_DEFAULTS, storage_key
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.network.hosts import addresses_by_name
from srcctl.node.root import NodeRoot
from srcctl.storage.characteristics import of_group, of_volume
from srcctl.storage.commands.volume_groups import LIMITS
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.disk import Disk, disk_names, pvid, uuid_of
from srcctl.storage.filesystems import CONTROL_BLOCK
from srcctl.storage.volume_groups import VolumeGroups, timestamp

ANSWER_LIMIT = 5.0
"""Seconds within which another node says which volume groups it knows (patience)."""


def blocks(root: NodeRoot, request: Request, c: Configuration) -> list[Block]:
    """The blocks of a class of storage, or of the hosts."""
    match request.class_name:
        case "volume_group":
            return _volume_groups(root, c, _groups_elsewhere(root, request, c))
        case "logical_volume":
            return _logical_volumes(root)
        case "file_system":
            return _file_systems(root)
        case "mirror_pool":
            from daemons.clmgr.storage import mirror_pools

            return mirror_pools.blocks(root)
        case "hosts":
            return _hosts(root, request)
    return physical_volumes(root, request, c)


def names_of(root: NodeRoot, class_name: str) -> list[str]:
    """The objects of a class of storage that a deletion of all of them means."""
    known = _known(root)
    names = {
        "volume_group": [group.name for group in known],
        "logical_volume": [volume.name for group in known for volume in group.volumes],
        "file_system": [volume.mount_point for group in known for volume in group.volumes if volume.mount_point],
        "mirror_pool": [pool.name for group in known for pool in group.pools],
    }
    return names.get(class_name, [])


def _selector(request: Request, name: str) -> str:
    """Take an attribute that chooses objects, and is none of theirs, out of a query; "" if it is not there.

    Raises:
        ClmgrError: it has not that value.
    """
    from daemons.clmgr.syntax import attributes

    known = attributes.accepted("query", request.class_name)
    for given in list(request.attributes):
        full = next((full for full in known if full.startswith(given)), "")
        if full == name:
            value = request.attributes.pop(given)
            return attributes.value_of(known[full], full, value) if value else ""
    return ""


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _known(root: NodeRoot) -> list[VolumeGroup]:
    groups = VolumeGroups(root)
    return [found for name in groups.known() if (found := groups.find(name)) is not None]


def _groups_elsewhere(root: NodeRoot, request: Request, c: Configuration) -> dict[str, list[str]]:
    """The volume groups that the other nodes of the cluster know, if they are asked for, by node.

    A node that does not answer is left out.
    """
    own = root.identity.node
    others = [node.name for node in c.nodes if node.name != own]
    if not others or not needs(request, ("NODES",)):
        return {}
    from concurrent.futures import ThreadPoolExecutor

    from daemons.clcomd import client as clcomd

    def known(node: str) -> list[str] | None:
        try:
            answer = clcomd.run(root, node, ["lsvg"], limit=ANSWER_LIMIT)
        except clcomd.ClcomdError:
            return None
        return answer.out.decode(errors="replace").split() if answer.status == 0 else None

    with ThreadPoolExecutor(max_workers=len(others)) as pool:
        found = dict(zip(others, pool.map(known, others), strict=True))
    return {node: names for node, names in found.items() if names is not None}


def _volume_groups(root: NodeRoot, c: Configuration, elsewhere: dict[str, list[str]]) -> list[Block]:
    """``elsewhere``: what other nodes know. One that said nothing counts as knowing every group: C-SPOC tells all."""
    groups = VolumeGroups(root)
    result: list[Block] = []
    for found in _known(root):
        owner = next((g.name for g in c.groups if found.name in g.resource("VOLUME_GROUP")), "")

        def setting(attribute: str, name: str = found.name) -> str:
            return c.setting(storage_key("volume_group", name, attribute), VG_DEFAULTS[attribute])

        def of(name: str, group: VolumeGroup = found) -> str:
            return of_group(group.characteristics, name)

        of_kind = LIMITS[found.kind]
        result.append(
            [
                ("NAME", found.name),
                ("TYPE", {"normal": "ORIGINAL"}.get(found.kind, found.kind.upper())),
                (
                    "NODES",
                    " ".join(node.name for node in c.nodes if found.name in elsewhere.get(node.name, [found.name])),
                ),
                ("STATE", "ACTIVE" if groups.holders(found) else "INACTIVE"),
                ("LOGICAL_VOLUMES", " ".join(v.name for v in found.volumes)),
                ("PHYSICAL_VOLUMES", " ".join(map(groups.name_of, found.disks))),
                ("MIRROR_POOLS", " ".join(pool.name for pool in found.pools)),
                ("STRICT_MIRROR_POOLS", {"on": "yes", "off": "no"}.get(of("strict_pools"), of("strict_pools"))),
                ("RESOURCE_GROUP", owner),
                ("AUTO_ACTIVATE", _truth(found.auto_on)),
                ("QUORUM", _truth(found.quorum)),
                ("CONCURRENT_ACCESS", _truth(found.concurrent)),
                ("CRITICAL", of("critical")),
                ("ON_LOSS_OF_ACCESS", setting("FAILUREACTION")),
                ("NOTIFYMETHOD", setting("NOTIFYMETHOD")),
                ("MIGRATE_FAILED_DISKS", MIGRATION[of("hot_spare")]),
                ("SYNCHRONIZE", _truth(of("automatic_synchronization") == "yes")),
                ("LOGICAL_TRACK_GROUP_SIZE", of("track_group")),
                ("MAX_PHYSICAL_PARTITIONS", of("max_partitions") or str(of_kind[1] // 1024 or 1)),
                ("PPART_SIZE", str(found.partition_megabytes)),
                ("MAX_LOGICAL_VOLUMES", of("max_volumes") or str(of_kind[0])),
                ("MAJOR_NUMBER", str(found.major)),
                ("IDENTIFIER", found.identifier),
                ("TIMESTAMP", timestamp(found)),
                ("LVM_PREFERRED_READ", of("preferred_read") or c.setting("LVM_PREFERRED_READ", "roundrobin")),
                ("ENABLE_LV_ENCRYPTION", of("encryption")),
            ]
        )
    return result


MIGRATION = {"no": "false", "yes (one to one)": "one", "yes (one to many)": "pool", "no (remove)": "remove"}
"""The words of the attribute for those of lsvg."""


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
            ("LABEL", volume.mount_point or of_volume(volume.characteristics, "label") or "None"),
            ("LOGICAL_PARTITIONS", str(volume.partitions)),
            ("LPART_COPIES", str(len(volume.copies))),
            ("PHYSICAL_VOLUMES", " ".join(map(groups.name_of, volume.disks))),
            *((attribute, shown(volume, found)) for attribute, shown in VOLUME_ATTRIBUTES.items()),
        ]
        for found in _known(root)
        for volume in found.volumes
    ]


def _word(name: str, words: dict[str, str]) -> Callable[[LogicalVolume, VolumeGroup], str]:
    return lambda volume, group: words.get(of_volume(volume.characteristics, name), "")


def _pool(copy: int) -> Callable[[LogicalVolume, VolumeGroup], str]:
    return lambda volume, group: volume.pools[copy] if copy < len(volume.pools) else ""


_YES_NO = {"yes": "yes", "no": "no", "on": "yes", "off": "no", "YES": "yes", "NO": "no"}
VOLUME_ATTRIBUTES: dict[str, Callable[[LogicalVolume, VolumeGroup], str]] = {
    "POSITION": _word("intra_policy", {
        "middle": "outer_middle", "edge": "outer_edge", "center": "center", "inner middle": "inner_middle",
        "inner edge": "inner_edge",
    }),
    "PV_RANGE": lambda volume, group: of_volume(volume.characteristics, "inter_policy"),
    "MAX_PVS_FOR_NEW_ALLOC": lambda volume, group: (
        of_volume(volume.characteristics, "upper_bound") or str(volume.width or LIMITS[group.kind][3])
    ),
    "WRITE_CONSISTENCY": _word("write_consistency", {
        "on/ACTIVE": "active", "on/PASSIVE": "passive", "off": "off",
    }),
    "LPARTS_ON_SEPARATE_PVS": _word("strictness", {"yes": "yes", "no": "no", "yes (superstrict)": "superstrict"}),
    "RELOCATE": _word("relocatable", _YES_NO),
    "MAX_LPARTS": lambda volume, group: of_volume(volume.characteristics, "max_partitions"),
    "BAD_BLOCK_RELOCATION": _word("bad_blocks", {"relocatable": "yes", "non-relocatable": "no"}),
    "SCHEDULING_POLICY": _word("scheduling", {
        "parallel": "parallel", "sequential": "sequential",
        "parallel/sequential": "parallel_write_with_sequential_read",
        "parallel/round robin": "parallel_write_round_robin_read",
    }),
    "VERIFY_WRITES": _word("write_verify", _YES_NO),
    "SERIALIZE_IO": _word("serialize", _YES_NO),
    "FIRST_BLOCK_AVAILABLE": _word("first_block", {"available": "yes", "": "no"}),
    "STRIPE_SIZE": lambda volume, group: volume.strip_size,
    "FIRST_COPY_MIRROR_POOL": _pool(0),
    "SECOND_COPY_MIRROR_POOL": _pool(1),
    "THIRD_COPY_MIRROR_POOL": _pool(2),
}  # fmt: skip
"""Attributes of a logical volume under the names of add (that query has them is inferred)."""


def _file_systems(root: NodeRoot) -> list[Block]:
    return [
        [
            ("NAME", volume.mount_point),
            ("LOGICAL_VOLUME", volume.name),
            ("VOLUME_GROUP", found.name),
            ("TYPE", volume.type),
            ("SIZE", str(volume.partitions * found.partition_megabytes)),
            *_control_block(volume),
        ]
        for found in _known(root)
        for volume in found.volumes
        if volume.mount_point
    ]


def _control_block(volume: LogicalVolume) -> Block:
    """What crfs has put into the volume's control block, under the names of add (that query has them is inferred)."""
    of = {**CONTROL_BLOCK, **volume.file_system}
    words = of["options"].split(",")
    quotas = [kind.removesuffix("quota") for kind in of["quota"].split(",") if kind]
    return [
        ("PERMISSIONS", "ro" if "ro" in words else "rw"),
        ("OPTIONS", " ".join(word for word in words if word not in ("ro", "rw"))),
        ("BLOCK_SIZE", of["agblksize"]),
        ("LV_FOR_LOG", of["log"]),
        ("EXT_ATTR_FORMAT", of["ea"]),
        ("QUOTA", {0: "no", 2: "all"}.get(len(quotas), "".join(quotas))),
        ("EFS", of["efs"]),
    ]


def physical_volumes(root: NodeRoot, request: Request, c: Configuration) -> list[Block]:
    """``query physical_volume [NODES=..] [TYPE=all|free|available|...]``: every node has every disk of a lab.

    Raises:
        ClmgrError: no such kind or node.
    """
    groups, identity = VolumeGroups(root), root.identity
    kind = _selector(request, "TYPE") or "all"
    every = [node.name for node in c.nodes or identity.nodes]
    for node in _selector(request, "NODES").replace(",", " ").split():
        if node not in every:
            raise does_not_exist(node)
    reserved = {c.repository, *c.backup_repositories}
    result: list[Block] = []
    for disk in disk_names(identity.lab):
        size, status = 0, "UP"
        try:
            with Disk(identity.lab, disk) as device:
                size = device.size
            found = groups.on_disk(disk)
            if found is not None and disk not in found.disks:
                found = None  # it was taken out of the group while it was missing
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
                ("NAME", groups.name_of(disk)),
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
    kind = _selector(request, "TYPE") or "available"
    addresses = addresses_by_name(root)
    nodes = {node.name for node in root.identity.nodes}
    return [
        [("NAME", name), ("IPADDR", address)] for name, address in addresses.items() if kind == "all" or name in nodes
    ]
