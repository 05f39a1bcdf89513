"""C-SPOC users: the same user or group, with the same id, on all nodes of the cluster or of a resource group.

The work is done by the nodes' own commands (mkuser, chuser, rmuser, mkgroup ...), through ``cl_account``, which clcomd
runs as root. Where one node fails the others keep the change, and an error says which one it was, as on the product.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from daemons.clcomd import client as clcomd
from daemons.clmgr.cspoc.commands import log, own_part
from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    MISSING_INPUT,
    NO_CLUSTER,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid,
)
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.accounts.commands import NAME, group_values, user_values
from srcctl.accounts.files import FIRST_ID, LAST_ID, Accounts
from srcctl.commands.options import is_number
from srcctl.node.root import NodeRoot

ON_NODE = "/usr/es/sbin/cluster/cspoc/cl_account"
COMMANDS = (
    "lsuser", "mkuser", "chuser", "rmuser", "lsgroup", "mkgroup", "chgroup", "rmgroup", "chpasswd",
)  # fmt: skip
USER_ATTRIBUTES = {
    "ID": "id", "PRIMARY": "pgrp", "GROUPS": "groups", "HOME": "home", "SHELL": "shell", "INFORMATION": "gecos",
    "ADMINISTRATIVE": "admin", "LOGIN": "login", "RLOGIN": "rlogin", "SU": "su", "LOCKED": "account_locked",
    "EXPIRES": "expires",
}  # fmt: skip
"""clmgr's attributes of a user, and AIX's (those without an entry in the published list are inferred)."""
GROUP_ATTRIBUTES = {"ID": "id", "ADMINISTRATIVE": "admin", "USERS": "users", "ADMINS": "adms"}
LISTS = ("GROUPS", "USERS", "ADMINS")


def blocks(root: NodeRoot, class_name: str) -> list[Block]:
    """``query user`` and ``query group``: as this node has them."""
    accounts = Accounts(root)
    found: list[Block] = []
    if class_name == "user":
        for user in accounts.users:
            values = user_values(accounts, user)
            shown = [(name, _shown(name, values.get(key, ""))) for name, key in USER_ATTRIBUTES.items()]
            found.append([("NAME", user.name), ("REGISTRY", "local"), *shown])
        return found
    for group in accounts.groups:
        values = group_values(accounts, group)
        shown = [(name, _shown(name, values.get(key, ""))) for name, key in GROUP_ATTRIBUTES.items()]
        found.append([("NAME", group.name), ("REGISTRY", "local"), *shown])
    return found


def _shown(name: str, value: str) -> str:
    return value.replace(",", " ") if name in LISTS else value


def change(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """add, modify and delete.

    Raises:
        ClmgrError: there is no cluster or group of that name, the account is there (or not), or a node failed.
    """
    if c is None:
        raise ClmgrError(NO_CLUSTER, MISSING_DEPENDENCY)
    if request.attribute("REGISTRY").lower() not in ("", "local"):
        raise ClmgrError("there is no LDAP directory here: REGISTRY is local.", INCORRECT_INPUT)
    nodes = [node.name for node in c.nodes]
    if wanted := request.attribute("RESOURCE_GROUP"):
        group = c.group(wanted)
        if group is None:
            raise does_not_exist(wanted)
        nodes = list(group.nodes)
    kind, names = request.class_name, required_names(request)
    if len(names) > 1 and request.action != "delete":
        raise ClmgrError(f"the name of one {kind} is needed.", MISSING_INPUT)
    for name in names:
        if not NAME.fullmatch(name):
            raise invalid("NAME", name)
    there = ids(root, kind, nodes)
    for name in names:
        if request.action == "add" and any(name in there[node] for node in nodes):
            raise exists_already(name)
        if request.action != "add" and all(name not in there[node] for node in nodes):
            raise does_not_exist(name)
    for name in names:
        _one(root, request, kind, name, there)


def _one(root: NodeRoot, request: Request, kind: str, name: str, there: Mapping[str, Mapping[str, int]]) -> None:
    nodes = list(there)
    known = [node for node in nodes if name in there[node]]
    words = _words(request, USER_ATTRIBUTES if kind == "user" else GROUP_ATTRIBUTES)
    if request.action == "add" or "ID" in request.attributes:
        number = common_id(there, kind, name, request.attribute("ID"))
        words = [f"id={number}", *(word for word in words if not word.startswith("id="))]
    command = {"add": "mk", "modify": "ch", "delete": "rm"}[request.action] + kind
    if request.action == "delete":
        words = ["-p"] if kind == "user" else []
    failed: list[str] = []
    if request.action != "modify" or words:
        failed += on_account_nodes(root, known if request.action == "delete" else nodes, [command, *words, name])
    if (password := request.attribute("PASSWORD")) and not failed:
        flags = [] if request.truth("CHANGE_ON_NEXT_LOGIN", True) else ["-c"]
        failed += on_account_nodes(root, nodes, ["chpasswd", *flags], f"{name}:{password}\n".encode())
    if failed:
        sys.stdout.flush()
        raise ClmgrError("\n".join(failed))


def _words(request: Request, names: dict[str, str]) -> list[str]:
    return [
        f"{key}={','.join(request.words(name)) if name in LISTS else request.attributes[name]}"
        for name, key in names.items()
        if name in request.attributes
    ]


def common_id(there: Mapping[str, Mapping[str, int]], kind: str, name: str, wanted: str) -> str:
    """The id of an account on all nodes: the one that is wanted, or the lowest that is free on all of them.

    What is no number is left to the nodes to refuse.

    Raises:
        ClmgrError: a node has given it to another account.
    """
    taken = {number for names in there.values() for other, number in names.items() if other != name}
    if not wanted:
        return str(next((number for number in range(FIRST_ID, LAST_ID + 1) if number not in taken), 0))
    if is_number(wanted) and int(wanted) in taken:
        raise ClmgrError(f"the {kind} id {wanted} is in use on a node.", INCORRECT_INPUT)
    return wanted


def ids(root: NodeRoot, kind: str, nodes: Sequence[str], lenient: bool = False) -> dict[str, dict[str, int]]:
    """Names and ids on every node; ``lenient`` leaves out nodes that cannot be asked.

    Raises:
        ClmgrError: one cannot be asked: an id must be free on all of them.
    """
    found: dict[str, dict[str, int]] = {}
    for node in nodes:
        try:
            answer = clcomd.run(root, node, [ON_NODE, f"ls{kind}", "-c", "-a", "id", "ALL"])
        except clcomd.ClcomdError as error:
            if lenient:
                continue
            raise ClmgrError(f'unable to communicate with "{node}": {error}') from None
        rows = [line.split(":") for line in answer.out.decode(errors="replace").splitlines() if line[:1] != "#"]
        found[node] = {row[0]: int(row[1]) for row in rows if len(row) == 2 and is_number(row[1])}
    return found


def on_account_nodes(root: NodeRoot, nodes: Sequence[str], command: list[str], data: bytes = b"") -> list[str]:
    """Run a command on nodes; returns what went wrong, a sentence a node. Passwords go by standard input."""
    log(root, f"[========== C_SPOC COMMAND LINE ==========]\ncl_{' '.join(command)}")
    failed = []
    for node in nodes:
        try:
            answer = clcomd.run(root, node, [ON_NODE, *command], data)
            complaint = answer.err.decode(errors="replace").strip() if answer.status else ""
        except clcomd.ClcomdError as error:
            complaint = str(error)
        log(root, f"{node}: {'FAILED' if complaint else 'success'}: {' '.join(command)}")
        if complaint:
            failed.append(f"{node}: {complaint}")
    return failed


def cl_account(argv: list[str]) -> int:
    """``cl_account COMMAND [argument ...]``: a node's own part, which clcomd runs as root."""
    return own_part("cl_account", argv, COMMANDS)
