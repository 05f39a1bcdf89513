"""This node's object classes become those that were committed, or are forgotten where it left the cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from daemons.caa import client as caa
from daemons.caa import kept_commit
from daemons.clcomd import security
from daemons.clconfd import persistent_labels
from daemons.clstrmgr import client as manager
from daemons.cluster.configuration import (
    ACD,
    CHANGE_JOURNAL,
    CHANGE_LOCK,
    CLASSES,
    DCD,
    SEEDED_CLASSES,
    OdmObject,
)
from daemons.cluster.synchronization import (
    ArchiveError,
    attachments_of,
    half_installed,
    has_unsynchronized_changes,
    install,
    installed_generation,
    mark_none,
    repair,
    staging,
    unpack,
)
from daemons.cluster.synchronization.repair import Copy, Repair, decide
from daemons.runtime.scale import Scale
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository
from srcctl.storage.disk import disk_names

COMMITTED = "/usr/es/sbin/cluster/etc/objrepos/committed"
"""Object classes as they were committed, where this node's own have been edited since."""
INSTALL_FILE = "/etc/es/objrepos/.installing"


def stage(root: NodeRoot, generation: int, disk: str) -> None:
    """Read the archive of a generation that is about to be committed into the staging directory.

    Raises:
        caa.RepositoryError: it is not whole, or the lock is gone.
        ArchiveError, OdmError, OSError: the disk or this node's own cannot be used.
    """
    # Who lost the connection meanwhile asks again, while the first one that was asked still does it.
    with _installing(root):
        held = staging.read(root)
        if held is None or held.generation != generation:
            raise caa.RepositoryError("the lock was released meanwhile")
        archive = caa.RepositoryDisk(root.identity.lab, disk).read_staged(generation)
        if archive is None:
            raise caa.RepositoryError(f"the archive of generation {generation} on {disk} is not whole")
        staging.stage(root, archive)


def install_committed(root: NodeRoot, packed: Mapping[str, list[OdmObject]] | None = None) -> int:
    """Install the committed configuration if this node has not yet; returns its generation, 0 if there is none.

    A change of the configuration that is being made here is waited for. ``packed`` as for ``synchronization.install``.

    Raises:
        caa.CaaError: CAA is not active.
        caa.RepositoryError, ArchiveError, OdmError, OSError: it cannot be installed now.
    """
    with _installing(root):
        repository = caa.repository(root)
        commit = repository.read_commit()
        if commit is None:
            return 0
        if installed_generation(root, commit.checksum) != commit.generation:
            archive = repository.read_archive(commit)
            if archive is None:
                raise caa.RepositoryError(f"the archive of generation {commit.generation} is not whole")
            definition = repository.read_definition()
            if definition is not None:
                kept_commit.keep(root, definition.uuid, commit, archive)
            texts = attachments_of(archive)
            pair = (texts.get("certificate", ""), texts.get("private_key", ""))
            security.install(root, pair if all(pair) else None)
            with _changing(root, own=packed is not None):
                install(root, archive, commit.generation, packed)
                # The archive may be older than an automatic repository update: it names a disk that is lost.
                caa.follow_repository(root, repository.name)
            start_on_boot(root)
            prepare_for_the_cluster(root)
            persistent_labels.configure(root)
        return commit.generation


def prepare_for_the_cluster(root: NodeRoot) -> None:
    """Bring the cluster's entries in /etc/inittab in step; they are no reason not to install, nor not to forget."""
    from daemons.clconfd import init_entries

    try:
        init_entries.follow_configuration(root)
    except (init_entries.EntryRefused, OSError):
        pass


def start_on_boot(root: NodeRoot) -> None:
    """Services start at boot, or not, as the configuration says of this node (START_ON_BOOT, ..._ON_START)."""
    from daemons.clstrmgr import startup
    from daemons.cluster import configuration as configurations

    try:
        c = configurations.load(Repository(root, DCD))
    except configurations.ConfigurationFault:
        return
    node = c.node(root.identity.node) if c is not None else None
    if node is None:
        return
    flags = ["-A"]
    flags += ["-b"] if node.setting("BROADCAST_ON_START", "true") == "true" else []
    flags += ["-i"] if node.setting("CLINFO_ON_START", "false") in ("true", "consistent") else []
    startup.follow_start_on_boot(root, node.setting("START_ON_BOOT", "false") == "true", flags)


def _installing(root: NodeRoot) -> contextlib.AbstractContextManager[None]:
    """One installation at a time: clconfd, a synchronization and a start of services may want the same at once."""
    return locked(root.path(INSTALL_FILE))


@contextlib.contextmanager
def _changing(root: NodeRoot, own: bool = False) -> Iterator[None]:
    """All classes are replaced: not in the middle of somebody's change. One that was interrupted will not be completed
    on top of them, unless they were made from what is here (``own``)."""
    with locked(root.path(CHANGE_LOCK)):
        if not own:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(root.path(CHANGE_JOURNAL))
        yield


class Removed(Exception):
    """This node was taken out of its cluster without being told, and has forgotten it now."""

    def __init__(self) -> None:
        super().__init__("this node was taken out of the cluster")


def bring_in_step(root: NodeRoot) -> int:
    """Do what ``repair.decide`` says; returns the generation that this node has now, 0 for none.

    Raises:
        Removed: it was taken out of the cluster.
        caa.CaaError: CAA is not active.
        caa.RepositoryError, ArchiveError, OdmError, OSError: it cannot be done now.
    """
    try:
        repository = caa.repository(root)
    except caa.CaaError:
        _forget_if_removed(root)
        raise
    commit = repository.read_commit()
    committed = commit.generation if commit is not None else 0
    own = _own_copy(root, repository, commit)
    if own.installed == committed:
        persistent_labels.configure(root)
    match decide(own, committed, services_active(root)):
        case Repair.INSTALL:
            return install_committed(root)
        case Repair.UNLOCK:
            staging.release(root)
        case Repair.FORGET:
            definition = repository.read_definition()
            forget(root)
            if definition is not None and definition.node(root.identity.node) is None:
                from daemons.caa.message_security import leave

                leave(root)
            raise Removed
    return installed_generation(root)


