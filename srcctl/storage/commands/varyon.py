"""varyonvg and varyoffvg: a volume group is taken and given up."""

from __future__ import annotations

import os

from srcctl.commands.options import Options, UsageError
from srcctl.errlog import log_entry
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems
from srcctl.storage.commands.invocation import active_group, invoke, known_group, lock_group, pvid_of
from srcctl.storage.descriptor_area import StorageError, VolumeGroup
from srcctl.storage.reservations import ENHANCED, PASSIVE, SHARED
from srcctl.storage.volume_groups import VolumeGroups


def varyonvg(argv: list[str]) -> int:
    """``varyonvg [-f] [-n] [-c [-A | -P]] [-O] VG``: reserve the disks for this node.

    Disks that were missing and answer again belong to it as before, also where it is varied on already; without -n stale
    copies are synchronized.

    Of an enhanced concurrent volume group ``-c -A`` is the active mode of one node and ``-c -P`` the passive one of the
    others; a node changes from one to the other without a varyoffvg between.
    """

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1 or {"A", "P"} <= options.values.keys():
            raise UsageError("one volume group")
        group = known_group(groups, "varyonvg", options.operands[0])
        _check_disks(groups, root, group, force="f" in options)
        if "c" in options and not group.concurrent:
            raise StorageError("0516-949 varyonvg: This volume group not created concurrent capable.")
        mode = (PASSIVE if "P" in options else ENHANCED if "A" in options else SHARED) if "c" in options else ""
        if mode == PASSIVE and groups.is_varied_on(group):
            _check_closed(root, group, "varyonvg", "vary on volume group in passive mode:")
        holder = groups.reserve(group, force="O" in options, mode=mode)
        if holder is not None:
            raise StorageError(
                f"PV Status:\t{groups.name_of(group.disks[0])}\t{pvid_of(root, group.disks[0])}\tPVNOTAVAIL\n"
                f"0516-013 varyonvg: The volume group cannot be varied on because\n\tit is reserved by {holder}."
            )
        if mode != PASSIVE and group.name != "rootvg" and (len(group.disks) > 1 or group.status.serial):
            lock_group(groups, "varyonvg", group.name)
            group = groups.bring_back(known_group(groups, "varyonvg", group.name))
            if "n" not in options and group.status.stale:
                groups.synchronize(group, {volume.name for volume in group.volumes})
        return 0

    return invoke(argv, "ncPOubfAaMrstRSI", "Usage: varyonvg [-f] [-n] [-c [-A | -P]] [-O] VGname", work)


def _check_closed(root: NodeRoot, group: VolumeGroup, command: str, unable: str) -> None:
    """No file system of the group may be mounted.

    Raises:
        StorageError: one is.
    """
    mounts = filesystems.mounted(root)
    if group.name == "rootvg" or any(v.mount_point in mounts for v in group.volumes if v.mount_point):
        raise _not_closed(command, unable, group.name)


def _check_unmounted(root: NodeRoot, groups: VolumeGroups, name: str) -> None:
    """``_check_closed`` for a group that nobody can read: the ODM has its volumes, /etc/filesystems their mount points.

    Raises:
        StorageError: a file system of it is mounted.
    """
    volumes, mounts = groups.known_volumes(name), filesystems.mounted(root)
    if any(stanza.volume in volumes and stanza.mount_point in mounts for stanza in filesystems.read_stanzas(root)):
        raise _not_closed("varyoffvg", "vary off volume group", name)


def _not_closed(command: str, unable: str, name: str) -> StorageError:
    return StorageError(
        f"0516-012 l{command}: Logical volume must be closed.  If the logical\n\tvolume contains a filesystem, the "
        f"umount command will close\n\tthe LV device.\n0516-942 {command}: Unable to {unable} {name}."
    )


def _check_disks(groups: VolumeGroups, root: NodeRoot, group: VolumeGroup, force: bool) -> None:
    """More than half of the descriptor areas must be readable; without quorum all disks, as the AIX manual has it.

    One disk is enough with ``force``, or with MISSINGPV_VARYON=TRUE in the environment.
    """
    from srcctl.storage.commands.physical_volumes import descriptors

    failed = [disk for disk in group.disks if groups.has_failed(disk)]
    if not failed:
        return
    areas = sum(descriptors(group, disk) for disk in group.disks)
    left = areas - sum(descriptors(group, disk) for disk in failed)
    status = "".join(
        f"PV Status:\t{groups.name_of(disk)}\t{pvid_of(root, disk)}\t{'PVMISSING' if disk in failed else 'PVACTIVE'}\n"
        for disk in group.disks
    )
    force = force or os.environ.get("MISSINGPV_VARYON", "").upper() == "TRUE"
    if left == 0 or (not force and (2 * left <= areas or not group.quorum)):
        raise StorageError(
            f"{status}0516-052 varyonvg: Volume group cannot be varied on without a\n\tquorum. More physical volumes in "
            "the group must be active.\n\tRun diagnostics on inactive PVs."
        )
    print(f"{status}varyonvg: Volume group {group.name} is varied on.")
    for disk in failed:
        log_entry(root, "LVM_SA_PVMISS", "LVDD", (("MAJOR/MINOR DEVICE NUMBER", groups.name_of(disk)),))


def varyoffvg(argv: list[str]) -> int:
    """``varyoffvg [-s] VG``: give the disks up. Also those of a group that was closed because it has lost all of them:
    it would be varied on still, here, when they are back."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one volume group")
        # A command that is changing it comes to its end first: what it writes nobody else has meanwhile.
        lock_group(groups, "varyoffvg", options.operands[0])
        if groups.is_lost(options.operands[0]):
            _check_unmounted(root, groups, options.operands[0])
            groups.release_disks(groups.known_disks(options.operands[0]))
            return 0
        group = active_group(groups, "varyoffvg", options.operands[0])
        _check_closed(root, group, "varyoffvg", "vary off volume group")
        groups.release(group)
        return 0

    return invoke(argv, "s", "Usage: varyoffvg [-s] VGname", work)
