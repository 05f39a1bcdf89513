"""Synchronizations that are killed: their locks die with them, and every node is on one configuration before it acts.

A round begins a synchronization on some node and, some time after, kills it, a daemon, or a node. Rounds come from a
seed; HAES_KILL_SEED and HAES_KILL_ROUNDS choose others.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

from tests.end_to_end.lab import PATIENCE, SRCCTL, LabUnderTest, eventually, processes_marked

ANY_MODE = True

OPTIONS = ("--nodes", "3")
SEED = int(os.environ.get("HAES_KILL_SEED", "20"))
ROUNDS = int(os.environ.get("HAES_KILL_ROUNDS", "5"))
STAGE = "/usr/es/sbin/cluster/etc/objrepos/stage"
LOCKED = "\nERROR: cldare: A lock for a Dynamic Reconfiguration event has been detected.\n\n"
VICTIMS = ("clmgr", "clmgr", "clcomd", "clconfd", "clstrmgrES", "node", "node")


def hour(lab: LabUnderTest, node: str, directory: str = "") -> str:
    """VERIFICATION_HOUR as a node's object classes have it: the value that every round changes."""
    where = f"ODMDIR={directory} " if directory else ""
    return lab.output(node, f"{where}odmget HACMPcluster | grep clverhour").split()[-1]


def begin(lab: LabUnderTest, node: str) -> subprocess.Popen[bytes]:
    """A synchronization that runs on by itself."""
    words = (*SRCCTL, "--lab", str(lab.directory), "exec", node, "--", "clmgr", "sync", "cluster", "VERIFY=no")
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def synchronizers(lab: LabUnderTest) -> list[int]:
    """The processes of the lab that synchronize."""
    found = []
    for pid in processes_marked(f"HAES_MARK={lab.description()['id']}"):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"sync" in words and any(word.endswith(b"/clmgr") for word in words) and b"exec" not in words:
            found.append(pid)
    return found


def is_locked(lab: LabUnderTest, node: str) -> bool:
    return lab.run(node, f"test -e $HAES_ROOT{STAGE}/.lock").returncode == 0


def test_a_lock_is_held_as_long_as_its_holder_runs(lab: LabUnderTest) -> None:
    lab.make_whole()
    lab.output("node2", "clmgr modify cluster VERIFICATION_HOUR=21")
    running = begin(lab, "node2")
    try:
        (pid,) = eventually(lambda: synchronizers(lab), "clmgr runs")
        eventually(lambda: is_locked(lab, "node1") and not os.kill(pid, signal.SIGSTOP), "node1 is locked")
        eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
        if is_locked(lab, "node1"):
            answer = lab.run("node3", "clmgr sync cluster VERIFY=no", 120)
            assert (answer.returncode, answer.stderr) == (1, LOCKED)
            assert is_locked(lab, "node1"), "it stays"
        os.kill(pid, signal.SIGKILL)
    finally:
        running.wait()
    lab.output("node3", "clmgr modify cluster VERIFICATION_HOUR=22")
    lab.output("node3", "clmgr sync cluster VERIFY=no", 120)
    assert {hour(lab, node) for node in lab.nodes()} == {"22"}
    assert not any(is_locked(lab, node) for node in lab.nodes())


def stopped_with_locks(lab: LabUnderTest, source: str, other: str) -> tuple[subprocess.Popen[bytes], int]:
    """A synchronization of one node that has the lock of another and is stopped then; its process over there."""
    running = begin(lab, source)
    (pid,) = eventually(lambda: synchronizers(lab), "clmgr runs")
    eventually(lambda: is_locked(lab, other) and not os.kill(pid, signal.SIGSTOP), f"{other} is locked")
    return running, pid


def test_a_clcomd_that_is_killed_meanwhile_is_asked_again(lab: LabUnderTest) -> None:
    """Its node is a member: without it the running cluster would refuse what is committed already."""
    lab.make_whole()
    lab.output("node2", "clmgr modify cluster VERIFICATION_HOUR=19")
    running, pid = stopped_with_locks(lab, "node2", "node1")
    try:
        lab.srcctl("kill", "node1", "clcomd")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert running.wait(120) == 0
    active = "$HAES_ROOT/usr/es/sbin/cluster/etc/objrepos/active"
    assert {hour(lab, node, active) for node in lab.nodes()} == {"19"}
    assert not any(is_locked(lab, node) for node in lab.nodes())


def test_a_member_whose_clcomd_does_not_answer_ends_the_run_and_nothing_is_changed(lab: LabUnderTest) -> None:
    lab.make_whole()
    before = hour(lab, "node1")
    lab.output("node1", "stopsrc -c -s clcomd")
    try:
        lab.output("node3", "clmgr modify cluster VERIFICATION_HOUR=18")
        answer = lab.run("node3", "clmgr sync cluster VERIFY=no", 120)
        assert (answer.returncode, answer.stderr) == (
            1,
            '\nERROR: node "node1" cannot be reached, but cluster services are active there (clcomd does not listen on '
            "node1): the running cluster could not take the configuration. Nothing was changed.\n\n",
        )
        assert {hour(lab, "node1"), hour(lab, "node2")} == {before}
        assert not any(is_locked(lab, node) for node in lab.nodes())
    finally:
        lab.output("node1", "startsrc -s clcomd")
    lab.output("node3", "clmgr sync cluster VERIFY=no", 120)
    assert {hour(lab, node) for node in lab.nodes()} == {"18"}


