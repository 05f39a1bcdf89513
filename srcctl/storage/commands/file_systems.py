"""crfs, chfs, rmfs, lsfs, lsvgfs: file systems in logical volumes."""

from __future__ import annotations

import os
import sys

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.commands.invocation import changeable_group, invoke, known_group
from srcctl.storage.commands.logical_volumes import (
    changeable_volume,
    check_maximum,
    find_volume,
    free_name,
    make_volume,
    remove_volume,
    size_in_partitions,
)
from srcctl.storage.descriptor_area import LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.filesystems import BLOCK, CONTROL_BLOCK, Stanza, read_stanzas, rewrite_stanzas, stanza_of
from srcctl.storage.volume_groups import VolumeGroups


def located(groups: VolumeGroups, root: NodeRoot, name: str) -> tuple[Stanza, VolumeGroup, LogicalVolume] | None:
    """The stanza, volume group and logical volume of a shared file system, by mount point or device."""
    for stanza in read_stanzas(root):
        if name in (stanza.mount_point, stanza.device):
            for known in groups.known():
                group = groups.find(known)
                volume = group.volume(stanza.volume) if group is not None else None
                if group is not None and volume is not None:
                    return stanza, group, volume
    return None


def _control_block(
    options: Options, groups: VolumeGroups, attributes: dict[str, str], known: dict[str, str]
) -> dict[str, str]:
    """What a file system's control block says after ``-p`` and ``-a``: only what is not the default.

    Raises:
        UsageError: a value is wrong.
        StorageError: there is no such log.
    """
    found = {**CONTROL_BLOCK, **known}
    permission, words = options.get("p"), attributes.get("options")
    if permission not in (None, "ro", "rw"):
        raise UsageError("-p")
    if words is not None or permission is not None:
        others = [word for word in (words if words is not None else found["options"]).split(",") if word]
        access = permission or next((word for word in others if word in ("ro", "rw")), "rw")
        found["options"] = ",".join([access, *(word for word in others if word not in ("ro", "rw"))])
    if log := attributes.get("logname"):
        found["log"] = "INLINE" if log == "INLINE" else f"/dev/{log.removeprefix('/dev/')}"
        if log != "INLINE":
            _, volume = find_volume(groups, "crfs", log.removeprefix("/dev/"))
            if not volume.type.endswith("log"):
                raise StorageError(f"crfs: 0506-972 {log} is not a logical volume for a log.")
    if (quota := attributes.get("quota")) is not None:
        kinds = [word for word in quota.split(",") if word and word != "no"]
        if any(word not in ("userquota", "groupquota") for word in kinds):
            raise UsageError("quota")
        found["quota"] = ",".join(kinds)
    for name, allowed in (("agblksize", ("512", "1024", "2048", "4096")), ("ea", ("v1", "v2")), ("efs", ("yes", "no"))):
        if name in attributes:
            if attributes[name] not in allowed:
                raise UsageError(name)
            found[name] = attributes[name]
    return {name: value for name, value in found.items() if value != CONTROL_BLOCK[name]}


MADE = ("size", "options", "logname", "quota", "agblksize", "ea", "efs", "log", "frag", "nbpi", "ag", "compress", "bf")
"""The attributes of crfs that mean something; those of jfs alone change nothing here."""
CHANGED = ("size", "options", "logname", "quota", "ea", "efs")


def _attributes(options: Options, known: tuple[str, ...]) -> dict[str, str]:
    attributes = dict(a.partition("=")[::2] for a in options.all("a"))
    if set(attributes) - set(known):
        raise UsageError("-a")
    return attributes


