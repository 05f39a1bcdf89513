"""What the Cluster Test Tool does on a node itself: ``cl_testtool -x`` (inferred), called there through clcomd."""

from __future__ import annotations

import os
import signal
import subprocess

from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import SystemEvent
from srcctl.errlog import log_entry
from srcctl.node.root import NodeRoot

COMMAND_LIMIT = 300.0
"""Seconds that a command of a test may take (patience)."""


class Failed(Exception):
    """It could not be done; ``str()`` says why."""


def carry_out(root: NodeRoot, words: list[str]) -> str:
    """One action: ``kill``, ``down`` or ``up INTERFACE``, ``lost`` or ``back VOLUME_GROUP``, ``run COMMAND``.

    Returns:
        What it printed.

    Raises:
        Failed: it could not be done.
        ValueError: the words are no action.
    """
    match words:
        case ["kill"]:
            pid = _pid_of_the_manager(root)
            os.kill(pid, signal.SIGKILL)
            return f"SIGKILL to clstrmgrES, process {pid}"
        case ["down" | "up" as state, interface]:
            return _run([root.path("/usr/sbin/ifconfig"), interface, state])
        case ["run", *command] if command:
            first, *rest = command
            return _run([root.path(first), *rest])
        case ["lost" | "back" as what, group]:
            # As a loss of quorum is logged and reported; the disks stay as they are.
            if what == "lost":
                log_entry(root, "LVM_SA_QUORCLOSE", "LVDD", (("VOLUME GROUP", group),))
            try:
                manager.ask(SystemEvent("volume_group_lost" if what == "lost" else "volume_group_back", group), root)
            except manager.ManagerUnreachable as error:
                raise Failed(str(error)) from None
            return ""
    raise ValueError(words)


def _pid_of_the_manager(root: NodeRoot) -> int:
    words = _run([root.path("/usr/bin/lssrc"), "-s", "clstrmgrES"]).split()
    if words[-1:] != ["active"] or not words[-2].isdecimal():
        raise Failed("clstrmgrES does not run.")
    return int(words[-2])


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=COMMAND_LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end within {COMMAND_LIMIT:g} seconds.") from None
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}.") from None
    said = done.stdout.decode(errors="replace").rstrip()
    if done.returncode:
        raise Failed(said or f"{command[0]} ended with {done.returncode}.")
    return said
