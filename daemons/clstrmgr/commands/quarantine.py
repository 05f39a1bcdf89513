"""``cl_quarantine NODE``: the quarantine policy, before this side of the cluster takes over from a node.

The side that does not have the critical resource group (CRITICAL_RG) makes sure that the node that had it, and all
others that it does not see, which may be alive beyond a cut, do nothing more. With QUARANTINE_POLICY node_halt the
management console powers them off. With fencing they are shut out of the disks of all volume groups of all resource
groups (the reference's section on split, merge and quarantine: SCSI-3 reservations; not of groups that are online on
all nodes, which share theirs); they give way as soon as they find that. With halt_with_fencing both.

``cl_quarantine -r [NODE]`` lets a node in again: without a name all members, which node_up does when a node is back.
The name of this command is ours.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from daemons.caa import client as caa
from daemons.clstrmgr import client
from daemons.clstrmgr.quarantine import shut_out
from daemons.cluster.configuration import ACD
from daemons.runtime.dynamic_settings import dynamic_settings
from srcctl.errlog import log_entry
from srcctl.network.liveness import is_alive
from srcctl.network.management_console import ConsoleError, power_off
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.storage.fences import FenceRegistry, ShutOut
from srcctl.storage.volume_groups import VolumeGroups

if TYPE_CHECKING:
    from daemons.clstrmgr.messages import ClusterSnapshot

HALTS = ("node_halt", "halt_with_fencing")
FENCES = ("fencing", "halt_with_fencing")
PATIENCE = 20.0
"""Seconds until a node that was shut out of its disks must have given way."""
POLL = 0.01
USAGE = "Usage: cl_quarantine node | -r [node]"


def main(argv: list[str]) -> int:
    """Exit code 1: the node may still do something, so nothing of it may be taken over."""
    root = NodeRoot.current()
    if len(argv) in (2, 3) and argv[1] == "-r":
        return _let_in(root, argv[2:])
    if len(argv) != 2 or argv[1].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 1
    node = argv[1]
    settings = _settings(root)
    policy, critical = settings.get("QUARANTINE_POLICY", ""), settings.get("CRITICAL_RG", "")
    if policy not in HALTS + FENCES or not critical:
        return 0
    try:
        picture = client.query_state()
    except client.ManagerUnreachable as error:
        print(f"cl_quarantine: {error}.", file=sys.stderr)
        return 1
    group = client.group_named(picture, critical)
    if group is None or client.node_named(picture, node) is None:
        return 0
    alive = _alive(root)
    missed = [
        view.number
        for view in picture.nodes
        if view.state == "leaving" or view.name == node or (alive is not None and view.name not in alive)
    ]
    numbers = shut_out({view.node: view.state for view in group.nodes}, group.goals, picture.members, missed)
    if not numbers:
        print(f"cl_quarantine: the critical resource group {critical} is not beyond a cut: node {node} is left alone")
        return 0
    names = sorted(client.node_name(picture, number) for number in numbers)
    try:
        for name in names:
            if policy in HALTS:
                _halt(root, name, critical)
        if policy in FENCES:
            _fence(root, names)
    except (ConsoleError, ShutOut, OdmError, TimeoutError) as error:
        print(f"cl_quarantine: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cl_quarantine: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _alive(root: NodeRoot) -> frozenset[str] | None:
    """The names of the nodes that CAA calls alive; None if it does not say."""
    try:
        membership = caa.status(root).membership
    except caa.CaaError:
        return None
    if membership is None:
        return None
    return frozenset(node.name for node in membership.nodes if node.number in membership.alive)


def _halt(root: NodeRoot, node: str, critical: str) -> None:
    was_on = power_off(root.identity.lab, node)
    text = f"cl_quarantine: node {node} {'was powered off' if was_on else 'is off'} before {critical} is taken over"
    print(text)
    if was_on:
        log_entry(root, "OPMSG", "clstrmgr", (("MESSAGE FROM ERRLOGGER COMMAND", text),))


def _fence(root: NodeRoot, nodes: list[str]) -> None:
    """Shut nodes out of the disks, and wait until the lives that had them are over.

    Raises:
        ShutOut: this node is shut out itself.
        TimeoutError: one of them goes on.
        OdmError, OSError: the disks cannot be told, or the lab cannot be written.
    """
    disks = _disks(root)
    if not disks:
        return
    lab = root.identity.lab
    lives = {}
    for node in nodes:
        lives[node] = FenceRegistry(lab).fence(node, disks, root.identity.node)
        text = f"cl_quarantine: node {node} is shut out of {' '.join(sorted(disks))}"
        print(text)
        log_entry(root, "OPMSG", "clstrmgr", (("MESSAGE FROM ERRLOGGER COMMAND", text),))
    deadline = time.monotonic() + PATIENCE
    for node, life in lives.items():
        while life and is_alive(lab, node, life):
            if time.monotonic() > deadline:
                raise TimeoutError(f"node {node} goes on although it is shut out of its disks")
            time.sleep(POLL)  # the end of another machine makes no event here


def _disks(root: NodeRoot) -> frozenset[str]:
    """The disks of the volume groups of all resource groups but those that are online on all nodes."""
    repository = Repository(root, ACD)
    everywhere = {str(o["group"]) for o in repository.get("HACMPgroup") if o.get("startup_pref") == "OAAN"}
    names = {
        str(o["value"])
        for o in repository.get("HACMPresource")
        if o.get("name") in ("VOLUME_GROUP", "CONCURRENT_VOLUME_GROUP") and str(o["group"]) not in everywhere
    }
    groups = VolumeGroups(root)
    known = set(groups.known())
    return frozenset(disk for name in names & known for disk in groups.known_disks(name))


def _let_in(root: NodeRoot, names: list[str]) -> int:
    registry, own = FenceRegistry(root.identity.lab), root.identity.node
    try:
        if not names:
            fences = registry.all()
            if not fences or own in fences:
                return 0  # who is shut out itself lets nobody in
            names = _members(client.query_state())
        for name in names:
            if registry.lift(name):
                print(f"cl_quarantine: node {name} is let in again")
    except client.ManagerUnreachable as error:
        print(f"cl_quarantine: {error}.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cl_quarantine: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _members(picture: ClusterSnapshot) -> list[str]:
    return [node.name for node in picture.nodes if node.number in picture.members]


def _settings(root: NodeRoot) -> dict[str, str]:
    try:
        return dynamic_settings(root, ACD)
    except OdmError:
        return {}
