"""/aha: the event producers of the Autonomic Health Advisory File System as a tree of files.

On AIX a monitor file blocks its reader until the event occurs. A plain file system cannot do that: here every
occurrence is appended to the producer's monitor file in the documented form, where ``tail -f`` finds it, and daemons
get it from CAA's socket (a difference from the product). The files are cut back when they grow beyond ``SIZE_MAX``.
"""

from __future__ import annotations

import os

from daemons.caa.messages import Event, Membership
from srcctl.node.root import NodeRoot, replace_file

SIZE_MAX = 64 << 10

PRODUCERS = {
    "NODE_UP": ("cluster/nodeState", ""),
    "NODE_DOWN": ("cluster/nodeState", ""),
    "NODE_ADD": ("cluster/nodeList", ""),
    "NODE_DELETE": ("cluster/nodeList", ""),
    "CONNECT_UP": ("cluster/nodeContact", "INTERFACE_NAME"),
    "CONNECT_DOWN": ("cluster/nodeContact", "INTERFACE_NAME"),
    "ADAPTER_UP": ("cluster/networkAdapterState", "INTERFACE_NAME"),
    "ADAPTER_DOWN": ("cluster/networkAdapterState", "INTERFACE_NAME"),
    "REP_UP": ("disk/repDiskState", "DISK_NAME"),
    "REP_DOWN": ("disk/repDiskState", "DISK_NAME"),
}
"""EVENT_TYPE: the producer's path and the name of its extra line."""

FACTORIES = (
    "fs/modFile",
    "fs/modDir",
    "fs/utilFs",
    "cpu/processMon",
    "cluster/nodeList",
    "cluster/nodeState",
    "cluster/nodeContact",
    "cluster/nodeAddress",
    "cluster/networkAdapterState",
    "disk/clDiskList",
    "disk/clDiskState",
    "disk/repDiskState",
    "disk/vgState",
)


def prepare(root: NodeRoot) -> None:
    """Make the tree.

    Raises:
        OSError: /aha cannot be written.
    """
    for factory in FACTORIES:
        os.makedirs(root.path(f"/aha/{factory}.monFactory"), exist_ok=True)
    text = "".join(f"{factory.rpartition('/')[2]}.monFactory\n" for factory in FACTORIES)
    replace_file(root.path("/aha/evProds.list"), text.encode())


def monitor_file(kind: str) -> str:
    """The product path of the monitor file of an EVENT_TYPE."""
    producer = PRODUCERS[kind][0]
    return f"/aha/{producer}.monFactory/{producer.rpartition('/')[2]}Event.mon"


def text(event: Event, membership: Membership) -> str:
    """An occurrence in the documented form."""
    uuid = next((node.uuid for node in membership.nodes if node.number == event.node), "")
    seconds, nanoseconds = divmod(event.time_ns, 1_000_000_000)
    extra = PRODUCERS[event.kind][1]
    lines = [
        "BEGIN_EVENT_INFO",
        f"TIME_tvsec={seconds}",
        f"TIME_tvnsec={nanoseconds}",
        f"SEQUENCE_NUM={event.serial}",
        "RC_FROM_EVPROD=0",
        "BEGIN_EVPROD_INFO",
        f"EVENT_TYPE={event.kind}",
        *((f"{extra}={event.subject}",) if extra else ()),
        f"NODE_NUMBER={event.node}",
        f"NODE_ID=0x{uuid.replace('-', '').upper()}",
        f"CLUSTER_ID=0x{membership.cluster_id.replace('-', '').upper()}",
        "END_EVPROD_INFO",
        "END_EVENT_INFO",
    ]
    return "\n".join(lines) + "\n"


def append(root: NodeRoot, event: Event, membership: Membership) -> None:
    """Append an occurrence to its monitor file; a file system that is full loses it."""
    path = root.path(monitor_file(event.kind))
    try:
        if os.path.exists(path) and os.path.getsize(path) > SIZE_MAX:
            os.truncate(path, 0)
        with open(path, "a", encoding="ascii") as file:
            file.write(text(event, membership))
    except OSError:
        pass
