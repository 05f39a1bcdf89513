"""The arguments of clconfd, as chssys -a gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons.clconfd.service import Clconfd
from daemons.runtime.daemon import CannotStart
from srcctl.node.root import Identity, NodeRoot


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    (tmp_path / "etc").mkdir()
    identity = Identity("lab", "", "", "", "", "", "node1", 1, 1.0, "folder", "", (), ())
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    return NodeRoot(str(tmp_path))


@pytest.mark.parametrize(
    ("line", "expected"),
    [("", (75, 15)), ("-t 80 -i 10", (80, 10)), ("-t80 -i10", (80, 10)), ("-i 1", (75, 1)), ("-t 100", (100, 15))],
)
def test_arguments(line: str, expected: tuple[int, int], root: NodeRoot) -> None:
    assert Clconfd(line.split(), root)._options() == expected


@pytest.mark.parametrize("line", ["-t 0", "-t 101", "-i 0", "-i 10081", "-t abc", "-t ²", "-t -5", "-x", "-t", "80"])
def test_wrong_arguments_are_refused_in_one_sentence(line: str, root: NodeRoot) -> None:
    with pytest.raises(CannotStart, match=r"^clconfd: (-t takes a percentage from 1 to 100, -i|option -)"):
        Clconfd(line.split(), root)._options()
