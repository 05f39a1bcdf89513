"""Pieces of the machine by themselves: probe, launchers, program map, services, listings, shell lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from srcctl.node import environment, launcher, mounts, programs, seed, syscalls, view
from srcctl.node.bytecode import bring_up_to_date
from srcctl.node.commands import power as commands_power
from srcctl.node.commands.processes import filter_rows
from srcctl.node.processes import descendants, mark_of
from srcctl.node.root import Identity, LabNode, NodeRoot
from srcctl.node.start import take_power
from tests.node.machine import Machine, lab_directory


def test_probe_says_folder_where_namespaces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(flags: int) -> None:
        raise OSError(1, "Operation not permitted", "unshare")

    monkeypatch.setattr(syscalls, "unshare", refuse)
    mode, reason = view.probe(str(tmp_path))
    assert mode == "folder"
    assert "Operation not permitted" in reason
    assert list(tmp_path.iterdir()) == []


def test_probe_says_folder_where_overlays_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = syscalls.mount

    def refuse(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
        if kind == "overlay":
            raise OSError(22, "Invalid argument", target)
        real(source, target, kind, flags, data)

    monkeypatch.setattr(syscalls, "mount", refuse)
    mode, reason = view.probe(str(tmp_path))
    assert mode == "folder"
    assert reason


def test_a_lab_below_an_overlaid_folder_is_a_folder_lab() -> None:
    assert view.probe("/usr/share")[0] == "folder"
    assert view.lies_below("/usr/x/y", ("/usr",)) == "/usr"
    assert view.lies_below("/usrx", ("/usr",)) == ""


def test_mount_points_are_unescaped() -> None:
    line = r"36 35 98:0 /mnt1 /a\040b/c\134d rw,noatime master:1 - ext3 /dev/root rw"
    assert mounts.mount_points(line + "\n") == [r"/a b/c\d"]


def test_program_map() -> None:
    text = "# comment\n/usr/sbin/x a.b:main daemon # why\n\n/usr/bin/y  c:run  command\n"
    assert programs.parse(text, "t") == [
        programs.Program("/usr/sbin/x", "a.b", "main", True),
        programs.Program("/usr/bin/y", "c", "run", False),
    ]
    for bad in ("x a:b daemon", "/x a daemon", "/x a:b service", "/x a:b", "/x :b daemon"):
        with pytest.raises(programs.ProgramMapError, match="line 1"):
            programs.parse(bad, "t")


def test_every_program_map_of_the_repository_is_sound() -> None:
    directory = Path(__file__).parents[2] / "etc" / "programs"
    for mode in ("view", "folder"):
        assert "/usr/sbin/halt" in programs.load(str(directory), mode)
    assert "/usr/bin/hostname" not in programs.load(str(directory), "view")


@pytest.mark.parametrize("name", ["python", "py thon with ' blanks", "p" * 240])
def test_launcher_runs_whatever_the_interpreter_is_called(tmp_path: Path, name: str) -> None:
    interpreter = tmp_path / name
    interpreter.symlink_to(os.path.realpath(sys.executable))
    site = launcher.Installation.current()
    text = launcher.text(
        programs.Program("/usr/bin/showargs", "tests.node.stand_ins", "command", False),
        launcher.Installation(site.code, site.site, str(interpreter), ""),
    )
    program = tmp_path / "showargs"
    program.write_text(text)
    program.chmod(0o755)
    done = subprocess.run([program, "a", "b c"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("/usr/bin/showargs a b c\n", "", 0)


def test_hosts_and_services() -> None:
    nodes = (LabNode("node1", 1, ("127.9.9.1", "127.9.9.65")), LabNode("node2", 2, ("127.9.9.2", "127.9.9.66")))
    assert seed.hosts_text(nodes, (("127.9.9.33", ("app_svc",)),)).splitlines() == [
        "127.0.0.1\tlocalhost loopback",
        "127.9.9.1\tnode1",
        "127.9.9.65\tnode1_en1",
        "127.9.9.2\tnode2",
        "127.9.9.66\tnode2_en1",
        "127.9.9.33\tapp_svc",
    ]
    shifted = seed.shifted_services("snmp\t161/udp\nclcomd_caa 16191/tcp\nrmc 657/tcp rmcd\n")
    assert shifted.splitlines()[1:] == ["snmp\t10161/udp", "clcomd_caa 16191/tcp", "rmc 10657/tcp rmcd"]


def test_environment() -> None:
    values = environment.node_environment(
        "PATH=/usr/bin:/etc\n# x\nTZ='UTC'\n", "/lab/root", "id/node1", "/py/bin/python3", "/code"
    )
    assert values["PATH"].startswith("/lab/root/usr/bin:/lab/root/etc:")
    assert values["PATH"].endswith(":/py/bin")
    assert (values["TZ"], values["ODMDIR"], values["HAES_ROOT"]) == ("UTC", "/lab/root/etc/objrepos", "/lab/root")
    inside = environment.node_environment("", "", "id/node1", "/haes/python/bin/python3", "/haes/code")
    assert "HAES_ROOT" not in inside
    assert inside["HAES_CODE"] == "/haes/code"
    assert "/usr/es/sbin/cluster/utilities" in inside["PATH"].split(":")


def test_ps_rows_are_filtered_by_the_pid_column() -> None:
    text = "UID  PID PPID CMD\nroot  12 1 a 34\nroot  34 1 b 12\n"
    assert filter_rows(text, {34}) == "UID  PID PPID CMD\nroot  34 1 b 12\n"
    assert filter_rows("COMMAND\na\n", {1}) is None
    assert filter_rows("", {1}) == ""


def test_shell_lines_name_the_nodes_own_files(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/own").touch()
    root = NodeRoot(str(tmp_path))
    assert (
        environment.rooted("/usr/bin/own a >/usr/bin/new 2>&1", root)
        == f"{tmp_path}/usr/bin/own a >{tmp_path}/usr/bin/new 2>&1"
    )
    assert environment.rooted("/bin/echo /nowhere/x", root) == "/bin/echo /nowhere/x"
    # A program that only the host has, although the node has a folder of that name.
    (tmp_path / "bin").mkdir()
    assert environment.rooted("/bin/sh -c x >/bin/new", root) == f"/bin/sh -c x >{tmp_path}/bin/new"


def test_process_trees() -> None:
    parents = {2: 1, 3: 2, 4: 3, 5: 1}
    assert descendants({2}, parents) == {2, 3, 4}
    assert mark_of(os.getpid()) == os.environ.get("HAES_MARK", "")


def test_power_lock_is_exclusive_but_survives_lookers(tmp_path: Path) -> None:
    path = str(tmp_path / "node1")
    held = take_power(path, "boot-1")
    try:
        assert take_power(path, "boot-2") == -1
        assert Path(path).read_text() == f"boot-1 {os.getpid()}\n"
    finally:
        os.close(held)
    again = take_power(path, "boot-3")
    assert again >= 0
    os.close(again)


def test_stale_bytecode_is_compiled_once(tmp_path: Path) -> None:
    (tmp_path / "srcctl").mkdir()
    source = tmp_path / "srcctl" / "x.py"
    source.write_text("a = 1\n")
    (tmp_path / "srcctl" / "broken.py").write_text("a = \n")
    assert bring_up_to_date(str(tmp_path)) == 1
    assert bring_up_to_date(str(tmp_path)) == 0
    source.write_text("a = 22\n")
    assert bring_up_to_date(str(tmp_path)) == 1


@pytest.mark.end_to_end
def test_a_lab_in_a_folder_with_an_awkward_name(mode: str) -> None:
    import shutil

    directory = lab_directory()
    machine = Machine(os.path.join(directory, "a lab, with: every \\ 'thing"), mode)
    try:
        machine.boot()
        assert "hello" in machine.console()
        if mode == "view":
            assert machine.run("lsitab", "srcmstr").returncode == 0
    finally:
        machine.halt()
        shutil.rmtree(directory)


def test_a_halt_during_shutdown_r_boots_again(tmp_path: Path) -> None:
    root = NodeRoot(str(tmp_path))
    mark = tmp_path / "var/run/shutdown"
    mark.parent.mkdir(parents=True)
    assert not commands_power.shutdown_reboots(root)
    mark.write_text(f"{os.getpid()} reboot\n")
    assert commands_power.shutdown_reboots(root)
    mark.write_text(f"{os.getpid()} halt\n")
    assert not commands_power.shutdown_reboots(root)
    ended = subprocess.Popen(["true"])
    ended.wait()
    mark.write_text(f"{ended.pid} reboot\n")
    assert not commands_power.shutdown_reboots(root), "the mark of an earlier shutdown counts for nothing"
    mark.write_text("rubbish")
    assert not commands_power.shutdown_reboots(root)


def test_a_node_whose_console_cannot_be_written_halts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReadOnly:
        def write(self, text: str) -> int:
            raise OSError(30, "Read-only file system")

        def flush(self) -> None:
            self.write("")

    asked: list[dict[str, str]] = []

    def exchange(path: str, request: dict[str, str], patience: float) -> dict[str, str]:
        asked.append(request)
        return {"error": "that is enough"}

    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/lpar").touch()
    (tmp_path / "etc").mkdir()
    identity = Identity("lab", str(tmp_path), "", "", "", "", "node1", 1, 1.0, "folder", "", (), ())
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    monkeypatch.setenv("HAES_ROOT", str(tmp_path))
    monkeypatch.setattr(commands_power.control, "exchange", exchange)
    monkeypatch.setattr(sys, "stdout", ReadOnly())
    assert commands_power.halt(["halt", "-q"]) == 1
    assert [request["type"] for request in asked] == ["halt"]
