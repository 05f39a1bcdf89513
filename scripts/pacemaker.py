"""Pacemaker with corosync beside the benches of the cluster manager, where they are installed.

Nodes of the bench's own making, which end with it, whatever ends it: each is a set of namespaces (network, mounts,
processes, host name) with its own /run, /dev/shm and /var/lib/pacemaker, wired to a bridge in a network namespace of
its own. A resource is a shell script that notes when it was started. Nothing of the host's configuration is read or
changed; a node dies when the first process of its namespace is killed. The detection time is the same as that of the
cluster manager's benches, and not counted: a takeover begins when a survivor's corosync has formed a membership without
the dead node.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

PATIENCE = 90.0
TOKEN_MS = 1818
"""corosync declares a node dead after its token time and 1.2 times as much: the 4 s that CAA's node_timeout and grace
period make at speed 10."""
PROGRAMS = ("corosync", "pacemakerd", "crm_resource", "crmadmin", "crm_mon", "ip", "unshare", "nsenter", "setpriv")
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
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
start) touch /run/$OCF_RESOURCE_INSTANCE; date +%s.%N >{directory}/$(hostname)/started.$OCF_RESOURCE_INSTANCE; exit 0 ;;
stop) rm -f /run/$OCF_RESOURCE_INSTANCE; exit 0 ;;
monitor) [ -e /run/$OCF_RESOURCE_INSTANCE ] && exit 0; exit 7 ;;
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
{nodes}}}
quorum {{
    provider: corosync_votequorum
    two_node: {two_node}
    wait_for_all: 0
}}
logging {{
    to_logfile: yes
    logfile: {directory}/corosync.log
    timestamp: hires
    to_syslog: no
}}
"""
COROSYNC_NODE = """    node {{
        ring0_addr: 10.77.77.{number}
        name: node{number}
        nodeid: {number}
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


CIB = """<cib validate-with="pacemaker-3.0" admin_epoch="1" epoch="1" num_updates="0">
<configuration><crm_config><cluster_property_set id="options">
<nvpair id="stonith" name="stonith-enabled" value="false"/>
<nvpair id="quorum" name="no-quorum-policy" value="ignore"/>
<nvpair id="deadtime" name="dc-deadtime" value="2s"/>
</cluster_property_set></crm_config><nodes/><resources>{resources}</resources><constraints/></configuration>
<status/></cib>
"""
"""The resources, no fencing, no quorum; a coordinator is elected after 2 s instead of the 20 s as shipped."""


class Missing(Exception):
    """It is not to be had here; the text says why."""


class NotInTime(Exception):
    """Something did not happen, or not within the deadline; the text says what."""


def check() -> None:
    """Raises:
    Missing: Pacemaker or corosync is not installed, or this user may not make network namespaces.
    """
    if "/usr/sbin" not in os.environ.get("PATH", "").split(":"):
        os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise Missing(f"pacemaker with corosync: not installed ({', '.join(missing)})")
    if os.geteuid() or not os.path.isdir(AGENTS):
        raise Missing("pacemaker with corosync: needs root, for network namespaces")


class Nodes:
    """Nodes with Pacemaker, and the switch between them.

    Args:
        nodes: how many.
        resources: names of the trivial resources.
    """

    def __init__(self, nodes: int, resources: Sequence[str]) -> None:
        self.directory = tempfile.mkdtemp(prefix="haes-pacemaker.")
        os.chmod(self.directory, 0o755)
        self.names = [f"node{number}" for number in range(1, nodes + 1)]
        self.resources = resources
        self.holders: dict[str, subprocess.Popen[bytes]] = {}
        self.daemons: dict[str, list[subprocess.Popen[bytes]]] = {}
        self.switch: subprocess.Popen[bytes] | None = None
        self._cables = 0
        try:
            self._prepare()
        except BaseException:
            self.destroy()
            raise

    def _prepare(self) -> None:
        nodes = len(self.names)
        agents = Path(self.directory, "agents/bench")
        agents.mkdir(parents=True)
        (agents / "Trivial").write_text(AGENT.format(directory=self.directory))
        (agents / "Trivial").chmod(0o755)
        listed = "".join(COROSYNC_NODE.format(number=number) for number in range(1, nodes + 1))
        for node in self.names:
            for folder in ("pacemaker", "corosync", "etc", "log"):
                Path(self.directory, node, folder).mkdir(parents=True)
            for folder in ("cib", "blackbox", "cores", "pengine"):
                Path(self.directory, node, "pacemaker", folder).mkdir()
            # Every node begins with the same configuration: none that a node was given alone gets lost in an election.
            Path(self.directory, node, "pacemaker/cib/cib.xml").write_text(CIB.format(resources=self._primitives()))
            Path(self.directory, node, "pacemaker/cib/cib.xml").chmod(0o600)
            for folder in ("pacemaker", "log"):
                subprocess.run(["chown", "-R", "hacluster:haclient", f"{self.directory}/{node}/{folder}"], check=True)
            text = COROSYNC.format(
                token=TOKEN_MS, directory=f"{self.directory}/{node}", nodes=listed, two_node=int(nodes == 2)
            )
            Path(self.directory, node, "etc/corosync.conf").write_text(text)
        switch = subprocess.Popen([*ENDS_WITH_US, "unshare", "-n", "sleep", "1000000"], stdin=subprocess.DEVNULL)
        self.switch = switch
        wait(lambda: self._net(switch.pid) != self._net(os.getpid()), "the switch's namespace")
        self._on_switch("ip", "link", "add", "name", "bridge0", "type", "bridge")
        self._on_switch("ip", "link", "set", "bridge0", "up")

    def _primitives(self) -> str:
        return "".join(
            f'<primitive id="{name}" class="ocf" provider="bench" type="Trivial"/>' for name in self.resources
        )

    @staticmethod
    def _net(pid: int) -> str:
        return os.readlink(f"/proc/{pid}/ns/net")

    def _on_switch(self, *words: str) -> None:
        assert self.switch is not None
        subprocess.run(["nsenter", "-t", str(self.switch.pid), "-n", *words], check=True)

    def make(self, node: str) -> None:
        """The node's namespaces, without a cluster in them."""
        ready = Path(self.directory, node, "ready")
        ready.unlink(missing_ok=True)
        text = BEGIN.format(node=node, directory=f"{self.directory}/{node}", agents=f"{self.directory}/agents")
        self.holders[node] = subprocess.Popen(
            [
                *ENDS_WITH_US,
                "unshare",
                "-n",
                "-m",
                "-u",
                "-i",
                "-p",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                text,
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait(ready.exists, f"the namespaces of {node}")

    def first(self, node: str) -> int:
        """The first process inside, whose end is the node's."""
        holder = self.holders[node].pid
        return int(Path(f"/proc/{holder}/task/{holder}/children").read_text().split()[0])

    def wire(self, node: str) -> None:
        """A cable from a new node to the switch."""
        assert self.switch is not None
        number = self.names.index(node) + 1
        self._cables += 1  # the kernel removes that of a dead node when it comes to it
        port = f"port{self._cables}"
        subprocess.run(
            ["ip", "link", "add", "name", "wire0", "netns", str(self.first(node)), "type", "veth", "peer", "name",
             port, "netns", str(self.switch.pid)], check=True,
        )  # fmt: skip
        self._on_switch("ip", "link", "set", port, "master", "bridge0", "up")
        self.run(node, "ip", "addr", "add", f"10.77.77.{number}/24", "dev", "wire0")
        self.run(node, "ip", "link", "set", "wire0", "up")

    def command(self, node: str, *words: str) -> list[str]:
        """A command inside a node."""
        return ["nsenter", "-t", str(self.first(node)), "-n", "-m", "-u", "-i", "-p", *words]

    def run(self, node: str, *words: str, check: bool = True) -> str:
        """Run a command inside a node; its output."""
        answer = subprocess.run(self.command(node, *words), capture_output=True, text=True, check=False)
        if check and answer.returncode:
            raise NotInTime(f"{node}# {' '.join(words)}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
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

    def started(self, resource: str, node: str) -> float:
        """When a resource was started on a node last; 0 if never."""
        try:
            return float(Path(self.directory, node, f"started.{resource}").read_text() or 0)
        except FileNotFoundError:
            return 0.0

    def last_start(self, since: float, resources: Sequence[str] | None = None) -> float:
        """When the last of the resources was started, if all were since then; else 0."""
        names = self.resources if resources is None else resources
        times = [max(self.started(name, node) for node in self.names) for name in names]
        return max(times) if min(times) > since else 0.0

    def owner(self, resource: str) -> str:
        """The node that started the resource last."""
        return max(self.names, key=lambda node: self.started(resource, node))

    def settled(self, node: str) -> bool:
        """Is the cluster idle, with all nodes online and all resources started?"""
        state = self.run(node, "crmadmin", "-q", "-D", check=False)
        text = self.run(node, "crm_mon", "-1", "-r", check=False)
        online = re.search(r"Online: \[ (.*?) \]", text)
        here = online is not None and sorted(online[1].split()) == sorted(self.names)
        return bool(state) and here and text.count("Started") == len(self.resources)

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

    def account(self) -> str:
        """What the nodes say of themselves and of each other, for somebody who looks for the cause of a delay."""
        lines = []
        for node in self.holders:
            try:
                lines += [f"{node}# crm_mon -1", self.run(node, "crm_mon", "-1", "-r", check=False)]
            except (OSError, IndexError) as error:
                lines.append(f"{node}: {error}")
            for name in ("corosync.log", "output", "log/pacemaker.log"):
                path = Path(self.directory, node, name)
                text = path.read_text(errors="replace").splitlines() if path.exists() else []
                lines += [f"{node}: end of {name}", *text[-12:]]
        return "\n".join(lines)

    def destroy(self) -> None:
        """Nothing is left."""
        for node in list(self.holders):
            try:
                self.kill(node)
            except (OSError, IndexError, ValueError):
                if (holder := self.holders.pop(node, None)) is not None:
                    holder.kill()
                    holder.wait()
        if self.switch is not None:
            self.switch.kill()
            self.switch.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def wait(look: Callable[[], object], what: str, pause: float = 0.005) -> None:
    """Poll until ``look`` is true.

    Raises:
        NotInTime: it did not become so in time.
    """
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise NotInTime(f"did not happen within {PATIENCE:g} s: {what}")
        time.sleep(pause)


def up(nodes: Nodes) -> float:
    """All nodes at once, until all resources are started; seconds."""
    for node in nodes.names:
        nodes.make(node)
        nodes.wire(node)
    begin = time.time()
    for node in nodes.names:
        nodes.start(node)
    wait(lambda: nodes.last_start(begin), "the resources are started")
    return nodes.last_start(begin) - begin


def settle(nodes: Nodes) -> None:
    """Wait until the cluster is idle."""
    wait(lambda: nodes.settled("node1"), "all nodes are online, and all resources", 0.2)


def move(nodes: Nodes) -> float:
    """A planned move of the first resource: from the start of the command until it is started on the other node."""
    resource = nodes.resources[0]
    source = nodes.owner(resource)
    target = next(node for node in nodes.names if node != source)
    begin = time.time()
    nodes.run("node1", "crm_resource", "--move", "--resource", resource, "--node", target)
    wait(lambda: nodes.started(resource, target) > begin, "the move")
    seconds = nodes.started(resource, target) - begin
    nodes.run("node1", "crm_resource", "--clear", "--resource", resource)
    settle(nodes)
    return seconds


def takeover(nodes: Nodes, victim: str) -> float | None:
    """A node dies: from the new membership until the last of its resources is started elsewhere.

    None if corosync's log does not tell the moment of the membership.
    """
    lost = [name for name in nodes.resources if nodes.owner(name) == victim]
    survivors = [node for node in nodes.names if node != victim]
    begin = time.time()
    nodes.kill(victim)
    wait(lambda: nodes.last_start(begin, lost), "the takeover")
    # All survivors form it together; the earliest word of it counts, as for the cluster manager.
    seen = min((moment for node in survivors if (moment := nodes.failure_seen(node, begin))), default=0.0)
    return nodes.last_start(begin, lost) - seen if seen else None


def restart(nodes: Nodes) -> float:
    """All nodes that are left die; then as ``up``."""
    for node in list(nodes.holders):
        nodes.kill(node)
    seconds = up(nodes)
    settle(nodes)
    return seconds
