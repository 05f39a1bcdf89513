"""How clusters of 2 to 16 nodes behave on this machine, and what Group Services' messages and votes take.

For each size: from nothing until every node is in one view and stable, the memory of all processes, heartbeats of a
node at rest, and the time from the death of a node until the last survivor has published NODE_DOWN. The traffic of
Group Services, and sizes that no machine holds, are the simulator's. Messages and votes are measured on two nodes,
beside the closed process groups of corosync where it is installed (two instances in network namespaces of this
program's making).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import closed_process_groups as cpg
from bench_lab import PATIENCE, SRCCTL, BenchLab, wait

from daemons.cthags.gsapi import Callbacks, GroupServicesInterface
from daemons.cthags.messages import Approved, GroupAttributes, NPhase
from daemons.sim.traffic import report as simulated_traffic
from srcctl.node.root import NodeRoot

SIZES = (2, 4, 8, 16)
SPEED = 10.0
NODE_TIMEOUT, GRACE, ALLOWANCE = 30.0, 10.0, 1.0
"""Product seconds of CAA's tunables by default, and real seconds beyond them."""
MEMORY_MB = 2000.0
REST_SECONDS = 10.0
BOOT_PATIENCE = 300.0
MESSAGE_MS = 2.0
MESSAGES = 300
GROUPS = 8


class ScaleLab(BenchLab):
    """A lab of so many nodes with the sample cluster."""

    def __init__(self, directory: str, nodes: int, *options: str) -> None:
        self.directory = directory
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        begin = time.monotonic()
        command = ["up", "--nodes", str(nodes), "--speed", f"{SPEED:g}", *options]
        subprocess.run(
            [SRCCTL, "--lab", directory, *command],
            check=True, capture_output=True, timeout=BOOT_PATIENCE,
        )  # fmt: skip
        self.block = json.loads(Path(directory, "lab.json").read_text())["block"]
        wait(lambda: self.is_stable(nodes), "all nodes are stable in one view", BOOT_PATIENCE)
        self.made_in = time.monotonic() - begin

    def is_stable(self, count: int) -> bool:
        """All nodes of one view, and no event under way."""
        return all(
            "ST_STABLE" in self.run(node, "lssrc -ls clstrmgrES", check=False)
            and len(self.run(node, "lsrpnode -o -x", check=False).splitlines()) == count
            for node in self.nodes
        )

    def memory(self) -> float:
        """Proportional set size of all processes, in MB."""
        total = 0
        for node in self.nodes:
            for pid in self.every_process(node):
                try:
                    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                except OSError:
                    continue
                total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        return total / 1000

    def heartbeats(self) -> float:
        """CAA's datagrams that a node sends in a second at rest."""
        before, begin = self._sent(), time.monotonic()
        time.sleep(REST_SECONDS)
        return (self._sent() - before) / (time.monotonic() - begin)

    def _sent(self) -> int:
        found = re.search(r"gossip pkts sent: (\d+)", self.run(self.nodes[0], "lscluster -s"))
        return int(found[1]) if found else 0

    def loss(self) -> float:
        """Seconds from the death of the last node until the last survivor has published NODE_DOWN."""
        lost, survivors = self.nodes[-1], self.nodes[:-1]
        pid = self.processes(lost)["lpar"]
        begin = time.time()
        os.kill(pid, signal.SIGKILL)
        number = len(self.nodes)

        def seen() -> list[float]:
            look = f"grep 'NODE_DOWN node {number} ' $HAES_ROOT/var/adm/ras/syslog.caa"
            text = [self.run(node, look, check=False) for node in survivors]
            times = [float(lines.split()[-1]) for lines in text if lines.split()]
            return times if len(times) == len(survivors) and min(times) > begin else []

        deadline = time.monotonic() + PATIENCE
        while not (times := seen()):
            if time.monotonic() > deadline:
                raise SystemExit("the survivors do not see the loss")
            time.sleep(0.1)
        wait(lambda: self._in_view(survivors), "the survivors are one view", PATIENCE)
        return max(times) - begin

    def _in_view(self, survivors: list[str]) -> bool:
        return all(
            len(self.run(node, "lsrpnode -o -x", check=False).splitlines()) == len(survivors) for node in survivors
        )


async def group_services(roots: list[NodeRoot]) -> dict[str, float]:
    """Milliseconds of a message and of a vote on all nodes, and messages a second of several groups at once."""
    members = [Member() for _ in roots]
    for member, root in zip(members, roots, strict=True):
        await member.join(root)
    figures = {
        "message": statistics.median([await members[-1].tell(members, 1) for _ in range(MESSAGES)]),
        "vote": statistics.median([await members[-1].tell(members, "n") for _ in range(MESSAGES)]),
    }
    begin = time.perf_counter()
    await asyncio.gather(*(members[-1].stream(group, MESSAGES) for group in range(GROUPS)))
    figures["throughput"] = GROUPS * MESSAGES / (time.perf_counter() - begin)
    for member in members:
        member.leave()
    return figures


