"""``cl_quarantine NODE``: the quarantine policy, before this side of the cluster takes over from a node.

With QUARANTINE_POLICY node_halt the side that does not have the critical resource group (CRITICAL_RG) has the node that
had it powered off by its management console: it may be alive beyond a cut. The name of this command is ours; what it
does is the product's "active node halt policy" (the reference's section on split, merge and quarantine).
"""

from __future__ import annotations

import sys

from daemons.clstrmgr import client
from daemons.cluster.configuration import ACD
from daemons.runtime.dynamic_settings import dynamic_settings
from srcctl.errlog import log_entry
from srcctl.network.management_console import ConsoleError, power_off
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError

POLICIES = ("node_halt", "halt_with_fencing")


def main(argv: list[str]) -> int:
    """Exit code 1: the node could not be powered off, so nothing of it may be taken over."""
    if len(argv) != 2:
        print("Usage: cl_quarantine node", file=sys.stderr)
        return 1
    root, node = NodeRoot.current(), argv[1]
    settings = _settings(root)
    critical = settings.get("CRITICAL_RG", "")
    if settings.get("QUARANTINE_POLICY", "") not in POLICIES or not critical:
        return 0
    try:
        picture = client.query_state()
    except client.ManagerUnreachable as error:
        print(f"cl_quarantine: {error}.", file=sys.stderr)
        return 1
    group = client.group_named(picture, critical)
    failed = client.node_named(picture, node)
    if group is None or failed is None:
        return 0
    if any(state.state == "ONLINE" and state.node != failed.number for state in group.nodes):
        print(f"cl_quarantine: the critical resource group {critical} is on this side: node {node} is left alone")
        return 0
    try:
        was_on = power_off(root.identity.lab, node)
    except ConsoleError as error:
        print(f"cl_quarantine: {error}", file=sys.stderr)
        return 1
    text = f"cl_quarantine: node {node} {'was powered off' if was_on else 'is off'} before {critical} is taken over"
    print(text)
    if was_on:
        log_entry(root, "OPMSG", "clstrmgr", (("MESSAGE FROM ERRLOGGER COMMAND", text),))
    return 0


def _settings(root: NodeRoot) -> dict[str, str]:
    try:
        return dynamic_settings(root, ACD)
    except OdmError:
        return {}
