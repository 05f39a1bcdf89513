"""A node with two interfaces on one network: its service address is swapped, and moves when the last one is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from srcctl.lab.lifecycle import create
from tests.end_to_end.lab import LabUnderTest, eventually

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("interfaces")]

HACMP_OUT = "/var/hacmp/log/hacmp.out"
ONE_NETWORK = """
export ODMDIR=/etc/es/objrepos
clmgr add cluster haes_cluster NODES=node1,node2 REPOSITORIES=hdisk1 || exit
printf 'HACMPadapter:\\n\\tnetwork = "net_ether_01"\\n' >$HAES_ROOT/tmp/change
odmchange -o HACMPadapter -q "network=net_ether_02" $HAES_ROOT/tmp/change || exit
odmdelete -o HACMPnetwork -q "name=net_ether_02" || exit
unset ODMDIR
$HAES_ROOT/usr/es/sbin/cluster/samples/haes/sample_cluster node1 node2
"""


REPLACEMENT = ONE_NETWORK.replace(
    "unset ODMDIR", "clmgr modify network net_ether_01 IPALIASING=false || exit\nunset ODMDIR"
)
"""The same without aliasing: each node has a standby adapter."""


@pytest.fixture
def doubled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab whose two interfaces of each node are on one cluster network, with the sample cluster."""
    directory = tmp_path_factory.mktemp("interfaces") / "lab"
    directory.mkdir()
    create(str(directory), nodes=2, speed=20.0, mode="auto", networks=2)
    lab = LabUnderTest(directory)
    try:
        lab.up("--bare")
        lab.output("node1", getattr(request, "param", ONE_NETWORK), 120)
        yield lab
    finally:
        lab.destroy()


def test_service_address_is_swapped_and_then_moves(doubled: LabUnderTest) -> None:
    lab = doubled
    lab.wait_for_owner("node1")
    block = lab.description()["block"]
    service = f"{block}.33"
    counter = lab.wait_for_answer("node1")["counter"]
    lab.srcctl("link", "node1", "net_ether_01", "down")
    swap = f"EVENT COMPLETED: swap_adapter_complete node1 net_ether_01 {block}.1 {service} 0"
    for node in ("node1", "node2"):
        eventually(lambda node=node: swap in lab.file(node, HACMP_OUT), f"swap_adapter on {node}", 60)  # type: ignore[misc]
    assert service in lab.output("node1", "ifconfig en1")
    assert service not in lab.output("node1", "ifconfig en0")
    assert lab.wait_for_answer("node1") == {"node": "node1", "counter": counter + 1}
    assert lab.owner() == "node1"
    lab.srcctl("link", "node1", "net_ether_02", "down")
    answer = lab.wait_for_answer("node2", 60)
    assert answer["counter"] >= counter + 2
    trace = lab.file("node1", HACMP_OUT)
    for event in (f"fail_interface node1 {block}.65", "network_down node1 net_ether_01", "rg_move node1 1 RELEASE"):
        assert f"EVENT START: {event}" in trace
    assert service not in lab.output("node1", "ifconfig -a")


@pytest.mark.parametrize("doubled", [REPLACEMENT], indirect=True, ids=["standby"])
def test_standby_adapter_fails_and_comes_back(doubled: LabUnderTest) -> None:
    lab = doubled
    lab.wait_for_owner("node1")
    address = f"{lab.description()['block']}.65"
    for state, event, word in (("down", "fail_standby", "failed"), ("up", "join_standby", "is available again")):
        lab.srcctl("link", "node1", "net_ether_02", state)
        done = f"EVENT COMPLETED: {event} node1 {address} 0"
        for node in ("node1", "node2"):
            eventually(lambda n=node, d=done: d in lab.file(n, HACMP_OUT), f"{event} on {node}", 60)  # type: ignore[misc]
        told = f"Standby adapter {address} of node node1"

        def last(told: str = told) -> str:
            return ([line for line in lab.file("node1", "/dev/console").splitlines() if told in line] or [""])[-1]

        eventually(lambda w=word, look=last: w in look(), f"the console says that it {word}", show=last)  # type: ignore[misc]
    assert lab.owner() == "node1"
    assert "network_down" not in lab.file("node1", HACMP_OUT)
