"""oslevel, lslpp and halevel: what is installed, by the vital product data in /usr/lib/objrepos.

Layouts as in published listings; a name that leaves no room for the level stands on a line of its own, and descriptions
go on below themselves.
"""

from __future__ import annotations

import sys
from typing import Final, NamedTuple

from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

LEVEL_FILE: Final = "/usr/lpp/bos/level"
USR, ROOT = "/usr/lib/objrepos", "/etc/objrepos"
SERVER: Final = "cluster.es.server.rte"
OSLEVEL_FLAGS, HALEVEL_FLAGS = "rsq", "hsx"
LSLPP_USAGE: Final = "Usage: lslpp {-l | -L | -h | -d | -p | -i} [-c] [-q] [-a] [FilesetName ... | all]"
RULE: Final = "  " + "-" * 76
STATES: Final = {1: "APPLIED", 3: "APPLYING", 5: "COMMITTED", 7: "BROKEN"}
CODES: Final = """

State codes:
 A -- Applied.
 B -- Broken.
 C -- Committed.
 E -- EFIX Locked.
 O -- Obsolete.  (partially migrated to newer version)
 ? -- Inconsistent State...Run lppchk -v.

Type codes:
 F -- Installp Fileset
 P -- Product
 C -- Component
 T -- Feature
 R -- RPM Package
 E -- Interim Fix
"""
COLON_L: Final = (
    "#Package Name:Fileset:Level:State:PTF Id:Fix State:Type:Description:Destination Dir.:Uninstaller:Message Catalog:"
    "Message Set:Message Number:Parent:Automatic:EFIX Locked:Install Path:Build Date"
)
COLON: Final = "#Path:Fileset:Level:PTF Id:State:Type:Description:EFIX Locked"


class Fileset(NamedTuple):
    """An installed fileset. ``paths`` are the object repositories of its parts."""

    name: str
    level: str
    state: str
    description: str
    paths: tuple[str, ...]


def installed(root: NodeRoot) -> list[Fileset]:
    """Every fileset, by name.

    Raises:
        OdmError: the vital product data cannot be read.
    """
    return sorted(
        Fileset(
            str(o["name"]),
            ".".join(str(o[part]) for part in ("ver", "rel", "mod", "fix")),
            STATES.get(int(o["state"]), "BROKEN"),
            str(o["description"]),
            (USR, ROOT) if int(o["cp_flag"]) & 1 else (USR,),
        )
        for o in Repository(root, USR).get("lpp")
    )


def oslevel(argv: list[str]) -> int:
    """``oslevel [-r | -s] [-q]``: the level of the operating system (data in the node)."""
    try:
        with open(NodeRoot.current().path(LEVEL_FILE), encoding="ascii") as file:
            level = file.read().strip()
    except OSError as error:
        print(f"oslevel: {LEVEL_FILE}: {error.strerror}", file=sys.stderr)
        return 1
    version, technology, *_ = level.split("-")
    forms = {
        "": f"{version[0]}.{version[1]}.0.0",
        "r": f"{version}-{technology}",
        "s": level,
    }
    letters = "".join(sorted("".join(word.removeprefix("-") for word in argv[1:])))
    if letters in forms and all(word.startswith("-") for word in argv[1:]):
        print(forms[letters])
    elif letters in ("q", "qr", "qs"):
        heading = {"q": "Known Maintenance Levels", "qr": "Known Recommended Technology Levels"}
        title = heading.get(letters, "Known Service Packs")
        print(f"{title}\n{'-' * len(title)}\n{forms[letters.strip('q')]}")
    else:
        print("Usage: oslevel [-r | -s] [-q]", file=sys.stderr)
        return 1
    return 0


