"""What the status commands print, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from daemons.caa import messages as caa
from daemons.cthags.commands import domain
from daemons.cthags.commands.domain import Domain
from daemons.cthags.messages import ClientStatus, DomainStatus, GroupStatus, Provider
from daemons.cthags.status import canonical_status, long_status
from srcctl.node.root import NodeRoot

GOLDEN = Path(__file__).parents[1] / "golden"

CLUSTER = caa.Membership(
    generation=3,
    own=1,
    alive=(1,),
    nodes=(
        caa.Node(1, "node1", "14d2851c-ae61-463f-0000-000000000000", ()),
        caa.Node(2, "node2", "77572edc-66a9-4fdf-0000-000000000000", ()),
    ),
    paths=(),
    repository_up=True,
    cluster_name="haes_cluster",
    cluster_id="",
)
STATUS = DomainStatus(node=1, established=True, leader=1, view=4, members=(1,), clients=(), groups=())


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8").split("\n", 1)[1]


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "_domain", lambda command: Domain(CLUSTER, STATUS))


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("command", "arguments", "name"),
    [
        ("lsrpdomain", [], "lsrpdomain/online.txt"),
        ("lsrpdomain", ["-d"], "lsrpdomain/delimited.txt"),
        ("lsrpnode", ["-i"], "lsrpnode/ids.txt"),
        ("lsrpnode", ["-l", "node1"], "lsrpnode/long.txt"),
    ],
)
def test_tables(command: str, arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert getattr(domain, command)([command, *arguments]) == 0
    assert capsys.readouterr().out == golden(name)


def test_domain_of_a_node_whose_caa_was_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(domain, "_domain", lambda command: None)
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot("/nonexistent")))
    monkeypatch.setattr(domain, "_own_cluster", lambda root: "haes_cluster")
    assert domain.lsrpdomain(["lsrpdomain"]) == 0
    assert capsys.readouterr().out == golden("lsrpdomain/offline.txt")
    assert domain.lsrpnode(["lsrpnode"]) == 0
    monkeypatch.setattr(domain, "_own_cluster", lambda root: "")
    assert domain.lsrpdomain(["lsrpdomain"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("online")
def test_filters_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert domain.lsrpnode(["lsrpnode", "-O", "-x", "-d"]) == 0
    assert capsys.readouterr().out == "node2:Offline:3.2.4.0\n"
    assert domain.lsrpdomain(["lsrpdomain", "-O"]) == 0
    assert capsys.readouterr().out == ""
    assert domain.lsrpdomain(["lsrpdomain", "nonsense"]) == domain.BAD_PARAMETER
    assert domain.lsrpnode(["lsrpnode", "node9"]) == domain.BAD_PARAMETER
    assert domain.lsrpnode(["lsrpnode", "-Z"]) == domain.BAD_FLAG
    assert domain.lsrpnode(["lsrpnode", "-l", "-d"]) == domain.BAD_FLAG
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("status", "name", "state"),
    [
        (replace(STATUS, established=False, leader=0, view=0, members=()), "not_established", "Pending online"),
        (replace(STATUS, established=False), "recovering", "Pending online"),
        (replace(STATUS, kills_clients=False), "disarmed", "Online"),
    ],
)
def test_the_domain_in_other_states(status: DomainStatus, name: str, state: str) -> None:
    assert "\n".join(long_status(status)) + "\n" == golden(f"lssrc-ls-cthags/{name}.txt")
    assert domain.operational_state(Domain(CLUSTER, status)) == state
    assert domain.operational_state(Domain(CLUSTER, None)) == "Offline"


def test_the_sites_that_a_script_looks_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sites = (caa.Site("west", 1, "u1", ("node1",)), caa.Site("east", 2, "u2", ("node2",), 3))
    cluster = replace(CLUSTER, sites=sites, priorities=((1, 1),))
    monkeypatch.setattr(domain, "_domain", lambda command: Domain(cluster, STATUS))
    assert domain.caa_config(["caa_config", "-s", "haes_cluster"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("site_priority(1)") + 1] == "site_name(west)"
    assert lines[lines.index("site_priority(3)") + 1] == "site_name(east)"
    monkeypatch.setattr(domain, "_domain", lambda command: Domain(CLUSTER, STATUS))
    assert domain.caa_config(["caa_config", "-s", "haes_cluster"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["site_priority(0)", "site_name(LOCAL)"]
    assert domain.caa_config(["caa_config", "-s", "other"]) == domain.BAD_PARAMETER
    assert domain.caa_config(["caa_config"]) == domain.BAD_FLAG


def test_scripts_ask_for_the_domain_before_they_take_a_node_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for found, name in ((Domain(CLUSTER, STATUS), "haes_cluster"), (None, "IW")):
        monkeypatch.setattr(domain, "_domain", lambda command, found=found: found)
        assert domain.ct_clusterinfo(["ct_clusterinfo", "-c"]) == 0
        assert capsys.readouterr().out == f"{name}\n"
    assert domain.ct_clusterinfo(["ct_clusterinfo"]) == domain.BAD_FLAG


def test_no_domain_prints_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(domain, "_domain", lambda command: domain.OK)
    assert domain.lsrpdomain(["lsrpdomain"]) == 0
    assert capsys.readouterr().out == ""


def test_long_status() -> None:
    providers = (Provider(2, 1), Provider(1, 1))
    status = DomainStatus(
        node=1,
        established=True,
        leader=2,
        view=4,
        members=(2, 1),
        clients=(ClientStatus(6160578, "IBM.ConfigRMd"), ClientStatus(10682502, "clstrmgr", True)),
        groups=(
            GroupStatus("IBM.ConfigRM", 2, providers, 1, 0),
            GroupStatus("CLSTRMGR_1108531106", 2, providers, 1, 0),
            GroupStatus("elsewhere", 2, (Provider(2, 7),), 0, 0),
        ),
    )
    status = replace(status, dead_mans_switch=True)
    assert "\n".join(long_status(status)) + "\n" == golden("lssrc-ls-cthags/online.txt")
    assert "\n".join(canonical_status(status)) + "\n" == golden("lssrc-ls-cthags/canonical.txt")
