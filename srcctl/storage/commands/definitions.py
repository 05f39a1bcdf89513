"""mkvg, chvg, extendvg, reducevg, replacepv, importvg, exportvg: volume groups are made, changed, known and forgotten."""

from __future__ import annotations

import time

from srcctl.commands.options import Options, UsageError, is_number
from srcctl.digest import blake2b
from srcctl.node.root import NodeRoot
from srcctl.storage import descriptor_area, mirrors, partitions, rootvg
from srcctl.storage.characteristics import GROUP, MAKING_A_GROUP, given
from srcctl.storage.commands.invocation import changeable_group, disk_of, invoke, known_group, lock_group
from srcctl.storage.descriptor_area import PARTITION_MEGABYTES, Extent, LogicalVolume, StorageError, VolumeGroup
from srcctl.storage.device_names import lab_disk
from srcctl.storage.filesystems import Stanza, forget_contents, rewrite_stanzas, stanza_of
from srcctl.storage.volume_groups import VolumeGroups

MKVG_USAGE = (
    "Usage: mkvg [-f] [-B | -S] [-C] [-n] [-i] [-s size] [-V major] [-L LTGsize] [-M {y | n | s}] [-P partitions]\n"
    "       [-p mirrorpool] [-r {y | n}] [-v logicalvolumes] [-y VGname] PVname ..."
)
NAME_MAX = 15


def mkvg(argv: list[str]) -> int:
    """``mkvg [-f] [-B | -S] [-C] [-n] [-s size] [-V major] [-y VG] PV ...``: make a volume group and vary it on."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if not options.operands:
            raise UsageError("disks are needed")
        groups.check_writable()
        groups.locks.lock_definitions("mkvg")
        name = options.value("y") or _free_name(groups)
        if len(name) > NAME_MAX or not name.replace("_", "a").replace("-", "a").replace(".", "a").isalnum():
            raise StorageError(f"0516-604 mkvg: {name} is not a valid name for a volume group.")
        if name == rootvg.NAME or groups.find(name) is not None or name in groups.known():
            raise StorageError(f"0516-360 mkvg: The device name {name} is already used; choose a\n\tdifferent name.")
        size, major = options.value("s", str(PARTITION_MEGABYTES)), options.value("V", "")
        if not is_number(size) or int(size) & (int(size) - 1) or not 1 <= int(size) <= 131072:
            raise StorageError("0516-604 mkvg: The size of a partition is a power of 2 in megabytes, from 1 to 131072.")
        if major and not (is_number(major) and 0 < int(major) < 256):
            raise StorageError(f"0516-604 mkvg: {major} is not a major number.")
        disks = tuple(dict.fromkeys(disk_of(root, "mkvg", disk) for disk in options.operands))
        for disk in disks:
            _check_free(groups, disk, "mkvg", force="f" in options)
        seed = f"{root.identity.lab_id}/{name}/{time.time_ns()}"
        group = VolumeGroup(
            name,
            "00f9c490" + blake2b(seed.encode(), digest_size=12).hexdigest(),
            disks,
            major=int(major) if major else _free_major(groups),
            partition_megabytes=int(size),
            concurrent="C" in options,
            auto_on="n" not in options and "C" not in options,
            kind="scalable" if "S" in options else "big" if "B" in options else "normal",
            characteristics=given(options, {name: GROUP[name] for name in MAKING_A_GROUP}, {}),
            pools=(descriptor_area.MirrorPool(options.value("p"), disks),) if options.value("p") else (),
        )
        if any(groups.partitions_of(group, disk) < 1 for disk in disks):
            raise StorageError(
                f"0516-1254 mkvg: A disk is too small for partitions of {size} megabytes.\n"
                "0516-862 mkvg: Unable to create volume group."
            )
        groups.locks.prepare(name)
        for disk in disks:
            descriptor_area.erase(root.identity.lab, disk)
        group = groups.store(group)
        groups.make_known(group)
        if groups.reserve(group) is not None:
            raise StorageError("0516-013 varyonvg: The volume group cannot be varied on because it is reserved.")
        if group.concurrent:
            # As on the product, a concurrent capable volume group is not left varied on.
            groups.release(group)
        print(name)
        if "C" in options:
            print("mkvg: This concurrent capable volume group must be varied on manually.")
        return 0

    return invoke(argv, "fSBCnis:V:y:Id:t:p:v:P:L:M:X:r:k:", MKVG_USAGE, work)


def _free_name(groups: VolumeGroups) -> str:
    number, known = 0, groups.known()
    while f"vg{number:02d}" in known or groups.find(f"vg{number:02d}") is not None:
        number += 1
    return f"vg{number:02d}"


def _free_major(groups: VolumeGroups) -> int:
    taken = {group.major for name in groups.known() if (group := groups.find(name))}
    return next(number for number in range(100, 256) if number not in taken)


def _check_free(groups: VolumeGroups, disk: str, command: str, force: bool) -> None:
    if disk == rootvg.DISK or groups.is_repository(disk):
        found = True
    else:
        try:
            group = groups.on_disk(disk)
        except OSError:
            raise StorageError(f"0516-1182 {command}: Open Failure on {groups.name_of(disk)}.") from None
        found = group is not None and (not force or bool(groups.holders(group)))
    if found:
        unable = "862 mkvg: Unable to create" if command == "mkvg" else f"792 {command}: Unable to extend"
        raise StorageError(
            f"0516-1398 {command}: The physical volume {groups.name_of(disk)}, appears to belong to\nanother volume group. Use the force "
            f"option to add this physical volume\nto a volume group.\n0516-{unable} volume group."
        )


def chvg(argv: list[str]) -> int:
    """``chvg [-a y|n] [-Q y|n] ... VG``: vary on at boot; keep the quorum; other characteristics."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        answers = [options.get(flag) for flag in "aQ"]
        if len(options.operands) != 1 or any(answer not in (None, "y", "n") for answer in answers):
            raise UsageError("one volume group")
        if "u" in options:
            known_group(groups, "chvg", options.operands[0])
            groups.locks.remove(options.operands[0])
            if len(options.values) == 1:
                return 0
        group = changeable_group(groups, "chvg", options.operands[0])
        auto_on, quorum = answers
        changed = group._replace(
            auto_on=group.auto_on if auto_on is None else auto_on == "y",
            quorum=group.quorum if quorum is None else quorum == "y",
            concurrent=group.concurrent or "C" in options,
            kind="scalable" if "G" in options else "big" if "B" in options and group.kind == "normal" else group.kind,
            characteristics=given(options, GROUP, group.characteristics),
        )
        groups.make_known(groups.store(changed))
        return 0

    usage_text = (
        "Usage: chvg [-a {y | n}] [-Q {y | n}] [-s {y | n}] [-h {y | Y | r | n}] [-L LTGsize] [-M {y | n | s}]\n"
        "       [-P partitions] [-r {y | n}] [-v logicalvolumes] [-B | -G] [-C] [-u] VGname"
    )
    return invoke(argv, "a:Q:CGBu" + "".join(f"{one.flag}:" for one in GROUP.values()), usage_text, work)


