"""The commands of the operating system's side on a node with disks, in this process, at a time that stands still."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path

import pytest

from srcctl.errlog import log_entry
from srcctl.node import control
from srcctl.node.commands import power as power_commands
from srcctl.snap import commands as snap_commands
from srcctl.storage.commands import paging
from tests.commands.sessions import GOLDEN, Run
from tests.storage.conftest import nodes, run, template
from tests.storage.machine import ETC, Node
from tests.storage.machine import Run as NodeRun
from tests.storage.test_layouts import prepare

__all__ = ["machine", "nodes", "run", "shell", "template"]

NOW = 1_784_000_000.0
"""Tue Jul 14 03:33:20 UTC 2026."""


class KilledByLpar(BaseException):
    """What asks lpar to halt or boot the node does not live to see the answer."""


@pytest.fixture
def machine(nodes: tuple[Node, Node], run: NodeRun, monkeypatch: pytest.MonkeyPatch) -> Node:
    """node1 with volume groups on two of its disks, and an error log with entries of every class."""
    monkeypatch.setattr(paging, "percent_used", lambda: 1)
    node = prepare(nodes[0], run, monkeypatch)
    shutil.copytree(ETC / "security", node.root.path("/etc/security"))
    for path, text in (("/var/run/lpar.pid", "1\n"), ("/dev/lpar", ""), ("/etc/inittab", INITTAB)):
        Path(node.root.path(path)).write_text(text)
    for path in ("/var/run/lpar.pid", "/usr/lpp/bos/level"):
        os.utime(node.root.path(path), (NOW, NOW))
    for minutes, (label, resource) in enumerate(ENTRIES, -len(ENTRIES)):
        monkeypatch.setattr(time, "time", lambda minutes=minutes: NOW + 60 * minutes)
        log_entry(node.root, label, resource, (("DETAIL", f"of {label}"),))
    monkeypatch.setattr(time, "time", lambda: NOW)
    return node


INITTAB = """\
init:2:initdefault:
brc::sysinit:/sbin/rc.boot 3 >>/dev/console 2>&1 # Phase 3 of system boot
srcmstr:23456789:respawn:/usr/sbin/srcmstr # System Resource Controller
"""
ENTRIES = (
    ("ERRLOG_ON", "errdemon"), ("SRC_SVKO", "SRC"), ("OPMSG", "OPERATOR"), ("OPMSG", "OPERATOR"),
    ("LVM_SA_PVMISS", "LVDD"), ("DISK_ERR1", "hdisk2"), ("GS_START_ST", "cthags"),
)  # fmt: skip


@pytest.fixture
def shell(
    machine: Node,
    run: NodeRun,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """Runs a command line, which may be a pipe, on the machine. What lpar is asked for stands in parentheses."""
    directory = tmp_path_factory.mktemp("shell")
    shutil.copytree(GOLDEN / "machine" / "files", directory / "files")
    monkeypatch.chdir(directory)
    asked: list[str] = []

    def lpar(path: str, request: dict[str, str], patience: float) -> dict[str, object]:
        if request["type"] == "status":
            return {"processes": {}, "run_level": "2", "previous_level": "", "level_since": NOW}
        asked.append(f"({' '.join(request.values())})".replace(str(os.getppid()), "PID"))
        if request["type"] in ("halt", "reboot"):
            raise KilledByLpar
        return {"error": ""}

    def sleep(seconds: float) -> None:
        if seconds < 1:
            raise KeyboardInterrupt  # errpt -c, by an administrator who has seen enough

    strftime, now = time.strftime, time.localtime(NOW)
    monkeypatch.setattr(control, "exchange", lpar)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "strftime", lambda form, when=now: strftime(form, when))
    monkeypatch.setattr(power_commands, "shutdown_reboots", lambda root: False)
    # What the commands of a snap print are other sessions' affairs.
    monkeypatch.setattr(snap_commands, "report", lambda command: f"{command}\n")

    def one(words: list[str], text: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        asked.clear()
        try:
            status, out, err = run(machine, words[0], *words[1:])
        except KilledByLpar:
            status, (out, err) = 137, capsys.readouterr()
        return status, out + "".join(f"{line}\n" for line in asked), err

    def command(words: list[str]) -> tuple[int, str, str]:
        status, out, err = 0, "", ""
        while words:
            end = words.index("|") if "|" in words else len(words)
            status, out, said = one(words[:end], out)
            err, words = err + said, words[end + 1 :]
        return status, out, err

    return command
