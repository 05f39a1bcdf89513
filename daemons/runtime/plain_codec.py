"""Messages of programs that start often: records as MessagePack, versioned, bounded, checked against their fields.

The bytes are those of ``runtime.codec``, which every other conversation uses. To import that, and the library behind
it, takes a command longer than all else that it does; a conversation of few, flat messages does without. Where ours
differs: a text may hold bytes that are no UTF-8, in the manner of PEP 383, because names of files and arguments do.
"""

from __future__ import annotations

from srcctl.commands.record import Parametrized, Record
from srcctl.machine import RemoteFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    MessageT = TypeVar("MessageT")
else:
    MessageT = None


VERSION = 1
LENGTH_BYTES = 4
DEFAULT_LIMIT = 1 << 20
"""Bytes of one message on a stream, unless a codec says otherwise."""
TAG = "type"
DEPTH_MAX = 3
"""A message, a list in it, what the list holds."""


def check_bounds(data: bytes | bytearray | memoryview, limit: int) -> None:
    """Whatever has come from outside, before anything of it is read.

    Raises:
        RemoteFault: empty, oversized or of another version.
    """
    if not data:
        raise RemoteFault("empty message")
    if len(data) > limit:
        raise RemoteFault(f"message of {len(data)} bytes exceeds the limit of {limit}")
    if data[0] != VERSION:
        raise RemoteFault(f"message of version {data[0]}, expected {VERSION}")


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is str for one in value)


def _is(kind: type) -> object:
    return lambda value: type(value) is kind


KINDS = {"str": _is(str), "bytes": _is(bytes), "int": _is(int), "bool": _is(bool), "tuple[str, ...]": _is_names}
"""What a field of a record may be, as its annotation says, and how its value is checked."""


class PlainCodec(Parametrized[MessageT]):
    """Encodes and decodes one union of records.

    Args:
        messages: the records by their tags; their fields are of the ``KINDS``.
        limit: the largest encoded message in bytes, in both directions.
    """

    __slots__ = ("_fields", "_messages", "_tags", "limit")

    def __init__(self, messages: dict[str, type[Record]], limit: int = DEFAULT_LIMIT) -> None:
        self._messages = messages
        self._tags = {message: tag for tag, message in messages.items()}
        self._fields = {
            tag: {name: KINDS[kind] for name, kind in message.__annotations__.items()}
            for tag, message in messages.items()
        }
        self.limit = limit

    def encode(self, message: MessageT) -> bytes:
        """The message's bytes.

        Raises:
            ValueError: the message exceeds the limit (a defect of the sender).
        """
        kind: type[Record] = type(message)  # type: ignore[assignment]
        parts = [bytes((VERSION, 0x81 + len(kind._fields)))]
        _pack(TAG, parts)
        _pack(self._tags[kind], parts)
        for name, value in zip(kind._fields, message, strict=True):  # type: ignore[call-overload]
            _pack(name, parts)
            _pack(value, parts)
        data = b"".join(parts)
        if len(data) > self.limit:
            raise ValueError(f"a {kind.__name__} of {len(data)} bytes exceeds the limit of {self.limit}")
        return data

    def decode(self, data: bytes | bytearray | memoryview) -> MessageT:
        """The message in ``data``.

        Raises:
            RemoteFault: oversized, of another version, truncated, or not a message of this union.
        """
        check_bounds(data, self.limit)
        try:
            reader = _Reader(data, 1)
            value = reader.value(DEPTH_MAX)
            if reader.position != len(data) or not isinstance(value, dict):
                raise ValueError("more or something else than a message")
            tag = value.pop(TAG, None)
            if not isinstance(tag, str) or tag not in self._messages:
                raise ValueError("no message of that tag")
            fields, message = self._fields[tag], self._messages[tag]
            # A later level may add fields.
            known = {name: one for name, one in value.items() if name in fields}
            for name, one in known.items():
                if not fields[name](one):  # type: ignore[operator]
                    raise ValueError(f"{tag}: {name} is of another type")
            found: MessageT = message(**{n: tuple(v) if isinstance(v, list) else v for n, v in known.items()})  # type: ignore[call-overload]
            return found
        except (ValueError, TypeError, IndexError) as error:
            raise RemoteFault(f"malformed message: {error}") from None

    def frame(self, message: MessageT) -> bytes:
        """The message with its length in front, for a stream."""
        data = self.encode(message)
        return len(data).to_bytes(LENGTH_BYTES, "big") + data


