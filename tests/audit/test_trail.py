"""The audit trail: what is selected, bounded, whole whoever is killed; rubbish in files is a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from srcctl.audit import configuration, record, trail
from srcctl.node.root import Identity, NodeRoot

ETC = Path(__file__).parents[2] / "etc"


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    for folder in ("etc/security/audit", "var/run"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/security/audit/config").write_text((ETC / "security/audit/config").read_text())
    identity = Identity("lab", "", "", "", "", "", "node1", 1, 1.0, "folder", "this life", (), ())
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    return NodeRoot(str(tmp_path))


def kept(root: NodeRoot) -> list[trail.Record]:
    path = Path(root.path(configuration.TRAIL))
    return trail.records(path.read_text().splitlines()) if path.exists() else []


def test_off_until_it_is_started_and_again_after_a_boot(root: NodeRoot) -> None:
    assert not record(root, "SRC_Start", "x", "/usr/sbin/srcmstr", 0)
    configuration.set_state(root, "on")
    assert record(root, "SRC_Start", "x", "/usr/sbin/srcmstr", 0)
    configuration.set_state(root, "off")
    assert not record(root, "SRC_Start", "x", "/usr/sbin/srcmstr", 0)
    Path(root.path(configuration.STATE)).write_text("on another life\n")
    assert configuration.state(root) == "disabled"
    assert not record(root, "SRC_Start", "x", "/usr/sbin/srcmstr", 0)
    assert [(r.event, r.tail, r.failed) for r in kept(root)] == [("SRC_Start", "x", False)]


def test_only_what_is_selected_for_the_user(root: NodeRoot) -> None:
    path = Path(root.path(configuration.CONFIG))
    path.write_text("classes:\n\tstarts = SRC_Start\nusers:\n\troot = starts\n\tdefault =\n")
    configuration.set_state(root, "on")
    assert record(root, "SRC_Start", "x", "srcmstr", 0)
    assert not record(root, "SRC_Stop", "x", "srcmstr", 0)
    assert not record(root, "SRC_Start", "x", "srcmstr", 4_000_000)
    path.write_text("users:\n\troot = ALL\n")
    assert record(root, "SRC_Stop", "x", "srcmstr", 0)


def test_bounded_and_whole(root: NodeRoot) -> None:
    path = Path(root.path(configuration.CONFIG))
    path.write_text("bin:\n\tbinsize = 4096\nusers:\n\tdefault = ALL\n")
    configuration.set_state(root, "on")
    for number in range(100):
        assert record(root, "SRC_Start", f"number {number}", "srcmstr", 0)
    found = kept(root)
    assert found[-1].tail == "number 99"
    assert 10 < len(found) < 50
    assert Path(root.path(configuration.TRAIL)).stat().st_size <= 4096
    with open(root.path(configuration.TRAIL), "a") as file:
        file.write('["SRC_Start", 17')  # a writer that was killed
    assert record(root, "SRC_Stop", "after", "srcmstr", 0)
    assert [r.tail for r in kept(root)][-2:] == ["number 99", "after"]


@pytest.mark.parametrize("line", ["", "null", "[]", "[1]", "{}", "x", json.dumps([1, 2, 3, 4, 5, 6, 7, 8, 9, True])])
def test_rubbish_is_no_record(line: str) -> None:
    assert trail.records([line]) == []


@pytest.mark.parametrize(
    "text", ["x", "a = b", "users:\n\troot = nosuch", "bin:\n\tbinsize = many", "bin:\n\ttrail = x"]
)
def test_a_damaged_configuration(root: NodeRoot, text: str) -> None:
    Path(root.path(configuration.CONFIG)).write_text(text)
    with pytest.raises(configuration.ConfigError):
        configuration.load(root)
    configuration.set_state(root, "on")
    assert not record(root, "SRC_Start", "x", "srcmstr", 0)
