"""corosync's closed process groups, for comparison: a message to all members of a group on two nodes.

Two instances of corosync run in network and mount namespaces of their own that a pair of virtual interfaces joins; that
takes root. This file is both what sets them up and, with an argument, the program that runs beside each instance.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIBRARY, PROGRAM = "libcpg.so.4", "/usr/sbin/corosync"
GROUP = b"bench"
CS_OK, CS_ERR_TRY_AGAIN = 1, 6
CPG_TYPE_AGREED, CS_DISPATCH_ALL = 2, 2
PATIENCE = 30.0

CONFIGURATION = """totem {{
    version: 2
    cluster_name: bench
    transport: udpu
    crypto_cipher: none
    crypto_hash: none
}}
nodelist {{
    node {{
        ring0_addr: 10.231.7.1
        nodeid: 1
    }}
    node {{
        ring0_addr: 10.231.7.2
        nodeid: 2
    }}
}}
logging {{
    to_logfile: yes
    logfile: {directory}/log
    to_syslog: no
}}
"""


class NotAvailable(Exception):
    """There is nothing to compare with; ``str()`` says why."""


# The program beside an instance --------------------------------------------------------------------------------------


class _Name(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint32), ("value", ctypes.c_char * 128))


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


_Deliver = ctypes.CFUNCTYPE(
    None, ctypes.c_uint64, ctypes.POINTER(_Name), ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t
)
_Change = ctypes.CFUNCTYPE(
    None, ctypes.c_uint64, ctypes.POINTER(_Name), ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
    ctypes.c_void_p, ctypes.c_size_t,
)  # fmt: skip


class _Callbacks(ctypes.Structure):
    _fields_ = (("deliver", _Deliver), ("change", _Change))


class Member:
    """A member of the group."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self.members = 0
        self.received: list[bytes] = []
        self._callbacks = _Callbacks(_Deliver(self._deliver), _Change(self._change))
        self._handle = ctypes.c_uint64()
        name = _Name(len(GROUP), GROUP)
        self._check(self._library.cpg_initialize(ctypes.byref(self._handle), ctypes.byref(self._callbacks)))
        self._check(self._library.cpg_join(self._handle, ctypes.byref(name)))
        descriptor = ctypes.c_int()
        self._check(self._library.cpg_fd_get(self._handle, ctypes.byref(descriptor)))
        self._descriptor = descriptor.value

    @staticmethod
    def _check(code: int) -> None:
        if code != CS_OK:
            raise NotAvailable(f"closed process groups: error {code}")

    def _deliver(self, handle: int, group: object, node: int, pid: int, message: int, length: int) -> None:
        self.received.append(ctypes.string_at(message, length))

    def _change(self, handle: int, group: object, members: int, count: int, *rest: object) -> None:
        self.members = count

    def send(self, message: bytes) -> None:
        """To all members, in agreed order."""
        vector = _Vector(message, len(message))
        while (
            code := self._library.cpg_mcast_joined(self._handle, CPG_TYPE_AGREED, ctypes.byref(vector), 1)
        ) == CS_ERR_TRY_AGAIN:
            self.dispatch()
        self._check(code)

    def dispatch(self) -> None:
        """Whatever arrives."""
        select.select([self._descriptor], [], [], 1.0)
        self._check(self._library.cpg_dispatch(self._handle, CS_DISPATCH_ALL))


def _beside(role: str, messages: int) -> None:
    """Node 1 sends a message and waits for the answer that node 2 sends to its delivery; half of it is one message."""
    member = Member()
    while member.members < 2:
        member.dispatch()  # the first question may come with the news that the other one is there
    if role == "answer":
        while True:
            heard, member.received = member.received, []
            for message in heard:
                if message.startswith(b"ask"):
                    member.send(b"answer" + message[3:])
            if not member.received:
                member.dispatch()
    samples = []
    for number in range(messages):
        wanted, begin = b"answer%d" % number, time.perf_counter()
        member.received.clear()
        member.send(b"ask%d" % number)
        while wanted not in member.received:
            member.dispatch()
        samples.append((time.perf_counter() - begin) / 2 * 1000)
    print(statistics.median(samples))


