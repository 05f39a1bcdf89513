"""CAA's tunables that say what becomes of a node in trouble, each of their values on real processes of three nodes."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

OPTIONS = ("--nodes", "3")
ANY_MODE = True
CAA_LOG = "/var/adm/ras/syslog.caa"
NETWORK = "net_ether_01"


def states(lab: LabUnderTest, node: str) -> list[str]:
    """The states of nodes that lscluster -m shows on a node."""
    shown = lab.run(node, "lscluster -m").stdout
    return [line.split(":")[1].split()[0] for line in shown.splitlines() if "State of node:" in line]


def whole(lab: LabUnderTest) -> None:
    """Nothing is broken, every node is on and up, and tunables have their defaults."""
    lab.srcctl("heal")
    lab.srcctl("disk", "hdisk1", "repair")
    for node in lab.nodes():
        if lab.power(node) == "off":
            lab.srcctl("boot", node)
    for node in lab.nodes():
        eventually(lambda n=node: states(lab, n) == ["UP"] * 3, f"{node} sees all nodes UP", 60,
                   lambda n=node: states(lab, n))  # fmt: skip
    lab.output("node1", "clctrl -tune -D")


def tune(lab: LabUnderTest, words: str) -> None:
    lab.output("node1", f"clctrl -tune -o {words}")


def said(lab: LabUnderTest, node: str, text: str) -> int:
    """How often CAA's log on a node has a text."""
    return lab.file(node, CAA_LOG).count(text)


def interfaces(lab: LabUnderTest, node: str) -> list[str]:
    """The state of each node's network interface, as one node shows it."""
    shown = lab.output(node, "lscluster -i").splitlines()
    return [line.split()[3] for line in shown if "Interface state =" in line and "RESTRICTED" not in line]


def test_a_cluster_is_made(bare_lab: LabUnderTest) -> None:
    bare_lab.output("node1", "mkcluster -n tuned -m node1,node2,node3 -r hdisk1")
    whole(bare_lab)


@pytest.mark.parametrize("mode", ["a", "e"])
def test_deadman_mode(bare_lab: LabUnderTest, mode: str) -> None:
    """Neither a network nor the repository is left to node3."""
    lab = bare_lab
    whole(lab)
    tune(lab, f"deadman_mode={mode}")
    isolated = said(lab, "node3", "NODE_ISOLATED")
    lab.srcctl("link", "node3", NETWORK, "down")
    lab.srcctl("disk", "hdisk1", "fail")
    if mode == "a":
        lab.wait_for_power("node3", "off")
    else:
        eventually(lambda: said(lab, "node3", "NODE_ISOLATED") == isolated + 1, "an event tells of it", 60)
    eventually(lambda: states(lab, "node1") == ["UP", "UP", "DOWN"], "the others miss it", 60)
    assert lab.power("node3") == ("off" if mode == "a" else "on")
    assert lab.power("node1") == "on", "its network is left"
    whole(lab)
    panics = lab.run("node3", "errpt -a -J KERNEL_PANIC").stdout
    assert panics.count("neither a network nor the repository disk is left") == 1, "of mode a, which comes first"
    assert lab.output("node3", "errpt -J CL_DEADMAN_LIMIT").count("Deadman detected heartbeat loss") == 1


@pytest.mark.parametrize("mode", ["e", "a"])
def test_repos_mode(bare_lab: LabUnderTest, mode: str) -> None:
    lab = bare_lab
    whole(lab)
    tune(lab, f"repos_mode={mode}")
    told = said(lab, "node2", "REP_DOWN node 2")
    lab.srcctl("disk", "hdisk1", "fail")
    if mode == "a":
        for node in lab.nodes():
            lab.wait_for_power(node, "off")
        lab.srcctl("disk", "hdisk1", "repair")
        whole(lab)
        assert "the repository disk is lost (repos_mode a)" in lab.output("node2", "errpt -a -J KERNEL_PANIC")
        assert "Local node cannot access" in lab.output("node2", "errpt -J CL_REPOS_DISK_DOWN")
        return
    eventually(lambda: said(lab, "node2", "REP_DOWN node 2") == told + 1, "an event tells of it", 60)
    eventually(lambda: lab.output("node1", "lscluster -d").count("State : DOWN") == 3, "all have lost it")
    assert states(lab, "node1") == ["UP"] * 3
    assert [lab.power(node) for node in lab.nodes()] == ["on"] * 3
    lab.srcctl("disk", "hdisk1", "repair")
    eventually(lambda: "State : DOWN" not in lab.output("node1", "lscluster -d"), "it is back")


