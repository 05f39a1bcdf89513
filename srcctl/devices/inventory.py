"""prtconf, lscfg, bootinfo, getconf, lsmcode: what a machine is made of, as inventory scripts ask for it.

prtconf's and lscfg's titles and order as in published captures; rows of virtual devices in lscfg -v are inferred.
"""

from __future__ import annotations

import os
import sys

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.devices.configuration import AVAILABLE
from srcctl.devices.devices import DeviceError, Devices, run
from srcctl.devices.listing import physical_location
from srcctl.node.hardware import FIRMWARE, MODEL, serial_number
from srcctl.node.root import IdentityError, NodeRoot
from srcctl.odm import OdmObject

PROCESSOR_VERSION = "PV_9_Compat"
GATEWAY = "Not Available"


class Machine:
    """The figures that several of the commands print."""

    def __init__(self, devices: Devices) -> None:
        self.devices = devices
        self.identity = devices.root.identity
        self.all = [o for o in devices.repository.get("CuDv") if o["status"] == AVAILABLE]

    def of(self, name: str, attribute: str) -> str:
        """An attribute of a device as it is."""
        found = next((o for o in self.all if o["name"] == name), None)
        if found is None:
            return ""
        return next((a.value for a in self.devices.attributes(str(found["PdDvLn"]), name) if a.name == attribute), "")

    @property
    def processors(self) -> int:
        return sum(str(o["PdDvLn"]).startswith("processor/") for o in self.all)

    @property
    def megahertz(self) -> int:
        return int(self.of("proc0", "frequency") or 0) // 1_000_000

    @property
    def description(self) -> dict[str, str]:
        """Titles and values of prtconf's first block."""
        return {
            "System Model": MODEL,
            "Machine Serial Number": serial_number(self.identity),
            "Processor Type": self.of("proc0", "type"),
            "Processor Implementation Mode": "POWER 9",
            "Processor Version": PROCESSOR_VERSION,
            "Number Of Processors": str(self.processors),
            "Processor Clock Speed": f"{self.megahertz} MHz",
            "CPU Type": "64-bit",
            "Kernel Type": "64-bit",
            "LPAR Info": f"{self.identity.number} {self.identity.node}",
            "Memory Size": f"{self.of('mem0', 'size')} MB",
            "Good Memory Size": f"{self.of('mem0', 'goodsize')} MB",
            "Platform Firmware level": FIRMWARE,
            "Firmware Version": f"IBM,{FIRMWARE}",
            "Console Login": "enable",
            "Auto Restart": self.of("sys0", "autorestart"),
            "Full Core": self.of("sys0", "fullcore"),
        }


PRTCONF = {
    "c": "CPU Type: {CPU Type}", "k": "Kernel Type: {Kernel Type}", "L": "LPAR Info: {LPAR Info}",
    "m": "Memory Size: {Memory Size}", "s": "Processor Clock Speed: {Processor Clock Speed}",
}  # fmt: skip


def prtconf(argv: list[str]) -> int:
    """``prtconf``: the machine, its network, paging space, volume groups and devices; with a flag one line of it."""

    def work(options: Options, devices: Devices) -> int:
        if options.operands or len(options.values) > 1:
            raise UsageError("one flag")
        machine = Machine(devices)
        if "v" in options:
            _list_resources(machine, vital=True)
            return 0
        for flag, line in PRTCONF.items():
            if flag in options:
                print(line.format_map(machine.description))
                return 0
        for title, value in machine.description.items():
            print(f"{title}: {value}")
        _print_network(machine)
        _print_paging(machine)
        _print_volume_groups(devices.root)
        print(" ")
        _list_resources(machine)
        return 0

    return run(argv, "ckLmsv", "Usage: prtconf [-c] [-k] [-L] [-m] [-s] [-v]", work)


def _print_network(machine: Machine) -> None:
    first = machine.identity.interfaces[0]
    print(" \nNetwork Information")
    for title, value in (
        ("Host Name", machine.identity.node), ("IP Address", first.address), ("Sub Netmask", first.netmask),
        ("Gateway", GATEWAY), ("Name Server", ""), ("Domain Name", ""),
    ):  # fmt: skip
        print(f"\t{title}: {value}")


def _print_paging(machine: Machine) -> None:
    from srcctl.storage.commands.paging import paging_space

    megabytes, percent = paging_space(machine.devices.root)
    print(f" \nPaging Space Information\n\tTotal Paging Space: {megabytes}MB\n\tPercent Used: {percent}%")


