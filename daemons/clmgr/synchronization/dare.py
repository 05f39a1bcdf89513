"""The shell of a synchronization: carries out what ``synchronization.session`` decides."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout

import msgspec

from daemons.caa import client as caa
from daemons.caa import formation
from daemons.caa.replacement import own_repository
from daemons.clcomd import client as clcomd
from daemons.clcomd import security
from daemons.clconfd import agent, installation
from daemons.clconfd.agents import Agents
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.verification.verify import nodes_down
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import NOT_BEGUN
from daemons.cluster import configuration as configurations
from daemons.cluster import reconfiguration, synchronization
from daemons.cluster.configuration import ACD, CLASSES, DCD, Configuration, OdmObject
from daemons.cluster.snapshot import Memory
from daemons.cluster.synchronization import membership as membership_changes
from daemons.cluster.synchronization import session as core
from daemons.cluster.synchronization import staging
from srcctl.network import liveness
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

COMMITTING = "\nCommitting any changes, as required, to all available nodes..."
INSTALLED = "Adding any necessary PowerHA SystemMirror entries to /etc/inittab and /etc/rc.net for IPAT on node %s."
CURRENT_STATE = "PowerHA SystemMirror Cluster Manager current state is: "
IDLE = ("ST_STABLE", "ST_INIT", "NOT_CONFIGURED")
"""States of a cluster manager that is not taking a new configuration."""
EVENT_PATIENCE = 300.0
"""Seconds within which an event of the running cluster ends that keeps it from taking the configuration."""
EVENT_POLL = 0.2
STATE_POLL = 0.05
"""Seconds between looks at the cluster manager's state while it takes a new configuration."""
RUNNING = "another synchronization runs on this node."
FAULTS = (
    caa.CaaError, caa.RepositoryError, synchronization.ArchiveError, synchronization.Locked, OdmError,
)  # fmt: skip


@contextlib.contextmanager
def alone(root: NodeRoot) -> Iterator[None]:
    """One synchronization at a time on this node.

    Raises:
        ClmgrError: another one runs.
    """
    try:
        with staging.running(root):
            yield
    except synchronization.Busy:
        raise ClmgrError(RUNNING) from None


