"""Disk, volume group and file system commands: lspv, lsvg, mkvg, varyonvg, varyoffvg, importvg, exportvg, crfs, mount,
umount, lsfs, lsvgfs, df. Layouts and message ids are AIX's; where no listing is published they are inferred."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.disk import disk_names, pvid, uuid_of
from srcctl.storage.filesystems import Stanza, read_stanzas, write_stanzas
from srcctl.storage.volume_groups import (
    PARTITION_BYTES,
    REPOSITORY_VG,
    LogicalVolume,
    StorageError,
    VolumeGroup,
    VolumeGroups,
)

MEGABYTE = 1 << 20


def _command(
    argv: list[str], flags: str, usage_text: str, work: Callable[[Options, VolumeGroups, NodeRoot], int]
) -> int:
    try:
        root = NodeRoot.current()
        return work(parse(argv, flags, intermixed=True), VolumeGroups(root), root)
    except UsageError:
        return usage(usage_text)
    except StorageError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _rows(groups: VolumeGroups, root: NodeRoot) -> list[tuple[str, str, str, str, str]]:
    """Name, PVID, volume group, state and UUID of every disk of the node."""
    identity = root.identity
    local = f"{identity.lab_id}/{identity.node}"
    rows = [("hdisk0", pvid(local, "hdisk0"), "rootvg", "active", uuid_of(local, "hdisk0"))]
    known = set(groups.known())
    for disk in disk_names(identity.lab):
        name, state = "None", ""
        if groups.is_repository(disk):
            name, state = REPOSITORY_VG, "active"
        else:
            try:
                found = groups.on_disk(disk)
            except OSError:
                found = None
            if found is not None and found.name in known:
                name = found.name
                state = "active" if groups.is_varied_on(found) else ""
        rows.append((disk, pvid(identity.lab_id, disk), name, state, uuid_of(identity.lab_id, disk)))
    return rows


def lspv(argv: list[str]) -> int:
    """``lspv [-u] [disk]``: the disks with PVID, volume group and state."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        rows = _rows(groups, root)
        if len(options.operands) > 1:
            raise UsageError("operands")
        if options.operands:
            chosen = [row for row in rows if options.operands[0] in (row[0], row[1])]
            if not chosen:
                raise StorageError(
                    f"0516-320 lspv: Physical volume {options.operands[0]} is not assigned to\n\ta volume group."
                )
            name, identifier, group, state, _ = chosen[0]
            print(f"PHYSICAL VOLUME:    {name:<24} VOLUME GROUP:     {group}")
            print(f"PV IDENTIFIER:      {identifier} VG IDENTIFIER     {_identifier(groups, group)}")
            print(f"PV STATE:           {'active' if state else 'missing'}")
            return 0
        for name, identifier, group, state, uuid in rows:
            line = f"{name:<15} {identifier:<34}  {group:<15} {state:<12}"
            print(f"{line}{uuid}" if "u" in options else line.rstrip() if group == "None" else line)
        return 0

    return _command(argv, "u", "Usage: lspv [-u] [disk]", work)


def _identifier(groups: VolumeGroups, name: str) -> str:
    found = groups.find(name)
    return found.identifier if found else ""


def _known(groups: VolumeGroups, command: str, name: str) -> VolumeGroup:
    found = groups.find(name) if name in groups.known() else None
    if found is None:
        if name in groups.known():
            raise StorageError(
                f"0516-052 {command}: Volume group cannot be varied on without a\n\tquorum. More physical volumes in the "
                "group must be active.\n\tRun diagnostics on inactive PVs."
            )
        raise StorageError(
            f"0516-306 {command}: Unable to find volume group {name} in the Device\n\tConfiguration Database."
        )
    return found


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
            group = _known(groups, "lsvg", name)
            if not groups.is_varied_on(group):
                raise StorageError("0516-010 lsvg: Volume group must be varied on; use varyonvg command.")
            if "l" in options:
                _print_volumes(group, root)
            elif "p" in options:
                print(f"{name}:\nPV_NAME           PV STATE          TOTAL PPs   FREE PPs    FREE DISTRIBUTION")
                total = groups_partitions(group)
                print(f"{group.disks[0]:<17} active            {total:<11} {total - group.used_partitions:<11} ")
            else:
                _print_figures(group)
        return 0

    return _command(argv, "olp", "Usage: lsvg [-o] | [-l | -p] [volume_group ...]", work)


