"""cl_rsh, clrsh, clrexec, cl_rcp, clcmd."""

from __future__ import annotations

import os
import sys

from daemons.clcomd.client import ClcomdError, Result, run, stream
from daemons.clcomd.messages import Run
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot

COMMUNICATION_ERROR = "Communication error, see logfile"
TRANSPORT_FAILED = 1
"""The exit code when clcomd did not carry the command (not documented; inferred)."""
KEYWORDS = {
    "LSSRC": ("/usr/bin/lssrc", "-a"),
    "LSSRC_CLSTRMGR": ("/usr/bin/lssrc", "-ls", "clstrmgrES"),
    "GETODM": ("/usr/bin/odmget",),
    "UNAME": ("/usr/bin/uname", "-a"),
    "DATE": ("/usr/bin/date",),
    "HALEVEL": ("/usr/es/sbin/cluster/utilities/halevel", "-s"),
}
"""The functions of clrexec: the product's list is not published, this one is ours (inferred)."""


def cl_rsh(argv: list[str]) -> int:
    """``cl_rsh [-n] node command ...``: run a command on a node through clcomd; its output and exit code."""
    words = argv[1:]
    no_input = words[:1] == ["-n"]
    if no_input:
        words = words[1:]
    if len(words) < 2:
        return usage(f"Usage: {argv[0].rpartition('/')[2]} [-n] node command [argument ...]")
    node, command = words[0], words[1:]
    request = (
        Run(shell=command[0], stdin=not no_input) if len(command) == 1 else Run(tuple(command), stdin=not no_input)
    )
    return _stream(node, request, not no_input)


def _stream(node: str, request: Run, stdin: bool) -> int:
    # A terminal would make the command wait for input that nobody means to give.
    use_stdin = stdin and not sys.stdin.isatty() and _readable_stdin()
    try:
        return stream(NodeRoot.current(), node, request._replace(stdin=use_stdin), use_stdin)
    except ClcomdError:
        sys.stderr.write(COMMUNICATION_ERROR + "\n")
        return TRANSPORT_FAILED


def _readable_stdin() -> bool:
    try:
        return sys.stdin.fileno() >= 0 and not os.path.samestat(os.fstat(0), os.stat("/dev/null"))
    except (OSError, ValueError):
        return False


def clrsh(argv: list[str]) -> int:
    """``clrsh node command``: the CAA form; a failed connection is one line on stdout."""
    words = argv[1:]
    if len(words) < 2:
        return usage("Usage: clrsh node command [argument ...]")
    try:
        command = words[1:]
        request = Run(shell=command[0]) if len(command) == 1 else Run(tuple(command))
        return stream(NodeRoot.current(), words[0], request, stdin=False)
    except ClcomdError:
        print(COMMUNICATION_ERROR)
        return TRANSPORT_FAILED


def clrexec(argv: list[str]) -> int:
    """``clrexec node KEYWORD [argument ...]``: one of a fixed list of functions."""
    words = argv[1:]
    if len(words) < 2:
        return usage("Usage: clrexec node KEYWORD [argument ...]")
    function = KEYWORDS.get(words[1])
    if function is None:
        sys.stderr.write(f"clrexec: {words[1]} is not a function of clrexec: {', '.join(sorted(KEYWORDS))}.\n")
        return 1
    return _stream(words[0], Run((*function, *words[2:])), stdin=False)


RCP_USAGE = "Usage: cl_rcp [-p] [-r] [node:]source [[node:]source ...] [node:]target"


def cl_rcp(argv: list[str]) -> int:
    """``cl_rcp [-p] [-r] source ... target``: copy files and trees; a place on a node is ``node:/path``."""
    try:
        options = parse(argv, "pr")
    except UsageError as error:
        sys.stderr.write(f"cl_rcp: {error}\n")
        return usage(RCP_USAGE)
    if len(options.operands) < 2:
        return usage(RCP_USAGE)
    # Not needed by the other commands, which start the faster.
    from daemons.clcomd.copying import Copier, CopyError, Place

    *sources, target = (Place.parse(word) for word in options.operands)
    status = 0
    with Copier(NodeRoot.current(), "p" in options, "r" in options) as copier:
        try:
            into = copier.is_directory(target)
        except ClcomdError as error:
            sys.stderr.write(f"cl_rcp: {target.node}: {error}\n")
            return 1
        if len(sources) > 1 and not into:
            sys.stderr.write(f"cl_rcp: {target.path}: Not a directory\n")
            return 1
        for source in sources:
            try:
                copier.copy(source, target, into)
            except (ClcomdError, CopyError) as error:
                sys.stderr.write(f"cl_rcp: {error}\n")
                status = 1
            except OSError as error:
                sys.stderr.write(f"cl_rcp: {error.filename or source.path}: {error.strerror}\n")
                status = 1
            for complaint in copier.complaints:
                sys.stderr.write(f"cl_rcp: {complaint}\n")
                status = 1
            copier.complaints.clear()
    return status


CLCMD_USAGE = "Usage: clcmd [-n clustername] [-m node[,node ...]] [--] command [argument ...]"


def clcmd(argv: list[str]) -> int:
    """``clcmd [-n cluster] [-m nodes] [--] command ...``: run a command on every node of the CAA cluster at once, a
    block for each."""
    command, given = argv[1:], {"-n": "", "-m": ""}
    while command and command[0] in given and len(command) > 1:
        given[command[0]], command = command[1], command[2:]
    if command[:1] == ["--"]:
        command = command[1:]
    elif command[:1] and command[0].startswith("-"):
        command = []
    if not command:
        return usage(CLCMD_USAGE)
    from concurrent.futures import ThreadPoolExecutor

    from daemons.caa import client as caa

    root = NodeRoot.current()
    try:
        membership = caa.status(root).membership
    except caa.CaaError:
        membership = None
    if membership is None:
        sys.stderr.write(f"clcmd: {caa.INACTIVE}\n")
        return 1
    if given["-n"] not in ("", membership.cluster_name):
        sys.stderr.write(f"clcmd: {given['-n']} is not the name of this node's cluster.\n")
        return 1
    names = [node.name for node in membership.nodes]
    for name in (wanted := [word for word in given["-m"].split(",") if word]):
        if name not in names:
            sys.stderr.write(f"clcmd: {name} is not a node of the cluster.\n")
            return 1
    names = wanted or names

    def one(name: str) -> Result | None:
        try:
            return run(root, name, command[0] if len(command) == 1 else command)
        except ClcomdError:
            return None

    status, rule = 0, "-" * 31
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        # In the order of the nodes, each as soon as those before it are done.
        for number, (name, result) in enumerate(zip(names, pool.map(one, names), strict=True)):
            print(f"{chr(10) if number else ''}{rule}\nNODE {name}\n{rule}", flush=True)
            if result is None:
                sys.stderr.write(COMMUNICATION_ERROR + "\n")
                status = status or TRANSPORT_FAILED
                continue
            sys.stdout.buffer.write(result.out)
            sys.stdout.flush()
            sys.stderr.buffer.write(result.err)
            sys.stderr.flush()
            status = status or result.status
    return status
