"""verify and sync: what the administrator sees of a synchronization, and the steps that it takes."""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from daemons.caa import client as caa
from daemons.caa import formation
from daemons.clcomd import client as clcomd
from daemons.clconfd import agent
from daemons.clmgr.errors import ClmgrError
from daemons.cluster import configuration as configurations
from daemons.cluster import synchronization
from daemons.cluster.configuration import DCD, Configuration
from daemons.cluster.verification import Finding, NodeFacts, verify
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository

CL_CONFIG = "/usr/es/sbin/cluster/utilities/cl_config"
VERIFY_LOG = "/var/hacmp/clverify/clverify.log"
INSTALLED = "Adding any necessary PowerHA SystemMirror entries to /etc/inittab and /etc/rc.net for IPAT on node %s."


def on_nodes(root: NodeRoot, nodes: list[str], arguments: list[str]) -> dict[str, tuple[int, str, str]]:
    """Run cl_config on nodes at the same time: exit code, output and complaint of each (code -1: not reached)."""

    def one(node: str) -> tuple[int, str, str]:
        try:
            result = clcomd.run(root, node, [CL_CONFIG, *arguments])
        except clcomd.ClcomdError as error:
            return -1, "", str(error)
        return result.status, result.out.decode(errors="replace"), result.err.decode(errors="replace").strip()

    if len(nodes) == 1:
        return {nodes[0]: one(nodes[0])}
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        return dict(zip(nodes, pool.map(one, nodes), strict=True))


def gather(root: NodeRoot, c: Configuration) -> dict[str, NodeFacts]:
    """What every node says of itself."""
    scripts = sorted({script.split()[0] for a in c.controllers for script in (a.start, a.stop) if script})
    own = root.identity.node
    others = [node.name for node in c.nodes if node.name != own]
    facts = {own: NodeFacts(True, *_local_facts(root, scripts))}
    if others:
        down = nodes_down(root)
        for node, (status, out, _) in on_nodes(root, others, ["facts", *scripts]).items():
            try:
                value = json.loads(out) if status == 0 else None
            except ValueError:
                value = None
            if value is None:
                facts[node] = NodeFacts(False, down=node in down)
            else:
                facts[node] = NodeFacts(True, frozenset(value["volume_groups"]), frozenset(value["executable"]))
    return facts


def nodes_down(root: NodeRoot) -> frozenset[str]:
    """The members of the CAA cluster that are down; none while there is no cluster."""
    try:
        membership = caa.status(root).membership
    except caa.CaaError:
        membership = None
    if membership is None:
        return frozenset()
    return frozenset(node.name for node in membership.nodes if node.number not in membership.alive)


