"""Two nodes' folders, and clcomd on the second."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from daemons.clcomd.service import Clcomd
from srcctl.node.root import Identity, Interface, LabNode, NodeRoot

KEY = b"k" * 32


def free_block() -> str:
    """Addresses that no other test uses now."""
    return f"127.{os.getpid() % 200 + 30}.{int.from_bytes(os.urandom(1), 'big') % 250 + 1}"


class Node:
    """A node's folder with what clcomd needs of it."""

    def __init__(self, base: Path, block: str, port: int, number: int) -> None:
        self.directory = base / f"node{number}"
        for folder in ("etc/cluster", "etc/es/objrepos", "var/hacmp/clcomd", "tmp"):
            (self.directory / folder).mkdir(parents=True)
        (base / "shared").mkdir(exist_ok=True)
        (base / "key").write_bytes(KEY)
        (self.directory / "etc/services").write_text(f"clcomd_caa {port}/tcp\n")
        self.address = f"{block}.{number}"
        nodes = tuple(LabNode(f"node{n}", n, (f"{block}.{n}",)) for n in (1, 2))
        identity = Identity(
            "lab", str(base / "shared"), str(base / "key"), "", "", "", f"node{number}", number, 10.0, "folder", "",
            (Interface("en0", "net_ether_01", self.address, "255.255.255.0"),), nodes,
        )  # fmt: skip
        (self.directory / "etc/lpar.json").write_text(identity.text())
        self.rhosts(f"{block}.1", f"{block}.2")
        self.root = NodeRoot(str(self.directory))

    def rhosts(self, *lines: str, mode: int = 0o600) -> None:
        path = self.directory / "etc/cluster/rhosts"
        path.write_text("".join(f"{line}\n" for line in lines))
        path.chmod(mode)

    def log(self) -> str:
        return (self.directory / "var/hacmp/clcomd/clcomd.log").read_text()


@pytest.fixture
async def pair(tmp_path: Path):  # type: ignore[no-untyped-def]
    block = free_block()
    with socket.socket() as probe:
        probe.bind((f"{block}.1", 0))
        port = probe.getsockname()[1]
    first, second = Node(tmp_path, block, port, 1), Node(tmp_path, block, port, 2)
    daemon = Clcomd([], second.root)
    daemon.setpriv = None
    await daemon.start()
    daemon.setpriv = None
    yield first, second, daemon, port
    await daemon.stop(False)
    # A session ends after its client and its command, a moment after a test has seen both gone.
    deadline = time.monotonic() + 20
    while daemon.sessions or daemon.knocking:
        assert time.monotonic() < deadline, "every session ends"
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)


@pytest.fixture
def pair_root(tmp_path: Path) -> NodeRoot:
    """A node's root with nothing but its folders."""
    return Node(tmp_path, free_block(), 16191, 1).root
