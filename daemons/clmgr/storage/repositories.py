"""Repository disks: what may become one, and add, replace, modify and delete."""

from __future__ import annotations

from msgspec.structs import replace

from daemons.caa import client as caa
from daemons.clmgr.edits.parts import named, required_names
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    NO_CLUSTER,
    ClmgrError,
    does_not_exist,
    exists_already,
)
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.surroundings import surroundings
from daemons.clmgr.transactions.transaction import change as begin
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import by_pvid
from srcctl.storage.volume_groups import VolumeGroups

BACKUPS_MAX = 6
CHREPOS = "/usr/sbin/chrepos"
MUST_SYNC = "The configuration must be synchronized to make this change known across the cluster."


def usable(root: NodeRoot, c: Configuration, before: Configuration) -> None:
    """Every disk that is named and was not before must be free.

    Raises:
        ClmgrError: it is in a volume group, in another cluster, or has failed.
    """
    groups = VolumeGroups(root)
    old = {before.repository, *before.backup_repositories}
    for identifier in (c.repository, *c.backup_repositories):
        disk = caa.find_disk(root, identifier) if identifier and identifier not in old else None
        if disk is None:
            continue
        try:
            used = groups.is_repository(disk) or groups.on_disk(disk) is not None
        except OSError as error:
            raise ClmgrError(f"{disk}: {error.strerror}.") from None
        if used:
            raise ClmgrError(f'the disk "{disk}" is a part of a volume group or of another cluster.', INCORRECT_INPUT)


def change(root: NodeRoot, request: Request) -> None:
    """``add repository``, ``replace repository``, ``delete repository``.

    Raises:
        ClmgrError: a disk is unknown, used, or is the one that is active.
    """
    names = required_names(request)
    with begin(root) as transaction:
        c = transaction.configuration
        if c is None:
            raise ClmgrError(NO_CLUSTER, MISSING_DEPENDENCY)
        if site := request.attribute("SITE"):
            named(site, c.sites)
        if node := request.attribute("NODE"):
            named(node, c.nodes)
        here = surroundings(root)
        if names == ["ALL"] and request.action == "delete":
            names = list(c.backup_repositories)
        disks = [here.disk(name) for name in names]
        present = (c.repository, *c.backup_repositories)
        match request.action:
            case "add":
                for name, disk in zip(names, disks, strict=True):
                    if disk in present:
                        raise exists_already(name)
                changed = _added(c, tuple(dict.fromkeys(disks)))
                usable(root, changed, c)
            case "delete":
                for name, disk in zip(names, disks, strict=True):
                    if disk == c.repository:
                        raise ClmgrError(f'"{name}" is the active repository disk; replace it.', INCORRECT_INPUT)
                    if disk not in c.backup_repositories:
                        raise does_not_exist(name)
                kept = tuple(disk for disk in c.backup_repositories if disk not in disks)
                changed = replace(c, backup_repositories=kept)
            case _:
                if len(disks) != 1:
                    raise ClmgrError("one new repository disk is needed.", INCORRECT_INPUT)
                if disks[0] == c.repository:
                    raise exists_already(names[0])
                backups = tuple(disk for disk in c.backup_repositories if disk != disks[0])
                changed = replace(c, repository=disks[0], backup_repositories=backups)
                usable(root, changed, c)
                _replace_active(root, names[0])
        transaction.commit(changed)
    _report(root, request.action, disks)


def _added(c: Configuration, disks: tuple[str, ...]) -> Configuration:
    """The first disk of a cluster without one becomes the repository, the others backups."""
    if not c.repository:
        c, disks = replace(c, repository=disks[0]), disks[1:]
    if len(c.backup_repositories) + len(disks) > BACKUPS_MAX:
        raise ClmgrError(f"a cluster has at most {BACKUPS_MAX} backup repository disks.", INCORRECT_INPUT)
    return replace(c, backup_repositories=(*c.backup_repositories, *disks))


def _replace_active(root: NodeRoot, disk: str) -> None:
    """Have CAA move to the new disk, where it has a cluster."""
    try:
        if caa.status(root).membership is None:
            return
    except caa.CaaError:
        return
    import os
    import subprocess

    if not os.access(root.path(CHREPOS), os.X_OK):
        raise ClmgrError("CAA cannot replace the repository disk of an active cluster here.")
    name = caa.find_disk(root, disk) or disk
    done = subprocess.run(["chrepos", "-r", f"+{name}"], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClmgrError(done.stderr.strip() or done.stdout.strip() or "chrepos failed.")


def _report(root: NodeRoot, action: str, disks: list[str]) -> None:
    if action == "add":
        print("Successfully added one or more backup repository disks.")
        print("To view the complete configuration of repository disks use:")
        print('"clmgr query repository" or "clmgr view report repository"')
    elif action in ("replace", "modify"):
        print("chrepos: Successfully modified repository disk or disks.")
        print(f'\nNew repository "{by_pvid(root).get(disks[0], disks[0])}" ({disks[0]}) is now active.')
        print(MUST_SYNC)
