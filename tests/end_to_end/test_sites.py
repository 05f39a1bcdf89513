"""A stretched cluster: a site goes with its last node and comes with its first, on real processes."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

COMMANDS = (
    "clmgr add cluster stretched NODES=node1,node2 REPOSITORIES=hdisk1 TYPE=SC",
    "clmgr add site left NODES=node1 RECOVERY_PRIORITY=2",
    "clmgr add site right NODES=node2 RECOVERY_PRIORITY=1",
    "clmgr modify cluster SPLIT_POLICY=none MERGE_POLICY=priority SITE_GRACE_PERIOD=10 SITE_HEARTBEAT_CYCLE=2",
    "clmgr sync cluster",
    "clmgr online cluster WHEN=now MANAGE=auto",
)


def events(lab: LabUnderTest, node: str, since: int = 0) -> list[str]:
    """The events that began on a node."""
    text = lab.file(node, "/var/hacmp/log/hacmp.out")
    return re.findall(r"^\w{3} \d\d [\d:]+ EVENT START: (.*?) *$", text, re.MULTILINE)[since:]


def tunable(lab: LabUnderTest, name: str) -> str:
    """The value of one of CAA's tunables."""
    return lab.output("node1", f"clctrl -tune -o {name}").split(" = ")[1].strip()


