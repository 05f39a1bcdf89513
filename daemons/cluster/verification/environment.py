"""What surrounds the cluster on each node: clcomd, levels, /etc/services, netmon.cf."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.verification.findings import Case, Correction, Finding, error, unreachable, warning

NODE_BYTES = 300 * 1024
"""What verification keeps of a node in /var/hacmp/clverify: current, pass and pass.prev."""
SERVICES = {
    "clinfo_deadman": "6176/tcp",
    "clinfo_client": "6174/tcp",
    "clcomd_caa": "16191/tcp",
    "cthags": "12348/udp",
    "caa_cfg": "6181/tcp",
    "rmc": "657/tcp",
}
"""Services that every node needs, with the ports that are filled in where they are missing."""


def nodes_answer(case: Case) -> Iterator[Finding]:
    """Every node can be asked; one that is powered off is passed over."""
    for node in case.configuration.nodes:
        known = case.facts.get(node.name)
        if known is None or known.reachable:
            continue  # one that nobody has asked is not in question
        if known.down:
            # Its clconfd brings it in step when it is back, so that nobody has to wait for it (inferred).
            yield warning(f"Unable to communicate with the remote node: {node.name}.")
        else:
            yield unreachable(node.name)


def levels_agree(case: Case) -> Iterator[Finding]:
    """One level of the product on all nodes (HACMPnode.version, which a migration leaves mixed)."""
    versions = {node.name: node.version for node in case.configuration.nodes}
    if len(set(versions.values())) > 1:
        listed = ", ".join(f"{node} {version}" for node, version in versions.items())
        yield error(f"The nodes do not run the same level of PowerHA SystemMirror: {listed}.")


def rhosts_is_sound(case: Case) -> Iterator[Finding]:
    """/etc/cluster/rhosts belongs to root alone."""
    for node, known in case.answering():
        if known.rhosts_fault:
            yield warning(f"Node '{node}': {known.rhosts_fault}.")


def certificates_agree(case: Case) -> Iterator[Finding]:
    """Message security: one certificate on all nodes; one without it is spoken to plainly (the text is inferred)."""
    found = {node: known.certificate for node, known in case.answering() if known.certificate}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{node} {certificate}" for node, certificate in found.items())
        yield warning(f"The certificate for message security differs between nodes: {listed}.")


def services_are_defined(case: Case) -> Iterator[Finding]:
    """The cluster's entries in /etc/services."""
    for node, known in case.answering():
        if not known.services:
            continue
        for name, number in SERVICES.items():
            if name not in known.services:
                yield error(
                    f"The service '{name}' is missing from /etc/services on node '{node}'.",
                    Correction(
                        node, "services", (name, number), "cl_update_services",
                        f"Adding entry {name} {number} to /etc/services on node {node}",
                    ),
                )  # fmt: skip


def nodes_prepare_for_the_cluster(case: Case) -> Iterator[Finding]:
    """The cluster's entries in /etc/inittab; a synchronization adds them, too (the function's name is inferred)."""
    for node, known in case.answering():
        for name in known.missing_init_entries:
            yield warning(
                f"The entry '{name}' is missing from /etc/inittab on node '{node}'.",
                Correction(
                    node, "inittab", (name,), "cl_update_inittab",
                    f"Adding the entry {name} to /etc/inittab on node {node}",
                ),
            )  # fmt: skip


def snmp_is_configured(case: Case) -> Iterator[Finding]:
    """snmpd lets the cluster manager register, and answers clinfoES under one community on all nodes."""
    communities: dict[str, str] = {}
    for node, known in case.answering():
        if not known.smux_peer:
            yield warning(
                f"The SMUX entry of clstrmgrES is missing from /etc/snmpd.conf on node '{node}'.",
                Correction(
                    node, "snmp", (), "cl_update_snmp",
                    f"Adding the SMUX entry of clstrmgrES to /etc/snmpd.conf on node {node}",
                ),
            )  # fmt: skip
        if not known.community:
            yield warning(
                f"No SNMP community for clinfoES is defined in /etc/snmpd.conf on node '{node}'.",
                Correction(
                    node, "community", (), "cl_update_snmp",
                    f"Adding the SNMP community public to /etc/snmpd.conf on node {node}",
                ),
            )  # fmt: skip
        else:
            communities[node] = known.community
    if len(set(communities.values())) > 1:
        listed = ", ".join(f"{node} {name}" for node, name in communities.items())
        yield warning(f"The SNMP community of clinfoES differs between nodes: {listed}.")


def var_has_room(case: Case) -> Iterator[Finding]:
    """What the nodes say is kept in /var of the one that verifies; all nodes write logs there."""
    needed = NODE_BYTES * len(case.configuration.nodes)
    for node, known in case.answering():
        if 0 <= known.var_free < needed:
            yield warning(
                f"The file system /var on node '{node}' has {known.var_free // 1024} kilobytes free; verification "
                f"and the cluster's logs need {needed // 1024}."
            )


def netmon_exists(case: Case) -> Iterator[Finding]:
    """netmon.cf where a node has a single interface on a network."""
    c = case.configuration
    single = set()
    for network in c.networks:
        for node in c.nodes:
            boot = [b for b in c.labels if (b.network, b.node, b.function) == (network.name, node.name, "boot")]
            if len(boot) == 1:
                single.add(node.name)
    missing = [node for node, known in case.answering() if node in single and not known.netmon]
    if missing:
        listed = "\n".join(missing)
        yield warning(
            f"File 'netmon.cf' is missing or empty on the following node(s):\n{listed}\n"
            "This file is needed for a PowerHA SystemMirror cluster with single-adapter\n"
            "networks. Please create 'netmon.cf' file on every node as described\n"
            "in 'Planning cluster networks' under 'Planning PowerHA SystemMirror' of the\n"
            "knowledge center."
        )
