"""The attributes that actions take: their names and what values they may have. Data, and one check.

A domain is ``text``, ``name``, ``names`` (a list), ``path``, ``paths``, ``address``, ``truth``, a range (``10..600``,
with single values before a comma: ``0,5..590``) or the words that are possible (``NSC|SC|LC``, in any case).
"""

from __future__ import annotations

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError, invalid, invalid_characters

AM = ("add", "modify")
ON, OFF = ("online",), ("offline",)
SYNC = ("sync", "verify")
MASK = {"NETMASK": (AM, "address"), "PREFIX": (AM, "1..128")}
WHEN = {
    "WHEN": (ON + OFF, "now|restart|both"),
    "MANAGE": (ON + OFF, "auto|manual|delayed|offline|move|unmanage"),
    "BROADCAST": (ON + OFF, "truth"),
    "CLINFO": (ON, "false|true|consistent|no|yes"),
    "FORCE": (ON, "truth"),
    "FIX": (ON, "no|yes|interactively|true|false"),
    "TIMEOUT": (ON + OFF, "1..86400"),
    "START_CAA": (ON, "no|yes|only|true|false"),
    "STOP_CAA": (OFF, "truth"),
}
POLICY = "split|merge"

Table = dict[str, tuple[tuple[str, ...], str]]

