"""Pacemaker with corosync beside the benches of the cluster manager, where they are installed.

Two nodes of the bench's own making: each is a set of namespaces (network, mounts, processes, host name) with its own
/run, /dev/shm and /var/lib/pacemaker, joined by a veth pair. The resource is a shell script that notes when it was
started. Nothing of the host's configuration is read or changed; a node dies when the first process of its namespace is
killed. The detection time is the same as that of the cluster manager's benches, and not counted: a takeover begins when
the survivor's corosync has formed a membership without the dead node.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

PATIENCE = 90.0
TOKEN_MS = 1818
"""corosync declares a node dead after its token time and 1.2 times as much: the 4 s that CAA's node_timeout and grace
period make at speed 10."""
PROGRAMS = ("corosync", "pacemakerd", "crm_resource", "cibadmin", "crm_attribute", "ip", "unshare", "nsenter")
RESOURCE = "trivial"
AGENTS = "/usr/lib/ocf/resource.d"
AGENT = """#!/bin/sh
case $1 in
meta-data)
    cat <<X
<?xml version="1.0"?>
<resource-agent name="Trivial"><version>1.0</version><parameters/>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s"/>
<action name="meta-data" timeout="5s"/></actions></resource-agent>
X
    exit 0 ;;
start) touch /run/trivial; date +%s.%N >{directory}/started.$(hostname); exit 0 ;;
stop) rm -f /run/trivial; exit 0 ;;
monitor) [ -e /run/trivial ] && exit 0; exit 7 ;;
*) exit 3 ;;
esac
"""
COROSYNC = """totem {{
    version: 2
    cluster_name: bench
    transport: knet
    token: {token}
}}
nodelist {{
    node {{
        ring0_addr: 10.77.77.1
        name: node1
        nodeid: 1
    }}
    node {{
        ring0_addr: 10.77.77.2
        name: node2
        nodeid: 2
    }}
}}
quorum {{
    provider: corosync_votequorum
    two_node: 1
    wait_for_all: 0
}}
logging {{
    to_logfile: yes
    logfile: {directory}/corosync.log
    timestamp: hires
    to_syslog: no
}}
"""
BEGIN = """
hostname {node}
mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && mkdir -p /run/lock /run/crm /run/corosync
chmod 1777 /dev/shm; chown hacluster:haclient /run/crm
mount --bind {directory}/pacemaker /var/lib/pacemaker
mount --bind {directory}/corosync /var/lib/corosync
mount --bind {directory}/etc /etc/corosync
mount --bind {directory}/log /var/log/pacemaker
mount --bind {agents} /usr/lib/ocf/resource.d
ip link set lo up
echo ready >{directory}/ready
exec sleep 1000000
"""


class Missing(Exception):
    """It is not to be had here; the text says why."""


def check() -> None:
    """Raises:
    Missing: Pacemaker or corosync is not installed, or this user may not make network namespaces.
    """
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if missing := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        raise Missing(f"pacemaker with corosync: not installed ({', '.join(missing)})")
    if os.geteuid() or not os.path.isdir(AGENTS):
        raise Missing("pacemaker with corosync: needs root, for network namespaces")


class Pair:
    """Two nodes with Pacemaker."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="haes-pacemaker.")
        os.chmod(self.directory, 0o755)
        self.holders: dict[str, subprocess.Popen[bytes]] = {}
        self.daemons: dict[str, list[subprocess.Popen[bytes]]] = {}
        self.configured = False
        agents = Path(self.directory, "agents/bench")
        agents.mkdir(parents=True)
        (agents / "Trivial").write_text(AGENT.format(directory=self.directory))
        (agents / "Trivial").chmod(0o755)
        for node in ("node1", "node2"):
            for folder in ("pacemaker", "corosync", "etc", "log"):
                Path(self.directory, node, folder).mkdir(parents=True)
            for folder in ("cib", "blackbox", "cores", "pengine"):
                Path(self.directory, node, "pacemaker", folder).mkdir()
            for folder in ("pacemaker", "log"):
                subprocess.run(["chown", "-R", "hacluster:haclient", f"{self.directory}/{node}/{folder}"], check=True)
            text = COROSYNC.format(token=TOKEN_MS, directory=f"{self.directory}/{node}")
            Path(self.directory, node, "etc/corosync.conf").write_text(text)

    def make(self, node: str) -> None:
        """The node's namespaces, without a cluster in them."""
        ready = Path(self.directory, node, "ready")
        ready.unlink(missing_ok=True)
        text = BEGIN.format(node=node, directory=f"{self.directory}/{node}", agents=f"{self.directory}/agents")
        self.holders[node] = subprocess.Popen(
            ["unshare", "-n", "-m", "-u", "-i", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", text],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait(ready.exists, f"the namespaces of {node}")

    def first(self, node: str) -> int:
        """The first process inside, whose end is the node's."""
        holder = self.holders[node].pid
        return int(Path(f"/proc/{holder}/task/{holder}/children").read_text().split()[0])

    def wire(self) -> None:
        """A cable between the two."""
        one, two = self.first("node1"), self.first("node2")
        subprocess.run(
            ["ip", "link", "add", "name", "wire0", "netns", str(one), "type", "veth", "peer", "name", "wire0",
             "netns", str(two)], check=True,
        )  # fmt: skip
        for number, node in enumerate(("node1", "node2"), 1):
            self.run(node, "ip", "addr", "add", f"10.77.77.{number}/24", "dev", "wire0")
            self.run(node, "ip", "link", "set", "wire0", "up")

    def command(self, node: str, *words: str) -> list[str]:
        """A command inside a node."""
        return ["nsenter", "-t", str(self.first(node)), "-n", "-m", "-u", "-i", "-p", *words]

    def run(self, node: str, *words: str, check: bool = True) -> str:
        """Run a command inside a node; its output."""
        answer = subprocess.run(self.command(node, *words), capture_output=True, text=True, check=False)
        if check and answer.returncode:
            raise SystemExit(f"{node}# {' '.join(words)}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def start(self, node: str) -> None:
        """corosync and Pacemaker."""
        log = open(f"{self.directory}/{node}/output", "ab")  # noqa: SIM115
        with log:
            self.daemons[node] = [
                subprocess.Popen(self.command(node, "corosync", "-f"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            ]
            wait(lambda: self.quiet(node, "corosync-cfgtool", "-s"), f"corosync of {node}", 0.02)
            self.daemons[node].append(
                subprocess.Popen(
                    self.command(node, "pacemakerd", "-f"), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            )

    def quiet(self, node: str, *words: str) -> bool:
        """Does a command inside a node end well?"""
        answer = subprocess.run(
            self.command(node, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        return answer.returncode == 0

    def kill(self, node: str) -> None:
        """The node is gone, with all its processes."""
        os.kill(self.first(node), signal.SIGKILL)
        self.holders.pop(node).wait()
        for daemon in self.daemons.pop(node, []):
            daemon.wait()

    def started(self, node: str) -> float:
        """When the resource was started on a node last; 0 if never."""
        try:
            return float(Path(self.directory, f"started.{node}").read_text() or 0)
        except FileNotFoundError:
            return 0.0

    def configure(self) -> None:
        """A resource, no fencing, no quorum; a coordinator is elected after 2 s instead of the 20 s as shipped."""
        self.configured = True
        for name, value in (("stonith-enabled", "false"), ("no-quorum-policy", "ignore"), ("dc-deadtime", "2s")):
            self.run("node1", "crm_attribute", "-n", name, "-v", value)
        xml = f'<primitive id="{RESOURCE}" class="ocf" provider="bench" type="Trivial"/>'
        self.run("node1", "cibadmin", "-o", "resources", "-C", "-X", xml)

    def owner(self) -> str:
        """The node that started the resource last."""
        return max(("node1", "node2"), key=self.started)

    def settled(self, node: str) -> bool:
        """Is the cluster idle, with both nodes online?"""
        state = self.run(node, "crmadmin", "-q", "-D", check=False)
        text = self.run(node, "crm_mon", "-1", "-r", check=False)
        return bool(state) and "Online: [ node1 node2 ]" in text and f"{RESOURCE}" in text and "Started" in text

    def failure_seen(self, node: str, since: float) -> float:
        """When the corosync of a node formed a membership without the other one; 0 if it did not."""
        found = 0.0
        for line in Path(self.directory, node, "corosync.log").read_text(errors="replace").splitlines():
            stamp = re.match(r"(\w{3} \d\d [\d:]{8}\.\d+)", line)
            if stamp and "A new membership" in line and "Members left" in line:
                moment = datetime.strptime(f"{datetime.now().year} {stamp[1]}", "%Y %b %d %H:%M:%S.%f").timestamp()
                if moment >= since:
                    found = moment
        return found

    def destroy(self) -> None:
        """Nothing is left."""
        for node in list(self.holders):
            try:
                self.kill(node)
            except (OSError, IndexError):
                self.holders.pop(node).kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def wait(look: Callable[[], object], what: str, pause: float = 0.005) -> None:
    """Poll until ``look`` is true.

    Raises:
        SystemExit: it did not become so in time.
    """
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit(f"did not happen within {PATIENCE:g} s: {what}")
        time.sleep(pause)


def up(pair: Pair) -> float:
    """Both nodes at once, until the resource is started; seconds."""
    for node in ("node1", "node2"):
        pair.make(node)
    pair.wire()
    begin = time.time()
    for node in ("node1", "node2"):
        pair.start(node)
    if not pair.configured:
        wait(lambda: pair.quiet("node1", "crm_attribute", "-n", "stonith-enabled", "-v", "false"), "a first CIB", 0.2)
        wait(lambda: "node2" in pair.run("node1", "crm_node", "-p", check=False), "both nodes", 0.2)
        pair.configure()
    wait(lambda: max(map(pair.started, ("node1", "node2"))) > begin, "the resource is started")
    return max(map(pair.started, ("node1", "node2"))) - begin


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds: start of the cluster, takeover beyond detection, planned move.

    Raises:
        Missing: it cannot be measured here.
    """
    check()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    found: dict[str, list[float]] = {"start": [], "takeover": [], "move": []}
    pair = Pair()
    try:
        up(pair)
        wait(lambda: pair.settled("node1"), "both nodes are online", 0.2)
        for _ in range(rounds):
            target = "node2" if pair.owner() == "node1" else "node1"
            begin = time.time()
            pair.run("node1", "crm_resource", "--move", "--resource", RESOURCE, "--node", target)
            wait(lambda target=target, begin=begin: pair.started(target) > begin, "the move")
            found["move"].append(pair.started(target) - begin)
            pair.run("node1", "crm_resource", "--clear", "--resource", RESOURCE)
            wait(lambda: pair.settled("node1"), "quiet after the move", 0.2)
        for _ in range(rounds):
            node = pair.owner()
            survivor = "node2" if node == "node1" else "node1"
            begin = time.time()
            pair.kill(node)
            wait(lambda survivor=survivor, begin=begin: pair.started(survivor) > begin, "the takeover")
            seen = pair.failure_seen(survivor, begin)
            if seen:
                found["takeover"].append(pair.started(survivor) - seen)
            pair.kill(survivor)
            found["start"].append(up(pair))
            wait(lambda: pair.settled("node1"), "both nodes are online", 0.2)
    finally:
        pair.destroy()
    return found


_measured: dict[str, list[float]] = {}


def beside(what: str) -> Callable[[int], dict[str, float]]:
    """A comparison for a bench: ``what`` is start, takeover or move. All three are measured together, once."""

    def figures(rounds: int) -> dict[str, float]:
        if not _measured:
            _measured.update(measure(min(rounds, 3)))
        samples = _measured[what]
        if not samples:
            raise Missing("pacemaker with corosync: no figure")
        spread = f"{min(samples):.3g} .. {max(samples):.3g}, {len(samples)} runs"
        return {f"pacemaker with corosync, one trivial resource ({spread})": statistics.median(samples)}

    return figures
