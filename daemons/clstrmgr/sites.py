"""Moving a group to a site: to which of its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.clstrmgr.messages import ClusterSnapshot

if TYPE_CHECKING:
    from daemons.cluster.configuration import Configuration


def node_at_site(configuration: Configuration, picture: ClusterSnapshot, group: str, site: str) -> tuple[str, str]:
    """The first node of the group's list that is at the site and up (inferred); why there is none ("" if one is)."""
    place, entry = configuration.site(site), configuration.group(group)
    if place is None:
        return "", f"There is no site {site} in this cluster."
    if entry is None:
        return "", f"There is no resource group {group} in this cluster."
    known = [node for node in entry.nodes if node in place.nodes]
    if not known:
        return "", f"No node of resource group {group} is at site {site}."
    up = {node.name for node in picture.nodes if node.state == "up"}
    chosen = next((node for node in known if node in up), "")
    return chosen, "" if chosen else f"Cluster services are active on no node of resource group {group} at site {site}."
