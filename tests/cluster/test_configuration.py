from datetime import datetime
from pathlib import Path

import pytest

from daemons.cluster import configuration as c
from daemons.cluster.configuration import resources
from daemons.cluster.configuration.user_defined import ResourceType
from srcctl.odm.description import parse

SAMPLE = c.Configuration(
    cluster=c.Cluster(id=1108531106, name="haes_cluster", last_node_ids=(1, 2), highest_node_id=2),
    nodes=(
        c.Node(name="node1", id=1, settings=(("COMMUNICATION_PATH", "node1"), ("VERBOSE_LOGGING", "high"))),
        c.Node(name="node2", id=2, settings=(("COMMUNICATION_PATH", "127.9.9.2"),)),
    ),
    networks=(c.Network(name="net_ether_01", id=1),),
    labels=(
        c.Label(
            label="node1", function="boot", address="127.9.9.1", network="net_ether_01", node="node1", interface="en0"
        ),
        c.Label(label="app_svc", function="service", address="127.9.9.33", network="net_ether_01"),
    ),
    groups=(
        c.ResourceGroup(
            name="app_rg",
            nodes=("node2", "node1"),
            fallback="NFB",
            resources=(("SERVICE_LABEL", "app_svc"), ("APPLICATIONS", "counter_app")),
            fallback_timer="sunday",
        ),
        c.ResourceGroup(name="web_rg", nodes=("node1", "node2")),
    ),
    controllers=(c.ApplicationController(name="counter_app", start="/usr/local/start", stop="/usr/local/stop"),),
    monitors=(c.ApplicationMonitor(name="watch", attributes=(("MONITOR_TYPE", "user"),)),),
    sites=(c.Site(name="siteA", nodes=("node1",), dominance="yes"), c.Site(name="siteB", nodes=("node2",))),
    tapes=(c.Tape(name="drive", device="/dev/rmt0", start="/t/on", stop_synchronous=True),),
    resource_types=(ResourceType(name="queue", order="DISKS", start="/q/start", stop="/q/stop"),),
    user_resources=(c.UserDefinedResource(name="orders", type="queue", attributes=(("port", "80"),)),),
    dependencies=(c.GroupDependency(id=1, parent="app_rg", child="web_rg"),),
    location_dependencies=(
        c.LocationDependency(id=1, kind="NODECOLLOCATION", members=(("app_rg", ""), ("web_rg", ""))),
        c.LocationDependency(id=2, kind="ANTICOLLOCATION", members=(("web_rg", "LOW"), ("app_rg", "HIGH"))),
    ),
    timers=(c.FallbackTimer(name="sunday", recurrence="weekly", week_day=0, hour=22, minutes=30),),
    methods=(c.CustomMethod(name="look", kind="verify", program="/usr/local/look"),),
    notify_methods=(
        c.NotifyMethod(name="mail", program="/m", contact="a@b", nodes=("node1",), events=("node_up", "node_down")),
    ),
    collections=(c.FileCollection(id=3, name="mine", when_changed=True, files=("/etc/motd", "/etc/hosts")),),
    settings=(("FC_SYNC_INTERVAL", "20"),),
    multicast_address="228.1.1.1",
    repository="00f6f5d015a4310b",
    split_merge=(("split", "None"), ("merge", "Majority")),
)


class Memory:
    def __init__(self) -> None:
        self.classes: dict[str, list[c.OdmObject]] = {}

    def get(self, class_name: str, criteria: str | None = None) -> list[c.OdmObject]:
        return self.classes.get(class_name, [])

    def replace_all(self, class_name: str, objects: list[c.OdmObject]) -> None:
        self.classes[class_name] = objects


def test_what_was_stored_is_loaded() -> None:
    memory = Memory()
    assert c.load(memory) is None
    c.store(memory, SAMPLE, "node2")
    assert c.load(memory) == SAMPLE
    assert memory.classes["HACMPcluster"][0]["nodename"] == "node2"
    assert memory.classes["HACMPcluster"][0]["handle"] == 2


def test_contradictions_are_named() -> None:
    memory = Memory()
    c.store(memory, SAMPLE, "node1")
    memory.classes["HACMPgroup"] = []
    with pytest.raises(c.ConfigurationFault, match="app_rg"):
        c.load(memory)


def test_every_object_has_the_fields_of_its_class() -> None:
    classes = {d.name: d for d in parse((Path(__file__).parents[2] / "etc/objrepos/hacmp.cre").read_text())}
    assert set(c.CLASSES) <= set(classes)
    written = c.objects_of(SAMPLE, "node1")
    assert set(written) == set(c.CLASSES) - {"HACMPlogs", "HACMPevent", "HACMPude"}
    for name, objects in written.items():
        assert objects, name
        for o in objects:
            assert list(o) == [d.name for d in classes[name].descriptors], name
            assert classes[name].complete(o)


