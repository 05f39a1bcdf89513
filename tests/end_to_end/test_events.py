"""Events on real processes: a script that fails until the operator recovers, user-defined events, a lost ctrmc."""

from __future__ import annotations

import pytest

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True

pytestmark = pytest.mark.end_to_end

EVENTS = "$HAES_ROOT/usr/es/sbin/cluster/events"
HACMP_OUT = "/var/hacmp/log/hacmp.out"


@pytest.mark.parametrize("command", ["clmgr recover cluster", "clruncmd {failed}"])
def test_failing_script_stops_the_program_until_the_operator_recovers(lab: LabUnderTest, command: str) -> None:
    lab.make_whole()
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    lab.output(
        other, f"cd {EVENTS} && cp -p rg_move_fence $HAES_ROOT/tmp/kept && printf '#!/bin/sh\nexit 3\n' >rg_move_fence"
    )
    try:
        said = lab.run(owner, f"clmgr move resource_group app_rg NODE={other}", 60)
        assert said.returncode == 1
        assert "requires manual intervention" in said.stderr
        # The operator reads of it before event_error has run.
        lab.wait_for_state(other, "ST_RP_FAILED")
        lab.wait_for_state(owner, "ST_BARRIER")
        error = f"EVENT COMPLETED: event_error {other} TE_RG_MOVE rg_move_fence 0"
        for node in (owner, other):
            eventually(lambda node=node: error in lab.file(node, HACMP_OUT), f"event_error on {node}")  # type: ignore[misc]
        assert f"EVENT FAILED: 3: rg_move_fence {owner} 1 3" in lab.file(other, "/var/hacmp/adm/cluster.log")
        assert lab.output(owner, "clmgr -a state query cluster") == 'STATE="ERROR"\n'
        for stop in (f"clmgr offline node {owner}", "clmgr offline cluster WHEN=both", "clstop -gB"):
            refused = lab.run(owner, stop, 60)
            assert (refused.returncode, refused.stdout) == (1, ""), "nobody is told of a stop that is refused"
            assert "requires manual intervention" in refused.stderr
    finally:
        lab.output(other, f"cp -p $HAES_ROOT/tmp/kept {EVENTS}/rg_move_fence")
    lab.output(owner, command.format(failed=other))
    lab.wait_for_owner(other)
    lab.wait_until_stable()
    assert lab.run(owner, command.format(failed=other)).returncode == 1, "nothing is to be recovered any more"
    assert lab.wait_for_answer(other)


def test_user_defined_event(lab: LabUnderTest) -> None:
    """RMC sees a full file system on one node; the recovery program cleans there, then all nodes hear of it."""
    lab.make_whole()
    for node in ("node1", "node2"):
        lab.output(
            node,
            "mkdir -p $HAES_ROOT/usr/local/ude && cd $HAES_ROOT/usr/local/ude && "
            "printf '%s\\n' 'event \"/usr/local/ude/clean\" 0 NULL' barrier 'all \"cluster_notify\" X NULL' "
            ">var_full.rp && "
            "printf '#!/bin/sh\nrm -f $HAES_ROOT/var/big\n' >clean && chmod +x clean",
        )
    stanza = (
        'HACMPude:\n name = "var_full"\n state = 0\n recovery_prog = "/usr/local/ude/var_full.rp"\n'
        ' res_var_name = "IBM.FileSystem"\n instance_vector = "Name == \'/var\'"\n'
        ' predicate = "PercentTotUsed > 90"\n rearm_predicate = "PercentTotUsed < 80"\n'
    )
    lab.output("node1", "clmgr offline cluster", 60)
    try:
        lab.output(
            "node1",
            f"cat >$HAES_ROOT/tmp/ude.add <<'END'\n{stanza}END\nODMDIR=/etc/es/objrepos odmadd $HAES_ROOT/tmp/ude.add",
        )
        lab.output("node1", "clmgr sync cluster", 120)
        lab.output("node1", "clmgr online cluster", 60)
        eventually(lambda: "var_full" in lab.output("node2", "lscondition"), "RMC has the condition")
        lab.output("node2", "dd if=/dev/zero of=$HAES_ROOT/var/big bs=1M count=60 2>/dev/null")
        for node in ("node1", "node2"):
            eventually(
                lambda node=node: "EVENT COMPLETED: cluster_notify 0" in lab.file(node, HACMP_OUT),  # type: ignore[misc]
                f"the recovery program has run on {node}", 60,
            )  # fmt: skip
        assert "EVENT COMPLETED: /usr/local/ude/clean 0" in lab.file("node2", HACMP_OUT)
        assert "/usr/local/ude/clean" not in lab.file("node1", HACMP_OUT)
        assert lab.run("node2", "ls $HAES_ROOT/var/big").returncode != 0
        last = "Last event run was var_full"
        eventually(lambda: last in lab.output("node1", "lssrc -ls clstrmgrES"), "the event is over")
    finally:
        lab.run("node2", "rm -f $HAES_ROOT/var/big")
        lab.run("node1", "clmgr offline cluster", 60)
        lab.run("node1", "ODMDIR=/etc/es/objrepos odmdelete -o HACMPude")
        lab.run("node1", "clmgr sync cluster && clmgr online cluster", 180)
    eventually(lambda: "var_full" not in lab.output("node2", "lscondition"), "the condition is gone")


def test_node_whose_ctrmc_stays_down_fails(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node2", "stopsrc -s ctrmc")
    lab.wait_for_power("node2", "off", 60)
    lab.wait_for_owner("node1")
    log = (lab.directory / "nodes/node2/root/var/hacmp/log/clstrmgr.debug").read_text()
    assert "ctrmc) was not restarted within 60 seconds: the node fails" in log
    assert "Traceback" not in log
    lab.rejoin("node2")


def test_node_that_cannot_release_its_group_stays(lab: LabUnderTest) -> None:
    """A stop whose release fails: the group is in ERROR on the node and nobody acquires it before it is released."""
    lab.make_whole()
    owner = lab.owner()
    other = "node2" if owner == "node1" else "node1"
    stop = "$HAES_ROOT/usr/local/counter_app/stop"
    lab.output(owner, f"cp -p {stop} $HAES_ROOT/tmp/stop && printf '#!/bin/sh\nexit 1\n' >{stop}")
    try:
        said = lab.run(owner, f"clmgr offline node {owner} MANAGE=move", 60)
        assert said.returncode == 1
        assert f"app_rg could not be released on node {owner}" in said.stderr
        lab.wait_for_groups({owner: "ERROR", other: "OFFLINE"})
        lab.wait_until_stable()
        assert lab.run(other, f"clmgr online resource_group app_rg NODE={other}", 60).returncode != 0
        assert lab.group_states() == {owner: "ERROR", other: "OFFLINE"}
    finally:
        lab.output(owner, f"cp -p $HAES_ROOT/tmp/stop {stop}")
    lab.output(owner, f"clmgr offline node {owner} MANAGE=move", 60)
    lab.wait_for_state(owner, "ST_INIT")
    lab.output(other, f"clmgr online resource_group app_rg NODE={other}", 60)
    assert lab.wait_for_answer(other)
    lab.output(other, f"clmgr online node {owner}", 60)
