"""Removes every lab below a folder, and ends what else works there: after tests, also after interrupted ones.

python scripts/remove_labs.py FOLDER
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from srcctl.lab import lifecycle
from srcctl.lab.errors import LabError
from srcctl.node import processes
from srcctl.node.root import IdentityError, NodeRoot

PATIENCE = 20.0
"""Seconds for what is killed to be gone. A node that is just being powered on shows up a moment later."""
QUIET = 0.3
"""Seconds without a process after which nothing more comes."""


def labs(top: Path) -> list[Path]:
    """The folders of labs, also of those that were left half made."""
    found = []
    for folder, names, _ in os.walk(top):
        if Path(folder, "shared", "power").is_dir() or ("nodes" in names and Path(folder, "lab.json").exists()):
            found.append(Path(folder))
            names.clear()
    return found


def marks(lab: Path) -> set[str]:
    """What marks the processes of a lab's nodes."""
    found = set()
    for node in (lab / "nodes").glob("*"):
        try:
            found.add(f"{NodeRoot(str(node / 'root')).identity.lab_id}/{node.name}")
        except IdentityError:
            continue
    return found


def concerned(top: Path, marked: set[str]) -> list[int]:
    """Processes of these nodes, and those whose command line or environment names the folder, but for this one."""
    name, found = os.fsencode(top), []
    for pid in processes.parents():
        if pid in (os.getpid(), os.getppid()):
            continue
        if processes.mark_of(pid) in marked:
            found.append(pid)
            continue
        try:
            if name in Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def end_processes(top: Path, marked: set[str]) -> list[int]:
    """Kill them until none comes any more; returns those that do not die."""
    deadline, quiet_since = time.monotonic() + PATIENCE, time.monotonic()
    while time.monotonic() - quiet_since < QUIET:
        left = concerned(top, marked)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if left:
            if time.monotonic() > deadline:
                return left
            quiet_since = time.monotonic()
        time.sleep(0.02)
    return []


def unmount(top: Path) -> None:
    """File systems that tests have mounted there, the innermost first."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed(mounted):
        if point.startswith(f"{top}/"):
            subprocess.run(["umount", point.encode().decode("unicode_escape")], check=False)


def main(argv: list[str]) -> int:
    top = Path(argv[1]).resolve()
    found = labs(top)
    marked = {mark for lab in found for mark in marks(lab)}
    # Whoever would start nodes goes first.
    left = end_processes(top, set())
    complaints = {}
    for lab in found:
        try:
            lifecycle.destroy(str(lab))
        except LabError as error:
            complaints[lab] = error
    left += end_processes(top, marked)
    for pid in left:
        print(f"process {pid} is left: {processes.title_of(pid)}", file=sys.stderr)
    unmount(top)
    for lab, error in complaints.items():
        if lab.exists():
            print(f"{lab}: {error}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