@pytest.mark.parametrize("value", ["0", "1"])
def test_no_if_traffic_monitor(bare_lab: LabUnderTest, value: str) -> None:
    lab = bare_lab
    whole(lab)
    tune(lab, f"no_if_traffic_monitor={value}")
    lab.srcctl("partition", "node1", "node2,node3", "--keep-disk")
    eventually(lambda: "tcpsock->02   DOWN" in lab.output("node1", "lscluster -m"), "no packet comes in", 60)
    if value == "0":
        for node in lab.nodes():
            eventually(lambda n=node: interfaces(lab, n) == ["DOWN", "UP", "UP"], f"{node} knows whose fault it is", 60)
    else:
        lost = said(lab, "node1", "ADAPTER_DOWN")
        beats = int(lab.output("node1", "lscluster -s").split("disk pkts sent: ")[1].split()[0])
        eventually(
            lambda: int(lab.output("node1", "lscluster -s").split("disk pkts sent: ")[1].split()[0]) > beats + 40,
            "longer than network_fdt and some beats", 60,
        )  # fmt: skip
        assert interfaces(lab, "node1") == ["UP"] * 3
        assert said(lab, "node1", "ADAPTER_DOWN") == lost
    assert states(lab, "node1") == ["UP"] * 3, "the repository disk is left"
    assert "ent0" not in lab.run("node1", "errpt").stdout, "the link is up"
    lab.srcctl("heal")
    eventually(lambda: interfaces(lab, "node2") == ["UP"] * 3, "it hears the others again", 30)


@pytest.mark.parametrize(
    ("value", "victim"),
    [
        ("hard_reset", "caa"), ("dump_restart", "lpar"), ("dump_restart", "caa"), ("hard_power_off", "lpar"),
        ("disable", "caa"),
    ],
)  # fmt: skip
def test_pvm_watchdog_timer(bare_lab: LabUnderTest, value: str, victim: str) -> None:
    """What becomes of a node whose kernel hangs. Each value with each victim: tests/node/test_machine.py."""
    lab = bare_lab
    whole(lab)
    tune(lab, f"pvm_watchdog_timer={value}")
    before = {
        label: lab.run("node2", f"errpt -J {label}").stdout for label in ("SYS_RESET", "DUMP_STATS", "KERNEL_PANIC")
    }
    old = lab.processes("node2")
    lab.srcctl("hang", "node2", victim)
    if value in ("hard_power_off", "disable"):
        lab.wait_for_power("node2", "off")
        eventually(lambda: states(lab, "node1") == ["UP", "DOWN", "UP"], "the others miss it", 60)
        lab.srcctl("boot", "node2")
    else:
        eventually(
            lambda: (now := lab.processes("node2")) and len(now) > 3 and now["caa"] != old["caa"], "it boots again", 60,
            lambda: lab.processes("node2"),
        )  # fmt: skip
    eventually(lambda: states(lab, "node2") == ["UP"] * 3, "it is in the cluster again", 60)
    new = {label for label, entries in before.items() if lab.run("node2", f"errpt -J {label}").stdout != entries}
    assert (
        new
        == {
            "hard_reset": {"SYS_RESET"},
            "dump_restart": {"KERNEL_PANIC", "DUMP_STATS"},
            "hard_power_off": set(),
            "disable": {"KERNEL_PANIC"},
        }[value]
    )
    if value == "dump_restart":
        name = lab.output("node2", "ls $HAES_ROOT/var/adm/ras | grep vmcore | tail -1").strip()
        assert f"{victim} stopped turning" in lab.file("node2", f"/var/adm/ras/{name}")
    eventually(lambda: " active" in lab.output("node2", "lssrc -s cthags"), "Group Services are there, too")


def sites(lab: LabUnderTest, node: str) -> list[tuple[str, str]]:
    """The name and the shorthand id of each node's site."""
    return re.findall(r"^\tSITE NAME .*\n\t(\S+) +(\d+) ", lab.output(node, "lscluster -m"), re.MULTILINE)


def test_a_node_comes_to_another_site_and_goes(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    whole(lab)
    assert sites(lab, "node2") == [("LOCAL", "1")] * 3
    lab.output("node1", "chcluster -m -node3")
    lab.output("node1", "chcluster -S far{cle_globid=9} -m +node3")
    two_here = [("LOCAL", "1")] * 2
    whole(lab)
    for node in lab.nodes():
        eventually(lambda n=node: sites(lab, n) == [*two_here, ("far", "9")], f"the sites on {node}", 30,  # type: ignore[misc]
                   lambda n=node: sites(lab, n))  # type: ignore[misc]  # fmt: skip
    lab.output("node2", "chcluster -S far{cle_name=away,cle_prio=1}")
    eventually(lambda: sites(lab, "node3") == [*two_here, ("away", "9")], "node3 knows of the new name", 30,
               lambda: sites(lab, "node3"))  # fmt: skip
    for words, complaint in (
        ("-S far{cle_prio=1}", "far is not a site of the cluster."),
        ("-S away{cle_prio=0}", "cle_prio=0 is not a valid attribute of a site."),
        ("-S away -m -node2", "node2 is not a node of the site away."),
    ):
        refused = lab.run("node1", f"chcluster {words}")
        assert (refused.returncode, refused.stderr) == (1, f"chcluster: {complaint}\n")
    lab.output("node1", "chcluster -S away -m -node3")
    assert sites(lab, "node1") == [("LOCAL", "1")] * 2
    lab.output("node1", "rmcluster -n tuned")
    lab.output("node1", "mkcluster -n tuned -S home{cle_prio=2} -m node1,node2,node3 -r hdisk1")
    whole(lab)
    assert sites(lab, "node3") == [("home", "1")] * 3
