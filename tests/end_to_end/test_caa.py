"""CAA by hand on two nodes with two networks: made, watched, broken, its repository replaced, stopped, removed."""

from __future__ import annotations

import re

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
OPTIONS = ("--networks", "2")
GROUP = "228.100.9.9"
"""The administrator's multicast group: one for both networks."""
NODES = "cluster/nodeList.monFactory/nodeListEvent.mon"
ADAPTERS = "cluster/networkAdapterState.monFactory/networkAdapterStateEvent.mon"
MONITORED = "CHANGED=YES;CLUSTER=YES;WAIT_TYPE=WAIT_IN_READ;INFO_LVL=2"


def states(lab: LabUnderTest, node: str) -> list[str]:
    """The states of nodes that lscluster -m shows on a node."""
    shown = lab.run(node, "lscluster -m").stdout
    return [line.split(":")[1].split()[0] for line in shown.splitlines() if "State of node:" in line]


def both_up(lab: LabUnderTest, node: str = "node1") -> None:
    eventually(lambda: states(lab, node) == ["UP", "UP"], f"{node} sees both nodes UP", 30)


def interface_states(lab: LabUnderTest) -> list[str]:
    shown = lab.output("node1", "lscluster -i").splitlines()
    return [line.split()[3] for line in shown if "Interface state =" in line]


