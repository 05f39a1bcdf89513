"""clpasswd: a password is changed on all nodes of the cluster, or of a resource group.

Who may: the owner of the node, its root. The other users of /etc/clpasswd/cl_passwd_users would need a program that
runs as root for them. Prompts are those of passwd; that a user must change a password which root gave is AIX's habit.
"""

from __future__ import annotations

import os
import sys

from daemons.clmgr.cspoc.accounts import ids, on_account_nodes
from daemons.clmgr.cspoc.commands import CspocError, defined
from daemons.clmgr.errors import ClmgrError
from srcctl.accounts.commands import NAME
from srcctl.commands.options import UsageError, parse, usage
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
        _change(root, options.operands[0], options.get("g"))
    except (CspocError, ClmgrError) as error:
        sys.stdout.flush()
        sys.stderr.writelines(f"clpasswd: {line}\n" for line in str(error).splitlines())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nclpasswd: the password was not changed.\n")
        return 1
    return 0


def _change(root: NodeRoot, user: str, wanted_group: str | None) -> None:
    """Raises:
    CspocError, ClmgrError: the request is wrong, or a node failed (the others keep the change).
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
    if not NAME.fullmatch(user):
        raise CspocError(f'3004-687 User "{user}" does not exist.')
    there = ids(root, "user", nodes)  # a node that does not answer ends it here, with nothing changed
    lacking = [node for node in nodes if user not in there[node]]
    if lacking:
        raise CspocError("\n".join(f'{node}: 3004-687 User "{user}" does not exist.' for node in lacking))
    password = _asked(user)
    if failed := on_account_nodes(root, nodes, ["chpasswd"], f"{user}:{password}\n".encode()):
        raise CspocError("\n".join(failed))


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
