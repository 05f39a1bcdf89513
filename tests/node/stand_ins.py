"""Small programs that stand in for caa, srcmstr and daemons in the machine's own tests."""

from __future__ import annotations

import os
import select
import signal
import socket
import time

from srcctl.node import messages
from srcctl.node.guard import CAA, LPAR, Guard
from srcctl.node.root import NodeRoot


def caa(argv: list[str]) -> int:
    """Guards lpar and says how often both have turned; /etc/watchdog has what the machine's watchdog does."""
    guard = Guard.from_environment()
    assert guard is not None
    root = NodeRoot.current()
    os.makedirs(root.path("/var/adm/SRC"), exist_ok=True)
    turns = os.open(root.path(f"/var/adm/SRC/turns.{os.getpid()}"), os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        with open(root.path("/etc/watchdog"), encoding="utf-8") as file:
            guard.set_action(file.read().strip())
    except FileNotFoundError:
        pass
    poll = select.poll()
    poll.register(guard.peer_descriptor, select.POLLIN)
    while True:
        if poll.poll(guard.interval // 1000):
            guard.peer_died()
        guard.turn()
        os.pwrite(turns, f"{guard._page.read(LPAR):20}{guard._page.read(CAA):20}".encode(), 0)


def srcmstr(argv: list[str]) -> int:
    """Keeps a line of what lpar says in /var/adm/SRC/seen and obeys lines of a datagram socket: JSON for lpar."""
    root = NodeRoot.current()
    lpar = socket.socket(fileno=int(os.environ["HAES_LPAR_FD"]))
    requests = socket.socket(fileno=int(os.environ["HAES_SRC_FD"]))
    lpar.send(messages.encode(messages.Ready()))
    seen = open(root.path("/var/adm/SRC/seen"), "ab", buffering=0)  # noqa: SIM115
    while True:
        ready, _, _ = select.select([lpar, requests], [], [])
        if lpar in ready:
            data = lpar.recv(messages.PACKET_MAX)
            if not data:
                return 0
            seen.write(data + b"\n")
        if requests in ready:
            data = requests.recv(messages.PACKET_MAX)
            if data == b"exit":
                return 3
            lpar.send(data)


def daemon(argv: list[str]) -> int:
    """Sleeps until SIGTERM; with ``exit N`` ends at once with status N, with ``fork`` leaves a grandchild behind."""
    if argv[1:2] == ["exit"]:
        return int(argv[2])
    if argv[1:2] == ["tree"]:
        return tree(argv[2])
    if argv[1:2] == ["environment"]:
        print(os.environ.get(argv[2], ""), flush=True)
        return 0
    # A handler would leave a moment before each sleep in which the signal is taken and nothing wakes up.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.sigwait({signal.SIGTERM})
    return 0


def tree(pids: str) -> int:
    """Leaves a child, a double-forked one in its own session, and that one's child; their pids go to a file."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.write(write_end, f"{os.getpid()}\n".encode())
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(write_end, f"{os.getpid()}\n".encode())
                if os.fork() == 0:
                    os.write(write_end, f"{os.getpid()}\n".encode())
                time.sleep(600)
            os._exit(0)
        time.sleep(600)
    found = b""
    while found.count(b"\n") < 3:
        found += os.read(read_end, 100)
    with open(NodeRoot.current().path(pids), "wb") as file:
        file.write(found)
    time.sleep(600)
    return 0


def command(argv: list[str]) -> int:
    """Prints its arguments."""
    print(*argv)
    return 0
