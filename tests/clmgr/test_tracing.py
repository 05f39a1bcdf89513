"""Log levels: what clutils.log has of a call besides its beginning and its end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from daemons.clmgr import commands, tracing
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import IDENTITY


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = NodeRoot(str(tmp_path))
    made._identity = IDENTITY
    (tmp_path / "var/hacmp/log").mkdir(parents=True)
    monkeypatch.setattr(commands.NodeRoot, "current", lambda: made)
    return tmp_path / "var/hacmp/log/clutils.log"


def lines(log: Path) -> list[str]:
    found = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def test_the_levels(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands.clmgr(["clmgr", "-l", "error", "help"]) == 0
    assert lines(log) == [], "what succeeded is not written"
    assert commands.clmgr(["clmgr", "-l", "error", "fly", "cluster"]) == 4
    assert any("CLMGR STDERR" in line for line in lines(log)), "a command line that is wrong has no level"
    assert commands.clmgr(["clmgr", "-l", "standard", "help"]) == 0
    assert not [line for line in lines(log) if "TRACE" in line]
    monkeypatch.setattr(tracing, "LINES_MAX", 4)
    found: dict[str, list[str]] = {}
    for level in ("low", "med", "high", "max"):
        assert commands.clmgr(["clmgr", "-T", "mine", "-l", level, "help", "add", "rg"]) == 0
        found[level] = [line.partition(": ")[2] for line in lines(log) if line.startswith("CLMGR TRACE    (mine): ")]
    assert found["low"][:2] == ["--> daemons.clmgr.commands._request", "--> daemons.clmgr.syntax.help.usage_lines"]
    entered = "--> daemons.clmgr.commands._request(root=NodeRoot, request=Request, transaction='mine'"
    assert found["med"][0].startswith(entered)
    assert all(len(found[level]) == 5 and found[level][-1].endswith(" more") for level in found)


def test_a_call_that_fails_is_traced_and_tells_no_password(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.clmgr(["clmgr", "-l", "max", "add", "user", "x", "PASSWORD=sEcret"]) == 1
    text = "\n".join(lines(log))
    assert "TRACE" in text
    assert "STDERR" in text
    assert "sEcret" not in text
    assert sys.getprofile() is None


def test_a_parameter_that_is_a_password_or_a_part_of_it_is_not_shown() -> None:
    trace = tracing.Trace("max", ["it's a \\ very long one" * 9])
    given = ["x" + "it's a \\ very long one" * 9, "very long", "it", "plain"]
    assert [trace._is_secret(value) for value in given] == [True, True, False, False]
