"""lspv, chpv, readvgda: the disks of a node."""

from __future__ import annotations

import sys
import time

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository
from srcctl.storage import descriptor_area, mirrors, partitions, rootvg
from srcctl.storage.commands.invocation import active_group, changeable_group, disk_of, invoke, pvid_of
from srcctl.storage.descriptor_area import StorageError, VolumeGroup
from srcctl.storage.disk import disk_names, unique_identifier, uuid_of
from srcctl.storage.volume_groups import REPOSITORY_VG, VolumeGroups, timestamp

LSPV_USAGE = "Usage: lspv [-u]\n       lspv [-L] [-M | -l | -p] PVname"


def _rows(groups: VolumeGroups, root: NodeRoot) -> list[tuple[str, str, str, str, str]]:
    """Name, PVID, volume group, state, and unique device identifier and UUID of every available disk of the node."""
    identity = root.identity
    local = f"{identity.lab_id}/{identity.node}"
    devices = Repository(root, "/etc/objrepos").get("CuDv", "PdDvLn LIKE disk/*")
    available = {str(o["name"]) for o in devices if o["status"] == 1}
    rows = [(rootvg.DISK, pvid_of(root, rootvg.DISK), rootvg.NAME, "active", _identifiers(local, rootvg.DISK))]
    known, repository = set(groups.known()), _repository(root)
    for disk in disk_names(identity.lab):
        if groups.name_of(disk) not in available:
            continue
        name, state = "None", ""
        if uuid_of(identity.lab_id, disk) == repository:
            name, state = REPOSITORY_VG, "active"
        else:
            try:
                found = groups.on_disk(disk)
            except OSError:
                # It cannot be read; the ODM still knows whose it is.
                found = None
                name = groups.known_on(disk) or "None"
                state = groups.mode_of(disk) if name != "None" else ""
            if found is not None and found.name in known and disk in found.disks:
                name, state = found.name, groups.mode(found)
        rows.append((groups.name_of(disk), pvid_of(root, disk), name, state, _identifiers(identity.lab_id, disk)))
    return rows


def _repository(root: NodeRoot) -> str:
    """The UUID of the repository disk of the cluster that this node is in (clvdisk of cluster0), "" if it is in none."""
    found = Repository(root, "/etc/objrepos").get("CuAt", "name=cluster0 AND attribute=clvdisk")
    return str(found[0]["value"]) if found else ""


def _identifiers(owner: str, disk: str) -> str:
    """What ``lspv -u`` adds: scripts find the kind of storage in the one and compare the other (width inferred)."""
    return f"{unique_identifier(owner, disk):<50} {uuid_of(owner, disk)}"


