"""Networks, interfaces and service labels that are added to a running cluster of three networks, and taken from it."""

from __future__ import annotations

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

OPTIONS = ("--nodes", "3", "--networks", "3")
HACMP_OUT = "/var/hacmp/log/hacmp.out"


def synchronize(lab: LabUnderTest, node: str) -> str:
    return lab.output(node, "clmgr sync cluster", 120)


def started(lab: LabUnderTest, node: str) -> list[str]:
    """The events that have run on a node, in order."""
    lines = lab.file(node, HACMP_OUT).splitlines()
    return [line.partition("EVENT START: ")[2] for line in lines if " EVENT START: " in line]


def add_third_network(lab: LabUnderTest, node: str) -> None:
    lab.output(node, "clmgr add network net_ether_03 TYPE=ether NETMASK=255.255.255.192")
    for name in lab.nodes():
        lab.output(node, f"clmgr add interface {name}_en2 NETWORK=net_ether_03 NODE={name}")


def test_networks_come_and_go_while_the_application_runs(lab: LabUnderTest) -> None:
    lab.make_whole()
    owner = lab.owner()
    other, third = (name for name in lab.nodes() if name != owner)
    block = lab.description()["block"]
    counter = lab.ask()["counter"]
    # A network that is deleted is nobody's matter any more, down or not.
    lab.output(owner, "clmgr delete network net_ether_03")
    synchronize(lab, owner)
    assert "net_ether_03" not in lab.output(third, "cllsnw")
    lab.srcctl("link", other, "net_ether_03", "down")
    # It is added by another node, with its interface down on one of them: an event says so at once.
    add_third_network(lab, third)
    said = synchronize(lab, third)
    assert "netmask" not in said, "the netmasks are those of the interfaces"
    eventually(lambda: f"network_down {other} net_ether_03" in started(lab, owner), "network_down", 30,
               lambda: started(lab, owner))  # fmt: skip
    assert started(lab, owner).index("reconfig_topology_complete") < started(lab, owner).index(
        f"network_down {other} net_ether_03"
    )
    lab.srcctl("link", other, "net_ether_03", "up")
    eventually(lambda: f"network_up {other} net_ether_03" in started(lab, owner), "network_up", 30,
               lambda: started(lab, owner))  # fmt: skip
    # A service label on it, with a group of its own.
    address = f"{block}.170"
    for node in lab.nodes():
        lab.output(node, f"echo '{address} wide_svc' >>$HAES_ROOT/etc/hosts")
    lab.output(third, "clmgr add service_ip wide_svc NETWORK=net_ether_03")
    lab.output(third, f"clmgr add resource_group wide_rg NODES={third},{owner} STARTUP=OHN SERVICE_LABEL=wide_svc")
    synchronize(lab, third)
    eventually(lambda: lab.owner("wide_rg") == third, "wide_rg is online", 30, lambda: lab.group_states("wide_rg"))
    assert address in lab.output(third, "ifconfig en2")
    row = next(line.split() for line in lab.output(third, "cllsif -S -i " + third).splitlines() if "wide_svc" in line)
    assert row[6:8] == [address, "en2"], "cllsif shows the interface of a label that is acquired"
    # In use, the network stays.
    refused = lab.run(owner, "clmgr delete network net_ether_03")
    assert (refused.returncode, refused.stdout) == (5, "")
    assert "wide_svc" in refused.stderr
    # The group follows its network: where that fails, it moves.
    lab.srcctl("link", third, "net_ether_03", "down")
    lab.wait_for_owner(owner, group="wide_rg")
    lab.srcctl("link", third, "net_ether_03", "up")
    eventually(
        lambda: f"network_up {third} net_ether_03" in started(lab, owner),
        "network_up",
        show=lambda: started(lab, owner),
    )
    lab.wait_until_stable()
    # One interface goes, then the label, the group and the network in one synchronization.
    lab.output(owner, f"clmgr delete interface {other}_en2")
    synchronize(lab, owner)
    assert f"{other}_en2" not in lab.output(other, "cllsif")
    lab.output(owner, "clmgr delete resource_group wide_rg")
    lab.output(owner, "clmgr delete service_ip wide_svc")
    lab.output(owner, "clmgr delete network net_ether_03")
    synchronize(lab, owner)
    for node in lab.nodes():
        assert address not in lab.output(node, "ifconfig -a")
        assert "net_ether_03" not in lab.output(node, "cltopinfo")
        lab.wait_until_stable(node)
    lab.wait_for_groups({}, "wide_rg")
    answer = lab.ask()
    assert answer == {"node": owner, "counter": counter + 1}, "the application was not touched"


