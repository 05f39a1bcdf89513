"""What CAA sees of the machine and the lab around it, once a heartbeat: links, disks, addresses, fences."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from daemons.caa.aha.text import address_details
from daemons.caa.device import cluster_name
from daemons.caa.repository import Definition
from srcctl.errlog import log_entry
from srcctl.network.addresses import AddressRegistry
from srcctl.network.faults import Faults
from srcctl.node.root import NodeRoot
from srcctl.storage.device_names import own_names
from srcctl.storage.fences import FenceRegistry


class Change(NamedTuple):
    """Something has changed: an event of /aha, without the time at which it was seen."""

    kind: str
    node: int
    subject: str
    details: tuple[str, ...] = ()


class Surroundings:
    """What was seen last, and what has changed since.

    Args:
        root: the node.
        faults: the lab's.
    """

    def __init__(self, root: NodeRoot, faults: Faults) -> None:
        self._root, self._identity, self._faults = root, root.identity, faults
        self._failed: frozenset[str] = frozenset()
        self._addresses = AddressRegistry(self._identity.lab)
        self._addresses_at = -1
        self._aliases: dict[int, frozenset[tuple[str, str, str]]] = {}
        self._fences = FenceRegistry(self._identity.lab)
        self._fenced = False

    def links(self, networks: Iterable[str]) -> frozenset[str]:
        """The networks on which this node's link is up."""
        return frozenset(network for network in networks if self._faults.link_up(self._identity.node, network))

    def changes(self, definition: Definition, alive: Collection[int]) -> list[Change]:
        """What has changed since the last call.

        A disk of the lab fails for all nodes at once, so every node that is ``alive`` tells of it; who is here can only
        say of this node's volume groups what they have lost. An address is of the node that has it.
        """
        own = definition.node(self._identity.node)
        if own is None:
            return []
        return [*self._disks(definition, own.number, alive), *self._interfaces(definition, own.number, alive)]

    def _disks(self, definition: Definition, own: int, alive: Collection[int]) -> list[Change]:
        found: list[Change] = []
        failed = self._faults.current.disks
        for name in sorted(failed ^ self._failed):
            state = "DOWN" if name in failed else "UP"
            if name in definition.shared_disks:
                called = cluster_name(definition.shared_disks[name])
                found += [Change(f"DISK_{state}", node, called) for node in sorted({own, *alive})]
            from srcctl.storage.volume_groups import VolumeGroups

            groups = VolumeGroups(self._root)
            if group := groups.known_on(name):
                found.append(Change(f"VG_{state}", own, groups.name_of(name), (f"VG_NAME={group}",)))
        self._failed = failed
        return found

    def _interfaces(self, definition: Definition, own: int, alive: Collection[int]) -> list[Change]:
        """Addresses that come to interfaces and go: service addresses beside the boot addresses. What a node has when
        it comes up is no news; what it had goes with it."""
        numbers = {node.name: node.number for node in definition.nodes if node.number in {own, *alive}}
        changed = self._addresses.changed_at()
        if changed == self._addresses_at and set(numbers.values()) == self._aliases.keys():
            return []
        self._addresses_at = changed
        now = dict.fromkeys(numbers.values(), frozenset[tuple[str, str, str]]())
        for alias in self._addresses.all():
            if alias.node in numbers:
                now[numbers[alias.node]] |= {(alias.interface, alias.address, alias.netmask)}
        found: list[Change] = []
        for node, aliases in sorted(now.items()):
            before = self._aliases.get(node, frozenset() if node == own else aliases)
            for interface, address, netmask in sorted(aliases ^ before):
                kind = "ADDRESS_ADD" if (interface, address, netmask) in aliases else "ADDRESS_DELETE"
                found.append(Change(kind, node, interface, address_details(address, netmask)))
        self._aliases = now
        return found

    def live_aliases(self, definition: Definition, alive: Collection[int]) -> tuple[tuple[str, str, str, str], ...]:
        """Node, interface, address and netmask of what live nodes have configured beside their own addresses."""
        live = {node.name for node in definition.nodes if node.number in alive}
        return tuple((a.node, a.interface, a.address, a.netmask) for a in self._addresses.all() if a.node in live)

    def shut_out(self) -> str:
        """Why this node must give way, told once: the disks refuse it, before it could serve what it no longer has."""
        fence = self._fences.of(self._identity.node)
        if self._fenced or fence is None or fence.life != self._identity.boot_id:
            return ""
        self._fenced = True
        names = own_names(self._root)
        for disk in sorted(names.get(disk, disk) for disk in fence.disks):
            log_entry(self._root, "LVM_IO_FAIL", "LVDD", (("PHYSICAL VOLUME", disk),))
        return f"quarantine policy: this node is shut out of {' '.join(sorted(fence.disks))} by {fence.by}"

    def switched_on(self) -> list[str]:
        """At power on: fences of nodes whose keepers have all been off meanwhile end, this node keeps the others;
        returns the nodes that are let in.

        Raises:
            OSError: the lab cannot be written.
        """
        return self._fences.switched_on(self._identity.node, self._identity.boot_id)
