"""``cl_quarantine NODE``: the quarantine policy, before this side of the cluster takes over from a node.

The side that does not have the critical resource group (CRITICAL_RG) makes sure that the node that had it, and may be
alive beyond a cut, does nothing more. With QUARANTINE_POLICY node_halt its management console powers it off. With
fencing it is shut out of the disks of all volume groups of all resource groups (the reference's section on split, merge
and quarantine: SCSI-3 reservations; not of groups that are online on all nodes, which share theirs); it gives way as
soon as it finds that. With halt_with_fencing both.

``cl_quarantine -r [NODE]`` lets a node in again: without a name all members, which node_up does when a node is back.
The name of this command is ours.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from daemons.clstrmgr import client
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
    failed = client.node_named(picture, node)
    if group is None or failed is None:
        return 0
    if any(state.state == "ONLINE" and state.node != failed.number for state in group.nodes):
        print(f"cl_quarantine: the critical resource group {critical} is on this side: node {node} is left alone")
        return 0
    try:
        if policy in HALTS:
            _halt(root, node, critical)
        if policy in FENCES:
            _fence(root, node)
    except (ConsoleError, ShutOut, OdmError, TimeoutError) as error:
        print(f"cl_quarantine: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cl_quarantine: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _halt(root: NodeRoot, node: str, critical: str) -> None:
    was_on = power_off(root.identity.lab, node)
    text = f"cl_quarantine: node {node} {'was powered off' if was_on else 'is off'} before {critical} is taken over"
    print(text)
    if was_on:
        log_entry(root, "OPMSG", "clstrmgr", (("MESSAGE FROM ERRLOGGER COMMAND", text),))


def _fence(root: NodeRoot, node: str) -> None:
    """Shut a node out of the disks, and wait until the life that had them is over.

    Raises:
        ShutOut: this node is shut out itself.
        TimeoutError: the node goes on.
        OdmError, OSError: the disks cannot be told, or the lab cannot be written.
    """
    disks = _disks(root)
    if not disks:
        return
    lab = root.identity.lab
    life = FenceRegistry(lab).fence(node, disks, root.identity.node)
    text = f"cl_quarantine: node {node} is shut out of {' '.join(sorted(disks))}"
    print(text)
    log_entry(root, "OPMSG", "clstrmgr", (("MESSAGE FROM ERRLOGGER COMMAND", text),))
    deadline = time.monotonic() + PATIENCE
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