def _print_volume_groups(root: NodeRoot) -> None:
    from srcctl.storage import rootvg
    from srcctl.storage.commands.volume_groups import print_disks
    from srcctl.storage.volume_groups import VolumeGroups

    groups, rule = VolumeGroups(root), "=" * 78
    known = [(name, groups.find(name)) for name in (*groups.known(), rootvg.NAME)]
    active = [group for _, group in known if group is not None and groups.mode(group)]
    names = {group.name for group in active}
    print(f" \nVolume Groups Information\nInactive VGs\n{rule}")
    for name, _ in known:
        if name not in names:
            print(name)
    print(f"{rule}\nActive VGs\n{rule}")
    for group in active:
        print_disks(groups, group)
        print(rule)


def _list_resources(machine: Machine, vital: bool = False) -> None:
    print("INSTALLED RESOURCE LIST" + (" WITH VPD" if vital else ""))
    print("\nThe following resources are installed on the machine.")
    if not vital:
        print("+/- = Added or deleted from Resource List.\n*   = Diagnostic support not available.")
    print("        \n  Model Architecture: chrp\n  Model Implementation: Multiple Processor, PCI bus\n        ")
    for o in machine.all:
        kind = str(o["PdDvLn"])
        if kind.startswith(("logical_volume/", "lvm/", "tcpip/", "if/")):
            continue
        mark = "  " if vital else "+ " if kind.startswith(("sys/", "processor/", "memory/")) else "* "
        print(_resource_line(machine, o, mark))
        if vital:
            _print_vital(machine, o)


def _resource_line(machine: Machine, o: OdmObject, mark: str) -> str:
    text = machine.devices.catalogue.device(str(o["PdDvLn"]))
    return f"{mark}{o['name']:<16} {physical_location(o):<48}  {text}"


def _print_vital(machine: Machine, o: OdmObject) -> None:
    """The vital product data of a device: what a virtual one has."""
    if str(o["PdDvLn"]).startswith("adapter/vdevice/IBM,l-lan"):
        address = machine.of(str(o["name"]), "mac_addr").removeprefix("0x").upper()
        rows = [("Network Address", address), ("Displayable Message", "Virtual I/O Ethernet Adapter (l-lan)"),
                ("Hardware Location Code", physical_location(o))]  # fmt: skip
        print("\n" + "\n".join(f"        {title.ljust(28, '.')}{value}" for title, value in rows) + "\n")


PLATFORM = {
    "disk/vscsi/vdisk": ("disk", "disk", "block"),
    "adapter/vdevice/IBM,l-lan": ("l-lan", "l-lan@30000003", "network"),
    "adapter/vdevice/IBM,v-scsi": ("v-scsi", "v-scsi@30000002", "vscsi"),
    "memory/sys/totmem": ("memory", "memory@0", "memory"),
    "processor/sys/proc_rspc": ("PowerPC,POWER9", "PowerPC,POWER9@0", "cpu"),
}
"""Name, node and device type of the platform-specific section, by type of devices (inferred)."""


def lscfg(argv: list[str]) -> int:
    """``lscfg [-v] [-p] [-s] [-l Name]``: the devices with their locations, vital product data with -v."""

    def work(options: Options, devices: Devices) -> int:
        if options.operands:
            raise UsageError("operands")
        machine = Machine(devices)
        if "l" not in options:
            _list_resources(machine, vital="v" in options)
            return 0
        from fnmatch import fnmatchcase

        wanted = options.value("l")
        found = [o for o in machine.all if fnmatchcase(str(o["name"]), wanted)]
        if not found:
            raise DeviceError(f"lscfg: device {wanted} not found.")
        for o in found:
            print(_resource_line(machine, o, "  "))
            if "v" in options:
                _print_vital(machine, o)
            if "p" in options and str(o["PdDvLn"]) in PLATFORM:
                name, node, kind = PLATFORM[str(o["PdDvLn"])]
                print(f"\n\n  PLATFORM SPECIFIC\n\n  Name:  {name}\n    Node:  {node}\n    Device Type:  {kind}")
                if where := physical_location(o):
                    print(f"    Physical Location: {where}")
        return 0

    return run(argv, "vpsl:", "Usage: lscfg [-v] [-p] [-s] [-l Name]", work)


def _disk_megabytes(machine: Machine, word: str) -> str:
    name = word.removeprefix("/dev/").removeprefix("r")
    return machine.of(name, "size_in_mb")


