"""A real lab in a test's hands: commands on its nodes, its status, its faults, and waiting for what they lead to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner

from srcctl.lab.cli import cli
from srcctl.lab.errors import NotRunning
from srcctl.network.faults import Faults
from srcctl.node import enter, power

ValueT = TypeVar("ValueT")

SRCCTL = (sys.executable, "-c", "import sys; from srcctl.lab.cli import main; sys.exit(main())")
HERE = ("link", "partition", "heal", "disk", "kill", "hang", "resume", "halt", "boot", "status")
UP_SECONDS = 90
GROUP = "app_rg"
PATIENCE = 30.0
"""Seconds. A deadline for events that take tenths of it on an idle host."""


class LabUnderTest:
    """A lab in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    # Power.

    def srcctl(self, *words: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run srcctl on this lab; with ``check`` a failure fails the test and shows what it said.

        Faults and power switches are many: they run in this process, where nothing has to be imported for them.
        """
        argv = ["--lab", str(self.directory), *words]
        if words[0] in HERE:
            done = CliRunner().invoke(cli, argv, prog_name="srcctl")
            if done.exception is not None and not isinstance(done.exception, SystemExit):
                raise done.exception
            answer = subprocess.CompletedProcess(argv, done.exit_code, done.stdout, done.stderr)
        else:
            answer = subprocess.run(
                [*SRCCTL, *argv], capture_output=True, text=True, errors="replace", timeout=timeout, check=False
            )
        if check and answer.returncode != 0:
            raise AssertionError(f"srcctl {' '.join(words)}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer

    def up(self, *options: str) -> subprocess.CompletedProcess[str]:
        """``srcctl up``, at speed 20 unless the options say otherwise."""
        speed = () if "--speed" in options or (self.directory / "lab.json").exists() else ("--speed", "20")
        return self.srcctl("up", *speed, *options, timeout=UP_SECONDS)

    def destroy(self) -> None:
        """Remove it; nothing of it may be left."""
        if self.directory.exists():
            self.srcctl("destroy", check=False)
        left = processes_marked(str(self.directory))
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, f"processes were left behind: {left}"
        assert not self.directory.exists(), sorted(str(p) for p in self.directory.rglob("*"))[:20]

    def description(self) -> dict[str, Any]:
        """lab.json."""
        value: dict[str, Any] = json.loads((self.directory / "lab.json").read_text())
        return value

    def nodes(self) -> list[str]:
        """All nodes, in order."""
        try:
            return [node["name"] for node in self.description()["nodes"]]
        except FileNotFoundError:
            return []

    def status(self) -> dict[str, Any]:
        """``srcctl status --json``."""
        value: dict[str, Any] = json.loads(self.srcctl("status", "--json").stdout)
        return value

    def power(self, node: str) -> str:
        """ "on" or "off"."""
        return power.state(str(self.directory), node)

    def processes(self, node: str) -> dict[str, int]:
        """The node's processes by name; empty when it is off."""
        try:
            return power.status(str(self.directory), node)
        except power.PowerError:
            return {}

    def mend(self) -> None:
        """Mend partitions, links and the repository disk in this process: every scenario begins with it."""
        faults = Faults(str(self.directory / "shared"))
        faults.heal()
        faults.set_disk("hdisk1", failed=False)

    # Commands on nodes.

    def run(self, node: str, command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a node, as ``srcctl exec`` does; its exit code is the caller's to judge.

        Before the absolute path of a file of the node stands ``$HAES_ROOT``, which folder mode needs.

        A node that is off answers with srcctl's exit code for that.
        """
        argv = ["/bin/sh", "-c", command]
        try:
            answer: subprocess.CompletedProcess[str] = enter.run(
                str(self.directory), node, argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", timeout=timeout,
            )  # fmt: skip
            return answer
        except power.PoweredOff as error:
            return subprocess.CompletedProcess(argv, NotRunning.exit_code, "", str(error))

    def output(self, node: str, command: str, timeout: float = 60) -> str:
        """The output of a shell command that must succeed."""
        answer = self.run(node, command, timeout)
        assert answer.returncode == 0, f"{node}# {command}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}"
        return answer.stdout

    def file(self, node: str, path: str) -> str:
        """What stands in a file of a node, "" if it is not there or the node is off.

        Logs are looked at again and again: what lies in the node's root and not on a shared disk is read from there,
        without a process.
        """
        root = self.directory / "nodes" / node / "root"
        real = (root / path.lstrip("/")).resolve()
        if not path.startswith("/var/") or not real.is_relative_to(root.resolve()):
            return self.run(node, f"cat $HAES_ROOT{path}").stdout
        if self.power(node) != "on":
            return ""
        try:
            return real.read_text(errors="replace")
        except OSError:
            return ""

    def event(self, file: str, monitored: str, *act: str) -> str:
        """What a monitor file of node1 tells its reader when srcctl has done something.

        Args:
            file: its path from /aha on.
            monitored: what the reader asks for.
            act: the words for srcctl, which runs once the reader is registered.
        """
        root = "" if self.status()["mode"] == "view" else str(self.directory / "nodes/node1/root")
        script = f"exec 3<>{root}/aha/{file} || exit 1\necho '{monitored}' >&3 || exit 2\necho registered\ncat <&3\n"
        words = [*SRCCTL, "--lab", str(self.directory), "exec", "node1", "--", "bash", "-c", script]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watcher:
            assert watcher.stdout is not None
            try:
                assert watcher.stdout.readline() == "registered\n"
                self.srcctl(*act)
                event, _ = watcher.communicate(timeout=30)
            finally:
                watcher.kill()
        return event

    # The cluster.

    def group_states(self, group: str = GROUP) -> dict[str, str]:
        """State of a resource group by node, as the first node that is on and knows it tells."""
        for node in self.nodes():
            if self.power(node) != "on":
                continue
            answer = self.run(node, "clRGinfo -s")
            states = {}
            for line in answer.stdout.splitlines():
                fields = line.split(":")
                if len(fields) > 3 and fields[0] == group:
                    states[fields[2]] = fields[1]
            if states:
                return states
        return {}

    def owner(self, group: str = GROUP) -> str:
        """The node on which a resource group is online, "" if there is none."""
        return next((node for node, state in self.group_states(group).items() if state == "ONLINE"), "")

    def wait_for_owner(self, node: str, timeout: float = PATIENCE, group: str = GROUP) -> None:
        """Wait until a resource group is online on a node: whoever is asked may know it a moment after the others."""
        eventually(
            lambda: self.owner(group) == node, f"{group} online on {node}", timeout, lambda: self.group_states(group)
        )

    def wait_for_groups(self, states: dict[str, str], group: str = GROUP, timeout: float = PATIENCE) -> None:
        """Wait until a resource group has these states on the nodes."""
        eventually(
            lambda: self.group_states(group) == states, f"{group}: {states}", timeout, lambda: self.group_states(group)
        )

    def cluster_state(self, node: str) -> str:
        """The cluster manager's state on a node (ST_STABLE ...)."""
        found = re.search(r"Current state: (\S+)", self.run(node, "lssrc -ls clstrmgrES").stdout)
        return found[1] if found else ""

    def wait_for_state(self, node: str, state: str, timeout: float = PATIENCE) -> None:
        """Wait until the cluster manager of a node is in a state."""
        eventually(lambda: self.cluster_state(node) == state, f"{state} on {node}", timeout,
                   lambda: self.cluster_state(node))  # fmt: skip

    def wait_until_stable(self, *nodes: str, timeout: float = PATIENCE) -> None:
        """Wait until the cluster managers of these nodes, or of all, are stable: each a moment after the first."""
        for node in nodes or self.nodes():
            self.wait_for_state(node, "ST_STABLE", timeout)

    def wait_until_down(self, node: str, *subsystems: str) -> None:
        """Wait until SRC knows that subsystems have ended: their processes are gone a moment before."""
        for name in subsystems:
            eventually(lambda n=name: "inoperative" in self.run(node, f"lssrc -s {n}").stdout, f"{name} has ended")  # type: ignore[misc]

    def rejoin(self, node: str) -> None:
        """Boot a node and start cluster services on it."""
        self.srcctl("boot", node)
        self.wait_for_state(node, "ST_INIT")
        self.output(node, f"clmgr online node {node}", timeout=120)

    def domain(self, node: str) -> set[str]:
        """The nodes that are online in the peer domain as a node sees it."""
        return set(self.run(node, "lsrpnode -o -x").stdout.split()) & set(self.nodes())

    def make_whole(self) -> None:
        """Every node on and in the one cluster, every fault mended: where each scenario begins."""
        self.mend()
        deadline = time.monotonic() + 3 * PATIENCE

        def state_of(node: str) -> str:
            # Right after a partition each half is stable, alone.
            state = self.cluster_state(node)
            return state if state != "ST_STABLE" or self.domain(node) == set(self.nodes()) else "apart"

        settled = True
        while True:
            states = {node: state for node in self.nodes() if (state := state_of(node)) != "ST_STABLE"}
            if not states and settled:
                break
            # Whoever was looked at first while another one joined is looked at again.
            settled = not states
            assert time.monotonic() < deadline, f"the cluster does not become whole: {states}"
            for node, state in states.items():
                if self.power(node) == "off":
                    self.srcctl("boot", node)
                elif state == "ST_INIT":
                    self.run(node, f"clmgr online node {node}", timeout=120)
            time.sleep(0.05)
        eventually(self.owner, "the resource group is online", PATIENCE, self.group_states)

    def ask(self, timeout: float = 10) -> dict[str, Any]:
        """One request to the sample application: ``node`` and ``counter``.

        Raises:
            OSError: it does not answer.
        """
        url = f"http://{self.description()['block']}.33:8080/"
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                value: dict[str, Any] = json.load(answer)
                return value
        except HTTPException as error:
            raise OSError(f"the answer broke off: {error!r}") from error

    def answers(self) -> dict[str, Any] | None:
        """As ``ask``, None when it does not answer."""
        try:
            return self.ask()
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def wait_for_answer(self, node: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Wait until the sample application answers from a node."""

        def from_node() -> dict[str, Any] | None:
            answer = self.answers()
            return answer if answer and answer["node"] == node else None

        return eventually(from_node, f"the application answers from {node}", timeout, self.answers)

    def wait_for_power(self, node: str, state: str, timeout: float = PATIENCE) -> None:
        """Wait until a node is on or off."""
        eventually(lambda: self.power(node) == state, f"{node} is {state}", timeout, lambda: self.processes(node))


def eventually(
    look: Callable[[], ValueT | None], what: str, timeout: float = PATIENCE, show: Callable[[], object] = lambda: ""
) -> ValueT:
    """The first true value that ``look`` returns; fails with ``what`` and what ``show`` returns after ``timeout``."""
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        value = look()
        if value:
            return value
        now = time.monotonic()
        assert now < deadline, f"did not happen within {timeout:g} s: {what}; now: {show()!r}"
        # Whoever looks all the time takes the processor from those who are to make it happen.
        time.sleep(min(0.3, max(0.02, 4 * (now - began))))


def processes_marked(text: str) -> list[int]:
    """Processes of the host whose command line or environment names ``text`` (a lab's folder), this one aside."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in (os.getpid(), os.getppid()):
            try:
                data = Path(f"/proc/{entry}/cmdline").read_bytes() + Path(f"/proc/{entry}/environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(text) in data:
                found.append(int(entry))
    return found
