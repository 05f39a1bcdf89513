"""Remote commands and file copies between the nodes of a lab, beside ssh and scp on loopback where the host has them.

SSHD names the server's program where it is not in the path.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

MEGABYTES = 64
FAN_OUT = 16
GROUPS = 64


class Lab(Protocol):
    """What is needed of a bench's lab."""

    def run(self, node: str, command: str, check: bool = True) -> str: ...


def _seconds(lab: Lab, command: str) -> float:
    text = lab.run("node1", f"a=$(date +%s%N); {command}; b=$(date +%s%N); echo $((b - a))")
    return int(text.split()[-1]) / 1e9


def rsh(lab: Lab, rounds: int) -> list[float]:
    """``cl_rsh`` of ``true``, a new connection each, in milliseconds."""
    return [_seconds(lab, "cl_rsh -n node2 /bin/true") * 1000 for _ in range(rounds)]


def fan_out(lab: Lab, rounds: int) -> list[float]:
    """Sixteen ``cl_rsh`` of ``true`` at once, in milliseconds."""
    command = f"for i in $(seq {FAN_OUT}); do cl_rsh -n node2 /bin/true & done; wait"
    return [_seconds(lab, command) * 1000 for _ in range(rounds)]


def rcp(lab: Lab, rounds: int) -> list[float]:
    """64 MiB by ``cl_rcp``, in milliseconds."""
    lab.run("node1", f"head -c {MEGABYTES << 20} /dev/urandom >$HAES_ROOT/tmp/bench.in")
    command = "cl_rcp $HAES_ROOT/tmp/bench.in node2:/tmp/bench.out"
    try:
        return [_seconds(lab, command) * 1000 for _ in range(rounds)]
    finally:
        lab.run("node1", "rm -f $HAES_ROOT/tmp/bench.in")


def verify_and_sync(lab: Lab, rounds: int) -> list[float]:
    """``clmgr sync cluster`` with verification, in milliseconds."""
    return [_seconds(lab, "clmgr sync cluster >/dev/null") * 1000 for _ in range(rounds)]


def query_cluster(lab: Lab, rounds: int) -> list[float]:
    """``clmgr query cluster`` by ``python -c pass``, both inside the node."""
    samples = []
    for _ in range(rounds):
        asked = _seconds(lab, "clmgr query cluster >/dev/null")
        samples.append(asked / _seconds(lab, "python3 -c pass"))
    return samples


def every_node(lab: Lab, rounds: int) -> list[float]:
    """``clcmd`` of ``true`` on all nodes of the cluster, in milliseconds."""
    return [_seconds(lab, "clcmd /bin/true >/dev/null") * 1000 for _ in range(rounds)]


def grown_sync(lab: Lab, rounds: int) -> list[float]:
    """Verification and synchronization of all nodes with 64 resource groups, cluster services down, in milliseconds.

    Every round has a change to bring to the nodes.
    """
    nodes = lab.run("node1", "clmgr query node").split()
    groups = lab.run("node1", "clmgr query resource_group").split()
    lab.run("node1", "clmgr offline cluster >/dev/null")
    members = ",".join(nodes)
    added = "".join(f"add rg bench_rg{n} NODES={members}\n" for n in range(GROUPS - len(groups)))
    lab.run("node1", f"clmgr -M - '{added}'")
    lab.run("node1", "clmgr sync cluster >/dev/null")
    samples = []
    for number in range(rounds):
        lab.run("node1", f"clmgr modify cluster VERIFICATION_HOUR={number + 1}")
        samples.append(_seconds(lab, "clmgr sync cluster >/dev/null") * 1000)
    return samples


# The others.


class NoServer(Exception):
    """There is nothing to compare with; ``str()`` says what is missing."""


@contextmanager
def ssh_server() -> Iterator[tuple[list[str], list[str], str]]:
    """An sshd of our own on loopback: the beginnings of ssh and scp command lines, and the server's address.

    Raises:
        NoServer: the host has none.
    """
    with _separation():
        yield from _server()


SEPARATION = "/run/sshd"
"""The empty directory into which an sshd of root's shuts the part of itself that talks to strangers."""


