"""What a node does when it is told to stage or to install a configuration, and how it reports facts about itself.

These are the node's own steps of a synchronization (``cl_config``), run on every node through clcomd, and by clconfd
when the node missed one.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping

import msgspec

from daemons.caa import client as caa
from daemons.caa import kept_commit
from daemons.clcomd import security
from daemons.clconfd import collector, persistent_labels
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
    Locked,
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
from daemons.runtime.log import DaemonLog
from daemons.runtime.scale import Scale
from srcctl.commands.options import usage
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository, remember
from srcctl.storage.disk import disk_names

USAGE = (
    "Usage: cl_config lock OWNER GENERATION | stage GENERATION DISK | install | unlock [OWNER SINCE] | keep | running "
    "| forget | facts [FILE ...] | method COMMAND [NAME=VALUE ...] | correct KIND [ARGUMENT ...] "
    "| note error|passed LINE | serve"
)


CLUTILS_LOG = "/var/hacmp/log/clutils.log"
COMMITTED = "/usr/es/sbin/cluster/etc/objrepos/committed"
"""Object classes as they were committed, where this node's own have been edited since."""
INSTALL_FILE = "/etc/es/objrepos/.installing"
LOCKED = 3
"""The exit code of ``cl_config lock`` when another synchronization has the lock, which it prints."""
NOT_RUNNING = 4
"""The exit code of ``cl_config running`` when no synchronization runs on the node."""


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
    return committed


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


def note(root: NodeRoot, line: str, failed: bool) -> None:
    """A line of clutils.log about an automatic verification; one that failed is broadcast."""
    DaemonLog(root.path(CLUTILS_LOG), stamp="").write(line)
    if failed:
        try:
            with open(root.path("/dev/console"), "a", encoding="utf-8") as file:
                file.write(f"\nBroadcast message from root@{root.identity.node}:\n\n{line}\n")
        except OSError:
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


def cl_config(argv: list[str]) -> int:
    """``cl_config``: this node's part of verification and synchronization."""
    words = argv[1:]
    root = NodeRoot.current()
    remember()
    if words == ["serve"]:
        return serve(root)
    try:
        status, out, err = carry_out(root, words)
    except ValueError:
        return usage(USAGE)
    if out:
        print(out)
    if err:
        sys.stderr.write(f"cl_config: {err}\n")
    return status


def serve(root: NodeRoot) -> int:
    """``cl_config serve``: one step after the other, asked for by a node that verifies or synchronizes.

    A line of standard input is a JSON array of the words of a step, a line of standard output its exit code, output and
    complaint. It ends with its input.
    """
    # What a program prints that a step runs is no answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        try:
            result = carry_out(root, [str(word) for word in json.loads(line)])
        except ValueError:
            result = (2, "", USAGE)
        answers.write(json.dumps(result).encode() + b"\n")
        answers.flush()
    return 0


def carry_out(root: NodeRoot, words: list[str]) -> tuple[int, str, str]:
    """One step: exit code, output and complaint.

    Raises:
        ValueError: the words are no step.
    """
    try:
        return 0, _step(root, words), ""
    except Locked as error:
        return LOCKED, msgspec.json.encode(error.held).decode(), f"{error} has the lock"
    except _Fails as error:
        return error.status, "", str(error)
    except (caa.CaaError, caa.RepositoryError, ArchiveError, OdmError) as error:
        return 1, "", str(error)
    except OSError as error:
        return 1, "", f"{error.filename or 'disk'}: {error.strerror}"


class _Fails(Exception):
    """A step ends with an exit code that says something by itself."""

    def __init__(self, status: int, complaint: str = "") -> None:
        super().__init__(complaint)
        self.status = status


def _correct(root: NodeRoot, kind: str, arguments: list[str]) -> None:
    from daemons.clconfd import corrections

    try:
        corrections.correct(root, kind, arguments)
    except corrections.CorrectionFailed as error:
        raise _Fails(1, str(error)) from None


METHOD_LIMIT = 600.0
"""Seconds that a verification method may take."""


def _method(root: NodeRoot, command: str, variables: list[str]) -> str:
    """Run a verification method; ``variables`` are NAME=VALUE of its environment.

    Raises:
        _Fails: its exit code is not 0; what it printed is the complaint.
    """
    import shlex
    import subprocess

    environment = {**os.environ, **dict(variable.partition("=")[::2] for variable in variables)}
    try:
        words = shlex.split(command)
        done = subprocess.run(
            [root.path(words[0]), *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=METHOD_LIMIT, check=False, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _Fails(124, f"no end within {METHOD_LIMIT:g} seconds") from None
    except (OSError, IndexError, ValueError) as error:
        raise _Fails(127, getattr(error, "strerror", "") or "no program") from None
    said = done.stdout.decode(errors="replace").rstrip()
    if done.returncode:
        raise _Fails(done.returncode if done.returncode > 0 else 128 - done.returncode, said)
    return said


def _step(root: NodeRoot, words: list[str]) -> str:
    match words:
        case ["stage", generation, disk] if generation.isdecimal():
            stage(root, int(generation), disk)
        case ["lock", owner, generation] if generation.isdecimal():
            staging.lock(root, owner, int(generation))
        case ["install"]:
            generation = str(install_committed(root))
            tell_manager(root)
            return generation
        case ["unlock"]:
            staging.release(root)
        case ["unlock", owner, since] if since.replace(".", "", 1).isdecimal():
            staging.release_abandoned(root, owner, float(since))
        case ["keep"]:
            staging.keep(root)
        case ["running"]:
            if not staging.is_running(root):
                raise _Fails(NOT_RUNNING)
        case ["forget"]:
            forget(root)
            tell_manager(root)
        case ["facts", *files]:
            return msgspec.json.encode(collector.collect(root, files)).decode()
        case ["note", result, line]:
            note(root, line, result == "error")
        case ["method", command, *variables]:
            return _method(root, command, variables)
        case ["correct", kind, *arguments]:
            _correct(root, kind, arguments)
        case _:
            raise ValueError(words)
    return ""