TABLES: dict[str, Table] = {
    "cluster": {
        "NODES": (("add", "delete"), "names"),
        "NAME": (("modify",), "name"),
        "TYPE": (AM, "NSC|SC|LC"),
        "HEARTBEAT_TYPE": (AM, "unicast|multicast"),
        "CLUSTER_IP": (AM, "address"),
        "REPOSITORIES": (AM, "names"),
        "FC_SYNC_INTERVAL": (AM, "10..1440"),
        "RG_SETTLING_TIME": (AM, "0..86400"),
        "RG_DIST_POLICY": (AM, "node"),
        "MAX_EVENT_TIME": (AM, "0..86400"),
        "MAX_RG_PROCESSING_TIME": (AM, "0..86400"),
        "DAILY_VERIFICATION": (AM, "Enabled|Disabled|yes|no|true|false"),
        "VERIFICATION_NODE": (AM, "name"),
        "VERIFICATION_HOUR": (AM, "0..23"),
        "VERIFICATION_DEBUGGING": (AM, "Enabled|Disabled"),
        "HEARTBEAT_FREQUENCY": (AM, "10..600"),
        "GRACE_PERIOD": (AM, "5..30"),
        "SITE_POLICY_FAILURE_ACTION": (AM, "fallover|notify"),
        "SITE_POLICY_NOTIFY_METHOD": (AM, "path"),
        "SITE_HEARTBEAT_CYCLE": (AM, "1..10"),
        "SITE_GRACE_PERIOD": (AM, "10..30"),
        "TEMP_HOSTNAME": (AM, "allow|disallow"),
        "MONITOR_INTERFACES": (AM, "enable|disable"),
        "NETWORK_FAILURE_DETECTION_TIME": (AM, "0,5..590"),
        "LPM_POLICY": (AM, "manage|unmanage"),
        "HEARTBEAT_FREQUENCY_DURING_LPM": (AM, "0,10..600"),
        "CAA_AUTO_START_DR": (AM, "Enabled|Disabled|yes|no"),
        "CAA_REPOS_MODE": (AM, "assert|event"),
        "CAA_CONFIG_TIMEOUT": (AM, "0..2147483647"),
        "LVM_PREFERRED_READ": (AM, "roundrobin|favorcopy|siteaffinity"),
        "CRIT_DAEMON_RESTART_GRACE_PERIOD": (AM, "0..240"),
        "SKIP_EVENT_PROCESSING_MANAGE_MODE": (AM, "truth"),
        "SKIP_EVENT_PROCESSING_MANAGE_NODE": (AM, "truth"),
        "CAA_PVM_WATCHDOG_TIMER": (AM, "disable|dump_restart|hard_reset|hard_power_off"),
        "SPLIT_POLICY": (("modify",), "none|tiebreaker|manual|nfs"),
        "MERGE_POLICY": (("modify",), "none|majority|tiebreaker|manual|priority|nfs"),
        "TIEBREAKER": (("modify",), "name"),
        "NFS_QUORUM_SERVER": (("modify",), "text"),
        "LOCAL_QUORUM_DIRECTORY": (("modify",), "path"),
        "REMOTE_QUORUM_DIRECTORY": (("modify",), "path"),
        "ACTION_PLAN": (("modify",), "reboot|disable_rgs_autostart|disable_cluster_services_autostart"),
        "NOTIFY_METHOD": (("modify",), "path"),
        "NOTIFY_INTERVAL": (("modify",), "10..3600"),
        "MAXIMUM_NOTIFICATIONS": (("modify",), "1..1000"),
        "DEFAULT_SURVIVING_SITE": (("modify",), "name"),
        "QUARANTINE_POLICY": (("modify",), "disable|node_halt|fencing|halt_with_fencing"),
        "CRITICAL_RG": (("modify",), "name"),
        "SECURITY_LEVEL": (("modify",), "Disable|Low|Med|High"),
        "ALGORITHM": (("modify",), "DES|3DES|AES"),
        "GRACE_PERIOD_SEC": (("modify",), "1..86400"),
        "REFRESH": (("modify",), "1..31536000"),
        "MECHANISM": (("modify",), "OpenSSL|SelfSigned|SSH"),
        "CERTIFICATE": (("modify",), "path"),
        "PRIVATE_KEY": (("modify",), "path"),
        **WHEN,
        "VERIFY": (("sync",), "truth"),
        "SYNC": (("verify",), "truth"),
        "CHANGES_ONLY": (SYNC, "truth"),
        "DEFAULT_TESTS": (SYNC, "truth"),
        "METHODS": (SYNC, "names"),
        "FIX": ((*ON, *SYNC), "no|yes|interactively|true|false"),
        "LOGGING": (SYNC, "standard|verbose"),
        "LOGFILE": (SYNC, "path"),
        "MAX_ERRORS": (SYNC, "0..100000"),
        "FORCE": ((*ON, *SYNC), "truth"),
    },
    "site": {
        "NAME": (("modify",), "name"),
        "NODES": (AM, "names"),
        "REPOSITORIES": (AM, "names"),
        "SITE_IP": (AM, "address"),
        "RECOVERY_PRIORITY": (AM, "MANUAL|1|2"),
        **WHEN,
    },
    "node": {
        "NAME": (("modify",), "name"),
        "COMMPATH": (AM, "text"),
        "RUN_DISCOVERY": (AM, "truth"),
        "PERSISTENT_IP": (AM, "name"),
        "NETWORK": (AM, "name"),
        **MASK,
        "START_ON_BOOT": (AM, "truth"),
        "BROADCAST_ON_START": (AM, "truth"),
        "CLINFO_ON_START": (AM, "false|true|consistent"),
        "VERIFY_ON_START": (AM, "truth"),
        "SITE": (AM, "name"),
        "HMCS": (AM, "names"),
        "ENABLE_LIVE_UPDATE": (AM, "truth"),
        **WHEN,
    },
    "network": {
        "NAME": (("modify",), "name"),
        "TYPE": (AM, "ether|XD_data|XD_ip"),
        **MASK,
        "IPALIASING": (AM, "truth"),
        "PUBLIC": (AM, "truth"),
        "ATTR": (AM, "public|private"),
        "RESOURCE_DIST_PREF": (AM, "AC|C|CPL|ACPL|ACS|CS|CPLS|ACPLS|NOALI"),
        "SOURCE_IP": (AM, "name"),
        "ENABLE_NSORDER": (AM, "truth"),
    },
    "interface": {
        "NETWORK": (AM, "name"),
        "NODE": (AM, "name"),
        "INTERFACE": (AM, "name"),
        "TYPE": (AM, "ether"),
        "IPADDR": (("add",), "address"),
        **MASK,
    },
    "persistent_ip": {"NAME": (("modify",), "name"), "NETWORK": (AM, "name"), "NODE": (AM, "name"), **MASK},
    "service_ip": {"NAME": (("modify",), "name"), "NETWORK": (AM, "name"), "IPADDR": (AM, "address"),
                   "SITE": (AM, "name"), **MASK},
    "resource_group": {
        "NAME": (("modify",), "name"),
        "NODES": ((*AM, "online", "offline", "move"), "names"),
        "SECONDARYNODES": (AM, "names"),
        "SITE_POLICY": (AM, "ignore|primary|either|both"),
        "STARTUP": (AM, "OHN|OFAN|OAAN|OUDP"),
        "FALLOVER": (AM, "FNPN|FUDNP|BO"),
        "FALLBACK": (AM, "NFB|FBHPN"),
        "FALLBACK_AT": (AM, "name"),
        "NODE_PRIORITY_POLICY": (AM, "default|mem|cpu|disk|least|most"),
        "NODE_PRIORITY_POLICY_SCRIPT": (AM, "path"),
        "NODE_PRIORITY_POLICY_TIMEOUT": (AM, "0..3600"),
        "SERVICE_LABEL": (AM, "names"),
        "APPLICATIONS": (AM, "names"),
        "VOLUME_GROUP": (AM, "names"),
        "SHARED_TAPE_RESOURCES": (AM, "names"),
        "FORCED_VARYON": (AM, "truth"),
        "VG_AUTO_IMPORT": (AM, "truth"),
        "FILESYSTEM": (AM, "names"),
        "FSCHECK_TOOL": (AM, "fsck|logredo"),
        "RECOVERY_METHOD": (AM, "sequential|parallel"),
        "DISK": (AM, "names"),
        "FS_BEFORE_IPADDR": (AM, "truth"),
        "WPAR_NAME": (AM, "name"),
        "EXPORT_FILESYSTEM": (AM, "names"),
        "EXPORT_FILESYSTEM_V4": (AM, "names"),
        "STABLE_STORAGE_PATH": (AM, "path"),
        "NFS_NETWORK": (AM, "name"),
        "MOUNT_FILESYSTEM": (AM, "names"),
        "COMMUNICATION_LINKS": (AM, "names"),
        "USERDEFINED_RESOURCES": (AM, "names"),
        "MISC_DATA": (AM, "text"),
        "MIRROR_GROUP": (AM, "names"),
        "NODE": (("online", "offline", "move"), "name"),
        "SITE": (("move",), "name"),
        "SECONDARY": (("move", "online", "offline"), "truth"),
        "STATE": (("move",), "online|offline"),
    },
    "application_controller": {
        "NAME": (("modify",), "name"),
        "STARTSCRIPT": (AM, "path"),
        "STOPSCRIPT": (AM, "path"),
        "STARTUP_MODE": (AM, "background|foreground"),
        "MONITORS": (AM, "names"),
        "CPU_USAGE_MONITOR": (AM, "truth"),
        "PROCESS_TO_MONITOR_CPU_USAGE": (AM, "path"),
        "CPU_USAGE_MONITOR_INTERVAL": (AM, "1..120"),
        "RESOURCE_GROUP": (("manage",), "name"),
    },
    "application_monitor": {
        "NAME": (("modify",), "name"),
        "TYPE": (AM, "Process|Custom"),
        "APPLICATIONS": (AM, "names"),
        "RESOURCETOMONITOR": (AM, "names"),
        "MODE": (AM, "longrunning|startup|both"),
        "STABILIZATION": (AM, "1..3600"),
        "RESTARTCOUNT": (AM, "0..100"),
        "RESTARTINTERVAL": (AM, "0..360000"),
        "FAILUREACTION": (AM, "notify|fallover"),
        "PROCESSES": (AM, "names"),
        "OWNER": (AM, "name"),
        "INSTANCECOUNT": (AM, "1..1024"),
        "MONITORMETHOD": (AM, "path"),
        "MONITORINTERVAL": (AM, "1..1024"),
        "HUNGSIGNAL": (AM, "1..63"),
        "NOTIFYMETHOD": (AM, "path"),
        "CLEANUPMETHOD": (AM, "path"),
        "RESTARTMETHOD": (AM, "path"),
    },
    "fallback_timer": {
        "NAME": (("modify",), "name"),
        "YEAR": (AM, "1970..2038"),
        "MONTH": (AM, "1..12"),
        "DAY_OF_MONTH": (AM, "1..31"),
        "DAY_OF_WEEK": (AM, "0..6"),
        "HOUR": (AM, "0..23"),
        "MINUTE": (AM, "0..59"),
        "REPEATS": (AM, "daily|weekly|monthly|yearly|specific"),
    },
    "dependency": {
        "PARENT": (AM, "name"),
        "CHILD": (AM, "names"),
        "START": (AM, "names"),
        "STOP": (AM, "names"),
        "AFTER": (AM, "name"),
        "SAME": (AM, "NODE|SITE"),
        "GROUPS": (AM, "names"),
        "SEPARATE_NODES": (AM, "truth"),
        "HIGH": (AM, "names"),
        "INTERMEDIATE": (AM, "names"),
        "LOW": (AM, "names"),
        "TYPE": (("delete",), "PARENT_CHILD|START_AFTER|STOP_AFTER|SAME_NODE|SAME_SITE|DIFFERENT_NODES"),
        "RG": (("delete",), "name"),
    },
    "tape": {
        "NAME": (("modify",), "name"),
        "SHARED_TAPE_RESOURCE": (AM, "path"),
        "DESCRIPTION": (AM, "text"),
        "STARTSCRIPT": (AM, "path"),
        "STOPSCRIPT": (AM, "path"),
        "START_SCRIPT_SYNCHRONOUSLY": (AM, "truth"),
        "STOP_SCRIPT_SYNCHRONOUSLY": (AM, "truth"),
    },
    "file_collection": {
        "NAME": (("modify",), "name"),
        "FILES": (AM, "paths"),
        "ADD": (("modify",), "paths"),
        "DELETE": (("modify",), "paths"),
        "REPLACE": (("modify",), "paths"),
        "DESCRIPTION": (AM, "text"),
        "SYNC_WITH_CLUSTER": (AM, "truth"),
        "SYNC_WHEN_CHANGED": (AM, "truth"),
    },
    "snapshot": {
        "NAME": (("modify",), "name"),
        "DESCRIPTION": (AM, "text"),
        "METHODS": (("add",), "names"),
        "SAVE_LOGS": (("add",), "truth"),
        "CONFIGURE": (("manage",), "truth"),
        "FORCE": (("manage",), "truth"),
        "TYPE": (("view",), "odm|info"),
    },
    "method": {
        "NAME": (("modify",), "name"),
        "TYPE": (("add", "modify", "delete", "verify"), "snapshot|verify|notify"),
        "FILE": (AM, "path"),
        "DESCRIPTION": (AM, "text"),
        "SOURCE": (AM, "script|library"),
        "CONTACT": (AM, "text"),
        "EVENTS": (AM, "names"),
        "NODES": (AM, "names"),
        "RETRY": (AM, "0..100"),
        "TIMEOUT": (AM, "1..3600"),
    },
    "event": {
        "NAME": (("modify",), "name"),
        "FILE": (AM, "path"),
        "DESCRIPTION": (AM, "text"),
        "COMMAND": (("modify",), "path"),
        "NOTIFYCOMMAND": (("modify",), "path"),
        "PREEVENTCOMMAND": (("modify",), "text"),
        "POSTEVENTCOMMAND": (("modify",), "text"),
        "PREEVENT": (("modify",), "text"),
        "POSTEVENT": (("modify",), "text"),
        "RECOVERYCOMMAND": (("modify",), "path"),
        "RECOVERYCOUNTER": (("modify",), "0..100"),
    },
    "log": {
        "DIRECTORY": (("modify", "manage"), "path"),
        "FORMATTING": (("modify",), "none|standard|low|high"),
        "TRACE_LEVEL": (("modify",), "low|high"),
        "REMOTE_FS": (("modify",), "truth"),
        "TAIL": (("view",), "1..1000000"),
        "HEAD": (("view",), "1..1000000"),
        "FILTER": (("view",), "text"),
        "DELIMITER": (("view",), "text"),
        "CASE": (("view",), "insensitive|no|off|false|yes|on|true|sensitive"),
        "NODES": (("manage",), "names"),
        "RSCT_LOGS": (("manage",), "truth"),
    },
    "report": {
        "FILE": (("view",), "path"),
        "TYPE": (("view",), "text|html"),
        "TARGETS": (("view",), "names"),
        "BEGIN_TIME": (("view",), "text"),
        "END_TIME": (("view",), "text"),
    },
    "repository": {"SITE": (("add", "replace", "modify", "delete"), "name"), "NODE": (("add", "replace"), "name")},
    "volume_group": {
        "NODES": (AM, "names"),
        "PHYSICAL_VOLUMES": (AM, "names"),
        "TYPE": (("add",), "original|big|scalable|legacy"),
        "RESOURCE_GROUP": (AM, "name"),
        "PPART_SIZE": (("add",), "1..1024"),
        "MAJOR_NUMBER": (("add",), "35..255"),
        "ACTIVATE_ON_RESTART": (AM, "truth"),
        "QUORUM_NEEDED": (AM, "truth"),
        "LTG_SIZE": (AM, "128|256|512|1024"),
        "MIGRATE_FAILED_DISKS": (AM, "false|one|pool|remove"),
        "MAX_PHYSICAL_PARTITIONS": (AM, "32..1024"),
        "MAX_LOGICAL_VOLUMES": (AM, "256..4096"),
        "STRICT_MIRROR_POOLS": (AM, "no|yes|super"),
        "MIRROR_POOL_NAME": (("add",), "name"),
        "CRITICAL": (AM, "truth"),
        "FAILUREACTION": (AM, "halt|notify|fence|stoprg|moverg"),
        "NOTIFYMETHOD": (AM, "path"),
        "LVM_PREFERRED_READ": (AM, "roundrobin|favorcopy|siteaffinity"),
        "ENABLE_LV_ENCRYPTION": (AM, "truth"),
        "ADD": (("modify",), "names"),
        "REMOVE": (("modify",), "names"),
    },
    "logical_volume": {
        "NAME": (("modify",), "name"),
        "VOLUME_GROUP": (("add",), "name"),
        "LOGICAL_PARTITIONS": (AM, "1..65535"),
        "PHYSICAL_VOLUMES": (("add",), "names"),
        "TYPE": (AM, "name"),
        "POSITION": (AM, "outer_middle|outer_edge|center|inner_middle|inner_edge"),
        "PV_RANGE": (AM, "minimum|maximum"),
        "MAX_PVS_FOR_NEW_ALLOC": (AM, "1..1024"),
        "LPART_COPIES": (("add",), "1|2|3"),
        "WRITE_CONSISTENCY": (AM, "active|passive|off"),
        "LPARTS_ON_SEPARATE_PVS": (AM, "yes|no|superstrict"),
        "RELOCATE": (AM, "truth"),
        "LABEL": (AM, "text"),
        "MAX_LPARTS": (AM, "1..65535"),
        "BAD_BLOCK_RELOCATION": (AM, "truth"),
        "SCHEDULING_POLICY": (
            AM, "parallel|sequential|parallel_write_with_sequential_read|parallel_write_round_robin_read"
        ),
        "VERIFY_WRITES": (AM, "truth"),
        "ALLOCATION_MAP": (("add",), "path"),
        "STRIPE_SIZE": (("add",), "4K|8K|16K|32K|64K|128K|256K|512K|1M|2M|4M|8M|16M|32M|64M|128M"),
        "SERIALIZE_IO": (AM, "truth"),
        "FIRST_BLOCK_AVAILABLE": (AM, "truth"),
        "FIRST_COPY_MIRROR_POOL": (AM, "name"),
        "SECOND_COPY_MIRROR_POOL": (AM, "name"),
        "THIRD_COPY_MIRROR_POOL": (AM, "name"),
    },
    "file_system": {
        "VOLUME_GROUP": (("add",), "name"),
        "LOGICAL_VOLUME": (("add",), "name"),
        "TYPE": (("add",), "jfs2|enhanced|jfs|standard|compressed|large"),
        "UNITS": (AM, "1..1000000000"),
        "SIZE_PER_UNIT": (AM, "mb|gb|block|megabytes|gigabytes|512bytes"),
        "PERMISSIONS": (AM, "rw|ro"),
        "OPTIONS": (AM, "names"),
        "BLOCK_SIZE": (("add",), "512|1024|2048|4096"),
        "LV_FOR_LOG": (("add",), "name"),
        "EXT_ATTR_FORMAT": (("add",), "v1|v2"),
        "QUOTA": (AM, "no|all|user|group"),
        "EFS": (AM, "truth"),
    },
    "mirror_pool": {
        "NAME": (("modify",), "name"),
        "VOLUME_GROUP": (("add", "modify", "delete"), "name"),
        "PHYSICAL_VOLUMES": (AM, "names"),
        "MODE": (AM, "sync|async"),
        "ASYNC_CACHE_LV": (AM, "name"),
        "ASYNC_CACHE_HW_MARK": (AM, "1..100"),
        "ADD": (("modify",), "names"),
        "REMOVE": (("modify",), "names"),
    },
    "physical_volume": {
        "NODES": (("query", "discover"), "names"),
        "TYPE": (("query",), "all|free|available|disk|tiebreaker|repository"),
    },
    "hosts": {"TYPE": (("query",), "all|available|defined|text")},
}  # fmt: skip
"""Class: attribute: the actions that take it, and its domain."""
SYNONYMS = {
    "REPOSITORY": "REPOSITORIES",
    "DISKS": "PHYSICAL_VOLUMES",
    "LIMIT": "TAIL",
    "SECURITY": "SECURITY_LEVEL",
    "ACTIVATE_ON_START": "ACTIVATE_ON_RESTART",
}
TRUE, FALSE = ("yes", "true", "1", "on", "enabled"), ("no", "false", "0", "off", "disabled")
NAME_MAX = 63


