"""Snapshots of the configuration: created, listed, viewed, renamed, removed, converted."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_INPUT,
    NO_CLUSTER,
    NOT_FOUND,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid_characters,
    missing,
)
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.transaction import read
from daemons.cluster import configuration as configurations
from daemons.cluster import snapshot
from daemons.cluster.configuration import CHANGE_LOCK, CLASSES, DCD, Configuration
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import Repository

DIRECTORY = "/usr/es/sbin/cluster/snapshots"
LOG = "clsnapshot.log"
"""What snapshots were made, applied, changed and removed, in the same folder (mode 0600, as listed on the product)."""
INFORMATION = "/usr/es/sbin/cluster/utilities/clsnapshotinfo"
AUTOMATIC = 10
"""How many snapshots synchronizations leave: active.0 to active.9."""


def directory(root: NodeRoot) -> str:
    """The real folder of the snapshots: SNAPSHOTPATH, or the product's."""
    return root.path(root.product_path(os.environ.get("SNAPSHOTPATH") or DIRECTORY))


def shown(root: NodeRoot, path: str) -> str:
    """A path as the node knows it."""
    return root.product_path(path)


def say(root: NodeRoot, text: str, quiet: bool = False) -> None:
    """Tell the administrator, unless quiet, and the log (the form of its lines is inferred)."""
    if not quiet:
        print(f"clsnapshot: {text}", flush=True)
    folder = directory(root)
    os.makedirs(folder, exist_ok=True)
    now = time.strftime("%a %b %e %H:%M:%S %Y")
    descriptor = os.open(os.path.join(folder, LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{now}: clsnapshot: {text}\n".encode())
    finally:
        os.close(descriptor)


def names(root: NodeRoot) -> list[str]:
    """The snapshots of this node, sorted."""
    try:
        found = os.listdir(directory(root))
    except OSError:
        return []
    return sorted(name.removesuffix(".odm") for name in found if name.endswith(".odm"))


def content(root: NodeRoot, name: str, kind: str = "odm") -> str:
    """The text of a snapshot's file.

    Raises:
        ClmgrError: there is none of that name.
    """
    if not snapshot.is_name(name):
        raise invalid_characters("NAME", name)
    try:
        with open(os.path.join(directory(root), f"{name}.{kind}"), encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        raise does_not_exist(name) from None


def blocks(root: NodeRoot, wanted: list[str]) -> list[Block]:
    """``query snapshot``."""
    result: list[Block] = []
    for name in names(root):
        if wanted and wanted != ["ALL"] and name not in wanted:
            continue
        path = os.path.join(directory(root), f"{name}.odm")
        try:
            description = snapshot.description_of(content(root, name))
            status = os.stat(path)
        except (snapshot.SnapshotError, OSError, ClmgrError):
            continue
        result.append(
            [
                ("NAME", name),
                ("DESCRIPTION", " ".join(description.split())),
                ("TIMESTAMP", time.strftime("%a %b %e %H:%M:%S %Z %Y", time.localtime(status.st_mtime))),
                ("NODE", root.identity.node),
                ("MODE", f"{status.st_mode & 0o777:04o}"),
            ]
        )
    return result


def change(root: NodeRoot, request: Request) -> None:
    """``add``, ``modify`` and ``delete snapshot``.

    Raises:
        ClmgrError: a name is missing, taken, or not there.
    """
    if not request.names or (len(request.names) > 1 and request.action != "delete"):
        one = "a label must be provided for the new snapshot."
        raise ClmgrError(one if request.action == "add" else "the name of one snapshot is needed.", MISSING_INPUT)
    match request.action:
        case "add":
            if request.names[0] in names(root) and not request.force:
                raise exists_already(request.names[0])
            create(root, request.names[0], request.attribute("DESCRIPTION"), request.words("METHODS"),
                   request.truth("SAVE_LOGS", False))  # fmt: skip
        case "modify":
            modify(root, request.names[0], request.attribute("NAME"), request.attributes.get("DESCRIPTION"))
        case _:
            chosen = names(root) if request.names == ["ALL"] else request.names
            for name in chosen:
                content(root, name)
            for name in chosen:
                remove(root, name)


def create(
    root: NodeRoot,
    name: str,
    description: str = "",
    methods: list[str] | None = None,
    with_logs: bool = False,
    quiet: bool = False,
    with_information: bool = True,
    directory_of_classes: str = DCD,
) -> None:
    """Write NAME.odm and NAME.info.

    Raises:
        ClmgrError: no cluster, a wrong name or description, no such method.
        OSError: the files cannot be written.
    """
    if not snapshot.is_name(name):
        raise invalid_characters("NAME", name)
    _check_description(description)
    c = read(root) if directory_of_classes == DCD else configurations.load(Repository(root, directory_of_classes))
    if c is None:
        raise ClmgrError(NO_CLUSTER, NOT_FOUND)
    programs = {method.name: method.program for method in c.methods if method.kind == "snapshot"}
    for method in methods or []:
        if method not in programs:
            raise does_not_exist(method)
    repository = Repository(root, directory_of_classes)
    folder = directory(root)
    os.makedirs(folder, exist_ok=True)

    def tell(text: str) -> None:
        say(root, text, quiet)
        if not quiet:
            print(flush=True)

    path = os.path.join(folder, name)
    tell(f"Creating file {shown(root, path)}.odm.")
    with locked(root.path(CHANGE_LOCK)):
        objects = {class_name: repository.get(class_name) for class_name in CLASSES}
    _put_aside(path + ".odm")
    replace_file(path + ".odm", snapshot.text(description, objects, repository.describe).encode())
    if with_information:
        tell(f"Creating file {shown(root, path)}.info.")
        _put_aside(path + ".info")
        text = _information(root, c, [programs[method] for method in methods or []], with_logs, tell)
        replace_file(path + ".info", text.encode(errors="replace"), 0o600)
    say(root, f"Succeeded creating Cluster Snapshot: {name}", quiet)


def _check_description(description: str) -> None:
    if len(description) > snapshot.DESCRIPTION_MAX:
        raise ClmgrError(f"a description has at most {snapshot.DESCRIPTION_MAX} characters.", INCORRECT_INPUT)
    if any(line.startswith("</") for line in description.splitlines()):
        raise ClmgrError('no line of a description begins with "</".', INCORRECT_INPUT)


def _put_aside(path: str) -> None:
    """Keep a copy of what is there, which itself stays until it is replaced."""
    try:
        with open(path, "rb") as file:
            replace_file(path + ".old", file.read(), 0o600)
    except FileNotFoundError:
        pass


def _information(root: NodeRoot, c: Configuration, programs: list[str], with_logs: bool, tell: object) -> str:
    """What every node's clsnapshotinfo prints; one that cannot be reached is said to be."""
    from daemons.clcomd import client as clcomd

    own = root.identity.node
    parts: list[tuple[str, str, str]] = []
    # The local node goes last, as on the product.
    for node in sorted(c.nodes, key=lambda n: n.name == own):
        assert callable(tell)
        tell(f"Running clsnapshotinfo command on node: {node.name}...")
        try:
            result = clcomd.run(root, node.name, [INFORMATION, *(["-l"] if with_logs else []), *programs])
            parts.append((node.name, "clsnapshotinfo", result.out.decode(errors="replace")))
        except clcomd.ClcomdError as error:
            parts.append((node.name, "clsnapshotinfo", f"the node cannot be reached: {error}"))
    return snapshot.information(parts)


def modify(root: NodeRoot, name: str, new_name: str, description: str | None) -> None:
    """Give a snapshot another name or description.

    Raises:
        ClmgrError: it does not exist, or the new name is taken or wrong.
    """
    text = content(root, name)
    if not new_name and description is None:
        raise missing("NAME")
    if new_name and not snapshot.is_name(new_name):
        raise invalid_characters("NAME", new_name)
    if new_name and new_name != name and new_name in names(root):
        raise exists_already(new_name)
    path = os.path.join(directory(root), name)
    if description is not None:
        _check_description(description)
        _, objects = parsed(text)
        repository = Repository(root, DCD)
        replace_file(path + ".odm", snapshot.text(description, objects, repository.describe).encode())
    if new_name and new_name != name:
        for kind in (".info", ".odm"):
            if os.path.exists(path + kind):
                os.rename(path + kind, os.path.join(directory(root), new_name + kind))
    say(root, f"Changed Cluster Snapshot: {name}{f', now {new_name}' if new_name else ''}", quiet=True)


def remove(root: NodeRoot, name: str) -> None:
    """Remove a snapshot's files.

    Raises:
        ClmgrError: it does not exist.
    """
    content(root, name)
    for kind in (".info", ".odm"):
        try:
            os.unlink(os.path.join(directory(root), name + kind))
        except FileNotFoundError:
            pass
    say(root, f"Removed Cluster Snapshot: {name}", quiet=True)


def view(root: NodeRoot, request: Request) -> None:
    """``view snapshot <name> [TYPE={odm|info}]``.

    Raises:
        ClmgrError: it does not exist.
    """
    if len(request.names) != 1:
        raise ClmgrError("the name of one snapshot is needed.", MISSING_INPUT)
    sys.stdout.write(content(root, request.names[0], request.attribute("TYPE") or "odm"))


def parsed(text: str) -> tuple[str, snapshot.Objects]:
    """The description and the objects in the text of a snapshot.

    Raises:
        ClmgrError: it is none.
    """
    try:
        return snapshot.parse(text)
    except snapshot.SnapshotError as error:
        raise ClmgrError(str(error), INCORRECT_INPUT) from None


def automatic(root: NodeRoot) -> None:
    """``active.0`` after a dynamic reconfiguration; the ones before move up to ``active.9``."""
    folder = directory(root)
    for number in range(AUTOMATIC - 2, -1, -1):
        for kind in (".odm", ".info"):
            old = os.path.join(folder, f"active.{number}{kind}")
            if os.path.exists(old):
                os.replace(old, os.path.join(folder, f"active.{number + 1}{kind}"))
    create(root, "active.0", "Snapshot of the configuration after a dynamic reconfiguration", with_information=False)


def convert(root: NodeRoot, name: str) -> None:
    """Make an older release's snapshot this one's; the old file stays as NAME.odm.old.

    Raises:
        ClmgrError: it does not exist, or is no snapshot.
    """
    text = content(root, name)
    print("Extracting ODM's from snapshot file... ", end="", flush=True)
    description, objects = parsed(text)
    print("done.\nConverting extracted ODM's... ", end="", flush=True)
    repository = Repository(root, DCD)
    changed, lost = snapshot.converted(objects, repository.describe)
    print("done.\nRebuilding snapshot file... ", end="", flush=True)
    path = os.path.join(directory(root), f"{name}.odm")
    _put_aside(path)
    replace_file(path, snapshot.text(description, changed, repository.describe).encode())
    print("done.")
    for what in lost:
        sys.stderr.write(f"clconvert_snapshot: {what} is no part of this release and was left out.\n")


REPORTS = (
    "hostname", "date", "uname -a", "halevel -s", "lslpp -l", "cllsclstr", "cllsnode", "cllsif", "cllsnw", "clshowres",
    "lssrc -a", "netstat -i", "lspv", "lsvg", "lsfs", "df", "lscluster -m",
)  # fmt: skip
LOGS = ("/var/hacmp/adm/cluster.log", "/var/hacmp/log/hacmp.out")


def report_of_node(root: NodeRoot, programs: list[str], with_logs: bool) -> str:
    """What a node says of itself: the output of system commands, of custom methods, and its logs if asked for."""
    commands = [line.split() for line in REPORTS] + [[program] for program in programs]
    parts = []
    for command in commands:
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=60)
            parts.append((root.identity.node, " ".join(command), done.stdout + done.stderr))
        except (OSError, subprocess.TimeoutExpired) as error:
            parts.append((root.identity.node, " ".join(command), f"{error}"))
    for path in LOGS if with_logs else ():
        try:
            with open(root.path(path), encoding="utf-8", errors="replace") as file:
                parts.append((root.identity.node, path, file.read()))
        except OSError as error:
            parts.append((root.identity.node, path, f"{error.strerror}"))
    return snapshot.information(parts)
