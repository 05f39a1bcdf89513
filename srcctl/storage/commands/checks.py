"""fsck and logredo: the check of a file system before it is mounted.

A shared file system's contents are a folder of the host, whose own file system keeps them whole; what can be wrong with
it here is what its volume and its last holder say: no good copy of a partition is left, or the node that had it mounted
ended without unmounting it, and its log has to be redone. The words are JFS2's as administrators know them, their
choice and order are inferred. Exit codes are those of the manual page: 8 is a file system that is not well.
"""

from __future__ import annotations

import sys

from srcctl.commands.options import Options, UsageError
from srcctl.network.faults import Faults
from srcctl.node.root import NodeRoot
from srcctl.storage import filesystems, mirrors
from srcctl.storage.commands.file_systems import located
from srcctl.storage.commands.invocation import invoke
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup
from srcctl.storage.filesystems import Stanza, read_stanzas
from srcctl.storage.opened import OpenVolumes
from srcctl.storage.volume_groups import VolumeGroups

FSCK_USAGE = "Usage: fsck [-f] [-n | -p | -y] [-o options] [-V vfs] [file_system ...]"
LOGREDO_USAGE = "Usage: logredo [-n] file_system"
NOT_WELL = 8
PHASES = (
    "Initial inode scan", "Process remaining directories", "Process remaining files",
    "Check and repair inode allocation map", "Check and repair block allocation map",
)  # fmt: skip


Place = tuple[Stanza, VolumeGroup, LogicalVolume]


def fsck(argv: list[str]) -> int:
    """``fsck [-f] [-n | -p | -y] [file system ...]``: without a name those that /etc/filesystems wants checked.

    ``-p`` looks at the superblock and redoes the log, with ``-f`` it goes on to the whole check; ``-n`` changes nothing.
    """

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if sum(flag in options for flag in "npy") > 1:
            raise UsageError("one of -n, -p and -y")
        names = options.operands or [
            stanza.mount_point for stanza in read_stanzas(root) if stanza.attributes.get("check") == "true"
        ]
        status = 0
        for name in names:
            status = max(status, _check(options, groups, root, name))
        return status

    return invoke(argv, "fnpyo:V:", FSCK_USAGE, work)


def logredo(argv: list[str]) -> int:
    """``logredo [-n] file_system``: redo the log of a file system that is not mounted; ``-n`` only says what for."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        if len(options.operands) != 1:
            raise UsageError("one file system")
        place = _place("logredo", groups, root, options.operands[0])
        if place is None:
            return NOT_WELL
        stanza = place[0]
        if stanza.mount_point in filesystems.mounted(root):
            sys.stderr.write(f"logredo: {stanza.device} is mounted.\n")
            return NOT_WELL
        return _redo("logredo", root, place) if "n" not in options else _say_redone(stanza)

    return invoke(argv, "n", LOGREDO_USAGE, work)


def _check(options: Options, groups: VolumeGroups, root: NodeRoot, name: str) -> int:
    own = next((s for s in read_stanzas(root) if name in (s.mount_point, s.device) and "size" in s.attributes), None)
    if own is not None:  # one of the node's own, which is mounted from the boot on
        print(f"\nThe current volume is: {own.device}\nFile system is currently mounted.")
        return 0
    place = _place("fsck", groups, root, name)
    if place is None:
        return NOT_WELL
    stanza, group, volume = place
    print(f"\nThe current volume is: {stanza.device}")
    if stanza.mount_point in filesystems.mounted(root):
        print("File system is currently mounted.")
        return 0
    left_open = OpenVolumes(root.identity.lab).left_open(group, volume)
    if left_open and "nologredo" not in options.value("o").split(","):
        if "n" in options:
            print("File system is dirty.")
            return NOT_WELL
        if status := _redo("fsck", root, place):
            return status
    print("Primary superblock is valid.")
    if "p" not in options or "f" in options:
        for number, phase in enumerate(PHASES, 1):
            print(f"*** Phase {number} - {phase}")
    print("File system is clean.")
    return 0


def _redo(command: str, root: NodeRoot, place: Place) -> int:
    stanza, group, volume = place
    try:
        OpenVolumes(root.identity.lab).redo(group, volume)
    except OSError as error:
        sys.stderr.write(f"{command}: {stanza.device}: {error.strerror}.\n")
        return NOT_WELL
    return _say_redone(stanza)


def _say_redone(stanza: Stanza) -> int:
    print(f"J2_LOGREDO:log redo processing for {stanza.device}")
    return 0


def _place(command: str, groups: VolumeGroups, root: NodeRoot, name: str) -> Place | None:
    """A shared file system that can be read here; None after a complaint."""
    place = located(groups, root, name)
    if place is None:
        known = any(name in (s.mount_point, s.device) for s in read_stanzas(root))
        why = ": its volume group cannot be read" if known else " is not a known file system"
        sys.stderr.write(f"{command}: {name}{why}.\n")
        return None
    stanza, group, volume = place
    complaint = ""
    if not groups.is_varied_on(group):
        complaint = "There is a request to a device or address that does not exist."
    else:
        failed = {disk for disk in group.disks if Faults(root.identity.lab).disk_failed(disk)}
        if not mirrors.is_readable(group, volume, failed):
            complaint = "There is an input or output error."
    if complaint:
        sys.stderr.write(f"{command}: {stanza.device}: {complaint}\n")
        return None
    return place
