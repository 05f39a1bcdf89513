"""Synchronizations that are killed: their locks die with them, and every node is on one configuration before it acts.

A round begins a synchronization on some node and, some time after, kills it, a daemon, or a node, or cuts a node off;
what is synchronized is a setting, or a node that is taken out or in. Rounds come from a seed; HAES_KILL_SEED,
HAES_KILL_ROUNDS and HAES_KILL_KINDS (of setting, cut, nodes: the kinds in turn) choose others.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from srcctl.node import processes
from tests.end_to_end.lab import PATIENCE, SRCCTL, LabUnderTest, eventually, processes_marked

ANY_MODE = True

OPTIONS = ("--nodes", "3")
SEED = int(os.environ.get("HAES_KILL_SEED", "20"))
ROUNDS = int(os.environ.get("HAES_KILL_ROUNDS", "3"))
KINDS = os.environ.get("HAES_KILL_KINDS", "setting,cut,nodes").split(",")
STAGE = "/usr/es/sbin/cluster/etc/objrepos/stage"
LOCKED = "\nERROR: cldare: A lock for a Dynamic Reconfiguration event has been detected.\n\n"
COMMITTED = "\nERROR: another node has synchronized the cluster meanwhile; nothing was changed.\n\n"
ATTEMPTS = 10
HACMP_OUT = "/var/hacmp/log/hacmp.out"
ACTIVE = "$HAES_ROOT/usr/es/sbin/cluster/etc/objrepos/active"
RUNNING = "\nERROR: another synchronization runs on this node.\n\n"
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
    """Seen at once: a lock is held for some tens of milliseconds."""
    return (lab.directory / f"nodes/{node}/root{STAGE}/.lock").exists()


def test_a_lock_is_held_as_long_as_its_holder_runs(lab: LabUnderTest) -> None:
    lab.make_whole()
    hours = iter(range(2 * ATTEMPTS))
    for _ in range(ATTEMPTS):
        running, _ = stopped_with_locks(lab, "node2", "node1", hours)
        try:
            answer = lab.run("node3", "clmgr sync cluster VERIFY=no", 120)
            if (answer.returncode, answer.stderr) == (1, COMMITTED):
                continue  # so it was: what it gives back is under way
            assert (answer.returncode, answer.stderr) == (1, LOCKED)
            assert is_locked(lab, "node1"), "it stays"
            break
        finally:
            running.kill()  # whoever is stopped never ends by itself
            running.wait()
    else:
        raise AssertionError("no synchronization was stopped while it held its locks")
    lab.output("node3", "clmgr modify cluster VERIFICATION_HOUR=22")
    lab.output("node3", "clmgr sync cluster VERIFY=no", 120)
    assert {hour(lab, node) for node in lab.nodes()} == {"22"}
    assert not any(is_locked(lab, node) for node in lab.nodes())


def stopped_with_locks(
    lab: LabUnderTest, source: str, other: str, hours: Iterable[int]
) -> tuple[subprocess.Popen[bytes], int]:
    """A synchronization of one node that has the lock of another and is stopped then; its process over there.

    One that has given the lock back before it could be stopped is followed by another one, with the next of ``hours``.
    """
    for value in hours:
        lab.output(source, f"clmgr modify cluster VERIFICATION_HOUR={value}")
        running = begin(lab, source)
        pids = eventually(lambda r=running: synchronizers(lab) or (r.poll() is not None and [0]), "clmgr runs")  # type: ignore[misc]
        deadline = time.monotonic() + 2 * PATIENCE
        while running.poll() is None and not is_locked(lab, other):
            assert time.monotonic() < deadline, "clmgr neither takes the lock nor ends"
            time.sleep(0.001)  # the lock is held for tens of milliseconds
        if len(pids) == 1 and running.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[0], signal.SIGSTOP)
            eventually(lambda p=pids[0]: processes.parent_and_state(p)[1] in ("T", "Z", ""), "it is stopped")  # type: ignore[misc]
            if processes.parent_and_state(pids[0])[1] == "T" and is_locked(lab, other):
                return running, pids[0]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[0], signal.SIGCONT)
        running.wait(2 * PATIENCE)
    raise AssertionError("no synchronization was stopped while it held its locks")


def test_a_clcomd_that_is_killed_meanwhile_is_asked_again(lab: LabUnderTest) -> None:
    """Its node is a member: without it the running cluster would refuse what is committed already."""
    lab.make_whole()
    running, pid = stopped_with_locks(lab, "node2", "node1", range(10, 20))
    wanted = hour(lab, "node2")
    try:
        lab.srcctl("kill", "node1", "clcomd")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert running.wait(120) == 0
    assert {hour(lab, node, ACTIVE) for node in lab.nodes()} == {wanted}
    assert not any(is_locked(lab, node) for node in lab.nodes())


def test_a_member_whose_clcomd_does_not_answer_ends_the_run_and_nothing_is_changed(lab: LabUnderTest) -> None:
    lab.make_whole()
    before = hour(lab, "node1")
    lab.output("node1", "stopsrc -c -s clcomd")
    lab.wait_until_down("node1", "clcomd")
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
    over = "EVENT COMPLETED: node_down_complete node2 0"
    seen = lab.file("node3", HACMP_OUT).count(over)
    lab.srcctl("halt", "node2")
    eventually(lambda: lab.file("node3", HACMP_OUT).count(over) > seen, "the takeover is over")
    lab.output("node3", "clmgr modify cluster VERIFICATION_HOUR=20")
    lab.wait_until_stable("node1", "node3")
    lab.output("node3", "clmgr sync cluster VERIFY=no", 120)
    assert {hour(lab, "node1"), hour(lab, "node3")} == {"20"}
    # One that its own run left for the administrator is nobody's to break.
    kept = f'{{"owner": "node3", "generation": 999, "since": {time.time()}, "kept": true}}'
    lab.output("node1", f"mkdir -p $HAES_ROOT{STAGE} && echo '{kept}' >$HAES_ROOT{STAGE}/.lock")
    answer = lab.run("node3", "clmgr sync cluster VERIFY=no", 120)
    assert (answer.returncode, answer.stderr) == (1, LOCKED)
    lab.output("node3", "cldare -u")
    lab.output("node3", "clmgr sync cluster VERIFY=no", 120)
    # Or at once, by whoever knows that it is left over.
    lab.output("node1", f"mkdir -p $HAES_ROOT{STAGE} && echo '{kept}' >$HAES_ROOT{STAGE}/.lock")
    lab.output("node3", "clmgr sync cluster VERIFY=no FORCE=yes", 120)


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
                lab.run(node, f"startsrc -s {line.split()[0]}")  # refused while the node boots and does so itself


def recover(lab: LabUnderTest, told: str, names: list[str]) -> None:
    """What an administrator does: boot, start, and synchronize where a start is refused because configurations differ.

    They differ where the killed run had not committed what its node has, or the running cluster never got it.
    """
    deadline = time.monotonic() + 3 * PATIENCE
    for node in lab.nodes():
        if lab.power(node) == "off":
            lab.srcctl("boot", node)
    start_what_stays_down(lab)

    def state_of(node: str) -> str:
        # Behind a cut each side is stable, alone, until one of them gives way.
        state = lab.cluster_state(node)
        return state if state != "ST_STABLE" or lab.domain(node) >= set(names) else "apart"

    while states := {node: state for node in names if (state := state_of(node)) != "ST_STABLE"}:
        assert time.monotonic() < deadline, f"{told}: the cluster does not become whole: {states}"
        for node, state in states.items():
            if lab.power(node) == "off":
                lab.srcctl("boot", node)
            elif state == "ST_INIT":
                answer = lab.run(node, f"clmgr online node {node}", timeout=120)
                active = [name for name in names if lab.cluster_state(name) == "ST_STABLE"]
                if "The cluster refused this node" in answer.stderr and active:
                    synchronize(lab, active[0], told)
        time.sleep(0.05)


def synchronize(lab: LabUnderTest, node: str, told: str) -> None:
    """The next synchronization finds no lock in its way but that of clconfd, which just completes the killed one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = lab.run(node, "clmgr sync cluster VERIFY=no", 120)
        if answer.returncode == 0:
            return
        completing = answer.stderr in (LOCKED, RUNNING) and time.monotonic() < deadline
        assert completing, f"{told}; then from {node}: {answer.stdout}{answer.stderr}"
        time.sleep(0.2)


