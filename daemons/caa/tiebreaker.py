"""The split policy of a cluster, and its tie breakers: a disk, or a file of an NFS server, that one side reserves.

A reservation names the nodes of the side that holds it. Whoever is among them may narrow it to what is left of its side
after a further split, and widens it to nodes that come back; it is released when all nodes are back (the PowerHA manual
"Tie breaker option for split and merge policies"). Whoever is not among them may not act. A reservation dies with its
nodes, as all reservations of disks here; a node that leaves the cluster, or whose CAA is stopped, gives its part up.

An NFS server is no node of the lab: its exports are directories of the lab's shared folder, which every node reaches
whatever the networks between the nodes do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from daemons.caa.repository import find_disk
from daemons.runtime.dynamic_settings import CLASS as SETTINGS
from daemons.runtime.dynamic_settings import dynamic_settings
from srcctl.network.faults import Faults
from srcctl.network.liveness import is_alive
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError, Repository

DIRECTORY = "reservations"
EXPORTS = "nfs"
CLASS = "HACMPsplitmerge"
SITES = "HACMPsite"
CONFIGURATION = "/etc/es/objrepos"


class Site(NamedTuple):
    """A site: its nodes by name, and its recovery priority, 1 the highest; UNRANKED for MANUAL or none."""

    nodes: frozenset[str]
    priority: int


UNRANKED = 99


class Policies(NamedTuple):
    """What the cluster configuration says of splits and merges, in clmgr's words."""

    split: str = "none"
    merge: str = "majority"
    action: str = "reboot"
    breaker: TieBreaker | None = None
    sites: tuple[Site, ...] = ()

    def beyond(self, node: str) -> frozenset[str]:
        """The nodes at another site than a node's own; none where it, or they, are at no site."""
        own = next((site for site in self.sites if node in site.nodes), None)
        return frozenset(name for site in self.sites if own is not None and site is not own for name in site.nodes)

    def priority(self, node: str) -> int:
        """The recovery priority of a node's site, 1 the highest."""
        return next((site.priority for site in self.sites if node in site.nodes), UNRANKED)

    @property
    def arbitrates(self) -> bool:
        """A side of a split must be told that it may act."""
        return self.breaker is not None or self.split == "manual"


class SplitPolicy:
    """The policies of the cluster configuration on this node, read again whenever they changed.

    Args:
        root: the node's root.
    """

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._stamp: tuple[tuple[int, int] | None, ...] = ()
        self._policies = Policies()

    @property
    def current(self) -> Policies:
        """The policies in force."""
        stamp = tuple(self._stamp_of(name) for name in (CLASS, SETTINGS, SITES))
        if stamp != self._stamp:
            self._stamp, self._policies = stamp, self._read() if any(stamp) else Policies()
        return self._policies

    @property
    def breaker(self) -> TieBreaker | None:
        """The tie breaker, None unless the policy has one."""
        return self.current.breaker

    def _stamp_of(self, name: str) -> tuple[int, int] | None:
        try:
            status = os.stat(self._root.path(f"{CONFIGURATION}/{name}"))
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _read(self) -> Policies:
        try:
            objects = Repository(self._root, CONFIGURATION).get(CLASS)
            found = {str(o["policy"]): str(o["value"]) for o in objects}
            settings = dynamic_settings(self._root, CONFIGURATION)
            sites = tuple(_site(o, settings) for o in Repository(self._root, CONFIGURATION).get(SITES))
        except OdmError:
            return Policies()
        split = found.get("split", "None").lower()
        action = found.get("action", "Reboot").lower()
        merge, breaker = found.get("merge", "Majority").lower(), self._breaker(split, found, settings)
        return Policies(split, merge, action, breaker, sites)

    def _breaker(self, split: str, found: dict[str, str], settings: dict[str, str]) -> TieBreaker | None:
        identity = self._root.identity
        if split == "tiebreaker":
            disk = find_disk(self._root, found.get("tiebreaker", ""))
            return TieBreaker(identity.lab, disk, identity.node) if disk is not None else None
        server, export = settings.get("NFS_QUORUM_SERVER", ""), settings.get("REMOTE_QUORUM_DIRECTORY", "")
        if split == "nfs" and server and export:
            return NfsTieBreaker(identity.lab, server, export, identity.node)
        return None


def _site(site: Mapping[str, object], settings: dict[str, str]) -> Site:
    priority = settings.get(f"SITE.{site.get('name', '')}.RECOVERY_PRIORITY", "")
    return Site(
        frozenset(str(site.get("nodelist", "")).split()),
        int(priority) if priority.isascii() and priority.isdigit() and len(priority) <= 10 else UNRANKED,
    )


class TieBreaker:
    """A tie breaker disk as one node sees it.

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

    def lets_in(self, alive: frozenset[str], everybody: frozenset[str]) -> bool:
        """Whether this node, which has just joined, may take part: no other side holds the tie breaker. Where not
        everybody is alive its side reserves it.

        Raises:
            OSError: the disk has failed.
        """
        return self.admits() if alive == everybody else self.reserve(alive)

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

    def resign(self) -> None:
        """This node is of no side any more; the others of its side go on holding it.

        Raises:
            OSError: the disk has failed.
        """
        with self._locked():
            holders = self._holders()
            if self._own in holders:
                self._write(holders - {self._own})

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

    def _reach(self) -> None:
        if self._faults.disk_failed(self._disk):
            raise OSError(5, "Input/output error", self._disk)
        os.makedirs(os.path.dirname(self._path), exist_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._reach()
        with locked(f"{self._path}.lock"):
            yield


class NfsTieBreaker(TieBreaker):
    """A file in a directory that an NFS server exports.

    Args:
        lab: the lab's shared folder.
        server: the server's name.
        export: the exported directory.
        own: this node's name.
    """

    def __init__(self, lab: str, server: str, export: str, own: str) -> None:
        super().__init__(lab, f"{server}:{export}", own)
        self._directory = os.path.join(lab, EXPORTS, server.replace("/", "_").lstrip(".") or "server", *_parts(export))
        self._path = os.path.join(self._directory, "quorum.tiebreaker")

    def _reach(self) -> None:
        os.makedirs(self._directory, exist_ok=True)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".", "..")]
