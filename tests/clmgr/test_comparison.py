"""Cross-cluster verification: what is collected of a cluster, and how two are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemons.clmgr.comparison import commands
from daemons.clmgr.comparison.sections import SECTIONS, collected, compared
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import IDENTITY, done, rich, sample


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeRoot:
    made = NodeRoot(str(tmp_path))
    made._identity = IDENTITY
    (tmp_path / "var/hacmp/log").mkdir(parents=True)
    monkeypatch.setattr(commands.NodeRoot, "current", lambda: made)
    return made


def test_every_section_is_collected_and_is_the_same_as_itself() -> None:
    found = collected(rich(), [("cluster.es.server.rte", "7.2.7.0")])
    assert tuple(found) == SECTIONS
    assert json.loads(json.dumps(found)) == found
    assert all(entry == {"result": "same", "differences": []} for entry in compared(found, found, SECTIONS).values())
    assert found["resource"]["APPLICATIONS"] == 1
    assert found["network"]["net_ether_01"]["INTERFACES"] == [1, 1]


def test_differences_are_named() -> None:
    one = collected(sample(), [("rsct.core", "3.3.0.0")])
    changed = done(sample(), "modify", "rg", "app_rg", "FALLBACK=FBHPN", "NODES=node2,node1")
    changed = done(changed, "add", "network", "net_ether_02", "TYPE=XD_data")
    other = collected(changed, [("rsct.core", "3.3.1.0")])
    other["cluster"]["CLUSTER_NAME"] = "other"
    report = compared(one, other, SECTIONS)
    assert {name for name, found in report.items() if found["result"] == "different"} == {"rg", "version", "network"}
    assert report["cluster"]["differences"] == [
        {"attribute": "CLUSTER_NAME", "file1": "haes_cluster", "file2": "other"}
    ], "two clusters have two names"
    assert report["rg"]["differences"] == [
        {"attribute": "app_rg.NODES", "file1": ["node1", "node2"], "file2": ["node2", "node1"]},
        {"attribute": "app_rg.FALLBACK", "file1": "NFB", "file2": "FBHPN"},
    ]
    assert report["network"]["differences"][0]["attribute"] == "net_ether_02"
    assert list(compared(one, other, ("version",))) == ["version"]


def test_the_comparator(root: NodeRoot, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps(collected(sample(), [])))
    two.write_text(json.dumps(collected(done(sample(), "modify", "rg", "app_rg", "FALLBACK=FBHPN"), [])))
    words = ["cl_ccv_comparator", "--f1", "/one.json", "-f2", "/two.json"]
    assert commands.cl_ccv_comparator(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "rg         different"
    assert said[-1] == f"The comparison has been written to {commands.COMPARED}."
    report = json.loads(Path(root.path(commands.COMPARED)).read_text())
    assert [name for name, found in report.items() if found["differences"]] == ["rg"]
    assert commands.cl_ccv_comparator([*words, "-d", "network", "-o", "/out.json"]) == 0
    assert list(json.loads((tmp_path / "out.json").read_text())) == ["network"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--f1 /one.json", "Usage: "),
        ("--f1 /one.json --f2 /one.json -d all,rg", "Usage: "),
        ("--f1 /one.json --f2 /one.json more", "Usage: "),
        ("--f1 /two.json --f2 /nosuch", "cl_ccv_comparator: /nosuch: No such file or directory\n"),
        ("--f1 /one.json --f2 /one.json", "cl_ccv_comparator: /one.json is no file of cl_ccv_collector.\n"),
        ("--f1 /two.json --f2 /two.json -o /no/where", "cl_ccv_comparator: /no/where: No such file or directory\n"),
    ],
)
def test_what_cannot_be_compared(
    root: NodeRoot, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, complaint: str
) -> None:
    (tmp_path / "one.json").write_text("[1]")
    (tmp_path / "two.json").write_text(json.dumps(collected(sample(), [])))
    assert commands.cl_ccv_comparator(["cl_ccv_comparator", *words.split()]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(complaint)


def test_the_collector(root: NodeRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from daemons.clmgr.synchronization import unsynchronized

    monkeypatch.setattr(commands.configurations, "load", lambda repository: sample())
    monkeypatch.setattr(commands, "installed", lambda root: [])
    monkeypatch.setattr(unsynchronized, "state", lambda root: (True, True))
    assert commands.cl_ccv_collector(["cl_ccv_collector"]) == 1
    assert "not synchronized" in capsys.readouterr().err
    assert not Path(root.path(commands.COLLECTED)).exists()
    assert commands.cl_ccv_collector(["cl_ccv_collector", "-f"]) == 0
    assert json.loads(Path(root.path(commands.COLLECTED)).read_text()) == collected(sample(), [])
    assert commands.cl_ccv_collector(["cl_ccv_collector", "-s", "nosuch"]) == 1
    assert capsys.readouterr().err == "cl_ccv_collector: nosuch: No such file or directory.\n"
