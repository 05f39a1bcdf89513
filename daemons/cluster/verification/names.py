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
"""What /usr/es/sbin/cluster/etc/reserved_words has from the installation on (the words are inferred): no names."""


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
    for label in c.labels:
        yield "IP label", label.label


def are_valid(case: Case) -> Iterator[Finding]:
    """Letters, digits, underscore (hyphens and dots in host names), no reserved word."""
    reserved = frozenset(word for _, known in case.answering() for word in known.reserved_words) or RESERVED
    for what, name in _named(case):
        if not name:
            yield error(f"There is a {what} without a name.")
        elif set(name) - ALLOWED or name[0] in "-.":
            yield error(f"The {what} name '{name}' contains invalid characters.")
        elif len(name) > LENGTH_MAX:
            yield error(f"The {what} name '{name}' is longer than {LENGTH_MAX} characters.")
        elif name.lower() in reserved:
            yield error(f"The {what} name '{name}' is a reserved word.")


def are_unique(case: Case) -> Iterator[Finding]:
    """No two objects of a class, and no network and group, have one name."""
    seen: set[tuple[str, str]] = set()
    for what, name in _named(case):
        if (what, name) in seen:
            yield error(f"There is more than one {what} with the name '{name}'.")
        seen.add((what, name))
