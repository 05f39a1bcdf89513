"""The cluster device of a node: what its ODM and its files say about its membership, across reboots."""

from __future__ import annotations

import os
from collections.abc import Mapping

from daemons.caa import kept_commit
from daemons.caa.repository import find_disk
from daemons.runtime import keys
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError, Repository
from srcctl.storage.device_names import is_cluster_name, own_names, rename
from srcctl.storage.disk import uuid_of

DEVICE = "cluster0"
STOPPED_FILE = "/etc/cluster/caa_stopped"
"""Exists while CAA was stopped by hand; a reboot does not start it then."""
EPOCH_FILE = "/etc/cluster/repository_epoch"
"""Which of the cluster's repositories this node used last, if the first one was replaced."""


def cluster_name(number: int) -> str:
    """What all nodes call a shared disk of the cluster."""
    return f"cldisk{number}"


class ClusterDevice:
    """``cluster0`` in the ODM of a node, class CuAt: the node's uuid and the repository disk's."""

    def __init__(self, root: NodeRoot) -> None:
        self._root = root

    @property
    def node_uuid(self) -> str:
        """This node's uuid in its cluster, "" if it is no member."""
        return self._attribute("node_uuid")

    @property
    def disk(self) -> str:
        """The repository disk that the ODM names, "" if there is none."""
        wanted = self._attribute("clvdisk")
        return find_disk(self._root, wanted) or "" if wanted else ""

    @property
    def epoch(self) -> int:
        """Of the repository that this node used last; 0 if it is no member."""
        try:
            with open(self._root.path(EPOCH_FILE), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def remember(self, node_uuid: str, disk: str, epoch: int = 0) -> None:
        """Make the node a member of the cluster on a disk, also after a reboot; ``epoch``: of that repository."""
        if epoch != self.epoch:
            os.makedirs(os.path.dirname(self._root.path(EPOCH_FILE)), exist_ok=True)
            replace_file(self._root.path(EPOCH_FILE), b"%d" % epoch)
        repository = Repository(self._root, "/etc/objrepos")
        values = {"node_uuid": node_uuid, "clvdisk": uuid_of(self._root.identity.lab_id, disk)}
        present = {str(o["attribute"]): str(o["value"]) for o in repository.get("CuAt", f"name={DEVICE}")}
        if present == values:
            return
        repository.delete("CuAt", f"name={DEVICE}")
        for attribute, value in values.items():
            repository.add(
                "CuAt",
                {
                    "name": DEVICE,
                    "attribute": attribute,
                    "value": value,
                    "type": "R",
                    "generic": "DU",
                    "rep": "s",
                    "nls_index": 3,
                },
            )

    def name_disks(self, clustered: Mapping[str, int]) -> None:
        """Shared disks of the cluster are called cldiskN on all nodes; one that has left it gets the lab's name back.

        Args:
            clustered: the disks, by the lab's name, with their N.

        Raises:
            OdmError: the object classes cannot be written.
        """
        names = {}
        for disk, name in own_names(self._root).items():
            number = clustered.get(disk)
            wanted = cluster_name(number) if number is not None else disk if is_cluster_name(name) else name
            if wanted != name:
                names[name] = wanted
        if names:
            rename(self._root, names)

    def forget(self) -> None:
        """The node is no member any more."""
        self.name_disks({})
        Repository(self._root, "/etc/objrepos").delete("CuAt", f"name={DEVICE}")
        keys.forget_cluster_key(self._root)
        self.set_stopped(False)
        _remove(self._root.path(EPOCH_FILE))
        _remove(self._root.path(kept_commit.FILE))

    @property
    def stopped(self) -> bool:
        """Whether CAA was stopped by hand."""
        return os.path.exists(self._root.path(STOPPED_FILE))

    def set_stopped(self, stopped: bool) -> None:
        """Note that CAA is to stay stopped over a reboot, or not."""
        path = self._root.path(STOPPED_FILE)
        if stopped:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            replace_file(path, b"")
            return
        _remove(path)

    def _attribute(self, name: str) -> str:
        try:
            found = Repository(self._root, "/etc/objrepos").get("CuAt", f"name={DEVICE} AND attribute={name}")
        except OdmError:
            return ""
        return str(found[0]["value"]) if found else ""


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
