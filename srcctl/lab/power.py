"""The power switch: which nodes are on, and running commands on them.

The lab's side of ``srcctl.node.power`` and ``srcctl.node.enter``: a lab and its nodes in, the lab's errors out.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from srcctl.lab import links
from srcctl.lab.errors import LabError, NotRunning, NotStarted
from srcctl.lab.model import Lab
from srcctl.node import enter, processes
from srcctl.node import power as machine
from srcctl.node.root import IdentityError

SRC_PATIENCE = 5.0
"""Seconds to wait for srcmstr after power on."""


def is_on(lab: Lab, node: str) -> bool:
    """Whether the node is alive."""
    return machine.state(lab.directory, node) == "on"


def boot(lab: Lab, names: list[str]) -> None:
    """Power on nodes, all at the same time; a node that is on stays so.

    Raises:
        NotStarted: a node did not come up.
    """
    _together(lambda name: _boot(lab, name), names)


def halt(lab: Lab, names: list[str]) -> None:
    """Power off nodes at once, all at the same time; returns when no process of them is left.

    Raises:
        LabError: a process cannot be killed.
    """
    halt_in(lab.directory, names)


def halt_in(directory: str, names: list[str]) -> None:
    """``halt`` for the nodes of the lab in ``directory``, whose description may be damaged.

    Raises:
        LabError: a process cannot be killed.
    """

    def switch_off(name: str) -> None:
        try:
            machine.halt(directory, name)
        except machine.PowerError as error:
            raise LabError(str(error)) from None

    _together(switch_off, names)


def process_table(lab: Lab, node: str) -> dict[str, int]:
    """The node's processes by name with their pids; what /proc says where its lpar does not answer.

    Raises:
        NotRunning: the node is off.
    """
    try:
        return machine.status(lab.directory, node)
    except machine.PoweredOff as error:
        raise NotRunning(f"{error}; 'srcctl boot {node}' powers it on") from None
    except machine.PowerError:
        return {"lpar": machine.lpar_pid(lab.directory, node), **_found_by_mark(lab, node)}


def capture(lab: Lab, node: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command on the node, its output captured.

    Raises:
        NotRunning: the node is off.
    """
    try:
        answer: subprocess.CompletedProcess[str] = enter.run(
            lab.directory,
            node,
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except machine.PoweredOff as error:
        raise NotRunning(f"{error}; 'srcctl boot {node}' powers it on") from None
    return answer


def replace_by(lab: Lab, node: str, argv: Sequence[str]) -> NoReturn:
    """Replace this process by a command on the node: its streams, exit code and signals are the command's own.

    Raises:
        NotRunning: the node is off.
        LabError: the host lacks the program to enter the node with, or the lab is just being removed.
    """
    try:
        enter.execute(lab.directory, node, argv)
    except machine.PoweredOff as error:
        raise NotRunning(f"{error}; 'srcctl boot {node}' powers it on") from None
    except IdentityError as error:
        raise LabError(f"{node} cannot be entered: {error}") from None
    except OSError as error:
        raise LabError(f"{node} cannot be entered: {error.strerror}") from None


def _boot(lab: Lab, name: str) -> None:
    if not links.has_root_disk(lab, name):
        raise NotStarted(f"{name}: hdisk0 has failed, repair it first (srcctl disk hdisk0 repair --node {name})")
    try:
        machine.boot(lab.directory, name)
    except machine.AlreadyOn:
        return
    except machine.PowerError as error:
        raise NotStarted(f"{error}{_console_tail(lab, name)}") from None
    # What is on serves: the next command may be a startsrc. (An inittab may also be without srcmstr.)
    deadline = time.monotonic() + SRC_PATIENCE
    while not machine.serves(lab.directory, name) and time.monotonic() < deadline:
        time.sleep(0.002)


def _console_tail(lab: Lab, name: str) -> str:
    path = os.path.join(lab.root(name), "dev", "console")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()[-5:]
    except OSError:
        return ""
    return "".join(f"\n  {path}: {line}" for line in lines)


def _found_by_mark(lab: Lab, node: str) -> dict[str, int]:
    mark = lab.mark(node)
    found: dict[str, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and processes.mark_of(entry) == mark:
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    title = file.read().split(b"\0")[0].split(b" ")[0]
            except OSError:
                continue
            found.setdefault(os.path.basename(os.fsdecode(title)), int(entry))
    return found


def _together(action: Callable[[str], None], names: list[str]) -> None:
    if len(names) <= 1:
        for name in names:
            action(name)
        return
    from concurrent.futures import ThreadPoolExecutor  # late: it imports logging, and most commands are for one node

    with ThreadPoolExecutor(len(names)) as pool:
        for finished in [pool.submit(action, name) for name in names]:
            finished.result()
