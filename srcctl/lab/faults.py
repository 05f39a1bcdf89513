"""Faults of single processes: kill -9, SIGSTOP, SIGCONT by name."""

from __future__ import annotations

import os
import signal

from srcctl.lab import power
from srcctl.lab.errors import LabError, NotRunning, UnknownName
from srcctl.lab.model import Lab


def signal_process(lab: Lab, node: str, name: str, number: signal.Signals) -> int:
    """Signal a process of the node by its name (as lssrc prints it; lpar, caa and srcmstr too). Returns its pid.

    Raises:
        NotRunning: the node is off.
        UnknownName: it has no such process.
        LabError: the process is somebody else's.
    """
    lab.node(node)
    table = power.process_table(lab, node)
    pid = table.get(name)
    if not pid:
        raise UnknownName(f"there is no process {name!r} on {node}; it has {', '.join(sorted(table))}")
    try:
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
    except ProcessLookupError:
        raise NotRunning(f"{name} of {node} has just ended") from None
    except PermissionError:
        raise LabError(f"{name} of {node} (process {pid}) belongs to another user") from None
    return pid
