"""add, modify and delete of volume groups: on every node, by the nodes' own commands.

As C-SPOC does it: the change is made on this node, with the volume group varied on for it where it is varied on
nowhere, and the other nodes then learn the new descriptor area (``importvg -L``).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from daemons.clcomd import client as clcomd
from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid_characters,
    missing,
    no_such_disk,
)
from daemons.clmgr.settings import VG_DEFAULTS, storage_key
from daemons.clmgr.storage.on_node import on_node
from daemons.clmgr.syntax.attributes import is_name
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage import partitions
from srcctl.storage.descriptor_area import VolumeGroup, erase
from srcctl.storage.disk import pvid
from srcctl.storage.volume_groups import VolumeGroups

Words = Mapping[str, str]
"""A flag's words for an attribute's."""
Change = Callable[[NodeRoot, Request, Configuration | None], None]
NAME_MAX = 15
"""Characters of a volume group's or logical volume's name."""


def run_here(command: list[str]) -> None:
    """Run an LVM command here.

    Raises:
        ClmgrError: it failed; the text is what it said.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClmgrError(done.stderr.strip() or done.stdout.strip() or f"{command[0]} failed.")


def ensure_reachable(root: NodeRoot, nodes: list[str]) -> None:
    """As in C-SPOC, nothing is begun that a node could not be told of, unless it is forced.

    Raises:
        ClmgrError: clcomd of a node does not answer.
    """
    for node in dict.fromkeys(nodes):
        if node == root.identity.node:
            continue
        try:
            clcomd.Session(root, node).close()
        except clcomd.ClcomdError as error:
            raise ClmgrError(f'unable to communicate with "{node}": {error}') from None


def on_others(root: NodeRoot, nodes: list[str], command: list[str]) -> None:
    """Run cl_lvm on the other ones of some nodes.

    Raises:
        ClmgrError: a node cannot be reached, or it failed there.
    """
    for node in nodes:
        if node != root.identity.node:
            on_node(root, node, command)


def _nodes(request: Request, c: Configuration | None) -> list[str]:
    return request.words("NODES") or members(c)


def shared_name(request: Request) -> str:
    if len(request.names) != 1:
        raise ClmgrError(f"a label must be provided for the new {request.class_name}.", 3)
    name = request.names[0]
    if len(name) > NAME_MAX or not is_name(name):
        raise invalid_characters("NAME", name)
    return name


def disks_named(root: NodeRoot, names: list[str]) -> list[str]:
    """Disks by name or PVID.

    Raises:
        ClmgrError: one is not there, or the node's own.
    """
    from daemons.caa.client import find_disk

    found = []
    for name in names:
        disk = find_disk(root, name)
        if disk is None:
            raise no_such_disk(name)
        found.append(disk)
    return found


def identifiers(root: NodeRoot, disks: Sequence[str]) -> list[str]:
    """The PVIDs of disks: what a command of any node takes, whatever the node calls them."""
    return [pvid(root.identity.lab_id, disk) for disk in disks]


@contextmanager
def varied_on(groups: VolumeGroups, group: VolumeGroup) -> Iterator[None]:
    """The volume group varied on here for the time of a change.

    Raises:
        ClmgrError: another node has it.
    """
    mine = not groups.is_varied_on(group)
    if mine:
        run_here(["varyonvg", group.name])
    try:
        yield
    finally:
        if mine:
            run_here(["varyoffvg", group.name])


def group_named(root: NodeRoot, name: str) -> tuple[VolumeGroups, VolumeGroup]:
    """A volume group that this node knows.

    Raises:
        ClmgrError: it does not.
    """
    groups = VolumeGroups(root)
    found = groups.find(name) if name in groups.known() else None
    if found is None:
        raise does_not_exist(name)
    return groups, found


def tell_others(root: NodeRoot, c: Configuration | None, group: VolumeGroup) -> None:
    """Have the other nodes learn the descriptor area.

    Raises:
        ClmgrError: one does not.
    """
    on_others(
        root,
        [node.name for node in (c.nodes if c else ())],
        ["importvg", "-n", "-L", group.name, *identifiers(root, group.disks[:1])],
    )


def members(c: Configuration | None) -> list[str]:
    """The cluster's nodes."""
    return [node.name for node in (c.nodes if c else ())]