def test_a_cluster_is_made(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    assert lab.run("node1", "lscluster -m").returncode == 1
    assert lab.run("node1", "mkcluster -n caatest -m node1,node2 -r hdisk1 -s 10.1.1.1").returncode == 1
    lab.output("node1", f"mkcluster -n caatest -m node1,node2 -r hdisk1 -d hdisk4 -s {GROUP}")
    both_up(lab)
    both_up(lab, "node2")
    eventually(
        lambda: lab.output("node1", "lscluster -m").count("tcpsock->02   UP") == 2,
        "a point of contact for each network is up",
    )
    assert "caavg_private" in lab.output("node2", "lspv hdisk1; lspv")
    eventually(lambda: lab.output("node1", "lscluster -d").count("CLUSDISK") == 2, "both nodes tell of the disk")
    for node in ("node1", "node2"):
        names = [line.split()[0] for line in lab.output(node, "lspv").splitlines()]
        assert "cldisk1" in names
        assert "hdisk4" not in names
    eventually(lambda: lab.output("node1", "lscluster -d").count("\tcldisk1:\n") == 2, "by its name in the cluster")


def test_a_shared_disk_fails_by_the_clusters_name(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "chcluster -d +hdisk3")
    event = lab.event("disk/clDiskState.monFactory/clDiskStateEvent.mon", MONITORED, "disk", "hdisk3", "fail")
    lab.srcctl("disk", "hdisk3", "repair")
    assert "EVENT_TYPE=DISK_DOWN\nDISK_NAME=cldisk2\n" in event
    refused = lab.run("node1", "chrepos -r +cldisk2")
    assert (refused.returncode, "cldisk2 is a shared disk of the cluster" in refused.stderr) == (1, True)
    lab.output("node2", "chcluster -d -cldisk2")
    assert "cldisk2" not in lab.output("node1", "lspv")


def counter(lab: LabUnderTest, label: str) -> int:
    return int(lab.output("node1", "lscluster -s").split(f"{label}: ", 1)[1].split()[0])


def test_heartbeats_by_multicast(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    before = counter(lab, "multicast pkts")
    lab.output("node2", "clctrl -tune -o communication_mode=m")
    eventually(lambda: counter(lab, "multicast pkts") > before + 20, "heartbeats go to all", 30)
    unicast, began = counter(lab, "unicast pkts sent"), counter(lab, "multicast pkts")
    eventually(lambda: counter(lab, "multicast pkts") > began + 100, "longer than node_timeout", 60)
    assert counter(lab, "unicast pkts sent") == unicast, "nothing goes to each node any more"
    both_up(lab)
    both_up(lab, "node2")
    shown = lab.output("node1", "lscluster -c")
    assert "Communication Mode: multicast" in shown
    assert f"Multicast for site LOCAL: IPv4 {GROUP} IPv6 ff05::e464:909\n" in shown
    assert lab.output("node2", "lscluster -i").count(f"IPv4 MULTICAST ADDRESS: {GROUP}\n") == 4
    lab.srcctl("link", "node2", "net_ether_01", "down")
    eventually(lambda: "DOWN" in lab.output("node1", "lscluster -i"), "a link that is down is seen", 30)
    lab.srcctl("link", "node2", "net_ether_01", "up")
    lab.output("node1", "clctrl -tune -d communication_mode")
    eventually(lambda: counter(lab, "unicast pkts sent") > unicast + 20, "heartbeats go to each node again", 30)
    both_up(lab)


def test_the_cluster_is_secured_and_its_level_committed(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "clctrl -n caatest -commit")
    for node, level in (("node1", "high"), ("node2", "medium")):
        lab.output(node, f"clctrl -sec -l {level} -s AES")
        for asked, other in (("node1", "node2"), ("node2", "node1")):
            assert "Security: TLS" in lab.output(asked, "lssrc -ls clcomd")
            assert lab.output(asked, f"cl_rsh {other} hostname").strip() == other
    lab.output("node2", "clctrl -sec -l none")
    assert "Security: standard" in lab.output("node1", "lssrc -ls clcomd")
    assert lab.output("node1", "clcmd hostname").count("node") == 4
    assert lab.output("node1", "clcmd -n caatest -m node2 -- hostname").count("node2\n") == 2
    for command in ("clcmd -n other hostname", "lscluster -m -n other", "chrepos -n other -r +hdisk3"):
        refused = lab.run("node1", command)
        name = command.split()[0]
        assert (refused.returncode, refused.stderr) == (1, f"{name}: other is not the name of this node's cluster.\n")
    for words in ("-sec -l high", "-commit -n", "-commit -n other", "-sec -l high -s AES -t openssl -c /no -f /no"):
        refused = lab.run("node1", f"clctrl {words}")
        assert refused.returncode == 1, words
        assert refused.stderr.startswith(("clctrl: ", "Usage: clctrl")), words


def test_a_monitor_file_blocks_its_reader_until_the_other_nodes_link_is_down(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    event = lab.event(ADAPTERS, MONITORED, "link", "node2", "net_ether_02", "down")
    assert event.startswith("BEGIN_EVENT_INFO\n")
    assert event.endswith("END_EVENT_INFO\n"), "cat ends with the event"
    assert "EVENT_TYPE=ADAPTER_DOWN\nINTERFACE_NAME=en1\nNODE_NUMBER=2\n" in event
    assert interface_states(lab) == ["UP", "UP", "UP", "UP", "DOWN", "UP"], "node1 shows what node2 says"
    assert states(lab, "node1") == ["UP", "UP"], "en0 is left"
    lab.srcctl("link", "node2", "net_ether_02", "up")
    eventually(lambda: "DOWN" not in interface_states(lab), "en1 of node2 is up again")


def test_the_repository_is_the_last_path(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    for network in ("net_ether_01", "net_ether_02"):
        lab.srcctl("link", "node2", network, "down")
    eventually(
        lambda: "tcpsock->02   UP" not in lab.output("node1", "lscluster -m"), "no network path is left", 30
    )  # fmt: skip
    assert states(lab, "node1") == ["UP", "UP"]
    eventually(lambda: "dpcom         UP" in lab.output("node1", "lscluster -m"), "the disk is the path")
    lab.srcctl("heal")


def test_a_lost_repository_is_replaced(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.srcctl("disk", "hdisk1", "fail")
    eventually(lambda: lab.output("node1", "lscluster -d").count("State : DOWN") == 2, "both have lost it")
    lab.output("node1", "chrepos -r +hdisk3,-hdisk1")
    eventually(lambda: "DOWN" not in lab.output("node1", "lscluster -d"), "the new one is up")
    lab.srcctl("disk", "hdisk1", "repair")
    lab.srcctl("halt", "node2")
    lab.srcctl("boot", "node2")
    both_up(lab, "node2")
    assert "hdisk3:" in lab.output("node2", "lscluster -d"), "the older repository has not come back"
    assert lab.run("node1", "rmcluster -r hdisk1").returncode == 1
    lab.output("node1", "CAA_FORCE_ENABLED=1 rmcluster -r hdisk1")
    both_up(lab)


def test_caa_that_is_started_again_is_heard_at_once(bare_lab: LabUnderTest) -> None:
    """Its heartbeats, counted from the beginning again, were taken for recordings for as long as it had been up."""
    lab = bare_lab
    lab.output("node2", "clctrl -stop -m node1")
    eventually(lambda: states(lab, "node2") == ["DOWN", "UP"], "node2 sees node1 DOWN", 30)
    lab.output("node2", "clctrl -start -m node1")
    eventually(lambda: states(lab, "node2") == ["UP", "UP"], "node1 is UP again", 20)


def test_caa_stays_stopped_over_a_reboot(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "clctrl -stop -m node2")
    eventually(lambda: states(lab, "node1") == ["UP", "DOWN"], "node1 sees node2 DOWN", 30)
    lab.srcctl("halt", "node2")
    lab.srcctl("boot", "node2")
    eventually(lambda: "active" in lab.run("node2", "lssrc -s clcomd").stdout, "node2 is there")
    stopped = lab.run("node2", "lscluster -m")
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (
        1, "", "lscluster: Cluster services are not active on this node because it has been stopped.\n",
    )  # fmt: skip
    second = lab.run("node2", "mkcluster -n second -m node2 -r hdisk2")
    assert (second.returncode, second.stdout, second.stderr) == (
        1, "", "mkcluster: this node is a member of the cluster caatest already.\n",
    )  # fmt: skip
    lab.output("node1", "clctrl -start -m node2")
    both_up(lab)


def test_caa_is_stopped_and_started_again_on_a_running_node(bare_lab: LabUnderTest) -> None:
    """The others have called the node down: they must take it for a new life of it, or two clusters are on the way."""
    lab = bare_lab
    lab.output("node1", "clctrl -stop -m node2")
    eventually(lambda: states(lab, "node1") == ["UP", "DOWN"], "node1 sees node2 DOWN", 30)
    lab.output("node1", "clctrl -start -m node2")
    both_up(lab, "node1")
    both_up(lab, "node2")


def test_the_certificate_comes_and_goes_with_membership(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    both_up(lab)
    lab.output("node1", "clctrl -sec -l high -s AES")
    lab.output("node1", "chcluster -m -node2")
    eventually(lambda: "Security: standard" in lab.output("node2", "lssrc -ls clcomd"), "its certificate is gone")
    event = lab.event(NODES, MONITORED, "exec", "node1", "--", "chcluster", "-m", "+node2")
    assert re.search(r"EVENT_TYPE=NODE_ADD\nNODE_NUMBER=2\nNODE_ID=0x[0-9A-F]{32}\n", event), event
    both_up(lab)
    eventually(lambda: "Security: TLS" in lab.output("node2", "lssrc -ls clcomd"), "it has the certificate again")
    for asked, other in (("node1", "node2"), ("node2", "node1")):
        assert lab.output(asked, f"cl_rsh {other} hostname").strip() == other


def members(lab: LabUnderTest, node: str) -> list[str]:
    return [line.split()[-1] for line in lab.output(node, "lscluster -m").splitlines() if "Node name:" in line]


def test_a_node_that_cannot_be_told_is_no_member_and_can_become_one_later(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.srcctl("halt", "node2")
    eventually(lambda: states(lab, "node1") == ["UP", "DOWN"], "node1 sees node2 DOWN", 30)
    answer = lab.run("node1", "chcluster -m -node2")
    assert answer.returncode == 1
    assert "clcomd does not listen on node2" in answer.stderr
    assert members(lab, "node1") == ["node1"], "the others go on without it"
    assert lab.run("node1", "chcluster -m +node2").returncode == 1
    assert members(lab, "node1") == ["node1"], "it did not join"
    lab.srcctl("boot", "node2")
    lab.output("node1", "chcluster -m +node2")
    assert members(lab, "node1") == ["node1", "node2"]
    eventually(lambda: members(lab, "node2") == ["node1", "node2"], "node2 is a member")
    assert lab.run("node1", "chcluster -m +node2").returncode == 1, "it is one already"


def test_a_cluster_is_removed(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "rmcluster -n caatest")
    for node in lab.nodes():
        eventually(lambda n=node: lab.run(n, "lscluster -m").returncode == 1, f"{node} has left")  # type: ignore[misc]
        disks = lab.output(node, "lspv")
        assert "caavg_private" not in disks
        assert "cldisk" not in disks, "the disks have names of their own again"
        assert "Security: standard" in lab.output(node, "lssrc -ls clcomd"), "its certificate has gone with it"
