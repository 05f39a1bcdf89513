"""lspv: the disks of a node."""

from __future__ import annotations

from srcctl.commands.options import Options, UsageError
from srcctl.node.root import NodeRoot
from srcctl.storage.commands.invocation import invoke
from srcctl.storage.descriptor_area import StorageError
from srcctl.storage.disk import disk_names, pvid, uuid_of
from srcctl.storage.volume_groups import REPOSITORY_VG, VolumeGroups


def _rows(groups: VolumeGroups, root: NodeRoot) -> list[tuple[str, str, str, str, str]]:
    """Name, PVID, volume group, state and UUID of every disk of the node."""
    identity = root.identity
    local = f"{identity.lab_id}/{identity.node}"
    rows = [("hdisk0", pvid(local, "hdisk0"), "rootvg", "active", uuid_of(local, "hdisk0"))]
    known = set(groups.known())
    for disk in disk_names(identity.lab):
        name, state = "None", ""
        if groups.is_repository(disk):
            name, state = REPOSITORY_VG, "active"
        else:
            try:
                found = groups.on_disk(disk)
            except OSError:
                found = None
            if found is not None and found.name in known:
                name = found.name
                state = "active" if groups.is_varied_on(found) else ""
        rows.append((disk, pvid(identity.lab_id, disk), name, state, uuid_of(identity.lab_id, disk)))
    return rows


def lspv(argv: list[str]) -> int:
    """``lspv [-u] [disk]``: the disks with PVID, volume group and state."""

    def work(options: Options, groups: VolumeGroups, root: NodeRoot) -> int:
        rows = _rows(groups, root)
        if len(options.operands) > 1:
            raise UsageError("operands")
        if options.operands:
            chosen = [row for row in rows if options.operands[0] in (row[0], row[1])]
            if not chosen:
                raise StorageError(
                    f"0516-320 lspv: Physical volume {options.operands[0]} is not assigned to\n\ta volume group."
                )
            name, identifier, group, state, _ = chosen[0]
            print(f"PHYSICAL VOLUME:    {name:<24} VOLUME GROUP:     {group}")
            print(f"PV IDENTIFIER:      {identifier} VG IDENTIFIER     {_identifier(groups, group)}")
            print(f"PV STATE:           {'active' if state else 'missing'}")
            return 0
        for name, identifier, group, state, uuid in rows:
            line = f"{name:<15} {identifier:<34}  {group:<15} {state:<12}"
            print(f"{line}{uuid}" if "u" in options else line.rstrip() if group == "None" else line)
        return 0

    return invoke(argv, "u", "Usage: lspv [-u] [disk]", work)


def _identifier(groups: VolumeGroups, name: str) -> str:
    found = groups.find(name)
    return found.identifier if found else ""
