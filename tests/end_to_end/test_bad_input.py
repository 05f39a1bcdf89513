"""Truncated, oversized and garbage bytes on every socket of a node: each daemon goes on, as the same process."""

from __future__ import annotations

import base64
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from daemons.runtime.trust import MAGIC, connect_trusted
from srcctl.node import enter
from tests.end_to_end.lab import LabUnderTest, eventually

ANY_MODE = True
RUBBISH = random.Random(16191)
PAYLOADS = (
    b"",
    b"\0",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff" + b"x" * 100,
    b"\0\0\0\x10abc",
    b"\0\0\0\x04\x01\xc1\xc1\xc1",
    b"\0\0\x10\0\x01" + b"\x91" * 4095,
    b"\0\0\0\x05\x02\x80\x80\x80\x80",
    b"GET / HTTP/1.0\r\n\r\n",
    MAGIC + b"\xff" * 60,
    b"0\x82\xff\xff\x02\x01\x01\x04\x06public",
    b"0\x84\x7f\xff\xff\xff" + b"0" * 300,
    *(RUBBISH.randbytes(size) for size in (1, 3, 17, 64, 1400, 8000, 60_000)),
)
LONG = RUBBISH.randbytes(3 << 20)

IN_NODE = """
import base64, os, socket, sys
kind, path = getattr(socket, sys.argv[1]), os.environ.get("HAES_ROOT", "") + sys.argv[2]
os.chdir(os.path.dirname(path))
for line in sys.stdin.buffer:
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.settimeout(0.2)
        try:
            sock.connect(os.path.basename(path))
            sock.sendall(base64.b64decode(line))
            if kind == socket.SOCK_STREAM:
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1000)
        except OSError as error:
            if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
                raise
print("done")
"""
"""Sends each line of its input (base64) over a connection of its own to a Unix socket of the node."""


def throw_locally(lab: LabUnderTest, kind: str, path: str) -> None:
    payloads = [*PAYLOADS, LONG] if kind == "SOCK_STREAM" else [p for p in PAYLOADS if len(p) < 60_000]
    answer = enter.run(
        str(lab.directory), "node1", ["python3", "-c", IN_NODE, kind, path],
        input=b"\n".join(base64.b64encode(payload) for payload in payloads), capture_output=True, timeout=60,
    )  # fmt: skip
    assert answer.stdout == b"done\n", answer.stderr.decode()


def throw_over_udp(lab: LabUnderTest, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address(lab, 2), 0))
        for payload in PAYLOADS:
            sock.sendto(payload, (address(lab, 1), port))


def throw_over_tcp(lab: LabUnderTest, port: int, trusted: bool) -> None:
    """With ``trusted`` after the key challenge, else instead of it."""
    key = base64.b64decode(lab.output("node2", "base64 $HAES_ROOT/etc/cluster/key"))
    for payload in (*PAYLOADS, LONG):
        if trusted:
            sock = connect_trusted(address(lab, 1), port, key, "node2", source=address(lab, 2))
        else:
            sock = socket.create_connection((address(lab, 1), port), 30, (address(lab, 2), 0))
        with sock:
            sock.settimeout(30)
            try:
                sock.sendall(payload)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except TimeoutError:
                raise
            except OSError:
                pass  # cut off in the middle, which is its right


def address(lab: LabUnderTest, number: int) -> str:
    return f"{lab.description()['block']}.{number}"


def port_of(lab: LabUnderTest, service: str, protocol: str) -> int:
    for line in lab.file("node1", "/etc/services").splitlines():
        words = line.split()
        if words[:1] == [service] and words[1].endswith(f"/{protocol}"):
            return int(words[1].partition("/")[0])
    raise AssertionError(f"{service}/{protocol} is not in /etc/services")


