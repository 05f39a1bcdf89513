"""lsvg, mkvg, varyonvg, varyoffvg, importvg, exportvg, lsvgfs."""

from __future__ import annotations

import hashlib
import time

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.commands.invocation import invoke, known_group
from srcctl.storage.descriptor_area import PARTITION_BYTES, StorageError, VolumeGroup
from srcctl.storage.disk import disk_names, pvid
from srcctl.storage.filesystems import read_stanzas, stanza_of, write_stanzas
from srcctl.storage.volume_groups import VolumeGroups

MEGABYTE = 1 << 20


def lsvg(argv: list[str]) -> int:
    """``lsvg [-o] | [-l | -p] vg | vg``: volume groups, their logical volumes, disks, figures."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands:
            names = ["rootvg", *groups.known()]
            if "o" in options:
                on = [name for name in groups.known() if (g := groups.find(name)) and groups.is_varied_on(g)]
                names = [*on, "rootvg"]
            print("\n".join(names))
            return 0
        for name in options.operands:
            group = known_group(groups, "lsvg", name)
            if not groups.is_varied_on(group):
                raise StorageError("0516-010 lsvg: Volume group must be varied on; use varyonvg command.")
            if "l" in options:
                _print_volumes(group, root)
            elif "p" in options:
                print(f"{name}:\nPV_NAME           PV STATE          TOTAL PPs   FREE PPs    FREE DISTRIBUTION")
                total = group.total_partitions
                print(f"{group.disks[0]:<17} active            {total:<11} {total - group.used_partitions:<11} ")
            else:
                _print_figures(group)
        return 0

    return invoke(argv, "olp", "Usage: lsvg [-o] | [-l | -p] [volume_group ...]", work)


def _print_volumes(group: VolumeGroup, root: NodeRoot) -> None:
    mounts = filesystems.mounted(root)
    print(f"{group.name}:")
    print("LV NAME             TYPE       LPs     PPs     PVs  LV STATE      MOUNT POINT")
    for volume in group.volumes:
        state = "open/syncd" if volume.mount_point in mounts else "closed/syncd"
        point = volume.mount_point or "N/A"
        print(
            f"{volume.name:<19} {volume.type:<10} {volume.partitions:<7} {volume.partitions:<7} 1    {state:<13} {point}"
        )


def _print_figures(group: VolumeGroup) -> None:
    total, used = group.total_partitions, group.used_partitions
    size = PARTITION_BYTES // MEGABYTE
    left = [
        ("VOLUME GROUP:", group.name),
        ("VG STATE:", "active"),
        ("VG PERMISSION:", "read/write"),
        ("MAX LVs:", "256"),
        ("LVs:", str(len(group.volumes))),
        ("OPEN LVs:", str(len(group.volumes))),
        ("TOTAL PVs:", str(len(group.disks))),
    ]
    right = [
        ("VG IDENTIFIER:", group.identifier),
        ("PP SIZE:", f"{size} megabyte(s)"),
        ("TOTAL PPs:", f"{total} ({total * size} megabytes)"),
        ("FREE PPs:", f"{total - used} ({(total - used) * size} megabytes)"),
        ("USED PPs:", f"{used} ({used * size} megabytes)"),
        ("QUORUM:", f"{len(group.disks) // 2 + 1} (Enabled)"),
        ("VG DESCRIPTORS:", str(2 * len(group.disks))),
    ]
    for (a, b), (c, d) in zip(left, right, strict=True):
        print(f"{a:<19} {b:<24} {c:<15} {d}")


def mkvg(argv: list[str]) -> int:
    """``mkvg [-f] [-S] [-C] [-n] [-s size] [-V major] -y vg disk ...``: make a volume group and vary it on."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        name, disks = options.value("y"), tuple(options.operands)
        if not name or not disks:
            raise UsageError("-y and disks are needed")
        if name == "rootvg" or groups.find(name) is not None or name in groups.known():
            raise StorageError(f"0516-360 mkvg: The device name {name} is already used; choose a\n\tdifferent name.")
        for disk in disks:
            if disk not in disk_names(root.identity.lab):
                raise StorageError(
                    f"0516-306 mkvg: Unable to find physical volume {disk} in the Device\n\tConfiguration Database."
                )
            if groups.is_repository(disk) or (groups.on_disk(disk) is not None and "f" not in options):
                raise StorageError(
                    f"0516-1398 mkvg: The physical volume {disk}, appears to belong to\nanother volume group. Use the force "
                    "option to add this physical volume\nto a volume group.\n0516-862 mkvg: Unable to create volume group."
                )
        seed = f"{root.identity.lab_id}/{name}/{time.time_ns()}"
        identifier = "00f9c490" + hashlib.blake2b(seed.encode(), digest_size=12).hexdigest()
        major = int(options.value("V", "100")) if options.value("V", "100").isdigit() else 100
        group = groups.store(VolumeGroup(name, identifier, disks, major=major))
        groups.make_known(group)
        if groups.reserve(group) is not None:
            raise StorageError("0516-013 varyonvg: The volume group cannot be varied on because it is reserved.")
        print(name)
        return 0

    return invoke(argv, "fSCBns:V:y:iIdp:v:P:", "Usage: mkvg [-f] [-s size] [-V major] -y volume_group disk ...", work)


