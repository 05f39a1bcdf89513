"""What a node says of itself when a configuration is verified."""

from __future__ import annotations

import os
import zlib

from daemons.caa import client as caa
from daemons.clcomd import access, security
from daemons.clconfd import init_entries, persistent_labels
from daemons.clstrmgr import client as manager
from daemons.cluster import synchronization
from daemons.cluster.configuration import CLASSES, DCD, OdmObject
from daemons.cluster.verification import FileSystemFacts, InterfaceFacts, NodeFacts, VolumeGroupFacts, levels
from daemons.cluster.verification.agreement import differences
from srcctl.network import hosts, options
from srcctl.network.addresses import AddressRegistry
from srcctl.node.commands.software import installed
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.storage.characteristics import of_volume
from srcctl.storage.descriptor_area import LogicalVolume
from srcctl.storage.disk import disk_names, pvid
from srcctl.storage.filesystems import read_stanzas, usage
from srcctl.storage.mirrors import stale_on
from srcctl.storage.partitions import SUPERSTRICT
from srcctl.storage.volume_groups import VolumeGroups, timestamp

CLIENT_HOSTS = "/usr/es/sbin/cluster/etc/clhosts.client"
RESERVED_WORDS = "/usr/es/sbin/cluster/etc/reserved_words"
NETMON = "/usr/es/sbin/cluster/netmon.cf"


def collect(root: NodeRoot, files: list[str]) -> NodeFacts:
    """The facts of this node; ``files`` are the programs and files that the configuration names."""
    identity = root.identity
    active, online = services_state(root)
    drift = _drift(root)
    objects = _attributes(root)
    attributes = _values(objects or [])
    own = tuple(
        InterfaceFacts(i.name, i.address, i.netmask, _number(attributes.get((i.name, "mtu"), ""), 1500))
        for i in identity.interfaces
    )
    community, smux_peer = _snmp(root)
    aliases = (alias.address for alias in AddressRegistry(identity.lab).of_node(identity.node))
    real = {path: root.path(path) for path in files if path.startswith("/")}
    return NodeFacts(
        hosts=tuple(hosts.entries(root)),
        services=_services(root),
        interfaces=own,
        addresses=frozenset((*(i.address for i in own), *aliases)),
        disks=frozenset(pvid(identity.lab_id, name) for name in disk_names(identity.lab)),
        volume_groups=_volume_groups(root, objects),
        file_systems={
            stanza.mount_point: FileSystemFacts(stanza.volume, stanza.attributes.get("mount", ""))
            for stanza in read_stanzas(root)
        },
        existing=frozenset(path for path, there in real.items() if os.path.isfile(there) and os.path.getsize(there)),
        executable=frozenset(p for p, there in real.items() if os.path.isfile(there) and os.access(there, os.X_OK)),
        netmon=_size(root.path(NETMON)) > 0,
        community=community,
        smux_peer=smux_peer,
        rhosts_fault=access.fault(root),
        certificate=_certificate(root),
        reserved_words=frozenset(word.lower() for line in _lines(root.path(RESERVED_WORDS)) for word in line.split()),
        services_active=active,
        online=online,
        network_options=_network_options(root),
        filesets=_filesets(root),
        client_hosts=client_hosts(root),
        persistent=frozenset(persistent_labels.configured(root)),
        var_free=_free(root),
        drift=drift or (),
        damaged=tuple(unreadable(root).values()),
        missing_init_entries=missing_init_entries(root, drift == ()),
    )


def services_state(root: NodeRoot) -> tuple[bool, frozenset[str]]:
    """Whether cluster services run here, and which groups hold resources here, or may.

    A cluster manager without cluster services knows no state of any group: it holds nothing.
    """
    try:
        picture = manager.query_state(root)
    except manager.ManagerUnreachable:
        return False, frozenset()
    own = picture.local_node
    held = (
        g.name
        for g in picture.groups
        if any(n.node == own and n.state not in ("OFFLINE", "OFFLINE SECONDARY", "UNKNOWN") for n in g.nodes)
    )
    return bool(picture.members), frozenset(held)


def _services(root: NodeRoot) -> frozenset[str]:
    words = (line.partition("#")[0].split() for line in _lines(root.path("/etc/services")))
    return frozenset(name for line in words if line for name in (line[0], *line[2:]))


def _attributes(root: NodeRoot) -> list[OdmObject] | None:
    """Attributes of this node's devices that are not the defaults; None if they cannot be read."""
    try:
        return Repository(root, "/etc/objrepos").get("CuAt")
    except OdmError:
        return None


def _values(objects: list[OdmObject]) -> dict[tuple[str, str], str]:
    """Values by device and attribute."""
    return {(str(o["name"]), str(o["attribute"])): str(o["value"]) for o in objects}


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default


