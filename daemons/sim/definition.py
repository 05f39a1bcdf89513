"""The CAA cluster as the simulator begins with it, and what a node keeps of its membership over a reboot."""

from __future__ import annotations

from dataclasses import dataclass

from daemons.caa.messages import Node
from daemons.caa.repository import Definition

KEY = "00" * 32
REPOSITORIES = ("hdisk1", "hdisk4", "hdisk5")
"""The disks that can become the repository, the first one that is at the beginning."""


def member(number: int, networks: tuple[str, ...]) -> Node:
    """A node as mkcluster and chcluster write it down."""
    addresses = tuple((network, f"127.77.{place}.{number}") for place, network in enumerate(networks, 3))
    return Node(number, f"node{number}", f"uuid of node{number}", addresses)


def defined(numbers: tuple[int, ...], networks: tuple[str, ...]) -> Definition:
    """A cluster of these nodes."""
    nodes = tuple(member(number, networks) for number in numbers)
    return Definition("simulated", "uuid of the cluster", KEY, nodes, highest_number=len(numbers))


@dataclass(slots=True)
class Device:
    """``cluster0`` of a node: whether it is a member, the epoch of the repository that it used last, and whether CAA
    was stopped by hand."""

    member: bool = True
    epoch: int = 0
    stopped: bool = False
