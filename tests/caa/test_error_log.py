"""The error log tells how an automatic repository update ended, and why a node went down."""

from __future__ import annotations

import asyncio
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

    disk = property(lambda self: self.own.disk)
    definition = property(lambda self: self.own.definition)

    def _replace(self, name: str) -> str:
        return f"{name} cannot be used"


@pytest.fixture
def node(tmp_path: Path) -> tuple[Node, Lab]:
    lab = Lab(tmp_path)
    lab.disk("hdisk1").create(DEFINITION)
    return Node(lab), lab


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
