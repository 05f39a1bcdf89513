"""clstat: the cluster as clinfoES sees it, once (``-o``) or continuously.

The layout is that of the ASCII display; the product documentation prints it with blanks collapsed, the columns here are
the terminal's (inferred where no capture was seen). ``-a`` is accepted, there is no other display; so is ``-s``:
clusters have no serial networks any more.
"""

from __future__ import annotations

import getopt
import os
import select
import sys
import time
from typing import Any

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
    256: "On line secondary",
    1024: "Acquiring secondary",
    4096: "Releasing secondary",
    16384: "Error secondary",
    1048576: "Unmanaged secondary",
}

FOOTER = "***************** f/forward, b/back, r/refresh, q/quit *****************"

MENU = """
 Select an option:
                      #  -  the Cluster ID    x-  quit"""

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
        clusters = client.query()
        if "-i" not in options and len(_chosen(clusters, cluster_id, name)) > 1:
            print("More than one cluster is in reach: choose one with -c or -n.", file=sys.stderr)
            return _usage()
        if "-o" in options:
            return _once(clusters, cluster_id, name)
        return _follow(client, Display(cluster_id, name, "-i" in options), refresh)
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
    sys.stdout.write(render_cluster(found[0], _now()))
    return 0


class Keys:
    """Single keys of a terminal, without waiting for the end of a line; no keys where standard input is none."""

    def __init__(self) -> None:
        self._saved: list[Any] | None = None
        self._open = sys.stdin.isatty()

    def __enter__(self) -> Keys:
        if self._open:
            import termios
            import tty

            self._saved = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        if self._saved is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)

    def pressed(self) -> str:
        """The keys pressed since the last call; "q" at the end of input."""
        if not self._open or not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        return os.read(sys.stdin.fileno(), 64).decode(errors="replace") or "q"


class Display:
    """What the continuous display shows: one cluster, the list of all (``interactive``), or that there is none."""

    def __init__(self, cluster_id: int | None, name: str | None, interactive: bool) -> None:
        self.cluster_id = cluster_id
        self.name = name
        self.interactive = interactive
        self.place = 0
        self.typed = ""

    def press(self, key: str, clusters: Clusters) -> bool:
        """Act on a key; False ends the display."""
        if key in "qx" and not (key == "x" and not self.listing):
            return False
        if self.listing:
            if key.isdecimal():
                self.typed += key
            elif key in "\r\n" and self.typed:
                self.cluster_id, self.typed = int(self.typed), ""
            return True
        if key in "fb":
            found = len(_chosen(clusters, self.cluster_id, self.name))
            self.place = (self.place + (1 if key == "f" else -1)) % max(1, found)
        return True

    @property
    def listing(self) -> bool:
        """Whether the list is shown: interactive, and no cluster selected yet."""
        return self.interactive and self.cluster_id is None

    def screen(self, clusters: Clusters) -> str:
        """The screen, its last lines telling the keys."""
        if self.listing:
            return render_list(clusters) + MENU + "\n"
        found = _chosen(clusters, self.cluster_id, self.name)
        body = render_cluster(found[self.place % len(found)], _now()) if found else NO_DATA + "\n"
        return body + FOOTER + "\n"


def _follow(client: ClinfoClient, display: Display, refresh: float) -> int:
    """Redraw when something changed or a key was pressed, until q. A cluster that is not there yet is waited for."""
    clusters, changed = client.watch(), True
    with Keys() as keys:
        while True:
            pressed = keys.pressed()
            for key in pressed:
                if not display.press(key, clusters):
                    return 0
            if changed or pressed:
                clear = "\033[H\033[2J" if sys.stdout.isatty() else ""
                sys.stdout.write(clear + display.screen(clusters))
                sys.stdout.flush()
            answer = client.changed(refresh, sys.stdin if sys.stdin.isatty() else None)
            changed = answer is not None
            clusters = answer or clusters


def _now() -> str:
    return time.strftime("%a %b %e %H:%M:%S %Z %Y")
