"""Resource groups as ``clRGinfo`` prints them: data in, lines out.

Layouts are those of 7.2 ("layout B"), seen in the 7.2 books; ``-s`` is the captured colon form of 7.1.3 with its
fifteen fields. ``-v`` and ``-m`` follow what the reference reconstructs.
"""

from __future__ import annotations

import time

from daemons.clstrmgr.messages import ClusterSnapshot, GroupNodeView, GroupView

RULE = "-" * 77
POLICIES = {
    "OHN": "Online On Home Node Only",
    "OFAN": "Online On First Available Node",
    "OUDP": "Online Using Distribution Policy",
    "OAAN": "Online On All Available Nodes",
    "FNPN": "Fallover To Next Priority Node In The List",
    "FUDNP": "Fallover Using Dynamic Node Priority",
    "BO": "Bring Offline (On Error Node Only)",
    "FBHPN": "Fallback To Higher Priority Node In The List",
    "NFB": "Never Fallback",
}


SITE_POLICIES = {
    "ignore": ("ignore", "ignore"),
    "primary": ("PPS", "Prefer Primary Site"),
    "either": ("OES", "Online On Either Site"),
    "both": ("OBS", "Online On Both Sites"),
}
"""Inter-site management policies: the code of ``clRGinfo -c``, and the words."""
SECONDARY = " SECONDARY"

POSSESSED = ("ONLINE", "ACQUIRING", "RELEASING", "ERROR", "UNMANAGED")
"""States of a group of which a node has something, or may have."""

NODE_STATES = {
    "NOT_CONFIGURED": "NOT_CONFIGURED",
    "ST_INIT": "OFFLINE",
    "ST_JOINING": "JOINING",
    "ST_VOTING": "MOVING",
    "ST_RP_RUNNING": "MOVING",
    "ST_BARRIER": "MOVING",
    "ST_CBARRIER": "MOVING",
    "ST_UNSTABLE": "MOVING",
    "ST_STABLE": "NORMAL",
    "ST_RP_FAILED": "ERROR",
}


def node_words(raw: str, services: bool) -> tuple[str, str]:
    """A node's STATE and RAW_STATE, as clmgr and clshowsrv show them.

    Args:
        raw: the state of its cluster manager.
        services: False after a stop with unmanage.
    """
    if raw == "ST_STABLE" and not services:
        return "UNMANAGED", "UNMANAGED"
    return NODE_STATES.get(raw, "UNKNOWN"), raw


def _shown(state: str) -> str:
    """A state in the words of clRGinfo's manual page."""
    return "TEMP ERROR" if state == "TEMPORARY ERROR" else state


def _names(picture: ClusterSnapshot) -> dict[int, str]:
    return {node.number: node.name for node in picture.nodes}


def _place(names: dict[int, str], group: GroupView, entry: GroupNodeView) -> str:
    """A node as the tables name it: with its site, if that means something to the group."""
    name = names.get(entry.node, "")
    return f"{name}@{entry.site}" if entry.site and group.site_policy != "ignore" else name


def plain(picture: ClusterSnapshot, groups: list[GroupView], timers: bool = False) -> list[str]:
    """``clRGinfo``; with ``timers`` as ``clRGinfo -t``."""
    names = _names(picture)
    extra = "             Delayed Timers" if timers else ""
    lines = [RULE, f"{'Group Name':<28} {'Group State':<16} Node{extra}", RULE]
    for group in groups:
        label = group.name
        for entry in group.nodes:
            row = f"{label:<28} {_shown(entry.state):<16} {_place(names, group, entry)}"
            if timers and label and group.timer:
                row = f"{row:<62} {group.timer}"
            lines.append(row)
            label = ""
        lines.append("")
    return lines[:-1] if groups else lines


def colon(picture: ClusterSnapshot, groups: list[GroupView]) -> list[str]:
    """``clRGinfo -s`` and ``-c``."""
    names = _names(picture)
    return [
        ":".join(
            (
                group.name,
                _shown(entry.state).replace(" ", "_"),
                names.get(entry.node, ""),
                "concurrent" if group.startup == "OAAN" else "non-concurrent",
                group.startup,
                group.fallover,
                group.fallback,
                SITE_POLICIES.get(group.site_policy, SITE_POLICIES["ignore"])[0],
                entry.site,
                "",
                " ",
                " ",
                "",
                "",
                "",
            )
        )
        for group in groups
        for entry in group.nodes
    ]


def _table(picture: ClusterSnapshot, group: GroupView, heading: str = "Group State") -> list[str]:
    names = _names(picture)
    lines = [f"{'Node':<28} {heading}", f"{'-' * 28} {'-' * 15}"]
    for entry in group.nodes:
        state = (
            f"{entry.state} due to {entry.reason}" if entry.reason and entry.state == "OFFLINE" else _shown(entry.state)
        )
        lines.append(f"{_place(names, group, entry):<28} {state}")
    return lines


