"""Whether a node of the lab is alive: its machine process holds a lock for exactly as long as it lives."""

from __future__ import annotations

import os

from srcctl.node import powerlock


def life_of(lab: str, node: str) -> str:
    """The boot id of a node's present life, "" if it is off.

    Args:
        lab: the lab's shared folder.
        node: the node's name.
    """
    if not is_alive(lab, node):
        return ""
    try:
        with open(os.path.join(lab, "power", node), encoding="ascii") as file:
            return next(iter(file.read().split()), "")
    except OSError:
        return ""


def is_alive(lab: str, node: str, boot_id: str = "") -> bool:
    """Whether a node runs, and if ``boot_id`` is given, whether it is still in that very life.

    Args:
        lab: the lab's shared folder.
        node: the node's name.
        boot_id: what the node's identity says since its last boot.
    """
    try:
        descriptor = os.open(os.path.join(lab, "power", node), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not powerlock.is_held(descriptor):
            return False
        return boot_id in os.read(descriptor, 4096).decode(errors="replace").split() if boot_id else True
    finally:
        os.close(descriptor)
