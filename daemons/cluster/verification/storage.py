"""The repository disk, volume groups, file systems."""

from __future__ import annotations

from collections.abc import Iterator

from daemons.cluster.configuration import ResourceGroup
from daemons.cluster.verification.findings import Case, Correction, Finding, error, warning

VOLUME_GROUP_KINDS = ("VOLUME_GROUP", "CONCURRENT_VOLUME_GROUP")
ZEROS = "0" * 16
"""The ODM's form of a PVID: sixteen digits and sixteen zeros."""


IMPORT = "cl_resource_import_vg"
"""The corrective action by which a node learns a volume group."""


def automatic_imports(group: ResourceGroup) -> list[str]:
    """The volume groups of a resource group that its nodes import by themselves (VG_AUTO_IMPORT)."""
    wanted = next(iter(group.resource("VG_AUTO_IMPORT")), "").lower() in ("true", "yes")
    return _volume_groups(group) if wanted else []


def _volume_groups(group: ResourceGroup) -> list[str]:
    return [name for kind in VOLUME_GROUP_KINDS for name in group.resource(kind)]


def repository_is_usable(case: Case) -> Iterator[Finding]:
    """Every node sees the repository disk and its backups, and none of them holds a shared volume group."""
    c = case.configuration
    disks = [("repository disk", c.repository)] if c.repository else []
    disks += [("backup repository disk", identifier) for identifier in c.backup_repositories]
    if c.repository in c.backup_repositories:
        yield error(f"The repository disk {c.repository} is its own backup.")
    for what, identifier in disks:
        for node, known in case.answering():
            if known.disks and identifier not in known.disks:
                yield error(f"The {what} with PVID {identifier} is not known to node '{node}'.")
            for name, group in known.volume_groups.items():
                if identifier in group.disks:
                    yield error(f"The {what} with PVID {identifier} is a part of volume group '{name}' on '{node}'.")


def volume_groups_are_known(case: Case) -> Iterator[Finding]:
    """Every node of a group knows its volume groups."""
    for group in case.configuration.groups:
        for name in _volume_groups(group):
            for node, known in case.answering(group.nodes):
                if name not in known.volume_groups:
                    yield error(
                        f"The volume group '{name}' of resource group '{group.name}' is not known to node '{node}'.",
                        Correction(
                            node, "volume_group", (name,), IMPORT,
                            f"Importing volume group {name} onto node {node}",
                        ),
                    )  # fmt: skip


def volume_groups_are_the_cluster_s(case: Case) -> Iterator[Finding]:
    """Nobody but the cluster varies its volume groups on, and all of them can be shared."""
    for group in case.configuration.groups:
        for name in _volume_groups(group):
            for node, known in case.answering(group.nodes):
                found = known.volume_groups.get(name)
                if found is None:
                    continue
                if found.auto_on:
                    yield error(
                        f"The volume group '{name}' of resource group '{group.name}' is varied on automatically at "
                        f"boot on node '{node}'.",
                        Correction(
                            node, "auto_on", (name,), "cl_disable_auto_varyon",
                            f"Disabling automatic varyon of volume group {name} on node {node}",
                        ),
                    )  # fmt: skip
                if not found.concurrent:
                    yield warning(
                        f"The volume group '{name}' of resource group '{group.name}' is not concurrent capable on node "
                        f"'{node}': fast disk takeover is not possible."
                    )
                if found.varied_on and group.name not in known.online:
                    yield warning(
                        f"The volume group '{name}' is varied on on node '{node}', but the resource group "
                        f"'{group.name}' is not online there.",
                        Correction(
                            node, "varyoff", (name,), "cl_varyoff_vg",
                            f"Varying off volume group {name} on node {node}",
                        ),
                    )  # fmt: skip


def definitions_are_current(case: Case) -> Iterator[Finding]:
    """What a node knows of a volume group has the time stamp of its descriptor area.

    One that was changed beside C-SPOC is learnt anew when it is varied on, so this is no error (the text is inferred).
    """
    for group in case.configuration.groups:
        for name in _volume_groups(group):
            for node, known in case.answering(group.nodes):
                if name in known.volume_groups and not known.volume_groups[name].current:
                    yield warning(
                        f"The time stamp of the volume group '{name}' of resource group '{group.name}' is out of date "
                        f"on node '{node}'.",
                        Correction(
                            node, "volume_group", (name,), "cl_resource_update_vg_definitions",
                            f"Re-importing volume group {name} onto node {node}",
                        ),
                    )  # fmt: skip


def disks_agree(case: Case) -> Iterator[Finding]:
    """All nodes of a group have the same PVIDs for its volume groups."""
    for group in case.configuration.groups:
        for name in _volume_groups(group):
            nodes = [(node, known.volume_groups[name]) for node, known in case.answering(group.nodes)
                     if name in known.volume_groups]  # fmt: skip
            everywhere = {disk: node for node, facts in nodes for disk in facts.disks}
            for disk, owner in sorted(everywhere.items()):
                for node, facts in nodes:
                    if disk not in facts.disks:
                        yield error(_disagree(disk, name, group.name, owner, node), _update(name, group.name, node))


