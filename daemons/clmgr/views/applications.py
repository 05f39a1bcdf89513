"""cldisp: the pure screen, fed from the configuration and this node's cluster manager."""

from __future__ import annotations

import sys

from daemons.clmgr.operations.live import picture_of
from daemons.cluster.configuration import DCD, ConfigurationFault, load_defined
from daemons.cluster.listing.applications import display
from srcctl.commands.options import usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository


def cldisp(argv: list[str]) -> int:
    """``cldisp``: applications, what they need and where they run."""
    if len(argv) > 1:
        return usage("Usage: cldisp")
    root = NodeRoot.current()
    try:
        c = load_defined(Repository(root, DCD))
    except (OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"cldisp: {error}\n")
        return 1
    picture = picture_of(root, root.identity.node)
    # A node that is not known to be in the cluster is shown as down.
    nodes, states = dict.fromkeys((node.name for node in c.nodes), "down"), dict[str, dict[str, str]]()
    if picture is not None:
        names = {node.number: node.name for node in picture.nodes}
        nodes |= {node.name: node.state for node in picture.nodes if node.state != "unknown"}
        states = {g.name: {names.get(place.node, ""): place.state for place in g.nodes} for g in picture.groups}
    print("\n".join(display(c, picture is not None and picture.services, nodes, states)))
    return 0
