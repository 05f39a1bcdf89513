"""What a group holds besides addresses, disks and applications, and what is told of losses, on real processes."""

from __future__ import annotations

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

HACMP_OUT = "/var/hacmp/log/hacmp.out"
METHOD = """#!/bin/sh
echo "$1 $_PORT" >>$HAES_ROOT/var/tmp/queue.log
case $1 in
start) touch $HAES_ROOT/var/tmp/queue.on ;;
stop) rm -f $HAES_ROOT/var/tmp/queue.on ;;
look) [ -e $HAES_ROOT/var/tmp/queue.on ] ;;
esac
"""
CLASSES = """
HACMPudres_def:
	name = "queue"
	order = "FILE_SYSTEM"
	start = "/usr/local/queue/method start"
	stop = "/usr/local/queue/method stop"
	monitor = "/usr/local/queue/method look"

HACMPudresource:
	name = "q1"
	type = "queue"
	attribute = "PORT"
	value = "1414"

HACMPudresource:
	name = "q1"
	type = "queue"
	attribute = "MONITOR_INTERVAL"
	value = "10"

HACMPudresource:
	name = "q1"
	type = "queue"
	attribute = "STABILIZATION_INTERVAL"
	value = "5"
"""


def write(lab: LabUnderTest, node: str, path: str, text: str, mode: str = "644") -> None:
    """A file of a node."""
    quoted = text.replace("'", "'\\''")
    lab.output(node, f"mkdir -p $(dirname $HAES_ROOT{path}) && printf '%s' '{quoted}' >$HAES_ROOT{path}")
    lab.output(node, f"chmod {mode} $HAES_ROOT{path}")


def exports(lab: LabUnderTest, node: str) -> str:
    return lab.output(node, "showmount -e")


def test_user_defined_resource_and_export_go_with_their_group(lab: LabUnderTest) -> None:
    for node in lab.nodes():
        write(lab, node, "/usr/local/queue/method", METHOD, "755")
    write(lab, "node1", "/tmp/classes", CLASSES)
    lab.output("node1", "ODMDIR=/etc/es/objrepos odmadd $HAES_ROOT/tmp/classes")
    lab.output("node1", "clmgr modify resource_group app_rg USERDEFINED_RESOURCES=q1 EXPORT_FILESYSTEM=/sharedfs")
    lab.output("node1", "clmgr sync cluster", 120)
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    assert "start 1414" in lab.file(owner, "/var/tmp/queue.log").splitlines()
    assert exports(lab, owner) == f"export list for {owner}:\n/sharedfs (everyone)\n"
    assert exports(lab, other) == f"export list for {other}:\n"
    lab.output(owner, f"clRGmove -m -g app_rg -n {other}", 120)
    assert lab.file(owner, "/var/tmp/queue.log").splitlines()[-1] == "stop 1414"
    assert "start 1414" in lab.file(other, "/var/tmp/queue.log").splitlines()
    assert exports(lab, owner) == f"export list for {owner}:\n"
    assert exports(lab, other) == f"export list for {other}:\n/sharedfs (everyone)\n"
    # Its monitor sees that it has gone, and it is started again.
    lab.output(other, "rm $HAES_ROOT/var/tmp/queue.on")
    done = f"EVENT COMPLETED: server_restart_complete {other} q1 0"
    eventually(lambda: done in lab.file(other, HACMP_OUT), "a restart of the resource")
    assert lab.run(other, "ls $HAES_ROOT/var/tmp/queue.on").returncode == 0
    assert lab.owner() == other


def test_what_a_node_does_not_have_is_refused_by_verification(lab: LabUnderTest) -> None:
    lab.output("node1", "clmgr modify resource_group app_rg WPAR_NAME=w1")
    refused = lab.run("node1", "clmgr sync cluster", 120)
    assert refused.returncode != 0
    assert "cannot be acquired: a node has no workload partitions here" in refused.stdout
    lab.output("node1", "clmgr modify resource_group app_rg WPAR_NAME=")


def test_loss_of_a_label_is_told_and_mailed_where_that_is_wanted(lab: LabUnderTest) -> None:
    owner = lab.owner()
    change = "printf 'HACMPresource:\\n\\tmonitor_method = \"/usr/local/queue/tell\"\\n' >$HAES_ROOT/tmp/change"
    for node in lab.nodes():
        write(lab, node, "/usr/local/queue/tell", '#!/bin/sh\necho "$@" >>$HAES_ROOT/var/tmp/told\n', "755")
        write(lab, node, "/etc/message", "%e at %n: %a\n")
    lab.output("node1", f"{change} && ODMDIR=/etc/es/objrepos odmchange -o HACMPresource -q name=SERVICE_LABEL "
               "$HAES_ROOT/tmp/change")  # fmt: skip
    lab.output("node1", "clmgr add method mail TYPE=notify FILE=/etc/message CONTACT=ops@example EVENTS=network_down")
    lab.output("node1", "clmgr sync cluster", 120)
    lab.srcctl("link", owner, "net_ether_01", "down")
    done = f"EVENT COMPLETED: network_down_complete {owner} net_ether_01 0"
    eventually(lambda: done in lab.file(owner, HACMP_OUT), "network_down")
    eventually(lambda: "SERVICE_LABEL app_svc app_rg" in lab.file(owner, "/var/tmp/told"), "the method")
    lab.wait_for_state(owner, "ST_STABLE")
    assert lab.owner() == owner
    mailed = f"network_down at {owner}: {owner} net_ether_01\n"
    eventually(lambda: mailed in lab.file(owner, "/var/spool/mail/ops@example"), "a message")
    lab.srcctl("link", owner, "net_ether_01", "up")
    up = f"EVENT COMPLETED: network_up_complete {owner} net_ether_01 0"
    eventually(lambda: up in lab.file(owner, HACMP_OUT), "network_up")
    lab.wait_for_state(owner, "ST_STABLE")


def test_node_that_loses_its_rootvg_halts_and_comes_back_when_it_is_repaired(lab: LabUnderTest) -> None:
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    lab.srcctl("disk", "hdisk0", "fail", "--node", owner)
    eventually(lambda: lab.power(owner) == "off", f"{owner} halts")
    lab.wait_for_owner(other)
    refused = lab.srcctl("boot", owner, check=False)
    assert refused.returncode == 8
    assert f"{owner}: hdisk0 has failed" in refused.stderr
    lab.srcctl("disk", "hdisk0", "repair", "--node", owner)
    lab.srcctl("boot", owner)
    eventually(lambda: "rootvg failure event" in lab.run(owner, "errpt -a").stdout, "the error log tells")
    assert exports(lab, owner) == f"export list for {owner}:\n", "what it exported before is forgotten"
