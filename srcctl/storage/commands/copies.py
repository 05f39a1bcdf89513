"""mklvcopy, rmlvcopy, mirrorvg, unmirrorvg, syncvg: copies of logical volumes.

The messages with ids 0516-842, -922, -932, -934, -1199 and -1200 are inferred in their use, 0516-1804 is as captured.
"""

from __future__ import annotations

import sys
import time
from itertools import combinations

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage import mirrors, partitions
from srcctl.storage.characteristics import VOLUME, given
from srcctl.storage.commands.invocation import changeable_group, disk_of, invoke
from srcctl.storage.commands.logical_volumes import changeable_volume, check_pools, pools_given
from srcctl.storage.descriptor_area import LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.volume_groups import VolumeGroups

POLICIES = ("intra_policy", "inter_policy", "upper_bound", "strictness")
QUORUM_CHANGED = "0516-1804 chvg: The quorum change takes effect immediately."


def _disks(root: NodeRoot, command: str, group: VolumeGroup, names: list[str]) -> tuple[str, ...]:
    disks = tuple(disk_of(root, command, name) for name in names)
    if any(disk not in group.disks for disk in disks):
        raise StorageError(f"0516-320 {command}: A physical volume is not assigned to\n\tvolume group {group.name}.")
    return disks


def _number(text: str, least: int) -> int:
    """A number of copies.

    Raises:
        UsageError: it is none.
    """
    if text not in ("1", "2", "3") or int(text) < least:
        raise UsageError(text)
    return int(text)


def _stored(
    groups: VolumeGroups, group: VolumeGroup, volume: LogicalVolume, on: tuple[str, ...] = (), behind: bool = False
) -> VolumeGroup:
    volumes = tuple(volume if v.name == volume.name else v for v in group.volumes)
    group = groups.store(group._replace(volumes=volumes), on, behind)
    groups.make_known(group)
    return group


def mklvcopy(argv: list[str]) -> int:
    """``mklvcopy [-k] [-a position] ... LV copies [PV ...]``: more copies, which are stale until they are synchronized."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) < 2:
            raise UsageError("a logical volume and a number of copies")
        name, wanted, *on = options.operands
        copies = _number(wanted, 2)
        group, volume = changeable_volume(groups, "mklvcopy", name)
        if copies <= len(volume.copies):
            raise StorageError(
                f"0516-842 mklvcopy: Unable to make logical partition copies for\n\tlogical volume: {name} has "
                f"{len(volume.copies)} already."
            )
        volume = volume._replace(
            characteristics=given(options, {name: VOLUME[name] for name in POLICIES}, volume.characteristics),
            pools=pools_given(options, group, "mklvcopy", volume.pools),
        )
        check_pools("mklvcopy", group, volume.pools, copies)
        group = _with_copies(groups, group, volume, copies, _disks(root, "mklvcopy", group, on))
        if "k" in options:
            return _synchronize(groups, group, [volume.name])
        return 0

    flags = "kp:" + "".join(f"{VOLUME[name].flag}:" for name in POLICIES)
    usage_text = (
        "Usage: mklvcopy [-a position] [-e range] [-k] [-p copyn=mirrorpool] [-s strict] [-u upperbound] LVname\n"
        "       {2 | 3} [PVname ...]"
    )
    return invoke(argv, flags, usage_text, work)


def _with_copies(
    groups: VolumeGroups, group: VolumeGroup, volume: LogicalVolume, copies: int, on: tuple[str, ...]
) -> VolumeGroup:
    """The group with more copies of a volume, stale ones.

    Raises:
        StorageError: there is no room for them.
    """
    more = ((),) * (copies - len(volume.copies))
    volume = volume._replace(mirrors=(*volume.mirrors, *more), modified=int(time.time()))
    try:
        return _stored(groups, group, volume, on, behind=True)
    except StorageError as error:
        raise StorageError(
            f"{error}\n0516-842 mklvcopy: Unable to make logical partition copies for\n\tlogical volume."
        ) from None


def rmlvcopy(argv: list[str]) -> int:
    """``rmlvcopy LV copies [PV ...]``: fewer copies; those on the disks that are named go first."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) < 2:
            raise UsageError("a logical volume and a number of copies")
        name, wanted, *on = options.operands
        copies = _number(wanted, 1)
        group, volume = changeable_volume(groups, "rmlvcopy", name)
        if copies >= len(volume.copies):
            raise StorageError(
                f"0516-922 rmlvcopy: Unable to remove logical partition copies for logical\n\tvolume {name}: it has "
                f"{len(volume.copies)}."
            )
        _without_copies(groups, group, volume, copies, _disks(root, "rmlvcopy", group, on))
        return 0

    return invoke(argv, "p:", "Usage: rmlvcopy LVname {1 | 2} [PVname ...]", work)


