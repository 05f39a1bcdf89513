"""Storage: a class is always whole, no change is lost, whoever is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository, commands, remember, seed
from srcctl.odm import repository as repository_module

ETC = Path(__file__).parents[2] / "etc" / "objrepos"


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    node = NodeRoot(str(tmp_path))
    seed.load(node, str(ETC))
    return node


def test_seeding_makes_links_to_the_cluster_classes(root: NodeRoot) -> None:
    link = root.path("/etc/objrepos/HACMPnode")
    assert os.path.realpath(link) == root.path("/etc/es/objrepos/HACMPnode")
    repository = Repository(root)
    repository.add("HACMPnode", {"name": "node1", "object": "VERBOSE_LOGGING", "value": "high", "node_id": 2})
    assert os.path.islink(link)
    assert Repository(root, "/etc/es/objrepos").get("HACMPnode", "node_id=2")[0]["value"] == "high"
    seed.load(root, str(ETC))
    assert len(repository.get("HACMPnode")) == 1
    assert len(repository.get("HACMPlogs", "name = hacmp.out")) == 1


def test_change_and_delete_count(root: NodeRoot) -> None:
    repository = Repository(root)
    repository.delete("SRCnotify")
    for number in range(5):
        repository.add("SRCnotify", {"notifyname": f"n{number}", "notifymethod": "/bin/true"})
    assert repository.change("SRCnotify", "notifyname LIKE n[0-2]", {"notifymethod": "/bin/false"}) == 3
    assert len(repository.get("SRCnotify", "notifymethod=/bin/false")) == 3
    assert repository.delete("SRCnotify", "notifyname > n2") == 2
    assert repository.delete("SRCnotify") == 3
    assert repository.delete("SRCnotify") == 0
    with pytest.raises(OdmError, match="descriptor"):
        repository.change("SRCnotify", None, {"nosuch": "x"})


@pytest.mark.parametrize("name", ["nosuch", "../passwd", "", ".hidden"])
def test_classes_that_do_not_exist(root: NodeRoot, name: str) -> None:
    with pytest.raises(OdmError) as caught:
        Repository(root).get(name)
    assert caught.value.code == "ODMI_CLASS_DNE"


def test_a_file_that_is_no_class_is_refused(root: NodeRoot) -> None:
    Path(root.path("/etc/objrepos/SRCsubsys")).write_bytes(b"\xff\xfegarbage")
    with pytest.raises(OdmError):
        Repository(root).get("SRCsubsys")


WRITER = """
import sys
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository
root, name = NodeRoot(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    Repository(root).add("SRCsubsvr", {"sub_type": f"{name}.{number}", "subsysname": "x", "sub_code": number})
    print(number, flush=True)
"""


def writer(root: NodeRoot, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, root.directory, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_many_writers_some_killed_lose_nothing_and_copies_are_whole(root: NodeRoot, tmp_path: Path) -> None:
    writers = {f"w{n}": writer(root, f"w{n}", 40) for n in range(4)}
    victim = writer(root, "victim", 100_000)
    copies = Path(root.path("/etc/objrepos/Copy"))
    confirmed: list[str] = []
    assert victim.stdout is not None
    deadline = time.monotonic() + 60
    while any(process.poll() is None for process in writers.values()):
        assert time.monotonic() < deadline
        confirmed.append(victim.stdout.readline())
        shutil.copy(root.path("/etc/objrepos/SRCsubsvr"), copies)
        Repository(root).get("Copy")
    victim.send_signal(signal.SIGKILL)
    confirmed += victim.stdout.readlines()
    victim.wait()
    victim.stdout.close()
    for process in writers.values():
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 0
    found = [str(o["sub_type"]) for o in Repository(root).get("SRCsubsvr")]
    assert len(found) == len(set(found))
    for name in writers:
        assert [f for f in found if f.startswith(name + ".")] == [f"{name}.{n}" for n in range(40)]
    assert {f"victim.{line.strip()}" for line in confirmed if line.strip()} <= set(found)


@pytest.fixture
def run(root: NodeRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HAES_ROOT", root.directory)
    monkeypatch.delenv("ODMDIR", raising=False)

    def command(*argv: str) -> tuple[int, str, str]:
        status = getattr(commands, argv[0])(["/usr/bin/" + argv[0], *argv[1:]])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


@pytest.mark.parametrize("form", ["/etc/es/objrepos", "{root}/etc/es/objrepos", "{root}/etc/objrepos"])
def test_odmdir_is_a_path_of_the_node_in_either_form(
    run, root: NodeRoot, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("ODMDIR", form.format(root=root.directory))
    status, shown, said = run("odmshow", "HACMPcluster")
    assert (status, said) == (0, "")
    assert "HACMPcluster" in shown


def test_commands_and_their_messages(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run("odmdelete", "-o", "SRCnotify")
    stanza = tmp_path / "in.add"
    stanza.write_text('SRCnotify:\n\tnotifyname = "clstrmgrES"\n\tnotifymethod = "/x/clexit.rc"\n')
    assert run("odmadd", str(stanza)) == (0, "", "")
    expected = '\nSRCnotify:\n\tnotifyname = "clstrmgrES"\n\tnotifymethod = "/x/clexit.rc"\n'
    assert run("odmget", "SRCnotify") == (0, expected, "")
    assert run("odmget", "-qnotifyname=nosuch", "SRCnotify") == (0, "", "")
    message = "0518-506 odmget: Cannot open object class nosuch\n\tCheck path name and permissions.\n"
    assert run("odmget", "nosuch") == (1, "", message)
    message = "0518-507 odmget: Could not retrieve object for SRCnotify, odm errno 5904\n"
    assert run("odmget", "-q", "bad", "SRCnotify") == (1, "", message)
    stanza.write_text('SRCnotify:\n\tnotifymethod = "/y"\n')
    assert run("odmchange", "-o", "SRCnotify", "-q", "notifyname=clstrmgrES", str(stanza)) == (0, "", "")
    assert '"/y"' in run("odmget", "SRCnotify")[1]
    assert (
        run("odmdelete", "-q", "notifyname=nosuch", "-o", "SRCnotify")[1] == "0518-307 odmdelete: 0 objects deleted.\n"
    )
    assert run("odmdelete", "-o", "SRCnotify") == (0, "0518-307 odmdelete: 1 objects deleted.\n", "")
    assert run("odmget")[0] == 1
    stanza.write_text("SRCnotify\n")
    status, _, error = run("odmadd", str(stanza))
    assert status == 1
    assert "line 1" in error


def test_odmcreate_show_and_drop(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    description = tmp_path / "d.cre"
    description.write_text("class Mine { char who[10]; long age; };")
    assert run("odmcreate", "-c", str(description)) == (0, "Mine\n", "")
    assert run("odmcreate", "-c", str(description))[0] == 1
    assert run("odmcreate", "-c", str(tmp_path / "d")) == run("odmcreate", "-c", str(description)), (
        "the suffix is known"
    )
    assert run("odmcreate", "-c", "-h", str(description))[0] == 1
    assert run("odmcreate", "/nosuch")[2].startswith("0518-202 odmcreate: Cannot open /nosuch.cre: ")
    shown = run("odmshow", "Mine")[1]
    assert "\tchar who[10];                        /* offset: 0xc ( 12) */\n" in shown
    assert "population:\t0 objects (0 active, 0 deleted)" in shown
    assert run("odmdrop", "-o", "Mine") == (0, "", "")
    assert run("odmshow", "Mine")[0] == 1


def test_a_read_only_repository_is_one_sentence(run, root: NodeRoot) -> None:  # type: ignore[no-untyped-def]
    if os.geteuid() == 0:
        os.unlink(root.path("/etc/objrepos/SRCnotify"))
        os.mkdir(root.path("/etc/objrepos/SRCnotify"))
    else:
        os.chmod(root.path("/etc/objrepos"), 0o500)
    status, _, error = run("odmdelete", "-o", "SRCnotify")
    os.chmod(root.path("/etc/objrepos"), 0o700)
    assert status == 1
    assert error.startswith("0518-3")


def test_odmcreate_writes_c_sources(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    description = tmp_path / "friends.cre"
    description.write_text(
        "class Friend_Table { char Friend_of[20]; vchar Friend[20]; long Since; };\n"
        "class Fictional { char Story_Star[20]; short Age; binary Mask[4]; "
        "link Friend_Table Friend_Table Friend_of F[20]; };"
    )
    assert run("odmcreate", "-h", str(description)) == (0, "", "")
    golden = Path(__file__).parents[1] / "golden" / "odmcreate"
    for suffix in ("h", "c"):
        witness, _, expected = (golden / f"friends.{suffix}.txt").read_text().partition("\n")
        assert witness.startswith("# ")
        assert (tmp_path / f"friends.{suffix}").read_text() == expected
    assert run("odmshow", "Fictional")[0] == 1, "-h makes no classes"
    os.unlink("friends.h")
    os.mkdir("friends.h")
    status, _, said = run("odmcreate", str(description))
    assert status == 1
    assert said.startswith("0518-202 odmcreate: Cannot open friends.h")
    assert run("odmshow", "Fictional")[0] == 1, "all or nothing"


def test_binary_values_are_hexadecimal(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "b.cre").write_text("class B { binary mask[4]; };")
    assert run("odmcreate", "-c", str(tmp_path / "b.cre"))[0] == 0
    stanza = tmp_path / "in"
    for value, status in (("00ff", 0), ("00fF00aa", 0), ("00ff00aa00", 1), ("0", 1), ("xy", 1)):
        stanza.write_text(f"B:\n\tmask = {value}\n")
        assert run("odmadd", str(stanza))[0] == status, value
    assert run("odmget", "-q", "mask=00ff", "B")[1] == '\nB:\n\tmask = "00ff"\n'


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process remembers classes, until the test ends."""
    monkeypatch.setattr(repository_module, "_remembered", None)
    remember()


def test_a_remembered_class_is_parsed_once_and_again_when_it_changed(
    root: NodeRoot, remembering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, parsed = Repository(root), []
    path = Path(os.path.realpath(root.path("/etc/objrepos/HACMPlogs")))
    original = repository_module.stanza.parse
    monkeypatch.setattr(repository_module.stanza, "parse", lambda lines: parsed.append(1) or original(lines))
    os.utime(path, (1, 1))
    past = time.time_ns() + (1 << 40)  # the change time cannot be set back
    monkeypatch.setattr(repository_module.time, "time_ns", lambda: past)
    first = repository.get("HACMPlogs")
    first[0]["description"] = "what a caller does with its copy is its own affair"
    assert repository.get("HACMPlogs") == repository.get("HACMPlogs") != first
    assert len(parsed) == 1
    text = path.read_text()
    path.write_text(text.replace("hacmp.out", "hacmp.OUT"))  # as an editor does, to the same size
    assert repository.get("HACMPlogs", "name = hacmp.OUT")
    repository.change("HACMPlogs", "name = hacmp.OUT", {"name": "hacmp.out"})
    assert not repository.get("HACMPlogs", "name = hacmp.OUT")
    shutil.copy(path, path.parent / "MyClass")
    assert Repository(root, "/etc/es/objrepos").describe("MyClass").name == "MyClass"


def test_a_class_that_was_written_just_now_is_not_remembered(root: NodeRoot, remembering: None) -> None:
    repository = Repository(root)
    for number in range(60):
        value = f"{number:03}"
        # Another process writes, so that nothing but the file tells of it.
        descriptor = os.fork()
        if not descriptor:
            Repository(root).change("HACMPlogs", "name = hacmp.out", {"description": value})
            os._exit(0)
        os.waitpid(descriptor, 0)
        assert repository.get("HACMPlogs", "name = hacmp.out")[0]["description"] == value
