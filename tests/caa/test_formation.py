"""What a run that was killed left of a cluster that it was to make, or of a node that it was to add."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from daemons.caa import changes, client, commands, device, formation, message_security, multicast, replacement
from daemons.caa.client import CaaError
from daemons.caa.device import ClusterDevice
from daemons.caa.messages import Membership, Node, Site, Status
from daemons.caa.repository import NODES_MAX, Commit, Definition, RepositoryDisk, RepositoryError
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

    def tell(self, root: NodeRoot, node: str, what: str, disk: str = "", change: object = None) -> None:
        if node == self.refused:
            raise CaaError(f"{node}: it is off")
        if what == changes.JOIN:
            self.joined.append(node)
        elif what == changes.REREAD:
            self.told.append(node)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    here = Here(tmp_path)
    monkeypatch.setattr(client, "status", lambda root: Status(here.membership, "hdisk1"))
    monkeypatch.setattr(client, "find_disk", lambda root, wanted: wanted)
    monkeypatch.setattr(client, "is_stopped", lambda root: False)
    monkeypatch.setattr(client, "own_repository", lambda root: (here.disk, here.disk.read_definition()))
    monkeypatch.setattr(formation, "tell", here.tell)
    monkeypatch.setattr(formation, "on_node", lambda *words: None)
    monkeypatch.setattr(message_security, "hand_over", lambda root, name: None)
    return here


def member_of(definition: Definition) -> Membership:
    return Membership(
        1, 2, tuple(node.number for node in definition.nodes), definition.nodes, (), True, definition.name, ""
    )


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


def test_a_node_of_another_cluster_makes_none(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in which CAA was only stopped: the node came back to neither of the two."""
    with open(tmp_path / "disks/hdisk2", "wb") as file:
        file.truncate(512 << 20)
    monkeypatch.setattr(ClusterDevice, "node_uuid", NODES[1].uuid)
    monkeypatch.setattr(client, "is_stopped", lambda root: True)
    here.disk.create(DEFINITION)
    second = RepositoryDisk(str(tmp_path), "hdisk2")
    with pytest.raises(CaaError, match=r"^this node is a member of the cluster mycluster already\.$"):
        formation.make(here.root, "second", NAMES, "hdisk2")
    assert second.read_definition() is None
    assert replacement.other_cluster(here.root, NODES[1].uuid, DEFINITION.uuid) == "", "the one that is meant"
    here.disk.erase()
    formation.make(here.root, "second", NAMES, "hdisk2")
    assert here.joined == NAMES, "a cluster without a repository is no more"


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        (["nodeA", "nodeB", "nodeA"], "nodeA is named more than once."),
        ([f"node{number}" for number in range(17)], "a cluster has at most 16 nodes."),
        (["nodeA", "nodeX"], "nodeX is not a node that this one knows"),
    ],
)
def test_who_cannot_be_the_nodes_of_a_cluster(here: Here, members: list[str], complaint: str) -> None:
    with pytest.raises(CaaError, match=complaint):
        formation.make(here.root, "mycluster", members, "hdisk1")
    assert here.joined == []
    assert here.disk.read_definition() is None


def test_the_administrators_multicast_address_is_kept_and_told(here: Here) -> None:
    formation.make(here.root, "mycluster", NAMES, "hdisk1", multicast="228.100.1.9")
    here.membership = member_of(DEFINITION)
    made = here.disk.read_definition()
    assert made is not None
    assert made.multicast == "228.100.1.9"
    here.disk.write_definition(replace(made, sites=(Site("west", 1, "", ("nodeA",)), Site("east", 2, "", ("nodeB",)))))
    formation.change_definition(here.root, multicast.assigned("228.100.1.9", {"east": "228.100.1.10"}))
    changed = here.disk.read_definition()
    assert changed is not None
    assert [site.multicast for site in changed.sites] == ["", "228.100.1.10"]
    assert here.told == NAMES
    here.told = []
    groups = {"east": "228.100.1.10", "gone": "228.1.1.1"}
    formation.change_definition(here.root, multicast.assigned("228.100.1.9", groups))
    assert here.told == [], "nothing has changed"
    for wrong in ("127.0.0.1", "240.0.0.1", "nonsense", "ff05::1"):
        with pytest.raises(CaaError, match="is not a multicast address"):
            formation.change_definition(here.root, multicast.assigned(wrong, {}))
    formation.change_definition(here.root, multicast.assigned("", {}))
    changed = here.disk.read_definition()
    assert changed is not None
    assert (changed.multicast, [site.multicast for site in changed.sites]) == ("", ["", ""])


