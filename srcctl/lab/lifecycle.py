"""Making a lab, powering its nodes on and off, removing it."""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
import time
import uuid

import msgspec

from srcctl.lab import addresses, disks, power, seeding
from srcctl.lab.errors import AddressInUse, LabError, NoRoom, NotRunning, NotStarted, file_errors
from srcctl.lab.model import (
    KEY_BYTES,
    KEY_FILE,
    LAB_FILE,
    LOCK_FILE,
    NODES_MAX,
    SHARED_DIRECTORIES,
    Lab,
    LabDescription,
    Network,
    Node,
    speed_cap,
)
from srcctl.node import view
from srcctl.node.root import replace_file
from srcctl.node.selection import ALL, BASE

BOOTED = {"clcomd", "clstrmgrES"}
BOOT_PATIENCE = 30.0
BOOT_POLL = 0.01
"""Seconds. Booted nodes are asked, not notified: nothing but TCP tells that clcomd listens."""
CLCOMD_PORT = 16191
DEFAULT_NODES = 2
DEFAULT_SPEED = 10.0


def exists(directory: str) -> bool:
    """Whether there is a lab in ``directory``."""
    return os.path.exists(os.path.join(directory, LAB_FILE))


def create(directory: str, *, nodes: int, speed: float, mode: str, networks: int = 1, base: bool = False) -> Lab:
    """Make a lab, powered off. Call with the lab's lock held.

    ``lab.json`` is written last: what was left half made by a kill is made again.

    Args:
        directory: an existing folder.
        nodes: how many, 1 to 16.
        speed: how many times faster than the product schedules run; capped by ``speed_cap``.
        mode: "view", "folder", or "auto" for a view where this host gives us one.
        networks: how many, from 1.
        base: whether the nodes have the base operating system only.

    Raises:
        LabError: no room, not writable, or a view was asked for and is not to be had.
    """
    if not 1 <= nodes <= NODES_MAX:
        raise LabError(f"a lab has 1 to {NODES_MAX} nodes, not {nodes}")
    with file_errors(directory):
        _check_room(directory)
        for name in ("nodes", "shared"):
            remove_tree(os.path.join(directory, name))
        possible, reason = ("folder", "asked for") if mode == "folder" else view.probe(directory)
        if mode == "view" and possible != "view":
            raise LabError(f"view mode is not possible here: {reason}")
        if possible == "folder" and ":" in directory:
            raise LabError(
                f"a lab in folder mode cannot have a colon in its path, which becomes part of PATH: {directory}"
            )
        lab = Lab(
            directory,
            LabDescription(
                id=str(uuid.uuid4()),
                mode=possible,
                mode_reason=reason,
                speed=min(speed, speed_cap(nodes)),
                block=addresses.free_block(random.SystemRandom(), _neighbours(directory)),
                networks=tuple(Network(f"net_ether_{k + 1:02}", f"en{k}") for k in range(networks)),
                nodes=tuple(Node(f"node{number}", number) for number in range(1, nodes + 1)),
                software=BASE if base else ALL,
            ),
        )
        for name in SHARED_DIRECTORIES:
            os.makedirs(os.path.join(lab.shared, name))
        replace_file(lab.path(KEY_FILE), os.urandom(KEY_BYTES), 0o600)
        disks.make(lab)
        for node in lab.description.nodes:
            seeding.seed_node(lab, node)
        lab.store()
    return lab


def up(
    directory: str,
    *,
    nodes: int | None,
    speed: float | None,
    mode: str,
    networks: int | None = None,
    base: bool = False,
) -> tuple[Lab, list[str]]:
    """Make the lab if there is none, and power on the nodes that are off. Call with the lab's lock held.

    Returns:
        the lab, and the nodes that were off.

    Raises:
        LabError: the lab has other nodes or another mode than asked for; see also ``create`` and ``power.boot``.
    """
    if not exists(directory):
        try:
            lab = create(
                directory,
                nodes=nodes or DEFAULT_NODES,
                speed=speed or DEFAULT_SPEED,
                mode=mode,
                networks=networks or 1,
                base=base,
            )
        except (LabError, KeyboardInterrupt):
            destroy(directory)
            raise
    else:
        lab = Lab.load(directory)
        if nodes is not None and nodes != len(lab.description.nodes):
            raise LabError(
                f"this lab has {len(lab.description.nodes)} nodes, and that cannot change; "
                "'srcctl destroy' removes it, --lab DIR names another"
            )
        if networks is not None and networks != len(lab.description.networks):
            raise LabError(
                f"this lab has {len(lab.description.networks)} networks, and that cannot change; "
                "'srcctl destroy' removes it, --lab DIR names another"
            )
        if mode not in ("auto", lab.description.mode):
            raise LabError(
                f"this lab is in {lab.description.mode} mode, and that cannot change; 'srcctl destroy' removes it"
            )
        if base and lab.description.software != BASE:
            raise LabError("this lab has cluster software, and that cannot change; 'srcctl destroy' removes it")
        _change_speed(lab, speed)
    off = [name for name in lab.node_names if not power.is_on(lab, name)]
    boot(lab, off)
    return lab, off


