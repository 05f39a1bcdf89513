import pytest

from daemons.cluster import configuration as c

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
        ),
    ),
    controllers=(c.ApplicationController(name="counter_app", start="/usr/local/start", stop="/usr/local/stop"),),
    monitors=(c.ApplicationMonitor(name="watch", attributes=(("MONITOR_TYPE", "user"),)),),
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