def agree(lab: LabUnderTest, names: list[str], told: str) -> None:
    """These nodes have one configuration, and nothing is locked."""
    eventually(
        lambda: len({hour(lab, name) for name in names}) == 1, f"{told}: one configuration", PATIENCE,
        lambda: {name: hour(lab, name) for name in names},
    )  # fmt: skip
    generations = {
        re.findall(r"\d+", lab.output(name, "cat $HAES_ROOT/etc/es/objrepos/.generation"))[0] for name in names
    }
    assert len(generations) == 1, f"{told}: generations {generations}"
    assert not any(is_locked(lab, name) for name in names), told


def test_whoever_is_killed_when_all_nodes_end_on_one_configuration(lab: LabUnderTest) -> None:
    chance = random.Random(SEED)
    play = {"setting": play_setting, "cut": play_cut, "nodes": play_nodes}
    for number in range(ROUNDS):
        lab.make_whole()
        play[KINDS[number % len(KINDS)]](lab, number, chance)


def begin_setting(lab: LabUnderTest, number: int, source: str) -> tuple[str, str, subprocess.Popen[bytes]]:
    old, new = hour(lab, "node1"), str(number % 2 * 10 + 1 + number % 7)
    lab.output(source, f"clmgr modify cluster VERIFICATION_HOUR={new}")
    return old, new, begin(lab, source)


