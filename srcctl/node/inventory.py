"""The inventory: which fileset each file of a fresh node belongs to, as objects in /usr/lib/objrepos.

``etc/objrepos/inventory.owners`` says it with patterns; files that an administrator makes later belong to none.
"""

from __future__ import annotations

import fnmatch
import os
from typing import Final

from srcctl.node.root import NodeRoot
from srcctl.odm import Repository

CLASS: Final = "inventory"
DIRECTORY: Final = "/usr/lib/objrepos"
OWNERS: Final = "objrepos/inventory.owners"
NOBODY: Final = "-"


class OwnersError(ValueError):
    """A line of the owners' file is not understood, or names no fileset."""


def owners(source: str) -> list[tuple[str, str]]:
    """Patterns and filesets of the folder that a node is seeded from; none if it does not tell.

    Raises:
        OwnersError: a line is not understood.
    """
    try:
        with open(os.path.join(source, OWNERS), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    result = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if len(words) not in (0, 2):
            raise OwnersError(f"{OWNERS}, line {number}: expected PATTERN FILESET")
        if words:
            result.append((words[0], words[1]))
    return result


def owner(path: str, patterns: list[tuple[str, str]]) -> str | None:
    """The fileset of a file, ``-`` for none; None if no pattern fits."""
    return next((fileset for pattern, fileset in patterns if fnmatch.fnmatchcase(path, pattern)), None)


def record(root: NodeRoot, source: str, paths: list[str]) -> None:
    """Write the inventory of a fresh node.

    Args:
        root: the node.
        source: the folder that it is seeded from.
        paths: its files.

    Raises:
        OwnersError: the owners' file is damaged.
        OdmError: the classes cannot be read or written.
    """
    patterns = owners(source)
    if not patterns:
        return
    repository = Repository(root, DIRECTORY)
    numbers = {str(o["name"]): o["lpp_id"] for o in repository.get("lpp")}
    objects: list[dict[str, int | str]] = []
    for path in sorted(set(paths)):
        name = owner(path, patterns)
        if name is None or name == NOBODY:
            continue
        if name not in numbers:
            raise OwnersError(f"{OWNERS}: {name} is not installed")
        objects.append({"lpp_id": numbers[name], "loc0": path})
    repository.rewrite(CLASS, lambda present: objects)
