"""lparstat -i: the logical partition that a node is; titles, order and width as in published captures."""

from __future__ import annotations

from srcctl.commands.options import Options, UsageError
from srcctl.devices.devices import Devices, run
from srcctl.devices.inventory import Machine

USAGE = "Usage: lparstat -i"


def lparstat(argv: list[str]) -> int:
    """``lparstat -i``: names, capacity and memory. A node has the host's processors for itself: dedicated, capped."""

    def work(options: Options, devices: Devices) -> int:
        if "i" not in options or options.operands:
            raise UsageError("-i")
        machine = Machine(devices)
        name, count, memory = machine.identity.node, machine.processors, f"{machine.of('mem0', 'size')} MB"
        for title, value in (
            ("Node Name", name), ("Partition Name", name), ("Partition Number", machine.identity.number),
            ("Type", "Dedicated"), ("Mode", "Capped"), ("Entitled Capacity", f"{count}.00"),
            ("Partition Group-ID", 32768 + machine.identity.number), ("Shared Pool ID", "-"),
            ("Online Virtual CPUs", count), ("Maximum Virtual CPUs", count), ("Minimum Virtual CPUs", 1),
            ("Online Memory", memory), ("Maximum Memory", memory), ("Minimum Memory", "1024 MB"),
            ("Variable Capacity Weight", "-"), ("Minimum Capacity", "1.00"), ("Maximum Capacity", f"{count}.00"),
            ("Capacity Increment", "1.00"), ("Maximum Physical CPUs in system", count),
            ("Active Physical CPUs in system", count), ("Active CPUs in Pool", "-"),
            ("Shared Physical CPUs in system", "-"), ("Maximum Capacity of Pool", "-"),
            ("Entitled Capacity of Pool", "-"), ("Unallocated Capacity", "-"), ("Physical CPU Percentage", "100.00%"),
            ("Unallocated Weight", "-"), ("Memory Mode", "Dedicated"), ("Total I/O Memory Entitlement", "-"),
            ("Variable Memory Capacity Weight", "-"), ("Memory Pool ID", "-"), ("Physical Memory in the Pool", "-"),
            ("Hypervisor Page Size", "-"), ("Unallocated Variable Memory Capacity Weight", "-"),
            ("Unallocated I/O Memory entitlement", "-"), ("Memory Group ID of LPAR", "-"),
            ("Desired Virtual CPUs", count), ("Desired Memory", memory), ("Desired Variable Capacity Weight", "-"),
            ("Desired Capacity", f"{count}.00"), ("Target Memory Expansion Factor", "-"),
            ("Target Memory Expansion Size", "-"), ("Power Saving Mode", "Disabled"), ("Sub Processor Mode", "-"),
        ):  # fmt: skip
            print(f"{title:<43}: {value}")
        return 0

    return run(argv, "i", USAGE, work)
