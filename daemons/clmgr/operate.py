"""online, offline and move: the operator's requests to the cluster managers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from daemons.caa import client as caa
from daemons.clcomd import client as clcomd
from daemons.clmgr.errors import ERROR, INCORRECT_INPUT, ClmgrError, does_not_exist, missing
from daemons.clmgr.grammar import Request
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import ClusterSnapshot, Progress
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot

CLMGR = "/usr/es/sbin/cluster/utilities/clmgr"
MANAGER_PATIENCE = 5.0
"""Seconds within which the cluster manager of a booting node answers."""
INITTAB_RECORD = (
    "hacmp6000:2:wait:/usr/es/sbin/cluster/etc/rc.cluster -boot -b -A >/dev/console 2>&1 # Bring up Cluster"
)


def services(root: NodeRoot, c: Configuration, request: Request) -> None:
    """online or offline for the cluster or for nodes.

    Raises:
        ClmgrError: a node is unknown, or did not do it.
    """
    online = request.action == "online"
    when = request.attribute("WHEN", default="now").lower()
    manage = request.attribute("MANAGE", default="auto" if online else "offline").lower()
    if when not in ("now", "restart", "both"):
        raise ClmgrError(f'an invalid value was specified for "WHEN" ("{when}").', INCORRECT_INPUT)
    allowed = ("auto", "manual", "delayed") if online else ("offline", "move", "unmanage")
    if manage not in allowed:
        raise ClmgrError(f'an invalid value was specified for "MANAGE" ("{manage}").', INCORRECT_INPUT)
    if request.class_name == "cluster":
        names = [node.name for node in c.nodes]
    else:
        names = request.names or [root.identity.node]
        if names == ["ALL"]:
            names = [node.name for node in c.nodes]
    for name in names:
        if c.node(name) is None:
            raise does_not_exist(name)
    if root.identity.node not in names or len(names) > 1:
        _on_all(root, c, request, names)
    else:
        _on_this(root, request, online, when, manage)
    if request.class_name == "cluster":
        print(f"\nThe cluster is now {'online' if online else 'offline'}.")


def _on_all(root: NodeRoot, c: Configuration, request: Request, names: list[str]) -> None:
    """Have every node do its part at the same time; stops go one after the other, as in C-SPOC."""
    words = [request.action, "node"]
    attributes = [f"{name}={value}" for name, value in request.attributes.items()]
    lock = threading.Lock()
    own = root.identity.node
    # Nodes that are started may have been powered on a moment ago.
    patience = clcomd.BOOT_PATIENCE if request.action == "online" else 0.0

    def one(name: str) -> tuple[str, int, str]:
        try:
            result = clcomd.run(root, name, [CLMGR, *words, name, *attributes], patience=patience)
        except clcomd.NotListening:
            return name, ERROR, f"Comm error found on node: {name}"
        except clcomd.ClcomdError as error:
            return name, ERROR, str(error)
        with lock:
            for line in result.out.decode(errors="replace").splitlines():
                if line.strip():
                    print(f"{name}: {line}")
            sys.stdout.flush()
        return name, result.status, result.err.decode(errors="replace").strip()

    workers = len(names) if request.action == "online" else 1
    # The node that is asked goes last: its answers must still be possible while the others stop.
    ordered = sorted(names, key=lambda name: name == own)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        results = list(pool.map(one, ordered))
    failed = [(name, complaint) for name, status, complaint in results if status]
    if failed:
        name, complaint = failed[0]
        raise ClmgrError(f'"{name}": {complaint.removeprefix("ERROR: ") or "failed"}')


def _on_this(root: NodeRoot, request: Request, online: bool, when: str, manage: str) -> None:
    own = root.identity.node
    if when in ("restart", "both"):
        _at_restart(online)
    if when == "restart":
        return
    limit = request.attribute("TIMEOUT")
    seconds = float(limit) if limit.replace(".", "", 1).isdigit() and limit else None
    try:
        if online:
            if request.truth("START_CAA", False):
                caa.join(root, "")
            if request.attribute("START_CAA").lower() == "only":
                return
            _clcomd_is_up(root)
            _wait_for_manager(root)
            print("start_cluster: Starting PowerHA SystemMirror")
            sys.stdout.flush()
            clinfo = request.attribute("CLINFO", default="false").lower() in ("true", "yes")
            manager.start_services(manage, clinfo, "clmgr", seconds, _silent, root)
            print(f'"{own}" is now online.')
            return
        print(f"PowerHA SystemMirror on {own} shutting down. Please exit any cluster applications...")
        sys.stdout.flush()
        manager.stop_services(manage, "clmgr", seconds, _silent, root)
        print(f'"{own}" is now {"unmanaged" if manage == "unmanage" else "offline"}.')
        if request.truth("STOP_CAA", False):
            caa.leave(root)
    except manager.Refused as refused:
        if refused.done.error in ("active", "not_active", "already"):
            print(f'"{own}" is now {"online" if online else "offline"}.')
            return
        raise ClmgrError(str(refused)) from None
    except manager.ManagerUnreachable as error:
        raise ClmgrError(f'the cluster manager on "{own}" cannot be asked: {error}') from None
    except caa.CaaError as error:
        raise ClmgrError(str(error)) from None
    except TimeoutError:
        raise ClmgrError(f'"{own}" did not finish within {limit} seconds.') from None


def _silent(progress: Progress) -> None:
    """Stages of a start are not shown: the product prints them only for moves."""


def _clcomd_is_up(root: NodeRoot) -> None:
    """Cluster services need clcomd."""
    try:
        clcomd.Session(root, root.identity.node, clcomd.BOOT_PATIENCE).close()
    except clcomd.ClcomdError:
        raise ClmgrError("clcomd is not active on this node: start it with startsrc -s clcomd.") from None


def _wait_for_manager(root: NodeRoot) -> None:
    """The cluster manager of a node that is booting comes after clcomd; one that is stopped is not waited for long.

    Raises:
        manager.ManagerUnreachable: it does not answer.
    """
    deadline = time.monotonic() + MANAGER_PATIENCE
    while True:
        try:
            manager.query_state(root)
            return
        except manager.ManagerUnreachable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def _at_restart(online: bool) -> None:
    """Have cluster services start, or no longer start, when the node boots."""
    subprocess.run(["rmitab", "hacmp6000"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if online:
        done = subprocess.run(["mkitab", INITTAB_RECORD], check=False)
        if done.returncode:
            raise ClmgrError("/etc/inittab cannot be changed.")


def group(root: NodeRoot, c: Configuration, request: Request) -> None:
    """online, offline and move of resource groups.

    Raises:
        ClmgrError: a group or node is unknown, or the cluster manager refuses.
    """
    if not request.names:
        raise ClmgrError("the name of a resource group is needed.", 3)
    target = request.attribute("NODE", "NODES")
    if request.action == "move" and not target:
        raise missing("NODE")
    for name in request.names:
        if c.group(name) is None:
            raise does_not_exist(name)
    number = 0
    if target:
        node = c.node(target)
        if node is None:
            raise does_not_exist(target)
        number = node.id
    for name in request.names:
        _one_group(root, request.action, name, number, target)


def _one_group(root: NodeRoot, action: str, name: str, number: int, target: str) -> None:
    what = {
        "move": f"move resource group {name} to node {target}",
        "online": f"bring group {name} online" + (f" on node {target}" if target else ""),
        "offline": f"bring group {name} offline" + (f" on node {target}" if target else ""),
    }[action]
    print(f"Attempting to {what}.\n")
    print("Waiting for the cluster to process the resource group movement request....", end="", flush=True)
    stabilizing = False

    def progress(stage: Progress) -> None:
        nonlocal stabilizing
        if stage.stage == "stabilizing" and not stabilizing:
            stabilizing = True
            print("\n\nWaiting for the cluster to stabilize..", end="", flush=True)
        else:
            print(".", end="", flush=True)

    call = {"move": manager.move_group, "online": manager.online_group, "offline": manager.offline_group}[action]
    try:
        done = call(name, number, None, progress, root)
    except manager.Refused as refused:
        print()
        raise ClmgrError(str(refused)) from None
    except manager.ManagerUnreachable as error:
        print()
        raise ClmgrError(str(error)) from None
    print("\n\nResource group movement successful.")
    picture = done.snapshot or manager.query_state(root)
    _show(picture, name, action)


def _show(picture: ClusterSnapshot, name: str, action: str) -> None:
    found = next((g for g in picture.groups if g.name == name), None)
    if found is None:
        return
    names = {n.number: n.name for n in picture.nodes}
    owner = next((names.get(place.node, "") for place in found.nodes if place.state == "ONLINE"), "")
    if owner:
        print(f"Resource group {name} is online on node {owner}.")
    elif action == "offline":
        print(f"Resource group {name} is offline.")
    print(f"\nCluster Name: {picture.cluster_name}\n\nResource Group Name: {name}")
    print("Node                         Group State\n---------------------------- ---------------")
    for place in found.nodes:
        print(f"{names.get(place.node, ''):<28} {place.state}")