# Setting it up --------------------------------------------------------------------------------------------------------


def message_milliseconds(messages: int) -> float:
    """Median time of a message to both members, in milliseconds.

    Raises:
        NotAvailable: corosync is not installed, or cannot be run here.
    """
    if not os.path.exists(PROGRAM) or not shutil.which("ip"):
        raise NotAvailable("corosync is not installed")
    if os.geteuid() != 0:
        raise NotAvailable("network namespaces take root")
    directory = tempfile.mkdtemp(prefix="haes-bench-corosync.")
    started: list[subprocess.Popen[bytes]] = []
    try:
        keepers = [_namespace(started) for _ in range(2)]
        _join(keepers)
        for number, keeper in enumerate(keepers, 1):
            _instance(started, directory, number, keeper)
        answering = _program(started, directory, keepers[1], "answer", messages)
        asking = _program(started, directory, keepers[0], "ask", messages)
        try:
            output, _ = asking.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise NotAvailable("the two instances of corosync do not find each other") from None
        if asking.returncode or answering.poll() is not None:
            raise NotAvailable("corosync: " + output.decode(errors="replace").strip()[-200:])
        return float(output)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotAvailable(f"corosync: {error}") from None
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _namespace(started: list[subprocess.Popen[bytes]]) -> int:
    """A process that keeps a network, mount and IPC namespace; everything in it dies with it."""
    keeper = subprocess.Popen(
        ["unshare", "-n", "-m", "-i", "-p", "--fork", "--kill-child", "sleep", "1000"], stdin=subprocess.DEVNULL
    )
    started.append(keeper)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()
        if children and os.readlink(f"/proc/{children[0]}/ns/net") != os.readlink("/proc/self/ns/net"):
            return int(children[0])
        time.sleep(0.005)
    raise NotAvailable("no namespace")


def _enter(keeper: int) -> list[str]:
    return ["nsenter", "-t", str(keeper), "-n", "-m", "-i", "-p"]


def _join(keepers: list[int]) -> None:
    one, other = f"cpg{os.getpid()}a", f"cpg{os.getpid()}b"
    subprocess.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other], check=True)
    for name, keeper, number in ((one, keepers[0], 1), (other, keepers[1], 2)):
        subprocess.run(["ip", "link", "set", name, "netns", str(keeper)], check=True)
        inside = _enter(keeper)
        subprocess.run([*inside, "ip", "addr", "add", f"10.231.7.{number}/24", "dev", name], check=True)
        subprocess.run([*inside, "ip", "link", "set", name, "up"], check=True)
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)


def _instance(started: list[subprocess.Popen[bytes]], directory: str, number: int, keeper: int) -> None:
    own = f"{directory}/{number}"
    os.makedirs(f"{own}/lib")
    Path(own, "corosync.conf").write_text(CONFIGURATION.format(directory=own))
    mounts = "mount -t tmpfs none /dev/shm && mount -t tmpfs none /run && mount -t tmpfs none /var/lib/corosync"
    subprocess.run([*_enter(keeper), "sh", "-c", f"mkdir -p /var/lib/corosync && {mounts}"], check=True)
    started.append(
        subprocess.Popen(
            [*_enter(keeper), PROGRAM, "-f", "-c", f"{own}/corosync.conf"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
    )  # fmt: skip


def _program(
    started: list[subprocess.Popen[bytes]], directory: str, keeper: int, role: str, messages: int
) -> subprocess.Popen[bytes]:
    program = subprocess.Popen(
        [*_enter(keeper), sys.executable, __file__, role, str(messages)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    started.append(program)
    return program


def _main(role: str, messages: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            _beside(role, messages)
            return
        except NotAvailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # the instance does not listen yet


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
