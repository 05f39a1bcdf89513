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

from srcctl.commands.launch import call
from srcctl.errlog import TEMPLATES, log, log_entry, read, report, settings
from srcctl.node import bootlog
from srcctl.node.root import Identity, NodeRoot
from srcctl.odm import Repository

GOLDEN = Path(__file__).parent.parent / "golden" / "errpt"
ETC = Path(__file__).parents[2] / "etc"
ENTRIES = {
    line.split()[0].rpartition("/")[2]: line.split()[1].split(":")
    for line in (ETC / "programs/errlog").read_text().splitlines()
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    (tmp_path / "etc").mkdir()
    identity = Identity("lab", "", "", "", "", "", "node1", 1, 1.0, "folder", "", (), ())
    (tmp_path / "etc/lpar.json").write_text(identity.text())
    node = NodeRoot(str(tmp_path))
    (tmp_path / "etc/objrepos").mkdir()
    repository = Repository(node, "/etc/objrepos")
    for component in ("errlog", "devices"):
        repository.create((ETC / f"objrepos/{component}.cre").read_text())
    return node


@pytest.fixture
def run(root: NodeRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("HAES_ROOT", root.directory)

    def command(name: str, *words: str) -> tuple[int, str, str]:
        status = call(*ENTRIES[name], [f"/usr/bin/{name}", *words])
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
    assert "\n".join([report.HEADER, *map(report.summary, entries)]) + "\n" == expected


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


def test_the_log_is_bounded(root: NodeRoot, run: Run) -> None:
    assert run("errdemon", "-s", "20000") == (0, "", "")
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


def test_a_single_entry_never_makes_the_log_larger(root: NodeRoot, run: Run) -> None:
    assert run("errdemon", "-s", "4096")[0] == 0
    for number in range(20):
        log_entry(root, "OPMSG", "OPERATOR", (("MESSAGE FROM ERRLOGGER COMMAND", f"{number}" + "x" * 1000),))
        assert os.path.getsize(root.path(log.LOG_FILE)) <= 4096
    assert read(root)[-1].details[0][1].startswith("19")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-d", "X"), "0315-157"),
        (("-T", "BAD"), "0315-157"),
        (("-j", "XYZ"), "0315-158"),
        (("-l", "one"), "0315-159"),
        (("-s", "9999999999"), "0315-156"),
        (("-e", "1"), "0315-156"),
        (("-i", "/nosuch"), "0315-172"),
        (("-a", "-A"), "Usage:"),
        (("operand",), "Usage:"),
    ],
)
def test_bad_filters_are_told(run: Run, words: tuple[str, ...], message: str) -> None:
    status, out, error = run("errpt", *words)
    assert (status, out) == (1, "")
    assert error.startswith(message)
    assert error.count("\n") <= 6


def test_layouts(root: NodeRoot, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: 1_721_388_684.0)
    Repository(root, "/etc/objrepos").add("CuDv", {"name": "hdisk3", "status": 1, "PdDvLn": "disk/vscsi/vdisk"})
    log_entry(root, "OPMSG", "clevmgrd", (("MESSAGE FROM ERRLOGGER COMMAND", "Error: Node has lost access."),))
    log_entry(root, "SRC_SVKO", "SRC", (("SYMPTOM CODE", "         256"), ("FAILING MODULE", "clstrmgrES")))
    log_entry(root, "DISK_ERR1", "hdisk3")
    for name, words in (
        ("summary", ()), ("detail", ("-a",)), ("abbreviated", ("-A", "-J", "SRC_SVKO")),
        ("templates", ("-t", "-d", "O")),
    ):  # fmt: skip
        witness, _, expected = (GOLDEN / f"{name}.txt").read_text().partition("\n")
        assert witness.startswith(("# witness: ", "# inferred"))
        assert run("errpt", *words) == (0, expected, "")
    assert run("errdemon", "-l") == (0, (GOLDEN / "errdemon.txt").read_text().partition("\n")[2], "")
    assert [line.split()[4] for line in run("errpt", "-S", "disk")[1].splitlines()[1:]] == ["hdisk3"]
    assert run("errpt", "-R", "vdisk")[1] == run("errpt", "-N", "hdisk3")[1] == run("errpt", "-j", "B6267342")[1]


MESSAGE = (("MESSAGE FROM ERRLOGGER COMMAND", "again"),)


