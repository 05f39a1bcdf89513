"""What can be measured on a node: host, processors, file systems, interfaces, programs.

Processor and memory figures are the machine's that the lab runs on; file systems and programs are the node's own.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable

import psutil

from daemons.ctrmc.core import Program
from daemons.ctrmc.messages import Attribute, Resource
from srcctl.network.faults import Faults
from srcctl.node.processes import MARK_VARIABLE, Membership, members
from srcctl.node.root import NodeRoot
from srcctl.storage.filesystems import contents_below, contents_of, mounted, usage

FILE_SYSTEMS = ("/", "/var", "/tmp")
PAGE_BYTES = 4096
_RUSER = re.compile(r"""ruser\s*={1,2}\s*["']([^"']+)["']""")


class Metrics:
    """Measures resources of this node. Rates are means since the previous measurement."""

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._processors = psutil.cpu_times(percpu=True)
        self._paging = time.monotonic(), _paging_counts()
        self.peer_domain = ""
        """The peer domain in which the node is online, as its owner last heard."""

    def measure(self, classes: Iterable[str], programs: Iterable[Program] = ()) -> dict[str, tuple[Resource, ...]]:
        """The resources of each class; a class that cannot be measured is left out."""
        measures: dict[str, Callable[[], tuple[Resource, ...]]] = {
            "IBM.FileSystem": self._file_systems,
            "IBM.Host": self._host,
            "IBM.NetworkInterface": self._interfaces,
            "IBM.PagingDevice": self._paging_devices,
            "IBM.Processor": self._processor_resources,
            "IBM.Program": lambda: self._programs(programs),
        }
        found = {}
        for resource_class in classes:
            try:
                found[resource_class] = measures[resource_class]()
            except OSError:
                continue
        return found

    def common(self) -> dict[str, Attribute]:
        """The attributes with which every listing of a resource ends."""
        return {"ActivePeerDomain": self.peer_domain, "NodeNameList": "{" + f'"{self._root.identity.node}"' + "}"}

    def _processor_shares(self) -> list[tuple[float, float, float, float]]:
        """Percent idle, wait, kernel, user of each processor since the last call."""
        before, self._processors = self._processors, psutil.cpu_times(percpu=True)
        shares = []
        for old, new in zip(before, self._processors, strict=False):
            idle, wait = new.idle - old.idle, new.iowait - old.iowait
            user = new.user - old.user + new.nice - old.nice
            kernel = new.system - old.system + new.irq - old.irq + new.softirq - old.softirq
            total = idle + wait + user + kernel
            if total <= 0:
                shares.append((100.0, 0.0, 0.0, 0.0))
            else:
                shares.append(
                    (100 * idle / total, 100 * wait / total, 100 * kernel / total, 100 * user / total),
                )
        return shares

    def _host(self) -> tuple[Resource, ...]:
        shares = self._processor_shares()
        count = max(1, len(shares))
        idle, wait, kernel, user = (round(sum(share[n] for share in shares) / count, 6) for n in range(4))
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return (
            Resource(
                self._root.identity.node,
                {
                    "Name": self._root.identity.node,
                    "NumProcessors": len(shares),
                    "RealMemSize": memory.total,
                    "OSName": "AIX",
                    "KernelVersion": "7.2",
                    **self.common(),
                },
                {
                    "PctTotalTimeIdle": idle,
                    "PctTotalTimeWait": wait,
                    "PctTotalTimeKernel": kernel,
                    "PctTotalTimeUser": user,
                    "PctRealMemFree": round(100 * memory.available / memory.total, 6),
                    "RealMemFramesFree": memory.available // PAGE_BYTES,
                    "TotalPgSpSize": swap.total // PAGE_BYTES,
                    "TotalPgSpFree": swap.free // PAGE_BYTES,
                    "PctTotalPgSpFree": round(100 * swap.free / swap.total, 6) if swap.total else 100.0,
                    "PctTotalPgSpUsed": round(100 * swap.used / swap.total, 6) if swap.total else 0.0,
                    **self._paging_rates(),
                    "UpTime": int(time.time() - psutil.boot_time()),
                },
            ),
        )

    def _paging_rates(self) -> dict[str, Attribute]:
        """Pages a second since the last call: page-ins and page-outs, and those from and to paging space."""
        (then, before), now = self._paging, time.monotonic()
        counts = _paging_counts()
        self._paging = now, counts
        seconds = max(now - then, 1e-3)
        return {name: round((count - before.get(name, count)) / seconds, 6) for name, count in counts.items()}

    def _paging_devices(self) -> tuple[Resource, ...]:
        swap = psutil.swap_memory()
        free = round(100 * swap.free / swap.total, 6) if swap.total else 100.0
        persistent: dict[str, Attribute] = {"Name": "hd6", "Size": swap.total // PAGE_BYTES, **self.common()}
        return (Resource("hd6", persistent, {"OpState": 1, "PctFree": free}),)

    def _processor_resources(self) -> tuple[Resource, ...]:
        return tuple(
            Resource(
                f"proc{number}",
                {"Name": f"proc{number}", "ProcessorType": "PowerPC_POWER9", **self.common()},
                {
                    "PctTimeIdle": round(idle, 6),
                    "PctTimeWait": round(wait, 6),
                    "PctTimeKernel": round(kernel, 6),
                    "PctTimeUser": round(user, 6),
                    "OpState": 1,
                },
            )
            for number, (idle, wait, kernel, user) in enumerate(self._processor_shares())
        )

    def _file_systems(self) -> tuple[Resource, ...]:
        resources = []
        shared = mounted(self._root)
        for mount_point in (*FILE_SYSTEMS, *sorted(shared)):
            try:
                size, _ = usage(self._root, mount_point)
                folder = shared.get(mount_point)
                used, files = contents_below(folder) if folder else contents_of(self._root, mount_point)
            except OSError:
                continue
            resources.append(
                Resource(
                    mount_point,
                    {"Name": mount_point, "MountPoint": mount_point, "Vfs": "jfs2", **self.common()},
                    {
                        "OpState": 1,
                        "PercentTotUsed": round(100 * used / size) if size else 0,
                        # JFS2 makes inodes as they are needed, out of what is free: 512 bytes each (as df counts).
                        "PercentINodeUsed": round(100 * files / max(1, files + max(0, size - used) // 512)),
                        "Size": size,
                    },
                )
            )
        return tuple(resources)

    def _interfaces(self) -> tuple[Resource, ...]:
        identity = self._root.identity
        faults = Faults(identity.lab)
        return tuple(
            Resource(
                interface.name,
                {
                    "Name": interface.name,
                    "DeviceName": interface.name.replace("en", "ent"),
                    "IPAddress": interface.address,
                    "SubnetMask": interface.netmask,
                    "CommGroup": interface.network,
                    "HardwareAddress": mac_of(interface.address),
                    **self.common(),
                },
                {"OpState": 1 if faults.link_up(identity.node, interface.network) else 2},
            )
            for interface in identity.interfaces
        )

    def _programs(self, programs: Iterable[Program]) -> tuple[Resource, ...]:
        processes = self._processes() if programs else []
        return tuple(
            Resource(
                program.name,
                {"Name": program.name, "ProgramName": program.name, "Filter": program.filter, **self.common()},
                {
                    "Processes.CurPidCount": sum(
                        program.name in names and _passes(program.filter, user) for names, user in processes
                    )
                },
            )
            for program in programs
        )

    def _processes(self) -> list[tuple[frozenset[str], str]]:
        """The names (of the program file and of its first argument) and the real user of the node's processes."""
        membership = Membership.of_this_process(
            os.environ.get(MARK_VARIABLE, ""), view=self._root.identity.mode == "view"
        )
        found = []
        for pid in members(membership):
            try:
                process = psutil.Process(pid)
                arguments = process.cmdline()
                names = frozenset((process.name(), os.path.basename(arguments[0]) if arguments else ""))
                found.append((names, process.username()))
            except (psutil.Error, KeyError):
                continue
        return found


_PAGING = {"pgpgin": "VMPgInRate", "pgpgout": "VMPgOutRate", "pswpin": "VMPgSpInRate", "pswpout": "VMPgSpOutRate"}
_KILOBYTES = ("pgpgin", "pgpgout")


def _paging_counts() -> dict[str, float]:
    """Pages moved since the host booted, by the name of the attribute that is their rate (proc(5), /proc/vmstat)."""
    with open("/proc/vmstat", encoding="ascii") as file:
        found = dict(line.split() for line in file if line.split()[0] in _PAGING)
    return {
        attribute: int(found.get(name, 0)) / (PAGE_BYTES // 1024 if name in _KILOBYTES else 1)
        for name, attribute in _PAGING.items()
    }


def mac_of(address: str) -> str:
    """A hardware address for a lab interface, made from its IP address (locally administered)."""
    return "fa:16:" + ":".join(f"{byte:02x}" for byte in socket.inet_aton(address))


def _passes(process_filter: str, user: str) -> bool:
    match = _RUSER.search(process_filter)
    return match is None or match[1] == user
