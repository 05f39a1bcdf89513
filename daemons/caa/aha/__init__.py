"""/aha: the Autonomic Health Advisory File System, "AIX Event Infrastructure".

A consumer opens a monitor file, writes what it wants to be told (``CHANGED=YES;CLUSTER=YES``), and its read blocks
until the event occurs. From a shell:

    exec 3<>/aha/cluster/nodeState.monFactory/nodeStateEvent.mon
    echo "CHANGED=YES;CLUSTER=YES;WAIT_TYPE=WAIT_IN_READ" >&3
    cat <&3

Where a node has a view and the host has /dev/fuse it is a file system (``filesystem``), else the producers of the
cluster alone, as terminals (``terminals``).
"""

from __future__ import annotations

from typing import Protocol

from daemons.caa.aha.registration import BadRegistration, Registration, parse
from daemons.caa.aha.terminals import BACKLOG, EventProducers
from daemons.caa.aha.text import FACTORIES, PRODUCERS, address_details, error_text, monitor_file, text
from daemons.caa.messages import Event, Membership
from srcctl.node.root import NodeRoot

__all__ = [
    "BACKLOG",
    "FACTORIES",
    "PRODUCERS",
    "BadRegistration",
    "EventProducers",
    "Producers",
    "Registration",
    "address_details",
    "error_text",
    "monitor_file",
    "parse",
    "producers_of",
    "text",
]

DEVICE = "/haes/fuse"
"""The product path of the host's /dev/fuse in a view."""


class Producers(Protocol):
    """What CAA does with /aha."""

    def clear(self) -> None:
        """The empty tree, as it is mounted.

        Raises:
            OSError: /aha cannot be written.
        """

    def appear(self) -> None:
        """The cluster's producers come into being.

        Raises:
            OSError: they cannot.
        """

    def deliver(self, event: Event, membership: Membership) -> None:
        """An event of the cluster."""

    def cease(self) -> None:
        """The cluster is no more, and its producers with it.

        Raises:
            OSError: /aha cannot be written.
        """

    def close(self) -> None:
        """Give all up."""


def producers_of(root: NodeRoot) -> Producers:
    """/aha of a node, as good as it can be had."""
    if root.identity.mode == "view":
        from daemons.caa.aha.filesystem import MountedProducers

        try:
            return MountedProducers(root, root.path(DEVICE))
        except OSError:
            pass
    return EventProducers(root)
