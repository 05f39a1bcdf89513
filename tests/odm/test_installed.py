"""What is installed is told from what somebody made of it, also when the descriptions cannot be read at the moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from srcctl.node.locks import locked
from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository, installed
from srcctl.odm import repository as repository_module
from srcctl.odm.description import parse

CLASSES = sorted(
    (object_class.name, object_class.text())
    for path in Path(installed.DESCRIPTIONS).glob("*.cre")
    for object_class in parse(path.read_text())
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "etc/objrepos").mkdir(parents=True)
    return Repository(NodeRoot(str(tmp_path)), "/etc/objrepos")


def test_every_installed_class_passes_and_none_of_its_fields_may_be_missing(repository: Repository) -> None:
    assert len(CLASSES) > 50
    for name, text in CLASSES:
        repository.create(text)
        (described,) = parse(text)
        assert repository.describe(name) == described
        for lost in described.descriptors:
            others = [d.declaration() for d in described.descriptors if d is not lost] or ["char other[2]"]
            other = f"class {name} {{ {' '.join(f'{line};' for line in others)} }};"
            with pytest.raises(OdmError, match=f"^{name} is not the class that was installed: {lost.name} is missing$"):
                installed.check(parse(other)[0], other.removesuffix("};"))


def test_descriptions_that_cannot_be_read_now_are_read_later(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, text = CLASSES[0]
    repository.create(text)
    monkeypatch.setattr(installed, "_text", "")
    monkeypatch.setattr(installed, "DESCRIPTIONS", "/no/such/folder")
    with pytest.raises(OdmError, match=f"^{name} cannot be checked: No such file or directory$"):
        repository.get(name)
    monkeypatch.undo()
    assert repository.get(name) == []


def test_of_two_that_create_a_class_one_is_told_so(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other comes when the first has looked, and has no lock yet."""
    text = "class Mine { char key[8]; };"
    real = repository_module.locked

    def slow(path: str, mode: int) -> locked:
        monkeypatch.undo()
        repository.create(text)
        repository.add("Mine", {"key": "kept"})
        return real(path, mode)

    monkeypatch.setattr(repository_module, "locked", slow)
    with pytest.raises(OdmError, match="Mine exists"):
        repository.create(text)
    assert repository.get("Mine") == [{"key": "kept"}]


def test_a_dropped_class_behind_a_link_is_made_where_it_was(tmp_path: Path, repository: Repository) -> None:
    (tmp_path / "etc/es").mkdir()
    (tmp_path / "etc/objrepos/Mine").symlink_to("../es/Mine")
    repository.create("class Mine { char key[8]; };")
    repository.drop("Mine")
    repository.create("class Mine { char other[8]; };")
    assert [d.name for d in repository.describe("Mine").descriptors] == ["other"]
    assert (tmp_path / "etc/es/Mine").is_file()
