"""What a node does step by step about its configuration (``cl_config``), so that it can be killed between any two.

A work is a generator: it yields how long the next step takes in microseconds, and returns an exit status with a
complaint. Closing it is what the kernel does when a process ends.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from daemons.caa import changes
from daemons.caa.repository import Commit, RepositoryDisk, RepositoryError
from daemons.cluster.synchronization.repair import LOCK_LIFE, Copy, Repair
from daemons.cluster.synchronization.staging import may_lock
from daemons.sim.definition import REPOSITORIES
from daemons.sim.manager import ManagerProcess
from daemons.sim.store import Lock, classes, unpack
from daemons.sim.timing import CONFIGURATION_SPEED
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.node import SimulatedNode

LOCKED = 3
"""The exit status of a ``lock`` when another synchronization has it (that of the real cl_config); its complaint is the
lock."""
NOT_RUNNING = 4
"""The exit status of ``running`` when no synchronization runs on the node (that of the real cl_config)."""
SYNCHRONIZATION = "clmgr"
"""The name of a process that synchronizes."""
START_US = 20 * MILLISECOND
"""Of a command."""
FOUND_OUT = "synchronization: a node finds by itself that it was removed"
LEFT_OVER = "synchronization: a run that was killed left a member of CAA alone"
DISK_US = 4 * MILLISECOND
CLASS_US = 2 * MILLISECOND

Work: TypeAlias = Generator[int, None, tuple[int, str]]


def lock(node: SimulatedNode, owner: str, generation: int) -> Work:
    """Take the lock of dynamic reconfiguration."""
    yield START_US
    held = node.store.lock
    if held is not None and not may_lock(held.owner, held.kept, owner):
        return LOCKED, msgspec.json.encode(held).decode()
    node.store.release()
    node.store.lock = Lock(owner, generation, node.now, node.boot_number)
    return 0, ""


def stage(node: SimulatedNode, generation: int, disk: str) -> Work:
    """Read what is about to be committed into the staging directory."""
    yield START_US
    held = node.store.lock
    if held is None or held.generation != generation:
        return 1, "the lock was released meanwhile"
    # A node that is to be taken in is no member yet.
    archive = node.open_disk(disk).read_staged(generation)
    if archive is None:
        return 1, f"the archive of generation {generation} is not whole"
    yield DISK_US
    if node.store.lock == held:
        node.store.staged = unpack(archive)
    return 0, ""


def install(node: SimulatedNode) -> Work:
    """Install the committed configuration class by class; the generation is written last."""
    store, me = node.store, object()
    while store.installer is not None:
        yield CLASS_US
    store.installer = me
    try:
        yield DISK_US
        repository = node.repository()
        commit = repository.read_commit()
        if commit is not None and store.generation != commit.generation:
            archive = repository.read_archive(commit)
            if archive is None:
                return 1, f"the archive of generation {commit.generation} is not whole"
            store.kept = commit, archive
            wanted = classes(unpack(archive))
            for name in store.behind(wanted):
                store.generation = 0
                yield CLASS_US
                store.replace(name, wanted[name])
            yield CLASS_US
            store.generation = commit.generation
            node.trace(f"installs generation {commit.generation}")
    finally:
        if store.installer is me:
            store.installer = None
    return 0, ""


def install_and_tell(node: SimulatedNode) -> Work:
    """What a synchronization asks for: install, and have the cluster manager know."""
    yield START_US
    result = yield from install(node)
    tell_manager(node)
    return result


def unlock(node: SimulatedNode) -> Work:
    """Give the lock back."""
    yield START_US
    node.store.release()
    return 0, ""


def unlock_abandoned(node: SimulatedNode, owner: str, since: int) -> Work:
    """Give back one certain lock, whose holder is known to be dead."""
    yield START_US
    held = node.store.lock
    if held is not None and (held.owner, held.since) == (owner, since) and not held.kept:
        node.store.release()
    return 0, ""


def keep(node: SimulatedNode) -> Work:
    """The lock stays for an administrator."""
    yield START_US
    if node.store.lock is not None:
        node.store.lock = msgspec.structs.replace(node.store.lock, kept=True)
    return 0, ""


def running(node: SimulatedNode) -> Work:
    """Whether a synchronization runs on the node."""
    yield START_US
    return (0 if any(process.name == SYNCHRONIZATION for process in node.commands) else NOT_RUNNING), ""


def forget(node: SimulatedNode) -> Work:
    """A synchronization has taken the node out."""
    yield START_US
    _forget(node)
    tell_manager(node)
    return 0, ""


def _forget(node: SimulatedNode) -> None:
    node.trace("this node was taken out of the cluster: it has no configuration any more")
    node.store.forget()


def _own_copy(node: SimulatedNode, repository: RepositoryDisk, commit: Commit | None) -> Copy:
    """What ``repair.decide`` is told of a node, as clconfd's agent finds it."""
    store = node.store
    installed, named = store.generation, True
    if commit is not None and installed != commit.generation:
        archive = repository.read_archive(commit)
        # What cannot be read says nothing against this node.
        named = archive is None or unpack(archive).node(node.name) is not None
        if not named:
            installed = installed or int(store.half_installed)
    return _with_lock(node, installed, named)


