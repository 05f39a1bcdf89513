"""clmixver and clcheck_server: what their exit codes say."""

from __future__ import annotations

import msgspec
import pytest

from daemons.cluster.configuration import model
from daemons.cluster.listing import checks
from tests.clmgr.sample import sample


@pytest.mark.parametrize(("other", "code"), [(0, 0), (1, 1)])
def test_mixed_levels(
    other: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    c = sample()
    first, second = c.nodes
    nodes = (first, msgspec.structs.replace(second, version=second.version - other))
    monkeypatch.setattr(model, "load", lambda repository: msgspec.structs.replace(c, nodes=nodes))
    assert checks.clmixver(["clmixver"]) == code
    assert capsys.readouterr().out == f"{code}\n"


def test_no_cluster_has_no_levels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(model, "load", lambda repository: None)
    assert checks.clmixver(["clmixver"]) == 2
    assert capsys.readouterr() == ("", "clmixver: no cluster is defined on this node.\n")


@pytest.mark.parametrize(
    ("name", "row", "details", "code"),
    [
        ("clcomd", " clcomd           caa              4711         active", "", 1),
        ("clcomd", " clcomd           caa                           inoperative", "", 0),
        ("nosuch", "", "", 0),
        ("clstrmgrES", " clstrmgrES       cluster          4711         active", "Current state: ST_INIT\n", 1),
        ("clstrmgrES", " clstrmgrES       cluster          4711         active", "Current state: NOT_CONFIGURED\n", 0),
    ],
)
def test_a_subsystem_can_be_used(name: str, row: str, details: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_lssrc", lambda flag, asked: row if flag == "-s" else details)
    assert checks.clcheck_server(["clcheck_server", name]) == code