def lspv(argv: list[str]) -> int:
    """``lspv``: the disks with PVID, volume group and state; ``lspv PV``: one of them."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands:
            if set(options.values) - {"u", "L", "P"}:
                raise UsageError("a disk is needed")
            for name, identifier, owner, state, identifiers in _rows(groups, root):
                line = f"{name:<15} {identifier:<34}  {owner:<15} {state:<12}"
                print(f"{line}{identifiers}" if "u" in options else line)
            return 0
        if len(options.operands) > 1 or len(options.values.keys() & set("lpM")) > 1:
            raise UsageError("one disk")
        disk = disk_of(root, "", options.operands[0])
        group = _group_on(groups, disk)
        if "l" in options:
            _print_volumes(groups, group, disk)
        elif "p" in options:
            _print_ranges(groups, group, disk)
        elif "M" in options:
            print_partition_map(groups, group, disk)
        else:
            _print_figures(groups, root, group, disk)
        return 0

    return invoke(argv, "uLPlpMn:v:", LSPV_USAGE, work)


def _group_on(groups: VolumeGroups, disk: str) -> VolumeGroup:
    """The volume group of a disk, which must be varied on here."""
    if disk == rootvg.DISK:
        return active_group(groups, "", rootvg.NAME)
    name = groups.known_on(disk)
    if name is None:
        raise StorageError(f"0516-320 : Physical volume {groups.name_of(disk)} is not assigned to\n\ta volume group.")
    return active_group(groups, "", name)


def _shown(counts: list[int]) -> str:
    return "..".join(f"{count:02d}" for count in counts)


def free_distribution(groups: VolumeGroups, group: VolumeGroup, disk: str) -> str:
    """The free partitions of each region of a disk."""
    total = groups.partitions_of(group, disk)
    return _shown(partitions.distribution(set(range(1, total + 1)) - partitions.used(group, disk).keys(), total))


def _print_figures(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, disk: str) -> None:
    total, size = groups.partitions_of(group, disk), group.partition_megabytes
    taken = partitions.used(group, disk)
    used = len(taken)
    names = {volume.name for volume, _, _ in taken.values()}
    print(f"PHYSICAL VOLUME:    {groups.name_of(disk):<24} VOLUME GROUP:     {group.name}")
    print(f"PV IDENTIFIER:      {pvid_of(root, disk)} VG IDENTIFIER     {group.identifier}")
    print(f"PV STATE:           {'missing' if groups.is_missing(group, disk) else 'active':<43}")
    for left, value, right, other in (
        (
            "STALE PARTITIONS:",
            str(mirrors.stale_on(group, disk)),
            "ALLOCATABLE:",
            "no" if disk in group.closed_disks else "yes",
        ),
        ("PP SIZE:", f"{size} megabyte(s)", "LOGICAL VOLUMES:", str(len(names))),
        ("TOTAL PPs:", f"{total} ({total * size} megabytes)", "VG DESCRIPTORS:", str(descriptors(group, disk))),
        ("FREE PPs:", f"{total - used} ({(total - used) * size} megabytes)", "HOT SPARE:", "no"),
        ("USED PPs:", f"{used} ({used * size} megabytes)", "MAX REQUEST:", "256 kilobytes"),
    ):
        print(f"{left:<19} {value:<24} {right:<17} {other}")
    print(f"FREE DISTRIBUTION:  {free_distribution(groups, group, disk):<43}")
    print(f"USED DISTRIBUTION:  {_shown(partitions.distribution(set(taken), total)):<43}")
    print(f"MIRROR POOL:        {group.pool_of(disk) or 'None':<27}")


def descriptors(group: VolumeGroup, disk: str) -> int:
    """Descriptor areas on a disk: two on the only one, two and one on a pair, one on each of more."""
    return 2 if len(group.disks) <= 2 and group.disks[0] == disk else 1


def _print_volumes(groups: VolumeGroups, group: VolumeGroup, disk: str) -> None:
    total, taken = groups.partitions_of(group, disk), partitions.used(group, disk)
    print(f"{groups.name_of(disk)}:\nLV NAME               LPs     PPs     DISTRIBUTION          MOUNT POINT")
    for volume in group.volumes:
        numbers = {n: logical for n, (of, logical, _) in taken.items() if of.name == volume.name}
        if numbers:
            spread, logical = _shown(partitions.distribution(set(numbers), total)), len(set(numbers.values()))
            print(f"{volume.name:<21} {logical:<7} {len(numbers):<7} {spread:<21} {volume.mount_point or 'N/A'}")


def _print_ranges(groups: VolumeGroups, group: VolumeGroup, disk: str) -> None:
    total, taken = groups.partitions_of(group, disk), partitions.used(group, disk)
    print(f"{groups.name_of(disk)}:\nPP RANGE  STATE   REGION        LV NAME             TYPE       MOUNT POINT")
    first = 1
    while first <= total:
        region = partitions.region_of(first, total)
        owner = taken[first][0] if first in taken else None
        stale, last = group.status.is_stale(disk, first), first
        while (
            last < total
            and partitions.region_of(last + 1, total) == region
            and (taken[last + 1][0] if last + 1 in taken else None) == owner
            and group.status.is_stale(disk, last + 1) == stale
        ):
            last += 1
        span = f"{first:>3}-{last:<3}"
        if owner is None:
            print(f"{span:<9} free    {region:<13} {'':<45}".rstrip() + " ")
        else:
            print(
                f"{span:<9} {'stale' if stale else 'used':<7} {region:<13} {owner.name:<19} {owner.type:<10} {owner.mount_point or 'N/A'}"
            )
        first = last + 1


def print_partition_map(groups: VolumeGroups, group: VolumeGroup, disk: str, copies: bool = False) -> None:
    """The map of a disk: a line a used partition, a line a run of free ones.

    Behind the logical partition stands the number of the copy, if there are several or with ``copies``, and "stale".
    """
    total, taken, shown = groups.partitions_of(group, disk), partitions.used(group, disk), groups.name_of(disk)
    first = 1
    while first <= total:
        last = first
        if first in taken:
            volume, logical, copy = taken[first]
            number = f":{copy}" if copies or volume.mirrors else ""
            print(
                f"{shown}:{first}\t{volume.name}:{logical}{number}" + ("\tstale" * group.status.is_stale(disk, first))
            )
        else:
            while last < total and last + 1 not in taken:
                last += 1
            print(f"{shown}:{first}-{last}" if last > first else f"{shown}:{first}")
        first = last + 1


def chpv(argv: list[str]) -> int:
    """``chpv [-a y|n] [-v a|r] [-p POOL | -P] [-c] PV ...``: whether partitions of a disk may be allocated; whether it is
    there; its mirror pool."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        allocate, available = options.get("a"), options.get("v")
        if not options.operands or not options.values:
            raise UsageError("a flag and a disk are needed")
        if allocate not in (None, "y", "n") or available not in (None, "a", "r"):
            raise UsageError("y or n, a or r")
        for name in options.operands:
            disk = disk_of(root, "chpv", name)
            if "c" in options and len(options.values) == 1:
                continue  # there is no boot record to clear
            if "C" in options:
                _clear_owner(groups, root, disk)
                continue
            group_name = rootvg.NAME if disk == rootvg.DISK else groups.known_on(disk)
            if group_name is None:
                raise StorageError(
                    f"0516-320 getlvodm: Physical volume {groups.name_of(disk)} is not assigned to\n\ta volume group.\n"
                    f"0516-722 chpv: Unable to change physical volume {groups.name_of(disk)}."
                )
            group = changeable_group(groups, "chpv", group_name)
            if available == "r":
                raise StorageError(
                    f"0516-1010 chpv: {groups.name_of(disk)} is needed by the volume group {group.name}; use reducevg to take it out."
                )
            if allocate is not None:
                closed = tuple(d for d in group.closed_disks if d != disk)
                group = groups.store(group._replace(closed_disks=(*closed, disk) if allocate == "n" else closed))
            if "p" in options or "P" in options:
                groups.store(in_pool("chpv", group, disk, options.value("p")))
        return 0

    return invoke(
        argv, "a:v:h:cCk:p:P", "Usage: chpv [-a y | n] [-v a | r] [-p mirrorpool | -P] [-c] [-C] PVname ...", work
    )


