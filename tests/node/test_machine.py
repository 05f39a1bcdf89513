"""Real nodes in both modes: boot, fork server, reaping, signals, halts and the guard."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from srcctl.errlog import read
from srcctl.machine import SECOND
from srcctl.network.management_console import power_off
from srcctl.node import enter, messages, power, processes, sockets
from srcctl.node.guard import INTERVAL, SILENT_TURNS
from srcctl.node.root import Identity
from tests.node.machine import Machine, lab_directory, wait_for

pytestmark = pytest.mark.end_to_end

ENDLESS = "while :; do (sleep 0.01 & ) ; sleep 0.002; done"
"""Forks faster than a look at the process table takes."""
STEADY = "while :; do (sleep 1 & ) ; sleep 0.1; done"
"""Always has children, and leaves the processor to those who guard each other."""


def ignored_signals(pid: int) -> set[int]:
    """But 32 and 33: they are the C library's own, and posix_spawn(3) leaves them ignored for good."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
    mask = int(line.split()[1], 16)
    return {number for number in range(1, 65) if mask & 1 << (number - 1)} - {32, 33}


def alive(pid: int) -> bool:
    return processes.parent_and_state(pid)[1] not in ("", "Z", "X")


def test_boot_status_and_halt(machine: Machine) -> None:
    status = power.status(machine.lab, machine.name)
    assert list(status) == ["lpar", "caa", "srcmstr"]
    assert all(alive(pid) for pid in status.values())
    assert processes.parent_and_state(status["srcmstr"])[0] == status["lpar"]
    assert "hello" in machine.console()
    assert power.lpar_pid(machine.lab, machine.name) == status["lpar"]
    with pytest.raises(power.AlreadyOn):
        power.boot(machine.lab, machine.name)
    machine.halt()
    assert machine.is_off()
    assert machine.left() == []
    with pytest.raises(power.PoweredOff):
        power.status(machine.lab, machine.name)
    machine.halt()
    again = machine.boot()
    assert again["lpar"] != status["lpar"]


def test_two_boots_at_once_make_one_node(new_machine: Callable[..., Machine]) -> None:
    machine = new_machine()
    code = f"from srcctl.node import power\ntry: power.boot({machine.lab!r}, 'node1'); print('on')\n"
    code += "except power.AlreadyOn: print('already')"
    racers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        for _ in range(3)
    ]
    answers = sorted(racer.communicate(timeout=30)[0].strip() for racer in racers)
    assert answers == ["already", "already", "on"]


def test_boot_of_a_damaged_root_says_why(new_machine: Callable[..., Machine]) -> None:
    machine = new_machine()
    Path(machine.root.path("/etc/lpar.json")).write_text("{")
    with pytest.raises(power.PowerError, match="damaged"):
        power.boot(machine.lab, machine.name)
    assert machine.is_off()


def test_command_in_a_node(machine: Machine) -> None:
    done = machine.run("sh", "-c", "hostname; uname -n; echo $HAES_MARK; echo err >&2; exit 7")
    assert done.returncode == 7
    assert done.stdout.split() == ["node1", "node1", machine.mark]
    assert done.stderr == "err\n"
    killed = machine.run("sh", "-c", "kill -KILL $$")
    assert killed.returncode == -signal.SIGKILL
    text = subprocess.run(
        enter.command(machine.lab, machine.name, ["cat"]), input="through", capture_output=True, text=True, check=True
    ).stdout
    assert text == "through"


def test_paths_of_the_node(machine: Machine) -> None:
    identity = Identity.parse(Path(machine.root.path("/etc/lpar.json")).read_text())
    assert identity.boot_id
    if machine.mode == "view":
        for path in (identity.code, identity.python, identity.site, identity.lab, identity.key):
            assert machine.run("test", "-e", path).returncode == 0, path
        assert machine.run("sh", "-c", "echo x >/etc/objrepos/x; cat /etc/objrepos/x").stdout == "x\n"
        assert not os.path.exists("/etc/objrepos/x")
        assert machine.run("touch", "/haes/code/x").returncode != 0
        assert machine.run("cat", "/etc/hosts").stdout == Path(machine.root.path("/etc/hosts")).read_text()
    else:
        assert machine.run("sh", "-c", "echo $HAES_ROOT").stdout.strip() == machine.root.directory


