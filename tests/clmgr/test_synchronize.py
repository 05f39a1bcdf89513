"""A change that is made while a synchronization runs is neither lost nor committed unverified."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.synchronization import synchronize
from daemons.clmgr.transactions import transaction as transactions
from daemons.clmgr.verification import verify
from daemons.cluster import synchronization as sync
from daemons.cluster.configuration import CLASSES, DCD, Configuration, OdmObject
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import Repository, seed
from tests.clmgr.sample import IDENTITY, done

ETC = Path(__file__).parents[2] / "etc" / "objrepos"
Objects = dict[str, list[OdmObject]]


class Meanwhile:
    """A node whose synchronization goes as far as the commit; somebody changes the configuration in its course."""

    def __init__(self, root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.verified: list[Configuration] = []
        self.changes: list[tuple[str, ...]] = []
        self.taken: tuple[Configuration, Objects] | None = None
        monkeypatch.setattr(verify, "run", self.verify)
        monkeypatch.setattr(synchronize.caa, "status", lambda root: SimpleNamespace(membership=(), disk="hdisk1"))
        monkeypatch.setattr(
            synchronize.formation, "numbers", lambda root, names: {name: n for n, name in enumerate(names, 1)}
        )
        monkeypatch.setattr(synchronize.dare, "Dare", self.dare)

    def verify(self, root: NodeRoot, c: Configuration, *options: object) -> verify.Outcome:
        self.verified.append(c)
        if self.changes:
            self.change(*self.changes.pop(0))
        return verify.Outcome()

    def change(self, *words: str) -> None:
        with transactions.change(self.root) as transaction:
            transaction.commit(done(transaction.base(), *words))

    def dare(self, root: NodeRoot, c: Configuration, objects: Objects, *others: object) -> SimpleNamespace:
        self.taken = c, objects
        return SimpleNamespace(run=lambda: None)

    def configured(self) -> Configuration:
        found = transactions.read(self.root)
        assert found is not None
        return found

    def synchronize(self, verified: bool = True) -> None:
        synchronize.synchronize(self.root, self.configured(), False, verify.Options() if verified else None)


@pytest.fixture
def meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    (tmp_path / "etc").mkdir()
    root = NodeRoot(str(tmp_path))
    identity = Identity("lab", "", "", "", "", "", "node1", 1, 1.0, "folder", "", IDENTITY.interfaces, IDENTITY.nodes)
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    seed.load(root, str(ETC))
    made = Meanwhile(root, monkeypatch)
    made.change("add", "cluster", "c", "NODES=node1,node2")
    return made


def test_it_is_verified_and_synchronized_as_well(meanwhile: Meanwhile, capsys: pytest.CaptureFixture[str]) -> None:
    meanwhile.changes = [("add", "rg", "one", "NODES=node1"), ("add", "rg", "two", "NODES=node2")]
    meanwhile.synchronize()
    assert [len(c.groups) for c in meanwhile.verified] == [0, 1, 2]
    assert capsys.readouterr().out.count(synchronize.CHANGED) == 2
    assert meanwhile.taken is not None
    taken, objects = meanwhile.taken
    assert taken == meanwhile.configured(), "ids are given to what is there"
    assert ([node.id for node in taken.nodes], len(taken.groups)) == ([1, 2], 2)
    assert objects == {name: Repository(meanwhile.root, DCD).get(name) for name in CLASSES}


def test_without_verification_what_is_there_is_synchronized(meanwhile: Meanwhile) -> None:
    old = meanwhile.configured()
    meanwhile.change("add", "rg", "one", "NODES=node1")
    synchronize.synchronize(meanwhile.root, old, False, None)
    assert meanwhile.taken is not None
    assert [group.name for group in meanwhile.taken[0].groups] == ["one"]
    assert [group.name for group in meanwhile.configured().groups] == ["one"]


def test_a_cluster_that_was_deleted_meanwhile_is_none(meanwhile: Meanwhile) -> None:
    c = meanwhile.configured()
    with transactions.change(meanwhile.root) as transaction:
        transaction.replace({"HACMPcluster": []})
    with pytest.raises(ClmgrError, match="no cluster"):
        synchronize.synchronize(meanwhile.root, c, False, verify.Options())
    assert meanwhile.taken is None


def test_a_change_after_the_archive_was_made_stays_to_be_synchronized(meanwhile: Meanwhile) -> None:
    root = meanwhile.root
    meanwhile.synchronize()
    assert meanwhile.taken is not None
    _, objects = meanwhile.taken
    archive = sync.pack(Repository(root, DCD))
    meanwhile.change("add", "rg", "late", "NODES=node1")
    Repository(root, DCD).change("HACMPcluster", None, {"handle": 9})
    objects["HACMPcluster"] = Repository(root, DCD).get("HACMPcluster")
    sync.install(root, archive, 1, objects)
    assert [group.name for group in meanwhile.configured().groups] == ["late"]
    assert sync.has_unsynchronized_changes(root, archive)
    assert sync.installed_generation(root) == 1
    assert Repository(root, DCD).get("HACMPcluster")[0]["handle"] == 1, "what was wrong before is mended"
    sync.install(root, archive, 1)
    assert not meanwhile.configured().groups, "on another node it would not be"
