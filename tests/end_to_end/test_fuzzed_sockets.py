"""Thousands of random and mutated packets at every socket of caa and cthags of a living cluster.

They come from two attackers on each of two nodes at once. Nothing ends, nothing is left over (memory, descriptors,
lines of logs), and nobody's view of the cluster changes.
"""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
OPTIONS = ("--networks", "2", "--speed", "8")
"""Slow enough that a busy machine misses nobody."""
PACKETS, WARM = 5000, 1000
"""Of each attacker."""
FUZZER = Path(__file__).with_name("fuzzer.py").read_text()
DAEMONS = ("caa", "cthags")
GROWTH_MAX = 1 << 10
"""Kilobytes of memory by which a daemon may grow: buffers of what waits at that moment. A byte kept of every packet, or
of every connection its state, is more."""
LOGS = ("/var/adm/ras/syslog.caa", "/var/ct/fuzzed/log/cthags/cthags.default", "/dev/console")
LOG_MAX = 64 << 10


def attack(lab: LabUnderTest, node: str, packets: int, seed: str) -> dict[str, Any]:
    """What the fuzzer on a node says of its work."""
    processes = lab.processes(node)
    pids = " ".join(str(processes[name]) for name in DAEMONS)
    program = 'python3 -c "$FUZZER"'
    shown = lab.output(node, f"FUZZER=$(cat <<'END'\n{FUZZER}\nEND\n)\n{program} {packets} {seed} "
                       f"$HAES_ROOT/etc/cluster/key {pids}", timeout=240)  # fmt: skip
    found: dict[str, Any] = json.loads(shown)
    return found


def memory(pid: int) -> int:
    """Kilobytes."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def views(lab: LabUnderTest, node: str) -> tuple[str, int, int]:
    """Who is up as a node sees it, how many views its Group Services have installed, how often anybody was missed."""
    states = " ".join(re.findall(r"State of node: (\w+)", lab.output(node, "lscluster -m")))
    log = lab.file(node, LOGS[1])
    return states, len(re.findall(r"view .* installed", log)), lab.file(node, LOGS[0]).count("NODE_DOWN")


def test_much_nonsense_changes_nothing(bare_lab: LabUnderTest) -> None:
    lab = bare_lab
    lab.output("node1", "mkcluster -n fuzzed -m node1,node2 -r hdisk1")
    for node in lab.nodes():
        eventually(lambda n=node: views(lab, n)[0] == "UP UP", f"{node} sees both", 60)
        eventually(lambda n=node: "nodes 1 2" in lab.file(n, LOGS[1]), "Group Services agree", 60)
    lab.output("node1", "clctrl -tune -o communication_mode=m")
    multicast = re.compile(r"multicast pkts: [1-9]")
    eventually(lambda: multicast.search(lab.output("node1", "lscluster -s")), "heartbeats by multicast", 30)

    def everywhere(packets: int, name: str) -> list[dict[str, Any]]:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda node: attack(lab, node, packets, f"{name}-{node}"), lab.nodes()))

    everywhere(WARM, "warm")
    pids = {(node, name): lab.processes(node)[name] for node in lab.nodes() for name in DAEMONS}
    eventually(lambda: all(descriptors(pid) < 60 for pid in pids.values()), "connections have ended", 60)
    sizes = {who: memory(pid) for who, pid in pids.items()}
    held = {who: descriptors(pid) for who, pid in pids.items()}
    seen = {node: views(lab, node) for node in lab.nodes()}
    written = {(node, log): len(lab.file(node, log)) for node in lab.nodes() for log in LOGS}

    for found in everywhere(PACKETS, "long"):
        kinds = {kind for kind, _, _ in found["aims"]}
        assert {"udp", "stream"} <= kinds
        addresses = [address for kind, address, _ in found["aims"] if kind == "udp"]
        assert len(addresses) >= 2 * len(DAEMONS) + 2, "two networks, and the groups of caa"
        for kind, address, _ in found["aims"]:
            assert found["counts"].get(f"{kind} {address}", 0) > 100, f"{kind} {address}: {found['counts']}"

    assert {who: lab.processes(who[0]).get(who[1]) for who in pids} == pids, "nothing has ended"
    for node in lab.nodes():
        assert views(lab, node) == seen[node], "nobody's view has changed"
        for log in LOGS:
            assert len(lab.file(node, log)) - written[node, log] < LOG_MAX, f"{log} of {node} is not flooded"
        assert "Traceback" not in lab.file(node, "/dev/console")
    eventually(
        lambda: all(descriptors(pid) <= held[who] for who, pid in pids.items()), "every descriptor is closed again", 60,
        lambda: ({who: descriptors(pid) for who, pid in pids.items()}, held),
    )  # fmt: skip
    grown = {who: memory(pid) - sizes[who] for who, pid in pids.items()}
    assert max(grown.values()) < GROWTH_MAX, f"kilobytes of growth: {grown}"
    lab.output("node1", "clctrl -stop -m node2")
    eventually(lambda: views(lab, "node1")[0] == "UP DOWN", "and what is true is still seen", 60)
