"""The soak: a real cluster, broken at random from a seed while clients write to its application.

Every round draws one or two faults, lets them take effect, mends everything as an operator would, and waits until the
cluster is whole. What must hold all the time: no acknowledged write is lost, and no two live nodes hold the service
address or the volume group, unless a partition under split policy none lets both sides act; that is recorded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from srcctl.network.addresses import AddressRegistry
from tests.end_to_end.history import History
from tests.end_to_end.lab import GROUP, LabUnderTest

CLIENTS = 3
REQUEST_SECONDS = 2.0
BETWEEN_REQUESTS = 0.05
BETWEEN_LOOKS = 0.05
MEND_SECONDS = 120.0
CRITICAL = ("lpar", "caa", "cthags", "clstrmgrES")
RESPAWNED = ("srcmstr", "clcomd", "clconfd", "ctrmc")
STAYING_DOWN = ("clevmgrdES", "clinfoES", "snmpd")


class Failed(Exception):
    """The cluster did what it must not do."""


@dataclass(slots=True)
class Observer:
    """Looks at the lab's registry of addresses all the time: who holds the service address?"""

    lab: LabUnderTest
    history: History
    split_allowed: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    violations: list[str] = field(default_factory=list)
    split_brains: int = 0

    def watch(self) -> None:
        """Look until stopped."""
        registry = AddressRegistry(str(self.lab.directory / "shared"))
        address = f"{self.lab.description()['block']}.33"
        split = False
        while not self.stopped.wait(BETWEEN_LOOKS):
            allowed = self.split_allowed.is_set()
            holders = [alias.node for alias in registry.holders(address)]
            if len(holders) > 1 and not allowed:
                self.violations.append(f"{time.monotonic():.3f}: {' and '.join(holders)} hold the service address")
            if len(holders) > 1 and allowed and not split:
                self.split_brains += 1
            split = len(holders) > 1

    def write(self) -> None:
        """Be a client until stopped."""
        while not self.stopped.wait(BETWEEN_REQUESTS):
            sent = time.monotonic()
            try:
                answer = self.lab.ask(REQUEST_SECONDS)
                self.history.acknowledge(sent, time.monotonic(), str(answer["node"]), int(answer["counter"]))
            except (OSError, ValueError, KeyError):
                self.history.refuse(time.monotonic())


@dataclass(slots=True)
class Soak:
    """One run."""

    lab: LabUnderTest
    dice: random.Random
    arbitrated: bool
    """Whether the split policy lets only one side of a partition act."""
    history: History = field(default_factory=History)
    counts: Counter[str] = field(default_factory=Counter)
    hung: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """A line of the run's diary."""
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    # Faults.

    def draw(self) -> tuple[str, Callable[[], None]]:
        """A fault: its name, and what brings it about."""
        nodes = self.lab.nodes()
        node = self.dice.choice(nodes)
        critical, other = self.dice.choice(CRITICAL), self.dice.choice(RESPAWNED + STAYING_DOWN)
        disk = self.dice.choice(("hdisk1", "hdisk2"))
        side = self.dice.sample(nodes, self.dice.randint(1, len(nodes) - 1))
        rest = [name for name in nodes if name not in side]
        target = self.dice.choice(nodes)
        network = next(iter(self.lab.status()["networks"]))
        choices: list[tuple[int, str, Callable[[], None]]] = [
            (3, f"kill {node} {critical}", lambda: self.fault("kill", node, critical)),
            (2, f"hang {node} {critical}", lambda: self.hang(node, critical)),
            (2, f"kill {node} {other}", lambda: self.fault("kill", node, other)),
            (1, f"hang {node} {other}", lambda: self.hang(node, other)),
            (2, f"halt {node}", lambda: self.fault("halt", node)),
            (2, f"link {node} down", lambda: self.fault("link", node, network, "down")),
            (2, f"disk {disk} fail", lambda: self.fault("disk", disk, "fail")),
            (3, f"partition {','.join(side)} {','.join(rest)}", lambda: self.partition(side, rest)),
            (3, f"move to {target}", lambda: self.operate(node, f"clmgr move rg {GROUP} NODE={target}")),
            (1, f"offline {node}", lambda: self.operate(node, f"clmgr offline node {node} WHEN=now MANAGE=move")),
        ]
        _, name, act = self.dice.choices(choices, weights=[weight for weight, _, _ in choices])[0]
        return name, act

    def fault(self, *words: str) -> None:
        """A fault of srcctl's; one that finds its victim gone already is none."""
        self.lab.srcctl(*words, check=False)

    def hang(self, node: str, name: str) -> None:
        """Stop a process until the round ends."""
        if pid := self.lab.processes(node).get(name):
            self.lab.srcctl("hang", node, name, check=False)
            self.hung.append(pid)

    def partition(self, side: list[str], rest: list[str]) -> None:
        """Cut the cluster in two."""
        self.lab.srcctl("partition", ",".join(side), ",".join(rest))

    def operate(self, node: str, command: str) -> None:
        """An operator's command; in a broken cluster it may well fail."""
        with contextlib.suppress(Exception):
            self.lab.run(node, command, timeout=MEND_SECONDS)

    # A round.

    def round(self, observer: Observer) -> None:
        """Faults, their effect, and back to a whole cluster."""
        faults = [self.draw() for _ in range(self.dice.choice((1, 1, 2)))]
        split = any(name.startswith("partition") for name, _ in faults)
        if split and not self.arbitrated:
            observer.split_allowed.set()
        for name, act in faults:
            self.say(name)
            self.counts[name.split()[0]] += 1
            act()
            time.sleep(self.dice.random())
        # Half of the rounds are mended while the cluster is still about its reaction.
        time.sleep(self.dice.choice((1.0, 1.0, 6.0, 12.0)))
        begin = time.monotonic()
        self.mend()
        self.say(f"whole after {time.monotonic() - begin:.1f} s, {GROUP} on {self.lab.owner()}")
        observer.split_allowed.clear()
        self.judge(observer, allowed=split and not self.arbitrated)

    def mend(self) -> None:
        """What an operator does until every node is in the cluster and the group is online."""
        for pid in self.hung:
            # A pid that is another process's by now is none the worse for it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.hung.clear()
        for words in (("heal",), ("disk", "hdisk1", "repair"), ("disk", "hdisk2", "repair")):
            self.lab.srcctl(*words)
        deadline = time.monotonic() + MEND_SECONDS
        while True:
            broken = {name: state for name in self.lab.nodes() if (state := self.state(name)) != "ST_STABLE"}
            if not broken and self.lab.owner() and self.lab.answers():
                break
            if time.monotonic() > deadline:
                raise Failed(f"not whole within {MEND_SECONDS:g} s: {broken or self.lab.group_states()}")
            for node, state in broken.items():
                if state == "off":
                    self.lab.srcctl("boot", node, check=False)
                elif state == "ST_INIT":
                    self.operate(node, f"clmgr online node {node}")
                elif state == "RP_FAILED":
                    self.operate(node, f"clruncmd {node}")
            if not broken and not self.lab.owner() and "ERROR" in self.lab.group_states().values():
                self.operate(self.lab.nodes()[0], f"clmgr online resource_group {GROUP}")
            time.sleep(0.1)
        for node in self.lab.nodes():
            for name in STAYING_DOWN:
                if name not in self.lab.processes(node):
                    self.operate(node, f"startsrc -s {name}")

    def state(self, node: str) -> str:
        """The cluster manager's state on a node, "off" if there is no node."""
        return self.lab.cluster_state(node) if self.lab.power(node) == "on" else "off"

    def judge(self, observer: Observer, allowed: bool) -> None:
        """Fail if something was lost or held twice."""
        if observer.violations:
            raise Failed(observer.violations[0])
        if lost := self.history.violations():
            if not allowed:
                raise Failed(lost[0])
            self.say(f"the split brain cost {len(lost)} writes; {lost[0]}")
            self.history.acknowledged.clear()


