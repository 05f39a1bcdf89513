"""lslv, mklv, chlv, extendlv, rmlv: logical volumes."""

from __future__ import annotations

import sys
import time

from srcctl.commands.options import Options, UsageError, is_number
from srcctl.node.root import NodeRoot
from srcctl.storage import mirrors, partitions, rootvg
from srcctl.storage.characteristics import VOLUME, given, of_group, of_volume
from srcctl.storage.commands.invocation import active_group, changeable_group, disk_of, invoke
from srcctl.storage.commands.volume_groups import LIMITS, is_open, state_of
from srcctl.storage.descriptor_area import MEGABYTE, Extent, LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.filesystems import read_stanzas
from srcctl.storage.volume_groups import VolumeGroups

_SUFFIXES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def find_volume(groups: VolumeGroups, command: str, name: str) -> tuple[VolumeGroup, LogicalVolume]:
    """A logical volume by name or identifier, in any volume group that is varied on here.

    Raises:
        StorageError: 0516-306, there is none.
    """
    for known in (rootvg.NAME, *groups.known()):
        group = groups.find(known)
        for volume in group.volumes if group else ():
            assert group is not None
            if name in (volume.name, group.volume_identifier(volume)):
                return active_group(groups, command, known), volume
    prefix = f"{command}: " if command else ": "
    raise StorageError(f"0516-306 {prefix}Unable to find {name} in the Device\n\tConfiguration Database.")


def changeable_volume(groups: VolumeGroups, command: str, name: str) -> tuple[VolumeGroup, LogicalVolume]:
    """As ``find_volume``, in a volume group that can be changed and is locked.

    Raises:
        StorageError: there is none, or it cannot be changed.
        OdmError, OSError: it cannot be changed here.
    """
    while True:
        owner, _ = find_volume(groups, command, name)
        changeable_group(groups, command, owner.name)
        group, volume = find_volume(groups, command, name)
        if group.name == owner.name:
            return group, volume


