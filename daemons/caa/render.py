"""The views of lscluster: data in, exact text out.

Labels, order and the lines that parsers rely on are those of the AIX 7.2 documentation and of published parsers; the
indentation was rebuilt there (inferred), as was the layout of ``-c`` beyond its first and third line.
"""

from __future__ import annotations

import hashlib
import ipaddress

from daemons.caa.messages import DISK_PATH, LOCAL_SITE, DiskState, Membership, Node, Site, Status
from srcctl.node.root import Identity

RULE = "-" * 76
TABLE_RULE = "-" * 71
CAPABILITIES = "CAA_NETMON, AUTO_REPOS_REPLACE, HNAME_CHG, UNICAST, IPV6, SITE"


def nodes(status: Status, membership: Membership, identity: Identity) -> str:
    """``lscluster -m``."""
    lines = ["Calling node query for all nodes...", f"Node query number of nodes examined: {len(membership.nodes)}", ""]
    trips = {node: (smoothed, deviation) for node, smoothed, deviation in status.round_trips}
    isolated = _is_isolated(membership)
    own_site = next((membership.site_of(n.name) for n in membership.nodes if n.number == membership.own), None)
    for number, node in enumerate(membership.nodes):
        if number:
            lines += ["", RULE]
        own = node.number == membership.own
        state = "UP" if node.number in membership.up else "DOWN"
        smoothed, deviation = trips.get(node.number, (0, 0))
        paths = [] if isolated else [path for path in membership.paths if path.node == node.number]
        on_networks = any(path.up for path in paths if path.network != DISK_PATH)
        site = membership.site_of(node.name)
        lines += [
            "",
            f"\tNode name: {node.name}",
            f"\tCluster shorthand id for node: {node.number}",
            f"\tUUID for node: {node.uuid}",
            f"\tState of node: {state}{'  NODE_LOCAL' if own else ''}",
            f"\tSmoothed rtt to node: {smoothed}",
            f"\tMean Deviation in network rtt to node: {deviation}",
            "\tNumber of clusters node is a member in: 1",
            "\tCLUSTER NAME       SHID         UUID",
            f"\t{membership.cluster_name:<18} 0            {membership.cluster_id}",
            "\tSITE NAME          SHID         UUID",
            f"\t{site.name:<18} {site.number:<12} {site.uuid}",
            "",
            f"\tPoints of contact for node: {len(paths)}",
        ]
        # Multicast has the interface in a row, unicast the connection with both its ends (published monitors); another
        # site is reached by unicast always.
        multicast = dict(status.tunables).get("communication_mode") == "m" and site == own_site
        if paths:
            title = "\tInterface     State  Protocol    Status"
            lines += [f"\t{TABLE_RULE}", title if multicast else f"{title}     SRC_IP->DST_IP", f"\t{TABLE_RULE}"]
            # The manual's sample, of multicast, begins with the disk; with unicast it comes last (inferred).
            for path in sorted(paths, key=lambda path: multicast and path.network != DISK_PATH):
                word = "UP" if path.up else "DOWN"
                if path.network == DISK_PATH:
                    # Used when no network leads there any more: DOWN beside one that does, in the manual's sample of a
                    # healthy cluster; what it reads when it is used is inferred from that.
                    used = path.up and not on_networks
                    word, status_word = ("UP", "none") if used else ("DOWN", "RESTRICTED")
                    lines.append(f"\t{DISK_PATH:<13} {word:<6} {'none':<11} {status_word}")
                elif multicast:
                    lines.append(f"\t{_interface(status, path.network):<13} {word:<6} {'IPv4':<11} none")
                else:
                    name = f"tcpsock->{node.number:02d}"
                    ends = f"{path.local_address}->{path.remote_address}"
                    lines.append(f"\t{name:<13} {word:<6} {'IPv4':<11} {'none':<10} {ends}")
    return "\n".join(lines) + "\n"


def _is_isolated(membership: Membership) -> bool:
    """Whether this node has neither a network nor the repository: it has no point of contact, not even one that is
    DOWN."""
    own = next((node for node in membership.nodes if node.number == membership.own), None)
    return (
        own is not None
        and not membership.repository_up
        and all((own.number, network) in membership.interfaces_down for network, _ in own.addresses)
    )


def _interface(status: Status, network: str) -> str:
    """The interface on a network, which has the same name on every node."""
    return next((i.name for i in status.interfaces if i.network == network), network)


def _head(title: str, membership: Membership, stale: bool) -> list[str]:
    lines = [
        title,
        "",
        f"Cluster Name: {membership.cluster_name}",
        f"Cluster uuid: {membership.cluster_id}",
        f"Number of nodes reporting = {len(membership.up)}",
    ]
    if stale:
        lines.append(f"Number of nodes stale = {len(membership.stale)}")
    return [*lines, f"Number of nodes expected = {len(membership.nodes)}"]


