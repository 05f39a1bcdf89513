"""mount, umount, df: the mounted file systems of a node."""

from __future__ import annotations

import errno
import os
import sys
import time

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.commands.file_systems import located
from srcctl.storage.commands.invocation import invoke
from srcctl.storage.descriptor_area import MEGABYTE
from srcctl.storage.filesystems import BLOCK, Stanza, read_stanzas
from srcctl.storage.volume_groups import VolumeGroups

_UNITS = (("k", 1024, "1024-blocks"), ("m", MEGABYTE, "MB blocks"), ("g", 1 << 30, "GB blocks"))
MOUNT_FLAGS, UMOUNT_FLAGS = "afn:o:prst:v:V:", "afn:st:v:"
MOUNT_USAGE = "Usage: mount [-o options] [-v vfs] [-t type | -a | all | [device] directory]"
UMOUNT_USAGE = "Usage: umount [-f] {-a | -t type | all | directory | device ...}"


def mount(argv: list[str]) -> int:
    """``mount``: shared file systems; a node mounts nothing else."""
    root = NodeRoot.current()
    groups = VolumeGroups(root)
    try:
        options = parse(argv, MOUNT_FLAGS, intermixed=True)
    except UsageError:
        return usage(MOUNT_USAGE)
    names = options.operands
    if names == ["all"] or (not names and ("a" in options or "t" in options)):
        return _mount_all(groups, root, options.value("t"))
    if not names:
        _print_mounts(root)
        return 0
    words = ",".join(options.all("o"))
    return _mount_one(groups, root, names, f"{words},ro" if "r" in options else words)


def _mount_all(groups: VolumeGroups, root: NodeRoot, kind: str) -> int:
    """Every file system with ``mount = true``, as at boot, or every one of a type."""
    mounts, status = filesystems.mounted(root), 0
    for stanza in read_stanzas(root):
        wanted = stanza.attributes.get("type") == kind if kind else stanza.attributes.get("mount") == "true"
        if wanted and "size" not in stanza.attributes and stanza.mount_point not in mounts:
            status = _mount_one(groups, root, [stanza.mount_point]) or status
    return status


def _mount_one(groups: VolumeGroups, root: NodeRoot, names: list[str], wanted: str = "") -> int:
    place = located(groups, root, names[-1])
    if place is None:
        own = next((s for s in read_stanzas(root) if names[-1] in (s.mount_point, s.device)), None)
        if own is not None and "size" in own.attributes:
            where = f"{own.device} on {own.mount_point}"
            sys.stderr.write(f"mount: 0506-324 Cannot mount {where}: The requested resource is busy.\n")
            return 1
        if len(names) == 1 and any(s.mount_point == names[0] for s in read_stanzas(root)):
            sys.stderr.write(f"mount: 0506-324 Cannot mount {names[0]}: its volume group cannot be read.\n")
            return 1
        sys.stderr.write(f"mount: 0506-334 {names[-1]} is not a known file system.\n")
        return 1
    stanza, group, volume = place
    if not groups.is_varied_on(group):
        sys.stderr.write(
            f"mount: 0506-324 Cannot mount {stanza.device} on {stanza.mount_point}: There is a request to a device or "
            "address that does not exist.\n"
        )
        return 1
    try:
        read_only = filesystems.is_read_only(f"{stanza.attributes.get('options', '')},{wanted}")
        filesystems.mount(root, stanza.mount_point, group, volume, read_only)
    except OSError as error:
        text = {
            errno.EBUSY: "The requested resource is busy.",
            errno.EIO: "There is an input or output error.",
        }.get(error.errno or 0, f"{error.strerror}.")
        sys.stderr.write(f"mount: 0506-324 Cannot mount {stanza.device} on {stanza.mount_point}: {text}\n")
        return 1
    return 0


def _print_mounts(root: NodeRoot) -> None:
    print("  node       mounted        mounted over    vfs       date        options      ")
    print("-------- ---------------  ---------------  ------ ------------ --------------- ")
    mounts = filesystems.mounted(root)
    for stanza in read_stanzas(root):
        if "size" in stanza.attributes or stanza.mount_point in mounts:
            log = stanza.attributes.get("log", "INLINE")
            since = filesystems.mounted_since(root, stanza.mount_point)
            when = time.strftime("%b %d %H:%M", time.localtime(since))
            vfs = stanza.attributes.get("vfs", "jfs2")
            access = "ro" if filesystems.mounted_read_only(root, stanza.mount_point) else "rw"
            print(f"         {stanza.device:<16} {stanza.mount_point:<16} {vfs:<6} {when} {access},log={log} ")


