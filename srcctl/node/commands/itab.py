"""lsitab, mkitab, chitab and rmitab: records of /etc/inittab.

Sources: the AIX manual pages of the four commands; texts of complaints inferred.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from typing import Final

from srcctl.node.inittab import Inittab, InittabError, parse_record
from srcctl.node.root import NodeRoot, replace_file

PATH: Final = "/etc/inittab"
LSITAB_FLAGS, MKITAB_FLAGS, CHITAB_FLAGS, RMITAB_FLAGS = "a", "i:", "", ""


def _usage(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def _read(root: NodeRoot) -> Inittab:
    with open(root.path(PATH), encoding="utf-8", errors="surrogateescape") as file:
        return Inittab.parse(file.read())


def _edit(name: str, change: Callable[[Inittab], Inittab]) -> int:
    """Change the file under a lock, whole or not at all."""
    root = NodeRoot.current()
    try:
        directory = os.open(os.path.dirname(root.path(PATH)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            new = change(_read(root))
            replace_file(root.path(PATH), new.text().encode("utf-8", "surrogateescape"))
        finally:
            os.close(directory)
    except InittabError as error:
        return _usage(f"{name}: {error}.")
    except OSError as error:
        return _usage(f"{name}: {PATH}: {error.strerror}")
    return 0


def lsitab(argv: list[str]) -> int:
    """``lsitab {-a | Identifier}``; exit code 1 and no output for an unknown identifier."""
    if len(argv) != 2 or (argv[1].startswith("-") and argv[1] != "-a"):
        return _usage("Usage: lsitab {-a | Identifier}")
    try:
        table = _read(NodeRoot.current())
    except OSError as error:
        return _usage(f"lsitab: {PATH}: {error.strerror}")
    if argv[1] == "-a":
        for record in table.records:
            print(record.text())
        return 0
    found = table.find(argv[1])
    if found is None:
        return 1
    print(found.text())
    return 0


def mkitab(argv: list[str]) -> int:
    """``mkitab [-i Identifier] Record``: a new record, at the end or behind another one."""
    words = argv[1:]
    after = None
    if words[:1] == ["-i"] and len(words) == 3:
        after, words = words[1], words[2:]
    if len(words) != 1 or words[0].startswith("-"):
        return _usage("Usage: mkitab [-i Identifier] Identifier:RunLevel:Action:Command")
    return _edit("mkitab", lambda table: table.added(parse_record(words[0]), after))


def chitab(argv: list[str]) -> int:
    """``chitab Record``: the record of the same identifier replaced."""
    if len(argv) != 2 or argv[1].startswith("-"):
        return _usage("Usage: chitab Identifier:RunLevel:Action:Command")
    return _edit("chitab", lambda table: table.changed(parse_record(argv[1])))


def rmitab(argv: list[str]) -> int:
    """``rmitab Identifier``: the record removed."""
    if len(argv) != 2 or argv[1].startswith("-"):
        return _usage("Usage: rmitab Identifier")
    return _edit("rmitab", lambda table: table.removed(argv[1]))
