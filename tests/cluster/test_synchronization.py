"""Ids are the output of synchronization; verification names what is wrong."""

from __future__ import annotations

import os
import subprocess
import time
import zlib
from pathlib import Path

import msgspec
import pytest

from daemons.cluster import configuration as configurations
from daemons.cluster import synchronization as sync
from daemons.cluster.configuration import Configuration
from daemons.cluster.synchronization import staging
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import Repository, seed
from tests.cluster.test_configuration import SAMPLE

ETC = Path(__file__).parents[2] / "etc" / "objrepos"
FRESH = msgspec.structs.replace(
    SAMPLE,
    cluster=msgspec.structs.replace(
        SAMPLE.cluster, last_node_ids=(), highest_node_id=0, last_network_ids=(), highest_network_id=0
    ),
    nodes=tuple(msgspec.structs.replace(node, id=0) for node in SAMPLE.nodes),
)


def ids(c: Configuration) -> dict[str, int]:
    return {node.name: node.id for node in c.nodes}


def test_ids_are_given_once_in_the_order_of_definition() -> None:
    first = sync.assign_ids(FRESH)
    assert ids(first) == {"node1": 1, "node2": 2}
    assert sync.assign_ids(first) == first
    assert first.cluster.last_node_ids == (1, 2)


def test_ids_edited_by_hand_go_back_and_freed_ones_are_not_used_again() -> None:
    first = sync.assign_ids(FRESH)
    edited = msgspec.structs.replace(
        first, nodes=tuple(msgspec.structs.replace(node, id=node.id + 5) for node in first.nodes)
    )
    assert ids(sync.assign_ids(edited)) == {"node1": 1, "node2": 2}
    without = sync.assign_ids(msgspec.structs.replace(first, nodes=first.nodes[1:]))
    assert ids(without) == {"node2": 2}
    added = msgspec.structs.replace(without, nodes=(*without.nodes, configurations.Node(name="node3")))
    assert ids(sync.assign_ids(added)) == {"node2": 2, "node3": 3}


def test_ids_are_the_numbers_of_the_caa_cluster_where_there_is_one() -> None:
    """Group Services know a node by its number: the cluster manager must mean the same node by it."""
    first = sync.assign_ids(FRESH)
    three = msgspec.structs.replace(first, nodes=(*first.nodes, configurations.Node(name="node3")))
    stored = sync.assign_ids(three, {"node1": 1, "node2": 2, "node3": 3})
    # Number 3 was given in vain: what the node was to get is stored with the configuration, and does not count.
    numbers = {"node1": 1, "node2": 2, "node3": 5}
    again = sync.assign_ids(stored, numbers)
    assert (ids(again), again.cluster.last_node_ids, again.cluster.highest_node_id) == (numbers, (1, 2, 5), 5)
    # One that comes back has its number again, which is not the next one.
    without = sync.assign_ids(msgspec.structs.replace(again, nodes=again.nodes[1:]), {"node2": 2, "node3": 5})
    back = msgspec.structs.replace(without, nodes=(*without.nodes, configurations.Node(name="node1")))
    assert ids(sync.assign_ids(back, numbers)) == numbers


def node(tmp_path: Path, name: str) -> NodeRoot:
    directory = tmp_path / name
    (directory / "etc").mkdir(parents=True)
    root = NodeRoot(str(directory))
    identity = Identity("lab", "", "", "", "", "", name, 1, 1.0, "folder", "", (), ())
    (directory / "etc/lpar.json").write_text(identity.text())
    seed.load(root, str(ETC))
    return root


def test_an_archive_is_installed_as_each_node_sees_it_and_again_without_harm(tmp_path: Path) -> None:
    source, target = node(tmp_path, "node1"), node(tmp_path, "node2")
    configurations.store(Repository(source, configurations.DCD), SAMPLE, "node1")
    archive = sync.pack(Repository(source, configurations.DCD))
    for _ in range(2):
        sync.install(target, archive, 7)
        repository = Repository(target, configurations.DCD)
        assert configurations.load(repository) == configurations.load(Repository(source, configurations.DCD))
        assert repository.get("HACMPcluster")[0]["nodename"] == "node2"
        assert sync.installed_generation(target) == 7
    assert not sync.has_unsynchronized_changes(target, archive)
    repository.change("HACMPserver", None, {"start": "/other"})
    assert sync.has_unsynchronized_changes(target, archive)
    assert sync.has_unsynchronized_changes(target, None)


