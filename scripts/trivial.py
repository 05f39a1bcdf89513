"""Like with like: groups of one trivial application each, beside Pacemaker with as many trivial resources.

Both sides run at the same time on the same machine and take turns, the one that is not measured is idle. Starting an
application is the same work on both: a shell script that touches a file and notes the time, and the time that it notes
is what is measured. Detection times are equal and do not count: a takeover begins when the survivors' CAA publishes
NODE_DOWN (before Group Services agree on the view), beside it when corosync has formed a membership.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pacemaker
from bench_lab import BenchLab, make_whole, node_down_seen, other, wait

from srcctl.node import enter

START = """#!/bin/sh
touch /var/running.$1
date +%s.%N >$HAES_ROOT/var/started.$1
"""
STOP = """#!/bin/sh
rm -f /var/running.$1
"""
WATCH = """
import time
from daemons.clstrmgr import client, messages
from daemons.runtime.local_client import LocalClient
from srcctl.node.root import NodeRoot
path = NodeRoot.current().path(messages.SOCKET_PATH)
watcher = LocalClient(path, client.request_codec, client.answer_codec, None)
watcher.send(messages.WatchState())
while True:
    answer = watcher.receive()
    if isinstance(answer, messages.ClusterSnapshot):
        print(time.time(), answer.state, flush=True)
"""
"""Runs in a node: prints when the cluster manager's state changes, until it is killed."""


