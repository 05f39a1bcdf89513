"""A node without cluster software: a System Resource Controller for any program, and the tools around it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from srcctl.lab import lifecycle
from srcctl.src.client import TIME_LIMIT
from tests.end_to_end.lab import LabUnderTest, eventually
from tests.node.test_machine import alive

OPTIONS = ("--nodes", "1", "--base")
CLUSTER_PROGRAMS = ("clmgr", "clRGinfo", "clshowsrv", "lscluster", "cl_rsh", "rmcctrl", "lsrsrc", "halevel")
SRC_PROGRAMS = ("mkssys", "startsrc", "stopsrc", "lssrc", "odmget", "errpt", "lslpp", "mkitab", "halt", "lsvg")


@pytest.fixture(scope="module")
def base(lab: LabUnderTest) -> LabUnderTest:
    """The lab; nothing of a cluster is started on it."""
    return lab


def test_the_machine_is_two_processes(base: LabUnderTest) -> None:
    assert set(base.processes("node1")) == {"lpar", "srcmstr"}
    assert base.output("node1", "lssrc -a").splitlines() == ["Subsystem         Group            PID          Status "]


def test_it_has_the_commands_of_src_and_none_of_a_cluster(base: LabUnderTest) -> None:
    for name in SRC_PROGRAMS:
        assert base.run("node1", f"command -v {name}").returncode == 0, name
    for name in CLUSTER_PROGRAMS:
        assert base.run("node1", f"command -v {name}").returncode != 0, name
    root = base.directory / "nodes" / "node1" / "root"
    assert not (root / "usr" / "es").exists()
    assert not [path for path in (root / "etc" / "objrepos").iterdir() if path.name.startswith("HACMP")]


def test_its_inventory_is_that_of_the_base(base: LabUnderTest) -> None:
    filesets = [line.split(":")[1] for line in base.output("node1", "lslpp -Lc").splitlines()[1:]]
    assert "bos.rte.SRC" in filesets
    assert "bos.rte.ODM" in filesets
    assert not [name for name in filesets if name.startswith(("cluster.", "rsct.basic", "bos.cluster"))]
    assert "/usr/bin/startsrc" in base.output("node1", "lslpp -f bos.rte.SRC")
    answer = base.run("node1", "lslpp -l cluster.es.server.rte")
    assert answer.returncode == 1
    assert "not installed" in answer.stderr
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{4}\n", base.output("node1", "oslevel -s"))


def test_it_supervises(base: LabUnderTest) -> None:
    run = base.output
    sleep = shutil.which("sleep")
    assert run("node1", f"mkssys -s web -p {sleep} -a 100000 -u $(id -u) -S -n 15 -f 9 -R -w 5 -G mine") == (
        "0513-071 The web Subsystem has been added.\n"
    )
    assert "\taction = 2\n" in run("node1", "odmget -q subsysname=web SRCsubsys")
    started = run("node1", "startsrc -s web")
    first = base.processes("node1")["web"]
    assert started == f"0513-059 The web Subsystem has been started. Subsystem PID is {first}.\n"
    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: (pid := base.processes("node1").get("web", first)) != first and pid, "restarted")
    assert run("node1", "lssrc -s web").splitlines()[1].split() == ["web", "mine", str(second), "active"]
    eventually(lambda: "SRC_RSTRT" in base.run("node1", "errpt -a -N SRC").stdout, "the error log tells")
    assert "0513-044" in run("node1", "stopsrc -s web")
    eventually(lambda: "inoperative" in run("node1", "lssrc -s web"), "it has stopped")


def test_it_comes_back_at_the_next_boot(base: LabUnderTest) -> None:
    run = base.output
    sleep = shutil.which("sleep")
    run("node1", f"mkssys -s atboot -p {sleep} -a 100000 -u $(id -u) -S -n 15 -f 9 -R")
    run("node1", 'mkitab "atboot:2:once:/usr/bin/startsrc -s atboot"')
    base.srcctl("halt", "node1")
    base.srcctl("boot", "node1")
    eventually(lambda: base.processes("node1").get("atboot"), "inittab starts it")
    assert not (base.directory / "nodes" / "node1" / "root" / "usr" / "es").exists(), "a boot installs no more"
    assert set(base.processes("node1")) == {"lpar", "srcmstr", "atboot"}


def test_where_init_runs_no_srcmstr_it_is_said_at_once(base: LabUnderTest) -> None:
    assert base.run("node1", "telinit S").returncode == 0
    eventually(lambda: "srcmstr" not in base.processes("node1"), "single-user mode has no srcmstr")
    began = time.monotonic()
    answer = base.run("node1", "lssrc -a")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "0513-001 The System Resource Controller daemon is not active.\n"
    assert time.monotonic() - began < TIME_LIMIT / 2
    assert base.run("node1", "telinit 2").returncode == 0
    eventually(lambda: base.run("node1", "lssrc -a").returncode == 0, "it is back")


def test_nothing_outlives_its_machine(base: LabUnderTest) -> None:
    """There is no caa that would see lpar die."""
    sleep = shutil.which("sleep")
    base.run("node1", f"(setsid sh -c 'echo $$ >$HOME/apart; exec {sleep} 100001' >/dev/null 2>&1 </dev/null &)")
    script = f"echo $$ >$HOME/below\n{sleep} 100002 &\necho $! >>$HOME/below\nwait\n"
    base.run("node1", f"cat >$HOME/tree <<'END'\n{script}END\n")
    base.run("node1", 'mkssys -s tree -p /bin/sh -a "$HOME/tree" -u $(id -u) -S -n 15 -f 9; startsrc -s tree')

    def family() -> list[int]:
        # One that is not there yet is none.
        return [int(word) for word in base.run("node1", "cat $HOME/apart $HOME/below").stdout.split()]

    pids = eventually(lambda: len(found := family()) == 3 and found, "all run")
    assert all(alive(pid) for pid in pids)
    os.kill(base.processes("node1")["lpar"], signal.SIGKILL)
    eventually(lambda: not [pid for pid in pids if alive(pid)], "nothing of the node is left")
    assert base.status()["nodes"]["node1"]["power"] == "off"
    base.srcctl("boot", "node1")
    assert "KERNEL_PANIC" in base.output("node1", "errpt -a -J KERNEL_PANIC")
    eventually(lambda: base.processes("node1").get("atboot"), "inittab starts it")


def test_the_choice_is_made_once(base: LabUnderTest) -> None:
    base.up()
    base.up("--base")
    assert "atboot" in base.processes("node1"), "up again leaves what runs"


def test_a_lab_with_cluster_software_cannot_become_one_without(tmp_path: Path) -> None:
    other = LabUnderTest(tmp_path / "lab")
    other.directory.mkdir()
    lifecycle.create(str(other.directory), nodes=1, speed=1.0, mode="folder")
    answer = other.srcctl("up", "--base", check=False)
    other.destroy()
    assert answer.returncode == 1
    assert answer.stderr == (
        "srcctl: this lab has cluster software, and that cannot change; 'srcctl destroy' removes it\n"
    )
