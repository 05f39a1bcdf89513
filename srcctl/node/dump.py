"""The system dump that a watchdog takes of a node that hangs, before it restarts it (dump_restart).

On AIX it is an image of memory in /var/adm/ras (vmcore.N). What tells why a node hung is what its processes were doing,
so that is what this dump has: as text, one paragraph a process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final

KEPT: Final = 4
"""Dumps that are kept; an older one goes."""
_NAME: Final = re.compile(r"vmcore\.(\d+)")
_FIELDS: Final = ("State", "PPid", "Threads", "VmRSS", "SigPnd", "SigBlk")


def write_dump(directory: str, reason: str, pids: Iterable[int]) -> str:
    """Write the next dump into a directory; returns its name, "" if it could not be written. Never fails.

    Args:
        directory: the real path of the node's /var/adm/ras.
        reason: why the watchdog fired.
        pids: the processes of the node.
    """
    try:
        numbers = sorted(int(found[1]) for name in os.listdir(directory) if (found := _NAME.fullmatch(name)))
        for number in numbers[: max(0, len(numbers) - KEPT + 1)]:
            os.unlink(f"{directory}/vmcore.{number}")
        name = f"vmcore.{numbers[-1] + 1 if numbers else 0}"
        with open(f"{directory}/{name}", "w", encoding="utf-8", errors="replace") as file:
            file.write(f"Dump of the node: {reason}\n")
            file.writelines(_process(pid) for pid in pids)
    except OSError:
        return ""
    return name


def _process(pid: int) -> str:
    command = _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
    status = dict(line.split(":", 1) for line in _read(f"/proc/{pid}/status").splitlines() if ":" in line)
    lines = [f"\nPID {pid}: {command or status.get('Name', '').strip()}"]
    lines += [f"    {field:<8} {' '.join(status[field].split())}" for field in _FIELDS if field in status]
    lines += [f"    waits in {_read(f'/proc/{pid}/wchan') or '-'}"]
    lines += [f"    {line}" for line in _read(f"/proc/{pid}/stack").splitlines()]
    return "\n".join(lines) + "\n"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(8192)
    except OSError:
        return ""
