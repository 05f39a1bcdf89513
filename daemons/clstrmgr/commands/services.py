"""``rc.cluster``, ``clstart`` and ``clstop``: cluster services of this node, up and down.

Flags are the product's; ``-f``, ``-r`` and ``-x`` of rc.cluster are taken and change nothing here: there are no cross
mounts. With ``-N`` the request is for now, ``-R`` for the next boot (an inittab entry), ``-B`` both. Verification comes
before a start; ``-C`` lets it correct what it finds, ``-v`` has its errors ignored. Where C-SPOC starts several nodes
(``-P cl_rc_cluster``) it has verified once for all of them (inferred).
"""

from __future__ import annotations

import getopt
import subprocess
import sys

from daemons.clstrmgr import client, startup
from daemons.clstrmgr.messages import Progress
from srcctl.node.root import NodeRoot

RC_USAGE = (
    "Usage: rc.cluster [-boot] [-b] [-i | -I] [-N | -R | -B] [-M | -A] [-x] [-r] [-v] [-C interactive|yes] "
    "[-P caller]\n"
)
RC_FLAGS = "biINRBMAfxrvC:P:mGk"
START_USAGE = "Usage: clstart -m [-G] [-b] [-i | -I] [-N | -R | -B] [-M | -A] [-P caller]\n"
STOP_USAGE = "Usage: clstop { -f | -g | -gr } [-s] [-y] [-N | -R | -B]\n"
STOP_FLAGS = "fgrsyNRBP:"
C_SPOC = "cl_rc_cluster"
AUTOVERIFY, AUTOVERIFY_LOG = "/usr/es/sbin/cluster/diag/autoverify", "/var/hacmp/log/autoverify.log"
SHUTTING_DOWN = "PowerHA SystemMirror on {} shutting down. Please exit any cluster applications..."


def rc_cluster(argv: list[str]) -> int:
    """``rc.cluster``: the local worker of a start. Exit code 0: services started; 1: not."""
    words = [word for word in argv[1:] if word != "-boot"]
    try:
        pairs, operands = getopt.getopt(words, RC_FLAGS)
    except getopt.GetoptError as error:
        sys.stderr.write(f"rc.cluster: {error}\n{RC_USAGE}")
        return 1
    flags = dict(pairs)
    if operands or not start_flags_agree(flags):
        sys.stderr.write(RC_USAGE)
        return 1
    root = NodeRoot.current()
    if "-R" not in flags and flags.get("-P") != C_SPOC and not verified("rc.cluster", root, flags, "-boot" in argv[1:]):
        return 1
    report = startup.StartReport(root, argv[1:], argv[0])
    report.run(flags, "-boot" in argv[1:])
    sys.stdout.write("".join(f"{line}\n" for line in report.lines))
    if report.complaint:
        sys.stderr.write(f"{report.complaint}\n")
    return report.status


def verified(name: str, root: NodeRoot, flags: dict[str, str], boot: bool = False) -> bool:
    """Verify before a start by rc.cluster or cl_rc.cluster, with its flags; False if errors keep them from starting.

    A node that boots looks at itself only. One without a configuration, or whose cluster manager cannot be asked, is
    told so by the start itself.
    """
    try:
        if not startup.wait_for_manager(root).cluster_name:
            return True
    except client.ManagerUnreachable:
        return True
    correct = ["-C", flags["-C"]] if flags.get("-C") in ("yes", "interactive") else []
    alone = ["-l"] if boot else []
    run = subprocess.run([root.path(AUTOVERIFY), "-s", *alone, *correct], check=False)
    if run.returncode == 0:
        return True
    if "-v" in flags:
        sys.stderr.write("WARNING: errors of verification are ignored (-v).\n")
        return True
    sys.stderr.write(f"{name}: verification has found errors, see {AUTOVERIFY_LOG}.\n")
    return False


def clstart(argv: list[str]) -> int:
    """``clstart``: ask the cluster manager to start services."""
    try:
        pairs, operands = getopt.getopt(argv[1:], "mGbiIP:MANBRk")
    except getopt.GetoptError as error:
        sys.stderr.write(f"clstart: {error}\n{START_USAGE}")
        return 1
    flags = dict(pairs)
    if operands or not start_flags_agree(flags):
        sys.stderr.write(START_USAGE)
        return 1
    root = NodeRoot.current()
    if flags.keys() & {"-R", "-B"} and not startup.start_at_restart(root, flags):
        sys.stderr.write("clstart: /etc/inittab cannot be changed.\n")
        return 1
    if "-R" in flags:
        return 0
    if "-b" in flags:
        startup.broadcast_start(root)
    if complaint := startup.stopped_caa(root):
        sys.stderr.write(f"clstart: {complaint}\n")
        return 1
    try:
        client.start_services(
            "manual" if "-M" in flags else "auto",
            bool(flags.keys() & {"-i", "-I"}),
            flags.get("-P", "clstart"),
            root=root,
        )
    except (client.ManagerUnreachable, client.Refused) as error:
        sys.stderr.write(f"clstart: {error}\n")
        return 1
    return 0


def clstop(argv: list[str]) -> int:
    """``clstop``: ask the cluster manager to stop services."""
    try:
        pairs, operands = getopt.getopt(argv[1:], STOP_FLAGS)
    except getopt.GetoptError as error:
        sys.stderr.write(f"clstop: {error}\n{STOP_USAGE}")
        return 1
    flags = dict(pairs)
    if operands or not stop_flags_agree(flags):
        sys.stderr.write(STOP_USAGE)
        return 1
    root = NodeRoot.current()
    if "-R" in flags:
        return 0 if startup.not_at_restart(root) else 1
    mode = "unmanage" if "-f" in flags else "move" if "-r" in flags else "offline"
    told = False

    def shutting_down(_: Progress) -> None:
        # Only a stop that is not refused is told.
        nonlocal told
        if not told and "-s" not in flags:
            text = SHUTTING_DOWN.format(root.identity.node)
            print(text, flush=True)
            startup.broadcast(root, text)
        told = True

    try:
        client.stop_services(mode, caller="clstop", progress=shutting_down, root=root)
    except (client.ManagerUnreachable, client.Refused) as error:
        sys.stderr.write(f"clstop: {error}\n")
        return 1
    return 0 if "-B" not in flags or startup.not_at_restart(root) else 1


def exclusive(flags: dict[str, str], *names: str) -> bool:
    """Is at most one of these flags given?"""
    return sum(name in flags for name in names) <= 1


def start_flags_agree(flags: dict[str, str]) -> bool:
    """At most one of -i and -I, of -N, -R and -B, and of -M and -A; -C says interactive or yes."""
    return (
        exclusive(flags, "-i", "-I")
        and exclusive(flags, "-N", "-R", "-B")
        and exclusive(flags, "-M", "-A")
        and flags.get("-C", "yes") in ("interactive", "yes")
    )


def stop_flags_agree(flags: dict[str, str]) -> bool:
    """One of -f, -g and -gr, and at most one of -N, -R and -B."""
    return (
        ("-f" in flags) != ("-g" in flags)
        and ("-r" not in flags or "-g" in flags)
        and exclusive(flags, "-N", "-R", "-B")
    )
