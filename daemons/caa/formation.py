"""How a CAA cluster comes into being: the repository is written, then every node is told to join."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from daemons.caa import changes, client, replacement, sites, stopping, tunables
from daemons.caa.client import CaaError, Definition, RepositoryDisk, RepositoryError
from daemons.caa.device import ClusterDevice
from daemons.caa.messages import Node
from daemons.caa.repository import NODES_MAX
from daemons.clcomd import client as clcomd
from daemons.runtime.trust import key_bytes
from srcctl.network.liveness import is_alive
from srcctl.node.root import Identity, NodeRoot

CLUSTERCONF = ("/usr/sbin/clusterconf",)
ResultT = TypeVar("ResultT")
BOOT_PATIENCE = 10.0
"""Seconds for the clcomd of a node that is powered on to listen."""


def make(
    root: NodeRoot,
    name: str,
    members: list[str],
    wanted: str,
    shared: Sequence[str] = (),
    site: str = "",
    multicast: str = "",
) -> None:
    """Create a cluster and have its nodes join it. ``shared``: disks that are clustered beside the repository;
    ``site``: the word for the site that they are all at, "" for none; ``multicast``: the group for heartbeats, "" for
    those that follow from the addresses of the nodes.

    Raises:
        CaaError: a node or disk is unknown or used, or a node cannot join; then none is a member.
        OSError: the disk has failed.
    """
    identity = root.identity
    disk = client.find_disk(root, wanted)
    if disk is None:
        raise CaaError(replacement.not_shared(wanted))
    if client.status(root).membership is not None:
        raise CaaError("this node is a member of a cluster already.")
    if twice := next((node for node in members if members.count(node) > 1), ""):
        raise CaaError(f"{twice} is named more than once.")
    if len(members) > NODES_MAX:
        raise CaaError(f"a cluster has at most {NODES_MAX} nodes.")
    repository = RepositoryDisk(identity.lab, disk)
    definition = _begun(root, repository, name, members)
    device = ClusterDevice(root)
    if other := replacement.other_cluster(root, device.node_uuid, definition.uuid if definition is not None else ""):
        raise CaaError(f"this node is a member of the cluster {other} already.")
    if definition is None:
        if reason := replacement.refusal(root, disk):
            raise CaaError(reason)
        shared_disks = {_shared(root, each): number for number, each in enumerate(dict.fromkeys(shared), 1)}
        if disk in shared_disks:
            raise CaaError(f"{disk} is the repository disk.")
        known = [(number, member(identity, number, name_of_member)) for number, name_of_member in enumerate(members, 1)]
        definition = Definition(
            name, str(uuid.uuid4()), key_bytes().hex(), tuple(node for _, node in known), (), len(known),
            shared_disks, sites=(sites.created(site, members),) if site else (), multicast=multicast,
        )  # fmt: skip
        repository.create(definition)
    joined: list[str] = []
    try:
        change = ChangeTime(definition)
        for node in definition.nodes:
            join_node(root, node.name, disk, change)
            joined.append(node.name)
    except CaaError:
        for name_of_member in changes.own_last(identity.node, joined):
            on_node(root, name_of_member, [*CLUSTERCONF, "-u"], lambda: client.leave(root, forget=True))
        repository.erase()
        raise


def _begun(root: NodeRoot, repository: RepositoryDisk, name: str, members: list[str]) -> Definition | None:
    """The very cluster on a disk if a run that was to make it was killed before this node had joined: it is completed.

    Nothing was ever committed in it. A cluster that is only stopped here is another matter.
    """
    if client.is_stopped(root):
        return None
    try:
        definition = repository.read_definition()
        if definition is None or repository.read_commit() is not None:
            return None
    except client.RepositoryError:
        return None
    same = definition.name == name and [node.name for node in definition.nodes] == members
    return definition if same else None


def member(identity: Identity, number: int, name: str) -> Node:
    """A node of the lab as a member of the cluster.

    Raises:
        CaaError: this node does not know it.
    """
    found = identity.node_by_name(name)
    if found is None:
        raise CaaError(f"{name} is not a node that this one knows (/etc/hosts).")
    networks = [interface.network for interface in identity.interfaces]
    return Node(number, name, str(uuid.uuid4()), tuple(zip(networks, found.addresses, strict=False)))


class ChangeTime:
    """What is left of the time that a coordinated change may take on all nodes together: the tunable config_timeout.

    Patience with real work, so no speed divides it; 0 is no limit (inferred).

    Args:
        definition: the cluster's definition, with its tunables.
    """

    def __init__(self, definition: Definition) -> None:
        self._seconds = int(tunables.value_of(definition.tunables, "config_timeout"))
        self._began = time.monotonic()

    def left(self) -> float | None:
        """Seconds, None for no limit.

        Raises:
            CaaError: none are left.
        """
        if not self._seconds:
            return None
        left = self._seconds - (time.monotonic() - self._began)
        if left <= 0:
            raise CaaError(f"the change did not end on all nodes within config_timeout ({self._seconds} seconds).")
        return left


def join_node(root: NodeRoot, node: str, disk: str, change: ChangeTime | None = None) -> None:
    """Have a node join the cluster on a disk, this one directly, another through its clcomd.

    Raises:
        CaaError: it does not.
    """
    tell(root, node, changes.JOIN, disk, change)


class CommandFailed(CaaError):
    """A command on another node ended with another exit code than 0."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def on_node(
    root: NodeRoot, node: str, command: list[str], local: Callable[[], None], change: ChangeTime | None = None
) -> None:
    """Have something done on a node: ``local`` on this one, a command through clcomd on another.

    ``change``: the coordinated change that this is a part of, and the time that it has left.

    Raises:
        CaaError: it was not done; ``CommandFailed`` where the other node says so itself.
    """
    limit = change.left() if change is not None else None
    if node == root.identity.node:
        local()
        return
    try:
        # A node that is being booted has no clcomd for a moment.
        patience = BOOT_PATIENCE if is_alive(root.identity.lab, node) else 0.0
        result = clcomd.run(root, node, command, patience=patience, limit=limit)
    except clcomd.ClcomdError as error:
        raise CaaError(f"{node}: {error}") from None
    if result.status:
        said = result.err.decode(errors="replace").strip() or f"exit code {result.status}"
        raise CommandFailed(f"{node}: {said}", result.status)


