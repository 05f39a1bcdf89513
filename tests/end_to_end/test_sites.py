"""A stretched cluster: a site goes with its last node and comes with its first, on real processes."""

from __future__ import annotations

import re

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

COMMANDS = (
    "clmgr add cluster stretched NODES=node1,node2 REPOSITORIES=hdisk1 TYPE=SC",
    "clmgr add site left NODES=node1 RECOVERY_PRIORITY=2",
    "clmgr add site right NODES=node2 RECOVERY_PRIORITY=1",
    "clmgr modify cluster SPLIT_POLICY=none MERGE_POLICY=priority SITE_GRACE_PERIOD=10",
    "clmgr sync cluster",
    "clmgr online cluster WHEN=now MANAGE=auto",
)


def events(lab: LabUnderTest, node: str, since: int = 0) -> list[str]:
    """The events that began on a node."""
    text = lab.file(node, "/var/hacmp/log/hacmp.out")
    return re.findall(r"^\w{3} \d\d [\d:]+ EVENT START: (.*?) *$", text, re.MULTILINE)[since:]


def test_site_goes_and_comes_with_its_node(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    for command in COMMANDS:
        lab.output("node1", command, 120)
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
    assert events(lab, "node1", seen) == [*up, *joined]
    own = [event.replace("remote", "local") for event in up]
    assert [event for event in events(lab, "node2", there) if "admin_op" not in event] == [*own, *joined]
    lab.srcctl("halt", "node2")
    eventually(lambda: events(lab, "node1", seen)[len(up) + len(joined) :] == [*left, *down], "the site crashed", 60)


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
    assert "ST_STABLE" in lab.output("node2", "lssrc -ls clstrmgrES")
