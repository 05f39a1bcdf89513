"""Messages between processes: typed structs as MessagePack, versioned, bounded, decoded in this one place."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from daemons.runtime.plain_codec import DEFAULT_LIMIT, LENGTH_BYTES, VERSION, check_bounds
from srcctl.machine import RemoteFault

__all__ = ["DEFAULT_LIMIT", "LENGTH_BYTES", "SMALL", "VERSION", "Codec"]

_PREFIX = bytes((VERSION,))
SMALL = 4096

MessageT = TypeVar("MessageT")


class Codec(Generic[MessageT]):
    """Encodes and decodes one union of tagged structs.

    Args:
        message_type: a struct, or a union of structs with distinct tags.
        limit: the largest encoded message in bytes, in both directions.
    """

    __slots__ = ("_decoder", "_encoder", "limit")

    def __init__(self, message_type: Any, limit: int = DEFAULT_LIMIT) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[MessageT] = msgspec.msgpack.Decoder(message_type)
        self.limit = limit

    def encode(self, message: MessageT) -> bytes:
        """The message's bytes.

        Raises:
            ValueError: the message exceeds the limit (a defect of the sender).
        """
        data = _PREFIX + self._encoder.encode(message)
        if len(data) > self.limit:
            raise ValueError(f"a {type(message).__name__} of {len(data)} bytes exceeds the limit of {self.limit}")
        return data

    def decode(self, data: bytes | bytearray | memoryview) -> MessageT:
        """The message in ``data``.

        Raises:
            RemoteFault: oversized, of another version, truncated, or not a message of this union.
        """
        check_bounds(data, self.limit)
        try:
            # A copy of a few octets costs less than two views.
            body = data[1:] if len(data) <= SMALL else memoryview(data)[1:]
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteFault(f"malformed message: {error}") from None

    def frame(self, message: MessageT) -> bytes:
        """The message with its length in front, for a stream."""
        data = self.encode(message)
        return len(data).to_bytes(LENGTH_BYTES, "big") + data