def crfs(argv: list[str]) -> int:
    """``crfs -v vfs {-g VG -a size=SIZE | -d LV} -m mount_point [-A yes|no] [-p ro|rw] [-a attribute=value]``: a file
    system, in a new volume or on one."""

    import shutil

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        name, device, point = options.value("g"), options.value("d"), options.value("m")
        attributes = _attributes(options, MADE)
        if bool(name) == bool(device) or not point.startswith("/") or (name and "size" not in attributes):
            raise UsageError("-g with -a size, or -d; and -m")
        if not filesystems.is_mount_point(point):
            raise StorageError(f"crfs: {point.encode('unicode_escape').decode()} cannot be a mount point.")
        _check_new(root, point)
        kind = options.value("v", "jfs2")
        control = _control_block(options, groups, attributes, {})
        if name:
            group = changeable_group(groups, "crfs", name)
            groups.locks.lock_definitions("crfs")
            _check_new(root, point)
            count = size_in_partitions(group, attributes["size"], BLOCK)
            volume = LogicalVolume(free_name(groups, root, "jfs2"), kind, count, point, file_system=control)
            group = make_volume(groups, group, volume)
        else:
            group, volume = changeable_volume(groups, "crfs", device.removeprefix("/dev/"))
            groups.locks.lock_definitions("crfs")
            _check_new(root, point)
            if volume.mount_point:
                raise StorageError(f"0506-909 crfs: {volume.mount_point} file system already exists")
            volume = volume._replace(mount_point=point, type=kind, file_system=control)
            changed = tuple(volume if v.name == volume.name else v for v in group.volumes)
            group = groups.store(group._replace(volumes=changed))
            groups.make_known(group)
        volume = next(v for v in group.volumes if v.name == volume.name)
        # A new file system is empty, whatever was on the volume before.
        shutil.rmtree(filesystems.contents(root.identity.lab, group, volume), ignore_errors=True)
        os.makedirs(filesystems.contents(root.identity.lab, group, volume), exist_ok=True)
        stanza = stanza_of(volume)
        stanza.attributes["mount"] = "true" if options.value("A") in ("yes", "y") else "false"
        if options.value("u"):
            stanza.attributes["type"] = options.value("u")
        rewrite_stanzas(root, lambda stanzas: [*stanzas, stanza])
        size = volume.partitions * group.partition_bytes
        print(f"File system created successfully.\n{size // 1024} kilobytes total disk space.")
        print(f"New File System size is {size // BLOCK}")
        return 0

    usage_text = (
        "Usage: crfs -v vfs {-g VGname | -d device} -m mount_point [-a attribute=value] [-A yes | no] [-p ro | rw] "
        "[-u group]"
    )
    return invoke(argv, "v:g:m:a:A:p:t:d:n:u:l:", usage_text, work)


def _check_new(root: NodeRoot, mount_point: str) -> None:
    """Nothing, if there is no file system yet that is mounted there.

    Raises:
        StorageError: 0506-909, there is one.
    """
    if any(stanza.mount_point == mount_point for stanza in read_stanzas(root)):
        raise StorageError(f"0506-909 crfs: {mount_point} file system already exists")


def chfs(argv: list[str]) -> int:
    """``chfs [-a size=[+]SIZE] [-a attribute=value] [-A yes|no] [-p ro|rw] mount_point``: larger; otherwise mounted."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        attributes = _attributes(options, CHANGED)
        if len(options.operands) != 1 or not (attributes or options.values.keys() & set("Aup")):
            raise UsageError("a file system, and what to change")
        name = options.operands[0]
        place = located(groups, root, name)
        if place is None:
            if any(name in (s.mount_point, s.device) for s in read_stanzas(root)):
                raise StorageError(f"chfs: {name} is a file system of rootvg, which cannot be changed on a node.")
            raise StorageError(f"chfs: 0506-915 No record matching {name} was found in /etc/filesystems.")
        stanza, group, volume = place
        control = _control_block(options, groups, attributes, volume.file_system)
        if control != volume.file_system or "size" in attributes:
            group, volume = changeable_volume(groups, "chfs", volume.name)
            control = _control_block(options, groups, attributes, volume.file_system)
        if control != volume.file_system:
            volume = volume._replace(file_system=control)
            changed = tuple(volume if v.name == volume.name else v for v in group.volumes)
            group = groups.store(group._replace(volumes=changed))
            groups.make_known(group)
        changes = {"mount": "true" if options.value("A") in ("yes", "y") else "false"} if "A" in options else {}
        if "u" in options:
            changes["type"] = options.value("u")
        _change_stanza(root, stanza, volume, changes)
        if "size" in attributes:
            grown = _grown(groups, group, volume, attributes["size"])
            print(f"Filesystem size changed to {grown.partitions * group.partition_bytes // BLOCK}")
        return 0

    usage_text = "Usage: chfs [-a attribute=value] [-A yes | no] [-p ro | rw] [-u group] mount_point"
    return invoke(argv, "a:A:m:d:n:p:t:u:v:", usage_text, work)


def _change_stanza(root: NodeRoot, stanza: Stanza, volume: LogicalVolume, changes: dict[str, str]) -> None:
    """A stanza after a change of its volume's control block, and of what is the node's own."""
    of_volume = stanza_of(volume).attributes

    def changed(stanzas: list[Stanza]) -> list[Stanza]:
        for found in stanzas:
            if found.mount_point == stanza.mount_point:
                found.attributes.update({name: of_volume.get(name, "") for name in ("log", "options")} | changes)
                found.attributes.pop("quota", None)
                if "quota" in of_volume:
                    found.attributes["quota"] = of_volume["quota"]
        return stanzas

    rewrite_stanzas(root, changed)


def _grown(groups: VolumeGroups, group: VolumeGroup, volume: LogicalVolume, size: str) -> LogicalVolume:
    count = size_in_partitions(group, size.lstrip("+"), BLOCK)
    more = count if size.startswith("+") else count - volume.partitions
    if more < 0:
        raise StorageError("chfs: 0506-971 The file system of a lab cannot be made smaller.")
    if more == 0:
        return volume
    check_maximum("extendlv", volume, volume.partitions + more)
    grown = volume._replace(partitions=volume.partitions + more)
    changed = tuple(grown if v.name == volume.name else v for v in group.volumes)
    groups.make_known(groups.store(group._replace(volumes=changed)))
    return grown


def rmfs(argv: list[str]) -> int:
    """``rmfs [-r] mount_point``: the file system, its logical volume and its stanza."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("a file system")
        name = options.operands[0]
        place = located(groups, root, name)
        if place is None:
            raise StorageError(f"rmfs: 0506-915 No record matching {name} was found in /etc/filesystems.")
        stanza, group, volume = place
        group, volume = changeable_volume(groups, "rmfs", volume.name)
        if stanza.mount_point in filesystems.mounted(root):
            raise StorageError(f"rmfs: 0506-927 {stanza.mount_point} is currently mounted.")
        remove_volume(groups, root, group, volume)
        rewrite_stanzas(root, lambda stanzas: [s for s in stanzas if s.mount_point != stanza.mount_point])
        if "r" in options:
            try:
                os.rmdir(root.path(stanza.mount_point))
            except OSError:
                pass
        print(f"rmlv: Logical volume {volume.name} is removed.")
        return 0

    return invoke(argv, "ri", "Usage: rmfs [-r] mount_point", work)