def interfaces(status: Status, membership: Membership, identity: Identity) -> str:
    """``lscluster -i``: the interfaces of every node that is up, in the state that the node itself tells.

    The states of interfaces are those of links; round-trip times are per node (0 for the local one).
    """
    lines = _head("Network/Storage Interface Query", membership, stale=True)
    trips = {node: (smoothed, deviation) for node, smoothed, deviation in status.round_trips}
    for node in membership.nodes:
        if node.number not in membership.up:
            continue
        smoothed, deviation = trips.get(node.number, (0, 0))
        lines += [
            "",
            f"Node {node.name}",
            f"Node UUID = {node.uuid}",
            f"Number of interfaces discovered = {len(node.addresses) + 1}",
        ]
        for number, (network, address) in enumerate(node.addresses, 1):
            local = next((i for i in status.interfaces if i.network == network), None)
            name = local.name if local else f"en{number - 1}"
            mask = local.netmask if local else "255.255.255.0"
            up = (node.number, network) not in membership.interfaces_down
            aliases = [(a, m) for owner, interface, a, m in status.aliases if (owner, interface) == (node.name, name)]
            configured = [ipaddress.IPv4Interface(f"{a}/{m}") for a, m in ((address, mask), *aliases)]
            lines += [
                f"\tInterface number {number}, {name}",
                "\t\tIFNET type = 6 (IFT_ETHER)",
                "\t\tNDD type = 7 (NDD_ISO88023)",
                "\t\tMAC address length = 6",
                f"\t\tMAC address = {mac(address)}",
                f"\t\tSmoothed RTT across interface = {smoothed}",
                f"\t\tMean deviation in network RTT across interface = {deviation}",
                "\t\tProbe interval for interface = 1000 ms",
                "\t\tIFNET flags for interface = 0x1E084863",
                "\t\tNDD flags for interface = 0x0021081B",
                f"\t\tInterface state = {'UP' if up else 'DOWN'}",
                f"\t\tNumber of regular addresses configured on interface = {len(configured)}",
                *(
                    f"\t\tIPv4 ADDRESS: {each.ip} broadcast {each.network.broadcast_address} netmask {each.netmask}"
                    for each in configured
                ),
                "\t\tNumber of cluster multicast addresses configured on interface = 1",
                f"\t\tIPv4 MULTICAST ADDRESS: {membership.group_of(membership.site_of(node.name), network)}",
            ]
        up = node.number not in membership.repositories_down
        lines += [
            f"\tInterface number {len(node.addresses) + 1}, {DISK_PATH}",
            "\t\tIFNET type = 0 (none)",
            "\t\tNDD type = 305 (NDD_PINGCOMM)",
            f"\t\tSmoothed RTT across interface = {smoothed}",
            f"\t\tMean deviation in network RTT across interface = {deviation}",
            "\t\tProbe interval for interface = 1000 ms",
            "\t\tIFNET flags for interface = 0x00000000",
            "\t\tNDD flags for interface = 0x00000009",
            f"\t\tInterface state = {'UP' if up else 'DOWN'}  RESTRICTED  AIX_CONTROLLED",
        ]
    return "\n".join(lines) + "\n"


def disks(status: Status, membership: Membership, identity: Identity) -> str:
    """``lscluster -d``: the disks of every node that is up; the repository's state is what the node itself tells."""
    lines = _head("Storage Interface Query", membership, stale=False)
    for node in membership.nodes:
        if node.number not in membership.up:
            continue
        repository_up = node.number not in membership.repositories_down
        backups = [disk for disk in status.disks if disk.kind == "BACKUP_DISK"]
        repository = DiskState(status.disk, status.disk_uuid, "REPDISK", repository_up)
        shown = [*(disk for disk in status.disks if disk not in backups), repository, *backups]
        lines += [
            "",
            f"Node {node.name}",
            f"Node UUID = {node.uuid}",
            f"Number of disks discovered = {len(shown)}",
        ]
        for disk in shown:
            lines += [
                f"\t{disk.name}:",
                f"\t\tState : {'UP' if disk.up else 'DOWN'}",
                f"\t\t uDid : {hashlib.blake2b(disk.uuid.encode(), digest_size=10).hexdigest().upper()}03IBMfcp",
                f"\t\t uUid : {disk.uuid}",
                f"\t    Site uUid : {membership.site_of(node.name).uuid}",
                f"\t\t Type : {disk.kind}",
            ]
    return "\n".join(lines) + "\n"