def _pack(value: object, parts: list[bytes]) -> None:
    """A value in MessagePack: truth values, numbers of 64 bits, texts, bytes, lists."""
    if isinstance(value, bool):
        parts.append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int):
        parts.append(_number(value))
    elif isinstance(value, str):
        data = value.encode(errors="surrogateescape")
        parts += [_head(len(data), 0xA0, 31, b"\xd9\xda\xdb"), data]
    elif isinstance(value, (bytes, bytearray, memoryview)):
        parts += [_head(len(value), 0, -1, b"\xc4\xc5\xc6"), bytes(value)]
    elif isinstance(value, (tuple, list)):
        parts.append(_head(len(value), 0x90, 15, b"\0\xdc\xdd"))
        for one in value:
            _pack(one, parts)
    else:
        raise TypeError(f"a message has no {type(value).__name__}")


def _head(length: int, fixed: int, most: int, marks: bytes) -> bytes:
    """The head of something of a length: one byte up to ``most``, else a mark and the length in 1, 2 or 4 bytes."""
    if length <= most:
        return bytes((fixed | length,))
    size = 0 if length < 1 << 8 and marks[0] else 1 if length < 1 << 16 else 2
    return marks[size : size + 1] + length.to_bytes(1 << size, "big")


def _number(value: int) -> bytes:
    if -32 <= value < 128:
        return bytes((value & 0xFF,))
    for size, mark in enumerate(b"\xcc\xcd\xce\xcf"):
        if 0 <= value < 1 << (8 << size):
            return bytes((mark,)) + value.to_bytes(1 << size, "big")
    for size, mark in enumerate(b"\xd0\xd1\xd2\xd3"):
        if -(1 << ((8 << size) - 1)) <= value < 0:
            return bytes((mark,)) + value.to_bytes(1 << size, "big", signed=True)
    raise ValueError(f"{value} has more than 64 bits")


_LENGTHS = {
    0xC4: (1, "bytes"), 0xC5: (2, "bytes"), 0xC6: (4, "bytes"), 0xD9: (1, "str"), 0xDA: (2, "str"), 0xDB: (4, "str"),
    0xDC: (2, "list"), 0xDD: (4, "list"), 0xDE: (2, "dict"), 0xDF: (4, "dict"),
}  # fmt: skip
_NUMBERS = {
    0xCC: (1, False), 0xCD: (2, False), 0xCE: (4, False), 0xCF: (8, False), 0xD0: (1, True), 0xD1: (2, True),
    0xD2: (4, True), 0xD3: (8, True),
}  # fmt: skip


class _Reader:
    """Reads MessagePack; ValueError or IndexError where it is none, or holds what no message has."""

    __slots__ = ("_data", "position")

    def __init__(self, data: bytes | bytearray | memoryview, position: int) -> None:
        self._data = data
        self.position = position

    def _take(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if self.position > len(self._data):
            raise ValueError("it is truncated")
        return bytes(self._data[start : self.position])

    def value(self, depth: int) -> object:
        """The next value, with no more than ``depth`` levels in it."""
        mark = self._take(1)[0]
        if mark < 0x80 or mark >= 0xE0:
            return mark if mark < 0x80 else mark - 0x100
        if mark in (0xC2, 0xC3):
            return mark == 0xC3
        if mark in _NUMBERS:
            size, signed = _NUMBERS[mark]
            return int.from_bytes(self._take(size), "big", signed=signed)
        if mark in _LENGTHS:
            size, kind = _LENGTHS[mark]
            length = int.from_bytes(self._take(size), "big")
        elif mark < 0xC0:
            kind = "dict" if mark < 0x90 else "list" if mark < 0xA0 else "str"
            length = mark & (0x1F if kind == "str" else 0x0F)
        else:
            raise ValueError(f"byte {mark:#x} begins nothing that a message has")
        if kind == "bytes":
            return self._take(length)
        if kind == "str":
            return self._take(length).decode(errors="surrogateescape")
        # Each element takes a byte at least: a length that is a lie ends with the data.
        if not depth or length > len(self._data) - self.position:
            raise ValueError("it is too deep, or truncated")
        if kind == "list":
            return [self.value(depth - 1) for _ in range(length)]
        return {self._name(depth): self.value(depth - 1) for _ in range(length)}

    def _name(self, depth: int) -> str:
        name = self.value(0)
        if not isinstance(name, str):
            raise ValueError("a name is no text")
        return name
