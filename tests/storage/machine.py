"""Nodes for tests of the operating system's commands: a node's folder with its object classes, and shared disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from srcctl.devices.configuration import configure_new_node
from srcctl.node import inventory, powerlock
from srcctl.node.root import Identity, Interface, LabNode, NodeRoot
from srcctl.node.seed import files_of
from srcctl.odm import seed

ETC = Path(__file__).parents[2] / "etc"
GOLDEN = Path(__file__).parents[1] / "golden"
DISK_BYTES = 64 << 20
Run = Callable[..., tuple[int, str, str]]


def entries(*maps: str) -> dict[str, list[str]]:
    """Module and function of every command of some program maps, by the command's name."""
    lines = [line for name in maps for line in (ETC / "programs" / name).read_text().splitlines()]
    return {
        line.split()[0].rpartition("/")[2]: line.split()[1].split(":") for line in lines if not line.startswith("#")
    }


def golden(name: str) -> str:
    """What a golden file expects; its first line says who has seen it."""
    witness, _, text = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    assert witness.startswith(("# witness: ", "# inferred")), name
    return text


class Node:
    """A node's folder, and the lock that says that it lives.

    ``template`` is a folder of object classes that is copied, so that not every test loads them anew.
    """

    def __init__(self, base: Path, name: str, template: Path, disk_bytes: int = DISK_BYTES) -> None:
        shared = base / "shared"
        for folder in (shared / "disks", shared / "power", base / name / "dev", base / name / "var/run"):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(template / "etc", base / name / "etc", symlinks=True)
        shutil.copytree(template / "usr", base / name / "usr", symlinks=True)
        for part in ("lib/nls", "lpp"):
            shutil.copytree(ETC / "usr" / part, base / name / "usr" / part)
        for disk in ("hdisk1", "hdisk2", "hdisk3"):
            with open(shared / "disks" / disk, "ab") as file:
                file.truncate(disk_bytes)
        self.name, self.boot = name, f"{name}-first-life"
        number = int(name.removeprefix("node"))
        interfaces = (
            Interface("en0", "net_ether_01", f"127.8.8.{number}", "255.255.255.0"),
            Interface("en1", "net_ether_02", f"127.8.9.{number}", "255.255.255.0"),
        )
        others = tuple(LabNode(f"node{n}", n, (f"127.8.8.{n}", f"127.8.9.{n}")) for n in (1, 2))
        identity = Identity(
            "lab", str(shared), "", "", "", "", name, number, 1.0, "folder", self.boot, interfaces, others
        )
        self.root = NodeRoot(str(base / name))
        (base / name / "etc/lpar.json").write_text(identity.text())
        (base / name / "etc/hostname").write_text(name)
        hosts = [f"{node.addresses[0]}\t{node.name}\n{node.addresses[1]}\t{node.name}_en1\n" for node in others]
        (base / name / "etc/hosts").write_text("127.0.0.1\tlocalhost loopback\n" + "".join(hosts))
        os.utime(base / name / "etc/hostname", (1_700_000_000, 1_700_000_000))
        (base / name / "etc/filesystems").write_text((ETC / "filesystems").read_text())
        configure_new_node(self.root, str(shared))
        self.power = shared / "power" / name
        self.lock = -1
        self.boot_up()

    def boot_up(self) -> None:
        self.lock = os.open(self.power, os.O_RDWR | os.O_CREAT)
        assert powerlock.take(self.lock)
        os.write(self.lock, f"{self.boot} {os.getpid()}\n".encode())

    def die(self) -> None:
        os.close(self.lock)


def make_template(directory: Path) -> Path:
    """The object classes of a fresh node."""
    seed.load(NodeRoot(str(directory)), str(ETC / "objrepos"))
    inventory.record(NodeRoot(str(directory)), str(ETC), files_of(str(ETC), "view"))
    return directory
