"""snap: gather what tells about the system (``-g``, ``-L`` ...) or the cluster (``-e``), compress it, remove it.

Flags and folders are those of the manual page, with the parts that a node has something for; ``-c`` goes with ``-e``,
too, as administrators call it. What the command says is as in published runs as far as they go, and inferred beyond.
What it gathers about a cluster is the cluster software's own affair: ``clsnap``.
"""

from __future__ import annotations

import glob
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot, replace_file
from srcctl.snap.answers import answer
from srcctl.snap.compression import compress
from srcctl.snap.parts import ARCHIVE, CLUSTER, PARTS, VOLUME_GROUP, Part
from srcctl.storage import rootvg
from srcctl.storage.volume_groups import VolumeGroups

USAGE = (
    "Usage: snap [-a] [-c] [-d Dir] [-f] [-g] [-i] [-k] [-L] [-n] [-r] [-t]\n       snap -e [-c] [-m Nodelist] [-d Dir]"
)
DIRECTORY = "/tmp/ibmsupt"
CLSNAP = "/usr/es/sbin/cluster/utilities/clsnap"
COMMAND_LIMIT = 60.0
"""Seconds that a command may take (patience)."""
CHUNK = 1 << 16


class SnapError(Exception):
    """The request cannot be carried out; ``str()`` says why."""


def snap(argv: list[str]) -> int:
    """``snap``: 0, or 1 if the request is wrong or something could not be gathered."""
    root = NodeRoot.current()
    try:
        options = parse(argv, "acd:efgikLm:nrt")
        _check(options)
    except UsageError:
        return usage(USAGE)
    try:
        if not os.access(root.path("/etc/security"), os.W_OK):
            raise SnapError("0781-003 Must be root to run this command.")
        return _carry_out(root, options)
    except SnapError as error:
        sys.stdout.flush()
        sys.stderr.write(f"snap: {error}\n")
        return 1


def _check(options: Options) -> None:
    chosen = set(options.values) - {"d"}
    if options.operands or not chosen:
        raise UsageError("flags")
    if ("e" in chosen and not chosen <= {"e", "c", "m"}) or ("m" in chosen and "e" not in chosen):
        raise UsageError("-e")
    if not options.value("d", DIRECTORY).startswith("/"):
        raise UsageError("-d")


def _carry_out(root: NodeRoot, options: Options) -> int:
    directory = options.value("d", DIRECTORY).rstrip("/") or "/"
    if "e" in options and not os.path.exists(root.path(CLSNAP)):
        raise SnapError("there is no cluster software on this node.")
    if "r" in options:
        _remove(root, directory)
    parts = [part for flag, part in PARTS.items() if flag in options or "a" in options]
    folders = [part.folder for part in parts] + ([CLUSTER] if "e" in options else [])
    if folders:
        _make_folders(root, directory, folders)
    for part in parts:
        print(f"Gathering {part.what}", end="", flush=True)
        gather(root, part, os.path.join(root.path(directory), part.folder))
        print(". done.", flush=True)
    status = _cluster(root, f"{directory}/{CLUSTER}", options.value("m")) if "e" in options else 0
    if "c" in options:
        pack(root, directory)
    return status


def _make_folders(root: NodeRoot, directory: str, folders: list[str]) -> None:
    print("\n********Checking and initializing directory structure", flush=True)
    for path in (directory, *(f"{directory}/{folder}" for folder in folders)):
        real = root.path(path)
        if os.path.isdir(real):
            print(f"Directory {path} already exists... skipping")
            continue
        print(f"Creating {path} directory tree... ", end="")
        try:
            os.makedirs(real, mode=0o700)
        except OSError as error:
            print()
            raise SnapError(f"{path}: {error.strerror}") from None
        print("done.")
    print(f"\n********Finished setting up directory {directory}\n", flush=True)