def lslv(argv: list[str]) -> int:
    """``lslv [-l | -m] LV``; ``lslv -p PV``: a logical volume, its disks, its partitions."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if "p" in options:
            return _print_allocation(groups, root, options)
        if len(options.operands) != 1 or {"l", "m"} <= options.values.keys():
            raise UsageError("one logical volume")
        group, volume = find_volume(groups, "lslv", options.operands[0])
        if "l" in options:
            _print_disks(groups, group, volume)
        elif "m" in options:
            print(f"{volume.name}:{volume.mount_point or 'N/A'}")
            print("LP    PP1  PV1               PP2  PV2               PP3  PV3")
            for logical, copies in enumerate(partitions.logical_partitions(volume), 1):
                print(
                    f"{logical:04d}  " + "".join(f"{number:04d} {groups.name_of(disk):<17} " for disk, number in copies)
                )
        else:
            _print_figures(groups, root, group, volume)
        return 0

    return invoke(
        argv, "Llmn:p:", "Usage: lslv [-L] [-l | -m] [-n PVname] LVname\n       lslv -p PVname [LVname]", work
    )


def _print_figures(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, volume: LogicalVolume) -> None:
    def of(name: str) -> str:
        return of_volume(volume.characteristics, name)

    partial = any(groups.is_missing(group, disk) for disk in group.disks)
    label = volume.mount_point or of("label") or "None"
    print(f"LOGICAL VOLUME:     {volume.name:<22} VOLUME GROUP:   {group.name}")
    print(f"LV IDENTIFIER:      {group.volume_identifier(volume)} PERMISSION:     {of('permission')}")
    for left, value, right, other in (
        (
            "VG STATE:",
            "active/partial" if partial else "active/complete",
            "LV STATE:",
            state_of(root, group, volume, "opened"),
        ),
        ("TYPE:", volume.type, "WRITE VERIFY:", of("write_verify")),
        ("MAX LPs:", str(partitions_max(volume)), "PP SIZE:", f"{group.partition_megabytes} megabyte(s)"),
        ("COPIES:", str(len(volume.copies)), "SCHED POLICY:", of("scheduling")),
        ("LPs:", str(volume.partitions), "PPs:", str(volume.partitions * len(volume.copies))),
        ("STALE PPs:", str(len(mirrors.stale_partitions(group, volume))), "BB POLICY:", of("bad_blocks")),
        ("INTER-POLICY:", of("inter_policy"), "RELOCATABLE:", of("relocatable")),
        (
            "INTRA-POLICY:",
            of("intra_policy"),
            "UPPER BOUND:",
            of("upper_bound") or str(volume.width or LIMITS[group.kind][3]),
        ),
        ("MOUNT POINT:", volume.mount_point or "N/A", "LABEL:", label),
        ("DEVICE UID:", "0", "DEVICE GID:", "0"),
    ):
        print(f"{left:<19} {value:<22} {right:<15} {other}")
    for left, value in (
        ("DEVICE PERMISSIONS:", "432"),
        ("MIRROR WRITE CONSISTENCY:", of("write_consistency")),
        ("EACH LP COPY ON A SEPARATE PV ?:", of("strictness")),
        ("Serialize IO ?:", of("serialize")),
        *((("STRIPE WIDTH:", str(volume.width)), ("STRIPE SIZE:", volume.strip_size)) if volume.width else ()),
    ):
        print(f"{left:<19} {value:<39}")
    print(f"{'INFINITE RETRY:':<19} {'no':<22} PREFERRED READ: 0")
    print(f"{'DEVICESUBTYPE:':<19} {'DS_LVZ':<39}")
    for copy in (1, 2, 3):
        print(f"COPY {copy} MIRROR POOL: {dict(enumerate(volume.pools, 1)).get(copy) or 'None':<39}")


def partitions_max(volume: LogicalVolume) -> int:
    """The largest number of logical partitions that a volume may have."""
    return max(int(of_volume(volume.characteristics, "max_partitions")), volume.partitions)


def _print_disks(groups: VolumeGroups, group: VolumeGroup, volume: LogicalVolume) -> None:
    print(f"{volume.name}:{volume.mount_point or 'N/A'}")
    print("PV                COPIES        IN BAND       DISTRIBUTION  ")
    for disk in volume.disks:
        extents = [extent for copy in volume.copies for extent in copy if extent.disk == disk]
        total = groups.partitions_of(group, disk)
        numbers = {n for extent in extents for n in partitions.numbers_of(extent)}
        spread = ":".join(f"{n:03d}" for n in partitions.distribution(numbers, total))
        band = partitions.in_band(extents, total, of_volume(volume.characteristics, "intra_policy"))
        here = [sum(on == disk for on, _ in copies) for copies in partitions.logical_partitions(volume)]
        counts = ":".join(f"{here.count(copies):03d}" for copies in (1, 2, 3))
        print(f"{groups.name_of(disk):<17} {counts}   {f'{band}%':<13} {spread} ")


def _print_allocation(groups: VolumeGroups, root: NodeRoot, options: Options) -> int:
    """``lslv -p PV``: what each partition of a disk is used for."""
    disk = disk_of(root, "lslv", options.value("p"))
    name = rootvg.NAME if disk == rootvg.DISK else groups.known_on(disk)
    if name is None:
        raise StorageError(f"0516-320 : Physical volume {groups.name_of(disk)} is not assigned to\n\ta volume group.")
    group = active_group(groups, "lslv", name)
    wanted = options.operands[0] if options.operands else ""
    print(f"{groups.name_of(disk)}:{wanted or ''}:{'N/A' if wanted else ''}")
    taken = partitions.used(group, disk)
    for span in partitions.regions(groups.partitions_of(group, disk)):
        words = []
        for number in span:
            volume, logical, _ = taken.get(number, (None, 0, 0))
            stale = group.status.is_stale(disk, number)
            own = f"{logical:04d}{'?' if stale else ''}"
            used = "STALE" if stale else "USED"
            words.append("FREE" if volume is None else own if volume.name == wanted else used)
        for start in range(0, len(words), 10):
            first = span.start + start
            print(f"{'  '.join(words[start : start + 10]):<62} {first:>4}-{first + len(words[start : start + 10]) - 1}")
        print()
    return 0


def size_in_partitions(group: VolumeGroup, text: str, default_unit: int = 0) -> int:
    """A size such as ``10`` (partitions, or blocks of ``default_unit`` bytes), ``128M`` or ``1G``, in partitions.

    Raises:
        UsageError: it is not a size.
    """
    unit = _SUFFIXES.get(text[-1:].lower(), 0)
    number = text[:-1] if unit else text
    if not is_number(number):
        raise UsageError(f"{text} is not a size")
    if not unit and not default_unit:
        return int(number)
    return -(-int(number) * (unit or default_unit) // group.partition_bytes)


def make_volume(
    groups: VolumeGroups, group: VolumeGroup, volume: LogicalVolume, disks: tuple[str, ...] = ()
) -> VolumeGroup:
    """Store a new logical volume with partitions allocated to it.

    Raises:
        StorageError: 0516-404, there are not enough.
        OSError: a disk has failed.
    """
    if volume.partitions < 1:
        raise StorageError("0516-404 allocp: This system cannot fulfill the allocation request.")
    group = groups.store(group._replace(volumes=(*group.volumes, volume)), disks)
    groups.make_known(group)
    return group


def free_name(groups: VolumeGroups, root: NodeRoot, kind: str) -> str:
    """The next free name of a logical volume: fslv00 for file systems, lv00 otherwise."""
    prefix = "fslv" if kind == "jfs2" else "loglv" if kind == "jfs2log" else "lv"
    taken = {stanza.volume for stanza in read_stanzas(root)}
    for name in groups.known():
        group = groups.find(name)
        taken |= {volume.name for volume in group.volumes} if group else set()
    return next(name for n in range(10_000) if (name := f"{prefix}{n:02d}") not in taken)


def check_maximum(command: str, volume: LogicalVolume, partitions_wanted: int) -> None:
    """Refuse more partitions than the volume's own maximum; one that was made larger has its size as that.

    Raises:
        StorageError: it is more.
    """
    maximum = partitions_max(volume)
    if partitions_wanted > maximum:
        raise StorageError(f"0516-787 {command}: Maximum allocation for logical volume {volume.name}\n\tis {maximum}.")


_MAKING = "y:t:c:m:i:p:S:G:U:P:C:O:Y:R:" + "".join(f"{c.flag}:" for n, c in VOLUME.items() if n != "permission")
MKLV_USAGE = (
    "Usage: mklv [-a position] [-b {y | n}] [-c copies] [-C width] [-d policy] [-e range] [-L label] [-m mapfile]\n"
    "       [-o {y | n}] [-p copyn=mirrorpool] [-r {y | n}] [-s {y | n | s}] [-S stripsize] [-t type] [-T O]\n"
    "       [-u upperbound] [-v {y | n}] [-w {a | p | n}] [-x maximum] [-y LVname] VGname size [PVname ...]"
)


def mklv(argv: list[str]) -> int:
    """``mklv [-y LV] [-t type] ... VG size [PV ...]``: a logical volume without a file system."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) < 2:
            raise UsageError("a volume group and a size")
        name, size, *on = options.operands
        group = changeable_group(groups, "mklv", name)
        groups.locks.lock_definitions("mklv")
        copies = options.value("c", "1")
        if copies not in ("1", "2", "3"):
            raise UsageError("-c")
        kind = options.value("t", "jfs")
        volume = options.value("y") or free_name(groups, root, kind)
        if len(volume) > 15 or not volume.replace("_", "a").replace("-", "a").isalnum():
            raise StorageError(f"0516-604 mklv: {volume} is not a valid name for a logical volume.")
        if any(v.name == volume for n in (rootvg.NAME, *groups.known()) if (g := groups.find(n)) for v in g.volumes):
            raise StorageError(f"0516-360 mklv: The device name {volume} is already used; choose a\n\tdifferent name.")
        disks = tuple(disk_of(root, "mklv", disk) for disk in on)
        if any(disk not in group.disks for disk in disks):
            raise StorageError(f"0516-320 mklv: A physical volume is not assigned to\n\tvolume group {group.name}.")
        count, pools = size_in_partitions(group, size), pools_given(options, group, "mklv", ())
        check_pools("mklv", group, pools, int(copies))
        characteristics = given(options, {n: c for n, c in VOLUME.items() if n != "permission"}, {})
        width, strip = 0, 0
        if "S" in options:
            width, strip = _stripes(options, group, disks)
            # Copies of a striped volume never share a disk, and its policy is to use all of its disks.
            characteristics |= {"strictness": partitions.SUPERSTRICT, "inter_policy": "maximum"}
            if count % width:
                count += width - count % width
                sys.stderr.write(
                    f"mklv: {volume} is rounded up to {count} partitions, a multiple of the stripe width.\n"
                )
        made = LogicalVolume(
            volume,
            kind,
            count,
            characteristics=characteristics,
            pools=pools,
            mirrors=((),) * (int(copies) - 1),
            width=width,
            strip_bytes=strip,
        )
        if "m" in options:
            first, *more = _mapped(groups, root, group, options.value("m"), made)
            made = made._replace(extents=first, mirrors=tuple(more))
        if "x" in options:
            check_maximum("mklv", made._replace(partitions=0), count)
        make_volume(groups, group, made, disks)
        print(volume)
        return 0

    return invoke(argv, _MAKING, MKLV_USAGE, work)


