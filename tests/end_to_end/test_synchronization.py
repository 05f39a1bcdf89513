"""A node that misses a synchronization: what the administrator reads, and how it is brought in step by itself."""

from __future__ import annotations

import re

from tests.end_to_end.lab import LabUnderTest, eventually

SPEED = 40
OPTIONS = ("--speed", str(SPEED))
TEN_PRODUCT_MINUTES = 600 / SPEED


def hour(lab: LabUnderTest, node: str) -> str:
    return lab.output(node, "odmget HACMPcluster | grep clverhour").split()[-1]


def installed(lab: LabUnderTest, node: str) -> str:
    return re.findall(r"installed generation (\d+)", lab.file(node, "/var/adm/ras/clconfd.log"))[-1]


def committed(lab: LabUnderTest, node: str) -> str:
    found = re.search(r"generation: (\d+)", lab.output(node, "lssrc -ls clconfd"))
    assert found
    return found[1]


def test_services_start_on_a_node_that_was_powered_on_a_moment_ago(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline node node2", timeout=120)
    lab.srcctl("halt", "node2")
    lab.srcctl("boot", "node2")
    answer = lab.run("node1", "clmgr online node node2", timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert '"node2" is now online.' in answer.stdout


def test_a_halted_node_is_passed_over_and_brought_in_step_when_it_boots(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.srcctl("halt", "node2")
    eventually(lambda: "State of node: DOWN" in lab.output("node1", "lscluster -m"), "CAA knows that node2 is down")
    answer = lab.run("node1", "clmgr online node node2", timeout=120)
    assert (answer.returncode, answer.stderr) == (1, '\nERROR: "node2": Comm error found on node: node2\n\n')
    lab.output("node1", "clmgr modify cluster VERIFICATION_HOUR=5")
    said = lab.output("node1", "clmgr sync cluster")
    assert "WARNING: Unable to communicate with the remote node: node2." in said
    assert hour(lab, "node1") == "5"
    lab.srcctl("boot", "node2")
    eventually(lambda: hour(lab, "node2") == "5", "node2 has the configuration", TEN_PRODUCT_MINUTES + 5)
    eventually(lambda: installed(lab, "node2") == committed(lab, "node1"), "its clconfd says so")
    lab.output("node1", "clmgr online cluster", timeout=120)
    assert lab.output("node1", "clmgr -a state query cluster") == 'STATE="STABLE"\n'


def test_a_node_that_runs_without_clcomd_stops_a_synchronization_unless_it_is_forced(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node1", "clmgr offline cluster", timeout=120)
    lab.output("node2", "stopsrc -c -s clcomd")
    lab.output("node1", "clmgr modify cluster VERIFICATION_HOUR=7")
    answer = lab.run("node1", "clmgr sync cluster")
    assert answer.returncode == 1
    assert "ERROR: Comm error found on node: node2" in answer.stdout
    assert "nothing was synchronized" in answer.stderr
    before = hour(lab, "node2")
    said = lab.output("node1", "clmgr sync cluster VERIFY=no")
    assert "Verification to be performed" not in said
    assert "WARNING: node node2 cannot be reached" in said
    assert hour(lab, "node2") == before != "7", "node2 missed it"
    eventually(lambda: hour(lab, "node2") == "7", "clconfd brings node2 in step", TEN_PRODUCT_MINUTES + 5)
    lab.output("node2", "startsrc -s clcomd")
    lab.output("node1", "clmgr online cluster", timeout=120)
