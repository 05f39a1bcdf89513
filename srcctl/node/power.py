"""Power, from the host's side: boot a node, halt it, ask it. What ``srcctl`` stands on.

``lab`` is the lab's folder, ``node`` a node's name.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
import uuid
from typing import Final

from srcctl.node import bytecode, control, messages, powerlock, processes, seed, view
from srcctl.node.launcher import Installation
from srcctl.node.root import IdentityError, NodeRoot

BOOT_PATIENCE: Final = 30.0
"""Seconds until a node that does not answer counts as failed."""
HALT_PATIENCE: Final = 1.0
"""Seconds until a lpar that does not answer is killed with everything else."""

_START: Final = "import sys; sys.path += sys.argv[3:5]; from srcctl.node.start import main; sys.exit(main(sys.argv))"


class PowerError(Exception):
    """A node does not do what was asked; the text is one sentence."""


class AlreadyOn(PowerError):
    """The node is powered on."""


class PoweredOff(PowerError):
    """The node is powered off."""


def power_file(lab: str, node: str) -> str:
    """The file that lpar (and caa) hold locked while the node is alive: ``boot id, pid of lpar``."""
    return os.path.join(lab, "shared", "power", node)


def state(lab: str, node: str) -> str:
    """``on`` while the node is alive, else ``off``."""
    try:
        descriptor = os.open(power_file(lab, node), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "off"
    try:
        return "on" if powerlock.is_held(descriptor) else "off"
    finally:
        os.close(descriptor)


def lpar_pid(lab: str, node: str) -> int:
    """The pid of the node's lpar.

    Raises:
        PoweredOff: the node is off.
    """
    if state(lab, node) == "on":
        for _ in range(100):
            try:
                with open(power_file(lab, node), encoding="ascii") as file:
                    words = file.read().split()
                return int(words[1])
            except (OSError, IndexError, ValueError):
                time.sleep(0.001)
    raise PoweredOff(f"{node} is powered off")


def boot(lab: str, node: str) -> None:
    """Power a node on; returns when its lpar accepts requests.

    Raises:
        AlreadyOn: it is on.
        PowerError: it cannot be powered on; the text says why.
    """
    lab = os.path.realpath(lab)
    root = NodeRoot(seed.root_directory(lab, node))
    if state(lab, node) == "on":
        raise AlreadyOn(f"{node} is powered on already")
    try:
        old = root.identity
    except IdentityError as error:
        raise PowerError(f"{node} cannot be powered on: {error}") from None
    installation = Installation.current()
    inside = installation.inside(old.mode)
    in_view = old.mode == "view"
    mark = f"{old.lab_id}/{node}"
    try:
        identity = old._replace(
            lab=view.VIEW_LAB if in_view else os.path.join(lab, "shared"),
            key=view.VIEW_KEY if in_view else os.path.join(lab, "key"),
            code=inside.code,
            python=inside.python,
            site=inside.site,
            boot_id=str(uuid.uuid4()),
        )
        source, software = seed.source_of(lab, node, installation), seed.software_of(lab, node)
        seed.install_programs(root, source, old.mode, installation, software)
        os.makedirs(os.path.dirname(power_file(lab, node)), exist_ok=True)
    except OSError as error:
        raise PowerError(f"{node} cannot be powered on: {error.filename}: {error.strerror}") from None
    plan = None
    if in_view:
        plan = view.ViewPlan(
            node=node,
            root=root.directory,
            work=seed.work_directory(lab, node),
            shared=os.path.join(lab, "shared"),
            key=os.path.join(lab, "key"),
            code=installation.code,
            site=installation.site,
            python=installation.prefix,
        )
    config = {
        "power": power_file(lab, node),
        "boot_id": identity.boot_id,
        "mark": mark,
        "identity": identity.text(),
        "root": root.directory,
        "console": root.path("/dev/console"),
        "python": inside.python,
        "code": inside.code,
        "site": inside.site,
        "plan": None if plan is None else plan._asdict(),
    }
    bytecode.bring_up_to_date(installation.code)
    try:
        _launch(node, installation, json.dumps(config))
    except AlreadyOn:
        raise
    except PowerError:
        # What came up in part is still going down.
        _wait_until_off(lab, node, HALT_PATIENCE * 5)
        raise


def _launch(node: str, installation: Installation, config: str) -> None:
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    argv = [
        installation.python, "-I", "-S", "-c", _START, str(write_end), config, installation.code, installation.site,
    ]  # fmt: skip
    # No marker yet: whoever wins the power lock kills what carries it, and this may be the one who loses.
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(write_end,),
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        os.close(read_end)
        raise PowerError(f"{node} cannot be powered on: {error.strerror}") from None
    finally:
        os.close(write_end)
    process.wait()
    answer = _read_answer(read_end)
    if answer == "ready":
        return
    if answer == "on":
        raise AlreadyOn(f"{node} is powered on already")
    if answer.startswith("error "):
        raise PowerError(f"{node} cannot be powered on: {answer[6:]}")
    raise PowerError(f"{node} did not come up; its console says why: dev/console in the node's root")


def _read_answer(descriptor: int) -> str:
    deadline = time.monotonic() + BOOT_PATIENCE
    data = b""
    try:
        while not data.endswith(b"\n"):
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                break
            piece = os.read(descriptor, 4096)
            if not piece:
                break
            data += piece
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "replace").strip()


def ask(lab: str, node: str, request: messages.ControlRequest, patience: float) -> messages.ControlReply:
    """One request to the node's lpar; ``patience`` in seconds.

    Raises:
        PoweredOff: nobody listens.
        PowerError: lpar refused, or did not answer in time.
    """
    path = os.path.join(seed.root_directory(os.path.realpath(lab), node), "dev", "lpar")
    try:
        data = control.exchange_bytes(path, messages.encode(request), patience)
    except control.LparSilent:
        raise PowerError(f"the lpar of {node} does not answer") from None
    except control.LparUnreachable:
        raise PoweredOff(f"{node} is powered off") from None
    reply = messages.decode_reply(data)
    if reply.error:
        raise PowerError(reply.error)
    return reply


def status(lab: str, node: str) -> dict[str, int]:
    """The node's processes by name (``lpar``, ``caa``, ``srcmstr`` and subsystems as lssrc prints them) with pids.

    Raises:
        PoweredOff: the node is off.
        PowerError: lpar does not answer.
    """
    if state(lab, node) == "off":
        raise PoweredOff(f"{node} is powered off")
    return ask(lab, node, messages.StatusRequest(), HALT_PATIENCE * 5).processes


def serves(lab: str, node: str) -> bool:
    """Whether the node is on and its srcmstr has announced that it serves."""
    try:
        return ask(lab, node, messages.StatusRequest(), HALT_PATIENCE * 5).src_serves
    except PowerError:
        return False


def halt(lab: str, node: str, reason: str = "power switched off") -> None:
    """Power a node off at once, whatever state it is in; returns when no process of it is left. A node that is off
    stays off.

    Raises:
        PowerError: processes are left that cannot be killed.
    """
    lab = os.path.realpath(lab)
    root = NodeRoot(seed.root_directory(lab, node))
    try:
        mark = f"{root.identity.lab_id}/{node}"
    except IdentityError:
        mark = ""
    if state(lab, node) == "on":
        try:
            ask(lab, node, messages.Halt("q", reason), HALT_PATIENCE)
        except PowerError:
            pass
        else:
            _wait_until_off(lab, node, HALT_PATIENCE)
    pid = 0
    if state(lab, node) == "on":
        try:
            pid = lpar_pid(lab, node)
        except PoweredOff:
            pid = 0
    if pid:
        namespace = processes.mount_namespace(pid)
        if namespace and namespace != processes.mount_namespace("self"):
            processes.kill_all(processes.Membership(namespace, mark))
    if mark:
        processes.kill_all(processes.Membership("", mark), spare={os.getpid()}, ancestors=(pid,) if pid else ())
    if not _wait_until_off(lab, node, HALT_PATIENCE * 5):
        raise PowerError(f"{node} cannot be powered off: its lpar (pid {pid}) does not die")
    seed.open_work(lab, node)


def _wait_until_off(lab: str, node: str, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while state(lab, node) == "on":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True
