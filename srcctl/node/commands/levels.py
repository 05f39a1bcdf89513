"""oslevel and halevel: which level the installed filesets make up.

Sources: the AIX manual page of oslevel; column titles as in published listings. What is said of an unknown level, and
the form of a technology level without a service pack, are inferred. As on AIX, which keeps the level for speed, what
/usr/lpp/bos/level says is answered until ``-f`` finds it out anew.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterator
from typing import Final

from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.commands.software import SERVER, Fileset, installed
from srcctl.node.root import NodeRoot, replace_file
from srcctl.odm import OdmError

LEVEL_FILE: Final = "/usr/lpp/bos/level"
LEVELS_FILE: Final = "/usr/lpp/bos/levels"
OSLEVEL_USAGE: Final = "Usage: oslevel [-l Level | -g | -q] [-r | -s] [-f]"
HALEVEL_FLAGS: Final = "hsx"
TITLES: Final = {
    "": ("Known Maintenance Levels", "Maintenance Level"),
    "r": ("Known Recommended Technology Levels", "Recommended ML"),
    "s": ("Known Service Packs", "Service Pack Level"),
}
RULE: Final = "-" * 77
Version = tuple[int, ...]


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


class Known:
    """The known levels, and what filesets have at least at each: names or patterns, and versions."""

    def __init__(self, text: str) -> None:
        self.levels: dict[str, list[tuple[str, str]]] = {}
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if len(words) == 3:
                self.levels.setdefault(words[0], []).append((words[1], words[2]))

    def of_kind(self, kind: str) -> list[str]:
        """Levels without -r and -s, with -r, or with -s, the latest first."""
        return [level for level in self.levels if level.count("-") == {"": 0, "r": 1, "s": 3}[kind]]

    def needed(self, level: str, fileset: str) -> str | None:
        """What a fileset has at least at a level; None if it is no part of it. A service pack needs its technology
        level."""
        parts = level.split("-")
        found = self.levels.get("-".join(parts[:2]), []) if len(parts) == 4 else []
        fitting = [v for name, v in found + self.levels[level] if fnmatch.fnmatchcase(fileset, name)]
        return max(fitting, key=_version, default=None)

    def differing(self, level: str, filesets: list[Fileset], later: bool) -> Iterator[tuple[str, str, str]]:
        """Filesets that are earlier (or later) than a level has them: name, version, the level's version."""
        for fileset in filesets:
            needed = self.needed(level, fileset.name)
            if needed is None:
                continue
            have, want = _version(fileset.level), _version(needed)
            if have > want if later else have < want:
                yield fileset.name, fileset.level, needed

    def reached(self, filesets: list[Fileset]) -> str:
        """The highest level of which no fileset falls short, as ``oslevel -s`` prints it."""
        for level in self.of_kind("s"):
            if not any(self.differing(level, filesets, later=False)):
                return level
        for level in self.of_kind("r"):
            if not any(self.differing(level, filesets, later=False)):
                return f"{level}-00-0000"
        return "7200-00-00-0000"


def oslevel(argv: list[str]) -> int:
    """``oslevel [-l Level | -g | -q] [-r | -s] [-f]``: the level, filesets that differ from one, known levels."""
    root = NodeRoot.current()
    try:
        options = parse(argv, "l:gqrsf")
        if options.operands or sum(f in options for f in "lgq") > 1 or {"r", "s"} <= options.values.keys():
            raise UsageError("one of them")
    except UsageError:
        return usage(OSLEVEL_USAGE)
    kind = "r" if "r" in options else "s" if "s" in options else ""
    path = LEVELS_FILE
    try:
        with open(root.path(LEVELS_FILE), encoding="ascii") as file:
            known = Known(file.read())
        path = LEVEL_FILE
        if "f" in options:
            level = known.reached(installed(root))
            replace_file(root.path(LEVEL_FILE), f"{level}\n".encode())
        else:
            with open(root.path(LEVEL_FILE), encoding="ascii") as file:
                level = file.read().strip()
        version, technology, *_ = level.split("-")
        current = {"": f"{version[0]}.{version[1]}.0.0", "r": f"{version}-{technology}", "s": level}[kind]
        if "q" in options:
            title = TITLES[kind][0]
            print("\n".join([title, "-" * len(title), *known.of_kind(kind)]))
        elif "l" in options or "g" in options:
            asked = options.value("l", current)
            if asked not in known.of_kind(kind):
                print(f"oslevel: {asked} is not a known level, see oslevel -q{kind}.", file=sys.stderr)
                return 1
            rows = list(known.differing(asked, installed(root), later="g" in options))
            if rows:
                print(f"{'Fileset':<40}{'Actual Level':<20}{TITLES[kind][1]}\n{RULE}")
            for name, have, want in rows:
                print(f"{name:<40}{have:<20}{want}")
        else:
            print(current)
    except OSError as error:
        print(f"oslevel: {path}: {error.strerror}", file=sys.stderr)
        return 1
    except (ValueError, IndexError):
        print(f"oslevel: {path} is damaged; oslevel -f finds out the level anew.", file=sys.stderr)
        return 1
    except OdmError as error:
        print(f"oslevel: {error}", file=sys.stderr)
        return 1
    return 0


def halevel(argv: list[str]) -> int:
    """``halevel [-h | -?] [-s] [-x]``: the level of PowerHA SystemMirror, with -s its service pack."""
    words = argv[1:]
    if any(word not in ("-s", "-x", "-sx", "-xs") for word in words):
        print("Usage: halevel [-h|-?] [-s] [-x]", file=sys.stdout if words in (["-h"], ["-?"]) else sys.stderr)
        return 0 if words in (["-h"], ["-?"]) else 1
    try:
        server = next((f for f in installed(NodeRoot.current()) if f.name == SERVER), None)
    except OdmError as error:
        print(f"halevel: {error}", file=sys.stderr)
        return 1
    if server is None:
        print("halevel: this is not a server node: cluster.es.server.rte is not installed.", file=sys.stderr)
        return 1
    level, _, pack = server.level.rpartition(".")
    if any("s" in word for word in words):
        level += f" SP{pack}" if pack != "0" else " GA"
    print(level)
    return 0
