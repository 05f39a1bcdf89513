"""/etc/hosts of a node, as its resolver reads it (hosts(5)): an address, then its names, up to a ``#``."""

from __future__ import annotations

from srcctl.node.root import NodeRoot

PATH = "/etc/hosts"


def entries(root: NodeRoot) -> list[tuple[str, tuple[str, ...]]]:
    """The lines in their order, each an address with its names; none if the file cannot be read."""
    try:
        with open(root.path(PATH), encoding="utf-8", errors="replace") as file:
            lines = [line.partition("#")[0].split() for line in file]
    except OSError:
        return []
    return [(fields[0], tuple(fields[1:])) for fields in lines if fields]


def addresses_by_name(root: NodeRoot) -> dict[str, str]:
    """The names with their addresses; of two lines with one name the first counts."""
    found: dict[str, str] = {}
    for address, names in entries(root):
        for name in names:
            found.setdefault(name, address)
    return found
