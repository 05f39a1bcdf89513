"""A synchronization as its command plays it on a node: the session's own machine, clcomd, and the repository disk."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from daemons.caa import changes
from daemons.caa.client import INACTIVE
from daemons.caa.repository import Commit, RepositoryDisk, RepositoryError
from daemons.clstrmgr import messages
from daemons.cluster.synchronization import membership
from daemons.cluster.synchronization import session as core
from daemons.cluster.synchronization.session import Held
from daemons.runtime.trust import NONCE_BYTES
from daemons.sim import works
from daemons.sim.changing import Conduct
from daemons.sim.communication import Call
from daemons.sim.definition import member
from daemons.sim.manager import ManagerProcess
from daemons.sim.process import Process
from daemons.sim.store import Lock, pack, unpack
from srcctl.machine import MILLISECOND, SECOND

if TYPE_CHECKING:
    from daemons.sim.faults import Fault
    from daemons.sim.node import SimulatedNode

LOOK_US = 50 * MILLISECOND
IDLE = ("ST_STABLE", "ST_INIT", "NOT_CONFIGURED")
"""States of a cluster manager that is not taking a new configuration."""
PATIENCE_US = 120 * SECOND
"""For the cluster manager's answer."""


ADDED = "synchronization: a node is added"
COMPLETED = "synchronization: the coming of a node is completed"
REMOVED = "synchronization: a node is removed"
NOT_TOLD = "synchronization: a node is removed and cannot be told"
REFUSED = "synchronization: a node that is to be removed is active"
RESIZES = (ADDED, COMPLETED, REMOVED, NOT_TOLD, REFUSED, works.FOUND_OUT, works.LEFT_OVER)
"""In the table of what a campaign has come to."""


