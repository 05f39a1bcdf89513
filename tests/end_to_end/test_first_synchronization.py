"""The first synchronization: /etc/cluster/rhosts decides who is heard; a cluster is made of all its nodes or not."""

from __future__ import annotations

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

ADD = "clmgr add cluster first NODES=node1,node2 REPOSITORIES=hdisk1"


COMMITTING = "Committing any changes, as required, to all available nodes..."


def rhosts(lab: LabUnderTest, text: str, mode: str = "600") -> None:
    for node in lab.nodes():
        eventually(lambda node=node: " active" in lab.run(node, "lssrc -s clcomd").stdout, f"clcomd runs on {node}")  # type: ignore[misc]
    lab.output(
        "node2",
        f"printf '{text}' >$HAES_ROOT/etc/cluster/rhosts; chmod {mode} $HAES_ROOT/etc/cluster/rhosts;"
        " refresh -s clcomd",
    )


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("", "600", "neither rhosts nor the configuration"),
        ("10.1.1.1\\nnosuchhost\\n", "600", "line 2: nosuchhost is not known"),
        ("node1\\n", "644", "its mode must be 0600"),
    ],
    ids=["empty", "wrong", "readable"],
)
def test_a_wrong_rhosts_looks_like_a_clcomd_that_is_down(
    bare_lab: LabUnderTest, text: str, mode: str, reason: str
) -> None:
    rhosts(bare_lab, text, mode)
    answer = bare_lab.run("node1", "clrsh node2 date")
    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "Communication error, see logfile\n", "")
    log = "/var/hacmp/clcomd/clcomd.log"
    eventually(lambda: reason in bare_lab.file("node2", log), reason, show=lambda: bare_lab.file("node2", log))
    bare_lab.run("node1", ADD)
    answer = bare_lab.run("node1", "clmgr sync cluster")
    assert answer.returncode == 1
    assert "ERROR:Comm error found on node:node2" in answer.stdout
    answer = bare_lab.run("node1", "clmgr sync cluster VERIFY=no")
    assert (answer.returncode, answer.stderr) == (1, "\nERROR:Comm error found on node:node2\n\n")
    assert "not active" in bare_lab.run("node1", "lscluster -m").stderr, "nothing was made"


def test_with_rhosts_the_cluster_is_made_and_rhosts_is_not_needed_any_more(bare_lab: LabUnderTest) -> None:
    rhosts(bare_lab, "node1\\n")
    bare_lab.run("node1", ADD)
    said = bare_lab.output("node1", "clmgr sync cluster", timeout=120)
    lines = [line for line in said.split("Verifying Cluster Resources")[1].splitlines() if line and line[0] != "\t"]
    installed = "Adding any necessary PowerHA SystemMirror entries to /etc/inittab and /etc/rc.net for IPAT on node %s."
    assert lines[lines.index(COMMITTING) :] == [
        COMMITTING,
        installed % "node1",
        installed % "node2",
        "cldare: Configuring a 2 node cluster in AIX may take up to 2 minutes. Please wait.",
        "1 tunable updated on cluster first.",
        "Verification has completed normally.",
    ], "the order of published transcripts"
    assert bare_lab.output("node2", "clmgr query node") == "node1\nnode2\n"
    rhosts(bare_lab, "")
    assert bare_lab.output("node1", "cl_rsh node2 'echo here'") == "here\n"


def test_a_cluster_that_is_made_anew_reaches_all_nodes(bare_lab: LabUnderTest) -> None:
    """Its first generation has the number that the one before had."""
    rhosts(bare_lab, "node1\\n")
    before = bare_lab.output("node2", "odmget HACMPcluster | grep -w id")
    bare_lab.output("node1", "clmgr delete cluster NODES=ALL", timeout=120)
    assert bare_lab.run("node2", "clmgr query cluster").returncode != 0
    eventually(lambda: "generation: none" in bare_lab.output("node2", "lssrc -ls clconfd"), "nothing is installed")
    rhosts(bare_lab, "node1\\n")
    bare_lab.output("node1", ADD)
    bare_lab.output("node1", "clmgr sync cluster", timeout=120)
    after = [bare_lab.output(node, "odmget HACMPcluster | grep -w id") for node in bare_lab.nodes()]
    assert after[0] == after[1] != before
    rhosts(bare_lab, "")


def test_messages_are_encrypted_from_the_synchronization_on(bare_lab: LabUnderTest) -> None:
    change = "printf 'HACMPcluster:\\n\\tsec_level_msg = \"%s\"\\n' | odmchange -o HACMPcluster"
    level = f"{change}; clmgr sync cluster VERIFY=no"
    bare_lab.output("node1", level % "High", timeout=120)
    for node in ("node1", "node2"):
        eventually(lambda n=node: "Security: TLS" in bare_lab.output(n, "lssrc -ls clcomd"), f"TLS on {node}")  # type: ignore[misc]
    assert bare_lab.output("node2", "cl_rsh node1 'echo here'") == "here\n"
    blocks = bare_lab.output("node1", "clcmd hostname")
    assert [word for word in blocks.split() if word.startswith("node")] == ["node1", "node1", "node2", "node2"]
    bare_lab.output("node1", level % "", timeout=120)
    eventually(lambda: "Security: standard" in bare_lab.output("node2", "lssrc -ls clcomd"), "no TLS on node2")
    assert bare_lab.output("node2", "cl_rsh node1 'echo here'") == "here\n"


def test_queries_answer_on_every_node(bare_lab: LabUnderTest) -> None:
    assert bare_lab.output("node1", "clcmd lssrc -s clcomd").count(" active") == 2
    assert bare_lab.output("node1", "clcmd lscluster -c").count("Cluster Name: first") == 2
    assert "caavg_private" in bare_lab.output("node1", "clrsh node2 lspv")
    answer = bare_lab.run("node1", "clrsh node2 nosuch -x")
    assert (answer.returncode, answer.stderr) == (127, "clcomd: nosuch: No such file or directory\n")


def test_a_custom_method_decides_too(bare_lab: LabUnderTest) -> None:
    bare_lab.output(
        "node1",
        "printf '#!/bin/sh\\necho looked; exit 3\\n' >$HAES_ROOT/tmp/look; chmod 755 $HAES_ROOT/tmp/look;"
        ' printf \'HACMPcustom:\\n\\tname = "look"\\n\\ttype = "verify"\\n\\tvalue = "/tmp/look"\\n\' | odmadd',
    )
    answer = bare_lab.run("node1", "clmgr verify cluster")
    assert answer.returncode == 1
    assert "Running the custom verification method look...\nnode1: looked\n" in answer.stdout
    assert "ERROR: The custom verification method 'look' failed with exit code 3 on node 'node1'." in answer.stdout
    bare_lab.output("node1", "odmdelete -o HACMPcustom -q name=look")
