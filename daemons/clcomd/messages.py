"""What a client and a node's clcomd say to each other after the key challenge, in frames on one TCP connection."""

from __future__ import annotations

from daemons.runtime.plain_codec import PlainCodec
from srcctl.commands.record import Record

SERVICE = "clcomd_caa"
CHUNK = 256 << 10
"""Bytes of one piece of a stream."""
INPUTS_MAX = 4
NAMES_MAX = 500
"""Names of a directory in one answer."""


class Run(Record):
    """Run a command: an argument vector, or one string for the shell. ``stdin`` says that input follows."""

    arguments: tuple[str, ...] = ()
    shell: str = ""
    stdin: bool = False
    directory: str = "/"


class Input(Record):
    """A piece of the command's standard input; an empty one ends it."""

    data: bytes


class SignalCommand(Record):
    """Signal the command's process group."""

    number: int


class Put(Record):
    """Write a file: ``size`` bytes follow the frame. ``preserve`` keeps the modification time and the exact mode;
    otherwise a file that is there keeps its own, and a new one gets what the file mode creation mask leaves."""

    path: str
    size: int
    mode: int
    modified_ns: int = 0
    preserve: bool = False


class Get(Record):
    """Read a file."""

    path: str


class Look(Record):
    """Ask what a path is, and for the names in a directory that come after ``after``."""

    path: str
    after: str = ""


class MakeDirectory(Record):
    """Make a directory, or set the mode of the one that is there, and if given its time of modification."""

    path: str
    mode: int
    modified_ns: int = 0
    preserve: bool = False


class Output(Record):
    """A piece of the command's output; ``stream`` is 1 or 2."""

    stream: int
    data: bytes


class Taken(Record):
    """One ``Input`` was taken by the command.

    A client has at most ``INPUTS_MAX`` of them under way, so that its signals and its end are seen although the command
    does not read.
    """


class Ended(Record):
    """The command ended: an exit code, or 128 plus the signal's number."""

    status: int


class File(Record):
    """The answer to ``Get``: ``size`` bytes follow the frame."""

    size: int
    mode: int
    modified_ns: int


class Entry(Record):
    """The answer to ``Look``: ``kind`` is file, directory, other, or "" for nothing; ``more`` names follow the last."""

    kind: str
    mode: int = 0
    modified_ns: int = 0
    names: tuple[str, ...] = ()
    more: bool = False


class Done(Record):
    """The answer to ``Put``, or a refusal; ``error`` is empty on success."""

    error: str = ""


Request = Run | Input | SignalCommand | Put | Get | Look | MakeDirectory
Answer = Output | Taken | Ended | File | Entry | Done

# Commands speak this: what they need of it must load at once.
request_codec: PlainCodec[Request] = PlainCodec(
    {
        "run": Run, "input": Input, "signal": SignalCommand, "put": Put, "get": Get, "look": Look,
        "mkdir": MakeDirectory,
    },
    limit=CHUNK + 4096,
)  # fmt: skip
answer_codec: PlainCodec[Answer] = PlainCodec(
    {"output": Output, "taken": Taken, "ended": Ended, "file": File, "entry": Entry, "done": Done}, limit=CHUNK + 4096
)
