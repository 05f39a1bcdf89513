"""What all disk, volume group and file system commands begin with. Layouts and message ids are AIX's; where no listing
is published they are inferred."""

from __future__ import annotations

import sys
from collections.abc import Callable

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.storage.descriptor_area import StorageError, VolumeGroup
from srcctl.storage.volume_groups import VolumeGroups


def invoke(argv: list[str], flags: str, usage_text: str, work: Callable[[Options, VolumeGroups, NodeRoot], int]) -> int:
    try:
        root = NodeRoot.current()
        return work(parse(argv, flags, intermixed=True), VolumeGroups(root), root)
    except UsageError:
        return usage(usage_text)
    except StorageError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def known_group(groups: VolumeGroups, command: str, name: str) -> VolumeGroup:
    found = groups.find(name) if name in groups.known() else None
    if found is None:
        if name in groups.known():
            raise StorageError(
                f"0516-052 {command}: Volume group cannot be varied on without a\n\tquorum. More physical volumes in the "
                "group must be active.\n\tRun diagnostics on inactive PVs."
            )
        raise StorageError(
            f"0516-306 {command}: Unable to find volume group {name} in the Device\n\tConfiguration Database."
        )
    return found
