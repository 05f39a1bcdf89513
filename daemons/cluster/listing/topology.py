"""cltopinfo, cllscf, cllsif, cllsnode, cllsnw, cllsclstr, cllssite, cllsnim, cllsparam.

Layouts as published where the reference has a screen of them; the columns of tables are measured from headers, and the
colon form of cllsif is inferred but for its column order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from daemons.cluster.configuration import Configuration, Label
from daemons.cluster.configuration.topology import prefix_length
from daemons.cluster.listing.words import CLUSTER_TYPES, FALLBACK, FALLOVER, STARTUP


def head(c: Configuration, disks: Mapping[str, str]) -> list[str]:
    """The four lines with which cltopinfo and cllscf begin; ``disks`` are disk names by PVID."""
    heartbeat = "Multicast" if c.cluster.heartbeat_type == "C" else "Unicast"
    disk = f"{disks.get(c.repository, '')} ({c.repository})".strip() if c.repository else "None"
    lines = [
        f"Cluster Name:    {c.cluster.name}",
        f"Cluster Type:    {CLUSTER_TYPES.get(c.setting('CLUSTER_TYPE', 'NSC'), 'Standard')}",
        f"Heartbeat Type:  {heartbeat}",
        f"Repository Disk: {disk}",
    ]
    if c.cluster.heartbeat_type == "C":
        lines.append(f"Cluster IP Address: {c.multicast_address or 'None'}")
    return lines


def labels_on(c: Configuration, node: str, network: str) -> list[Label]:
    """The labels of a node's network: service labels that it can hold, then its own."""
    found = [entry for entry in c.labels if entry.network == network]
    return [
        *(entry for entry in found if entry.function == "service" and c.may_hold(node, entry.label)),
        *(entry for entry in found if entry.function == "persistent" and entry.node == node),
        *(entry for entry in found if entry.function == "boot" and entry.node == node),
    ]


def nodes_block(c: Configuration) -> list[str]:
    """Nodes with their networks and labels, as cltopinfo shows them."""
    lines: list[str] = []
    for node in c.nodes:
        lines.append(f"NODE {node.name}:")
        for network in c.networks:
            lines.append(f"\tNetwork {network.name}")
            lines += [f"\t\t{entry.label}\t{entry.address}" for entry in labels_on(c, node.name, network.name)]
        lines.append("")
    return lines


def groups_block(c: Configuration) -> list[str]:
    """Resource groups as cltopinfo shows them."""
    if not c.groups:
        return ["No resource groups defined"]
    lines: list[str] = []
    for place, group in enumerate(c.groups):
        lines += [""] if place else []
        lines += [
            f"Resource Group {group.name}",
            f"\tStartup Policy   {STARTUP.get(group.startup, group.startup)}",
            f"\tFallover Policy  {FALLOVER.get(group.fallover, group.fallover)}",
            f"\tFallback Policy  {FALLBACK.get(group.fallback, group.fallback)}",
            f"\tParticipating Nodes      {' '.join(group.nodes)}",
        ]
        if labels := group.resource("SERVICE_LABEL"):
            lines.append(f"\tService IP Label                 {' '.join(labels)}")
    return lines


def summary(c: Configuration, disks: Mapping[str, str]) -> list[str]:
    """``cltopinfo``."""
    counted = f"There are {len(c.nodes)} node(s) and {len(c.networks)} network(s) defined"
    return [*head(c, disks), "", counted, "", *nodes_block(c), *groups_block(c)]


def interface_table(c: Configuration) -> list[str]:
    """``cltopinfo -i``."""
    rows = [("IP Label", "Network", "Type", "Node", "Address", "If", "Netmask", "PrefixLength"),
            ("=========", "=======", "====", "====", "=======", "====", "=======", "====")]  # fmt: skip
    for node, entry in _rows(c):
        mask, length = entry.netmask, prefix_length(entry.netmask)
        rows.append((entry.label, entry.network, entry.type, node, entry.address, entry.interface, mask, length))
    return _table(rows, (16, 12, 8, 16, 16, 5, 16, 0))


def network_block(c: Configuration) -> list[str]:
    """``cltopinfo -w``."""
    lines: list[str] = []
    for network in c.networks:
        lines.append(f"Network {network.name}")
        for node in c.nodes:
            own = labels_on(c, node.name, network.name)
            if own:
                lines.append(f"\tNODE {node.name}:")
                lines += [f"\t\t{entry.label}\t{entry.address}" for entry in own]
        lines.append("")
    return lines[:-1]


