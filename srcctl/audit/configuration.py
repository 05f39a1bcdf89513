"""/etc/security/audit/config and whether auditing is on.

Sources: the AIX manual pages of audit and of the file audit/config: stanzas of ``attribute = value`` lines, comments
begin with an asterisk.
"""

from __future__ import annotations

import os
from typing import Final

from srcctl.audit import STATE
from srcctl.commands.options import is_number
from srcctl.node.root import NodeRoot, replace_file

CONFIG: Final = "/etc/security/audit/config"
TRAIL: Final = "/audit/trail"
TRAIL_BYTES: Final = 1 << 20
EVERY_EVENT: Final = "ALL"

Stanzas = dict[str, dict[str, str]]


class ConfigError(Exception):
    """The configuration cannot be used; ``str()`` is a sentence."""


def stanzas(text: str) -> Stanzas:
    """The stanzas of a file.

    Raises:
        ConfigError: a line is neither a heading nor ``attribute = value``.
    """
    found: Stanzas = {}
    current: dict[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("*"):
            continue
        name, mark, value = words.partition("=")
        if not mark and words.endswith(":"):
            current = found.setdefault(words[:-1], {})
        elif mark and current is not None:
            current[name.strip()] = value.strip()
        else:
            raise ConfigError(f"{CONFIG}, line {number}: a stanza's name or attribute = value is expected")
    return found


class Configuration:
    """What is recorded for whom.

    Args:
        text: of the configuration file.

    Raises:
        ConfigError: see ``stanzas``; a class that a user has is not defined, or a size is no number.
    """

    def __init__(self, text: str) -> None:
        found = stanzas(text)
        self.classes = {
            name: tuple(event.strip() for event in events.split(",") if event.strip())
            for name, events in found.get("classes", {}).items()
        }
        self.users = {
            name: tuple(word.strip() for word in classes.split(",") if word.strip())
            for name, classes in found.get("users", {}).items()
        }
        for user, classes in self.users.items():
            for name in classes:
                if name not in self.classes and name != EVERY_EVENT:
                    raise ConfigError(f"{CONFIG}: the class {name} of user {user} is not defined")
        self.binary = found.get("start", {}).get("binmode", "on") == "on"
        bins = found.get("bin", {})
        self.trail = bins.get("trail", TRAIL)
        size = bins.get("binsize", str(TRAIL_BYTES))
        if not is_number(size) or not self.trail.startswith("/"):
            raise ConfigError(f"{CONFIG}: binsize is a number and trail an absolute path")
        self.trail_bytes = max(4096, int(size))

    def selects(self, user: str, event: str) -> bool:
        """Whether an event of a user is recorded; who is not named has the classes of ``default``."""
        chosen = self.users.get(user, self.users.get("default", ()))
        return any(name == EVERY_EVENT or event in self.classes[name] for name in chosen)


def load(root: NodeRoot) -> Configuration:
    """The node's configuration.

    Raises:
        ConfigError: it is damaged or cannot be read.
    """
    try:
        with open(root.path(CONFIG), encoding="utf-8", errors="replace") as file:
            return Configuration(file.read())
    except OSError as error:
        raise ConfigError(f"{CONFIG}: {error.strerror}") from None


def state(root: NodeRoot) -> str:
    """``on``, ``off`` (suspended) or ``disabled``."""
    try:
        with open(root.path(STATE), encoding="ascii", errors="replace") as file:
            word, _, life = file.read().strip().partition(" ")
    except OSError:
        return "disabled"
    return word if life == root.identity.boot_id else "disabled"


def set_state(root: NodeRoot, word: str) -> None:
    """Switch auditing; ``disabled`` ends it.

    Raises:
        OSError: the node's disk cannot be written.
    """
    path = root.path(STATE)
    if word != "disabled":
        replace_file(path, f"{word} {root.identity.boot_id}\n".encode())
    elif os.path.exists(path):
        os.unlink(path)
