"""discover: what the nodes have is written where the product keeps it."""

from __future__ import annotations

import os

from daemons.clmgr.storage.blocks import physical_volumes
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot, replace_file
from srcctl.storage.volume_groups import VolumeGroups

FOLDER = "/usr/es/sbin/cluster/etc/config"


def discover(root: NodeRoot, c: Configuration) -> None:
    """Gather disks, logical volumes and IP labels: clvg_config, clvl_config and clip_config (their lines are inferred).

    Raises:
        OSError: the files cannot be written.
    """
    print("Initializing..\nGathering cluster information, which may take a few minutes...\nProcessing...")
    folder = root.path(FOLDER)
    os.makedirs(folder, exist_ok=True)
    disks = [dict(block) for block in physical_volumes(root, Request(), c)]
    lines = [f"{d['NODES'].replace(' ', ',')}:{d['NAME']}:{d['PVID']}:{d['VOLUME_GROUP'] or 'None'}" for d in disks]
    replace_file(os.path.join(folder, "clvg_config"), "".join(f"{line}\n" for line in lines).encode())
    groups = VolumeGroups(root)
    known = [group for name in groups.known() if (group := groups.find(name)) is not None]
    volumes = [f"{group.name}:{v.name}:{v.type}:{v.mount_point or 'N/A'}" for group in known for v in group.volumes]
    replace_file(os.path.join(folder, "clvl_config"), "".join(f"{line}\n" for line in volumes).encode())
    identity = root.identity
    addresses = [
        f"{node.name}:{interface.name}:{address}:{interface.netmask}:{interface.network}"
        for node in identity.nodes
        for interface, address in zip(identity.interfaces, node.addresses, strict=False)
    ]
    replace_file(os.path.join(folder, "clip_config"), "".join(f"{line}\n" for line in addresses).encode())
    print(f"Storing the following information in file\n{FOLDER}/clvg_config")
