"""clshowres, cllsres, cllsgrp, cllsserv, cllsappmon, cllsvg, cllsfs, cllsdisk.

The labels of clshowres and their order are the product's, their column (52) too; cllsserv, cllsappmon and the colon
forms are inferred, but for what is said of their fields.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from daemons.cluster.configuration import Configuration, ResourceGroup
from daemons.cluster.listing.topology import parameter_lines
from daemons.cluster.listing.words import FALLBACK, FALLOVER, SITE, STARTUP

COLUMN = 52
RESOURCES: tuple[tuple[str, str, str], ...] = (
    ("Service IP Label", "SERVICE_LABEL", ""),
    ("Filesystems", "FILESYSTEM", "ALL"),
    ("Filesystems Consistency Check", "FSCHECK_TOOL", "fsck"),
    ("Filesystems Recovery Method", "RECOVERY_METHOD", "sequential"),
    ("Filesystems/Directories to be exported (NFSv2/NFSv3)", "EXPORT_FILESYSTEM", ""),
    ("Filesystems/Directories to be exported (NFSv4)", "EXPORT_FILESYSTEM_V4", ""),
    ("Filesystems to be NFS mounted", "MOUNT_FILESYSTEM", ""),
    ("Network For NFS Mount", "NFS_NETWORK", ""),
    ("Filesystem/Directory for NFSv4 Stable Storage", "STABLE_STORAGE_PATH", ""),
    ("Volume Groups", "VOLUME_GROUP", ""),
    ("Concurrent Volume Groups", "CONCURRENT_VOLUME_GROUP", ""),
    ("Use forced varyon for volume groups, if necessary", "FORCED_VARYON", "false"),
    ("Disks", "DISK", ""),
    ("Raw Disks", "RAW_DISK", ""),
    ("Disk Error Management?", "DISK_ERROR_MANAGEMENT", "no"),
    ("GMVG Replicated Resources", "GMVG_REP_RESOURCE", ""),
    ("GMD Replicated Resources", "GMD_REP_RESOURCE", ""),
    ("PPRC Replicated Resources", "PPRC_REP_RESOURCE", ""),
    ("SVC PPRC Replicated Resources", "SVCPPRC_REP_RESOURCE", ""),
    ("EMC SRDF Replicated Resources", "SRDF_REP_RESOURCE", ""),
    ("Hitachi TrueCopy Replicated Resources", "TRUCOPY_REP_RESOURCE", ""),
    ("Generic XD Replicated Resources", "GENERIC_XD_REP_RESOURCE", ""),
    ("AIX Connections Services", "AIX_CONNECTIONS_SERVICES", ""),
    ("AIX Fast Connect Services", "AIX_FAST_CONNECT_SERVICES", ""),
    ("Shared Tape Resources", "SHARED_TAPE_RESOURCES", ""),
    ("Application Servers", "APPLICATIONS", ""),
    ("Highly Available Communication Links", "COMMUNICATION_LINKS", ""),
    ("Primary Workload Manager Class", "WLM_PRIMARY", ""),
    ("Secondary Workload Manager Class", "WLM_SECONDARY", ""),
    ("Delayed Fallback Timer", "", ""),
    ("Miscellaneous Data", "MISC_DATA", ""),
    ("Automatically Import Volume Groups", "VG_AUTO_IMPORT", "false"),
    ("Inactive Takeover", "INACTIVE_TAKEOVER", ""),
    ("SSA Disk Fencing", "SSA_DISK_FENCING", "false"),
    ("Filesystems mounted before IP configured", "FS_BEFORE_IPADDR", "false"),
    ("WPAR Name", "WPAR_NAME", ""),
)
"""Label of clshowres, HACMPresource.name, and what is shown without one."""


def _line(label: str, value: str) -> str:
    # A label that fills its column is kept apart from its value.
    return f"{label:<{COLUMN}}{' ' if len(label) >= COLUMN and value else ''}{value}".rstrip()


def _value(group: ResourceGroup, kind: str, default: str) -> str:
    if kind == "FILESYSTEM" and not group.resource("VOLUME_GROUP"):
        default = ""
    return " ".join(group.resource(kind)) or default


def group_block(group: ResourceGroup) -> list[str]:
    """One resource group of ``clshowres``."""
    lines = [
        _line("Resource Group Name", group.name),
        _line("Participating Node Name(s)", " ".join(group.nodes)),
        _line("Startup Policy", STARTUP.get(group.startup, group.startup)),
        _line("Fallover Policy", FALLOVER.get(group.fallover, group.fallover)),
        _line("Fallback Policy", FALLBACK.get(group.fallback, group.fallback)),
        _line("Site Relationship", SITE.get(group.site_policy, group.site_policy)),
        _line("Node Priority", _value(group, "NODE_PRIORITY_POLICY", "").replace("default", "")),
    ]
    for label, kind, default in RESOURCES:
        lines.append(_line(label, _value(group, kind, default) if kind else group.fallback_timer))
    return lines


def show(c: Configuration, group: str = "", node: str = "") -> list[str]:
    """``clshowres [-g group] [-n node]``."""
    chosen = [g for g in c.groups if group in ("", g.name) and (not node or node in g.nodes)]
    lines: list[str] = []
    for found in chosen:
        lines += ["", *group_block(found)]
    if not group:
        lines += ["", "Run Time Parameters:", "", *parameter_lines(c, [node] if node else [], False, True)]
    return lines[1:] if lines[:1] == [""] else lines


RESOURCE_LINES = (
    ("APPLICATIONS", ""), ("CONCURRENT_VOLUME_GROUP", ""), ("DISK", ""), ("EXPORT_FILESYSTEM", ""),
    ("EXPORT_FILESYSTEM_V4", ""), ("FILESYSTEM", ""), ("FORCED_VARYON", "false"), ("FSCHECK_TOOL", "fsck"),
    ("FS_BEFORE_IPADDR", "false"), ("MISC_DATA", ""), ("MOUNT_FILESYSTEM", ""), ("NFS_NETWORK", ""),
    ("NODE_PRIORITY_POLICY", ""), ("RAW_DISK", ""), ("RECOVERY_METHOD", "sequential"), ("SERVICE_LABEL", ""),
    ("SHARED_TAPE_RESOURCES", ""), ("SSA_DISK_FENCING", "false"), ("STABLE_STORAGE_PATH", ""),
    ("USERDEFINED_RESOURCES", ""), ("VG_AUTO_IMPORT", "false"), ("VOLUME_GROUP", ""), ("WPAR_NAME", ""),
)  # fmt: skip
"""What cllsres prints, and what it says of a group without such a resource; "" leaves the line out."""
RESOURCE_COLUMNS = (
    "DISK", "VOLUME_GROUP", "CONCURRENT_VOLUME_GROUP", "FORCED_VARYON", "FILESYSTEM", "FSCHECK_TOOL",
    "RECOVERY_METHOD", "EXPORT_FILESYSTEM", "SHARED_TAPE_RESOURCES", "AIX_CONNECTIONS_SERVICES",
    "AIX_FAST_CONNECT_SERVICES", "COMMUNICATION_LINKS", "APPLICATIONS", "MOUNT_FILESYSTEM", "SERVICE_LABEL",
    "MISC_DATA", "SSA_DISK_FENCING", "VG_AUTO_IMPORT", "INACTIVE_TAKEOVER", "FS_BEFORE_IPADDR", "NFS_NETWORK",
    "NODE_PRIORITY_POLICY", "NODES", "GMD_REP_RESOURCE", "PPRC_REP_RESOURCE", "ERCMF_REP_RESOURCE",
    "SR_REP_RESOURCE", "TC_REP_RESOURCE", "GENXD_REP_RESOURCE", "SVCPPRC_REP_RESOURCE", "GMVG_REP_RESOURCE",
    "PRIMARYNODES", "SECONDARYNODES", "EXPORT_FILESYSTEM_V4", "STABLE_STORAGE_PATH", "WPAR_NAME",
    "USERDEFINED_RESOURCES", "RAW_DISK",
)  # fmt: skip
"""The columns of ``cllsres -c``: the names, and the order of those that hold lists, are what an inventory module for
clusters of this release reads; where the single values stand among them is inferred from the order of clmgr's query."""


