"""Entering a node from the host: run a command inside with its streams, exit code and signals unchanged.

View mode: ``nsenter`` into the namespaces of the node's lpar (util-linux); folder mode: the node's environment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from srcctl.node import power, processes, seed
from srcctl.node.environment import node_environment, with_caller
from srcctl.node.root import NodeRoot

CAP_SETPCAP: Final = 8
DROPPED: Final = (
    "sys_module", "sys_rawio", "sys_boot", "sys_time", "mknod", "mac_override", "mac_admin", "wake_alarm",
    "block_suspend",
)  # fmt: skip
"""As ``srcctl.node.syscalls.HOST_CAPABILITIES``, in the words of setpriv(1)."""


def node_variables(lab: str, node: str, caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command in the node."""
    root = NodeRoot(seed.root_directory(os.path.realpath(lab), node))
    identity = root.identity
    try:
        with open(root.path("/etc/environment"), encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        text = ""
    variables = node_environment(
        text,
        "" if identity.mode == "view" else root.directory,
        f"{identity.lab_id}/{node}",
        identity.python,
        identity.code,
    )
    return with_caller(variables, os.environ if caller is None else caller)


def _may_drop() -> bool:
    """True if this process may narrow its bounding set (CAP_SETPCAP; root in a container may lack it)."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        effective = next((line.split()[1] for line in file if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) & 1 << CAP_SETPCAP)


def command(lab: str, node: str, argv: Sequence[str], caller: Mapping[str, str] | None = None) -> list[str]:
    """The host's command line that runs ``argv`` in the node. It replaces itself by the command: execute it as it is.

    ``caller`` is the environment whose terminal and language settings are taken over (default: this process's).

    Raises:
        srcctl.node.power.PoweredOff: the node is off.
        srcctl.node.root.IdentityError: there is no such node.
    """
    lab = os.path.realpath(lab)
    identity = NodeRoot(seed.root_directory(lab, node)).identity
    pid = power.lpar_pid(lab, node)
    variables = [f"{name}={value}" for name, value in node_variables(lab, node, caller).items()]
    clean = ["env", "-i", *variables]
    root_user = os.geteuid() == 0
    drop = ["setpriv", "--bounding-set=" + ",".join(f"-{name}" for name in DROPPED)] if _may_drop() else []
    if identity.mode != "view":
        # Root's node in folder mode has a mount namespace that lacks the doors to the host's init.
        own = root_user and processes.mount_namespace(pid) not in ("", processes.mount_namespace("self"))
        inside = ["nsenter", f"--target={pid}", "--mount", "--"] if own else []
        return [*inside, *drop, *clean, *_real_program(lab, node, argv)]
    user = [] if root_user else ["--user", "--preserve-credentials"]
    return ["nsenter", f"--target={pid}", *user, "--mount", "--uts", "--", *drop, *clean, *argv]


def _real_program(lab: str, node: str, argv: Sequence[str]) -> list[str]:
    """In folder mode a program that the node has at an absolute path is found below the node's root."""
    root = NodeRoot(seed.root_directory(lab, node))
    if argv and argv[0].startswith("/") and os.path.lexists(root.path(argv[0])):
        return [root.path(argv[0]), *argv[1:]]
    return list(argv)


def login_shell(lab: str, node: str) -> list[str]:
    """The command line (for ``command`` or ``execute``) of a login shell that keeps the node's environment."""
    root = NodeRoot(seed.root_directory(os.path.realpath(lab), node))
    if root.identity.mode == "view":
        return ["/bin/bash", "--login"]
    # The host's /etc/profile would put the host's search path back.
    return ["/bin/bash", "--noprofile", "--rcfile", root.path("/etc/profile"), "-i"]


def execute(lab: str, node: str, argv: Sequence[str]) -> NoReturn:
    """Replace this process by a command in the node.

    Raises:
        srcctl.node.power.PoweredOff: the node is off.
        OSError: the host lacks nsenter or setpriv.
    """
    words = command(lab, node, argv)
    os.chdir("/")
    _spare_the_host()
    os.execvp(words[0], words)


def run(lab: str, node: str, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """``subprocess.run`` of a command in the node; the options are that function's.

    Raises:
        srcctl.node.power.PoweredOff: the node is off.
    """
    return subprocess.run(
        command(lab, node, argv), **{"cwd": "/", "check": False, "preexec_fn": _spare_the_host, **options}
    )


def _spare_the_host() -> None:
    """What is started from here cannot signal all processes of the host."""
    if os.geteuid() == 0:
        from srcctl.node.syscalls import spare_the_host

        try:
            spare_the_host()
        except OSError:
            pass  # a kernel without seccomp