class Dare:
    """One run.

    Args:
        root: this node, where the change was made; its default object classes hold the configuration.
        configuration: the same, as a value.
        objects: its classes, as they were when nobody changed them.
        disk: the repository disk.
        agents: the other nodes.
        first: it made the CAA cluster; what is said of that, and of the nodes that it is made of, was said before.
    """

    def __init__(
        self,
        root: NodeRoot,
        configuration: Configuration,
        objects: dict[str, list[OdmObject]],
        disk: str,
        agents: Agents,
        first: bool = False,
    ) -> None:
        self._root = root
        self._agents = agents
        self._own = root.identity.node
        self._configuration = configuration
        self._objects = objects
        self._disk_name = disk
        self._first = first
        self._disk = caa.RepositoryDisk(root.identity.lab, disk)
        self._archive = b""
        self._checksum = 0
        self._session = core.Session()
        self._committed = 0
        self._known: set[str] = set()
        """Nodes of the configuration before: the others get their entries in /etc/inittab and /etc/rc.net now."""
        self._held: dict[str, core.Held] = {}
        """What keeps nodes from giving their lock, as they said last."""

    def run(self) -> None:
        """Synchronize.

        Raises:
            ClmgrError: it failed; before the commit nothing was changed.
            caa.RepositoryError, OdmError, OSError: this node's object classes or the repository disk cannot be read.
        """
        try:
            self._run()
        finally:
            self._disk.close()

    def left_locks(self) -> tuple[str, ...]:
        """The nodes that do not give their lock because a reconfiguration which failed has left it there."""
        return tuple(node for node, held in self._held.items() if held.kept)

    def _run(self) -> None:
        before = self._disk.read_commit()
        self._committed = before.generation if before is not None else 0
        self._archive = synchronization.pack(Memory(self._objects), self._certificate())
        old = self._disk.read_archive(before) if before is not None else None
        if old is not None:
            self._known = {str(o["name"]) for o in synchronization.unpack(old)["HACMPnode"]}
        changed = old is None or synchronization.differ(old, self._archive)
        # One that was killed after its commit left the running cluster on the configuration before.
        changed = changed or self._is_pending()
        if not changed:
            print("\ncldare: No changes detected in Cluster Topology or Resources.\n...completed.")
        elif before is not None:
            print("\ncldare: Detected changes to Cluster Topology or Resources.")
        if not self._first:
            print(COMMITTING, flush=True)
        effects = self._session.step(0, self._begin(self._committed, changed))
        while effects:
            answer: core.Input | None = None
            for effect in effects:
                answer = self._execute(effect)
            effects = self._session.step(0, answer) if answer is not None else []

    def _is_pending(self) -> bool:
        """Whether cluster services run here on another configuration than the one that is committed."""
        try:
            if not manager.query_state(self._root).members:
                return False
        except manager.ManagerUnreachable:
            return False
        active, default = Repository(self._root, ACD), Repository(self._root, DCD)
        return any(active.get(name) != default.get(name) for name in CLASSES)

    def _certificate(self) -> dict[str, str]:
        """The certificate that goes with a security level which encrypts: the one that is named, had, or made now."""
        c = self._configuration
        if not security.encrypts(c.cluster.message_authentication):
            return {}
        named = c.setting("CERTIFICATE"), c.setting("PRIVATE_KEY")
        try:
            if all(named):
                pair = security.read(self._root, *named)
            else:
                pair = security.installed(self._root) or security.make(c.cluster.name)
        except security.SecurityFault as fault:
            raise ClmgrError(str(fault)) from None
        return dict(zip(("certificate", "private_key"), pair, strict=True))

    def _begin(self, committed: int, changed: bool) -> core.Begin:
        nodes = tuple(node.name for node in self._configuration.nodes)
        membership = caa.status(self._root).membership
        definition = self._disk.read_definition()
        members = (node.name for node in (membership.nodes if membership is not None else ()))
        defined = (node.name for node in (definition.nodes if definition is not None else ()))
        removed = membership_changes.removed(nodes, members, defined)
        # What did not change is nothing that a running cluster would have to take.
        active = active_nodes(self._root, nodes) if changed else frozenset[str]()
        if self._own in active:
            self._refuse_what_cannot_change()
        return core.Begin(self._own, nodes, removed, committed, active)

    def _refuse_what_cannot_change(self) -> None:
        """What the running cluster would not take is refused before anything is committed.

        Raises:
            ClmgrError: the configuration has such a change.
        """
        try:
            picture = manager.query_state(self._root)
            running = configurations.load(Repository(self._root, ACD))
        except (manager.ManagerUnreachable, configurations.ConfigurationFault):
            return
        if running is None:
            return
        # A node that is to be removed while its services are active is the session's matter.
        known = {node.name for node in self._configuration.nodes}
        active = {n.name: n.number for n in picture.nodes if n.number in picture.members and n.name in known}
        states = (entry.state for group in picture.groups for entry in group.nodes)
        why = reconfiguration.objection(running, self._configuration, active, states)
        if why:
            raise ClmgrError(f"cldare: {why}")

    def _execute(self, effect: core.Effect) -> core.Input | None:
        match effect:
            case core.Request(what, nodes, generation):
                return self._ask(what, nodes, generation)
            case core.AskOwners(owners):
                return core.Known(frozenset(filter(self._runs, owners)), self._reconfiguring())
            case core.TakeOver(locks, generation):
                return self._take_over(locks, generation)
            case core.StoreArchive(generation, after):
                return self._finished(lambda: self._store(generation, after))
            case core.ChangeMembers():
                return self._finished(self._change_members)
            case core.Commit(generation):
                return self._finished(lambda: self._commit(generation))
            case core.Forget(nodes):
                self._forget(nodes)
            case core.Activate(generation):
                return self._activate(generation)
            case core.Warn(text):
                print(f"WARNING: {text}", flush=True)
            case core.Fail(text):
                sys.stdout.flush()
                raise ClmgrError(text)
        return None

    def _finished(self, work: Callable[[], None]) -> core.Finished:
        try:
            work()
        except FAULTS as error:
            return core.Finished(str(error))
        except OSError as error:
            return core.Finished(f"{error.filename or 'the repository disk'}: {error.strerror}.")
        return core.Finished()

    # Requests to nodes.

    def _ask(self, what: str, nodes: tuple[str, ...], generation: int) -> core.Answered:
        words = {
            "lock": ["lock", self._own, str(generation)],
            "stage": ["stage", str(generation), self._disk_name],
        }.get(what, [what])

        def one(node: str) -> tuple[str, core.Answer, str]:
            answer, complaint = self._here(what, generation) if node == self._own else self._there(node, words)
            return node, answer, complaint

        # This node last: with the configuration the certificate may change, under which the others are asked.
        others = [node for node in nodes if node != self._own]
        with ThreadPoolExecutor(max_workers=max(1, len(others))) as pool:
            answers = list(pool.map(one, others))
        answers += [one(node) for node in nodes if node == self._own]
        if what == "install" and not self._first:
            done = {node for node, answer, _ in answers if answer is core.Answer.DONE}
            for name in (node.name for node in self._configuration.nodes):
                if name in done and name not in self._known:
                    print(f"\n{INSTALLED % name}", flush=True)
        held = tuple(self._held[node] for node, answer, _ in answers if answer is core.Answer.LOCKED)
        return core.Answered(tuple(answers), held)

    def _take_over(self, locks: tuple[core.Held, ...], generation: int) -> core.Answered:
        for lock in locks:
            if lock.node == self._own:
                staging.release_abandoned(self._root, lock.owner, lock.since)
            else:
                self._there(lock.node, ["unlock", lock.owner, repr(lock.since)])
        return self._ask("lock", tuple(lock.node for lock in locks), generation)

    def _runs(self, owner: str) -> bool:
        """Whether a synchronization runs on a node; one that cannot be asked, but is not known dead, may run one."""
        if owner == self._own:
            return False
        try:
            status = self._agents.ask(owner, ["running"]).status
        except clcomd.ClcomdError:
            return not owner or owner not in nodes_down(self._root)
        return status != agent.NOT_RUNNING

    def _reconfiguring(self) -> bool:
        try:
            return manager.query_state(self._root).state not in IDLE
        except manager.ManagerUnreachable:
            return False

    def _there(self, node: str, words: list[str]) -> tuple[core.Answer, str]:
        try:
            # A clcomd that was killed is respawned: no step does harm if it is done twice.
            result = self._agents.ask(node, words, clcomd.BOOT_PATIENCE)
        except clcomd.ClcomdError as error:
            on = liveness.is_alive(self._root.identity.lab, node)
            return core.Answer.SILENT if on else core.Answer.UNREACHABLE, str(error)
        if result.status == 0:
            return core.Answer.DONE, ""
        complaint = result.err.decode(errors="replace").strip()
        if result.status != agent.LOCKED:
            return core.Answer.REFUSED, complaint
        try:
            self._held[node] = _held(node, msgspec.json.decode(result.out, type=synchronization.Lock))
        except msgspec.DecodeError:
            self._held[node] = core.Held(node, "", 0.0, 0)
        return core.Answer.LOCKED, complaint

    def _here(self, what: str, generation: int) -> tuple[core.Answer, str]:
        try:
            match what:
                case "lock":
                    staging.lock(self._root, self._own, generation)
                case "stage":
                    installation.stage(self._root, generation, self._disk_name)
                case "keep":
                    staging.keep(self._root)
                case "install":
                    installation.install_committed(self._root, self._objects)
                    installation.tell_manager(self._root)
                case _:
                    staging.release(self._root)
        except synchronization.Locked as error:
            self._held[self._own] = _held(self._own, error.held)
            return core.Answer.LOCKED, str(error)
        except FAULTS as error:
            return core.Answer.REFUSED, str(error)
        except OSError as error:
            return core.Answer.REFUSED, f"{error.filename or 'disk'}: {error.strerror}"
        return core.Answer.DONE, ""

    # The repository disk and the CAA cluster.

    def _store(self, generation: int, after: int) -> None:
        if not self._disk.lock():
            raise caa.RepositoryError(core.OVERTAKEN)
        own_repository(self._root).confirm(self._disk_name)
        now = self._disk.read_commit()
        if (now.generation if now else 0) != after:
            raise caa.RepositoryError(core.OVERTAKEN)
        self._checksum = self._disk.store_archive(generation, self._archive)

    def _commit(self, generation: int) -> None:
        self._disk.commit(caa.Commit(generation, self._checksum, self._own, int(time.time())))
        # A node that had lost the disk may have replaced it meanwhile.
        own_repository(self._root).confirm(self._disk_name)

    def _change_members(self) -> None:
        membership = caa.status(self._root).membership
        alive = membership.alive if membership is not None else ()
        members = {node.name: node.number in alive for node in membership.nodes} if membership is not None else {}
        nodes = [node.name for node in self._configuration.nodes]
        before = nodes if self._first else self._known
        for name, add, reached in membership_changes.joining(nodes, members, before, self._session.reached):
            if add:
                formation.add_node(self._root, name)
            else:
                formation.complete_node(self._root, name, reached)

    def _forget(self, nodes: tuple[str, ...]) -> None:
        for node in nodes:
            answer, _ = self._there(node, ["forget"])
            try:
                formation.remove_node(self._root, node)
            except (caa.CaaError, caa.RepositoryError, OSError) as error:
                print(f"WARNING: node {node} was taken out of the cluster, but cannot be told: {error}")
            if answer is core.Answer.DONE:
                print(f"Removing the PowerHA SystemMirror configuration from node {node}.")

    # The running cluster.

    def _activate(self, generation: int) -> core.Finished:
        """Have the running cluster take the configuration; meanwhile the cluster manager's states are shown."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            done = pool.submit(self._reconfigure, generation)
            shown = ""
            while not done.done():
                shown = self._show_state(shown)
                with contextlib.suppress(FutureTimeout):
                    done.result(STATE_POLL)
        if shown:
            self._show_state(shown)
            print("....completed.", flush=True)
        return done.result()

    def _show_state(self, shown: str) -> str:
        """Print the cluster manager's state if it is another one than was shown last; returns what is shown now."""
        try:
            state = str(manager.query_state(self._root).state)
        except (manager.ManagerUnreachable, TimeoutError):
            return shown
        if state == shown or (state == "ST_STABLE" and not shown):
            return shown
        print(f"{'.' if shown else ''}\n{CURRENT_STATE}{state}", end="", flush=True)
        return state

    def _reconfigure(self, generation: int) -> core.Finished:
        deadline = time.monotonic() + EVENT_PATIENCE
        while True:
            try:
                manager.reconfigure(generation, root=self._root)
            except manager.Refused as refused:
                if refused.done.error == "busy" and time.monotonic() < deadline:
                    # An event began meanwhile (a node has failed): nothing of this was begun.
                    time.sleep(EVENT_POLL)
                    continue
                return core.Finished(complaint_of(refused), untouched=refused.done.error in NOT_BEGUN)
            except manager.ManagerUnreachable as error:
                return core.Finished(str(error), untouched=True)
            except TimeoutError as error:
                return core.Finished(str(error))
            return core.Finished()


