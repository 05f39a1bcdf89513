"""The text of events as consumers read it, and the producers of a cluster.

Line order by level and the samples are those of the AIX manual ("Example event data" of each producer).
"""

from __future__ import annotations

import socket

from msgspec import Struct

from daemons.caa.messages import Event, Membership

PRODUCERS = {
    "NODE_UP": ("cluster/nodeState", ""),
    "NODE_DOWN": ("cluster/nodeState", ""),
    "NODE_ISOLATED": ("cluster/nodeState", ""),
    "NODE_ADD": ("cluster/nodeList", ""),
    "NODE_DELETE": ("cluster/nodeList", ""),
    "CONNECT_UP": ("cluster/nodeContact", "INTERFACE_NAME"),
    "CONNECT_DOWN": ("cluster/nodeContact", "INTERFACE_NAME"),
    "ADDRESS_ADD": ("cluster/nodeAddress", "INTERFACE_NAME"),
    "ADDRESS_DELETE": ("cluster/nodeAddress", "INTERFACE_NAME"),
    "ADAPTER_UP": ("cluster/networkAdapterState", "INTERFACE_NAME"),
    "ADAPTER_DOWN": ("cluster/networkAdapterState", "INTERFACE_NAME"),
    "DISK_ADD": ("disk/clDiskList", "DISK_NAME"),
    "DISK_DELETE": ("disk/clDiskList", "DISK_NAME"),
    "DISK_UP": ("disk/clDiskState", "DISK_NAME"),
    "DISK_DOWN": ("disk/clDiskState", "DISK_NAME"),
    "REP_UP": ("disk/repDiskState", "DISK_NAME"),
    "REP_DOWN": ("disk/repDiskState", "DISK_NAME"),
    "VG_UP": ("disk/vgState", "DISK_NAME"),
    "VG_DOWN": ("disk/vgState", "DISK_NAME"),
}
"""EVENT_TYPE: the producer's path and the name of its extra line. NODE_ISOLATED (deadman_mode e) is inferred."""

FACTORIES = tuple(dict.fromkeys(factory for factory, _ in PRODUCERS.values()))
CLUSTER_REMOVED = -1
"""RC_FROM_EVPROD once the cluster is no more (AHAFS_CLUSTER_REMOVE)."""


class Occurrence(Struct, frozen=True):
    """An event of a producer.

    ``code`` is RC_FROM_EVPROD; ``message`` the producer's own lines; ``value`` of a producer with values; ``actor``:
    the producer tells who did it; ``final``: there is nothing to watch any more ("unavailable event").
    """

    time_ns: int
    code: int = 0
    message: tuple[str, ...] = ()
    value: int | None = None
    actor: bool = False
    final: bool = False


def monitor_file(factory: str) -> str:
    """The product path of a cluster producer's monitor file."""
    return f"/aha/{factory}.monFactory/{factory.rpartition('/')[2]}Event.mon"


def occurrence_text(occurrence: Occurrence, sequence: int, level: int = 2) -> str:
    """An occurrence in the documented form. ``sequence`` counts from 0 since the registration.

    Who did it cannot be told here (inotify(7) does not say): the lines are there, for consumers that count them, with
    zeroes; nor is there a stack of the kernel at level 3.
    """
    seconds, nanoseconds = divmod(occurrence.time_ns, 1_000_000_000)
    lines = ["BEGIN_EVENT_INFO", f"TIME_tvsec={seconds}", f"TIME_tvnsec={nanoseconds}", f"SEQUENCE_NUM={sequence}"]
    if occurrence.actor:
        lines += ["PID=0", "UID=0", "UID_LOGIN=0", "GID=0", "PROG_NAME=unknown"]
    if occurrence.value is not None:
        lines.append(f"CURRENT_VALUE={occurrence.value}")
    lines.append(f"RC_FROM_EVPROD={occurrence.code}")
    if level > 1 and occurrence.message:
        lines += ["BEGIN_EVPROD_INFO", *occurrence.message, "END_EVPROD_INFO"]
    return "\n".join([*lines, "END_EVENT_INFO"]) + "\n"


def occurrence_of(event: Event, membership: Membership) -> Occurrence:
    """An event of the cluster."""
    uuid = event.uuid or next((node.uuid for node in membership.nodes if node.number == event.node), "")
    extra = PRODUCERS[event.kind][1]
    return Occurrence(
        event.time_ns,
        message=(
            f"EVENT_TYPE={event.kind}",
            *((f"{extra}={event.subject}",) if extra else ()),
            *event.details,
            f"NODE_NUMBER={event.node}",
            f"NODE_ID=0x{uuid.replace('-', '').upper()}",
            f"CLUSTER_ID=0x{membership.cluster_id.replace('-', '').upper()}",
        ),
    )


def text(event: Event, membership: Membership, sequence: int, level: int = 2) -> str:
    """An event of the cluster in the documented form."""
    return occurrence_text(occurrence_of(event, membership), sequence, level)


def address_details(address: str, netmask: str) -> tuple[str, ...]:
    """The lines of a nodeAddress event: family, address and netmask in hexadecimal, network order."""

    def hexadecimal(dotted: str) -> str:
        return f"0x{int.from_bytes(socket.inet_aton(dotted), 'big'):08X}"

    return ("FAMILY=2", f"ADDRESS={hexadecimal(address)}", f"NETMASK={hexadecimal(netmask)}")


def error_text(code: int, time_ns: int) -> str:
    """The error form, the same at every level."""
    return occurrence_text(Occurrence(time_ns, code), 0, 1)
