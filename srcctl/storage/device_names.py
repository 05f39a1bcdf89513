"""What a node calls the shared disks: each node its own way, as rendev left it; the PVID is the same on all of them.

The lab's name of a disk is that of its file. It is what a node calls the disk, too, until rendev gives another name;
the device's unique identifier, which stays in the ODM, tells which disk that is.
"""

from __future__ import annotations

from collections.abc import Mapping

from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, OdmObject, Repository
from srcctl.storage.disk import disk_names, pvid, unique_identifier


def own_names(root: NodeRoot) -> dict[str, str]:
    """The node's name of every shared disk, by the lab's name."""
    identity = root.identity
    disks = {unique_identifier(identity.lab_id, disk): disk for disk in disk_names(identity.lab)}
    names = {disk: disk for disk in disks.values()}
    try:
        found = Repository(root, "/etc/objrepos").get("CuAt", "attribute=unique_id")
    except (OdmError, OSError):
        return names
    names.update({disks[str(o["value"])]: str(o["name"]) for o in found if str(o["value"]) in disks})
    return names


def own_name(root: NodeRoot, disk: str) -> str:
    """The node's name of a disk."""
    return own_names(root).get(disk, disk)


def is_cluster_name(name: str) -> bool:
    """Whether a disk is called so because CAA has it as a shared disk: cldisk1, cldisk2 ..."""
    return name.startswith("cldisk") and name[6:].isdigit()


def rename(root: NodeRoot, names: Mapping[str, str], state: Mapping[str, int | str] | None = None) -> None:
    """Give devices of a node other names.

    Args:
        root: the node.
        names: the new name of each, by the old one.
        state: further fields of their CuDv objects.

    Raises:
        OdmError: the object classes cannot be written.
    """

    def renamed(objects: list[OdmObject], more: Mapping[str, int | str]) -> list[OdmObject]:
        return [{**o, "name": names[str(o["name"])], **more} if o["name"] in names else o for o in objects]

    repository = Repository(root, "/etc/objrepos")
    # The attributes first: they tell which disk a name means, also if nothing more is done.
    repository.rewrite("CuAt", lambda old: renamed(old, {}))
    repository.rewrite("CuDv", lambda old: renamed(old, state or {}))


def lab_disk(root: NodeRoot, name: str) -> str | None:
    """The shared disk that a node calls so, or that has this PVID; None if there is none."""
    lab_id = root.identity.lab_id
    return next((disk for disk, own in own_names(root).items() if name in (own, pvid(lab_id, disk))), None)


def by_pvid(root: NodeRoot) -> dict[str, str]:
    """The node's name of every shared disk, by PVID."""
    return {pvid(root.identity.lab_id, disk): own for disk, own in own_names(root).items()}
