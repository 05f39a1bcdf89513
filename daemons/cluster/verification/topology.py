"""Nodes, networks and sites."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.verification.findings import Case, Finding, error, warning

NETWORK_TYPES = ("ether", "XD_data", "XD_ip")


def has_what_a_cluster_needs(case: Case) -> Iterator[Finding]:
    """Nodes, a network, a repository disk."""
    c = case.configuration
    if not c.nodes:
        yield error("There are no nodes defined in the cluster.")
    if not c.networks:
        yield error("There are no networks defined in the cluster.")
    if not c.repository:
        yield error("No repository disk has been specified for the cluster.")
    node = c.cluster.verification_node
    if node and node != "Default" and c.node(node) is None:
        yield error(f"The node '{node}', which is to verify the cluster automatically, is not defined.")


def every_node_is_on_a_network(case: Case) -> Iterator[Finding]:
    """A boot interface for every node, on every network of the cluster as far as it matters."""
    c = case.configuration
    for node in c.nodes:
        on = {label.network for label in c.labels if label.node == node.name and label.function == "boot"}
        if not on:
            yield error(f"The node '{node.name}' has no boot interface.")
            continue
        for network in c.networks:
            if network.name not in on:
                yield warning(f"The node '{node.name}' has no boot interface on network '{network.name}'.")


def networks_are_sound(case: Case) -> Iterator[Finding]:
    """A type that a network can have; one netmask a network; no network without interfaces."""
    c = case.configuration
    for network in c.networks:
        if network.type not in NETWORK_TYPES:
            yield error(f"The network '{network.name}' is of the type '{network.type}', which is not supported.")
        boot = [label for label in c.labels if label.network == network.name and label.function == "boot"]
        if not boot:
            yield warning(f"The network '{network.name}' has no interfaces.")
        masks = {label.netmask for label in boot}
        if len(masks) > 1:
            listed = ", ".join(f"{label.label} {label.netmask}" for label in boot)
            yield error(f"The netmasks of the interfaces on network '{network.name}' differ: {listed}.")


def single_points_of_failure(case: Case) -> Iterator[Finding]:
    """What the loss of one part would take down."""
    c = case.configuration
    if len(c.networks) == 1:
        yield warning(
            f"There is only one network defined ('{c.networks[0].name}'): it is a single point of failure.",
        )
    if len(c.nodes) == 1:
        yield warning(f"There is only one node defined ('{c.nodes[0].name}'): it is a single point of failure.")


def sites_are_sound(case: Case) -> Iterator[Finding]:
    """Every site has nodes that exist, and no node is in two; a stretched or linked cluster has two (inferred)."""
    c = case.configuration
    kind = {"SC": "stretched", "LC": "linked"}.get(c.setting("CLUSTER_TYPE", "NSC"), "")
    if kind and len(c.sites) != 2:
        count = len(c.sites)
        yield error(f"A {kind} cluster has two sites, but {count} {'is' if count == 1 else 'are'} defined.")
    owner: dict[str, str] = {}
    for site in c.sites:
        if not site.nodes:
            yield error(f"The site '{site.name}' has no nodes.")
        for node in site.nodes:
            if c.node(node) is None:
                yield error(f"The site '{site.name}' names the node '{node}', which is not defined.")
            if owner.setdefault(node, site.name) != site.name:
                yield error(f"The node '{node}' belongs to the sites '{owner[node]}' and '{site.name}'.")
    if c.sites:
        for member in c.nodes:
            if member.name not in owner:
                yield error(f"The node '{member.name}' belongs to no site, although the cluster has sites.")