def test_daemon_is_forked_with_title_environment_and_streams(machine: Machine) -> None:
    pid = machine.start(1, "/usr/sbin/standd", "-t", "80", "-i", "10")
    wait_for(lambda: b"-i 10" in Path(f"/proc/{pid}/cmdline").read_bytes(), "the title is set")
    title = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
    assert title == b"/usr/sbin/standd -t 80 -i 10"
    # The title comes first, the short name right after it.
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "standd\n", "the short name is set")
    assert processes.mark_of(pid) == machine.mark
    lpar = power.status(machine.lab, machine.name)["lpar"]
    assert os.readlink(f"/proc/{pid}/exe") == os.readlink(f"/proc/{lpar}/exe")
    assert os.readlink(f"/proc/{pid}/fd/0").endswith("/dev/null")
    assert os.readlink(f"/proc/{pid}/fd/1").endswith("/dev/console")
    assert sorted(os.listdir(f"/proc/{pid}/fd"))[:3] == ["0", "1", "2"]
    assert len(os.listdir(f"/proc/{pid}/fd")) == 3
    assert ignored_signals(pid) == {signal.SIGPIPE, signal.SIGXFSZ}
    assert power.status(machine.lab, machine.name)["sub1"] == pid
    listing = machine.run("ps", "-ef").stdout
    assert f"{pid}" in listing
    assert "/usr/sbin/standd -t 80 -i 10" in listing
    assert str(os.getpid()) not in [line.split()[1] for line in listing.splitlines()]


def test_environment_of_a_start_reaches_the_program(machine: Machine) -> None:
    machine.start(1, "/usr/sbin/standd", "environment", "COLOUR", environment={"COLOUR": "green-7"})
    wait_for(lambda: "green-7" in machine.console(), "the program printed its variable")


def test_any_program_is_executed_and_its_exit_reported(machine: Machine) -> None:
    script = Path(machine.root.path("/usr/local/bin/job"))
    script.write_text("#!/bin/sh\nexit 9\n")
    script.chmod(0o755)
    machine.start(5, "/usr/local/bin/job")
    ended = wait_for(lambda: [m for m in machine.heard() if m["type"] == "ended"], "its end is reported")[0]
    assert ignored_signals(machine.start(4, "/bin/sleep", "999")) == set()
    assert os.waitstatus_to_exitcode(ended["status"]) == 9
    assert machine.start(6, "/no/such/program") == -errno.ENOENT
    assert machine.start(7, "/etc/hosts") == -errno.EACCES


def test_socket_becomes_standard_input(machine: Machine) -> None:
    # The stand-in passes no descriptor, so the program gets an empty standard input instead of a borrowed one.
    pid = machine.start(1, "/usr/sbin/standd", socket=True)
    wait_for(lambda: os.readlink(f"/proc/{pid}/fd/0").endswith("/dev/null"), "standard input is arranged")


def test_exit_statuses_of_daemons(machine: Machine) -> None:
    machine.start(1, "/usr/sbin/standd", "exit", "3")
    pid = machine.start(2, "/usr/sbin/standd")
    machine.tell_srcmstr(messages.Signal(2, signal.SIGKILL))
    wait_for(lambda: len([m for m in machine.heard() if m["type"] == "ended"]) == 2, "both ends are reported")
    status = {m["instance"]: m["status"] for m in machine.heard() if m["type"] == "ended"}
    assert os.waitstatus_to_exitcode(status[1]) == 3
    assert os.waitstatus_to_exitcode(status[2]) == -signal.SIGKILL
    assert not alive(pid)


def test_srcmstr_is_respawned_and_no_exit_is_lost(machine: Machine) -> None:
    survivor = machine.start(1, "/usr/sbin/standd")
    victim = machine.start(2, "/usr/sbin/standd")
    before = power.status(machine.lab, machine.name)["srcmstr"]
    os.kill(before, signal.SIGSTOP)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: not alive(victim), "the victim is dead")
    os.kill(before, signal.SIGKILL)
    after = wait_for(
        lambda: (pid := power.status(machine.lab, machine.name).get("srcmstr")) not in (None, before) and pid,
        "srcmstr is respawned",
    )
    tables = wait_for(lambda: (t := [m for m in machine.heard() if m["type"] == "table"])[1:] and t, "a second table")
    assert tables[0]["entries"] == []
    entries = {entry["instance"]: entry for entry in tables[1]["entries"]}
    assert entries[1]["pid"] == survivor
    assert not entries[1].get("ended", False)
    assert entries[2]["ended"]
    assert os.waitstatus_to_exitcode(entries[2]["status"]) == -signal.SIGKILL
    assert after != before
    assert alive(survivor)
    machine.tell_srcmstr(messages.Acknowledge(2))
    machine.tell_srcmstr(b"exit")
    tables = wait_for(lambda: (t := [m for m in machine.heard() if m["type"] == "table"])[2:] and t, "a third table")
    assert [entry["instance"] for entry in tables[2]["entries"]] == [1]