def test_what_a_node_has_without_a_cluster() -> None:
    memory = Memory()
    memory.classes["HACMPlogs"] = [{"name": "hacmp.out", "value": "/var/hacmp/log"}]
    assert c.undefined(memory).log_directories == (("hacmp.out", "/var/hacmp/log"),)
    assert c.undefined(memory).cluster.name == ""


@pytest.mark.parametrize(
    ("timer", "expected"),
    [
        (c.FallbackTimer(name="t", recurrence="daily", hour=9, minutes=0), "2026-11-28 09:00"),
        (c.FallbackTimer(name="t", recurrence="daily", hour=18, minutes=1), "2026-11-27 18:01"),
        (c.FallbackTimer(name="t", recurrence="weekly", week_day=0, hour=1, minutes=5), "2026-11-29 01:05"),
        (c.FallbackTimer(name="t", recurrence="weekly", week_day=5, hour=1, minutes=5), "2026-12-04 01:05"),
        (c.FallbackTimer(name="t", recurrence="monthly", day_of_month=31, hour=0, minutes=0), "2026-12-31 00:00"),
        (
            c.FallbackTimer(name="t", recurrence="yearly", month=2, day_of_month=29, hour=0, minutes=0),
            "2028-02-29 00:00",
        ),
        (
            c.FallbackTimer(name="t", recurrence="specific", year=2027, month=1, day_of_month=2, hour=3, minutes=4),
            "2027-01-02 03:04",
        ),
        (c.FallbackTimer(name="t", recurrence="specific", year=2025, month=1, day_of_month=2, hour=3, minutes=4), None),
    ],
)
def test_fallback_timers_tell_when(timer: c.FallbackTimer, expected: str | None) -> None:
    found = timer.next_after(datetime(2026, 11, 27, 18, 0))
    assert (found and found.strftime("%Y-%m-%d %H:%M")) == expected


def test_a_different_nodes_set_is_in_order_of_priority() -> None:
    sets = SAMPLE.location_dependencies
    assert sets[1].groups == ("app_rg", "web_rg")
    assert sets[0].groups == ("app_rg", "web_rg")
    assert sets[1].priority("web_rg") == "LOW"


def test_a_monitor_is_read_with_the_defaults_of_the_product() -> None:
    monitor = c.ApplicationMonitor(
        name="m",
        attributes=(
            ("MONITOR_TYPE", "user"),
            ("RESOURCE_TO_MONITOR", "a"),
            ("RESOURCE_TO_MONITOR", "b"),
            ("MONITOR_INTERVAL", "10"),
            ("STABILIZATION_INTERVAL", "20"),
        ),
    )
    assert monitor.applications == ("a", "b")
    assert (monitor.interval, monitor.hung_signal, monitor.restart_count, monitor.restart_interval) == (10, 9, 3, 99)
    assert (monitor.invocation, monitor.failure_action, monitor.is_process_monitor) == ("longrunning", "notify", False)
    with pytest.raises(c.ConfigurationFault, match="RESTART_COUNT"):
        _ = c.ApplicationMonitor(name="m", attributes=(("RESTART_COUNT", "many"),)).restart_count


def test_recovery_of_a_resource_stands_beside_it_and_survives_the_odm() -> None:
    group = c.ResourceGroup(
        name="rg1",
        nodes=("node1",),
        resources=(("SERVICE_LABEL", "svc1"), ("VOLUME_GROUP", "vg1"), ("VOLUME_GROUP", "vg2")),
        notified=(("SERVICE_LABEL", "svc1", "/a/tell -x"), ("VOLUME_GROUP", "vg2", "")),
    )
    objects = resources.group_objects((group,))
    assert [o["monitor_method"] for o in objects["HACMPresource"]] == ["/a/tell -x", "", "NOTIFY"]
    assert resources.load_groups(objects["HACMPgroup"], objects["HACMPresource"], []) == (group,)
    assert group.notify_method("VOLUME_GROUP", "vg1") is None


@pytest.mark.parametrize("wrong", [{"hour": 25}, {"hour": -1}, {"minutes": 60}])
def test_a_time_that_no_day_has_never_comes(wrong: dict[str, int]) -> None:
    """Edited by hand and synchronized without verification it would be in every cluster manager."""
    fields = {"hour": 1, "minutes": 0, **wrong}
    assert c.FallbackTimer(name="x", recurrence="daily", **fields).next_after(datetime(2026, 11, 27)) is None