def test_duplicates_are_counted(root: NodeRoot, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_784_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)

    def again(seconds: float, label: str = "OPMSG", once: str = "") -> list[tuple[int, int, float, float]]:
        nonlocal now
        now += seconds
        assert log_entry(root, label, "OPERATOR", MESSAGE, once=once)
        return [(e.sequence, e.duplicates, e.first_duplicate, e.last_duplicate) for e in read(root)]

    start = now
    assert again(0) == [(1, 0, 0.0, 0.0)]
    assert again(9.5) == [(1, 1, start + 9.5, start + 9.5)]
    assert again(9.5) == [(1, 2, start + 9.5, start + 19)], "the interval begins with the last duplicate"
    assert again(10.5)[-1] == (2, 0, 0.0, 0.0), "what comes later is an entry of its own"
    assert again(1, "SRC")[-1] == (3, 0, 0.0, 0.0)
    assert again(1)[-1] == (4, 0, 0.0, 0.0), "only what is the same as the entry before is a duplicate"
    assert run("errdemon", "-m", "2")[0] == 0
    assert [again(1)[-1][:2] for _ in range(5)] == [(4, 1), (4, 2), (5, 0), (5, 1), (5, 2)]
    assert run("errdemon", "-m", "1000", "-t", "500")[0] == 0
    assert again(0.4)[-1][:2] == (5, 3)
    assert again(0.6)[-1][:2] == (6, 0)
    assert again(-5)[-1][:2] == (7, 0), "a clock that was set back proves nothing"
    assert run("errdemon", "-D")[0] == 0
    assert again(0)[-1][:2] == (8, 0)
    assert run("errdemon", "-d")[0] == 0
    assert again(0)[-1][:2] == (8, 1)
    assert run("errclear", "-l", "8", "0")[0] == 0
    assert again(0)[-1][:2] == (9, 0), "the numbers go on"
    assert run("errclear", "0")[0] == run("errclear", "0")[0] == 0
    assert read(root) == []
    assert again(0) == [(10, 0, 0.0, 0.0)]


def test_a_start_of_error_logging_is_no_duplicate_of_the_one_before(root: NodeRoot) -> None:
    for _ in range(2):
        log_entry(root, "ERRLOG_ON", "errdemon")
    assert [(e.sequence, e.duplicates) for e in read(root)] == [(1, 0), (2, 0)]


def test_what_happened_once_is_no_duplicate_of_itself(root: NodeRoot) -> None:
    for number in (1, 1, 2, 2, 3, 10, 10, 3, 1):
        assert log_entry(root, "SRC_RSTRT", "SRC", MESSAGE, once=f"restart {number}")
    assert [(e.sequence, e.duplicates) for e in read(root)] == [(1, 3)]


def test_a_thousand_duplicates_take_no_room(root: NodeRoot) -> None:
    sizes = set()
    for number in range(1005):
        log_entry(root, "OPMSG", "OPERATOR", MESSAGE)
        if 1 <= number <= 1000:
            sizes.add(os.path.getsize(root.path(log.LOG_FILE)))
    assert [(e.sequence, e.duplicates) for e in read(root)] == [(1, 1000), (2, 3)]
    assert len(sizes) == 1


def test_duplicates_outlive_a_torn_line_and_what_is_no_entry(root: NodeRoot) -> None:
    log_entry(root, "OPMSG", "one", MESSAGE)
    log_entry(root, "OPMSG", "one", MESSAGE)
    path = Path(root.path(log.LOG_FILE))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1][:40])
    log_entry(root, "OPMSG", "one", MESSAGE)
    assert [(e.sequence, e.duplicates) for e in read(root)] == [(1, 2)]
    path.write_bytes(b"written by hand\n" + path.read_bytes() + "\N{BOMB}\nrubbish".encode())
    log_entry(root, "OPMSG", "one", MESSAGE)
    log_entry(root, "SRC", "two")
    assert [(e.sequence, e.resource, e.duplicates) for e in read(root)] == [(1, "one", 3), (2, "two", 0)]
    assert b"hand" not in path.read_bytes()