def accepted(action: str, class_name: str) -> dict[str, str]:
    """The attributes of an action on a class, with their domains."""
    return {name: domain for name, (actions, domain) in TABLES.get(class_name, {}).items() if action in actions}


def resolve(name: str, known: tuple[str, ...] | dict[str, str]) -> str:
    """An attribute by its name in any case, a synonym, or an abbreviation that means no other one.

    Raises:
        ClmgrError: none, or several.
    """
    upper = name.upper()
    if upper not in known and SYNONYMS.get(upper) in known:
        return SYNONYMS[upper]
    if upper in known:
        return upper
    found = [candidate for candidate in known if candidate.startswith(upper)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ClmgrError(f'the attribute "{name}" is ambiguous: {", ".join(found)}', INCORRECT_INPUT)
    raise ClmgrError(f'an invalid attribute was specified: "{upper}"', INCORRECT_INPUT)


def checked(action: str, class_name: str, given: dict[str, str]) -> dict[str, str]:
    """The attributes under their full names with values as they are stored; empty values pass, they clear.

    Raises:
        ClmgrError: one that the action does not take, or whose value it cannot have.
    """
    known = accepted(action, class_name)
    found: dict[str, str] = {}
    for name, value in given.items():
        full = resolve(name, known)
        if full in found:
            raise ClmgrError(f'the attribute "{full}" was specified twice.', INCORRECT_INPUT)
        found[full] = value_of(known[full], full, value) if value else ""
    return found


def value_of(domain: str, attribute: str, value: str) -> str:
    """The value as it is stored: booleans true or false, words as the domain spells them.

    Raises:
        ClmgrError: it is not in the domain.
    """
    if any(ord(character) < 32 or character == "\x7f" for character in value):
        raise invalid_characters(attribute, value.encode("unicode_escape").decode())
    match domain:
        case "text":
            return value
        case "name":
            if not is_name(value):
                raise invalid_characters(attribute, value)
        case "names" | "paths":
            for word in value.replace(",", " ").split():
                if any(character in "\"'`$&|<>(){}" for character in word) or (domain == "paths" and word[0] != "/"):
                    raise invalid(attribute, word)
        case "path":
            if not value.startswith("/"):
                raise invalid(attribute, value)
        case "address":
            if not is_address(value):
                raise invalid(attribute, value)
        case "truth":
            if value.lower() not in TRUE + FALSE:
                raise invalid(attribute, value)
            return "true" if value.lower() in TRUE else "false"
        case _ if ".." in domain:
            if not value.isascii() or not value.isdigit() or not _in_range(domain, int(value[:18])):
                raise invalid(attribute, value)
            return str(int(value))
        case _:
            words = domain.split("|")
            found = next((word for word in words if word.lower() == value.lower()), None)
            if found is None:
                raise invalid(attribute, value)
            return found
    return value


def is_name(value: str) -> bool:
    """Letters, digits, underscores, hyphens, dots; not too long, and not beginning with a hyphen."""
    return len(value) <= NAME_MAX and value.isascii() and value[:1] != "-" and not value.strip(_NAME_CHARACTERS)


_NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."


def is_address(value: str) -> bool:
    """A dotted IPv4 address."""
    parts = value.split(".")
    return len(parts) == 4 and all(p.isascii() and p.isdigit() and len(p) <= 3 and int(p) < 256 for p in parts)


def _in_range(domain: str, number: int) -> bool:
    for part in domain.split(","):
        low, dots, high = part.partition("..")
        if int(low) <= number <= int(high if dots else low):
            return True
    return False


def truth(attributes: dict[str, str], name: str, default: bool) -> bool:
    """A boolean among checked attributes."""
    value = attributes.get(name, "").lower()
    return value in TRUE if value else default
