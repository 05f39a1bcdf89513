"""IP labels: in the configuration, in every node's /etc/hosts and on its interfaces."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.verification.findings import Case, Correction, Finding, error, warning

FUNCTIONS = ("boot", "persistent", "service")


def addresses_are_unique(case: Case) -> Iterator[Finding]:
    """No two labels have one address."""
    seen: dict[str, str] = {}
    for label in case.configuration.labels:
        other = seen.setdefault(label.address, label.label)
        if other != label.label:
            yield error(f"The address {label.address} is used by '{other}' and '{label.label}'.")


def refer_to_what_exists(case: Case) -> Iterator[Finding]:
    """Networks and nodes of labels are defined, and what they are for."""
    c = case.configuration
    for label in c.labels:
        if label.function not in FUNCTIONS:
            yield error(f"The IP label '{label.label}' has the function '{label.function}', which does not exist.")
        if c.network(label.network) is None:
            yield error(f"The IP label '{label.label}' is on network '{label.network}', which is not defined.")
        if label.node and c.node(label.node) is None:
            yield error(f"The IP label '{label.label}' belongs to the node '{label.node}', which is not defined.")
        if label.function in ("boot", "persistent") and not label.node:
            yield error(f"The {label.function} IP label '{label.label}' belongs to no node.")


def service_labels_are_on_their_subnets(case: Case) -> Iterator[Finding]:
    """A service label has the netmask of its network. Where a node has several boot interfaces on it, the label is on
    none of their subnets: its route would lead through that interface alone (the product's rule for aliases)."""
    c = case.configuration
    for label in c.labels:
        boots = [b for b in c.labels if (b.function, b.network) == ("boot", label.network)]
        if label.function != "service" or not boots:
            continue
        if label.netmask not in {b.netmask for b in boots}:
            yield warning(
                f"The netmask of the service IP label '{label.label}' is {label.netmask}; the interfaces on network "
                f"'{label.network}' have {boots[0].netmask}."
            )
        several = {b.node for b in boots if sum(other.node == b.node for other in boots) > 1}
        for b in boots:
            if b.node in several and subnet(b.address, b.netmask) == subnet(label.address, b.netmask):
                yield warning(
                    f"The service IP label '{label.label}' is on the subnet of the boot IP label '{b.label}', although "
                    f"node '{b.node}' has several interfaces on network '{label.network}'."
                )


def subnet(address: str, netmask: str) -> tuple[int, ...] | None:
    """The network part of an address, None where either is none."""
    one, mask = address.split("."), netmask.split(".")
    if not len(one) == len(mask) == 4 or not all(part.isascii() and part.isdecimal() for part in (*one, *mask)):
        return None
    return tuple(int(part) & int(bits) for part, bits in zip(one, mask, strict=True))


def interfaces_hold_boot_addresses(case: Case) -> Iterator[Finding]:
    """A boot address is one of the node's, on the interface and with the netmask that the configuration says."""
    for label in case.configuration.labels:
        known = case.known(label.node)
        if label.function != "boot" or known is None or not known.interfaces:
            continue
        found = next((i for i in known.interfaces if i.address == label.address), None)
        if found is None:
            yield error(
                f"The boot IP label '{label.label}' ({label.address}) is not configured on an interface of node "
                f"'{label.node}'."
            )
        elif label.interface and found.name != label.interface:
            yield error(
                f"The boot IP label '{label.label}' is configured on interface {found.name} of node '{label.node}', "
                f"not on {label.interface}."
            )
        elif found.netmask != label.netmask:
            yield warning(
                f"The netmask of interface {found.name} on node '{label.node}' is {found.netmask}; the cluster has "
                f"{label.netmask} for '{label.label}'."
            )


def packets_fit_everywhere(case: Case) -> Iterator[Finding]:
    """One MTU on all interfaces of a network: larger packets than the smallest are lost on the way to it."""
    for network in case.configuration.networks:
        found: dict[str, int] = {}
        for label in case.configuration.labels:
            known = case.known(label.node)
            if label.function == "boot" and label.network == network.name and known is not None:
                found.update({f"{label.node} {i.name}": i.mtu for i in known.interfaces if i.address == label.address})
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{place} {mtu}" for place, mtu in found.items())
            yield warning(f"The MTU of the interfaces on network '{network.name}' differs: {listed}.")


def hosts_files_agree(case: Case) -> Iterator[Finding]:
    """Every label can be resolved on every node, everywhere to the cluster's address."""
    for node, known in case.answering():
        if not known.hosts:
            yield error(f"/etc/hosts is missing or empty on node '{node}'.")
            continue
        for label in case.configuration.labels:
            there = known.address_of(label.label)
            if there and there != label.address:
                # Which of the two is meant only the administrator knows: no corrective action.
                yield error(
                    f"The IP label '{label.label}' has the address {label.address} in the cluster, but {there} in "
                    f"/etc/hosts on node '{node}'."
                )
            elif not there:
                yield error(
                    f"Unable to resolve the IP label '{label.label}' on node '{node}'.",
                    Correction(
                        node, "hosts", (label.address, label.label), "cl_update_hosts",
                        f"Adding entry {label.address} {label.label} to /etc/hosts on node {node}",
                    ),
                )  # fmt: skip


def persistent_labels_are_configured(case: Case) -> Iterator[Finding]:
    """A persistent label is on its node whenever that is on; the first synchronization configures it."""
    for label in case.configuration.labels:
        known = case.known(label.node) if label.function == "persistent" and label.node else None
        if known is not None and label.address in known.persistent and label.address not in known.addresses:
            yield warning(
                f"The persistent IP label '{label.label}' is not configured on node '{label.node}'.",
                Correction(
                    label.node, "persistent", (), "cl_configure_persistent_address",
                    f"Configuring the persistent IP label {label.label} on node {label.node}",
                ),
            )  # fmt: skip


def nothing_is_active_where_it_should_not(case: Case) -> Iterator[Finding]:
    """A service address that a node holds although its group is not online there."""
    for group in case.configuration.groups:
        for name in group.resource("SERVICE_LABEL"):
            label = case.configuration.label(name)
            for node, known in case.answering():
                if label is None or label.address not in known.addresses or group.name in known.online:
                    continue
                yield warning(
                    f"The service IP label '{name}' is active on node '{node}', but the resource group "
                    f"'{group.name}' is not online there.",
                    Correction(
                        node, "alias", (label.address,), "cl_remove_alias",
                        f"Removing the service IP label {name} from node {node}",
                    ),
                )  # fmt: skip
