"""The odm* commands where an output alone does not tell: what files hold byte by byte, where classes are looked for."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from srcctl.node.root import NodeRoot
from srcctl.odm import OdmObject, Repository, commands
from srcctl.src.commands.definitions import mkssys

ETC = Path(__file__).parents[2] / "etc"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeRoot:
    """A node's root with an empty class ``Own`` in /etc/objrepos and in /other."""
    for name in ("ODMDIR", "ODMPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HAES_ROOT", str(tmp_path))
    root = NodeRoot(str(tmp_path))
    for directory in ("/etc/objrepos", "/other"):
        Path(root.path(directory)).mkdir(parents=True)
    Repository(root, "/etc/objrepos").create("class Own { char key[20]; vchar text[100]; };")
    Repository(root, "/other").create("class Own { char key[20]; vchar text[100]; }; class Other { short n; };")
    return root


def test_a_string_with_a_carriage_return_goes_both_ways_by_file_and_by_standard_input(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    repository = Repository(root)
    text = "one\rtwo\r\nthree\x85four\u2028five\x0b\x0c\x1c"
    repository.add("Own", {"key": "a", "text": text})
    assert commands.odmget(["odmget", "Own"]) == 0
    printed = capsys.readouterr().out.encode()
    (tmp_path / "stanzas").write_bytes(printed)
    assert commands.odmadd(["odmadd", str(tmp_path / "stanzas")]) == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(printed)))
    assert commands.odmadd(["odmadd"]) == 0
    assert [values["text"] for values in repository.get("Own")] == [text] * 3
    (tmp_path / "dos").write_bytes(b'Own:\r\n\tkey = "b"\r\n\r\nOwn:\r\n\tkey = c\r\n')
    assert commands.odmadd(["odmadd", str(tmp_path / "dos")]) == 0
    assert [values["key"] for values in repository.get("Own")] == ["a", "a", "a", "b", "c"]


def test_a_class_is_written_once_for_all_objects_of_a_file(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A thousand of them took forty seconds, one by one."""
    written: list[str] = []
    write = Repository._write

    def counted(self: Repository, path: str, *what: Any) -> None:
        written.append(path)
        write(self, path, *what)

    monkeypatch.setattr(Repository, "_write", counted)
    (tmp_path / "many").write_text("".join(f"Own:\n\tkey = {n}\n\n" for n in range(1000)))
    assert commands.odmadd(["odmadd", str(tmp_path / "many")]) == 0
    assert len(Repository(root).get("Own")) == 1000
    assert len(written) == 1


def test_a_class_is_looked_for_in_odmdir_and_then_in_odmpath(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Repository(root, "/other").add("Own", {"key": "other"})
    Repository(root, "/etc/objrepos").add("Own", {"key": "default"})
    assert commands.odmget(["odmget", "Other"]) == 1
    monkeypatch.setenv("ODMPATH", "/nowhere:/other")
    assert commands.odmget(["odmget", "Other"]) == 0
    assert commands.odmget(["odmget", "Own"]) == 0
    assert '"default"' in capsys.readouterr().out
    monkeypatch.setenv("ODMDIR", "/other")
    assert commands.odmget(["odmget", "Own"]) == 0
    assert '"other"' in capsys.readouterr().out
    monkeypatch.setenv("ODMDIR", "/etc/passwd")
    assert commands.odmget(["odmget", "Own"]) == 0, "of ODMPATH"


def test_of_many_that_define_the_same_subsystem_at_once_one_does(
    root: NodeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    Repository(root, "/etc/objrepos").create((ETC / "objrepos/src.cre").read_text())
    codes: list[int] = []
    get = Repository.get

    def slow(self: Repository, *asked: str) -> list[OdmObject]:
        found = get(self, *asked)
        time.sleep(0.05)  # in which the others look, too
        return found

    monkeypatch.setattr(Repository, "get", slow)

    def define() -> None:
        codes.append(mkssys(["mkssys", "-s", "one", "-p", "/bin/one", "-u", "0"]))

    threads = [threading.Thread(target=define) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [0] + [1] * 3
    assert len(Repository(root, "/etc/objrepos").get("SRCsubsys")) == 1