def umount(argv: list[str]) -> int:
    """``umount [-f] mount_point | device``: shared file systems; also ``unmount``."""
    root = NodeRoot.current()
    try:
        options = parse(argv, UMOUNT_FLAGS, intermixed=True)
    except UsageError:
        return usage(UMOUNT_USAGE)
    names, stanzas = options.operands, read_stanzas(root)
    if names in ([], ["all"], ["allr"]):
        if not names and not {"a", "t"} & options.values.keys():
            return usage(UMOUNT_USAGE)
        kinds = {s.mount_point: s.attributes.get("type", "") for s in stanzas}
        names = [n for n in filesystems.mounted(root) if kinds.get(n, "") == options.value("t", kinds.get(n, ""))][::-1]
    status = 0
    for name in names:
        stanza = next((s for s in stanzas if name in (s.mount_point, s.device)), None)
        status = _unmount(root, stanza) or status
    return status


def _unmount(root: NodeRoot, stanza: Stanza | None) -> int:
    if stanza is None:
        sys.stderr.write("umount: 0506-347 Cannot find anything to unmount.\n")
        return 1
    if "size" in stanza.attributes:
        sys.stderr.write(f"umount: 0506-349 Cannot unmount {stanza.device}: The requested resource is busy.\n")
        return 1
    try:
        filesystems.unmount(root, stanza.mount_point)
    except OSError as error:
        if error.errno == errno.EINVAL:
            sys.stderr.write("umount: 0506-347 Cannot find anything to unmount.\n")
        else:
            sys.stderr.write(f"umount: 0506-349 Cannot unmount {stanza.device}: The requested resource is busy.\n")
        return 1
    return 0


def df(argv: list[str]) -> int:
    """``df [-P] [-I] [-k | -m | -g] [-t | -M] [file ...]``: the file systems with their declared sizes."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        unit, title = 512, "512-blocks"
        for flag, value, name in _UNITS:
            if flag in options:
                unit, title = value, name
        shown, status = _shown(groups, root), 0
        if options.operands:
            chosen = []
            for word in options.operands:
                row = _row_of(root, shown, word)
                if row is None:
                    sys.stderr.write(f"df: 0811-506 {word}: A file or directory in the path name does not exist.\n")
                    status = 1
                else:
                    chosen.append(row)
            shown = chosen
        if not shown:
            return status
        if "P" in options:
            print(f"Filesystem    {title:>10}      Used Available Capacity Mounted on")
        elif "I" in options or "t" in options or "M" in options:
            print(f"Filesystem    {title:>10}      Used      Free %Used Mounted on")
        else:
            print(f"Filesystem    {title:>10}      Free %Used    Iused %Iused Mounted on")
        for device, point, size, used, files in shown:
            free = max(0, size - used)
            percent = f"{min(100, -(-100 * used // size))}%" if size else "-"
            sizes = [f"{n / unit:.2f}" if unit >= MEGABYTE else str(n // unit) for n in (size, used, free)]
            if "P" in options:
                print(f"{device:<13} {sizes[0]:>10} {sizes[1]:>9} {sizes[2]:>9} {percent:>8} {point}")
            elif "I" in options or "t" in options or "M" in options:
                print(f"{device:<13} {sizes[0]:>10} {sizes[1]:>9} {sizes[2]:>9} {percent:>5} {point}")
            else:
                # JFS2 makes inodes as they are needed, out of what is free: 512 bytes each.
                inodes = f"{min(100, -(-100 * files // (files + free // 512)))}%" if files + free // 512 else "-"
                print(f"{device:<13} {sizes[0]:>10} {sizes[2]:>9} {percent:>5} {files:>8} {inodes:>6} {point}")
        return status

    return invoke(argv, "kmgPIitsMv", "Usage: df [-P] [-I] [-k | -m | -g] [-i | -t | -M] [-s] [-v] [file ...]", work)


Row = tuple[str, str, int, int, int]


def _shown(groups: VolumeGroups, root: NodeRoot) -> list[Row]:
    """Device, mount point, bytes, bytes used and number of files of every mounted file system."""
    mounts, rows = filesystems.mounted(root), []
    for stanza in read_stanzas(root):
        point = stanza.mount_point
        if "size" in stanza.attributes:
            size = int(stanza.attributes["size"]) * BLOCK
            rows.append((stanza.device, point, size, *filesystems.contents_of(root, point)))
        elif point in mounts:
            place = located(groups, root, point)
            size = place[2].partitions * place[1].partition_bytes if place else 0
            rows.append((stanza.device, point, size, *filesystems.contents_below(mounts[point])))
    return rows


def _row_of(root: NodeRoot, rows: list[Row], word: str) -> Row | None:
    """The file system that a device or a file belongs to: the one with the longest mount point above it."""
    for row in rows:
        if word == row[0]:
            return row
    path = word if word.startswith("/") else root.product_path(os.path.abspath(word))
    if not os.path.lexists(root.path(path)) and path not in {row[1] for row in rows}:
        return None
    above = [row for row in rows if path == row[1] or path.startswith(row[1].rstrip("/") + "/")]
    return max(above, key=lambda row: len(row[1]), default=None)
