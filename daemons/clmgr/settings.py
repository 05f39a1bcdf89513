"""Keys, names and defaults of attributes that stand in dynamic settings or under other names in the ODM. Data only.

The product keeps these in classes whose fields are not published; here they are objects of HACMPdynresop (inferred).
"""

from __future__ import annotations

SETTINGS = {
    "FC_SYNC_INTERVAL": "10",
    "MAX_EVENT_TIME": "180",
    "MAX_RG_PROCESSING_TIME": "180",
    "VERIFICATION_DEBUGGING": "Enabled",
    "SITE_POLICY_FAILURE_ACTION": "fallover",
    "SITE_POLICY_NOTIFY_METHOD": "",
    "SITE_HEARTBEAT_CYCLE": "0",
    "SITE_GRACE_PERIOD": "0",
    "TEMP_HOSTNAME": "disallow",
    "MONITOR_INTERFACES": "enable",
    "LPM_POLICY": "unmanage",
    "HEARTBEAT_FREQUENCY_DURING_LPM": "0",
    "CAA_AUTO_START_DR": "Enabled",
    "LVM_PREFERRED_READ": "roundrobin",
    "CRIT_DAEMON_RESTART_GRACE_PERIOD": "60",
    "SKIP_EVENT_PROCESSING_MANAGE_MODE": "",
    "CAA_PVM_WATCHDOG_TIMER": "disable",
    "QUARANTINE_POLICY": "disable",
    "CRITICAL_RG": "",
    "NFS_QUORUM_SERVER": "",
    "LOCAL_QUORUM_DIRECTORY": "",
    "REMOTE_QUORUM_DIRECTORY": "",
    "NOTIFY_METHOD": "",
    "NOTIFY_INTERVAL": "",
    "MAXIMUM_NOTIFICATIONS": "",
    "DEFAULT_SURVIVING_SITE": "",
    "ALGORITHM": "",
    "GRACE_PERIOD_SEC": "",
    "REFRESH": "",
    "MECHANISM": "",
    "CERTIFICATE": "",
    "PRIVATE_KEY": "",
}
"""Attributes that are dynamic settings (HACMPdynresop, under their own names: inferred), and their defaults."""
ORDERS = ("ACQUISITION_ORDER", "RELEASE_ORDER")
"""Attributes with the serial orders of resource groups; without one groups are handled in parallel."""
WORD = -1
TUNABLES = {
    "HEARTBEAT_FREQUENCY": ("node_timeout", 1000),
    "GRACE_PERIOD": ("node_down_delay", 1000),
    "NETWORK_FAILURE_DETECTION_TIME": ("network_fdt", 1000),
    "SITE_GRACE_PERIOD": ("link_timeout", 1000),
    "SITE_HEARTBEAT_CYCLE": ("remote_hb_factor", 1),
    "CAA_CONFIG_TIMEOUT": ("config_timeout", 1),
    "CAA_REPOS_MODE": ("repos_mode", 0),
    "CAA_PVM_WATCHDOG_TIMER": ("pvm_watchdog_timer", WORD),
}
"""Attributes that are CAA's: its tunable, and the factor to its unit (0: it takes the first letter of a word, WORD: the
whole one)."""
MONITOR_ATTRIBUTES = {
    "MODE": "INVOCATION",
    "MONITORMETHOD": "MONITOR_METHOD",
    "MONITORINTERVAL": "MONITOR_INTERVAL",
    "HUNGSIGNAL": "HUNG_MONITOR_SIGNAL",
    "PROCESSES": "PROCESSES",
    "OWNER": "PROCESS_OWNER",
    "INSTANCECOUNT": "INSTANCE_COUNT",
    "STABILIZATION": "STABILIZATION_INTERVAL",
    "RESTARTINTERVAL": "RESTART_INTERVAL",
    "RESTARTCOUNT": "RESTART_COUNT",
    "FAILUREACTION": "FAILURE_ACTION",
    "CLEANUPMETHOD": "CLEANUP_METHOD",
    "RESTARTMETHOD": "RESTART_METHOD",
    "NOTIFYMETHOD": "NOTIFY_METHOD",
}
"""Attributes of an application monitor: clmgr's name and HACMPmonitor's."""
CONTROLLER_SETTINGS = ("CPU_USAGE_MONITOR", "PROCESS_TO_MONITOR_CPU_USAGE", "CPU_USAGE_MONITOR_INTERVAL")
NETWORK_SETTINGS = ("RESOURCE_DIST_PREF", "SOURCE_IP", "ENABLE_NSORDER", "NETMASK")
"""Attributes of a network that are dynamic settings; NETMASK is the one for its first label."""
DEPENDENCY_TYPES = {
    "PARENT_CHILD": "PARENTCHILD",
    "START_AFTER": "STARTAFTER",
    "STOP_AFTER": "STOPAFTER",
    "SAME_NODE": "NODECOLLOCATION",
    "SAME_SITE": "SITECOLLOCATION",
    "DIFFERENT_NODES": "ANTICOLLOCATION",
}
"""clmgr's words and the ODM's."""
PROGRAM_COLLECTION = "HACMP_Files"
"""The collection whose members are the configuration's own programs; nobody edits them by hand."""
VG_DEFAULTS = {"FAILUREACTION": "", "NOTIFYMETHOD": ""}
"""Attributes of a volume group that are the cluster's and not LVM's: dynamic settings (inferred)."""


def tunable_value(attribute: str, value: str) -> str:
    """The value of CAA's tunable for an attribute's value."""
    _, factor = TUNABLES[attribute]
    if factor == WORD:
        return value
    if not factor:
        return value[:1]
    if attribute == "NETWORK_FAILURE_DETECTION_TIME" and value == "0":
        return "20000"
    return str(int(value) * factor)


def network_key(network: str, attribute: str) -> str:
    """The dynamic setting of a network's attribute that HACMPnetwork has no field for (inferred)."""
    return f"NETWORK.{network}.{attribute}"


def site_key(site: str, attribute: str) -> str:
    """The dynamic setting of a site's attribute that HACMPsite has no field for (inferred)."""
    return f"SITE.{site}.{attribute}"


def label_key(label: str, attribute: str) -> str:
    """The dynamic setting of a label's attribute that HACMPadapter has no field for (inferred;
    ``Configuration.site_of_label`` reads it)."""
    return f"LABEL.{label}.{attribute}"


def controller_key(controller: str, attribute: str) -> str:
    """The dynamic setting of a controller's attribute that HACMPserver has no field for (inferred)."""
    return f"SERVER.{controller}.{attribute}"


def storage_key(class_name: str, name: str, attribute: str) -> str:
    """The dynamic setting of an attribute of shared storage."""
    return f"{class_name.upper()}.{name}.{attribute}"
