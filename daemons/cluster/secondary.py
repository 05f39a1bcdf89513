"""Where the secondary instance of a resource group is to be, in a cluster with sites.

A group with the inter-site management policy Prefer Primary Site or Online On Either Site has its resources at one site
(the primary instance) and is kept ready at the other one (the secondary instance). What a secondary instance would hold
are replicated resources, which there are none of here, so it holds nothing; where it is follows the primary instance.
Source: the product's planning guide on replicated resource groups; that it stays on its node as long as it can, and
that groups without replicated resources have one, is inferred.
"""

from __future__ import annotations

from collections.abc import Collection

from daemons.cluster.placement import GroupPolicy


def site_of_primary(policy: GroupPolicy, primary: Collection[int], last: str = "") -> str:
    """The site of the primary instance.

    Args:
        policy: the group's.
        primary: nodes on which the primary instance is, or is to be.
        last: the site where it was online last.
    """
    here = {policy.site(node) for node in primary}
    return min(here) if here else last or policy.primary_site


def place_secondary(
    policy: GroupPolicy,
    primary: Collection[int],
    last: str,
    present: Collection[int],
    available: Collection[int],
    failed: Collection[int],
    asked: int = 0,
) -> int:
    """The node of the secondary instance, 0 for none.

    Args:
        policy: the group's.
        primary: nodes on which the primary instance is to be.
        last: the site where that was online last.
        present: nodes that have the secondary instance.
        available: nodes that are up and managed.
        failed: nodes on which the secondary instance failed.
        asked: the node that an operator wants it on.
    """
    site = site_of_primary(policy, primary, last)
    if not policy.heeds_sites or not site:
        return 0
    places = [node for node in policy.nodes if policy.site(node) != site and node in available and node not in failed]
    return next((node for node in (asked, *present) if node in places), places[0] if places else 0)
