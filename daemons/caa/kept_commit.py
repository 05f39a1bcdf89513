"""What a node keeps of the commit that it has installed last.

A repository can be lost in the very moment after a commit, before CAA of any node has read it. The nodes that installed
the configuration have it; whoever writes the next repository takes it from there, so that no commit is undone.
"""

from __future__ import annotations

import zlib

import msgspec

from daemons.caa.repository import Commit
from srcctl.node.root import NodeRoot, replace_file

FILE = "/etc/es/objrepos/.committed"


class _Kept(msgspec.Struct, frozen=True):
    cluster: str
    commit: Commit
    archive: bytes


def keep(root: NodeRoot, cluster: str, commit: Commit, archive: bytes) -> None:
    """Keep what is about to be installed; ``cluster`` is the UUID of the CAA cluster, for one that is made anew counts
    generations from 1 again. The archive may hold a private key: root reads it alone.

    Raises:
        OSError: it cannot be written; what was kept before stays.
    """
    replace_file(root.path(FILE), msgspec.msgpack.encode(_Kept(cluster, commit, archive)), mode=0o600)


def kept(root: NodeRoot, cluster: str) -> tuple[Commit, bytes] | None:
    """The commit of a cluster that this node has installed last, with its archive, if it is whole."""
    try:
        with open(root.path(FILE), "rb") as file:
            found = msgspec.msgpack.decode(file.read(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
    whole = zlib.crc32(found.archive) == found.commit.checksum
    return (found.commit, found.archive) if whole and found.cluster == cluster else None
