"""verify and sync: what the administrator sees of a synchronization, and the steps that it takes."""

from __future__ import annotations

import dataclasses
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from daemons.caa import client as caa
from daemons.caa import formation
from daemons.clcomd import client as clcomd
from daemons.clconfd import agent
from daemons.clmgr import verify
from daemons.clmgr.errors import ClmgrError, invalid
from daemons.clmgr.grammar import Request
from daemons.cluster import configuration as configurations
from daemons.cluster import synchronization
from daemons.cluster.configuration import DCD, Configuration
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository

FAILED = "cldare: Failures detected during verification. Please correct the errors and retry this command."
INSTALLED = "Adding any necessary PowerHA SystemMirror entries to /etc/inittab and /etc/rc.net for IPAT on node %s."


def on_nodes(root: NodeRoot, nodes: list[str], arguments: list[str]) -> dict[str, tuple[int, str, str]]:
    """Run cl_config on nodes at the same time: exit code, output and complaint of each (code -1: not reached)."""

    def one(node: str) -> tuple[int, str, str]:
        try:
            result = clcomd.run(root, node, [verify.CL_CONFIG, *arguments])
        except clcomd.ClcomdError as error:
            return -1, "", str(error)
        return result.status, result.out.decode(errors="replace"), result.err.decode(errors="replace").strip()

    if len(nodes) == 1:
        return {nodes[0]: one(nodes[0])}
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        return dict(zip(nodes, pool.map(one, nodes), strict=True))


def options_of(request: Request) -> verify.Options:
    """Verification as the attributes of ``verify cluster`` and ``sync cluster`` want it.

    Raises:
        ClmgrError: an attribute has a value that it cannot have.
    """
    fix = request.attribute("FIX", default="no").lower()
    fix = {"true": "yes", "false": "no", "interactive": "interactively"}.get(fix, fix)
    logging = request.attribute("LOGGING", default="standard").lower()
    errors_max = request.attribute("MAX_ERRORS", default="0")
    log_file = request.attribute("LOGFILE")
    for name, value, valid in (
        ("FIX", fix, fix in ("no", "yes", "interactively")),
        ("LOGGING", logging, logging in ("standard", "verbose")),
        ("MAX_ERRORS", errors_max, errors_max.isdigit()),
        ("LOGFILE", log_file, not log_file or log_file.startswith("/")),
    ):
        if not valid:
            raise invalid(name, value)
    methods = request.attribute("METHODS").replace(",", " ").split()
    chosen = None if not methods or methods == ["ALL"] else () if methods[0].lower() == "none" else tuple(methods)
    return verify.Options(
        fix=fix,
        verbose=logging == "verbose",
        log_file=log_file,
        errors_max=int(errors_max),
        default_tests=request.truth("DEFAULT_TESTS", True),
        methods=chosen,
    )


def requested(root: NodeRoot, c: Configuration, request: Request) -> None:
    """``sync cluster``.

    Raises:
        ClmgrError: see ``synchronize`` and ``options_of``.
    """
    options = dataclasses.replace(options_of(request), changing=True)
    force = request.force or request.truth("FORCE", False)
    synchronize(root, c, force, options if request.truth("VERIFY", True) else None)


def synchronize(root: NodeRoot, c: Configuration, force: bool, verification: verify.Options | None) -> None:
    """Verify the configuration, assign ids, form the CAA cluster if there is none, and commit everywhere.

    ``force`` goes on after errors; without ``verification`` nothing is verified (VERIFY=no).

    Raises:
        ClmgrError: verification failed, a node or the repository cannot be used; before the commit nothing changed.
    """
    own = root.identity.node
    if c.node(own) is None:
        raise ClmgrError(f'this node ("{own}") is not a part of the cluster.')
    if verification is not None and verify.run(root, c, verification).errors and not force:
        sys.stdout.flush()
        raise ClmgrError(FAILED)
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
    print("\nVerification has completed normally.")


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
