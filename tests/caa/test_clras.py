"""clras: the tables of the paths, and what it passes on to lscluster."""

from __future__ import annotations

import pytest

from daemons.caa import client, commands
from daemons.caa.messages import Membership, Status
from srcctl.node.root import NodeRoot
from tests.caa.test_repository import DEFINITION, NODES

MEMBERSHIP = Membership(1, 1, (1, 2), NODES, (), True, DEFINITION.name, DEFINITION.uuid, repositories_down=(2,))


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot("/nowhere")))
    monkeypatch.setattr(client, "status", lambda root: Status(MEMBERSHIP, "hdisk7", ""))


def test_the_path_over_the_repository_disk(capsys: pytest.CaptureFixture[str]) -> None:
    """A monitor skips lines with -- and UUID and takes the fourth field."""
    assert commands.clras(["clras", "dpcomm_status"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "--" not in line and "UUID" not in line]
    assert [row.split("|")[3].strip() for row in rows] == ["UP", "DOWN"]
    assert commands.clras(["clras", "sancomm_status"]) == 0
    assert "UP" not in capsys.readouterr().out


def test_lscluster(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The usage named it, and it was refused."""
    passed: list[list[str]] = []
    monkeypatch.setattr(commands, "lscluster", lambda argv: passed.append(argv) or 3)
    assert commands.clras(["clras", "lscluster", "-m"]) == 3
    assert passed == [["lscluster", "-m"]]
    for words in ([], ["dpcomm_status", "x"], ["other"]):
        assert commands.clras(["clras", *words]) == 1
        assert commands.CLRAS_USAGE in capsys.readouterr().err
