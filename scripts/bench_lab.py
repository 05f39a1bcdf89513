"""Labs that benches measure, and how they wait and look at them."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from srcctl.node import enter, power

SRCCTL = str(Path(sys.executable).with_name("srcctl"))
PATIENCE = 60.0


class BenchLab:
    """A lab with the sample cluster, at speed 10 unless said otherwise."""

    def __init__(self, directory: str, speed: float = 10, nodes: int = 2, *options: str) -> None:
        self.directory = directory
        self.srcctl("up", "--speed", f"{speed:g}", "--nodes", str(nodes), *options)
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
        except (OSError, ValueError, http.client.HTTPException):
            return ""  # it ends in the middle of an answer, too

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


def node_down_seen(lab: BenchLab, node: str) -> float:
    """When the node's CAA published its last NODE_DOWN event, in seconds of the wall clock."""
    found = re.findall(r"NODE_DOWN node \d+ (\d+\.\d+)", lab.run(node, "cat /var/adm/ras/syslog.caa"))
    return float(found[-1]) if found else 0.0


def make_whole(lab: BenchLab, node: str) -> None:
    lab.srcctl("boot", node)
    wait(lambda: "ST_INIT" in lab.run(node, "lssrc -ls clstrmgrES", check=False), f"{node} is back")
    lab.run(node, f"clmgr online node {node}")
