"""Service addresses: the lab's registry records every node that has an address configured.

One holder is the normal case. In a split brain both halves acquire, and the registry then lists both: it records
contenders and hides nothing. A record counts only while its node is alive in the life in which it was made.
"""

from __future__ import annotations

import os

from srcctl.commands.record import Record
from srcctl.network.registry import Registry
from srcctl.node.root import Identity

DIRECTORY = "addresses"


class Alias(Record):
    """An address configured on a node's interface."""

    address: str
    node: str
    boot_id: str
    interface: str
    netmask: str


class AddressRegistry(Registry[Alias]):
    """The registry of a lab.

    Args:
        lab: the lab's shared folder.
    """

    def __init__(self, lab: str) -> None:
        super().__init__(lab, DIRECTORY, Alias)

    def holders(self, address: str) -> list[Alias]:
        """The live nodes that have the address configured, in the order in which they took it."""
        return self._live(address)

    def all(self) -> list[Alias]:
        """Every alias of every live node, sorted by address."""
        return [alias for name in self._names() for alias in self.holders(name)]

    def changed_at(self) -> int:
        """When a record was last written, in nanoseconds, 0 if never; costs one stat(2)."""
        try:
            return os.stat(self._directory).st_mtime_ns
        except OSError:
            return 0

    def of_node(self, node: str) -> list[Alias]:
        """The aliases of a node."""
        return [alias for alias in self.all() if alias.node == node]

    def interfaces_of(self, node: str) -> dict[tuple[str, str], str]:
        """The interfaces on which a node has its aliases, by node and address."""
        return {(node, alias.address): alias.interface for alias in self.of_node(node)}

    def configure(self, identity: Identity, interface: str, address: str, netmask: str) -> list[Alias]:
        """Configure an alias on this node; returns the other nodes that have it too (a split brain).

        Raises:
            OSError: the lab cannot be written.
        """
        alias = Alias(address, identity.node, identity.boot_id, interface, netmask)
        with self._locked():
            others = [held for held in self.holders(address) if held.node != identity.node]
            self._write(address, [*others, alias])
        return others

    def remove(self, identity: Identity, address: str) -> bool:
        """Remove an alias from this node; False if it is not configured here.

        Raises:
            OSError: the lab cannot be written.
        """
        with self._locked():
            held = self.holders(address)
            kept = [alias for alias in held if alias.node != identity.node]
            self._write(address, kept)
        return len(kept) < len(held)
