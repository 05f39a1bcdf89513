"""Names of clusters, sites, nodes, networks, labels and groups."""

from __future__ import annotations

import string
from collections.abc import Iterator

from daemons.cluster.verification.findings import Case, Finding, error

ALLOWED = frozenset(string.ascii_letters + string.digits + "_-.")
LENGTH_MAX = 64
RESERVED = frozenset((
    "adapter", "all", "alias", "cluster", "command", "daemon", "false", "group", "network", "node", "nodes",
    "no", "none", "name", "name_server", "resource", "resources", "service", "site", "sites", "subnet",
    "subnets", "time", "tmp", "true", "type", "yes",
))  # fmt: skip
"""Words that /usr/es/sbin/cluster/etc/reserved_words keeps from being names (the list is inferred)."""


def _named(case: Case) -> Iterator[tuple[str, str]]:
    c = case.configuration
    yield "cluster", c.cluster.name
    for what, members in (
        ("site", c.sites),
        ("node", c.nodes),
        ("network", c.networks),
        ("resource group", c.groups),
        ("application controller", c.controllers),
        ("application monitor", c.monitors),
    ):
        for member in members:
            yield what, member.name


def are_valid(case: Case) -> Iterator[Finding]:
    """Letters, digits, underscore (hyphens and dots in host names), no reserved word."""
    for what, name in _named(case):
        if not name:
            yield error(f"There is a {what} without a name.")
        elif set(name) - ALLOWED or name[0] in "-.":
            yield error(f"The {what} name '{name}' contains invalid characters.")
        elif len(name) > LENGTH_MAX:
            yield error(f"The {what} name '{name}' is longer than {LENGTH_MAX} characters.")
        elif name.lower() in RESERVED:
            yield error(f"The {what} name '{name}' is a reserved word.")


def are_unique(case: Case) -> Iterator[Finding]:
    """No two objects of a class, and no network and group, have one name."""
    seen: set[tuple[str, str]] = set()
    for what, name in _named(case):
        if (what, name) in seen:
            yield error(f"There is more than one {what} with the name '{name}'.")
        seen.add((what, name))
    labels: set[str] = set()
    for label in case.configuration.labels:
        if label.label in labels:
            yield error(f"There is more than one IP label with the name '{label.label}'.")
        labels.add(label.label)
