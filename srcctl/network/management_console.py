"""What the Hardware Management Console does for a cluster: it powers a partition off, whatever state that is in.

The console reaches every machine of the lab, also where the networks between them are cut. Here a node is its lpar:
with it every process of the node ends at once, without clean-up.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from srcctl.network.liveness import is_alive
from srcctl.node import powerlock, processes

PATIENCE: Final = 20.0
"""Seconds until the node must be off."""
POLL: Final = 0.005


class ConsoleError(Exception):
    """The node cannot be powered off; ``str()`` says why."""


def power_off(lab: str, node: str) -> bool:
    """Power a node off; returns when no process of it is left. False if it was off.

    Args:
        lab: the lab's shared folder.
        node: the node's name.

    Raises:
        ConsoleError: it stays on.
    """
    deadline = time.monotonic() + PATIENCE
    found = False
    while is_alive(lab, node):
        found = True
        if time.monotonic() > deadline:
            raise ConsoleError(f"node {node} stays on")
        try:
            with open(os.path.join(lab, "power", node), "a+", encoding="ascii") as file:
                file.seek(0)
                words = file.read().split()
                if powerlock.SWITCHED_OFF not in words:
                    # Else the survivor of lpar and caa would take it for a panic, or even start the node again.
                    file.write(f"{powerlock.SWITCHED_OFF}\n")
            _kill(int(words[1]), node)
        except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
            pass  # it boots or ends at this moment
        except OSError as error:
            raise ConsoleError(f"node {node}: {error.strerror}") from None
        time.sleep(POLL)  # the lock of a process of another node ends without an event that could be waited for
    return found


def _kill(pid: int, node: str) -> None:
    """Kill the machine process of a node; one that takes its lock at this moment has not written its pid yet.

    Raises:
        OSError: it may not be killed, or is gone.
    """
    descriptor = os.pidfd_open(pid)
    try:
        if processes.title_of(pid).split()[:2] == ["lpar", node]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
