"""``clRGinfo`` and its link ``clfindres``: the states of resource groups."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from daemons.clstrmgr import client, render
from daemons.clstrmgr.messages import ClusterSnapshot
from srcctl.commands.options import UsageError, parse, usage
from srcctl.node.root import NodeRoot

if TYPE_CHECKING:
    import subprocess

USAGE = "Usage: clRGinfo [-h] [-v] [-s|-c] [-t] [-p] [-a] [-m] [-i] [resgroup1] [resgroup2]...\n"
CLRSH = "/usr/es/sbin/cluster/utilities/cl_rsh"
CLRGINFO = "/usr/es/sbin/cluster/utilities/clRGinfo"

COMPLAINT = "clRGinfo: "

HERE_ONLY = "-l"
"""Not an option for people: how a node whose services are down asks another one, without being asked back."""


def main(argv: list[str]) -> int:
    """The command's entry."""
    try:
        options = parse(argv, "hvsctpamil")
    except UsageError as error:
        sys.stderr.write(f"{argv[0].rpartition('/')[2]}: {error}\n")
        return usage(USAGE)
    if "h" in options:
        sys.stdout.write(USAGE)
        return 0
    try:
        picture = client.query_state()
    except client.ManagerUnreachable as error:
        sys.stderr.write(f"Cluster IPC error: {error}.\n")
        return 1
    if not picture.members:
        answer = None if "l" in options else _ask_others(picture, argv[1:])
        if answer is None:
            sys.stderr.write(
                f"Cluster IPC error: The cluster manager on node {picture.local_name} is in ST_INIT or NOT_CONFIGURED "
                "state and cannot process the IPC request.\n"
            )
            return 1
        sys.stdout.write(answer.stdout)
        sys.stderr.write(answer.stderr)
        return answer.returncode
    groups = list(picture.groups)
    if options.operands:
        known = {group.name: group for group in groups}
        for name in options.operands:
            if name not in known:
                sys.stderr.write(f"{COMPLAINT}There is no resource group {name} in this cluster.\n")
                return 1
        groups = [known[name] for name in options.operands]
    if "s" in options or "c" in options:
        lines = render.colon(picture, groups)
    elif "v" in options:
        lines = render.verbose(picture, groups)
    elif "p" in options:
        lines = render.override(picture, groups)
    elif "i" in options:
        lines = render.operations(picture, groups)
    elif "m" in options:
        lines = render.monitoring(picture, groups)
    elif "a" in options:
        lines = render.movement(picture, groups)
    else:
        lines = render.plain(picture, groups, timers="t" in options)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _ask_others(picture: ClusterSnapshot, arguments: list[str]) -> subprocess.CompletedProcess[str] | None:
    """The answer of the first node where services are up, over clcomd; that there is no such group is one, too."""
    import subprocess  # only where services are down: scripts ask again and again

    root = NodeRoot.current()
    for node in picture.nodes:
        if node.number == picture.local_node:
            continue
        try:
            answer = subprocess.run(
                [root.path(CLRSH), node.name, CLRGINFO, HERE_ONLY, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.returncode == 0 or answer.stderr.startswith(COMPLAINT):
            return answer
    return None
