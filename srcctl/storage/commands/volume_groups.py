"""lsvg: volume groups, their logical volumes, disks and figures."""

from __future__ import annotations

import sys

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems, mirrors, partitions, rootvg
from srcctl.storage.characteristics import of_group as group_characteristic
from srcctl.storage.commands.invocation import active_group, disk_of, invoke
from srcctl.storage.commands.physical_volumes import descriptors, free_distribution, print_partition_map
from srcctl.storage.descriptor_area import LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.volume_groups import VolumeGroups

LSVG_USAGE = "Usage: lsvg [-o] [-L]\n       lsvg [-L] [-i] [-M | -P | -l | -p] [-n PVname] VGname ..."

LIMITS = {"normal": (256, 32512, 1016, 32), "big": (512, 130048, 1016, 128), "scalable": (256, 32768, 0, 1024)}
"""By kind: logical volumes, partitions of the group, partitions of a disk, disks (the product's documentation)."""


def lsvg(argv: list[str]) -> int:
    """``lsvg``: names; ``lsvg VG``: one of them. With -i the names come from the standard input."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        names = options.operands + (sys.stdin.read().split() if "i" in options else [])
        if not names:
            if set(options.values) & set("MPlpn"):
                raise UsageError("a volume group is needed")
            if "i" not in options:
                print("\n".join(_names(groups, only_varied_on="o" in options)))
            return 0
        if len(options.values.keys() & set("lpMPo")) > 1:
            raise UsageError("one form")
        status = 0
        for name in names:
            try:
                _print(options, groups, root, name)
            except StorageError as error:
                sys.stderr.write(f"{error}\n")
                status = 1
        return status

    return invoke(argv, "oLiMPlpn:rsjw", LSVG_USAGE, work)


def _names(groups: VolumeGroups, only_varied_on: bool) -> list[str]:
    if not only_varied_on:
        return [rootvg.NAME, *groups.known()]
    on = [name for name in groups.known() if (group := groups.find(name)) and groups.mode(group)]
    return [*on, rootvg.NAME]


def _print(options: Options, groups: VolumeGroups, root: NodeRoot, name: str) -> None:
    if "n" in options:
        # The descriptor area of a disk answers, also while the volume group is varied off.
        disk = disk_of(root, "", options.value("n"))
        try:
            found = groups.find(rootvg.NAME) if disk == rootvg.DISK else groups.on_disk(disk)
        except OSError:
            found = None
        if found is None or found.name != name:
            raise StorageError(
                f"0516-1396 : The physical volume {groups.name_of(disk)}, was not found in the\nsystem database."
            )
        group = found
    else:
        group = active_group(groups, "", name)
    if "l" in options:
        _print_volumes(group, root)
    elif "p" in options:
        print_disks(groups, group)
    elif "M" in options:
        _print_map(groups, group)
    elif "P" in options:
        print("Physical Volume   Mirror Pool")
        for disk in group.disks:
            print(f"{groups.name_of(disk):<17} {group.pool_of(disk) or 'None'}")
    else:
        _print_figures(groups, root, group)


def is_open(root: NodeRoot, group: VolumeGroup, volume: LogicalVolume) -> bool:
    """Whether a logical volume is in use: its file system is mounted, or the system has it open."""
    if group.name == rootvg.NAME:
        return volume.type != "boot"
    return bool(volume.mount_point) and volume.mount_point in filesystems.mounted(root)


def state_of(root: NodeRoot, group: VolumeGroup, volume: LogicalVolume, opened: str = "open") -> str:
    """The state of a logical volume: open or closed, and whether all its copies are synchronized."""
    synchronized = "stale" if mirrors.stale_partitions(group, volume) else "syncd"
    return f"{opened if is_open(root, group, volume) else 'closed'}/{synchronized}"


def _print_volumes(group: VolumeGroup, root: NodeRoot) -> None:
    print(f"{group.name}:")
    print("LV NAME             TYPE       LPs     PPs     PVs  LV STATE      MOUNT POINT")
    for volume in group.volumes:
        state, physical = state_of(root, group, volume), volume.partitions * len(volume.copies)
        print(
            f"{volume.name:<19} {volume.type:<10} {volume.partitions:<7} {physical:<7} {len(volume.disks):<4} {state:<13} "
            f"{volume.mount_point or 'N/A'}"
        )


def print_disks(groups: VolumeGroups, group: VolumeGroup) -> None:
    """``lsvg -p``."""
    print(f"{group.name}:")
    print("PV_NAME           PV STATE          TOTAL PPs   FREE PPs    FREE DISTRIBUTION")
    for disk in group.disks:
        total = groups.partitions_of(group, disk)
        free = total - len(partitions.used(group, disk))
        state = "missing" if groups.is_missing(group, disk) else "active"
        print(f"{groups.name_of(disk):<17} {state:<17} {total:<11} {free:<11} {free_distribution(groups, group, disk)}")


def _print_map(groups: VolumeGroups, group: VolumeGroup) -> None:
    print(f"\n{group.name}")
    for disk in group.disks:
        print_partition_map(groups, group, disk, copies=True)


def _print_figures(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup) -> None:
    total, used, size = groups.total_partitions(group), group.used_partitions, group.partition_megabytes
    failed = sum(groups.is_missing(group, disk) for disk in group.disks)
    stale = [mirrors.stale_on(group, disk) for disk in group.disks]
    opened = sum(is_open(root, group, volume) for volume in group.volumes)
    areas = sum(descriptors(group, disk) for disk in group.disks)
    quorum = f"{areas // 2 + 1} (Enabled)" if group.quorum else "1 (Disabled)"
    volumes_max, of_group, of_disk, disks_max = LIMITS[group.kind]

    def of(name: str) -> str:
        return group_characteristic(group.characteristics, name)

    volumes_max = int(of("max_volumes") or volumes_max)
    # mkvg -P counts in units of 1024.
    of_group = int(of("max_partitions")) * 1024 if of("max_partitions") else of_group
    on, passive = bool(groups.mode(group)), groups.is_passive(group)
    rows = [
        ("VOLUME GROUP:", group.name, "VG IDENTIFIER:", group.identifier),
        ("VG STATE:", "active" if on else "inactive", "PP SIZE:", f"{size} megabyte(s)"),
        (
            "VG PERMISSION:",
            "passive-only" if passive else "read/write" if on else "unknown",
            "TOTAL PPs:",
            f"{total} ({total * size} megabytes)",
        ),
        ("MAX LVs:", str(volumes_max), "FREE PPs:", f"{total - used} ({(total - used) * size} megabytes)"),
        ("LVs:", str(len(group.volumes)), "USED PPs:", f"{used} ({used * size} megabytes)"),
        ("OPEN LVs:", str(opened), "QUORUM:", quorum),
        ("TOTAL PVs:", str(len(group.disks)), "VG DESCRIPTORS:", str(areas)),
        ("STALE PVs:", str(sum(map(bool, stale))), "STALE PPs:", str(sum(stale))),
        ("ACTIVE PVs:", str(len(group.disks) - failed if on else 0), "AUTO ON:", "yes" if group.auto_on else "no"),
    ]
    if group.concurrent:
        rows.append(("Concurrent:", "Enhanced-Capable", "Auto-Concurrent:", "Disabled"))
        concurrent = groups.mode(group) == "concurrent"
        rows.append(("VG Mode:", "Concurrent" if concurrent else "Non-Concurrent", "", ""))
        if concurrent:
            # Node numbers, as gsclvmd shows them (the place of the row is inferred).
            numbers = {node.name: node.number for node in root.identity.nodes}
            others = sorted(numbers[name] for name in groups.modes(group) if name in numbers)
            own = root.identity.number
            active = " ".join(str(number) for number in others if number != own)
            rows.append(("Node ID:", str(own), "Active Nodes:", active))
    rows.append(("MAX PPs per VG:", str(of_group), "", ""))
    if of_disk:
        rows.append(("MAX PPs per PV:", str(of_disk), "MAX PVs:", str(disks_max)))
    else:
        rows[-1] = ("MAX PPs per VG:", str(of_group), "MAX PVs:", str(disks_max))
    rows += [
        ("LTG size (Dynamic):", f"{of('track_group')} kilobyte(s)", "AUTO SYNC:", of("automatic_synchronization")),
        ("HOT SPARE:", of("hot_spare"), "BB POLICY:", "relocatable "),
    ]
    if group.pools or of("strict_pools") != "off":
        # Shown where there is something to show (the place of the row is inferred).
        rows.append(("MIRROR POOL STRICT:", of("strict_pools"), "", ""))
    rows += [
        ("PV RESTRICTION:", "none", "INFINITE RETRY:", "no"),
        ("DISK BLOCK SIZE:", "512", "CRITICAL VG:", of("critical")),
        ("FS SYNC OPTION:", "no", "CRITICAL PVs:", "no"),
    ]
    if of("encryption") == "yes":
        rows.append(("ENCRYPTION:", "yes", "", ""))
    for left, value, right, other in rows:
        print(f"{left:<19} {value:<24} {right:<15} {other}" if right else f"{left:<19} {value:<42}")
