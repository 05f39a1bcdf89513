"""clmgr: one request from the command line to its end."""

from __future__ import annotations

import os
import sys

from daemons.clmgr import journal
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.syntax import grammar
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import ConfigurationFault
from srcctl.commands.options import is_number
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, remember


def clmgr(argv: list[str]) -> int:
    """``clmgr [flags] ACTION CLASS [NAME] [ATTRIBUTE=VALUE ...]``."""
    _limit_time(os.environ.get("CLMGR_TIMEOUT", ""))
    remember()
    return _logged(NodeRoot.current(), argv[1:], "")


def clvt(argv: list[str]) -> int:
    """``clvt action class [object] [name=value ...]``: clmgr's predecessor.

    Of its grammar the same words are known, and that it names a new cluster after the node the other way round.
    """
    root = NodeRoot.current()
    words = argv[1:]
    if len(words) < 2:
        sys.stderr.write("Usage: clvt action class [object] [name=value ...]\n")
        return 1
    remember()
    try:
        request = grammar.parse(words)
    except ClmgrError:
        return _logged(root, words, "")  # clmgr says what is wrong
    if (request.action, request.class_name) == ("add", "cluster") and not request.names and not request.help:
        words = [*words[:2], f"cluster_{root.identity.node}", *words[2:]]
    return _logged(root, words, "")


def _limit_time(seconds: str) -> None:
    """CLMGR_TIMEOUT in the environment bounds the call; what it was doing when the time was up stays as it is."""
    if not is_number(seconds) or not 0 < int(seconds) < 1 << 31:
        return
    import signal

    def too_late(number: int, frame: object) -> None:
        raise ClmgrError(f"the operation did not end within {seconds} seconds (CLMGR_TIMEOUT).")

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(int(seconds))


def _logged(root: NodeRoot, words: list[str], transaction: str) -> int:
    """Carry out one command line; its complaint goes to stderr, and with its end to clutils.log."""
    entry = journal.Entry(root, words, transaction)
    complaint, status = "", 1
    try:
        request = grammar.parse(words)
        entry.transaction = request.transaction or entry.transaction
        entry.level = request.log_level
        status = _traced(root, request, entry)
    except ClmgrError as error:
        complaint, status = error.line(), error.code
    except (OdmError, ConfigurationFault) as error:
        complaint = f"ERROR: {error}"
    if complaint:
        sys.stdout.flush()
        sys.stderr.write(f"\n{complaint}\n\n")
    entry.close(status, complaint)
    return status


def _traced(root: NodeRoot, request: Request, entry: journal.Entry) -> int:
    """Carry out a request; with a log level above the standard one the entry gets what ran."""
    if request.log_level in ("", "error", "standard"):
        return _request(root, request, entry.transaction)
    from daemons.clmgr.tracing import Trace

    trace = Trace(request.log_level, [found for word in entry.words if (found := journal.password(word))])
    try:
        with trace:
            return _request(root, request, entry.transaction)
    finally:
        entry.trace = trace.lines


def _request(root: NodeRoot, request: Request, transaction: str) -> int:
    if request.multiple is not None:
        return _several(root, request.multiple, transaction)
    if request.help or not request.class_name:
        from daemons.clmgr.syntax.help import usage_lines

        print("\n".join(usage_lines(request)))
        return 0 if request.help else 1
    return _carry_out(root, request)


def _several(root: NodeRoot, texts: list[str], transaction: str) -> int:
    """``-M``: one operation a line, from the argument or from standard input, under one transaction id.

    It ends with the first operation that fails, with its exit code (inferred).
    """
    import shlex

    text = "\n".join(texts) if texts else sys.stdin.read()
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise ClmgrError(f'"{line.strip()}" is no operation: {error}.', 4) from None
        if words:
            status = _logged(root, words, transaction)
            if status:
                return status
    return 0


def _carry_out(root: NodeRoot, request: Request) -> int:
    match request.action:
        case "query":
            from daemons.clmgr.queries import inquiry

            inquiry.query(root, request)
        case "add" | "modify" | "delete" | "replace":
            from daemons.clmgr.transactions import changes

            changes.change(root, request)
        case "online" | "offline" | "move":
            from daemons.clmgr.transactions import preparation

            request.attributes = preparation.checked(request)
            if request.class_name == "resource_group":
                from daemons.clmgr.operations import resource_groups as operate

                operate.group(root, preparation.defined(root), request)
            else:
                from daemons.clmgr.operations import cluster_services

                c = preparation.defined(root)
                preparation.about_cluster(request, c)
                cluster_services.services(root, c, preparation.of_nodes(request, c))
        case _:
            from daemons.clmgr.operations import dispatch as doings

            return doings.carry_out(root, request)
    return 0
