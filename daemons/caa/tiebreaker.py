"""The tie breaker of split policy TieBreaker: one disk that one side of a split reserves for itself.

A reservation names the nodes of the side that holds it. Whoever is among them may narrow it to what is left of its side
after a further split, and widens it to nodes that come back; it is released when all nodes are back (the PowerHA manual
"Tie breaker option for split and merge policies"). Whoever is not among them may not act. A reservation dies with its
nodes, as all reservations of disks here.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from daemons.caa.repository import find_disk
from srcctl.network.faults import Faults
from srcctl.network.liveness import is_alive
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError, Repository

DIRECTORY = "reservations"
CLASS = "HACMPsplitmerge"
CONFIGURATION = "/etc/es/objrepos"


class SplitPolicy:
    """The split policy of the cluster configuration on this node, read again whenever it changed.

    Args:
        root: the node's root.
    """

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._stamp: tuple[int, int] | None = None
        self._breaker: TieBreaker | None = None

    @property
    def breaker(self) -> TieBreaker | None:
        """The tie breaker, None unless the policy is TieBreaker."""
        try:
            status = os.stat(self._root.path(f"{CONFIGURATION}/{CLASS}"))
        except OSError:
            return None
        stamp = status.st_ino, status.st_mtime_ns
        if stamp != self._stamp:
            self._stamp, self._breaker = stamp, self._read()
        return self._breaker

    def _read(self) -> TieBreaker | None:
        try:
            found = Repository(self._root, CONFIGURATION).get(CLASS)
        except OdmError:
            return None
        policies = {str(o["policy"]): str(o["value"]) for o in found}
        identity = self._root.identity
        disk = find_disk(self._root, policies.get("tiebreaker", ""))
        if policies.get("split") != "TieBreaker" or disk is None:
            return None
        return TieBreaker(identity.lab, disk, identity.node)


class TieBreaker:
    """A tie breaker as one node sees it.

    Args:
        lab: the lab's shared folder.
        disk: the disk.
        own: this node's name.
    """

    def __init__(self, lab: str, disk: str, own: str) -> None:
        self._lab = lab
        self._disk = disk
        self._own = own
        self._faults = Faults(lab)
        self._path = os.path.join(lab, DIRECTORY, f"{disk}.tiebreaker")

    def reserve(self, side: frozenset[str]) -> bool:
        """Reserve it for this node's side; False if another side holds it.

        Raises:
            OSError: the disk has failed.
        """
        with self._locked():
            holders = self._holders()
            if holders and self._own not in holders:
                return False
            self._write(side if not holders else side & holders or side)
        return True

    def admits(self) -> bool:
        """Whether this node may act: nobody holds it, or its own side does.

        Raises:
            OSError: the disk has failed.
        """
        with self._locked():
            holders = self._holders()
        return not holders or self._own in holders

    def welcome(self, alive: frozenset[str], everybody: frozenset[str]) -> None:
        """Nodes are back: the holding side takes them in, and with the last of them releases the disk.

        Raises:
            OSError: the disk has failed.
        """
        with self._locked():
            holders = self._holders()
            if not holders or self._own not in holders or alive <= holders:
                return
            self._write(frozenset() if alive >= everybody else holders | alive)

    def _holders(self) -> frozenset[str]:
        try:
            with open(self._path, encoding="utf-8") as file:
                names = frozenset(map(str, json.load(file)))
        except (OSError, ValueError, TypeError):
            return frozenset()
        return names if any(is_alive(self._lab, name) for name in names) else frozenset()

    def _write(self, side: frozenset[str]) -> None:
        if side:
            replace_file(self._path, json.dumps(sorted(side)).encode())
        elif os.path.exists(self._path):
            os.unlink(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._faults.disk_failed(self._disk):
            raise OSError(5, "Input/output error", self._disk)
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
