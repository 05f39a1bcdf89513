"""CAA's tunables as the configuration wants them."""

from __future__ import annotations

from daemons.clmgr.settings import TUNABLES, tunable_value
from daemons.cluster.configuration import Configuration


def configured_tunables(c: Configuration) -> dict[str, str]:
    """CAA's tunables by name, whether there is a CAA cluster yet or not."""
    found = {"communication_mode": "m" if c.cluster.heartbeat_type == "C" else "u", **_merge_policies(c)}
    for attribute, (tunable, _) in TUNABLES.items():
        if value := c.setting(attribute):
            found[tunable] = tunable_value(attribute, value)
    return found


def _merge_policies(c: Configuration) -> dict[str, str]:
    """What CAA's merge policies become: they are derived from the cluster's merge policy and its quarantine policy.

    Where something else than the number of nodes decides (a tie breaker, an operator, priorities of sites, a node that
    was quarantined), the heuristic policy leaves it to that; which one leads to which value is inferred.
    """
    merge = dict(c.split_merge).get("merge", "Majority").lower()
    quarantined = c.setting("QUARANTINE_POLICY", "disable") != "disable"
    local = {"none": "n", "majority": "h" if quarantined else "m"}.get(merge, "h")
    return {
        "local_merge_policy": local,
        **({"site_merge_policy": {"priority": "p", "manual": "m"}.get(merge, "h")} if c.sites else {}),
    }
