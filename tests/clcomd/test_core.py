"""A connection's machine: one thing after the other, bounded input, and the end of a command whose client has gone."""

from __future__ import annotations

import signal

import pytest

from daemons.clcomd.core import (
    TERMINATION_GRACE_US,
    Asked,
    CommandEnded,
    Feed,
    Gone,
    InputTaken,
    Over,
    Send,
    Session,
    Signal,
    Start,
    Transfer,
    check_claim,
)
from daemons.clcomd.messages import INPUTS_MAX, Ended, Get, Input, Run, SignalCommand, Taken
from daemons.runtime.trust import Refused
from srcctl.machine import TICK, RemoteFault

RUN = Run(("true",))


def test_one_command_after_the_other() -> None:
    session = Session()
    assert session.step(0, Asked(RUN)) == [Start(RUN)]
    assert session.step(1, Asked(SignalCommand(15))) == [Signal(15)]
    assert session.step(1, Asked(SignalCommand(4711))) == []
    with pytest.raises(RemoteFault, match="while a command runs"):
        session.step(2, Asked(Get("/etc/hosts")))
    assert session.step(3, CommandEnded(0)) == [Send(Ended(0))]
    assert session.step(4, Asked(SignalCommand(15))) == [], "for a command that has ended already"
    assert session.step(5, Asked(Get("/etc/hosts"))) == [Transfer(Get("/etc/hosts"))]


def test_no_more_input_than_is_taken() -> None:
    session = Session()
    session.step(0, Asked(RUN))
    for _ in range(INPUTS_MAX + 1):
        assert session.step(1, Asked(Input(b"x"))) == [Feed(b"x")]
    assert session.step(2, InputTaken()) == [Send(Taken())]
    session.step(3, Asked(Input(b"x")))
    with pytest.raises(RemoteFault, match="more input"):
        session.step(4, Asked(Input(b"x")))


def test_the_command_of_a_lost_connection_is_ended() -> None:
    session = Session()
    session.step(0, Asked(RUN))
    assert session.step(10, Gone()) == [Signal(signal.SIGTERM)]
    assert session.next_deadline() == 10 + TERMINATION_GRACE_US
    assert session.step(20, TICK) == []
    assert session.step(10 + TERMINATION_GRACE_US, TICK) == [Signal(signal.SIGKILL)]
    assert session.next_deadline() is None
    assert session.step(30, Asked(RUN)) == []
    assert session.step(TERMINATION_GRACE_US + 20, CommandEnded(137)) == [Over()]
    assert Session().step(0, Gone()) == [Over()]


def test_who_may_talk() -> None:
    check_claim("node1", "node1", True)
    check_claim("operator", None, True)
    with pytest.raises(Refused, match="node2's"):
        check_claim("node1", "node2", True)
    with pytest.raises(Refused, match="no network"):
        check_claim("node1", "node1", False)
