"""Every output form of the SRC commands, and that every flag of every command is covered by one."""

from __future__ import annotations

import os

import pytest

from srcctl.node import programs
from srcctl.odm import Repository
from tests.src.flags import FLAGS, table
from tests.src.node import ETC, Run, SrcNode
from tests.src.sessions import SESSIONS, Session, read_sessions, replay


@pytest.mark.parametrize("session", read_sessions(), ids=lambda session: session.name)
def test_session(session: Session, node: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if session.name == "no_answer":
        monkeypatch.setenv("SRC_TIME_LIMIT", "0.7")
    path = SESSIONS / f"{session.name}.txt"

    def settled(words: list[str]) -> tuple[int, str, str]:
        node.settle()
        return run(words)

    text = replay(session, settled)
    if "HAES_WRITE_GOLDEN" in os.environ:
        path.write_text(text)
    assert text == path.read_text()


def test_every_flag_of_every_command_has_an_output_that_is_pinned() -> None:
    """The table of ``scripts/flags`` has no gap; message queues are the one thing refused."""
    found = table()
    assert set(found) == set(FLAGS) == {p.path.rpartition("/")[2] for p in programs_of_src() if not p.daemon}
    assert [(c, f) for c, marks in found.items() for f, mark in marks.items() if mark == "not covered"] == []
    refused = {(c, f) for c, marks in found.items() for f, mark in marks.items() if mark == "refused"}
    assert refused == {("mkssys", "I"), ("mkssys", "m"), ("chssys", "I"), ("chssys", "m")}


def programs_of_src() -> list[programs.Program]:
    return programs.parse((ETC / "programs/src").read_text(), "src")


def test_a_group_of_a_hundred_is_answered_in_full(node: SrcNode, run: Run) -> None:
    repository = Repository(node.root, "/etc/objrepos")
    common = {"path": "/bin/one", "contact": 2, "signorm": 15, "sigforce": 9, "display": 1, "waittime": 20}
    repository.add_all("SRCsubsys", [{**common, "subsysname": f"s{n}", "grpname": "all"} for n in range(100)])
    status, out, err = run(["startsrc", "-g", "all"])
    assert (status, err, out.count("0513-059")) == (0, "", 100)
    assert run(["lssrc", "-g", "all"])[1].count(" active") == 100
    assert run(["stopsrc", "-g", "all"])[1].count("0513-044") == 100
