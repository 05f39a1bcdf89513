"""``get_local_nodename`` and ``clgetactivenodes``."""

from __future__ import annotations

import sys

from daemons.clstrmgr import client
from daemons.cluster.configuration import ACD, DCD
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository


def local_name(argv: list[str]) -> int:
    """``get_local_nodename``: this node's name in the cluster; exit code 1 if there is no cluster."""
    root = NodeRoot.current()
    for directory in (DCD, ACD):
        try:
            objects = Repository(root, directory).get("HACMPcluster")
        except OdmError:
            continue
        if objects and objects[0].get("nodename"):
            print(objects[0]["nodename"])
            return 0
    sys.stderr.write("get_local_nodename: this node is not part of a cluster.\n")
    return 1


def active_nodes(argv: list[str]) -> int:
    """``clgetactivenodes [-n node] [-o odmdir] [-t timeout] [-v verbose]``: nodes with active services.

    ``-n`` asks whether that node is active: if not, nothing is printed and the exit code is 1 (how the product tells
    it is inferred).
    """
    try:
        options = parse(argv, "n:o:t:v:")
    except UsageError as error:
        sys.stderr.write(f"clgetactivenodes: {error}\n")
        return usage("Usage: clgetactivenodes [-n node] [-o odmdir] [-t timeout] [-v verbose]\n")
    if options.operands:
        return usage("Usage: clgetactivenodes [-n node] [-o odmdir] [-t timeout] [-v verbose]\n")
    try:
        picture = client.query_state()
    except client.ManagerUnreachable as error:
        sys.stderr.write(f"clgetactivenodes: {error}\n")
        return 1
    active = [node.name for node in picture.nodes if node.state in ("up", "joining", "leaving")]
    if "n" in options and options.value("n") not in active:
        return 1
    for name in active:
        print(name)
    return 0
