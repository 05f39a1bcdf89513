"""A node that missed a synchronization, above all one that was taken out of its cluster without being told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa import client as caa
from daemons.caa import kept_commit, message_security
from daemons.caa.device import ClusterDevice
from daemons.clconfd import installation, persistent_labels
from daemons.cluster import configuration as configurations
from daemons.cluster import synchronization as sync
from daemons.cluster.configuration import CHANGE_JOURNAL, CHANGE_LOCK, DCD, Configuration
from daemons.cluster.synchronization import repair, staging
from srcctl.node.locks import locked
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import Repository, seed
from tests.caa.test_repository import DEFINITION, NODES
from tests.cluster.test_configuration import SAMPLE

ETC = Path(__file__).parents[2] / "etc" / "objrepos"
SMALLER = replace(
    SAMPLE,
    nodes=SAMPLE.nodes[:1],
    labels=tuple(label for label in SAMPLE.labels if label.node != "node2"),
    groups=tuple(replace(group, nodes=("node1",)) for group in SAMPLE.groups),
)


class Node:
    """node2 of the sample cluster, on generation 1 of its configuration; its repository is on a shared disk."""

    def __init__(self, folder: Path) -> None:
        for directory in ("disks", "etc"):
            (folder / directory).mkdir()
        with open(folder / "disks/hdisk1", "wb") as file:
            file.truncate(512 << 20)
        identity = Identity("lab", str(folder), "", "", "", "", "node2", 2, 1.0, "folder", "", (), ())
        (folder / "etc/lpar.json").write_text(identity.text())
        self.root = NodeRoot(str(folder))
        seed.load(self.root, str(ETC))
        self.disk = caa.RepositoryDisk(str(folder), "hdisk1")
        self.disk.create(DEFINITION)
        sync.install(self.root, self.commit(1, SAMPLE), 1)

    def commit(self, generation: int, configuration: Configuration) -> bytes:
        """Commit a configuration, as another node would; this one has what it had."""
        before = self.classes()
        repository = Repository(self.root, DCD)
        configurations.store(repository, configuration, "node1")
        archive = sync.pack(repository)
        for name, objects in before.items():
            repository.replace_all(name, objects)
        self.disk.commit(caa.Commit(generation, self.disk.store_archive(generation, archive), "node1", 0))
        return archive

    def classes(self) -> dict[str, list[configurations.OdmObject]]:
        return {name: Repository(self.root, DCD).get(name) for name in configurations.CLASSES}

    def is_configured(self) -> bool:
        return bool(Repository(self.root, DCD).get("HACMPcluster"))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path)
    monkeypatch.setattr(caa, "repository", lambda root: made.disk)
    monkeypatch.setattr(installation, "services_active", lambda root: False)
    monkeypatch.setattr(persistent_labels, "configure", lambda root: None)
    return made


def inactive(root: NodeRoot) -> caa.RepositoryDisk:
    raise caa.CaaError(caa.INACTIVE)


@pytest.mark.parametrize("half", [False, True])
def test_it_forgets_the_configuration_when_it_boots(node: Node, monkeypatch: pytest.MonkeyPatch, half: bool) -> None:
    monkeypatch.setattr(caa, "repository", inactive)
    with pytest.raises(caa.CaaError):
        installation.bring_in_step(node.root)
    assert node.is_configured(), "the cluster has it still"
    if half:
        sync.mark_incomplete(node.root)
    node.commit(2, SMALLER)
    with pytest.raises(installation.Removed):
        installation.bring_in_step(node.root)
    assert not node.is_configured()
    assert sync.installed_generation(node.root) == 0
    with pytest.raises(caa.CaaError):
        installation.bring_in_step(node.root)


@pytest.mark.parametrize("what", ["another cluster", "no cluster", "defined only"])
def test_what_says_nothing_of_this_node_takes_nothing_from_it(
    node: Node, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(caa, "repository", inactive)
    if what == "another cluster":
        node.commit(2, replace(SMALLER, cluster=replace(SMALLER.cluster, id=4711)))
    elif what == "no cluster":  # rmcluster: the definition is kept for the next synchronization
        node.disk.erase()
    else:
        node.commit(2, SMALLER)
        sync.mark_none(node.root)
    with pytest.raises(caa.CaaError):
        installation.bring_in_step(node.root)
    assert node.is_configured()


@pytest.mark.parametrize("told", [False, True])
def test_one_that_runs_leaves_caa_as_well(node: Node, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """Its clcomd did not answer: CAA goes on there until somebody looks at the repository."""
    left: list[str] = []
    monkeypatch.setattr(message_security, "leave", lambda root: left.append(root.identity.node))
    node.commit(2, SMALLER)
    node.disk.write_definition(replace(DEFINITION, nodes=NODES[:1]) if told else replace(
        DEFINITION, nodes=(NODES[0], replace(NODES[1], name="node2"))
    ))  # fmt: skip
    with pytest.raises(installation.Removed):
        installation.bring_in_step(node.root)
    assert not node.is_configured()
    assert left == (["node2"] if told else []), "the synchronization has not come to that yet"


def test_one_that_is_being_taken_in_again_waits_for_that(node: Node) -> None:
    node.commit(2, SMALLER)
    staging.lock(node.root, "node1", 3)
    assert installation.bring_in_step(node.root) == 1, "what it has, which is not what is committed"
    assert node.is_configured()
    assert staging.read(node.root) is not None


def test_one_that_was_not_taken_in_after_all_gives_the_lock_back(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The synchronization that was to do it was killed, and another one went on without this node."""
    monkeypatch.setattr(caa, "repository", inactive)
    installation.forget(node.root)
    staging.lock(node.root, "node1", 3)
    with pytest.raises(caa.CaaError):
        installation.bring_in_step(node.root)
    assert staging.read(node.root) is not None, "it may go on"
    monkeypatch.setattr(staging.Lock, "age", lambda lock, root: repair.LOCK_LIFE)
    with pytest.raises(caa.CaaError):
        installation.bring_in_step(node.root)
    assert staging.read(node.root) is None


@pytest.mark.parametrize("removed", [False, True])
def test_a_change_that_was_interrupted_is_not_completed_on_top_of_a_synchronization(node: Node, removed: bool) -> None:
    journal = Path(node.root.path(CHANGE_JOURNAL))
    journal.write_text("{}")
    node.commit(2, SMALLER if removed else replace(SAMPLE, groups=()))
    if removed:
        installation.forget(node.root)
    else:
        assert installation.bring_in_step(node.root) == 2
    assert not journal.exists()


def test_an_installation_waits_for_a_change_under_way(node: Node) -> None:
    node.commit(2, replace(SAMPLE, groups=()))
    with locked(node.root.path(CHANGE_LOCK)):
        thread = threading.Thread(target=installation.bring_in_step, args=(node.root,))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert sync.installed_generation(node.root) == 1
    thread.join(20)
    assert sync.installed_generation(node.root) == 2


def test_what_is_installed_is_kept_as_long_as_the_node_is_a_member(node: Node) -> None:
    archive = node.commit(2, replace(SAMPLE, groups=()))
    assert installation.bring_in_step(node.root) == 2
    assert kept_commit.kept(node.root, DEFINITION.uuid) == (node.disk.read_commit(), archive)
    ClusterDevice(node.root).forget()
    assert not Path(node.root.path(kept_commit.FILE)).exists(), "a private key may be in it"
