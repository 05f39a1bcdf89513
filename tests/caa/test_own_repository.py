"""A node follows the repository of its cluster, wherever that is by now, whatever nobody has told it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa.own_repository import LOOKS_BETWEEN, Changed, Joins, OwnRepository, Refused, Removed
from daemons.caa.repository import Commit, RepositoryDisk, RepositoryError
from srcctl.storage.disk import Disk
from tests.caa.test_repository import DEFINITION, NODES

DISKS = ["hdisk1", "hdisk3", "hdisk10"]
KEY = DEFINITION.key


class Attached(Disk):
    """A disk as a node sees it."""

    def __init__(self, lab: Lab, name: str, node: str) -> None:
        super().__init__(str(lab.folder), name)
        self._lab, self._node = lab, node

    def _open(self) -> int:
        if (self._node, self.name) in self._lab.lost:
            raise OSError(errno.EIO, "Input/output error", self.name)
        return super()._open()


class Lab:
    """Shared disks, of which some can be lost for one node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost: set[tuple[str, str]] = set()
        self.kept: dict[str, tuple[Commit, bytes]] = {}
        (folder / "disks").mkdir()
        for name in DISKS:
            with open(folder / "disks" / name, "wb") as file:
                file.truncate(64 << 20)

    def disk(self, name: str, node: str = "") -> RepositoryDisk:
        return RepositoryDisk("", name, Attached(self, name, node))

    def node(self, name: str, disk: str = "hdisk1") -> OwnRepository:
        made = OwnRepository(name, lambda: DISKS, lambda wanted: self.disk(wanted, name), lambda _: self.kept.get(name))
        if disk:
            assert made.begin(disk) is not None
        return made

    def lose(self, disk: str, *nodes: str) -> None:
        self.lost |= {(node, disk) for node in nodes}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path)
    lab.disk("hdisk1").create(DEFINITION)
    return lab


def commit(lab: Lab, disk: str, generation: int, archive: bytes) -> Commit:
    repository = lab.disk(disk)
    made = Commit(generation, repository.store_archive(generation, archive), "nodeA", 1)
    repository.commit(made)
    return made


def test_a_node_that_nobody_told_takes_up_what_was_written(lab: Lab) -> None:
    node = lab.node("nodeB")
    assert node.look() is None
    newer = replace(DEFINITION, shared_disks={"hdisk2": 1})
    lab.disk("hdisk1").write_definition(newer)
    assert node.look() == Changed(newer)
    assert node.look() is None
    lab.disk("hdisk1").write_definition(replace(newer, nodes=NODES[:1]))
    assert node.look() == Removed("mycluster")


def test_a_lost_repository_is_written_anew_with_what_was_committed(lab: Lab) -> None:
    made = commit(lab, "hdisk1", 7, b"configuration")
    node = lab.node("nodeA")
    node.look()
    lab.lose("hdisk1", "nodeA", "nodeB")
    with pytest.raises(OSError, match=r"Input/output|not the repository"):
        node.look()
    assert not node.usable
    news = node.replace("hdisk3")
    assert isinstance(news, Changed)
    assert (news.definition.epoch, news.moved_from, node.name) == (1, "hdisk1", "hdisk3")
    assert lab.disk("hdisk3").read_commit() == made, "the generation goes on where it was"
    assert lab.disk("hdisk3").read_archive(made) == b"configuration"
    other = OwnRepository("nodeB", lambda: DISKS, lambda wanted: lab.disk(wanted, "nodeB"), lambda _: None)
    lab.lost.clear()
    assert other.begin("hdisk1") is not None, "the old one is back"
    assert isinstance(other.look(newest_epoch=1), Changed), "a heartbeat tells that it is old"
    assert other.name == "hdisk3"


def test_who_is_not_told_of_a_replacement_finds_that_the_old_disk_is_wiped(lab: Lab) -> None:
    one, other = lab.node("nodeA"), lab.node("nodeB")
    one.replace("hdisk3")
    assert not lab.disk("hdisk1").is_repository()
    assert isinstance(other.look(), Changed)
    assert other.name == "hdisk3"


def test_a_repository_whose_maker_died_before_it_told_is_found_in_time(lab: Lab) -> None:
    """Between the new repository and the end of the old one there are two."""
    node = lab.node("nodeB")
    lab.disk("hdisk3").create(replace(DEFINITION, epoch=1))
    looks = [node.look() for _ in range(LOOKS_BETWEEN)]
    assert [news for news in looks if news is not None] == [Changed(replace(DEFINITION, epoch=1), "hdisk1")]


def test_a_lost_repository_is_replaced_once(lab: Lab) -> None:
    """Two halves of a cluster that lose the disk: the second one finds what the first has made."""
    one, other = lab.node("nodeA"), lab.node("nodeB")
    lab.lose("hdisk1", "nodeA", "nodeB")
    one.replace("hdisk10")
    with pytest.raises(RepositoryError, match="replaced by hdisk10 already"):
        other.replace("hdisk3")
    assert isinstance(other.look(), Changed)
    assert other.name == "hdisk10"


