"""What a node keeps of the commit it has installed."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from daemons.caa.kept_commit import FILE, keep, kept
from daemons.caa.repository import Commit
from srcctl.node.root import NodeRoot

ARCHIVE = b"configuration"
MADE = Commit(7, zlib.crc32(ARCHIVE), "nodeA", 1)


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    (tmp_path / "etc/es/objrepos").mkdir(parents=True)
    return NodeRoot(str(tmp_path))


def test_of_one_cluster(root: NodeRoot) -> None:
    assert kept(root, "one") is None
    keep(root, "one", MADE, ARCHIVE)
    assert kept(root, "one") == (MADE, ARCHIVE)
    assert kept(root, "another") is None, "it counts its generations from 1"
    assert os.stat(root.path(FILE)).st_mode & 0o077 == 0, "a private key may be in it"


@pytest.mark.parametrize("damage", [b"", b"\x93", b"rubbish", None])
def test_what_is_not_whole_is_nothing(root: NodeRoot, damage: bytes | None) -> None:
    keep(root, "one", MADE, ARCHIVE)
    data = Path(root.path(FILE)).read_bytes()
    Path(root.path(FILE)).write_bytes(data.replace(b"figur", b"fugir") if damage is None else damage)
    assert kept(root, "one") is None
