"""Test plans and variables of the Cluster Test Tool. Pure.

A line of a plan is ``TEST_NAME, parameter, ..., comment``; blank lines and those that begin with # are passed over. A
parameter's value is looked up in the variables file if there is one, else in the environment, and stands for itself
where neither has it (names, parameters and this order are the product's).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from daemons.cluster.configuration import Configuration
from srcctl.commands.options import is_number

ALL, ANY, RESTORE, OTHER = "ALL", "ANY", "RESTORE", "OTHER"

PARAMETERS: dict[str, tuple[str, ...]] = {
    "NODE_UP": ("node ALL",),
    "NODE_DOWN_GRACEFUL": ("node ALL",),
    "NODE_DOWN_TAKEOVER": ("node",),
    "NODE_DOWN_FORCED": ("node",),
    "CLSTRMGR_KILL": ("node",),
    "NETWORK_UP_LOCAL": ("node", "network"),
    "NETWORK_DOWN_LOCAL": ("node", "network"),
    "NETWORK_UP_GLOBAL": ("network",),
    "NETWORK_DOWN_GLOBAL": ("network",),
    "JOIN_LABEL": ("label",),
    "FAIL_LABEL": ("label",),
    "RG_ONLINE": ("group", "node ALL ANY RESTORE"),
    "RG_OFFLINE": ("group", "node ALL ANY"),
    "RG_MOVE": ("group", "node ANY RESTORE"),
    "RG_MOVE_SITE": ("group", "site OTHER"),
    "SITE_UP": ("site",),
    "SITE_DOWN_GRACEFUL": ("site",),
    "SITE_DOWN_TAKEOVER": ("site",),
    "SERVER_DOWN": ("node ANY", "application", "command"),
    "VG_DOWN": ("volume_group", "node ALL ANY"),
    "WAIT": ("seconds",),
}
"""Test: what each of its parameters names, and the words that it may be instead."""
ABSENT = {
    "NETWORK_UP_NONIP": "a cluster of this level has no networks but IP networks",
    "NETWORK_DOWN_NONIP": "a cluster of this level has no networks but IP networks",
    "SITE_ISOLATION": "nodes of one host cannot cut themselves off from each other (srcctl partition does)",
    "SITE_MERGE": "nodes of one host cannot cut themselves off from each other (srcctl heal ends it)",
}
"""Tests of the product that cannot be run here, and why."""


class PlanError(Exception):
    """A plan or a variables file is wrong; ``str()`` says where and why."""


class Test(msgspec.Struct, frozen=True):
    """One test of a plan; ``line`` is the plan's, as it is shown."""

    __test__ = False

    name: str
    parameters: tuple[str, ...]
    comment: str
    line: str

    @property
    def node(self) -> str:
        """The parameter that names a node, or the word in its place; "" if the test has none."""
        return self._parameter("node")

    @property
    def site(self) -> str:
        """The same of a site."""
        return self._parameter("site")

    @property
    def group(self) -> str:
        """The resource group of a test of resource groups."""
        return self._parameter("group")

    @property
    def network(self) -> str:
        """The network."""
        return self._parameter("network")

    @property
    def application(self) -> str:
        """The application controller."""
        return self._parameter("application")

    def _parameter(self, kind: str) -> str:
        kinds = [kinds.split()[0] for kinds in PARAMETERS[self.name]]
        return self.parameters[kinds.index(kind)] if kind in kinds else ""


def variables(text: str) -> dict[str, str]:
    """The variables that a file defines, a ``name=value`` on each line.

    Raises:
        PlanError: a line is none.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        name, equals, value = words.partition("=")
        if not equals or not name.strip():
            raise PlanError(f"line {number} of the variables file is no definition: {words}")
        found[name.strip()] = value.strip()
    return found


def parse(text: str, values: Mapping[str, str]) -> list[Test]:
    """The tests of a plan; ``values`` are the variables that stand for parameters.

    Raises:
        PlanError: a line is no test, or lacks parameters.
    """
    tests = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *fields = (word.strip() for word in line.split(","))
        if name in ABSENT:
            raise PlanError(f"line {number}: {name} is not available: {ABSENT[name]}.")
        if name not in PARAMETERS:
            raise PlanError(f"line {number}: {name or 'nothing'} is no test.")
        count = len(PARAMETERS[name])
        if len(fields) < count or not all(fields[:count]):
            kinds = ", ".join("|".join(kinds.split()) for kinds in PARAMETERS[name])
            raise PlanError(f"line {number}: {name} needs {kinds}.")
        parameters = tuple(values.get(word, word) for word in fields[:count])
        comment = ",".join(line.split(",")[count + 1 :]).strip()
        tests.append(Test(name, parameters, comment, ",".join([name, *fields[:count], comment]).rstrip(",")))
    if not tests:
        raise PlanError("there is no test in the test plan.")
    return tests


def unknown(test: Test, c: Configuration) -> str:
    """What a test names that the cluster does not have, a sentence; "" if it has all of it."""
    known = {
        "node": [node.name for node in c.nodes],
        "network": [network.name for network in c.networks],
        "label": [label.label for label in c.labels if label.function == "boot"],
        "group": [group.name for group in c.groups],
        "site": [site.name for site in c.sites],
        "application": [controller.name for controller in c.controllers],
        "volume_group": [name for group in c.groups for name in group.resource("VOLUME_GROUP")],
    }
    for kinds, value in zip(PARAMETERS[test.name], test.parameters, strict=True):
        kind, *words = kinds.split()
        if value in words:
            continue
        if kind == "seconds" and not is_number(value):
            return f"{value} is no number of seconds."
        if kind in known and value not in known[kind]:
            what = {"label": "boot interface", "group": "resource group", "application": "application controller",
                    "volume_group": "volume group of a resource group"}.get(kind, kind)  # fmt: skip
            return f"there is no {what} {value} in the cluster."
    group = c.group(test.group)
    if group is not None and test.node not in (ALL, ANY, RESTORE, *group.nodes) and not test.site:
        return f"{test.node} is no node of the resource group {test.group}."
    if test.name.endswith("_LOCAL") and not _interfaces(c, test.node, test.network):
        return f"{test.node} has no interface on the network {test.network}."
    return ""


def interfaces(test: Test, c: Configuration) -> list[tuple[str, str]]:
    """The interfaces that a test takes down or brings up, with their nodes."""
    match test.name.rpartition("_")[2]:
        case "LOCAL":
            return _interfaces(c, test.node, test.network)
        case "GLOBAL":
            return _interfaces(c, "", test.network)
        case "LABEL":
            return [(e.node, e.interface) for e in c.labels if (e.label, e.function) == (test.parameters[0], "boot")]
    return []


def _interfaces(c: Configuration, node: str, network: str) -> list[tuple[str, str]]:
    return [
        (label.node, label.interface)
        for label in c.labels
        if label.function == "boot" and label.network == network and node in ("", label.node)
    ]
