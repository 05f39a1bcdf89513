"""srcctl shell on a real terminal, and hang and resume of single processes."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from pathlib import Path

from tests.end_to_end.lab import SRCCTL, LabUnderTest, eventually


def talk(descriptor: int, wanted: str, timeout: float = 20) -> str:
    """Read until ``wanted`` was shown."""
    shown = b""
    deadline = time.monotonic() + timeout
    while wanted.encode() not in shown:
        ready, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        assert ready, shown
        try:
            shown += os.read(descriptor, 4096)
        except OSError:
            raise AssertionError(f"ended: {shown!r}") from None
    return shown.decode(errors="replace")


def running(lab: LabUnderTest, node: str) -> None:
    """Wait until the node has booted."""
    eventually(lambda: {"clcomd", "snmpd"} <= set(lab.processes(node)), f"{node} has booted")


def test_a_login_shell_on_the_node(bare_lab: LabUnderTest) -> None:
    running(bare_lab, "node2")
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execv(SRCCTL[0], [*SRCCTL, "--lab", str(bare_lab.directory), "shell", "node2"])
    try:
        os.write(descriptor, b"echo on_$(grep -c . /etc/hosts)_$((40 + 2)); lssrc -s clcomd | head -1; exit 7\n")
        shown = talk(descriptor, "Subsystem         Group")
        assert "_42" in shown
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(descriptor)
    assert os.waitstatus_to_exitcode(status) == 7


def test_hang_and_resume(bare_lab: LabUnderTest) -> None:
    running(bare_lab, "node1")
    answer = bare_lab.srcctl("hang", "node1", "snmpd")
    pid = bare_lab.processes("node1")["snmpd"]
    assert answer.stdout == f"SIGSTOP to snmpd of node1, process {pid}\n"

    def state() -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    eventually(lambda: state() == "T", "snmpd is stopped")
    bare_lab.srcctl("resume", "node1", "snmpd")
    eventually(lambda: state() != "T", "snmpd goes on")


def test_a_change_of_the_run_level_leaves_subsystems_within_reach(bare_lab: LabUnderTest) -> None:
    assert re.match(r"   \.        run-level 2 .* 2    0    S\n$", bare_lab.output("node1", "who -r"))
    bare_lab.output("node1", "telinit 3")
    eventually(
        lambda: bare_lab.file("node1", "/dev/console").count("Finished starting tcpip daemons") == 2,
        "/etc/rc and /etc/rc.tcpip, which starts snmpd, run in the new run level",
    )
    assert re.match(r"   \.        run-level 3 .* 3    0    2\n$", bare_lab.output("node1", "who -r"))
    assert "0513-044" in bare_lab.output("node1", "stopsrc -s snmpd")
    eventually(lambda: "inoperative" in bare_lab.output("node1", "lssrc -s snmpd"), "snmpd hears its stop request")
    bare_lab.output("node1", "startsrc -s snmpd")
    bare_lab.output("node1", "telinit 2")


def test_halt_and_boot(bare_lab: LabUnderTest) -> None:
    bare_lab.srcctl("halt", "node2")
    assert bare_lab.power("node2") == "off"
    assert bare_lab.status()["nodes"]["node2"]["processes"] == {}
    bare_lab.srcctl("halt", "node2")
    bare_lab.srcctl("boot", "node2")
    assert bare_lab.power("node2") == "on"
    before = bare_lab.processes("node2")["lpar"]
    bare_lab.srcctl("boot", "node2")
    assert bare_lab.processes("node2")["lpar"] == before
