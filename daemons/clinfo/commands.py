"""clstat: the cluster as clinfoES sees it, once (``-o``) or continuously.

The layout is that of the ASCII display; the product documentation prints it with blanks collapsed, the columns here are
the terminal's (inferred where no capture was seen).
"""

from __future__ import annotations

import getopt
import select
import sys
import time

from daemons.clinfo.client import ClinfoClient, NotAvailable
from daemons.clinfo.messages import ClusterInfo, Clusters
from srcctl.node.root import IdentityError, NodeRoot

USAGE = "usage: clstat [-c cluster ID] [-n cluster name][ -r seconds] [-i] [-a] [-o] [-s]"

GROUP_WORDS = {
    2: "On line",
    4: "Off line",
    8: "Unknown",
    16: "Acquiring",
    32: "Releasing",
    64: "Error",
    65536: "Off line due to fallover",
    131072: "Off line due to parent off line",
    262144: "Off line due to lack of available node",
    524288: "Unmanaged",
}

FOOTER = "***************** f/forward, b/back, r/refresh, q/quit *****************"

NO_DATA = """\
Failed retrieving cluster information.

There are a number of possible causes:
clinfoES or snmpd subsystems are not active.
snmp is unresponsive.
snmp is not configured correctly.
Cluster services are not active on any nodes.

Refer to the HACMP Administration Guide for more information."""


def render_cluster(cluster: ClusterInfo, when: str) -> str:
    """The screen of one cluster."""
    lines = [
        "                clstat - PowerHA SystemMirror Cluster Status Monitor",
        "                -------------------------------------",
        "",
        f"Cluster: {cluster.name}   ({cluster.cluster_id})",
        when,
        f"                State: {cluster.state:<16} Nodes: {len(cluster.nodes)}",
        f"                SubState: {cluster.substate}",
    ]
    for node in cluster.nodes:
        lines += ["", f"        Node: {node.name:<17} State: {node.state}"]
        for interface in node.interfaces:
            label = f"{interface.label} ({interface.network_id})"
            lines.append(f"           Interface: {label:<26} Address: {interface.address}")
            lines.append(f"                                                 State:   {interface.state}")
        lines += [
            f"           Resource Group: {group.name:<29} State:  {GROUP_WORDS.get(group.state, 'Unknown')}"
            for group in node.groups
            if group.state != 4
        ]
    return "\n".join(lines) + "\n"


def render_list(clusters: Clusters) -> str:
    """The list of all clusters in reach (``-i``)."""
    lines = [
        "                 clstat - PowerHA SystemMirror Cluster Status Monitor",
        "                 ---------------------------------------------",
        "",
        f"Number of clusters active: {len(clusters.clusters)}",
        "",
        "                      ID          Name          State",
        "",
    ]
    lines += [
        f"                      {cluster.cluster_id:<11} {cluster.name:<13} {cluster.state}"
        for cluster in clusters.clusters
    ]
    return "\n".join(lines) + "\n"


def clstat(argv: list[str]) -> int:
    """``clstat [-c cluster ID] [-n cluster name][ -r seconds] [-i] [-a] [-o] [-s]``."""
    try:
        pairs, operands = getopt.getopt(argv[1:], "c:n:r:iaos")
        options = dict(pairs)
        refresh = float(options.get("-r", "1"))
        cluster_id = int(options["-c"]) if "-c" in options else None
    except (getopt.GetoptError, ValueError):
        return _usage()
    if operands or refresh <= 0 or ("-c" in options and ("-n" in options or "-i" in options)):
        return _usage()
    name = options.get("-n")
    try:
        client = ClinfoClient(NodeRoot.current())
        if "-o" in options:
            return _once(client.query(), cluster_id, name)
        return _follow(client, cluster_id, name, refresh, interactive="-i" in options)
    except (NotAvailable, IdentityError):
        print(NO_DATA, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _usage() -> int:
    print(USAGE, file=sys.stderr)
    return 1


def _chosen(clusters: Clusters, cluster_id: int | None, name: str | None) -> list[ClusterInfo]:
    return [
        cluster
        for cluster in clusters.clusters
        if cluster_id in (None, cluster.cluster_id) and name in (None, cluster.name)
    ]


def _once(clusters: Clusters, cluster_id: int | None, name: str | None) -> int:
    found = _chosen(clusters, cluster_id, name)
    if not found:
        print(NO_DATA, file=sys.stderr)
        return 1
    if len(found) > 1:
        print("More than one cluster is in reach: choose one with -c or -n.", file=sys.stderr)
        return _usage()
    sys.stdout.write(render_cluster(found[0], _now()))
    return 0


def _follow(client: ClinfoClient, cluster_id: int | None, name: str | None, refresh: float, interactive: bool) -> int:
    """Redraw when something changed, until q or the end of input."""
    clusters: Clusters | None = client.watch()
    while True:
        if clusters is not None:
            found = _chosen(clusters, cluster_id, name)
            if interactive:
                screen = render_list(clusters)
            else:
                screen = render_cluster(found[0], _now()) if found else NO_DATA + "\n"
            sys.stdout.write(("\033[H\033[2J" if sys.stdout.isatty() else "") + screen + FOOTER + "\n")
            sys.stdout.flush()
        if sys.stdin.isatty() and select.select([sys.stdin], [], [], 0)[0] and sys.stdin.readline()[:1] in ("q", ""):
            return 0
        clusters = client.changed(refresh)


def _now() -> str:
    return time.strftime("%a %b %e %H:%M:%S %Z %Y")