def extendvg(argv: list[str]) -> int:
    """``extendvg [-f] VG PV ...``: more disks."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) < 2:
            raise UsageError("a volume group and disks")
        group = changeable_group(groups, "extendvg", options.operands[0])
        groups.locks.lock_definitions("extendvg")
        pool = options.value("p")
        added = tuple(dict.fromkeys(disk_of(root, "extendvg", disk) for disk in options.operands[1:]))
        for disk in added:
            _check_free(groups, disk, "extendvg", force="f" in options)
        groups.check_writable()
        for disk in added:
            descriptor_area.erase(root.identity.lab, disk)
        # Reserved before the descriptor areas name them: a group never contains a disk that somebody else may take.
        wider = group._replace(disks=(*group.disks, *added))
        if groups.reserve(wider) is not None:
            raise StorageError("0516-792 extendvg: Unable to extend volume group.")
        if pool:
            from srcctl.storage.commands.physical_volumes import in_pool

            for disk in added:
                wider = in_pool("extendvg", wider, disk, pool)
        groups.make_known(groups.store(wider))
        return 0

    return invoke(argv, "fMp:", "Usage: extendvg [-f] [-p mirrorpool] VGname PVname ...", work)


def reducevg(argv: list[str]) -> int:
    """``reducevg [-d] [-f] VG PV ...``: fewer disks; without the last one the volume group is gone."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) < 2:
            raise UsageError("a volume group and disks")
        group = changeable_group(groups, "reducevg", options.operands[0])
        for name in options.operands[1:]:
            disk = disk_of(root, "reducevg", name)
            if disk not in group.disks:
                raise StorageError(
                    f"0516-320 reducevg: Physical volume {groups.name_of(disk)} is not assigned to\n\tvolume group {group.name}."
                )
            if "d" in options:
                group = _without_volumes(groups, root, group, disk, force="f" in options)
            if partitions.used(group, disk):
                raise StorageError(
                    "0516-016 ldeletepv: Cannot delete physical volume with allocated\n\tpartitions. Use either migratepv "
                    "to move the partitions or\n\treducevg with the -d option to delete the partitions.\n"
                    f"0516-884 reducevg: Unable to remove physical volume {groups.name_of(disk)}."
                )
            groups.check_writable()
            last = len(group.disks) == 1
            if not last:
                pools = tuple(pool._replace(disks=tuple(d for d in pool.disks if d != disk)) for pool in group.pools)
                left = group._replace(
                    disks=tuple(d for d in group.disks if d != disk), pools=tuple(pool for pool in pools if pool.disks)
                )
                group = groups.store(left)
                groups.make_known(group)
            if not groups.has_failed(disk):
                descriptor_area.erase(root.identity.lab, disk)
            groups.release(group._replace(disks=(disk,)))
            if last:
                groups.forget(group.name)
                forget_contents(root.identity.lab, group)
                print("ldeletepv: Volume Group deleted since it contains no physical volumes.")
        return 0

    return invoke(argv, "df", "Usage: reducevg [-d] [-f] VGname PVname ...", work)