def configuration(status: Status, membership: Membership, identity: Identity) -> str:
    """``lscluster -c``."""
    lines = [
        f"Cluster Name: {membership.cluster_name}",
        f"Cluster UUID: {membership.cluster_id}",
        f"Number of nodes in cluster = {len(membership.nodes)}",
    ]
    for node in membership.nodes:
        lines += [
            f"\tCluster ID for node {node.name}: {node.number}",
            f"\tPrimary IP address for node {node.name}: {primary_address(node)}",
        ]
    clustered = [disk for disk in status.disks if disk.kind == "CLUSDISK"]
    mode = "unicast" if dict(status.tunables).get("communication_mode", "u") == "u" else "multicast"
    lines += [
        f"Number of disks in cluster = {1 + len(clustered)}",
        f"\tDisk = {status.disk} UUID = {status.disk_uuid} cluster_major = 0 cluster_minor = 1",
        *(
            f"\tDisk = {disk.name} UUID = {disk.uuid} cluster_major = 0 cluster_minor = {minor}"
            for minor, disk in enumerate(clustered, 2)
        ),
        *(_groups(site, membership) for site in membership.sites or (LOCAL_SITE,)),
        f"Communication Mode: {mode}",
        f"Local node maximum capabilities: {CAPABILITIES}",
        f"Effective cluster-wide capabilities: {CAPABILITIES}",
        "Local node max level: 40000",
        "Effective cluster level: 40000",
    ]
    return "\n".join(lines) + "\n"


def _groups(site: Site, membership: Membership) -> str:
    """The multicast group of a site, on its first network, and the IPv6 group that follows from it."""
    members = [node for node in membership.nodes if membership.site_of(node.name) == site]
    network = members[0].addresses[0][0] if members and members[0].addresses else ""
    group = membership.group_of(site, network) or "0.0.0.0"
    parts = group.split(".")
    words = ":".join(f"{int(a) << 8 | int(b):x}" for a, b in (parts[:2], parts[2:]))
    return f"Multicast for site {site.name}: IPv4 {group} IPv6 ff05::{words}"


COUNTERS = (
    "pkts seen", "passed", "IP pkts", "UDP pkts", "gossip pkts sent", "gossip pkts recv", "cluster address pkts",
    "CP pkts", "bad transmits", "bad posts", "short pkts", "multicast pkts", "cluster wide errors", "bad pkts",
    "dup pkts", "pkt fragments", "fragments queued", "fragments freed", "pkts pulled", "no memory",
    "rxmit requests recv", "requests found", "requests missed", "ooo pkts", "requests reset sent", "reset recv",
    "remote tcpsock send", "tcpsock recv", "rxmit requests sent", "alive pkts sent", "alive pkts recv",
    "ahafs pkts sent", "ahafs pkts recv", "nodedown pkts sent", "nodedown pkts recv", "socket pkts sent",
    "socket pkts recv", "cwide pkts sent", "cwide pkts recv", "socket pkts no space", "pkts recv notforhere",
    "Pseudo socket pkts sent", "Pseudo socket pkts recv", "Pseudo socket pkts dropped", "arp pkts sent",
    "arp pkts recv", "stale pkts recv", "other cluster pkts", "storage pkts sent", "storage pkts recv",
    "disk pkts sent", "disk pkts recv", "unicast pkts sent", "unicast pkts recv", "out-of-range pkts recv",
    "IPv6 pkts sent", "IPv6 pkts recv", "IPv6 frags sent", "IPv6 frags recv", "Unhandled large pkts",
)  # fmt: skip
"""The documented order."""


def statistics(status: Status, membership: Membership, identity: Identity) -> str:
    """``lscluster -s``: what is counted here; what has no counterpart is zero."""
    counters = status.statistics
    values = {
        "pkts seen": counters.received + counters.dropped,
        "passed": counters.received,
        "IP pkts": counters.received + counters.dropped,
        "UDP pkts": counters.received + counters.dropped,
        "gossip pkts sent": counters.sent,
        "gossip pkts recv": counters.received,
        "bad transmits": counters.not_sent,
        "bad pkts": counters.bad,
        "dup pkts": counters.duplicate,
        "ahafs pkts sent": counters.events_sent,
        "ahafs pkts recv": counters.events_received,
        "nodedown pkts recv": counters.node_downs,
        "storage pkts sent": counters.relayed_out,
        "storage pkts recv": counters.relayed_in,
        "disk pkts sent": counters.disk_writes,
        "disk pkts recv": counters.disk_reads,
        "multicast pkts": counters.multicast,
        "pkts recv notforhere": counters.not_for_here,
        "unicast pkts sent": counters.sent - counters.multicast,
        "unicast pkts recv": counters.received,
    }
    shown = [f"{name}: {values.get(name, 0)}" for name in COUNTERS]
    lines = [f"{left:<40}{right}" for left, right in zip(shown[::2], shown[1::2], strict=True)]
    return "\n".join(["Cluster Network Statistics:", "", *lines]) + "\n"


def primary_address(node: Node) -> str:
    """The address on the first network."""
    return node.addresses[0][1] if node.addresses else ""


def mac(address: str) -> str:
    """A hardware address made from an IP address (locally administered)."""
    return "FA:16:" + ":".join(f"{int(part):02X}" for part in address.split("."))
