"""The lab's disks: sparse files outside every node's root.

hdisk0 of a node is its own root volume group and no file; hdisk1 is meant for the repository, hdisk2 and on for
shared volume groups.
"""

from __future__ import annotations

import os

from srcctl.lab.errors import UnknownName, file_errors
from srcctl.lab.model import Lab
from srcctl.storage import descriptor_area
from srcctl.storage.reservations import SHARED, ReservationRegistry

REPOSITORY_DISK = "hdisk1"
REPOSITORY_BYTES = 512 << 20
DATA_DISKS = ("hdisk2", "hdisk3", "hdisk4")
DATA_BYTES = 1 << 30
ROOM_NEEDED = 64 << 20
"""Free bytes without which no lab is begun: the nodes' own files, with some reserve."""


def directory(lab: Lab) -> str:
    """Where the disks lie."""
    return os.path.join(lab.shared, "disks")


def make(lab: Lab) -> None:
    """Make every disk that is not there yet.

    Raises:
        LabError: no room, or the folder cannot be written.
    """
    with file_errors(lab.directory):
        for name in (REPOSITORY_DISK, *DATA_DISKS):
            size = REPOSITORY_BYTES if name == REPOSITORY_DISK else DATA_BYTES
            path = os.path.join(directory(lab), name)
            with open(path, "ab") as file:
                if file.tell() < size:
                    os.ftruncate(file.fileno(), size)


def names(lab: Lab) -> list[str]:
    """All shared disks of the lab."""
    try:
        found = os.listdir(directory(lab))
    except FileNotFoundError:
        return []
    return sorted(name for name in found if os.path.isfile(os.path.join(directory(lab), name)))


def check(lab: Lab, name: str) -> None:
    """Raise UnknownName unless the lab has that disk."""
    if name not in names(lab):
        raise UnknownName(f"there is no disk {name!r} in this lab; it has {', '.join(names(lab))}")


def varied_on(lab: Lab) -> dict[str, dict[str, object]]:
    """The disks that are in use: volume group and the nodes that have it varied on, more than one in a split brain."""
    found: dict[str, dict[str, object]] = {}
    registry = ReservationRegistry(lab.shared)
    for disk, nodes in registry.all().items():
        try:
            group = descriptor_area.read(lab.shared, disk)
        except OSError:
            group = None
        modes = registry.modes(disk)
        shared = all(modes.get(node) == SHARED for node in nodes)
        found[disk] = {
            "volume_group": group.name if group else "",
            "mode": "concurrent" if shared else "active",
            "nodes": nodes,
        }
    return found
