"""cl_mkuser, cl_chuser, cl_rmuser, cl_mkgroup, cl_chgroup, cl_rmgroup: users and groups on several nodes.

Each takes the flags, attributes and name of the AIX command and carries it out on the nodes that ``-cspoc`` chooses,
which it must. A new account gets the same id on all of them. Silence on success, and a node's name before what it
complains about, are inferred.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from daemons.clmgr.cspoc.accounts import common_id, ids, on_account_nodes
from daemons.clmgr.cspoc.commands import CspocError, complaining, defined, targets, without_cspoc
from daemons.clmgr.errors import ClmgrError
from srcctl.accounts.commands import NAME
from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot

MAKING = "[-a] [attribute=value ...] name"
SYNTAX = {
    "mkuser": ("a", MAKING), "chuser": ("", "attribute=value ... name"), "rmuser": ("p", "[-p] name"),
    "mkgroup": ("a", MAKING), "chgroup": ("", "attribute=value ... name"), "rmgroup": ("", "name"),
    "chpasswd": ("", "name"),
}  # fmt: skip
"""Flags of each command, as for getopt(3), and what stands behind ``-cspoc``."""
MESSAGES = {"user": ("3004-689", "3004-687"), "group": ("3004-688", "3004-686")}
"""Ids of "exists" and "does not exist"."""
Nodes = dict[str, dict[str, int]]
"""The accounts of every node that can be asked: names and ids."""


def change(argv: list[str]) -> int:
    """``cl_mkuser -cspoc "[-f] {-n nodes | -g group}" [-a] [attribute=value ...] name`` and its like.

    The exit code is 1 if the request is wrong or a node could not carry it out (the others keep the change), else 0.
    """
    command = argv[0].rpartition("/")[2].removeprefix("cl_")
    kind = "group" if command.endswith("group") else "user"

    def work(root: NodeRoot, there: Nodes, options: Options) -> list[str]:
        *pairs, name = options.operands
        values = {key: value for key, mark, value in (pair.partition("=") for pair in pairs) if mark}
        changing, removing = command.startswith("ch"), command.startswith("rm")
        if len(values) != len(pairs) or (changing and not pairs) or (removing and pairs):
            raise UsageError("attribute=value")
        if command.startswith("mk"):
            if not NAME.fullmatch(name):
                raise CspocError(f'3004-694 Error adding "{name}" : Name is invalid.')
            if known := [node for node, names in there.items() if name in names]:
                raise CspocError(each_says(known, f'{MESSAGES[kind][0]} {kind.title()} "{name}" exists.'))
        if command.startswith("mk") or "id" in values:
            values = {**values, "id": common_id(there, kind, name, values.get("id", ""))}
        flags = [f"-{flag}" for flag in options.values]
        return on_account_nodes(root, list(there), [command, *flags, *(f"{k}={v}" for k, v in values.items()), name])

    return on_chosen_nodes(argv, command, kind, work)


def each_says(nodes: list[str], text: str) -> str:
    """A complaint with the name of each node that makes it, a line each."""
    return "\n".join(f"{node}: {text}" for node in nodes)


def on_chosen_nodes(
    argv: list[str], command: str, kind: str, work: Callable[[NodeRoot, Nodes, Options], list[str]]
) -> int:
    """Parse the command line, ask the chosen nodes for their accounts and have the work done; the exit code."""
    flags, syntax = SYNTAX[command]
    root, name, usage_text = complaining(argv, f'-cspoc "[-f] {{-n NodeList | -g ResourceGroup}}" {syntax}')
    try:
        chosen, words = without_cspoc(argv[1:])
        options = parse([name, *words], flags)
        if not options.operands or (command == "chpasswd" and len(options.operands) > 1):
            raise UsageError("name")
        nodes, lenient = targets(defined(root), chosen, required=True)
        failed = work(root, ids(root, kind, nodes, lenient), options)
    except (UsageError, ValueError):
        return usage(usage_text)
    except (CspocError, ClmgrError) as error:
        failed = str(error).splitlines()
    return report(name, failed)


def report(name: str, failed: list[str]) -> int:
    """Complain about what went wrong, a line each with the name of the command; the exit code."""
    sys.stdout.flush()
    sys.stderr.writelines(f"{name}: {line}\n" for line in failed)
    return 1 if failed else 0
