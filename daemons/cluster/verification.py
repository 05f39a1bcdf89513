"""Verification of a configuration: pure checks over the configuration and what the nodes say of themselves.

Forms of the messages are those that verification of the product prints (ERROR:, WARNING:); the texts of checks for
which no output is published are inferred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daemons.cluster.configuration import Configuration

STARTUP = ("OHN", "OFAN", "OUDP", "OAAN")
FALLOVER = ("FNPN", "FUDNP", "BO")
FALLBACK = ("FBHPN", "NFB")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. Errors stop a synchronization, warnings do not."""

    error: bool
    text: str

    def line(self) -> str:
        """The line as verification prints it."""
        return f"{'ERROR' if self.error else 'WARNING'}: {self.text}"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a node said of itself. ``executable`` are the scripts of the configuration that it can execute.

    ``down`` is what CAA says of a node that cannot be reached: it is powered off, not merely without clcomd.
    """

    reachable: bool
    volume_groups: frozenset[str] = frozenset()
    executable: frozenset[str] = frozenset()
    down: bool = False


def verify(configuration: Configuration, facts: dict[str, NodeFacts]) -> list[Finding]:
    """All findings, errors and warnings in the order of the checks."""
    return [
        *_topology(configuration),
        *_nodes(configuration, facts),
        *_groups(configuration),
        *_resources(configuration, facts),
    ]


def _topology(c: Configuration) -> Iterator[Finding]:
    if not c.nodes:
        yield Finding(True, "There are no nodes defined in the cluster.")
    if len(c.nodes) > 16:
        yield Finding(True, "A cluster cannot have more than 16 nodes.")
    if not c.networks:
        yield Finding(True, "There are no networks defined in the cluster.")
    if not c.repository:
        yield Finding(True, "No repository disk has been specified for the cluster.")
    for network in c.networks:
        for node in c.nodes:
            if not any(b.network == network.name and b.node == node.name and b.function == "boot" for b in c.labels):
                yield Finding(True, f"The node '{node.name}' has no boot interface on network '{network.name}'.")
    seen: dict[str, str] = {}
    for label in c.labels:
        if label.address in seen:
            yield Finding(True, f"The address {label.address} is used by '{seen[label.address]}' and '{label.label}'.")
        seen[label.address] = label.label
        if c.network(label.network) is None:
            yield Finding(True, f"The IP label '{label.label}' is on network '{label.network}', which is not defined.")
    if len(c.networks) == 1:
        yield Finding(
            False,
            f"There is only one network defined ('{c.networks[0].name}'): it is a single point of failure.",
        )


def _nodes(c: Configuration, facts: dict[str, NodeFacts]) -> Iterator[Finding]:
    for node in c.nodes:
        known = facts.get(node.name, NodeFacts(False))
        if known.reachable:
            continue
        if known.down:
            # Its clconfd brings it in step when it is back, so that nobody has to wait for it (inferred).
            yield Finding(False, f"Unable to communicate with the remote node: {node.name}.")
        else:
            yield Finding(True, f"Comm error found on node: {node.name}")


def _groups(c: Configuration) -> Iterator[Finding]:
    if not c.groups:
        yield Finding(False, "No resource groups are defined.")
    names = {node.name for node in c.nodes}
    for group in c.groups:
        if not group.nodes:
            yield Finding(True, f"The resource group '{group.name}' has no nodes.")
        for node in group.nodes:
            if node not in names:
                yield Finding(True, f"The resource group '{group.name}' names the node '{node}', which is not defined.")
        if group.startup not in STARTUP or group.fallover not in FALLOVER or group.fallback not in FALLBACK:
            yield Finding(True, f"The resource group '{group.name}' has a policy that does not exist.")
        if group.startup == "OAAN" and (group.fallover != "BO" or group.fallback != "NFB"):
            yield Finding(
                True, f"The resource group '{group.name}' is online on all available nodes: it needs BO and NFB."
            )
        if group.concurrent and group.resource("SERVICE_LABEL"):
            yield Finding(True, f"The concurrent resource group '{group.name}' cannot have a service IP label.")


def _resources(c: Configuration, facts: dict[str, NodeFacts]) -> Iterator[Finding]:
    owners: dict[tuple[str, str], str] = {}
    for group in c.groups:
        for kind, value in group.resources:
            if kind in ("SERVICE_LABEL", "VOLUME_GROUP", "FILESYSTEM", "APPLICATIONS") and value != "ALL":
                other = owners.setdefault((kind, value), group.name)
                if other != group.name:
                    yield Finding(True, f"The resource '{value}' belongs to '{other}' and to '{group.name}'.")
        for label in group.resource("SERVICE_LABEL"):
            entry = c.label(label)
            if entry is None or entry.function != "service":
                yield Finding(True, f"The service IP label '{label}' of '{group.name}' is not defined.")
        for volume_group in group.resource("VOLUME_GROUP"):
            for node in group.nodes:
                known = facts.get(node)
                if known is not None and known.reachable and volume_group not in known.volume_groups:
                    yield Finding(
                        True,
                        f"The volume group '{volume_group}' of resource group '{group.name}' is not known to node "
                        f"'{node}'.",
                    )
        for name in group.resource("APPLICATIONS"):
            yield from _controller(c, facts, group.name, group.nodes, name)
        if group.resource("FILESYSTEM") and not group.resource("VOLUME_GROUP"):
            yield Finding(True, f"The resource group '{group.name}' has file systems but no volume group.")
    used = {value for group in c.groups for value in group.resource("APPLICATIONS")}
    for controller in c.controllers:
        if controller.name not in used:
            yield Finding(False, f"The application controller '{controller.name}' belongs to no resource group.")


def _controller(
    c: Configuration, facts: dict[str, NodeFacts], group: str, nodes: tuple[str, ...], name: str
) -> Iterator[Finding]:
    controller = c.controller(name)
    if controller is None:
        yield Finding(True, f"The application controller '{name}' of '{group}' is not defined.")
        return
    for node in nodes:
        known = facts.get(node)
        if known is None or not known.reachable:
            continue
        for what, script in (("start", controller.start), ("stop", controller.stop)):
            if script and script.split()[0] not in known.executable:
                yield Finding(
                    True,
                    f"The {what} script '{script}' of the application controller '{name}' is not executable on node "
                    f"'{node}'.",
                )
    if not c.monitors_of(name):
        yield Finding(False, f"There is no application monitor configured for the application controller '{name}'.")