def gather(root: NodeRoot, part: Part, folder: str) -> None:
    """Write a part's files into its folder (a real path).

    Raises:
        OSError: they cannot be written.
    """
    groups = [rootvg.NAME, *VolumeGroups(root).known()]
    for name, generic in part.reports:
        commands = [
            command.replace(VOLUME_GROUP, group)
            for command in generic
            for group in (groups if VOLUME_GROUP in command.split() else [""])
        ]
        replace_file(os.path.join(folder, name), "".join(map(report, commands)).encode(errors="replace"), 0o600)
    for pattern in part.copies:
        for path in sorted(glob.glob(root.path(pattern))):
            if os.path.isfile(path):
                shutil.copyfile(path, os.path.join(folder, os.path.basename(path)))


def report(command: str) -> str:
    """The output of a command, with the command above it."""
    rule = "." * 5
    return f"\n{rule}\n{rule}    {command}\n{rule}\n\n{answer(command, COMMAND_LIMIT)}"


def _cluster(root: NodeRoot, folder: str, nodes: str) -> int:
    chosen = ["-m", nodes] if nodes else []
    sys.stdout.flush()
    return 1 if subprocess.run([root.path(CLSNAP), "-d", folder, *chosen], check=False).returncode else 0


def pack(root: NodeRoot, directory: str) -> None:
    """``-c``: everything below the directory as ``snap.pax.Z``, an archive in the format of ustar.

    Raises:
        SnapError: there is nothing, or no room.
    """
    folder, path = root.path(directory), f"{directory}/{ARCHIVE}.Z"
    names = [name for name in known_folders() if os.path.isdir(os.path.join(folder, name))]
    if not names:
        raise SnapError(f"nothing has been gathered in {directory}.")
    print("Creating compressed pax file...\nStarting pax/compress process... Please wait... ", end="", flush=True)
    temporary = root.path(f"{path}.new")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.writelines(compress(archive(folder, names)))
        os.replace(temporary, root.path(path))
    except OSError as error:
        print()
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise SnapError(f"{path}: {error.strerror}") from None
    print(f"done.\n\n-rw-------    {os.path.getsize(root.path(path))} {path}")


def archive(folder: str, names: list[str]) -> Iterator[bytes]:
    """An archive of some folders below one, in pieces; paths in it begin with ``./``, as pax writes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.USTAR_FORMAT, bufsize=CHUNK) as made:
        for name in names:
            for path, directories, files in os.walk(os.path.join(folder, name)):
                directories.sort()
                for entry in sorted(files):
                    real = os.path.join(path, entry)
                    made.add(real, f"./{os.path.relpath(real, folder)}", recursive=False)
                    yield buffer.getvalue()
                    buffer.seek(0)
                    buffer.truncate()
    yield buffer.getvalue()


def known_folders() -> list[str]:
    """The folders that snap makes, and takes away again."""
    return [*(part.folder for part in PARTS.values()), CLUSTER, "caa"]


def _remove(root: NodeRoot, directory: str) -> None:
    folder = root.path(directory)
    found = [name for name in known_folders() if os.path.isdir(os.path.join(folder, name))]
    archive_there = os.path.exists(os.path.join(folder, f"{ARCHIVE}.Z"))
    if not found and not archive_there:
        print(f"Nothing to clean up in {directory}.")
        return
    if sys.stdin.isatty():
        print(f"The following is a list of directories and files in {directory}:")
        print("".join(f"{name}\n" for name in (*found, *([f"{ARCHIVE}.Z"] if archive_there else ()))), end="")
        print("Do you want me to remove these directories (y/n)? ", end="", flush=True)
        if sys.stdin.readline().strip().lower()[:1] != "y":
            return
    for name in found:
        print(f"Removing {directory}/{name}... ", end="", flush=True)
        shutil.rmtree(os.path.join(folder, name))
        print("done.")
    if archive_there:
        os.unlink(os.path.join(folder, f"{ARCHIVE}.Z"))
