"""hagsns, hagsvote, hagsgr, hagspbs and the life-cycle commands of the peer domain, byte for byte."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from daemons.caa import messages as caa
from daemons.clcomd import client as clcomd
from daemons.cthags.commands import domain, hags, lifecycle, rmc_domain
from daemons.cthags.commands.domain import BAD_FLAG, BAD_PARAMETER, Domain
from daemons.cthags.messages import (
    RMC_PEERS,
    Ballots,
    ClientStatus,
    Disarm,
    DomainStatus,
    GroupStatus,
    LinkStatus,
    Provider,
)
from daemons.cthags.query import Unreachable
from srcctl.node.root import NodeRoot

GOLDEN = Path(__file__).parents[1] / "golden"
JOINER, OLDER = Provider(26, 101), Provider(11, 3)
STATUS = DomainStatus(
    node=26,
    established=True,
    leader=26,
    view=7,
    members=(26, 11),
    clients=(
        ClientStatus(
            7000, "clstrmgr", True, 3, 0, 0, 30_000_000, 30_000_000, 12, 1, (("CLSTRMGR_1", "[1/26]"), ("G", "[2/26]")),
            0, "HA_GS_PING_RESPONSIVENESS",
        ),
        ClientStatus(7001, "watcher", False, 4, 202, 1),
        ClientStatus(
            7002, "counting", False, 5, 0, 0, 60_000_000, 20_000_000, 7, 2, (), 3, "HA_GS_COUNTER_RESPONSIVENESS", True
        ),
    ),
    groups=(
        GroupStatus(
            "theSourceGroup", 26, (OLDER,), 0, 1, "join", 1, (JOINER,),
            (Ballots(OLDER, "approve", False), Ballots(JOINER, "", False)), "reject", ("[10/26]",),
        ),
        GroupStatus("idle", 26, (OLDER, JOINER), 1, 0, subscribers=(), source_group="theSourceGroup"),
    ),
    incarnation=2,
    leader_incarnation=2,
    alive=(11, 26),
    host_subscribers=("[10/26]",),
    adapters=(Provider(11, 0), Provider(26, 0)),
    position=41,
    stable=40,
    links=(LinkStatus(11, 120, 118),),
    pid=14460,
    started_at=1_000_000.0,
    connected_after=5.0,
    certain_at=1_090_000.0,
    first_certain_at=1_000_015.0,
    clients_ever=5,
    requests=37,
)  # fmt: skip
CLUSTER = caa.Membership(
    3, 1, (1,),
    (
        caa.Node(1, "node1", "14d2851c-ae61-463f-0000-000000000000", (("net1", "127.9.1.1"), ("net2", "127.9.2.1"))),
        caa.Node(2, "node2", "77572edc-66a9-4fdf-0000-000000000000", (("net1", "127.9.1.2"), ("net2", "127.9.2.2"))),
    ),
    (), True, "haes_cluster", "",
)  # fmt: skip


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8").split("\n", 1)[1]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot(str(tmp_path))))
    monkeypatch.setattr(hags, "query_status", lambda root: STATUS)
    monkeypatch.setattr(time, "time", lambda: 1_180_075.0)


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(
    ("command", "arguments", "name"),
    [
        ("hagsns", ["-s", "cthags"], "hagsns/established.txt"),
        ("hagsvote", ["-s", "cthags"], "hagsvote/short.txt"),
        ("hagsvote", ["-l", "-a", "theSourceGroup", "-g", "cthags"], "hagsvote/long.txt"),
        ("hagsgr", ["-c", "-p", "14460"], "hagsgr/all.txt"),
        ("hagspbs", ["-s", "cthags"], "hagspbs/links.txt"),
        ("hagscl", ["-s", "cthags"], "hagscl/short.txt"),
        ("hagscl", ["-ls", "cthags"], "hagscl/long.txt"),
    ],
)
def test_status_of_group_services(
    command: str, arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert getattr(hags, command)([command, *arguments]) == 0
    assert capsys.readouterr().out == golden(name)


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("recovering", msgspec.structs.replace(STATUS, established=False, proposing=True)),
        (
            "not_established",
            msgspec.structs.replace(
                STATUS, established=False, view=0, leader=0, members=(), certain_at=0.0, first_certain_at=0.0
            ),
        ),
    ],
)
def test_a_name_server_that_is_none_yet(
    name: str, status: DomainStatus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hags, "query_status", lambda root: status)
    assert hags.hagsns(["hagsns", "-s", "cthags"]) == 0
    assert capsys.readouterr().out == golden(f"hagsns/{name}.txt")


@pytest.mark.usefixtures("answering")
def test_what_is_disarmed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Disarm] = []
    monkeypatch.setattr(hags, "disarm", lambda root, request: asked.append(request))
    assert hags.hags_stopdms(["hags_stopdms", "-s", "cthags"]) == 0
    assert hags.hags_disable_client_kill(["hags_disable_client_kill", "-g", "cthags"]) == 0
    assert asked == [Disarm(dead_mans_switch=True), Disarm(client_kill=True)]
    assert hags.hags_stopdms(["hags_stopdms"]) == 1

    def unreachable(root: NodeRoot, request: Disarm) -> None:
        raise Unreachable("nobody")

    assert capsys.readouterr().err.startswith("Usage: hags_stopdms [-h host] [-c] ")
    monkeypatch.setattr(hags, "disarm", unreachable)
    assert hags.hags_stopdms(["hags_stopdms", "-s", "cthags"]) == 1
    assert capsys.readouterr().err.startswith("0513-036 ")


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Usage: hagsvote [-h host] [-l] [-a group] [-c] { -g group_name | -s subsystem | -p subsystem_pid }\n"),
        (["-s", "nonsense"], "0513-085 The nonsense Subsystem is not on file.\n"),
        (["-g", "nonsense"], "0513-086 The nonsense Group is not on file.\n"),
        (["-p", "1"], "0513-084 There were no records that matched your request.\n"),
        (["-a", "none", "-s", "cthags"], "hagsvote: the group none is not known on this node.\n"),
    ],
)
def test_what_is_refused(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hags.hagsvote(["hagsvote", *arguments]) == 1
    assert capsys.readouterr() == ("", complaint)


def test_another_host_is_asked_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, list[str]]] = []

    def run(root: NodeRoot, node: str, words: list[str]) -> clcomd.Result:
        asked.append((node, words))
        if node == "far":
            raise clcomd.ClcomdError("far is not a node that this one knows")
        return clcomd.Result(3, b"its groups\n", b"its complaint\n")

    monkeypatch.setattr(clcomd, "run", run)
    assert hags.hagsvote(["hagsvote", "-h", "node2", "-l", "-a", "G", "-s", "cthags"]) == 3
    assert asked == [("node2", ["/usr/sbin/rsct/bin/hagsvote", "-l", "-a", "G", "-s", "cthags"])]
    assert capsys.readouterr() == ("its groups\n", "its complaint\n")
    assert hags.hagsns(["hagsns", "-h", "far", "-s", "cthags"]) == 1
    assert capsys.readouterr().err == "hagsns: far: far is not a node that this one knows.\n"


@pytest.mark.usefixtures("answering")
def test_without_a_daemon(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def nobody(root: NodeRoot) -> DomainStatus:
        raise Unreachable("nobody")

    monkeypatch.setattr(hags, "query_status", nobody)
    assert hags.hagsns(["hagsns", "-s", "cthags"]) == 1
    assert capsys.readouterr().err.startswith("0513-036 The request could not be passed to the cthags subsystem.")


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot(str(tmp_path))))
    """node1 is in the domain, node2 is a member of the cluster that is down."""
    status = msgspec.structs.replace(STATUS, node=1, members=(1,))
    monkeypatch.setattr(lifecycle, "ask", lambda root: Domain(CLUSTER, status))


@pytest.mark.parametrize(
    ("words", "name"), [("lscomg", "lscomg/groups.txt"), ("lscomg -i CG2", "lscomg/interfaces.txt")]
)
def test_communication_groups(
    words: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot(str(tmp_path))))
    monkeypatch.setattr(domain, "ask", lambda root: Domain(CLUSTER, STATUS))
    assert domain.lscomg(words.split()) == 0
    assert capsys.readouterr().out == golden(name)
    assert domain.lscomg(["lscomg", "CG3"]) == BAD_PARAMETER
    assert domain.lscomg(["lscomg", "-Z"]) == BAD_FLAG


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        ("stoprpdomain haes_cluster", 0, ""),
        ("stoprpdomain -f -w -s 0 haes_cluster", 0, ""),
        ("startrpdomain haes_cluster", 0, ""),
        ("preprpnode node1 node2", 0, ""),
        ("stoprpdomain other", BAD_PARAMETER, "stoprpdomain: 2632-020 The peer domain other is not defined."),
        ("mkrpdomain new node1", 5, "mkrpdomain: This node is already in the peer domain haes_cluster."),
        ("startrpnode node9", BAD_PARAMETER, "startrpnode: 2632-021 The node node9 is not defined in the peer domain."),
        ("rmrpnode node1", 5, "rmrpnode: The node node1 is online in the peer domain."),
        ("rmrpnode node9", 6, "rmrpnode: 2632-021 The node node9 is not defined in the peer domain."),
        ("rmrpnode -q node9", 0, ""),
        ("rmrpnode -F /nowhere/nodes", BAD_FLAG, "rmrpnode: /nowhere/nodes: No such file or directory"),
        ("addrpnode node2", 5, "addrpnode: The node node2 is already defined in the peer domain."),
        ("stoprpnode -f -w -s 0 node2", 0, ""),
        ("stoprpnode node9", BAD_PARAMETER, "stoprpnode: 2632-021 The node node9 is not defined in the peer domain."),
        ("startrpnode node2", 5, "startrpnode: A node of a CAA cluster is started with CAA: use clctrl -start."),
        ("stoprpdomain", BAD_FLAG, "stoprpdomain: a name must be given"),
        ("stoprpdomain -Z x", BAD_FLAG, "stoprpdomain: "),
        ("stoprpdomain -s soon haes_cluster", BAD_FLAG, "stoprpdomain: soon is no number of seconds"),
        ("startrpdomain -A -L haes_cluster", BAD_FLAG, "startrpdomain: only one of -A and -L may be given"),
    ],
)
def test_life_cycle_commands(words: str, status: int, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lifecycle.lifecycle(words.split()) == status
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(complaint)
    assert bool(output.err) == bool(status)


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("words", ["rmrpnode node2", "rmrpnode -f node1 node2", "rmrpnode -f -F {file}"])
def test_nodes_leave_the_cluster_with_the_domain(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It refused any node with a sentence, where the manual page has it remove nodes that are offline."""
    (tmp_path / "nodes").write_text("# spare ones\n  node1  # the first\n\nnode2\n")
    ran: list[list[str]] = []

    def run(command: str, words: list[str]) -> int:
        ran.append(words)
        return 0

    monkeypatch.setattr(lifecycle, "_ran", run)
    assert lifecycle.lifecycle(words.replace("{file}", str(tmp_path / "nodes")).split()) == 0
    gone = "-node2" if words == "rmrpnode node2" else "-node1,-node2"
    assert ran == [["/usr/sbin/chcluster", "-m", gone]]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", ["lsrpdomain", "lsrpnode -i", "lscomg", "caa_config -s c", "stoprpdomain c"])
