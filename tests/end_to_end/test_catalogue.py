"""The catalogue of events on real processes: which event scripts ran on which node, in what order, with what arguments.

Sources of the sequences: the product's planning guide on events, and the history file of a fallover on 7.2.0.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
OPTIONS = ("--nodes", "3")

NODES = ("node1", "node2", "node3")
NETWORK = "net_ether_01"
HACMP_OUT = "/var/hacmp/log/hacmp.out"
SCRIPTS = {
    "start": "while [ -e $HAES_ROOT/var/tmp/pause ]; do sleep 0.05; done; touch $HAES_ROOT/var/tmp/watched.up",
    "stop": "rm -f $HAES_ROOT/var/tmp/watched.up",
    "check": "test -e $HAES_ROOT/var/tmp/watched.up",
}


class Catalogue:
    """What hacmp.out of each node says since one looked last."""

    def __init__(self, lab: LabUnderTest) -> None:
        self.lab = lab
        self._seen = dict.fromkeys(NODES, 0)
        self.forget()

    def forget(self) -> None:
        """Whatever happened so far is of no interest."""
        for node in NODES:
            self._seen[node] = len(self._all(node))

    def _all(self, node: str) -> list[str]:
        text = self.lab.file(node, HACMP_OUT)
        return re.findall(r"^\w{3} \d\d [\d:]+ EVENT START: (.*?) *$", text, re.MULTILINE)

    def began(self, node: str) -> list[str]:
        """The events that began on a node, without the serial numbers of requests."""
        found = self._all(node)[self._seen[node] :]
        return [re.sub(r"(_request) \d+ ", r"\1 N ", event) for event in found]

    def expect(self, **wanted: str) -> None:
        """Wait until exactly these events have begun on these nodes (one a line), and the cluster is stable."""
        for node, text in wanted.items():
            lines = [line.strip() for line in text.strip().splitlines()]
            eventually(lambda n=node, w=lines: self.began(n) == w, f"on {node}: {lines}", 60,  # type: ignore[misc]
                       lambda n=node: self.began(n))  # type: ignore[misc]  # fmt: skip
        self.stable(*wanted)
        for node in wanted:
            failed = [line for line in self.lab.file(node, HACMP_OUT).splitlines() if " EVENT FAILED: " in line]
            assert failed == []
        self.forget()

    def stable(self, *nodes: str) -> None:
        for node in nodes:
            eventually(lambda n=node: self.lab.cluster_state(n) in ("ST_STABLE", "ST_INIT"), f"{node} stable")  # type: ignore[misc]


@pytest.fixture
def catalogue(lab: LabUnderTest) -> Catalogue:
    """The cluster whole, its group on node1, and nothing seen yet."""
    lab.make_whole()
    if lab.owner() != "node1":
        lab.output("node1", "clmgr move resource_group app_rg NODE=node1", 60)
    made = Catalogue(lab)
    made.stable(*NODES)
    made.forget()
    return made


def move(about: str, group: int = 1, release: str = "", acquire: str = "", complete: str = "") -> str:
    """The program of a group's move, with what happens inside its phases on the node."""
    return "\n".join(
        line
        for line in (
            f"rg_move_release {about} {group}",
            f"rg_move {about} {group} RELEASE",
            release,
            f"rg_move_fence {about} {group}",
            f"rg_move_acquire {about} {group}",
            f"rg_move {about} {group} ACQUIRE",
            acquire,
            f"rg_move_complete {about} {group}",
            complete,
        )
        if line
    )


RELEASED = "stop_server counter_app\nrelease_service_addr"


def test_operator_moves_a_group(lab: LabUnderTest, catalogue: Catalogue) -> None:
    lab.output("node3", "clmgr move resource_group app_rg NODE=node2", 60)
    catalogue.expect(
        node1=move("node1", release=RELEASED),
        node2=move("node1", acquire="acquire_service_addr", complete="start_server counter_app"),
        node3=move("node1"),
    )


def test_node_stops_gracefully_and_joins(lab: LabUnderTest, catalogue: Catalogue) -> None:
    lab.output("node1", "clmgr offline node node3 WHEN=now MANAGE=offline", 60)
    down = "node_down node3 graceful\nnode_down_complete node3 graceful"
    catalogue.expect(node1=down, node2=down, node3=f"admin_op clrm_stop_request N 0\n{down}")
    lab.output("node1", "clmgr online node node3 WHEN=now MANAGE=auto", 60)
    up = "node_up node3\nnode_up_complete node3"
    catalogue.expect(node1=up, node2=up, node3=f"admin_op clrm_start_request N 0\n{up}")


