"""Every attribute that an object of the configuration can be given: taken, stored in the ODM, and shown by a query."""

from __future__ import annotations

import pytest

from daemons.clmgr import edits
from daemons.clmgr.synchronization.configured_tunables import configured_tunables
from daemons.clmgr.syntax.attributes import ORDINALS, TABLES
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import Configuration
from tests.clmgr import sample
from tests.clmgr.sample import done, rich, shown
from tests.cluster.test_configuration import Memory

OBJECTS = {
    "cluster": "haes_cluster", "site": "east", "node": "node1", "network": "net_ether_01", "interface": "node1",
    "persistent_ip": "node1_per", "service_ip": "app_svc", "resource_group": "web_rg",
    "application_controller": "counter_app", "application_monitor": "look", "udresource_type": "queue",
    "udresource": "bills", "tape": "drive", "fallback_timer": "night", "file_collection": "mine", "method": "mail",
    "event": "node_up",
}  # fmt: skip
VALUES = {
    ("cluster", "NODES"): "",
    ("cluster", "NAME"): "other",
    ("cluster", "TYPE"): "SC",
    ("cluster", "SPLIT_POLICY"): "manual",
    ("cluster", "MERGE_POLICY"): "manual",
    ("cluster", "DAILY_VERIFICATION"): "Disabled",
    ("cluster", "CAA_AUTO_START_DR"): "Disabled",
    ("resource_group", "NODE_PRIORITY_POLICY"): "disk",
    ("node", "PREFIX"): "16",
    ("fallback_timer", "REPEATS"): "weekly",
    ("interface", "TYPE"): "ether",
    ("cluster", "CLUSTER_IP"): "228.1.2.3",
    ("site", "SITE_IP"): "228.1.2.4",
    ("cluster", "REPOSITORIES"): "hdisk2,hdisk3",
    ("cluster", "VERIFICATION_NODE"): "node2",
    ("cluster", "TIEBREAKER"): "hdisk3",
    ("cluster", "DEFAULT_SURVIVING_SITE"): "west",
    ("cluster", "CRITICAL_RG"): "db_rg",
    ("cluster", "ACQUISITION_ORDER"): "db_rg,web_rg",
    ("cluster", "RELEASE_ORDER"): "db_rg,web_rg",
    ("site", "NODES"): "node1",
    ("node", "NAME"): "node1",
    ("node", "COMMPATH"): "127.9.9.1",
    ("node", "PERSISTENT_IP"): "node3_per",
    ("node", "NETWORK"): "net_ether_02",
    ("node", "SITE"): "west",
    ("network", "SOURCE_IP"): "app_svc",
    ("interface", "NETWORK"): "net_ether_01",
    ("interface", "NODE"): "node1",
    ("interface", "INTERFACE"): "en3",
    ("persistent_ip", "NAME"): "node2_per",
    ("persistent_ip", "NETWORK"): "net_ether_01",
    ("persistent_ip", "NODE"): "node1",
    ("service_ip", "NAME"): "free_svc",
    ("service_ip", "NETWORK"): "net_ether_01",
    ("service_ip", "SITE"): "west",
    ("resource_group", "NODES"): "node1,node2",
    ("resource_group", "SECONDARYNODES"): "node1",
    ("resource_group", "SERVICE_LABEL"): "other_svc",
    ("resource_group", "APPLICATIONS"): "more_app",
    ("resource_group", "FALLBACK_AT"): "night",
    ("resource_group", "NFS_NETWORK"): "net_ether_01",
    ("resource_group", "SHARED_TAPE_RESOURCES"): "drive",
    ("resource_group", "DISK"): "hdisk3",
    ("resource_group", "USERDEFINED_RESOURCES"): "bills",
    ("resource_group", "MOUNT_FILESYSTEM"): "/mnt;/exported",
    ("resource_group", "RECOVERY_NOTIFY"): "datavg",
    ("application_controller", "MONITORS"): "look",
    ("application_monitor", "APPLICATIONS"): "counter_app",
    ("application_monitor", "RESOURCETOMONITOR"): "counter_app",
    ("application_monitor", "TYPE"): "Process",
    ("udresource_type", "AFTER"): "APPLICATION",
    ("udresource", "TYPE"): "queue",
    ("udresource", "ATTRIBUTES"): "a:1",
    ("method", "TYPE"): "notify",
    ("method", "EVENTS"): "node_up",
    ("method", "NODES"): "node2",
    ("event", "PREEVENTCOMMAND"): "before",
    ("event", "POSTEVENTCOMMAND"): "before",
    ("event", "PREEVENT"): "before",
    ("event", "POSTEVENT"): "before",
    ("fallback_timer", "DAY_OF_WEEK"): "Tuesday",
    ("fallback_timer", "YEAR"): "2030",
}
"""What an attribute is given where any value of its domain would not do."""
BESIDES = {
    ("cluster", "CLUSTER_IP"): "HEARTBEAT_TYPE=multicast",
    ("cluster", "SPLIT_POLICY"): "MERGE_POLICY=manual",
    ("cluster", "MERGE_POLICY"): "SPLIT_POLICY=manual",
    ("node", "PERSISTENT_IP"): "NETWORK=net_ether_02",
    ("node", "NETWORK"): "PERSISTENT_IP=node3_per",
    ("node", "NETMASK"): "PERSISTENT_IP=node3_per NETWORK=net_ether_02",
    ("node", "PREFIX"): "PERSISTENT_IP=node3_per NETWORK=net_ether_02",
    ("resource_group", "STARTUP"): "FALLBACK_AT= FALLOVER=BO FALLBACK=NFB",
    ("resource_group", "FALLBACK"): "FALLBACK_AT=",
    ("resource_group", "NODE_PRIORITY_POLICY"): "FALLOVER=FUDNP",
    ("resource_group", "RECOVERY_NOTIFY"): "VOLUME_GROUP=datavg",
    ("resource_group", "RECOVERY_NOTIFY_METHOD"): "VOLUME_GROUP=datavg RECOVERY_NOTIFY=datavg",
    ("application_controller", "CPU_USAGE_MONITOR"): "PROCESS_TO_MONITOR_CPU_USAGE=/a/b",
    ("application_monitor", "TYPE"): "PROCESSES=a OWNER=root",
    ("application_monitor", "PROCESSES"): "TYPE=Process OWNER=root",
    ("application_monitor", "OWNER"): "TYPE=Process PROCESSES=a",
    ("application_monitor", "INSTANCECOUNT"): "TYPE=Process PROCESSES=a OWNER=root",
    ("fallback_timer", "MONTH"): "YEAR=2030 DAY_OF_MONTH=3",
    ("fallback_timer", "YEAR"): "MONTH=2 DAY_OF_MONTH=3",
    ("fallback_timer", "DAY_OF_MONTH"): "YEAR=2030 MONTH=2",
    ("fallback_timer", "REPEATS"): "DAY_OF_WEEK=2",
}  # fmt: skip
"""What else must be given with it."""
SHOWN = {
    ("cluster", "NAME"): "CLUSTER_NAME",
    ("cluster", "SECURITY_LEVEL"): "LEVEL",
    ("cluster", "SKIP_EVENT_PROCESSING_MANAGE_NODE"): "SKIP_EVENT_PROCESSING_MANAGE_MODE",
    ("network", "IPALIASING"): "ALIAS",
    ("network", "PUBLIC"): "ATTR",
    ("interface", "TYPE"): "NETTYPE",
    ("node", "PREFIX"): "NETMASK",
    ("resource_group", "SITE_POLICY"): "SRELATIONSHIP",
    ("application_monitor", "RESOURCETOMONITOR"): "APPLICATIONS",
    ("event", "PREEVENT"): "PREEVENTCOMMAND",
    ("event", "POSTEVENT"): "POSTEVENTCOMMAND",
    ("event", "FILE"): "COMMAND",
    ("file_collection", "ADD"): "FILES",
    ("file_collection", "REPLACE"): "FILES",
}
"""The attribute of a query that shows it, where that has another name."""
ON_CUSTOM_OBJECTS = {("event", "NAME"), ("event", "FILE"), ("event", "COMMAND"), ("event", "DESCRIPTION"),
                     ("method", "SOURCE")}  # fmt: skip
