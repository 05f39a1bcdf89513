"""Messages between lpar and srcmstr (an inherited SOCK_SEQPACKET pair) and between lpar and its control socket.

JSON in one packet a message, because both ends are parts of one operating system on one node and a trace of them should
be readable. A descriptor that belongs to a message travels with it (SCM_RIGHTS).
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

PACKET_MAX = 1 << 16
"""Bytes of one packet."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """srcmstr asks for a new process.

    ``socket`` says that a descriptor comes with the packet and becomes the program's standard input (the SRC socket of
    a subsystem with contact type 3). ``definition`` is kept by lpar and handed to a srcmstr that starts later.
    """

    instance: int
    path: str
    arguments: list[str]
    environment: dict[str, str]
    uid: int
    nice: int
    standin: str
    standout: str
    standerr: str
    socket: bool
    definition: str


class Signal(msgspec.Struct, frozen=True, tag="signal"):
    """srcmstr asks to signal an instance, with ``tree`` also everything that descends from it."""

    instance: int
    signal: int
    tree: bool = False


class Acknowledge(msgspec.Struct, frozen=True, tag="acknowledge"):
    """srcmstr has taken note of the end of an instance; lpar may forget it."""

    instance: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """srcmstr serves: it knows of all that runs, and reads requests."""


class Entry(msgspec.Struct, frozen=True):
    """One instance of the table. ``status`` (a wait status) is meaningful when ``ended``."""

    instance: int
    pid: int
    definition: str
    ended: bool = False
    status: int = 0


class Table(msgspec.Struct, frozen=True, tag="table"):
    """The first packet to a srcmstr: every instance that runs, and every end not acknowledged yet."""

    entries: list[Entry]


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The process exists."""

    instance: int
    pid: int


class StartFailed(msgspec.Struct, frozen=True, tag="start_failed"):
    """The process could not be made; ``error`` is an errno."""

    instance: int
    error: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The process ended with this wait status; repeated in the table until acknowledged."""

    instance: int
    status: int


ToLpar: TypeAlias = Start | Signal | Acknowledge | Ready
FromLpar: TypeAlias = Table | Started | StartFailed | Ended


class Halt(msgspec.Struct, frozen=True, tag="halt"):
    """Power the node off: ``q`` at once and without clean-up (``halt -q``), ``normal`` with rc.shutdown first."""

    mode: str
    reason: str = ""


class Reboot(msgspec.Struct, frozen=True, tag="reboot"):
    """Power the node off and on again."""

    mode: str
    reason: str = ""


class Telinit(msgspec.Struct, frozen=True, tag="telinit"):
    """Read /etc/inittab again (``q``) or change the run level."""

    level: str


class StatusRequest(msgspec.Struct, frozen=True, tag="status"):
    """Ask for the node's processes."""


ControlRequest: TypeAlias = Halt | Reboot | Telinit | StatusRequest


class ControlReply(msgspec.Struct, frozen=True):
    """The answer: ``error`` is empty on success; ``processes`` maps names as lssrc prints them to pids; ``level_since``
    is the time of the last change of the run level, in seconds since the epoch; ``src_serves`` says that srcmstr has
    announced that it serves."""

    error: str = ""
    processes: dict[str, int] = {}
    run_level: str = ""
    previous_level: str = ""
    level_since: float = 0.0
    src_serves: bool = False


to_lpar_decoder = msgspec.json.Decoder(ToLpar)
from_lpar_decoder = msgspec.json.Decoder(FromLpar)
control_decoder = msgspec.json.Decoder(ControlRequest)
control_reply_decoder = msgspec.json.Decoder(ControlReply)
encode = msgspec.json.encode
