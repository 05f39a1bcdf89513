"""How a CAA cluster comes into being: the repository is written, then every node is told to join."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import msgspec

from daemons.caa import client
from daemons.caa.client import CaaError, Definition, RepositoryDisk
from daemons.caa.messages import Node
from daemons.clcomd import client as clcomd
from daemons.runtime.trust import key_bytes
from srcctl.node.root import Identity, NodeRoot


def make(root: NodeRoot, name: str, members: list[str], wanted: str) -> None:
    """Create a cluster and have its nodes join it.

    Raises:
        CaaError: a node or disk is unknown, or a node cannot join (those that could are members then).
        RepositoryError: the disk is a repository already.
        OSError: the disk has failed.
    """
    identity = root.identity
    disk = client.find_disk(root, wanted)
    if disk is None:
        raise CaaError(f"{wanted} is not a disk of this node.")
    if client.status(root).membership is not None:
        raise CaaError("this node is a member of a cluster already.")
    known = [(number, member(identity, number, name_of_member)) for number, name_of_member in enumerate(members, 1)]
    definition = Definition(
        name, str(uuid.uuid4()), key_bytes().hex(), tuple(node for _, node in known), (), len(known)
    )
    RepositoryDisk(identity.lab, disk).create(definition)
    for node in definition.nodes:
        join_node(root, node.name, disk)


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


def join_node(root: NodeRoot, node: str, disk: str) -> None:
    """Have a node join the cluster on a disk, this one directly, another through its clcomd.

    Raises:
        CaaError: it does not.
    """
    on_node(root, node, ["/usr/sbin/clusterconf", "-r", disk], lambda: client.join(root, disk))


def on_node(root: NodeRoot, node: str, command: list[str], local: Callable[[], None]) -> None:
    """Have something done on a node: ``local`` on this one, a command through clcomd on another.

    Raises:
        CaaError: it was not done.
    """
    if node == root.identity.node:
        local()
        return
    try:
        result = clcomd.run(root, node, command)
    except clcomd.ClcomdError as error:
        raise CaaError(f"{node}: {error}") from None
    if result.status:
        raise CaaError(f"{node}: {result.err.decode(errors='replace').strip() or f'exit code {result.status}'}")


def add_node(root: NodeRoot, name: str) -> None:
    """Add a node to this node's cluster; it gets a number that was never used.

    Raises:
        CaaError: CAA is not active, the node is unknown or cannot join.
        OSError: the repository disk has failed.
    """
    repository, definition, disk = _definition(root)
    if definition.node(name) is not None:
        raise CaaError(f"{name} is a node of the cluster already.")
    number = definition.highest_number + 1
    nodes = (*definition.nodes, member(root.identity, number, name))
    definition = msgspec.structs.replace(definition, nodes=nodes, highest_number=number)
    repository.write_definition(definition)
    join_node(root, name, disk)
    tell_all(root, definition)


def remove_node(root: NodeRoot, name: str) -> None:
    """Remove a node from this node's cluster.

    Raises:
        CaaError: CAA is not active, or the node is no member.
        OSError: the repository disk has failed.
    """
    repository, definition, _ = _definition(root)
    if definition.node(name) is None:
        raise CaaError(f"{name} is not a node of the cluster.")
    nodes = tuple(node for node in definition.nodes if node.name != name)
    definition = msgspec.structs.replace(definition, nodes=nodes)
    repository.write_definition(definition)
    on_node(root, name, ["/usr/sbin/clusterconf", "-u"], lambda: client.leave(root, forget=True))
    tell_all(root, definition)


def tell_all(root: NodeRoot, definition: Definition) -> None:
    """Have every node read the definition again.

    Raises:
        CaaError: one could not be told.
    """
    for node in definition.nodes:
        on_node(root, node.name, ["/usr/sbin/clusterconf"], lambda: client.reread(root))


def _definition(root: NodeRoot) -> tuple[RepositoryDisk, Definition, str]:
    status = client.status(root)
    repository = client.repository(root)
    definition = repository.read_definition()
    if definition is None:
        raise CaaError(client.INACTIVE)
    return repository, definition, status.disk
