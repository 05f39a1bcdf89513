"""Injected faults of networks and shared disks, and who holds which service address.

The lab's side of ``srcctl.network``: what it writes is in force on every node at once.
"""

from __future__ import annotations

from srcctl.lab.model import Lab, Network


def held_addresses(lab: Lab) -> dict[tuple[str, str], list[str]]:
    """The service addresses that are configured, by node and interface."""
    return {}


def set_link(lab: Lab, node: str, network: Network, *, up: bool) -> None:
    """Cut or mend a node's interface on a network."""
    raise NotImplementedError


def partition(lab: Lab, first: list[str], second: list[str], *, keep_disk: bool) -> None:
    """Cut everything between two sets of nodes; with ``keep_disk`` all but the path over the repository disk."""
    raise NotImplementedError


def heal(lab: Lab) -> None:
    """Mend every partition and every link; failed disks stay failed."""
    raise NotImplementedError


def set_disk(lab: Lab, disk: str, *, failed: bool) -> None:
    """Let a shared disk fail for all nodes, or repair it."""
    raise NotImplementedError


def describe_faults(lab: Lab) -> list[str]:
    """The faults in force, a sentence each."""
    return []
