"""A real node in a lab of its own, for tests."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from srcctl.node import enter, messages, power, processes, seed, sockets
from srcctl.node.launcher import Installation
from srcctl.node.root import Interface, LabNode, NodeRoot

PROGRAMS = """
/usr/lib/caa tests.node.stand_ins:caa daemon
/usr/sbin/srcmstr tests.node.stand_ins:srcmstr daemon
/usr/sbin/standd tests.node.stand_ins:daemon daemon
"""
INITTAB = """init:2:initdefault:
rc:2:wait:echo hello >>/dev/console 2>&1
srcmstr:2:respawn:/usr/sbin/srcmstr # System Resource Controller
"""
PATIENCE = 20.0


def wait_for(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The condition's value as soon as it is true."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise AssertionError(f"not within {patience} s: {what}")


class Machine:
    """One node in a lab of its own."""

    name = "node1"

    def __init__(self, directory: str, mode: str, inittab: str = INITTAB) -> None:
        self.lab = directory
        self.mode = mode
        source = os.path.join(directory, "source")
        repository = os.path.join(Installation.current().code, "etc")
        os.makedirs(os.path.join(source, "programs"))
        os.makedirs(os.path.join(directory, "shared", "power"))
        for name in ("environment", "services", "rc.shutdown"):
            shutil.copy(os.path.join(repository, name), source)
        shutil.copytree(os.path.join(repository, "usr", "lpp"), os.path.join(source, "usr", "lpp"))
        for name in ("node", "node.folder"):
            shutil.copy(os.path.join(repository, "programs", name), os.path.join(source, "programs"))
        Path(source, "programs", "stand_ins").write_text(PROGRAMS)
        Path(source, "inittab").write_text(inittab)
        Path(directory, "key").write_bytes(os.urandom(32))
        self.lab_id = str(uuid.uuid4())
        seed.seed_node(
            directory,
            seed.NodeSpec(
                name=self.name,
                number=1,
                lab_id=self.lab_id,
                mode=mode,
                speed=10.0,
                interfaces=(Interface("en0", "net_ether_01", "127.66.1.1", "255.255.255.192"),),
                nodes=(LabNode(self.name, 1, ("127.66.1.1",)),),
                source=source,
            ),
        )
        self.root = NodeRoot(seed.root_directory(directory, self.name))

    @property
    def mark(self) -> str:
        return f"{self.lab_id}/{self.name}"

    def boot(self) -> dict[str, int]:
        """Power on; returns the pids once srcmstr serves."""
        power.boot(self.lab, self.name)
        wait_for(lambda: power.serves(self.lab, self.name), "srcmstr serves")
        return power.status(self.lab, self.name)

    def turns(self, caa: int) -> tuple[int, int]:
        """How often lpar and the stand-in for caa, which is this process, have turned."""
        try:
            lpar, own = Path(self.root.path(f"/var/adm/SRC/turns.{caa}")).read_text().split()
        except (FileNotFoundError, ValueError):
            return 0, 0
        return int(lpar), int(own)

    def wait_for_turns(self, number: int = 1) -> None:
        """Wait until both have turned so often from now on; a peer that never did counts as starting, not as hung."""
        caa = power.status(self.lab, self.name)["caa"]
        before = self.turns(caa)
        wait_for(lambda: all(now >= then + number for now, then in zip(self.turns(caa), before, strict=True)), "turns")

    def halt(self) -> None:
        power.halt(self.lab, self.name)

    def is_off(self) -> bool:
        return power.state(self.lab, self.name) == "off"

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return enter.run(self.lab, self.name, argv, capture_output=True, text=True, timeout=PATIENCE, **options)

    def left(self) -> list[str]:
        """Live processes of the node."""
        found = []
        for pid in processes.parents():
            if processes.mark_of(pid) == self.mark:
                try:
                    found.append(f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()!r}")
                except OSError:
                    continue
        return found

    def inside(self, path: str) -> str:
        """A product path as the node's own processes have to write it."""
        return self.root.path(path) if self.mode == "folder" else path

    def console(self) -> str:
        return Path(self.root.path("/dev/console")).read_text(errors="replace")

    def tell_srcmstr(self, message: messages.ToLpar | bytes) -> None:
        """Let the stand-in for srcmstr send something to lpar."""
        data = message if isinstance(message, bytes) else messages.encode(message)
        with sockets.connect(self.root.path("/dev/SRC"), socket.SOCK_DGRAM, PATIENCE) as connection:
            connection.send(data)

    def heard(self) -> list[dict[str, Any]]:
        """What lpar told the stand-in."""
        try:
            text = Path(self.root.path("/var/adm/SRC/seen")).read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def start(self, instance: int, path: str, *arguments: str, **options: Any) -> int:
        """Start a subsystem as srcmstr does; returns its pid."""
        fields: dict[str, Any] = {
            "instance": instance, "path": path, "arguments": list(arguments), "environment": {}, "uid": 0, "nice": 20,
            "standin": "/dev/null", "standout": "/dev/console", "standerr": "/dev/console", "socket": False,
            "definition": json.dumps({"subsysname": f"sub{instance}"}),
        }  # fmt: skip
        self.tell_srcmstr(messages.Start(**{**fields, **options}))
        answer = wait_for(
            lambda: next(
                (m for m in self.heard() if m.get("type") in ("started", "start_failed") and m["instance"] == instance),
                None,
            ),
            f"instance {instance} is started",
        )
        if answer["type"] == "start_failed":
            return -int(answer["error"])
        return int(answer["pid"])


def lab_directory() -> str:
    """A new folder with a short path, where scripts/test removes what an interrupted run has left."""
    labs = os.environ.get("HAES_TEST_LABS")
    return tempfile.mkdtemp(dir=labs) if labs else tempfile.mkdtemp(prefix="haes-node-test.")