def varyonvg(argv: list[str]) -> int:
    """``varyonvg [-n] [-c [-P]] [-O] [-u] vg``: reserve the disks for this node."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = known_group(groups, "varyonvg", options.operands[0])
        try:
            for disk in group.disks:
                groups.on_disk(disk)
        except OSError:
            raise StorageError(
                "0516-052 varyonvg: Volume group cannot be varied on without a\n\tquorum. More physical volumes in the group "
                "must be active.\n\tRun diagnostics on inactive PVs."
            ) from None
        if "c" in options and "P" in options:
            return 0  # passive mode: no reservation, no access
        if groups.is_varied_on(group):
            return 0
        holder = groups.reserve(group, force="O" in options)
        if holder is not None:
            raise StorageError(
                f"PV Status:\t{group.disks[0]}\t{pvid(root.identity.lab_id, group.disks[0])}\tPVNOTAVAIL\n"
                f"0516-013 varyonvg: The volume group cannot be varied on because\n\tit is reserved by {holder}."
            )
        return 0

    return invoke(argv, "ncPOubfAaMrst", "Usage: varyonvg [-n] [-c [-P]] [-O] volume_group", work)


def varyoffvg(argv: list[str]) -> int:
    """``varyoffvg [-s] vg``: give the disks up."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = known_group(groups, "varyoffvg", options.operands[0])
        if not groups.is_varied_on(group):
            raise StorageError("0516-010 varyoffvg: Volume group must be varied on; use varyonvg command.")
        mounts = filesystems.mounted(root)
        if any(volume.mount_point in mounts for volume in group.volumes if volume.mount_point):
            raise StorageError(
                f"0516-012 lvaryoffvg: Logical volume must be closed.  If the logical\n\tvolume contains a filesystem, the "
                f"umount command will close\n\tthe LV device.\n0516-942 varyoffvg: Unable to vary off volume group {group.name}."
            )
        groups.release(group)
        return 0

    return invoke(argv, "s", "Usage: varyoffvg [-s] volume_group", work)


def importvg(argv: list[str]) -> int:
    """``importvg [-n] [-V major] [-y vg] [-L vg] disk``: make a volume group known, with its file systems."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one disk")
        disk = options.operands[0]
        disk = next((d for d in disk_names(root.identity.lab) if disk in (d, pvid(root.identity.lab_id, d))), disk)
        try:
            group = groups.on_disk(disk) if disk in disk_names(root.identity.lab) else None
        except OSError:
            group = None
        if group is None:
            raise StorageError(
                f"0516-304 importvg: Unable to find device id {disk} in the Device\n\tConfiguration Database."
            )
        wanted = options.value("y") or options.value("L") or group.name
        if wanted in groups.known() and "L" not in options:
            raise StorageError(
                f"0516-360 importvg: The device name {wanted} is already used; choose a\n\tdifferent name."
            )
        groups.make_known(group)
        stanzas = read_stanzas(root)
        for volume in group.volumes:
            if volume.mount_point and not any(s.mount_point == volume.mount_point for s in stanzas):
                stanzas.append(stanza_of(volume))
        write_stanzas(root, stanzas)
        if "n" not in options and groups.reserve(group) is not None:
            pass  # known, but not varied on: another node has it
        print(group.name)
        return 0

    return invoke(argv, "nV:y:L:fFcxRrS", "Usage: importvg [-n] [-V major] [-y volume_group] disk", work)


def exportvg(argv: list[str]) -> int:
    """``exportvg vg``: forget a volume group on this node; its disks keep it."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = known_group(groups, "exportvg", options.operands[0])
        if groups.is_varied_on(group):
            raise StorageError("0516-764 exportvg: The volume group must be varied off\n\tbefore exporting.")
        groups.forget(group.name)
        names = {volume.name for volume in group.volumes}
        write_stanzas(root, [s for s in read_stanzas(root) if s.volume not in names])
        return 0

    return invoke(argv, "", "Usage: exportvg volume_group", work)


def lsvgfs(argv: list[str]) -> int:
    """``lsvgfs vg``: the mount points of a volume group."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = known_group(groups, "lsvgfs", options.operands[0])
        for volume in group.volumes:
            if volume.mount_point:
                print(volume.mount_point)
        return 0

    return invoke(argv, "", "Usage: lsvgfs volume_group", work)
