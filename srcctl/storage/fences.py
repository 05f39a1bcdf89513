"""Fences of shared disks: a node is shut out of disks until it is let in again, whatever becomes of it meanwhile.

What SCSI-3 persistent reservations do on the product: the storage itself refuses a node whose registration another one
has preempted, over every path and after a restart of either, until it may register again. So no partition hides a fence
from anybody. The life of a node in which it was fenced ends: CAA finds that the disks refuse it, as the kernel does at
the next input or output, and the node gives way.

A fence is there for the side that goes on, and ends with it: its keepers are the nodes that were on when it was made,
and those that were switched on while a keeper was on. Once all of them have been off nobody has anything that the
fenced node could spoil, and nobody is left who would let it in: the first node that is switched on then takes the fence
away (as a reservation ends with its registrations where it does not persist through power loss). A node whose fenced
life still goes on stays shut out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from srcctl.commands.record import Record
from srcctl.network.liveness import is_alive, life_of
from srcctl.node.locks import locked
from srcctl.node.root import replace_file

DIRECTORY = "fences"


class Fence(Record):
    """Disks out of which a node is shut, the node that has done it, the life that was fenced ("": it was off), and the
    keepers of the fence, each with the life in which it keeps it."""

    disks: frozenset[str]
    by: str
    life: str
    keepers: frozenset[tuple[str, str]] = frozenset()


class ShutOut(Exception):
    """Who wants to shut another node out is shut out itself; ``str()`` says by whom."""


class FenceRegistry:
    """The fences of a lab: a file for each node that is shut out of something.

    Args:
        lab: the lab's shared folder.
    """

    def __init__(self, lab: str) -> None:
        self._lab = lab
        self._directory = os.path.join(lab, DIRECTORY)

    def of(self, node: str) -> Fence | None:
        """Out of which disks a node is shut; one stat(2) for most nodes, which are shut out of none."""
        try:
            with open(os.path.join(self._directory, node), encoding="utf-8") as file:
                value = json.load(file)
            keepers = frozenset((str(name), str(life)) for name, life in value.get("keepers", {}).items())
            return Fence(frozenset(map(str, value["disks"])), str(value["by"]), str(value["life"]), keepers)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def all(self) -> dict[str, Fence]:
        """The fences of all nodes."""
        try:
            names = sorted(name for name in os.listdir(self._directory) if not name.startswith("."))
        except OSError:
            return {}
        return {name: fence for name in names if (fence := self.of(name)) is not None}

    def fence(self, node: str, disks: Iterable[str], by: str) -> str:
        """Shut a node out of some disks.

        Args:
            node: who is shut out.
            disks: their names.
            by: who does it; nobody that is shut out of one of the disks itself.

        Returns:
            The life of the node that is fenced, "" if it is off.

        Raises:
            ShutOut: ``by`` was fenced before; nothing is done.
            OSError: the lab cannot be written.
        """
        wanted = frozenset(disks)
        with self._locked():
            against = self.of(by)
            if against is not None and against.disks & wanted:
                raise ShutOut(f"node {by} is shut out of {' '.join(sorted(against.disks & wanted))} by {against.by}")
            before = self.of(node)
            life = self._life(node)
            disks_out = wanted | (before.disks if before else frozenset())
            shut_out = {node, *self.all()}
            keepers = {(name, alive) for name in self._nodes() - shut_out if (alive := self._life(name))}
            self._write(node, Fence(disks_out, by, life, frozenset(keepers)))
            return life

    def switched_on(self, node: str, life: str) -> list[str]:
        """A node has been switched on and has no disk yet: fences without keepers end, it keeps the others.

        Args:
            node: the node, which keeps no fence while it is shut out itself.
            life: its life.

        Returns:
            The nodes that are let in because all that had kept them out have been off.

        Raises:
            OSError: the lab cannot be written.
        """
        if not self.all():
            return []
        lifted = []
        with self._locked():
            fences = self.all()
            for name, fence in fences.items():
                keepers = {keeper for keeper in fence.keepers if self._goes_on(*keeper)}
                if keepers or (fence.life and self._goes_on(name, fence.life)):
                    if node not in fences:
                        self._write(name, fence._replace(keepers=frozenset(keepers | {(node, life)})))
                else:
                    self._erase(name)
                    lifted.append(name)
        return lifted

    def _nodes(self) -> set[str]:
        """The nodes of the lab that were ever switched on."""
        try:
            return {name for name in os.listdir(os.path.join(self._lab, "power")) if not name.startswith(".")}
        except OSError:
            return set()

    def _write(self, node: str, fence: Fence) -> None:
        value = {"disks": sorted(fence.disks), "by": fence.by, "life": fence.life, "keepers": dict(fence.keepers)}
        replace_file(os.path.join(self._directory, node), json.dumps(value).encode())

    def lift(self, node: str) -> bool:
        """Let a node in again; False if it was not shut out.

        Raises:
            OSError: the lab cannot be written.
        """
        with self._locked():
            try:
                self._erase(node)
            except FileNotFoundError:
                return False
            return True

    # What a simulation has in memory instead.

    def _life(self, node: str) -> str:
        return life_of(self._lab, node)

    def _goes_on(self, node: str, life: str) -> bool:
        return is_alive(self._lab, node, life)

    def _erase(self, node: str) -> None:
        os.unlink(os.path.join(self._directory, node))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        os.makedirs(self._directory, exist_ok=True)
        with locked(os.path.join(self._directory, ".lock")):
            yield
