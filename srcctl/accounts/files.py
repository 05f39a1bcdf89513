"""The files of users and groups: /etc/passwd and /etc/group, and the stanzas of /etc/security.

Formats are those of the AIX manual pages passwd, group and user. They are the node's own copies: nobody logs in to the
host with them. A home directory is named, not made: below /home lies the host's file system.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from srcctl.commands.options import is_number
from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot, replace_file

PASSWD, GROUP = "/etc/passwd", "/etc/group"
SECURITY_PASSWD, SECURITY_USER = "/etc/security/passwd", "/etc/security/user"
LOCK = "/etc/security/.accounts"
FIRST_ID, LAST_ID = 201, 59999
"""Ids that new users and groups get."""
SECURITY_ATTRIBUTES = (
    "admin", "login", "rlogin", "su", "telnet", "account_locked", "expires", "maxage", "minage", "minlen",
    "loginretries", "registry",
)  # fmt: skip
"""Attributes of a user that stand in /etc/security/user."""


class AccountError(Exception):
    """The request cannot be carried out; ``str()`` is a sentence."""


class User(NamedTuple):
    """A line of /etc/passwd."""

    name: str
    password: str
    id: int
    primary: int
    gecos: str
    home: str
    shell: str

    def line(self) -> str:
        """The line."""
        return ":".join((self.name, self.password, str(self.id), str(self.primary), self.gecos, self.home, self.shell))


class Group(NamedTuple):
    """A line of /etc/group."""

    name: str
    password: str
    id: int
    members: tuple[str, ...]

    def line(self) -> str:
        """The line."""
        return ":".join((self.name, self.password, str(self.id), ",".join(self.members)))


EntryT = TypeVar("EntryT", bound="User | Group")
Stanzas = dict[str, dict[str, str]]


def parse_users(text: str) -> list[User]:
    """The users of a passwd file; lines that are none are left out."""
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and is_number(fields[2]) and is_number(fields[3]):
            found.append(User(fields[0], fields[1], int(fields[2]), int(fields[3]), *fields[4:]))
    return found


def parse_groups(text: str) -> list[Group]:
    """The groups of a group file; lines that are none are left out."""
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 4 and is_number(fields[2]):
            found.append(Group(fields[0], fields[1], int(fields[2]), tuple(m for m in fields[3].split(",") if m)))
    return found


def parse_stanzas(text: str) -> Stanzas:
    """``name:`` and indented ``attribute = value`` lines below it."""
    found: Stanzas = {}
    current = ""
    for line in text.splitlines():
        if line[:1] not in ("", " ", "\t", "*") and line.rstrip().endswith(":"):
            current = line.rstrip()[:-1]
            found[current] = {}
        elif current and "=" in line:
            name, _, value = line.partition("=")
            found[current][name.strip()] = value.strip()
    return found


def stanzas_text(stanzas: Stanzas) -> str:
    """The text of a file of stanzas."""
    return "\n".join(
        f"{name}:\n" + "".join(f"\t{key} = {value}\n" for key, value in attributes.items())
        for name, attributes in stanzas.items()
    )


def _replaced(entries: list[EntryT], entry: EntryT) -> list[EntryT]:
    names = [other.name for other in entries]
    place = names.index(entry.name) if entry.name in names else len(names)
    return [*entries[:place], entry, *(other for other in entries[place + 1 :] if other.name != entry.name)]


def encrypted(password: str, salt: bytes) -> str:
    """A password as /etc/security/passwd has it (Loadable Password Algorithm {ssha256}: PBKDF2 with 2^6 rounds)."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1 << 6)
    return f"{{ssha256}}06${_text(salt)}${_text(digest)}"


def _text(data: bytes) -> str:
    return base64.b64encode(data, altchars=b"./").decode().rstrip("=")


class Accounts:
    """A node's users and groups, as they were read.

    Args:
        root: the node.
    """

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self.users = parse_users(self._read(PASSWD))
        self.groups = parse_groups(self._read(GROUP))
        self.security = parse_stanzas(self._read(SECURITY_USER))
        self.passwords = parse_stanzas(self._read(SECURITY_PASSWD))

    def _read(self, path: str) -> str:
        try:
            with open(self._root.path(path), encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except OSError:
            return ""

    def user(self, name: str) -> User | None:
        """The user of that name."""
        return next((user for user in self.users if user.name == name), None)

    def group(self, name: str) -> Group | None:
        """The group of that name."""
        return next((group for group in self.groups if group.name == name), None)

    def known_user(self, name: str) -> User:
        """The user of that name.

        Raises:
            AccountError: there is none.
        """
        found = self.user(name)
        if found is None:
            raise AccountError(f'3004-687 User "{name}" does not exist.')
        return found

    def known_group(self, name: str) -> Group:
        """The group of that name.

        Raises:
            AccountError: there is none.
        """
        found = self.group(name)
        if found is None:
            raise AccountError(f'3004-686 Group "{name}" does not exist.')
        return found

    def put_user(self, user: User) -> None:
        """Put a user in the place of the one of that name, or at the end."""
        self.users = _replaced(self.users, user)

    def put_group(self, group: Group) -> None:
        """Put a group in the place of the one of that name, or at the end."""
        self.groups = _replaced(self.groups, group)

    def group_of_id(self, number: int) -> str:
        """The name of the group with that id; the number where there is none."""
        return next((group.name for group in self.groups if group.id == number), str(number))

    def groups_of(self, user: User) -> list[str]:
        """The groups of a user, the primary one first."""
        primary = self.group_of_id(user.primary)
        return [primary, *(g.name for g in self.groups if user.name in g.members and g.name != primary)]

    def free_id(self, taken: set[int]) -> int:
        """The lowest id that may be given.

        Raises:
            AccountError: there is none.
        """
        for number in range(FIRST_ID, LAST_ID + 1):
            if number not in taken:
                return number
        raise AccountError("there is no free id.")

    def set_groups(self, name: str, wanted: list[str], primary: int) -> None:
        """Make a user a member of these groups, and of no other.

        Raises:
            AccountError: there is no such group.
        """
        for group in wanted:
            self.known_group(group)
        self.groups = [
            g._replace(members=(*(m for m in g.members if m != name), name))
            if g.name in wanted and g.id != primary
            else g._replace(members=tuple(m for m in g.members if m != name))
            for g in self.groups
        ]

    def set_password(self, name: str, password: str, must_change: bool) -> None:
        """Give a user a password."""
        flags = {"flags": "ADMCHG"} if must_change else {}
        self.passwords[name] = {
            "password": encrypted(password, os.urandom(12)), "lastupdate": str(int(time.time())), **flags,
        }  # fmt: skip
        self.users = [u._replace(password="!") if u.name == name else u for u in self.users]

    def _store(self) -> None:
        for path, text, mode in (
            (GROUP, "".join(f"{group.line()}\n" for group in self.groups), 0o644),
            (SECURITY_USER, stanzas_text(self.security), 0o640),
            (SECURITY_PASSWD, stanzas_text(self.passwords), 0o600),
            (PASSWD, "".join(f"{user.line()}\n" for user in self.users), 0o644),
        ):
            if text != self._read(path):
                os.makedirs(os.path.dirname(self._root.path(path)), exist_ok=True)
                replace_file(self._root.path(path), text.encode(errors="surrogateescape"), mode)


@contextmanager
def changing(root: NodeRoot) -> Iterator[Accounts]:
    """The accounts for a change: nobody else's comes between, and nothing is written if it fails.

    Raises:
        OSError: the files cannot be written.
    """
    path = root.path(LOCK)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with locked(path):
        accounts = Accounts(root)
        yield accounts
        accounts._store()
