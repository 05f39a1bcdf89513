"""Split policy TieBreaker on real processes: one side acts, the other halts, and comes back only when it is let in."""

from __future__ import annotations

from tests.end_to_end.lab import LabUnderTest, eventually


def test_one_side_of_a_split_acts(lab: LabUnderTest) -> None:
    lab.output("node1", "clmgr modify cluster SPLIT_POLICY=tiebreaker MERGE_POLICY=tiebreaker TIEBREAKER=hdisk4")
    lab.output("node1", "clmgr sync cluster", timeout=120)
    lab.srcctl("partition", "node1", "node2")
    eventually(lambda: "off" in (lab.power("node1"), lab.power("node2")), "one side halts", 60)
    loser = "node1" if lab.power("node1") == "off" else "node2"
    winner = "node2" if loser == "node1" else "node1"
    assert lab.power(winner) == "on"
    lab.wait_for_owner(winner)
    assert lab.wait_for_answer(winner)["node"] == winner

    # As long as the split lasts the node is not let in, whatever it does.
    lab.srcctl("boot", loser)
    eventually(
        lambda: "holds the tie breaker" in lab.file(loser, "/var/adm/ras/syslog.caa"), "it waits", 30,
        lambda: lab.file(loser, "/var/adm/ras/syslog.caa"),
    )  # fmt: skip
    eventually(lambda: "inoperative" in lab.run(loser, "lssrc -s cthags").stdout, "cthags is not started", 30)
    assert lab.power(winner) == "on"

    lab.srcctl("heal")
    eventually(lambda: " active" in lab.run(loser, "lssrc -s cthags").stdout, "Group Services start", 30)
    reservations = lab.directory / "shared" / "reservations"
    eventually(lambda: not list(reservations.glob("*.tiebreaker")), "it is released when all are back", 30)
    assert lab.owner() == winner
