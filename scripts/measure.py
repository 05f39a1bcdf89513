"""The benches: every figure is a median of several runs on a real lab of two nodes."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pacemaker
import remote

from srcctl.node import enter, power

SRCCTL = str(Path(sys.executable).with_name("srcctl"))
PATIENCE = 60.0
IDLE_SECONDS = 30.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class BenchLab:
    """A lab with the sample cluster, at speed 10 unless said otherwise."""

    def __init__(self, directory: str, speed: float = 10, nodes: int = 2) -> None:
        self.directory = directory
        self.srcctl("up", "--speed", f"{speed:g}", "--nodes", str(nodes))
        self.block = json.loads(Path(directory, "lab.json").read_text())["block"]

    def srcctl(self, *words: str, check: bool = True) -> str:
        answer = subprocess.run(
            [SRCCTL, "--lab", self.directory, *words], capture_output=True, text=True, check=False, timeout=120
        )
        if check and answer.returncode:
            raise SystemExit(f"srcctl {' '.join(words)}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def run(self, node: str, command: str, check: bool = True) -> str:
        answer: subprocess.CompletedProcess[str] = enter.run(
            self.directory, node, ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if check and answer.returncode:
            raise SystemExit(f"{node}# {command}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def processes(self, node: str) -> dict[str, int]:
        return power.status(self.directory, node)

    def node_names(self) -> list[str]:
        """The nodes of the lab."""
        return sorted(json.loads(self.srcctl("status", "--json"))["nodes"])

    def online(self, without: str = "") -> int:
        """How many groups are online, on any node but ``without``, as the first node that is on says."""
        for node in self.node_names():
            if power.state(self.directory, node) == "on":
                lines = self.run(node, "clRGinfo -s", check=False).splitlines()
                return sum(":ONLINE:" in line and line.split(":")[2] != without for line in lines)
        return 0

    def owner(self) -> str:
        for node in ("node1", "node2"):
            if power.state(self.directory, node) == "on":
                for line in self.run(node, "clRGinfo -s", check=False).splitlines():
                    fields = line.split(":")
                    if len(fields) > 3 and fields[1] == "ONLINE":
                        return fields[2]
        return ""

    def answering_node(self) -> str:
        try:
            with urllib.request.urlopen(f"http://{self.block}.33:8080/", timeout=1) as answer:
                return str(json.load(answer)["node"])
        except (OSError, ValueError):
            return ""

    def wait_answer(self, node: str) -> None:
        wait(lambda: self.answering_node() == node, f"the application answers from {node}")

    def every_process(self, node: str) -> list[int]:
        mark = f"{json.loads(Path(self.directory, 'lab.json').read_text())['id']}/{node}"
        from srcctl.node.processes import mark_of

        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and mark_of(entry) == mark]

    def destroy(self) -> None:
        self.srcctl("destroy", check=False)


def wait(look: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Poll as fast as is harmless until ``look`` is true."""
    deadline = time.monotonic() + patience
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit(f"did not happen within {patience:g} s: {what}")
        time.sleep(0.002)


def other(node: str) -> str:
    return "node2" if node == "node1" else "node1"


def boot_to_online(lab: BenchLab, rounds: int) -> list[float]:
    """Power on, cluster services, group ONLINE: ``srcctl up`` of a lab that is off."""
    samples = []
    for _ in range(rounds):
        lab.srcctl("down")
        begin = time.perf_counter()
        lab.srcctl("up")
        samples.append(time.perf_counter() - begin)
        if not lab.owner():
            raise SystemExit("the resource group is not online after srcctl up")
    return samples


