"""crfs, mount, umount, lsfs, df."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.commands.invocation import invoke, known_group
from srcctl.storage.descriptor_area import PARTITION_BYTES, LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.filesystems import Stanza, read_stanzas, stanza_of, write_stanzas
from srcctl.storage.volume_groups import VolumeGroups

MEGABYTE = 1 << 20


def crfs(argv: list[str]) -> int:
    """``crfs -v vfs -g vg -a size=SIZE -m mount_point [-A yes|no]``: a logical volume with a file system."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        name, point = options.value("g"), options.value("m")
        attributes = dict(a.partition("=")[::2] for a in options.all("a"))
        if not name or not point.startswith("/") or "size" not in attributes:
            raise UsageError("-g, -m and -a size are needed")
        group = known_group(groups, "crfs", name)
        if not groups.is_varied_on(group):
            raise StorageError("0516-010 crfs: Volume group must be varied on; use varyonvg command.")
        stanzas = read_stanzas(root)
        if any(s.mount_point == point for s in stanzas):
            raise StorageError(f"0506-909 crfs: {point} file system already exists")
        partitions = -(-_bytes(attributes["size"]) // PARTITION_BYTES)
        if partitions < 1 or group.used_partitions + partitions > group.total_partitions:
            raise StorageError("0516-404 allocp: This system cannot fulfill the allocation request.")
        used = {volume.name for volume in group.volumes} | {s.volume for s in stanzas}
        number = 0
        while f"fslv{number:02d}" in used:
            number += 1
        volume = LogicalVolume(f"fslv{number:02d}", options.value("v", "jfs2"), partitions, point)
        group = groups.store(replace(group, volumes=(*group.volumes, volume)))
        groups.make_known(group)
        os.makedirs(filesystems.contents(root.identity.lab, group.disks[0], volume.name), exist_ok=True)
        write_stanzas(root, [*stanzas, stanza_of(volume)])
        print(f"File system created successfully.\n{partitions * PARTITION_BYTES // 1024} kilobytes total disk space.")
        print(f"New File System size is {partitions * PARTITION_BYTES // 512}")
        return 0

    usage_text = "Usage: crfs -v vfs -g volume_group -m mount_point -a size=value [-A yes|no]"
    return invoke(argv, "v:g:m:a:A:p:t:d:n:u:l:", usage_text, work)


def _bytes(text: str) -> int:
    """``128M``, ``1G`` or a number of 512-byte blocks."""
    units = {"M": MEGABYTE, "G": 1 << 30}
    unit = units.get(text[-1:].upper(), 0)
    number = text[:-1] if unit else text
    if not number.isdigit():
        raise UsageError(f"{text} is not a size")
    return int(number) * (unit or 512)


def located(groups: VolumeGroups, root: NodeRoot, name: str) -> tuple[Stanza, VolumeGroup] | None:
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
    place = located(groups, root, names[-1]) if names else None
    if place is None:
        if names and len(names) == 1 and any(s.mount_point == names[0] for s in read_stanzas(root)):
            sys.stderr.write(f"mount: 0506-324 Cannot mount {names[0]}: its volume group cannot be read.\n")
            return 1
        sys.stderr.write(f"mount: 0506-334 {names[-1] if names else words[0]} is not a known file system.\n")
        return 1
    stanza, group = place
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

    return invoke(argv, "cqlav:u:", "Usage: lsfs [-c] [mount_point ...]", work)


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
                place = located(groups, root, point)
                volume = next((v for v in place[1].volumes if v.name == stanza.volume), None) if place else None
                size = volume.partitions * PARTITION_BYTES if volume else 0
                used = filesystems.usage_of(mounts[point])
            else:
                continue
            free = max(0, size - used)
            percent = f"{min(100, -(-100 * used // size))}%" if size else "-"
            shown = (f"{size / unit:.2f}", f"{free / unit:.2f}") if unit >= MEGABYTE else (size // unit, free // unit)
            print(f"{stanza.device:<13} {shown[0]:>10} {shown[1]:>9} {percent:>5}        -      - {point}")
        return status

    return invoke(argv, "kmgPIitsMv", "Usage: df [-k | -m | -g] [mount_point ...]", work)
