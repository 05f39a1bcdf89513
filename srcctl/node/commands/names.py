"""hostname, uname and who: which machine this is, and since when.

Sources: the AIX manual pages. uname answers as on AIX, because scripts for AIX ask it where they are; the host's own
programs ask the kernel.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Final

from srcctl.node import control
from srcctl.node.hardware import MODEL, machine_id, system_id
from srcctl.node.root import NodeRoot

VERSION, RELEASE = "7", "2"
UNAME_FLAGS: Final = "MFGLWaflmnprsuvxS:T:"
WHO_FLAGS: Final = "AabdHilmpqrstTuwX"
UNAME_USAGE: Final = "Usage: uname [-MFGLWSaflmnprsuvx] [-S Name] [-T Name]"
PATIENCE: Final = 2.0
"""Seconds until a lpar that does not answer is passed over."""


def hostname(argv: list[str]) -> int:
    """``hostname`` (folder mode): the node's name."""
    words = [word for word in argv[1:] if word != "-s"]
    if words:
        print("hostname: the name of a node cannot be changed.", file=sys.stderr)
        return 1
    print(NodeRoot.current().identity.node)
    return 0


def uname(argv: list[str]) -> int:
    """``uname``: AIX, the node's name, release, version, machine."""
    letters = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
    if argv[1:] and argv[1][:2] in ("-S", "-T"):
        print(f"uname: {argv[1][:2]} is not supported; a node keeps the name that it was made with.", file=sys.stderr)
        return 1
    if any(not word.startswith("-") or len(word) == 1 for word in argv[1:]) or set(letters) - set("MFGLWaflmnprsuvx"):
        print(UNAME_USAGE, file=sys.stderr)
        return 1
    identity = NodeRoot.current().identity
    machine = machine_id(identity)
    single = {
        "L": f"{identity.number} {identity.node}", "M": MODEL, "u": system_id(identity), "F": f"{machine}-F", "W": "0",
        "f": machine, "l": f"{int(machine[2:10], 16)}", "G": "0",
    }  # fmt: skip
    for letter, value in single.items():
        if letter in letters:
            print(value)
            return 0
    values = {"s": "AIX", "n": identity.node, "r": RELEASE, "v": VERSION, "m": machine, "p": "powerpc"}
    wanted = "snrvm" if set(letters) & set("ax") else letters or "s"
    words = [value for letter, value in values.items() if letter in wanted]
    if "x" in letters:
        words.append(single["l"])
    print(" ".join(words))
    return 0


def who(argv: list[str]) -> int:
    """``who [-r] [-b] [-a] [-H] [am i]``: run level, boot, and the login that asks; nobody else logs in to a node."""
    letters = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
    words = [word for word in argv[1:] if not word.startswith("-")]
    if words not in ([], ["am", "i"], ["am", "I"]) or set(letters) - set(WHO_FLAGS):
        print("Usage: who [-AabdHilmpqrstTuw] [am {i | I}] [File]", file=sys.stderr)
        return 1
    root = NodeRoot.current()
    if "H" in letters:
        print("Name        Line        Time                  Hostname")
    if set(letters) & set("ab"):
        print(f"   .        system boot {_stamp(_boot_time(root))}")
    if set(letters) & set("ar"):
        try:
            reply = control.exchange(root.path("/dev/lpar"), {"type": "status"}, PATIENCE)
        except (control.LparSilent, control.LparUnreachable) as error:
            print(f"who: init does not answer. {error}".rstrip(), file=sys.stderr)
            return 1
        level, before = reply.get("run_level") or "-", reply.get("previous_level") or "S"
        since = float(reply.get("level_since") or 0) or _boot_time(root)
        print(f"   .        run-level {level} {_stamp(since)}       {level}    0    {before}")
    if words or "m" in letters:
        _print_caller()
    return 0


def _stamp(seconds: float) -> str:
    return time.strftime("%b %d %H:%M", time.localtime(seconds))


def _boot_time(root: NodeRoot) -> float:
    try:
        return os.stat(root.path("/var/run/lpar.pid")).st_mtime
    except OSError:
        return 0.0


def _print_caller() -> None:
    try:
        terminal = os.ttyname(0)
        since = os.stat(terminal).st_mtime
    except OSError:
        return
    user = os.environ.get("LOGNAME") or "root"
    print(f"{user:<11} {terminal.removeprefix('/dev/'):<11} {_stamp(since)}")