def test_a_node_that_cannot_join_is_written_down_nowhere(here: Here) -> None:
    here.disk.create(DEFINITION)
    here.membership, here.refused = member_of(DEFINITION), "nodeC"
    with pytest.raises(CaaError, match="nodeC: it is off"):
        formation.add_node(here.root, "nodeC")
    left = here.disk.read_definition()
    assert left is not None
    assert (left.nodes, left.highest_number) == (NODES, 3), "its number is not given to another one"
    assert [(node.number, node.name) for node in left.former] == [(3, "nodeC")]


def test_a_node_of_which_nobody_was_told_is_added_all_the_same(here: Here) -> None:
    here.disk.create(DEFINITION)
    here.membership = member_of(DEFINITION)
    formation.add_node(here.root, "nodeC")
    added = here.disk.read_definition()
    assert added is not None
    here.joined, here.told = [], []
    formation.add_node(here.root, "nodeC")
    assert (here.joined, here.told) == (["nodeC"], NAMES), "those that are up"
    assert here.disk.read_definition() == added
    here.membership = member_of(added)
    with pytest.raises(CaaError, match="already"):
        formation.add_node(here.root, "nodeC")


def test_a_node_of_whose_removal_nobody_was_told_is_removed_all_the_same(here: Here) -> None:
    here.disk.create(replace(DEFINITION, nodes=NODES[1:]))
    here.membership = member_of(DEFINITION)
    formation.remove_node(here.root, "nodeA")
    assert "nodeB" in here.told
    here.membership = member_of(replace(DEFINITION, nodes=NODES[1:]))
    with pytest.raises(CaaError, match="not a node of the cluster"):
        formation.remove_node(here.root, "nodeA")


def test_a_shared_disk_keeps_the_number_of_its_name(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formation.replacement, "refusal", lambda root, disk: "")
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


def test_a_node_that_comes_back_is_the_one_that_it_was(here: Here) -> None:
    here.disk.create(DEFINITION)
    here.membership = member_of(DEFINITION)
    formation.add_node(here.root, "nodeC")
    first = here.disk.read_definition()
    assert first is not None
    here.membership = member_of(first)
    formation.remove_node(here.root, "nodeC")
    here.membership = member_of(DEFINITION)
    formation.add_node(here.root, "nodeC")
    again = here.disk.read_definition()
    assert again is not None
    assert again.nodes == first.nodes, "number and uuid: it may not even have heard that it was out"
    assert again.former == ()


def test_numbers_last_for_the_life_of_a_cluster() -> None:
    """Sixteen nodes at most have numbers that fit the areas of the repository disk, however often nodes change."""
    definition = DEFINITION
    for count in range(40):
        definition = changes.with_node(definition, f"other{count}", lambda n: Node(n, "other", f"u{n}", ()), "")
        assert definition.nodes[-1].number <= NODES_MAX
        definition = changes.without_node(definition, "other")
    numbers = [node.number for node in definition.former]
    assert sorted(numbers) == list(range(3, NODES_MAX + 1))
    crowd = tuple(Node(number, f"n{number}", "u", ()) for number in range(1, NODES_MAX + 1))
    with pytest.raises(CaaError, match="at most 16"):
        changes.with_node(replace(DEFINITION, nodes=crowd, highest_number=NODES_MAX), "more", lambda n: crowd[0], "")


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


def test_two_changes_at_once_do_not_undo_each_other(here: Here) -> None:
    here.disk.create(DEFINITION)
    here.membership = member_of(DEFINITION)
    change = changes.add("nodeC", "hdisk1", lambda number: Node(number, "nodeC", "u3", ()))
    assert isinstance(next(change), changes.Read)
    effect = change.send(changes.Numbered(*here.disk.read_numbered()))
    assert isinstance(effect, changes.Write)
    formation.remove_node(here.root, "nodeA")
    with pytest.raises(RepositoryError, match="meanwhile"):
        here.disk.write_definition(*effect)
    found = here.disk.read_definition()
    assert found is not None
    assert [node.name for node in found.nodes] == ["nodeB"]


def test_a_node_that_only_a_killed_run_knows_of_is_told_to_the_others_when_it_joins(here: Here) -> None:
    """One that does not know it is in no contact with it, so that the newcomer would halt."""
    here.disk.create(DEFINITION)
    here.membership = member_of(DEFINITION)
    formation.complete_node(here.root, "nodeB", reached=False)
    assert (here.joined, here.told) == ([], NAMES), "it joins when it boots"
    formation.complete_node(here.root, "nodeB")
    assert here.joined == ["nodeB"]


def test_the_numbers_of_nodes_are_known_before_they_join(here: Here) -> None:
    here.disk.create(replace(DEFINITION, highest_number=5, former=(Node(4, "nodeC", "u4", ()),)))
    assert formation.numbers(here.root, ["nodeX", "nodeC", *NAMES]) == {
        **{node.name: node.number for node in NODES}, "nodeC": 4, "nodeX": 6
    }  # fmt: skip
