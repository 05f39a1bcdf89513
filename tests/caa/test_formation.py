"""What a run that was killed left of a cluster that it was to make, or of a node that it was to add."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from daemons.caa import client, commands, device, formation, message_security, multicast, replacement
from daemons.caa.client import CaaError
from daemons.caa.messages import Membership, Site, Status
from daemons.caa.repository import Commit, Definition, RepositoryDisk
from daemons.runtime.keys import store_cluster_key
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


def test_the_administrators_multicast_address_is_kept_and_told(here: Here) -> None:
    formation.make(here.root, "mycluster", NAMES, "hdisk1", multicast="228.100.1.9")
    made = here.disk.read_definition()
    assert made is not None
    assert made.multicast == "228.100.1.9"
    here.disk.write_definition(replace(made, sites=(Site("west", 1, "", ("nodeA",)), Site("east", 2, "", ("nodeB",)))))
    multicast.assign(here.root, "228.100.1.9", {"east": "228.100.1.10"})
    changed = here.disk.read_definition()
    assert changed is not None
    assert [site.multicast for site in changed.sites] == ["", "228.100.1.10"]
    assert here.told == NAMES
    here.told = []
    multicast.assign(here.root, "228.100.1.9", {"east": "228.100.1.10", "gone": "228.1.1.1"})
    assert here.told == [], "nothing has changed"
    for wrong in ("127.0.0.1", "240.0.0.1", "nonsense", "ff05::1"):
        with pytest.raises(CaaError, match="is not a multicast address"):
            multicast.assign(here.root, wrong, {})
    multicast.assign(here.root, "", {})
    changed = here.disk.read_definition()
    assert changed is not None
    assert (changed.multicast, [site.multicast for site in changed.sites]) == ("", ["", ""])


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


def test_a_shared_disk_keeps_the_number_of_its_name(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formation.replacement, "refusal", lambda root, disk: "")
    monkeypatch.setattr(formation, "tell_all", lambda root, definition: None)
    formation.make(here.root, "mycluster", NAMES, "hdisk1", ["hdisk5", "hdisk4"])

    def clustered() -> dict[str, int]:
        definition = here.disk.read_definition()
        assert definition is not None
        return definition.shared_disks

    assert clustered() == {"hdisk5": 1, "hdisk4": 2}
    formation.change_disks(here.root, ["hdisk6"], ["hdisk5"])
    assert clustered() == {"hdisk4": 2, "hdisk6": 1}, "the lowest that is free"
    formation.change_disks(here.root, ["hdisk2", "hdisk3"], [])
    assert clustered() == {"hdisk4": 2, "hdisk6": 1, "hdisk2": 3, "hdisk3": 4}


def test_the_nodes_own_disk_is_said_to_be_rootvgs(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "find_disk", lambda root, wanted: None)
    with pytest.raises(CaaError, match=r"^hdisk0 belongs to the volume group rootvg\.$"):
        formation.make(here.root, "mycluster", NAMES, "hdisk0")
    with pytest.raises(CaaError, match=r"^hdisk9 is not a disk of this node\.$"):
        formation.make(here.root, "mycluster", NAMES, "hdisk9")
    here.membership = member_of(DEFINITION)
    with pytest.raises(CaaError, match=r"^hdisk0 belongs to the volume group rootvg\.$"):
        formation.replace_repository(here.root, "hdisk0")


def test_a_node_finds_that_it_was_removed_while_it_was_off(here: Here) -> None:
    uuid = NODES[1].uuid
    assert replacement.removed_from(here.root, uuid) == "", "it holds no cluster's key"
    store_cluster_key(here.root, bytes.fromhex(DEFINITION.key))
    assert replacement.removed_from(here.root, uuid) == "", "a disk without a repository says nothing"
    here.disk.create(DEFINITION)
    assert replacement.removed_from(here.root, uuid) == ""
    without = replace(DEFINITION, nodes=NODES[:1])
    here.disk.write_definition(without)
    assert replacement.removed_from(here.root, uuid) == "mycluster"
    assert replacement.removed_from(here.root, "") == "", "it was no member"
    here.disk.write_definition(replace(without, key="11" * 32))
    assert replacement.removed_from(here.root, uuid) == "", "the disk is another cluster's by now"
    here.disk.write_definition(replace(without, nodes=(NODES[0], replace(NODES[1], uuid="new"))))
    assert replacement.removed_from(here.root, uuid) == "", "it is being taken in again"


@pytest.mark.parametrize("gone", [True, False])
def test_the_newest_repository_says_who_was_removed(here: Here, tmp_path: Path, gone: bool) -> None:
    """The repository was replaced while the node was off; the old disk comes back with what it knew."""
    with open(tmp_path / "disks/hdisk2", "wb") as file:
        file.truncate(512 << 20)
    store_cluster_key(here.root, bytes.fromhex(DEFINITION.key))
    without = replace(DEFINITION, nodes=NODES[:1])
    here.disk.create(DEFINITION if gone else without)
    newer = without if gone else DEFINITION
    RepositoryDisk(str(tmp_path), "hdisk2").create(replace(newer, epoch=DEFINITION.epoch + 1))
    assert replacement.removed_from(here.root, NODES[1].uuid) == ("mycluster" if gone else "")


def test_a_disk_that_cannot_be_read_may_hold_the_newest_repository(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    store_cluster_key(here.root, bytes.fromhex(DEFINITION.key))
    here.disk.create(replace(DEFINITION, nodes=NODES[:1]))

    def fails(disk: RepositoryDisk) -> Definition | None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(RepositoryDisk, "read_definition", fails)
    with pytest.raises(OSError, match="Input/output"):
        replacement.removed_from(here.root, NODES[1].uuid)


def test_a_forced_removal_ends_the_membership_of_a_node_that_was_off(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its repository is wiped already: there is no cluster on any disk that could tell it so."""
    left: list[bool] = []
    with open(tmp_path / "disks/hdisk2", "wb") as file:
        file.truncate(512 << 20)
    monkeypatch.setattr(NodeRoot, "current", lambda: here.root)
    monkeypatch.setattr(message_security, "leave", lambda root: left.append(True))
    monkeypatch.setattr(device, "ClusterDevice", lambda root: SimpleNamespace(disk="hdisk1"))
    assert commands.rmcluster(["rmcluster", "-r", "hdisk1"]) == 1, "not without -f"
    assert commands.rmcluster(["rmcluster", "-f", "-n", "mycluster"]) == 1
    assert commands.rmcluster(["rmcluster", "-f", "-r", "hdisk2"]) == 1, "that was not its repository"
    assert not left
    assert commands.rmcluster(["rmcluster", "-f", "-r", "hdisk1"]) == 0
    assert left == [True]
