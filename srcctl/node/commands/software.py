"""lslpp: what is installed, by the vital product data in /usr/lib/objrepos.

Layouts as in published listings; a name that leaves no room for the level stands on a line of its own, and descriptions
go on below themselves.
"""

from __future__ import annotations

import sys
from typing import Final, NamedTuple

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository

SERVER: Final = "cluster.es.server.rte"
USR, ROOT = "/usr/lib/objrepos", "/etc/objrepos"
PARTS: Final = {USR: "u", ROOT: "r"}
FILE_COLUMN: Final = 24
LSLPP_USAGE: Final = """\
Usage: lslpp {-l | -L | -f | -h | -d | -p | -i} [-c] [-q] [-a] [-O {[r][s][u]}] [FilesetName ... | all]
       lslpp -w [-c] [-q] [-O {[r][s][u]}] [FileName ... | all]"""
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
    """An installed fileset. ``paths`` are the object repositories of its parts, ``number`` is that in the inventory."""

    name: str
    level: str
    state: str
    description: str
    paths: tuple[str, ...]
    number: int


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
            int(o["lpp_id"]),
        )
        for o in Repository(root, USR).get("lpp")
    )


def lslpp(argv: list[str]) -> int:
    """``lslpp -l | -L | -h | -f ... [Fileset ...]``, ``lslpp -w [File ...]``: filesets and their files."""
    try:
        options = parse(argv, "lLhdpicqabJIuUwfS:O:")
        forms = set(options.values) & set("lLhdpifw")
        if len(forms) != 1 or set(options.value("O")) - set("rsu"):
            raise UsageError("one of -l, -L, -f, -w, -h, -d, -p, -i")
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
    part = options.value("O", "rsu")
    found = [f._replace(paths=tuple(path for path in f.paths if PARTS[path] in part)) for f in found]
    found = [fileset for fileset in found if fileset.paths]
    if form == "w":
        return _print_owners(root, found, wanted, options)
    if wanted:
        for word in wanted:
            if not any(_fits(fileset.name, word) for fileset in found):
                sys.stderr.write(f"lslpp: 0504-132  Fileset {word} not installed.\n\n")
                status = 1
        found = [fileset for fileset in found if any(_fits(fileset.name, word) for word in wanted)]
    if found:
        quiet = "q" in options
        if form == "L":
            _print_short(found, quiet) if "c" not in options else _print_colon_short(found, quiet)
        elif form in "dpi":
            _print_requisites(found, form)
        elif form == "f":
            return _print_files(root, found, options) or status
        elif form == "h":
            _print_history(root, found, quiet)
        else:
            _print_long(found, quiet) if "c" not in options else _print_colon(found, quiet)
    return status


def _fits(name: str, pattern: str) -> bool:
    import fnmatch  # not above: daemons import this module for what is installed

    return fnmatch.fnmatchcase(name, pattern)


def _files(root: NodeRoot) -> list[tuple[str, str, int]]:
    """Every file of the inventory: its path, its part's object repository, its fileset's number.

    Raises:
        OdmError: it cannot be read.
    """
    return [
        (str(o["loc0"]), USR if str(o["loc0"]).startswith("/usr/") else ROOT, int(o["lpp_id"]))
        for o in Repository(root, USR).get("inventory")
    ]


def _print_files(root: NodeRoot, found: list[Fileset], options: Options) -> int:
    """``-f``: the files of filesets, of each part under a line of its own."""
    try:
        files = _files(root)
    except OdmError as error:
        print(f"lslpp: {error}", file=sys.stderr)
        return 1
    quiet, colons = "q" in options, "c" in options
    if not quiet:
        print("#Path:Fileset:File" if colons else f"  Fileset               File\n{RULE}")
    printed = False
    for path in (USR, ROOT):
        part = [(f, [name for name, where, number in files if (where, number) == (path, f.number)]) for f in found]
        part = [(f, names) for f, names in part if path in f.paths]
        if part and not colons:
            print(("\n" if printed else "") + f"Path: {path}")
            printed = True
        for f, names in part:
            title = f"  {f.name} {f.level}"
            if colons:
                for name in names:
                    print(f"{path}:{f.name} {f.level}:{name}")
                continue
            first = names.pop(0) if names and len(title) < FILE_COLUMN else "NONE" if not names else ""
            print(f"{title:<{FILE_COLUMN}}{first}".rstrip() if first else title)
            for name in names:
                print(" " * FILE_COLUMN + name)
    return 0


def _print_owners(root: NodeRoot, found: list[Fileset], wanted: list[str], options: Options) -> int:
    """``-w``: whose each file is; names may be patterns."""
    try:
        files = _files(root)
    except OdmError as error:
        print(f"lslpp: {error}", file=sys.stderr)
        return 1
    names = {f.number: f.name for f in found}
    places = {(f.number, path) for f in found for path in f.paths}
    rows, status = [], 0
    for word in wanted or ["*"]:
        fitting = [
            (path, names[number]) for path, where, number in files if _fits(path, word) and (number, where) in places
        ]
        if not fitting:
            sys.stderr.write(f"lslpp: 0504-132  Fileset {word} not installed.\n\n")
            status = 1
        rows += fitting
    if rows and "q" not in options:
        print("#File:Fileset:Type" if "c" in options else f"  {'File':<44}{'Fileset':<22}Type\n{RULE}")
    for path, name in rows:
        print(f"{path}:{name}:File" if "c" in options else f"  {path:<43} {name:<21} File")
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
    printed = False
    for path in (USR, ROOT):
        part = [fileset for fileset in found if path in fileset.paths]
        if not part:
            continue
        print(("\n" if printed else "") + f"Path: {path}")
        printed = True
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

    when = time.localtime(os.stat(root.path("/etc/hostname")).st_mtime)  # since a node was installed it has its name
    if not quiet:
        print(f"  Fileset         Level     Action       Status       Date         Time        \n{RULE}")
    printed = False
    for path in (USR, ROOT):
        part = [fileset for fileset in found if path in fileset.paths]
        if part:
            print(("\n" if printed else "") + f"Path: {path}")
            printed = True
        for f in part:
            stamp = f"{time.strftime('%m/%d/%y', when):<12} {time.strftime('%H:%M:%S', when):<11} "
            print(f"  {f.name}\n                  {f.level:<9} {'COMMIT':<12} {'COMPLETE':<12} {stamp}")