def replacepv(argv: list[str]) -> int:
    """``replacepv [-f] OLD NEW``: the partitions of a disk move to another one, which takes its place in the group."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 2:
            raise UsageError("two disks")
        old, new = (disk_of(root, "replacepv", disk) for disk in options.operands)
        name = rootvg.NAME if old == rootvg.DISK else groups.known_on(old)
        if name is None:
            raise StorageError(
                f"0516-320 replacepv: Physical volume {groups.name_of(old)} is not assigned to\n\ta volume group."
            )
        group = changeable_group(groups, "replacepv", name)
        groups.locks.lock_definitions("replacepv")
        _check_free(groups, new, "replacepv", force="f" in options)
        taken = partitions.used(group, old)
        # Copied from the old disk, or from the mirrors of what is stale there or gone with it.
        gone = groups.failed_disks(group) | ({old} if groups.is_missing(group, old) else set())
        for volume, _, _ in taken.values():
            if not mirrors.is_readable(group, volume, gone):
                raise StorageError(f"0516-1099 replacepv: {volume.name} has partitions without a good copy.")
        if max(taken, default=0) > groups.partitions_of(group, new):
            raise StorageError(
                f"0516-404 replacepv: {groups.name_of(new)} has not enough partitions for what lies on {groups.name_of(old)}."
            )
        groups.check_writable()
        descriptor_area.erase(root.identity.lab, new)

        def moved(disk: str) -> str:
            return new if disk == old else disk

        def elsewhere(copy: tuple[Extent, ...]) -> tuple[Extent, ...]:
            return tuple(extent._replace(disk=moved(extent.disk)) for extent in copy)

        swapped = group._replace(
            disks=tuple(moved(disk) for disk in group.disks),
            closed_disks=tuple(moved(disk) for disk in group.closed_disks),
            pools=tuple(pool._replace(disks=tuple(moved(disk) for disk in pool.disks)) for pool in group.pools),
            volumes=tuple(
                volume._replace(
                    extents=elsewhere(volume.extents), mirrors=tuple(elsewhere(copy) for copy in volume.mirrors)
                )
                for volume in group.volumes
            ),
        )
        if groups.reserve(swapped) is not None:
            raise StorageError("0516-792 replacepv: Unable to extend volume group.")
        groups.make_known(groups.store(swapped))
        if not groups.has_failed(old):
            descriptor_area.erase(root.identity.lab, old)
        groups.release(group._replace(disks=(old,)))
        return 0

    return invoke(argv, "fR", "Usage: replacepv [-f] SourcePVname DestinationPVname", work)


def _without_volumes(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, disk: str, force: bool) -> VolumeGroup:
    """``reducevg -d``: the logical volumes with partitions on a disk go, one by one, if the administrator agrees."""
    from srcctl.storage.commands.logical_volumes import confirmed, must_be_closed, remove_volume
    from srcctl.storage.commands.volume_groups import is_open

    for volume in {owner.name: owner for owner, _, _ in partitions.used(group, disk).values()}.values():
        if is_open(root, group, volume):
            raise StorageError(
                f"{must_be_closed(volume.name)}\n0516-884 reducevg: Unable to remove physical volume {groups.name_of(disk)}."
            )
        if not force:
            groups.locks.unlock()  # nobody has to wait for an answer
            agreed = confirmed(volume.name)
            group = changeable_group(groups, "reducevg", group.name)
            now = group.volume(volume.name)
            if not agreed or now is None or is_open(root, group, now):
                continue
            volume = now
        remove_volume(groups, root, group, volume)
        _forget_file_systems(root, {volume.name})
        print(f"rmlv: Logical volume {volume.name} is removed.")
        group = changeable_group(groups, "reducevg", group.name)
    return group


def _forget_file_systems(root: NodeRoot, volumes: set[str]) -> None:
    """The stanzas of the file systems on some volumes go."""
    rewrite_stanzas(root, lambda stanzas: [s for s in stanzas if s.volume not in volumes])


def importvg(argv: list[str]) -> int:
    """``importvg [-n] [-V major] [-y VG] [-L VG] PV``: make a volume group known, with its file systems."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one disk")
        disk = options.operands[0]
        found = lab_disk(root, disk)
        group = _group_on(groups, found)
        if group is None:
            raise StorageError(
                f"0516-304 importvg: Unable to find device id {disk} in the Device\n\tConfiguration Database."
            )
        wanted = options.value("y") or options.value("L") or group.name
        if "L" in options:
            # As it is when nobody changes it: what another node is writing would leave this one's ODM behind.
            lock_group(groups, "importvg", wanted)
            group = _group_on(groups, found) or group
        else:
            groups.check_writable()
            groups.locks.lock_definitions("importvg")
        if (wanted in groups.known() and "L" not in options) or wanted == rootvg.NAME:
            raise StorageError(
                f"0516-360 importvg: The device name {wanted} is already used; choose a\n\tdifferent name."
            )
        if wanted != group.name:
            if groups.find(wanted) is not None or groups.holders(group):
                raise StorageError(
                    f"0516-360 importvg: The volume group on {disk} is {group.name}; it cannot be called {wanted} now."
                )
            groups.forget(group.name)
            group = groups.store(group._replace(name=wanted))
        groups.locks.prepare(group.name)
        groups.make_known(group)
        _learn_file_systems(root, group)
        if "n" not in options and "L" not in options and groups.reserve(group) is not None:
            pass  # known, but not varied on: another node has it
        print(group.name)
        return 0

    return invoke(argv, "nV:y:L:fFcxRrSO", "Usage: importvg [-n] [-V major] [-y VGname] [-L VGname] PVname", work)


