"""``clRGmove``: move a resource group, or bring it online or offline, by an operator's request."""

from __future__ import annotations

import sys

from daemons.clstrmgr import client, render
from daemons.clstrmgr.messages import ClusterSnapshot, Done, GroupView, Progress
from srcctl.commands.options import Options, UsageError, parse, usage

USAGE = (
    "Usage: clRGmove -g <groupname> -n <nodename> | -x -n <sitename> | -r | -a [-m | -u | -d] [-i] [-s true | false]\n"
)
"""``-g`` takes several groups, separated by commas."""

MANUAL = (
    "ERROR: Event processing has failed for the requested resource group\n"
    "movement.  The cluster is unstable and requires manual intervention\n"
    "to continue processing.\n"
)


def main(argv: list[str]) -> int:
    """The command's entry. Exit code 0: done; 1: failed or wrong usage."""
    try:
        options = parse(argv, "g:n:xramudis:")
    except UsageError as error:
        sys.stderr.write(f"clRGmove: {error}\n")
        return usage(USAGE)
    wanted = [flag for flag in "mud" if flag in options]
    targets = [flag for flag in "nra" if flag in options]
    if "g" not in options or options.operands or len(wanted) > 1 or len(targets) != 1:
        return usage(USAGE)
    names = list(dict.fromkeys(name for name in options.value("g").split(",") if name))
    if not names:
        return usage(USAGE)
    if "x" in options and ("n" not in options or wanted == ["d"]):
        return usage(USAGE)
    if "s" in options and options.value("s").lower() not in ("true", "false"):
        return usage(USAGE)
    try:
        picture = client.query_state()
        return _run(options, wanted[0] if wanted else "m", picture, names)
    except client.ManagerUnreachable as error:
        sys.stderr.write(f"Cluster IPC error: {error}.\n")
        return 1


def _run(options: Options, what: str, picture: ClusterSnapshot, names: list[str]) -> int:
    """One group after the other, until one cannot be done; all of them are checked before."""
    if not picture.members:
        sys.stderr.write(
            f"Cluster IPC error: The cluster manager on node {picture.local_name} is in ST_INIT or NOT_CONFIGURED "
            "state and cannot process the IPC request.\n"
        )
        return 1
    for name in names:
        if client.group_named(picture, name) is None:
            sys.stderr.write(f"clRGmove: There is no resource group {name} in this cluster.\n")
            return 1
    target = 0
    node_name = options.value("n")
    if "x" in options:
        return _to_site(options, what, picture, names)
    if "n" in options:
        node = client.node_named(picture, node_name)
        if node is None:
            sys.stderr.write(f"clRGmove: There is no node {node_name} in this cluster.\n")
            return 1
        target = node.number
    for number, name in enumerate(names):
        if number:
            sys.stdout.write("\n")
            picture = client.query_state()
        status = _one(options, what, picture, name, target, alone=len(names) == 1)
        if status:
            return status
    return 0


def _to_site(options: Options, what: str, picture: ClusterSnapshot, names: list[str]) -> int:
    """Each group to its first node at the site."""
    from daemons.clstrmgr.sites import node_at_site
    from daemons.cluster.configuration import ACD, ConfigurationFault, load
    from srcctl.node.root import NodeRoot
    from srcctl.odm import OdmError, Repository

    try:
        configuration = load(Repository(NodeRoot.current(), ACD))
    except (ConfigurationFault, OdmError) as error:
        sys.stderr.write(f"clRGmove: {error}\n")
        return 1
    assert configuration is not None, "cluster services are active"
    status = 0
    for number, name in enumerate(names):
        chosen, complaint = node_at_site(configuration, picture, name, options.value("n"))
        node = client.node_named(picture, chosen)
        if complaint or node is None:
            sys.stderr.write(f"clRGmove: {complaint}\n")
            return 1
        if number:
            sys.stdout.write("\n")
            picture = client.query_state()
        status = _one(options, what, picture, name, node.number, alone=len(names) == 1, node_name=chosen)
        if status:
            break
    return status


def _one(
    options: Options, what: str, picture: ClusterSnapshot, name: str, target: int, alone: bool, node_name: str = ""
) -> int:
    node_name = node_name or options.value("n")
    group = client.group_named(picture, name)
    if group is None:
        sys.stderr.write(f"clRGmove: There is no resource group {name} in this cluster.\n")
        return 1
    chosen = " the node its policy chooses"
    where = (
        f" node {node_name}" if target else chosen if what == "m" or (what == "u" and "r" in options) else " all nodes"
    )
    if what == "m":
        sys.stdout.write(f"Attempting to move resource group {name} to{where}.\n")
    else:
        word = "online" if what == "u" else "offline"
        sys.stdout.write(f"Attempting to bring group {name} {word} on{where}.\n")
    sys.stdout.flush()
    secondary = options.value("s").lower() == "true"
    try:
        done = _request(what, name, target, secondary)
    except client.Refused as refused:
        if not alone and refused.done.error == "already":
            # It went along with one of the others, on whose node it must be.
            return _succeeded(what, picture, group, "i" in options, node_name)
        return _failed(what, refused)
    after = done.snapshot or picture
    group = client.group_named(after, name) or group
    return _succeeded(what, after, group, "i" in options, node_name, "ONLINE SECONDARY" if secondary else "ONLINE")


def _request(what: str, name: str, target: int, secondary: bool) -> Done:
    shown = {"m": "movement", "u": "online", "d": "offline"}[what]

    def progress(stage: Progress) -> None:
        if stage.stage == "queued":
            sys.stdout.write(f"\nWaiting for the cluster to process the resource group {shown} request....\n")
        elif stage.stage == "stabilizing":
            sys.stdout.write("\nWaiting for the cluster to stabilize.....\n")
        sys.stdout.flush()

    if what == "m":
        return client.move_group(name, target, progress=progress, secondary=secondary)
    if what == "u":
        return client.online_group(name, target, progress=progress, secondary=secondary)
    return client.offline_group(name, target, progress=progress, secondary=secondary)


def _failed(what: str, refused: client.Refused) -> int:
    shown = {"m": "movement", "u": "online", "d": "offline"}[what]
    sys.stdout.write(f"\nResource group {shown} failed.\n")
    sys.stdout.flush()
    sys.stderr.write(MANUAL if "manual intervention" in str(refused) else f"ERROR: {refused}\n")
    return 1


def _succeeded(
    what: str, picture: ClusterSnapshot, group: GroupView, table: bool, node_name: str, word: str = "ONLINE"
) -> int:
    shown = {"m": "movement", "u": "online", "d": "offline"}[what]
    sys.stdout.write(f"\nResource group {shown} successful.\n")
    if what == "d":
        sys.stdout.write(f"Resource group {group.name} is offline{f' on node {node_name}' if node_name else ''}.\n")
    else:
        online = [client.node_name(picture, entry.node) for entry in group.nodes if entry.state == word]
        for name in [node_name] if node_name in online else online:
            sys.stdout.write(f"Resource group {group.name} is online on node {name}.\n")
    if table:
        sys.stdout.write("".join(f"{line}\n" for line in ["", *render.after_request(picture, group)]))
    return 0
