"""ps: that of the host does the printing, for this node's processes only, as in a WPAR."""

from __future__ import annotations

import os
import sys
from typing import Final

from srcctl.node.processes import Membership, descendants, members, parents
from srcctl.node.root import IdentityError, NodeRoot

PID_FILE: Final = "/var/run/lpar.pid"
VIEW_PS: Final = "/haes/ps"
HOST_PS: Final = ("/usr/bin/ps", "/bin/ps")


def filter_rows(text: str, wanted: set[int]) -> str | None:
    """The rows of a ``ps`` listing whose PID column names a wanted process; None if there is no such column.

    Columns to the left of PID (user, flags, state) never hold blanks, so the field's number is that of the heading.
    """
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    heading = lines[0].split()
    if "PID" not in heading:
        return None
    column = heading.index("PID")
    kept = [lines[0]]
    for line in lines[1:]:
        fields = line.split(None, column + 1)
        if len(fields) > column and fields[column].isdigit() and int(fields[column]) in wanted:
            kept.append(line)
    return "".join(kept)


def _without_selection(words: list[str]) -> list[str]:
    """The options of a ``ps`` call without those that select processes (for formats that do not print the PID)."""
    result = []
    skip = False
    for word in words:
        if skip:
            skip = False
            continue
        if word in ("-p", "-u", "-U", "-g", "-G", "-t", "-C", "--pid", "--ppid", "-q"):
            skip = True
            continue
        if word.startswith("-") and not word.startswith("--") and "o" not in word:
            word = "-" + "".join(letter for letter in word[1:] if letter not in "eAaxdN")
            if word == "-":
                continue
        result.append(word)
    return result


def ps(argv: list[str]) -> int:
    """``ps``: the host's, for the node's processes only."""
    import subprocess

    root = NodeRoot.current()
    try:
        identity = root.identity
    except IdentityError as error:
        print(f"ps: {error}", file=sys.stderr)
        return 1
    program = VIEW_PS if identity.mode == "view" else next((p for p in HOST_PS if os.path.exists(p)), "ps")
    environment = dict(os.environ)
    if not sys.stdout.isatty():
        environment.setdefault("COLUMNS", "32767")
    process = subprocess.Popen(
        [program, *argv[1:]], stdout=subprocess.PIPE, env=environment, encoding="utf-8", errors="surrogateescape"
    )
    text, _ = process.communicate()
    membership = Membership.of_this_process(f"{identity.lab_id}/{identity.node}", identity.mode == "view")
    lpar = _lpar(root)
    wanted = {*members(membership, lpar), os.getpid()}
    if os.geteuid() != 0:
        wanted |= descendants(lpar, parents())
    filtered = filter_rows(text, wanted)
    if filtered is None:
        pids = ",".join(str(pid) for pid in sorted(wanted))
        return subprocess.run([program, *_without_selection(argv[1:]), "-p", pids], check=False).returncode
    sys.stdout.buffer.write(filtered.encode("utf-8", "surrogateescape"))
    return process.returncode


def _lpar(root: NodeRoot) -> tuple[int, ...]:
    """lpar's pid: what descends from it belongs to the node, also where a user may not look at its namespace."""
    try:
        with open(root.path(PID_FILE), encoding="ascii") as file:
            return (int(file.read()),)
    except (OSError, ValueError):
        return ()