class TrivialLab(BenchLab):
    """A cluster whose groups have nothing but an application whose scripts do next to nothing."""

    def __init__(self, directory: str, nodes: int, groups: int) -> None:
        super().__init__(directory, 10, nodes, "--bare")
        self.names = [f"node{number}" for number in range(1, nodes + 1)]
        self.groups = [f"trivial{number}" for number in range(1, groups + 1)]
        for node in self.names:
            for word, text in (("start", START), ("stop", STOP)):
                self.run(node, f"cat >/usr/local/trivial_{word} <<'X'\n{text}X\nchmod 755 /usr/local/trivial_{word}")
        script = [f"clmgr add cluster trivial NODES={','.join(self.names)} REPOSITORIES=hdisk1"]
        for number, name in enumerate(self.groups):
            turn = number % nodes
            order = ",".join(self.names[turn:] + self.names[:turn])
            script += [
                f"clmgr add application_controller {name}_app STARTUP_MODE=foreground"
                f" STARTSCRIPT='/usr/local/trivial_start {name}' STOPSCRIPT='/usr/local/trivial_stop {name}'",
                f"clmgr add resource_group {name} NODES={order} STARTUP=OHN FALLOVER=FNPN FALLBACK=NFB"
                f" APPLICATIONS={name}_app",
            ]
        script += ["clmgr sync cluster", "clmgr online cluster WHEN=both MANAGE=auto"]
        self.run("node1", " && ".join(script))

    def started(self, group: str, node: str) -> float:
        """When a group's application was started on a node last; 0 if never."""
        try:
            return float(Path(self.directory, f"nodes/{node}/root/var/started.{group}").read_text() or 0)
        except FileNotFoundError:
            return 0.0

    def owner_of(self, group: str) -> str:
        """The node that started the group's application last."""
        return max(self.names, key=lambda node: self.started(group, node))

    def last_start(self, since: float, groups: list[str]) -> float:
        """When the last of the groups was started, if all were since then; else 0."""
        times = [max(self.started(name, node) for node in self.names) for name in groups]
        return max(times) if min(times) > since else 0.0

    def all_online(self) -> bool:
        """Are all groups online and all nodes stable?"""
        return self.online() == len(self.groups) and all(
            "ST_STABLE" in self.run(node, "lssrc -ls clstrmgrES", check=False) for node in self.names
        )

    def watch(self, node: str) -> subprocess.Popen[str]:
        """Have a node's cluster manager watched."""
        # The interpreter and the path of modules of the node's own commands.
        program = 'head=$(sed -n "2,3p" $(command -v lssrc)); python=$(sed -n "1s/^#!//p" $(command -v lssrc))'
        watcher = subprocess.Popen(
            enter.command(self.directory, node, ["/bin/sh", "-c", f'{program}; exec $python -c "$head{WATCH}"']),
            env=enter.node_variables(self.directory, node),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert watcher.stdout is not None
        watcher.stdout.readline()
        return watcher

    def start(self) -> float:
        """Power on until all groups are started; cluster services start by /etc/inittab."""
        self.srcctl("down")
        begin = time.time()
        self.srcctl("up")
        wait(lambda: self.last_start(begin, self.groups), "the groups are started")
        seconds = self.last_start(begin, self.groups) - begin
        wait(self.all_online, "all groups are online")
        return seconds

    def move(self) -> tuple[float, float]:
        """``clmgr move``: until the application is started on the other node, and until the command returns."""
        group = self.groups[0]
        source = self.owner_of(group)
        target = other(source)
        begin = time.time()
        self.run("node1", f"clmgr move resource_group {group} NODE={target}")
        end = time.time()
        wait(self.all_online, "stable after the move")
        return self.started(group, target) - begin, end - begin

    def takeover(self, victim: str) -> tuple[float, dict[str, float]]:
        """A node dies: until the last of its groups is started elsewhere, and when a survivor was in which state first.

        Both in seconds from the first NODE_DOWN of a survivor on.
        """
        lost = [name for name in self.groups if self.owner_of(name) == victim]
        survivors = [node for node in self.names if node != victim]
        watcher = self.watch(survivors[0])
        begin = time.time()
        os.kill(self.processes(victim)["lpar"], signal.SIGKILL)
        wait(lambda: self.last_start(begin, lost), "the takeover")
        wait(lambda: self.online(victim) == len(self.groups), "all groups are online again")
        watcher.kill()
        text, _ = watcher.communicate()
        seen = min(moment for node in survivors if (moment := node_down_seen(self, node)) > begin)
        states: dict[str, float] = {}
        for line in text.splitlines():
            moment, _, state = line.partition(" ")
            states.setdefault(state, float(moment) - seen)
        make_whole(self, victim)
        wait(self.all_online, "all groups are online")
        return self.last_start(begin, lost) - seen, states


class Beside:
    """Pacemaker in the same rounds. One in which it does not do its part within the deadline is lost, and said so.

    Args:
        nodes: how many.
        resources: names of the trivial resources.
    """

    def __init__(self, nodes: int, resources: list[str]) -> None:
        self.figures: Figures = {}
        self.lost: list[str] = []
        self._size = nodes, resources
        self.nodes: pacemaker.Nodes | None = None
        pacemaker.check()
        self._begin()

    def _begin(self) -> None:
        try:
            self.nodes = pacemaker.Nodes(*self._size)
        except pacemaker.NotInTime as late:
            self.lost.append(str(late))
        self._do(lambda nodes: pacemaker.up(nodes) and pacemaker.settle(nodes))

    def _do(self, work: Callable[[pacemaker.Nodes], float | None]) -> float | None:
        if self.nodes is None:
            return None
        try:
            return work(self.nodes)
        except pacemaker.NotInTime as late:
            self.lost.append(str(late))
            print(f"pacemaker with corosync: {late}\n{self.nodes.account()}", file=sys.stderr, flush=True)
            self.destroy()
            return None

    def round_begins(self) -> None:
        """A cluster that was given up is made anew."""
        if self.nodes is None:
            self._begin()

    def measure(self, name: str, work: Callable[[pacemaker.Nodes], float | None]) -> None:
        """Note how long something takes, if it gets done."""
        seconds = self._do(work)
        if seconds is not None:
            self.figures.setdefault(name, []).append(seconds)

    def destroy(self) -> None:
        """Nothing is left."""
        if self.nodes is not None:
            self.nodes.destroy()
        self.nodes = None


Figures = dict[str, list[float]]
_measured: dict[tuple[int, int], tuple[Figures, Beside | str]] = {}


def measure(nodes: int, groups: int, rounds: int) -> tuple[Figures, Beside | str]:
    """Start, takeover and, of one group, planned move: ours, and Pacemaker's or why there is none. Measured once."""
    known = _measured.get((nodes, groups))
    if known is not None:
        return known
    ours: Figures = {}
    directory = tempfile.mkdtemp(prefix="haes-bench.")
    lab = beside = None
    reason = ""
    try:
        lab = TrivialLab(os.path.join(directory, "lab"), nodes, groups)
        wait(lab.all_online, "all groups are online")
        try:
            beside = Beside(nodes, lab.groups)
        except pacemaker.Missing as missing:
            reason = str(missing)
        for _ in range(rounds):
            _round(lab, beside, ours)
    finally:
        if beside is not None:
            beside.destroy()
        if lab is not None:
            lab.destroy()
        shutil.rmtree(directory, ignore_errors=True)
    return _measured.setdefault((nodes, groups), (ours, beside or reason))


def _round(lab: TrivialLab, beside: Beside | None, ours: Figures) -> None:
    if beside is not None:
        beside.round_begins()

    def note(name: str, seconds: float) -> None:
        ours.setdefault(name, []).append(seconds)

    def theirs(name: str, work: Callable[[pacemaker.Nodes], float | None]) -> None:
        if beside is not None:
            beside.measure(name, work)

    if len(lab.groups) == 1:
        started, returned = lab.move()
        note("move", started)
        note("move returned", returned)
        theirs("move", pacemaker.move)
    victim = lab.owner_of(lab.groups[-1])
    seconds, states = lab.takeover(victim)
    note("takeover", seconds)
    for state, since in states.items():
        note(state, since)
    theirs("takeover", lambda nodes: pacemaker.takeover(nodes, nodes.owner(nodes.resources[-1])))
    note("start", lab.start())
    theirs("start", pacemaker.restart)


def bench(what: str, nodes: int = 2, groups: int = 1) -> Callable[[object, int], list[float]]:
    """A bench of ``measure``; prints where the time of a takeover or a move goes."""

    def figures(_lab: object, rounds: int) -> list[float]:
        ours, _ = measure(nodes, groups, rounds)
        if what == "takeover":
            _parts(
                ours,
                ("ST_UNSTABLE", "NODE_DOWN until the event is queued: Group Services agree on the view"),
                ("ST_RP_RUNNING", "until the recovery program runs: the vote"),
                ("takeover", "until the application's start script is at its end: node_down, barriers, start_server"),
            )
        elif what == "move":
            _parts(ours, ("move", "until the application is started"), ("move returned", "until clmgr returns"))
        return ours[what]

    return figures


def _parts(ours: Figures, *names: tuple[str, str]) -> None:
    last = 0.0
    for name, text in names:
        if name in ours:
            now = statistics.median(ours[name])
            print(f"{'':<18}{now - last:>8.3g} s   {text}", flush=True)
            last = now


def beside(what: str, nodes: int = 2, groups: int = 1) -> Callable[[int], dict[str, float]]:
    """The same of Pacemaker.

    Raises:
        pacemaker.Missing: it cannot be measured here.
    """

    def figures(rounds: int) -> dict[str, float]:
        _, theirs = measure(nodes, groups, rounds)
        if isinstance(theirs, str):
            raise pacemaker.Missing(theirs)
        samples = theirs.figures.get(what)
        lost = f"; {len(theirs.lost)} times given up: {theirs.lost[0].splitlines()[0]}" if theirs.lost else ""
        if not samples:
            raise pacemaker.Missing(f"pacemaker with corosync: no figure{lost}")
        spread = f"{min(samples):.3g} .. {max(samples):.3g}, {len(samples)} runs"
        return {f"pacemaker with corosync ({spread}{lost})": statistics.median(samples)}

    return figures
