"""What a run that was killed left of a cluster that it was to make, or of a node that it was to add."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa import client, formation, message_security
from daemons.caa.client import CaaError
from daemons.caa.messages import Membership, Status
from daemons.caa.repository import Commit, Definition, RepositoryDisk
from srcctl.node.root import Identity, LabNode, NodeRoot
from tests.caa.test_repository import DEFINITION, NODES

NAMES = ["nodeA", "nodeB"]


class Here:
    """This node, nodeB, with a shared disk and what was asked of CAA on the nodes."""

    def __init__(self, folder: Path) -> None:
        (folder / "disks").mkdir()
        with open(folder / "disks/hdisk1", "wb") as file:
            file.truncate(512 << 20)
        (folder / "etc").mkdir()
        nodes = tuple(LabNode(name, n, (f"127.3.207.{n}",)) for n, name in enumerate([*NAMES, "nodeC"], 1))
        identity = Identity("lab", str(folder), "", "", "", "", "nodeB", 2, 1.0, "folder", "", (), nodes)
        (folder / "etc/lpar.json").write_text(identity.text())
        self.root = NodeRoot(str(folder))
        self.disk = RepositoryDisk(str(folder), "hdisk1")
        self.joined: list[str] = []
        self.told: list[str] = []
        self.membership: Membership | None = None
        self.refused = ""

    def join(self, root: NodeRoot, node: str, disk: str, change: object = None) -> None:
        if node == self.refused:
            raise CaaError(f"{node}: it is off")
        self.joined.append(node)

    def tell(self, root: NodeRoot, definition: Definition) -> list[str]:
        self.told = [node.name for node in definition.nodes]
        return []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    here = Here(tmp_path)
    monkeypatch.setattr(client, "status", lambda root: Status(here.membership, "hdisk1"))
    monkeypatch.setattr(client, "find_disk", lambda root, wanted: wanted)
    monkeypatch.setattr(client, "is_stopped", lambda root: False)
    monkeypatch.setattr(client, "repository", lambda root: here.disk)
    monkeypatch.setattr(formation, "join_node", here.join)
    monkeypatch.setattr(formation, "tell_live", here.tell)
    monkeypatch.setattr(formation, "on_node", lambda *words: None)
    monkeypatch.setattr(message_security, "hand_over", lambda root, name: None)
    return here


def member_of(definition: Definition) -> Membership:
    return Membership(1, 2, (1, 2), definition.nodes, (), True, definition.name, "")


def test_a_cluster_that_was_only_begun_is_completed(here: Here) -> None:
    here.disk.create(DEFINITION)
    formation.make(here.root, "mycluster", NAMES, "hdisk1")
    assert here.joined == NAMES
    assert here.disk.read_definition() == DEFINITION, "who had joined already is in the same cluster"


@pytest.mark.parametrize("what", ["another name", "other nodes", "committed", "stopped"])
def test_a_repository_of_another_cluster_is_left_alone(here: Here, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here.disk.create(DEFINITION)
    if what == "committed":
        here.disk.commit(Commit(1, here.disk.store_archive(1, b"configuration"), "nodeA", 0))
    if what == "stopped":
        monkeypatch.setattr(client, "is_stopped", lambda root: True)
    name = "other" if what == "another name" else "mycluster"
    with pytest.raises(CaaError, match=r"^hdisk1 is the repository of a cluster\.$"):
        formation.make(here.root, name, [*NAMES, "nodeC"] if what == "other nodes" else NAMES, "hdisk1")
    assert here.joined == []
    assert here.disk.read_definition() == DEFINITION


def test_a_node_that_cannot_join_is_written_down_nowhere(here: Here) -> None:
    here.disk.create(DEFINITION)
    here.membership, here.refused = member_of(DEFINITION), "nodeC"
    with pytest.raises(CaaError, match="nodeC: it is off"):
        formation.add_node(here.root, "nodeC")
    assert here.disk.read_definition() == replace(DEFINITION, highest_number=3), "its number is not given again"


def test_a_node_of_which_nobody_was_told_is_added_all_the_same(here: Here) -> None:
    here.disk.create(DEFINITION)
    here.membership = member_of(DEFINITION)
    formation.add_node(here.root, "nodeC")
    added = here.disk.read_definition()
    assert added is not None
    here.joined, here.told = [], []
    formation.add_node(here.root, "nodeC")
    assert (here.joined, here.told) == (["nodeC"], [*NAMES, "nodeC"])
    assert here.disk.read_definition() == added
    here.membership = member_of(added)
    with pytest.raises(CaaError, match="already"):
        formation.add_node(here.root, "nodeC")


def test_a_node_of_whose_removal_nobody_was_told_is_removed_all_the_same(here: Here) -> None:
    here.disk.create(replace(DEFINITION, nodes=NODES[1:]))
    here.membership = member_of(DEFINITION)
    formation.remove_node(here.root, "nodeA")
    assert here.told == ["nodeB"]
    here.membership = member_of(replace(DEFINITION, nodes=NODES[1:]))
    with pytest.raises(CaaError, match="not a node of the cluster"):
        formation.remove_node(here.root, "nodeA")


def test_the_nodes_own_disk_is_said_to_be_rootvgs(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "find_disk", lambda root, wanted: None)
    with pytest.raises(CaaError, match=r"^hdisk0 belongs to the volume group rootvg\.$"):
        formation.make(here.root, "mycluster", NAMES, "hdisk0")
    with pytest.raises(CaaError, match=r"^hdisk9 is not a disk of this node\.$"):
        formation.make(here.root, "mycluster", NAMES, "hdisk9")
    here.membership = member_of(DEFINITION)
    with pytest.raises(CaaError, match=r"^hdisk0 belongs to the volume group rootvg\.$"):
        formation.replace_repository(here.root, "hdisk0")
