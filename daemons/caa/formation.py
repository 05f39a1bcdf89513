"""How a CAA cluster comes into being: the repository is written, then every node is told to join."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

import msgspec

from daemons.caa import client, replacement, sites, tunables
from daemons.caa.client import CaaError, Definition, RepositoryDisk
from daemons.caa.messages import Node
from daemons.clcomd import client as clcomd
from daemons.runtime.trust import key_bytes
from srcctl.network.liveness import is_alive
from srcctl.node.root import Identity, NodeRoot

CLUSTERCONF = ("/usr/sbin/clusterconf",)
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
    repository = RepositoryDisk(identity.lab, disk)
    definition = _begun(root, repository, name, members)
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
        for name_of_member in own_last(root, joined):
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
    on_node(root, node, [*CLUSTERCONF, "-r", disk], lambda: client.join(root, disk), change)


def on_node(
    root: NodeRoot, node: str, command: list[str], local: Callable[[], None], change: ChangeTime | None = None
) -> None:
    """Have something done on a node: ``local`` on this one, a command through clcomd on another.

    ``change``: the coordinated change that this is a part of, and the time that it has left.

    Raises:
        CaaError: it was not done.
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
        raise CaaError(f"{node}: {result.err.decode(errors='replace').strip() or f'exit code {result.status}'}")


def own_last(root: NodeRoot, names: Sequence[str]) -> list[str]:
    """Node names with this node's at the end: with the cluster's key it forgets how to talk to the others."""
    return sorted(names, key=lambda name: name == root.identity.node)


def add_node(root: NodeRoot, name: str, site: str = "") -> None:
    """Add a node to this node's cluster, at a site if one is named; it gets a number that was never used.

    A node that was written down by a run which was killed before anybody was told is no member yet: that is completed.

    Raises:
        CaaError: CAA is not active, the node is unknown or cannot join; then it is no member. Or a node that is up
            cannot be told of it.
        OSError: the repository disk has failed.
    """
    repository, definition, disk = _definition(root)
    if definition.node(name) is None:
        number = definition.highest_number + 1
        nodes = (*definition.nodes, member(root.identity, number, name))
        placed = sites.placed(definition.sites, name, site)
        definition = msgspec.structs.replace(definition, nodes=nodes, highest_number=number, sites=placed)
        repository.write_definition(definition)
    elif _is_known_here(root, name):
        raise CaaError(f"{name} is a node of the cluster already.")
    change = ChangeTime(definition)
    try:
        join_node(root, name, disk, change)
    except CaaError:
        repository.write_definition(_without(definition, name))
        raise
    from daemons.caa.message_security import hand_over

    hand_over(root, name)
    if errors := tell_live(root, definition):
        raise CaaError(errors[0])


def _is_known_here(root: NodeRoot, name: str) -> bool:
    """Whether CAA on this node has the node as a member."""
    membership = client.status(root).membership
    return membership is not None and any(node.name == name for node in membership.nodes)


def _without(definition: Definition, name: str) -> Definition:
    """The definition without a node; its number is not given again."""
    nodes = tuple(node for node in definition.nodes if node.name != name)
    return msgspec.structs.replace(definition, nodes=nodes, sites=sites.placed(definition.sites, name, ""))


def remove_node(root: NodeRoot, name: str, site: str = "") -> None:
    """Remove a node from this node's cluster; ``site``: the one that it must be at.

    The others go on without it, whether it can be told or not; what a run that was killed left is completed.

    Raises:
        CaaError: CAA is not active, or the node is no member, or at another site. Or a node, the one that is removed
            among them, cannot be told; all others have been.
        OSError: the repository disk has failed.
    """
    repository, definition, _ = _definition(root)
    if definition.node(name) is not None:
        own = definition.site_of(name)
        if site and (own is None or own.name != site):
            raise CaaError(f"{name} is not a node of the site {site}.")
        definition = _without(definition, name)
        repository.write_definition(definition)
    elif not _is_known_here(root, name):
        raise CaaError(f"{name} is not a node of the cluster.")
    from daemons.caa.message_security import leave

    errors = []
    try:
        on_node(root, name, [*CLUSTERCONF, "-u"], lambda: leave(root), ChangeTime(definition))
    except CaaError as error:
        errors.append(str(error))
    if errors := [*errors, *tell_live(root, definition)]:
        raise CaaError(errors[0])


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
    repository, definition, _ = _definition(root)
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
    definition = msgspec.structs.replace(definition, shared_disks=present)
    repository.write_definition(definition)
    tell_all(root, definition)


def replace_repository(root: NodeRoot, wanted: str, old: str = "") -> list[str]:
    """Replace the repository disk of this node's running cluster; returns what nodes that are up could not do.

    Raises:
        CaaError: CAA is not active, or the disk cannot be used; nothing changed.
    """
    status = client.status(root)
    membership = status.membership
    if membership is None:
        raise CaaError(client.INACTIVE)
    disk = client.find_disk(root, wanted)
    if disk is None:
        raise CaaError(replacement.not_shared(wanted))
    if old and client.find_disk(root, old) != status.disk:
        raise CaaError(f"{old} is not the repository disk of the cluster.")
    client.replace(root, disk)
    names = {node.number: node.name for node in membership.nodes}
    errors = [moved(root, names[number], disk) for number in membership.alive if number != membership.own]
    try:
        RepositoryDisk(root.identity.lab, status.disk).erase()
    except OSError:
        pass  # it has failed: should it come back, its epoch tells that it is old
    return [error for error in errors if error]


def moved(root: NodeRoot, node: str, disk: str) -> str:
    """Have another node use the repository on a disk; returns what went wrong."""
    try:
        on_node(root, node, [*CLUSTERCONF, "-R", disk], lambda: client.move(root, disk))
    except CaaError as error:
        return str(error)
    return ""


def tell_all(root: NodeRoot, definition: Definition, change: ChangeTime | None = None) -> None:
    """Have every node read the definition again, within config_timeout (what ``change`` has left of it).

    Raises:
        CaaError: one could not be told.
    """
    change = change or ChangeTime(definition)
    for node in definition.nodes:
        on_node(root, node.name, [*CLUSTERCONF], lambda: client.reread(root), change)


def tell_live(root: NodeRoot, definition: Definition) -> list[str]:
    """Have the nodes that are up read the definition again, the others do when they boot; returns what went wrong."""
    membership = client.status(root).membership
    change, errors = ChangeTime(definition), []
    for node in definition.nodes:
        if membership is not None and node.number in membership.alive:
            try:
                tell_all(root, msgspec.structs.replace(definition, nodes=(node,)), change)
            except CaaError as error:
                errors.append(str(error))
    return errors


def _definition(root: NodeRoot) -> tuple[RepositoryDisk, Definition, str]:
    status = client.status(root)
    repository = client.repository(root)
    definition = repository.read_definition()
    if definition is None:
        raise CaaError(client.INACTIVE)
    return repository, definition, status.disk
