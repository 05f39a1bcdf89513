"""Resource groups: their nodes, policies, and service IP labels."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration import Configuration, ResourceGroup
from daemons.cluster.configuration.resources import owner_of
from daemons.cluster.verification.findings import Case, Finding, error, warning

STARTUP = ("OHN", "OFAN", "OUDP", "OAAN")
FALLOVER = ("FNPN", "FUDNP", "BO")
FALLBACK = ("FBHPN", "NFB")


def have_nodes_and_policies(case: Case) -> Iterator[Finding]:
    """Node lists and policies that exist and go together."""
    c = case.configuration
    if not c.groups:
        yield warning("No resource groups are defined.")
    names = {node.name for node in c.nodes}
    for group in c.groups:
        if not group.nodes:
            yield error(f"The resource group '{group.name}' has no nodes.")
        for node in group.nodes:
            if node not in names:
                yield error(f"The resource group '{group.name}' names the node '{node}', which is not defined.")
            if group.nodes.count(node) > 1:
                yield error(f"The resource group '{group.name}' names the node '{node}' more than once.")
                break
        if group.startup not in STARTUP or group.fallover not in FALLOVER or group.fallback not in FALLBACK:
            yield error(f"The resource group '{group.name}' has a policy that does not exist.")
        if group.startup == "OAAN" and (group.fallover != "BO" or group.fallback != "NFB"):
            yield error(f"The resource group '{group.name}' is online on all available nodes: it needs BO and NFB.")
        if group.startup == "OUDP" and group.fallback != "NFB":
            yield error(
                f"The resource group '{group.name}' is started by the distribution policy: it needs the fallback "
                "policy NFB."
            )
        if group.concurrent and group.resource("SERVICE_LABEL"):
            yield error(f"The concurrent resource group '{group.name}' cannot have a service IP label.")
        if group.fallover == "FUDNP" and not group.resource("NODE_PRIORITY_POLICY"):
            yield warning(
                f"The resource group '{group.name}' falls over by dynamic node priority, but has no node priority "
                "policy."
            )


def site_policies_fit(case: Case) -> Iterator[Finding]:
    """What sites mean to a group. Dynamic node priority is not supported with sites (the product's rule); Online On
    Both Sites is for groups that are online on all nodes (the product's rule, too), the others are not, here."""
    c = case.configuration
    for group in c.groups:
        if c.sites and group.fallover == "FUDNP":
            yield error(
                f"The resource group '{group.name}' falls over by dynamic node priority, which is not supported in a "
                "cluster with sites."
            )
        policy = group.site_policy
        if policy == "ignore":
            continue
        named = f"The inter-site management policy '{policy}' of the resource group '{group.name}'"
        if policy not in ("primary", "either", "both"):
            yield error(f"{named} does not exist.")
        elif not c.sites:
            yield error(f"{named} needs sites, but none are defined.")
        elif (policy == "both") != group.concurrent:
            needs = "is for groups that are" if policy == "both" else "is not supported for a group that is"
            yield error(f"{named} {needs} online on all available nodes.")
        else:
            yield from _nodes_at_sites(c, group)


def _nodes_at_sites(c: Configuration, group: ResourceGroup) -> Iterator[Finding]:
    primary = {c.site_of(node) for node in group.nodes if node not in group.secondary_nodes}
    for node in group.secondary_nodes:
        if c.site_of(node) in primary:
            yield error(
                f"The node '{node}' of the secondary site of the resource group '{group.name}' is at the site of its "
                "primary nodes."
            )
    if group.site_policy != "both" and len({c.site_of(node) for node in group.nodes}) == 1:
        yield warning(f"The resource group '{group.name}' has nodes at one site only: it has no secondary instance.")


def own_their_resources_alone(case: Case) -> Iterator[Finding]:
    """No resource in two groups."""
    groups = case.configuration.groups
    for number, group in enumerate(groups):
        for kind, value in group.resources:
            if other := owner_of(kind, value, groups[:number]):
                yield error(f"The resource '{value}' belongs to '{other}' and to '{group.name}'.")


def service_labels_fit(case: Case) -> Iterator[Finding]:
    """Service labels are defined, on a network that every node of the group has, or every one at the label's site."""
    c = case.configuration
    for group in c.groups:
        for label in group.resource("SERVICE_LABEL"):
            entry = c.label(label)
            if entry is None or entry.function != "service":
                yield error(f"The service IP label '{label}' of '{group.name}' is not defined.")
                continue
            if (site := c.site_of_label(label)) and not any(c.may_hold(node, label) for node in group.nodes):
                yield warning(
                    f"The service IP label '{label}' of '{group.name}' belongs to the site '{site}', at which the "
                    "group has no nodes: it will never be active."
                )
            for node in group.nodes:
                if not c.may_hold(node, label):
                    continue
                if c.node(node) is not None and not any(
                    (b.network, b.node, b.function) == (entry.network, node, "boot") for b in c.labels
                ):
                    yield error(
                        f"The service IP label '{label}' of '{group.name}' is on network '{entry.network}', on which "
                        f"node '{node}' has no boot interface."
                    )


def service_labels_are_used(case: Case) -> Iterator[Finding]:
    """A service label that no group has is never active."""
    c = case.configuration
    used = {label for group in c.groups for label in group.resource("SERVICE_LABEL")}
    for label in c.labels:
        if label.function == "service" and label.label not in used:
            yield warning(f"The service IP label '{label.label}' belongs to no resource group.")