def test_tree_signal_reaches_descendants(machine: Machine) -> None:
    script = Path(machine.root.path("/usr/local/bin/family"))
    script.write_text(f"#!/bin/sh\nsleep 999 &\necho $! >{machine.inside('/var/child')}\nwait\n")
    script.chmod(0o755)
    pid = machine.start(1, "/usr/local/bin/family")
    child = int(wait_for(lambda: _text(machine, "/var/child"), "the child runs"))
    machine.tell_srcmstr(messages.Signal(1, signal.SIGKILL, tree=True))
    wait_for(lambda: not alive(pid) and not alive(child), "both are dead")


def _text(machine: Machine, path: str) -> str:
    try:
        return Path(machine.root.path(path)).read_text().strip()
    except FileNotFoundError:
        return ""


def test_double_forked_children_are_adopted_and_reaped(machine: Machine) -> None:
    lpar = power.status(machine.lab, machine.name)["lpar"]
    script = Path(machine.root.path("/usr/local/bin/daemonize"))
    where = machine.inside("/var/orphan")
    script.write_text(
        f"#!/bin/sh\n(setsid sh -c 'echo $$ >{where}.new; mv {where}.new {where}; exec sleep 999' &)\nexec sleep 999\n"
    )
    script.chmod(0o755)
    machine.start(1, "/usr/local/bin/daemonize")
    orphan = int(wait_for(lambda: _text(machine, "/var/orphan"), "the orphan runs"))
    wait_for(lambda: processes.parent_and_state(orphan)[0] == lpar, "lpar has adopted the orphan")
    os.kill(orphan, signal.SIGKILL)
    wait_for(lambda: processes.parent_and_state(orphan)[1] == "", "the orphan is reaped")


@pytest.mark.parametrize("how", ["host", "command"])
def test_halt_kills_forking_children(machine: Machine, how: str) -> None:
    script = Path(machine.root.path("/usr/local/bin/forker"))
    script.write_text(f"#!/bin/sh\n{ENDLESS}\n")
    script.chmod(0o755)
    for instance in range(1, 4):
        machine.start(instance, "/usr/local/bin/forker")
    assert machine.run("sh", "-c", f"({ENDLESS}) >/dev/null 2>&1 & exit 0").returncode == 0
    if how == "host":
        machine.halt()
    else:
        machine.run("halt", "-q")
        wait_for(machine.is_off, "the node is off")
    assert machine.left() == []
    assert _text(machine, "/var/adm/ras/.lastend").startswith("halt\n")