def test_of_two_that_were_made_at_once_one_stays(lab: Lab) -> None:
    lab.disk("hdisk10").create(replace(DEFINITION, epoch=1))
    unaware = lab.node("nodeB", "hdisk10")
    lab.disk("hdisk3").create(replace(DEFINITION, epoch=1))
    node = lab.node("nodeA", "hdisk1")
    assert node._rivals(DEFINITION, "hdisk3") == ["hdisk10"]
    lab.disk("hdisk10").erase()
    assert isinstance(unaware.look(), Changed)
    assert unaware.name == "hdisk3"


def test_what_was_committed_behind_the_back_of_a_replacement_is_brought_along(lab: Lab) -> None:
    commit(lab, "hdisk1", 1, b"first")
    loser, other = lab.node("nodeA"), lab.node("nodeB")
    loser.look(), other.look()
    lab.lose("hdisk1", "nodeA")
    made = commit(lab, "hdisk1", 2, b"second")
    other.look()
    loser.replace("hdisk3")
    assert lab.disk("hdisk3").read_commit() != made, "who wrote it could not know"
    other.look(newest_epoch=1)
    assert lab.disk("hdisk3").read_commit() == made
    assert lab.disk("hdisk3").read_archive(made) == b"second"


def test_nothing_is_committed_to_a_disk_that_was_replaced(lab: Lab) -> None:
    node = lab.node("nodeA")
    node.confirm("hdisk1")
    lab.disk("hdisk3").create(replace(DEFINITION, epoch=1))
    with pytest.raises(RepositoryError, match="not the repository of the cluster any more"):
        node.confirm("hdisk1")
    lab.disk("hdisk1").erase()
    with pytest.raises(RepositoryError, match="not the repository of the cluster any more"):
        lab.disk("hdisk1").store_archive(3, b"lost")


def test_a_synchronization_holds_a_replacement_off(lab: Lab) -> None:
    node, writer = lab.node("nodeA"), lab.disk("hdisk1")
    assert writer.lock()
    with pytest.raises(RepositoryError, match="a synchronization uses hdisk1"):
        node.replace("hdisk3")
    assert not lab.disk("hdisk3").is_repository()
    writer.close()
    node.replace("hdisk3")


def test_an_older_repository_that_is_back_is_no_repository(lab: Lab) -> None:
    """Neither for a node that knew the newer one, nor beside others that use it."""
    boots = lab.node("nodeB", "")
    assert boots.at_boot(KEY, 0) == Joins("hdisk1")
    assert isinstance(boots.at_boot(KEY, 1), Refused)
    node = lab.node("nodeB")
    with pytest.raises(OSError, match=r"Input/output|not the repository"):
        node.look(newest_epoch=1)
    assert not node.usable, "no heartbeat goes there, and none is read"
    with pytest.raises(RepositoryError, match="cannot be read here"):
        node.replace("hdisk3")


def test_at_boot_the_newest_repository_says_who_was_removed(lab: Lab) -> None:
    boots = lab.node("nodeB", "")
    assert isinstance(boots.at_boot("11" * 32, 0), Refused), "the disk is another cluster's"
    lab.disk("hdisk3").create(replace(DEFINITION, nodes=NODES[:1], epoch=1))
    assert boots.at_boot(KEY, 0) == Removed("mycluster")
    lab.lose("hdisk10", "nodeB")
    assert isinstance(boots.at_boot(KEY, 0), Refused), "a disk that cannot be read may hold a newer one"
    lab.disk("hdisk3").erase()
    assert boots.at_boot(KEY, 0) == Joins("hdisk1")


def lost_after_a_commit(lab: Lab, installed_on: str) -> tuple[OwnRepository, OwnRepository, Commit]:
    """Two nodes whose CAA has not read the last commit when the disk is lost; one has installed it."""
    commit(lab, "hdisk1", 6, b"before")
    node, other = lab.node("nodeA"), lab.node("nodeB")
    node.look()
    other.look()
    made = commit(lab, "hdisk1", 7, b"configuration")
    lab.kept[installed_on] = made, b"configuration"
    lab.lose("hdisk1", "nodeA", "nodeB")
    return node, other, made


def test_a_repository_lost_right_after_a_commit_is_written_anew_with_it(lab: Lab) -> None:
    """No look of CAA came between, but the node has installed the configuration."""
    node, _, made = lost_after_a_commit(lab, "nodeA")
    assert isinstance(node.replace("hdisk3"), Changed)
    assert lab.disk("hdisk3").read_commit() == made
    assert lab.disk("hdisk3").read_archive(made) == b"configuration"


@pytest.mark.parametrize("boots", [False, True])
def test_who_has_installed_a_commit_brings_it_to_a_repository_that_lacks_it(lab: Lab, boots: bool) -> None:
    node, other, made = lost_after_a_commit(lab, "nodeB")
    node.replace("hdisk3")
    assert lab.disk("hdisk3").read_commit() != made, "nodeA never knew"
    busy = lab.disk("hdisk3")
    assert busy.lock(), "a synchronization uses it"
    if boots:
        other.close()
        assert other.begin("hdisk3") is not None
    other.look()
    assert lab.disk("hdisk3").read_commit() != made
    busy.close()
    other.look()
    assert lab.disk("hdisk3").read_commit() == made
    node.look()
    assert lab.disk("hdisk3").read_archive(made) == b"configuration"
    assert node.replace("hdisk10") is not None
    assert lab.disk("hdisk10").read_commit() == made
