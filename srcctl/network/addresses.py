"""Service addresses: the lab's registry records every node that has an address configured.

One holder is the normal case. In a split brain both halves acquire, and the registry then lists both: it records
contenders and hides nothing. A record counts only while its node is alive in the life in which it was made.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from srcctl.network.liveness import is_alive
from srcctl.node.root import Identity, replace_file

DIRECTORY = "addresses"


@dataclass(frozen=True, slots=True)
class Alias:
    """An address configured on a node's interface."""

    address: str
    node: str
    boot_id: str
    interface: str
    netmask: str


class AddressRegistry:
    """The registry of a lab.

    Args:
        lab: the lab's shared folder.
    """

    def __init__(self, lab: str) -> None:
        self._lab = lab
        self._directory = os.path.join(lab, DIRECTORY)

    def holders(self, address: str) -> list[Alias]:
        """The live nodes that have the address configured, in the order in which they took it."""
        return [alias for alias in self._read(address) if is_alive(self._lab, alias.node, alias.boot_id)]

    def all(self) -> list[Alias]:
        """Every alias of every live node, sorted by address."""
        try:
            names = sorted(name for name in os.listdir(self._directory) if not name.startswith("."))
        except OSError:
            return []
        return [alias for name in names for alias in self.holders(name)]

    def changed_at(self) -> int:
        """When a record was last written, in nanoseconds, 0 if never; costs one stat(2)."""
        try:
            return os.stat(self._directory).st_mtime_ns
        except OSError:
            return 0

    def of_node(self, node: str) -> list[Alias]:
        """The aliases of a node."""
        return [alias for alias in self.all() if alias.node == node]

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

    def _read(self, address: str) -> list[Alias]:
        try:
            with open(os.path.join(self._directory, address), encoding="utf-8") as file:
                return [Alias(**value) for value in json.load(file)]
        except (OSError, ValueError, TypeError):
            return []

    def _write(self, address: str, aliases: list[Alias]) -> None:
        path = os.path.join(self._directory, address)
        if aliases:
            replace_file(path, json.dumps([asdict(alias) for alias in aliases]).encode())
        elif os.path.exists(path):
            os.unlink(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        os.makedirs(self._directory, exist_ok=True)
        descriptor = os.open(os.path.join(self._directory, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
