"""clpasswd and cl_chpasswd: a password is changed on all nodes of the cluster, or of a resource group, or on some.

Who may: the owner of the node, its root. The other users of /etc/clpasswd/cl_passwd_users would need a program that
runs as root for them. Prompts are those of passwd; that a user must change a password which root gave is AIX's habit.
"""

from __future__ import annotations

import os
import sys

from daemons.clmgr.cspoc.account_commands import MESSAGES, Nodes, each_says, on_chosen_nodes, report
from daemons.clmgr.cspoc.accounts import ids, on_account_nodes
from daemons.clmgr.cspoc.commands import CspocError, defined
from daemons.clmgr.errors import ClmgrError
from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot


def clpasswd(argv: list[str]) -> int:
    """``clpasswd [-g ResourceGroup] user``: 0, or 1 if it was changed nowhere, or not on every node."""
    root = NodeRoot.current()
    try:
        options = parse(argv, "g:")
        if len(options.operands) != 1:
            raise UsageError("one user")
    except UsageError:
        return usage("Usage: clpasswd [-g ResourceGroup] user")
    try:
        failed = _change(root, options.operands[0], options.get("g"))
    except (CspocError, ClmgrError) as error:
        failed = str(error).splitlines()
    except KeyboardInterrupt:
        failed = ["the password was not changed."]
        sys.stderr.write("\n")
    return report("clpasswd", failed)


def _change(root: NodeRoot, user: str, wanted_group: str | None) -> list[str]:
    """Change it; returns what went wrong on nodes, a sentence each (the others keep the change).

    Raises:
        CspocError, ClmgrError: the request is wrong, or a node cannot be asked; nothing has changed.
    """
    if not os.access(root.path("/etc/security"), os.W_OK):
        raise CspocError("only root can change a password on all nodes.")
    c = defined(root)
    nodes = [node.name for node in c.nodes]
    if wanted_group is not None:
        group = c.group(wanted_group)
        if group is None:
            raise CspocError(f"the resource group {wanted_group} is not defined.")
        nodes = list(group.nodes)
    return _new_password(root, ids(root, "user", nodes), user)


def cl_chpasswd(argv: list[str]) -> int:
    """``cl_chpasswd -cspoc "[-f] {-n nodes | -g group}" name``: asks for the new password."""

    def work(root: NodeRoot, there: Nodes, options: Options) -> list[str]:
        return _new_password(root, there, options.operands[0])

    return on_chosen_nodes(argv, "chpasswd", "user", work)


def _new_password(root: NodeRoot, there: Nodes, user: str) -> list[str]:
    """Ask for a user's new password and set it on nodes; returns what went wrong, a sentence a node.

    Raises:
        CspocError: a node does not know the user, or there is no password; nothing has changed.
    """
    if lacking := [node for node, names in there.items() if user not in names]:
        raise CspocError(each_says(lacking, f'{MESSAGES["user"][1]} User "{user}" does not exist.'))
    return on_account_nodes(root, list(there), ["chpasswd"], f"{user}:{_asked(user)}\n".encode())


def _asked(user: str) -> str:
    """The new password, asked for twice: at a terminal without echo, else two lines of standard input.

    Raises:
        CspocError: there is none, or the two differ.
    """
    print(f'Changing password for "{user}"', flush=True)
    first, second = _line(f"{user}'s New password: "), _line("Enter the new password again:")
    if not first or first != second:
        raise CspocError("the new password is empty." if not first else "the two entries do not match.")
    return first


def _line(prompt: str) -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            return getpass(prompt)
        except EOFError:
            return ""
    return sys.stdin.readline().rstrip("\n")