def lslpp(argv: list[str]) -> int:
    """``lslpp -l | -L | -h [-c] [-q] [Fileset ...]``: the installed filesets."""
    try:
        options = parse(argv, "lLhdpicqabJIuUw:fS:O:")
        forms = set(options.values) & set("lLhdpi")
        for flag in "fw":
            if flag in options:
                print(f"lslpp: -{flag} is not supported; no lists of the filesets' files are kept.", file=sys.stderr)
                return 1
        if len(forms) != 1:
            raise UsageError("one of -l, -L, -h, -d, -p, -i")
    except UsageError:
        return usage(LSLPP_USAGE)
    root, (form,) = NodeRoot.current(), forms
    try:
        found = installed(root)
    except OdmError as error:
        print(f"lslpp: {error}", file=sys.stderr)
        return 1
    wanted = [word for word in options.operands if word != "all"]
    status = 0
    if wanted:
        import fnmatch

        for word in wanted:
            if not any(fnmatch.fnmatchcase(fileset.name, word) for fileset in found):
                sys.stderr.write(f"lslpp: 0504-132  Fileset {word} not installed.\n\n")
                status = 1
        found = [fileset for fileset in found if any(fnmatch.fnmatchcase(fileset.name, word) for word in wanted)]
    if found:
        quiet = "q" in options
        if form == "L":
            _print_short(found, quiet) if "c" not in options else _print_colon_short(found, quiet)
        elif form in "dpi":
            _print_requisites(found, form)
        elif form == "h":
            _print_history(root, found, quiet)
        else:
            _print_long(found, quiet) if "c" not in options else _print_colon(found, quiet)
    return status


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _print_rows(rows: list[tuple[str, str, str]], middle: int, width: int) -> None:
    """Name, level and state, and a description that goes on below itself."""
    for name, level, state_and_text in rows:
        state, _, text = state_and_text.partition("\0")
        if len(name) + 1 + len(level) > 34:
            print(f"  {name}")
            name = ""
        first, *more = _wrapped(text, width)
        print(f"  {name:<{33 - len(level)}} {level}{state}{first}")
        for line in more:
            print(" " * (36 + middle) + line)


def _print_long(found: list[Fileset], quiet: bool) -> None:
    if not quiet:
        print(f"  Fileset                      Level  State      Description         \n{RULE}")
    for number, path in enumerate((USR, ROOT)):
        part = [fileset for fileset in found if path in fileset.paths]
        if not part:
            continue
        print(("\n" if number else "") + f"Path: {path}")
        _print_rows([(f.name, f.level, f"  {f.state:<9}  \0{f.description}") for f in part], 13, 30)


def _print_short(found: list[Fileset], quiet: bool) -> None:
    if not quiet:
        print(f"  Fileset                      Level  State  Type  Description (Uninstaller)\n{RULE}")
    _print_rows([(f.name, f.level, f"    {f.state[0]}     F    \0{f.description}") for f in found], 15, 28)
    if not quiet:
        print(CODES, end="")


def _print_colon(found: list[Fileset], quiet: bool) -> None:
    if not quiet:
        print(COLON)
    for path in (USR, ROOT):
        for f in found:
            if path in f.paths:
                print(f"{path}:{f.name}:{f.level}::{f.state}:F:{f.description}: ")


def _print_colon_short(found: list[Fileset], quiet: bool) -> None:
    if not quiet:
        print(COLON_L)
    for f in found:
        package = ".".join(f.name.split(".")[:3] if f.name.startswith("cluster.") else f.name.split(".")[:2])
        print(f"{package}:{f.name}:{f.level}: : :{f.state[0]}:F:{f.description}: : : : : : :0:0:/:")


def _print_requisites(found: list[Fileset], form: str) -> None:
    title = {"d": "Dependents", "p": "Requisites", "i": "Product information"}[form]
    print(f"  Fileset               {title}\n{RULE}\nPath: {USR}")
    for f in found:
        text = f.description if form == "i" else "NONE"
        print(f"  {f.name} {f.level}\n                        {text}")


def _print_history(root: NodeRoot, found: list[Fileset], quiet: bool) -> None:
    import os
    import time

    when = time.localtime(os.stat(root.path(LEVEL_FILE)).st_mtime)
    if not quiet:
        print(f"  Fileset         Level     Action       Status       Date         Time        \n{RULE}")
    for number, path in enumerate((USR, ROOT)):
        part = [fileset for fileset in found if path in fileset.paths]
        if part:
            print(("\n" if number else "") + f"Path: {path}")
        for f in part:
            stamp = f"{time.strftime('%m/%d/%y', when):<12} {time.strftime('%H:%M:%S', when):<11} "
            print(f"  {f.name}\n                  {f.level:<9} {'COMMIT':<12} {'COMPLETE':<12} {stamp}")


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
