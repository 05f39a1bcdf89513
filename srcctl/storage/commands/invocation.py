"""What all disk, volume group and file system commands begin with.

Layouts and message ids are AIX's; where no listing is published they are inferred. The low-level commands behind lspv,
lsvg and lslv leave the program's name out of their messages ("0516-306 : ...").
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import IdentityError, NodeRoot
from srcctl.odm import OdmError
from srcctl.storage import rootvg
from srcctl.storage.descriptor_area import StorageError, VolumeGroup
from srcctl.storage.device_names import lab_disk
from srcctl.storage.disk import pvid
from srcctl.storage.volume_groups import VolumeGroups

Work = Callable[[Options, VolumeGroups, NodeRoot], int]


def invoke(argv: list[str], flags: str, usage_text: str, work: Work) -> int:
    """Parse the command line and do the work; what goes wrong is said on stderr.

    Args:
        argv: the command line.
        flags: as for getopt(3).
        usage_text: what a wrong command line is answered with.
        work: returns the exit code.
    """
    name = argv[0].rpartition("/")[2]
    groups = None
    try:
        root = NodeRoot.current()
        groups = VolumeGroups(root)
        return work(parse(argv, flags, intermixed=True), groups, root)
    except UsageError:
        return usage(usage_text)
    except StorageError as error:
        sys.stderr.write(f"{error}\n")
    except (OdmError, IdentityError) as error:
        sys.stderr.write(f"{name}: {error}\n")
    finally:
        if groups is not None:
            groups.locks.unlock()
    return 1


def lock_group(groups: VolumeGroups, command: str, name: str) -> None:
    """Lock a volume group that this node knows until the command's end: what is read from now on nobody else changes.

    Raises:
        OdmError, OSError: it cannot be changed here.
    """
    if name != rootvg.NAME and name in groups.known():
        groups.check_writable()
        groups.locks.lock(name, command)


def known_group(groups: VolumeGroups, command: str, name: str) -> VolumeGroup:
    """A volume group of this node's ODM, as its disks describe it.

    Args:
        groups: the volume groups.
        command: stands in the message; "" for the listing commands.
        name: of the volume group.

    Raises:
        StorageError: 0516-306, it is not known here; 0516-052, none of its disks can be read.
    """
    prefix = f"{command}: " if command else ": "
    known = name == rootvg.NAME or name in groups.known()
    found = groups.find(name) if known else None
    if found is None and known:
        raise StorageError(
            f"0516-052 {prefix}Volume group cannot be varied on without a\n\tquorum. More physical volumes in the "
            "group must be active.\n\tRun diagnostics on inactive PVs."
        )
    if found is None:
        raise StorageError(
            f"0516-306 {prefix}Unable to find volume group {name} in the Device\n\tConfiguration Database."
        )
    return found


def active_group(groups: VolumeGroups, command: str, name: str) -> VolumeGroup:
    """As ``known_group``, and varied on here; passive mode is enough to look.

    Raises:
        StorageError: 0516-010 besides.
    """
    group = known_group(groups, command, name)
    if not groups.is_varied_on(group) and not groups.is_passive(group):
        prefix = f"{command}: " if command else ": "
        raise StorageError(f"0516-010 {prefix}Volume group must be varied on; use varyonvg command.")
    return group


def changeable_group(groups: VolumeGroups, command: str, name: str) -> VolumeGroup:
    """As ``active_group``, locked, and neither rootvg, since a node's own disk is what its file systems make it, nor
    passive.

    Raises:
        StorageError: it is (what is said of the passive mode is inferred).
        OdmError, OSError: it cannot be changed here.
    """
    if name == rootvg.NAME:
        raise StorageError(f"{command}: rootvg of a node cannot be changed.")
    lock_group(groups, command, name)
    group = active_group(groups, command, name)
    if groups.is_passive(group):
        raise StorageError(
            f"{command}: {name} is varied on in passive mode.  Allocation and\n\tdescriptor areas can be "
            "changed on the node only that has it active."
        )
    return group


def disk_of(root: NodeRoot, command: str, name: str) -> str:
    """A disk by its name or PVID.

    Raises:
        StorageError: 0516-306, there is none.
    """
    identity = root.identity
    if name in (rootvg.DISK, pvid(f"{identity.lab_id}/{identity.node}", rootvg.DISK)):
        return rootvg.DISK
    if (found := lab_disk(root, name)) is not None:
        return found
    prefix = f"{command}: " if command else ": "
    raise StorageError(
        f"0516-306 {prefix}Unable to find physical volume {name} in the Device\n\tConfiguration Database."
    )


def pvid_of(root: NodeRoot, disk: str) -> str:
    """The PVID of any disk of the node."""
    identity = root.identity
    return pvid(f"{identity.lab_id}/{identity.node}" if disk == rootvg.DISK else identity.lab_id, disk)