def test_site_goes_and_comes_with_its_node(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    for command in COMMANDS:
        lab.output("node1", command, 120)
    for node, own, other in (("node1", "left", "right"), ("node2", "right", "left")):
        rows = re.findall(r"^\tSITE NAME .*\n\t(\S+) +(\d+) ", lab.output(node, "lscluster -m"), re.MULTILINE)
        assert rows == [("left", "1"), ("right", "2")], f"{node} at {own} sees {other}"
    uuids = re.findall(r"Site uUid : (\S+)", lab.output("node1", "lscluster -d"))
    assert len(set(uuids)) == 2
    groups = re.findall(r"Multicast for site (\S+): IPv4 (\S+) ", lab.output("node2", "lscluster -c"))
    assert [name for name, _ in groups] == ["left", "right"]
    assert groups[0][1] != groups[1][1]
    assert tunable(lab, "site_merge_policy") == "p"
    assert tunable(lab, "local_merge_policy") == "h"
    assert tunable(lab, "remote_hb_factor") == "2"
    assert 'SITE_HEARTBEAT_CYCLE="2"' in lab.output("node1", "clmgr query cluster")
    up = ["site_up right", "site_up_remote right", "site_up_complete right", "site_up_remote_complete right"]
    seen = len(events(lab, "node1"))
    lab.output("node1", "clmgr offline site right WHEN=now MANAGE=move", 60)
    down = ["site_down right", "site_down_remote right", "site_down_complete right", "site_down_remote_complete right"]
    left = ["node_down node2", "node_down_complete node2"]
    eventually(lambda: events(lab, "node1", seen) == [*left, *down], "the site went", 30,
               lambda: events(lab, "node1", seen))  # fmt: skip
    lab.wait_for_state("node1", "ST_STABLE")
    assert lab.output("node1", "clmgr -a state query site right") == 'STATE="OFFLINE"\n'
    seen, there = len(events(lab, "node1")), len(events(lab, "node2"))
    lab.output("node1", "clmgr online site right WHEN=now MANAGE=auto", 60)
    joined = ["node_up node2", "node_up_complete node2"]
    own = [event.replace("remote", "local") for event in up]

    def came(node: str, since: int) -> list[str]:
        return [event for event in events(lab, node, since) if "admin_op" not in event]

    eventually(lambda: came("node1", seen) == [*up, *joined], "the site came", show=lambda: came("node1", seen))
    eventually(lambda: came("node2", there) == [*own, *joined], "as it saw it", show=lambda: came("node2", there))
    seen += len(up) + len(joined)
    lab.srcctl("halt", "node2")
    eventually(lambda: events(lab, "node1", seen) == [*left, *down], "the site crashed", 60,
               lambda: events(lab, "node1", seen))  # fmt: skip


def merges(lab: LabUnderTest, node: str) -> int:
    """How often a node's Group Services have given way in a merge."""
    return lab.run(node, "errpt -J GS_DOM_MERGE_ER").stdout.count("cthags")


def test_the_site_with_the_higher_priority_goes_on_when_sites_meet_again(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.srcctl("boot", "node2")
    lab.output("node1", "clmgr online node node2 WHEN=now MANAGE=auto", 120)
    lab.wait_for_state("node2", "ST_STABLE")
    lab.srcctl("partition", "node1", "node2")
    for node in lab.nodes():
        eventually(
            lambda n=node: "State of node: DOWN" in lab.output(n, "lscluster -m"), f"{node} misses the other", 60
        )
    lab.srcctl("heal")
    eventually(lambda: merges(lab, "node1") == 1, "node1 gives way although it has the lower number", 60)
    assert merges(lab, "node2") == 0
    eventually(lambda: lab.output("node2", "lscluster -m").count("State of node: UP") == 2, "both are up", 60)
    lab.wait_until_stable("node2")


def test_another_site_gets_fewer_heartbeats_and_multicast_stays_at_home(bare_lab: LabUnderTest) -> None:
    lab = bare_lab

    def counters() -> tuple[int, int]:
        """Heartbeats and writes to the repository disk, of the same moment."""
        shown = lab.output("node1", "lscluster -s")
        return (
            int(re.findall(r"gossip pkts sent: (\d+)", shown)[0]), int(re.findall(r"disk pkts sent: (\d+)", shown)[0])
        )  # fmt: skip

    def share() -> float:
        """Heartbeats for every write to the repository disk, of which there is one a beat."""
        sent, beats = counters()
        later = eventually(lambda: (now := counters())[1] >= beats + 40 and now, "beats", 60)
        return (later[0] - sent) / (later[1] - beats)

    lab.output("node1", "clmgr modify cluster SITE_HEARTBEAT_CYCLE=1")
    assert share() == pytest.approx(1, abs=0.15)
    lab.output("node1", "clmgr modify cluster SITE_HEARTBEAT_CYCLE=5")
    assert share() == pytest.approx(0.2, abs=0.1)
    lab.output("node1", "clctrl -tune -o communication_mode=m")
    assert share() == pytest.approx(1.2, abs=0.15), "one for all at this site, and now and then one for the other"
    assert "tcpsock->02   UP" in lab.output("node1", "lscluster -m")
    assert lab.output("node1", "lscluster -m").count("State of node: UP") == 2
    lab.output("node1", "clctrl -tune -d communication_mode")


def test_who_gives_way_between_sites_is_what_site_merge_policy_says(bare_lab: LabUnderTest) -> None:
    """Against the cluster's own merge policy, as it was set by hand; a synchronization sets it back."""
    lab = bare_lab
    lab.output("node1", "clmgr online node node1 WHEN=now MANAGE=auto", 120)
    lab.wait_for_state("node1", "ST_STABLE")
    lab.output("node1", "clctrl -tune -o site_merge_policy=h -o local_merge_policy=m")
    before = merges(lab, "node1"), merges(lab, "node2")
    lab.srcctl("partition", "node1", "node2")
    for node in lab.nodes():
        eventually(
            lambda n=node: "State of node: DOWN" in lab.output(n, "lscluster -m"), f"{node} misses the other", 60
        )
    lab.srcctl("heal")
    eventually(lambda: merges(lab, "node2") == before[1] + 1, "of equal parts that with the lowest number stays", 60)
    assert merges(lab, "node1") == before[0]
    lab.wait_for_state("node2", "ST_INIT")
    lab.wait_until_stable("node1")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    assert tunable(lab, "site_merge_policy") == "p"
    assert tunable(lab, "local_merge_policy") == "h"