def respawn(lab: BenchLab, rounds: int) -> list[float]:
    """kill -9 of clcomd until its successor takes a connection, in milliseconds."""
    samples = []
    address = (f"{lab.block}.1", 16191)
    # Two restarts within waittime seconds are the limit: with a window of a second all of ours are allowed.
    lab.run("node1", "chssys -s clcomd -w 1 && stopsrc -s clcomd && while lssrc -s clcomd | grep -q ' active';"
            " do sleep 0.1; done; startsrc -s clcomd")  # fmt: skip
    wait(lambda: "clcomd" in lab.processes("node1"), "clcomd runs")
    for _ in range(rounds):
        time.sleep(1.1)
        pid = lab.processes("node1")["clcomd"]
        begin = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while True:
            try:
                socket.create_connection(address, timeout=1).close()
                if not Path(f"/proc/{pid}").exists():
                    break
            except OSError:
                pass
            if time.perf_counter() - begin > PATIENCE:
                raise SystemExit("clcomd did not come back")
            time.sleep(0.0005)
        samples.append((time.perf_counter() - begin) * 1000)
    return samples


def lssrc_ratio(lab: BenchLab, rounds: int) -> list[float]:
    """``lssrc -a`` by ``python -c pass``, both inside the node."""
    samples = []
    python = sys.executable
    for _ in range(rounds):
        lab_seconds = _time_in_node(lab, "lssrc -a >/dev/null", 10)
        bare = _time_in_node(lab, f"$(command -v {python} || command -v python3) -c pass", 10)
        samples.append(lab_seconds / bare)
    return samples


def _time_in_node(lab: BenchLab, command: str, count: int) -> float:
    text = lab.run(
        "node1", f"a=$(date +%s%N); for i in $(seq {count}); do {command}; done; b=$(date +%s%N); echo $((b - a))"
    )
    return int(text.split()[-1]) / count / 1e9


def node_memory(lab: BenchLab, rounds: int) -> list[float]:
    """Proportional set size of all processes of an idle cluster node, in MB."""
    samples = []
    for _ in range(rounds):
        total = 0
        for pid in lab.every_process("node2"):
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        samples.append(total / 1000)
    return samples


