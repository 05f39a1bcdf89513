"""entstat and netstat -v: the statistics of the Ethernet adapters; layout as in published captures.

A lab's packets go over the host's loopback interface, which counts for no node: the counters stay 0.
"""

from __future__ import annotations

import sys
import time

from srcctl.commands.options import UsageError, parse, usage
from srcctl.network.faults import Faults
from srcctl.node.root import Identity, Interface, NodeRoot

ENTSTAT_USAGE = "Usage: entstat [-d] [-r] [-t] device"
_COUNTERS = (
    ("Packets", "Packets"), ("Bytes", "Bytes"), ("Interrupts", "Interrupts"), ("Transmit Errors", "Receive Errors"),
    ("Packets Dropped", "Packets Dropped"), ("", "Bad Packets"), None,
    ("Max Packets on S/W Transmit Queue", ""), ("S/W Transmit Queue Overflow", ""),
    ("Current S/W+H/W Transmit Queue Length", ""), None,
    ("Broadcast Packets", "Broadcast Packets"), ("Multicast Packets", "Multicast Packets"),
    ("No Carrier Sense", "CRC Errors"), ("DMA Underrun", "DMA Overrun"),
    ("Lost CTS Errors", "Alignment Errors"), ("Max Collision Errors", "No Resource Errors"),
    ("Late Collision Errors", "Receive Collision Errors"), ("Deferred", "Packet Too Short Errors"),
    ("SQE Test", "Packet Too Long Errors"), ("Timeout Errors", "Packets Discarded by Adapter"),
    ("Single Collision Count", "Receiver Start Count"), ("Multiple Collision Count", ""),
    ("Current HW Transmit Queue Length", ""),
)  # fmt: skip


def entstat(argv: list[str]) -> int:
    """``entstat [-d] [-r] [-t] device``: an adapter, or the one of an interface; -r would reset what is 0."""
    try:
        options = parse(argv, "drt", intermixed=True)
        if len(options.operands) != 1:
            raise UsageError("one device")
    except UsageError:
        return usage(ENTSTAT_USAGE)
    name = options.operands[0]
    identity = NodeRoot.current().identity
    interface = next((i for i in identity.interfaces if name in (i.name, adapter(i))), None)
    if interface is None:
        sys.stderr.write(f"entstat: 0909-003 Unable to connect to device {name}, errno = 19\n")
        return 1
    sys.stdout.write(text(identity, interface, detailed="d" in options))
    return 0


def netstat_v(identity: Identity) -> int:
    """``netstat -v``: all adapters, in detail."""
    for interface in identity.interfaces:
        sys.stdout.write("-" * 61 + "\n" + text(identity, interface, detailed=True))
    return 0


def adapter(interface: Interface) -> str:
    """The adapter of an interface: ent0 of en0."""
    return f"ent{interface.name.removeprefix('en')}"


def text(identity: Identity, interface: Interface, detailed: bool) -> str:
    """The statistics of an adapter."""
    address = ":".join(f"{part:02x}" for part in (0xFA, 0x16, *map(int, interface.address.split("."))))
    up = Faults(identity.lab).link_up(identity.node, interface.network)
    seconds = _since_boot()
    hours, minutes = seconds // 3600 % 24, seconds // 60 % 60
    elapsed = f"{seconds // 86400} days {hours} hours {minutes} minutes {seconds % 60} seconds"
    lines = [
        f"ETHERNET STATISTICS ({adapter(interface)}) :",
        "Device Type: Virtual I/O Ethernet Adapter (l-lan)",
        f"Hardware Address: {address}",
        f"Elapsed Time: {elapsed}",
        "",
        f"{'Transmit Statistics:':<46}Receive Statistics:",
        f"{'--------------------':<46}-------------------",
    ]
    for pair in _COUNTERS:
        left, right = (f"{title}: 0" if title else "" for title in pair or ("", ""))
        lines.append(f"{left:<46}{right}".rstrip() if right else left)
    lines += [
        "", "General Statistics:", "-------------------", "No mbuf Errors: 0", "Adapter Reset Count: 0",
        "Adapter Data Rate: 20000",
        f"Driver Flags: {'Up ' if up else ''}Broadcast {'Running' if up else ''}".rstrip(),
        "\tSimplex 64BitSupport ChecksumOffload", "\tDataRateSet VIOENT",
    ]  # fmt: skip
    if detailed:
        lines += [
            "", "Virtual I/O Ethernet Adapter (l-lan) Specific Statistics:", "-" * 57, "RQ Length: 4481",
            "Trunk Adapter: False", "Filter MCast Mode: False", "Filters: 255", "  Enabled: 1  Queued: 0  Overflow: 0",
            "LAN State: Operational" if up else "LAN State: Not Operational", "",
            f"Port VLAN ID: {1 + identity.interfaces.index(interface):>5}", "VLAN Tag IDs:  None",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _since_boot() -> int:
    """Seconds since the node was switched on."""
    import os

    try:
        return max(0, int(time.time() - os.stat(NodeRoot.current().path("/var/run/lpar.pid")).st_mtime))
    except OSError:
        return 0