def _own_copy(root: NodeRoot, repository: caa.RepositoryDisk, commit: caa.Commit | None) -> Copy:
    installed = installed_generation(root, commit.checksum if commit is not None else None)
    named = True
    if commit is not None and installed != commit.generation:
        archive = repository.read_archive(commit)
        # What cannot be read says nothing against this node.
        named = archive is None or any(o["name"] == root.identity.node for o in unpack(archive)["HACMPnode"])
        if not named:
            # Whatever was installed, or half of it, is there to be forgotten.
            installed = installed_generation(root) or int(half_installed(root))
    return _with_lock(root, installed, named)


def _with_lock(root: NodeRoot, installed: int, named: bool) -> Copy:
    held = staging.read(root)
    if held is None:
        return Copy(installed, named=named)
    return Copy(installed, max(1, held.generation), held.age(root) * Scale(root.identity.speed).speed, named)


def _forget_if_removed(root: NodeRoot) -> None:
    """This node is no member of a CAA cluster: forget its configuration if that of the cluster does not have it either.

    The cluster is known by its id, on whatever disk its repository is. One whose CAA cluster was removed (rmcluster)
    keeps its definition for the next synchronization, as on the product. A node without any that a synchronization was
    to take in which was killed has nothing but that one's lock, and gives it back in the end.

    Raises:
        Removed: done.
        OdmError, OSError: it cannot be done now.
    """
    clusters = Repository(root, DCD).get("HACMPcluster")
    if not clusters and decide(_with_lock(root, 0, False), 0, False) is Repair.UNLOCK:
        staging.release(root)
    if not clusters or not (installed_generation(root) or half_installed(root)):
        return
    for name in disk_names(root.identity.lab):
        try:
            disk = caa.RepositoryDisk(root.identity.lab, name)
        except OSError:
            continue
        try:
            commit = disk.read_commit() if disk.is_repository() else None
            archive = disk.read_archive(commit) if commit is not None else None
            if archive is None or unpack(archive)["HACMPcluster"][0]["id"] != clusters[0]["id"]:
                continue
            if decide(_own_copy(root, disk, commit), commit.generation if commit else 0, False) is Repair.FORGET:
                forget(root)
                raise Removed
        except (OSError, ArchiveError):
            continue
        finally:
            disk.close()


def classes_to_start(root: NodeRoot) -> str:
    """The directory of object classes that cluster services are to start with: those that were committed.

    They are this node's own (DCD), unless somebody has edited them and not synchronized: then the committed ones are
    written out, so that all nodes start with one configuration. The repository disk is the one that CAA uses, which may
    have been replaced since.

    Raises:
        caa.CaaError: CAA is not active.
        caa.RepositoryError, ArchiveError, OdmError, OSError: it cannot be told, or not be written.
    """
    repository = caa.repository(root)
    commit = repository.read_commit()
    archive = repository.read_archive(commit) if commit is not None else None
    if archive is None or not has_unsynchronized_changes(root, archive):
        return DCD
    os.makedirs(root.path(COMMITTED), exist_ok=True)
    staging.write_classes(root, archive, COMMITTED)
    Repository(root, COMMITTED).replace_all("HACMPsircol", Repository(root, DCD).get("HACMPsircol"))
    return COMMITTED


def is_outstanding(root: NodeRoot) -> bool:
    """Whether this node is to complete a synchronization that was killed (``repair.is_outstanding``).

    Raises:
        caa.CaaError: CAA is not active.
        caa.RepositoryError, ArchiveError, OdmError, OSError: it cannot be told now.
    """
    try:
        picture = manager.query_state(root)
    except manager.ManagerUnreachable:
        return False
    if not picture.members or picture.state != "ST_STABLE":
        return False
    active, default = Repository(root, ACD), Repository(root, DCD)
    held = staging.read(root)
    if (held is not None and held.kept) or all(active.get(name) == default.get(name) for name in CLASSES):
        return False
    repository = caa.repository(root)
    commit = repository.read_commit()
    archive = repository.read_archive(commit) if commit is not None else None
    return repair.is_outstanding(
        Copy(installed_generation(root, commit.checksum if commit is not None else None)),
        commit.generation if commit is not None else 0,
        active_differs=True,
        first=picture.local_node == min(picture.members),
        edited=has_unsynchronized_changes(root, archive),
    )


def services_active(root: NodeRoot) -> bool:
    """Whether this node takes part in a running cluster."""
    try:
        return bool(manager.query_state(root).members)
    except manager.ManagerUnreachable:
        return False


def tell_manager(root: NodeRoot) -> None:
    """Have the cluster manager read the configuration again; one that does not run reads it when it starts."""
    try:
        manager.reload_configuration(root=root)
    except (manager.ManagerUnreachable, manager.Refused, TimeoutError):
        pass


def forget(root: NodeRoot) -> None:
    """This node was taken out of the cluster: it has no configuration any more.

    Raises:
        OdmError, OSError: its object classes cannot be written.
    """
    repository = Repository(root, DCD)
    with _changing(root):
        for name in CLASSES:
            if name not in SEEDED_CLASSES:
                repository.delete(name)
    mark_none(root)
    security.install(root, None)
    staging.release(root)
    prepare_for_the_cluster(root)
    persistent_labels.configure(root)