# Volume groups.


def add_volume_group(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A shared volume group, known to all its nodes and varied on nowhere.

    Raises:
        ClmgrError: it exists, or a disk or node cannot take it.
    """
    name = shared_name(request)
    disks = disks_named(root, request.words("PHYSICAL_VOLUMES"))
    if not disks:
        raise missing("PHYSICAL_VOLUMES")
    groups = VolumeGroups(root)
    if name in groups.known() or groups.find(name) is not None:
        raise exists_already(name)
    group = request.attribute("RESOURCE_GROUP")
    if group and (c is None or c.group(group) is None):
        raise does_not_exist(group)
    # Enhanced concurrent, as C-SPOC makes what is to have fast disk takeover; that is neither varied on at boot (who
    # varies it on is the cluster manager's to say) nor left varied on now.
    run_here(["mkvg", "-n", "-C", *_made_by_mkvg(request), "-y", name, *identifiers(root, disks)])
    if wanted := flags(request, CHANGE_FLAGS):
        with varied_on(groups, group_named(root, name)[1]):
            run_here(["chvg", *wanted, name])
    on_others(root, _nodes(request, c), ["importvg", "-n", "-y", name, *identifiers(root, disks[:1])])
    _settings(root, request, name, c)
    print(f"Volume group {name} has been created.")


LETTERS = {"true": "y", "false": "n", "yes": "y", "no": "n"}
GROUP_FLAGS: dict[str, tuple[str, Words]] = {
    "LTG_SIZE": ("-L", {}),
    "MAX_PHYSICAL_PARTITIONS": ("-P", {}),
    "MAX_LOGICAL_VOLUMES": ("-v", {}),
    "STRICT_MIRROR_POOLS": ("-M", {"no": "n", "yes": "y", "super": "s"}),
    "CRITICAL": ("-r", LETTERS),
    "ENABLE_LV_ENCRYPTION": ("-k", LETTERS),
}  # fmt: skip
"""Attributes that mkvg and chvg take: the flag, and its words for the attribute's."""
CHANGE_FLAGS: dict[str, tuple[str, Words]] = {
    "ACTIVATE_ON_RESTART": ("-a", LETTERS),
    "QUORUM_NEEDED": ("-Q", LETTERS),
    "MIGRATE_FAILED_DISKS": ("-h", {"false": "n", "one": "y", "pool": "Y", "remove": "r"}),
    "SYNCHRONIZE": ("-s", LETTERS),
    "LVM_PREFERRED_READ": ("-p", {"roundrobin": "r", "favorcopy": "f", "siteaffinity": "s"}),
}  # fmt: skip
"""Those that chvg alone takes."""


def flags(request: Request, table: dict[str, tuple[str, Words]]) -> list[str]:
    """The flags of a command for the attributes that were given; one that was cleared stays as it is."""
    words = []
    for attribute, (flag, letters) in table.items():
        if value := request.attribute(attribute):
            words += [flag, letters.get(value, value)]
    return words


def _made_by_mkvg(request: Request) -> list[str]:
    kind = {"scalable": ["-S"], "big": ["-B"]}.get(request.attribute("TYPE").lower(), [])
    plain: dict[str, tuple[str, Words]] = {
        "PPART_SIZE": ("-s", {}),
        "MAJOR_NUMBER": ("-V", {}),
        "MIRROR_POOL_NAME": ("-p", {}),
    }
    return kind + flags(request, {**plain, **GROUP_FLAGS})


def _settings(root: NodeRoot, request: Request, name: str, c: Configuration | None) -> None:
    """What the descriptor area has no room for stands in the cluster's configuration; so does the resource group."""
    wanted = {key: value for key, value in request.attributes.items() if key in VG_DEFAULTS}
    group = request.attribute("RESOURCE_GROUP")
    if c is None or not (wanted or group):
        return
    from daemons.clmgr.transactions.transaction import change

    with change(root) as transaction:
        changed = transaction.base()
        for key, value in wanted.items():
            changed = changed.with_setting(
                storage_key("volume_group", name, key), "" if value == VG_DEFAULTS[key] else value
            )
        if group:
            from msgspec.structs import replace as with_fields

            changed = with_fields(
                changed,
                groups=tuple(
                    with_fields(g, resources=(*g.resources, ("VOLUME_GROUP", name)))
                    if g.name == group and name not in g.resource("VOLUME_GROUP")
                    else g
                    for g in changed.groups
                ),
            )
        transaction.commit(changed)


def modify_volume_group(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """ADD and REMOVE disks, or PHYSICAL_VOLUMES with the whole list; what chvg changes; the rest are settings.

    Raises:
        ClmgrError: a disk is not there, is used, or the group cannot do without it.
    """
    name = required_names(request)[0]
    groups, group = group_named(root, name)
    added, removed = disks_named(root, request.words("ADD")), disks_named(root, request.words("REMOVE"))
    if whole := disks_named(root, request.words("PHYSICAL_VOLUMES")):
        added += [disk for disk in whole if disk not in group.disks]
        removed += [disk for disk in group.disks if disk not in whole]
    if request.attribute("NODES"):
        _spread(root, request, c, group)
    if (owner := request.attribute("RESOURCE_GROUP")) and (c is None or c.group(owner) is None):
        raise does_not_exist(owner)
    for disk in added:
        if groups.is_repository(disk) or groups.on_disk(disk) is not None:
            raise ClmgrError(f'the disk "{disk}" is a part of a volume group or of a cluster.', INCORRECT_INPUT)
    for disk in removed:
        if disk not in group.disks:
            raise does_not_exist(disk)
    disks = tuple(disk for disk in (*group.disks, *added) if disk not in removed)
    if removed and (not disks or any(partitions.used(group, disk) for disk in removed)):
        raise ClmgrError(f'the volume group "{name}" cannot do without the disk.', MISSING_DEPENDENCY)
    if added or removed:
        with varied_on(groups, group):
            if added:
                run_here(["extendvg", name, *identifiers(root, added)])
            if removed:
                run_here(["reducevg", name, *identifiers(root, removed)])
        groups, group = group_named(root, name)
        tell_others(root, c, group)
    if wanted := flags(request, {**GROUP_FLAGS, **CHANGE_FLAGS}):
        groups, group = group_named(root, name)
        with varied_on(groups, group):
            run_here(["chvg", *wanted, name])
        tell_others(root, c, group)
    _settings(root, request, name, c)


def _spread(root: NodeRoot, request: Request, c: Configuration | None, group: VolumeGroup) -> None:
    """Make a volume group known on the nodes that are named, and forgotten on the others.

    Raises:
        ClmgrError: there is no such node, or one that is to forget it has it varied on.
    """
    wanted, every = request.words("NODES"), members(c) or [node.name for node in root.identity.nodes]
    for node in wanted:
        if node not in every:
            raise does_not_exist(node)
    if root.identity.node not in wanted:
        raise ClmgrError(f'the volume group "{group.name}" must stay known on "{root.identity.node}".', INCORRECT_INPUT)
    holders = VolumeGroups(root).holders(group)
    for node in [node for node in every if node not in wanted]:
        if node in holders:
            raise ClmgrError(f'the volume group "{group.name}" is varied on by "{node}".')
        on_others(root, [node], ["unlearn", group.name])
    on_others(root, wanted, ["learn", group.name, *identifiers(root, group.disks[:1])])


def delete_volume_group(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """Remove volume groups with everything on them, on every node.

    Raises:
        ClmgrError: one is varied on somewhere, or a resource group has it.
    """
    for name in required_names(request):
        group_named(root, name)
    for name in request.names:
        groups, group = group_named(root, name)
        users = [g.name for g in (c.groups if c else ()) if name in g.resource("VOLUME_GROUP")]
        if users:
            raise ClmgrError(f'"{name}" is still in use by "{users[0]}".', MISSING_DEPENDENCY)
        if groups.holders(group):
            raise ClmgrError(f'the volume group "{name}" is varied on by "{groups.holders(group)[0]}".')
        on_others(root, members(c), ["exportvg", name])
        run_here(["exportvg", name])
        for disk in group.disks:
            if not groups.has_failed(disk):
                erase(root.identity.lab, disk)


CHANGES: dict[tuple[str, str], Change] = {
    ("volume_group", "add"): add_volume_group,
    ("volume_group", "modify"): modify_volume_group,
    ("volume_group", "delete"): delete_volume_group,
}
