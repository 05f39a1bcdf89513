"""What checks look at and what they find."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from daemons.cluster.configuration import Configuration


class InterfaceFacts(msgspec.Struct, frozen=True):
    """A network interface of a node, with its first address; ``mtu`` in bytes."""

    name: str
    address: str
    netmask: str
    mtu: int = 1500


class VolumeGroupFacts(msgspec.Struct, frozen=True):
    """A volume group as a node's ODM has it: its identifier and the PVIDs of its disks.

    ``auto_on``: varied on at boot; ``concurrent``: concurrent capable; ``varied_on``: this node has it for itself now;
    ``current``: the ODM has the time stamp of the descriptor area; ``mount_points``: what the descriptor area has;
    ``quorum``: what chvg -Q says; ``one_copy`` and ``shared_disks``: logical volumes without mirrors, and those whose
    copies share disks (they are not superstrict); ``stale``: stale partitions.
    """

    identifier: str
    disks: frozenset[str] = frozenset()
    auto_on: bool = False
    concurrent: bool = True
    varied_on: bool = False
    current: bool = True
    mount_points: tuple[str, ...] = ()
    quorum: bool = True
    one_copy: tuple[str, ...] = ()
    shared_disks: tuple[str, ...] = ()
    stale: int = 0


class FileSystemFacts(msgspec.Struct, frozen=True):
    """A stanza of a node's /etc/filesystems: the logical volume, and the ``mount`` attribute."""

    volume: str
    mount: str = "false"


class NodeFacts(msgspec.Struct, frozen=True):
    """What a node said of itself.

    Attributes:
        reachable: its clcomd answered; otherwise all else is empty.
        down: what CAA says of a node that cannot be reached: it is powered off, not merely without clcomd.
        hosts: pairs of address and names, in the order of /etc/hosts.
        services: service names of /etc/services.
        interfaces: the node's interfaces.
        addresses: every address that its interfaces hold now, aliases too.
        disks: PVIDs of the disks that it sees.
        volume_groups: those that its ODM knows, by name (without rootvg).
        file_systems: by mount point.
        existing, executable: of the files that the configuration names, those that exist and those that can be run.
        netmon: whether netmon.cf exists and is not empty.
        community: the SNMP community that clinfoES asks with (/etc/snmpd.conf), "" for none.
        smux_peer: whether /etc/snmpd.conf lets the cluster manager register with snmpd.
        rhosts_fault: why /etc/cluster/rhosts is ignored, "" if it is not.
        certificate: the checksum of the certificate for message security that was synchronized, "none" for none; ""
            where nothing was synchronized yet.
        reserved_words: what /usr/es/sbin/cluster/etc/reserved_words keeps from being names, in lower case.
        services_active: cluster services run on it.
        online: the resource groups that its cluster manager has online on it.
        network_options: its network options (``no``), of those that verification looks at.
        filesets: levels of the installed filesets that verification compares.
        client_hosts: addresses and labels of its clhosts.client, in order.
        persistent: the persistent addresses that it has been given once.
        var_free: bytes that are free in /var, -1 if that cannot be measured.
        drift: how its object classes differ from what was synchronized last, a sentence each.
        damaged: the object classes of the cluster that cannot be read, a sentence each.
        missing_init_entries: identifiers of the cluster's entries that its /etc/inittab should have and has not.
    """

    reachable: bool = True
    down: bool = False
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    services: frozenset[str] = frozenset()
    interfaces: tuple[InterfaceFacts, ...] = ()
    addresses: frozenset[str] = frozenset()
    disks: frozenset[str] = frozenset()
    volume_groups: dict[str, VolumeGroupFacts] = {}
    file_systems: dict[str, FileSystemFacts] = {}
    existing: frozenset[str] = frozenset()
    executable: frozenset[str] = frozenset()
    netmon: bool = False
    community: str = "public"
    smux_peer: bool = True
    rhosts_fault: str = ""
    certificate: str = ""
    reserved_words: frozenset[str] = frozenset()
    services_active: bool = False
    online: frozenset[str] = frozenset()
    network_options: dict[str, int] = {}
    filesets: dict[str, str] = {}
    client_hosts: tuple[tuple[str, str], ...] = ()
    persistent: frozenset[str] = frozenset()
    var_free: int = -1
    drift: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    missing_init_entries: tuple[str, ...] = ()

    def address_of(self, label: str) -> str:
        """The address of an IP label in the node's /etc/hosts, "" if it is not there."""
        return next((address for address, names in self.hosts if label in names), "")


class Correction(msgspec.Struct, frozen=True):
    """What would mend a finding on a node.

    ``question`` is what is asked before it in interactive mode, "" for the usual words.
    ``kind`` is hosts, volume_group, auto_on, varyoff, mount, services, snmp, community, alias, persistent, option,
    classes, inittab or clhosts; ``arguments`` are for ``cl_config correct`` on that node; ``function`` and ``text`` are
    what the administrator reads.
    """

    node: str
    kind: str
    arguments: tuple[str, ...]
    function: str
    text: str
    question: str = ""


class Finding(msgspec.Struct, frozen=True):
    """What a check found. Errors stop a synchronization, warnings do not. ``blank`` stands behind the colon."""

    error: bool
    text: str
    correction: Correction | None = None
    blank: str = " "

    def line(self) -> str:
        """What verification prints."""
        return f"{'ERROR' if self.error else 'WARNING'}:{self.blank}{self.text}"


def error(text: str, correction: Correction | None = None) -> Finding:
    """A finding that stops a synchronization."""
    return Finding(True, text, correction)


def unreachable(node: str) -> Finding:
    """A node whose clcomd does not answer. The product prints this one without blanks, as it was seen."""
    return Finding(True, f"Comm error found on node:{node}", blank="")


def warning(text: str, correction: Correction | None = None) -> Finding:
    """A finding that does not."""
    return Finding(False, text, correction)


class Case(msgspec.Struct, frozen=True):
    """What is verified: the configuration, and what its nodes said.

    Nodes that did not answer are judged by ``environment.nodes_answer`` alone: all other checks pass over them.
    """

    configuration: Configuration
    facts: dict[str, NodeFacts]

    @property
    def active(self) -> bool:
        """Cluster services run somewhere."""
        return any(known.services_active for known in self.facts.values())

    def known(self, node: str) -> NodeFacts | None:
        """What a node said, None if it did not answer."""
        found = self.facts.get(node)
        return found if found is not None and found.reachable else None

    def answering(self, nodes: tuple[str, ...] | None = None) -> Iterator[tuple[str, NodeFacts]]:
        """The nodes (all by default) that answered, with what they said."""
        for name in nodes if nodes is not None else tuple(node.name for node in self.configuration.nodes):
            found = self.known(name)
            if found is not None:
                yield name, found