POOL_NAME_MAX = 15


def in_pool(command: str, group: VolumeGroup, disk: str, name: str) -> VolumeGroup:
    """The volume group with a disk in a mirror pool, which it may be the first of, or "" in none.

    Raises:
        StorageError: the name is wrong.
    """
    if len(name) > POOL_NAME_MAX or not (name or "a").replace("_", "a").replace("-", "a").replace(".", "a").isalnum():
        raise StorageError(f"0516-604 {command}: {name} is not a valid name for a mirror pool.")
    left = [pool._replace(disks=tuple(d for d in pool.disks if d != disk)) for pool in group.pools]
    if name and group.pool(name) is None:
        left.append(descriptor_area.MirrorPool(name, ()))
    joined = [
        pool._replace(disks=tuple(d for d in group.disks if d in pool.disks or d == disk))
        if pool.name == name
        else pool
        for pool in left
    ]
    return group._replace(pools=tuple(pool for pool in joined if pool.disks))


def _clear_owner(groups: VolumeGroups, root: NodeRoot, disk: str) -> None:
    """``chpv -C``: a disk that no volume group here claims loses its descriptor area (the refusals are inferred).

    Raises:
        StorageError: it is in use, here or on another node.
    """
    groups.check_writable()
    groups.locks.lock_definitions("chpv")
    owner = rootvg.NAME if disk == rootvg.DISK else groups.known_on(disk)
    if groups.is_repository(disk):
        owner = REPOSITORY_VG
    if owner:
        raise StorageError(
            f"chpv: {groups.name_of(disk)} belongs to the volume group {owner}, which is to be exported first."
        )
    found = groups.on_disk(disk)
    if found is not None and groups.holders(found):
        raise StorageError(
            f"chpv: {groups.name_of(disk)} belongs to the volume group {found.name} of {groups.holders(found)[0]}."
        )
    descriptor_area.erase(root.identity.lab, disk)


def readvgda(argv: list[str]) -> int:
    """``readvgda PV ...``: the descriptor area of disks, whether their volume group is varied on or not.

    Titles and widths as quoted in publications (lvname, type, vgid, pv_id, the rule before a logical volume); the order
    of the blocks and the other titles are inferred.
    """

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands:
            raise UsageError("a disk is needed")
        status = 0
        for name in options.operands:
            disk = disk_of(root, "readvgda", name.removeprefix("/dev/").removeprefix("r"))
            try:
                group = groups.find(rootvg.NAME) if disk == rootvg.DISK else groups.on_disk(disk)
            except OSError as error:
                raise StorageError(f"readvgda: {groups.name_of(disk)}: {error.strerror}") from None
            if group is None:
                sys.stderr.write(f"readvgda: {groups.name_of(disk)} has no volume group descriptor area.\n")
                status = 1
                continue
            _print_descriptor_area(groups, root, group, disk)
        return status

    return invoke(argv, "t", "Usage: readvgda PVname ...", work)


def _line(title: str, value: object) -> None:
    print(f"{title + ':':<15} {value}")


def _print_descriptor_area(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, disk: str) -> None:
    print(f"====================== VGDA of {groups.name_of(disk)} ======================")
    _line("vgname", group.name)
    _line("vgid", group.identifier)
    _line("vgtype", group.kind)
    _line("timestamp", timestamp(group))
    _line("numlvs", len(group.volumes))
    _line("numpvs", len(group.disks))
    _line("pp_size", group.partition_bytes.bit_length() - 1)
    _line("total_vgdas", sum(descriptors(group, d) for d in group.disks))
    _line("auto_on", int(group.auto_on))
    _line("conc_capable", int(group.concurrent))
    for number, name in enumerate(group.disks, 1):
        print(f"------ PV {number} ------")
        _line("pv_id", pvid_of(root, name))
        _line("pp_count", groups.partitions_of(group, name))
        _line("num_vgdas", descriptors(group, name))
        _line("pv_state", int(groups.is_missing(group, name)))
    for volume in group.volumes:
        print(f"------ LV {volume.number} ------")
        _line("lvname", volume.name)
        _line("label", volume.mount_point or "None")
        _line("lv_id", group.volume_identifier(volume))
        _line("num_lps", volume.partitions)
        _line("copies", len(volume.copies))
        _line("type", volume.type)
        _line("created_time", time.ctime(volume.created))
        _line("modified_time", time.ctime(volume.modified))