def _without_copies(
    groups: VolumeGroups, group: VolumeGroup, volume: LogicalVolume, copies: int, on: tuple[str, ...]
) -> VolumeGroup:
    """The group with fewer copies of a volume: of those on the disks that are named, stale ones, the last ones.

    Raises:
        StorageError: no partition would have a good copy any more, or none of the copies lies on the disks named.
    """
    failed = groups.failed_disks(group)
    places = [list(partitions.placed(copy)) for copy in volume.copies]
    named = [any(disk in on for disk, _ in copy) for copy in places]
    behind = [sum(group.status.is_stale(*p) or groups.is_missing(group, p[0]) for p in copy) for copy in places]

    def left(keep: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        return sum(named[n] for n in keep), sum(behind[n] for n in keep), keep

    unable = f"0516-922 rmlvcopy: Unable to remove logical partition copies for logical\n\tvolume {volume.name}"
    if on and not any(named):
        raise StorageError(f"{unable}: none is on {' '.join(map(groups.name_of, on))}.")
    was_readable = mirrors.is_readable(group, volume, failed)
    for keep in sorted(combinations(range(len(places)), copies), key=left):
        first, *more = (volume.copies[n] for n in keep)
        pools = [dict(enumerate(volume.pools)).get(n, "") for n in keep]
        fewer = volume._replace(
            extents=first, mirrors=tuple(more), pools=tuple(pools) if any(pools) else (), modified=int(time.time())
        )
        if was_readable and not mirrors.is_readable(group, fewer, failed):
            continue
        if not on or left(keep)[0] < sum(named):
            return _stored(groups, group, fewer)
    raise StorageError(f"{unable}: no other copy is up to date.")


def mirrorvg(argv: list[str]) -> int:
    """``mirrorvg [-S | -s] [-Q] [-c copies] [-m] [-p copyn=mirrorpool] VG [PV ...]``: every volume gets copies.

    Quorum is switched off, but for -Q; the copies are synchronized, but for -s (of -S, in the background: at once here).
    """

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands or {"S", "s"} <= options.values.keys():
            raise UsageError("a volume group")
        name, *on = options.operands
        copies = max(2, _number(options.value("c", "2"), 1))
        group = changeable_group(groups, "mirrorvg", name)
        disks = _disks(root, "mirrorvg", group, on)
        for volume in group.volumes:
            if len(volume.copies) >= copies:
                continue
            volume = volume._replace(pools=pools_given(options, group, "mirrorvg", volume.pools))
            check_pools("mirrorvg", group, volume.pools, copies)
            try:
                group = _with_copies(groups, group, volume, copies, disks)
            except StorageError as error:
                raise StorageError(
                    f"{error}\n0516-1199 mirrorvg: Failed to create logical partition copies\n\tfor logical volume "
                    f"{volume.name}.\n0516-1200 mirrorvg: Failed to mirror the volume group."
                ) from None
        if group.quorum and "Q" not in options:
            group = groups.store(group._replace(quorum=False))
            groups.make_known(group)
            sys.stderr.write(f"{QUORUM_CHANGED}\n")
        if "s" in options:
            return 0
        return _synchronize(groups, group, [volume.name for volume in group.volumes])

    usage_text = "Usage: mirrorvg [-S | -s] [-Q] [-c copies] [-m] [-p copyn=mirrorpool] VGname [PVname ...]"
    return invoke(argv, "SsQc:mp:", usage_text, work)


def unmirrorvg(argv: list[str]) -> int:
    """``unmirrorvg [-c copies] VG [PV ...]``: every volume, or every one with a copy on these disks, has fewer copies."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands:
            raise UsageError("a volume group")
        name, *on = options.operands
        copies = _number(options.value("c", "1"), 1)
        group = changeable_group(groups, "unmirrorvg", name)
        disks = _disks(root, "unmirrorvg", group, on)
        for volume in group.volumes:
            if len(volume.copies) > copies and (not disks or set(disks) & set(volume.disks)):
                group = _without_copies(groups, group, volume, copies, disks)
        if not group.quorum and all(not volume.mirrors for volume in group.volumes):
            groups.make_known(groups.store(group._replace(quorum=True)))
            sys.stderr.write(f"{QUORUM_CHANGED}\n")
        return 0

    return invoke(argv, "c:p:", "Usage: unmirrorvg [-c copies] VGname [PVname ...]", work)


def syncvg(argv: list[str]) -> int:
    """``syncvg [-f] [-H] [-i] [-P n] {-l | -p | -v} name ...``: stale copies become as the good ones.

    Of logical volumes, of those on disks, or of volume groups.
    """

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        kinds = options.values.keys() & set("lpv")
        names = options.operands + (sys.stdin.read().split() if "i" in options else [])
        if len(kinds) != 1 or not names:
            raise UsageError("one of -l, -p, -v, and names")
        status = 0
        for name in names:
            if "v" in kinds:
                group = changeable_group(groups, "syncvg", name)
                failed = _synchronize(groups, group, [volume.name for volume in group.volumes])
                if failed:
                    sys.stderr.write(f"0516-932 syncvg: Unable to synchronize volume group {name}.\n")
            elif "l" in kinds:
                group, volume = changeable_volume(groups, "syncvg", name)
                failed = _synchronize(groups, group, [volume.name])
            else:
                disk = disk_of(root, "syncvg", name)
                owner = groups.known_on(disk)
                if owner is None:
                    raise StorageError(
                        f"0516-320 syncvg: Physical volume {groups.name_of(disk)} is not assigned to\n\ta volume group."
                    )
                group = changeable_group(groups, "syncvg", owner)
                failed = _synchronize(groups, group, [v.name for v in group.volumes if disk in v.disks])
            status = failed or status
        return status

    return invoke(argv, "lpvifHP:", "Usage: syncvg [-f] [-H] [-i] [-P number] {-l | -p | -v} name ...", work)


def _synchronize(groups: VolumeGroups, group: VolumeGroup, names: list[str]) -> int:
    """Synchronize volumes; 1 if one still has stale partitions, which is said."""
    group = groups.synchronize(group, set(names))
    status = 0
    for volume in group.volumes:
        if volume.name in names and mirrors.stale_partitions(group, volume):
            sys.stderr.write(f"0516-934 syncvg: Unable to synchronize logical volume {volume.name}.\n")
            status = 1
    return status
