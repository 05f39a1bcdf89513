"""cldump: the cluster as this node's SNMP agent tells it, once.

Labels and the order of fields are those that parsers of the output rely on; widths are inferred. Nothing goes to
standard output unless there is a cluster to show: scripts take an empty output for "cluster services are not started".
"""

from __future__ import annotations

import sys
import time

from daemons.clinfo.commands import NO_DATA
from daemons.clinfo.messages import ClusterInfo
from daemons.clinfo.picture import picture
from daemons.cluster.listing import words
from daemons.snmpd import mib
from daemons.snmpd.commands import Refused, cluster_objects
from srcctl.node.root import IdentityError, NodeRoot

RULE = "_" * 77
ATTEMPTS = 13
PAUSE = 0.5
"""Seconds between attempts (patience with a cluster manager that is being started; inferred)."""
STARTUP = {number: words.STARTUP[word] for word, number in mib.STARTUP_POLICY.items()}
FALLOVER = {number: words.FALLOVER[word] for word, number in mib.FALLOVER_POLICY.items()}
FALLBACK = {number: words.FALLBACK[word] for word, number in mib.FALLBACK_POLICY.items()}
SITE = {number: words.SITE[word] for word, number in mib.SITE_POLICY.items()}
GROUP_WORDS = {
    2: "ONLINE",
    4: "OFFLINE",
    16: "ACQUIRING",
    32: "RELEASING",
    64: "ERROR",
    65536: "OFFLINE",
    131072: "OFFLINE",
    262144: "OFFLINE",
    524288: "UNMANAGED",
    256: "ONLINE SECONDARY",
    1024: "ACQUIRING SECONDARY",
    4096: "RELEASING SECONDARY",
    16384: "ERROR SECONDARY",
    1048576: "UNMANAGED SECONDARY",
}


def render(cluster: ClusterInfo, agent: str) -> str:
    """The whole output."""
    lines = [
        f"Obtaining information via SNMP from Node: {agent}...",
        "",
        RULE,
        f"Cluster Name: {cluster.name}",
        f"Cluster State: {cluster.state}",
        f"Cluster Substate: {cluster.substate}",
        RULE,
        "",
    ]
    for node in cluster.nodes:
        lines += [f"Node Name: {node.name:<20} State: {node.state}", ""]
        for network in node.networks:
            lines += [f"   Network Name: {network.name:<16} State: {network.state}", ""]
            interfaces = [i for i in node.interfaces if i.network_id == network.network_id]
            lines += [f"      Address: {i.address:<15} Label: {i.label:<17} State: {i.state}" for i in interfaces]
            lines += [""] if interfaces else []
    lines.append(f"Cluster Name: {cluster.name}")
    for group in cluster.groups:
        lines += [
            "",
            f"Resource Group Name: {group.name}",
            f"Startup Policy: {STARTUP.get(group.startup, 'unknown')}",
            f"Fallover Policy: {FALLOVER.get(group.fallover, 'unknown')}",
            f"Fallback Policy: {FALLBACK.get(group.fallback, 'unknown')}",
            f"Site Policy: {SITE.get(group.site_policy, 'ignore')}",
            "Node                         Group State",
            "---------------------------- ---------------",
        ]
        lines += [
            f"{node.name:<28} {GROUP_WORDS.get(state.state, 'UNKNOWN')}"
            for node in cluster.nodes
            for state in node.groups
            if state.name == group.name
        ]
    return "\n".join(lines) + "\n"


def cldump(argv: list[str]) -> int:
    """``cldump``: no flags."""
    if len(argv) > 1:
        print("usage: cldump", file=sys.stderr)
        return 1
    try:
        root = NodeRoot.current()
        cluster = _read(root)
    except IdentityError as error:
        print(f"cldump: {error}", file=sys.stderr)
        return 1
    if cluster is None:
        print(NO_DATA, file=sys.stderr)
        return 1
    sys.stdout.write(render(cluster, root.identity.node))
    return 0


def _read(root: NodeRoot) -> ClusterInfo | None:
    """The cluster, waiting for a cluster manager that is not ready; None if none appears."""
    for attempt in range(ATTEMPTS):
        try:
            cluster = picture(cluster_objects(root, root.identity.node, 1, PAUSE))
        except Refused:
            cluster = None
        # A cluster manager without cluster services feeds its agent, but knows no state of the cluster.
        if cluster is not None and cluster.substate not in ("UNKNOWN", "NOTCONFIGURED"):
            if attempt:
                print(file=sys.stderr)
            return cluster
        text = "cldump: Waiting for the Cluster SMUX peer (clstrmgrES)\nto stabilize." if not attempt else "."
        print(text, end="", file=sys.stderr, flush=True)
        if attempt + 1 < ATTEMPTS:
            time.sleep(PAUSE)
    print(file=sys.stderr)
    return None
