"""Changes on one node follow one another, and are written as a whole."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from daemons.clmgr.transactions import transaction as transactions
from daemons.cluster.configuration import CHANGE_JOURNAL, DCD
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import OdmError, Repository, seed
from tests.clmgr.sample import IDENTITY, done, rich

ETC = Path(__file__).parents[2] / "etc" / "objrepos"


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    (tmp_path / "etc").mkdir()
    node = NodeRoot(str(tmp_path))
    identity = Identity("lab", "", "", "", "", "", "node1", 1, 1.0, "folder", "", IDENTITY.interfaces, IDENTITY.nodes)
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    seed.load(node, str(ETC))
    return node


def test_a_change_is_there_and_nothing_else(root: NodeRoot) -> None:
    assert transactions.read(root) is None
    with transactions.change(root) as transaction:
        base = transaction.base()
        assert [collection.name for collection in base.collections] == ["Configuration_Files", "HACMP_Files"]
        transaction.commit(done(base, "add", "cluster", "c", "NODES=node1,node2"))
    found = transactions.read(root)
    assert found is not None
    assert [node.name for node in found.nodes] == ["node1", "node2"]
    assert len(found.events) > 10
    assert found.collections[0].files[0] == "/etc/hosts"


def test_what_does_not_fit_changes_nothing(root: NodeRoot) -> None:
    with transactions.change(root) as transaction:
        transaction.commit(done(transaction.base(), "add", "cluster", "c", "NODES=node1,node2"))
    before = {name: Repository(root, DCD).get(name) for name in Repository(root, DCD).classes()}
    c = transactions.read(root)
    assert c is not None
    c = done(c, "add", "rg", "new", "NODES=node1")
    with transactions.change(root) as transaction, pytest.raises(OdmError):
        transaction.commit(done(c, "add", "method", "x", "TYPE=notify", "FILE=/a", "CONTACT=" + "x" * 100))
    assert {name: Repository(root, DCD).get(name) for name in before} == before


def test_a_change_that_was_cut_off_is_completed(root: NodeRoot) -> None:
    with transactions.change(root) as transaction:
        transaction.commit(done(transaction.base(), "add", "cluster", "c", "NODES=node1,node2"))
    c = transactions.read(root)
    assert c is not None
    for words in ("add rg one NODES=node1 MISC_DATA=x", "add rg two NODES=node2"):
        c = done(c, *words.split())
    from daemons.cluster import configuration as configurations

    objects = configurations.objects_of(c, "node1")
    # Killed between the journal and the last class: a resource whose group is not there yet.
    Path(root.path(CHANGE_JOURNAL)).write_text(json.dumps(objects))
    Repository(root, DCD).replace_all("HACMPresource", objects["HACMPresource"])
    found = transactions.read(root)
    assert found is not None
    assert [group.name for group in found.groups] == ["one", "two"]
    assert not Path(root.path(CHANGE_JOURNAL)).exists()


def test_changes_at_the_same_moment_are_all_kept(root: NodeRoot) -> None:
    with transactions.change(root) as transaction:
        transaction.commit(done(transaction.base(), "add", "cluster", "c", "NODES=node1,node2"))

    def add(number: int) -> None:
        with transactions.change(root) as change:
            assert change.configuration is not None
            change.commit(done(change.configuration, "add", "rg", f"rg{number}", "NODES=node1"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = transactions.read(root)
    assert found is not None
    assert sorted(group.name for group in found.groups) == [f"rg{number}" for number in range(8)]


def test_everything_fits_into_the_object_classes(root: NodeRoot) -> None:
    with transactions.change(root) as transaction:
        transaction.commit(rich())
    found = transactions.read(root)
    assert found is not None
    assert (found.groups, found.timers, found.methods) == (rich().groups, rich().timers, rich().methods)