"""Attributes of custom events and methods only, which the cluster's own do not have."""
ELSEWHERE = {("cluster", "NODES"), ("file_collection", "DELETE"), ("site", "REPOSITORIES")}
"""What chooses parts of the object, or is refused; other tests have them."""
PAIRS = [
    (class_name, attribute)
    for class_name in OBJECTS
    for attribute, (actions, _) in TABLES[class_name].items()
    if {"add", "modify"} & {*actions} and (class_name, attribute) not in ELSEWHERE
]


def prepared() -> Configuration:
    c = rich()
    for words in (
        "add application_controller more_app STARTSCRIPT=/a/s STOPSCRIPT=/a/t",
        "add network net_ether_02",
        "add service_ip other_svc NETWORK=net_ether_01",
        "add method ask TYPE=verify FILE=/a/ask",
    ):
        c = done(c, *words.split())
    return c


def value_for(class_name: str, attribute: str) -> str:
    if (class_name, attribute) in VALUES:
        return VALUES[class_name, attribute]
    domain = TABLES[class_name][attribute][1]
    if attribute in ORDINALS:
        return "2"
    match domain:
        case "text":
            return "something else"
        case "name" | "names":
            return "another"
        case "path" | "paths" | "paths|ALL":
            return "/some/path"
        case "mounts":
            return "/some/path;/another/one"
        case "address":
            return "127.9.9.77"
        case "netmask":
            return "255.255.255.224"
        case "truth":
            return "true"
    if ".." in domain:
        low, _, high = domain.rpartition(",")[2].partition("..")
        return str(min(int(low) + 3, int(high)))
    return domain.split("|")[-1]