def verbose(picture: ClusterSnapshot, groups: list[GroupView]) -> list[str]:
    """``clRGinfo -v``."""
    lines = [f"Cluster Name: {picture.cluster_name}", ""]
    for group in groups:
        lines += [
            f"Resource Group Name: {group.name}",
            f"Startup Policy: {POLICIES.get(group.startup, group.startup)}",
            f"Fallover Policy: {POLICIES.get(group.fallover, group.fallover)}",
            f"Fallback Policy: {POLICIES.get(group.fallback, group.fallback)}",
            f"Site Policy: {SITE_POLICIES.get(group.site_policy, SITE_POLICIES['ignore'])[1]}",
            *_table(picture, group),
            "",
        ]
    return lines[:-1]


def after_request(picture: ClusterSnapshot, group: GroupView) -> list[str]:
    """The table that ``clRGmove -i`` and ``clmgr move resource_group`` end with."""
    return [
        f"Cluster Name: {picture.cluster_name}",
        "",
        f"Resource Group Name: {group.name}",
        *[line.split(" due to ")[0].rstrip() for line in _table(picture, group)],
    ]


def override(picture: ClusterSnapshot, groups: list[GroupView]) -> list[str]:
    """``clRGinfo -p``."""
    names = _names(picture)
    lines = [f"Cluster Name: {picture.cluster_name}", ""]
    for group in groups:
        lines += [f"Resource Group Name: {group.name}", "Primary instance(s):"]
        if group.override:
            when = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(group.override_time))
            lines += [
                "The following node temporarily has the highest priority for this instance:",
                f"{names.get(group.override, '')}, user-requested rg_move performed on {when}",
                "",
            ]
        lines += [f"{'Node':<28} {'Primary State':<16} Secondary State", f"{'-' * 28} {'-' * 16} {'-' * 16}"]
        for entry in group.nodes:
            secondary = entry.state if entry.state.endswith(SECONDARY) else ""
            primary = "OFFLINE" if secondary else _shown(entry.state)
            lines.append(f"{_place(names, group, entry):<28} {primary:<16} {secondary}".rstrip())
        lines.append("")
    return lines[:-1]


def operations(picture: ClusterSnapshot, groups: list[GroupView]) -> list[str]:
    """``clRGinfo -i``: what operators have directed, which policies leave alone (the flag's layout is inferred)."""
    names = _names(picture)
    lines = [f"Cluster Name: {picture.cluster_name}", ""]
    for group in groups:
        if group.operator_offline:
            said = "Offline"
        elif group.override:
            said = f"Online on node {names.get(group.override, '')}"
        else:
            said = "None"
        lines += [
            f"Resource Group Name: {group.name}",
            f"Administrator directed operation: {said}",
            *_table(picture, group),
            "",
        ]
    return lines[:-1]


def movement(picture: ClusterSnapshot, groups: list[GroupView]) -> list[str]:
    """``clRGinfo -a``: where a group is before and after the running event."""
    names = _names(picture)
    lines = [RULE, f"{'Group Name':<14} Resource Group Movement", RULE]
    for group in groups:
        before = next((entry.node for entry in group.nodes if entry.state in ("ONLINE", "RELEASING")), 0)
        after = next((entry.node for entry in group.nodes if entry.state in ("ONLINE", "ACQUIRING")), 0)
        if any(group.moving) and group.startup != "OAAN":
            before, after = group.moving
        before, after = before or group.unmanaged_on, after or group.unmanaged_on
        lines.append(f'{group.name:<14} PRIMARY="{names.get(before, "")}:{names.get(after, "")}"')
        if group.site_policy in ("primary", "either"):
            # The row of the other instance is inferred from the first one.
            words = [
                (entry.node, entry.state.removesuffix(SECONDARY)) for entry in group.nodes if SECONDARY in entry.state
            ]
            before = next((node for node, word in words if word in ("ONLINE", "RELEASING")), 0)
            after = next((node for node, word in words if word in ("ONLINE", "ACQUIRING")), 0)
            lines.append(f'{"":<14} SECONDARY="{names.get(before, "")}:{names.get(after, "")}"')
    return lines


def monitoring(picture: ClusterSnapshot, groups: list[GroupView]) -> list[str]:
    """``clRGinfo -m``: where the group is; a row for each node that has a concurrent one (inferred)."""
    names = _names(picture)
    rule = "-" * 80
    lines = [rule, f"{'Group Name':<14} {'Group State':<28} {'Application state':<28} Node", rule]
    for group in groups:
        there = [entry for entry in group.nodes if entry.node == group.unmanaged_on]
        primary = [entry for entry in group.nodes if entry.state != "OFFLINE" and SECONDARY not in entry.state]
        holders = there or primary or list(group.nodes[:1])
        shown = holders if group.startup == "OAAN" else holders[:1]
        label = group.name
        for entry in shown:
            lines.append(f"{label:<14} {_shown(entry.state):<28} {'':<28} {_place(names, group, entry)}")
            label = ""
        lines += [
            f" {resource.name:<13} {'':<28} {resource.state}"
            for resource in group.resources
            if resource.kind == "APPLICATIONS"
        ]
    return lines
