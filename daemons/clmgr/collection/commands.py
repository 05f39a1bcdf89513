"""clsnap: the part of ``snap -e`` that is the cluster software's."""

from __future__ import annotations

import sys

from daemons.clmgr.collection import contents, gathering
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD, ConfigurationFault
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

USAGE = "Usage: clsnap [-d Dir] [-m Nodelist]\n       clsnap -l"
DIRECTORY = "/tmp/ibmsupt/hacmp"


def clsnap(argv: list[str]) -> int:
    """``clsnap [-d Dir] [-m nodes]``: gather the data of all nodes of the cluster, or of some, below a directory.

    With ``-l``, which this command calls on every node, this node's own part goes to standard output as an archive.
    The exit code is 1 if the request is wrong or a node's data could not be gathered. (The flags are snap's; -l is
    inferred.)
    """
    try:
        options = parse(argv, "d:m:l")
        if options.operands or ("l" in options and len(options.values) > 1):
            raise UsageError("-l")
        if not options.value("d", DIRECTORY).startswith("/"):
            raise UsageError("-d")
    except UsageError:
        return usage(USAGE)
    root = NodeRoot.current()
    if "l" in options:
        contents.write(root, sys.stdout.buffer)
        return 0
    try:
        nodes = nodes_named(root, options.get("m"))
    except (OdmError, ConfigurationFault, LookupError) as error:
        sys.stderr.write(f"clsnap: {error.args[0]}\n")
        return 1
    failed = gathering.gather(root, nodes, options.value("d", DIRECTORY))
    sys.stdout.flush()
    sys.stderr.writelines(f"clsnap: {line}\n" for line in failed)
    return 1 if failed else 0


def nodes_named(root: NodeRoot, text: str | None) -> list[str]:
    """The nodes of a list with commas or blanks, or all of the cluster; without a cluster this one.

    Raises:
        LookupError: a node is not defined.
        OdmError, ConfigurationFault: the configuration cannot be read.
    """
    c = configurations.load(Repository(root, DCD))
    every = [node.name for node in c.nodes] if c is not None else [root.identity.node]
    names = list(dict.fromkeys(text.replace(",", " ").split())) if text is not None else every
    unknown = next((name for name in names if name not in every), "")
    if unknown or not names:
        raise LookupError(f"the node {unknown} is not defined." if unknown else "no node was named.")
    return names
