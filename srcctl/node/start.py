"""The first moments of a node, before lpar: daemon, power lock, left-overs, view, capabilities.

Runs on the host's side of the view with few imports and then executes the interpreter again inside, so that nothing of
the host's side (paths of modules, capabilities, memory) is left in lpar.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections import Counter
from typing import Any, Final, NoReturn

from srcctl.node import doors, mounts, powerlock, syscalls, view
from srcctl.node.processes import Membership, kill_all
from srcctl.node.root import IDENTITY_FILE, NodeRoot, replace_file

TITLE_ROOM: Final = " " * 2048
"""Lengthens argv: the title of a process (path and arguments, as ``ps`` shows it) has to fit where argv was."""

_LPAR: Final = (
    "import sys; sys.path += sys.argv[3:5]; from srcctl.commands.launch import postpone; postpone(); "
    "from srcctl.node.lpar import main; sys.exit(main(sys.argv))"
)


def lpar_argv(python: str, code: str, site: str, lock: int, ready: int) -> list[str]:
    """The command line of lpar."""
    return [python, "-I", "-S", "-c", _LPAR, str(lock), str(ready), code, site, TITLE_ROOM]


def take_power(path: str, boot_id: str) -> int:
    """Take the node's power lock; returns its descriptor, or -1 when the node is on.

    Raises:
        OSError: the lab's shared folder cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not powerlock.take(descriptor):
        os.close(descriptor)
        return -1
    write_power(descriptor, boot_id)
    return descriptor


def write_power(descriptor: int, boot_id: str) -> None:
    """Write boot id and pid into the held power file."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{boot_id} {os.getpid()}\n".encode(), 0)


def begin_again(root: NodeRoot, lock: int, keep_mounts: list[str]) -> NoReturn:
    """Reboot: this process, alone by now, takes away what was mounted since boot and becomes a fresh lpar."""
    identity = root.identity._replace(boot_id=str(uuid.uuid4()))
    if identity.mode == "view":
        points = mounts.current_mount_points()
        # Counted, not looked up: one mount may lie on another (/aha), and the upper one has to go.
        since = Counter(points) - Counter(keep_mounts)
        for point in reversed(points):
            if since[point] > 0:
                since[point] -= 1
                try:
                    syscalls.unmount(point, syscalls.MNT_DETACH)
                except OSError:
                    pass
    replace_file(root.path(IDENTITY_FILE), identity.text().encode())
    write_power(lock, identity.boot_id)
    os.set_inheritable(lock, True)
    argv = lpar_argv(identity.python, identity.code, identity.site, lock, -1)
    environment = {name: os.environ[name] for name in ("HAES_ROOT", "HAES_MARK", "SPT_NOENV") if name in os.environ}
    os.execve(identity.python, argv, environment)


def _start(config: dict[str, Any], ready: int) -> None:
    lock = take_power(config["power"], config["boot_id"])
    if lock < 0:
        os.write(ready, b"on\n")
        os._exit(1)
    kill_all(Membership("", config["mark"]), spare={os.getpid()})
    replace_file(config["root"] + IDENTITY_FILE, config["identity"].encode())
    environment = {"HAES_MARK": config["mark"], "SPT_NOENV": "1"}
    if config["plan"] is not None:
        own_user = view.enter_namespaces()
        view.build(view.ViewPlan(**config["plan"]), own_user)
        if not own_user:
            doors.close()
    else:
        environment["HAES_ROOT"] = config["root"]
        own_user = os.geteuid() != 0
        if not own_user:
            doors.close_in_own_namespace()
    if not own_user:
        try:
            syscalls.spare_the_host()
        except OSError:
            pass  # a kernel without seccomp
        syscalls.drop_capabilities(syscalls.HOST_CAPABILITIES)
    for descriptor in (lock, ready):
        os.set_inheritable(descriptor, True)
    argv = lpar_argv(config["python"], config["code"], config["site"], lock, ready)
    os.execve(argv[0], argv, environment)


def main(argv: list[str]) -> int:
    """Process entry: ``start READY_FD CONFIG`` (JSON, made by ``power.boot``)."""
    ready = int(argv[1])
    config = json.loads(argv[2])
    if os.fork():
        os._exit(0)
    os.setsid()
    os.umask(0o022)
    console = os.open(config["console"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    null = os.open("/dev/null", os.O_RDONLY)
    for number, source in ((0, null), (1, console), (2, console)):
        os.dup2(source, number)
    for descriptor in (null, console):
        if descriptor > 2:
            os.close(descriptor)
    try:
        _start(config, ready)
    except (view.ViewError, OSError) as error:
        os.write(ready, f"error {error}\n".encode())
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
