"""The archive of a configuration: packed from a node's object classes, unpacked and installed on every other."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping

from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import CLASSES, DCD, OdmObject
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import Repository

GENERATION_FILE = "/etc/es/objrepos/.generation"
"""The generation that this node has installed, and the checksum of its archive: a cluster that is made anew counts from
1 again. It is 0 from the first class that is replaced to the last one, so that an interrupted installation is known as
such and repeated."""


class ArchiveError(Exception):
    """The archive is no configuration; ``str()`` is one sentence."""


ATTACHMENTS = "attachments"


def pack(repository: configurations.Repository, attachments: dict[str, str] | None = None) -> bytes:
    """The archive of the configuration in a repository, with texts that travel with it (the cluster's certificate).

    Raises:
        OdmError: a class cannot be read.
    """
    objects: dict[str, object] = {name: repository.get(name) for name in CLASSES}
    return json.dumps({**objects, ATTACHMENTS: attachments} if attachments else objects).encode()


def attachments_of(archive: bytes) -> dict[str, str]:
    """The texts that travel with an archive.

    Raises:
        ArchiveError: it is none.
    """
    try:
        return {str(name): str(text) for name, text in json.loads(archive).get(ATTACHMENTS, {}).items()}
    except (ValueError, AttributeError) as error:
        raise ArchiveError(f"the archive is no configuration: {error!r}") from None


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


def install(
    root: NodeRoot, archive: bytes, generation: int, packed: Mapping[str, list[OdmObject]] | None = None
) -> None:
    """Make a committed configuration this node's own. May be repeated at will.

    ``packed`` are the objects that this node made the archive of: a class that was edited since then stays as it is,
    and is synchronized by the next run.

    Raises:
        ArchiveError, OdmError, OSError: it cannot; the generation file tells that it is still to be done.
    """
    repository = Repository(root, DCD)
    for name, objects in localize(unpack(archive), root.identity.node).items():
        present = repository.get(name)
        if packed is not None and present != packed.get(name):
            continue
        if present != list(map(repository.describe(name).complete, objects)):
            if not half_installed(root):
                # From here on until the end they are half of one generation and half of another.
                mark_incomplete(root)
            repository.replace_all(name, objects)
    replace_file(root.path(GENERATION_FILE), f"{generation} {zlib.crc32(archive)}\n".encode())


def mark_incomplete(root: NodeRoot) -> None:
    """Nothing may act on this node's object classes before a configuration has been installed again.

    Raises:
        OSError: it cannot be noted.
    """
    replace_file(root.path(GENERATION_FILE), b"0\n")


def mark_none(root: NodeRoot) -> None:
    """This node has no configuration any more.

    Raises:
        OSError: it cannot be noted.
    """
    try:
        os.unlink(root.path(GENERATION_FILE))
    except FileNotFoundError:
        pass


def installed_generation(root: NodeRoot, checksum: int | None = None) -> int:
    """The generation that this node has installed, 0 for none.

    With the ``checksum`` of the committed archive also 0 if another one was installed under its number, which was of a
    cluster before.
    """
    try:
        with open(root.path(GENERATION_FILE), encoding="ascii") as file:
            generation, *more = map(int, file.read().split())
    except (OSError, ValueError):
        return 0
    return 0 if checksum is not None and more and more[0] != checksum else generation


def half_installed(root: NodeRoot) -> bool:
    """Whether an installation was interrupted: nothing may act on these object classes before it is repeated."""
    try:
        with open(root.path(GENERATION_FILE), encoding="ascii") as file:
            return file.read().strip() == "0"
    except (OSError, ValueError):
        return False


def differ(one: bytes, other: bytes) -> bool:
    """Whether two archives hold different configurations, whichever node made them.

    Raises:
        ArchiveError: one of them is none.
    """
    return localize(unpack(one), "") != localize(unpack(other), "")


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
