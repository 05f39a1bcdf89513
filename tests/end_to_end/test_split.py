"""Splits and merges on real processes: each policy of the README from the cut to the cluster that is whole again."""

from __future__ import annotations

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

CAA_LOG, HACMP_OUT = "/var/adm/ras/syslog.caa", "/var/hacmp/log/hacmp.out"
SPLIT_QUESTION = "Nothing is taken over until an operator decides"
MERGE_QUESTION = "Two parts of the cluster meet"
POLICIES = {
    "tiebreaker": "SPLIT_POLICY=tiebreaker MERGE_POLICY=tiebreaker TIEBREAKER=hdisk4",
    "nfs": "SPLIT_POLICY=nfs MERGE_POLICY=nfs NFS_QUORUM_SERVER=nas1 LOCAL_QUORUM_DIRECTORY=/nfs_tie_breaker "
    "REMOTE_QUORUM_DIRECTORY=/exports/quorum",
    "manual": "SPLIT_POLICY=manual MERGE_POLICY=manual NOTIFY_METHOD=/tmp/notify NOTIFY_INTERVAL=10",
    "none": "SPLIT_POLICY=none MERGE_POLICY=majority",
}


def configure(lab: LabUnderTest, attributes: str) -> None:
    lab.make_whole()
    lab.output("node1", f"clmgr modify cluster {attributes}")
    lab.output("node1", "clmgr sync cluster", timeout=120)


def boots(lab: LabUnderTest, node: str) -> int:
    """How often the node has booted after an end that it was asked for."""
    return lab.run(node, "errpt -J REBOOT_ID").stdout.count("REBOOT") or len(
        lab.run(node, "errpt -J REBOOT_ID").stdout.splitlines()
    )


def wait_for_log(lab: LabUnderTest, node: str, path: str, text: str, count: int = 1) -> None:
    eventually(
        lambda: lab.file(node, path).count(text) >= count,
        f"{node} says {text!r}",
        60,
        lambda: lab.file(node, path)[-3000:],
    )


def has_group_services(lab: LabUnderTest, node: str) -> bool:
    return " active" in lab.run(node, "lssrc -s cthags").stdout


@pytest.mark.parametrize("policy", ["tiebreaker", "nfs"])
def test_one_side_of_a_split_acts_and_the_other_reboots(lab: LabUnderTest, policy: str) -> None:
    configure(lab, POLICIES[policy])
    before = {node: lab.file(node, CAA_LOG).count("another side holds the tie breaker") for node in lab.nodes()}
    lab.srcctl("partition", "node1", "node2")

    def gave_way() -> str:
        return next((n for n in lab.nodes() if lab.file(n, CAA_LOG).count("Group Services wait") > waits[n]), "")

    waits = {node: lab.file(node, CAA_LOG).count("Group Services wait") for node in lab.nodes()}
    loser = str(eventually(gave_way, "one side reboots, and is not let in as long as the split lasts", 60))
    winner = "node2" if loser == "node1" else "node1"
    assert lab.file(loser, CAA_LOG).count("another side holds the tie breaker") > before[loser]
    lab.wait_for_owner(winner)
    assert lab.wait_for_answer(winner)["node"] == winner
    assert not has_group_services(lab, loser)
    assert boots(lab, loser) > 0, "the action plan: reboot"
    assert "split policy: this side gives way" in lab.output(loser, "errpt -a -J OPMSG")

    lab.srcctl("heal")
    eventually(lambda: has_group_services(lab, loser), "Group Services start", 60)
    held = lab.directory / "shared"
    eventually(lambda: not list(held.rglob("*.tiebreaker")), "it is released when all are back", 60)
    assert lab.owner() == winner
    assert lab.group_states()[winner] == "ONLINE"


