"""clsetenvgrp: the lists of resource groups with which an event script of its own begins, for ``eval``.

Known of the command is its synopsis and what it is for. The names of the lists are those of the variables of jobs as
far as there are such, in the plural; which groups stand in each, and that an event's name is checked, is inferred.
"""

from __future__ import annotations

import sys

from daemons.clstrmgr import client
from daemons.clstrmgr.messages import ClusterSnapshot
from daemons.cluster.configuration import ACD
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

USAGE = "Usage: clsetenvgrp node event\n"
ACTIONS = {
    "ONLINE": ("NONE", "NONE"),
    "ACQUIRING": ("ACQUIRE", "NONE"),
    "RELEASING": ("RELEASE", "NONE"),
    "ONLINE SECONDARY": ("NONE", "NONE"),
    "ACQUIRING SECONDARY": ("NONE", "ACQUIRE"),
    "RELEASING SECONDARY": ("NONE", "RELEASE"),
}
"""States of groups that a node has a part in: what it does to the primary instance, and to the secondary one."""


def lists(picture: ClusterSnapshot, node: int) -> dict[str, str]:
    """The variables, for a node by its id. Blanks separate names; the actions are in step with RESOURCE_GROUPS."""
    held, homeless, failed, unmanaged = [], [], [], []
    actions: list[tuple[str, str]] = []
    for group in picture.groups:
        states = {place.node: place.state for place in group.nodes}
        if node not in states:
            continue
        if group.unmanaged_on:
            unmanaged += [group.name] if group.unmanaged_on == node else []
        elif states[node] in ACTIONS:
            held.append(group.name)
            actions.append(ACTIONS[states[node]])
        elif states[node] in ("ERROR", "TEMPORARY ERROR"):
            failed.append(group.name)
        elif set(states.values()) <= {"OFFLINE", "OFFLINE SECONDARY"}:
            homeless.append(group.name)
    found = {
        "FORCEDOWN_GROUPS": unmanaged,
        "RESOURCE_GROUPS": held,
        "HOMELESS_GROUPS": homeless,
        "ERRSTATE_GROUPS": failed,
        "PRINCIPAL_ACTIONS": [primary for primary, _ in actions],
        "AUXILLIARY_ACTIONS": [secondary for _, secondary in actions],
    }
    return {name: " ".join(values) for name, values in found.items()}


def clsetenvgrp(argv: list[str]) -> int:
    """``clsetenvgrp NODE EVENT``: assignments for the shell; 1 if there is no such node or event, or nobody to ask."""
    if len(argv) != 3 or argv[1].startswith("-"):
        sys.stderr.write(USAGE)
        return 1
    event = argv[2].rpartition("/")[2]
    try:
        if not Repository(NodeRoot.current(), ACD).get("HACMPevent", f'name = "{event}"'):
            sys.stderr.write(f"clsetenvgrp: There is no event {event}.\n")
            return 1
        picture = client.query_state()
    except (OdmError, client.ManagerUnreachable) as error:
        sys.stderr.write(f"clsetenvgrp: {error}\n")
        return 1
    node = client.node_named(picture, argv[1])
    if node is None:
        sys.stderr.write(f"clsetenvgrp: There is no node {argv[1]} in this cluster.\n")
        return 1
    print(" ".join(f'{name}="{value}"' for name, value in lists(picture, node.number).items()))
    return 0
