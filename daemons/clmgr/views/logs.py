"""Logs: where they are kept, what of them is shown, and their collection from all nodes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from daemons.clmgr.collection.log_files import DAILY, files_of_log
from daemons.clmgr.edits.parts import named, required_names
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    NO_CLUSTER,
    NOT_FOUND,
    ClmgrError,
    does_not_exist,
    missing,
)
from daemons.clmgr.syntax.attributes import FALSE
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions.transaction import change as begin
from daemons.cluster.configuration import Configuration, LogFile
from srcctl.node.root import NodeRoot

CLUSTER_TECHNOLOGY = "/var/ct"
"""RSCT's directory, with a folder for each peer domain and one for RMC (IW)."""
EVENT_WORDS = ("EVENT START", "EVENT COMPLETED", "EVENT FAILED")


def modify(root: NodeRoot, request: Request) -> None:
    """``modify log {<log>|ALL}``.

    Raises:
        ClmgrError: no such log or directory.
    """
    names = required_names(request)
    directory = request.attribute("DIRECTORY")
    if not request.attributes:
        raise missing("DIRECTORY")
    if directory and not os.path.isdir(root.path(directory)):
        raise ClmgrError(f'"{directory}" is not a directory.', INCORRECT_INPUT)
    with begin(root) as transaction:
        c = transaction.configuration
        if c is None:
            raise ClmgrError(NO_CLUSTER, MISSING_DEPENDENCY)
        if names == ["ALL"]:
            names = [log.name for log in c.logs]
        for name in names:
            if all(log.name != name for log in c.logs):
                raise does_not_exist(name)
        logs = tuple(_changed(request, log) if log.name in names else log for log in c.logs)
        transaction.commit(_node_settings(request, replace(c, logs=logs), names))


def _changed(request: Request, log: LogFile) -> LogFile:
    return replace(
        log,
        directory=request.attribute("DIRECTORY") or log.directory,
        remote_file_system=request.truth("REMOTE_FS", log.remote_file_system),
    )


def _node_settings(request: Request, c: Configuration, names: list[str]) -> Configuration:
    """hacmp.out's format and debug level are run time parameters of the nodes (HACMPnode)."""
    settings = {}
    if "hacmp.out" in names and request.attribute("TRACE_LEVEL"):
        settings["VERBOSE_LOGGING"] = request.attribute("TRACE_LEVEL")
    if "hacmp.out" in names and request.attribute("FORMATTING"):
        settings["LOG_FORMATTING"] = request.attribute("FORMATTING").capitalize()
    if not settings:
        return c
    return replace(
        c,
        nodes=tuple(replace(node, settings=tuple({**dict(node.settings), **settings}.items())) for node in c.nodes),
    )


