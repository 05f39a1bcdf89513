"""What CAA sees around it: every change once, and of the node that it concerns."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa.surroundings import Change, Surroundings
from srcctl.network import registry
from srcctl.network.addresses import AddressRegistry
from srcctl.network.faults import Faults
from srcctl.node.root import Identity, LabNode, NodeRoot
from srcctl.storage.volume_groups import VolumeGroups
from tests.caa.test_repository import DEFINITION

CLUSTER = replace(DEFINITION, shared_disks={"hdisk4": 3})
MASK = "255.255.255.0"


def identity(folder: Path, node: str) -> Identity:
    nodes = tuple(LabNode(name, n, (f"127.3.207.{n}",)) for n, name in enumerate(("nodeA", "nodeB"), 1))
    return Identity("lab", str(folder), "", "", "", f"life of {node}", node, 1, 1.0, "folder", "", (), nodes)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    monkeypatch.setattr(registry, "is_alive", lambda *life: True)
    monkeypatch.setattr(VolumeGroups, "name_of", lambda groups, disk: disk)
    monkeypatch.setattr(VolumeGroups, "known_on", lambda groups, disk: "datavg" if disk == "hdisk5" else "")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/lpar.json").write_text(identity(tmp_path, "nodeA").text())
    (tmp_path / "disks").mkdir()
    return Surroundings(NodeRoot(str(tmp_path)), Faults(str(tmp_path)))


def test_a_clustered_disk_fails_for_every_node_that_is_up(tmp_path: Path, seen: Surroundings) -> None:
    assert seen.changes(CLUSTER, (1, 2)) == []
    Faults(str(tmp_path)).set_disk("hdisk4", failed=True)
    Faults(str(tmp_path)).set_disk("hdisk5", failed=True)
    assert seen.changes(CLUSTER, (1, 2)) == [
        Change("DISK_DOWN", 1, "cldisk3"),
        Change("DISK_DOWN", 2, "cldisk3"),
        Change("VG_DOWN", 1, "hdisk5", ("VG_NAME=datavg",)),
    ]
    assert seen.changes(CLUSTER, (1, 2)) == []
    Faults(str(tmp_path)).set_disk("hdisk4", failed=False)
    assert seen.changes(CLUSTER, (1,)) == [Change("DISK_UP", 1, "cldisk3")]


def test_an_address_is_of_the_node_that_has_it(tmp_path: Path, seen: Surroundings) -> None:
    addresses = AddressRegistry(str(tmp_path))
    assert seen.changes(CLUSTER, (1, 2)) == []
    addresses.configure(identity(tmp_path, "nodeB"), "en0", "127.3.207.40", MASK)
    details = ("FAMILY=2", "ADDRESS=0x7F03CF28", "NETMASK=0xFFFFFF00")
    assert seen.changes(CLUSTER, (1, 2)) == [Change("ADDRESS_ADD", 2, "en0", details)]
    assert seen.changes(CLUSTER, (1, 2)) == []
    assert seen.live_aliases(CLUSTER, (1, 2)) == (("nodeB", "en0", "127.3.207.40", MASK),)
    assert seen.changes(CLUSTER, (1,)) == [], "what a node had goes with it"
    assert seen.live_aliases(CLUSTER, (1,)) == ()
    assert seen.changes(CLUSTER, (1, 2)) == [], "what it has when it comes is no news"
    addresses.remove(identity(tmp_path, "nodeB"), "127.3.207.40")
    addresses.configure(identity(tmp_path, "nodeA"), "en0", "127.3.207.40", MASK)
    assert seen.changes(CLUSTER, (1, 2)) == [
        Change("ADDRESS_ADD", 1, "en0", details),
        Change("ADDRESS_DELETE", 2, "en0", details),
    ]