def test_owner_stops_with_move(lab: LabUnderTest, catalogue: Catalogue) -> None:
    lab.output("node2", "clmgr offline node node1 WHEN=now MANAGE=move", 60)
    catalogue.expect(
        node1=f"admin_op clrm_stop_request N 0\nnode_down node1\n{RELEASED}\nnode_down_complete node1",
        node2="node_down node1\nacquire_service_addr\nnode_down_complete node1\nstart_server counter_app",
        node3="node_down node1\nnode_down_complete node1",
    )


def test_owner_is_unmanaged_and_managed_again(lab: LabUnderTest, catalogue: Catalogue) -> None:
    lab.output("node1", "clmgr offline node node1 WHEN=now MANAGE=unmanage", 60)
    forced = "node_down node1 forced\nnode_down_complete node1 forced"
    catalogue.expect(node1=f"admin_op clrm_stop_request N 0\n{forced}", node2=forced, node3=forced)
    lab.output("node1", "clmgr online node node1 WHEN=now MANAGE=auto", 60)
    catalogue.expect(
        node1="""
            admin_op clrm_start_request N 0
            node_up node1
            acquire_service_addr
            node_up_complete node1
            start_server counter_app
        """,
        node2="node_up node1\nnode_up_complete node1",
        node3="node_up node1\nnode_up_complete node1",
    )


def test_unmanaged_group_is_managed_again_by_a_move(lab: LabUnderTest, catalogue: Catalogue) -> None:
    lab.output("node1", "clmgr offline node node1 WHEN=now MANAGE=unmanage", 60)
    catalogue.stable(*NODES)
    assert set(lab.group_states().values()) == {"UNMANAGED"}
    catalogue.forget()
    lab.output("node2", "clRGmove -g app_rg -n node3 -m", 60)
    catalogue.expect(
        node1=move("node1", release=RELEASED),
        node2=move("node1"),
        node3=move("node1", acquire="acquire_service_addr", complete="start_server counter_app"),
    )
    lab.wait_for_groups({"node1": "OFFLINE", "node2": "OFFLINE", "node3": "ONLINE"})
    lab.output("node1", "clmgr online node node1 WHEN=now MANAGE=auto", 60)
    assert lab.owner() == "node3"


def test_owner_crashes(lab: LabUnderTest, catalogue: Catalogue) -> None:
    lab.srcctl("halt", "node1")
    catalogue.expect(
        node2="node_down node1\nacquire_service_addr\nnode_down_complete node1\nstart_server counter_app",
        node3="node_down node1\nnode_down_complete node1",
    )


def test_network_is_lost_on_the_owner_and_comes_back(lab: LabUnderTest, catalogue: Catalogue) -> None:
    address = f"{lab.description()['block']}.1"
    lab.srcctl("link", "node1", NETWORK, "down")
    lost = f"fail_interface node1 {address}\nnetwork_down node1 {NETWORK}\nnetwork_down_complete node1 {NETWORK}\n"
    catalogue.expect(
        node1=lost + move("node1", release=RELEASED),
        node2=lost + move("node1", acquire="acquire_service_addr", complete="start_server counter_app"),
        node3=lost + move("node1"),
    )
    lab.srcctl("link", "node1", NETWORK, "up")
    back = f"join_interface node1 {address}\nnetwork_up node1 {NETWORK}\nnetwork_up_complete node1 {NETWORK}"
    catalogue.expect(node1=back, node2=back, node3=back)


def test_volume_group_is_lost(lab: LabUnderTest, catalogue: Catalogue) -> None:
    """LVM_SA_QUORCLOSE moves the group; where the disk is lost for everybody it ends in ERROR, until an operator."""
    lab.srcctl("disk", "hdisk2", "fail")
    failed = "stop_server counter_app\nrelease_service_addr"
    catalogue.expect(
        node1="\n".join([move("node1", release=RELEASED), move("node2"), move("node3")]),
        node2="\n".join([move("node1", acquire="acquire_service_addr"), move("node2", release=failed), move("node3")]),
        node3="\n".join([move("node1"), move("node2", acquire="acquire_service_addr"), move("node3", release=failed)]),
    )
    assert "QUORUM LOST, VOLUME GROUP CLOSING" in lab.output("node1", "errpt")
    assert set(lab.group_states().values()) == {"OFFLINE", "ERROR"}
    lab.srcctl("disk", "hdisk2", "repair")
    lab.output("node3", "clRGmove -g app_rg -n node1 -u", 60)
    lab.wait_for_groups({"node1": "ONLINE", "node2": "OFFLINE", "node3": "OFFLINE"})