def complaint_of(refused: manager.Refused) -> str:
    """What the administrator reads of a reconfiguration that the cluster manager does not begin."""
    if refused.done.error == "busy":
        return "the cluster is not currently in a stable state: wait until it is, and synchronize again."
    return str(refused)


def _held(node: str, lock: synchronization.Lock) -> core.Held:
    return core.Held(node, lock.owner, lock.since, lock.generation, lock.kept)


def active_nodes(root: NodeRoot, nodes: tuple[str, ...]) -> frozenset[str]:
    """The nodes on which cluster services run: as this node's cluster manager knows, or else as the others say."""
    from daemons.clmgr.operations import live

    own = root.identity.node
    views = [live.picture_of(root, own)]
    others = [node for node in nodes if node != own]
    if others and (views[0] is None or not views[0].members):
        with ThreadPoolExecutor(max_workers=len(others)) as pool:
            views += pool.map(lambda node: live.picture_of(root, node), others)
    return frozenset(
        node.name for view in views if view is not None for node in view.nodes if node.number in view.members
    )


def release_all_locks(root: NodeRoot, nodes: tuple[str, ...]) -> list[str]:
    """Release Locks Set By Dynamic Reconfiguration (``cldare -u``), here and on these nodes; returns those that could
    not be reached."""
    with Agents(root) as agents:
        return release_locks(root, tuple(dict.fromkeys((root.identity.node, *nodes))), agents)


def release_locks(root: NodeRoot, nodes: tuple[str, ...], agents: Agents) -> list[str]:
    """Have nodes give back the lock that they have, whoever left it; returns those that could not be reached."""
    lost = []
    for node in nodes:
        if node == root.identity.node:
            staging.release(root)
            continue
        try:
            agents.ask(node, ["unlock"])
        except clcomd.ClcomdError:
            lost.append(node)
    return lost
