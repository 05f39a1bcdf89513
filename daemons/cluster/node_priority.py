"""Dynamic node priority: which group needs which values, and the names of the policies.

Source: the product's administration guide on dynamic node priority policies.
"""

from __future__ import annotations

from typing import Final

from daemons.cluster.configuration import Configuration, whole_number

MEASURE_INTERVAL: Final = 180.0
"""Product seconds between measurements; the product's three minutes cannot be configured."""

POLICIES: Final = {
    "cl_highest_free_mem": "mem",
    "cl_highest_idle_cpu": "cpu",
    "cl_lowest_disk_busy": "disk",
    "cl_highest_udscript_rc": "most",
    "cl_lowest_nonzero_udscript_rc": "least",
}
"""The names of the policies in HACMPresource, and clmgr's words for them."""


def policy_word(name: str) -> str:
    """clmgr's word for a node priority policy, by either name; "" for none."""
    word = POLICIES.get(name, name)
    return word if word in POLICIES.values() else ""


def scripts(configuration: Configuration) -> dict[str, tuple[str, int]]:
    """The groups whose node priority is the exit code of a script: the script and its time limit in seconds."""
    found = {}
    for group in configuration.groups:
        policy = policy_word(next(iter(group.resource("NODE_PRIORITY_POLICY")), ""))
        script = next(iter(group.resource("NODE_PRIORITY_POLICY_SCRIPT")), "")
        limit = next(iter(group.resource("NODE_PRIORITY_POLICY_TIMEOUT")), "")
        if group.fallover == "FUDNP" and policy in ("most", "least") and script:
            found[group.name] = (script, whole_number(limit, 0) or 60)
    return found


def measures(configuration: Configuration) -> bool:
    """Does any group need node priority values?"""
    return any(group.fallover == "FUDNP" for group in configuration.groups)
