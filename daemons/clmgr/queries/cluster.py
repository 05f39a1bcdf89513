"""``query cluster``."""

from __future__ import annotations

from daemons.clmgr.queries.facts import Facts
from daemons.clmgr.queries.shapes import Block
from daemons.clmgr.settings import ORDERS, SETTINGS, TUNABLES
from daemons.cluster.configuration import Configuration
from srcctl.commands.options import is_number

VERSION = "7.2.7.0"
SECTIONS = {
    "SECURITY": (
        "SECURITY", "LEVEL", "ALGORITHM", "GRACE_PERIOD_SEC", "REFRESH", "MECHANISM", "CERTIFICATE", "PRIVATE_KEY",
    ),
    "SPLIT-MERGE": (
        "SPLIT_POLICY", "MERGE_POLICY", "TIEBREAKER", "NFS_QUORUM_SERVER", "LOCAL_QUORUM_DIRECTORY",
        "REMOTE_QUORUM_DIRECTORY", "NOTIFY_METHOD", "NOTIFY_INTERVAL", "MAXIMUM_NOTIFICATIONS",
        "DEFAULT_SURVIVING_SITE", "ACTION_PLAN", "QUARANTINE_POLICY", "CRITICAL_RG",
    ),
}  # fmt: skip
"""``query cluster SECURITY``: the attributes of a section; CORE is the rest, HMC and ROHA have none here."""


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
    disks = (c.repository, *c.backup_repositories) if c.repository else ()

    def tunable(attribute: str, name: str, default: str, unset: str = "") -> tuple[str, str]:
        """CAA's value; where that is its own default, which no attribute asks for, ``unset``."""
        value, unit = tunables.get(name, ""), TUNABLES[attribute][1]
        number = str(int(value) // unit) if is_number(value) else default
        return attribute, unset if unset and number == default and not c.setting(attribute) else number

    def setting(name: str) -> tuple[str, str]:
        return name, c.setting(name, SETTINGS[name])

    tiebreaker = policies.get("tiebreaker", "")
    return [
        [
            ("CLUSTER_NAME", o.name),
            ("CLUSTER_ID", str(o.id)),
            ("STATE", cluster_state(c, facts)),
            ("TYPE", c.setting("CLUSTER_TYPE", "NSC")),
            ("HEARTBEAT_TYPE", "MULTICAST" if o.heartbeat_type == "C" else "UNICAST"),
            ("CLUSTER_IP", c.multicast_address),
            ("REPOSITORIES", ", ".join(f"{facts.disks.get(disk, '')} ({disk})".strip() for disk in disks)),
            ("VERSION", VERSION),
            ("VERSION_NUMBER", str(o.version)),
            ("EDITION", "STANDARD"),
            ("UNSYNCED_CHANGES", "true" if facts.unsynchronized else "false"),
            ("SECURITY", o.security),
            setting("FC_SYNC_INTERVAL"),
            ("RG_SETTLING_TIME", str(o.settling_time)),
            ("RG_DIST_POLICY", o.distribution_policy),
            setting("MAX_EVENT_TIME"),
            setting("MAX_RG_PROCESSING_TIME"),
            ("DAILY_VERIFICATION", "Enabled" if o.automatic_verification else "Disabled"),
            ("VERIFICATION_NODE", o.verification_node or "Default"),
            ("VERIFICATION_HOUR", str(o.verification_hour)),
            setting("VERIFICATION_DEBUGGING"),
            ("LEVEL", (o.message_authentication or "Disabled").upper()),
            setting("ALGORITHM"),
            setting("GRACE_PERIOD_SEC"),
            setting("REFRESH"),
            setting("MECHANISM"),
            setting("CERTIFICATE"),
            setting("PRIVATE_KEY"),
            tunable("HEARTBEAT_FREQUENCY", "node_timeout", "30"),
            tunable("GRACE_PERIOD", "node_down_delay", "10"),
            setting("SITE_POLICY_FAILURE_ACTION"),
            setting("SITE_POLICY_NOTIFY_METHOD"),
            tunable("SITE_HEARTBEAT_CYCLE", "remote_hb_factor", "1", "0"),
            setting("SITE_GRACE_PERIOD"),
            setting("TEMP_HOSTNAME"),
            setting("MONITOR_INTERFACES"),
            tunable("NETWORK_FAILURE_DETECTION_TIME", "network_fdt", "20", "0"),
            setting("LPM_POLICY"),
            setting("HEARTBEAT_FREQUENCY_DURING_LPM"),
            setting("CAA_AUTO_START_DR"),
            ("CAA_REPOS_MODE", "assert" if tunables.get("repos_mode", "").startswith("a") else "event"),
            tunable("CAA_CONFIG_TIMEOUT", "config_timeout", "240", "0"),
            setting("LVM_PREFERRED_READ"),
            setting("CRIT_DAEMON_RESTART_GRACE_PERIOD"),
            setting("SKIP_EVENT_PROCESSING_MANAGE_MODE"),
            ("CAA_PVM_WATCHDOG_TIMER", tunables.get("pvm_watchdog_timer") or setting("CAA_PVM_WATCHDOG_TIMER")[1]),
            ("SPLIT_POLICY", policies.get("split", "None").lower()),
            ("MERGE_POLICY", policies.get("merge", "Majority").lower()),
            ("TIEBREAKER", facts.disks.get(tiebreaker, tiebreaker)),
            setting("NFS_QUORUM_SERVER"),
            setting("LOCAL_QUORUM_DIRECTORY"),
            setting("REMOTE_QUORUM_DIRECTORY"),
            setting("NOTIFY_METHOD"),
            setting("NOTIFY_INTERVAL"),
            setting("MAXIMUM_NOTIFICATIONS"),
            setting("DEFAULT_SURVIVING_SITE"),
            ("ACTION_PLAN", policies.get("action", "Reboot").lower()),
            setting("QUARANTINE_POLICY"),
            setting("CRITICAL_RG"),
            *((order, c.setting(order)) for order in ORDERS if c.setting(order)),
        ]
    ]


def sections(names: list[str], block: Block) -> Block:
    """The attributes of the sections that were named, in their order.

    Raises:
        KeyError: there is no such section.
    """
    special = {name for members in SECTIONS.values() for name in members}
    core = tuple(name for name, _ in block if name not in special)
    chosen: dict[str, tuple[str, ...]] = {**SECTIONS, "CORE": core, "HMC": (), "ROHA": ()}
    wanted = {attribute for name in names for attribute in chosen[name.upper()]}
    return [pair for pair in block if pair[0] in wanted]


QUERIES = {"cluster": cluster}
