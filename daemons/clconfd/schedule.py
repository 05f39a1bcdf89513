"""When the cluster is verified by itself, and by which node: once in 24 product hours. Pure."""

from __future__ import annotations

from daemons.cluster.configuration import Configuration

DAY, HOUR = 86_400.0, 3_600.0
"""Product seconds."""


def verifying_node(c: Configuration) -> str:
    """The node that verifies: the chosen one, or else the first by name; "" if automatic verification is off."""
    if not c.cluster.automatic_verification or not c.nodes:
        return ""
    chosen = c.cluster.verification_node
    if chosen and chosen != "Default" and c.node(chosen) is not None:
        return chosen
    return min(node.name for node in c.nodes)


def seconds_until(midnight: float, hour: int, speed: float) -> float:
    """Real seconds until the next run at a full hour of the day.

    Args:
        midnight: real seconds since midnight, local time.
        hour: 0 to 23.
        speed: the lab's; its days are that much shorter, the first of them begins at midnight.
    """
    product = (midnight * speed) % DAY
    left = (hour * HOUR - product) % DAY
    return (left or DAY) / speed
