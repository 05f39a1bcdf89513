"""Replacing the repository disk of a running cluster, by hand (chrepos) or by itself when it is lost.

A node keeps in memory what the repository holds, so that a cluster whose repository is gone can write a new one. Each
replacement has a higher epoch than the one before: a node that was off meanwhile, and an old disk that comes back, are
told apart from the cluster by it.
"""

from __future__ import annotations

import os

import msgspec

from daemons.caa.repository import Commit, Definition, RepositoryDisk, RepositoryError
from daemons.runtime.keys import cluster_key
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.storage import rootvg
from srcctl.storage.disk import disk_names, pvid
from srcctl.storage.volume_groups import VolumeGroups

CLASS = "HACMPsircol"
CONFIGURATIONS = ("/etc/es/objrepos", "/usr/es/sbin/cluster/etc/objrepos/active")
"""Default and active configuration directory."""


class RepositoryCopy:
    """What the repository held when it was read last."""

    def __init__(self) -> None:
        self.definition: Definition | None = None
        self.commit: Commit | None = None
        self.archive: bytes | None = None

    def refresh(self, disk: RepositoryDisk) -> None:
        """Read the commit record, and what is new since.

        Raises:
            OSError: the disk has failed.
        """
        commit = disk.read_commit()
        if commit is not None and commit != self.commit:
            archive = disk.read_archive(commit)
            if archive is not None:
                self.commit, self.archive = commit, archive

    def write(self, disk: RepositoryDisk) -> Definition:
        """Make a disk the repository; returns its definition.

        Raises:
            RepositoryError: it is a repository already, or nothing is known of the old one.
            OSError: the disk cannot be written.
        """
        if self.definition is None:
            raise RepositoryError("nothing is known of the old repository")
        definition = msgspec.structs.replace(self.definition, epoch=self.definition.epoch + 1)
        disk.create(definition)
        if self.commit is not None and self.archive is not None:
            disk.store_archive(self.commit.generation, self.archive)
            disk.commit(self.commit)
        return definition


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
    try:
        found = Repository(root, CONFIGURATIONS[0]).get(CLASS)
    except OdmError:
        return []
    wanted = str(found[0].get("backup_repository", "")).split() if found else []
    by_pvid = {pvid(root.identity.lab_id, disk): disk for disk in disk_names(root.identity.lab)}
    return [by_pvid[name] for name in wanted if name in by_pvid and not refusal(root, by_pvid[name])]


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


def removed_from(root: NodeRoot, node_uuid: str) -> str:
    """The name of the cluster that a node was taken out of without being told, "" if it was not.

    The cluster is the one whose key the node holds, on whatever disk its repository is by now; its newest definition
    counts. A repository that is wiped says nothing about its nodes.

    Raises:
        OSError: a disk cannot be read, and it may be the one with the newest definition.
    """
    key, newest = cluster_key(root), None
    if key is None or not node_uuid:
        return ""
    for name in disk_names(root.identity.lab):
        disk = RepositoryDisk(root.identity.lab, name)
        try:
            definition = disk.read_definition()
        finally:
            disk.close()
        if definition is not None and definition.key == key.hex() and (not newest or definition.epoch > newest.epoch):
            newest = definition
    # By name, too: a node that is being taken in again while it boots has another uuid by now.
    own = root.identity.node
    if newest is None or any(node.uuid == node_uuid or node.name == own for node in newest.nodes):
        return ""
    return newest.name


def newest_repository(root: NodeRoot, node_uuid: str, named: str) -> str:
    """The disk with the newest repository of the cluster that a node is in; ``named`` (by its ODM) if there is none."""
    best, epoch = named, -1
    for disk in disk_names(root.identity.lab):
        try:
            definition = RepositoryDisk(root.identity.lab, disk).read_definition()
        except OSError:
            continue
        if definition is None or all(node.uuid != node_uuid for node in definition.nodes):
            continue
        if definition.epoch > epoch or (definition.epoch == epoch and disk == named):
            best, epoch = disk, definition.epoch
    return best
