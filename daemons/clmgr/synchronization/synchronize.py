"""verify and sync: what the administrator sees of a synchronization, and the steps that it takes."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

from daemons.caa import client as caa
from daemons.caa import formation
from daemons.clcomd import client as clcomd
from daemons.clconfd import init_entries
from daemons.clconfd.agents import Agents
from daemons.clmgr.errors import NO_CLUSTER, ClmgrError, CommunicationError, invalid
from daemons.clmgr.synchronization import dare
from daemons.clmgr.synchronization.tunables import tune
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.transaction import change
from daemons.clmgr.verification import verify
from daemons.cluster import synchronization
from daemons.cluster.configuration import CLASSES, DCD, Configuration, OdmObject
from srcctl.commands.options import is_number
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository

CHANGED = "The configuration was changed while it was verified; it is verified again."
FAILED = "cldare: Failures detected during verification. Please correct the errors and retry this command."


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
        ("MAX_ERRORS", errors_max, is_number(errors_max)),
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
        changes_only=request.truth("CHANGES_ONLY", False),
        default_tests=request.truth("DEFAULT_TESTS", True),
        methods=chosen,
    )


def requested(root: NodeRoot, c: Configuration, request: Request, agents: Agents | None = None) -> None:
    """``sync cluster``; ``agents`` of its nodes if they have been started already.

    Raises:
        ClmgrError: see ``synchronize`` and ``options_of``.
    """
    options = dataclasses.replace(options_of(request), changing=True)
    force = request.force or request.truth("FORCE", False)
    synchronize(root, c, force, options if request.truth("VERIFY", True) else None, agents)


def synchronize(
    root: NodeRoot,
    c: Configuration,
    force: bool,
    verification: verify.Options | None,
    agents: Agents | None = None,
) -> None:
    """Verify the configuration, assign ids, form the CAA cluster if there is none, and commit everywhere.

    ``force`` goes on after errors, and releases locks that a failed reconfiguration left; without ``verification``
    nothing is verified (VERIFY=no).

    Raises:
        ClmgrError: verification failed, a node or the repository cannot be used; before the commit nothing changed.
    """
    own = root.identity.node
    if c.node(own) is None:
        raise ClmgrError(f'this node ("{own}") is not a part of the cluster.')
    with dare.alone(root), agents or Agents(root) as agents:
        _synchronize(root, c, force, verification, agents)
    print("\nVerification has completed normally.")


def _synchronize(
    root: NodeRoot, c: Configuration, force: bool, verification: verify.Options | None, agents: Agents
) -> None:
    first = False
    try:
        while True:
            if verification is not None and verify.run(root, c, verification, agents).errors and not force:
                sys.stdout.flush()
                raise ClmgrError(FAILED)
            status = caa.status(root)
            if status.membership is None:
                first = True
                _form(root, c, agents)
                status = caa.status(root)
            found, objects = _with_ids(root, c, anything=verification is None)
            if objects is not None:
                break
            # Somebody else's change is not to be lost, nor to be committed as it is.
            print(f"\n{CHANGED}", flush=True)
            c = found
        run = dare.Dare(root, found, objects, status.disk, agents, first)
        try:
            run.run()
        except ClmgrError:
            left = run.left_locks() if force else ()
            if not left:
                raise
            # As "Release Locks Set By Dynamic Reconfiguration" does.
            dare.release_locks(root, left, agents)
            dare.Dare(root, found, objects, status.disk, agents, first).run()
    except (caa.CaaError, caa.RepositoryError) as error:
        raise ClmgrError(str(error)) from None
    except OSError as error:
        raise ClmgrError(f"{error.filename or 'the repository disk'}: {error.strerror}.") from None


def _with_ids(
    root: NodeRoot, verified: Configuration, anything: bool
) -> tuple[Configuration, dict[str, list[OdmObject]] | None]:
    """Give ids to what is configured; the configuration, and its classes as they are while nobody changes them.

    None in their place: it is not what was verified, and not ``anything`` will do; nothing was changed.

    Raises:
        ClmgrError: there is no cluster any more.
        CaaError, OSError: the numbers of nodes cannot be given.
    """
    numbers = formation.numbers(root, [node.name for node in verified.nodes])
    with change(root) as transaction:
        found = transaction.configuration
        if found is None:
            raise ClmgrError(NO_CLUSTER)
        if found != verified:
            if not anything:
                return found, None
            numbers = formation.numbers(root, [node.name for node in found.nodes])
        assigned = synchronization.assign_ids(found, numbers)
        if assigned != found:
            transaction.commit(assigned)
        repository = Repository(root, DCD)
        return assigned, {name: repository.get(name) for name in CLASSES}


def _everybody_listens(root: NodeRoot, c: Configuration) -> None:
    """A CAA cluster is made of all its nodes or not at all.

    Raises:
        ClmgrError: clcomd on a node cannot be reached or refuses this one (/etc/cluster/rhosts).
    """
    for node in c.nodes:
        try:
            clcomd.Session(root, node.name, clcomd.BOOT_PATIENCE).close()
        except clcomd.ClcomdError:
            raise CommunicationError(node.name) from None


def _form(root: NodeRoot, c: Configuration, agents: Agents) -> None:
    """The CAA cluster, which is made by the first synchronization. The lines stand as in published transcripts."""
    _everybody_listens(root, c)
    print(dare.COMMITTING, flush=True)
    for node in _with_entries(root, c, agents):
        print(f"\n{dare.INSTALLED % node}", flush=True)
    count = len(c.nodes)
    print(f"\ncldare: Configuring a {count} node cluster in AIX may take up to 2 minutes. Please wait.", flush=True)
    formation.make(root, c.cluster.name, [node.name for node in c.nodes], c.repository)
    # What CAA refuses is tried once more when everything else is done, and said then.
    with contextlib.suppress(ClmgrError, OSError):
        tune(root, c, new=True)


def _with_entries(root: NodeRoot, c: Configuration, agents: Agents) -> list[str]:
    """Have each node add the entries of /etc/inittab that it needs in this cluster; the nodes that have them now.

    One that cannot is no reason to stop: verification names it.
    """

    def add(node: str) -> bool:
        names = init_entries.needed_by(c, node)
        try:
            if node == root.identity.node:
                init_entries.add(root, names)
                return True
            return all(agents.ask(node, ["correct", "inittab", name]).status == 0 for name in sorted(names))
        except (init_entries.EntryRefused, clcomd.ClcomdError, OSError):
            return False

    nodes = [node.name for node in c.nodes]
    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        return [node for node, done in zip(nodes, pool.map(add, nodes), strict=True) if done]
