"""The cluster's entries in /etc/inittab of a node.

hacmp prepares the node for the cluster at every boot. harc, with which harc.net has the boot interfaces up before
cluster services, stands behind it on nodes with IP address takeover. Both records are the product's; that such a node
is one where a resource group may hold a service label is inferred.
"""

from __future__ import annotations

from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD, Configuration
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

HACMP, HARC = "hacmp", "harc"
RECORDS = {
    HACMP: "hacmp:2:once:/usr/es/sbin/cluster/etc/rc.init",
    HARC: "harc:2:wait:/usr/es/sbin/cluster/etc/harc.net # PowerHA SystemMirror network startup",
}
"""In the order in which they stand in the file."""


class EntryRefused(Exception):
    """/etc/inittab cannot be changed; ``str()`` says why."""


def takes_addresses(c: Configuration, node: str) -> bool:
    """Whether a resource group may hold a service label on a node."""
    networks = {label.network for label in c.labels if (label.function, label.node) == ("boot", node)}
    service = {label.label for label in c.labels if label.function == "service" and label.network in networks}
    return any(
        label in service and c.may_hold(node, label)
        for group in c.groups
        if node in group.nodes
        for label in group.resource("SERVICE_LABEL")
    )


def needed(root: NodeRoot) -> frozenset[str] | None:
    """The entries that this node's configuration asks for, None if that cannot be told.

    Raises:
        OSError: the configuration cannot be read.
    """
    try:
        c = configurations.load(Repository(root, DCD))
    except (configurations.ConfigurationFault, OdmError):
        return None
    return needed_by(c, root.identity.node) if c is not None else frozenset({HACMP})


def needed_by(c: Configuration, node: str) -> frozenset[str]:
    """The entries that a configuration asks for on a node."""
    return frozenset(RECORDS) if takes_addresses(c, node) else frozenset({HACMP})


def present(root: NodeRoot) -> frozenset[str] | None:
    """Those of the cluster's entries that /etc/inittab has, None if it cannot be read."""
    from srcctl.node.inittab import Inittab, InittabError

    try:
        with open(root.path("/etc/inittab"), encoding="utf-8") as file:
            table = Inittab.parse(file.read())
    except (OSError, UnicodeDecodeError, InittabError):
        return None
    return frozenset(name for name in RECORDS if table.find(name) is not None)


def add(root: NodeRoot, names: frozenset[str]) -> None:
    """Add entries where they are missing.

    Raises:
        EntryRefused: inittab refuses.
        OSError: there is no mkitab.
    """
    there = present(root)
    if there is not None:
        _add(root, names, there)


def _add(root: NodeRoot, names: frozenset[str], there: frozenset[str]) -> None:
    for name, record in RECORDS.items():
        if name in names and name not in there:
            behind = ("-i", HACMP) if name == HARC and HACMP in there | names else ()
            _run(root, "mkitab", *behind, record)


def follow_configuration(root: NodeRoot) -> None:
    """Make the cluster's entries those that this node's configuration asks for; hacmp always stays.

    Raises:
        EntryRefused: inittab refuses.
        OSError: the configuration cannot be read, or there is no mkitab.
    """
    wanted, there = needed(root), present(root)
    if there is None:
        return
    _add(root, wanted or frozenset({HACMP}), there)
    if wanted is not None and HARC in there - wanted:
        _run(root, "rmitab", HARC)


def _run(root: NodeRoot, program: str, *arguments: str) -> None:
    import subprocess  # seldom: clconfd is spared it

    done = subprocess.run(
        [root.path(f"/usr/sbin/{program}"), *arguments], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise EntryRefused(done.stderr.strip() or f"{program} ended with {done.returncode}")