def test_daemons_that_do_not_answer_are_no_session(
    words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ls commands said 2612-023, which is that nothing was found and by which scripts tell no error."""

    def silent(root: NodeRoot) -> Domain:
        raise Unreachable("no answer")

    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot(str(tmp_path))))
    monkeypatch.setattr(domain, "ask", silent)
    monkeypatch.setattr(lifecycle, "ask", silent)
    argv = words.split()
    assert getattr(domain, argv[0], lifecycle.lifecycle)(argv) == 1
    said = capsys.readouterr()
    complaint = '2612-022 A session could not be established with the RMC daemon on "local_node".'
    assert (said.out, said.err) == ("", f"{argv[0]}: {complaint}\n")


@pytest.mark.usefixtures("online")
def test_node_id_and_recfgct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lifecycle.lsnodeid(["lsnodeid"]) == 0
    assert capsys.readouterr().out == "14d2851cae61463f\n"
    assert lifecycle.recfgct(["recfgct"]) == 1
    assert capsys.readouterr().err == lifecycle.RECFGCT_REFUSAL
    monkeypatch.setattr(lifecycle, "ask", lambda root: None)
    ids = []
    for _ in range(2):
        assert lifecycle.recfgct(["recfgct"]) == 0
        assert lifecycle.lsnodeid(["lsnodeid"]) == lifecycle.lsnodeid(["lsnodeid"]) == 0
        one, again = capsys.readouterr().out.split()
        assert one == again == (tmp_path / "etc/ct_node_id").read_text().strip()
        assert len(bytes.fromhex(one)) == 8
        ids.append(one)
    assert ids[0] != ids[1], "each is a new one"
    (tmp_path / "var/ct/cfg/ct_node_id").write_text("rubbish\n")
    assert lifecycle.lsnodeid(["lsnodeid"]) == 0
    assert capsys.readouterr().out.strip() not in (*ids, "rubbish")
    assert lifecycle.lifecycle(["addrpnode", "node3"]) == 5
    assert lifecycle.lifecycle(["mkrpdomain", "new", "node1"]) == 5


def in_rmc_peers(*nodes: int) -> DomainStatus:
    """A domain of both nodes, of which those have an RMC daemon."""
    peers = GroupStatus(RMC_PEERS, 1, tuple(Provider(node, 1) for node in nodes), 1, 0)
    return msgspec.structs.replace(STATUS, node=1, members=(1, 2), groups=(peers,))


@pytest.fixture
def in_domain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(NodeRoot, "current", classmethod(lambda cls: NodeRoot(str(tmp_path))))
    monkeypatch.setattr(rmc_domain, "ask", lambda root: Domain(CLUSTER, in_rmc_peers(1)))


@pytest.mark.usefixtures("in_domain")
def test_the_domain_as_rmc_sees_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert rmc_domain.rmcdomainstatus(["rmcdomainstatus", "-s", "ctrmc"]) == 0
    assert capsys.readouterr().out == golden("rmcdomainstatus/domain.txt")
    both = rmc_domain.status(Domain(CLUSTER, in_rmc_peers(1, 2)))
    assert both is not None
    assert "  I A  0x77572edc66a94fdf  0002  node2\n" in both
    assert rmc_domain.status(Domain(CLUSTER, None)) == ""
    monkeypatch.setattr(rmc_domain, "ask", lambda root: Domain(CLUSTER, in_rmc_peers(2)))
    assert rmc_domain.rmcdomainstatus(["rmcdomainstatus", "-s", "ctrmc"]) == 1
    assert capsys.readouterr().err.startswith("0513-036 The request could not be passed to the ctrmc subsystem.")
    monkeypatch.setattr(rmc_domain, "ask", lambda root: Domain(CLUSTER, in_rmc_peers(1)))
    for words, complaint in (
        ([], "Usage: rmcdomainstatus "),
        (["-s", "other"], "0513-085 The other Subsystem is not on file."),
        (["-s", "ctrmc", "-a", "127.9.9.9"], "rmcdomainstatus: 127.9.9.9 is no address of a node of the peer domain."),
    ):
        assert rmc_domain.rmcdomainstatus(["rmcdomainstatus", *words]) == 1
        assert capsys.readouterr().err.startswith(complaint)
    asked: list[tuple[str, list[str]]] = []

    def run(root: NodeRoot, node: str, words: list[str]) -> clcomd.Result:
        asked.append((node, words))
        return clcomd.Result(0, b"its view\n", b"")

    monkeypatch.setattr(clcomd, "run", run)
    assert rmc_domain.rmcdomainstatus(["rmcdomainstatus", "-s", "ctrmc", "-a", "127.9.2.2"]) == 0
    assert asked == [("node2", [rmc_domain.RMCDOMAINSTATUS, "-s", "ctrmc"])]
    assert capsys.readouterr().out == "its view\n"
    monkeypatch.setattr(rmc_domain, "ask", lambda root: None)
    assert rmc_domain.rmcdomainstatus(["rmcdomainstatus", "-s", "ctrmc"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("in_domain")
def test_cthagsctrl_goes_through_src(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[tuple[str, ...]] = []

    def run(root: NodeRoot, words: tuple[str, ...]) -> int:
        ran.append(words)
        return 7

    monkeypatch.setattr(rmc_domain, "_run", run)
    monkeypatch.setattr(rmc_domain, "_port", lambda root: "12348")
    for words in (["-s"], ["-k"], ["-z"], ["-a", "-p", "12348"]):
        assert rmc_domain.cthagsctrl(["cthagsctrl", *words]) == 7
    assert [words[0] for words in ran] == [
        "/usr/bin/startsrc", "/usr/bin/stopsrc", "/usr/bin/stopsrc", "/usr/bin/rmssys", "/usr/bin/mkssys",
    ]  # fmt: skip
    assert rmc_domain.cthagsctrl(["cthagsctrl", "-h"]) == 0
    assert capsys.readouterr().out == rmc_domain.CTHAGSCTRL_USAGE
    for refused in ([], ["-s", "-k"], ["-s", "-p", "1"], ["-x"], ["-s", "operand"]):
        assert rmc_domain.cthagsctrl(["cthagsctrl", *refused]) == 1
        assert capsys.readouterr().err == rmc_domain.CTHAGSCTRL_USAGE
    assert rmc_domain.cthagsctrl(["cthagsctrl", "-a", "-p", "99"]) == 1
    assert "12348" in capsys.readouterr().err
