"""The node root: product paths (``/etc/objrepos``) become real paths in exactly one place.

In view mode a node runs under a root of its own and the two are the same; in folder mode the node's root is a folder
of the host, named by ``HAES_ROOT`` in the environment of every process of the node.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

IDENTITY_FILE = "/etc/lpar.json"


class IdentityError(Exception):
    """This process does not run on a node, or the node's identity file is damaged."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of this node."""

    name: str
    network: str
    address: str
    netmask: str


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node of the lab: its name, its number (from 1) and its boot addresses, one per network, in network order."""

    name: str
    number: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is: the contents of ``/etc/lpar.json``, written when the node is seeded and at each boot."""

    lab_id: str
    lab: str
    key: str
    code: str
    python: str
    site: str
    node: str
    number: int
    speed: float
    mode: str
    boot_id: str
    interfaces: tuple[Interface, ...]
    nodes: tuple[LabNode, ...]

    @classmethod
    def parse(cls, text: str | bytes) -> Identity:
        """Parse the identity file's text.

        Raises:
            IdentityError: the text is not a complete identity.
        """
        try:
            value = json.loads(text)
            return cls(
                lab_id=str(value["lab_id"]),
                lab=str(value["lab"]),
                key=str(value["key"]),
                code=str(value["code"]),
                python=str(value["python"]),
                site=str(value["site"]),
                node=str(value["node"]),
                number=int(value["number"]),
                speed=float(value["speed"]),
                mode=str(value["mode"]),
                boot_id=str(value.get("boot_id", "")),
                interfaces=tuple(
                    Interface(str(i["name"]), str(i["network"]), str(i["address"]), str(i["netmask"]))
                    for i in value["interfaces"]
                ),
                nodes=tuple(
                    LabNode(str(n["name"]), int(n["number"]), tuple(str(a) for a in n["addresses"]))
                    for n in value["nodes"]
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise IdentityError(f"{IDENTITY_FILE} is damaged: {error!r}") from None

    def text(self) -> str:
        """The identity as the text of its file."""
        value = {
            "lab_id": self.lab_id,
            "lab": self.lab,
            "key": self.key,
            "code": self.code,
            "python": self.python,
            "site": self.site,
            "node": self.node,
            "number": self.number,
            "speed": self.speed,
            "mode": self.mode,
            "boot_id": self.boot_id,
            "interfaces": [
                {"name": i.name, "network": i.network, "address": i.address, "netmask": i.netmask}
                for i in self.interfaces
            ],
            "nodes": [{"name": n.name, "number": n.number, "addresses": list(n.addresses)} for n in self.nodes],
        }
        return json.dumps(value, indent=1) + "\n"

    def node_by_name(self, name: str) -> LabNode | None:
        """The lab's node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def node_by_number(self, number: int) -> LabNode | None:
        """The lab's node of that number, or None."""
        return next((node for node in self.nodes if node.number == number), None)


class NodeRoot:
    """A node's file tree, addressed by product paths.

    Args:
        directory: the real folder that is the node's ``/`` (``"/"`` itself inside a view).
    """

    __slots__ = ("__dict__", "directory")

    def __init__(self, directory: str = "/") -> None:
        self.directory = directory.rstrip("/")

    @classmethod
    def current(cls, environment: Mapping[str, str] | None = None) -> NodeRoot:
        """The root of the node that this process runs on."""
        environment = os.environ if environment is None else environment
        return cls(environment.get("HAES_ROOT") or "/")

    def path(self, product_path: str) -> str:
        """The real path of an absolute product path such as ``/etc/objrepos``."""
        return self.directory + product_path

    def product_path(self, real_path: str) -> str:
        """The product path of a real path below this root (or the path itself if it lies elsewhere)."""
        if self.directory and real_path.startswith(self.directory + "/"):
            return real_path[len(self.directory) :]
        return real_path

    @cached_property
    def identity(self) -> Identity:
        """Who this node is.

        Raises:
            IdentityError: the identity file is missing or damaged, so this is no node.
        """
        try:
            with open(self.path(IDENTITY_FILE), encoding="utf-8") as file:
                return Identity.parse(file.read())
        except OSError as error:
            raise IdentityError(f"{self.path(IDENTITY_FILE)}: {error.strerror}") from None

    def __repr__(self) -> str:
        return f"NodeRoot({self.directory or '/'!r})"


def replace_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Replace a file atomically: a reader sees the old or the new contents, never a part.

    Raises:
        OSError: the folder cannot be written; the old file is untouched.
    """
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        raise
