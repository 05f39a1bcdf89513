"""Subsystems that do not keep to the protocol: whoever asks them is told so, in a sentence and in time."""

from __future__ import annotations

import time

import pytest

from srcctl.src import packets
from srcctl.src.packets import Reply, StatusCode, StatusReply
from srcctl.src.subsystem import Subsystem, receive
from tests.src import node as nodes
from tests.src.node import Run, SrcNode


class Foreign(Subsystem):
    """Answers every request with ``answers``, over and over if ``endless``. ``root`` is the node's real root."""

    answers: tuple[Reply | StatusReply, ...] = ()
    endless = False
    root = ""

    def serve_pending(self) -> None:
        while (request := receive(self._socket)) is not None:
            while True:
                for answer in self.answers:
                    packet = packets.encode_reply(answer._replace(retaddr=request.retaddr, tag=request.tag))
                    self._outbox.send(f"{self.root}{packets.SRC_DIRECTORY}/{request.retaddr}", packet)
                self._outbox.flush()
                if not self.endless or self.stopped:
                    break


@pytest.fixture
def foreign(node: SrcNode, run: Run, monkeypatch: pytest.MonkeyPatch) -> type[Foreign]:
    class Here(Foreign):
        root = node.root.directory

    monkeypatch.setitem(nodes.SUBSYSTEMS, "foreign", Here)
    assert run(["mkssys", "-s", "foreign", "-p", "/usr/sbin/foreign", "-u", "0"])[0] == 0
    assert run(["startsrc", "-s", "foreign"])[0] == 0
    return Here


def test_an_answer_with_a_number_of_its_own(foreign: type[Foreign], run: Run) -> None:
    for code in (7, 9999, -9017, 32767, -32768):
        foreign.answers = (Reply(code, "foreign"),)
        assert run(["refresh", "-s", "foreign"]) == (
            1, "", f"The foreign Subsystem answered with the code {code}.\n"
        )  # fmt: skip
        foreign.answers = (Reply(code, "", rtnmsg="in its own words"),)
        assert run(["traceson", "-s", "foreign"]) == (1, "", "in its own words\n")
        foreign.answers = (StatusReply((StatusCode(code, "foreign", "", packets.ERROR),)),)
        status, _, err = run(["lssrc", "-ls", "foreign"])
        assert (status, err.count("\n")) == (1, 1)


def test_a_status_of_unknown_codes_and_bytes(foreign: type[Foreign], run: Run) -> None:
    foreign.answers = (StatusReply((StatusCode(1, "x" * 200, "y" * 200, 5),), "text \x00 more"),)
    status, out, err = run(["lssrc", "-ls", "foreign"])
    assert (status, err) == (0, "")
    assert "text" in out


@pytest.mark.usefixtures("slow_asker")
def test_an_answer_that_never_ends(foreign: type[Foreign], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRC_TIME_LIMIT", "1")
    foreign.answers = (StatusReply((StatusCode(2, "foreign"),), "more and more", packets.STATCONTINUED),)
    foreign.endless = True
    begin = time.monotonic()
    status, out, err = run(["lssrc", "-ls", "foreign"])
    assert (status, out) == (1, "")
    assert err.startswith("0513-056 ")
    assert time.monotonic() - begin < 10