def test_the_same_configuration_of_two_nodes_is_no_change(tmp_path: Path) -> None:
    archives = []
    for name in ("node1", "node2"):
        root = node(tmp_path, name)
        configurations.store(Repository(root, configurations.DCD), SAMPLE, name)
        archives.append(sync.pack(Repository(root, configurations.DCD)))
    assert archives[0] != archives[1], "HACMPcluster names the node"
    assert not sync.differ(*archives)
    Repository(root, configurations.DCD).change("HACMPcluster", None, {"clverhour": 5})
    assert sync.differ(archives[0], sync.pack(Repository(root, configurations.DCD)))


def test_a_number_of_the_cluster_before_does_not_count(tmp_path: Path) -> None:
    """A cluster that is made anew counts from 1 again: its first generation would pass as installed."""
    source, target = node(tmp_path, "node1"), node(tmp_path, "node2")
    configurations.store(Repository(source, configurations.DCD), SAMPLE, "node1")
    archive = sync.pack(Repository(source, configurations.DCD))
    sync.install(target, archive, 1)
    checksum = zlib.crc32(archive)
    assert sync.installed_generation(target, checksum) == 1
    assert sync.installed_generation(target, checksum + 1) == 0
    assert sync.installed_generation(target) == 1
    sync.mark_none(target)
    assert sync.installed_generation(target, checksum) == 0
    sync.mark_none(target)


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"[]", b"\xff", b'{"HACMPcluster": []}'])
def test_rubbish_is_no_archive(rubbish: bytes) -> None:
    with pytest.raises(sync.ArchiveError):
        sync.unpack(rubbish)


def test_an_interrupted_installation_is_known_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = node(tmp_path, "node1")
    configurations.store(Repository(root, configurations.DCD), SAMPLE, "node1")
    archive = sync.pack(Repository(root, configurations.DCD))
    other = node(tmp_path, "node2")
    assert not sync.half_installed(other), "it was never synchronized"
    replaced: list[str] = []
    original = Repository.replace_all

    def killed(self: Repository, name: str, objects: list[dict[str, str | int]]) -> None:
        if len(replaced) == 2:
            raise OSError(28, "No space left on device")
        replaced.append(name)
        original(self, name, objects)

    monkeypatch.setattr(Repository, "replace_all", killed)
    with pytest.raises(OSError, match="No space"):
        sync.install(other, archive, 3)
    assert sync.half_installed(other)
    assert sync.installed_generation(other) == 0
    monkeypatch.undo()
    sync.install(other, archive, 3)
    assert not sync.half_installed(other)
    assert sync.installed_generation(other) == 3


def test_the_clock_on_the_wall_ends_no_synchronization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = node(tmp_path, "node1")
    staging.lock(root, "node2", 7)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    held = staging.read(root)
    assert held is not None
    assert held.age(root) < 60
    earlier = staging.Lock("node2", 7, held.since, boot="another life")
    assert earlier.age(root) == float("inf")


def test_what_a_killed_process_has_left_goes_with_the_next_lock(tmp_path: Path) -> None:
    root = node(tmp_path, "node1")
    folder = Path(root.path(configurations.SCD)).parent
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    for name in (f"stage.{gone.pid}.old", f"stage.{gone.pid}", f"stage.{os.getppid()}", "stage.of.mine"):
        (folder / name).mkdir(parents=True)
    staging.lock(root, "node2", 7)
    staging.release(root)
    assert {path.name for path in folder.iterdir()} >= {f"stage.{os.getppid()}", "stage.of.mine"}
    assert not [path.name for path in folder.iterdir() if str(gone.pid) in path.name]


def test_nothing_is_left_of_a_lock_for_which_there_was_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = node(tmp_path, "node1")

    def full(value: object, file: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging.json, "dump", full)
    with pytest.raises(OSError, match=r"No space left on device.*stage"):
        staging.lock(root, "node2", 7)
    assert staging.read(root) is None
    folder = Path(root.path(configurations.SCD)).parent
    assert [path.name for path in folder.iterdir() if path.name.startswith("stage")] == []
