"""The action plan of a side that gives way: what it changes of the boot that follows, on real processes."""

from __future__ import annotations

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

CAA_LOG = "/var/adm/ras/syslog.caa"
SPLIT = "SPLIT_POLICY=tiebreaker MERGE_POLICY=tiebreaker TIEBREAKER=hdisk4"


def given_way(lab: LabUnderTest, plan: str) -> str:
    """Split the cluster under an action plan, services being started at boot, and heal; the node that gave way."""
    lab.make_whole()
    lab.output("node1", f"clmgr modify cluster {SPLIT} ACTION_PLAN={plan}")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    for node in lab.nodes():
        lab.output(node, f"clmgr online node {node} WHEN=restart")
        assert "-A" in lab.output(node, "lsitab hacmp6000")
    waits = {node: lab.file(node, CAA_LOG).count("Group Services wait") for node in lab.nodes()}
    lab.srcctl("partition", "node1", "node2")

    def loser() -> str:
        return next((n for n in lab.nodes() if lab.file(n, CAA_LOG).count("Group Services wait") > waits[n]), "")

    gave_way = str(eventually(loser, "one side reboots, and is not let in as long as the split lasts", 60))
    lab.wait_for_owner(other(gave_way))
    lab.srcctl("heal")
    return gave_way


def other(node: str) -> str:
    return "node2" if node == "node1" else "node1"


def test_cluster_services_do_not_start_by_themselves(lab: LabUnderTest) -> None:
    gave_way = given_way(lab, "disable_cluster_services_autostart")
    assert lab.run(gave_way, "lsitab hacmp6000").returncode == 1
    eventually(lambda: lab.cluster_state(gave_way) == "ST_INIT", "its cluster manager is there", 60)
    eventually(
        lambda: "Number of groups known locally" in lab.run(gave_way, "lssrc -ls cthags").stdout, "it is let in", 60
    )
    assert lab.cluster_state(gave_way) == "ST_INIT"
    assert lab.owner() == other(gave_way)
    assert "hacmp6000" in lab.output(other(gave_way), "lsitab hacmp6000"), "the other side is not concerned"


def test_resource_groups_are_not_acquired_by_themselves(lab: LabUnderTest) -> None:
    gave_way = given_way(lab, "disable_rgs_autostart")
    entry = lab.output(gave_way, "lsitab hacmp6000")
    assert "-M" in entry
    assert "-A" not in entry
    lab.wait_for_state(gave_way, "ST_STABLE", 120)
    assert lab.owner() == other(gave_way)
    for node in lab.nodes():
        lab.output(node, f"clmgr offline node {node} WHEN=restart")
