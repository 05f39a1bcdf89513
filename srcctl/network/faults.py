"""Faults of networks and shared disks that ``srcctl link | partition | disk`` injects.

They are a file in the lab's shared folder. Whoever sends or receives asks it each time; a look costs one stat(2). No
privilege is needed, and every program of a node obeys: the heartbeats, Group Services, clcomd, the disks.
"""

from __future__ import annotations

import os

from srcctl.commands.record import Record
from srcctl.node.locks import locked
from srcctl.node.root import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    MemberT = TypeVar("MemberT")

FAULTS_FILE = "faults.json"
ROOT_DISK = "hdisk0"


def _with(among: frozenset[MemberT], one: MemberT, there: bool) -> frozenset[MemberT]:
    """The set with one member in it or not."""
    return among | {one} if there else among - {one}


def root_disk(node: str) -> str:
    """A node's own disk among the failed ones: every node has one of the same name."""
    return f"{ROOT_DISK} of {node}"


class Partition(Record):
    """Two sets of nodes that do not reach each other; ``keep_disk`` spares the path over the repository disk,
    ``one_way`` what the second set sends."""

    first: frozenset[str]
    second: frozenset[str]
    keep_disk: bool = False
    one_way: bool = False

    def separates(self, one: str, other: str) -> bool:
        """Whether the two nodes are on different sides."""
        return self.stops(one, other) or self.stops(other, one)

    def stops(self, source: str, target: str) -> bool:
        """Whether what one node sends does not reach another one."""
        if source in self.first and target in self.second:
            return True
        return not self.one_way and source in self.second and target in self.first


class FaultSet(Record):
    """All faults in force, and the interfaces (node and network) that the node itself has taken down (``ifconfig``,
    ``chdev``): as with a cable that is pulled nothing passes, but a fault that is mended does not bring them up."""

    links: frozenset[tuple[str, str]] = frozenset()
    partitions: tuple[Partition, ...] = ()
    disks: frozenset[str] = frozenset()
    interfaces: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def parse(cls, text: str | bytes) -> FaultSet:
        """From the file's text; a damaged file means no faults."""
        import json

        try:
            value = json.loads(text)
            return cls(
                frozenset((str(node), str(network)) for node, network in value["links"]),
                tuple(
                    Partition(
                        frozenset(p["first"]), frozenset(p["second"]), bool(p["keep_disk"]), bool(p.get("one_way"))
                    )
                    for p in value["partitions"]
                ),
                frozenset(map(str, value["disks"])),
                frozenset((str(node), str(network)) for node, network in value.get("interfaces", ())),
            )
        except (ValueError, KeyError, TypeError):
            return cls()

    def text(self) -> str:
        """The file's text."""
        import json

        value = {
            "links": sorted(map(list, self.links)),
            "partitions": [
                {
                    "first": sorted(p.first),
                    "second": sorted(p.second),
                    "keep_disk": p.keep_disk,
                    "one_way": p.one_way,
                }
                for p in self.partitions
            ],
            "disks": sorted(self.disks),
            "interfaces": sorted(map(list, self.interfaces)),
        }
        return json.dumps(value, indent=1) + "\n"

    def describe(self) -> list[str]:
        """The faults, a sentence each."""
        lines = [f"the link of {node} to {network} is down" for node, network in sorted(self.links)]
        lines += [f"the interface of {node} on {network} was taken down" for node, network in sorted(self.interfaces)]
        for p in self.partitions:
            kept = ", the repository disk is kept" if p.keep_disk else ""
            first, second = ", ".join(sorted(p.first)), ", ".join(sorted(p.second))
            cut = f"what {first} sends does not reach {second}" if p.one_way else f"{first} and {second} are cut off"
            lines.append(f"{cut}{kept}")
        return lines + [f"{disk} has failed" for disk in sorted(self.disks)]


