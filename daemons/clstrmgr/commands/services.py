"""``rc.cluster``, ``clstart`` and ``clstop``: cluster services of this node, up and down.

Flags are the product's; those that need what is not built (cross mounts, corrective actions) are taken and have no
effect. With ``-N`` the request is for now, ``-R`` for the next boot (an inittab entry), ``-B`` both.
"""

from __future__ import annotations

import getopt
import subprocess
import sys
import time

from daemons.clstrmgr import client
from srcctl.node.root import NodeRoot

INITTAB_ID = "hacmp6000"
INITTAB_ENTRY = f"{INITTAB_ID}:2:wait:/usr/es/sbin/cluster/etc/rc.cluster -boot -b -A # Bring up Cluster"
RC_USAGE = (
    "Usage: rc.cluster [-boot] [-b] [-i | -I] [-N | -R | -B] [-M | -A] [-x] [-r] [-v] [-C interactive|yes] "
    "[-P caller]\n"
)
STOP_USAGE = "Usage: clstop { -f | -g | -gr } [-s] [-y] [-N | -R | -B]\n"


def _stamp() -> str:
    return time.strftime("%b %d %Y %H:%M:%S")


def rc_cluster(argv: list[str]) -> int:
    """``rc.cluster``: the local worker of a start."""
    arguments = argv[1:]
    boot = "-boot" in arguments
    words = [word for word in arguments if word != "-boot"]
    print(f"{_stamp()} Starting execution of {argv[0]}")
    print(f"with parameters: {' '.join(arguments)}")
    try:
        pairs, operands = getopt.getopt(words, "biINRBMAfxrvC:P:mGk")
    except getopt.GetoptError as error:
        sys.stderr.write(f"rc.cluster: {error}\n{RC_USAGE}")
        return 1
    if operands:
        sys.stderr.write(RC_USAGE)
        return 1
    flags = {flag for flag, _ in pairs}
    caller = dict(pairs).get("-P", "rc.cluster")
    status = 0
    if flags & {"-R", "-B"}:
        status = _inittab(add=True)
    if status == 0 and "-R" not in flags:
        print(f"{_stamp()} Checking for srcmstr active...")
        print(f"{_stamp()} complete.")
        shown = " ".join(["-m", "-G", *(flag for flag in ("-b", "-i", "-I") if flag in flags), "-P", caller])
        print(f"{_stamp()}")
        print(f"/usr/es/sbin/cluster/utilities/clstart: called with flags {shown}")
        status = _start("manual" if "-M" in flags else "auto", bool(flags & {"-i", "-I"}), caller, boot)
    print(f"{_stamp()}")
    print(f"Completed execution of {argv[0]}")
    print(f"with parameters: {' '.join(arguments)}.")
    print(f"Exit status = {status}")
    return status


def clstart(argv: list[str]) -> int:
    """``clstart``: ask the cluster manager to start services."""
    try:
        pairs, operands = getopt.getopt(argv[1:], "mGbiIP:MANBRk")
    except getopt.GetoptError as error:
        sys.stderr.write(f"clstart: {error}\n")
        return 1
    if operands:
        sys.stderr.write("Usage: clstart -m [-G] [-b] [-i | -I] [-M | -A] [-P caller]\n")
        return 1
    flags = dict(pairs)
    return _start("manual" if "-M" in flags else "auto", "-i" in flags or "-I" in flags, flags.get("-P", ""), False)


def clstop(argv: list[str]) -> int:
    """``clstop``: ask the cluster manager to stop services."""
    try:
        pairs, operands = getopt.getopt(argv[1:], "fgrsyNRBP:")
    except getopt.GetoptError as error:
        sys.stderr.write(f"clstop: {error}\n{STOP_USAGE}")
        return 1
    flags = {flag for flag, _ in pairs}
    if operands or ("-f" in flags) == ("-g" in flags) or ("-r" in flags and "-g" not in flags):
        sys.stderr.write(STOP_USAGE)
        return 1
    if flags & {"-R", "-B"}:
        status = _inittab(add=False)
        if status or "-R" in flags:
            return status
    mode = "unmanage" if "-f" in flags else "move" if "-r" in flags else "offline"
    try:
        name = client.query_state().local_name
        if "-s" not in flags:
            print(f"PowerHA SystemMirror on {name} shutting down. Please exit any cluster applications...", flush=True)
        client.stop_services(mode, caller="clstop")
    except (client.ManagerUnreachable, client.Refused) as error:
        sys.stderr.write(f"clstop: {error}\n")
        return 1
    return 0


def _start(manage: str, clinfo: bool, caller: str, boot: bool) -> int:
    try:
        client.start_services(manage, clinfo, caller)
    except client.Refused as refused:
        if boot and refused.done.error == "active":
            return 0
        sys.stderr.write(f"clstart: {refused}\n")
        return 1
    except client.ManagerUnreachable as error:
        sys.stderr.write(f"clstart: {error}\n")
        return 1
    return 0


def _inittab(add: bool) -> int:
    root = NodeRoot.current()
    command = ["mkitab", INITTAB_ENTRY] if add else ["rmitab", INITTAB_ID]
    known = subprocess.run(
        [root.path("/usr/sbin/lsitab"), INITTAB_ID], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    if (known.returncode == 0) == add:
        return 0
    return subprocess.run([root.path(f"/usr/sbin/{command[0]}"), *command[1:]], check=False).returncode