def test_error_logging_is_stopped_and_started(root: NodeRoot, run: Run) -> None:
    assert run("errdemon")[:2] == (1, "")
    assert run("errstop") == (0, "", "")
    assert run("errstop")[2].startswith("0315-101")
    run("errlogger", "lost")
    assert run("errdemon") == (0, "", "")
    assert [entry.label for entry in read(root)] == ["ERRLOG_OFF", "ERRLOG_ON"]
    run("errstop")
    bootlog.log_boot(root, "halt", "")
    assert not settings.is_stopped(root), "a boot begins with error logging on"
    assert run("errdemon", "-s", "12")[2].startswith("0315-175")
    assert run("errdemon", "-t", "500", "-D") == (0, "", "")
    assert "Duplicate Removal       false" in run("errdemon", "-l")[1]
    Path(root.path("/etc/objrepos/SWservAt")).write_text("rubbish")
    assert settings.load(root) == settings.Settings(), "the log goes on with the defaults"


def test_notification_methods_run(root: NodeRoot, tmp_path: Path) -> None:
    told = tmp_path / "told"
    repository = Repository(root, "/etc/objrepos")
    method = f"/bin/sh -c 'echo \"$*\" >>{told}' method"  # one write: methods run side by side
    common = {"en_method": method, "en_persistenceflg": 1}
    repository.add("errnotify", {"en_name": "by_label", "en_label": "OPMSG", **common})
    repository.add("errnotify", {"en_name": "by_class", "en_class": "H", "en_resource": "hdisk3", **common})
    repository.add("errnotify", {"en_name": "by_id", "en_crcid": 0xBC3BE5A3, **common, "en_persistenceflg": 0})
    repository.add("errnotify", {"en_name": "never", "en_label": "KERNEL_PANIC", **common})
    repository.add("errnotify", {"en_name": "again", "en_label": "SRC_SVKO", "en_dup": "TRUE", **common})
    repository.add("errnotify", {"en_name": "first", "en_label": "SRC_SVKO", "en_dup": "FALSE", **common})
    log_entry(root, "OPMSG", "OPERATOR")
    log_entry(root, "DISK_ERR1", "hdisk2")
    log_entry(root, "DISK_ERR1", "hdisk3")
    log_entry(root, "SRC_SVKO", "SRC")
    log_entry(root, "SRC_SVKO", "SRC")
    deadline = time.monotonic() + 20
    while not told.exists() or told.read_text().count("\n") < 6:
        assert time.monotonic() < deadline, told.read_text() if told.exists() else "nobody was told"
        time.sleep(0.01)
    assert sorted(told.read_text().splitlines()) == [
        "1 0xaa8ab241 O TEMP FALSE OPERATOR NONE NONE OPMSG",
        "3 0xb6267342 H PERM FALSE hdisk3 NONE NONE DISK_ERR1",
        *["4 0xbc3be5a3 S PERM FALSE SRC NONE NONE SRC_SVKO"] * 4,
    ]
    bootlog.log_boot(root, "", "")
    assert [o["en_name"] for o in repository.get("errnotify")] == [
        "by_label", "by_class", "never", "again", "first",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["errnotify", "SWservAt", "CuDv"])
def test_a_class_with_other_descriptors_keeps_nothing_from_the_log(root: NodeRoot, name: str) -> None:
    repository = Repository(root, "/etc/objrepos", any_class=True)
    repository.add("errnotify", {"en_name": "x", "en_method": "/bin/true", "en_persistenceflg": 0})
    if name in repository.classes():
        repository.drop(name)
    repository.create(f"class {name} {{ char en_method[20]; char other[20]; }};")
    repository.add(name, {"en_method": "/bin/true", "other": "attribute = "})
    assert log_entry(root, "DISK_ERR1", "hdisk3")
    bootlog.log_boot(root, "", "")
    assert [entry.label for entry in read(root)] == ["DISK_ERR1", "ERRLOG_ON"]


def test_errpt_follows_the_log(root: NodeRoot) -> None:
    log_entry(root, "OPMSG", "before")
    # A shell ignores the interrupt in what it runs in the background, and so do all children that say nothing else.
    code = (
        "import signal, sys; from srcctl.errlog.report import errpt; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(errpt(['errpt', '-c']))"
    )
    words, environment = [sys.executable, "-c", code], {**os.environ, "HAES_ROOT": root.directory}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        try:
            assert follower.stdout.readline() == report.HEADER + "\n"
            assert " before " in follower.stdout.readline()
            log_entry(root, "SRC_SVKO", "SRC")
            assert follower.stdout.readline().startswith("BC3BE5A3")
            follower.send_signal(signal.SIGINT)
            assert follower.wait(timeout=20) == 0
        finally:
            follower.kill()
