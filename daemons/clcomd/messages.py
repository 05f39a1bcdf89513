"""What a client and a node's clcomd say to each other after the key challenge, in frames on one TCP connection."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from daemons.runtime.codec import Codec

SERVICE = "clcomd_caa"
CHUNK = 256 << 10
"""Bytes of one piece of a stream."""
INPUTS_MAX = 4
NAMES_MAX = 500
"""Names of a directory in one answer."""


class Run(msgspec.Struct, frozen=True, tag="run"):
    """Run a command: an argument vector, or one string for the shell. ``stdin`` says that input follows."""

    arguments: tuple[str, ...] = ()
    shell: str = ""
    stdin: bool = False
    directory: str = "/"


class Input(msgspec.Struct, frozen=True, tag="input"):
    """A piece of the command's standard input; an empty one ends it."""

    data: bytes


class SignalCommand(msgspec.Struct, frozen=True, tag="signal"):
    """Signal the command's process group."""

    number: int


class Put(msgspec.Struct, frozen=True, tag="put"):
    """Write a file: ``size`` bytes follow the frame. ``preserve`` keeps the modification time."""

    path: str
    size: int
    mode: int
    modified_ns: int = 0
    preserve: bool = False


class Get(msgspec.Struct, frozen=True, tag="get"):
    """Read a file."""

    path: str


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Ask what a path is, and for the names in a directory that come after ``after``."""

    path: str
    after: str = ""


class MakeDirectory(msgspec.Struct, frozen=True, tag="mkdir"):
    """Make a directory, or set the mode of the one that is there."""

    path: str
    mode: int


class Output(msgspec.Struct, frozen=True, tag="output"):
    """A piece of the command's output; ``stream`` is 1 or 2."""

    stream: int
    data: bytes


class Taken(msgspec.Struct, frozen=True, tag="taken"):
    """One ``Input`` was taken by the command.

    A client has at most ``INPUTS_MAX`` of them under way, so that its signals and its end are seen although the command
    does not read.
    """


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The command ended: an exit code, or 128 plus the signal's number."""

    status: int


class File(msgspec.Struct, frozen=True, tag="file"):
    """The answer to ``Get``: ``size`` bytes follow the frame."""

    size: int
    mode: int
    modified_ns: int


class Entry(msgspec.Struct, frozen=True, tag="entry"):
    """The answer to ``Look``: ``kind`` is file, directory, other, or "" for nothing; ``more`` names follow the last."""

    kind: str
    mode: int = 0
    names: tuple[str, ...] = ()
    more: bool = False


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The answer to ``Put``, or a refusal; ``error`` is empty on success."""

    error: str = ""


Request: TypeAlias = Run | Input | SignalCommand | Put | Get | Look | MakeDirectory
Answer: TypeAlias = Output | Taken | Ended | File | Entry | Done

request_codec: Codec[Request] = Codec(Request, limit=CHUNK + 4096)
answer_codec: Codec[Answer] = Codec(Answer, limit=CHUNK + 4096)
