"""sync, verify, discover, view, manage and recover: who does each."""

from __future__ import annotations

import os

from daemons.clmgr.edits.parts import named, required_names
from daemons.clmgr.errors import MISSING_DEPENDENCY, ClmgrError, CommunicationError, does_not_exist, missing
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.preparation import about_cluster, checked, defined, of_nodes, without_names
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot


def carry_out(root: NodeRoot, request: Request) -> int:
    """Carry out a request; returns the exit code.

    Raises:
        ClmgrError: it cannot be done.
    """
    request.attributes = checked(request)
    match request.action, request.class_name:
        case "sync", "file_collection":
            from daemons.clmgr.synchronization import propagation

            propagation.synchronize(root, defined(root), request.names)
        case "sync", _:
            from daemons.clconfd.agents import Agents

            c = defined(root)
            about_cluster(request, c)
            with Agents(root) as agents:
                agents.prepare(node.name for node in c.nodes)
                # What this node needs for it is imported while the others start.
                from daemons.clmgr.synchronization import after_synchronization

                after_synchronization.requested(root, c, request, agents)
        case "verify", "method":
            _verify_methods(root, request, defined(root))
        case "verify", _:
            from daemons.clmgr.synchronization import synchronize
            from daemons.clmgr.verification import verify

            c = defined(root)
            about_cluster(request, c)
            synchronizes = request.truth("SYNC", False)
            if verify.run(root, c, synchronize.options_of(request), own_changes=not synchronizes).errors:
                return 1
            if synchronizes:
                from daemons.clmgr.synchronization import after_synchronization

                request.attributes["VERIFY"] = "no"
                after_synchronization.requested(root, defined(root), request)
        case "discover", _:
            _discover(root, request)
        case "view", "log":
            from daemons.clmgr.views import logs

            logs.view(root, request, defined(root))
        case "view", "snapshot":
            from daemons.clmgr.snapshots import snapshots

            snapshots.view(root, request)
        case "view", _:
            from daemons.clmgr.views import reports

            reports.view(root, request, defined(root))
        case "recover", _:
            from daemons.clmgr.operations import cluster_services

            c = defined(root)
            about_cluster(request, c)
            cluster_services.recover(root, c, of_nodes(request, c))
        case "manage", _:
            _manage(root, request)
    return 0


def _discover(root: NodeRoot, request: Request) -> None:
    from daemons.clmgr.storage import discovery
    from daemons.clmgr.transactions.transaction import read
    from daemons.cluster.configuration import Cluster

    c = read(root)
    about_cluster(request, c)
    if request.class_name != "cluster":
        without_names(request)
    every = [node.name for node in (c.nodes if c is not None else root.identity.nodes)]
    for node in request.words("NODES"):
        if node not in every:
            raise does_not_exist(node)
    discovery.discover(root, c or Configuration(cluster=Cluster(id=0, name="")))


def _verify_methods(root: NodeRoot, request: Request, c: Configuration) -> None:
    """``verify method [<method>[,..]|ALL] [TYPE=..]``: its program must be there and executable."""
    from daemons.clmgr.edits.customization import methods_of

    programs = methods_of(c, request.attribute("TYPE"))
    for name in list(programs) if request.names in ([], ["ALL"]) else request.names:
        if name not in programs:
            raise does_not_exist(name)
        words = programs[name].split()
        if not words or not os.access(root.path(words[0]), os.X_OK):
            raise ClmgrError(f'the program "{programs[name]}" of "{name}" is not executable.', MISSING_DEPENDENCY)


def _manage(root: NodeRoot, request: Request) -> None:
    match request.class_name, request.operation:
        case "cluster", "unlock":
            from daemons.clmgr.synchronization import dare

            about_cluster(request, defined(root))
            lost = dare.release_all_locks(root, tuple(node.name for node in defined(root).nodes))
            if lost:
                raise CommunicationError(lost[0])
        case "cluster", "reset":
            from daemons.clmgr.transactions import changes

            about_cluster(request, defined(root))
            changes.change(root, Request(action="delete", class_name="cluster", attributes={"NODES": "ALL"}))
        case "node", _:
            without_names(request)
            _undo_changes(root)
        case "application_controller", operation:
            _monitoring(root, request, defined(root), operation)
        case "snapshot", _:
            from daemons.clmgr.snapshots import applying

            applying.restore(root, request)
        case "log", _:
            from daemons.clmgr.views import logs

            without_names(request)
            logs.collect(root, request, defined(root))


def _undo_changes(root: NodeRoot) -> None:
    """The configuration of this node becomes again the one that was synchronized last."""
    from daemons.caa import client as caa
    from daemons.clmgr.transactions.transaction import change
    from daemons.cluster import synchronization

    try:
        repository = caa.repository(root)
        commit = repository.read_commit()
        archive = repository.read_archive(commit) if commit is not None else None
    except (caa.CaaError, OSError):
        archive = None
    if archive is None:
        raise ClmgrError("there is no synchronized configuration to go back to.", MISSING_DEPENDENCY)
    with change(root) as transaction:
        transaction.replace(synchronization.localize(synchronization.unpack(archive), root.identity.node))


def _monitoring(root: NodeRoot, request: Request, c: Configuration, operation: str) -> None:
    """``manage application_controller {suspend|resume} <app> RESOURCE_GROUP=<rg>``."""
    from daemons.clstrmgr import client as manager
    from daemons.clstrmgr import messages

    names = required_names(request)
    group = request.attribute("RESOURCE_GROUP")
    if not group:
        raise missing("RESOURCE_GROUP")
    holder = named(group, c.groups)
    for name in names:
        named(name, c.controllers)
        if name not in holder.resource("APPLICATIONS"):
            raise ClmgrError(f'"{name}" is no application of the resource group "{group}".', MISSING_DEPENDENCY)
        kind = messages.SuspendMonitoring if operation == "suspend" else messages.ResumeMonitoring
        try:
            answer = manager.ask(kind(group, name), root)
        except manager.ManagerUnreachable as error:
            raise ClmgrError(str(error)) from None
        if isinstance(answer, messages.Done) and answer.error:
            raise ClmgrError(str(manager.Refused(answer)))
