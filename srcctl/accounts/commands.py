"""lsuser, mkuser, chuser, rmuser, lsgroup, mkgroup, chgroup, rmgroup, chpasswd.

Synopses and attributes are those of the AIX manual pages; message ids beyond 3004-686 and 3004-687, and which default
attributes lsuser shows, are inferred.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from srcctl.accounts.files import SECURITY_ATTRIBUTES, AccountError, Accounts, Group, User, changing
from srcctl.commands.options import Options, UsageError, is_number, parse, usage
from srcctl.node.root import NodeRoot

USER_ATTRIBUTES = ("id", "pgrp", "groups", "home", "shell", "gecos")
GROUP_ATTRIBUTES = ("id", "admin", "users", "adms", "registry")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}")
"""Names of users and groups, of at most 31 characters."""
Values = dict[str, str]


def user_values(accounts: Accounts, user: User) -> Values:
    """A user's attributes, in the order in which they are shown."""
    values = {
        "id": str(user.id), "pgrp": accounts.group_of_id(user.primary), "groups": ",".join(accounts.groups_of(user)),
        "home": user.home, "shell": user.shell, "gecos": user.gecos,
    }  # fmt: skip
    return {**values, **accounts.security.get(user.name, {})}


def group_values(accounts: Accounts, group: Group) -> Values:
    """A group's attributes."""
    members = [u.name for u in accounts.users if u.primary == group.id and u.name not in group.members]
    security = accounts.security.get(f"group {group.name}", {})
    return {"id": str(group.id), "admin": "false", "users": ",".join((*members, *group.members)), "registry": "files",
            **security}  # fmt: skip


def _list(argv: list[str], what: str, entries: Callable[[Accounts], dict[str, Values]], missing: str) -> int:
    syntax = f"Usage: {what} [-c | -f] [-a attribute ...] {{ALL | name[,name ...]}}"
    words, flags, chosen = argv[1:], "", list[str]()
    while words and words[0].startswith("-"):
        if words[0] == "-a":
            *chosen, last = words[1:] or [""]
            words = [last]
            break
        flags += words[0][1:]
        words = words[1:]
    if len(words) != 1 or not words[0] or set(flags) - set("cf") or flags in ("cf", "fc"):
        return usage(syntax)
    found = entries(Accounts(NodeRoot.current()))
    names = list(found) if words[0] == "ALL" else [name for name in words[0].split(",") if name]
    status, first = 0, True
    for name in names:
        if name not in found:
            sys.stderr.write(missing.format(name) + "\n")
            status = 2
            continue
        values = found[name]
        shown = {key: values.get(key, "") for key in chosen} if chosen else values
        if "c" in flags:
            if first:
                print("#name:" + ":".join(shown))
            print(":".join((name, *(value.replace(":", "#!:") for value in shown.values()))))
        elif "f" in flags:
            print(f"{name}:\n" + "".join(f"\t{key}={value}\n" for key, value in shown.items()))
        else:
            print(" ".join((name, *(f"{key}={value}" for key, value in shown.items() if value or chosen))))
        first = False
    return status


def lsuser(argv: list[str]) -> int:
    """``lsuser [-c | -f] [-a attribute ...] {ALL | name[,name ...]}``."""
    return _list(argv, "lsuser", lambda a: {u.name: user_values(a, u) for u in a.users},
                 '3004-687 User "{}" does not exist.')  # fmt: skip


def lsgroup(argv: list[str]) -> int:
    """``lsgroup [-c | -f] [-a attribute ...] {ALL | name[,name ...]}``."""
    return _list(argv, "lsgroup", lambda a: {g.name: group_values(a, g) for g in a.groups},
                 '3004-686 Group "{}" does not exist.')  # fmt: skip


def _change(argv: list[str], flags: str, syntax: str, work: Callable[[Accounts, str, Values, Options], None]) -> int:
    """Parse ``[flags] [attribute=value ...] name`` and carry it out."""
    try:
        options = parse(argv, flags)
        *pairs, name = options.operands
        values = {key: value for key, mark, value in (pair.partition("=") for pair in pairs) if mark}
        if len(values) != len(pairs):
            raise UsageError("attribute=value")
    except (UsageError, ValueError):
        return usage(f"Usage: {syntax}")
    return _carry_out(argv, lambda accounts: work(accounts, name, values, options))


def _carry_out(argv: list[str], work: Callable[[Accounts], None]) -> int:
    """Change the accounts, or say why not."""
    try:
        with changing(NodeRoot.current()) as accounts:
            work(accounts)
    except AccountError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{argv[0].rpartition('/')[2]}: {error.filename}: {error.strerror}\n")
        return 1
    return 0


def _checked(values: Values, known: tuple[str, ...]) -> None:
    for key, value in values.items():
        if key not in known:
            raise AccountError(f'3004-692 Error changing "{key}" to "{value}" : Attribute is not valid.')
        if ":" in value or "\n" in value:
            raise AccountError(f'3004-692 Error changing "{key}" to "{value}" : Value is invalid.')


def _id(text: str, taken: set[int], what: str) -> int:
    if not is_number(text) or int(text) > 0x7FFFFFFF:
        raise AccountError(f'3004-692 Error changing "id" to "{text}" : Value is invalid.')
    if int(text) in taken:
        raise AccountError(f'3004-693 Error changing "id" to "{text}" : the {what} id is in use.')
    return int(text)


