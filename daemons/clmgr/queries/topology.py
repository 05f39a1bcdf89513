"""Queries of sites, nodes, networks, IP labels and repository disks."""

from __future__ import annotations

from daemons.clmgr.queries.cluster import VERSION
from daemons.clmgr.queries.facts import Facts
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.settings import label_key, network_key, site_key
from daemons.clstrmgr.render import node_words
from daemons.cluster.configuration import Configuration, Label
from daemons.cluster.configuration.topology import prefix_length


def _state(node: str, facts: Facts) -> tuple[str, str]:
    view = facts.views.get(node)
    if view is None:
        return "UNKNOWN", "UNKNOWN"
    return node_words(str(view.state), view.services)


def nodes(c: Configuration, facts: Facts) -> list[Block]:
    """``query node``."""
    blocks = []
    for node in c.nodes:
        state, raw = _state(node.name, facts)
        persistent = [e for e in c.labels if e.function == "persistent" and e.node == node.name]
        blocks.append(
            [
                ("NAME", node.name),
                ("STATE", state),
                ("RAW_STATE", raw),
                ("COMMPATH", node.communication_path),
                ("RUN_DISCOVERY", node.setting("RUN_DISCOVERY", "true")),
                ("PERSISTENT_IP", " ".join(entry.label for entry in persistent)),
                ("NETWORK", " ".join(entry.network for entry in persistent)),
                ("NETMASK", " ".join(entry.netmask for entry in persistent)),
                ("START_ON_BOOT", node.setting("START_ON_BOOT", "false")),
                ("BROADCAST_ON_START", node.setting("BROADCAST_ON_START", "true")),
                ("CLINFO_ON_START", node.setting("CLINFO_ON_START", "false")),
                ("VERIFY_ON_START", node.setting("VERIFY_ON_START", "true")),
                ("SITE", c.site_of(node.name)),
                ("VERSION", VERSION),
                ("HMCS", node.setting("HMCS")),
                ("ENABLE_LIVE_UPDATE", node.setting("ENABLE_LIVE_UPDATE", "true")),
            ]
        )
    return blocks


def sites(c: Configuration, facts: Facts) -> list[Block]:
    """``query site``: the state is that of its best node (inferred)."""
    blocks = []
    for number, site in enumerate(c.sites, 1):
        states = [_state(node, facts)[0] for node in site.nodes]
        order = ("NORMAL", "MOVING", "JOINING", "UNMANAGED", "ERROR", "OFFLINE")
        state = next((word for word in order if word in states), "UNKNOWN")
        disks = c.setting(site_key(site.name, "REPOSITORIES")).split()
        blocks.append(
            [
                ("NAME", site.name),
                ("GID", str(number)),
                ("STATE", "STABLE" if state == "NORMAL" else state),
                ("NODES", " ".join(site.nodes)),
                ("SITE_IP", c.setting(site_key(site.name, "SITE_IP"))),
                ("RECOVERY_PRIORITY", c.setting(site_key(site.name, "RECOVERY_PRIORITY"), "MANUAL")),
                ("REPOSITORIES", ", ".join(f"{facts.disks.get(disk, '')} ({disk})".strip() for disk in disks)),
            ]
        )
    return blocks


def networks(c: Configuration, facts: Facts) -> list[Block]:
    """``query network``."""
    blocks = []
    for n in c.networks:
        netmask = next((entry.netmask for entry in c.labels if entry.network == n.name), "")
        netmask = netmask or c.setting(network_key(n.name, "NETMASK"))
        blocks.append(
            [
                ("NAME", n.name),
                ("ATTR", n.attribute),
                ("ALIAS", "true" if n.alias else "false"),
                ("MONITOR_METHOD", n.monitor_method),
                ("PTOPMETHOD", "0"),
                ("TYPE", n.type),
                ("ENABLE_NSORDER", c.setting(network_key(n.name, "ENABLE_NSORDER"), "false")),
                ("NETMASK", netmask),
                ("PREFIX", prefix_length(netmask)),
                ("RESOURCE_DIST_PREF", c.setting(network_key(n.name, "RESOURCE_DIST_PREF"), "AC")),
                ("SOURCE_IP", c.setting(network_key(n.name, "SOURCE_IP"))),
            ]
        )
    return blocks


def _label(c: Configuration, entry: Label, facts: Facts) -> Block:
    network = c.network(entry.network)
    holder, interface = entry.node, entry.interface
    if entry.function == "service" and facts.picture is not None:
        active = next((a.active_node for a in facts.picture.addresses if a.label == entry.label and a.active_node), 0)
        holder = next((n.name for n in facts.picture.nodes if n.number == active), "")
        interface = facts.aliases.get((holder, entry.address), "")
    return [
        ("NAME", entry.label),
        ("IPADDR", entry.address),
        ("NODE", holder),
        ("NETWORK", entry.network),
        ("TYPE", entry.function),
        ("NETTYPE", entry.type),
        ("ATTR", network.attribute if network else "public"),
        ("GLOBALNAME", ""),
        ("NETMASK", entry.netmask),
        ("HADDR", ""),
        ("INTERFACE", interface),
        ("PREFIX", prefix_length(entry.netmask)),
    ]


def interfaces(c: Configuration, facts: Facts) -> list[Block]:
    """``query interface``."""
    return [_label(c, entry, facts) for entry in c.labels if entry.function == "boot"]


def persistent_ips(c: Configuration, facts: Facts) -> list[Block]:
    """``query persistent_ip``."""
    return [
        [
            ("NAME", entry.label),
            ("IPADDR", entry.address),
            ("NODE", entry.node),
            ("NETWORK", entry.network),
            ("NETMASK", entry.netmask),
            ("PREFIX", prefix_length(entry.netmask)),
            ("TYPE", entry.function),
            ("INTERFACE", entry.interface),
        ]
        for entry in c.labels
        if entry.function == "persistent"
    ]


def service_ips(c: Configuration, facts: Facts) -> list[Block]:
    """``query service_ip``."""
    return [
        [*_label(c, entry, facts), ("SITE", c.setting(label_key(entry.label, "SITE")))]
        for entry in c.labels
        if entry.function == "service"
    ]


def repositories(c: Configuration, facts: Facts) -> list[Block]:
    """``query repository``: the active disk first, then the backups."""
    disks = (c.repository, *c.backup_repositories) if c.repository else c.backup_repositories
    uuids = facts.uuids or {}
    return [
        [
            ("NAME", facts.disks.get(disk, "")),
            ("NODE", facts.local),
            ("PVID", disk),
            ("UUID", uuids.get(facts.disks.get(disk, ""), "")),
            ("BACKUP", "false" if disk == c.repository else "true"),
            ("TYPE", "REPDISK"),
            ("STATUS", "UP" if facts.repository_up or disk != c.repository else "DOWN"),
        ]
        for disk in disks
    ]


QUERIES = {
    "site": sites,
    "node": nodes,
    "network": networks,
    "interface": interfaces,
    "persistent_ip": persistent_ips,
    "service_ip": service_ips,
    "repository": repositories,
}