def _with_lock(node: SimulatedNode, installed: int, named: bool) -> Copy:
    held = node.store.lock
    if held is None:
        return Copy(installed, named=named)
    age = (node.now - held.since) * CONFIGURATION_SPEED / SECOND if held.boot == node.boot_number else LOCK_LIFE
    return Copy(installed, max(1, held.generation), age, named)


def _forget_if_removed(node: SimulatedNode) -> bool:
    """A node that is no member of a CAA cluster finds out whether its configuration is that of one without it."""
    configuration = node.store.load()
    if configuration is None:
        if node.cluster.parts.decide(_with_lock(node, 0, False), 0, False) is Repair.UNLOCK:
            node.trace("rolls back what was staged")
            node.store.release()
        return False
    for name in REPOSITORIES:
        disk = node.open_disk(name)
        try:
            commit = disk.read_commit() if disk.is_repository() else None
            archive = disk.read_archive(commit) if commit is not None else None
            if commit is None or archive is None or unpack(archive).cluster.id != configuration.cluster.id:
                continue
            copy = _own_copy(node, disk, commit)
            if node.cluster.parts.decide(copy, commit.generation, False) is Repair.FORGET:
                node.world.reached[FOUND_OUT] += 1
                _forget(node)
                return True
        except OSError:
            continue
        finally:
            disk.close()
    return False


def bring_in_step(node: SimulatedNode) -> Work:
    """What clconfd does, and what comes before cluster services start."""
    yield DISK_US
    try:
        repository = node.repository()
    except OSError:
        if _forget_if_removed(node):
            return 0, ""
        raise
    commit = repository.read_commit()
    committed = commit.generation if commit is not None else 0
    copy = _own_copy(node, repository, commit)
    match node.cluster.parts.decide(copy, committed, services_active(node)):
        case Repair.INSTALL:
            status, complaint = yield from install(node)
            if status:
                return status, complaint
        case Repair.UNLOCK:
            node.trace("rolls back what was staged")
            node.store.release()
        case Repair.FORGET:
            definition = repository.read_definition()
            node.world.reached[FOUND_OUT] += 1
            _forget(node)
            if definition is not None and definition.node(node.name) is None:
                yield from caa(node, changes.FORGET, "")
            return 0, ""
    node.in_step_with = max(node.in_step_with, committed)
    return 0, ""


def caa(node: SimulatedNode, what: str, disk: str) -> Work:
    """What ``clusterconf`` and ``chrepos`` ask of CAA on the node."""
    yield START_US
    states = node.states
    while states is not None and (states.hung or states.turning):
        yield CLASS_US
    if states is None:
        return 1, "CAA does not answer"
    complaint = ""
    match what:
        case changes.JOIN:
            name, complaint = (disk or states.repository.name), ""
            if not name:
                name, complaint = states.own_disk()
            if name:
                complaint = states.join(name)
            if not complaint:
                node.device.stopped = False
        case changes.FORGET:
            protected, _ = yield from states.leaving()
            states.forget()
            states.go_down(protected)
        case changes.STOP:
            protected, _ = yield from states.leaving()
            node.device.stopped = True
            states.go_down(protected)
        case changes.REPLACE:
            complaint = states.move(states.repository.replace, disk)
            node.cluster.look_at_repository()
        case changes.MOVE:
            complaint = states.move(states.repository.move, disk)
        case _:
            complaint = states.reread() if states.active else "CAA is not active on this node"
    return (1 if complaint else 0), complaint


def work_of(node: SimulatedNode, words: tuple[str, ...]) -> Work:
    """The work that the words of ``cl_config`` ask for."""
    match words:
        case ("lock", owner, generation):
            return lock(node, owner, int(generation))
        case ("stage", generation, disk):
            return stage(node, int(generation), disk)
        case ("install",):
            return install_and_tell(node)
        case ("unlock", owner, since):
            return unlock_abandoned(node, owner, int(since))
        case ("keep",):
            return keep(node)
        case ("running",):
            return running(node)
        case ("forget",):
            return forget(node)
        case ("clusterconf", what, disk):
            return caa(node, what, disk)
        case _:
            return unlock(node)


def carried_out(work: Work) -> Work:
    """A work whose faults are its complaint."""
    try:
        return (yield from work)
    except OSError as error:
        return 1, f"{error.filename or 'disk'}: {error.strerror}"
    except (RepositoryError, msgspec.DecodeError) as error:
        return 1, str(error)


def services_active(node: SimulatedNode) -> bool:
    """Whether the node takes part in a running cluster."""
    manager = node.process("clstrmgrES")
    return isinstance(manager, ManagerProcess) and manager.core.cluster is not None


def tell_manager(node: SimulatedNode) -> None:
    """Have the cluster manager read the configuration again."""
    manager = node.process("clstrmgrES")
    if isinstance(manager, ManagerProcess):
        manager.later(MILLISECOND, manager.read_configuration)
