"""cldisp: the cluster as its applications see it. The screen's head is the product's, its topology part inferred."""

from __future__ import annotations

from collections.abc import Mapping

from daemons.cluster.configuration import ApplicationController, Configuration, ResourceGroup
from daemons.cluster.listing.topology import labels_on

RULE = "#############"
STARTUP = {
    "OHN": "on home node only",
    "OFAN": "on first available node",
    "OUDP": "using distribution policy",
    "OAAN": "on all available nodes",
}
FALLOVER = {
    "FNPN": "to next priority node in the list",
    "FUDNP": "using dynamic node priority",
    "BO": "bring offline on error node",
}
FALLBACK = {"FBHPN": "to higher priority node in the list", "NFB": "never"}


def display(
    c: Configuration, active: bool, nodes: Mapping[str, str], states: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """``cldisp``.

    Args:
        c: the configuration.
        active: whether cluster services are active here.
        nodes: the state of each node (up, down ...).
        states: the state of each group on each node, as in clRGinfo.
    """
    lines = [
        f"Cluster: {c.cluster.name}",
        f"   Cluster services: {'active' if active else 'inactive'}",
        "",
        RULE,
        "APPLICATIONS",
        RULE,
        "",
    ]
    names = " ".join(a.name for a in c.controllers)
    if names:
        lines += [f" Cluster {c.cluster.name} provides the following applications:", f" {names}"]
    else:
        lines.append(f" Cluster {c.cluster.name} provides no applications.")
    for controller in c.controllers:
        group = next((g for g in c.groups if controller.name in g.resource("APPLICATIONS")), None)
        lines += _application(c, controller, group, nodes, states.get(group.name, {}) if group else {})
    return [*lines, "", RULE, "TOPOLOGY", RULE, "", *_topology(c, nodes)]


def _application(
    c: Configuration,
    a: ApplicationController,
    group: ResourceGroup | None,
    nodes: Mapping[str, str],
    states: Mapping[str, str],
) -> list[str]:
    word = "online" if "ONLINE" in states.values() else "offline"
    lines = [f"      Application: {a.name} State: {{{word}}}"]
    if group is None:
        return [*lines, " This application is part of no resource group."]

    def listed(wanted: list[str]) -> str:
        return " ".join(f"{node}{{{nodes.get(node, 'unknown')}}}" for node in wanted)

    lines += [
        f" This application is part of resource group '{group.name}'.",
        "  The resource group policies:",
        f"     Startup: {STARTUP.get(group.startup, group.startup)}",
        f"    Fallover: {FALLOVER.get(group.fallover, group.fallover)}",
        f"     Fallback: {FALLBACK.get(group.fallback, group.fallback)}",
        f"  Nodes configured to provide {a.name}: {listed(list(group.nodes))}",
    ]
    providing = [node for node in group.nodes if states.get(node) == "ONLINE"]
    if providing:
        lines.append(f"  Nodes currently providing {a.name}: {listed(providing)}")
    lines += [f"  {a.name} is started by {a.start}", f"  {a.name} is stopped by {a.stop}"]
    for monitor in c.monitors_of(a.name):
        lines.append(f"  {a.name} is monitored by {monitor.name}: {monitor.method or ' '.join(monitor.processes)}")
    if not c.monitors_of(a.name):
        lines.append(f"  There are no monitors configured for {a.name}.")
    for text, kind in (("Service IP labels", "SERVICE_LABEL"), ("Volume groups", "VOLUME_GROUP"),
                       ("File systems", "FILESYSTEM")):  # fmt: skip
        if values := group.resource(kind):
            lines.append(f"  {text} of {group.name}: {' '.join(values)}")
    return lines


def _topology(c: Configuration, nodes: Mapping[str, str]) -> list[str]:
    count = len(c.nodes)
    lines = [f"{c.cluster.name} consists of the following nodes: {' '.join(node.name for node in c.nodes)}"]
    for node in c.nodes if count else ():
        lines += [f"  {node.name} {{{nodes.get(node.name, 'unknown')}}}"]
        for network in c.networks:
            own = labels_on(c, node.name, network.name)
            if own:
                lines.append(f"    Network interfaces to {network.name}:")
                for entry in own:
                    interface = f" on interface {entry.interface}" if entry.interface else ""
                    lines.append(f"      {entry.label} ({entry.function}) with IP address: {entry.address}{interface}")
    return lines
