"""What this node tells the pure edits of itself."""

from __future__ import annotations

from daemons.clmgr.edits import Surroundings
from srcctl.network.hosts import addresses_by_name
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import by_pvid


def surroundings(root: NodeRoot) -> Surroundings:
    """What edits may know: who this node is, /etc/hosts, the disks."""
    identity = root.identity
    disks = {name: identifier for identifier, name in by_pvid(root).items()}

    def is_volume_group(name: str) -> bool:
        from srcctl.storage import rootvg
        from srcctl.storage.volume_groups import VolumeGroups

        groups = VolumeGroups(root)
        return name != rootvg.NAME and (groups.find(name) is not None or name in groups.known())

    return Surroundings(identity, addresses_by_name(root), disks, is_volume_group)
