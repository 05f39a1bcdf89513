"""Messages between lpar and srcmstr (an inherited SOCK_SEQPACKET pair) and between lpar and its control socket.

JSON in one packet a message, because both ends are parts of one operating system on one node and a trace of them should
be readable. A descriptor that belongs to a message travels with it (SCM_RIGHTS).

A message is an object of its fields and its ``type``, and is decoded in one place, which looks at the type of every
field. Not by msgspec as between the daemons: lpar and srcmstr alone would need it, a sixth of all their memory.
"""

from __future__ import annotations

from srcctl.commands import plain_json as json
from srcctl.commands.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, TypeAlias

PACKET_MAX = 1 << 16
"""Bytes of one packet."""
LPAR_DESCRIPTOR: Final = "HAES_LPAR_FD"
SRC_DESCRIPTOR: Final = "HAES_SRC_FD"
"""What srcmstr finds in its environment: the descriptors of its channel to lpar and of /dev/SRC."""
WATCHED_LPAR: Final = "HAES_LPAR_PID"
"""And, on a node without caa, the pid of the lpar that it watches."""


class DecodeError(ValueError):
    """A packet is no message of the kinds that are expected there; the text says why."""


class Start(Record):
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


class Signal(Record):
    """srcmstr asks to signal an instance, with ``tree`` also everything that descends from it."""

    instance: int
    signal: int
    tree: bool = False


class Acknowledge(Record):
    """srcmstr has taken note of the end of an instance; lpar may forget it."""

    instance: int


class Ready(Record):
    """srcmstr serves: it knows of all that runs, and reads requests."""


class Entry(Record):
    """One instance of the table. ``status`` (a wait status) is meaningful when ``ended``."""

    instance: int
    pid: int
    definition: str
    ended: bool = False
    status: int = 0


class Table(Record):
    """The first packet to a srcmstr: every instance that runs, and every end not acknowledged yet."""

    entries: list[Entry]


class Started(Record):
    """The process exists."""

    instance: int
    pid: int


class StartFailed(Record):
    """The process could not be made; ``error`` is an errno."""

    instance: int
    error: int


class Ended(Record):
    """The process ended with this wait status; repeated in the table until acknowledged."""

    instance: int
    status: int


ToLpar: TypeAlias = Start | Signal | Acknowledge | Ready
FromLpar: TypeAlias = Table | Started | StartFailed | Ended


class Halt(Record):
    """Power the node off: ``q`` at once and without clean-up (``halt -q``), ``normal`` with rc.shutdown first."""

    mode: str
    reason: str = ""


class Reboot(Record):
    """Power the node off and on again."""

    mode: str
    reason: str = ""


class Telinit(Record):
    """Read /etc/inittab again (``q``) or change the run level."""

    level: str


class StatusRequest(Record):
    """Ask for the node's processes."""


ControlRequest: TypeAlias = Halt | Reboot | Telinit | StatusRequest


class ControlReply(Record):
    """The answer: ``error`` is empty on success; ``processes`` maps names as lssrc prints them to pids; ``level_since``
    is the time of the last change of the run level, in seconds since the epoch; ``src_serves`` says that srcmstr has
    announced that it serves."""

    error: str = ""
    processes: dict[str, int] = {}  # noqa: RUF012 - nobody changes it
    run_level: str = ""
    previous_level: str = ""
    level_since: float = 0.0
    src_serves: bool = False


_TO_LPAR: Final[dict[str, type[Any]]] = {
    "start": Start,
    "signal": Signal,
    "acknowledge": Acknowledge,
    "ready": Ready,
}
_FROM_LPAR: Final[dict[str, type[Any]]] = {
    "table": Table,
    "started": Started,
    "start_failed": StartFailed,
    "ended": Ended,
}
_REQUESTS: Final[dict[str, type[Any]]] = {
    "halt": Halt,
    "reboot": Reboot,
    "telinit": Telinit,
    "status": StatusRequest,
}
_NAMES: Final[dict[type[Any], str]] = {
    kind: name for kinds in (_TO_LPAR, _FROM_LPAR, _REQUESTS) for name, kind in kinds.items()
}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "str": _is_text,
    "int": _is_number,
    "float": lambda value: isinstance(value, float) or _is_number(value),
    "bool": lambda value: isinstance(value, bool),
    "list[str]": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "dict[str, str]": lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    "dict[str, int]": lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    "list[Entry]": lambda value: isinstance(value, list),
}
"""What a value must be for a field of that annotation."""


def encode(message: ToLpar | FromLpar | ControlRequest | ControlReply) -> bytes:
    """The packet of a message."""
    values = message._asdict()
    if type(message) in _NAMES:
        values["type"] = _NAMES[type(message)]
    if isinstance(message, Table):
        values["entries"] = [entry._asdict() for entry in message.entries]
    return json.dumps(values).encode()


def decode_to_lpar(packet: bytes) -> ToLpar:
    """What srcmstr has sent.

    Raises:
        DecodeError: it is something else.
    """
    message: ToLpar = _decode(packet, _TO_LPAR)
    return message


def decode_from_lpar(packet: bytes) -> FromLpar:
    """What lpar has sent to srcmstr.

    Raises:
        DecodeError: it is something else.
    """
    message: FromLpar = _decode(packet, _FROM_LPAR)
    return message


def decode_request(packet: bytes) -> ControlRequest:
    """What came to the control socket.

    Raises:
        DecodeError: it is something else.
    """
    message: ControlRequest = _decode(packet, _REQUESTS)
    return message


def decode_reply(packet: bytes) -> ControlReply:
    """What the control socket has answered.

    Raises:
        DecodeError: it is something else.
    """
    reply: ControlReply = _record(ControlReply, _values(packet))
    return reply


def _values(packet: bytes) -> Any:
    try:
        return json.loads(packet)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"no JSON: {error}") from None


def _decode(packet: bytes, kinds: dict[str, type[Any]]) -> Any:
    values = _values(packet)
    name = values.get("type") if isinstance(values, dict) else None
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise DecodeError(f"not one of {', '.join(kinds)}")
    return _record(kind, values)


def _record(kind: type[Any], values: object) -> Any:
    if not isinstance(values, dict):
        raise DecodeError("a record is an object")
    found = {}
    for field, annotation in kind.__annotations__.items():
        if field not in values:
            continue
        if not _TYPES[annotation](values[field]):
            raise DecodeError(f"{field} is not of type {annotation}")
        found[field] = values[field]
    if kind is Table and "entries" in found:
        found["entries"] = [_record(Entry, entry) for entry in found["entries"]]
    try:
        return kind(**found)
    except TypeError as error:
        raise DecodeError(str(error)) from None