def test_an_operator_decides_under_policy_manual(lab: LabUnderTest) -> None:
    lab.make_whole()
    for node in lab.nodes():
        lab.output(node, "printf '#!/bin/bash\\necho \"$*\" >>$HAES_ROOT/tmp/notified\\n' >$HAES_ROOT/tmp/notify")
        lab.output(node, "chmod +x $HAES_ROOT/tmp/notify")
    configure(lab, POLICIES["manual"])
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    assert lab.run(other, "cl_sm_recover").returncode == 1, "nobody has asked"
    lab.srcctl("partition", "node1", "node2")
    for node in lab.nodes():
        wait_for_log(lab, node, HACMP_OUT, SPLIT_QUESTION)
        wait_for_log(lab, node, "/tmp/notified", "split reboot", 2)
    assert lab.group_states() == {owner: "ONLINE", other: "OFFLINE"}
    # The side that has nothing goes on, the owner gives way.
    lab.output(other, "cl_sm_continue")
    lab.run(owner, "cl_sm_recover")
    lab.wait_for_owner(other)
    assert lab.wait_for_answer(other)["node"] == other
    eventually(lambda: has_group_services(lab, owner), "the other one has booted again", 60)
    lab.srcctl("heal")
    eventually(lambda: len(lab.domain(other)) == 2, "one domain", 60)
    assert lab.owner() == other


def test_an_operator_decides_about_a_merge(lab: LabUnderTest) -> None:
    configure(lab, POLICIES["manual"])
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    asked = {
        node: [lab.file(node, HACMP_OUT).count(question) for question in (SPLIT_QUESTION, MERGE_QUESTION)]
        for node in lab.nodes()
    }
    lab.srcctl("partition", "node1", "node2")
    # Both sides are told to go on: the operator does not know of the other one.
    for node in lab.nodes():
        wait_for_log(lab, node, HACMP_OUT, SPLIT_QUESTION, asked[node][0] + 1)
        assert lab.domain(node) == set(lab.nodes()), "nobody is given up before the answer"
        lab.output(node, "cl_sm_continue")
    for node in lab.nodes():
        eventually(lambda node=node: lab.domain(node) == {node}, "each is alone in its domain", 60)
    lab.srcctl("heal")
    for node in lab.nodes():
        wait_for_log(lab, node, HACMP_OUT, MERGE_QUESTION, asked[node][1] + 1)
    lab.output(owner, "cl_sm_continue")
    lab.run(other, "cl_sm_recover")
    eventually(lambda: len(lab.domain(owner)) == 2, "one domain", 60)
    eventually(lambda: lab.cluster_state(other) == "ST_INIT", "it booted again", 60)
    assert lab.owner() == owner


def test_without_a_merge_policy_both_sides_stay_as_they_are(lab: LabUnderTest) -> None:
    configure(lab, "SPLIT_POLICY=none MERGE_POLICY=none")
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    merged = {node: lab.run(node, "errpt -J GS_DOM_MERGE_ER").stdout for node in lab.nodes()}
    lab.srcctl("partition", "node1", "node2")
    eventually(
        lambda: f"{other}: ONLINE" in sides(lab, other), "the other side acts, too", 60, lambda: sides(lab, other)
    )
    assert f"{owner}: ONLINE" in sides(lab, owner)
    lab.srcctl("heal")
    for node in lab.nodes():
        eventually(lambda n=node: lab.output(n, "lscluster -m").count("State of node: UP") == 2, "they meet", 60)
    for node in (owner, other):
        assert f"{node}: ONLINE" in sides(lab, node), "nobody gave way"
        assert lab.run(node, "errpt -J GS_DOM_MERGE_ER").stdout == merged[node]
    lab.srcctl("halt", other)
    lab.make_whole()
    assert lab.group_states()[owner] == "ONLINE", "who boots joins the side that has cluster services"


def sides(lab: LabUnderTest, node: str) -> str:
    """Where the group is, as a node sees it."""
    words = (line.split(":") for line in lab.run(node, "clRGinfo -s app_rg").stdout.splitlines())
    return " ".join(f"{fields[2]}: {fields[1]}" for fields in words if len(fields) > 2)