class Faults:
    """The faults of a lab, read again whenever the file changed.

    Args:
        lab: the lab's shared folder.
    """

    def __init__(self, lab: str) -> None:
        self._lab = lab
        self._path = os.path.join(lab, FAULTS_FILE)
        self._stamp: tuple[int, int] | None = None
        self._faults = FaultSet()

    @property
    def current(self) -> FaultSet:
        """All faults in force now."""
        try:
            status = os.stat(self._path)
        except OSError:
            self._stamp, self._faults = None, FaultSet()
            return self._faults
        stamp = status.st_ino, status.st_mtime_ns
        if stamp != self._stamp:
            try:
                with open(self._path, "rb") as file:
                    self._faults = FaultSet.parse(file.read())
                self._stamp = stamp
            except OSError:
                pass
        return self._faults

    def link_up(self, node: str, network: str) -> bool:
        """Whether the node's interface on the network works."""
        faults = self.current
        return (node, network) not in faults.links and (node, network) not in faults.interfaces

    def interface_up(self, node: str, network: str) -> bool:
        """Whether the node has its interface on the network up, with a link or without one."""
        return (node, network) not in self.current.interfaces

    def cut(self, one: str, other: str) -> bool:
        """Whether a partition separates two nodes on all networks."""
        return any(p.separates(one, other) for p in self.current.partitions)

    def passes(self, source: str, target: str, network: str) -> bool:
        """Whether a packet of one node reaches another one on a network."""
        faults = self.current
        if any((node, network) in down for node in (source, target) for down in (faults.links, faults.interfaces)):
            return False
        return not any(p.stops(source, target) for p in faults.partitions)

    def reachable(self, one: str, other: str, network: str) -> bool:
        """Whether packets pass between two nodes on a network, both ways."""
        return self.link_up(one, network) and self.link_up(other, network) and not self.cut(one, other)

    def any_path(self, one: str, other: str, networks: Iterable[str]) -> bool:
        """Whether packets pass between two nodes on any of the networks."""
        return one == other or any(self.reachable(one, other, network) for network in networks)

    def disk_cut(self, one: str, other: str) -> bool:
        """Whether two nodes do not see each other's sectors of the repository disk, neither of them."""
        return any(p.separates(one, other) and not p.keep_disk and not p.one_way for p in self.current.partitions)

    def disk_hides(self, source: str, target: str) -> bool:
        """Whether a node does not see what another one writes into its sector of the repository disk."""
        return any(p.stops(source, target) and not p.keep_disk for p in self.current.partitions)

    def disk_failed(self, disk: str) -> bool:
        """Whether a shared disk has failed."""
        return disk in self.current.disks

    # What srcctl changes.

    def set_link(self, node: str, network: str, up: bool) -> None:
        """Cut or mend an interface.

        Raises:
            OSError: the lab cannot be written.
        """
        self._change(lambda faults: faults._replace(links=_with(faults.links, (node, network), not up)))

    def set_interface(self, node: str, network: str, up: bool) -> None:
        """Take a node's interface down, or bring it up, as its administrator does.

        Raises:
            OSError: the lab cannot be written.
        """
        self._change(lambda faults: faults._replace(interfaces=_with(faults.interfaces, (node, network), not up)))

    def partition(self, first: Sequence[str], second: Sequence[str], keep_disk: bool, one_way: bool = False) -> None:
        """Cut everything between two sets of nodes, or only what the first one sends.

        Raises:
            OSError: the lab cannot be written.
        """

        def change(faults: FaultSet) -> FaultSet:
            added = Partition(frozenset(first), frozenset(second), keep_disk, one_way)
            kept = tuple(p for p in faults.partitions if {p.first, p.second} != {added.first, added.second})
            return faults._replace(partitions=(*kept, added))

        self._change(change)

    def heal(self) -> None:
        """Mend every partition and every link.

        Raises:
            OSError: the lab cannot be written.
        """
        self._change(lambda faults: FaultSet(disks=faults.disks, interfaces=faults.interfaces))

    def set_disk(self, disk: str, failed: bool) -> None:
        """Let a shared disk fail, or repair it.

        Raises:
            OSError: the lab cannot be written.
        """
        self._change(lambda faults: faults._replace(disks=_with(faults.disks, disk, failed)))

    def _change(self, change: Callable[[FaultSet], FaultSet]) -> None:
        with locked(self._path + ".lock"):
            replace_file(self._path, change(self.current).text().encode())