TCP = {
    "clcomd": ("clcomd_caa", "cl_rsh node1 /usr/bin/true"),
    "ctrmc": ("rmc", "lscondition"),
    "clinfoES": ("clinfo_client", "clstat -o"),
}
UDP = {
    "snmpd": ("snmp", "cldump && lssrc -ls snmpd"),
    "caa": ("caa", "lscluster -m"),
    "cthags": ("cthags", "lssrc -ls cthags"),
}
LOCAL = {
    "caa": ("SOCK_STREAM", "/dev/cluster0", "lscluster -m"),
    "clstrmgrES": ("SOCK_STREAM", "/var/hacmp/clstrmgr.sock", "clRGinfo"),
    "cthags": ("SOCK_STREAM", "/var/ct/cthags.sock", "lssrc -ls cthags"),
    "ctrmc": ("SOCK_STREAM", "/var/ct/rmcd.sock", "lscondition"),
    "srcmstr": ("SOCK_DGRAM", "/dev/SRC", "lssrc -a"),
    "lpar": ("SOCK_SEQPACKET", "/dev/lpar", "lssrc -a"),
}


@pytest.fixture
def survivors(lab: LabUnderTest) -> Iterator[Callable[[str, str], None]]:
    """Checks that a daemon answers, and in the end that no process of the node died."""
    before = lab.processes("node1")
    if "clinfoES" not in before:
        lab.output("node1", "startsrc -s clinfoES")
        eventually(lambda: lab.run("node1", "clstat -o").returncode == 0, "clinfoES answers")
        before = lab.processes("node1")

    def answers(daemon: str, command: str) -> None:
        lab.output("node1", command)
        assert lab.processes("node1").get(daemon) == before[daemon], f"{daemon} is another process now"

    yield answers
    assert lab.processes("node1") == before
    assert [lab.cluster_state(node) for node in lab.nodes()] == ["ST_STABLE", "ST_STABLE"]


@pytest.mark.parametrize("trusted", [False, True], ids=["stranger", "node"])
@pytest.mark.parametrize("daemon", sorted(TCP))
def test_rubbish_over_tcp(lab: LabUnderTest, survivors, daemon: str, trusted: bool) -> None:  # type: ignore[no-untyped-def]
    service, question = TCP[daemon]
    throw_over_tcp(lab, port_of(lab, service, "tcp"), trusted)
    survivors(daemon, question)


@pytest.mark.parametrize("daemon", sorted(UDP))
def test_rubbish_over_udp(lab: LabUnderTest, survivors, daemon: str) -> None:  # type: ignore[no-untyped-def]
    service, question = UDP[daemon]
    throw_over_udp(lab, port_of(lab, service, "udp"))
    survivors(daemon, question)


@pytest.mark.parametrize("daemon", sorted(LOCAL))
def test_rubbish_on_a_local_socket(lab: LabUnderTest, survivors, daemon: str) -> None:  # type: ignore[no-untyped-def]
    kind, path, question = LOCAL[daemon]
    throw_locally(lab, kind, path)
    survivors(daemon, question)


def test_rubbish_on_the_subsystems_own_sockets(lab: LabUnderTest, survivors) -> None:  # type: ignore[no-untyped-def]
    """The sockets on which subsystems take requests of the SRC."""
    names = lab.output("node1", "ls $HAES_ROOT/dev/.SRC-unix | grep subsystem").split()
    assert names
    for name in names:
        throw_locally(lab, "SOCK_DGRAM", f"/dev/.SRC-unix/{name}")
    survivors("srcmstr", "lssrc -a && lssrc -ls clstrmgrES && lssrc -ls clcomd")


def test_the_tools_of_this_test_work(lab: LabUnderTest) -> None:
    """A socket that is not there is noticed."""
    with pytest.raises(AssertionError, match="FileNotFoundError"):
        throw_locally(lab, "SOCK_STREAM", "/dev/nosuch")
    assert subprocess.run([sys.executable, "-c", IN_NODE], capture_output=True, check=False).returncode
