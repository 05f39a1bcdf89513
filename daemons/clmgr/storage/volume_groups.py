"""add, modify and delete of volume groups and logical volumes: on every node, by the nodes' own commands.

As C-SPOC does it: the change is made on this node, with the volume group varied on for it where it is varied on
nowhere, and the other nodes then learn the new descriptor area (``importvg -L``).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from daemons.clcomd import client as clcomd
from daemons.clmgr.edits.parts import required_names
from daemons.clmgr.errors import (
    INCORRECT_INPUT,
    MISSING_DEPENDENCY,
    ClmgrError,
    does_not_exist,
    exists_already,
    invalid,
    invalid_characters,
    missing,
)
from daemons.clmgr.settings import VG_DEFAULTS, storage_key
from daemons.clmgr.syntax.grammar import Request
from daemons.cluster.configuration import Configuration
from srcctl.node.root import NodeRoot
from srcctl.storage.descriptor_area import LogicalVolume, VolumeGroup, erase
from srcctl.storage.filesystems import read_stanzas, write_stanzas
from srcctl.storage.volume_groups import VolumeGroups

Change = Callable[[NodeRoot, Request, Configuration | None], None]
ON_NODE = "/usr/es/sbin/cluster/cspoc/cl_lvm"
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
        if node == root.identity.node:
            continue
        try:
            result = clcomd.run(root, node, [ON_NODE, *command])
        except clcomd.ClcomdError as error:
            raise ClmgrError(f'unable to communicate with "{node}": {error}') from None
        if result.status:
            raise ClmgrError(f'"{node}": {result.err.decode(errors="replace").strip()}')


def _nodes(request: Request, c: Configuration | None) -> list[str]:
    return request.words("NODES") or members(c)


def _name(request: Request) -> str:
    if len(request.names) != 1:
        raise ClmgrError(f"a label must be provided for the new {request.class_name}.", 3)
    name = request.names[0]
    if len(name) > NAME_MAX or not name.replace("_", "a").replace(".", "a").replace("-", "a").isalnum():
        raise invalid_characters("NAME", name)
    return name


def disks_named(root: NodeRoot, names: list[str]) -> list[str]:
    """Disks by name or PVID.

    Raises:
        ClmgrError: one is not there.
    """
    from daemons.caa.client import find_disk

    found = []
    for name in names:
        disk = find_disk(root, name)
        if disk is None:
            raise does_not_exist(name)
        found.append(disk)
    return found


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
        root, [node.name for node in (c.nodes if c else ())], ["importvg", "-n", "-L", group.name, group.disks[0]]
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
    name = _name(request)
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
    run_here(["mkvg", "-n", "-C", *_made_by_mkvg(request), "-y", name, *disks])
    if wanted := _changed_by_chvg(request):
        with varied_on(groups, group_named(root, name)[1]):
            run_here(["chvg", *wanted, name])
    on_others(root, _nodes(request, c), ["importvg", "-n", "-y", name, disks[0]])
    _settings(root, request, name, c)
    print(f"Volume group {name} has been created.")


def _made_by_mkvg(request: Request) -> list[str]:
    kind = {"scalable": ["-S"], "big": ["-B"]}.get(request.attribute("TYPE").lower(), [])
    flags = (("-s", request.attribute("PPART_SIZE")), ("-V", request.attribute("MAJOR_NUMBER")))
    return kind + [word for flag, value in flags if value for word in (flag, value)]


def _changed_by_chvg(request: Request) -> list[str]:
    flags = (("-a", "ACTIVATE_ON_RESTART"), ("-Q", "QUORUM_NEEDED"))
    given = [(flag, name) for flag, name in flags if request.attribute(name)]
    return [word for flag, name in given for word in (flag, "y" if request.truth(name, False) else "n")]


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
    """ADD and REMOVE disks; the other attributes are settings.

    Raises:
        ClmgrError: a disk is not there, is used, or the group cannot do without it.
    """
    name = required_names(request)[0]
    groups, group = group_named(root, name)
    added, removed = disks_named(root, request.words("ADD")), disks_named(root, request.words("REMOVE"))
    for disk in added:
        if groups.is_repository(disk) or groups.on_disk(disk) is not None:
            raise ClmgrError(f'the disk "{disk}" is a part of a volume group or of a cluster.', INCORRECT_INPUT)
    for disk in removed:
        if disk not in group.disks:
            raise does_not_exist(disk)
    disks = tuple(disk for disk in (*group.disks, *added) if disk not in removed)
    if removed and (not disks or (group.disks[0] in removed and group.volumes)):
        raise ClmgrError(f'the volume group "{name}" cannot do without the disk.', MISSING_DEPENDENCY)
    if added or removed:
        with varied_on(groups, group):
            changed = groups.store(group._replace(disks=disks))
            for disk in removed:
                erase(root.identity.lab, disk)
            groups.make_known(changed)
            groups.reserve(changed)
        tell_others(root, c, changed)
    if wanted := _changed_by_chvg(request):
        groups, group = group_named(root, name)
        with varied_on(groups, group):
            run_here(["chvg", *wanted, name])
        tell_others(root, c, group)
    _settings(root, request, name, c)


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
            erase(root.identity.lab, disk)


# Logical volumes.


def volume_named(root: NodeRoot, name: str) -> tuple[VolumeGroups, VolumeGroup, LogicalVolume]:
    """A logical volume of a volume group that this node knows.

    Raises:
        ClmgrError: there is none.
    """
    return volume_that(root, lambda volume: volume.name == name, name)


def volume_that(
    root: NodeRoot, wanted: Callable[[LogicalVolume], bool], name: str
) -> tuple[VolumeGroups, VolumeGroup, LogicalVolume]:
    """The first logical volume that is wanted; ``name`` is what the complaint calls it.

    Raises:
        ClmgrError: there is none.
    """
    groups = VolumeGroups(root)
    for known in groups.known():
        group = groups.find(known)
        for volume in group.volumes if group else ():
            if wanted(volume) and group is not None:
                return groups, group, volume
    raise does_not_exist(name)


def ensure_room(groups: VolumeGroups, group: VolumeGroup, partitions: int) -> None:
    """Refuse what does not fit.

    Raises:
        ClmgrError: the group has not that many free partitions.
    """
    if group.used_partitions + partitions > groups.total_partitions(group):
        raise ClmgrError("0516-404 allocp: This system cannot fulfill the allocation request.")


def add_logical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """A logical volume in a shared volume group.

    Raises:
        ClmgrError: it exists, or the volume group cannot take it.
    """
    name = _name(request)
    if not request.attribute("VOLUME_GROUP"):
        raise missing("VOLUME_GROUP")
    if not request.attribute("LOGICAL_PARTITIONS"):
        raise missing("LOGICAL_PARTITIONS")
    if request.attribute("LPART_COPIES") not in ("", "1"):
        raise ClmgrError("logical volumes are not mirrored here: LPART_COPIES is 1.", INCORRECT_INPUT)
    groups, group = group_named(root, request.attribute("VOLUME_GROUP"))
    for known in groups.known():
        other = groups.find(known)
        if other is not None and any(volume.name == name for volume in other.volumes):
            raise exists_already(name)
    partitions = int(request.attribute("LOGICAL_PARTITIONS"))
    ensure_room(groups, group, partitions)
    volume = LogicalVolume(name, request.attribute("TYPE") or "jfs2", partitions)
    store_volumes(root, c, groups, group, (*group.volumes, volume))


def store_volumes(
    root: NodeRoot,
    c: Configuration | None,
    groups: VolumeGroups,
    group: VolumeGroup,
    volumes: tuple[LogicalVolume, ...],
) -> None:
    """Exchange the logical volumes of a group, here and in what the other nodes know."""
    with varied_on(groups, group):
        changed = groups.store(group._replace(volumes=volumes))
        groups.make_known(changed)
    tell_others(root, c, changed)


def modify_logical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """More LOGICAL_PARTITIONS, a new NAME or TYPE.

    Raises:
        ClmgrError: it does not exist, would shrink, or has no room.
    """
    name = required_names(request)[0]
    groups, group, volume = volume_named(root, name)
    partitions = int(request.attribute("LOGICAL_PARTITIONS") or volume.partitions)
    if partitions < volume.partitions:
        raise invalid("LOGICAL_PARTITIONS", str(partitions))
    ensure_room(groups, group, partitions - volume.partitions)
    new = request.attribute("NAME") or name
    if new != name and volume.mount_point:
        raise ClmgrError(f'the logical volume "{name}" holds the file system "{volume.mount_point}".', INCORRECT_INPUT)
    changed = volume._replace(name=new, partitions=partitions, type=request.attribute("TYPE") or volume.type)
    store_volumes(root, c, groups, group, tuple(changed if v.name == name else v for v in group.volumes))


def delete_logical_volume(root: NodeRoot, request: Request, c: Configuration | None) -> None:
    """Remove logical volumes.

    Raises:
        ClmgrError: one does not exist, or holds a file system.
    """
    for name in required_names(request):
        volume_named(root, name)
    for name in request.names:
        groups, group, volume = volume_named(root, name)
        if volume.mount_point:
            raise ClmgrError(f'"{name}" is still in use by "{volume.mount_point}".', MISSING_DEPENDENCY)
        store_volumes(root, c, groups, group, tuple(v for v in group.volumes if v.name != name))


CHANGES: dict[tuple[str, str], Change] = {
    ("volume_group", "add"): add_volume_group,
    ("volume_group", "modify"): modify_volume_group,
    ("volume_group", "delete"): delete_volume_group,
    ("logical_volume", "add"): add_logical_volume,
    ("logical_volume", "modify"): modify_logical_volume,
    ("logical_volume", "delete"): delete_logical_volume,
}


def cl_lvm(argv: list[str]) -> int:
    """``cl_lvm {importvg | exportvg | forget} ...``: what clmgr has other nodes do to their knowledge of storage."""
    match argv[1:]:
        case ["forget", point]:
            root = NodeRoot.current()
            write_stanzas(root, [stanza for stanza in read_stanzas(root) if stanza.mount_point != point])
            return 0
        case ["importvg" | "exportvg", *_]:
            return subprocess.run(argv[1:], check=False).returncode
    return 1
