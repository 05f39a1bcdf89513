"""One connection to clcomd after the challenge, as a pure machine: what is asked, and what a lost connection means.

A client has one thing done after the other. While a command runs only its input and signals for it are taken, and no
more input than it takes. A command whose client has gone is ended: SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import signal
from typing import TypeAlias

from msgspec import Struct

from daemons.clcomd.messages import (
    INPUTS_MAX,
    Answer,
    Ended,
    Get,
    Input,
    Look,
    MakeDirectory,
    Put,
    Request,
    Run,
    SignalCommand,
    Taken,
)
from daemons.runtime.trust import Refused
from srcctl.machine import SECOND, RemoteFault, Tick

TERMINATION_GRACE_US = 5 * SECOND
"""Between SIGTERM and SIGKILL for the command of a lost connection."""
SIGNALS_MAX = 64

FileRequest: TypeAlias = Put | Get | Look | MakeDirectory


class Asked(Struct, frozen=True):
    """Input: a message of the client."""

    request: Request


class InputTaken(Struct, frozen=True):
    """Input: the command has taken what one ``Feed`` gave it."""


class CommandEnded(Struct, frozen=True):
    """Input: the command ended and all its output was sent; an exit code, or 128 plus the signal's number."""

    status: int


class Gone(Struct, frozen=True):
    """Input: the client went away, or broke the rules and is to go."""


EventOfSession: TypeAlias = Asked | InputTaken | CommandEnded | Gone | Tick


class Start(Struct, frozen=True):
    """Effect: run a command; ``CommandEnded`` answers, also if it cannot be run."""

    run: Run


class Transfer(Struct, frozen=True):
    """Effect: do something with files and answer it, before the next message is read."""

    request: FileRequest


class Feed(Struct, frozen=True):
    """Effect: a piece of the command's standard input, b"" at its end; ``InputTaken`` answers."""

    data: bytes


class Signal(Struct, frozen=True):
    """Effect: signal the command's process group."""

    number: int


class Send(Struct, frozen=True):
    """Effect: an answer."""

    answer: Answer


class Over(Struct, frozen=True):
    """Effect: nothing is left of the session."""


Effect: TypeAlias = Start | Transfer | Feed | Signal | Send | Over


class Session:
    """The machine."""

    def __init__(self) -> None:
        self.running = False
        """A command runs."""
        self.gone = False
        self._inputs = 0
        self._kill_at: int | None = None

    def next_deadline(self) -> int | None:
        return self._kill_at

    def describe(self) -> dict[str, object]:
        return {"running": self.running, "gone": self.gone, "inputs": self._inputs}

    def step(self, now: int, value: EventOfSession) -> list[Effect]:
        """Take one input.

        Raises:
            RemoteFault: the client broke the rules; ``Gone`` is to follow.
        """
        match value:
            case Asked(request):
                return [] if self.gone else self._asked(request)
            case InputTaken():
                self._inputs -= 1
                return [] if self.gone else [Send(Taken())]
            case CommandEnded(status):
                self.running, self._kill_at, self._inputs = False, None, 0
                return [Over()] if self.gone else [Send(Ended(status))]
            case Gone() if not self.gone:
                self.gone = True
                if not self.running:
                    return [Over()]
                self._kill_at = now + TERMINATION_GRACE_US
                return [Signal(signal.SIGTERM)]
            case Tick() if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                return [Signal(signal.SIGKILL)]
        return []

    def _asked(self, request: Request) -> list[Effect]:
        match request:
            case Input(data):
                if not self.running:
                    return []  # for a command that has ended already
                self._inputs += 1
                if self._inputs > INPUTS_MAX + 1:
                    raise RemoteFault("more input than is taken")
                return [Feed(data)]
            case SignalCommand(number):
                return [Signal(number)] if self.running and 0 < number <= SIGNALS_MAX else []
        if self.running:
            raise RemoteFault("another request while a command runs")
        if isinstance(request, Run):
            self.running = True
            return [Start(request)]
        return [Transfer(request)]


def check_claim(name: str, node: str | None, reachable: bool) -> None:
    """Whether a client that holds the key may talk.

    Args:
        name: the node that it claims to be.
        node: whose address it comes from, None if that is no node's.
        reachable: a network leads from there to here.

    Raises:
        Refused: it may not.
    """
    if node is not None and node != name:
        raise Refused(f"it claims to be {name}, but the address is {node}'s")
    if node is not None and not reachable:
        raise Refused("no network leads there")
