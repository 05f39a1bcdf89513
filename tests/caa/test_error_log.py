"""The error log tells how an automatic repository update ended, and why a node went down."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from daemons.caa import keeper, replacement, service
from daemons.caa.keeper import RepositoryKeeper
from srcctl.errlog import TEMPLATES
from tests.caa.test_own_repository import Lab
from tests.caa.test_repository import DEFINITION

Entry = tuple[str, str, tuple[tuple[str, str], ...]]


class Lines:
    def write(self, text: str) -> None:
        pass

    error = write


class Node:
    """What the update needs of a node of which hdisk1 is the repository."""

    def __init__(self, lab: Lab) -> None:
        self.root = None
        self.log = Lines()
        self.own = lab.node("nodeA")
        self.membership = type("Alone", (), {"own": 1, "up": (1,)})()
        self.tried: list[str] = []

    disk = property(lambda self: self.own.disk)
    definition = property(lambda self: self.own.definition)

    _repository_answers = RepositoryKeeper._repository_answers

    def _replace(self, name: str) -> str:
        self.tried.append(name)
        return f"{name} cannot be used"


@pytest.fixture
def node(tmp_path: Path) -> tuple[Node, Lab]:
    lab = Lab(tmp_path)
    lab.disk("hdisk1").create(DEFINITION)
    node = Node(lab)
    lab.lose("hdisk1", "nodeA")
    return node, lab


def update(node: Node, named: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    entries: list[Entry] = []
    monkeypatch.setattr(replacement, "named_backups", lambda root: named)
    monkeypatch.setattr(replacement, "backups", lambda root: named)
    monkeypatch.setattr(keeper, "own_name", lambda root, name: name)
    monkeypatch.setattr(keeper, "log_entry", lambda root, *entry: entries.append(cast(Entry, entry)))
    asyncio.run(RepositoryKeeper._replace_by_itself(cast(Any, node)))
    return entries


def test_backups_of_which_none_can_be_used_are_a_failure(
    node: tuple[Node, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = update(node[0], ["hdisk3"], monkeypatch)
    assert entries == [("CL_ARU_FAILED", "CAA (for RSCT)", (("Primary Disk Info", "hdisk1"),))]


def test_without_a_backup_nothing_has_failed(node: tuple[Node, Lab], monkeypatch: pytest.MonkeyPatch) -> None:
    assert update(node[0], [], monkeypatch) == []


def test_a_repository_that_another_node_has_replaced_is_no_failure(
    node: tuple[Node, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, lab = node
    definition = machine.own.definition
    assert definition is not None
    lab.disk("hdisk3").create(replace(definition, epoch=definition.epoch + 1))
    assert update(machine, ["hdisk3"], monkeypatch) == []


def test_a_repository_that_is_back_or_was_replaced_meanwhile_is_not_replaced_again(
    node: tuple[Node, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, lab = node
    update(machine, ["hdisk3"], monkeypatch)
    assert machine.tried == ["hdisk3"]
    lab.lost.clear()
    assert update(machine, ["hdisk3"], monkeypatch) == []
    assert machine.tried == ["hdisk3"]


@pytest.mark.parametrize(
    ("kind", "up", "times"), [("REP_DOWN", False, 1), ("NODE_DOWN", False, 1), ("NODE_DOWN", True, 0)]
)
def test_a_node_that_takes_the_lost_repository_with_it_leaves_its_replacement_to_another(
    node: tuple[Node, Lab], monkeypatch: pytest.MonkeyPatch, kind: str, up: bool, times: int
) -> None:
    """It was the lowest one, and nobody tried again once it was known to be down."""
    done: list[str] = []

    class Shell(Node):
        def __init__(self, lab: Lab) -> None:
            super().__init__(lab)
            self.membership = type("Membership", (), {"own": 2, "up": (1, 2), "repository_up": up})()
            told = staticmethod(lambda event, membership: done.append(event.kind))
            self.producers = type("Producers", (), {"deliver": told})()
            self.events, self.counts = 1, Counter[str]()
            self.uuids, self.subscribers = dict[int, str](), dict[object, object]()

        async def _replace_by_itself(self) -> None:
            done.append("replaced")

        def spawn(self, work: Coroutine[None, None, None]) -> None:
            asyncio.run(work)

    lab = node[1]
    lab.lost.clear()
    shell = Shell(lab)
    monkeypatch.setattr(service, "own_name", lambda root, name: name)
    monkeypatch.setattr(service, "log_entry", lambda *entry: None)
    service.ClusterAwareAix._publish(cast(Any, shell), kind, 2 if kind == "REP_DOWN" else 1, "")
    assert done == ["replaced"] * times + [kind]


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("dead man's switch: neither a network nor the repository disk is left", "CL_DEADMAN_LIMIT"),
        ("dead man's switch: this node was silent for longer than node_timeout", "CL_DEADMAN_LIMIT"),
        ("asymmetric topology: this node is not in contact with all others", "CL_AST_PANIC"),
        ("the repository disk is lost (repos_mode a)", ""),
    ],
)
def test_a_node_that_goes_down_says_why(reason: str, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Going(Node):
        guard = type("Guard", (), {"kill_node": staticmethod(lambda reason: done.append("down"))})()

        def __init__(self) -> None:
            self.root = None
            self.log = Lines()

    monkeypatch.setattr(service, "log_entry", lambda root, label, *rest: done.append(f"{label} {rest[1][0][1]}"))
    service.ClusterAwareAix._halt(cast(Any, Going()), reason)
    assert done == [*([f"{label} {reason}"] if label else []), "down"]
    assert label in ("", *TEMPLATES)
