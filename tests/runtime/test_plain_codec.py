"""The codec of commands that start often: msgspec's bytes without msgspec, and whatever else comes is refused."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.clcomd import messages
from daemons.runtime.plain_codec import PlainCodec
from srcctl.machine import RemoteFault

NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(max_size=300),
    "bytes": st.binary(max_size=300),
    "int": NUMBERS | st.sampled_from([-33, -32, -1, 127, 128, 255, 256, 65535, 65536, -129, -32769]),
    "bool": st.booleans(),
    "tuple[str, ...]": st.lists(st.text(max_size=5), max_size=20).map(tuple),
}
CODECS: tuple[PlainCodec[Any], ...] = (messages.request_codec, messages.answer_codec)
TAGGED = [(codec, tag, message) for codec in CODECS for tag, message in codec._messages.items()]
TYPES = {"str": str, "bytes": bytes, "int": int, "bool": bool, "tuple[str, ...]": tuple[str, ...]}
STRUCTS = {
    tag: msgspec.defstruct(tag, [(name, TYPES[kind]) for name, kind in message.__annotations__.items()], tag=tag)
    for _, tag, message in TAGGED
}


@st.composite
def drawn(draw: st.DrawFn) -> tuple[PlainCodec[Any], str, Any]:
    codec, tag, message = draw(st.sampled_from(TAGGED))
    fields = {name: draw(VALUES[kind]) for name, kind in message.__annotations__.items()}
    return codec, tag, message(**fields)


@given(drawn())
def test_the_bytes_are_those_of_msgspec(made: tuple[PlainCodec[Any], str, Any]) -> None:
    codec, tag, message = made
    data = codec.encode(message)
    assert data[1:] == msgspec.msgpack.encode(STRUCTS[tag](**message._asdict()))
    found = codec.decode(memoryview(bytearray(data)))
    assert (found, type(found)) == (message, type(message))
    assert codec.frame(message) == len(data).to_bytes(4, "big") + data


@given(st.sampled_from(CODECS), st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_fault(codec: PlainCodec[Any], data: bytes) -> None:
    for tried in (data, b"\1" + data, b"\1\x83\xa4type\xa3run\xa5stdin\xc3" + data):
        try:
            codec.encode(codec.decode(tried))
        except RemoteFault:
            pass


@given(drawn(), st.data())
def test_a_damaged_message_is_a_message_or_a_fault(made: tuple[PlainCodec[Any], str, Any], data: st.DataObject) -> None:
    codec, _, message = made
    whole = bytearray(codec.encode(message))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    try:
        codec.encode(codec.decode(whole))
    except RemoteFault:
        pass
    if place:
        with pytest.raises(RemoteFault):
            codec.decode(codec.encode(message)[:place])


def packed(**fields: Any) -> bytes:
    return b"\1" + msgspec.msgpack.encode(fields)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\2\x80",
        b"\1\x80",
        packed(type="nothing"),
        packed(type=1),
        packed(kind="run"),
        packed(type="signal"),  # a field is missing
        packed(type="signal", number=True),
        packed(type="signal", number="9"),
        packed(type="signal", number=None),
        packed(type="signal", number=1.5),
        packed(type="run", arguments="ls"),
        packed(type="run", arguments=["ls", 1]),
        packed(type="run", arguments=[["ls"]]),
        packed(type="run", stdin=1),
        packed(type="input", data="text"),
        packed(type="input", data=b"x") + b"\0",
        b"\1\x81\xc4\4type\xa5taken",
        b"\1\xdf\xff\xff\xff\xff",
        b"\1" + b"\x91" * 100_000,
        bytes(messages.request_codec.limit + 1),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteFault):
        messages.request_codec.decode(data)


def test_names_of_files_and_arguments_need_not_be_utf_8() -> None:
    latin = os.fsdecode("Müller".encode("latin-1"))
    found = messages.request_codec.decode(messages.request_codec.encode(messages.Run((latin,))))
    assert found == messages.Run((latin,))


def test_a_later_level_may_add_fields() -> None:
    found = messages.request_codec.decode(packed(type="run", shell="ls", priority=[1, {"a": 2}]))
    assert found == messages.Run(shell="ls")
    assert messages.request_codec.decode(packed(type="run")) == messages.Run()


def test_a_message_has_an_end() -> None:
    with pytest.raises(ValueError, match="exceeds the limit"):
        messages.request_codec.encode(messages.Input(bytes(messages.request_codec.limit)))
    with pytest.raises(ValueError, match="64 bits"):
        messages.request_codec.encode(messages.SignalCommand(1 << 64))
