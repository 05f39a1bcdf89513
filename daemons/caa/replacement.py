"""Which disks can become the repository of a cluster, by hand (chrepos) or by itself when it is lost."""

from __future__ import annotations

import os

from daemons.caa import kept_commit
from daemons.caa.device import ClusterDevice
from daemons.caa.own_repository import Joins, OwnRepository, Refused, Removed
from daemons.caa.repository import RepositoryDisk
from daemons.runtime.keys import cluster_key
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.storage import rootvg
from srcctl.storage.disk import disk_names, pvid
from srcctl.storage.volume_groups import VolumeGroups

CLASS = "HACMPsircol"
CONFIGURATIONS = ("/etc/es/objrepos", "/usr/es/sbin/cluster/etc/objrepos/active")
"""Default and active configuration directory."""


def own_repository(root: NodeRoot) -> OwnRepository:
    """The repository of a node's cluster, on the disks of its lab."""
    identity = root.identity
    return OwnRepository(
        identity.node,
        lambda: disk_names(identity.lab),
        lambda name: RepositoryDisk(identity.lab, name),
        lambda cluster: kept_commit.kept(root, cluster),
    )


def at_boot(root: NodeRoot) -> Joins | Removed | Refused | None:
    """What becomes of this node's membership when it is switched on, or CAA is started; None if it is in no cluster."""
    device, key = ClusterDevice(root), cluster_key(root)
    if not device.node_uuid or key is None:
        return None
    return own_repository(root).at_boot(key.hex(), device.epoch)


def not_shared(wanted: str) -> str:
    """Why what names no shared disk cannot be used: it is the node's own disk, or none at all."""
    if wanted == rootvg.DISK:
        return f"{wanted} belongs to the volume group {rootvg.NAME}."
    return f"{wanted} is not a disk of this node."


def refusal(root: NodeRoot, disk: str) -> str:
    """Why a disk cannot become the repository, "" if it can."""
    groups = VolumeGroups(root)
    try:
        if groups.is_repository(disk):
            return f"{disk} is the repository of a cluster."
        group = groups.on_disk(disk)
    except OSError as error:
        return f"{disk}: {error.strerror}."
    return f"{disk} belongs to the volume group {group.name}." if group is not None else ""


def backups(root: NodeRoot) -> list[str]:
    """The backup repository disks of the cluster configuration that can be used now, in their order."""
    return [disk for disk in named_backups(root) if not refusal(root, disk)]


def named_backups(root: NodeRoot) -> list[str]:
    """All backup repository disks of the cluster configuration, in their order."""
    try:
        found = Repository(root, CONFIGURATIONS[0]).get(CLASS)
    except OdmError:
        return []
    wanted = str(found[0].get("backup_repository", "")).split() if found else []
    by_pvid = {pvid(root.identity.lab_id, disk): disk for disk in disk_names(root.identity.lab)}
    return [by_pvid[name] for name in wanted if name in by_pvid]


def follow(root: NodeRoot, disk: str) -> bool:
    """Have the cluster configuration of this node name the disk that is the repository now; True if it named another.

    The disk before it is gone from the configuration: it is lost, or its successor was chosen in its place.

    Raises:
        OSError, OdmError: an object class cannot be written.
    """
    identifier, changed = pvid(root.identity.lab_id, disk), False
    for directory in CONFIGURATIONS:
        repository = Repository(root, directory)
        if not os.path.exists(root.path(f"{directory}/{CLASS}")):
            continue
        for entry in repository.get(CLASS):
            if not entry.get("repository") or entry["repository"] == identifier:
                continue
            kept = [name for name in str(entry.get("backup_repository", "")).split() if name != identifier]
            repository.change(CLASS, None, {"repository": identifier, "backup_repository": " ".join(kept)})
            changed = True
    return changed


def other_cluster(root: NodeRoot, node_uuid: str, cluster: str) -> str:
    """The name of another cluster that a node is in, whether CAA is active on it or stopped; "" if it is in none.

    A cluster whose repository was wiped is no more, whatever the node remembers.

    Args:
        root: the node.
        node_uuid: its uuid in the cluster that it is in.
        cluster: the uuid of the cluster that is not meant.
    """
    for name in disk_names(root.identity.lab) if node_uuid else ():
        try:
            definition = RepositoryDisk(root.identity.lab, name).read_definition()
        except OSError:
            continue
        if definition is not None and definition.uuid != cluster and any(n.uuid == node_uuid for n in definition.nodes):
            return definition.name
    return ""
