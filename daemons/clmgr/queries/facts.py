"""What queries draw from besides the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from daemons.clmgr.queries.shapes import Block

if TYPE_CHECKING:
    from daemons.clstrmgr.messages import ClusterSnapshot


class Facts(msgspec.Struct, frozen=True):
    """The running cluster and this node's storage, as far as a query needs them.

    ``disks`` maps PVIDs to disk names, ``uuids`` disk names to UUIDs; ``storage`` are blocks made by the storage side.
    ``aliases`` are the interfaces of addresses that this node has acquired, by node and address.
    """

    local: str
    views: dict[str, ClusterSnapshot | None]
    picture: ClusterSnapshot | None
    disks: dict[str, str]
    uuids: dict[str, str] | None = None
    repository_up: bool = True
    unsynchronized: bool = False
    ever_synchronized: bool = True
    tunables: dict[str, str] | None = None
    storage: tuple[Block, ...] = ()
    aliases: Mapping[tuple[str, str], str] = {}