def carry_out(root: NodeRoot, change: changes.Change[ResultT]) -> ResultT:
    """Carry a change of the cluster out, all of it within config_timeout.

    Raises:
        stopping.Refused: a node was told to stop CAA, which its cluster services keep.
        CaaError: as the change says, or CAA does not answer.
        RepositoryError: the definition was changed meanwhile, or cannot be written.
        OSError: the repository disk has failed.
    """
    shell = _Shell(root)
    try:
        effect = next(change)
        while True:
            try:
                answer = shell.answer(effect)
            except (CaaError, RepositoryError, OSError) as error:
                effect = change.throw(error)
                continue
            effect = change.send(answer)
    except StopIteration as end:
        result: ResultT = end.value
        return result


class _Shell:
    """Does what a change asks for, on this node and on others."""

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._repository: RepositoryDisk | None = None
        self._time: ChangeTime | None = None

    def answer(self, effect: changes.Effect) -> changes.Answer:
        root = self._root
        match effect:
            case changes.Read():
                if self._repository is None:
                    self._repository = client.own_repository(root)[0]
                serial, definition = self._repository.read_numbered()
                if definition is not None and self._time is None:
                    self._time = ChangeTime(definition)
                return changes.Numbered(serial, definition)
            case changes.Write(definition, after):
                assert self._repository is not None
                return self._repository.write_definition(definition, after)
            case changes.Tell(node, what, disk):
                try:
                    tell(root, node, what, disk, self._time)
                except stopping.Refused:
                    raise  # no order waits for its next boot: that is for those that were not reached
                except CaaError as error:
                    return str(error)
                return ""
            case changes.HandOver(node):
                from daemons.caa.message_security import hand_over

                hand_over(root, node)
                return None
            case changes.AskMembership():
                membership = client.status(root).membership
                nodes = membership.nodes if membership is not None else ()
                alive = membership.alive if membership is not None else ()
                live = tuple(node.name for node in nodes if node.number in alive)
                return changes.Members(root.identity.node, frozenset(node.name for node in nodes), live)


def tell(root: NodeRoot, node: str, what: str, disk: str = "", change: ChangeTime | None = None) -> None:
    """Have a node do what a change asks of it (``changes.JOIN`` and so on).

    Raises:
        stopping.Refused: cluster services keep CAA on the node.
        CaaError: it cannot be told, or refuses.
    """
    match what:
        case changes.JOIN:
            command, local = [*CLUSTERCONF, "-r", disk], lambda: client.join(root, disk)
        case changes.FORGET:
            from daemons.caa.message_security import leave

            command, local = [*CLUSTERCONF, "-u"], lambda: leave(root)
        case changes.STOP:
            _stop(root, node, change)
            return
        case changes.MOVE:
            command, local = [*CLUSTERCONF, "-R", disk], lambda: client.move(root, disk)
        case changes.REPLACE:
            command, local = [], lambda: client.replace(root, disk)
        case _:
            command, local = [*CLUSTERCONF], lambda: client.reread(root)
    on_node(root, node, command, local, change)


