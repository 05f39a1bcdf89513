"""rootvg: the node's own volume group on hdisk0, as its file systems make it up."""

from __future__ import annotations

import os

from srcctl.digest import blake2b
from srcctl.node.root import Identity, NodeRoot
from srcctl.storage import partitions
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.filesystems import BLOCK, read_stanzas

NAME = "rootvg"
DISK = "hdisk0"
DISK_BYTES = 20 << 30
PARTITION_MEGABYTES = 32
_OTHERS = (("hd5", "boot", 1), ("hd6", "paging", 16), ("hd8", "jfs2log", 1))
"""Logical volumes without a file system, with their partitions."""


def volume_group(root: NodeRoot) -> VolumeGroup:
    """The volume group; its file systems are those of /etc/filesystems that have a size."""
    identity = root.identity
    group = VolumeGroup(
        NAME,
        identifier(identity),
        (DISK,),
        major=10,
        partition_megabytes=PARTITION_MEGABYTES,
        stamp=_installed(root) * 1_000_000_000,
    )
    wanted = list(_OTHERS)
    points = {}
    for stanza in read_stanzas(root):
        if "size" in stanza.attributes and stanza.volume:
            size = int(stanza.attributes["size"]) * BLOCK
            wanted.append((stanza.volume, stanza.attributes.get("vfs", "jfs2"), -(-size // group.partition_bytes)))
            points[stanza.volume] = stanza.mount_point
    volumes: tuple[LogicalVolume, ...] = ()
    for number, (name, kind, count) in enumerate(wanted, 1):
        sofar = VolumeGroup(NAME, group.identifier, group.disks, volumes, partition_megabytes=group.partition_megabytes)
        made = _installed(root)
        wanted_volume = LogicalVolume(name, kind, count, points.get(name, ""), number, (), made, made)
        volumes += (partitions.completed(sofar, wanted_volume, lambda disk: partitions_of_disk()) or wanted_volume,)
    return VolumeGroup(
        NAME,
        group.identifier,
        group.disks,
        volumes,
        major=group.major,
        partition_megabytes=group.partition_megabytes,
        stamp=group.stamp,
    )


def partitions_of_disk() -> int:
    """Physical partitions of hdisk0."""
    return DISK_BYTES // (PARTITION_MEGABYTES << 20) - 1


def identifier(identity: Identity) -> str:
    """The volume group's identifier: of this node and no other."""
    digits = blake2b(f"{identity.lab_id}/{identity.node}/{NAME}".encode(), digest_size=12).hexdigest()
    return "00f9c490" + digits


def _installed(root: NodeRoot) -> int:
    """When the node was installed, in seconds since the epoch."""
    try:
        return int(os.stat(root.path("/etc/hostname")).st_mtime)
    except OSError:
        return 0
