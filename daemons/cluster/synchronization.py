"""Synchronization: one configuration on every node, committed in one place.

The node where the change was made puts the whole configuration (an archive of the HACMP* classes) on the repository
disk, has every reachable node read and check it (staging), and then writes one commit record: that sector is the commit
point. Every node installs the committed generation afterwards; one that missed it does so when its clconfd wakes, or at
boot. Before the commit record everybody is on the old configuration, after it on the new one, whoever is killed when.
(The scheme is that of a write-ahead log with a single commit record; there is no vote to lose, because a node that
cannot stage is passed over and repaired later.)
"""

from __future__ import annotations

import json
import os

import msgspec

from daemons.cluster.configuration import CLASSES, DCD, Cluster, Configuration, Network, Node, OdmObject
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError, Repository

GENERATION_FILE = "/etc/es/objrepos/.generation"
"""The generation that this node has installed; written last, so that an interrupted installation is repeated."""


class ArchiveError(Exception):
    """The archive is no configuration; ``str()`` is one sentence."""


def assign_ids(configuration: Configuration) -> Configuration:
    """Node and network ids from the cluster's counters, in the order of definition.

    Ids that were given once stay; freed ones are not used again; what was edited by hand goes back to what it was.
    """
    cluster = configuration.cluster
    nodes, highest = [], cluster.highest_node_id
    known = _assigned(configuration.nodes, cluster.last_node_ids)
    for node in configuration.nodes:
        number = known.get(node.name, 0)
        if not number:
            highest += 1
            number = highest
        nodes.append(msgspec.structs.replace(node, id=number))
    networks, highest_network = [], cluster.highest_network_id
    known_networks = _assigned(configuration.networks, cluster.last_network_ids)
    for network in configuration.networks:
        number = known_networks.get(network.name, 0)
        if not number:
            highest_network += 1
            number = highest_network
        networks.append(msgspec.structs.replace(network, id=number))
    changed: Cluster = msgspec.structs.replace(
        cluster,
        last_node_ids=tuple(node.id for node in nodes),
        highest_node_id=max([highest, *(node.id for node in nodes)], default=0),
        last_network_ids=tuple(network.id for network in networks),
        highest_network_id=max([highest_network, *(network.id for network in networks)], default=0),
    )
    return msgspec.structs.replace(configuration, cluster=changed, nodes=tuple(nodes), networks=tuple(networks))


def _assigned(members: tuple[Node, ...] | tuple[Network, ...], ids: tuple[int, ...]) -> dict[str, int]:
    """Which member has which id: its own if the cluster gave it, else the one left over at its place."""
    found = {member.name: member.id for member in members if member.id in ids}
    left = [number for number in ids if number not in found.values()]
    edited = [member.name for member in members if member.name not in found and member.id]
    return {**found, **dict(zip(edited, left, strict=False))}


def pack(repository: Repository) -> bytes:
    """The archive of the configuration in a repository.

    Raises:
        OdmError: a class cannot be read.
    """
    return json.dumps({name: repository.get(name) for name in CLASSES}).encode()


def unpack(archive: bytes) -> dict[str, list[OdmObject]]:
    """The objects in an archive.

    Raises:
        ArchiveError: it is none.
    """
    try:
        value = json.loads(archive)
        # An archive that an earlier release wrote has fewer classes; what it does not know stays as it is here.
        objects = {name: [dict(o) for o in value[name]] for name in CLASSES if name in value}
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"the archive is no configuration: {error!r}") from None
    if not objects.get("HACMPcluster") or "HACMPnode" not in objects:
        raise ArchiveError("the archive has no cluster")
    return objects


def localize(objects: dict[str, list[OdmObject]], node: str) -> dict[str, list[OdmObject]]:
    """The objects as a node has them: HACMPcluster names the local node."""
    numbers = {str(o["name"]): int(o["node_id"]) for o in objects["HACMPnode"]}
    cluster = {**objects["HACMPcluster"][0], "nodename": node, "handle": numbers.get(node, 0)}
    return {**objects, "HACMPcluster": [cluster]}


def install(root: NodeRoot, archive: bytes, generation: int) -> None:
    """Make a committed configuration this node's own. May be repeated at will.

    Raises:
        ArchiveError, OdmError, OSError: it cannot; the generation file tells that it is still to be done.
    """
    repository = Repository(root, DCD)
    for name, objects in localize(unpack(archive), root.identity.node).items():
        if repository.get(name) != [repository.describe(name).complete(o) for o in objects]:
            repository.replace_all(name, objects)
    replace_file(root.path(GENERATION_FILE), f"{generation}\n".encode())


def installed_generation(root: NodeRoot) -> int:
    """The generation that this node has installed, 0 for none."""
    try:
        with open(root.path(GENERATION_FILE), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def has_unsynchronized_changes(root: NodeRoot, committed: bytes | None) -> bool:
    """Whether this node's configuration differs from the committed one.

    Raises:
        OdmError: a class cannot be read.
    """
    if committed is None:
        return True
    here = json.loads(pack(Repository(root, DCD)))
    there = localize(unpack(committed), root.identity.node)
    return bool(here != there)


def staging_path(root: NodeRoot, generation: int) -> str:
    """Where a node keeps an archive that is staged but not installed."""
    folder = root.path("/usr/es/sbin/cluster/etc/objrepos/stage")
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, f"{generation}.json")


def release_stage(root: NodeRoot) -> None:
    """Forget staged archives."""
    folder = root.path("/usr/es/sbin/cluster/etc/objrepos/stage")
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            os.unlink(os.path.join(folder, name))
        except OSError:
            pass


__all__ = [
    "ArchiveError",
    "OdmError",
    "assign_ids",
    "has_unsynchronized_changes",
    "install",
    "installed_generation",
    "localize",
    "pack",
    "release_stage",
    "staging_path",
    "unpack",
]