def bootinfo(argv: list[str]) -> int:
    """``bootinfo``: how the machine was booted and what it is; ``-s hdiskN`` the size of a disk in megabytes."""

    def work(options: Options, devices: Devices) -> int:
        if options.operands or len(options.values) != 1:
            raise UsageError("one flag")
        machine = Machine(devices)
        if "s" in options or "B" in options:
            disk = options.value("s") or options.value("B")
            megabytes = _disk_megabytes(machine, disk)
            if not megabytes:
                raise DeviceError(f"bootinfo: {disk} is not a disk of this machine.")
            print(megabytes if "s" in options else "1")
            return 0
        single = {
            "b": "hdisk0", "K": "64", "y": "64", "p": "chrp", "r": machine.of("sys0", "realmem"), "T": "rspc",
            "t": "1", "z": "1" if machine.processors > 1 else "0", "m": serial_number(machine.identity),
        }  # fmt: skip
        print(single[next(iter(options.values))])
        return 0

    usage_text = "Usage: bootinfo {-b | -K | -m | -p | -r | -t | -T | -y | -z | -s disk | -B disk}"
    return run(argv, "bKmprtTyzs:B:", usage_text, work)


def getconf(argv: list[str]) -> int:
    """``getconf [-v spec] NAME [file]``: AIX's names, and the limits that the host has for the node's programs."""
    try:
        options = parse(argv, "v:")
    except UsageError:
        return usage(GETCONF_USAGE)
    if len(options.operands) not in (1, 2):
        return usage(GETCONF_USAGE)
    name, file = options.operands[0], options.operands[-1]
    try:
        value = _own_value(Machine(Devices(NodeRoot.current())), name, file) or _limit(name, file)
    except (IdentityError, OSError) as error:
        sys.stderr.write(f"getconf: {error}\n")
        return 1
    if not value:
        sys.stderr.write(f"getconf: 0555-001 {name} is not a variable.\n")
        return 1
    print(value)
    return 0


GETCONF_USAGE = "Usage: getconf [-v specification] SystemwideConfiguration\n       getconf DeviceVariable DeviceName"


def _own_value(machine: Machine, name: str, file: str) -> str:
    match name:
        case "DISK_SIZE":
            return _disk_megabytes(machine, file)
        case "BOOT_DEVICE" | "DISK_DEVNAME":
            return "hdisk0" if name == "BOOT_DEVICE" or file == "DISK_DEVNAME" else os.path.basename(file)
        case "KERNEL_BITMODE" | "HARDWARE_BITMODE":
            return "64"
        case "MACHINE_ARCHITECTURE":
            return "chrp"
        case "MP_CAPABLE":
            return "1"
        case "REAL_MEMORY":
            return machine.of("sys0", "realmem")
    return ""


def _limit(name: str, file: str) -> str:
    """A limit of the host, by the names of POSIX and glibc; "" if there is none of that name.

    Raises:
        OSError: the file of a limit of files is not there.
    """
    plain = name.lstrip("_")
    if name in ("LONG_BIT", "WORD_BIT"):
        return "64" if name == "LONG_BIT" else "32"
    if f"CS_{plain}" in os.confstr_names:
        return os.confstr(f"CS_{plain}") or ""
    if f"PC_{plain}" in os.pathconf_names:
        return str(os.pathconf(file if file != name else "/", f"PC_{plain}"))
    if f"SC_{plain}" in os.sysconf_names:
        return str(os.sysconf(f"SC_{plain}"))
    return ""


def lsmcode(argv: list[str]) -> int:
    """``lsmcode [-c | -A] [-d Name]``: the level of the firmware; virtual devices have none of their own."""

    def work(options: Options, devices: Devices) -> int:
        if options.operands or len(options.values) > 1:
            raise UsageError("one flag")
        if "A" in options:
            print(f"sys0!system:{FIRMWARE} (t) {FIRMWARE} (p) {FIRMWARE} (t)")
            return 0
        if "d" in options:
            devices.find("lsmcode", options.value("d"))
            raise DeviceError(f"lsmcode: no microcode level is available for {options.value('d')}.")
        print(f"The current permanent system firmware image is {FIRMWARE}")
        print(f"The current temporary system firmware image is {FIRMWARE}")
        print("The system is currently booted from the temporary firmware image.")
        return 0

    return run(argv, "cArd:", "Usage: lsmcode [-c | -A | -d Name]", work)
