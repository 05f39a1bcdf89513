"""add, modify and delete: what is accepted, what is refused with which code, and that a refusal changes nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.clmgr import edits
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.storage.volume_groups import disks_named
from daemons.clmgr.syntax.attributes import TABLES
from daemons.clmgr.syntax.catalogue import CLASSES
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions import preparation
from daemons.cluster import configuration as configurations
from daemons.cluster.configuration import Configuration
from daemons.cluster.configuration.policies import DIFFERENT_NODES, PARENT_CHILD, SAME_NODE
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import BASE, HERE, asked, done, rich, sample
from tests.cluster.test_configuration import Memory


def test_the_sample_cluster_is_what_was_asked_for() -> None:
    c = sample()
    assert [(entry.label, entry.function, entry.address) for entry in c.labels] == [
        ("node1", "boot", "127.9.9.1"),
        ("node2", "boot", "127.9.9.2"),
        ("app_svc", "service", "127.9.9.33"),
    ]
    group = c.group("app_rg")
    assert group is not None
    assert group.nodes == ("node1", "node2")
    assert group.resources == (("SERVICE_LABEL", "app_svc"), ("APPLICATIONS", "counter_app"))
    assert c.repository == "00f9000000000001"


def test_a_cluster_without_a_name_is_called_after_its_node() -> None:
    c = done(BASE, "add", "cluster")
    assert c.cluster.name == "node1_cluster"
    assert [node.name for node in c.nodes] == ["node1"]
    assert c.events == BASE.events


def test_a_cluster_has_the_node_on_which_it_is_made() -> None:
    with pytest.raises(ClmgrError, match=r'^the local node \("node1"\) must be one of NODES\.$') as caught:
        done(BASE, "add", "cluster", "c1", "NODES=node2")
    assert caught.value.code == 4


def test_everything_that_clmgr_can_add_survives_the_object_classes() -> None:
    memory, c = Memory(), rich()
    memory.classes["HACMPlogs"] = [
        {"name": log.name, "value": log.directory, "defaultdir": log.default_directory, "rfs": "0"} for log in c.logs
    ]
    memory.classes["HACMPevent"] = [{"name": event.name, "cmd": event.command, "count": 0} for event in c.events]
    configurations.store(memory, c, "node1")
    assert configurations.load(memory) == c


def test_dependencies_are_stored_the_product_s_way() -> None:
    c = rich()
    assert [(d.id, d.parent, d.child, d.kind) for d in c.dependencies] == [(1, "db_rg", "app_rg", PARENT_CHILD)]
    assert [(s.id, s.kind, s.members) for s in c.location_dependencies] == [
        (2, DIFFERENT_NODES, (("app_rg", "HIGH"), ("web_rg", "LOW")))
    ]
    c = done(c, "delete", "dependency", "2")
    c = done(c, "add", "dependency", "SAME=NODE", "GROUPS=app_rg,db_rg")
    assert c.location_dependencies[0].kind == SAME_NODE
    c = done(c, "add", "dependency", "START=web_rg", "AFTER=app_rg")
    c = done(c, "add", "dependency", "STOP=web_rg", "AFTER=app_rg")
    assert [(d.parent, d.child, d.kind) for d in c.dependencies[1:]] == [
        ("app_rg", "web_rg", "STARTAFTER"),
        ("app_rg", "web_rg", "STOPAFTER"),
    ]
    assert done(c, "delete", "dependency", "ALL", "TYPE=START_AFTER").dependencies[1].kind == "STOPAFTER"
    assert done(c, "delete", "dependency", "ALL").dependencies == ()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("add rg app_rg NODES=node1", 4),
        ("add rg x", 3),
        ("add rg", 3),
        ("add rg x NODES=node9", 2),
        ("add rg x NODES=node1,node1", 4),
        ("add rg x NODES=node1 STARTUP=SOON", 4),
        ("add rg x NODES=node1 COLOUR=red", 4),
        ("add rg x NODES=node1 APPLICATIONS=nosuch", 2),
        ("add rg x NODES=node1 APPLICATIONS=counter_app", 4),
        ("add rg x NODES=node1 STARTUP=OAAN SERVICE_LABEL=app_svc", 4),
        ("add rg x NODES=node1 STARTUP=OAAN FALLOVER=FNPN", 4),
        ("add rg x NODES=node1 FALLOVER=FUDNP", 5),
        ("add rg x NODES=node1 FALLBACK=NFB FALLBACK_AT=night", 4),
        ("add rg x NODES=node1 FALLBACK_AT=nosuch", 2),
        ("add rg x NODES=node1 NODE_PRIORITY_POLICY=least", 3),
        ("add rg bad/name NODES=node1", 4),
        ("add service_ip app_svc", 4),
        ("add service_ip unknown_svc", 5),
        ("add service_ip other_svc NETWORK=nosuch", 2),
        ("add service_ip other_svc PREFIX=33", 4),
        ("add service_ip 127.9.9.33", 4),
        ("add persistent_ip node2_per", 3),
        ("add persistent_ip node2_per NODE=node1", 4),
        ("add interface lonely IPADDR=127.9.9.99 NODE=node1", 3),
        ("add interface lonely IPADDR=127.9.9.99 NODE=node1 INTERFACE=en0", 4),
        ("add ac counter_app STARTSCRIPT=/a STOPSCRIPT=/b", 4),
        ("add ac x STARTSCRIPT=/a", 3),
        ("add ac x STARTSCRIPT=a STOPSCRIPT=/b", 4),
        ("add ac x STARTSCRIPT=/a STOPSCRIPT=/b MONITORS=nosuch", 2),
        ("add ac x STARTSCRIPT=/a STOPSCRIPT=/b CPU_USAGE_MONITOR=yes", 3),
        ("add mon look TYPE=Custom MODE=both APPLICATIONS=counter_app MONITORMETHOD=/m", 4),
        ("add mon x TYPE=Custom MODE=both APPLICATIONS=counter_app", 3),
        ("add mon x TYPE=Custom MODE=both APPLICATIONS=nosuch MONITORMETHOD=/m", 2),
        ("add mon x TYPE=Process MODE=both APPLICATIONS=counter_app MONITORMETHOD=/m", 4),
        ("add mon x TYPE=Process MODE=both APPLICATIONS=counter_app PROCESSES=p", 3),
        ("add mon x TYPE=Custom APPLICATIONS=counter_app MONITORMETHOD=/m", 3),
        ("add mon x TYPE=Custom MODE=both APPLICATIONS=counter_app MONITORMETHOD=/m RESTARTCOUNT=101", 4),
        ("add node node1", 4),
        ("add node node7", 5),
        ("add node other COMMPATH=node1", 4),
        ("add node other COMMPATH=node3", 4),
        ("modify node node1 NAME=other", 4),
        ("add network net_ether_01", 4),
        ("add network x TYPE=token", 4),
        ("add site north NODES=node1", 4),
        ("add tape drive SHARED_TAPE_RESOURCE=/dev/rmt0", 4),
        ("add tape x", 3),
        ("add fallback_timer x HOUR=3", 3),
        ("add fallback_timer x HOUR=24 MINUTE=0", 4),
        ("add fallback_timer x HOUR=3 MINUTE=0 DAY_OF_WEEK=fr", 4),
        ("add fallback_timer x HOUR=3 MINUTE=0 DAY_OF_WEEK=fridays", 4),
        ("add fallback_timer x HOUR=3 MINUTE=0 MONTH=2", 3),
        ("add fallback_timer x HOUR=3 MINUTE=0 MONTH=2 DAY_OF_MONTH=30", 4),
        ("add fallback_timer x HOUR=3 MINUTE=0 DAY_OF_WEEK=1 DAY_OF_MONTH=3", 4),
        ("add dependency PARENT=db_rg", 3),
        ("add dependency PARENT=db_rg CHILD=db_rg", 4),
        ("add dependency PARENT=app_rg CHILD=db_rg", 4),
        ("add dependency PARENT=db_rg CHILD=app_rg", 4),
        ("add dependency PARENT=nosuch CHILD=app_rg", 2),
        ("add dependency SAME=NODE GROUPS=app_rg", 3),
        ("add dependency SAME=NODE GROUPS=app_rg,web_rg", 4),
        ("add dependency HIGH=db_rg LOW=app_rg", 4),
        ("add dependency START=db_rg STOP=app_rg AFTER=web_rg", 4),
        ("add dependency", 3),
        ("add dependency name PARENT=db_rg CHILD=web_rg", 4),
        ("add file_collection mine FILES=/etc/x", 4),
        ("add file_collection x", 3),
        ("add file_collection x FILES=/etc/hosts", 4),
        ("add file_collection x FILES=hosts", 4),
        ("add method check TYPE=verify FILE=/x", 4),
        ("add method x FILE=/x", 3),
        ("add method x TYPE=verify FILE=/x CONTACT=me", 4),
        ("add method x TYPE=notify FILE=/x", 3),
        ("add method x TYPE=notify FILE=/x CONTACT=me EVENTS=nosuch", 2),
        ("add event node_up FILE=/x", 4),
        ("modify rg nosuch", 2),
        ("modify rg app_rg NAME=web_rg", 4),
        ("modify cluster COLOUR=red", 4),
        ("modify cluster", 3),
        ("modify cluster VERIFICATION_NODE=node9", 2),
        ("modify cluster VERIFICATION_HOUR=24", 4),
        ("modify cluster HEARTBEAT_FREQUENCY=9", 4),
        ("modify cluster CLUSTER_IP=228.1.1.1", 4),
        ("modify cluster HEARTBEAT_TYPE=multicast CLUSTER_IP=127.0.0.1", 4),
        ("modify cluster HEARTBEAT_TYPE=multicast CLUSTER_IP=240.0.0.1", 4),
        ("modify cluster SPLIT_POLICY=tiebreaker MERGE_POLICY=tiebreaker", 3),
        ("modify cluster SPLIT_POLICY=manual", 4),
        ("modify cluster SPLIT_POLICY=nfs MERGE_POLICY=nfs", 3),
        ("modify cluster REPOSITORIES=hdisk99", 2),
        ("modify cluster other NAME=x", 2),
        ("modify network net_ether_01 SOURCE_IP=node1", 5),
        ("modify event node_up PREEVENTCOMMAND=nosuch", 2),
        ("modify event node_up NAME=x", 4),
        ("modify file_collection HACMP_Files ADD=/x", 4),
        ("modify file_collection mine DELETE=/etc/nosuch", 2),
        ("modify dependency 9 PARENT=db_rg CHILD=app_rg", 2),
        ("delete rg nosuch", 2),
        ("delete rg", 3),
        ("delete rg app_rg", 5),
        ("delete ac counter_app", 5),
        ("delete service_ip app_svc", 5),
        ("delete service_ip node1", 2),
        ("delete node node2", 5),
        ("delete network net_ether_01", 5),
        ("delete fallback_timer night", 5),
        ("delete dependency 7", 2),
        ("delete event node_up", 4),
        ("delete file_collection HACMP_Files", 4),
        ("delete method nosuch", 2),
        ("delete method check TYPE=notify", 2),
        ("modify rg app_rg", 3),
        ("add network x TYPE=ether NETMASK=255.255.0.255", 4),
        ("add network x TYPE=ether NETMASK=0.0.0.0", 4),
        ("add rg x NODES=node1 FILESYSTEM=/a;rm", 4),
        ("add rg x NODES=node1 FILESYSTEM=a", 4),
        ("add rg x NODES=node1 EXPORT_FILESYSTEM=a", 4),
        ("add rg x NODES=node1 MOUNT_FILESYSTEM=/a", 4),
        ("add rg x NODES=node1 MOUNT_FILESYSTEM=/a;b", 4),
        ("add rg x NODES=node1;node2", 4),
        ("modify node node1", 3),
        ("modify tape drive", 3),
        ("modify cluster GRACE_PERIOD=21600", 4),
        ("modify cluster SECURITY_LEVEL=High GRACE_PERIOD=0", 4),
    ],
)
def test_refusals_carry_their_codes(words: str, code: int) -> None:
    c = rich()
    with pytest.raises(ClmgrError) as caught:
        done(c, *words.split())
    assert caught.value.code == code, str(caught.value)


def test_the_grace_period_of_message_security() -> None:
    """GRACE_PERIOD among the attributes of message security is a key's, not the heartbeat's."""
    c = done(
        sample(), *["modify", "cluster", "SECURITY_LEVEL=High", "ALGORITHM=AES", "GRACE_PERIOD=21600", "REFRESH=86400"]
    )
    assert (c.setting("GRACE_PERIOD_SEC"), c.setting("GRACE_PERIOD"), c.setting("REFRESH")) == ("21600", "", "86400")
    assert done(c, "modify", "cluster", "GRACE_PERIOD=20").setting("GRACE_PERIOD") == "20"
    with pytest.raises(ClmgrError, match="twice"):
        done(c, "modify", "cluster", "ALGORITHM=AES", "GRACE_PERIOD=21600", "GRACE_PERIOD_SEC=1")


def test_methods_are_deleted_by_kind() -> None:
    c = done(rich(), "add", "method", "call", "TYPE=notify", "FILE=/m", "CONTACT=me", "NODES=node1,node2")
    kept = done(c, "delete", "method", "ALL", "TYPE=notify")
    assert not kept.notify_methods
    assert kept.methods == c.methods
    gone = done(c, "delete", "method", "ALL")
    assert (gone.notify_methods, {m.kind for m in gone.methods} - {"event"}) == ((), set())


def test_nothing_names_a_node_that_is_deleted() -> None:
    c = done(sample(), "add", "method", "call", "TYPE=notify", "FILE=/m", "CONTACT=me", "NODES=node1,node2")
    c = done(c, "modify", "cluster", "VERIFICATION_NODE=node2")
    c = done(done(c, "modify", "rg", "app_rg", "NODES=node1"), "delete", "node", "node2")
    assert (c.cluster.verification_node, c.notify_methods[0].nodes) == ("", ("node1",))


def test_a_source_address_stays_in_its_network() -> None:
    c = done(sample(), "modify", "network", "net_ether_01", "SOURCE_IP=app_svc")
    c = done(c, "add", "network", "net_ether_02", "TYPE=ether")
    with pytest.raises(ClmgrError, match="still in use") as refused:
        done(c, "modify", "service_ip", "app_svc", "NETWORK=net_ether_02")
    assert refused.value.code == 5
    assert done(c, "modify", "service_ip", "app_svc", "NETWORK=net_ether_01").label("app_svc") is not None


def test_a_modified_label_takes_nobody_s_place() -> None:
    c = done(
        sample(),
        *["add", "interface", "node1_en7", "NETWORK=net_ether_01", "NODE=node1", "INTERFACE=en7", "IPADDR=127.9.9.9"],
    )
    c = done(c, "add", "network", "net_ether_02", "TYPE=ether")
    for number, network in (("127.9.9.41", "net_ether_01"), ("127.9.9.42", "net_ether_02")):
        c = done(c, "add", "persistent_ip", number, f"NETWORK={network}", "NODE=node1")
    for words in (
        "modify interface node1_en7 INTERFACE=en0",
        "modify interface node2 NODE=node1 INTERFACE=en7",
        "modify persistent_ip 127.9.9.42 NETWORK=net_ether_01",
    ):
        with pytest.raises(ClmgrError, match="already exists") as refused:
            done(c, *words.split())
        assert refused.value.code == 4
    assert done(c, *["modify", "interface", "node1_en7", "INTERFACE=en8"]).label("node1_en7").interface == "en8"  # type: ignore[union-attr]
    done(c, *["modify", "persistent_ip", "127.9.9.42", "NETWORK=net_ether_01", "NODE=node2"])


def test_modify_and_delete() -> None:
    c = done(sample(), "modify", "rg", "app_rg", "FALLBACK=FBHPN", "APPLICATIONS=")
    group = c.group("app_rg")
    assert group is not None
    assert (group.fallback, group.resources) == ("FBHPN", (("SERVICE_LABEL", "app_svc"),))
    c = done(c, "delete", "ac", "counter_app")
    assert c.controllers == ()
    c = done(c, "rm", "rg", "app_rg")
    c = done(c, "rm", "node", "node2")
    assert [entry.label for entry in c.labels] == ["node1", "app_svc"]


def test_a_new_name_is_followed_by_what_names_it() -> None:
    c = rich()
    for words in (
        "modify rg app_rg NAME=renamed_rg",
        "modify ac counter_app NAME=renamed_app",
        "modify network net_ether_01 NAME=net_a",
        "modify fallback_timer night NAME=late",
        "modify service_ip app_svc NAME=other_svc",
        "modify site east NAME=sunrise",
    ):
        c = done(c, *words.split())
    group = c.group("renamed_rg")
    assert group is not None
    assert group.nodes == ("node1", "node2")
    assert group.resources == (("SERVICE_LABEL", "other_svc"), ("APPLICATIONS", "renamed_app"))
    assert c.site("sunrise").nodes == ("node1",)  # type: ignore[union-attr]
    assert c.dependencies[0].child == "renamed_rg"
    assert c.location_dependencies[0].groups[0] == "renamed_rg"
    assert c.monitors[0].applications == ("renamed_app",)
    assert {entry.network for entry in c.labels} == {"net_a"}
    assert c.group("web_rg").fallback_timer == "late"  # type: ignore[union-attr]
    assert c.label("other_svc").address == "127.9.9.34"  # type: ignore[union-attr]


def test_a_timer_repeats_as_its_date_says() -> None:
    c = sample()
    for name, words, recurrence in (
        ("a", "", "daily"),
        ("b", "DAY_OF_WEEK=0", "weekly"),
        ("b2", "DAY_OF_WEEK=Friday", "weekly"),
        ("b3", "MONTH=feb DAY_OF_MONTH=28", "yearly"),
        ("c", "DAY_OF_MONTH=31", "monthly"),
        ("d", "MONTH=2 DAY_OF_MONTH=29", "yearly"),
        ("e", "YEAR=2027 MONTH=2 DAY_OF_MONTH=28", "specific"),
    ):
        c = done(c, "add", "timer", name, "HOUR=1", "MINUTE=5", *words.split())
        assert c.timer(name).recurrence == recurrence  # type: ignore[union-attr]
    c = done(c, "modify", "timer", "b", "HOUR=23")
    assert (c.timer("b").recurrence, c.timer("b").hour) == ("weekly", 23)  # type: ignore[union-attr]


def test_events_are_wrapped_by_custom_events_or_commands() -> None:
    c = done(rich(), "modify", "event", "node_up", "PREEVENTCOMMAND=before", "POSTEVENTCOMMAND=/a/after now")
    assert (c.events[0].pre, c.events[0].post) == ("before", "/a/after now")
    with pytest.raises(ClmgrError, match="still in use"):
        done(c, "delete", "event", "before")
    c = done(c, "modify", "event", "before", "NAME=earlier")
    assert c.events[0].pre == "earlier"


def test_cluster_settings() -> None:
    c = done(sample(), "modify", "cluster", "HEARTBEAT_TYPE=multicast", "CLUSTER_IP=228.1.1.1", "RG_SETTLING_TIME=60",
             "split_policy=tiebreaker", "MERGE_POLICY=tiebreaker", "TIEBREAKER=00f9000000000002", "MAX_EVENT=300",
             "HEARTBEAT_FREQUENCY=20", "DAILY_VERIFICATION=no", "TYPE=sc")  # fmt: skip
    assert (c.cluster.heartbeat_type, c.multicast_address, c.cluster.settling_time) == ("C", "228.1.1.1", 60)
    assert dict(c.split_merge)["tiebreaker"] == "00f9000000000002"
    assert not c.cluster.automatic_verification
    assert (c.setting("MAX_EVENT_TIME"), c.setting("CLUSTER_TYPE")) == ("300", "SC")
    assert done(c, "modify", "cluster", "MAX_EVENT_TIME=180").setting("MAX_EVENT_TIME") == ""


NAMES = (
    "app_rg",
    "web_rg",
    "counter_app",
    "app_svc",
    "node1",
    "node2",
    "net_ether_01",
    "night",
    "1",
    "2",
    "new",
    "ALL",
)


@settings(deadline=None)
@given(st.data())
def test_an_edit_succeeds_and_can_be_stored_or_is_refused(data: st.DataObject) -> None:
    """Whatever is asked for: a configuration that the object classes can hold, or a refusal; never anything else."""
    class_name = data.draw(st.sampled_from(sorted(edits.modules())))
    action = data.draw(st.sampled_from([a for a in CLASSES[class_name].actions if a in ("add", "modify", "delete")]))
    if (class_name, action) == ("cluster", "delete"):
        return
    names = data.draw(st.lists(st.sampled_from(NAMES), max_size=2))
    values = st.one_of(st.sampled_from((*NAMES, "/etc/x", "yes", "7", "Custom", "NODE")), st.text(max_size=8))
    known = sorted(TABLES[class_name])
    given_attributes = data.draw(st.dictionaries(st.sampled_from(known), values, max_size=4))
    request = Request(action=action, class_name=class_name, names=names, attributes=given_attributes)
    before = rich()
    try:
        if action == "delete":
            after = edits.delete(request, before)
        else:
            after = (edits.add if action == "add" else edits.modify)(request, before, HERE)
    except ClmgrError:
        return
    assert isinstance(after, Configuration)
    memory = Memory()
    configurations.store(memory, after, "node1")
    loaded = configurations.load(memory)
    assert loaded is not None
    assert (loaded.groups, loaded.labels, loaded.dependencies) == (after.groups, after.labels, after.dependencies)


def test_the_request_is_not_needed_twice() -> None:
    request = asked("add", "rg", "x", "nodes=node1")
    assert edits.add(request, sample(), HERE).group("x")


def test_netmasks_are_those_of_the_interfaces_and_of_the_network() -> None:
    c = done(sample(), "delete", "interface", "node1")
    c = done(c, "add", "interface", "node1", "NETWORK=net_ether_01", "IPADDR=127.9.9.1")
    assert (c.label("node1").netmask, c.label("node1").interface) == ("255.255.255.192", "en0")  # type: ignore[union-attr]
    c = done(c, "add", "network", "net_ether_02", "PREFIX=25")
    c = done(c, "add", "interface", "far", "NETWORK=net_ether_02", "NODE=node1", "INTERFACE=en1", "IPADDR=10.1.1.1")
    assert c.label("far").netmask == "255.255.255.128"  # type: ignore[union-attr]
    c = done(c, "modify", "network", "net_ether_02", "NAME=net_wide", "NETMASK=255.255.0.0")
    c = done(c, "add", "service_ip", "far_svc", "NETWORK=net_wide", "IPADDR=10.1.1.9")
    assert {entry.netmask for entry in c.labels if entry.network == "net_wide"} == {"255.255.0.0"}


@pytest.mark.parametrize("action", ["online", "offline", "recover"])
def test_what_is_asked_of_sites_is_asked_of_their_nodes(action: str) -> None:
    request = preparation.of_nodes(asked(action, "site", "east,west", "WHEN=now"), rich())
    assert (request.action, request.class_name, request.names) == (action, "node", ["node1", "node2"])
    assert request.attributes == {"WHEN": "now"}
    with pytest.raises(ClmgrError, match="does not appear to exist"):
        preparation.of_nodes(asked(action, "site", "north"), rich())


def test_serial_orders_of_groups() -> None:
    c = done(rich(), "modify", "cluster", "ACQUISITION_ORDER=db_rg,app_rg", "RELEASE_ORDER=app_rg")
    assert (c.setting("ACQUISITION_ORDER"), c.setting("RELEASE_ORDER")) == ("db_rg app_rg", "app_rg")
    with pytest.raises(ClmgrError) as caught:
        done(c, "modify", "cluster", "RELEASE_ORDER=nosuch")
    assert caught.value.code == 2
    c = done(c, "modify", "resource_group", "db_rg", "NAME=data_rg")
    assert c.setting("ACQUISITION_ORDER") == "data_rg app_rg"
    for name in [entry.id for entry in (*c.dependencies, *c.location_dependencies)]:
        c = done(c, "delete", "dependency", str(name))
    c = done(c, "delete", "resource_group", "data_rg")
    assert c.setting("ACQUISITION_ORDER") == "app_rg"
    assert done(c, "modify", "cluster", "ACQUISITION_ORDER=").setting("ACQUISITION_ORDER") == ""


def test_user_defined_resources() -> None:
    c = done(
        sample(), "add", "udresource_type", "queue", "AFTER=VOLUME_GROUP", "STARTMETHOD=/q/start", "STOPMETHOD=/q/stop"
    )
    c = done(c, "add", "udresource", "orders", "TYPE=queue", "ATTRIBUTES=port=8080,dir=/a=b")
    c = done(c, "modify", "resource_group", "app_rg", "USERDEFINED_RESOURCES=orders")
    kind, resource = c.resource_type("queue"), c.user_resource("orders")
    assert kind is not None
    assert resource is not None
    assert (kind.order, kind.start, kind.stop) == ("VOLUME_GROUP", "/q/start", "/q/stop")
    assert resource.environment == (("_port", "8080"), ("_dir", "/a=b"))
    for words, code in (
        (("add", "udresource_type", "x", "STARTMETHOD=/s"), 3),
        (("add", "udresource_type", "queue", "STARTMETHOD=/s", "STOPMETHOD=/s"), 4),
        (("add", "udresource_type", "x", "STARTMETHOD=/s", "STOPMETHOD=/s", "AFTER=nosuch"), 2),
        (("modify", "udresource_type", "queue", "AFTER=queue"), 4),
        (("add", "udresource", "x", "TYPE=nosuch"), 2),
        (("add", "udresource", "x"), 3),
        (("modify", "udresource", "orders", "ATTRIBUTES=port"), 4),
        (("delete", "udresource", "orders"), 5),
        (("delete", "udresource_type", "queue"), 5),
    ):
        with pytest.raises(ClmgrError) as caught:
            done(c, *words)
        assert caught.value.code == code, words
    c = done(c, "modify", "udresource_type", "queue", "NAME=spool")
    c = done(c, "modify", "udresource", "orders", "NAME=bills", "ATTRIBUTES=port:1")
    assert c.groups[0].resource("USERDEFINED_RESOURCES") == ("bills",)
    assert [(r.name, r.type, r.attributes) for r in c.user_resources] == [("bills", "spool", (("port", "1"),))]
    c = done(c, "modify", "resource_group", "app_rg", "USERDEFINED_RESOURCES=")
    c = done(done(c, "delete", "udresource", "ALL"), "delete", "udresource_type", "spool")
    assert (c.resource_types, c.user_resources) == ((), ())


def test_a_loss_that_is_only_told() -> None:
    c = done(sample(), "modify", "resource_group", "app_rg", "RECOVERY_NOTIFY=app_svc", "RECOVERY_NOTIFY_METHOD=/tell")
    assert c.groups[0].notified == (("SERVICE_LABEL", "app_svc", "/tell"),)
    with pytest.raises(ClmgrError) as caught:
        done(c, "modify", "resource_group", "app_rg", "RECOVERY_NOTIFY=counter_app")
    assert caught.value.code == 2
    assert done(c, "modify", "resource_group", "app_rg", "STARTUP=OFAN").groups[0].notified == c.groups[0].notified
    renamed = done(c, "modify", "service_ip", "app_svc", "NAME=web_svc", "IPADDR=127.9.9.34")
    assert renamed.groups[0].notified == (("SERVICE_LABEL", "web_svc", "/tell"),)
    assert done(c, "modify", "resource_group", "app_rg", "SERVICE_LABEL=").groups[0].notified == ()
    assert done(c, "modify", "resource_group", "app_rg", "RECOVERY_NOTIFY=").groups[0].notified == ()
    with pytest.raises(ClmgrError):
        done(sample(), "modify", "resource_group", "app_rg", "RECOVERY_NOTIFY_METHOD=/tell")


def test_an_operation_on_a_group_imports_neither_edits_nor_queries() -> None:
    program = (
        "import sys; from daemons.clmgr import commands; from daemons.clmgr.operations import resource_groups;"
        "from daemons.clmgr.transactions import preparation;"
        "late = ('daemons.clmgr.edits', 'daemons.clmgr.queries', 'json');"
        "print([name for name in sys.modules if name.startswith(late)])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n", "a move begins with clmgr's own start"


def test_the_nodes_own_disk_is_said_to_be_rootvgs(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (("modify", "cluster", "REPOSITORIES=hdisk0"), ("modify", "cluster", "SPLIT_POLICY=tiebreaker",
                                                                 "TIEBREAKER=hdisk0")):  # fmt: skip
        with pytest.raises(ClmgrError, match=r'^the disk "hdisk0" belongs to the volume group rootvg\.$') as caught:
            done(sample(), *words)
        assert caught.value.code == 4
    with pytest.raises(ClmgrError, match=r'^"hdisk9" does not appear to exist!$'):
        done(sample(), "modify", "cluster", "REPOSITORIES=hdisk9")
    monkeypatch.setattr("daemons.caa.client.find_disk", lambda root, wanted: None)
    for name, text in (("hdisk0", "belongs to the volume group rootvg"), ("hdisk9", "does not appear to exist")):
        with pytest.raises(ClmgrError, match=text):
            disks_named(NodeRoot("/nowhere"), [name])


def test_a_site_is_renamed_with_what_names_it_and_held_by_its_labels() -> None:
    c = done(rich(), "modify", "service_ip", "app_svc", "SITE=west")
    c = done(c, "modify", "cluster", "DEFAULT_SURVIVING_SITE=west")
    c = done(c, "modify", "site", "west", "NAME=far")
    assert (c.site_of_label("app_svc"), c.setting("DEFAULT_SURVIVING_SITE")) == ("far", "far")
    c = done(c, "modify", "service_ip", "app_svc", "NAME=other_svc")
    assert (c.site_of_label("app_svc"), c.site_of_label("other_svc")) == ("", "far")
    assert [node.name for node in c.nodes if c.may_hold(node.name, "other_svc")] == ["node2"]
    with pytest.raises(ClmgrError, match='"far" is still in use by "other_svc"'):
        done(c, "delete", "site", "far")
    c = done(done(c, "modify", "service_ip", "other_svc", "SITE="), "delete", "site", "far")
    assert (c.site("far"), c.setting("DEFAULT_SURVIVING_SITE")) == (None, "")


def test_a_site_may_get_its_nodes_later() -> None:
    c = done(sample(), "add", "site", "empty")
    assert c.sites[0].nodes == ()
    assert done(c, "modify", "node", "node1", "SITE=empty").sites[0].nodes == ("node1",)


@pytest.mark.parametrize(
    ("words", "text", "code"),
    [
        ("modify cluster TYPE=LC", 'the cluster type "LC" is not available', 4),
        ("modify site east REPOSITORIES=hdisk2", '"REPOSITORIES" is an attribute of the sites of a linked cluster', 4),
        ("add rg new NODES=node1 VOLUME_GROUP=novg", '"novg" does not appear to exist!', 2),
        ("modify rg db_rg VOLUME_GROUP=datavg,novg", '"novg" does not appear to exist!', 2),
    ],
)
def test_what_there_is_not_is_refused(words: str, text: str, code: int) -> None:
    here = dataclasses.replace(HERE, is_volume_group=lambda name: name == "datavg")
    request = asked(*words.split())
    with pytest.raises(ClmgrError, match=text) as refused:
        (edits.add if request.action == "add" else edits.modify)(request, rich(), here)
    assert refused.value.code == code


def test_a_volume_group_that_is_gone_does_not_keep_its_group_from_being_changed() -> None:
    c = done(rich(), "modify", "rg", "db_rg", "VOLUME_GROUP=datavg")
    here = dataclasses.replace(HERE, is_volume_group=lambda name: False)
    changed = edits.modify(asked("modify", "rg", "db_rg", "FALLBACK=NFB"), c, here).group("db_rg")
    assert changed is not None
    assert changed.resource("VOLUME_GROUP") == ("datavg",)
