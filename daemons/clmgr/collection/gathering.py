"""A snap of the cluster is gathered: each node's part, over clcomd, into a folder a node."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Sequence

from daemons.clcomd import client as clcomd
from daemons.clcomd.messages import Run
from srcctl.node.root import NodeRoot, replace_file

CLSNAP = "/usr/es/sbin/cluster/utilities/clsnap"
SUMMARY = "hacmp.snap"
STDOUT = 1
NODE_LIMIT = 900.0
"""Seconds within which a node has told everything (patience): one whose daemons hang keeps nobody waiting for ever."""


def gather(root: NodeRoot, nodes: Sequence[str], directory: str) -> list[str]:
    """Gather the parts of nodes below a directory (a product path).

    A folder of an earlier time is replaced when the new one is whole. Returns a sentence for each node of which there
    is none; the others have theirs.

    Raises:
        OSError: the directory cannot be written.
    """
    folder = root.path(directory)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    lines, failed = [f"snap of {time.strftime('%a %b %e %H:%M:%S %Z %Y')} by {root.identity.node}", ""], []
    for node in nodes:
        print(f"Gathering HACMP data from node {node}... ", end="", flush=True)
        try:
            count = _from_node(root, node, folder)
        except (clcomd.ClcomdError, tarfile.TarError, _Failed) as error:
            print("failed.", flush=True)
            failed.append(f"unable to gather data from node {node}: {error}")
            lines.append(f"{node}: {error}")
            continue
        print("done.", flush=True)
        lines.append(f"{node}: {count} files")
    replace_file(os.path.join(folder, SUMMARY), "".join(f"{line}\n" for line in lines).encode(), 0o600)
    return failed


class _Failed(Exception):
    """The node's own part failed; ``str()`` is what it said."""


def _from_node(root: NodeRoot, node: str, folder: str) -> int:
    """One node's part; the number of its files."""
    archive = os.path.join(folder, f".{node}.tar")
    fresh = os.path.join(folder, f".{node}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with open(archive, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            complaint = bytearray()
            if node == root.identity.node:
                done = subprocess.run([root.path(CLSNAP), "-l"], check=False, stdout=file, stderr=subprocess.PIPE)
                status, complaint = done.returncode, bytearray(done.stderr)
            else:

                def take(stream: int, data: bytes) -> None:
                    if stream == STDOUT:
                        file.write(data)
                    else:
                        complaint.extend(data)

                with clcomd.Session(root, node) as session:
                    status = session.run(Run((CLSNAP, "-l")), take, limit=NODE_LIMIT)
        if status:
            raise _Failed(complaint.decode(errors="replace").strip() or f"{CLSNAP} ended with {status}")
        count = unpack(archive, fresh)
        shutil.rmtree(os.path.join(folder, node), ignore_errors=True)
        os.rename(fresh, os.path.join(folder, node))
        return count
    finally:
        if os.path.exists(archive):
            os.unlink(archive)
        shutil.rmtree(fresh, ignore_errors=True)


def unpack(archive: str, folder: str, below: str = "") -> int:
    """Unpack the regular files of an archive into a folder; what leads out of it is left out.

    Args:
        archive: a tar file, compressed or not.
        folder: where.
        below: only what is below this folder in the archive, with paths that begin there.

    Returns:
        The number of files.

    Raises:
        tarfile.TarError: it is no archive.
        OSError: it cannot be read, or the files not be written.
    """
    count = 0
    with tarfile.open(archive) as opened:
        for member in opened:
            name = os.path.normpath(member.name).lstrip("/")
            if below:
                if not name.startswith(f"{below}/"):
                    continue
                name = name.removeprefix(f"{below}/")
            source = opened.extractfile(member) if member.isfile() else None
            if source is None or name.split("/", 1)[0] == "..":
                continue
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                shutil.copyfileobj(source, file)
            os.utime(path, (member.mtime, member.mtime))
            count += 1
    return count
