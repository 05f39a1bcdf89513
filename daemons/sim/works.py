"""What a node does step by step about its configuration (``cl_config``), so that it can be killed between any two.

A work is a generator: it yields how long the next step takes in microseconds, and returns an exit status with a
complaint. Closing it is what the kernel does when a process ends.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from daemons.caa import changes
from daemons.caa.repository import RepositoryError
from daemons.cluster.synchronization.repair import LOCK_LIFE, Copy, Repair
from daemons.cluster.synchronization.staging import may_lock
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


def stage(node: SimulatedNode, generation: int) -> Work:
    """Read what is about to be committed into the staging directory."""
    yield START_US
    held = node.store.lock
    if held is None or held.generation != generation:
        return 1, "the lock was released meanwhile"
    archive = node.repository().read_staged(generation)
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


def bring_in_step(node: SimulatedNode) -> Work:
    """What clconfd does, and what comes before cluster services start."""
    yield DISK_US
    commit = node.repository().read_commit()
    committed = commit.generation if commit is not None else 0
    held = node.store.lock
    copy = Copy(node.store.generation)
    if held is not None:
        age = (node.now - held.since) * CONFIGURATION_SPEED / SECOND if held.boot == node.boot_number else LOCK_LIFE
        copy = Copy(node.store.generation, max(1, held.generation), age)
    match node.cluster.parts.decide(copy, committed, services_active(node)):
        case Repair.INSTALL:
            status, complaint = yield from install(node)
            if status:
                return status, complaint
        case Repair.UNLOCK:
            node.trace("rolls back what was staged")
            node.store.release()
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
        case ("stage", generation):
            return stage(node, int(generation))
        case ("install",):
            return install_and_tell(node)
        case ("unlock", owner, since):
            return unlock_abandoned(node, owner, int(since))
        case ("keep",):
            return keep(node)
        case ("running",):
            return running(node)
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
