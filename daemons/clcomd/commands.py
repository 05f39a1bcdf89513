"""cl_rsh, clrsh, clrexec, cl_rcp, clcmd."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

from daemons.clcomd.client import ClcomdError, Session, run, stream
from daemons.clcomd.messages import Run
from srcctl.commands.options import usage
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
        import msgspec

        return stream(NodeRoot.current(), node, msgspec.structs.replace(request, stdin=use_stdin), use_stdin)
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


def cl_rcp(argv: list[str]) -> int:
    """``cl_rcp [-p] source target``: copy a file; the remote side is ``node:/path``."""
    words = argv[1:]
    preserve = words[:1] == ["-p"]
    if preserve:
        words = words[1:]
    if len(words) != 2:
        return usage("Usage: cl_rcp [-p] [node:]source [node:]target")
    root = NodeRoot.current()
    source, target = (_place(word) for word in words)
    try:
        if source[0] and target[0]:
            with tempfile.TemporaryDirectory() as folder:
                between = os.path.join(folder, "file")
                _copy(root, source, ("", between), preserve)
                _copy(root, ("", between), target, preserve)
        else:
            _copy(root, source, target, preserve)
    except ClcomdError as error:
        sys.stderr.write(f"cl_rcp: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cl_rcp: {error.filename or words[0]}: {error.strerror}\n")
        return 1
    return 0


def _place(word: str) -> tuple[str, str]:
    node, mark, path = word.partition(":")
    return (node, path) if mark and "/" not in node else ("", word)


def _copy(root: NodeRoot, source: tuple[str, str], target: tuple[str, str], preserve: bool) -> None:
    name = source[1].rpartition("/")[2]
    if source[0]:
        path = os.path.join(target[1], name) if os.path.isdir(target[1]) else target[1]
        with Session(root, source[0]) as session:
            session.get(source[1], path, preserve)
    elif target[0]:
        path = target[1] + name if target[1].endswith("/") else target[1]
        with Session(root, target[0]) as session:
            session.put(source[1], path, preserve)
    else:
        (shutil.copy2 if preserve else shutil.copy)(source[1], target[1])


def clcmd(argv: list[str]) -> int:
    """``clcmd command ...``: run a command on every node of the CAA cluster, a block for each."""
    command = argv[1:]
    if not command:
        return usage("Usage: clcmd command [argument ...]")
    from daemons.caa import client as caa

    root = NodeRoot.current()
    try:
        membership = caa.status(root).membership
    except caa.CaaError:
        membership = None
    if membership is None:
        sys.stderr.write(f"clcmd: {caa.INACTIVE}\n")
        return 1
    status, rule = 0, "-" * 31
    for number, node in enumerate(membership.nodes):
        print(f"{chr(10) if number else ''}{rule}\nNODE {node.name}\n{rule}")
        sys.stdout.flush()
        try:
            result = run(root, node.name, command)
        except ClcomdError:
            sys.stderr.write(COMMUNICATION_ERROR + "\n")
            status = status or TRANSPORT_FAILED
            continue
        sys.stdout.buffer.write(result.out)
        sys.stdout.flush()
        sys.stderr.buffer.write(result.err)
        sys.stderr.flush()
        status = status or result.status
    return status
