"""Injected faults of networks and shared disks, and who holds which service address.

The lab's side of ``srcctl.network``: what it writes is in force on every node at once.
"""

from __future__ import annotations

from srcctl.lab.errors import file_errors
from srcctl.lab.model import Lab, Network
from srcctl.network.addresses import AddressRegistry
from srcctl.network.faults import Faults, root_disk
from srcctl.storage.opened import let_fail


def held_addresses(lab: Lab) -> dict[tuple[str, str], list[str]]:
    """The service addresses that are configured, by node and interface."""
    held: dict[tuple[str, str], list[str]] = {}
    for alias in AddressRegistry(lab.shared).all():
        held.setdefault((alias.node, alias.interface), []).append(alias.address)
    return held


def set_link(lab: Lab, node: str, network: Network, *, up: bool) -> None:
    """Cut or mend a node's interface on a network.

    Raises:
        LabError: the lab cannot be written.
    """
    with file_errors(lab.directory):
        Faults(lab.shared).set_link(node, network.name, up=up)


def partition(lab: Lab, first: list[str], second: list[str], *, keep_disk: bool, one_way: bool = False) -> None:
    """Cut everything between two sets of nodes; with ``keep_disk`` all but the path over the repository disk, with
    ``one_way`` only what the first ones send.

    Raises:
        LabError: the lab cannot be written.
    """
    with file_errors(lab.directory):
        Faults(lab.shared).partition(first, second, keep_disk=keep_disk, one_way=one_way)


def heal(lab: Lab) -> None:
    """Mend every partition and every link; failed disks stay failed.

    Raises:
        LabError: the lab cannot be written.
    """
    with file_errors(lab.directory):
        Faults(lab.shared).heal()


def set_disk(lab: Lab, disk: str, *, failed: bool) -> None:
    """Let a shared disk fail for all nodes, or repair it.

    Raises:
        LabError: the lab cannot be written.
    """
    with file_errors(lab.directory):
        if failed:
            let_fail(lab.shared, disk)
        else:
            Faults(lab.shared).set_disk(disk, failed=False)


def has_root_disk(lab: Lab, node: str) -> bool:
    """Whether a node's own disk works."""
    return root_disk(node) not in Faults(lab.shared).current.disks


def is_partitioned(lab: Lab) -> bool:
    """Whether a partition is in force."""
    return bool(Faults(lab.shared).current.partitions)


def describe_faults(lab: Lab) -> list[str]:
    """The faults in force, a sentence each."""
    return Faults(lab.shared).current.describe()
