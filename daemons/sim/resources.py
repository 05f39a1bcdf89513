"""What nodes really hold: addresses, disks, file systems, applications. Known to the world, not to any core."""

from __future__ import annotations

KINDS = ("SERVICE_LABELS", "VGS", "FILESYSTEMS", "APPLICATIONS")
"""Job types that take or give up a resource, in the order of an acquisition."""


class Holdings:
    """Which node holds which resources of which group."""

    def __init__(self) -> None:
        self._held: dict[str, dict[int, dict[str, None]]] = {}

    def take(self, group: str, node: int, kind: str) -> bool:
        """A node takes a resource; True if it is its first one of the group."""
        nodes = self._held.setdefault(group, {})
        first = node not in nodes
        nodes.setdefault(node, {})[kind] = None
        return first

    def give(self, group: str, node: int, kind: str) -> None:
        """A node gives a resource up."""
        nodes = self._held.get(group, {})
        if node in nodes:
            nodes[node].pop(kind, None)
            if not nodes[node]:
                del nodes[node]

    def lose(self, node: int) -> None:
        """The node is off: all that it held is free."""
        for nodes in self._held.values():
            nodes.pop(node, None)

    def holders(self, group: str) -> list[int]:
        """Nodes that hold anything of a group."""
        return sorted(self._held.get(group, {}))

    def online(self, group: str) -> list[int]:
        """Nodes on which the group's application runs."""
        return sorted(node for node, kinds in self._held.get(group, {}).items() if "APPLICATIONS" in kinds)

    def groups(self) -> list[str]:
        """All groups that were ever held."""
        return sorted(self._held)