def _volume_groups(root: NodeRoot, objects: list[OdmObject] | None) -> dict[str, VolumeGroupFacts]:
    if objects is None:
        return {}
    attributes = _values(objects)
    disks = [(str(o["name"]), str(o["value"])) for o in objects if o["attribute"] == "pv"]
    groups, found = VolumeGroups(root), {}
    for name in groups.known():
        known = groups.find(name)
        found[name] = VolumeGroupFacts(
            attributes.get((name, "vgserial_id"), ""),
            frozenset(value[:16] for group, value in disks if group == name),
            auto_on=attributes.get((name, "auto_on")) == "y",
            concurrent=attributes.get((name, "conc_capable")) == "y",
            varied_on=known is not None and groups.is_varied_on(known) and not groups.is_shared(known),
            current=known is None or attributes.get((name, "timestamp")) == timestamp(known),
            mount_points=tuple(v.mount_point for v in known.volumes if v.mount_point) if known is not None else (),
            quorum=known is None or known.quorum,
            one_copy=tuple(v.name for v in known.volumes if not v.mirrors) if known is not None else (),
            shared_disks=tuple(v.name for v in known.volumes if _shares_disks(v)) if known is not None else (),
            stale=sum(stale_on(known, disk) for disk in known.disks) if known is not None else 0,
        )
    return found


def _shares_disks(volume: LogicalVolume) -> bool:
    """Whether a disk has partitions of two copies of a volume, or may get such."""
    return bool(volume.mirrors) and of_volume(volume.characteristics, "strictness") != SUPERSTRICT


def _snmp(root: NodeRoot) -> tuple[str, bool]:
    """The community for clinfoES in snmpd's configuration, and whether the cluster manager may register with it."""
    from daemons.snmpd import configuration
    from daemons.snmpd.mib import CLSMUXPD

    agent = configuration.parse("\n".join(_lines(root.path(configuration.CONFIGURATION_FILE))))
    return agent.public_community or "", agent.serves(CLSMUXPD)


def _certificate(root: NodeRoot) -> str:
    """A checksum of the certificate for message security, "none" without one; "" before a synchronization."""
    if not synchronization.installed_generation(root):
        return ""
    pair = security.installed(root)
    return f"{zlib.crc32(''.join(pair).encode()):08x}" if pair is not None else "none"


def _network_options(root: NodeRoot) -> dict[str, int]:
    values = options.read(root)
    return {name: values.value(name) for name in (*levels.REQUIRED_OPTIONS, *levels.COMPARED_OPTIONS)}


def _filesets(root: NodeRoot) -> dict[str, str]:
    """Levels of the filesets that are compared; none if the vital product data cannot be read."""
    try:
        return {f.name: f.level for f in installed(root) if f.name.startswith(levels.FILESETS)}
    except OdmError:
        return {}


def client_hosts(root: NodeRoot) -> tuple[tuple[str, str], ...]:
    """Addresses and labels of clhosts.client, in order."""
    found = []
    for line in _lines(root.path(CLIENT_HOSTS)):
        address, _, label = line.partition("#")
        if address.strip():
            found.append((address.strip(), label.strip()))
    return tuple(found)


def _free(root: NodeRoot) -> int:
    """Bytes that are free in the node's /var, and really there on the host's disk; -1 if that cannot be measured."""
    try:
        size, used = usage(root, "/var")
        host = os.statvfs(root.path("/var"))
    except OSError:
        return -1
    return max(0, min(size - used, host.f_bavail * host.f_frsize))


def unreadable(root: NodeRoot) -> dict[str, str]:
    """The object classes of the configuration that this node cannot read, with the reason."""
    repository, found = Repository(root, DCD), {}
    for name in CLASSES:
        try:
            repository.describe(name)
        except OdmError as error:
            found[name] = str(error)
    return found


def missing_init_entries(root: NodeRoot, in_step: bool) -> tuple[str, ...]:
    """The cluster's entries that /etc/inittab lacks.

    Args:
        root: the node.
        in_step: its configuration is the one that was synchronized last; what an edited one asks for comes with the
            next synchronization.
    """
    there = init_entries.present(root)
    wanted = (init_entries.needed(root) if in_step else None) or frozenset({init_entries.HACMP})
    return tuple(sorted(wanted - there)) if there is not None else ()


def _drift(root: NodeRoot) -> tuple[str, ...] | None:
    """How the object classes differ from what was synchronized last, None if there is nothing to compare them with."""
    try:
        repository = caa.repository(root)
        commit = repository.read_commit()
        archive = repository.read_archive(commit) if commit is not None else None
        if commit is None or archive is None:
            return None
        if synchronization.installed_generation(root, commit.checksum) != commit.generation:
            return None  # behind, not edited: clconfd's affair
        committed = synchronization.localize(synchronization.unpack(archive), root.identity.node)
        here = synchronization.unpack(synchronization.pack(Repository(root, DCD)))
    except (caa.CaaError, caa.RepositoryError, synchronization.ArchiveError, OdmError, OSError):
        return None
    return tuple(differences(committed, here))


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