def test_a_quarantined_node_is_halted_before_its_critical_group_is_taken_over(lab: LabUnderTest) -> None:
    configure(lab, f"{POLICIES['none']} QUARANTINE_POLICY=node_halt CRITICAL_RG=app_rg")
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    lab.srcctl("partition", "node1", "node2")
    lab.wait_for_power(owner, "off")
    lab.wait_for_owner(other)
    assert lab.wait_for_answer(other)["node"] == other
    assert f"node {owner} was powered off before app_rg is taken over" in lab.file(other, HACMP_OUT)
    assert lab.power(other) == "on"
    lab.srcctl("heal")
    configure(lab, f"{POLICIES['none']} QUARANTINE_POLICY=disable CRITICAL_RG=")


def test_a_quarantined_node_is_shut_out_of_its_disks(lab: LabUnderTest) -> None:
    configure(lab, f"{POLICIES['none']} QUARANTINE_POLICY=fencing CRITICAL_RG=app_rg")
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    lab.srcctl("partition", "node1", "node2")
    wait_for_log(lab, other, HACMP_OUT, f"node {owner} is shut out of hdisk2")
    lab.wait_for_owner(other)
    assert lab.wait_for_answer(other)["node"] == other
    wait_for_log(lab, owner, CAA_LOG, f"this node is shut out of hdisk2 by {other}")
    eventually(lambda: "LVDD" in lab.run(owner, "errpt -J LVM_IO_FAIL").stdout, "it has booted again", 60)
    refused = lab.run(owner, "varyonvg datavg")
    assert refused.returncode == 1, "whatever it does, beyond the cut, too"
    assert f"reserved by {other}" in refused.stderr
    lab.srcctl("heal")
    lab.make_whole()
    assert f"node {owner} is let in again" in lab.file(other, HACMP_OUT)
    lab.output("node1", f"clmgr move resource_group app_rg NODE={owner}", timeout=120)
    assert lab.wait_for_answer(owner)["node"] == owner
    configure(lab, f"{POLICIES['none']} QUARANTINE_POLICY=disable CRITICAL_RG=")


def test_a_quarantined_node_is_halted_and_shut_out_of_its_disks(lab: LabUnderTest) -> None:
    configure(lab, f"{POLICIES['none']} QUARANTINE_POLICY=halt_with_fencing CRITICAL_RG=app_rg")
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    said = [lab.file(other, HACMP_OUT).count(text) for text in halted_and_fenced(owner)]
    lab.srcctl("partition", "node1", "node2")
    lab.wait_for_power(owner, "off")
    for text, count in zip(halted_and_fenced(owner), said, strict=True):
        wait_for_log(lab, other, HACMP_OUT, text, count + 1)
    lab.wait_for_owner(other)
    assert lab.wait_for_answer(other)["node"] == other
    assert lab.power(other) == "on"
    lab.srcctl("boot", owner)
    lab.wait_for_state(owner, "ST_INIT")
    refused = lab.run(owner, "varyonvg datavg")
    assert refused.returncode == 1, "switched on again it is still shut out, beyond the cut"
    assert f"reserved by {other}" in refused.stderr
    lab.srcctl("heal")
    lab.make_whole()
    assert lab.owner() == other
    lab.output("node1", f"clmgr move resource_group app_rg NODE={owner}", timeout=120)
    assert lab.wait_for_answer(owner)["node"] == owner, "it has been let in again"
    assert caa_tunable(lab, "local_merge_policy") == "h", "whoever was quarantined has no say"
    configure(lab, f"{POLICIES['none']} QUARANTINE_POLICY=disable CRITICAL_RG=")
    assert caa_tunable(lab, "local_merge_policy") == "m"


def caa_tunable(lab: LabUnderTest, name: str) -> str:
    return lab.output("node1", f"clctrl -tune -o {name}").split(" = ")[1].strip()


def halted_and_fenced(node: str) -> tuple[str, str]:
    return f"node {node} was powered off before app_rg is taken over", f"node {node} is shut out of hdisk2"
