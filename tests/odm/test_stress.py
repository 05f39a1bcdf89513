"""Many processes on one class: nothing confirmed is lost, nothing half is seen, whoever is killed when."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from srcctl.node.root import NodeRoot
from srcctl.odm import OdmError, Repository
from srcctl.odm.directories import replace_directory

SECONDS = 3.0
WRITER = """
import sys
from srcctl.node.root import NodeRoot
from srcctl.odm import Repository
repository, name, number = Repository(NodeRoot(sys.argv[1]), "/etc/objrepos"), sys.argv[2], 0
while True:
    number += 1
    key = f"{name}.{number}"
    repository.add_all("Ledger", [{"key": key, "part": "first"}, {"key": key, "part": "second"}])
    print("added", key, flush=True)
    if number % 3 == 0:
        assert repository.change("Ledger", f"key='{key}'", {"state": 7}) == 2
        print("changed", key, flush=True)
    if number % 4 == 0:
        gone = f"{name}.{number - 1}"
        assert repository.delete("Ledger", f"key='{gone}'") == 2
        print("deleted", gone, flush=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> NodeRoot:
    (tmp_path / "etc/objrepos").mkdir(parents=True)
    node = NodeRoot(str(tmp_path))
    Repository(node, "/etc/objrepos").create("class Ledger { char key[64]; char part[16]; long state; };")
    return node


class Writer:
    """A process that writes until it is killed; what it confirmed is remembered."""

    def __init__(self, root: NodeRoot, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, root.directory, name], stdout=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.lines.append(line.rstrip("\n"))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def parts(repository: Repository, class_name: str) -> dict[str, dict[str, int]]:
    """State by part, by key. Reading raises if the class is not whole."""
    found: dict[str, dict[str, int]] = {}
    for o in repository.get(class_name):
        found.setdefault(str(o["key"]), {})[str(o["part"])] = int(o["state"])
    return found


def consistent(state: dict[str, dict[str, int]]) -> None:
    """What one call added, changed or deleted is there as a whole or not at all."""
    for key, found in state.items():
        assert set(found) == {"first", "second"}, f"{key} is half there"
        assert len(set(found.values())) == 1, f"{key} is half changed"


def test_writers_are_killed_while_classes_are_copied(root: NodeRoot) -> None:
    chance, repository = random.Random(7), Repository(root, "/etc/objrepos")
    writers = [Writer(root, f"w{n}") for n in range(4)]
    dead: list[Writer] = []
    source, copy = root.path("/etc/objrepos/Ledger"), root.path("/etc/objrepos/Copy")
    deadline, copies = time.monotonic() + SECONDS, 0
    try:
        # A machine with other work takes longer for as much.
        while time.monotonic() < deadline or ((len(dead) < 2 or copies < 4) and time.monotonic() < deadline + 60):
            # cp is the real one: an administrator's. GNU's refuses a file that is replaced under its hands, in words.
            answer = subprocess.run(["cp", source, copy], capture_output=True, text=True, check=False)
            assert answer.returncode == 0 or "replaced while being copied" in answer.stderr, answer.stderr
            copies += answer.returncode == 0
            if copies:
                consistent(parts(repository, "Copy"))
            consistent(parts(repository, "Ledger"))
            if chance.random() < 0.4:
                victim = writers.pop(chance.randrange(len(writers)))
                victim.kill()
                dead.append(victim)
                writers.append(Writer(root, f"w{4 + len(dead)}"))
    finally:
        for writer in writers:
            writer.kill()
    confirmed: dict[str, int | None] = {}
    last: dict[str, str] = {}
    for writer in (*dead, *writers):
        for line in writer.lines:
            action, key = line.split()
            confirmed[key] = {"added": 0, "changed": 7, "deleted": None}[action]
            last[writer.name] = line
    state = parts(repository, "Ledger")
    consistent(state)
    for key, value in confirmed.items():
        name, _, number = key.partition(".")
        if value is None:
            assert key not in state, f"{key} was deleted and is back"
        elif key not in state:
            # Its writer may have died between the deletion and the word about it.
            assert int(number) % 4 == 3, f"{key} is lost"
            assert last[name].split()[1] == f"{name}.{int(number) + 1}", f"{key} is lost"
        elif value == 7:
            assert state[key]["first"] == 7, f"the change of {key} is lost"
    unconfirmed = [key for key in state if key not in confirmed]
    assert len(unconfirmed) <= len(dead) + len(writers), "at most what a writer had in hand when it died"
    assert copies > 3, "cp went on all the time"
    assert len(dead) >= 2
    assert sum(len(writer.lines) for writer in (*dead, *writers)) > 20
    # No lock outlives its writer.
    repository.add("Ledger", {"key": "end", "part": "first"})


def test_a_writer_in_the_middle_of_its_file_leaves_the_old_class(root: NodeRoot) -> None:
    """kill -9 between the first byte of the new file and the rename: the new file is rubbish beside the class."""
    repository = Repository(root, "/etc/objrepos")
    repository.add("Ledger", {"key": "a", "part": "first"})
    Path(root.path("/etc/objrepos/Ledger.new")).write_text("/* ODM object class */\nclass Led")
    assert repository.classes() == ["Ledger"]
    repository.add("Ledger", {"key": "b", "part": "first"})
    assert [o["key"] for o in repository.get("Ledger")] == ["a", "b"]
    assert sorted(os.listdir(root.path("/etc/objrepos"))) == ["Ledger", "Ledger.lock"], "the next writer takes it away"


def test_a_directory_of_classes_is_exchanged_in_one_step(tmp_path: Path) -> None:
    node, live = NodeRoot(str(tmp_path)), tmp_path / "active"
    stop, seen, errors = threading.Event(), set(), []

    def make(name: str, number: int) -> str:
        (tmp_path / name).mkdir()
        repository = Repository(node, f"/{name}")
        repository.create("class A { long number; }; class B { long number; };")
        for class_name in ("A", "B"):
            repository.add(class_name, {"number": number})
        return str(tmp_path / name)

    def look() -> None:
        while not stop.is_set():
            try:
                seen.add(Repository(node, "/active").get("A")[0]["number"])
            except (OdmError, IndexError) as error:
                errors.append(error)

    replace_directory(make("new", 0), str(live))
    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(1, 150):
            replace_directory(make("new", number), str(live))
            assert not (tmp_path / "new").exists()
    finally:
        stop.set()
        reader.join()
    assert not errors, errors[:3]
    assert len(seen) > 3
    assert sorted(os.listdir(tmp_path)) == ["active"]
    with pytest.raises(OSError):
        replace_directory(str(tmp_path / "nothing"), str(live))
    assert Repository(node, "/active").get("B") == [{"number": 149}]