def _stop(root: NodeRoot, node: str, change: ChangeTime | None) -> None:
    try:
        on_node(root, node, [*CLUSTERCONF, "-s"], lambda: stopping.stop(root), change)
    except CommandFailed as error:
        if error.status == stopping.REFUSED:
            raise stopping.Refused(str(error)) from None
        raise


def add_node(root: NodeRoot, name: str, site: str = "") -> None:
    """Add a node to this node's cluster; see ``changes.add``.

    Raises:
        CaaError, RepositoryError, OSError: as ``carry_out``.
    """
    disk = client.status(root).disk
    carry_out(root, changes.add(name, disk, lambda number: member(root.identity, number, name), site))


def numbers(root: NodeRoot, names: Iterable[str]) -> dict[str, int]:
    """The numbers of nodes in this node's cluster: those that they have, or get if they join it in this order.

    Raises:
        CaaError: CAA is not active, or the cluster cannot have so many nodes.
        OSError: the repository disk has failed.
    """
    _, definition = client.own_repository(root)
    for name in names:
        if definition.node(name) is None:
            definition = changes.with_node(definition, name, partial(_numbered, name), "")
    return {node.name: node.number for node in definition.nodes}


def _numbered(name: str, number: int) -> Node:
    return Node(number, name, "", ())


def complete_node(root: NodeRoot, name: str, reached: bool = True) -> None:
    """Complete what a run began that was to add a node; see ``changes.complete``.

    Raises:
        CaaError, RepositoryError, OSError: as ``carry_out``.
    """
    carry_out(root, changes.complete(name, client.status(root).disk, reached))


def remove_node(root: NodeRoot, name: str, site: str = "") -> None:
    """Remove a node from this node's cluster; see ``changes.remove``.

    Raises:
        CaaError, RepositoryError, OSError: as ``carry_out``.
    """
    carry_out(root, changes.remove(name, site))


def change_definition(root: NodeRoot, changed: Callable[[Definition], Definition]) -> None:
    """Change whatever else the definition says.

    Raises:
        CaaError: CAA is not active, a node cannot be told, or what ``changed`` raises.
        RepositoryError: the definition was changed meanwhile, or cannot be written.
        OSError: the repository disk has failed.
    """
    if told := carry_out(root, changes.change(changed)):
        raise CaaError(told[0])


def _shared(root: NodeRoot, wanted: str) -> str:
    """A disk that may be clustered.

    Raises:
        CaaError: there is none of that name, or it is used.
    """
    disk = client.find_disk(root, wanted)
    reason = replacement.not_shared(wanted) if disk is None else replacement.refusal(root, disk)
    if reason or disk is None:
        raise CaaError(reason)
    return disk


def change_disks(root: NodeRoot, added: Sequence[str], removed: Sequence[str]) -> None:
    """Add clustered shared disks to this node's cluster, or take them out.

    Raises:
        CaaError: CAA is not active, or a disk cannot be added or is not there to be removed.
        OSError: the repository disk has failed.
    """

    def changed(definition: Definition) -> Definition:
        present = dict(definition.shared_disks)
        for wanted in removed:
            disk = client.find_disk(root, wanted) or wanted
            if disk not in present:
                raise CaaError(f"{wanted} is not a shared disk of the cluster.")
            del present[disk]
        for wanted in added:
            disk = _shared(root, wanted)
            if disk in present:
                raise CaaError(f"{wanted} is a shared disk of the cluster already.")
            # The lowest number that is free (inferred): a disk keeps its own for as long as it is clustered.
            present[disk] = next(number for number in range(1, len(present) + 2) if number not in present.values())
        return msgspec.structs.replace(definition, shared_disks=present)

    change_definition(root, changed)


def replace_repository(root: NodeRoot, wanted: str, old: str = "") -> list[str]:
    """Replace the repository disk of this node's running cluster; returns what nodes that are up could not do.

    Raises:
        CaaError: CAA is not active, or the disk cannot be used; nothing changed.
    """
    status = client.status(root)
    if status.membership is None:
        raise CaaError(client.INACTIVE)
    disk = client.find_disk(root, wanted)
    if disk is None:
        raise CaaError(replacement.not_shared(wanted))
    if old and client.find_disk(root, old) != status.disk:
        raise CaaError(f"{old} is not the repository disk of the cluster.")
    return carry_out(root, changes.replace(disk))


def tell_moved(root: NodeRoot, disk: str) -> list[str]:
    """Have the other nodes that are up use a repository that this node has written; returns what went wrong."""

    def moved() -> changes.Change[list[str]]:
        members = yield changes.AskMembership()
        assert isinstance(members, changes.Members)
        return (yield from changes.moved(disk, members))

    return carry_out(root, moved())