def _group_on(groups: VolumeGroups, disk: str | None) -> VolumeGroup | None:
    """The volume group on a disk, None also if the disk has failed."""
    try:
        return groups.on_disk(disk) if disk is not None else None
    except OSError:
        return None


def _learn_file_systems(root: NodeRoot, group: VolumeGroup) -> None:
    """The stanzas of /etc/filesystems follow the descriptor area."""
    volumes = {volume.name: volume for volume in group.volumes}

    def following(stanzas: list[Stanza]) -> list[Stanza]:
        kept = [s for s in stanzas if s.volume not in volumes or s.mount_point == volumes[s.volume].mount_point]
        for volume in group.volumes:
            if volume.mount_point:
                _learn(kept, volume)
        return kept

    rewrite_stanzas(root, following)


def _learn(stanzas: list[Stanza], volume: LogicalVolume) -> None:
    """The stanza of a volume's file system, which is made if there is none."""
    known = next((s for s in stanzas if s.mount_point == volume.mount_point), None)
    learnt = stanza_of(volume)
    if known is None:
        stanzas.append(learnt)
        return
    # The stanza follows what another node changed in the control block; the rest is this node's own.
    for name in ("log", "options", "quota"):
        known.attributes.pop(name, None)
    order = {name: known.attributes[name] for name in known.attributes}
    known.attributes.clear()
    known.attributes.update({name: order.get(name, value) for name, value in learnt.attributes.items()} | order)


def exportvg(argv: list[str]) -> int:
    """``exportvg VG``: forget a volume group on this node; its disks keep it."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        name = options.operands[0]
        lock_group(groups, "exportvg", name)
        if name in groups.known() and groups.find(name) is None:
            groups.forget(name)  # no disk of it can be read: what the ODM has of it goes
            return 0
        group = known_group(groups, "exportvg", name)
        if groups.is_varied_on(group):
            raise StorageError("0516-764 exportvg: The volume group must be varied off\n\tbefore exporting.")
        groups.forget(group.name)
        _forget_file_systems(root, {volume.name for volume in group.volumes})
        return 0

    return invoke(argv, "", "Usage: exportvg VGname", work)