def groups_partitions(group: VolumeGroup) -> int:
    """Physical partitions of all disks (1 GiB each)."""
    return len(group.disks) * ((1 << 30) // PARTITION_BYTES)


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
    total, used = groups_partitions(group), group.used_partitions
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

    return _command(
        argv, "fSCBns:V:y:iIdp:v:P:", "Usage: mkvg [-f] [-s size] [-V major] -y volume_group disk ...", work
    )


def varyonvg(argv: list[str]) -> int:
    """``varyonvg [-n] [-c [-P]] [-O] [-u] vg``: reserve the disks for this node."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = _known(groups, "varyonvg", options.operands[0])
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

    return _command(argv, "ncPOubfAaMrst", "Usage: varyonvg [-n] [-c [-P]] [-O] volume_group", work)


def varyoffvg(argv: list[str]) -> int:
    """``varyoffvg [-s] vg``: give the disks up."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = _known(groups, "varyoffvg", options.operands[0])
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

    return _command(argv, "s", "Usage: varyoffvg [-s] volume_group", work)


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
                stanzas.append(_stanza(volume))
        write_stanzas(root, stanzas)
        if "n" not in options and groups.reserve(group) is not None:
            pass  # known, but not varied on: another node has it
        print(group.name)
        return 0

    return _command(argv, "nV:y:L:fFcxRrS", "Usage: importvg [-n] [-V major] [-y volume_group] disk", work)


def exportvg(argv: list[str]) -> int:
    """``exportvg vg``: forget a volume group on this node; its disks keep it."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = _known(groups, "exportvg", options.operands[0])
        if groups.is_varied_on(group):
            raise StorageError("0516-764 exportvg: The volume group must be varied off\n\tbefore exporting.")
        groups.forget(group.name)
        names = {volume.name for volume in group.volumes}
        write_stanzas(root, [s for s in read_stanzas(root) if s.volume not in names])
        return 0

    return _command(argv, "", "Usage: exportvg volume_group", work)


def _stanza(volume: LogicalVolume) -> Stanza:
    return Stanza(
        volume.mount_point,
        {
            "dev": f"/dev/{volume.name}",
            "vfs": volume.type,
            "log": "INLINE",
            "mount": "false",
            "check": "false",
            "account": "false",
        },
    )


def crfs(argv: list[str]) -> int:
    """``crfs -v vfs -g vg -a size=SIZE -m mount_point [-A yes|no]``: a logical volume with a file system."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        name, point = options.value("g"), options.value("m")
        attributes = dict(a.partition("=")[::2] for a in options.all("a"))
        if not name or not point.startswith("/") or "size" not in attributes:
            raise UsageError("-g, -m and -a size are needed")
        group = _known(groups, "crfs", name)
        if not groups.is_varied_on(group):
            raise StorageError("0516-010 crfs: Volume group must be varied on; use varyonvg command.")
        stanzas = read_stanzas(root)
        if any(s.mount_point == point for s in stanzas):
            raise StorageError(f"0506-909 crfs: {point} file system already exists")
        partitions = -(-_bytes(attributes["size"]) // PARTITION_BYTES)
        if partitions < 1 or group.used_partitions + partitions > groups_partitions(group):
            raise StorageError("0516-404 allocp: This system cannot fulfill the allocation request.")
        used = {volume.name for volume in group.volumes} | {s.volume for s in stanzas}
        number = 0
        while f"fslv{number:02d}" in used:
            number += 1
        volume = LogicalVolume(f"fslv{number:02d}", options.value("v", "jfs2"), partitions, point)
        group = groups.store(replace(group, volumes=(*group.volumes, volume)))
        groups.make_known(group)
        os.makedirs(filesystems.contents(root.identity.lab, group.disks[0], volume.name), exist_ok=True)
        write_stanzas(root, [*stanzas, _stanza(volume)])
        print(f"File system created successfully.\n{partitions * PARTITION_BYTES // 1024} kilobytes total disk space.")
        print(f"New File System size is {partitions * PARTITION_BYTES // 512}")
        return 0

    usage_text = "Usage: crfs -v vfs -g volume_group -m mount_point -a size=value [-A yes|no]"
    return _command(argv, "v:g:m:a:A:p:t:d:n:u:l:", usage_text, work)


def _bytes(text: str) -> int:
    """``128M``, ``1G`` or a number of 512-byte blocks."""
    units = {"M": MEGABYTE, "G": 1 << 30}
    unit = units.get(text[-1:].upper(), 0)
    number = text[:-1] if unit else text
    if not number.isdigit():
        raise UsageError(f"{text} is not a size")
    return int(number) * (unit or 512)


def _located(groups: VolumeGroups, root: NodeRoot, name: str) -> tuple[Stanza, VolumeGroup] | None:
    """The stanza and volume group of a shared file system, by mount point or device."""
    for stanza in read_stanzas(root):
        if name in (stanza.mount_point, stanza.device):
            for known in groups.known():
                group = groups.find(known)
                if group is not None and any(volume.name == stanza.volume for volume in group.volumes):
                    return stanza, group
    return None


def mount(argv: list[str]) -> int:
    """``mount``: shared file systems; a node mounts nothing else."""
    root = NodeRoot.current()
    groups = VolumeGroups(root)
    words = argv[1:]
    if not words:
        _print_mounts(root)
        return 0
    names = [word for word in words if not word.startswith("-")]
    located = _located(groups, root, names[-1]) if names else None
    if located is None:
        if names and len(names) == 1 and any(s.mount_point == names[0] for s in read_stanzas(root)):
            sys.stderr.write(f"mount: 0506-324 Cannot mount {names[0]}: its volume group cannot be read.\n")
            return 1
        sys.stderr.write(f"mount: 0506-334 {names[-1] if names else words[0]} is not a known file system.\n")
        return 1
    stanza, group = located
    if not groups.is_varied_on(group):
        sys.stderr.write(
            f"mount: 0506-324 Cannot mount {stanza.device} on {stanza.mount_point}: There is a request to a device or address "
            "that does not exist.\n"
        )
        return 1
    try:
        filesystems.mount(root, stanza.mount_point, group.disks[0], stanza.volume)
    except OSError as error:
        text = "The requested resource is busy." if error.errno == 16 else "There is an input or output error."
        sys.stderr.write(f"mount: 0506-324 Cannot mount {stanza.device} on {stanza.mount_point}: {text}\n")
        return 1
    return 0


def _print_mounts(root: NodeRoot) -> None:
    print("  node       mounted        mounted over    vfs       date        options      ")
    print("-------- ---------------  ---------------  ------ ------------ --------------- ")
    when = time.strftime("%b %d %H:%M")
    mounts = filesystems.mounted(root)
    for stanza in read_stanzas(root):
        if "size" in stanza.attributes or stanza.mount_point in mounts:
            print(f"         {stanza.device:<16} {stanza.mount_point:<16} jfs2   {when} rw,log=INLINE ")


def umount(argv: list[str]) -> int:
    """``umount [-f] mount_point | device``: shared file systems."""
    root = NodeRoot.current()
    words = argv[1:]
    names = [word for word in words if not word.startswith("-")]
    stanza = next((s for s in read_stanzas(root) if names and names[-1] in (s.mount_point, s.device)), None)
    if stanza is None or "size" in stanza.attributes:
        sys.stderr.write("umount: 0506-347 Cannot find anything to unmount.\n")
        return 1
    try:
        filesystems.unmount(root, stanza.mount_point)
    except OSError as error:
        if error.errno == 22:
            sys.stderr.write("umount: 0506-347 Cannot find anything to unmount.\n")
        else:
            sys.stderr.write(f"umount: 0506-349 Cannot unmount {stanza.device}: The requested resource is busy.\n")
        return 1
    return 0


def lsfs(argv: list[str]) -> int:
    """``lsfs [-c] [mount_point ...]``: the file systems of /etc/filesystems."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        stanzas = [s for s in read_stanzas(root) if not options.operands or s.mount_point in options.operands]
        missing = set(options.operands) - {s.mount_point for s in stanzas}
        if "c" in options:
            print("#MountPoint:Device:Vfs:Nodename:Type:Size:Options:AutoMount:Acct")
        else:
            print("Name            Nodename   Mount Pt               VFS   Size    Options    Auto Accounting")
        for s in stanzas:
            size, vfs = s.attributes.get("size", "--"), s.attributes.get("vfs", "jfs2")
            auto = "yes" if s.attributes.get("mount") in ("true", "automatic") else "no"
            if "c" in options:
                print(f"{s.mount_point}:{s.device}:{vfs}:::{size}:rw:{auto}:no")
            else:
                print(f"{s.device:<15} --         {s.mount_point:<22} {vfs:<5} {size:<7} --         {auto:<4} no ")
        for name in sorted(missing):
            sys.stderr.write(f"lsfs: No record matching '{name}' was found in /etc/filesystems.\n")
        return 1 if missing else 0

    return _command(argv, "cqlav:u:", "Usage: lsfs [-c] [mount_point ...]", work)


def lsvgfs(argv: list[str]) -> int:
    """``lsvgfs vg``: the mount points of a volume group."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        group = _known(groups, "lsvgfs", options.operands[0])
        for volume in group.volumes:
            if volume.mount_point:
                print(volume.mount_point)
        return 0

    return _command(argv, "", "Usage: lsvgfs volume_group", work)


def df(argv: list[str]) -> int:
    """``df [-k | -m | -g] [mount_point ...]``: the node's file systems with their declared sizes."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        unit, title = 512, "512-blocks"
        for flag, value, name in (
            ("k", 1024, "1024-blocks"),
            ("m", MEGABYTE, "MB blocks"),
            ("g", 1 << 30, "GB blocks"),
        ):
            if flag in options:
                unit, title = value, name
        mounts = filesystems.mounted(root)
        print(f"Filesystem    {title:>10}      Free %Used    Iused %Iused Mounted on")
        status = 0
        wanted = options.operands
        for stanza in read_stanzas(root):
            point = stanza.mount_point
            if wanted and point not in wanted and stanza.device not in wanted:
                continue
            if "size" in stanza.attributes:
                size, used = filesystems.usage(root, point)
            elif point in mounts:
                located = _located(groups, root, point)
                volume = next((v for v in located[1].volumes if v.name == stanza.volume), None) if located else None
                size = volume.partitions * PARTITION_BYTES if volume else 0
                used = filesystems.usage_of(mounts[point])
            else:
                continue
            free = max(0, size - used)
            percent = f"{min(100, -(-100 * used // size))}%" if size else "-"
            shown = (f"{size / unit:.2f}", f"{free / unit:.2f}") if unit >= MEGABYTE else (size // unit, free // unit)
            print(f"{stanza.device:<13} {shown[0]:>10} {shown[1]:>9} {percent:>5}        -      - {point}")
        return status

    return _command(argv, "kmgPIitsMv", "Usage: df [-k | -m | -g] [mount_point ...]", work)
