"""Operations on the cluster: a name that is given must be its own, and what takes no name refuses one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.clmgr import commands, journal
from daemons.clmgr.cspoc import accounts
from daemons.clmgr.errors import ClmgrError
from daemons.clmgr.operations import dispatch
from daemons.clmgr.storage import blocks, changing, file_systems, volume_groups
from daemons.clmgr.syntax.grammar import Request
from daemons.clmgr.transactions import changes, preparation
from daemons.cluster.configuration import Configuration, CustomMethod, NotifyMethod
from srcctl.node.root import NodeRoot
from srcctl.storage.filesystems import is_mount_point
from tests.clmgr.sample import DISKS, HERE, IDENTITY, asked, sample


def node_at(folder: str) -> NodeRoot:
    found = NodeRoot(folder)
    found._identity = IDENTITY
    return found


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> NodeRoot:
    """A node whose configuration is the sample; what would be done to it fails the test."""
    found = node_at("/nowhere")
    for module in (preparation, dispatch):
        monkeypatch.setattr(module, "defined", lambda root: sample())
    return found


@pytest.mark.parametrize(
    "words",
    ["online cluster other", "stop cluster other WHEN=now MANAGE=offline", "sync cluster other", "verify cluster other",
     "recover cluster other", "manage cluster unlock other", "manage cluster reset other"],
)  # fmt: skip
def test_another_cluster_is_not_operated_on(root: NodeRoot, words: str) -> None:
    with pytest.raises(ClmgrError, match='"other" does not appear to exist!') as refused:
        commands._carry_out(root, asked(*words.split()))
    assert refused.value.code == 2


def test_what_takes_no_name_refuses_one(root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemons.clmgr.transactions.transaction.read", lambda root: sample())
    for words in ("manage node undo_changes node1", "manage logs collect hacmp.out", "discover vg datavg"):
        with pytest.raises(ClmgrError, match="takes no name") as refused:
            commands._carry_out(root, asked(*words.split()))
        assert refused.value.code == 4
    for words in ("discover cluster other", "discover pv NODES=node1,node9"):
        with pytest.raises(ClmgrError, match="does not appear to exist!") as refused:
            commands._carry_out(root, asked(*words.split()))
        assert refused.value.code == 2


def test_methods_are_verified_by_name_by_kind_or_all(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("node")
    good, bad = folder / "good", folder / "bad"
    good.touch(0o755)
    bad.touch(0o644)
    c = replace(
        sample(),
        methods=(CustomMethod(name="check", kind="verify", program="/good"),),
        notify_methods=(NotifyMethod(name="call", program="/bad"),),
    )
    node = node_at(str(folder))
    dispatch._verify_methods(node, asked("verify", "method", "TYPE=verify"), c)
    dispatch._verify_methods(node, asked("verify", "method", "check"), c)
    for words in (["ALL"], [], ["call"], ["TYPE=notify"]):
        with pytest.raises(ClmgrError, match='"/bad" of "call" is not executable') as refused:
            dispatch._verify_methods(node, asked("verify", "method", *words), c)
        assert refused.value.code == 5
    with pytest.raises(ClmgrError, match='"call" does not appear'):
        dispatch._verify_methods(node, asked("verify", "method", "call", "TYPE=snapshot"), c)


def test_selectors_of_storage_are_checked_and_abbreviated() -> None:
    request = asked("query", "pv", "TY=Free", "NODES=node1")
    assert (blocks._selector(request, "TYPE"), blocks._selector(request, "NODES")) == ("free", "node1")
    assert request.attributes == {}
    with pytest.raises(ClmgrError) as refused:
        blocks._selector(asked("query", "hosts", "TYPE=tall"), "TYPE")
    assert refused.value.code == 4


def test_no_password_stands_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "var/hacmp/log").mkdir(parents=True)
    node = node_at(str(tmp_path))
    for words in (
        ["add", "user", "x", "PASSWORD=secret word"],
        ["add", "user", "x", "pass=secret"],
        ["-M", "-", "add user x PASSWORD=secret\nquery user x"],
        ["-", "add user x PASSWORD='secret' ID=7"],
    ):
        journal.Entry(node, words).close(0)
    text = (tmp_path / "var/hacmp/log/clutils.log").read_text()
    assert "secret" not in text
    assert "clmgr add user x PASSWORD=********\n" in text
    journal.Entry(node, ["add", "ac", "x", "STARTSCRIPT=/a b"]).close(0)
    assert "STARTSCRIPT=/a b\n" in (tmp_path / "var/hacmp/log/clutils.log").read_text()


def test_a_cluster_is_not_deleted_on_other_nodes_than_were_named(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "defined", lambda root: sample())
    for words, code in (("NODES=node2", 4), ("NODES=node9", 2), ("other", 2)):
        with pytest.raises(ClmgrError) as refused:
            changes.change(root, asked("delete", "cluster", *words.split()))
        assert refused.value.code == code


def test_the_active_repository_of_a_synchronized_cluster_is_replaced_and_not_modified(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed: list[Configuration] = []

    class Transaction:
        configuration = sample()

        def commit(self, changed: Configuration) -> None:
            committed.append(changed)

    monkeypatch.setattr(changes, "begin", lambda root: contextlib.nullcontext(Transaction()))
    monkeypatch.setattr(changes, "surroundings", lambda root: HERE)
    monkeypatch.setattr(changes, "_in_caa", lambda root: True)
    monkeypatch.setattr("daemons.clmgr.storage.repositories.usable", lambda *words: None)
    with pytest.raises(ClmgrError, match="replace repository") as refused:
        changes.change(root, asked("modify", "cluster", "REPOSITORIES=hdisk2"))
    assert (refused.value.code, committed) == (4, [])
    changes.change(root, asked("modify", "cluster", "REPOSITORIES=hdisk1,hdisk2"))
    assert committed[0].backup_repositories == (DISKS["hdisk2"],)
    monkeypatch.setattr(changes, "_in_caa", lambda root: False)
    changes.change(root, asked("modify", "cluster", "REPOSITORIES=hdisk2"))
    assert committed[1].repository == DISKS["hdisk2"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("add cluster NODES=node1", "add cluster cluster_node1 NODES=node1"),
        ("Add Cl mine", "Add Cl mine"),
        ("query cluster", "query cluster"),
        ("add cluster -h", "add cluster -h"),
        ("fly cluster", "fly cluster"),
    ],
)
def test_clvt_is_clmgr_with_another_name_for_a_new_cluster(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch, words: str, expected: str
) -> None:
    done: list[list[str]] = []
    monkeypatch.setattr(commands, "_logged", lambda root, words, transaction: done.append(words) or 0)
    monkeypatch.setattr(commands.NodeRoot, "current", lambda: root)
    assert commands.clvt(["clvt", *words.split()]) == 0
    assert done == [expected.split()]
    assert commands.clvt(["clvt", "add"]) == 1


@pytest.mark.parametrize("name", ["/a b", "/", "a", "//a", "/a/../b", "/a/", "/a\n/b", "/a:b", "/a=b", "/é", "/a,b"])
def test_a_path_that_can_be_no_mount_point_is_none(name: str) -> None:
    assert not is_mount_point(name)
    request = Request(action="add", class_name="file_system", names=[name], attributes={"VOLUME_GROUP": "datavg"})
    with pytest.raises(ClmgrError, match="invalid characters") as refused:
        file_systems.add_file_system(node_at("/nowhere"), request, None)
    assert refused.value.code == 4
    assert is_mount_point("/share/app-1_x.y")


@pytest.mark.parametrize("name", ["é", "-lv", "lv/1", "a" * 16, "lv 1"])
def test_names_of_volumes_are_plain(name: str) -> None:
    with pytest.raises(ClmgrError, match="invalid characters"):
        volume_groups.shared_name(Request(class_name="logical_volume", names=[name]))


def test_a_node_that_is_not_there_is_said_before_anything_else(
    root: NodeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ("online node node9", "offline node node1,node9"):
        with pytest.raises(ClmgrError, match='"node9" does not appear to exist!') as refused:
            commands._carry_out(root, asked(*words.split()))
        assert refused.value.code == 2
    assert capsys.readouterr() == ("", "")


def test_storage_is_not_spread_to_nodes_that_there_are_not(root: NodeRoot) -> None:
    for words in ("add vg x PHYSICAL_VOLUMES=hdisk3 NODES=node1,node9", "modify pv hdisk3 QUEUE_DEPTH=3 NODES=node9"):
        with pytest.raises(ClmgrError, match='"node9" does not appear to exist!') as refused:
            changing.change(root, asked(*words.split()), sample())
        assert refused.value.code == 2


def test_of_several_accounts_all_are_deleted_or_none(root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[str]] = []
    monkeypatch.setattr(accounts, "ids", lambda root, kind, nodes: {node: {"here": 7, "there": 8} for node in nodes})
    monkeypatch.setattr(accounts, "on_account_nodes", lambda root, nodes, command, data=b"": done.append(command) or [])
    for words, code in (
        ("delete user here,nobody", 2),
        ("delete group there,a:b", 4),
        ("add user one,two", 3),
        ("modify user here,there SHELL=/bin/sh", 3),
        ("add user here", 4),
    ):
        with pytest.raises(ClmgrError) as refused:
            accounts.change(root, asked(*words.split()), sample())
        assert (refused.value.code, done) == (code, []), words
    accounts.change(root, asked("delete", "user", "here,there"), sample())
    assert done == [["rmuser", "-p", "here"], ["rmuser", "-p", "there"]]