def test_topology_and_resources_change_in_one_reconfiguration(lab: LabUnderTest, catalogue: Catalogue) -> None:
    for node in NODES:
        lab.output(node, "mkdir -p $HAES_ROOT/usr/local/watched $HAES_ROOT/var/tmp")
        for name, text in SCRIPTS.items():
            path = f"$HAES_ROOT/usr/local/watched/{name}"
            lab.output(node, f"printf '%s\\n' '#!/bin/sh' '{text}' >{path} && chmod 755 {path}")
    folder = "/usr/local/watched"
    for command in (
        f"clmgr add persistent_ip app4_svc NETWORK={NETWORK} NODE=node2",
        f"clmgr add application_controller watched STARTSCRIPT={folder}/start STOPSCRIPT={folder}/stop "
        "STARTUP_MODE=foreground",
        "clmgr add resource_group watched_rg NODES=node3,node2 STARTUP=OHN FALLOVER=FNPN FALLBACK=NFB "
        "APPLICATIONS=watched",
        f"clmgr add application_monitor watched_mon TYPE=Custom APPLICATIONS=watched MONITORMETHOD={folder}/check "
        "MODE=longrunning MONITORINTERVAL=5 STABILIZATION=5 RESTARTCOUNT=1 RESTARTINTERVAL=3600 FAILUREACTION=notify",
        "clmgr sync cluster",
    ):
        lab.output("node1", command, 120)
    before = "reconfig_resource_release\nreconfig_topology_start\nreconfig_topology_complete\n"
    after = "reconfig_resource_acquire\nreconfig_resource_complete\n"
    over = "reconfig_configuration_complete"
    catalogue.expect(
        node1=before + after + over,
        node2=before + after + over,
        node3=f"{before}{after}start_server watched\n{over}",
    )
    lab.output("node1", "clmgr modify cluster MAX_EVENT_TIME=1 MAX_RG_PROCESSING_TIME=1; clmgr sync cluster", 120)


def test_application_is_restarted_once_and_then_given_up(lab: LabUnderTest, catalogue: Catalogue) -> None:
    eventually(lambda: lab.owner("watched_rg") == "node3", "watched_rg on node3")
    lab.output("node3", "rm $HAES_ROOT/var/tmp/watched.up")
    restart = "server_restart node3 watched\nserver_restart_complete node3 watched\n"
    eventually(lambda: any(e.startswith("server_restart_complete") for e in catalogue.began("node3")), "a restart", 30)
    eventually(lambda: "ONLINE MONITORED" in lab.output("node3", "clRGinfo -m watched_rg"), "it is monitored again")
    eventually(lambda: lab.run("node3", SCRIPTS["check"]).returncode == 0, "it runs again")
    lab.output("node3", "rm $HAES_ROOT/var/tmp/watched.up")
    down = "server_down node3 watched\nserver_down_complete node3 watched"
    catalogue.expect(node1=down, node2=down, node3=restart + down)
    assert "ONLINE FAILED" in lab.output("node3", "clRGinfo -m watched_rg")
    told = re.findall(r"umtmon\w+:watched_mon:node3:", lab.file("node3", "/var/hacmp/log/clavan.log"))
    words = [line.partition(":")[0] for line in told]
    assert words == ["umtmonstart", "umtmonfail", "umtmonstart", "umtmonfail"]
    assert lab.owner("watched_rg") == "node3"


def test_event_that_takes_too_long_is_warned_of(lab: LabUnderTest, catalogue: Catalogue) -> None:
    warning = (
        "WARNING: Cluster haes_cluster has been running recovery program "
        "'/usr/es/sbin/cluster/events/rg_move.rp' for 2 seconds. Please check cluster status."
    )
    lab.output("node2", "touch $HAES_ROOT/var/tmp/pause")
    with ThreadPoolExecutor(1) as pool:
        moved = pool.submit(lab.output, "node1", "clmgr move resource_group watched_rg NODE=node2", 120)
        try:
            for node in NODES:
                eventually(lambda n=node: warning in lab.file(n, HACMP_OUT), f"{node} warns")  # type: ignore[misc]
        finally:
            lab.output("node2", "rm $HAES_ROOT/var/tmp/pause")
        moved.result()
    for node in NODES:
        assert "config_too_long 2 /usr/es/sbin/cluster/events/rg_move.rp" in catalogue.began(node)
    lab.wait_for_owner("node2", group="watched_rg")


def test_network_that_comes_and_goes_is_unstable(lab: LabUnderTest, catalogue: Catalogue) -> None:
    """That it is stable after some time without a loss is in tests/clstrmgr/test_unsteady.py, which need not wait."""
    for number in (1, 2, 3):
        for state in ("down", "up"):
            lab.srcctl("link", "node3", NETWORK, state)
            event = f"network_{state}_complete node3 {NETWORK}"
            eventually(lambda e=event, n=number: catalogue.began("node3").count(e) == n, f"{event}, {number}",  # type: ignore[misc]
                       show=lambda: catalogue.began("node3"))  # fmt: skip
            catalogue.stable(*NODES)
    for node in NODES:
        eventually(lambda n=node: f"network_unstable -1 {NETWORK}" in catalogue.began(n), f"unstable on {node}",  # type: ignore[misc]
                   show=lambda n=node: catalogue.began(n))  # type: ignore[misc]  # fmt: skip
