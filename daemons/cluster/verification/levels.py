"""What the operating system of each node is like: levels of filesets, and network options."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.verification.findings import Case, Correction, Finding, warning

FILESETS = ("cluster.", "bos.cluster.", "bos.ahafs", "rsct.")
"""Beginnings of the names of filesets whose levels count: PowerHA's own and what it stands on."""
REQUIRED_OPTIONS = {"routerevalidate": 1}
"""Network options that the product needs: where an address moves to another interface, a route that is kept leads to
where it was."""
COMPARED_OPTIONS = (
    "ipforwarding", "ipignoreredirects", "ipsendredirects", "ipsrcrouteforward", "ipsrcrouterecv", "ipsrcroutesend",
    "nonlocsrcroute", "passive_dgd", "rfc1323", "sb_max", "tcp_keepcnt", "tcp_keepidle", "tcp_keepinit",
    "tcp_keepintvl", "tcp_recvspace", "tcp_sendspace", "udp_recvspace", "udp_sendspace",
)  # fmt: skip
"""Network options that an application finds otherwise after a takeover if nodes differ in them (inferred)."""


def filesets_agree(case: Case) -> Iterator[Finding]:
    """The same filesets at the same level on all nodes; a migration leaves them mixed for a while."""
    levels = {node: known.filesets for node, known in case.answering() if known.filesets}
    for fileset in sorted({name for installed in levels.values() for name in installed}):
        missing = [node for node, installed in levels.items() if fileset not in installed]
        if missing:
            yield warning(f"The fileset '{fileset}' is not installed on the following nodes:\n" + "\n".join(missing))
        found = {node: installed[fileset] for node, installed in levels.items() if fileset in installed}
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{node} {level}" for node, level in found.items())
            yield warning(f"The level of the fileset '{fileset}' differs between nodes: {listed}.")


def network_options_fit(case: Case) -> Iterator[Finding]:
    """Network options that the product needs have their values, and the others are the same on all nodes."""
    options = {node: known.network_options for node, known in case.answering() if known.network_options}
    for name, needed in REQUIRED_OPTIONS.items():
        for node, values in options.items():
            if values.get(name, needed) != needed:
                # A paragraph for each node, because each has its own correction.
                yield warning(
                    f'Network option "{name}" is set to {values[name]} on the following nodes:\n\n{node}',
                    Correction(
                        node, "option", (name, str(needed)), "cl_update_network_options",
                        f"Setting the network option {name} to {needed} on node {node}",
                    ),
                )  # fmt: skip
    for name in COMPARED_OPTIONS:
        found = {node: values[name] for node, values in options.items() if name in values}
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{node} {value}" for node, value in found.items())
            yield warning(f'The network option "{name}" differs between nodes: {listed}.')


def client_hosts(case: Case) -> list[Correction]:
    """Nodes whose clhosts.client, which clients of clinfoES get a copy of, is not what the configuration says.

    It is made where verification corrects, and nobody is told of it otherwise. Boot labels stand first: a service label
    answers only while its group is online (inferred).
    """
    order = {"boot": 0, "persistent": 1}
    labels = sorted(case.configuration.labels, key=lambda entry: order.get(entry.function, 2))
    wanted = tuple((entry.address, entry.label) for entry in labels)
    return [
        Correction(
            node,
            "clhosts",
            tuple(f"{address} {label}" for address, label in wanted),
            "cl_update_clhosts_client",
            f"Updating clhosts.client on node {node}",
        )
        for node, known in case.answering()
        if known.client_hosts != wanted
    ]
