"""The cluster, the surroundings and the requests that clmgr's tests share."""

from __future__ import annotations

from pathlib import Path

import msgspec

from daemons.clmgr import edits, queries
from daemons.clmgr.edits import Surroundings
from daemons.clmgr.queries import Facts
from daemons.clmgr.queries.shapes import render
from daemons.clmgr.syntax import grammar
from daemons.clstrmgr.messages import ClusterSnapshot, GroupNodeView, GroupView, NodeView
from daemons.cluster.configuration import Cluster, Configuration, EventCustomization, FileCollection, LogFile
from srcctl.node.root import Identity, Interface, LabNode

GOLDEN = Path(__file__).parent.parent / "golden"
IDENTITY = Identity(
    "lab", "/lab", "/key", "", "", "", "node1", 1, 10.0, "view", "",
    (Interface("en0", "net_ether_01", "127.9.9.1", "255.255.255.192"),),
    (LabNode("node1", 1, ("127.9.9.1",)), LabNode("node2", 2, ("127.9.9.2",)), LabNode("node3", 3, ("127.9.9.3",))),
)  # fmt: skip
HOSTS = {"app_svc": "127.9.9.33", "other_svc": "127.9.9.34", "node1_per": "127.9.9.41", "node2_per": "127.9.9.42"}
DISKS = {f"hdisk{n}": f"00f900000000000{n}" for n in range(1, 5)}
HERE = Surroundings(IDENTITY, HOSTS, DISKS)
BASE = Configuration(
    cluster=Cluster(id=0, name=""),
    events=(EventCustomization(name="node_up", command="/usr/es/sbin/cluster/events/node_up"),),
    logs=(LogFile(name="hacmp.out", directory="/var/hacmp/log", default_directory="/var/hacmp/log"),),
    collections=(
        FileCollection(id=1, name="Configuration_Files", files=("/etc/hosts",)),
        FileCollection(id=2, name="HACMP_Files"),
    ),
)


def asked(*words: str) -> grammar.Request:
    return grammar.parse(list(words))


def done(c: Configuration, *words: str) -> Configuration:
    """The configuration after an add, modify or delete."""
    request = asked(*words)
    if request.action == "delete":
        return edits.delete(request, c)
    return (edits.add if request.action == "add" else edits.modify)(request, c, HERE)


def sample() -> Configuration:
    c = done(BASE, "add", "cluster", "haes_cluster", "NODES=node1,node2", "REPOSITORIES=hdisk1")
    c = msgspec.structs.replace(c, cluster=msgspec.structs.replace(c.cluster, id=1108531106))
    for words in (
        ("service_ip", "app_svc", "NETWORK=net_ether_01"),
        ("application_controller", "counter_app", "STARTSCRIPT=/a/start", "STOPSCRIPT=/a/stop"),
        ("rg", "app_rg", "nodes=node1,node2", "FALLBACK=NFB", "SERVICE_LABEL=app_svc", "APPLICATIONS=counter_app"),
    ):
        c = done(c, "add", *words)
    return c


def rich() -> Configuration:
    """The sample with an object of every class that the configuration has."""
    c = sample()
    for words in (
        "add persistent_ip node1_per NETWORK=net_ether_01 NODE=node1",
        "add site east NODES=node1",
        "add site west NODES=node2 RECOVERY_PRIORITY=2",
        "add fallback_timer night HOUR=2 MINUTE=30",
        "add rg web_rg NODES=node2,node1 FALLBACK_AT=night",
        "add rg db_rg NODES=node1,node2",
        "add application_monitor look TYPE=Custom MODE=longrunning APPLICATIONS=counter_app MONITORMETHOD=/a/look",
        "add tape drive SHARED_TAPE_RESOURCE=/dev/rmt0",
        "add udresource_type queue STARTMETHOD=/q/start STOPMETHOD=/q/stop VERIFYMETHOD=/q/verify AFTER=DISKS",
        "add udresource orders TYPE=queue ATTRIBUTES=port=8080,dir=/a=b",
        "add udresource bills TYPE=queue",
        "modify rg web_rg USERDEFINED_RESOURCES=orders",
        "modify rg app_rg RECOVERY_NOTIFY=app_svc RECOVERY_NOTIFY_METHOD=/a/tell",
        "add dependency PARENT=db_rg CHILD=app_rg",
        "add dependency HIGH=app_rg LOW=web_rg",
        "add file_collection mine FILES=/etc/motd,/etc/profile SYNC_WITH_CLUSTER=yes",
        "add method check TYPE=verify FILE=/a/check",
        "add method mail TYPE=notify FILE=/a/mail CONTACT=a@b EVENTS=node_up",
        "add event before FILE=/a/before",
    ):
        c = done(c, *words.split())
    return c


def picture(owner: int = 1) -> ClusterSnapshot:
    return ClusterSnapshot(
        cluster_id=1,
        cluster_name="haes_cluster",
        state="ST_STABLE",
        services=True,
        cluster_state="up",
        substate="stable",
        local_node=1,
        local_name="node1",
        members=(1, 2),
        nodes=(NodeView(1, "node1", "up"), NodeView(2, "node2", "up")),
        groups=(
            GroupView(
                1, "app_rg", "OHN", "FNPN", "NFB",
                tuple(GroupNodeView(n, "ONLINE" if n == owner else "OFFLINE") for n in (1, 2)),
            ),
        ),
    )  # fmt: skip


def facts(**more: object) -> Facts:
    views = {"node1": picture(), "node2": picture()}
    given_facts = {"local": "node1", "views": views, "picture": picture(), "disks": {v: k for k, v in DISKS.items()}}
    return Facts(**{**given_facts, **more})  # type: ignore[arg-type]


def shown(*words: str, c: Configuration | None = None, **more: object) -> str:
    """What a query prints."""
    request = asked(*words)
    blocks = queries.query(request.class_name, c or sample(), facts(**more))
    names_only = not request.names and request.class_name != "cluster"
    if request.names:
        blocks = [block for block in blocks if block[0][1] in request.names]
    return "".join(f"{line}\n" for line in render(request, blocks, names_only))


def golden(name: str) -> str:
    witness, _, expected = (GOLDEN / name).read_text().partition("\n")
    assert witness.startswith(("# witness:", "# inferred"))
    return expected