def view(root: NodeRoot, request: Request, c: Configuration) -> None:
    """``view log [<log>|EVENTS] [TAIL= HEAD= FILTER= DELIMITER= CASE=]``; without a name the logs are listed.

    Raises:
        ClmgrError: no such log, or it cannot be read.
    """
    if not request.names:
        print("\n".join(log.name for log in c.logs))
        return
    wanted = request.names[0]
    name = "hacmp.out" if wanted.upper() == "EVENTS" else wanted
    directory = dict(c.log_directories).get(name)
    if directory is None:
        raise does_not_exist(name)
    if name == DAILY:
        name = _last_day(root, directory)
    try:
        with open(root.path(f"{directory}/{name}"), encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError as error:
        raise ClmgrError(f"{directory}/{name}: {error.strerror}.", NOT_FOUND) from None
    if wanted.upper() == "EVENTS":
        lines = [line for line in lines if any(word in line for word in EVENT_WORDS)]
    lines = _filtered(request, lines)
    if head := request.attribute("HEAD"):
        lines = lines[: int(head)]
    if tail := request.attribute("TAIL"):
        lines = lines[-int(tail) :]
    sys.stdout.writelines(lines)


def _last_day(root: NodeRoot, directory: str) -> str:
    """The file of the last day that has one, of the log with a file a day."""
    try:
        found = files_of_log(LogFile(name=DAILY, directory=directory), os.listdir(root.path(directory)))
    except OSError:
        found = []
    return max(found, key=lambda name: (name[-4:], name), default=DAILY)


def _filtered(request: Request, lines: list[str]) -> list[str]:
    """FILTER: the lines with one of its texts; DELIMITER separates them, a comma by default."""
    text = request.attribute("FILTER")
    if not text:
        return lines
    parts = [part for part in text.split(request.attribute("DELIMITER") or ",") if part]
    if request.attribute("CASE").lower() in ("insensitive", *FALSE):
        parts = [part.lower() for part in parts]
        return [line for line in lines if any(part in line.lower() for part in parts)]
    return [line for line in lines if any(part in line for part in parts)]


def collect(root: NodeRoot, request: Request, c: Configuration) -> None:
    """``manage logs collect [DIRECTORY= NODES= RSCT_LOGS=]``: every node's logs, in a folder a node.

    Raises:
        ClmgrError: a node is unknown, the directory is none, or a node's logs could not be had; the others' are there.
    """
    from daemons.clcomd import client as clcomd

    directory = request.attribute("DIRECTORY") or "/tmp/ibmsupt/hacmp"
    nodes = list(dict.fromkeys(request.words("NODES"))) or [node.name for node in c.nodes]
    for node in nodes:
        named(node, c.nodes)
    if os.path.exists(root.path(directory)) and not os.path.isdir(root.path(directory)):
        raise ClmgrError(f'"{directory}" is not a directory.', INCORRECT_INPUT)
    with_rsct = request.truth("RSCT_LOGS", True)
    failed = []
    for node in nodes:
        try:
            count = _collect_from(root, node, c, f"{directory}/{node}", with_rsct)
        except clcomd.ClcomdError as error:
            failed.append(f'unable to communicate with "{node}": {error}')
            continue
        print(f"{node}: {count} logs collected in {directory}/{node}")
    if failed:
        raise ClmgrError("\n".join(failed))


def _collect_from(root: NodeRoot, node: str, c: Configuration, directory: str, with_rsct: bool) -> int:
    from daemons.clcomd import client as clcomd

    count = 0
    with clcomd.Session(root, node) as session:
        wanted = list(wanted_logs(c, session.names, with_rsct))
    for path, place in wanted:
        real = root.path(f"{directory}/{place}")
        os.makedirs(os.path.dirname(real), exist_ok=True)
        # A session for each: a log that has been rotated away since ends its own only.
        with clcomd.Session(root, node) as session:
            try:
                session.get(path, real)
                count += 1
            except clcomd.ClcomdError:
                continue
    return count


def wanted_logs(c: Configuration, names_in: Callable[[str], list[str]], with_rsct: bool) -> Iterator[tuple[str, str]]:
    """The files of a node's logs with their old copies, and those of RSCT: paths, and where they are to lie.

    ``names_in`` tells the names in a directory of the node. That the logs of Group Services and RMC lie in folders of
    their own is inferred.
    """
    known: dict[str, list[str]] = {}
    for log in c.logs:
        if log.directory not in known:
            known[log.directory] = names_in(log.directory)
        for name in files_of_log(log, known[log.directory]):
            yield f"{log.directory}/{name}", name
    if not with_rsct:
        return
    for domain in names_in(CLUSTER_TECHNOLOGY):
        place = f"{CLUSTER_TECHNOLOGY}/{domain}"
        # Step by step: what is no directory has no names, and nothing may be looked for below it.
        found = names_in(f"{place}/log") if "log" in names_in(place) else []
        for daemon in ("cthags", "mc"):
            for name in names_in(f"{place}/log/{daemon}") if daemon in found else []:
                yield f"{place}/log/{daemon}/{name}", f"rsct/{domain}/{daemon}/{name}"
