"""clanalyze: failures in the logs of the nodes, by time and by error string.

The synopsis is the published one; the look of the report and the exit codes are inferred. Every node analyzes its own
logs: clcomd runs this very command there, and the reports are printed one after another. With ``-d`` it is the logs in
a snap that are analyzed, node by node, wherever it was gathered; ``-c`` gathers one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from daemons.clmgr.views import failures
from daemons.clmgr.views.failures import Failure
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import DCD, Configuration, ConfigurationFault
from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.errlog import log as error_log
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

PROGRAM = "/usr/es/sbin/cluster/utilities/clanalyze"
SYNTAX = """Usage: clanalyze -a -s start_time -e end_time [-p error_string] [-n {ALL|node1,node2,...}]
       clanalyze -a -p error_string [-n {ALL|node1,node2,...}]
       clanalyze -a -o {all|recent} [-n {ALL|node1,node2,...}]
       clanalyze -a -o {all|recent} -d snap
       clanalyze -a -p error_string -d snap
       clanalyze -a -s start_time -e end_time [-p error_string] -d snap
       clanalyze -a -u [-n {ALL|node1,node2,...}]
       clanalyze -s start_time -e end_time -f log_file [-n {ALL|node1,node2,...}]
       clanalyze -s start_time -e end_time -x log_file -d snap
       clanalyze -c directory
Times are YYYY-MM-DDTHH:MM:SS."""
FLAGS = "as:e:p:o:n:uf:c:vd:x:"
LOG_DIRECTORY = "/var/hacmp/log"
ROTATED_MAX = 7
"""Old copies of hacmp.out that clcycle keeps."""


NO_SUCH_LOG = 2
"""Exit code where no node has the log of ``-f`` or ``-x``: a node that lacks what others have is no failure."""


class AnalysisError(Exception):
    """The request cannot be carried out; ``str()`` says why."""


def clanalyze(argv: list[str]) -> int:
    """``clanalyze``: 0; 1 if the request is wrong or a node could not be asked; 2 if no node has the log."""
    root = NodeRoot.current()
    try:
        options = parse(argv, FLAGS)
        _check(options)
    except UsageError:
        return usage(SYNTAX)
    except AnalysisError as error:
        sys.stderr.write(f"clanalyze: {error}\n")
        return 1
    try:
        if "c" in options:
            return _copy(root, options.value("c"))
        if "d" in options:
            return _in_snap(root, options)
        c = configurations.load(Repository(root, DCD))
        nodes = _nodes(root, c, options.value("n"))
        return _on_nodes(root, c, options, argv[1:], nodes)
    except (AnalysisError, OdmError, ConfigurationFault) as error:
        sys.stderr.write(f"clanalyze: {error}\n")
        return 1


def _check(options: Options) -> None:
    """Raises:
    UsageError: flags that do not go together.
    AnalysisError: a time is none, or the flags need what there is not here.
    """
    if "v" in options:
        raise AnalysisError("-v has nothing to show: an analysis ends before its command does.")
    if options.operands or ("s" in options) != ("e" in options):
        raise UsageError("-s and -e")
    if "c" in options:
        if len(options.values) > 1 or not options.value("c").startswith("/"):
            raise UsageError("-c")
        return
    if ("x" in options and "d" not in options) or ("d" in options and any(flag in options for flag in "nuf")):
        raise UsageError("-d")
    if "f" in options or "x" in options:
        if "s" not in options or any(flag in options for flag in "apou"):
            raise UsageError("-f")
    else:
        modes = [flag for flag in "ou" if flag in options] + ["sp"] * ("s" in options or "p" in options)
        if "a" not in options or len(modes) != 1:
            raise UsageError("-a")
    if "o" in options and options.value("o").lower() not in ("all", "recent"):
        raise UsageError("-o")
    if "p" in options and not options.value("p").strip():
        raise UsageError("-p")
    start, end = _period(options)
    if start > end:
        raise AnalysisError(f"the start time {options.value('s')} is later than the end time {options.value('e')}.")


def _period(options: Options) -> tuple[float, float]:
    if "s" not in options:
        return 0.0, float("inf")
    return _time(options.value("s")), _time(options.value("e"))


def _time(text: str) -> float:
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        raise AnalysisError(f'"{text}" is not a time of the form YYYY-MM-DDTHH:MM:SS.') from None


def _nodes(root: NodeRoot, c: Configuration | None, text: str) -> list[str]:
    """The nodes of ``-n``; without it this one (inferred)."""
    here = root.identity.node
    if not text:
        return [here]
    if c is None:
        if text == here:
            return [here]
        raise AnalysisError("no cluster is defined on this node.")
    if text.upper() == "ALL":
        return [node.name for node in c.nodes]
    names = list(dict.fromkeys(name for name in text.split(",") if name))
    for name in names:
        if c.node(name) is None:
            raise AnalysisError(f"the node {name} is not defined.")
    return names


def _on_nodes(root: NodeRoot, c: Configuration | None, options: Options, words: list[str], nodes: list[str]) -> int:
    statuses = set()
    for node in nodes:
        if node == root.identity.node:
            statuses.add(_print_part(root, node, c, options, time.time()))
            continue
        from daemons.clcomd import client as clcomd

        try:
            # The last -n counts: over there it is that node alone.
            answer = clcomd.run(root, node, [PROGRAM, *words, "-n", node])
        except clcomd.ClcomdError as error:
            sys.stderr.write(f"clanalyze: unable to communicate with {node}: {error}\n")
            statuses.add(1)
            continue
        sys.stdout.write(answer.out.decode(errors="replace"))
        sys.stdout.flush()
        sys.stderr.write(answer.err.decode(errors="replace"))
        statuses.add(answer.status if answer.status in (0, NO_SUCH_LOG) else 1)
    return 1 if 1 in statuses else min(statuses)


def _copy(root: NodeRoot, directory: str) -> int:
    """``-c``: gather a snap of the cluster in a directory."""
    from daemons.clmgr.collection import commands, gathering

    try:
        nodes = commands.nodes_named(root, None)
        failed = gathering.gather(root, nodes, directory)
    except OSError as error:
        raise AnalysisError(f"{directory}: {error.strerror}") from None
    sys.stdout.flush()
    sys.stderr.writelines(f"clanalyze: {line}\n" for line in failed)
    return 1 if failed else 0


def _in_snap(root: NodeRoot, options: Options) -> int:
    """``-d``: the logs of the nodes in a snap, each by the configuration that it had."""
    from daemons.clmgr.collection import reading

    try:
        with reading.opened(root, options.value("d")) as nodes:
            statuses = set()
            for name, folder in nodes.items():
                try:
                    c = configurations.load(Repository(folder, DCD))
                except (OdmError, ConfigurationFault):
                    c = None  # the logs are where they are by default
                statuses.add(_print_part(folder, name, c, options, reading.gathered_at(folder)))
            return 1 if 1 in statuses else min(statuses)
    except BrokenPipeError:
        raise
    except reading.SnapFault as error:
        raise AnalysisError(str(error)) from None
    except OSError as error:
        raise AnalysisError(f"{options.value('d')}: {error.strerror}") from None


def _print_part(root: NodeRoot, node: str, c: Configuration | None, options: Options, now: float) -> int:
    """Print a node's part; the exit code."""
    try:
        for line in _part(root, node, c, options, now):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # nobody reads any more: the command ends without a word
    except OSError as error:
        sys.stdout.flush()
        sys.stderr.write(f"clanalyze: {node}: {options.value('f') or options.value('x')}: {error.strerror}\n")
        return NO_SUCH_LOG if isinstance(error, FileNotFoundError) else 1
    return 0


