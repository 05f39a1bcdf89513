"""clanalyze: what it finds in the logs of a node, how it shows it, and what it makes of several nodes."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemons.clcomd import client as clcomd
from daemons.clmgr.collection import contents, reading
from daemons.clmgr.collection.gathering import unpack
from daemons.clmgr.collection.log_files import files_of_log
from daemons.clmgr.views import analysis, failures
from daemons.cluster.configuration import LogFile
from srcctl.commands import launch
from srcctl.errlog.log import Entry
from srcctl.node.root import NodeRoot
from srcctl.snap.commands import archive
from srcctl.snap.compression import compress
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
    (tmp_path / "tmp").mkdir()
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
        ("-a -o all -d /snap", "clanalyze: /snap: No such file or directory\n"),
        ("-a -o all -d /var", "clanalyze: /var has no data of a cluster's nodes.\n"),
        ("-a -o all -d /var/hacmp/log/hacmp.out", "clanalyze: /var/hacmp/log/hacmp.out is no snap: "),
        ("-a -o all -d /snap -n ALL", "Usage: "),
        ("-a -u -d /snap", "Usage: "),
        (f"-s {START} -e {END} -x /var/hacmp/log/hacmp.out", "Usage: "),
        ("-c snap", "Usage: "),
        ("-c /snap -a", "Usage: "),
        ("-c /var/hacmp/log/hacmp.out", "clanalyze: /var/hacmp/log/hacmp.out: File exists\n"),
    ],
)
def test_what_cannot_be_analyzed(asked: Asked, words: str, complaint: str) -> None:
    status, text, said = asked(*words.split())
    assert (status, text, said.startswith(complaint)) == (1, "", True), said


@pytest.fixture
def snap(root: NodeRoot) -> Path:
    """A snap of this node and of one that has no log of events any more, in /snap/hacmp."""
    gathered = Path(root.path("/snap/hacmp"))
    shutil.copytree(root.path("/var"), gathered / "node1/var")
    (gathered / "node2/var/adm/ras").mkdir(parents=True)
    (gathered / "node2/var/adm/ras/errlog").touch()
    (gathered / "hacmp.snap").write_text("node1: 2 files\n")
    end = at("2026-11-26T00:00:00")
    for path in gathered.rglob("*"):
        os.utime(path, (end, end))
    return gathered.parent


@pytest.mark.parametrize("kind", ["folder", "part", "pax", "pax.Z"])
def test_a_snap_is_analyzed_node_by_node(
    asked: Asked, root: NodeRoot, snap: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = {"node1": analysis.error_log.read(root)}
    monkeypatch.setattr(analysis.error_log, "read", lambda root: nodes.get(os.path.basename(root.directory), []))
    monkeypatch.setattr(reading.time, "time", lambda: at("2031-01-01T00:00:00"))
    monkeypatch.setattr(analysis.time, "time", lambda: at("2031-01-01T00:00:00"))
    where = {"folder": "/snap", "part": "/snap/hacmp"}.get(kind, f"/snap.{kind}")
    if kind.startswith("pax"):
        plain = b"".join(archive(str(snap), ["hacmp"]))
        data = b"".join(compress([plain])) if kind == "pax.Z" else plain
        (snap.parent / f"snap.{kind}").write_bytes(data)
        shutil.rmtree(snap)
    status, text, said = asked(*ALL, "-d", where)
    assert (status, said) == (0, "")
    assert text == golden("clanalyze/all.txt") + "Node node2: 0 failures found\n\n"
    words = ["-s", "2026-11-24T13:39:37", "-e", END, "-x", "/var/hacmp/log/hacmp.out", "-d", where]
    status, text, said = asked(*words)
    assert (status, text) == (0, golden("clanalyze/file.txt"))
    assert said == "clanalyze: node2: /var/hacmp/log/hacmp.out: No such file or directory\n"
    assert asked(*words[:5], "/nosuch", *words[6:])[0] == 2
    assert os.listdir(snap.parent / "tmp") == [], "what was unpacked is gone again"


def test_an_archive_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as made:
        for name in ("/abs", "../up", "a/../../up", "hacmp/node1/log", "good"):
            made.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        made.addfile(link)
    assert unpack(str(tmp_path / "bad.tar"), str(tmp_path / "out")) == 3
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == [
        "bad.tar", "out/abs", "out/good", "out/hacmp/node1/log"
    ]  # fmt: skip
    assert unpack(str(tmp_path / "bad.tar"), str(tmp_path / "part"), "hacmp") == 1
    assert (tmp_path / "part/node1/log").exists()


def test_what_a_node_contributes(root: NodeRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "COMMANDS", ("echo hello", "no-such-command -x"))
    monkeypatch.setattr(contents.configurations, "load", lambda repository: sample())
    for path in ("/var/hacmp/log/hacmp.out.x", "/var/ct/IW/log/mc/default", "/etc/hosts"):
        os.makedirs(os.path.dirname(root.path(path)), exist_ok=True)
        Path(root.path(path)).write_text(path)
    target = tmp_path / "part.tar"
    with open(target, "wb") as file:
        contents.write(root, file)
    unpack(str(target), str(tmp_path / "out"))
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {
        "etc/hosts", "var/ct/IW/log/mc/default", "var/hacmp/log/hacmp.out", "var/hacmp/log/hacmp.out.1",
        "commands/echo_hello.out", "commands/no-such-command_-x.out",
    }  # fmt: skip
    assert (tmp_path / "out/commands/echo_hello.out").read_text() == "hello\n"
    assert (tmp_path / "out/commands/no-such-command_-x.out").read_text().startswith("no-such-command: ")
    assert (tmp_path / "out/var/hacmp/log/hacmp.out.1").read_text() == ROTATED
    assert "/var/ct/IW/log/mc/default" not in contents.paths(root, with_rsct=False)


def test_the_files_of_a_log() -> None:
    names = [
        "cluster.log",
        "cluster.11282026",
        "11282026",
        "cluster.log.1",
        "hacmp.out",
        "hacmp.out.12",
        "hacmp.outer",
        "12",
    ]
    assert files_of_log(LogFile(name="hacmp.out", directory="/"), names) == ["hacmp.out", "hacmp.out.12"]
    assert files_of_log(LogFile(name="cluster.mmddyyyy", directory="/"), names) == ["cluster.11282026"]


def lines_of(text: str) -> Iterator[str]:
    return iter(text.splitlines(keepends=True))


def test_a_stamp_without_a_year_is_not_in_the_future() -> None:
    now = at("2026-01-02T00:00:00")
    (when, _), _ = failures.timed(lines_of("Dec 31 23:59:59 x\nno time\n"), now)
    assert failures.stamp(when) == "2025-12-31T23:59:59"
    ((leap, _),) = failures.timed(lines_of("Feb 29 00:00:00 x\n"), now)
    assert leap == 0.0, "a day that was in none of these years"