@contextmanager
def _separation() -> Iterator[None]:
    """What root's sshd needs of the host, which a service manager makes when it starts one.

    Raises:
        NoServer: the host has no user for it.
    """
    if os.geteuid() != 0:
        yield  # without privileges there is nothing to separate
        return
    try:
        pwd.getpwnam("sshd")
    except KeyError:
        raise NoServer("sshd is not set up here: it has no user of its own") from None
    made = not os.path.isdir(SEPARATION)
    if made:
        os.mkdir(SEPARATION, 0o755)
    try:
        yield
    finally:
        if made:
            os.rmdir(SEPARATION)


def _server() -> Iterator[tuple[list[str], list[str], str]]:
    server = os.environ.get("SSHD") or shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if server is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        raise NoServer("ssh and sshd are not installed here")
    with tempfile.TemporaryDirectory(prefix="haes-ssh.") as folder:
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{name}"], check=True, timeout=20
            )
        shutil.copyfile(f"{folder}/user.pub", f"{folder}/authorized_keys")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        options = (
            f"HostKey={folder}/host", f"AuthorizedKeysFile={folder}/authorized_keys", f"PidFile={folder}/pid",
            "ListenAddress=127.0.0.1", "StrictModes=no", "UsePAM=no", "PermitRootLogin=yes", "MaxStartups=100",
        )  # fmt: skip
        words = [word for option in options for word in ("-o", option)]
        process = subprocess.Popen(
            [os.path.abspath(server), "-D", "-f", "/dev/null", "-p", port, *words],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            _listens("127.0.0.1", int(port), process)
            common = ["-F", "/dev/null", "-i", f"{folder}/user", "-o", "StrictHostKeyChecking=no", "-o",
                      f"UserKnownHostsFile={folder}/known", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]  # fmt: skip
            yield ["ssh", "-n", *common, "-p", port], ["scp", "-q", "-O", *common, "-P", port], "127.0.0.1"
        finally:
            process.terminate()
            process.communicate()


def _listens(address: str, port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                said = process.stderr.read() if process.poll() is not None and process.stderr else "no answer"
                raise NoServer(f"sshd does not start: {said.strip()}") from None
            time.sleep(0.02)


def _median(work: Callable[[], object], rounds: int) -> float:
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1000)
    return sorted(samples)[len(samples) // 2]


@contextmanager
def _sharing(ssh: list[str], address: str) -> Iterator[list[str]]:
    """A connection that others share, as long as it lasts: the options with which they do."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["-o", f"ControlPath={folder}/c"]
        _call([*ssh, *options, "-o", "ControlMaster=yes", "-o", "ControlPersist=600", address, "true"])
        try:
            yield options
        finally:
            _call([*ssh, *options, "-O", "exit", address])


def beside_rsh(rounds: int) -> dict[str, float]:
    """ssh of ``true``, new and shared connection, in milliseconds."""
    with ssh_server() as (ssh, _, address):
        run = [*ssh, address, "true"]
        _call(run)
        figures = {"ssh, new connection": _median(lambda: _call(run), rounds)}
        with _sharing(ssh, address) as options:
            run = [*ssh, *options, address, "true"]
            figures["ssh, shared connection"] = _median(lambda: _call(run), rounds)
        return figures


def beside_fan_out(rounds: int) -> dict[str, float]:
    """Sixteen ssh of ``true`` at once, in milliseconds."""
    with ssh_server() as (ssh, _, address):
        _call([*ssh, address, "true"])

        def all_at_once() -> None:
            for process in [
                subprocess.Popen([*ssh, address, "true"], stderr=subprocess.DEVNULL) for _ in range(FAN_OUT)
            ]:
                process.wait()

        return {f"{FAN_OUT} ssh at once": _median(all_at_once, rounds)}


def beside_rcp(rounds: int) -> dict[str, float]:
    """64 MiB by scp, in milliseconds."""
    with ssh_server() as (ssh, scp, address), tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/in", "wb") as file:
            file.write(os.urandom(MEGABYTES << 20))
        _call([*ssh, address, "true"])
        copy = [*scp, f"{folder}/in", f"{address}:{folder}/out"]
        figures = {"scp, new connection": _median(lambda: _call(copy), rounds)}
        with _sharing(ssh, address) as options:
            shared = [*copy[:1], *options, *copy[1:]]
            figures["scp, shared connection"] = _median(lambda: _call(shared), rounds)
        return figures


def _call(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise NoServer(f"{command[0]}: {done.stderr.strip()[-200:]}")
