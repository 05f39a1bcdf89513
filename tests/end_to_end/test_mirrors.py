"""Why clusters mirror: an application goes on when a disk of its volume group fails, and so does a takeover."""

from __future__ import annotations

import re

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True


def stale(lab: LabUnderTest, node: str) -> str:
    """STALE PPs of datavg."""
    found = re.search(r"STALE PPs: +(\d+)", lab.output(node, "lsvg datavg"))
    assert found is not None
    return found[1]


def test_cspoc_mirrors_a_volume_group_where_it_is_varied_on(lab: LabUnderTest) -> None:
    lab.wait_for_owner("node1")
    cspoc = "$HAES_ROOT/usr/es/sbin/cluster/cspoc"
    lab.output("node2", f"{cspoc}/cli_extendvg datavg hdisk3 && {cspoc}/cli_mirrorvg -c 2 datavg")
    for node, state in (("node1", "open/syncd"), ("node2", "closed/syncd")):
        assert lab.output(node, "lsvg -l datavg").splitlines()[2].split()[2:6] == ["8", "16", "2", state]
        assert 'value = "2"' in lab.output(node, "odmget -q 'name=fslv00 and attribute=copies' CuAt")
    assert "node1: success: mirrorvg -c 2 datavg" in lab.file("node2", "/var/hacmp/log/cspoc.log")
    assert 'LPART_COPIES="2"' in lab.output("node2", "clmgr query logical_volume fslv00")
    lab.output("node2", "clmgr modify resource_group app_rg FORCED_VARYON=true && clmgr sync cluster", 120)


def test_application_goes_on_without_a_disk(lab: LabUnderTest) -> None:
    before = lab.ask()["counter"]
    lab.srcctl("disk", "hdisk2", "fail")
    eventually(lambda: stale(lab, "node1") == "8", "one copy is stale", show=lambda: stale(lab, "node1"))
    assert lab.ask() == {"node": "node1", "counter": before + 1}
    eventually(lambda: "PHYSICAL PARTITION MARKED STALE" in lab.output("node1", "errpt"), "the error log tells")
    assert "QUORUM LOST" not in lab.output("node1", "errpt")
    assert lab.owner() == "node1", "what has a good copy stays where it is"


def test_takeover_takes_the_copy_that_is_left(lab: LabUnderTest) -> None:
    before = lab.ask()["counter"]
    lab.srcctl("halt", "node1")
    assert lab.wait_for_answer("node2")["counter"] > before
    assert "varyonvg -f" in lab.file("node2", "/var/hacmp/log/hacmp.out")
    assert stale(lab, "node2") == "8"


def test_disk_that_is_back_is_synchronized_when_the_group_moves(lab: LabUnderTest) -> None:
    lab.srcctl("disk", "hdisk2", "repair")
    assert stale(lab, "node2") == "8", "until it is brought back"
    lab.rejoin("node1")
    lab.output("node1", "clmgr move resource_group app_rg NODE=node1", 60)
    eventually(lambda: stale(lab, "node1") == "0", "the copies are synchronized")
    assert "cl_sync_vgs" in lab.file("node1", "/var/hacmp/log/hacmp.out")
    before = lab.ask()["counter"]
    lab.srcctl("disk", "hdisk3", "fail")
    assert lab.ask() == {"node": "node1", "counter": before + 1}, "now the other one may fail"
    lab.srcctl("disk", "hdisk3", "repair")
    lab.output("node1", "varyonvg datavg")
    eventually(lambda: stale(lab, "node1") == "0", "they are synchronized again")


def test_a_node_calls_a_disk_otherwise(lab: LabUnderTest) -> None:
    """The PVID tells which disk is meant, on whatever node a command is given."""
    lab.output("node2", "clmgr modify physical_volume hdisk4 NAME=spare NODES=node2")
    lab.output("node2", "clmgr add volume_group sparevg PHYSICAL_VOLUMES=spare", 60)
    lab.output("node2", "clmgr add logical_volume sparelv VOLUME_GROUP=sparevg LOGICAL_PARTITIONS=2", 60)
    for node, name in (("node1", "hdisk4"), ("node2", "spare")):
        assert f'PHYSICAL_VOLUMES="{name}"' in lab.output(node, "clmgr query logical_volume sparelv")
        lab.output(node, f"varyonvg sparevg && lsvg -p sparevg | grep {name} && varyoffvg sparevg")
    answer = lab.run("node1", "clmgr modify physical_volume hdisk2 NAME=other NODES=node1")
    assert (answer.returncode != 0, "0514-062" in answer.stderr) == (True, True), "it is in use there"
    lab.output("node1", "clmgr modify physical_volume hdisk4 NAME=hdisk4")
    assert "spare" not in lab.output("node2", "lspv").split()
    assert "sparevg" in lab.output("node2", "lspv")


def test_losing_both_copies_loses_the_volume_group(lab: LabUnderTest) -> None:
    for disk in ("hdisk2", "hdisk3"):
        lab.srcctl("disk", disk, "fail")
    eventually(lambda: "ERROR" in lab.group_states().values(), "the group is in ERROR", 60, lab.group_states)
    assert "QUORUM LOST, VOLUME GROUP CLOSING" in lab.output("node1", "errpt")