def _local_facts(root: NodeRoot, scripts: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    known = agent.facts(root)["volume_groups"]
    assert isinstance(known, list)
    return frozenset(known), frozenset(agent.executable(root, scripts))


def run_verification(root: NodeRoot, c: Configuration) -> list[Finding]:
    """Verify, print as the product does, write clverify.log; returns the findings."""
    print("Verification to be performed on the following:\n\tCluster Topology\n\tCluster Resources\n")
    print("Retrieving data from available cluster nodes.  This could take a few minutes.")
    findings = verify(c, gather(root, c))
    for finding in findings:
        print(f"\n{finding.line()}")
    errors = sum(finding.error for finding in findings)
    print("\nVerification has completed " + ("with errors." if errors else "normally."))
    sys.stdout.flush()
    _log(root, c, findings)
    return findings


def _log(root: NodeRoot, c: Configuration, findings: list[Finding]) -> None:
    path = root.path(VERIFY_LOG)
    word = "FAILED" if any(finding.error for finding in findings) else "PASSED"
    lines = [f"{time.strftime('%a %b %e %H:%M:%S %Y')} clverify: cluster {c.cluster.name}"]
    lines += [finding.line() for finding in findings] + [f"Check: {word}"]
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except OSError:
        pass


def synchronize(root: NodeRoot, c: Configuration, force: bool, verified: bool = False) -> None:
    """Verify the configuration, assign ids, form the CAA cluster if there is none, and commit everywhere.

    ``force`` goes on after errors, ``verified`` leaves verification out (VERIFY=no).

    Raises:
        ClmgrError: verification failed, a node or the repository cannot be used; before the commit nothing changed.
    """
    own = root.identity.node
    if c.node(own) is None:
        raise ClmgrError(f'this node ("{own}") is not a part of the cluster.')
    findings = [] if verified else run_verification(root, c)
    if any(finding.error for finding in findings) and not force:
        raise ClmgrError("verification of the cluster configuration failed; nothing was synchronized.")
    assigned = synchronization.assign_ids(c)
    if assigned != c:
        configurations.store(Repository(root, DCD), assigned, own)
    try:
        disk = _membership(root, assigned)
        _commit(root, assigned, disk)
    except (caa.CaaError, caa.RepositoryError) as error:
        raise ClmgrError(str(error)) from None
    except OSError as error:
        raise ClmgrError(f"{error.filename or 'the repository disk'}: {error.strerror}.") from None


def _membership(root: NodeRoot, c: Configuration) -> str:
    """The repository disk of the CAA cluster, which is made by the first synchronization."""
    status = caa.status(root)
    if status.membership is None:
        count = len(c.nodes)
        print(f"\ncldare: Configuring a {count} node cluster in AIX may take up to 2 minutes. Please wait.")
        sys.stdout.flush()
        formation.make(root, c.cluster.name, [node.name for node in c.nodes], c.repository)
        return caa.status(root).disk
    members = {node.name for node in status.membership.nodes}
    wanted = {node.name for node in c.nodes}
    for node in sorted(wanted - members):
        formation.add_node(root, node)
    for node in sorted(members - wanted):
        formation.remove_node(root, node)
    return status.disk


def _commit(root: NodeRoot, c: Configuration, disk: str) -> None:
    own = root.identity.node
    repository = caa.RepositoryDisk(root.identity.lab, disk)
    before = repository.read_commit()
    archive = synchronization.pack(Repository(root, DCD))
    old = repository.read_archive(before) if before is not None else None
    if before is not None and old is not None and synchronization.unpack(old) == synchronization.unpack(archive):
        print("\ncldare: No changes detected in Cluster Topology or Resources.")
    generation = (before.generation if before else 0) + 1
    checksum = repository.store_archive(generation, archive)
    print("\nCommitting any changes, as required, to all available nodes...")
    sys.stdout.flush()
    others = [node.name for node in c.nodes if node.name != own]
    staged = on_nodes(root, others, ["stage", str(generation), disk]) if others else {}
    refused = [node for node, (status, _, _) in staged.items() if status > 0]
    if refused:
        on_nodes(root, others, ["unstage"])
        raise ClmgrError(f'node "{refused[0]}" cannot take the configuration: {staged[refused[0]][2]}')
    for node in (node for node, (status, _, _) in staged.items() if status < 0):
        print(f"WARNING: node {node} cannot be reached; its clconfd installs the configuration later.")
    repository.commit(caa.Commit(generation, checksum, own, int(time.time())))
    reached = [node for node, (status, _, _) in staged.items() if status == 0]
    for node, (status, _, complaint) in (on_nodes(root, reached, ["install"]) if reached else {}).items():
        print(INSTALLED % node)
        if status:
            print(f"WARNING: node {node} did not install the configuration yet: {complaint}")
    agent.install_committed(root)
    agent.tell_manager(root)
    print(INSTALLED % own)


def unsynchronized(root: NodeRoot) -> tuple[bool, bool]:
    """Whether this node has changes that were not synchronized, and whether there ever was a synchronization."""
    try:
        repository = caa.repository(root)
        commit = repository.read_commit()
        archive = repository.read_archive(commit) if commit is not None else None
    except (caa.CaaError, OSError):
        installed = synchronization.installed_generation(root)
        return installed == 0, installed != 0
    return synchronization.has_unsynchronized_changes(root, archive), commit is not None