def test_a_lock_dies_with_its_node(lab: LabUnderTest) -> None:
    lab.make_whole()
    # As a synchronization of node2 leaves it that was killed together with its node.
    lock = f'{{"owner": "node2", "generation": 999, "since": {time.time()}}}'
    lab.output("node1", f"mkdir -p $HAES_ROOT{STAGE} && echo '{lock}' >$HAES_ROOT{STAGE}/.lock")
    lab.srcctl("halt", "node2")
    eventually(lambda: "State of node: DOWN" in lab.output("node3", "lscluster -m"), "CAA knows that node2 is down")
    lab.output("node3", "clmgr modify cluster VERIFICATION_HOUR=20")
    eventually(lambda: lab.cluster_state("node3") == "ST_STABLE", "the takeover is over")
    lab.output("node3", "clmgr sync cluster VERIFY=no", 120)
    assert {hour(lab, "node1"), hour(lab, "node3")} == {"20"}
    # One that its own run left for the administrator is nobody's to break.
    kept = f'{{"owner": "node3", "generation": 999, "since": {time.time()}, "kept": true}}'
    lab.output("node1", f"mkdir -p $HAES_ROOT{STAGE} && echo '{kept}' >$HAES_ROOT{STAGE}/.lock")
    answer = lab.run("node3", "clmgr sync cluster VERIFY=no", 120)
    assert (answer.returncode, answer.stderr) == (1, LOCKED)
    lab.output("node3", "cldare -u")
    lab.output("node3", "clmgr sync cluster VERIFY=no", 120)


def strike(lab: LabUnderTest, victim: str, node: str) -> None:
    """Kill something, if it is there."""
    if victim == "clmgr":
        for pid in synchronizers(lab):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    elif victim == "node":
        lab.srcctl("halt", node, check=False)
    else:
        lab.srcctl("kill", node, victim, check=False)


def start_what_stays_down(lab: LabUnderTest) -> None:
    """SRC gives up what ends more than twice within its time, as when rounds kill the same daemon: somebody starts it.

    Without clcomd on a member nobody synchronizes, and a node that wants to start finds errors.
    """
    for node in lab.nodes():
        for line in lab.run(node, "lssrc -g caa").stdout.splitlines():
            if line.endswith("inoperative"):
                lab.output(node, f"startsrc -s {line.split()[0]}")


def recover(lab: LabUnderTest, told: str) -> None:
    """What an administrator does: boot, start, and synchronize where a start is refused because configurations differ.

    They differ where the killed run had not committed what its node has, or the running cluster never got it.
    """
    deadline = time.monotonic() + 3 * PATIENCE
    start_what_stays_down(lab)
    while states := {node: state for node in lab.nodes() if (state := lab.cluster_state(node)) != "ST_STABLE"}:
        assert time.monotonic() < deadline, f"{told}: the cluster does not become whole: {states}"
        for node, state in states.items():
            if lab.power(node) == "off":
                lab.srcctl("boot", node)
            elif state == "ST_INIT":
                answer = lab.run(node, f"clmgr online node {node}", timeout=120)
                active = [name for name in lab.nodes() if lab.cluster_state(name) == "ST_STABLE"]
                if "The cluster refused this node" in answer.stderr and active:
                    said = lab.run(active[0], "clmgr sync cluster VERIFY=no", 120)
                    assert said.returncode == 0, f"{told}; then from {active[0]}: {said.stdout}{said.stderr}"
        time.sleep(0.05)


def test_whoever_is_killed_when_all_nodes_end_on_one_configuration(lab: LabUnderTest) -> None:
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        lab.make_whole()
        old, new = hour(lab, "node1"), str(number % 2 * 10 + 1 + number % 7)
        source, victim = chance.choice(lab.nodes()), chance.choice(VICTIMS)
        node, delay = chance.choice(lab.nodes()), chance.uniform(0.1, 1.2)
        told = f"seed {SEED}, round {number}: {old} -> {new} from {source}, {victim} of {node} after {delay:.2f} s"
        lab.output(source, f"clmgr modify cluster VERIFICATION_HOUR={new}")
        before = lab.output("node1", "lssrc -ls clconfd")
        running = begin(lab, source)
        time.sleep(delay)  # the instant of the kill is what the round is about
        strike(lab, victim, node)
        running.wait(120)
        for name in lab.nodes():
            answer = lab.run(name, "odmget HACMPcluster | grep clverhour")
            if answer.returncode == 0:  # else it is off, or on its way there
                assert answer.stdout.split()[-1] in (old, new), told
        recover(lab, told)  # whoever was killed is back, and acts
        active = {hour(lab, name, "$HAES_ROOT/usr/es/sbin/cluster/etc/objrepos/active") for name in lab.nodes()}
        assert len(active) == 1, f"{told}: the running cluster has {active}"
        # The next synchronization finds no lock in its way, and everybody has it.
        other = chance.choice(lab.nodes())
        answer = lab.run(other, "clmgr sync cluster VERIFY=no", 120)
        assert answer.returncode == 0, f"{told}; then from {other}: {answer.stdout}{answer.stderr}\n{before}"
        eventually(
            lambda: len({hour(lab, name) for name in lab.nodes()}) == 1, f"{told}: one configuration", PATIENCE,
            lambda: {name: hour(lab, name) for name in lab.nodes()},
        )  # fmt: skip
        generations = {
            re.findall(r"\d+", lab.output(name, "cat $HAES_ROOT/etc/es/objrepos/.generation"))[0]
            for name in lab.nodes()
        }
        assert len(generations) == 1, f"{told}: generations {generations}"
        assert not any(is_locked(lab, name) for name in lab.nodes()), told
