"""Cluster snapshots: the file layout, reading, writing and conversion. Pure.

A snapshot NAME is ``NAME.odm`` (version, description, all object classes as stanzas) and ``NAME.info`` (what commands
of the nodes printed). The layout of the first is the published one; the second's is inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from daemons.cluster.configuration import CLASSES, CLUSTER_VERSION, OdmObject
from srcctl.odm import stanza
from srcctl.odm.description import ObjectClass
from srcctl.odm.errors import OdmError

VERSION = "1.0"
DESCRIPTION_MAX = 255
NAME_MAX = 63
Objects = dict[str, list[OdmObject]]


class SnapshotError(Exception):
    """The file is no snapshot; ``str()`` is one sentence."""


def text(description: str, objects: Mapping[str, list[OdmObject]], describe: Callable[[str], ObjectClass]) -> str:
    """The text of a ``.odm`` file: all classes in the order of ``CLASSES``."""
    classes = ((describe(name), objects.get(name, [])) for name in CLASSES)
    body = "".join(stanza.format_object(known, known.complete(o)) for known, members in classes for o in members)
    return f"<VER\n{VERSION}\n</VER\n\n<DSC\n{description}\n</DSC\n\n<ODM\n{body}\n</ODM\n"


def sections(content: str) -> dict[str, list[str]]:
    """The lines of each section (VER, DSC, ODM).

    Raises:
        SnapshotError: a section does not begin, does not end, or is missing.
    """
    found: dict[str, list[str]] = {}
    current, lines = "", list[str]()
    for line in content.splitlines():
        if not current and line.startswith("<") and not line.startswith("</") and line[1:].strip():
            current, lines = line[1:].strip(), []
        elif current and line.strip() == f"</{current}":
            found[current], current = lines, ""
        elif current:
            lines.append(line)
        elif line.strip():
            raise SnapshotError(f"the file is no cluster snapshot: {line[:40]!r} stands in no section.")
    missing = next((name for name in ("VER", "DSC", "ODM") if name not in found), "")
    if current or missing:
        raise SnapshotError(f"the file is no cluster snapshot: its {current or missing} section is not whole.")
    return found


def description_of(content: str) -> str:
    """The description in a ``.odm`` file.

    Raises:
        SnapshotError: it is none.
    """
    return "\n".join(sections(content)["DSC"]).strip()


def parse(content: str) -> tuple[str, Objects]:
    """Description and objects of a ``.odm`` file, the objects as they are written.

    Raises:
        SnapshotError: it is no snapshot, or has no cluster.
    """
    found = sections(content)
    objects: Objects = {}
    try:
        for entry in stanza.parse(found["ODM"]):
            objects.setdefault(entry.class_name, []).append(entry.values)
    except OdmError as error:
        raise SnapshotError(f"the file is no cluster snapshot: {error}.") from None
    if not objects.get("HACMPcluster"):
        raise SnapshotError("the cluster snapshot has no cluster.")
    return "\n".join(found["DSC"]).strip(), objects


def fitting(objects: Objects, describe: Callable[[str], ObjectClass]) -> Objects:
    """The objects of a snapshot of this release with their fields checked; classes without an object are empty.

    Raises:
        SnapshotError: a class or field that this release does not have, or another release's snapshot.
    """
    unknown = sorted(set(objects) - set(CLASSES))
    if unknown:
        raise SnapshotError(f"the cluster snapshot has the class {unknown[0]}; convert it with clconvert_snapshot.")
    version = str(objects["HACMPcluster"][0].get("cluster_version", ""))
    if version != str(CLUSTER_VERSION):
        raise SnapshotError(
            f"the cluster snapshot is of cluster version {version}; convert it with clconvert_snapshot."
        )
    result: Objects = {}
    for name in CLASSES:
        try:
            result[name] = list(map(describe(name).complete, objects.get(name, [])))
        except OdmError as error:
            raise SnapshotError(f"the cluster snapshot does not fit: {error}.") from None
    return result


def converted(objects: Objects, describe: Callable[[str], ObjectClass]) -> tuple[Objects, list[str]]:
    """The objects of an older release's snapshot as this release has them, and what had to be left out.

    Fields that are gone are left out, new ones are empty; so are classes that are gone. Versions become this one.
    """
    result: Objects = {}
    lost: list[str] = []
    for name, members in objects.items():
        if name not in CLASSES:
            lost.append(name)
            continue
        described = describe(name)
        known = {descriptor.name for descriptor in described.descriptors}
        lost += sorted({f"{name}.{field}" for o in members for field in o if field not in known})
        result[name] = [described.complete({k: v for k, v in o.items() if k in known}) for o in members]
    for o in result["HACMPcluster"]:
        o["cluster_version"] = CLUSTER_VERSION
        o["heartbeattype"] = str(o["heartbeattype"]).strip() or "U"
        o["rg_distribution_policy"] = str(o["rg_distribution_policy"]).strip() or "node"
    for o in result.get("HACMPnode", []):
        o["version"] = CLUSTER_VERSION
    return result, lost


def without_ids(objects: Objects) -> Objects:
    """The objects with node and network ids still to be given: a cluster that is made anew numbers from one."""
    cluster = {
        **objects["HACMPcluster"][0],
        "last_node_ids": "",
        "highest_node_id": 0,
        "last_network_ids": "",
        "highest_network_id": 0,
        "handle": 0,
    }
    return {
        **objects,
        "HACMPcluster": [cluster],
        "HACMPnode": [{**o, "node_id": 0, "node_handle": 0} for o in objects.get("HACMPnode", [])],
        "HACMPnetwork": [{**o, "network_id": 0} for o in objects.get("HACMPnetwork", [])],
    }


def is_name(name: str) -> bool:
    """Whether a snapshot can have this name: a file name of letters, digits, underscores, hyphens and dots."""
    plain = name.replace("_", "a").replace("-", "a").replace(".", "a")
    return 0 < len(name) <= NAME_MAX and plain.isascii() and plain.isalnum() and not name.startswith((".", "-"))


def information(parts: Iterable[tuple[str, str, str]]) -> str:
    """The text of a ``.info`` file from (node, command, output)."""
    lines: list[str] = []
    for node, command, output in parts:
        lines += [f"NODE: {node}", f"COMMAND: {command}", "", output.rstrip("\n"), "", "-" * 79]
    return "\n".join(lines) + "\n"


class Memory:
    """The objects of a snapshot as a repository, so that they can be loaded and verified before they are applied."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def get(self, class_name: str, criteria: str | None = None) -> list[OdmObject]:
        """All objects of a class."""
        return self._objects.get(class_name, [])

    def replace_all(self, class_name: str, objects: list[OdmObject]) -> None:
        """Exchange the objects of a class."""
        self._objects[class_name] = objects