@pytest.mark.parametrize("victim", ["lpar", "caa"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_death_or_hang_of_either_guard_is_the_death_of_the_node(
    machine: Machine, victim: str, number: signal.Signals
) -> None:
    daemon = machine.start(1, "/usr/sbin/standd")
    assert machine.run("sh", "-c", f"({STEADY}) >/dev/null 2>&1 & exit 0").returncode == 0
    pids = power.status(machine.lab, machine.name)
    machine.wait_for_turns()
    os.kill(pids[victim], number)
    wait_for(machine.is_off, "the node is off")
    wait_for(lambda: not machine.left(), "nothing is left")
    assert not alive(daemon)
    assert _text(machine, "/var/adm/ras/.lastend").startswith("panic\n")


def logged(machine: Machine) -> list[str]:
    """The labels in the node's error log, from the first."""
    return [entry.label for entry in read(machine.root)]


@pytest.mark.parametrize("victim", ["lpar", "caa"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("action", ["hard_reset", "dump_restart", "hard_power_off"])
def test_the_watchdog_timer_says_what_becomes_of_a_node_that_hangs(
    new_machine: Callable[..., Machine], victim: str, number: signal.Signals, action: str
) -> None:
    machine = new_machine()
    Path(machine.root.path("/etc/watchdog")).write_text(action)
    machine.boot()
    before = logged(machine)
    pids = power.status(machine.lab, machine.name)
    daemon = machine.start(1, "/usr/sbin/standd")
    assert machine.run("sh", "-c", f"({STEADY}) >/dev/null 2>&1 & exit 0").returncode == 0
    machine.wait_for_turns()
    os.kill(pids[victim], number)
    if action == "hard_power_off":
        wait_for(machine.is_off, "the node is off")
        wait_for(lambda: not machine.left(), "nothing is left")
        machine.boot()
        assert logged(machine)[len(before) :] == ["ERRLOG_ON"], "the next boot knows of nothing"
        return

    def again() -> bool:
        try:
            found = power.status(machine.lab, machine.name)
        except power.PowerError:
            return False
        return len(found) == 3 and found["caa"] != pids["caa"] and found["srcmstr"] != pids["srcmstr"]

    wait_for(again, "the node is on again")
    survivor = "caa" if victim == "lpar" else "lpar"
    assert power.status(machine.lab, machine.name)["lpar"] == pids[survivor]
    assert not alive(daemon)
    assert not any("while" in line for line in machine.left() if str(pids[survivor]) not in line)
    label = {"hard_reset": ["SYS_RESET"], "dump_restart": ["KERNEL_PANIC", "DUMP_STATS"]}[action]
    wait_for(lambda: logged(machine)[len(before) :] == ["ERRLOG_ON", *label], "the boot tells of it")
    if action == "dump_restart":
        dump = _text(machine, "/var/adm/ras/vmcore.0")
        assert dump.startswith(f"Dump of the node: {victim} ")
        assert f"PID {pids[survivor]}: " in dump
        if number == signal.SIGSTOP:  # what descends from an lpar that is killed goes with it
            assert f"PID {pids['srcmstr']}: " in dump
            assert f"PID {daemon}: /usr/sbin/standd" in dump
    assert machine.run("sh", "-c", "exit 7").returncode == 7, "commands run on it"
    os.kill(power.status(machine.lab, machine.name)["caa"], signal.SIGKILL)
    wait_for(lambda: len(logged(machine)) > len(before) + 1 + len(label), "and it would do so again")


@pytest.mark.parametrize("action", ["disable", "hard_reset", "dump_restart"])
def test_a_node_that_the_console_powers_off_is_off_and_knows_of_nothing(
    new_machine: Callable[..., Machine], action: str
) -> None:
    machine = new_machine()
    Path(machine.root.path("/etc/watchdog")).write_text(action)
    machine.boot()
    before = logged(machine)
    assert power_off(os.path.join(machine.lab, "shared"), machine.name)
    assert machine.is_off()
    wait_for(lambda: not machine.left(), "nothing is left")
    assert not power_off(os.path.join(machine.lab, "shared"), machine.name), "it was off"
    machine.boot()
    assert logged(machine)[len(before) :] == ["ERRLOG_ON"], "nothing failed"
    if action == "disable":
        before = logged(machine)
        os.kill(power.status(machine.lab, machine.name)["lpar"], signal.SIGKILL)
        wait_for(machine.is_off, "the guard holds in its next life")
        machine.boot()
        assert logged(machine)[len(before) :] == ["ERRLOG_ON", "KERNEL_PANIC"]


def test_a_paused_machine_does_not_look_like_a_hang(machine: Machine) -> None:
    pids = power.status(machine.lab, machine.name)
    for order in (("lpar", "caa"), ("caa", "lpar")):
        machine.wait_for_turns()
        for name in order:
            os.kill(pids[name], signal.SIGSTOP)
        time.sleep(1.5 * SILENT_TURNS * INTERVAL / SECOND)  # the pause itself
        for name in order:
            os.kill(pids[name], signal.SIGCONT)
        machine.wait_for_turns(2)
    assert power.status(machine.lab, machine.name) == pids


def test_host_halts_a_node_whose_guards_are_both_stopped(machine: Machine) -> None:
    pids = power.status(machine.lab, machine.name)
    for pid in (pids["lpar"], pids["caa"]):
        os.kill(pid, signal.SIGSTOP)
    machine.halt()
    assert machine.is_off()
    assert machine.left() == []


def test_left_overs_of_a_node_are_gone_after_the_next_boot(machine: Machine) -> None:
    pids = power.status(machine.lab, machine.name)
    assert machine.run("sh", "-c", "sleep 999 >/dev/null 2>&1 & exit 0").returncode == 0
    for pid in (pids["caa"], pids["lpar"]):
        os.kill(pid, signal.SIGSTOP)
    for pid in (pids["caa"], pids["lpar"]):
        os.kill(pid, signal.SIGKILL)
    wait_for(machine.is_off, "the node is off")
    assert any("sleep" in line for line in machine.left())
    machine.boot()
    assert not any("sleep" in line for line in machine.left())


def test_respawn_limit_of_inittab(new_machine: Callable[..., Machine]) -> None:
    machine = new_machine(
        inittab="srcmstr:2:respawn:/usr/sbin/srcmstr\nbad:2:respawn:/usr/sbin/standd exit 1\n"
        "good:2:once:echo end >>/dev/console\n"
    )
    machine.boot()
    wait_for(lambda: "respawning too rapidly" in machine.console(), "the record is put to rest")
    assert "bad" in machine.console()
    assert machine.console().count("respawning too rapidly") == 1
    wait_for(lambda: "end" in machine.console().split(), "the boot went on")


def test_telinit_q_and_run_levels(machine: Machine) -> None:
    table = Path(machine.root.path("/etc/inittab"))
    assert machine.run("mkitab", "-i", "rc", "more:2:once:echo more-was-run >>/dev/console").returncode == 0
    assert machine.run("lsitab", "more").stdout == "more:2:once:echo more-was-run >>/dev/console\n"
    assert machine.run("telinit", "q").returncode == 0
    wait_for(lambda: "more-was-run" in machine.console(), "the new record is run")
    assert machine.run("chitab", "more:3:once:echo level-three >>/dev/console").returncode == 0
    assert machine.run("init", "3").returncode == 0
    wait_for(lambda: "level-three" in machine.console(), "run level 3 is entered")
    wait_for(lambda: "srcmstr" not in power.status(machine.lab, machine.name), "srcmstr is not of run level 3")
    assert machine.run("rmitab", "more").returncode == 0
    assert machine.run("lsitab", "more").returncode == 1
    assert "more" not in table.read_text()
    assert machine.run("telinit", "x").returncode == 1


def test_reboot(machine: Machine) -> None:
    before = Identity.parse(Path(machine.root.path("/etc/lpar.json")).read_text()).boot_id
    daemon = machine.start(1, "/usr/sbin/standd")
    lpar = power.status(machine.lab, machine.name)["lpar"]
    if machine.mode == "view" and os.geteuid() == 0:
        assert (
            machine.run("sh", "-c", "mkdir -p /var/m && mount -t tmpfs none /var/m && touch /var/m/x").returncode == 0
        )
    machine.run("reboot")
    wait_for(lambda: not alive(daemon), "the daemon died")
    wait_for(lambda: _pids_or_none(machine), "the node answers again")
    assert power.status(machine.lab, machine.name)["lpar"] == lpar
    after = Identity.parse(Path(machine.root.path("/etc/lpar.json")).read_text()).boot_id
    assert after != before
    assert machine.run("test", "-e", "/var/m/x").returncode == 1
    assert machine.run("hostname").stdout == "node1\n"


def _pids_or_none(machine: Machine) -> dict[str, int] | None:
    try:
        pids = power.status(machine.lab, machine.name)
    except power.PowerError:
        return None
    return pids if "srcmstr" in pids else None


@pytest.mark.parametrize("command", ["halt", "poweroff", "reboot", "shutdown -F", "systemctl poweroff", "init 0"])
def test_no_command_of_a_node_reaches_the_host(machine: Machine, command: str) -> None:
    path = machine.run("sh", "-c", f"command -v {command.split()[0]}").stdout.strip()
    own = machine.root.path(path) if machine.mode == "view" else path
    assert own.startswith(machine.root.directory + "/usr/")
    assert b"srcctl.node.commands" in Path(own).read_bytes()


def test_the_doors_to_the_host_s_init_are_closed(tmp_path: Path) -> None:
    """A node as root does not see init's sockets, and the host still does."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user stops no host")
    door = str(tmp_path / "private")
    with socket.socket(socket.AF_UNIX) as init:
        init.bind(door)
        init.listen()
        code = (
            "import socket; from srcctl.node import doors\n"
            f"if not doors.close_in_own_namespace([{door!r}, '/no/such/door']): raise SystemExit('no namespaces')\n"
            f"try: socket.socket(socket.AF_UNIX).connect({door!r})\n"
            "except ConnectionRefusedError: print('closed')"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
        )
        if "no namespaces" in done.stderr:
            pytest.skip("this host lets nobody mount")
        assert done.stdout == "closed\n"
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(door)


def test_a_node_of_root_has_mounts_of_its_own(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user stops no host")
    lpar = processes.mount_namespace(power.status(machine.lab, machine.name)["lpar"])
    if machine.mode == "folder" and lpar == processes.mount_namespace("self"):
        pytest.skip("this host lets nobody mount")
    assert machine.run("readlink", "/proc/self/ns/mnt").stdout.strip() == lpar


def test_capabilities_to_stop_the_host_are_gone(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("the lab's owner has no such capabilities")
    code = (
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); "
        "print(libc.reboot(0x89ABCDEF), ctypes.get_errno())"  # LINUX_REBOOT_CMD_CAD_ON: harmless even if allowed
    )
    identity = Identity.parse(Path(machine.root.path("/etc/lpar.json")).read_text())
    assert machine.run(identity.python, "-I", "-S", "-c", code).stdout.split() == ["-1", str(errno.EPERM)]
    for pid in power.status(machine.lab, machine.name).values():
        effective = next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("CapEff")
        )
        assert int(effective.split()[1], 16) & (1 << 22 | 1 << 16 | 1 << 27 | 1 << 25) == 0


def test_kill_everything_is_refused_in_a_node(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user reaches only processes of its own")
    if os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("no filter for this machine")
    identity = Identity.parse(Path(machine.root.path("/etc/lpar.json")).read_text())
    # Signal 0 harms nobody, should the filter be missing.
    code = "import os\ntry: os.kill(-1, 0)\nexcept PermissionError: print('refused')"
    machine.start(1, identity.python, "-I", "-S", "-c", code)
    wait_for(lambda: "refused" in machine.console(), "kill was refused")
    program = (
        f"from srcctl.node import enter; enter.execute({machine.lab!r}, 'node1', {[identity.python, '-c', code]!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert done.stdout == "refused\n"
    assert machine.run(identity.python, "-I", "-S", "-c", code).stdout == "refused\n"
    assert machine.run("sh", "-c", "sleep 99 & kill -9 $!; wait $!; echo $?").stdout == "137\n"


def test_a_subsystem_ends_with_all_that_descends_from_it(machine: Machine) -> None:
    daemon = machine.start(1, "/usr/sbin/standd", "tree", "/var/adm/SRC/tree")
    other = machine.start(2, "/usr/sbin/standd")
    strange = machine.start(3, "/bin/sleep", "100", environment={"HAES_MARK": "nobody's"})
    mark = f"{machine.root.identity.lab_id}/{machine.name}"
    assert processes.mark_of(strange) == mark, "who starts it cannot take it out of the node"
    file = Path(machine.root.path("/var/adm/SRC/tree"))
    wait_for(lambda: file.exists() and file.read_text().count("\n") == 3, "the tree is there")
    family = [int(line) for line in file.read_text().split()]
    assert all(alive(pid) for pid in family)
    os.kill(daemon, signal.SIGKILL)
    wait_for(lambda: any(m.get("type") == "ended" for m in machine.heard()), "lpar tells of the end")
    assert [pid for pid in family if alive(pid)] == [], "nothing of it is left when the end is told"
    assert alive(other)


def test_a_machine_that_is_busy_starting_is_not_taken_for_a_hung_one(machine: Machine) -> None:
    """caa misses a sign of life from lpar after 0.6 s here; so many forks take longer."""
    lpar = power.status(machine.lab, machine.name)["lpar"]
    fields = {
        "path": "/usr/sbin/standd", "arguments": ["exit", "0"], "environment": {}, "uid": 0, "nice": 20,
        "standin": "/dev/null", "standout": "/dev/null", "standerr": "/dev/null", "definition": "{}", "socket": False,
    }  # fmt: skip
    for instance in range(1, 201):
        machine.tell_srcmstr(messages.Start(instance=instance, **fields))  # type: ignore[arg-type]
    wait_for(lambda: sum(m.get("type") == "ended" for m in machine.heard()) == 200, "all were started, all have ended")
    assert power.status(machine.lab, machine.name)["lpar"] == lpar


def test_a_process_that_has_the_pid_of_another_now_is_not_signalled() -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        began = processes.start_time(bystander.pid)
        processes.send_listed(bystander.pid, began - 1, signal.SIGKILL)
        assert bystander.poll() is None
        processes.send_listed(bystander.pid, began, signal.SIGKILL)
        assert bystander.wait(10) == -signal.SIGKILL
    finally:
        bystander.kill()
        bystander.wait()


def test_shutdown_stops_in_order(machine: Machine) -> None:
    script = Path(machine.root.path("/etc/rc.shutdown"))
    script.write_text("#!/bin/sh\necho cancelled; exit 1\n")
    assert machine.run("shutdown", "-F").returncode == 1
    assert not machine.is_off()
    script.write_text("#!/bin/sh\nexit 0\n")
    done = machine.run("shutdown", "-F")
    assert "SHUTDOWN PROGRAM" in done.stdout
    assert "Error reporting has stopped." in done.stdout
    wait_for(machine.is_off, "the node is off")


def test_a_subsystem_whose_files_cannot_be_had_is_not_started(machine: Machine) -> None:
    """Nor does the machine wait for the reader of a pipe: a machine that waits is killed by caa."""
    os.mkfifo(machine.root.path("/tmp/pipe"))
    for number, (path, options, wanted) in enumerate(
        (
            ("/usr/sbin/standd", {"standout": "/no/such/folder/out"}, errno.ENOENT),
            ("/bin/sleep", {"standerr": "/no/such/folder/out"}, errno.ENOENT),
            ("/bin/sleep", {"standin": "/no/such/input"}, errno.ENOENT),
            ("/bin/sleep", {"standout": "/tmp"}, errno.EISDIR),
            ("/bin/sleep", {"standout": "/tmp/pipe"}, errno.ENXIO),
        )
    ):
        assert machine.start(number, path, "100", **options) == -wanted
    assert "lpar: /no/such/folder/out: No such file or directory" in machine.console()
    pid = machine.start(9, "/bin/sh", "-c", "echo told; exec sleep 100", standout="tmp/out", standin="/tmp/pipe")
    assert alive(pid)
    wait_for(lambda: Path(machine.root.path("/tmp/out")).read_text() == "told\n", "the output is in the node's root")


def test_console_is_bounded(machine: Machine) -> None:
    with open(machine.root.path("/dev/console"), "ab") as console:
        console.write(b"x" * (3 << 20))
    wait_for(lambda: os.path.getsize(machine.root.path("/dev/console")) < (1 << 20), "the console is cut")


def test_garbage_on_the_control_socket(machine: Machine) -> None:
    for garbage in (b"", b"{", b'{"type":"halt"}', os.urandom(1000), b'{"type":"nothing"}'):
        with sockets.connect(machine.root.path("/dev/lpar"), socket.SOCK_SEQPACKET, 5) as connection:
            connection.send(garbage)
    machine.tell_srcmstr(b"garbage")
    assert power.status(machine.lab, machine.name)["srcmstr"]


def test_error_log_of_boots(machine: Machine) -> None:
    assert [entry.label for entry in read(machine.root)] == ["ERRLOG_ON"]
    machine.run("halt", "-q")
    wait_for(machine.is_off, "the node is off")
    assert power_cycle_labels(machine) == ["ERRLOG_ON", "REBOOT_ID"]
    os.kill(power.status(machine.lab, machine.name)["lpar"], signal.SIGKILL)
    wait_for(machine.is_off, "the node is off")
    assert power_cycle_labels(machine) == ["ERRLOG_ON", "KERNEL_PANIC"]


def power_cycle_labels(machine: Machine) -> list[str]:
    """The labels that a boot adds."""
    before = len(read(machine.root))
    machine.boot()
    return [entry.label for entry in read(machine.root)[before:]]


def test_a_full_disk_is_one_sentence(mode: str) -> None:
    """A lab on a file system without room: the node does not come up and says why."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    directory = lab_directory()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", directory], check=False).returncode != 0:
        os.rmdir(directory)
        pytest.skip("no file system can be mounted here")
    try:
        machine = Machine(os.path.join(directory, "lab"), mode)
        fill(os.path.join(directory, "ballast"))
        with pytest.raises(power.PowerError, match="No space left"):
            power.boot(machine.lab, machine.name)
        assert machine.is_off()
        os.unlink(os.path.join(directory, "ballast"))
        machine.boot()
        machine.halt()
    finally:
        subprocess.run(["umount", directory], check=True)
        os.rmdir(directory)


def fill(path: str) -> None:
    """Write until there is no room."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except OSError:
        pass
    finally:
        os.close(descriptor)