@contextlib.contextmanager
def observed(soak: Soak) -> Iterator[Observer]:
    """Clients and the observer at work."""
    observer = Observer(soak.lab, soak.history)
    threads = [threading.Thread(target=observer.watch, daemon=True)]
    threads += [threading.Thread(target=observer.write, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield observer
    finally:
        observer.stopped.set()
        for thread in threads:
            thread.join(2 * REQUEST_SECONDS)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long new rounds begin (default 10)")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=None, help="draws the same faults again")
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--mode", default="auto", choices=("auto", "view", "folder"))
    parser.add_argument("--split", default="none", choices=("none", "tiebreaker"), help="the split policy")
    parser.add_argument("--keep", action="store_true", help="keep the lab of a failed run")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    directory = Path(tempfile.mkdtemp(prefix="haes-soak."))
    lab = LabUnderTest(directory / "lab")
    failed = ""
    try:
        lab.up("--nodes", str(options.nodes), "--speed", f"{options.speed:g}", "--mode", options.mode)
        if options.split == "tiebreaker":
            lab.output(
                "node1", "clmgr modify cluster SPLIT_POLICY=tiebreaker MERGE_POLICY=tiebreaker TIEBREAKER=hdisk4"
            )
            lab.output("node1", "clmgr sync cluster", timeout=MEND_SECONDS)
        soak = Soak(lab, random.Random(seed), options.split != "none")
        soak.say(f"seed {seed}, {options.nodes} nodes, split policy {options.split}")
        with observed(soak) as observer:
            while time.monotonic() - soak.began < 60 * options.minutes:
                soak.round(observer)
        outages = soak.history.outages()
        print(json.dumps(dict(sorted(soak.counts.items()))))
        print(
            f"{len(soak.history.acknowledged)} writes acknowledged, none lost; {len(outages)} interruptions"
            + (f", median {outages[len(outages) // 2]:.2f} s, longest {outages[0]:.2f} s" if outages else "")
            + (f"; {observer.split_brains} split brains recorded" if not soak.arbitrated else "; never two holders")
        )
    except (Failed, AssertionError) as error:
        failed = str(error)
        print(f"FAILED: {failed}\nagain: scripts/soak --seed {seed} --nodes {options.nodes} --split {options.split}")
    finally:
        if failed and options.keep:
            print(f"the lab: {lab.directory}")
        else:
            lab.destroy()
            directory.rmdir()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
