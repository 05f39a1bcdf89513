"""counterd: a small HTTP service whose counter goes on wherever it runs.

    counterd start -a LABEL [-p PORT] -d DIRECTORY      start it in the background; returns when it answers
    counterd stop                                       stop it; returns when it is gone
    counterd status                                     0 if it runs, 1 if not

``GET /`` increases the counter and answers with the node's name and the new value as JSON. An ordinary application: it
knows nothing of the cluster, and a cluster's application controller starts and stops it by shell scripts.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time

from srcctl.node.root import NodeRoot

PID_FILE = "/var/run/counterd.pid"
LOG_FILE = "/var/adm/ras/counterd.log"
LOG_LIMIT = 1 << 20
PORT = 8080
STOP_SECONDS = 5.0
USAGE = "usage: counterd start -a LABEL [-p PORT] -d DIRECTORY | stop | status"


def address_of(root: NodeRoot, label: str) -> str:
    """The address of an IP label in the node's /etc/hosts (or ``label`` itself, if it is no name there).

    Raises:
        OSError: /etc/hosts cannot be read.
    """
    with open(root.path("/etc/hosts"), encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split("#")[0].split()
            if label in fields[1:]:
                return fields[0]
    return label


def running(root: NodeRoot) -> int | None:
    """The pid of the running service, or None.

    The service holds a lock on its pid file as long as it lives, so a file left by a crash is never believed.
    """
    try:
        with open(root.path(PID_FILE), encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0) or None
    except FileNotFoundError:
        pass
    return None


def start(root: NodeRoot, label: str, port: int, directory: str) -> int:
    """Become a background process in its own session; return in the caller when the service listens."""
    pid_path = root.path(PID_FILE)
    os.makedirs(os.path.dirname(pid_path), exist_ok=True)
    pid_file = os.open(pid_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("counterd: already running", file=sys.stderr)
        return 0
    # Here and not at the top: stop and status need neither a database nor HTTP.
    import sqlite3

    from srcctl.lab.sample.server import CounterServer
    from srcctl.lab.sample.store import CounterStore

    try:
        store = CounterStore(root.path(directory))
        server = CounterServer(address_of(root, label), port, store, root.identity.node)
    except (OSError, sqlite3.Error) as error:
        print(f"counterd: {label} port {port}, {directory}: {error}", file=sys.stderr)
        return 1
    if os.fork() > 0:
        # The socket listens already: whoever connects now is served as soon as the child runs.
        return 0
    os.setsid()
    os.ftruncate(pid_file, 0)
    os.pwrite(pid_file, f"{os.getpid()}\n".encode(), 0)
    _detach(root.path(LOG_FILE))
    signal.signal(signal.SIGTERM, _stop)
    try:
        server.serve_forever()
    except SystemExit:
        server.server_close()
        store.close()
        print(f"{time.strftime('%b %d %H:%M:%S')} stopped", flush=True)
    os._exit(0)


def stop(root: NodeRoot) -> int:
    """Ask the service to end, and wait until it has."""
    pid = running(root)
    if pid is None:
        print("counterd: not running", file=sys.stderr)
        return 0
    descriptor = os.pidfd_open(pid)
    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    if not _ended(descriptor, STOP_SECONDS):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        if not _ended(descriptor, STOP_SECONDS):
            print(f"counterd: process {pid} does not end", file=sys.stderr)
            return 1
    return 0


def main(argv: list[str]) -> int:
    """The command. ``argv[0]`` is the program's path."""
    root = NodeRoot.current()
    action = argv[1] if len(argv) > 1 else ""
    if action == "stop" and len(argv) == 2:
        return stop(root)
    if action == "status" and len(argv) == 2:
        return 0 if running(root) else 1
    # By hand: the start of an application is a part of every takeover, and getopt brings gettext and re with it.
    options = dict(zip(argv[2::2], argv[3::2], strict=False))
    port = options.get("-p", str(PORT))
    known = {"-a", "-d"} <= options.keys() <= {"-a", "-d", "-p"}
    if action != "start" or len(argv) % 2 or not known or not port.isdecimal():
        print(USAGE, file=sys.stderr)
        return 2
    return start(root, options["-a"], int(port), options["-d"])


def _stop(number: int, frame: object) -> None:
    raise SystemExit


def _ended(pidfd: int, seconds: float) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


def _detach(log_path: str) -> None:
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    if os.path.exists(log_path) and os.path.getsize(log_path) > LOG_LIMIT:
        flags |= os.O_TRUNC
    log = os.open(log_path, flags, 0o644)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir("/")
    print(f"{time.strftime('%b %d %H:%M:%S')} started, process {os.getpid()}", flush=True)
