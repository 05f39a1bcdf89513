"""clavan.log: when groups and applications came and went on this node, for the application availability analysis.

The line's form and the mnemonics are those of the product's documentation of the file; that a node writes what happens
on itself, and the failures of other nodes, is inferred.
"""

from __future__ import annotations

import time

from daemons.clstrmgr.messages import ClusterSnapshot, GroupView

_RUNNING = ("ONLINE", "UNMANAGED")


def lines(before: ClusterSnapshot | None, after: ClusterSnapshot, now: float) -> list[str]:
    """What changed between two pictures of the cluster, one line each, in the order of stops before starts.

    Args:
        before: the picture before, None at the start of the daemon.
        after: the picture now.
        now: seconds since the epoch.
    """
    own = after.local_name
    old = {group.name: group for group in before.groups} if before is not None else {}
    gone: list[str] = []
    came: list[str] = []
    for group in after.groups:
        was, is_now = _online(old.get(group.name), after.local_node), _online(group, after.local_node)
        if was and not is_now:
            gone += [f"umtappstop:{name}:{own}" for name in _applications(old[group.name])]
            gone.append(f"umtrgoffln:{group.name}:{own}")
        elif is_now and not was:
            came.append(f"umtrgonln:{group.name}:{own}")
            came += [f"umtappstart:{name}:{own}" for name in _applications(group)]
    for name, view in old.items():
        if name not in {group.name for group in after.groups} and _online(view, after.local_node):
            gone += [f"umtappstop:{entry}:{own}" for entry in _applications(view)]
            gone.append(f"umtrgoffln:{name}:{own}")
    stamp = time.strftime("%a %b %d %H:%M:%S:%Y", time.localtime(now))
    return [f"AAA: {stamp}: {entry}:" for entry in (*gone, *came)]


def monitor(word: str, name: str, node: str, now: float) -> str:
    """The line about a monitor of this node, under one of the mnemonics ``umtmon...``."""
    return f"AAA: {time.strftime('%a %b %d %H:%M:%S:%Y', time.localtime(now))}: {word}:{name}:{node}:"


def failure(node: str, now: float) -> str:
    """The line about a node that failed."""
    return f"AAA: {time.strftime('%a %b %d %H:%M:%S:%Y', time.localtime(now))}: umtnodefail:{node}:"


def _online(group: GroupView | None, node: int) -> bool:
    return group is not None and any(entry.node == node and entry.state in _RUNNING for entry in group.nodes)


def _applications(group: GroupView) -> list[str]:
    return [resource.name for resource in group.resources if resource.kind == "APPLICATIONS"]
