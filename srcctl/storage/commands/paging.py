"""lsps: the paging space of a node, hd6 of rootvg. What of it is used is what the host uses of its own."""

from __future__ import annotations

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage import rootvg
from srcctl.storage.commands.invocation import invoke
from srcctl.storage.descriptor_area import StorageError
from srcctl.storage.volume_groups import VolumeGroups

LSPS_USAGE = "Usage: lsps [-c | -s | -l] [-a | -t {lv | nfs | ps_helper} | Psname]"


def paging_space(root: NodeRoot) -> tuple[int, int]:
    """Megabytes of all paging space, and how many percent of it are used."""
    group = rootvg.volume_group(root)
    volume = group.volume("hd6")
    return (volume.partitions * group.partition_megabytes if volume else 0), percent_used()


def percent_used() -> int:
    """Percent of the host's swap space. At least 1, as AIX has it: the paging space keeps its own map."""
    total = free = 0
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in ("SwapTotal", "SwapFree"):
                    total, free = (
                        (int(value.split()[0]), free) if name == "SwapTotal" else (total, int(value.split()[0]))
                    )
    except (OSError, ValueError):
        return 1
    return max(1, 100 * (total - free) // total) if total else 1


def lsps(argv: list[str]) -> int:
    """``lsps -a``: the paging spaces, a line each; ``-s`` all of it; ``-c`` with colons."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) > 1 or len(options.values.keys() & set("csl")) > 1:
            raise UsageError("one form")
        if "s" in options and options.operands:
            raise UsageError("-s is about all of them")
        megabytes, percent = paging_space(root)
        if "s" in options:
            print(f"Total Paging Space   Percent Used\n{megabytes:>10}MB {percent:>17}%")
            return 0
        if not options.operands and not {"a", "t"} & options.values.keys():
            raise UsageError("-a or a name")
        if options.operands and options.operands[0] != "hd6":
            raise StorageError(f"0517-063 lsps: {options.operands[0]} is not a paging space.")
        if options.value("t", "lv") != "lv":
            return 0
        partitions = megabytes // rootvg.PARTITION_MEGABYTES
        if "c" in options:
            print("#Psname:Pvname:Vgname:Size:Used:Active:Auto:Type:Chksum")
            print(f"hd6:{rootvg.DISK}:{rootvg.NAME}:{partitions}:{percent}:y:y:lv:0")
            return 0
        print("Page Space      Physical Volume   Volume Group    Size %Used Active  Auto  Type Chksum")
        size = f"{megabytes}MB"
        print(f"{'hd6':<15} {rootvg.DISK:<17} {rootvg.NAME:<12} {size:>7} {percent:>5}   yes   yes    lv     0")
        return 0

    return invoke(argv, "acslt:", LSPS_USAGE, work)
