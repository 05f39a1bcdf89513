"""query: the attributes of every class, from the configuration and the running cluster. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daemons.clmgr.grammar import Block
from daemons.clstrmgr.messages import ClusterSnapshot
from daemons.cluster.configuration import Configuration, Label, ResourceGroup

VERSION = "7.2.7.0"

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


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that queries draw from besides the configuration.

    ``disks`` maps PVIDs to disk names; ``volume_groups`` are blocks made by the storage side.
    """

    local: str
    views: dict[str, ClusterSnapshot | None]
    picture: ClusterSnapshot | None
    disks: dict[str, str]
    repository_up: bool = True
    unsynchronized: bool = False
    ever_synchronized: bool = True
    tunables: dict[str, str] | None = None
    volume_groups: tuple[Block, ...] = ()
    file_systems: tuple[Block, ...] = ()
    physical_volumes: tuple[Block, ...] = ()


Query = Callable[[Configuration, Facts], list[Block]]


def cluster_state(c: Configuration, facts: Facts) -> str:
    """STABLE, WARNING, UNSTABLE, ERROR, OFFLINE or NOT_CONFIGURED."""
    if not facts.ever_synchronized:
        return "NOT_CONFIGURED"
    views = [view for view in facts.views.values() if view is not None]
    if not any(view.services or view.state == "ST_STABLE" for view in views):
        joining = any(view.state not in ("ST_INIT", "NOT_CONFIGURED") for view in views)
        return "UNSTABLE" if joining else "OFFLINE" if views else "UNKNOWN"
    if any(view.state == "ST_RP_FAILED" for view in views):
        return "ERROR"
    if any(view.state not in ("ST_STABLE", "ST_INIT", "NOT_CONFIGURED") for view in views):
        return "UNSTABLE"
    if any(view.state == "ST_STABLE" and not view.services for view in views):
        return "WARNING"
    return "STABLE"