def end_setting(lab: LabUnderTest, chance: random.Random, told: str) -> None:
    recover(lab, told, lab.nodes())  # whoever was killed is back, and acts
    active = {hour(lab, name, ACTIVE) for name in lab.nodes()}
    assert len(active) == 1, f"{told}: the running cluster has {active}"
    synchronize(lab, chance.choice(lab.nodes()), told)
    agree(lab, lab.nodes(), told)


def play_setting(lab: LabUnderTest, number: int, chance: random.Random) -> None:
    """Somebody is killed."""
    source, victim = chance.choice(lab.nodes()), chance.choice(VICTIMS)
    node, delay = chance.choice(lab.nodes()), chance.uniform(0.1, 1.2)
    old, new, running = begin_setting(lab, number, source)
    told = f"seed {SEED}, round {number}: {old} -> {new} from {source}, {victim} of {node} after {delay:.2f} s"
    time.sleep(delay)  # the instant of the kill is what the round is about
    strike(lab, victim, node)
    running.wait(120)
    for name in lab.nodes():
        answer = lab.run(name, "odmget HACMPcluster | grep clverhour")
        if answer.returncode == 0:  # else it is off, or on its way there
            assert answer.stdout.split()[-1] in (old, new), told
    end_setting(lab, chance, told)


def play_cut(lab: LabUnderTest, number: int, chance: random.Random) -> None:
    """A node is cut off from the others for some time."""
    source, node = chance.choice(lab.nodes()), chance.choice(lab.nodes())
    delay, hold = chance.uniform(0.0, 1.2), chance.choice((0.2, 1.0, 4.0))
    keep = ["--keep-disk"] if chance.random() < 0.5 else []
    old, new, running = begin_setting(lab, number, source)
    told = (
        f"seed {SEED}, round {number}: {old} -> {new} from {source}, after {delay:.2f} s {node} is cut off for {hold} s"
    )
    time.sleep(delay)
    lab.srcctl("partition", node, ",".join(name for name in lab.nodes() if name != node), *keep)
    time.sleep(hold)  # as long as the cut is
    if chance.random() < 0.5:
        lab.srcctl("heal")
    running.wait(150)
    lab.srcctl("heal")
    end_setting(lab, chance, told)


def play_nodes(lab: LabUnderTest, number: int, chance: random.Random) -> None:
    """node3 is taken out of the cluster, and taken in again, and both times somebody is killed."""
    for what in ("delete", "add"):
        source, victim = chance.choice(("node1", "node2")), chance.choice(VICTIMS)
        node, delay = chance.choice(lab.nodes()), chance.uniform(0.1, 1.5)
        told = f"seed {SEED}, round {number}: {what} node3 from {source}, {victim} of {node} after {delay:.2f} s"
        names = ["node1", "node2"] if what == "delete" else lab.nodes()
        if what == "delete":
            lab.output("node3", "clmgr offline node node3 MANAGE=offline", 120)
            eventually(lambda: {lab.cluster_state(name) for name in ("node1", "node2")} == {"ST_STABLE"}, "it is over")
            lab.output(source, "clmgr modify resource_group app_rg NODES=node1,node2")
        lab.output(source, f"clmgr {what} node node3")
        if what == "add":
            lab.output(source, "clmgr modify resource_group app_rg NODES=node1,node2,node3")
        running = begin(lab, source)
        time.sleep(delay)
        strike(lab, victim, node)
        running.wait(150)
        recover(lab, told, ["node1", "node2"])
        synchronize(lab, source, told)
        recover(lab, told, names)
        for name in names:
            for directory in ("", f"ODMDIR={ACTIVE} "):
                known = set(re.findall(r'name = "(\w+)"', lab.output(name, f"{directory}odmget HACMPnode")))
                assert known == set(names), f"{told}: {name} knows {known}"
            members = sorted(re.findall(r"Node name: (\w+)", lab.output(name, "lscluster -m")))
            assert members == names, f"{told}: CAA on {name} has {members}"
        agree(lab, names, told)
        if what == "delete":
            eventually(
                lambda: not lab.run("node3", "odmget HACMPcluster").stdout, f"{told}: node3 forgets it", 2 * PATIENCE
            )
            assert lab.run("node3", "lscluster -m").returncode == 1, told