def resource_lines(
    c: Configuration, group: str, colon: bool, header: bool, chosen: Collection[tuple[str, str, str]] | None = None
) -> list[str]:
    """``cllsres [-g group] [-c] [-q query]``: the resources of a group, or of all groups together.

    The colon form has a row for each group (inferred). ``chosen`` are the group, name and value of the HACMPresource
    objects that a query took; None: all, and the defaults of what a group does not say.
    """
    groups = [g for g in c.groups if group in ("", g.name)]
    defaults = dict(RESOURCE_LINES)

    def text(of: Sequence[ResourceGroup], kind: str) -> str:
        found = dict.fromkeys(
            word for g in of for word in g.resource(kind) if chosen is None or (g.name, kind, word) in chosen
        )
        if found or chosen is not None:
            return " ".join(found)
        if kind == "FILESYSTEM" and any(g.resource("VOLUME_GROUP") for g in of):
            return "ALL"
        return defaults.get(kind, "") if of else ""

    if colon:
        first = ["#" + ":".join(RESOURCE_COLUMNS)] if header else []
        return first + [
            ":".join(" ".join(g.nodes) if kind == "NODES" else text([g], kind) for kind in RESOURCE_COLUMNS)
            for g in groups
        ]
    return [f'{kind}="{value}"' for kind in defaults if (value := text(groups, kind))]


def group_lines(c: Configuration, group: str, colon: bool, header: bool) -> list[str]:
    """``cllsgrp [-g group]``: names; ``-c`` with nodes and policies."""
    chosen = [g for g in c.groups if group in ("", g.name)]
    if not colon:
        return [g.name for g in chosen]
    first = ["#group:type:nodes:startup:fallover:fallback"] if header else []
    return first + [
        f"{g.name}:{'concurrent' if g.concurrent else 'non-concurrent'}:{' '.join(g.nodes)}:"
        f"{g.startup}:{g.fallover}:{g.fallback}"
        for g in chosen
    ]


def controller_lines(c: Configuration, name: str, colon: bool, header: bool) -> list[str]:
    """``cllsserv [-n name] [-c]``. The five fields of the colon form are what an inventory module reads."""
    chosen = [a for a in c.controllers if name in ("", a.name)]
    if colon:
        first = ["#name:start:stop:startup_mode:monitors"] if header else []
        return first + [
            f"{a.name}:{a.start}:{a.stop}:{a.startup_mode}:{' '.join(m.name for m in c.monitors_of(a.name))}"
            for a in chosen
        ]
    return [f"{a.name:<20} {a.start:<30} {a.stop:<30} {a.startup_mode}" for a in chosen]


def monitor_lines(c: Configuration, name: str, colon: bool, header: bool) -> list[str]:
    """``cllsappmon [name] [-c]``."""
    rows = [(m.name, "process" if m.is_process_monitor else "user") for m in c.monitors if name in ("", m.name)]
    if colon:
        first = ["#name:type"] if header else []
        return first + [":".join(row) for row in rows]
    return [f"{row[0]:<32} {row[1]}" for row in rows]
