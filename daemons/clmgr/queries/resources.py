"""Queries of resource groups, applications, monitors, tapes, dependencies and fallback timers."""

from __future__ import annotations

from daemons.clmgr.queries.facts import Facts
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.settings import DEPENDENCY_TYPES, MONITOR_ATTRIBUTES, controller_key
from daemons.cluster.configuration import Configuration, ResourceGroup
from daemons.cluster.configuration.policies import DIFFERENT_NODES, HIGH, INTERMEDIATE, LOW, PARENT_CHILD

MONITOR_DEFAULTS = {"MODE": "longrunning", "HUNGSIGNAL": "9", "RESTARTCOUNT": "3", "FAILUREACTION": "notify"}
WORDS = {odm: word for word, odm in DEPENDENCY_TYPES.items()}
SHOWN = {"TEMPORARY ERROR": "TEMP ERROR"}
"""States that clRGinfo calls otherwise than the cluster manager."""
WEEK = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def _group_state(group: ResourceGroup, facts: Facts) -> tuple[str, str]:
    """State and owner of a group; without a running cluster it is OFFLINE and nobody's."""
    found = None
    if facts.picture is not None and facts.picture.members:
        found = next((g for g in facts.picture.groups if g.name == group.name), None)
    if found is None:
        return "OFFLINE", ""
    names = {n.number: n.name for n in facts.picture.nodes} if facts.picture else {}
    if found.unmanaged_on:
        return "UNMANAGED", names.get(found.unmanaged_on, "")
    for word in ("ONLINE", "ACQUIRING", "RELEASING", "ERROR", "TEMPORARY ERROR"):
        owners = [names.get(place.node, "") for place in found.nodes if place.state == word]
        if owners:
            return SHOWN.get(word, word), " ".join(owners)
    return "OFFLINE", ""


def groups(c: Configuration, facts: Facts) -> list[Block]:
    """``query resource_group``."""
    blocks = []
    for g in c.groups:
        state, owner = _group_state(g, facts)

        def value(kind: str, default: str = "", group: ResourceGroup = g) -> tuple[str, str]:
            return kind, " ".join(group.resource(kind)) or default

        blocks.append(
            [
                ("NAME", g.name),
                ("CURRENT_NODE", owner),
                ("NODES", " ".join(node for node in g.nodes if node not in g.secondary_nodes)),
                ("STATE", state),
                ("TYPE", "CONCURRENT" if g.concurrent else "NON-CONCURRENT"),
                value("APPLICATIONS"),
                ("STARTUP", g.startup),
                ("FALLOVER", g.fallover),
                ("FALLBACK", g.fallback),
                value("NODE_PRIORITY_POLICY", "default"),
                value("NODE_PRIORITY_POLICY_SCRIPT"),
                value("NODE_PRIORITY_POLICY_TIMEOUT"),
                value("DISK"),
                value("VOLUME_GROUP"),
                value("FORCED_VARYON", "false"),
                value("FILESYSTEM"),
                value("FSCHECK_TOOL", "fsck"),
                value("RECOVERY_METHOD", "sequential"),
                value("EXPORT_FILESYSTEM"),
                value("SHARED_TAPE_RESOURCES"),
                value("AIX_CONNECTIONS_SERVICES"),
                value("AIX_FAST_CONNECT_SERVICES"),
                value("COMMUNICATION_LINKS"),
                value("MOUNT_FILESYSTEM"),
                value("SERVICE_LABEL"),
                value("MISC_DATA"),
                value("SSA_DISK_FENCING", "false"),
                value("VG_AUTO_IMPORT", "false"),
                value("INACTIVE_TAKEOVER", "false"),
                ("CASCADE_WO_FALLBACK", "false"),
                value("FS_BEFORE_IPADDR", "false"),
                value("NFS_NETWORK"),
                ("MOUNT_ALL_FS", "false" if g.resource("FILESYSTEM") not in ((), ("ALL",)) else "true"),
                ("WLM_PRIMARY", ""),
                ("WLM_SECONDARY", ""),
                ("FALLBACK_AT", g.fallback_timer),
                ("RELATIONSHIP", ""),
                ("SRELATIONSHIP", g.site_policy),
                ("GMD_REP_RESOURCE", ""),
                ("PPRC_REP_RESOURCE", ""),
                ("ERCMF_REP_RESOURCE", ""),
                ("SRDF_REP_RESOURCE", ""),
                ("TRUCOPY_REP_RESOURCE", ""),
                ("SVCPPRC_REP_RESOURCE", ""),
                ("GMVG_REP_RESOURCE", ""),
                value("EXPORT_FILESYSTEM_V4"),
                value("STABLE_STORAGE_PATH"),
                value("WPAR_NAME"),
                *_own_attributes(g),
            ]
        )
    return blocks


def _own_attributes(group: ResourceGroup) -> Block:
    """What is not in the product's list, only where it is set."""
    kinds = ("SECONDARYNODES", "MIRROR_GROUP", "USERDEFINED_RESOURCES")
    found: Block = [(kind, " ".join(group.resource(kind))) for kind in kinds if group.resource(kind)]
    if group.notified:
        found.append(("RECOVERY_NOTIFY", " ".join(value for _, value, _ in group.notified)))
        methods = dict.fromkeys(method for _, _, method in group.notified if method)
        found.append(("RECOVERY_NOTIFY_METHOD", " ".join(methods)))
    return found