def _part(root: NodeRoot, node: str, c: Configuration | None, options: Options, now: float) -> Iterator[str]:
    """A node's part; ``root`` is its own, or its folder in a snap, ``now`` when its logs ended."""
    start, end = _period(options)
    if "f" in options or "x" in options:
        path = options.value("f") or options.value("x")
        with open(root.path(path), encoding="utf-8", errors="replace") as file:
            yield f"Node {node}: {path}"
            yield from (line for when, line in failures.timed(file, now) if start <= when <= end)
        yield ""
        return
    found = [failure for failure in _failures(root, c, options, now) if start <= failure.time <= end]
    yield from failures.report(node, failures.most_recent(found) if options.value("o").lower() == "recent" else found)


def _failures(root: NodeRoot, c: Configuration | None, options: Options, now: float) -> Iterator[Failure]:
    entries = error_log.read(root)
    if "u" in options:
        yield from failures.from_error_log(entry for entry in entries if entry.label == "CORE_DUMP")
        return
    wanted = options.value("p")
    kind = failures.class_named(wanted)
    directories = dict(c.log_directories) if c else {}
    if wanted and not kind:
        for name in ("hacmp.out", "cluster.log"):
            directory = directories.get(name) or ("/var/hacmp/adm" if name == "cluster.log" else LOG_DIRECTORY)
            for path, lines in _logs(root, f"{directory}/{name}"):
                yield from failures.from_text(lines, wanted, now, path)
        return
    found = list(failures.from_error_log(entries))
    for path, lines in _logs(root, f"{directories.get('hacmp.out') or LOG_DIRECTORY}/hacmp.out"):
        found += failures.from_events(lines, now, path)
    yield from (failure for failure in found if failure.kind == (kind or failure.kind))


def _logs(root: NodeRoot, path: str) -> Iterator[tuple[str, Iterator[str]]]:
    """A log and its old copies, the oldest first, those that are there."""
    for suffix in (*(f".{number}" for number in range(ROTATED_MAX, 0, -1)), ""):
        try:
            with open(root.path(path + suffix), encoding="utf-8", errors="replace") as file:
                yield os.path.basename(path) + suffix, file
        except FileNotFoundError:
            continue
