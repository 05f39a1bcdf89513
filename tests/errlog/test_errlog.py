"""The error log: layouts of the reference, filters, bounded, whole whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from srcctl.errlog import TEMPLATES, commands, log, log_entry, read
from srcctl.node.root import Identity, NodeRoot

GOLDEN = Path(__file__).parent.parent / "golden" / "errpt"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    (tmp_path / "etc").mkdir()
    identity = Identity("lab", "", "", "", "", "", "node1", 1, 1.0, "folder", "", (), ())
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    return NodeRoot(str(tmp_path))


@pytest.fixture
def run(root: NodeRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("HAES_ROOT", root.directory)

    def command(name: str, *words: str) -> tuple[int, str, str]:
        status = getattr(commands, name)([f"/usr/bin/{name}", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


def test_the_summary_of_a_node_that_was_halted_by_clexit() -> None:
    witness, _, expected = (GOLDEN / "halted_by_clexit.txt").read_text().partition("\n")
    assert witness.startswith("# witness:")
    os.environ["TZ"] = "UTC"
    time.tzset()
    when = time.mktime((2024, 7, 19, 11, 31, 24, 0, 0, 0))
    earlier = time.mktime((2024, 7, 19, 10, 48, 24, 0, 0, 0))
    entries = [
        log.Entry(3, when, "RMCD_INFO_0_ST", "RMCdaemon", "nodea"),
        log.Entry(2, when, "SRC_SVKO", "SRC", "nodea"),
        log.Entry(1, when, "GS_START_ST", "cthags", "nodea"),
        log.Entry(0, earlier, "OPMSG", "OPERATOR", "nodea"),
    ]
    assert "\n".join([commands.HEADER, *map(commands.summary, entries)]) + "\n" == expected


def test_the_operator_message_of_clexit(run: Run) -> None:
    assert run("errlogger", "clexit.rc", ":", "Unexpected termination of clstrmgrES") == (0, "", "")
    status, out, _ = run("errpt", "-a")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "-" * 75
    assert lines[1:3] == ["LABEL:          OPMSG", "IDENTIFIER:     AA8AB241"]
    assert "Node Id:         node1" in lines
    assert "\tRecommended Actions" in lines
    assert lines[-3:-1] == ["MESSAGE FROM ERRLOGGER COMMAND", "clexit.rc : Unexpected termination of clstrmgrES"]


def test_filters_and_errclear(root: NodeRoot, run: Run) -> None:
    assert run("errpt") == (0, "", "")
    for label, resource in (("OPMSG", "OPERATOR"), ("SRC_SVKO", "SRC"), ("LVM_SA_PVMISS", "LVDD")):
        log_entry(root, label, resource, (("SYMPTOM CODE", "9"),))

    def labels(*words: str) -> list[str]:
        return [line.split()[0] for line in run("errpt", *words)[1].splitlines()[1:]]

    assert labels() == ["F7DDA124", "BC3BE5A3", "AA8AB241"]
    assert labels("-d", "H,S") == ["F7DDA124", "BC3BE5A3"]
    assert labels("-j", "AA8AB241") == labels("-J", "OPMSG") == labels("-N", "OPERATOR") == ["AA8AB241"]
    assert labels("-T", "PERM") == ["BC3BE5A3"]
    assert labels("-K", "OPMSG,SRC_SVKO") == ["F7DDA124"]
    assert labels("-l", "2") == ["BC3BE5A3"]
    assert labels("-s", "0101000001")
    assert labels("-e", "0101000001") == []
    status, _, error = run("errpt", "-s", "yesterday")
    assert (status, error[:8]) == (1, "0315-156")
    assert run("errpt", "-z")[0] == 1
    assert run("errclear", "-J", "OPMSG", "0") == (0, "", "")
    assert labels() == ["F7DDA124", "BC3BE5A3"]
    assert run("errclear")[0] == 1


def test_every_template_has_its_own_identifier() -> None:
    identifiers = [template.identifier for template in TEMPLATES.values()]
    assert len(identifiers) == len(set(identifiers))


def test_the_log_is_bounded(root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "SIZE_MAX", 20_000)
    for number in range(400):
        log_entry(root, "OPMSG", "OPERATOR", (("MESSAGE FROM ERRLOGGER COMMAND", f"message {number}"),))
    entries = read(root)
    assert os.path.getsize(root.path(log.LOG_FILE)) <= 20_000
    assert entries[-1].details[0][1] == "message 399"
    assert [e.sequence for e in entries] == list(range(entries[0].sequence, 401))


WRITER = """
import sys
from srcctl.errlog import log_entry
from srcctl.node.root import NodeRoot
for number in range(int(sys.argv[3])):
    log_entry(NodeRoot(sys.argv[1]), "OPMSG", sys.argv[2], (("N", str(number)),))
    print(number, flush=True)
"""


def test_concurrent_writers_one_of_them_killed(root: NodeRoot) -> None:
    def start(name: str, count: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", WRITER, root.directory, name, str(count)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    writers = [start(f"w{n}", 60) for n in range(3)]
    victim = start("victim", 100_000)
    assert victim.stdout is not None
    confirmed = [victim.stdout.readline() for _ in range(20)]
    victim.send_signal(signal.SIGKILL)
    confirmed += victim.stdout.readlines()
    victim.stdout.close()
    victim.wait()
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.read()
        writer.stdout.close()
        assert writer.wait() == 0
    entries = read(root)
    assert [e.sequence for e in entries] == list(range(1, len(entries) + 1))
    for n in range(3):
        assert [e.details[0][1] for e in entries if e.resource == f"w{n}"] == [str(k) for k in range(60)]
    kept = {e.details[0][1] for e in entries if e.resource == "victim"}
    assert {line.strip() for line in confirmed if line.strip()} <= kept


def test_a_torn_last_line_is_no_entry_and_is_written_over(root: NodeRoot) -> None:
    log_entry(root, "OPMSG", "one")
    with open(root.path(log.LOG_FILE), "a") as file:
        file.write('{"sequence": 2, "ti')
    log_entry(root, "OPMSG", "two")
    assert [(e.sequence, e.resource) for e in read(root)] == [(1, "one"), (2, "two")]


def test_a_log_that_cannot_be_written_harms_nobody(root: NodeRoot) -> None:
    os.makedirs(root.path(log.LOG_FILE))
    log_entry(root, "OPMSG", "one")
    with pytest.raises(KeyError):
        log_entry(root, "NO_SUCH_LABEL", "x")