def boot(lab: Lab, names: list[str]) -> None:
    """Power on nodes that are off, all at the same time.

    Raises:
        AddressInUse: another program has an address that a node needs.
        LabError: no room, or a node did not come up.
    """
    if not names:
        return
    with file_errors(lab.directory):
        _check_room(lab.directory)
        for node in lab.lab_nodes():
            if node.name in names and (held := addresses.occupied(node.addresses)) is not None:
                raise AddressInUse(f"address in use: {node.name} needs {held}, which another program holds")
    power.boot(lab, names)


def wait_until_booted(lab: Lab, names: list[str]) -> None:
    """Wait until nodes take remote commands and their cluster manager runs: as far as /etc/inittab brings them.

    Raises:
        NotStarted: one of them does not within 30 seconds.
    """
    deadline = time.monotonic() + BOOT_PATIENCE
    for node in lab.lab_nodes():
        while node.name in names and not (
            power.process_table(lab, node.name).keys() >= BOOTED and _listens(node.addresses[0])
        ):
            if time.monotonic() > deadline:
                raise NotStarted(
                    f"{node.name} is on, but {' and '.join(sorted(BOOTED))} do not both run after {BOOT_PATIENCE:g} s; "
                    f"its console says why: {lab.root(node.name)}/dev/console"
                )
            time.sleep(BOOT_POLL)


def _listens(address: str) -> bool:
    try:
        socket.create_connection((address, CLCOMD_PORT), timeout=1).close()
    except OSError:
        return False
    return True


def down(lab: Lab) -> None:
    """Power off all nodes; their files stay."""
    power.halt(lab, list(lab.node_names))


def destroy(directory: str) -> None:
    """Power off and remove a lab, also one that was left half made. Call with the lab's lock held.

    Raises:
        NotRunning: the folder is not a lab's.
        LabError: something cannot be removed.
    """
    with file_errors(directory):
        nodes = os.path.join(directory, "nodes")
        # By the folders, not by lab.json: a lab whose description is damaged can be removed, too.
        power.halt_in(directory, os.listdir(nodes) if os.path.isdir(nodes) else [])
        # lab.json goes last but the lock: a destroy that was killed can be repeated.
        for name in ("nodes", "shared", KEY_FILE, LAB_FILE, LOCK_FILE):
            remove_tree(os.path.join(directory, name))
        for folder in (directory, os.path.dirname(directory)):
            try:
                os.rmdir(folder)
            except OSError:
                break
            if os.path.basename(os.path.dirname(directory)) != "haes":
                break


def is_lab_folder(directory: str) -> bool:
    """Whether ``destroy`` may remove it: a lab, or what a killed ``srcctl up`` or ``destroy`` left."""
    if exists(directory):
        return True
    try:
        found = set(os.listdir(directory))
    except OSError:
        return False
    return bool(found) and found <= {"nodes", "shared", KEY_FILE, LAB_FILE, LOCK_FILE}


def check_destroyable(directory: str) -> None:
    """Raise NotRunning unless there is something of a lab in ``directory``."""
    if not is_lab_folder(directory):
        raise NotRunning(f"there is no lab in {directory}")


def remove_tree(path: str) -> None:
    """Remove a file or a whole tree, whatever permissions its folders were left with.

    Raises:
        OSError: something cannot be removed.
    """
    try:
        is_directory = stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_directory:
        os.unlink(path)
        return
    for folder, names, _ in os.walk(path):
        for name in names:
            below = os.path.join(folder, name)
            if not os.path.islink(below):
                # An overlay's work folder has no permissions at all.
                os.chmod(below, 0o700)
    shutil.rmtree(path)


def _change_speed(lab: Lab, speed: float | None) -> None:
    if speed is None:
        return
    speed = min(speed, speed_cap(len(lab.description.nodes)))
    if speed == lab.description.speed:
        return
    if any(power.is_on(lab, name) for name in lab.node_names):
        raise LabError(f"this lab runs at speed {lab.description.speed:g}; 'srcctl down' before it can change")
    lab.description = msgspec.structs.replace(lab.description, speed=speed)
    with file_errors(lab.directory):
        seeding.change_speed(lab)
    lab.store()


def _check_room(directory: str) -> None:
    room = os.statvfs(directory)
    free = room.f_bavail * room.f_frsize
    if free < disks.ROOM_NEEDED:
        raise NoRoom(
            f"no room on the disk: {directory} has {free >> 20} MiB free, {disks.ROOM_NEEDED >> 20} are needed"
        )


def _neighbours(directory: str) -> list[str]:
    """The address blocks of the labs beside this one, powered off perhaps."""
    parent = os.path.dirname(directory)
    blocks = []
    with os.scandir(parent) as entries:
        for entry in entries:
            try:
                blocks.append(Lab.load(entry.path).description.block)
            except LabError:
                continue
    return blocks