def _apply_user(accounts: Accounts, user: User, values: Values) -> None:
    """Put a user with new values in the place of the old one, or at the end."""
    _checked(values, (*USER_ATTRIBUTES, *SECURITY_ATTRIBUTES))
    if "id" in values:
        taken = {u.id for u in accounts.users if u.name != user.name}
        user = user._replace(id=_id(values["id"], taken, "user"))
    if "pgrp" in values:
        user = user._replace(primary=accounts.known_group(values["pgrp"]).id)
    user = user._replace(
        home=values.get("home", user.home), shell=values.get("shell", user.shell), gecos=values.get("gecos", user.gecos)
    )
    if "groups" in values:
        accounts.set_groups(user.name, [g for g in values["groups"].split(",") if g], user.primary)
    security = {key: value for key, value in values.items() if key in SECURITY_ATTRIBUTES}
    if security:
        accounts.security[user.name] = {**accounts.security.get(user.name, {}), **security}
    accounts.put_user(user)


def mkuser(argv: list[str]) -> int:
    """``mkuser [-a] [attribute=value ...] name``."""

    def work(accounts: Accounts, name: str, values: Values, options: Options) -> None:
        if not NAME.fullmatch(name):
            raise AccountError(f'3004-694 Error adding "{name}" : Name is invalid.')
        if accounts.user(name) is not None:
            raise AccountError(f'3004-689 User "{name}" exists.')
        staff = accounts.group("staff") or (accounts.groups[0] if accounts.groups else Group("staff", "!", 1, ()))
        number = accounts.free_id({user.id for user in accounts.users})
        if "a" in options:
            values.setdefault("admin", "true")
        _apply_user(accounts, User(name, "*", number, staff.id, "", f"/home/{name}", "/usr/bin/ksh"), values)

    return _change(argv, "a", "mkuser [-a] [attribute=value ...] name", work)


def chuser(argv: list[str]) -> int:
    """``chuser attribute=value ... name``."""

    def work(accounts: Accounts, name: str, values: Values, options: Options) -> None:
        _apply_user(accounts, accounts.known_user(name), values)

    return _change(argv, "", "chuser attribute=value ... name", work)


def rmuser(argv: list[str]) -> int:
    """``rmuser [-p] name``: with ``-p`` its password, too."""

    def work(accounts: Accounts, name: str, values: Values, options: Options) -> None:
        if accounts.known_user(name).id == 0:
            raise AccountError(f'3004-696 Error removing "{name}" : it is the superuser.')
        accounts.set_groups(name, [], -1)
        accounts.users = [u for u in accounts.users if u.name != name]
        accounts.security.pop(name, None)
        if "p" in options:
            accounts.passwords.pop(name, None)

    return _change(argv, "p", "rmuser [-p] name", work)


def _apply_group(accounts: Accounts, group: Group, values: Values) -> None:
    _checked(values, GROUP_ATTRIBUTES)
    if "id" in values:
        group = group._replace(id=_id(values["id"], {g.id for g in accounts.groups if g.name != group.name}, "group"))
    if "users" in values:
        members = [name for name in values["users"].split(",") if name]
        for name in members:
            accounts.known_user(name)
        group = group._replace(members=tuple(members))
    security: Values = {key: values[key] for key in ("admin", "adms") if key in values}
    if security:
        key = f"group {group.name}"
        accounts.security[key] = {**accounts.security.get(key, {}), **security}
    accounts.put_group(group)


def mkgroup(argv: list[str]) -> int:
    """``mkgroup [-a] [attribute=value ...] name``."""

    def work(accounts: Accounts, name: str, values: Values, options: Options) -> None:
        if not NAME.fullmatch(name):
            raise AccountError(f'3004-694 Error adding "{name}" : Name is invalid.')
        if accounts.group(name) is not None:
            raise AccountError(f'3004-688 Group "{name}" exists.')
        if "a" in options:
            values.setdefault("admin", "true")
        number = accounts.free_id({group.id for group in accounts.groups})
        _apply_group(accounts, Group(name, "!", number, ()), values)

    return _change(argv, "a", "mkgroup [-a] [attribute=value ...] name", work)


def chgroup(argv: list[str]) -> int:
    """``chgroup attribute=value ... name``."""

    def work(accounts: Accounts, name: str, values: Values, options: Options) -> None:
        _apply_group(accounts, accounts.known_group(name), values)

    return _change(argv, "", "chgroup attribute=value ... name", work)


def rmgroup(argv: list[str]) -> int:
    """``rmgroup name``."""

    def work(accounts: Accounts, name: str, values: Values, options: Options) -> None:
        group = accounts.known_group(name)
        user = next((user.name for user in accounts.users if user.primary == group.id), "")
        if user:
            raise AccountError(f'3004-697 Error removing "{name}" : it is the primary group of user "{user}".')
        accounts.groups = [g for g in accounts.groups if g.name != name]
        accounts.security.pop(f"group {name}", None)

    return _change(argv, "", "rmgroup name", work)


def chpasswd(argv: list[str]) -> int:
    """``chpasswd [-c]``: ``name:password`` lines on standard input; ``-c`` clears the demand to change it."""
    try:
        options = parse(argv, "ce")
        if options.operands or "e" in options:
            raise UsageError("-c")
    except UsageError:
        return usage("Usage: chpasswd [-c]")
    pairs = [line.rstrip("\n").partition(":") for line in sys.stdin if line.strip()]

    def work(accounts: Accounts) -> None:
        for name, mark, password in pairs:
            if not mark or not password:
                raise AccountError("3004-698 A line is name:password.")
            accounts.known_user(name)
            accounts.set_password(name, password, must_change="c" not in options)

    return _carry_out(argv, work)
