"""Whom the quarantine policy shuts out before anything is taken over: a pure decision over the picture of one side.

The reference's section on split, merge and quarantine speaks of two nodes. With more of them the node that had the
critical resource group is not all that there may be beyond a cut: were it shut out alone, the others there, or one that
joins them meanwhile, would take the group over as this side does. So all that this side does not see are shut out
(inferred).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from daemons.cluster.placement import HELD


def shut_out(
    states: Mapping[int, str], goals: Collection[int], members: Collection[int], missed: Collection[int]
) -> frozenset[int]:
    """The nodes that are shut out.

    Args:
        states: of the critical resource group, by node.
        goals: where it is to be, if groups depend on each other: then it is acquired in a later event.
        members: the nodes of this side.
        missed: nodes from which something is yet to be taken over, and those that CAA calls dead.
    """
    if any(states.get(node) == "ONLINE" for node in members):
        return frozenset()
    departed = frozenset(missed) - frozenset(members)
    # While node_down runs, the group reads OFFLINE where it was, and ACQUIRING where it is about to be.
    wanted = bool(goals) or any(states.get(node) in HELD for node in departed | frozenset(members))
    return departed if wanted else frozenset()