class Member:
    """A program on one node that is in some groups."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._delivered: dict[int, asyncio.Event] = {}

    async def join(self, root: NodeRoot) -> None:
        """Join all groups; returns when it is a member of each."""
        self._services = await GroupServicesInterface.init(root, "bench")
        for group in range(GROUPS):
            self._delivered[group] = asyncio.Event()
            callbacks = Callbacks(n_phase=self._vote, approved=self._approved)
            self._tokens.append(self._services.join(f"bench{group}", GroupAttributes(), callbacks))
        self._reading = asyncio.create_task(self._read())
        for event in self._delivered.values():
            await event.wait()

    async def _read(self) -> None:
        while True:
            await self._services.dispatch()

    def _vote(self, token: int, phase: NPhase) -> None:
        self._services.vote(token, "approve")

    def _approved(self, token: int, approved: Approved) -> None:
        self._delivered[int(approved.group.removeprefix("bench"))].set()

    async def tell(self, members: list[Member], phases: str | int) -> float:
        """Milliseconds until a message of the first group has reached everybody."""
        for member in members:
            member._delivered[0].clear()
        begin = time.perf_counter()
        self._services.send_message(self._tokens[0], b"x" * 64, phases)
        for member in members:
            await member._delivered[0].wait()
        return (time.perf_counter() - begin) * 1000

    async def stream(self, group: int, count: int) -> None:
        """One message after the other."""
        for _ in range(count):
            self._delivered[group].clear()
            self._services.send_message(self._tokens[group], b"x" * 64)
            await self._delivered[group].wait()

    def leave(self) -> None:
        """Begone."""
        self._reading.cancel()
        self._services.quit()


def sizes(wanted: list[int], directory: str) -> int:
    """Print a line for each size; returns how many budgets were missed."""
    detection = (NODE_TIMEOUT + GRACE) / SPEED + ALLOWANCE
    print(f"nodes  all stable   memory  heartbeats/s  a loss is seen after (budget {detection:g} s)", flush=True)
    missed = 0
    for count in wanted:
        lab = None
        try:
            lab = ScaleLab(os.path.join(directory, f"scale{count}"), count)
            memory, heartbeats, loss = lab.memory(), lab.heartbeats(), lab.loss()
            late = loss > detection or memory > MEMORY_MB
            missed += late
            print(
                f"{count:5}  {lab.made_in:8.1f} s  {memory:4.0f} MB  {heartbeats:12.1f}  {loss:.2f} s"
                f"{'   MISSED' if late else ''}",
                flush=True,
            )
        finally:
            _destroy(os.path.join(directory, f"scale{count}"))
    return missed


def messages(directory: str) -> int:
    """Print what Group Services and corosync take; returns how many budgets were missed."""
    path = os.path.join(directory, "messages")
    try:
        lab = ScaleLab(path, 2, "--mode", "folder")
        roots = [NodeRoot(os.path.join(path, "nodes", node, "root")) for node in lab.nodes]
        figures = asyncio.run(group_services(roots))
    finally:
        _destroy(path)
    late = figures["message"] > MESSAGE_MS
    print(f"Group Services, 2 nodes: a message to all {figures['message']:.2f} ms (budget {MESSAGE_MS:g} ms"
          f"{', MISSED' if late else ''}), a vote {figures['vote']:.2f} ms, "
          f"{figures['throughput']:.0f} messages/s in {GROUPS} groups")  # fmt: skip
    try:
        print(
            f"corosync's closed process groups, 2 nodes: a message to all {cpg.message_milliseconds(MESSAGES):.2f} ms"
        )
    except cpg.NotAvailable as reason:
        print(f"corosync's closed process groups: {reason}")
    return late


def _destroy(path: str) -> None:
    if os.path.exists(path):
        subprocess.run([SRCCTL, "--lab", path, "destroy"], check=False, capture_output=True)


def main() -> int:
    """Run it all; 1 if a budget was missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="N", help="clusters of so many nodes")
    arguments = parser.parse_args()
    if not all(2 <= size <= 16 for size in arguments.sizes):
        parser.error("a cluster has 2 to 16 nodes")
    directory = tempfile.mkdtemp(prefix="haes-bench.")
    try:
        missed = messages(directory)
        missed += sizes(list(arguments.sizes), directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("in the simulator:")
    for line in simulated_traffic([*arguments.sizes, 64]):
        print(line, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
