"""File collections on their way: clfileprop, and what synchronization propagates.

By hand and at a synchronization the local node's files go to all other nodes; automatically the newest in the cluster
wins. A file that is missing or empty is not copied, but warned of. What is replaced is kept in /var/hacmp/filebackup.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time

from daemons.clcomd import client as clcomd
from daemons.clmgr import journal
from daemons.clmgr.edits.parts import named
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.queries.customization import programs
from daemons.clmgr.settings import PROGRAM_COLLECTION
from daemons.clmgr.transactions.transaction import read
from daemons.cluster.configuration import Configuration, FileCollection
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot

BACKUP = "/var/hacmp/filebackup"
CLFILEPROP = "/usr/es/sbin/cluster/utilities/clfileprop"
USAGE = "Usage: clfileprop [-a | -s] [collection ...]"


def files_of(c: Configuration, collection: FileCollection) -> tuple[str, ...]:
    """The files of a collection; those of HACMP_Files are the configuration's own programs."""
    return programs(c) if collection.name == PROGRAM_COLLECTION else collection.files


def log(root: NodeRoot, *lines: str) -> None:
    """Lines of clfileprop in clutils.log, in the product's form."""
    stamp = time.strftime("%a %b %d %H:%M:%S %Y")
    journal.append(root, "".join(f"{stamp}: clfileprop: {line}\n" for line in lines))


def synchronize(root: NodeRoot, c: Configuration, names: list[str]) -> None:
    """``sync file_collection``: the local node's files to all other nodes.

    Raises:
        ClmgrError: no such collection, or a node did not take its files.
    """
    everything = names in ([], ["ALL"])
    chosen = list(c.collections) if everything else [named(name, c.collections) for name in names]
    send(root, c, chosen, "Manual")


def send(root: NodeRoot, c: Configuration, collections: list[FileCollection], how: str) -> None:
    """Send the local files of collections.

    Raises:
        ClmgrError: a node did not take its files; the others have theirs.
    """
    log(root, f"{how} file collection propagation called.", "The following file collections will be processed:",
        *(collection.name for collection in collections), "")  # fmt: skip
    paths = [path for collection in collections for path in files_of(c, collection)]
    failed = []
    for node in c.nodes:
        if node.name == root.identity.node:
            continue
        try:
            _to_node(root, node.name, list(dict.fromkeys(paths)))
        except clcomd.ClcomdError as error:
            log(root, f"Failed to propagate files to node {node.name}: {error}")
            failed.append(f'unable to communicate with "{node.name}": {error}')
    if failed:
        raise ClmgrError(failed[0])


def _to_node(root: NodeRoot, node: str, paths: list[str]) -> None:
    log(root, f"Starting file propagation to remote node {node}.")
    sound = []
    for path in paths:
        reason = unsound(root, path)
        if reason:
            sys.stderr.write(f"WARNING: the file {path} is not propagated: {reason}.\n")
            log(root, f"WARNING: File {path} was not propagated to node {node}: {reason}.")
        else:
            sound.append(path)
    if sound:
        done = clcomd.run(root, node, [CLFILEPROP, "-b", *sound])
        if done.status:
            raise clcomd.ClcomdError(done.err.decode(errors="replace").strip())
    for path in sound:
        with clcomd.Session(root, node) as session:
            session.put(root.path(path), path, preserve=True)
        print(f"Successfully propagated file {path} to node {node}.")
        log(root, f"Successfully propagated file {path} to node {node}.")
    log(root, f"Total number of files propagated to node {node}: {len(sound)}")


def unsound(root: NodeRoot, path: str) -> str:
    """Why a file is not propagated, "" if it is."""
    real = root.path(path)
    if os.path.islink(real):
        return "it is a symbolic link"
    if not os.path.exists(real):
        return "it does not exist"
    if not os.path.isfile(real):
        return "it is no regular file"
    return "" if os.path.getsize(real) else "it is empty"


def automatic(root: NodeRoot, c: Configuration) -> None:
    """Files of collections that are propagated when they change: the newest copy in the cluster comes here.

    Every node does this for itself; a node that cannot be reached is passed over.
    """
    paths = [path for f in c.collections if f.when_changed for path in files_of(c, f)]
    if not paths:
        return
    own = times(root, paths)
    newest = {path: (own.get(path, 0), "") for path in paths}
    for node in c.nodes:
        if node.name == root.identity.node:
            continue
        try:
            answer = clcomd.run(root, node.name, [CLFILEPROP, "-t", *paths])
            found = json.loads(answer.out) if answer.status == 0 else {}
        except (clcomd.ClcomdError, ValueError):
            continue
        for path, (modified, _) in newest.items():
            if isinstance(found.get(path), int) and found[path] > modified:
                newest[path] = found[path], node.name
    for path, (_, source) in newest.items():
        if source:
            _fetch(root, source, path)


def _fetch(root: NodeRoot, node: str, path: str) -> None:
    keep(root, [path])
    real = root.path(path)
    os.makedirs(os.path.dirname(real), exist_ok=True)
    try:
        with clcomd.Session(root, node) as session:
            session.get(path, real, preserve=True)
    except clcomd.ClcomdError as error:
        log(root, f"Failed to fetch file {path} from node {node}: {error}")
        return
    log(root, f"Successfully propagated file {path} from node {node}.")


def times(root: NodeRoot, paths: list[str]) -> dict[str, int]:
    """When files were changed, in nanoseconds; those that would not be propagated are left out."""
    return {path: os.stat(root.path(path)).st_mtime_ns for path in paths if not unsound(root, path)}


def keep(root: NodeRoot, paths: list[str]) -> None:
    """Copy files that are going to be replaced to the backup folder."""
    for path in paths:
        real, copy = root.path(path), root.path(BACKUP + path)
        if os.path.isfile(real):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(real, copy)


def clfileprop(argv: list[str]) -> int:
    """``clfileprop [-a | -s] [collection ...]``: propagate; ``-a`` automatically, ``-s`` at a synchronization.

    Among nodes: ``-b path ...`` backs files up and makes their folders, ``-t path ...`` prints when they were changed.
    """
    root = NodeRoot.current()
    try:
        options = parse(argv, "asbt")
        if len(options.values) > 1:
            raise UsageError("one flag")
    except UsageError:
        return usage(USAGE)
    if "b" in options:
        paths = [path for path in options.operands if path.startswith("/")]
        keep(root, paths)
        for path in paths:
            os.makedirs(os.path.dirname(root.path(path)), exist_ok=True)
        return 0
    if "t" in options:
        print(json.dumps(times(root, options.operands)))
        return 0
    c = read(root)
    if c is None:
        sys.stderr.write("clfileprop: no cluster is defined on this node.\n")
        return 1
    try:
        if "a" in options:
            automatic(root, c)
        elif "s" in options:
            at_synchronization(root, c)
        else:
            synchronize(root, c, options.operands)
    except ClmgrError as error:
        sys.stderr.write(f"clfileprop: {error}\n")
        return 1
    return 0


def at_synchronization(root: NodeRoot, c: Configuration) -> None:
    """Send the collections that go with a synchronization.

    Raises:
        ClmgrError: a node did not take its files.
    """
    chosen = [f for f in c.collections if f.with_synchronization and files_of(c, f)]
    if chosen:
        send(root, c, chosen, "Synchronization")
