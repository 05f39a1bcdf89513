"""The benches: every figure is a median of several runs on a real lab of two nodes."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pacemaker
import remote
import trivial
from bench_lab import PATIENCE, SRCCTL, BenchLab, make_whole, node_down_seen, other, wait

from srcctl.node import enter

IDLE_SECONDS = 30.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


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
        detected = node_down_seen(lab, survivor)
        if detected < begin:
            raise SystemExit(f"{survivor} did not publish NODE_DOWN")
        samples.append(end - detected)
        make_whole(lab, node)
    return samples


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
        print(f"{'':<18}{statistics.median(part[number] for part in parts):>8.3g} s   {what}", flush=True)
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
    own_lab: bool = False
    """It makes what it measures by itself."""
    beside: Callable[[int], dict[str, float]] | None = None


BENCHES = [
    Bench("boot", "power on until the sample group is ONLINE", 4.0, "s", boot_to_online),
    Bench("respawn", "kill -9 of a respawned subsystem until its successor answers", 30, "ms", respawn),
    Bench("lssrc", "lssrc -a, by python -c pass", 3.0, "x", lssrc_ratio),
    Bench("memory", "memory (PSS) of one idle cluster node", 90, "MB", node_memory),
    Bench("takeover", "takeover of the sample group (address, volume group, file system, HTTP service) beyond the"
          " detection of a node crash", 0.7, "s", takeover),
    Bench("move", "planned move of the sample group", 0.7, "s", planned_move),
    Bench("trivial-start", "power on until a group of one trivial application is started", 4.0, "s",
          trivial.bench("start"), own_lab=True, beside=trivial.beside("start")),
    Bench("trivial-takeover", "takeover of such a group beyond the detection of a node crash", 0.7, "s",
          trivial.bench("takeover"), own_lab=True, beside=trivial.beside("takeover")),
    Bench("trivial-move", "planned move of such a group, until it is started", 0.7, "s",
          trivial.bench("move"), own_lab=True, beside=trivial.beside("move")),
    Bench("groups-start", "64 such groups on 4 nodes: power on until all are started", 10.0, "s",
          trivial.bench("start", 4, 64), own_lab=True, beside=trivial.beside("start", 4, 64)),
    Bench("groups-takeover", "64 such groups on 4 nodes: takeover of 16 beyond detection", 5.0, "s",
          trivial.bench("takeover", 4, 64), own_lab=True, beside=trivial.beside("takeover", 4, 64)),
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
        return [f"{'':<18}{'':>8} {bench.unit:<3} {reason}"]
    return [f"{'':<18}{figure:>8.3g} {bench.unit:<3} {what}" for what, figure in figures.items()]


def _run(bench: Bench, lab: BenchLab | None, rounds: int) -> bool:
    """Measure one and print it; was its budget met?"""
    samples = bench.measure(lab, rounds)
    figure = statistics.median(samples)
    met = figure <= bench.budget
    print(
        f"{bench.name:<18}{figure:>8.3g} {bench.unit:<3} budget {bench.budget:g} {bench.unit:<3} "
        f"{'ok' if met else 'MISSED':<7} {bench.what} ({min(samples):.3g} .. {max(samples):.3g}, {len(samples)} runs)",
        flush=True,
    )
    for line in _comparison(bench, rounds):
        print(line, flush=True)
    return met


def main() -> int:
    """Run the benches."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        for bench in BENCHES:
            print(f"{bench.name:<18}{bench.what}")
        return 0
    known = [bench.name for bench in BENCHES]
    if unknown := set(arguments.names) - set(known):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [bench for bench in BENCHES if not arguments.names or bench.name in arguments.names]
    # Whoever ends it: nothing of it is left.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    missed = 0
    rounds = max(1, arguments.rounds)
    directory = tempfile.mkdtemp(prefix="haes-bench.")
    try:
        shared = {(bench.speed, bench.nodes) for bench in chosen if not bench.own_lab}
        for speed, nodes in sorted(shared, key=lambda lab: (-lab[0], lab[1])):
            place = os.path.join(directory, f"speed{speed:g}-{nodes}")
            try:
                lab = BenchLab(place, speed, nodes)
                for bench in chosen:
                    if not bench.own_lab and (bench.speed, bench.nodes) == (speed, nodes):
                        missed += not _run(bench, lab, rounds)
            finally:
                if os.path.exists(place):
                    subprocess.run([SRCCTL, "--lab", place, "destroy"], check=False)
        for bench in chosen:
            if bench.own_lab:
                missed += not _run(bench, None, rounds)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
