"""clanalyze: what it finds in the logs of a node, how it shows it, and what it makes of several nodes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemons.clcomd import client as clcomd
from daemons.clmgr.views import analysis, failures
from srcctl.commands import launch
from srcctl.errlog.log import Entry
from srcctl.node.root import NodeRoot
from tests.clmgr.sample import IDENTITY, golden, sample

HACMP_OUT = """\
Nov 24 13:39:36 EVENT START: node_down node2
Nov 24 13:39:37 EVENT START: network_down node2 net_ether_01
Nov 24 13:39:37 EVENT START: start_server app_two
:start_server[12] echo no disk
Nov 24 13:39:37 EVENT FAILED: 1: start_server app_two 1
Nov 24 13:39:37 EVENT FAILED: 1: node_down_complete node2 1
"""
ROTATED = "Nov 23 01:02:03 EVENT START: server_down app_one\n"
ALL, START, END = ["-a", "-o", "all"], "2026-11-24T00:00:00", "2026-11-25T00:00:00"


def at(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeRoot:
    made = NodeRoot(str(tmp_path))
    made._identity = IDENTITY
    logs = tmp_path / "var/hacmp/log"
    logs.mkdir(parents=True)
    (logs / "hacmp.out").write_text(HACMP_OUT)
    (logs / "hacmp.out.1").write_text(ROTATED)
    entries = [
        Entry(1, at("2026-11-24T13:39:36"), "SRC_SVKO", "SRC", "node1"),
        Entry(2, at("2026-11-24T13:39:37"), "LVM_SA_PVMISS", "LVDD", "node1"),
        Entry(3, at("2026-11-24T13:39:38"), "CORE_DUMP", "SYSPROC", "node1"),
        Entry(4, at("2026-11-24T13:39:39"), "OPMSG", "OPERATOR", "node1"),
    ]
    monkeypatch.setattr(analysis.NodeRoot, "current", lambda: made)
    monkeypatch.setattr(analysis.error_log, "read", lambda root: entries)
    monkeypatch.setattr(analysis.time, "time", lambda: at("2026-11-26T00:00:00"))
    monkeypatch.setattr(analysis.configurations, "load", lambda repository: sample())
    return made


@pytest.fixture
def asked(root: NodeRoot, capsys: pytest.CaptureFixture[str]) -> Asked:
    def ask(*words: str) -> tuple[int, str, str]:
        status = analysis.clanalyze(["/usr/es/sbin/cluster/utilities/clanalyze", *words])
        return status, *capsys.readouterr()

    return ask


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("all", ["-a", "-o", "all"]),
        ("recent", ["-a", "-o", "recent"]),
        ("period", ["-a", "-s", START, "-e", END, "-p", "disk failure"]),
        ("string", ["-a", "-p", "no disk"]),
        ("core", ["-a", "-u"]),
        ("nothing", ["-a", "-p", "SiteFailure"]),
        ("file", ["-s", "2026-11-24T13:39:37", "-e", END, "-f", "/var/hacmp/log/hacmp.out"]),
    ],
)
def test_report(asked: Asked, name: str, words: list[str]) -> None:
    assert asked(*words) == (0, golden(f"clanalyze/{name}.txt"), "")


def test_failures_of_one_second_stay_in_the_order_of_their_log() -> None:
    found = [failures.Failure(5.0, "Z", "a", "first"), failures.Failure(5.0, "A", "a", "second"),
             failures.Failure(1.0, "M", "b", "before")]  # fmt: skip
    assert [failure.text for failure in failures.by_time(found)] == ["before", "first", "second"]
    assert [line.split()[-1] for line in failures.report("n", found)[2:-1]] == ["before", "first", "second"]


def test_a_log_that_only_some_nodes_have(asked: Asked, root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["-s", START, "-e", END, "-n", "ALL", "-f", "/var/hacmp/log/hacmp.out"]
    answers = {"node2": clcomd.Result(2, b"", b"clanalyze: node2: no such file\n")}
    monkeypatch.setattr(clcomd, "run", lambda root, node, command, **more: answers[node])
    status, text, said = asked(*words)
    assert (status, said) == (0, "clanalyze: node2: no such file\n")
    assert text.startswith("Node node1: /var/hacmp/log/hacmp.out\n")
    os.unlink(root.path("/var/hacmp/log/hacmp.out"))
    status, text, said = asked(*words)
    assert (status, text) == (2, "")
    assert said.startswith("clanalyze: node1: /var/hacmp/log/hacmp.out: No such file")
    answers["node2"] = clcomd.Result(0, b"Node node2: it\n", b"")
    assert asked(*words)[:2] == (0, "Node node2: it\n")
    answers["node2"] = clcomd.Result(1, b"", b"wrong\n")
    assert asked(*words)[0] == 1
    assert asked("-a", "-o", "all")[0] == 0, "a log of the product that is missing is no failure"


def test_a_node_that_cannot_be_asked(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*words: object, **more: object) -> clcomd.Result:
        raise clcomd.ClcomdError("it is off")

    monkeypatch.setattr(clcomd, "run", fails)
    status, text, said = asked("-a", "-u", "-n", "node2,node1")
    assert (status, text, said) == (
        1, golden("clanalyze/core.txt"), "clanalyze: unable to communicate with node2: it is off\n"
    )  # fmt: skip


def test_a_reader_that_has_gone_ends_it_without_a_word(root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    said: list[str] = []
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(launch, "complain", said.append)
    assert launch.call("daemons.clmgr.views.analysis", "clanalyze", ["clanalyze", *ALL]) == 0
    assert said == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("-a", "Usage: "),
        ("-a -o some", "Usage: "),
        ("-a -u -o all", "Usage: "),
        ("-s 2026-01-01T00:00:00 -f /x", "Usage: "),
        ("-a -p x y", "Usage: "),
        (f"-a -s {END} -e {START}", "clanalyze: the start time "),
        ("-a -s now -e then", 'clanalyze: "now" is not a time of the form YYYY-MM-DDTHH:MM:SS.\n'),
        ("-a -u -n node9", "clanalyze: the node node9 is not defined.\n"),
        ("-a -o all -d /snap", "clanalyze: there is no snap on this node: "),
        ("-c /snap", "clanalyze: there is no snap on this node: "),
    ],
)
def test_what_cannot_be_analyzed(asked: Asked, words: str, complaint: str) -> None:
    status, text, said = asked(*words.split())
    assert (status, text, said.startswith(complaint)) == (1, "", True), said


def lines_of(text: str) -> Iterator[str]:
    return iter(text.splitlines(keepends=True))


def test_a_stamp_without_a_year_is_not_in_the_future() -> None:
    now = at("2026-01-02T00:00:00")
    (when, _), _ = failures.timed(lines_of("Dec 31 23:59:59 x\nno time\n"), now)
    assert failures.stamp(when) == "2025-12-31T23:59:59"
    ((leap, _),) = failures.timed(lines_of("Feb 29 00:00:00 x\n"), now)
    assert leap == 0.0, "a day that was in none of these years"