def pools_given(options: Options, group: VolumeGroup, command: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The mirror pool of each copy: ``-p copy1=POOL`` (of chlv: ``-m copy1=POOL``).

    Raises:
        UsageError: it is none of these.
        StorageError: the volume group has no such pool.
    """
    pools = [*known, "", "", ""][:3]
    for text in options.all("m" if command == "chlv" else "p"):
        for word in text.split(","):
            copy, mark, pool = word.partition("=")
            if not mark or copy not in ("copy1", "copy2", "copy3"):
                raise UsageError(word)
            if pool and group.pool(pool) is None:
                raise StorageError(f"0516-1808 {command}: {pool} is not a mirror pool of {group.name}.")
            pools[int(copy[-1]) - 1] = pool
    return tuple(pools) if any(pools) else ()


def check_pools(command: str, group: VolumeGroup, pools: tuple[str, ...], copies: int) -> None:
    """What a group with strict mirror pools asks of a volume: each copy in a pool of its own; super: a copy in every pool.

    Raises:
        StorageError: it is not so (ids and texts are inferred).
    """
    strict, named = of_group(group.characteristics, "strict_pools"), [pool for pool in pools[:copies] if pool]
    if strict == "off":
        return
    if len(named) < copies or len(set(named)) < copies:
        raise StorageError(f"0516-1812 {command}: {group.name} has strict mirror pools; name one for each copy.")
    if strict == "super" and copies < len(group.pools):
        raise StorageError(
            f"0516-1814 {command}: {group.name} has super strict mirror pools; each of its {len(group.pools)} pools has a "
            "copy of every logical volume."
        )


STRIP_MIN, STRIP_MAX = 4096, 128 * MEGABYTE


def _stripes(options: Options, group: VolumeGroup, disks: tuple[str, ...]) -> tuple[int, int]:
    """Width and strip size in bytes: ``-S 64K``, on the disks that are named or on as many as ``-C`` says.

    Raises:
        UsageError: a value is wrong, or does not go with stripes.
        StorageError: there are not as many disks.
    """
    text = options.value("S")
    unit = _SUFFIXES.get(text[-1:].lower(), 0)
    if not unit or not is_number(text[:-1]) or options.values.keys() & set("des"):
        raise UsageError("-S")
    strip = int(text[:-1]) * unit
    if not STRIP_MIN <= strip <= STRIP_MAX or strip & (strip - 1):
        raise UsageError("-S")
    width = options.value("C") or options.value("u") or str(len(disks) or len(group.disks))
    if not is_number(width):
        raise UsageError("-C")
    if not 2 <= int(width) <= len(disks or group.disks):
        raise StorageError(
            f"mklv: A stripe width of {width} does not fit: at least 2, at most {len(disks or group.disks)} disks."
        )
    return int(width), strip


def _mapped(
    groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, path: str, volume: LogicalVolume
) -> list[tuple[Extent, ...]]:
    """The partitions of each copy that a map file chooses; as many as the volume has, free, and of the group's disks.

    Raises:
        StorageError: they are not.
    """
    try:
        with open(root.path(path) if path.startswith("/") else path, encoding="utf-8", errors="replace") as file:
            places = partitions.mapped(file.read().splitlines())
    except OSError as error:
        raise StorageError(f"mklv: {path}: {error.strerror}.") from None
    except ValueError as error:
        raise StorageError(f"0516-626 mklv: The map file {path} is wrong: {error}.") from None
    free = all(
        disk in group.disks and number <= groups.allocatable(group, disk) and number not in partitions.used(group, disk)
        for disk, number in places
    )
    count, copies = volume.partitions, len(volume.copies)
    if len(places) != count * copies or len(set(places)) < len(places) or not free:
        raise StorageError("0516-404 allocp: This system cannot fulfill the allocation request.")
    return [partitions.joined(places[start : start + count]) for start in range(0, len(places), count)]


def chlv(argv: list[str]) -> int:
    """``chlv [flags] LV ...`` changes characteristics, ``chlv -n NEW LV`` the name."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands or not options.values or ("n" in options and len(options.operands) > 1):
            raise UsageError("a logical volume, and what to change")
        for name in options.operands:
            group, volume = changeable_volume(groups, "chlv", name)
            changed = volume._replace(
                name=options.value("n") or volume.name,
                type=options.value("t") or volume.type,
                characteristics=given(options, VOLUME, volume.characteristics),
                pools=pools_given(options, group, "chlv", volume.pools),
            )
            if "x" in options:
                check_maximum("chlv", changed._replace(partitions=0), changed.partitions)
            if changed.name != volume.name:
                groups.locks.lock_definitions("chlv")
                _check_new_name(groups, root, group, volume, changed.name)
            groups.make_known(
                groups.store(
                    group._replace(volumes=tuple(changed if v.name == volume.name else v for v in group.volumes))
                )
            )
        return 0

    usage_text = (
        "Usage: chlv [-a position] [-b {y | n}] [-d policy] [-e range] [-L label] [-m copyn=mirrorpool]\n"
        "       [-o {y | n}] [-p {w | r}] [-r {y | n}] [-s {y | n | s}] [-t type] [-u upperbound] [-v {y | n}]\n"
        "       [-w {a | p | n}] [-x maximum] LVname ...\n       chlv -n newname LVname"
    )
    return invoke(argv, "n:t:m:M:U:G:P:" + "".join(f"{c.flag}:" for c in VOLUME.values()), usage_text, work)


def _check_new_name(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, volume: LogicalVolume, name: str) -> None:
    if len(name) > 15 or not name.replace("_", "a").replace("-", "a").isalnum():
        raise StorageError(f"0516-604 chlv: {name} is not a valid name for a logical volume.")
    if any(v.name == name for n in (rootvg.NAME, *groups.known()) if (g := groups.find(n)) for v in g.volumes):
        raise StorageError(f"0516-360 chlv: The device name {name} is already used; choose a\n\tdifferent name.")
    if volume.mount_point or is_open(root, group, volume):
        # A file system's contents and its stanza go by the name of the volume.
        raise StorageError(f"0516-704 chlv: The logical volume {volume.name} holds a file system or is open.")


def extendlv(argv: list[str]) -> int:
    """``extendlv LV partitions [PV ...]``: a larger logical volume."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) < 2:
            raise UsageError("a logical volume and a number of partitions")
        name, size, *on = options.operands
        group, volume = changeable_volume(groups, "extendlv", name)
        more = size_in_partitions(group, size)
        disks = tuple(disk_of(root, "extendlv", disk) for disk in on)
        if any(disk not in group.disks for disk in disks):
            raise StorageError(f"0516-320 extendlv: A physical volume is not assigned to\n\tvolume group {group.name}.")
        grown = volume._replace(
            partitions=volume.partitions + more, characteristics=given(options, VOLUME, volume.characteristics)
        )
        check_maximum("extendlv", volume, grown.partitions)
        if volume.width and more % volume.width:
            raise StorageError(
                f"extendlv: {volume.name} grows by a multiple of its stripe width, which is {volume.width} partitions."
            )
        if more < 1:
            raise StorageError("0516-404 allocp: This system cannot fulfill the allocation request.")
        grown = grown._replace(modified=int(time.time()))
        groups.make_known(
            groups.store(
                group._replace(volumes=tuple(grown if v.name == volume.name else v for v in group.volumes)), disks
            )
        )
        return 0

    flags = "".join(f"{VOLUME[name].flag}:" for name in ("intra_policy", "inter_policy", "upper_bound", "strictness"))
    usage_text = "Usage: extendlv [-a position] [-e range] [-s strict] [-u upperbound] LVname partitions [PVname ...]"
    return invoke(argv, flags, usage_text, work)


def rmlv(argv: list[str]) -> int:
    """``rmlv [-f] LV ...``: a logical volume is gone, with its file system's contents."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands:
            raise UsageError("a logical volume")
        for name in options.operands:
            group, volume = changeable_volume(groups, "rmlv", name)
            if "f" not in options and not is_open(root, group, volume):
                groups.locks.unlock()  # nobody has to wait for an answer
                if not confirmed(volume.name):
                    continue
                group, volume = changeable_volume(groups, "rmlv", name)
            if is_open(root, group, volume):
                raise StorageError(must_be_closed(volume.name))
            remove_volume(groups, root, group, volume)
            print(f"rmlv: Logical volume {volume.name} is removed.")
        return 0

    return invoke(argv, "fBp:", "Usage: rmlv [-f] LVname ...", work)


def must_be_closed(name: str) -> str:
    """Why a logical volume does not go."""
    return (
        f"0516-1008 rmlv: Logical volume {name} must be closed. If the\n\tlogical volume contains a "
        "filesystem, the umount\n\tcommand will close the LV device."
    )


def confirmed(name: str) -> bool:
    """Whether the administrator agrees that a logical volume goes."""
    print(
        "Warning, all data contained on logical volume "
        f"{name} will be destroyed.\nrmlv: Do you wish to continue? y(es) n(o)? ",
        end="",
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def remove_volume(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, volume: LogicalVolume) -> None:
    """A logical volume leaves the descriptor area first, then its contents go."""
    import shutil

    from srcctl.storage.filesystems import contents

    left = group._replace(volumes=tuple(v for v in group.volumes if v.name != volume.name))
    groups.make_known(groups.store(left))
    if volume.mount_point and volume.extents:
        shutil.rmtree(contents(root.identity.lab, group, volume), ignore_errors=True)


def megabytes(group: VolumeGroup, volume: LogicalVolume) -> int:
    """The size of a logical volume."""
    return volume.partitions * group.partition_bytes // MEGABYTE