def resource_types(c: Configuration, facts: Facts) -> list[Block]:
    """``query udresource_type``."""
    return [
        [
            ("NAME", entry.name),
            ("AFTER", entry.order),
            ("STARTMETHOD", entry.start),
            ("STOPMETHOD", entry.stop),
            ("MONITORMETHOD", entry.monitor),
            ("CLEANUPMETHOD", entry.cleanup),
            ("RESTARTMETHOD", entry.restart),
            ("NOTIFYMETHOD", entry.notify),
            ("VERIFYMETHOD", entry.verification),
        ]
        for entry in c.resource_types
    ]


def user_resources(c: Configuration, facts: Facts) -> list[Block]:
    """``query udresource``. Who reads lines expects one equals sign in each, so attributes are NAME:VALUE."""
    return [
        [
            ("NAME", entry.name),
            ("TYPE", entry.type),
            ("ATTRIBUTES", " ".join(f"{name}:{value}" for name, value in entry.attributes)),
        ]
        for entry in c.user_resources
    ]


def controllers(c: Configuration, facts: Facts) -> list[Block]:
    """``query application_controller``."""

    def setting(name: str, attribute: str, default: str = "") -> tuple[str, str]:
        return attribute, c.setting(controller_key(name, attribute), default)

    return [
        [
            ("NAME", a.name),
            ("STARTSCRIPT", a.start),
            ("STOPSCRIPT", a.stop),
            ("MONITORS", " ".join(m.name for m in c.monitors_of(a.name))),
            ("STARTUP_MODE", a.startup_mode),
            (
                "CPU_USAGE_MONITOR",
                "yes" if c.setting(controller_key(a.name, "CPU_USAGE_MONITOR")) == "true" else "no",
            ),
            setting(a.name, "PROCESS_TO_MONITOR_CPU_USAGE"),
            setting(a.name, "CPU_USAGE_MONITOR_INTERVAL"),
        ]
        for a in c.controllers
    ]


def monitors(c: Configuration, facts: Facts) -> list[Block]:
    """``query application_monitor``."""
    return [
        [
            ("NAME", m.name),
            ("TYPE", "Process" if m.is_process_monitor else "Custom"),
            ("APPLICATIONS", " ".join(m.applications)),
            *(
                (attribute, m.attribute(field, MONITOR_DEFAULTS.get(attribute, "")))
                for attribute, field in MONITOR_ATTRIBUTES.items()
            ),
        ]
        for m in c.monitors
    ]


def tapes(c: Configuration, facts: Facts) -> list[Block]:
    """``query tape``."""
    return [
        [
            ("NAME", t.name),
            ("SHARED_TAPE_RESOURCE", t.device),
            ("DESCRIPTION", t.description),
            ("STARTSCRIPT", t.start),
            ("START_SCRIPT_SYNCHRONOUSLY", "true" if t.start_synchronous else "false"),
            ("STOPSCRIPT", t.stop),
            ("STOP_SCRIPT_SYNCHRONOUSLY", "true" if t.stop_synchronous else "false"),
        ]
        for t in c.tapes
    ]


def dependencies(c: Configuration, facts: Facts) -> list[Block]:
    """``query dependency``: the name is the object's id."""
    blocks: list[Block] = []
    for d in c.dependencies:
        first, second = ("PARENT", "CHILD") if d.kind == PARENT_CHILD else ("TARGET", "SOURCE")
        blocks.append([("NAME", str(d.id)), ("TYPE", WORDS.get(d.kind, d.kind)), (first, d.parent), (second, d.child)])
    for s in c.location_dependencies:
        block = [("NAME", str(s.id)), ("TYPE", WORDS.get(s.kind, s.kind)), ("GROUPS", " ".join(s.groups))]
        if s.kind == DIFFERENT_NODES:
            block += [
                (level, " ".join(name for name, priority in s.members if priority == level))
                for level in (HIGH, INTERMEDIATE, LOW)
            ]
        blocks.append(block)
    return blocks


def timers(c: Configuration, facts: Facts) -> list[Block]:
    """``query fallback_timer``."""

    def shown(number: int) -> str:
        return str(number) if number else ""

    return [
        [
            ("NAME", t.name),
            ("REPEATS", t.recurrence),
            ("YEAR", shown(t.year)),
            ("MONTH", shown(t.month)),
            ("DAY_OF_MONTH", shown(t.day_of_month)),
            ("DAY_OF_WEEK", WEEK[t.week_day % 7] if t.recurrence == "weekly" else ""),
            ("HOUR", str(t.hour)),
            ("MINUTE", str(t.minutes)),
        ]
        for t in c.timers
    ]


QUERIES = {
    "resource_group": groups,
    "application_controller": controllers,
    "application_monitor": monitors,
    "tape": tapes,
    "dependency": dependencies,
    "fallback_timer": timers,
    "udresource_type": resource_types,
    "udresource": user_resources,
}