def cluster(c: Configuration, facts: Facts) -> list[Block]:
    """``query cluster``."""
    o, tunables = c.cluster, facts.tunables or {}
    policies = dict(c.split_merge)
    disk = facts.disks.get(c.repository, "")

    def seconds(name: str, default: str) -> str:
        value = tunables.get(name, "")
        return str(int(value) // 1000) if value.isdigit() else default

    return [
        [
            ("CLUSTER_NAME", o.name),
            ("CLUSTER_ID", str(o.id)),
            ("STATE", cluster_state(c, facts)),
            ("TYPE", "NSC"),
            ("HEARTBEAT_TYPE", "MULTICAST" if o.heartbeat_type == "C" else "UNICAST"),
            ("CLUSTER_IP", ""),
            ("REPOSITORIES", f"{disk} ({c.repository})" if c.repository else ""),
            ("VERSION", VERSION),
            ("VERSION_NUMBER", str(o.version)),
            ("EDITION", "STANDARD"),
            ("UNSYNCED_CHANGES", "true" if facts.unsynchronized else "false"),
            ("SECURITY", o.security),
            ("FC_SYNC_INTERVAL", "10"),
            ("RG_SETTLING_TIME", str(o.settling_time)),
            ("RG_DIST_POLICY", o.distribution_policy),
            ("MAX_EVENT_TIME", "180"),
            ("MAX_RG_PROCESSING_TIME", "180"),
            ("DAILY_VERIFICATION", "Enabled" if o.automatic_verification else "Disabled"),
            ("VERIFICATION_NODE", o.verification_node or "Default"),
            ("VERIFICATION_HOUR", str(o.verification_hour)),
            ("VERIFICATION_DEBUGGING", "Enabled"),
            ("LEVEL", "DISABLED"),
            ("ALGORITHM", ""),
            ("GRACE_PERIOD_SEC", ""),
            ("REFRESH", ""),
            ("MECHANISM", ""),
            ("CERTIFICATE", ""),
            ("PRIVATE_KEY", ""),
            ("HEARTBEAT_FREQUENCY", seconds("node_timeout", "30")),
            ("GRACE_PERIOD", seconds("node_down_delay", "10")),
            ("SITE_POLICY_FAILURE_ACTION", "fallover"),
            ("SITE_POLICY_NOTIFY_METHOD", ""),
            ("SITE_HEARTBEAT_CYCLE", "0"),
            ("SITE_GRACE_PERIOD", "0"),
            ("TEMP_HOSTNAME", "disallow"),
            ("MONITOR_INTERFACES", "enable"),
            ("NETWORK_FAILURE_DETECTION_TIME", seconds("network_fdt", "0")),
            ("LPM_POLICY", "unmanage"),
            ("HEARTBEAT_FREQUENCY_DURING_LPM", "0"),
            ("CAA_AUTO_START_DR", "Enabled"),
            ("CAA_REPOS_MODE", "assert" if tunables.get("repos_mode") == "a" else "event"),
            ("CAA_CONFIG_TIMEOUT", tunables.get("config_timeout", "0")),
            ("LVM_PREFERRED_READ", "roundrobin"),
            ("CRIT_DAEMON_RESTART_GRACE_PERIOD", "60"),
            ("SKIP_EVENT_PROCESSING_MANAGE_MODE", ""),
            ("CAA_PVM_WATCHDOG_TIMER", "disable"),
            ("SPLIT_POLICY", policies.get("split", "None").lower()),
            ("MERGE_POLICY", policies.get("merge", "Majority").lower()),
            ("TIEBREAKER", ""),
            ("NFS_QUORUM_SERVER", ""),
            ("LOCAL_QUORUM_DIRECTORY", ""),
            ("REMOTE_QUORUM_DIRECTORY", ""),
            ("NOTIFY_METHOD", ""),
            ("NOTIFY_INTERVAL", ""),
            ("MAXIMUM_NOTIFICATIONS", ""),
            ("DEFAULT_SURVIVING_SITE", ""),
            ("ACTION_PLAN", policies.get("action", "Reboot").lower()),
            ("QUARANTINE_POLICY", "disable"),
        ]
    ]


def nodes(c: Configuration, facts: Facts) -> list[Block]:
    """``query node``."""
    blocks = []
    for node in c.nodes:
        view = facts.views.get(node.name)
        state, raw = ("UNKNOWN", "UNKNOWN") if view is None else (NODE_STATES[view.state], str(view.state))
        if view is not None and view.state == "ST_STABLE" and not view.services:
            state = raw = "UNMANAGED"
        blocks.append(
            [
                ("NAME", node.name),
                ("STATE", state),
                ("RAW_STATE", raw),
                ("COMMPATH", node.communication_path),
                ("RUN_DISCOVERY", "true"),
                ("PERSISTENT_IP", ""),
                ("NETWORK", ""),
                ("NETMASK", ""),
                ("START_ON_BOOT", "false"),
                ("BROADCAST_ON_START", "true"),
                ("CLINFO_ON_START", "false"),
                ("VERIFY_ON_START", "true"),
                ("SITE", ""),
                ("VERSION", VERSION),
                ("HMCS", ""),
                ("ENABLE_LIVE_UPDATE", "true"),
            ]
        )
    return blocks


def networks(c: Configuration, facts: Facts) -> list[Block]:
    """``query network``."""
    return [
        [
            ("NAME", n.name),
            ("ATTR", n.attribute),
            ("ALIAS", "true" if n.alias else "false"),
            ("MONITOR_METHOD", n.monitor_method),
            ("PTOPMETHOD", "0"),
            ("TYPE", n.type),
            ("ENABLE_NSORDER", "false"),
            ("NETMASK", next((entry.netmask for entry in c.labels if entry.network == n.name), "")),
            ("PREFIX", ""),
            ("RESOURCE_DIST_PREF", "AC"),
            ("SOURCE_IP", ""),
        ]
        for n in c.networks
    ]


def _label(c: Configuration, entry: Label, facts: Facts) -> Block:
    network = c.network(entry.network)
    holder = entry.node
    if entry.function == "service" and facts.picture is not None:
        active = next((a.active_node for a in facts.picture.addresses if a.label == entry.label and a.active_node), 0)
        holder = next((n.name for n in facts.picture.nodes if n.number == active), "")
    return [
        ("NAME", entry.label),
        ("IPADDR", entry.address),
        ("NODE", holder),
        ("NETWORK", entry.network),
        ("TYPE", entry.function),
        ("NETTYPE", entry.type),
        ("ATTR", network.attribute if network else "public"),
        ("GLOBALNAME", ""),
        ("NETMASK", entry.netmask),
        ("HADDR", ""),
        ("INTERFACE", entry.interface),
        ("PREFIX", ""),
    ]


def interfaces(c: Configuration, facts: Facts) -> list[Block]:
    """``query interface``."""
    return [_label(c, entry, facts) for entry in c.labels if entry.function == "boot"]


def service_ips(c: Configuration, facts: Facts) -> list[Block]:
    """``query service_ip``."""
    return [[*_label(c, entry, facts), ("SITE", "")] for entry in c.labels if entry.function == "service"]


def controllers(c: Configuration, facts: Facts) -> list[Block]:
    """``query application_controller``."""
    return [
        [
            ("NAME", a.name),
            ("STARTSCRIPT", a.start),
            ("STOPSCRIPT", a.stop),
            ("MONITORS", " ".join(m.name for m in c.monitors if m.attribute("RESOURCE_TO_MONITOR") == a.name)),
            ("STARTUP_MODE", a.startup_mode),
            ("CPU_USAGE_MONITOR", "no"),
            ("PROCESS_TO_MONITOR_CPU_USAGE", ""),
            ("CPU_USAGE_MONITOR_INTERVAL", ""),
        ]
        for a in c.controllers
    ]


def monitors(c: Configuration, facts: Facts) -> list[Block]:
    """``query application_monitor``."""
    return [
        [
            ("NAME", m.name),
            ("TYPE", "Process" if m.attribute("MONITOR_TYPE") == "process" else "Custom"),
            ("APPLICATIONS", m.attribute("RESOURCE_TO_MONITOR")),
            ("MODE", m.attribute("INVOCATION", "longrunning")),
            ("MONITORMETHOD", m.attribute("MONITOR_METHOD")),
            ("MONITORINTERVAL", m.attribute("MONITOR_INTERVAL")),
            ("HUNGSIGNAL", m.attribute("HUNG_MONITOR_SIGNAL", "9")),
            ("PROCESSES", m.attribute("PROCESSES")),
            ("OWNER", m.attribute("PROCESS_OWNER")),
            ("INSTANCECOUNT", m.attribute("INSTANCE_COUNT")),
            ("STABILIZATION", m.attribute("STABILIZATION_INTERVAL")),
            ("RESTARTINTERVAL", m.attribute("RESTART_INTERVAL")),
            ("RESTARTCOUNT", m.attribute("RESTART_COUNT", "3")),
            ("FAILUREACTION", m.attribute("FAILURE_ACTION", "notify")),
            ("CLEANUPMETHOD", m.attribute("CLEANUP_METHOD")),
            ("RESTARTMETHOD", m.attribute("RESTART_METHOD")),
            ("NOTIFYMETHOD", m.attribute("NOTIFY_METHOD")),
        ]
        for m in c.monitors
    ]


def _group_state(group: ResourceGroup, facts: Facts) -> tuple[str, str]:
    """State and owner of a group; without a running cluster it is OFFLINE and nobody's."""
    found = None
    if facts.picture is not None and facts.picture.members:
        found = next((g for g in facts.picture.groups if g.name == group.name), None)
    if found is None:
        return "OFFLINE", ""
    names = {n.number: n.name for n in facts.picture.nodes} if facts.picture else {}
    for word in ("ONLINE", "ACQUIRING", "RELEASING", "ERROR", "UNMANAGED", "TEMPORARY ERROR"):
        owners = [names.get(place.node, "") for place in found.nodes if place.state == word]
        if owners:
            return word, " ".join(owners) if word != "UNMANAGED" else owners[0]
    return "OFFLINE", ""


def groups(c: Configuration, facts: Facts) -> list[Block]:
    """``query resource_group``."""
    blocks = []
    for g in c.groups:
        state, owner = _group_state(g, facts)

        def value(kind: str, default: str = "", group: ResourceGroup = g) -> str:
            return " ".join(group.resource(kind)) or default

        blocks.append(
            [
                ("NAME", g.name),
                ("CURRENT_NODE", owner),
                ("NODES", " ".join(g.nodes)),
                ("STATE", state),
                ("TYPE", "CONCURRENT" if g.concurrent else "NON-CONCURRENT"),
                ("APPLICATIONS", value("APPLICATIONS")),
                ("STARTUP", g.startup),
                ("FALLOVER", g.fallover),
                ("FALLBACK", g.fallback),
                ("NODE_PRIORITY_POLICY", value("NODE_PRIORITY_POLICY", "default")),
                ("NODE_PRIORITY_POLICY_SCRIPT", ""),
                ("NODE_PRIORITY_POLICY_TIMEOUT", ""),
                ("DISK", value("DISK")),
                ("VOLUME_GROUP", value("VOLUME_GROUP")),
                ("FORCED_VARYON", value("FORCED_VARYON", "false")),
                ("FILESYSTEM", value("FILESYSTEM")),
                ("FSCHECK_TOOL", value("FSCHECK_TOOL", "fsck")),
                ("RECOVERY_METHOD", value("RECOVERY_METHOD", "sequential")),
                ("EXPORT_FILESYSTEM", ""),
                ("SHARED_TAPE_RESOURCES", ""),
                ("AIX_CONNECTIONS_SERVICES", ""),
                ("AIX_FAST_CONNECT_SERVICES", ""),
                ("COMMUNICATION_LINKS", ""),
                ("MOUNT_FILESYSTEM", ""),
                ("SERVICE_LABEL", value("SERVICE_LABEL")),
                ("MISC_DATA", value("MISC_DATA")),
                ("SSA_DISK_FENCING", "false"),
                ("VG_AUTO_IMPORT", value("VG_AUTO_IMPORT", "false")),
                ("INACTIVE_TAKEOVER", "false"),
                ("CASCADE_WO_FALLBACK", "false"),
                ("FS_BEFORE_IPADDR", value("FS_BEFORE_IPADDR", "false")),
                ("NFS_NETWORK", ""),
                ("MOUNT_ALL_FS", "true"),
                ("WLM_PRIMARY", ""),
                ("WLM_SECONDARY", ""),
                ("FALLBACK_AT", ""),
                ("RELATIONSHIP", ""),
                ("SRELATIONSHIP", "ignore"),
                ("EXPORT_FILESYSTEM_V4", ""),
                ("STABLE_STORAGE_PATH", ""),
                ("WPAR_NAME", ""),
            ]
        )
    return blocks


def repositories(c: Configuration, facts: Facts) -> list[Block]:
    """``query repository``."""
    if not c.repository:
        return []
    return [
        [
            ("NAME", facts.disks.get(c.repository, "")),
            ("NODE", facts.local),
            ("PVID", c.repository),
            ("UUID", ""),
            ("BACKUP", "false"),
            ("TYPE", "REPDISK"),
            ("STATUS", "UP" if facts.repository_up else "DOWN"),
        ]
    ]


def logs(c: Configuration, facts: Facts) -> list[Block]:
    """``query log``."""
    return [[("NAME", name), ("DIRECTORY", directory)] for name, directory in c.log_directories]


def events(c: Configuration, facts: Facts) -> list[Block]:
    """``query event``."""
    return [
        [
            ("NAME", e.name),
            ("DESCRIPTION", e.description),
            ("COMMAND", e.command),
            ("NOTIFYCOMMAND", e.notify),
            ("PREEVENTCOMMAND", e.pre),
            ("POSTEVENTCOMMAND", e.post),
            ("RECOVERYCOMMAND", e.recovery),
            ("RECOVERYCOUNTER", str(e.count)),
        ]
        for e in c.events
    ]


QUERIES: dict[str, Query] = {
    "cluster": cluster,
    "node": nodes,
    "network": networks,
    "interface": interfaces,
    "service_ip": service_ips,
    "application_controller": controllers,
    "application_monitor": monitors,
    "resource_group": groups,
    "repository": repositories,
    "log": logs,
    "event": events,
    "volume_group": lambda c, facts: list(facts.volume_groups),
    "file_system": lambda c, facts: list(facts.file_systems),
    "physical_volume": lambda c, facts: list(facts.physical_volumes),
}
LIVE = ("cluster", "node", "resource_group", "service_ip")
"""Classes whose attributes need the running cluster."""
EVERY_NODE = ("cluster", "node")
"""Classes that need every node's own state."""
