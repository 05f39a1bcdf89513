"""srcmstr is killed a hundred times while four askers start, stop and look: every answer is true, nothing is lost.

Each asker has subsystems of its own, so that it knows what each answer must be, whenever srcmstr dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from srcctl.errlog import read
from srcctl.node import power, processes
from srcctl.odm import Repository
from srcctl.src import packets
from srcctl.src.client import Asker
from srcctl.src.packets import Reply, Request, StatusReply
from tests.node.machine import Machine, lab_directory, wait_for

pytestmark = pytest.mark.end_to_end

KILLS = 100
ASKERS = 4
PATIENCE = 30.0
ETC = Path(__file__).parents[2] / "etc"
PROGRAMS = """
/usr/lib/caa tests.node.stand_ins:caa daemon
/usr/sbin/srcmstr srcctl.srcmstr.service:main daemon
/usr/sbin/standd tests.node.stand_ins:daemon daemon
"""


@pytest.fixture
def node() -> Iterator[Machine]:
    machine = Machine(lab_directory(), "folder")
    Path(machine.lab, "source", "programs", "stand_ins").write_text(PROGRAMS)
    repository = Repository(machine.root, "/etc/objrepos")
    os.makedirs(machine.root.path("/etc/objrepos"), exist_ok=True)
    repository.create((ETC / "objrepos/src.cre").read_text())
    common = {"path": "/usr/sbin/standd", "contact": 2, "signorm": 15, "sigforce": 9, "display": 1, "waittime": 20}
    for number in range(ASKERS):
        repository.add("SRCsubsys", {**common, "subsysname": f"daemon{number}", "action": 1, "standout": "/dev/null"})
        values = {**common, "subsysname": f"failing{number}", "action": 1, "cmdargs": "exit 3", "standout": "/dev/null"}
        repository.add("SRCsubsys", values)
    machine.boot()
    yield machine
    machine.halt()
    assert machine.left() == []
    shutil.rmtree(machine.lab)


class Operator:
    """Starts and stops ``daemonN``, starts ``failingN``, and believes no answer without a look."""

    def __init__(self, node: Machine, number: int, over: threading.Event) -> None:
        self.node = node
        self.asker = Asker(node.root)
        self.over = over
        self.daemon, self.failing = f"daemon{number}", f"failing{number}"
        self.failures = self.rounds = 0
        self.complaint: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.over.is_set():
                self.round()
                self.rounds += 1
        except BaseException as complaint:
            self.complaint = complaint
            self.over.set()

    def round(self) -> None:
        (started,) = self.ask(packets.START, self.daemon)
        assert started.rtncode == 59, started
        pid = int(started.objtext)
        assert self.row(self.daemon) == (packets.ACTIVE, pid)
        (again,) = self.ask(packets.START, self.daemon)
        assert again.rtncode == 29, "it runs, so another start is refused"
        assert processes.parent_and_state(pid)[1] not in ("", "Z", "X")
        (failed,) = self.ask(packets.START, self.failing)
        assert failed.rtncode == 59
        self.failures += 1
        (stopped,) = self.ask(packets.STOP, self.daemon, parm1=packets.NORMAL)
        assert stopped.rtncode == 44, stopped
        self.wait_inoperative(self.daemon)
        assert processes.parent_and_state(pid)[1] in ("", "Z", "X"), "what is inoperative has no process"
        (nothing,) = self.ask(packets.STOP, self.daemon)
        assert nothing.rtncode == 4
        self.wait_inoperative(self.failing)

    def ask(self, action: int, name: str, parm1: int = 0) -> list[Reply]:
        answers = self.asker.ask(Request(action, name, parm1=parm1), PATIENCE)
        assert all(isinstance(answer, Reply) for answer in answers)
        return answers  # type: ignore[return-value]

    def row(self, name: str) -> tuple[int, int]:
        """Status and pid of the one row that a name has."""
        (answer,) = self.asker.ask(Request(packets.STATUS, name, parm1=packets.SHORTSTAT), PATIENCE)
        assert isinstance(answer, StatusReply)
        assert len(answer.codes) == 2, f"not one row: {answer}"
        (row,) = answer.codes[1:]
        words = row.objtext.split()
        return row.status, int(words[-1]) if words else 0

    def wait_inoperative(self, name: str) -> None:
        self.wait(lambda: self.row(name)[0] == packets.INOPERATIVE, f"{name} is inoperative")

    def wait(self, look: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not look():
            assert time.monotonic() < deadline, what
            time.sleep(0.005)


def test_srcmstr_killed_a_hundred_times_under_load(node: Machine) -> None:
    over = threading.Event()
    operators = [Operator(node, number, over) for number in range(ASKERS)]
    threads = [threading.Thread(target=operator.run) for operator in operators]
    for thread in threads:
        thread.start()
    killed: set[int] = set()
    try:
        serving = incarnation(node)
        for number in range(KILLS):
            pid = wait_for(lambda: new_srcmstr(node, killed), "srcmstr is there again", PATIENCE)
            # One in three while it restores; the others while they answer (init gives up what never comes to serve).
            if number % 3:
                wait_for(lambda old=serving: incarnation(node) != old, "srcmstr serves again", PATIENCE)
            time.sleep(number * 7 % 23 / 1000)
            serving = incarnation(node)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
            if over.is_set():
                break
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE * 2)
    for operator in operators:
        if operator.complaint is not None:
            raise operator.complaint
    assert len(killed) == KILLS
    assert all(operator.rounds > 0 for operator in operators)
    # Whatever came to its end while there was no srcmstr was seen: an entry or a duplicate for each, none twice.
    failures = sum(operator.failures for operator in operators)
    entries = [entry for entry in read(node.root) if entry.label == "SRC_SVKO"]
    assert {dict(entry.details)["FAILING MODULE"].rstrip("0123") for entry in entries} == {"failing"}
    assert sum(1 + entry.duplicates for entry in entries) == failures, [
        (dict(entry.details)["FAILING MODULE"], entry.time) for entry in entries
    ]
    assert {dict(entry.details)["SYMPTOM CODE"].strip() for entry in entries} == {str(3 << 8)}
    left = [name for name in power.status(node.lab, node.name) if name not in ("lpar", "caa", "srcmstr")]
    assert left == []


def incarnation(node: Machine) -> str:
    """Which srcmstr serves, or served last; "" before the first one does."""
    try:
        return os.readlink(node.root.path(packets.SRC_INCARNATION))
    except FileNotFoundError:
        return ""


def new_srcmstr(node: Machine, killed: set[int]) -> int:
    pid = power.status(node.lab, node.name).get("srcmstr", 0)
    return pid if pid not in killed else 0