def lsfs(argv: list[str]) -> int:
    """``lsfs [-q] [-c | -l] [-a | -v vfs | -u group | mount_point ...]``: the file systems of /etc/filesystems."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        stanzas = read_stanzas(root)
        for flag, attribute in (("v", "vfs"), ("u", "type")):
            if flag in options:
                stanzas = [s for s in stanzas if s.attributes.get(attribute) == options.value(flag)]
        wanted = [word.rstrip("/") or "/" for word in options.operands]
        missing = [w for w in wanted if not any(w in (s.mount_point, s.device) for s in stanzas)]
        if wanted:
            stanzas = [s for s in stanzas if s.mount_point in wanted or s.device in wanted]
        if "c" in options and stanzas:
            print("#MountPoint:Device:Vfs:Nodename:Type:Size:Options:AutoMount:Acct")
        elif stanzas:
            print("Name            Nodename   Mount Pt               VFS   Size    Options    Auto Accounting")
        for s in stanzas:
            size, vfs = _blocks(groups, root, s), s.attributes.get("vfs", "jfs2")
            kind, choices = s.attributes.get("type", ""), s.attributes.get("options", "")
            auto = "yes" if s.attributes.get("mount") in ("true", "automatic") else "no"
            if "c" in options:
                print(f"{s.mount_point}:{s.device}:{vfs}::{kind}:{size}:{choices}:{auto}:no")
            else:
                print(
                    f"{s.device:<15} --         {s.mount_point:<22} {vfs:<5} {size:<7} {choices or '--':<10} {auto:<4} no "
                )
            if "q" in options:
                own = _own_figures(groups, root, s)
                inline = "yes" if own["log"] == "INLINE" else "no"
                print(
                    f"  (lv size: {size}, fs size: {size}, block size: {own['agblksize']}, sparse files: yes, inline log: "
                    f"{inline}, inline log size: 0, EAformat: {own['ea']}, Quota: {own['quota'] or 'no'}, DMAPI: no, VIX: "
                    f"yes, EFS: {own['efs']}, ISNAPSHOT: no, MAXEXT: 0, MountGuard: no)"
                )
        for name in missing:
            sys.stderr.write(f"lsfs: No record matching '{name}' was found in /etc/filesystems.\n")
        return 1 if missing else 0

    return invoke(argv, "cqlav:u:", "Usage: lsfs [-q] [-c | -l] [-a | -v vfs | -u group | mount_point ...]", work)


def _own_figures(groups: VolumeGroups, root: NodeRoot, stanza: Stanza) -> dict[str, str]:
    """What the control block of a file system says."""
    place = located(groups, root, stanza.mount_point) if "size" not in stanza.attributes else None
    return {**CONTROL_BLOCK, **(place[2].file_system if place else {})}


def _blocks(groups: VolumeGroups, root: NodeRoot, stanza: Stanza) -> str:
    """The size in 512-byte blocks, "--" where the volume group is not varied on here."""
    if "size" in stanza.attributes:
        return stanza.attributes["size"]
    place = located(groups, root, stanza.mount_point)
    if place is None or not groups.is_varied_on(place[1]):
        return "--"
    return str(place[2].partitions * place[1].partition_bytes // BLOCK)


def lsvgfs(argv: list[str]) -> int:
    """``lsvgfs VG``: the mount points of a volume group."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        for volume in known_group(groups, "lsvgfs", options.operands[0]).volumes:
            if volume.mount_point:
                print(volume.mount_point)
        return 0

    return invoke(argv, "", "Usage: lsvgfs VGname", work)