def _table(rows: Sequence[tuple[str, ...]], widths: tuple[int, ...]) -> list[str]:
    """Columns of at least these widths, each followed by a blank; a longer value pushes the rest."""
    return [" ".join(f"{value:<{width}}" for value, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rows(c: Configuration) -> Iterator[tuple[str, Label]]:
    """Each label once for every node that can have it, in the order of the nodes."""
    for node in c.nodes:
        for entry in c.labels:
            if entry.node == node.name or (entry.function == "service" and c.may_hold(node.name, entry.label)):
                yield node.name, entry


# cllscf


def connections(c: Configuration, disks: Mapping[str, str]) -> list[str]:
    """``cllscf``."""
    word = "network" if len(c.networks) == 1 else "networks"
    count, names = len(c.networks), ", ".join(network.name for network in c.networks)
    lines = [
        *head(c, disks),
        "",
        f"There {'was' if count == 1 else 'were'} {count} {word} defined: {names}",
        f"There are {len(c.nodes)} nodes in this cluster",
    ]
    for node in c.nodes:
        service = [
            e
            for e in c.labels
            if e.function == "service" and c.may_hold(node.name, e.label) and _connected(c, node.name, e.network)
        ]
        lines += ["", f"NODE {node.name}:", f"        This node has {len(service)} service IP label(s):"]
        for entry in service:
            lines += ["", *_service_lines(c, entry)]
    lines += ["", "Breakdown of network connections:"]
    for network in c.networks:
        lines += ["", f"Connections to network {network.name}"]
        first = True
        for node in c.nodes:
            own = [e.label for e in c.labels if (e.network, e.node, e.function) == (network.name, node.name, "boot")]
            if own:
                lines += [] if first else [""]
                first = False
                text = f"Node {node.name} is connected to network {network.name} by these interfaces:"
                lines += [f"        {text}", *(f"                {label}" for label in own)]
    return lines


def _connected(c: Configuration, node: str, network: str) -> bool:
    return any((e.network, e.node, e.function) == (network, node, "boot") for e in c.labels)


def _service_lines(c: Configuration, entry: Label) -> list[str]:
    network = c.network(entry.network)
    return [
        f"        Service IP Label {entry.label}:",
        f"                IP address:     {entry.address}",
        f"                Network:        {entry.network}",
        f"                Attribute:      {network.attribute if network else 'public'}",
    ]


# cllsif

INTERFACE_HEADER = (
    "Adapter", "Type", "Network", "Net Type", "Attribute", "Node", "IP Address", "Hardware Address", "Interface Name",
    "Global Name", "Netmask", "Alias for HB", "Prefix Length",
)  # fmt: skip
INTERFACE_WIDTHS = (20, 10, 12, 10, 10, 10, 16, 16, 16, 16, 16, 12, 13)


def interfaces(
    c: Configuration,
    node: str = "",
    label: str = "",
    function: str = "",
    aliases: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> list[tuple[str, ...]]:
    """The rows of cllsif, of one node, label or function if asked for.

    ``aliases`` are the interfaces of addresses that this node has acquired, by node and address.
    """
    rows: list[tuple[str, ...]] = []
    for name, entry in _rows(c):
        if node not in ("", name) or label not in ("", entry.label) or function not in ("", entry.function):
            continue
        network = c.network(entry.network)
        attribute = network.attribute if network else "public"
        kind = network.type if network else entry.type
        rows.append(
            (entry.label, entry.function, entry.network, kind, attribute, name, entry.address, "",
             entry.interface or aliases.get((name, entry.address), ""), "", entry.netmask, "",
             prefix_length(entry.netmask))
        )  # fmt: skip
    return rows


def interface_lines(rows: list[tuple[str, ...]], colon: bool, header: bool) -> list[str]:
    """``cllsif`` in its two forms."""
    if colon:
        first = "#" + ":".join(name.lower().replace(" ", "_") for name in INTERFACE_HEADER)
        return ([first] if header else []) + [":".join(row) for row in rows]
    return _table(([INTERFACE_HEADER] if header else []) + rows, INTERFACE_WIDTHS)


# The small ones


def _interfaces_first(labels: list[Label]) -> list[Label]:
    """A node's own interfaces, then what it can hold, as cllsnode shows them."""
    return sorted(labels, key=lambda e: ("boot", "persistent", "service").index(e.function))


def node_lines(c: Configuration, names: list[str], colon: bool, header: bool) -> list[str]:
    """``cllsnode``."""
    chosen = [node for node in c.nodes if not names or node.name in names]
    if colon:
        first = ["#node:interface:function:network:network_type:attribute:ip_address"] if header else []
        return first + [_node_row(c, node.name) for node in chosen]
    lines = []
    for node in chosen:
        lines.append(f"Node {node.name}")
        for network in c.networks:
            own = labels_on(c, node.name, network.name)
            if own:
                lines.append(f"    Interfaces to network {network.name}")
            for entry in _interfaces_first(own):
                text = f"Name {entry.label}, Attribute {network.attribute}, IP address {entry.address}"
                lines.append(f"        Communication Interface: {text}")
        lines.append("")
    return lines[:-1]


def _node_row(c: Configuration, node: str) -> str:
    """A node's line of ``cllsnode -c``: its name and six fields for each label, seven for a service label.

    So an inventory module for clusters of this release takes it apart; the header, which has the six fields once, does
    not say it (as on the product). The seventh field is never read, and empty here.
    """
    fields = [node]
    for network in c.networks:
        for entry in _interfaces_first(labels_on(c, node, network.name)):
            fields += [entry.label, entry.function, network.name, network.type, network.attribute, entry.address]
            fields += [""] if entry.function == "service" else []
    return ":".join(fields)


def network_lines(c: Configuration, names: list[str], colon: bool, header: bool) -> list[str]:
    """``cllsnw``: a row for each network and node."""
    rows = []
    for network in c.networks:
        if names and network.name not in names:
            continue
        for node in c.nodes:
            own = [e.label for e in labels_on(c, node.name, network.name)]
            if own:
                rows.append((network, node.name, own))
    alias = {0: "false", 1: "true"}
    if colon:
        lines = ["#network:attribute:alias:monitor_method:node:adapters"] if header else []
        return lines + [
            f"{n.name}:{n.attribute}:{alias.get(n.alias, 'true')}:{n.monitor_method}:{node}:{' '.join(own)}"
            for n, node, own in rows
        ]
    table: list[tuple[str, ...]] = [("Network", "Attribute", "Alias", "Node", "Adapter(s)")] if header else []
    table += [(n.name, n.attribute, alias.get(n.alias, "true"), node, " ".join(own)) for n, node, own in rows]
    return _table(table, (16, 10, 6, 16, 0))


def cluster_lines(c: Configuration, disk: str, colon: bool, header: bool) -> list[str]:
    """``cllsclstr``. The fifth field of the colon form is the repository disk, as an inventory module reads it."""
    o = c.cluster
    if colon:
        first = ["#id:name:security:persistent_communications:repository_disk"] if header else []
        return [*first, f"{o.id}:{o.name}:{o.security}:{o.persistent_labels_for_vpn}:{disk}"]
    table: list[tuple[str, ...]] = [("ID", "Name", "Security", "Persistent Communications")] if header else []
    return _table([*table, (str(o.id), o.name, o.security, o.persistent_labels_for_vpn)], (10, 20, 10, 0))


def site_lines(c: Configuration, colon: bool, header: bool) -> list[str]:
    """``cllssite``."""
    rows = [
        (
            s.name,
            " ".join(s.nodes),
            s.dominance,
            s.protection,
            c.setting(f"SITE.{s.name}.RECOVERY_PRIORITY", "MANUAL"),
            "",
        )
        for s in c.sites
    ]
    if colon:
        first = ["#sitename:nodes:dominance:protection:priority:hmcs"] if header else []
        return first + [":".join(row) for row in rows]
    table: list[tuple[str, ...]] = (
        [("Sitename", "Site Nodes", "Dominance", "Protection Type", "Priority", "HMCs")] if header else []
    )
    return _table([*table, *rows], (16, 24, 10, 16, 10, 0))


def parameter_lines(c: Configuration, names: list[str], colon: bool, header: bool) -> list[str]:
    """``cllsparam``: the run time parameters of nodes."""
    rows = [
        (node.name, node.setting("VERBOSE_LOGGING", "high"), node.setting("LOG_FORMATTING", "Standard"))
        for node in c.nodes
        if not names or node.name in names
    ]
    if colon:
        first = ["#node_name:debug_level:format_for_hacmp.out"] if header else []
        return first + [":".join(row) for row in rows]
    lines: list[str] = []
    for name, level, form in rows:
        lines += [f"{'Node Name':<52}{name}", f"{'Debug Level':<52}{level}", f"{'Format for hacmp.out':<52}{form}", ""]
    return lines[:-1]


def kind_lines(colon: bool, header: bool) -> list[str]:
    """``cllsnim``: the network types that this release has."""
    rows = [
        ("ether", "Ethernet Protocol", "adapter_type", "transport", "IP"),
        ("XD_data", "Geographic Data Network", "adapter_type", "transport", "IP"),
        ("XD_ip", "Geographic IP Network", "adapter_type", "transport", "IP"),
    ]
    if colon:
        first = ["#name:desc:entry_type:next_generic_type:next_generic_name"] if header else []
        return first + [":".join(row) for row in rows]
    table: list[tuple[str, ...]] = [("Name", "Description", "Type", "Generic Type", "Generic Name")] if header else []
    return _table([*table, *rows], (10, 26, 14, 14, 0))


def handle_lines(c: Configuration, node: str, colons: bool) -> list[str]:
    """clhandle: number and name of a node, or of all by number ("")."""
    found = sorted((entry.id, entry.name) for entry in c.nodes if node in ("", entry.name))
    return [f"{number}{':' if colons else ' '}{name}" for number, name in found]
