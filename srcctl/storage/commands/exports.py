"""exportfs, showmount: the directories that a node exports (/etc/exports, /etc/xtab). The layouts are AIX's (inferred).

Nobody mounts them: the table is real, an NFS server is not there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Iterator

from srcctl.commands.options import Options, UsageError, parse, usage
from srcctl.node.root import NodeRoot, replace_file

EXPORTS = "/etc/exports"
XTAB = "/etc/xtab"
LOCK = "/etc/xtab.lock"
EXPORTFS_USAGE = "Usage: exportfs [-a] [-v] [-u] [-i] [-f file] [-o options] [dir]\n"
SHOWMOUNT_USAGE = "Usage: showmount [-a] [-d] [-e] [host]\n"

Table = dict[str, str]


def read_table(path: str) -> Table:
    """Directories and their options (without the hyphen) in a file of exports; empty if there is none."""
    table: Table = {}
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().replace("\\\n", " ").splitlines()
    except FileNotFoundError:
        return table
    for line in lines:
        words = line.split("#")[0].split()
        if words:
            table[words[0]] = words[1].removeprefix("-") if len(words) > 1 else ""
    return table


@contextlib.contextmanager
def _changed(root: NodeRoot) -> Iterator[Table]:
    """The table of what is exported, to be changed; two at once wait for each other."""
    with open(root.path(LOCK), "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table = read_table(root.path(XTAB))
        before = dict(table)
        yield table
        if table != before:
            text = "".join(f"{directory} -{options}\n" for directory, options in table.items())
            replace_file(root.path(XTAB), text.encode("utf-8", "surrogateescape"))


def exportfs(argv: list[str]) -> int:
    """``exportfs``: show, add to or take from what is exported."""

    def work(options: Options, root: NodeRoot) -> int:
        wanted = options.operands
        if not wanted and "a" not in options:
            if "u" in options:
                raise UsageError
            for directory, words in read_table(root.path(XTAB)).items():
                sys.stdout.write(f"{directory} -{words}\n")
            return 0
        if "a" in options and wanted:
            raise UsageError
        known = {} if "i" in options else read_table(root.path(options.value("f") or EXPORTS))
        with _changed(root) as table:
            if "u" in options:
                return _unexport(table, wanted or list(table))
            return _export(root, table, known, wanted or list(known), options)

    return _invoke(argv, "avuif:o:", EXPORTFS_USAGE, work)


def _export(root: NodeRoot, table: Table, known: Table, wanted: list[str], options: Options) -> int:
    status = 0
    for directory in wanted:
        if not os.path.isdir(root.path(directory)):
            sys.stderr.write(f"exportfs: 1831-184 {directory}: No such file or directory\n")
            status = 1
        elif directory not in known and "i" not in options:
            sys.stderr.write(f"exportfs: 1831-189 {directory} not found in {EXPORTS}\n")
            status = 1
        else:
            table[directory] = options.value("o") or known.get(directory, "")
            if "v" in options:
                sys.stdout.write(f"Exported {directory}\n")
    return status


def _unexport(table: Table, wanted: list[str]) -> int:
    status = 0
    for directory in wanted:
        if table.pop(directory, None) is None:
            sys.stderr.write(f"exportfs: 1831-187 {directory} is not exported\n")
            status = 1
    return status


def showmount(argv: list[str]) -> int:
    """``showmount -e``: what this node exports. Nobody mounts anything: the other forms list nothing."""

    def work(options: Options, root: NodeRoot) -> int:
        own = root.identity.node
        host = options.operands[0] if options.operands else own
        names = {own, "localhost", *(interface.address for interface in root.identity.interfaces)}
        if len(options.operands) > 1:
            raise UsageError
        if host not in names:
            sys.stderr.write(f"showmount: {host} cannot be asked: only this node's own exports are known.\n")
            return 1
        if "e" in options:
            sys.stdout.write(f"export list for {host}:\n")
            for directory, words in read_table(root.path(XTAB)).items():
                access = next((word[7:] for word in words.split(",") if word.startswith("access=")), "")
                sys.stdout.write(f"{directory} {access.replace(':', ',') or '(everyone)'}\n")
        return 0

    return _invoke(argv, "ade", SHOWMOUNT_USAGE, work)


def _invoke(argv: list[str], flags: str, usage_text: str, work: Callable[[Options, NodeRoot], int]) -> int:
    name = argv[0].rpartition("/")[2]
    try:
        return work(parse(argv, flags, intermixed=True), NodeRoot.current())
    except UsageError:
        return usage(usage_text)
    except OSError as error:
        sys.stderr.write(f"{name}: {error.filename or XTAB}: {error.strerror}\n")
        return 1