def test_a_first_network_cannot_go_while_its_addresses_are_in_use(lab: LabUnderTest) -> None:
    lab.make_whole()
    before = lab.output("node1", "cltopinfo")
    refused = lab.run("node1", "clmgr delete network net_ether_01")
    assert refused.returncode == 5
    assert "app_svc" in refused.stderr
    assert lab.output("node1", "cltopinfo") == before


def test_a_node_that_no_packet_reaches_while_the_others_talk_gives_its_groups_up(lab: LabUnderTest) -> None:
    """Its links are up, so that only traffic tells (no_if_traffic_monitor)."""
    lab.make_whole()
    owner = lab.owner()
    others = [name for name in lab.nodes() if name != owner]
    seen = len(started(lab, others[0]))
    lab.srcctl("partition", owner, ",".join(others), "--keep-disk")
    eventually(lambda: lab.owner() in others, "the group moves", 60, lab.group_states)
    events = started(lab, others[0])[seen:]
    assert any(event.startswith(f"network_down {owner} ") for event in events)
    assert not any(event.startswith("node_down") for event in events), "the repository disk is left"
    assert lab.wait_for_answer(lab.owner())["node"] in others
    lab.srcctl("heal")

    def is_back() -> bool:
        return any(event.startswith(f"network_up {owner} ") for event in started(lab, others[0])[seen:])

    eventually(is_back, "network_up", 60)
    assert lab.owner() in others, "nothing falls back"


def test_the_cluster_test_tool_lets_things_fail(lab: LabUnderTest) -> None:
    """From a node that is not touched: what it says of each test is what the cluster really did."""
    lab.make_whole()
    owner = lab.owner()
    control, third = (name for name in lab.nodes() if name != owner)
    plan = f"""# who is who stands in the variables file
NODE_DOWN_TAKEOVER, owner, Stop cluster services with takeover
NODE_UP, ALL, Start cluster services on all available nodes
RG_MOVE, app_rg, owner, Back to where it was
NETWORK_DOWN_LOCAL, owner, net_ether_01, Selective fallover
NETWORK_UP_LOCAL, owner, net_ether_01, Recover previously failed network
RG_MOVE, app_rg, {owner}, Once more
VG_DOWN, datavg, ANY, Lose a volume group
RG_ONLINE, app_rg, ANY, It is online
CLSTRMGR_KILL, {third}, Kill a cluster manager
"""
    lab.output(control, f"echo 'owner={owner}' >$HAES_ROOT/tmp/vars; cat >$HAES_ROOT/tmp/plan <<E\n{plan}E")
    answer = lab.run(control, "cl_testtool -c -e /tmp/plan -v /tmp/vars", 240)
    ends = [line for line in answer.stdout.splitlines() if line.startswith("|| Test ")]
    statuses = ["PASSED"] * 7 + ["FAILED", "PASSED"]
    assert ends[1::2] == [f"|| Test Completion Status: {status}" for status in statuses], answer.stdout
    assert ends[0] == "|| Test 1 Complete - NODE_DOWN_TAKEOVER: Stop cluster services with takeover"
    assert "ERROR: the test cannot be run: the resource group app_rg is online already." in answer.stdout
    assert answer.returncode == 1
    assert f"EVENT START: network_down {owner} net_ether_01" in lab.file(owner, HACMP_OUT)
    assert "LVM_SA_QUORCLOSE" in lab.output(owner, "errpt -a")
    assert lab.power(third) == "off", "clexit.rc has halted it"
    log = lab.file(control, "/var/hacmp/log/cl_testtool.log").splitlines()
    assert [line.partition(": ")[2] for line in log] == answer.stdout.splitlines()
    lab.make_whole()
