"""Changes of the configuration while cluster services are active: what changes happens at once, the rest runs on."""

from __future__ import annotations

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

pytestmark = pytest.mark.end_to_end

HACMP_OUT = "/var/hacmp/log/hacmp.out"


def addresses(lab: LabUnderTest, node: str) -> str:
    return lab.output(node, "ifconfig -a")


def test_service_address_and_group_come_and_go(lab: LabUnderTest) -> None:
    lab.make_whole()
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    block = lab.description()["block"]
    counter = lab.ask()["counter"]
    lab.output(owner, "clmgr add service_ip app2_svc NETWORK=net_ether_01")
    lab.output(owner, "clmgr modify resource_group app_rg SERVICE_LABEL=app_svc,app2_svc")
    lab.output(owner, "clmgr sync cluster", 120)
    assert f"{block}.34" in addresses(lab, owner)
    assert lab.ask() == {"node": owner, "counter": counter + 1}, "the application was not touched"
    trace = lab.file(owner, HACMP_OUT)
    for event in ("reconfig_resource_release", "reconfig_resource_acquire", "reconfig_resource_complete"):
        assert f"EVENT COMPLETED: {event} 0" in trace
        eventually(
            lambda event=event: f"EVENT COMPLETED: {event} 0" in lab.file(other, HACMP_OUT), f"{event} on {other}"
        )  # type: ignore[misc]
    last = "Last event run was DA_RES_CO"
    eventually(lambda: last in lab.output(other, "lssrc -ls clstrmgrES"), f"it is over on {other}")
    active = "ODMDIR=/usr/es/sbin/cluster/etc/objrepos/active odmget -q name=SERVICE_LABEL HACMPresource"
    assert "app2_svc" in lab.output(other, active)
    # A new group comes online where its policy says; the address goes again.
    lab.output(other, "clmgr modify resource_group app_rg SERVICE_LABEL=app_svc")
    lab.output(other, f"clmgr add resource_group two_rg NODES={other},{owner} STARTUP=OHN SERVICE_LABEL=app2_svc")
    lab.output(other, "clmgr sync cluster", 120)
    lab.wait_for_owner(other, group="two_rg")
    assert f"{block}.34" in addresses(lab, other)
    assert f"{block}.34" not in addresses(lab, owner)
    assert lab.ask() == {"node": owner, "counter": counter + 2}
    lab.output(other, "clmgr delete resource_group two_rg")
    lab.output(other, "clmgr delete service_ip app2_svc")
    lab.output(other, "clmgr sync cluster", 120)
    eventually(lambda: "two_rg" not in lab.output(owner, "clRGinfo -s"), f"{owner} knows of it no more")
    assert f"{block}.34" not in addresses(lab, other)
    objects = "ls $HAES_ROOT/usr/es/sbin/cluster/etc/objrepos"
    eventually(lambda: "stage" not in lab.output(owner, objects).split(), "nothing is staged any more")
    assert lab.owner() == owner


def test_configuration_that_the_running_cluster_refused_is_asked_again(lab: LabUnderTest) -> None:
    """The refusal came after the commit: nothing is different the second time, and yet it is to become active."""
    lab.make_whole()
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    lab.output(owner, f"clmgr offline node {owner} MANAGE=unmanage", 120)
    lab.output(other, f"clmgr add resource_group late_rg NODES={other},{owner} STARTUP=OHN FALLBACK=NFB")
    refused = lab.run(other, "clmgr sync cluster", 120)
    assert refused.returncode != 0
    assert "There are unmanaged resource groups: dynamic reconfiguration is not possible." in refused.stderr
    lab.output(owner, f"clmgr online node {owner}", 120)
    assert "late_rg" not in lab.output(owner, "clRGinfo -s")
    lab.output(other, "clmgr sync cluster", 120)
    lab.wait_for_owner(other, group="late_rg")
    lab.output(other, "clmgr delete resource_group late_rg")
    lab.output(other, "clmgr sync cluster", 120)
    assert lab.owner() == owner


def test_a_node_that_is_removed_while_it_is_off_is_no_member_when_it_boots(lab: LabUnderTest) -> None:
    lab.make_whole()
    if lab.owner() != "node1":
        lab.output("node1", "clmgr move resource_group app_rg NODE=node1", 120)
    lab.output("node1", "clmgr modify resource_group app_rg NODES=node1")
    lab.output("node1", "clmgr sync cluster", 120)
    lab.srcctl("halt", "node2")
    eventually(lambda: "State of node: DOWN" in lab.output("node1", "lscluster -m"), "node1 knows that node2 is off")
    lab.output("node1", "clmgr delete node node2")
    lab.output("node1", "clmgr sync cluster", 120)
    lab.srcctl("boot", "node2")
    told = "this node was removed from the cluster haes_cluster: it is no member any more"
    eventually(lambda: told in lab.file("node2", "/var/adm/ras/syslog.caa"), "CAA finds it")
    nothing = (1, "lscluster: Cluster services are not active.\n")
    eventually(
        lambda: ((said := lab.run("node2", "lscluster -m")).returncode, said.stderr) == nothing, "it has no cluster",
        show=lambda: lab.run("node2", "lscluster -m"),
    )  # fmt: skip
    eventually(lambda: "caavg_private" not in lab.output("node2", "lspv"), "it has no repository")
    assert "caavg_private" in lab.output("node1", "lspv")
    kept = "odmget -q name=cluster0 CuAt; ls $HAES_ROOT/etc/cluster/key"
    eventually(lambda: lab.run("node2", kept).stdout == "", "it has no key", show=lambda: lab.run("node2", kept).stdout)
    assert lab.ask()["node"] == "node1"
    lab.wait_for_state("node2", "NOT_CONFIGURED")
    classes = "odmget HACMPcluster; odmget HACMPnode; odmget HACMPgroup"
    eventually(lambda: lab.output("node2", classes) == "", "it has no configuration")
    # The cluster takes it in again.
    lab.output("node1", "clmgr add node node2")
    lab.output("node1", "clmgr modify resource_group app_rg NODES=node1,node2")
    lab.output("node1", "clmgr sync cluster", 120)
    lab.output("node1", "clmgr online node node2", 120)
    assert "caavg_private" in lab.output("node2", "lspv")
    lab.wait_until_stable()
    lab.wait_for_groups({"node1": "ONLINE", "node2": "OFFLINE"})
    lab.srcctl("halt", "node2")
    lab.srcctl("boot", "node2")
    eventually(lambda: lab.run("node2", "lscluster -m").stdout.count("State of node: UP") == 2, "it is a member again")
