"""Network options: now and from the next boot on, and what others keep in the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from srcctl.network import options
from srcctl.node.root import Identity, Interface, NodeRoot


def root_of(directory: Path, boot: str) -> NodeRoot:
    """The node in the life ``boot``."""
    identity = Identity("lab", "/lab", "/key", "", "", "", "node1", 1, 1.0, "folder", boot,
                        (Interface("en0", "net", "127.9.9.1", "255.255.255.0"),), ())  # fmt: skip
    for folder in ("etc", "var/run"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    (directory / "etc/lpar.json").write_text(identity.text())
    return NodeRoot(str(directory))


def test_a_change_of_now_ends_with_the_life_of_the_node(tmp_path: Path) -> None:
    root = root_of(tmp_path, "first")
    with options.changing(root) as values:
        values.now["ipforwarding"] = 1
        values.at_boot["sb_max"] = 4 << 20
    assert [options.read(root).value(name) for name in ("ipforwarding", "sb_max")] == [1, 1 << 20]
    again = options.read(root_of(tmp_path, "second"))
    assert [again.value(name) for name in ("ipforwarding", "sb_max")] == [0, 4 << 20]


def test_what_other_commands_keep_in_the_file_stays(tmp_path: Path) -> None:
    root = root_of(tmp_path, "first")
    path = tmp_path / "etc/tunables/nextboot"
    path.parent.mkdir()
    path.write_text('vmo:\n\tminfree = "960"\n\nno:\n\tsack = "1"\n\tunknown = "7"\n\nnfso:\n\tnfs_rfc1323 = "1"\n')
    with options.changing(root) as values:
        assert values.at_boot == {"sack": 1}
        values.at_boot["rfc1323"] = 1
    text = path.read_text()
    assert 'minfree = "960"' in text
    assert 'nfs_rfc1323 = "1"' in text
    assert text.endswith('no:\n\trfc1323 = "1"\n\tsack = "1"\n')


@pytest.mark.parametrize("damage", ["", "no json", "[]", '{"boot": "first", "values": {"sack": "x"}}'])
def test_a_damaged_record_is_the_state_of_a_boot(tmp_path: Path, damage: str) -> None:
    root = root_of(tmp_path, "first")
    (tmp_path / "var/run/network_options").write_text(damage)
    assert options.read(root).now == {}


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    root = root_of(tmp_path, "first")
    change = options.changing(root)
    change.__enter__().now["sack"] = 1
    error = RuntimeError("in the middle")
    assert not change.__exit__(RuntimeError, error, None)
    assert options.read(root).value("sack") == 0