def same(shown_value: str, given: str, attribute: str) -> bool:
    """Lists are shown with blanks, booleans with one of two pairs of words, disks with their PVIDs."""
    words = {"true": {"true", "yes", "public"}, "false": {"false", "no", "private"}}
    wanted = given.replace(",", " ").lower()
    found = shown_value.lower()
    return (
        found in {wanted, *words.get(wanted, set())}
        or (attribute == "REPOSITORIES" and [w.split()[0] for w in found.split(",")] == given.lower().split(","))
        or (attribute == "ADD" and given in found.split())
        or (attribute == "PREFIX" and "255.255.0.0" in found.split())
        or (attribute in ("PERSISTENT_IP", "NETWORK", "NETMASK") and wanted in found.split())
    )


@pytest.mark.parametrize(("class_name", "attribute"), PAIRS, ids=lambda word: word)
def test_what_is_set_is_stored_and_shown(class_name: str, attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sample.HOSTS, "node3_per", "127.9.9.43")
    monkeypatch.setitem(sample.HOSTS, "free_svc", "127.9.9.44")
    pair, value = (class_name, attribute), value_for(class_name, attribute)
    name = OBJECTS[class_name]
    if pair in ON_CUSTOM_OBJECTS:
        name = "before" if class_name == "event" else "ask"
    if "modify" in TABLES[class_name][attribute][0]:
        c = done(prepared(), "modify", class_name, name, f"{attribute}={value}", *BESIDES.get(pair, "").split())
    else:
        pytest.skip("an attribute of add alone")
    memory = Memory()
    memory.classes["HACMPlogs"] = [
        {"name": log.name, "value": log.directory, "defaultdir": log.default_directory, "rfs": "0"} for log in c.logs
    ]
    memory.classes["HACMPevent"] = [{"name": event.name, "cmd": event.command, "count": 0} for event in c.events]
    configurations.store(memory, c, "node1")
    stored = configurations.load(memory)
    assert stored == c, "something of it does not survive the object classes"
    label = SHOWN.get(pair, attribute)
    new = value if attribute == "NAME" else name
    lines = shown("query", class_name, new, c=stored, tunables=configured_tunables(stored)).splitlines()
    found = dict(line.partition("=")[::2] for line in lines)
    assert label in found, f"no query shows {attribute}"
    assert same(found[label].strip('"'), value, attribute), f"{attribute}={value} shows as {found[label]}"


def test_every_class_of_the_configuration_is_tried() -> None:
    assert set(edits.modules()) - set(OBJECTS) == {"dependency"}
