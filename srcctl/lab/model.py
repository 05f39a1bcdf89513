"""The lab: which nodes there are, their addresses, and where everything lies on the host."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from srcctl.lab.errors import LabError, NotRunning, UnknownName, file_errors
from srcctl.node.root import LabNode, replace_file
from srcctl.node.selection import ALL

LAB_FILE = "lab.json"
KEY_FILE = "key"
KEY_BYTES = 32
LOCK_FILE = "lock"
NODES_MAX = 16
NETWORKS_MAX = 4
ADDRESSES_PER_NETWORK = 64
FIRST_SERVICE_ADDRESS = 33
"""Host part, inside its network's 64 addresses, of the first service label."""
LOCK_ATTEMPTS = 1000
NETMASK = "255.255.255.192"
SHARED_DIRECTORIES = ("disks", "addresses", "reservations", "opened", "fences", "power")


class Network(msgspec.Struct, frozen=True):
    """A network of the lab: every node has interface ``interface`` on it."""

    name: str
    interface: str


class Node(msgspec.Struct, frozen=True):
    """A node: its number counts from 1."""

    name: str
    number: int


class LabDescription(msgspec.Struct, frozen=True, kw_only=True):
    """``lab.json``: fixed when the lab is made, except ``speed``.

    ``mode`` is "view" or "folder", ``mode_reason`` says why a folder; ``block`` is the first three bytes of all of
    the lab's addresses ("127.77.3"); ``software`` is how much of it the nodes have.
    """

    id: str
    mode: str
    mode_reason: str
    speed: float
    block: str
    networks: tuple[Network, ...]
    nodes: tuple[Node, ...]
    software: str = ALL


class Lab:
    """A lab in a folder of the host.

    Args:
        directory: the lab's folder, absolute.
        description: the contents of its ``lab.json``.
    """

    def __init__(self, directory: str, description: LabDescription) -> None:
        self.directory = directory
        self.description = description

    @classmethod
    def load(cls, directory: str) -> Lab:
        """Read the lab in ``directory``.

        Raises:
            NotRunning: there is none.
            LabError: its ``lab.json`` is damaged or cannot be read.
        """
        path = os.path.join(directory, LAB_FILE)
        try:
            with open(path, "rb") as file:
                return cls(directory, msgspec.json.decode(file.read(), type=LabDescription))
        except (FileNotFoundError, NotADirectoryError):
            raise NotRunning(f"there is no lab in {directory}; 'srcctl up' makes one") from None
        except msgspec.DecodeError as error:
            raise LabError(f"{path} is damaged: {error}") from None
        except OSError as error:
            raise LabError(f"{path}: {error.strerror}") from None

    def store(self) -> None:
        """Write ``lab.json``, atomically."""
        data = msgspec.json.format(msgspec.json.encode(self.description), indent=1) + b"\n"
        with file_errors(self.directory):
            replace_file(self.path(LAB_FILE), data)

    def path(self, *names: str) -> str:
        """A path in the lab's folder."""
        return os.path.join(self.directory, *names)

    @property
    def shared(self) -> str:
        """The folder that every node of the lab sees."""
        return self.path("shared")

    @property
    def node_names(self) -> tuple[str, ...]:
        """All nodes, in order."""
        return tuple(node.name for node in self.description.nodes)

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            UnknownName: the lab has no such node.
        """
        for node in self.description.nodes:
            if node.name == name:
                return node
        raise UnknownName(f"there is no node {name!r} in this lab; it has {', '.join(self.node_names)}")

    def network(self, name: str) -> Network:
        """The network of that name (an interface's name is understood too).

        Raises:
            UnknownName: the lab has no such network.
        """
        for network in self.description.networks:
            if name in (network.name, network.interface):
                return network
        names = ", ".join(network.name for network in self.description.networks)
        raise UnknownName(f"there is no network {name!r} in this lab; it has {names}")

    def root(self, node: str) -> str:
        """The node's root folder on the host."""
        return self.path("nodes", node, "root")

    def work(self, node: str) -> str:
        """The node's overlay work folder (view mode)."""
        return self.path("nodes", node, "work")

    def mark(self, node: str) -> str:
        """The marker that every process of the node carries in its environment (``HAES_MARK``)."""
        return f"{self.description.id}/{node}"

    def lab_nodes(self) -> tuple[LabNode, ...]:
        """All nodes with their boot addresses, as a node's identity lists them."""
        networks = range(len(self.description.networks))
        return tuple(
            LabNode(
                node.name, node.number, tuple(boot_address(self.description.block, k, node.number) for k in networks)
            )
            for node in self.description.nodes
        )


def boot_address(block: str, network: int, node: int) -> str:
    """The boot address of node number ``node`` (from 1) on network ``network`` (from 0)."""
    return f"{block}.{network * ADDRESSES_PER_NETWORK + node}"


def service_address(block: str, network: int, number: int) -> str:
    """The address of service label ``number`` (from 0) on network ``network`` (from 0)."""
    return f"{block}.{network * ADDRESSES_PER_NETWORK + FIRST_SERVICE_ADDRESS + number}"


def default_directory(environment: dict[str, str] | None = None) -> str:
    """Where the default lab lives: the user's state folder (XDG base directory specification).

    Raises:
        LabError: the user has no home.
    """
    environment = dict(os.environ) if environment is None else environment
    state = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        home = environment.get("HOME", "")
        if not home:
            try:
                home = pwd.getpwuid(os.geteuid()).pw_dir
            except KeyError:
                raise LabError("this user has no home directory; name a lab with --lab DIR") from None
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, "haes", "default")


def speed_cap(nodes: int) -> float:
    """The highest speed of a lab with so many nodes.

    At speed 1 each node sends one heartbeat a second to every other on each network; sending and receiving one costs
    about 100 microseconds, and all of them together shall stay under a quarter of a core. 50 bounds small labs too: a
    failure that the product detects in half a minute must not be faster than the host's scheduler hiccups.
    """
    return min(50.0, 2500.0 / max(1, nodes * (nodes - 1)))


def _open_lock(path: str, power_off: bool) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS or not power_off:
            raise
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def locked(directory: str, *, create: bool = False, power_off: bool = False) -> Iterator[None]:
    """Hold the lab's lock: one ``srcctl`` at a time makes, powers or removes a lab.

    The lock is a file in the lab's folder, so that nothing is left when the lab is destroyed; whoever waited for a
    lab that was destroyed meanwhile starts over with a new folder. To ``power_off`` works on a read-only disk.

    Raises:
        NotRunning: there is no lab (and ``create`` is false).
        LabError: the folder cannot be made or written.
    """
    path = os.path.join(directory, LOCK_FILE)
    for attempt in range(LOCK_ATTEMPTS):
        with file_errors(directory):
            try:
                if create:
                    os.makedirs(directory, mode=0o700, exist_ok=True)
                descriptor = _open_lock(path, power_off)
            except (FileNotFoundError, FileExistsError, NotADirectoryError):
                if not create:
                    raise NotRunning(f"there is no lab in {directory}; 'srcctl up' makes one") from None
                if attempt == LOCK_ATTEMPTS - 1:
                    raise
                # A destroy removes the folder in this very moment; or a file is in the way, and stays.
                continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _same_file(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)
    raise LabError(f"{directory} is removed again and again by another program")


def _same_file(descriptor: int, path: str) -> bool:
    held = os.fstat(descriptor)
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)
