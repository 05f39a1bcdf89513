"""The lab's description, its addresses and its lock."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from srcctl.lab.errors import LabError, NotRunning, NotWritable, UnknownName, lab_error
from srcctl.lab.model import (
    Lab,
    LabDescription,
    Network,
    Node,
    boot_address,
    default_directory,
    locked,
    service_address,
    speed_cap,
)


def a_lab(directory: Path, nodes: int = 2, networks: int = 2) -> Lab:
    return Lab(
        str(directory),
        LabDescription(
            id="an-id",
            mode="folder",
            mode_reason="asked for",
            speed=10.0,
            block="127.77.3",
            networks=tuple(Network(f"net_ether_{k + 1:02}", f"en{k}") for k in range(networks)),
            nodes=tuple(Node(f"node{n}", n) for n in range(1, nodes + 1)),
        ),
    )


def test_what_is_stored_is_what_is_loaded(tmp_path: Path) -> None:
    lab = a_lab(tmp_path)
    lab.store()
    assert Lab.load(str(tmp_path)).description == lab.description


def test_no_lab_is_said_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="'srcctl up' makes one"):
        Lab.load(str(tmp_path / "nothing"))


@pytest.mark.parametrize("text", ["", "{", '{"id": 3}', "[]"])
def test_a_damaged_description_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(LabError, match="is damaged"):
        Lab.load(str(tmp_path))


def test_addresses_follow_the_plan() -> None:
    assert boot_address("127.77.3", 0, 2) == "127.77.3.2"
    assert boot_address("127.77.3", 1, 16) == "127.77.3.80"
    assert service_address("127.77.3", 0, 0) == "127.77.3.33"
    assert service_address("127.77.3", 1, 2) == "127.77.3.99"


def test_every_node_has_an_address_on_every_network(tmp_path: Path) -> None:
    nodes = a_lab(tmp_path, nodes=3).lab_nodes()
    assert [node.addresses for node in nodes] == [
        ("127.77.3.1", "127.77.3.65"),
        ("127.77.3.2", "127.77.3.66"),
        ("127.77.3.3", "127.77.3.67"),
    ]


def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    lab = a_lab(tmp_path)
    with pytest.raises(UnknownName, match="node1, node2"):
        lab.node("node9")
    with pytest.raises(UnknownName, match="net_ether_01, net_ether_02"):
        lab.network("token_ring")
    assert lab.network("en1").name == "net_ether_02"


def test_the_default_lab_lies_in_the_state_folder() -> None:
    assert default_directory({"XDG_STATE_HOME": "/state", "HOME": "/home/u"}) == "/state/haes/default"
    assert default_directory({"XDG_STATE_HOME": "not/absolute", "HOME": "/home/u"}) == (
        "/home/u/.local/state/haes/default"
    )
    assert default_directory({}).endswith("/.local/state/haes/default")


@pytest.mark.parametrize("nodes", range(1, 17))
def test_heartbeats_stay_under_a_quarter_of_a_core(nodes: int) -> None:
    heartbeats = nodes * (nodes - 1) * speed_cap(nodes)
    assert heartbeats * 100e-6 <= 0.25 + 1e-9
    assert speed_cap(nodes) >= 10


def test_the_lock_waits_for_its_holder(tmp_path: Path) -> None:
    directory = str(tmp_path / "lab")
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        with locked(directory):
            order.append("second")

    with locked(directory, create=True):
        thread = threading.Thread(target=second)
        thread.start()
        inside.wait(0.05)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def _count_under_lock(directory: str, rounds: int) -> None:
    for _ in range(rounds):
        with locked(directory, create=True):
            path = os.path.join(directory, "counter")
            value = int(Path(path).read_text()) if os.path.exists(path) else 0
            Path(path).write_text(str(value + 1))


def test_no_two_processes_hold_the_lock(tmp_path: Path) -> None:
    directory = str(tmp_path / "lab")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count_under_lock, args=(directory, 50)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert (tmp_path / "lab" / "counter").read_text() == "150"


def test_who_waited_for_a_destroyed_lab_starts_over(tmp_path: Path) -> None:
    directory = tmp_path / "lab"
    entered = threading.Event()

    def second() -> None:
        with locked(str(directory), create=True):
            entered.set()

    with locked(str(directory), create=True):
        thread = threading.Thread(target=second)
        thread.start()
        (directory / "lock").unlink()
        directory.rmdir()
    thread.join(5)
    assert entered.is_set()
    assert (directory / "lock").exists()


def test_locking_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunning), locked(str(tmp_path / "nothing")):
        pass


def test_a_file_in_the_way_is_an_error_and_no_loop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError), locked(str(tmp_path / "file" / "lab"), create=True):
        pass
    with pytest.raises(LabError), locked(str(tmp_path / "file"), create=True):
        pass


@pytest.mark.parametrize(
    ("number", "code"), [(28, 6), (122, 6), (30, 7), (13, 7), (98, 5), (5, 1)], ids=lambda value: str(value)
)
def test_errors_of_the_host_have_their_exit_codes(number: int, code: int) -> None:
    assert lab_error(OSError(number, os.strerror(number), "/some/file"), "lab").exit_code == code
    assert isinstance(lab_error(OSError(30, "Read-only file system"), "lab"), NotWritable)
