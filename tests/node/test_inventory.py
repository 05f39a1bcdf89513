"""The inventory: every file of a fresh node has an owner."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

from srcctl.node import inventory
from srcctl.node.root import NodeRoot
from srcctl.node.seed import files_of
from srcctl.odm import Repository, seed

ETC = Path(__file__).parents[2] / "etc"


def test_every_file_belongs_to_an_installed_fileset_and_every_pattern_is_needed(tmp_path: Path) -> None:
    root = NodeRoot(str(tmp_path))
    seed.load(root, str(ETC / "objrepos"))
    patterns, files = inventory.owners(str(ETC)), files_of(str(ETC), "folder")
    filesets = {str(o["name"]) for o in Repository(root, inventory.DIRECTORY).get("lpp")}
    assert [path for path in files if inventory.owner(path, patterns) is None] == []
    assert {fileset for _, fileset in patterns} - filesets == {inventory.NOBODY}
    first = {next(pattern for pattern, _ in patterns if fnmatch.fnmatchcase(path, pattern)) for path in files}
    assert {pattern for pattern, _ in patterns} == first, "a pattern that is never the first to fit"


def test_a_source_that_does_not_tell_has_no_inventory(tmp_path: Path) -> None:
    inventory.record(NodeRoot(str(tmp_path)), str(tmp_path), ["/usr/bin/a"])
    assert not (tmp_path / "usr").exists()


@pytest.mark.parametrize("line", ["/usr/bin/*", "/usr/bin/* no.such.fileset", "/usr/bin/* bos.rte more"])
def test_a_damaged_file_of_owners_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "objrepos").mkdir()
    (tmp_path / inventory.OWNERS).write_text(f"# a comment\n{line}\n")
    root = NodeRoot(str(tmp_path))
    seed.load(root, str(ETC / "objrepos"))
    with pytest.raises(inventory.OwnersError, match=r"inventory\.owners"):
        inventory.record(root, str(tmp_path), ["/usr/bin/a"])
