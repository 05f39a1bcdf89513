"""online, offline and move of resource groups: the operator's requests to the cluster managers."""

from __future__ import annotations

from daemons.clmgr.errors import ClmgrError, does_not_exist, missing
from daemons.clmgr.syntax.grammar import Request
from daemons.clstrmgr import client as manager
from daemons.clstrmgr.messages import ClusterSnapshot, Progress
from daemons.clstrmgr.sites import node_at_site
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot


def group(root: NodeRoot, c: Configuration, request: Request) -> None:
    """online, offline and move of resource groups.

    Raises:
        ClmgrError: a group or node is unknown, or the cluster manager refuses.
    """
    if not request.names:
        raise ClmgrError("the name of a resource group is needed.", 3)
    target, site = request.attribute("NODE", "NODES"), request.attribute("SITE")
    if request.action == "move" and not target and not site:
        raise missing("NODE")
    for name in request.names:
        if c.group(name) is None:
            raise does_not_exist(name)
    if site and not target:
        _to_site(root, c, request, site)
        return
    number = 0
    if target:
        node = c.node(target)
        if node is None:
            raise does_not_exist(target)
        number = node.id
    for name in request.names:
        _one_group(root, request.action, name, number, target)


def _to_site(root: NodeRoot, c: Configuration, request: Request, site: str) -> None:
    """Each group to its first node at the site whose services are active."""
    if c.site(site) is None:
        raise does_not_exist(site)
    for name in request.names:
        try:
            picture = manager.query_state(root)
        except manager.ManagerUnreachable as error:
            raise ClmgrError(str(error)) from None
        chosen, complaint = node_at_site(c, picture, name, site)
        if complaint:
            raise ClmgrError(complaint)
        node = c.node(chosen)
        assert node is not None
        _one_group(root, request.action, name, node.id, chosen)


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
