"""How large a cluster of this level may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from daemons.cluster.configuration.policies import PARENT_CHILD
from daemons.cluster.configuration.resources import OWNED
from daemons.cluster.verification.findings import Case, Finding, error

NODES_MAX = 16
SITES_MAX = 2
NETWORKS_MAX = 48
XD_DATA_MAX = 4
INTERFACES_MAX = 7
"""Of a node on a network."""
PERSISTENT_MAX = 1
"""Of a node on a network."""
LABELS_MAX = 256
"""Service and boot labels together."""
GROUPS_MAX = 64
RESOURCES_MAX = 512
"""Of all groups together: applications, volume groups, file systems, labels and so on."""
MONITORS_MAX = 128
LEVELS_MAX = 3
"""Of parents and children."""
BACKUPS_MAX = 6


def are_kept(case: Case) -> Iterator[Finding]:
    """The product's limits (the texts are inferred)."""
    c = case.configuration
    labels = [label for label in c.labels if label.function in ("boot", "service")]
    resources = [value for group in c.groups for kind, value in group.resources if kind in OWNED and value != "ALL"]
    for count, most, what in (
        (len(c.nodes), NODES_MAX, "nodes"),
        (len(c.sites), SITES_MAX, "sites"),
        (len(c.networks), NETWORKS_MAX, "networks"),
        (sum(network.type == "XD_data" for network in c.networks), XD_DATA_MAX, "networks of the type XD_data"),
        (len(labels), LABELS_MAX, "service and boot IP labels"),
        (len(c.groups), GROUPS_MAX, "resource groups"),
        (len(resources), RESOURCES_MAX, "resources"),
        (len(c.monitors), MONITORS_MAX, "application monitors"),
        (len(c.backup_repositories), BACKUPS_MAX, "backup repository disks"),
    ):
        if count > most:
            yield error(f"A cluster cannot have more than {most} {what}; {count} are defined.")
    for function, most, what in (
        ("boot", INTERFACES_MAX, "interfaces"),
        ("persistent", PERSISTENT_MAX, "persistent IP labels"),
    ):
        found = Counter((label.node, label.network) for label in c.labels if label.function == function and label.node)
        for (node, network), count in found.items():
            if count > most:
                yield error(
                    f"The node '{node}' cannot have more than {most} {what if most > 1 else what[:-1]} on network "
                    f"'{network}'; {count} are defined."
                )
    if (levels := _levels(case)) > LEVELS_MAX:
        yield error(
            f"The dependencies of the resource groups have {levels} levels of parents and children; {LEVELS_MAX} are "
            "possible."
        )


def _levels(case: Case) -> int:
    """How many groups the longest line of parents and children has, as far as it is no loop."""
    known = {group.name for group in case.configuration.groups}
    pairs = {
        (d.parent, d.child)
        for d in case.configuration.dependencies
        if d.kind == PARENT_CHILD and {d.parent, d.child} <= known
    }
    level = dict.fromkeys(known, 1)
    for _ in known:
        deeper = {child: level[parent] + 1 for parent, child in pairs if level[parent] >= level[child]}
        if not deeper:
            return max(level.values(), default=0)
        level |= deeper
    return 0  # a loop has its own finding