def _disagree(disk: str, name: str, group: str, owner: str, node: str) -> str:
    return (
        f"A disk with PVID {disk}{ZEROS} is a part of the volume group {name} participating in resource group {group} "
        f"on node {owner}. Node {node} is also\n"
        "part of this resource group, but it does not have this PVID defined as a\n"
        "part of this volume group.\n"
        "The list of PVIDs per volume group should be consistent for all nodes that\n"
        "can require access to this volume group."
    )


def _update(name: str, group: str, node: str) -> Correction:
    return Correction(
        node, "volume_group", (name,), "cl_resource_update_vg_definitions",
        f"Updating volume group definitions of shared VG: {name} participating in\nresource group {group} so that it "
        "will be consistent across all the nodes\nfrom this resource group",
        f"Do you want to change volume group definitions for the volume\ngroup: {name} participating in resource group "
        f"{group} on node: {node}",
    )  # fmt: skip


def mirrors_survive(case: Case) -> Iterator[Finding]:
    """A volume group that is varied on by force has a whole copy of its data on either set of disks, and one without
    quorum is varied on by force when a disk is missing (the product asks for super strict mirrors; texts inferred)."""
    for group in case.configuration.groups:
        forced = group.resource("FORCED_VARYON")[:1] == ("true",)
        for name in _volume_groups(group):
            found = next(
                (known.volume_groups[name] for _, known in case.answering(group.nodes) if name in known.volume_groups),
                None,
            )
            if found is None:
                continue
            whose = f"of volume group '{name}' of resource group '{group.name}'"
            for volume in found.one_copy if forced else ():
                yield warning(
                    f"The logical volume '{volume}' {whose} has one copy only: a forced varyon cannot make up for the "
                    "loss of its disk."
                )
            for volume in found.shared_disks if forced else ():
                yield warning(
                    f"The copies of the logical volume '{volume}' {whose} are not super strict: a forced varyon may "
                    "find no complete copy."
                )
            if not found.quorum and not forced:
                yield warning(
                    f"The volume group '{name}' of resource group '{group.name}' has no quorum: without forced varyon "
                    "(FORCED_VARYON) it can only be taken over while all of its disks are available."
                )
            if found.stale:
                yield warning(
                    f"The volume group '{name}' of resource group '{group.name}' has {found.stale} stale partitions: "
                    "bring the disk back (varyonvg) and synchronize them (syncvg)."
                )


def _file_systems(case: Case, group: ResourceGroup) -> dict[str, None]:
    """The file systems that a group names, or with ALL (the default) those that its volume groups have."""
    named = dict.fromkeys(name for name in group.resource("FILESYSTEM") if name != "ALL")
    if named:
        return named
    names = _volume_groups(group)
    found = [known.volume_groups[name] for _, known in case.answering(group.nodes) for name in names
             if name in known.volume_groups]  # fmt: skip
    return dict.fromkeys(point for facts in found for point in facts.mount_points)


def _holder(case: Case, group: ResourceGroup, point: str) -> str:
    """The volume group of a group that has a file system; the first one if nobody knows."""
    names = _volume_groups(group)
    for _, known in case.answering(group.nodes):
        for name in names:
            if name in known.volume_groups and point in known.volume_groups[name].mount_points:
                return name
    return names[0] if names else ""


def file_systems_fit(case: Case) -> Iterator[Finding]:
    """File systems are known on every node of the group, are not mounted at boot, and have a volume group."""
    for group in case.configuration.groups:
        names = list(_file_systems(case, group))
        if group.resource("FILESYSTEM") and not _volume_groups(group):
            yield error(f"The resource group '{group.name}' has file systems but no volume group.")
        for name in names:
            volume_group = _holder(case, group, name)
            volumes: dict[str, str] = {}
            for node, known in case.answering(group.nodes):
                found = known.file_systems.get(name)
                if found is None:
                    yield error(
                        f"The file system '{name}' of resource group '{group.name}' is not known to node '{node}'.",
                        Correction(
                            node, "volume_group", (volume_group,), "cl_resource_update_fs",
                            f"Re-importing volume group {volume_group} onto node {node}",
                        ) if volume_group else None,
                    )  # fmt: skip
                    continue
                volumes[node] = found.volume
                if found.mount not in ("false", ""):
                    yield error(
                        f"The file system '{name}' of resource group '{group.name}' is mounted automatically at boot "
                        f"on node '{node}'.",
                        Correction(
                            node, "mount", (name,), "cl_resource_update_fs",
                            f"Setting mount = false for file system {name} on node {node}",
                        ),
                    )  # fmt: skip
            if len(set(volumes.values())) > 1:
                listed = ", ".join(f"{node} {volume}" for node, volume in volumes.items())
                yield warning(f"The logical volume of the file system '{name}' differs between nodes: {listed}.")
