"""A snap is read: each node's folder in it, as if it were that node's root."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from daemons.clmgr.collection.gathering import unpack
from srcctl.node.root import NodeRoot
from srcctl.snap.compression import MAGIC, NotCompressed, decompress
from srcctl.snap.parts import CLUSTER

ERROR_LOG, LOGS = "var/adm/ras/errlog", "var/hacmp/log"
"""What tells a node's folder from others."""


class SnapFault(Exception):
    """It is no snap of a cluster; ``str()`` says why."""


@contextmanager
def opened(root: NodeRoot, path: str) -> Iterator[dict[str, NodeRoot]]:
    """The nodes of a snap, by name.

    Args:
        root: this node.
        path: the folder that ``snap -e`` or ``clanalyze -c`` filled, or an archive of it (pax, pax.Z), on this node.

    Raises:
        SnapFault: it is no snap of a cluster.
        OSError: it cannot be read, or there is no room for what is in it.
    """
    real = root.path(path) if path.startswith("/") else os.path.abspath(path)
    if os.path.isdir(real):
        yield _nodes(real, path)
        return
    folder = tempfile.mkdtemp(prefix=".clanalyze.", dir=root.path("/tmp"))
    try:
        _unpack(real, folder)
        yield _nodes(folder, path)
    except (NotCompressed, tarfile.TarError) as error:
        raise SnapFault(f"{path} is no snap: {error}.") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def gathered_at(node: NodeRoot) -> float:
    """When the logs of a node's folder ended, in seconds since the epoch: their stamps have no year."""
    found = [os.path.join(node.path(f"/{LOGS}"), name) for name in _names(node.path(f"/{LOGS}"))]
    times = [os.stat(path).st_mtime for path in (*found, node.path(f"/{ERROR_LOG}")) if os.path.isfile(path)]
    return max(times, default=0.0) or time.time()


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _unpack(path: str, folder: str) -> None:
    with open(path, "rb") as file:
        compressed = file.read(len(MAGIC)) == MAGIC
    if not compressed:
        unpack(path, folder, CLUSTER)
        return
    plain = os.path.join(folder, ".pax")
    with open(path, "rb") as file, open(plain, "wb") as target:
        target.writelines(decompress(file.read()))
    unpack(plain, folder, CLUSTER)
    os.unlink(plain)


def _nodes(folder: str, path: str) -> dict[str, NodeRoot]:
    for place in (folder, os.path.join(folder, CLUSTER)):
        found = {
            name: NodeRoot(os.path.join(place, name))
            for name in _names(place)
            if any(os.path.exists(os.path.join(place, name, mark)) for mark in (ERROR_LOG, LOGS))
        }
        if found:
            return found
    raise SnapFault(f"{path} has no data of a cluster's nodes.")