class SynchronizationProcess(Process):
    """``clmgr sync cluster`` on a node, without its verification.

    Args:
        node: the node whose default object classes hold the change.
        fault: what is to happen when a phase is reached; None: nothing.
    """

    name: ClassVar[str] = works.SYNCHRONIZATION
    core: core.Session

    def __init__(self, node: SimulatedNode, fault: Fault | None = None) -> None:
        super().__init__(node, node.cluster.parts.session())
        self._fault = fault
        self._repository: RepositoryDisk | None = None
        self._archive = b""
        self._chance = node.world.stream(f"clmgr/{node.number}/{node.boot_number}/{self.pid}")
        self._answers: dict[str, tuple[str, core.Answer, str]] = {}
        self._held: dict[str, core.Held] = {}
        self._phase = core.Phase.NEW
        self._before: tuple[str, ...] = ()
        """The nodes of the configuration before."""
        self._conduct: Conduct | None = None
        """A change of the CAA cluster that is under way."""
        self._waiting: list[core.Effect] | None = None
        """Effects that come after one that nothing answers and that takes its time."""
        node.commands.append(self)

    def start(self) -> None:
        """Begin."""
        self.later(works.START_US, self._begin)

    def _begin(self) -> None:
        node, store = self.node, self.node.store
        try:
            repository = self._repository = node.repository()
            before = repository.read_commit()
            old = repository.read_archive(before) if before is not None else None
            written = repository.read_definition()
        except OSError as error:
            self._end_with(str(error))
            return
        configuration = store.load()
        if configuration is None or configuration.node(node.name) is None:
            self._end_with(f'this node ("{node.name}") is not a part of the cluster.')
            return
        self._archive = pack(configuration)
        self._before = tuple(each.name for each in unpack(old).nodes) if old is not None else ()
        names = tuple(each.name for each in configuration.nodes)
        active = self._active(names)
        known = node.states.repository.definition if node.states is not None else None
        members = (each.name for each in (known.nodes if known is not None else ()))
        removed = membership.removed(names, members, (each.name for each in (written.nodes if written else ())))
        committed = before.generation if before is not None else 0
        manager = node.process("clstrmgrES")
        cluster = manager.core.cluster if isinstance(manager, ManagerProcess) else None
        # One that was killed after its commit left the running cluster on the configuration before.
        changed = old != self._archive or (cluster is not None and cluster.configuration != configuration)
        for name in removed:
            node.trace(f"clmgr is to remove {name}")
        self.feed(core.Begin(node.name, names, removed, committed, active if changed else frozenset()))

    def _active(self, names: tuple[str, ...]) -> frozenset[str]:
        """Where cluster services run: as this node's cluster manager knows, or else as the others say."""
        nodes = self.node.cluster.nodes
        others = (other for other in nodes.values() if other is not self.node and other.name in names)
        for node in (self.node, *others):
            manager = node.process("clstrmgrES")
            if isinstance(manager, ManagerProcess) and manager.core.cluster is not None and node.live:
                return frozenset(nodes[number].name for number in manager.core.members)
        return frozenset()

    def feed(self, value: object) -> None:
        super().feed(value)
        if self.running and self.core.phase is not self._phase:
            self._phase = self.core.phase
            self.node.trace(f"clmgr {self._phase.value} generation {self.core.generation}")
            if self._fault is not None and self._fault.word("phase") == self._phase.value:
                fault, self._fault = self._fault, None
                self.node.world.after(fault.time("after"), self.node.cluster.strike_synchronization, fault, self.node)
            if self._phase is core.Phase.DONE:
                self.end(0)

    def execute(self, effect: Any) -> None:
        if self._waiting is not None:
            self._waiting.append(effect)
            return
        match effect:
            case core.Request(what, nodes, generation):
                self._ask(what, nodes, generation)
            case core.AskOwners(owners):
                self._ask_owners(owners)
            case core.TakeOver(locks, generation):
                self._take_over(locks, generation, locks)
            case core.StoreArchive(generation, after):
                self._carry_out(self._store(generation, after))
            case core.ChangeMembers():
                self.later(works.DISK_US, self._change_members)
            case core.Commit(generation):
                self._carry_out(self._commit(generation))
            case core.Activate(generation):
                self._activate(generation)
            case core.Warn(text):
                self.node.trace(f"clmgr warns: {text}")
            case core.Fail(text, _):
                self._end_with(text)
            case core.Forget(nodes):
                self._waiting = []
                self._forget(nodes)

    def _end_with(self, text: str) -> None:
        if text.startswith(core.LEAVING.partition("(")[0]):
            self.world.reached[REFUSED] += 1
        self.node.trace(f"clmgr fails: {text}")
        self.end(1 << 8)

    def end(self, status: int) -> None:
        if self._conduct is not None:
            self._conduct.close()
        if self._repository is not None:
            self._repository.close()
        super().end(status)

    # Requests.

    def _ask(self, what: str, nodes: tuple[str, ...], generation: int) -> None:
        own = self.node.name
        words = {"lock": (what, own, str(generation)), "stage": (what, str(generation), self._opened.name)}.get(
            what, (what,)
        )
        self._answers, self._held = {}, {}
        others = [node for node in self.node.cluster.nodes.values() if node.name in nodes and node.name != own]
        for node in others:
            self._call(node, words, lambda s, c, n=node.name: self._answered(n, s, c, nodes, words))  # type: ignore[misc]
        if not others:
            self._here(nodes, words)

    def _call(self, node: SimulatedNode, words: tuple[str, ...], done: Callable[[int | None, str], None]) -> None:
        Call(self, node, words, self._chance.randbytes(NONCE_BYTES), done)

    def _answered(
        self, node: str, status: int | None, complaint: str, nodes: tuple[str, ...], words: tuple[str, ...]
    ) -> None:
        if status is None:
            on = any(other.name == node and other.on for other in self.node.cluster.nodes.values())
            answer = core.Answer.SILENT if on else core.Answer.UNREACHABLE
        elif status == works.LOCKED:
            answer = core.Answer.LOCKED
            held = msgspec.json.decode(complaint, type=Lock)
            self._held[node] = core.Held(node, held.owner, held.since, held.generation, held.kept)
        else:
            answer = core.Answer.REFUSED if status else core.Answer.DONE
        self._answers[node] = (node, answer, complaint)
        if len(self._answers) == len([other for other in nodes if other != self.node.name]):
            self._here(nodes, words)  # this node last
        elif len(self._answers) == len(nodes):
            self._all_answered(nodes)

    def _all_answered(self, nodes: tuple[str, ...]) -> None:
        held = tuple(self._held[name] for name in nodes if name in self._held)
        self.feed(core.Answered(tuple(self._answers[name] for name in nodes), held))

    def _here(self, nodes: tuple[str, ...], words: tuple[str, ...]) -> None:
        own = self.node.name
        if own not in nodes:
            self._all_answered(nodes)
            return
        work = works.work_of(self.node, words)
        self.drive(works.carried_out(work), lambda status, text: self._answered(own, status, text, nodes, words))

    # Locks that somebody has.

    def _ask_owners(self, owners: tuple[str, ...], running: frozenset[str] = frozenset()) -> None:
        """Ask the owners of locks, one after the other."""
        if not owners:
            manager = self.node.process("clstrmgrES")
            busy = isinstance(manager, ManagerProcess) and manager.core.state not in IDLE
            self.feed(core.Known(running, busy))
            return
        owner, *others = owners
        node = next((other for other in self.node.cluster.nodes.values() if other.name == owner), None)
        if node is None or node is self.node:
            # A node runs one synchronization at a time: another one of this node's is dead.
            self._ask_owners(tuple(others), running)
            return

        def known(status: int | None, complaint: str) -> None:
            states = self.node.states
            may_run = status != works.NOT_RUNNING
            if status is None:
                may_run = states is None or node.number in states.core.alive
            self._ask_owners(tuple(others), running | {owner} if may_run else running)

        self._call(node, ("running",), known)

    def _take_over(self, locks: tuple[Held, ...], generation: int, left: tuple[Held, ...]) -> None:
        """Have nodes give back locks, one after the other, and then take ours."""
        if not left:
            self._ask("lock", tuple(lock.node for lock in locks), generation)
            return
        lock, *others = left
        node = next(other for other in self.node.cluster.nodes.values() if other.name == lock.node)
        words = ("unlock", lock.owner, str(int(lock.since)))

        def released(status: int | None, complaint: str) -> None:
            self._take_over(locks, generation, tuple(others))

        self.node.trace(f"clmgr takes the lock of {lock.owner} on {lock.node}, whose synchronization is dead")
        if node is self.node:
            self.drive(works.carried_out(works.work_of(node, words)), released)
        else:
            self._call(node, words, released)

    # The CAA cluster.

    def _carry(self, change: changes.Change[Any], ended: Callable[[str], None]) -> None:
        nonce = lambda: self._chance.randbytes(NONCE_BYTES)  # noqa: E731
        self._conduct = Conduct(self, change, nonce, lambda complaint, _: ended(complaint))
        self._conduct.send(None)

    def _change_members(self) -> None:
        configuration, states = unpack(self._archive), self.node.states
        definition = states.repository.definition if states is not None else None
        if states is None or definition is None:
            self.feed(core.Finished(INACTIVE))
            return
        live = states.picture()[1]
        members = {each.name: each.number in live for each in definition.nodes}
        names = [each.name for each in configuration.nodes]
        self._join(membership.joining(names, members, self._before, self.core.reached), states.repository.name)

    def _join(self, left: tuple[membership.Joining, ...], disk: str) -> None:
        """Have nodes join, one after the other."""
        if not left:
            self.feed(core.Finished())
            return
        (name, add, reached), *others = left
        networks = self.node.cluster.topology.networks
        change = (
            changes.add(name, disk, lambda number: member(number, networks))
            if add
            else changes.complete(name, disk, reached)
        )

        def joined(complaint: str) -> None:
            if complaint:
                self.feed(core.Finished(complaint))
                return
            self.world.reached[ADDED if add else COMPLETED] += 1
            self._join(tuple(others), disk)

        self._carry(change, joined)

    def _forget(self, left: tuple[str, ...]) -> None:
        """Have nodes forget the cluster and leave it, one after the other, and go on."""
        if not left:
            effects, self._waiting = self._waiting or [], None
            for effect in effects:
                if self.running:
                    self.execute(effect)
            return
        name, *others = left
        node = next(other for other in self.node.cluster.nodes.values() if other.name == name)

        def removed(complaint: str) -> None:
            if complaint:
                self.node.trace(f"clmgr warns: {name} was taken out of the cluster, but cannot be told: {complaint}")
            self.world.reached[NOT_TOLD if complaint else REMOVED] += 1
            self._forget(tuple(others))

        self._call(node, ("forget",), lambda status, complaint: self._carry(changes.remove(name), removed))

    # The repository disk.

    def _carry_out(self, work: works.Work) -> None:
        self.drive(works.carried_out(work), lambda status, complaint: self.feed(core.Finished(complaint)))

    def _store(self, generation: int, after: int) -> Generator[int, None, tuple[int, str]]:
        yield works.DISK_US
        repository = self._opened
        if not repository.lock():
            raise RepositoryError(core.OVERTAKEN)
        self._confirm(repository)
        now = repository.read_commit()
        if (now.generation if now is not None else 0) != after:
            raise RepositoryError(core.OVERTAKEN)
        yield works.DISK_US
        self._checksum = repository.store_archive(generation, self._archive)
        return 0, ""

    def _commit(self, generation: int) -> Generator[int, None, tuple[int, str]]:
        yield works.DISK_US
        try:
            self._opened.commit(Commit(generation, self._checksum, self.node.name, self.node.world.now))
            # A node that had lost the disk may have replaced it meanwhile.
            self._confirm(self._opened)
        finally:
            self.node.cluster.look_at_repository()
        return 0, ""

    @property
    def _opened(self) -> RepositoryDisk:
        assert self._repository is not None
        return self._repository

    def _confirm(self, repository: RepositoryDisk) -> None:
        self.node.cluster.parts.repository(self.node).confirm(repository.name)

    # The running cluster.

    def _activate(self, generation: int) -> None:
        manager = self.node.process("clstrmgrES")
        if not isinstance(manager, ManagerProcess):
            self.later(MILLISECOND, self.feed, core.Finished("clstrmgrES cannot be reached", untouched=True))
            return
        manager.later(MILLISECOND, manager.reconfigure, self._activation(manager), generation)

    def _activation(self, manager: ManagerProcess) -> list[int]:
        """Where the cluster manager notes the number of the request."""
        asked: list[int] = []
        self.later(LOOK_US, self._await, manager, asked, self.node.world.now + PATIENCE_US)
        return asked

    def _await(self, manager: ManagerProcess, asked: list[int], until: int) -> None:
        done = manager.answers.get(asked[0]) if asked else None
        if isinstance(done, messages.Done):
            error = done.message if done.error not in ("", "restart") else ""
            self.feed(core.Finished(error, untouched=done.error in messages.NOT_BEGUN))
        elif not manager.running or self.node.world.now > until:
            self.feed(core.Finished("the cluster manager has gone"))
        else:
            self.later(LOOK_US, self._await, manager, asked, until)