def idle_cpu(lab: BenchLab, rounds: int) -> list[float]:
    """CPU of all processes of one node at speed 1, in percent of a core."""
    samples = []
    for _ in range(max(1, rounds // 3)):
        begin, start = _cpu_ticks(lab), time.monotonic()
        time.sleep(IDLE_SECONDS)
        end, stop = _cpu_ticks(lab), time.monotonic()
        used = sum(ticks - begin.get(pid, 0) for pid, ticks in end.items())
        samples.append(used / CLOCK_TICKS / (stop - start) * 100)
    return samples


def _cpu_ticks(lab: BenchLab) -> dict[int, int]:
    found = {}
    for pid in lab.every_process("node2"):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # utime, stime, and those of children that were reaped.
        found[pid] = sum(int(value) for value in fields[11:15])
    return found


def takeover(lab: BenchLab, rounds: int) -> list[float]:
    """The owner's lpar is killed; from the moment that the survivor's CAA declares it down until it serves."""
    samples = []
    for _ in range(rounds):
        node = lab.owner()
        survivor = other(node)
        begin = time.time()
        os.kill(lab.processes(node)["lpar"], signal.SIGKILL)
        lab.wait_answer(survivor)
        end = time.time()
        detected = _node_down_seen(lab, survivor)
        if detected < begin:
            raise SystemExit(f"{survivor} did not publish NODE_DOWN")
        samples.append(end - detected)
        _make_whole(lab, node)
    return samples


def _node_down_seen(lab: BenchLab, node: str) -> float:
    """When the node's CAA published its last NODE_DOWN event, in seconds of the wall clock."""
    found = re.findall(r"NODE_DOWN node \d+ (\d+\.\d+)", lab.run(node, "cat /var/adm/ras/syslog.caa"))
    return float(found[-1]) if found else 0.0


def _make_whole(lab: BenchLab, node: str) -> None:
    lab.srcctl("boot", node)
    wait(lambda: "ST_INIT" in lab.run(node, "lssrc -ls clstrmgrES", check=False), f"{node} is back")
    lab.run(node, f"clmgr online node {node}")


def planned_move(lab: BenchLab, rounds: int) -> list[float]:
    """``clmgr move resource_group`` until the application answers from the other node, and where the time goes."""
    samples = []
    parts: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        source = lab.owner()
        target = other(source)
        begin = time.perf_counter()
        words = ["/bin/sh", "-c", f"clmgr move resource_group app_rg NODE={target}"]
        command = threading.Thread(target=enter.run, args=(lab.directory, target, words), kwargs=QUIET)
        command.start()
        wait(lambda source=source: lab.answering_node() != source, f"the application on {source} ends")
        gone = time.perf_counter()
        lab.wait_answer(target)
        back = time.perf_counter()
        command.join()
        end = time.perf_counter()
        samples.append(max(back, end) - begin)
        parts.append((gone - begin, back - gone, max(0.0, end - back)))
    for number, what in enumerate(
        (
            "until the application stops: clmgr, the vote, stop_server",
            "without the application: file system, volume group and address change hands, start_server",
            "until clmgr returns: the last barrier, the states",
        )
    ):
        print(f"{'':<10}{statistics.median(part[number] for part in parts):>8.3g} s   {what}", flush=True)
    return samples


def many_groups(lab: BenchLab, rounds: int) -> list[float]:
    """64 groups on four nodes: a node with a quarter of them dies; from its detection until all are online again."""
    names = [f"many{number}" for number in range(1, 64)]  # and the sample's own
    nodes = list(lab.node_names())
    for node in nodes:
        lab.run(node, "printf '#!/bin/sh\\nexit 0\\n' >/tmp/trivial && chmod 755 /tmp/trivial")
    script = []
    for number, name in enumerate(names):
        order = ",".join(nodes[number % len(nodes) :] + nodes[: number % len(nodes)])
        script += [
            f"clmgr add application_controller {name}_app STARTSCRIPT=/tmp/trivial STOPSCRIPT=/tmp/trivial",
            f"clmgr add resource_group {name} NODES={order} STARTUP=OHN FALLOVER=FNPN FALLBACK=NFB"
            f" APPLICATIONS={name}_app",
        ]
    lab.run(nodes[0], " && ".join(script))
    lab.run(nodes[0], "clmgr offline cluster && clmgr sync cluster")
    begin = time.perf_counter()
    lab.run(nodes[0], "clmgr online cluster")
    wait(lambda: lab.online() == len(names) + 1, "all groups are online")
    print(f"{'':<10}{time.perf_counter() - begin:>8.3g} s   clmgr online cluster, until all 64 are online", flush=True)
    samples = []
    for _ in range(max(1, rounds // 3)):
        victim = nodes[-1]
        os.kill(lab.processes(victim)["lpar"], signal.SIGKILL)
        begin = time.time()
        wait(lambda victim=victim: power.state(lab.directory, victim) != "on", f"{victim} is off")
        wait(lambda victim=victim: lab.online(victim) == len(names) + 1, "all groups are online again")
        end = time.time()
        detected = _node_down_seen(lab, nodes[0])
        if detected < begin - 1:
            raise SystemExit(f"{nodes[0]} did not publish NODE_DOWN")
        samples.append(end - detected)
        _make_whole(lab, victim)
    return samples


@dataclass(frozen=True)
class Bench:
    """A budget: the median of ``measure`` must not exceed ``budget`` (in ``unit``)."""

    name: str
    what: str
    budget: float
    unit: str
    measure: Callable[[Any, int], list[float]]
    speed: float = 10
    nodes: int = 2
    beside: Callable[[int], dict[str, float]] | None = None


BENCHES = [
    Bench("boot", "power on until the sample group is ONLINE", 4.0, "s", boot_to_online,
          beside=pacemaker.beside("start")),
    Bench("respawn", "kill -9 of a respawned subsystem until its successor answers", 30, "ms", respawn),
    Bench("lssrc", "lssrc -a, by python -c pass", 3.0, "x", lssrc_ratio),
    Bench("memory", "memory (PSS) of one idle cluster node", 90, "MB", node_memory),
    Bench("takeover", "takeover beyond the detection of a node crash", 0.7, "s", takeover,
          beside=pacemaker.beside("takeover")),
    Bench("move", "planned move of the sample group", 0.7, "s", planned_move, beside=pacemaker.beside("move")),
    Bench("groups", "64 groups on 4 nodes: takeover of 16 beyond detection", 5.0, "s", many_groups, nodes=4),
    Bench("rsh", "cl_rsh of true, new connection", 60, "ms", remote.rsh, beside=remote.beside_rsh),
    Bench("fanout", "16 cl_rsh of true at once", 1030, "ms", remote.fan_out, beside=remote.beside_fan_out),
    Bench("rcp", "64 MiB by cl_rcp (300 MiB/s)", 213, "ms", remote.rcp, beside=remote.beside_rcp),
    Bench("sync", "verification and synchronization of two nodes", 1000, "ms", remote.verify_and_sync),
    Bench("query", "clmgr query cluster, by python -c pass", 6.0, "x", remote.query_cluster),
    Bench("sync64", "verification and synchronization: 64 groups, 2 nodes", 2000, "ms", remote.grown_sync),
    Bench("sync8", "verification and synchronization: 64 groups, 8 nodes", 4000, "ms", remote.grown_sync, nodes=8),
    Bench("every", "clcmd of true on 16 nodes", 2000, "ms", remote.every_node, nodes=16),
    Bench("sync16", "verification and synchronization: 64 groups, 16 nodes", 8000, "ms", remote.grown_sync, nodes=16),
    Bench("idle", "idle CPU of one node at speed 1", 1.0, "%", idle_cpu, speed=1),
]  # fmt: skip


def _comparison(bench: Bench, rounds: int) -> list[str]:
    """What others take for the same, where they are installed."""
    if bench.beside is None:
        return []
    try:
        figures = bench.beside(rounds)
    except (remote.NoServer, pacemaker.Missing) as reason:
        return [f"{'':<10}{'':>8} {bench.unit:<3} {reason}"]
    return [f"{'':<10}{figure:>8.3g} {bench.unit:<3} {what}" for what, figure in figures.items()]


def main() -> int:
    """Run the benches."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        for bench in BENCHES:
            print(f"{bench.name:<10}{bench.what}")
        return 0
    known = [bench.name for bench in BENCHES]
    if unknown := set(arguments.names) - set(known):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [bench for bench in BENCHES if not arguments.names or bench.name in arguments.names]
    missed = 0
    directory = tempfile.mkdtemp(prefix="haes-bench.")
    try:
        for speed, nodes in sorted({(bench.speed, bench.nodes) for bench in chosen}, key=lambda lab: (-lab[0], lab[1])):
            place = os.path.join(directory, f"speed{speed:g}-{nodes}")
            try:
                lab = BenchLab(place, speed, nodes)
                for bench in (bench for bench in chosen if (bench.speed, bench.nodes) == (speed, nodes)):
                    samples = bench.measure(lab, max(1, arguments.rounds))
                    figure = statistics.median(samples)
                    verdict = "ok" if figure <= bench.budget else "MISSED"
                    missed += verdict != "ok"
                    spread = f"({min(samples):.3g} .. {max(samples):.3g}, {len(samples)} runs)"
                    print(
                        f"{bench.name:<10}{figure:>8.3g} {bench.unit:<3} budget {bench.budget:g} {bench.unit:<3} "
                        f"{verdict:<7} {bench.what} {spread}",
                        flush=True,
                    )
                    for line in _comparison(bench, max(1, arguments.rounds)):
                        print(line, flush=True)
            finally:
                if os.path.exists(place):
                    subprocess.run([SRCCTL, "--lab", place, "destroy"], check=False)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
