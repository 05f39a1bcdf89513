"""SRC beside runit, s6 and supervisor, where they are installed: the same services, the same measurements.

A service is a shell that leaves its pid in a file and becomes ``sleep``. Every measurement is one shell script that
runs where the supervisor runs: a command, then looks at the file until what it asked for has happened. *Cold* is the
same after the kernel was asked to drop the files of the supervisor's commands from its cache (posix_fadvise(2); what a
running process has mapped stays), as when nobody has asked for long.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import srcctl
from srcctl.commands.options import is_number
from srcctl.node import enter, power

SRCCTL = str(Path(sys.executable).with_name("srcctl"))
PATIENCE = 60.0
IDLE_SECONDS = 5.0
SERVICES_MAX = 1000
ROUNDS, COLD_ROUNDS = 9, 3
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
CHANGED = 'while read -r new <{file} && [ "$new" = "$old" ]; do :; done'
GONE = 'while kill -0 "$old" 2>/dev/null; do :; done'


class Supervisor:
    """One of them, with services ``s0``, ``s1``, ... below ``directory``."""

    name = ""
    program = ""
    start = stop = status = ""
    """Command lines; ``{service}`` is a service's name or folder, ``{folder}`` the folder of all."""

    def __init__(self, directory: str, count: int) -> None:
        self.directory = directory
        self.services = [f"s{number}" for number in range(count)]
        self.processes: list[int] = []

    def file(self, service: str) -> str:
        """Where a service leaves its pid."""
        return os.path.join(self.directory, f"{service}.pid")

    def line(self, service: str) -> str:
        """What a service does."""
        return f"echo $$ >{self.file(service)}; exec sleep 1000000"

    def up(self) -> None:
        """Begin to supervise; every service runs when this returns."""
        raise NotImplementedError

    def command_files(self) -> list[Path]:
        """What the commands are read from: files and folders."""
        words = {word for line in (self.start, self.stop, self.status) for word in line.replace(";", " ").split()}
        return [Path(found).resolve() for word in words if (found := shutil.which(word))]

    def forget(self) -> None:
        """Let the kernel drop the commands' files from its cache."""
        for place in self.command_files():
            for path in [place] if place.is_file() else place.rglob("*"):
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                except OSError:
                    continue
                try:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                except OSError:
                    pass  # a folder
                finally:
                    os.close(descriptor)

    def down(self) -> None:
        """End everything."""
        for pid in self.processes:
            os.kill(pid, signal.SIGTERM)

    def own(self) -> list[int]:
        """The supervisor's own processes."""
        parents = {pid: parent for pid in _pids() if (parent := _parent(pid))}
        found = list(self.processes)
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid and child not in found]
        return [pid for pid in found if _command(pid) != "sleep"]

    def shell(self, script: str) -> str:
        """Run a shell script where the supervisor is."""
        answer = subprocess.run(
            ["/bin/sh", "-c", script], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        if answer.returncode:
            raise SystemExit(f"{self.name}: {script}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def wait(self) -> None:
        """Wait until every service has left its pid."""
        deadline = time.monotonic() + PATIENCE
        while not all(Path(self.real(self.file(service))).exists() for service in self.services):
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name}: not every service runs")
            time.sleep(0.01)

    def real(self, path: str) -> str:
        """A path as this process sees it."""
        return path

    def milliseconds(self, command: str, until: str, service: str) -> float:
        """Time of a command until something is so."""
        words = {"service": self.target(service), "folder": self.directory, "file": self.file(service)}
        script = (
            f"read -r old <{self.file(service)}; a=$(date +%s%N); {command.format(**words)} >/dev/null 2>&1; "
            f"{until.format(**words)}; b=$(date +%s%N); echo $((b - a))"
        )
        return int(self.shell(script).split()[-1]) / 1e6

    def target(self, service: str) -> str:
        """How commands name a service."""
        return service


class Src(Supervisor):
    """A node of this project that has SRC and no cluster software: as much as the other supervisors."""

    name = "SRC"
    program = SRCCTL
    start, stop, status = "startsrc -s {service}", "stopsrc -s {service}", "lssrc -a"

    def up(self) -> None:
        self.lab = os.path.join(self.directory, "lab")
        subprocess.run([SRCCTL, "--lab", self.lab, "up", "--base", "--nodes", "1"], check=True, capture_output=True)
        self.node_root = os.path.join(self.lab, "nodes", "node1", "root")
        for service in self.services:
            self.shell(
                f"mkssys -s {service} -p /bin/sh -a '-c \"{self.line(service)}\"' -u 0 -S -n 15 -f 9 -R -w 1 -G bench"
            )
        self.shell("startsrc -g bench")
        self.wait()

    def command_files(self) -> list[Path]:
        return [Path(srcctl.__file__).parent, Path(sys.executable).resolve(), Path(os.__file__).parent]

    def down(self) -> None:
        subprocess.run([SRCCTL, "--lab", self.lab, "destroy"], check=True, capture_output=True)

    def file(self, service: str) -> str:
        return f"/var/adm/SRC/{service}.pid"

    def real(self, path: str) -> str:
        return self.node_root + path

    def own(self) -> list[int]:
        found = power.status(self.lab, "node1")
        return [found[name] for name in ("lpar", "srcmstr")]

    def shell(self, script: str) -> str:
        answer = enter.run(
            self.lab, "node1", ["/bin/sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if answer.returncode:
            raise SystemExit(f"{self.name}: {script}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return str(answer.stdout)


class _Folders(Supervisor):
    """Supervisors that watch a folder with a folder for each service."""

    scan: tuple[str, ...] = ()

    def up(self) -> None:
        folder = os.path.join(self.directory, "services")
        for service in self.services:
            os.makedirs(os.path.join(folder, service))
            run = Path(folder, service, "run")
            run.write_text(f"#!/bin/sh\n{self.line(service)}\n")
            run.chmod(0o755)
        process = subprocess.Popen([*self.scan, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = process
        self.processes = [process.pid]
        self.wait()

    def target(self, service: str) -> str:
        return os.path.join(self.directory, "services", service)

    def down(self) -> None:
        family = [pid for pid in _pids() if pid != os.getpid() and self.directory in _environment_or_folder(pid)]
        for pid in [*self.processes, *family]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.process.wait()


class Runit(_Folders):
    """runit(8)."""

    name, program = "runit", "runsvdir"
    scan = ("runsvdir",)
    start, stop, status = "sv up {service}", "sv down {service}", "sv status {folder}/services/*"


class S6(_Folders):
    """s6-svscan."""

    name, program = "s6", "s6-svscan"
    scan = ("s6-svscan",)
    start, stop = "s6-svc -u {service}", "s6-svc -d {service}"
    status = "for one in {folder}/services/*; do s6-svstat $one; done"


class Supervisord(Supervisor):
    """supervisord(1)."""

    name, program = "supervisor", "supervisord"
    start = "supervisorctl -c {folder}/conf start {service}"
    stop = "supervisorctl -c {folder}/conf stop {service}"
    status = "supervisorctl -c {folder}/conf status"

    def up(self) -> None:
        socket = os.path.join(self.directory, "socket")
        text = (
            f"[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={self.directory}/pid\nnodaemon=true\n"
            f"[unix_http_server]\nfile={socket}\n[supervisorctl]\nserverurl=unix://{socket}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        )
        for service in self.services:
            text += f"[program:{service}]\ncommand=/bin/sh -c '{self.line(service)}'\nautorestart=true\nstartsecs=0\n"
        Path(self.directory, "conf").write_text(text)
        process = subprocess.Popen(
            ["supervisord", "-c", f"{self.directory}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.process = process
        self.processes = [process.pid]
        self.wait()

    def command_files(self) -> list[Path]:
        program = shutil.which("supervisorctl") or ""
        with open(program, encoding="utf-8", errors="replace") as file:
            python = Path(file.readline().removeprefix("#!").split()[0])
        code = "import os, supervisor; print(os.path.dirname(os.__file__), os.path.dirname(supervisor.__file__))"
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        return [Path(program), python.resolve(), *map(Path, found)]

    def down(self) -> None:
        self.process.terminate()
        self.process.wait()


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "sleep"


def _environment_or_folder(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def _memory(pids: list[int], field: str) -> float:
    """In MB: ``Pss`` counts pages of files by how many share them, ``Pss_Dirty`` only what was written to."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{field}:"))
    return total / 1000


def _idle(pids: list[int]) -> float:
    """Percent of a core."""

    def ticks() -> int:
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(value) for one in fields for value in one[11:13])

    begin = ticks()
    time.sleep(IDLE_SECONDS)
    return (ticks() - begin) / CLOCK_TICKS / IDLE_SECONDS * 100


def measure(supervisor: Supervisor) -> dict[str, float]:
    """Medians in milliseconds, MB and percent."""
    try:
        supervisor.up()
        service = supervisor.services[-1]
        restarts, starts, stops, cold_starts, cold_statuses = [], [], [], [], []
        for _ in range(ROUNDS):
            time.sleep(1.1)  # SRC restarts twice within waittime, a second here
            restarts.append(supervisor.milliseconds("kill -9 $old", CHANGED, service))
            stops.append(supervisor.milliseconds(supervisor.stop, GONE, service))
            starts.append(supervisor.milliseconds(supervisor.start, CHANGED, service))
        for _ in range(COLD_ROUNDS):
            supervisor.milliseconds(supervisor.stop, GONE, service)
            supervisor.forget()
            cold_starts.append(supervisor.milliseconds(supervisor.start, CHANGED, service))
            supervisor.forget()
            cold_statuses.append(supervisor.milliseconds(supervisor.status, "true", service))
        statuses = [supervisor.milliseconds(supervisor.status, "true", service) for _ in range(ROUNDS)]
        return {
            "restart": statistics.median(restarts), "start": statistics.median(starts),
            "stop": statistics.median(stops), "status": statistics.median(statuses),
            "cold start": statistics.median(cold_starts), "cold status": statistics.median(cold_statuses),
            "memory": _memory(supervisor.own(), "Pss"), "written": _memory(supervisor.own(), "Pss_Dirty"),
            "idle": _idle(supervisor.own()),
        }  # fmt: skip
    finally:
        supervisor.down()


def main() -> int:
    """Print a line for each supervisor and number of services (the arguments; 7 and 100 without)."""
    words = sys.argv[1:]
    if not all(is_number(word) and 0 < int(word) <= SERVICES_MAX for word in words):
        print(
            f"usage: scripts/bench supervisors [NUMBER ...]: numbers of services from 1 to {SERVICES_MAX}",
            file=sys.stderr,
        )
        return 2
    columns = ("restart", "start", "stop", "status", "cold start", "cold status", "memory", "written", "idle")
    print(f"{'':<16}" + "".join(f"{name:>12}" for name in columns))
    print(f"{'':<16}" + "".join(f"{unit:>12}" for unit in ("ms",) * 6 + ("MB", "MB", "%")))
    for count in [int(word) for word in words] or [7, 100]:
        for kind in (Src, Runit, S6, Supervisord):
            label = f"{kind.name}, {count}"
            if not shutil.which(kind.program):
                print(f"{label:<16} not installed")
                continue
            directory = tempfile.mkdtemp(prefix="haes-supervisors.")
            try:
                found = measure(kind(directory, count))
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            print(f"{label:<16}" + "".join(f"{found[name]:>12.1f}" for name in columns), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
